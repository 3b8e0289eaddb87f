"""Bootstrap over people and seeds: a metric, its standard error and its difference from a reference in each resample.

People are drawn with all their recordings, so that two recordings of one person never count as two people. Seeds are a
second source of variance: for statements about an architecture they are drawn too, independently for each row. Only
where two rows differ in one thing from the same start (a model and its control) are their seeds paired.

Axes: P people, S seeds, B resamples.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfnet.evaluation.sufficient_statistics import (
    SCALES,
    Labels,
    Scale,
    Scores,
    influence,
    means,
    means_without_each,
    value,
)

__all__ = ["Quantity", "generator", "measure", "people_weights", "seed_shares"]

Floats = NDArray[np.float64]

_ROUNDING = 1e-12
_CHUNK = 1000  # resamples at a time, which fit the processor's cache


@dataclass(frozen=True)
class Quantity:
    """A metric averaged over seeds, or its difference from a reference, in the sample and in each resample.

    Parameters
    ----------
    value : float
        In the sample.
    people, seeds : float
        Components of its variance, from drawing people and from drawing seeds (0 where seeds are fixed).
    seeds_df : float
        Degrees of freedom of the second.
    scale : Scale
        A transformation on which it is nearly normal.
    left_out_P : ndarray
        Its value without each person.
    value_B, pivot_B : ndarray
        In each resample its value, and (resample − sample) / the resample's own standard error on the scale; NaN where
        undefined, empty without resamples.
    """

    value: float
    people: float
    seeds: float
    seeds_df: float
    scale: Scale
    left_out_P: Floats
    value_B: Floats
    pivot_B: Floats

    @property
    def error(self) -> float:
        """Standard error on the scale; 0 where it is rounding only."""
        plain = np.sqrt(self.people + self.seeds)
        return float(self.scale.slope(self.value) * plain) if plain > _ROUNDING * max(1.0, abs(self.value)) else 0.0


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Make a random generator for one purpose, independent of everything else that is drawn."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),)))


def people_weights(people: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """Draw how often each person is in each resample, [B, P]; every row sums to P."""
    return _counts(generator(seed, "people"), people, resamples)


def seed_shares(name: str, seeds: int, resamples: int, seed: int) -> Floats:
    """Draw each seed's share in a row's mean, [B, S]; the row's name makes the draws of rows independent."""
    return _counts(generator(seed, f"seeds of {name}"), seeds, resamples) / seeds


def _counts(random: np.random.Generator, size: int, resamples: int) -> NDArray[np.uint16]:
    """Multinomial counts of `size` draws with replacement, [B, size]; drawing one by one is faster than multinomial."""
    counts = np.empty((resamples, size), np.uint16)
    for start in range(0, resamples, _CHUNK):
        part = counts[start : start + _CHUNK]
        drawn = random.integers(0, size, part.shape) + size * np.arange(len(part))[:, None]
        part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
    return counts


def measure(
    metric: str,
    labels: Labels,
    rows: Sequence[Scores],
    *,
    weight_BP: NDArray[np.uint16] | None = None,
    shares: Sequence[Floats] | None = None,
    reference: int | None = None,
    paired: bool = False,
) -> tuple[list[Quantity], list[Quantity | None]]:
    """Measure each row's metric, and its difference from the reference row.

    Parameters
    ----------
    metric : str
        One of EVIDENCE_METRICS.
    labels : Labels
    rows : sequence of Scores
        Without the seeds for which the metric is undefined.
    weight_BP : ndarray, optional
        `people_weights`; without it nothing is resampled.
    shares : sequence of ndarray, optional
        `seed_shares` of each row; without it seeds are fixed.
    reference : int, optional
        Index of the reference row.
    paired : bool
        Whether the rows have the same seeds in the same order, and the same shares: a difference then varies over
        seeds by the seeds' own differences.

    Returns
    -------
    quantities : list of Quantity
    differences : list of Quantity or None
        None for the reference row, and without one.
    """
    people, joint = labels.people, shares is not None
    once = np.ones((1, people))
    weight_BP = np.empty((0, people), np.uint16) if weight_BP is None else weight_BP
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = [_measured(metric, once, labels, row, None, joint) for row in rows]
        left = [value(metric, means_without_each(labels, row)).mean(axis=1) for row in rows]
        own, apart = _resampled(metric, labels, rows, sample, weight_BP, shares, reference, paired)
    drawing = [(float(now.seeds_B[0]), row.seeds - 1) for now, row in zip(sample, rows, strict=True)]
    quantities = [
        _quantity(SCALES[metric], now.value_B, once, now.influence_BP, [drawing[number]], left[number], own[number])
        for number, now in enumerate(sample)
    ]
    if reference is None:
        return quantities, [None] * len(rows)
    base, base_left = sample[reference], left[reference]
    gaps = [
        None
        if number == reference
        else _quantity(
            SCALES["difference"],
            now.value_B - base.value_B,
            once,
            now.influence_BP - base.influence_BP,
            [_gap_drawing(now, base)] if joint and paired else [drawing[number], drawing[reference]],
            left[number] - base_left,
            apart[number],
        )
        for number, now in enumerate(sample)
    ]
    return quantities, gaps


@dataclass(frozen=True)
class _Measured:
    value_B: Floats
    value_BS: Floats
    share_BS: Floats
    influence_BP: Floats
    seeds_B: Floats


def _gap_drawing(now: _Measured, base: _Measured) -> tuple[float, int]:
    return float(_paired_seeds(now, base)[0]), now.value_BS.shape[1] - 1


def _paired_seeds(now: _Measured, base: _Measured) -> Floats:
    return _seed_variance(now.share_BS, now.value_BS - base.value_BS)


def _seed_variance(share_BS: Floats, value_BS: Floats) -> Floats:
    """Variance of the mean over seeds, [B]; 0 for one seed."""
    centre_B = (share_BS * value_BS).sum(axis=1)
    spread_B = (share_BS * np.square(value_BS - centre_B[:, None])).sum(axis=1)
    return np.asarray(spread_B / max(value_BS.shape[1] - 1, 1))


Pair = tuple[Floats, Floats]


def _measured(
    metric: str, weight_BP: Floats, labels: Labels, row: Scores, share_BS: Floats | None, joint: bool
) -> _Measured:
    at = means(weight_BP, labels, row)
    value_BS = value(metric, at)
    if share_BS is None:
        share_BS = np.full_like(value_BS, 1 / row.seeds)
    value_B = (share_BS * value_BS).sum(axis=1)
    seeds_B = _seed_variance(share_BS, value_BS) if joint else np.zeros_like(value_B)
    return _Measured(value_B, value_BS, share_BS, influence(metric, at, labels, row, share_BS), seeds_B)


def _resampled(
    metric: str,
    labels: Labels,
    rows: Sequence[Scores],
    sample: Sequence[_Measured],
    weight_BP: NDArray[np.uint16],
    shares: Sequence[Floats] | None,
    reference: int | None,
    paired: bool,
) -> tuple[list[Pair], list[Pair]]:
    """Value and pivot in each resample, of each row and of its difference from the reference."""
    resamples = len(weight_BP)
    own = [(np.empty(resamples), np.empty(resamples)) for _ in rows]
    apart = [(np.empty(resamples), np.empty(resamples)) for _ in rows]
    for start in range(0, resamples, _CHUNK):
        part = slice(start, start + _CHUNK)
        weight = weight_BP[part].astype(np.float64)
        base = None
        # The reference first: the others are compared with it.
        for number in sorted(range(len(rows)), key=lambda row: row != reference):
            share = None if shares is None else shares[number][part]
            now = _measured(metric, weight, labels, rows[number], share, shares is not None)
            variance_B = _people_variance(weight, now.influence_BP) + now.seeds_B
            own[number][0][part] = now.value_B
            own[number][1][part] = _pivot(now.value_B, sample[number].value_B, variance_B, SCALES[metric])
            if reference is None:
                continue
            base = now if base is None else base
            gap_B, gap = now.value_B - base.value_B, sample[number].value_B - sample[reference].value_B
            variance_B = _people_variance(weight, now.influence_BP - base.influence_BP)
            if shares is not None:
                variance_B += _paired_seeds(now, base) if paired else now.seeds_B + base.seeds_B
            apart[number][0][part] = gap_B
            apart[number][1][part] = _pivot(gap_B, gap, variance_B, SCALES["difference"])
    return own, apart


def _quantity(
    scale: Scale,
    value_1: Floats,
    once: Floats,
    influence_1P: Floats,
    drawing: Sequence[tuple[float, int]],
    left_out_P: Floats,
    resampled: Pair,
) -> Quantity:
    seeds = sum(variance for variance, _ in drawing)
    spread = sum(variance**2 / df for variance, df in drawing if variance > 0)
    people = float(_people_variance(once, influence_1P)[0])
    df = seeds**2 / spread if spread else float("inf")  # Satterthwaite
    return Quantity(float(value_1[0]), people, seeds, df, scale, left_out_P, *resampled)


def _people_variance(weight_BP: Floats, influence_BP: Floats) -> Floats:
    people = weight_BP.shape[1]
    variance = np.einsum("bp,bp,bp->b", weight_BP, influence_BP, influence_BP)
    return np.asarray(variance * (people / max(people - 1, 1)))


def _pivot(value_B: Floats, expected: Floats, variance_B: Floats, scale: Scale) -> Floats:
    error_B = scale.slope(value_B) * np.sqrt(variance_B)
    pivot_B = (scale.forward(value_B) - scale.forward(expected)) / np.where(error_B > 0, error_B, np.nan)
    return np.where(np.isfinite(pivot_B), pivot_B, np.nan)
