"""Offsets of people: how far a model's scores are off for a person, by empirical Bayes.

The error on recording j of person i is modelled as e_ij = label − score = a + b_i + ε_ij, with the person's offset
b_i ~ N(0, τ²) and ε_ij ~ N(0, σ²). From k labelled recordings the best linear unbiased prediction of b_i is their mean
error about a, times kθ / (1 + kθ), θ = τ² / σ². It is the empirical Bayes estimate where θ, a and σ² are estimated on
other people, as here, by restricted maximum likelihood; for a random intercept that is a search over θ alone.

References
----------
Henderson (1975), "Best linear unbiased estimation and prediction under a selection model", Biometrics 31.
Robinson (1991), "That BLUP is a good thing", Statistical Science 6.
Patterson and Thompson (1971), "Recovery of inter-block information when block sizes are unequal", Biometrika 58.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError

__all__ = ["Offsets", "fit_line", "fit_offsets"]

Floats = NDArray[np.float64]

_GRID = 200  # of the share of variance that is between people, before the search is refined
_GOLDEN = (np.sqrt(5) - 1) / 2
_REFINED = 60  # golden sections: the share is known to 1e-14 then
_MIN_PEOPLE = 5  # with two recordings or more; fewer cannot separate offsets from errors


@dataclass(frozen=True)
class Offsets:
    """The fitted model, in points: label = general + slope · score + the person's offset + error.

    Parameters
    ----------
    general, slope : float
    between, within : float
        The variances τ² and σ².
    people, recordings : int
        How many it was estimated from.

    Examples
    --------
    >>> model = Offsets(general=1.0, slope=1.0, between=4.0, within=4.0, people=20, recordings=60)
    >>> model.weight(1), model.person([20.0], [15.0]), float(model.adjust(10.0))
    (0.5, 2.0, 11.0)
    """

    general: float
    slope: float
    between: float
    within: float
    people: int
    recordings: int

    @property
    def ratio(self) -> float:
        """θ = τ² / σ²."""
        return self.between / self.within if self.within > 0 else np.inf

    def weight(self, k: int) -> float:
        """The share of k recordings' mean error that counts as the person's offset: kθ / (1 + kθ), 0 for k = 0."""
        if not k or not self.between:
            return 0.0
        return 1.0 if np.isinf(self.ratio) else float(k * self.ratio / (1 + k * self.ratio))

    def person(self, label_K: ArrayLike, score_K: ArrayLike) -> float:
        """Estimate the person's offset from k labelled recordings; 0 for k = 0."""
        error_K = np.asarray(label_K, np.float64) - self.adjust(score_K)
        return self.weight(len(error_K)) * float(error_K.mean()) if len(error_K) else 0.0

    def adjust(self, score_N: ArrayLike) -> Floats:
        """Put scores on the scale of the labels, for a person without an offset."""
        return np.asarray(self.general + self.slope * np.asarray(score_N, np.float64))


def fit_offsets(label_N: ArrayLike, score_N: ArrayLike, person_N: ArrayLike, *, slope: bool = False) -> Offsets:
    """Estimate the variance of people's offsets by restricted maximum likelihood.

    Parameters
    ----------
    label_N, score_N : array_like
        Points of recordings that the model was not trained on.
    person_N : array_like
        The person of each.
    slope : bool
        Whether to fit a slope of labels on scores; without it the slope is 1.

    Returns
    -------
    Offsets

    Raises
    ------
    LfnetError
        Fewer than 5 people with two recordings or more, or scores that are all equal where a slope is fitted.
    """
    label, score = np.asarray(label_N, np.float64), np.asarray(score_N, np.float64)
    names, person = np.unique(np.asarray(person_N), return_inverse=True)
    count_P = np.bincount(person)
    if (several := int((count_P > 1).sum())) < _MIN_PEOPLE:
        raise LfnetError(
            f"{several} of {len(names)} people have two labelled recordings or more: to separate people's offsets from "
            f"errors needs {_MIN_PEOPLE}."
        )
    X_NC = np.column_stack([np.ones_like(score), *[score] * slope])
    if slope and np.ptp(score) == 0:
        raise LfnetError("scores that are all equal have no slope: leave out --slope.")
    y_N = label if slope else label - score
    model = _RandomIntercept(X_NC, y_N, person, count_P)
    share = _minimise(model.criterion)
    beta, within = model.estimate(share)
    between = within * share / (1 - share)
    return Offsets(
        float(beta[0]), float(beta[1]) if slope else 1.0, float(between), float(within), len(names), len(label)
    )


def fit_line(label_N: ArrayLike, score_N: ArrayLike, person_N: ArrayLike) -> tuple[float, float]:
    """Estimate intercept and slope of labels on scores, with people's offsets as in `fit_offsets` where they can be.

    With fewer than 5 people with two recordings or more it is the least-squares line.

    Raises
    ------
    LfnetError
        Scores that are all equal.

    Examples
    --------
    >>> intercept, slope = fit_line([10.0, 20.0, 30.0], [14.0, 19.0, 24.0], ["ann", "bob", "cy"])
    >>> round(intercept, 6), round(slope, 6)
    (-18.0, 2.0)
    """
    _, counts = np.unique(np.asarray(person_N), return_counts=True)
    if (counts > 1).sum() >= _MIN_PEOPLE:
        fitted = fit_offsets(label_N, score_N, person_N, slope=True)
        return fitted.general, fitted.slope
    label, score = np.asarray(label_N, np.float64), np.asarray(score_N, np.float64)
    if len(score) < 2 or np.ptp(score) == 0:
        raise LfnetError("scores that are all equal have no slope.")
    slope, intercept = np.polyfit(score - score.mean(), label, 1)
    return float(intercept - slope * score.mean()), float(slope)


@dataclass(frozen=True)
class _RandomIntercept:
    """The restricted likelihood of a random intercept as a function of ρ = τ² / (τ² + σ²), profiled over the rest.

    V / σ² = I + θJ within a person, so V⁻¹σ² = I − θ / (1 + nθ) J and log |V / σ²| = log(1 + nθ).
    """

    X_NC: Floats
    y_N: Floats
    person_N: NDArray[np.intp]
    count_P: NDArray[np.intp]

    def estimate(self, share: float) -> tuple[Floats, float]:
        """The coefficients [C] and σ² given ρ."""
        beta, rss, _ = self._solve(share)
        return beta, rss / (len(self.y_N) - self.X_NC.shape[1])

    def criterion(self, share: float) -> float:
        """−2 log restricted likelihood given ρ, up to a constant."""
        _, rss, XVX = self._solve(share)
        theta = share / (1 - share)
        free = len(self.y_N) - self.X_NC.shape[1]
        rss = max(rss, np.finfo(float).tiny)
        return float(np.log1p(self.count_P * theta).sum() + free * np.log(rss) + np.linalg.slogdet(XVX)[1])

    def _solve(self, share: float) -> tuple[Floats, float, Floats]:
        theta = share / (1 - share)
        shrink_P = theta / (1 + self.count_P * theta)
        together = np.column_stack([self.X_NC, self.y_N])
        sums_P = np.stack([np.bincount(self.person_N, column) for column in together.T], axis=1)
        inner = together.T @ together - sums_P.T @ (shrink_P[:, None] * sums_P)
        XVX, XVy, yVy = inner[:-1, :-1], inner[:-1, -1], inner[-1, -1]
        beta: Floats = np.asarray(np.linalg.solve(XVX, XVy), np.float64)
        return beta, float(yVy - beta @ XVy), XVX


def _minimise(criterion: Callable[[float], float]) -> float:
    """Minimise over ρ in [0, 1): the best of a grid, then golden sections between its neighbours."""
    grid = np.arange(_GRID) / _GRID
    best = int(np.argmin([criterion(share) for share in grid]))
    low, high = grid[max(0, best - 1)], min(grid[best] + 1 / _GRID, 1 - 1e-9)
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = criterion(inner), criterion(outer)
    for _ in range(_REFINED):
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = criterion(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = criterion(outer)
    found = float((low + high) / 2)
    return 0.0 if criterion(0.0) <= criterion(found) else found
