"""Each row's metrics with their intervals, the parts of their variance, and their differences from a reference."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import Aligned
from lfnet.evaluation.intervals import DIFFERENCES, METHODS, RESAMPLED, Interval, interval
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.resample import Quantity, measure, people_weights, seed_shares
from lfnet.evaluation.sufficient_statistics import EVIDENCE_METRICS, Labels, Scores, influence, means

__all__ = ["Difference", "Estimate", "Measured", "Settings", "measure_rows"]


@dataclass(frozen=True)
class Settings:
    """How evidence is made.

    level: of intervals, and 1 − α of tests. margin: points of MAE that do not matter. estimand: trained, architecture,
    or auto (architecture where the seeds allow it). resamples, flips: how many. fewest_people: below it there are no
    intervals; fewest_seeds: below it there is no statement about an architecture. seed: of the resamples.
    """

    level: float = 0.95
    margin: float = 1.0
    estimand: Literal["auto", "trained", "architecture"] = "auto"
    resamples: int = 10_000
    flips: int = 10_000
    fewest_people: int = 10
    fewest_seeds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type is int
            if field.name != "estimand":
                number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
                kind = "whole number" if whole else "number"
                _check(number, f"evidence.{field.name}={value!r}: give a {kind}.")
        _check(0.5 < self.level < 1, f"evidence.level={self.level}: give a share above 0.5 and below 1, such as 0.95.")
        _check(self.margin > 0, f"evidence.margin={self.margin}: give points of the scale, above 0.")
        choices = ("auto", "trained", "architecture")
        _check(self.estimand in choices, f"evidence.estimand={self.estimand}: choose one of {', '.join(choices)}.")
        _check(self.resamples >= 200, f"evidence.resamples={self.resamples}: give 200 or more.")
        _check(self.flips >= 200, f"evidence.flips={self.flips}: give 200 or more.")
        _check(self.fewest_people >= 3, f"evidence.fewest_people={self.fewest_people}: give 3 or more.")
        _check(self.fewest_seeds >= 3, f"evidence.fewest_seeds={self.fewest_seeds}: give 3 or more.")

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Settings":
        """From a config node. Raises `LfnetError` for a key that there is not and a value out of range."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(node) - set(known))
        _check(not unknown, f"evidence has no setting {', '.join(unknown)}. There are {', '.join(known)}.")
        return cls(**dict(node))

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 12)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise LfnetError(message)


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A metric's mean over seeds and what chance there is in it.

    value: None where no seed defines it. undefined: seeds that do not. sd_seeds: SD (ddof 1) over seeds, as tables
    show it. var_people, var_seeds: the variance of `value` from drawing people, and from drawing seeds. sd_effect: what
    is left of sd_seeds on unlimited people; the rest is seeds disagreeing about these few people.
    """

    value: float | None
    interval: Interval | None = None
    undefined: int = 0
    sd_seeds: float | None = None
    var_people: float | None = None
    var_seeds: float | None = None
    sd_effect: float | None = None


@dataclass(frozen=True)
class Difference:
    """A metric's difference from the reference (row − reference)."""

    value: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Measured:
    """estimates: one mapping a row; differences: metric → one a row; mae: the MAE differences as drawn."""

    estimates: list[dict[str, Estimate]]
    differences: list[dict[str, Difference]]
    mae: list[Quantity | None]


def measure_rows(
    aligned: Aligned, constant: float | None, settings: Settings, joint: bool, reference: str | None
) -> Measured:
    labels = aligned.labels(constant)
    rows = [aligned.scores(number) for number in range(len(aligned.names))]
    enough = len(aligned.people) >= settings.fewest_people
    weight_BP = people_weights(labels.people, settings.resamples if enough else 0, settings.seed)
    shares = None
    if joint:
        shares = [
            seed_shares(name, row.seeds, len(weight_BP), settings.seed)
            for name, row in zip(aligned.names, rows, strict=True)
        ]
    found = Measured([{} for _ in rows], [{} for _ in rows], [None] * len(rows))
    for metric in EVIDENCE_METRICS:
        if metric == "skill" and constant is None:
            continue
        values = [_seed_values(metric, aligned, number, constant) for number in range(len(rows))]
        defined = [np.isfinite(value_S) for value_S in values]
        chosen = [number for number in range(len(rows)) if defined[number].any()]
        base = aligned.names.index(reference) if reference is not None else None
        quantities, gaps = measure(
            metric,
            labels,
            [rows[number].of(defined[number]) for number in chosen],
            weight_BP=weight_BP if {METHODS[metric], DIFFERENCES[metric]} & RESAMPLED else None,
            shares=None if shares is None else [_of(shares[number], defined[number]) for number in chosen],
            reference=chosen.index(base) if base in chosen else None,
        )
        for number in range(len(rows)):
            found.estimates[number][metric] = Estimate(None, undefined=len(values[number]))
        for number, quantity, gap in zip(chosen, quantities, gaps, strict=True):
            value_S = values[number][defined[number]]
            kept = rows[number].of(defined[number])
            given = interval(quantity, METHODS[metric], settings.level) if enough else None
            found.estimates[number][metric] = _estimate(
                metric, value_S, len(values[number]) - len(value_S), quantity, given, labels, kept
            )
            if gap is not None and base is not None:
                value = float(value_S.mean() - values[base][defined[base]].mean())
                given = interval(gap, DIFFERENCES[metric], settings.level) if enough else None
                found.differences[number][metric] = Difference(value, given)
                if metric == "mae" and enough:
                    found.mae[number] = gap
    return found


def _of(share_BS: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Shares among the seeds that are left; a resample that drew none of them is undefined."""
    kept = share_BS[:, defined]
    total = kept.sum(axis=1, keepdims=True)
    return kept / np.where(total > 0, total, np.nan)


def _seed_values(metric: str, aligned: Aligned, row: int, constant: float | None) -> Floats:
    """[S], by the functions that every table uses."""
    score_SN = aligned.score_RSN[row]
    if metric in METRICS:
        return METRICS[metric].function(aligned.label_N, score_SN)
    floor = np.nan if constant is None else np.abs(aligned.label_N - constant).mean()
    return 1 - METRICS["mae"].function(aligned.label_N, score_SN) / (floor if floor > 0 else np.nan)


def _estimate(
    metric: str,
    value_S: Floats,
    undefined: int,
    quantity: Quantity,
    given: Interval | None,
    labels: Labels,
    row: Scores,
) -> Estimate:
    people = quantity.people if np.isfinite(quantity.people) else None
    if len(value_S) < 2:
        return Estimate(float(value_S.mean()), given, undefined, var_people=people)
    variance = float(value_S.var(ddof=1))
    once = means(np.ones((1, labels.people)), labels, row)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls_SP = np.concatenate([influence(metric, once, labels, row, one[None]) for one in np.eye(row.seeds)])
    disagreement = np.square(pulls_SP - pulls_SP.mean(axis=0)).sum() / (row.seeds - 1)
    disagreement *= labels.people / max(labels.people - 1, 1)
    effect = float(np.sqrt(max(0.0, variance - disagreement))) if np.isfinite(disagreement) else None
    sd = float(np.sqrt(variance))
    return Estimate(float(value_S.mean()), given, undefined, sd, people, variance / len(value_S), effect)
