"""Adapting a model to a person of whom some recordings are labelled: a shrunken offset, and what it gains.

A model's error on recording j of person i is taken as e_ij = label − score = a + b_i + ε_ij, b_i ~ N(0, τ²) the
person's own offset and ε_ij ~ N(0, σ²). Of k labelled recordings the best linear unbiased prediction of b_i is their
mean error about a, times kθ / (1 + kθ), θ = τ² / σ² (Henderson 1975, "Best linear unbiased estimation and prediction
under a selection model", Biometrics 31; Robinson 1991, "That BLUP is a good thing", Statistical Science 6). It is the
empirical Bayes estimate where θ, a and σ² are estimated on other people, as they are here, by restricted maximum
likelihood (Patterson and Thompson 1971, Biometrika 58): for a random intercept that is a search over θ alone.

Only the labels of recordings that are never scored are used; no weight of the model is changed.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError

__all__ = ["Offsets", "adapted", "fit_offsets", "usable"]

Floats = NDArray[np.float64]

_GRID = 200  # of the share of variance that is between people, before the search is refined
_GOLDEN = (np.sqrt(5) - 1) / 2
_REFINED = 60  # golden sections: the share is known to 1e-14 then
_FEWEST = 5  # people with two recordings or more, below whom nothing can be said of offsets


@dataclass(frozen=True)
class Offsets:
    """How people's errors vary, in points: label = general + slope · score + the person's offset + error.

    between, within: the variances τ² and σ². people, recordings: from how many it was estimated.
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
        """The share of k recordings' mean error that is taken for the person's own: kθ / (1 + kθ), 0 for none."""
        if not k or not self.between:
            return 0.0
        return 1.0 if np.isinf(self.ratio) else float(k * self.ratio / (1 + k * self.ratio))

    def person(self, label_K: ArrayLike, score_K: ArrayLike) -> float:
        """The person's offset from k labelled recordings; 0 from none."""
        error_K = np.asarray(label_K, np.float64) - self.adjust(score_K)
        return self.weight(len(error_K)) * float(error_K.mean()) if len(error_K) else 0.0

    def adjust(self, score_N: ArrayLike, offset: float = 0.0) -> Floats:
        """Scores as they are to be read of a person with this offset."""
        return np.asarray(self.general + self.slope * np.asarray(score_N, np.float64) + offset)


def fit_offsets(label_N: ArrayLike, score_N: ArrayLike, person_N: ArrayLike, *, slope: bool = False) -> Offsets:
    """Estimate people's offsets by restricted maximum likelihood.

    label_N, score_N: [N] points of recordings that the model was not trained on; person_N: whose they are. slope: let
    labels rise by another factor than scores; without it they rise by 1.
    Raises `LfnetError` for fewer than 5 people with two recordings or more: nothing tells a person from an error then.
    """
    label, score = np.asarray(label_N, np.float64), np.asarray(score_N, np.float64)
    names, person = np.unique(np.asarray(person_N), return_inverse=True)
    count_P = np.bincount(person)
    if (several := int((count_P > 1).sum())) < _FEWEST:
        raise LfnetError(
            f"{several} of {len(names)} people have two labelled recordings or more: offsets of people are not to be "
            f"told from errors by fewer than {_FEWEST}."
        )
    X_NC = np.column_stack([np.ones_like(score), *[score] * slope])
    if slope and np.ptp(score) == 0:
        raise LfnetError("scores that are all alike cannot be stretched: leave out --slope.")
    y_N = label if slope else label - score
    model = _RandomIntercept(X_NC, y_N, person, count_P)
    share = _least(model.criterion)
    beta, within = model.estimate(share)
    between = within * share / (1 - share)
    return Offsets(
        float(beta[0]), float(beta[1]) if slope else 1.0, float(between), float(within), len(names), len(label)
    )


@dataclass(frozen=True)
class _RandomIntercept:
    """The restricted likelihood of a random intercept as a function of ρ = τ² / (τ² + σ²), all else profiled out.

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


def _least(criterion: Callable[[float], float]) -> float:
    """The ρ in [0, 1) of the least criterion: the best of a grid, then golden sections between its neighbours."""
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


def usable(recordings: pd.DataFrame, others: Collection[str] = ()) -> pd.DataFrame:
    """The labelled recordings of people who are not among `others`, each person's in the order of their names.

    recordings: recording_id, person_id, label, score. Numbers within names count as numbers: p1_2 is before p1_10.
    """
    kept = recordings[recordings["label"].notna() & ~recordings["person_id"].isin(set(others))]
    names = list(zip(kept["person_id"], kept["recording_id"], strict=True))
    return kept.iloc[sorted(range(len(kept)), key=lambda row: _natural(*names[row]))].reset_index(drop=True)


def _natural(*names: str) -> list[tuple[int, int, str]]:
    words = [word for name in names for word in (*re.split(r"(\d+)", name), "")]
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words]


def adapted(recordings: pd.DataFrame, offsets: Offsets, k: int, most: int) -> pd.DataFrame:
    """The later recordings of each person, scored after k of the earlier ones were labelled.

    recordings: as `usable` gives them. most: how many of a person's first recordings may be used, k of them are. What
    is scored are the recordings behind these, so the same ones for every k; people without any are left out.
    Returns recording_id, person_id, label, score.
    """
    if not 0 <= k <= most:
        raise ValueError(f"k must be from 0 to {most}, not {k}")
    place_N = recordings.groupby("person_id", sort=False).cumcount().to_numpy()
    later = recordings[place_N >= most]
    known = recordings[place_N < k]
    offset = {
        person: offsets.person(own["label"].to_numpy(), own["score"].to_numpy())
        for person, own in known.groupby("person_id", sort=False)
    }
    moved = later["person_id"].map(offset).fillna(0.0).to_numpy(float) if k else 0.0
    scores = offsets.adjust(later["score"].to_numpy(float)) + moved
    columns = ["recording_id", "person_id", "label"]
    return later[columns].assign(score=scores).reset_index(drop=True)
