"""Simulated people, labels and heads with known true metrics, on which intervals and tests are measured.

Severity is skewed (the simulated cohort's beta distribution over 0–63). People have several recordings (84 people for
150 recordings) whose severities correlate. Errors of a head correlate within a person and grow with severity, and each
seed of a head has a bias, a slope and noise of its own. Given severity a score is normal, so the truth is an integral
over a grid, not a simulation.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

LOW, HIGH, MEAN, SD = 0.0, 63.0, 15.0, 12.0
LABEL_NOISE = 2.0
WITHIN_PERSON = 0.7  # correlation of one person's severities, on the normal scale
PEOPLE_PER_RECORDING = 84 / 150
MAX_SESSIONS = 4
CONSTANT = 12.0  # the constant that skill compares with: about the median label

_SHARE = (MEAN - LOW) / (HIGH - LOW)
_SIZE = _SHARE * (1 - _SHARE) / (SD / (HIGH - LOW)) ** 2 - 1
BETA = (_SHARE * _SIZE, (1 - _SHARE) * _SIZE)


@dataclass(frozen=True)
class Head:
    """Model of scores: 15 + bias + 12 · spread · slope · (follows · u + noise), u severity on its normal scale.

    The noise has variance 1 − follows² at u = 0 and an SD that grows by exp(growth · u); `own` of its variance is the
    person's. A seed adds N(0, seed_bias) points, multiplies the slope by 1 + N(0, seed_slope), and adds noise of
    seed_noise points to each recording.
    """

    follows: float
    spread: float
    growth: float = 0.2
    own: float = 0.4
    bias: float = 0.0
    seed_bias: float = 0.5
    seed_slope: float = 0.1
    seed_noise: float = 2.0

    def centre(self, u, bias, slope):
        return MEAN + self.bias + bias + SD * self.spread * slope * self.follows * u

    def noise_sd(self, u, slope):
        return SD * self.spread * slope * np.sqrt(1 - self.follows**2) * np.exp(self.growth * u)


HEADS = {
    "weak": Head(0.3, 0.5),
    "fair": Head(0.6, 0.7),
    "strong": Head(0.85, 0.9),
}


def severity(u):
    return LOW + (HIGH - LOW) * special.betaincinv(*BETA, special.ndtr(u))


def _label(u, noise):
    return np.clip(np.rint(severity(u) + LABEL_NOISE * noise), LOW, HIGH)


def _grid():
    """Values of u and of the label, with their probabilities."""
    points, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    u, y, p = [], [], []
    labels = np.arange(LOW, HIGH + 1)
    for point, weight in zip(points, weights, strict=True):
        edges = special.ndtr((labels[:-1] + 0.5 - severity(point)) / LABEL_NOISE)
        share = np.diff(np.concatenate([[0.0], edges, [1.0]]))
        kept = share > 1e-9
        u.append(np.full(kept.sum(), point))
        y.append(labels[kept])
        p.append(weight * share[kept])
    p = np.concatenate(p)
    kept = p > 1e-12
    return np.concatenate(u)[kept], np.concatenate(y)[kept], p[kept] / p[kept].sum()


GRID = _grid()


def truth(head, bias=0.0, slope=1.0):
    """The metrics of one trained model (a head with a seed's bias and slope) over all people there could be."""
    u, y, p = GRID
    centre, sd = head.centre(u, bias, slope), np.hypot(head.noise_sd(u, slope), head.seed_noise)
    gap = centre - y
    mae = p @ (sd * np.sqrt(2 / np.pi) * np.exp(-0.5 * (gap / sd) ** 2) + gap * (1 - 2 * special.ndtr(-gap / sd)))
    mean_y, mean_s = p @ y, p @ centre
    var_y, var_s = p @ (y - mean_y) ** 2, p @ ((centre - mean_s) ** 2 + sd**2)
    cov = p @ ((y - mean_y) * (centre - mean_s))
    return {
        "mae": mae,
        "rmse": np.sqrt(p @ (gap**2 + sd**2)),
        "pcc": cov / np.sqrt(var_y * var_s),
        "ccc": 2 * cov / (var_y + var_s + (mean_y - mean_s) ** 2),
        "sigma_ratio": np.sqrt(var_s / var_y),
        "var_ratio": var_s / var_y,
        "skill": 1 - mae / (p @ np.abs(y - CONSTANT)),
    }


def over_seeds(head, points=9):
    """The metrics' expectation over seeds: what an architecture scores."""
    x, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()
    total = {}
    for one, share in zip(x, weights, strict=True):
        for other, part in zip(x, weights, strict=True):
            at = truth(head, head.seed_bias * one, 1 + head.seed_slope * other)
            for metric, value in at.items():
                total[metric] = total.get(metric, 0.0) + share * part * value
    return total


def with_mae_of(head, other, over=0.0):
    """`head` with such a bias (upwards) that its true MAE over seeds is that of `other`, and `over` points more."""
    target = over_seeds(other)["mae"] + over

    def excess(bias):
        return over_seeds(replace(head, bias=bias))["mae"] - target

    biases = np.linspace(-20.0, 20.0, 17)
    least = biases[np.argmin([excess(bias) for bias in biases])]
    return replace(head, bias=optimize.brentq(excess, least, 40.0))


@dataclass(frozen=True)
class People:
    """A cohort's recordings: person of each (0 … P − 1), severity on its normal scale, label."""

    person: np.ndarray
    u: np.ndarray
    label: np.ndarray


def people(random, recordings):
    """Draw the person of each recording: each person once, the rest at random, at most four times."""
    count = round(recordings * PEOPLE_PER_RECORDING)
    slots = np.tile(np.arange(count), MAX_SESSIONS - 1)
    person = np.concatenate([np.arange(count), random.permutation(slots)[: recordings - count]])
    u = np.sqrt(WITHIN_PERSON) * random.standard_normal(count)[person]
    u = u + np.sqrt(1 - WITHIN_PERSON) * random.standard_normal(recordings)
    return People(person, u, _label(u, random.standard_normal(recordings)))


def scores(random, head, who, seeds, drawn=None):
    """Scores [seeds, n] of one head, and each seed's (bias, slope): those of another head's seeds, where given."""
    count = who.person.max() + 1
    shared = np.sqrt(head.own) * random.standard_normal(count)[who.person]
    shared = shared + np.sqrt(1 - head.own) * random.standard_normal(len(who.u))
    bias = head.seed_bias * random.standard_normal((seeds, 1))
    slope = 1 + head.seed_slope * random.standard_normal((seeds, 1))
    if drawn is not None:
        bias, slope = (np.array(column)[:, None] for column in zip(*drawn, strict=True))
    scored = head.centre(who.u, bias, slope) + head.noise_sd(who.u, slope) * shared
    scored = scored + head.seed_noise * random.standard_normal(scored.shape)
    return scored, list(zip(bias[:, 0], slope[:, 0], strict=True))
