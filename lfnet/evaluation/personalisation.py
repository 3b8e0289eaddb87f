"""Adapt a model to a person with some labelled recordings: a shrunken offset, and what it gains.

The error on recording j of person i is modelled as e_ij = label − score = a + b_i + ε_ij, with the person's offset
b_i ~ N(0, τ²) and ε_ij ~ N(0, σ²). From k labelled recordings the best linear unbiased prediction of b_i is their mean
error about a, times kθ / (1 + kθ), θ = τ² / σ². It is the empirical Bayes estimate where θ, a and σ² are estimated on
other people, as here, by restricted maximum likelihood; for a random intercept that is a search over θ alone.

Only labels of recordings that are never scored are used; no weight of the model changes.

References
----------
Henderson (1975), "Best linear unbiased estimation and prediction under a selection model", Biometrics 31.
Robinson (1991), "That BLUP is a good thing", Statistical Science 6.
Patterson and Thompson (1971), "Recovery of inter-block information when block sizes are unequal", Biometrika 58.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import Evidence, RowScores, compute_evidence

__all__ = [
    "AS_PREDICTED",
    "Gain",
    "Offsets",
    "adapted",
    "compute_gain",
    "fit_line",
    "fit_offsets",
    "labels_alone",
    "usable_recordings",
    "with_labels",
]

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


def usable_recordings(recordings: pd.DataFrame, others: Collection[str] = ()) -> pd.DataFrame:
    """Select the labelled recordings of people who are not among `others`, in natural order of person and name.

    `recordings` has recording_id, person_id, label and score. In natural order p1_2 comes before p1_10.
    """
    kept = recordings[recordings["label"].notna() & ~recordings["person_id"].isin(set(others))]
    names = list(zip(kept["person_id"], kept["recording_id"], strict=True))
    return kept.iloc[sorted(range(len(kept)), key=lambda row: _natural(*names[row]))].reset_index(drop=True)


def _natural(*names: str) -> list[tuple[int, int, str]]:
    words = [word for name in names for word in (*re.split(r"(\d+)", name), "")]
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words]


def adapted(recordings: pd.DataFrame, offsets: Offsets, k: int, max_labels: int) -> pd.DataFrame:
    """Score each person's later recordings with the labels of k earlier ones.

    Parameters
    ----------
    recordings : DataFrame
        As `usable_recordings` returns them.
    offsets : Offsets
    k : int
        How many of a person's first recordings have a known label.
    max_labels : int
        How many of a person's first recordings are never scored, so that every k scores the same ones.

    Returns
    -------
    DataFrame
        recording_id, person_id, label, score; people without a later recording are left out.
    """
    if not 0 <= k <= max_labels:
        raise ValueError(f"k must be from 0 to {max_labels}, not {k}")
    place_N = recordings.groupby("person_id", sort=False).cumcount().to_numpy()
    later = recordings[place_N >= max_labels]
    known = recordings[place_N < k]
    offset = {
        person: offsets.person(own["label"].to_numpy(), own["score"].to_numpy())
        for person, own in known.groupby("person_id", sort=False)
    }
    moved = later["person_id"].map(offset).fillna(0.0).to_numpy(float) if k else 0.0
    scores = offsets.adjust(later["score"].to_numpy(float)) + moved
    columns = ["recording_id", "person_id", "label"]
    return later[columns].assign(score=scores).reset_index(drop=True)


AS_PREDICTED = "as predicted"


def with_labels(k: int) -> str:
    """Name of the row of scores adapted with k labelled recordings."""
    return f"k = {k}"


def labels_alone(k: int) -> str:
    """Name of the row that uses k labels of the person and no score."""
    return f"labels alone, k = {k}"


@dataclass(frozen=True)
class Gain:
    """Evidence on adaptation: rows AS_PREDICTED and, for k from 0 to `max_labels`, adapted scores and labels alone.

    `offsets` are those of each seed's model, `label_offsets` those of the labels themselves, without a model.
    """

    max_labels: int
    evidence: Evidence
    offsets: tuple[Offsets, ...]
    label_offsets: Offsets


def compute_gain(
    seeds: Sequence[pd.DataFrame], trained: Collection[str], *, max_labels: int = 3, slope: bool = False
) -> Gain:
    """Measure errors on people's later recordings when the labels of k earlier ones are known, k = 0 … max_labels.

    Offsets are estimated on dev people of no other split and used on test people of no other split. A test person's
    first `max_labels` recordings are never scored, the later ones never used to adapt. The same estimator without a
    model ("labels alone") is reported too, because k labels alone predict the next one. Every row is compared with
    k = 0: scores plus the general offset of dev.

    Parameters
    ----------
    seeds : sequence of DataFrame
        Each trained model's predictions of recordings, with splits dev and test.
    trained : collection of str
        People of the train split.
    max_labels : int
    slope : bool
        As in `fit_offsets`.

    Returns
    -------
    Gain

    Raises
    ------
    LfnetError
        No person has enough recordings, or too few people to estimate offsets.
    """
    if max_labels < 1:
        raise LfnetError(f"--max {max_labels}: give 1 or more.")
    dev, test = ([frame[frame["split"] == split] for frame in seeds] for split in ("dev", "test"))

    def usable(frames: list[pd.DataFrame], others: list[pd.DataFrame]) -> list[pd.DataFrame]:
        pairs = zip(frames, others, strict=True)
        return [usable_recordings(frame, {*trained, *other["person_id"]}) for frame, other in pairs]

    of_dev, of_test = usable(dev, test), usable(test, dev)
    longest = int(of_test[0].groupby("person_id").size().max()) if len(of_test[0]) else 0
    if longest <= max_labels:
        raise LfnetError(
            f"This needs test people with more than {max_labels} labelled recordings who are in no other split; the "
            f"largest number is {longest}. Give a lower --max; on the simulated cohort, fewer people with more "
            "recordings (cohort.people=60 cohort.people_shared=0)."
        )
    offsets = [_offsets(frame, slope) for frame in of_dev]
    label_dev, label_test = (frames[0].assign(score=0.0) for frames in (of_dev, of_test))
    labels = _offsets(label_dev, False)
    found = [_row(AS_PREDICTED, [adapted(frame, _IDENTITY, 0, max_labels) for frame in of_test])]
    for k in range(max_labels + 1):
        pairs = zip(of_test, offsets, strict=True)
        found.append(_row(with_labels(k), [adapted(frame, fitted, k, max_labels) for frame, fitted in pairs]))
    for k in range(max_labels + 1):
        found.append(_row(labels_alone(k), [adapted(label_test, labels, k, max_labels)], deterministic=True))
    return Gain(max_labels, compute_evidence(found, with_labels(0)), tuple(offsets), labels)


_IDENTITY = Offsets(general=0.0, slope=1.0, between=0.0, within=1.0, people=0, recordings=0)


def _offsets(recordings: pd.DataFrame, slope: bool) -> Offsets:
    try:
        return fit_offsets(recordings["label"], recordings["score"], recordings["person_id"], slope=slope)
    except LfnetError as error:
        raise LfnetError(f"dev people who are in neither train nor test: {error}") from error


def _row(name: str, seeds: Sequence[pd.DataFrame], deterministic: bool = False) -> RowScores:
    first = seeds[0]
    return RowScores(
        name,
        first["recording_id"].tolist(),
        first["person_id"].tolist(),
        first["label"].to_numpy(),
        [frame["score"].to_numpy() for frame in seeds],
        deterministic=deterministic,
    )
