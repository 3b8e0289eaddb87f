"""Calibration of probabilities: predicted and observed shares of positives in bins, with intervals over people."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from lfnet.evaluation.classes import calibration_curve

__all__ = ["CalibrationBin", "calibration_bins", "count_bins"]

_MAX_BINS = 5
_MIN_IN_BIN = 10


class CalibrationBin(NamedTuple):
    """Mean probability, share of positives with its interval, and numbers of recordings and people of a bin."""

    predicted: float
    observed: float
    low: float
    high: float
    recordings: int
    people: int


def count_bins(rows: int) -> int:
    """How many bins so many recordings or people support: ten in each, five bins at most."""
    return min(_MAX_BINS, rows // _MIN_IN_BIN)


def calibration_bins(
    positive: ArrayLike, probability: ArrayLike, person: ArrayLike, level: float = 0.95
) -> tuple[CalibrationBin, ...]:
    """Compare probabilities with the observed shares of positives, in bins of equal numbers of recordings.

    The interval is Wilson's (1927), with the people of a bin as its n: recordings of one person are not independent, so
    that it is too wide rather than too narrow where people have several.

    Parameters
    ----------
    positive : array_like of bool, shape [N]
    probability : array_like, shape [N]
    person : array_like, shape [N]
        The person of each recording.
    level : float
        Of the intervals.

    Returns
    -------
    tuple of CalibrationBin
        Empty where fewer than 20 people were scored, or all have one probability.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> probability = random.uniform(size=200)
    >>> found = calibration_bins(random.uniform(size=200) < probability, probability, np.arange(200))
    >>> [f"{one.predicted:.2f}: {one.observed:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in found][:2]
    ['0.10: 0.07 [0.03, 0.20]', '0.34: 0.25 [0.14, 0.40]']
    """
    y, p = np.asarray(positive, np.float64), np.asarray(probability, np.float64)
    person_N = np.asarray(person)
    bins = count_bins(len(np.unique(person_N)))
    if bins < 2 or np.ptp(p) == 0:
        return ()
    place_N = np.searchsorted(np.percentile(p, np.linspace(0, 100, bins + 1))[1:-1], p)
    people = [len(np.unique(person_N[place_N == place])) for place in np.unique(place_N)]
    z = float(ndtri(0.5 + level / 2))
    found = []
    for predicted, observed, count, n in zip(*calibration_curve(y, p, bins), people, strict=True):
        middle, half = observed + z**2 / (2 * n), z * np.sqrt(observed * (1 - observed) / n + z**2 / (4 * n**2))
        low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
        found.append(CalibrationBin(float(predicted), float(observed), float(low), float(high), int(count), n))
    return tuple(found)
