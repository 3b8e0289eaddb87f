"""Resamples of people, and of seeds: what a metric, its standard error and its difference from a reference would be.

People are drawn with all their recordings, so that two recordings of one person never count as two people. Seeds are a
second, separate source of chance: they are redrawn too where a statement about an architecture is wanted, each row's
own (no seed of one row belongs to a seed of another).

Axes: P people, S seeds, B resamples.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfnet.evaluation.sufficient_statistics import SCALES, Labels, Scale, Scores, influence, means, value

__all__ = ["Quantity", "generator", "measure", "people_weights", "seed_shares"]

Floats = NDArray[np.float64]

_ROUNDING = 1e-12
_CHUNK = 1000  # resamples at a time: what fits a processor's cache


@dataclass(frozen=True)
class Quantity:
    """A metric averaged over seeds, or its difference from a reference: in the sample, and in each resample.

    people, seeds: the two parts of its variance, from drawing people and from drawing seeds (0 where seeds are taken as
    they are). seeds_df: degrees of freedom of the second. scale: where it is nearly normal. left_out_P: its value
    without each person. value_B, pivot_B: of each resample its value, and (resample − sample) / the resample's own
    standard error on the scale; NaN where undefined, both empty where nothing was resampled.
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
        """The standard error on the scale; 0 where only rounding is left of it."""
        plain = np.sqrt(self.people + self.seeds)
        return float(self.scale.slope(self.value) * plain) if plain > _ROUNDING * max(1.0, abs(self.value)) else 0.0


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A random generator for one purpose, whatever else was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),)))


def people_weights(people: int, resamples: int, seed: int) -> Floats:
    """[B, P]: how often each person is in each resample; every row sums to P."""
    return _counts(generator(seed, "people"), people, resamples)


def seed_shares(name: str, seeds: int, resamples: int, seed: int) -> Floats:
    """[B, S]: each seed's share in a row's mean when its seeds are drawn anew. name: the row's, so that rows differ."""
    return _counts(generator(seed, f"seeds of {name}"), seeds, resamples) / seeds


def _counts(random: np.random.Generator, size: int, resamples: int) -> Floats:
    """[B, size]: multinomial counts of `size` draws with replacement (drawn one by one: faster than multinomial)."""
    drawn = random.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size).astype(np.float64)


def measure(
    metric: str,
    labels: Labels,
    rows: Sequence[Scores],
    *,
    weight_BP: Floats | None = None,
    shares: Sequence[Floats] | None = None,
    reference: int | None = None,
) -> tuple[list[Quantity], list[Quantity | None]]:
    """Each row's metric, and its difference from the reference row (None for that row itself and without one).

    weight_BP: `people_weights`; None: nothing is resampled. shares: `seed_shares` of each row where seeds are redrawn
    too; None: seeds stay as they are. Seeds whose metric is undefined must have been left out of `rows`.
    """
    people, joint = labels.people, shares is not None
    once, without = np.ones((1, people)), 1.0 - np.eye(people)
    weight_BP = np.empty((0, people)) if weight_BP is None else weight_BP
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = [_measured(metric, once, labels, row, None, joint) for row in rows]
        left = [_values(metric, without, labels, row) for row in rows]
        own, apart = _resampled(metric, labels, rows, sample, weight_BP, shares, reference)
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
            [drawing[number], drawing[reference]],
            left[number] - base_left,
            apart[number],
        )
        for number, now in enumerate(sample)
    ]
    return quantities, gaps


@dataclass(frozen=True)
class _Measured:
    value_B: Floats
    influence_BP: Floats
    seeds_B: Floats


Pair = tuple[Floats, Floats]


def _values(metric: str, weight_BP: Floats, labels: Labels, row: Scores) -> Floats:
    return np.asarray(value(metric, means(weight_BP, labels, row)).mean(axis=1))


def _measured(
    metric: str, weight_BP: Floats, labels: Labels, row: Scores, share_BS: Floats | None, joint: bool
) -> _Measured:
    at = means(weight_BP, labels, row)
    value_BS = value(metric, at)
    if share_BS is None:
        share_BS = np.full_like(value_BS, 1 / row.seeds)
    value_B = (share_BS * value_BS).sum(axis=1)
    seeds_B = np.zeros_like(value_B)
    if joint and row.seeds > 1:
        seeds_B = (share_BS * np.square(value_BS - value_B[:, None])).sum(axis=1) / (row.seeds - 1)
    return _Measured(value_B, influence(metric, at, labels, row, share_BS), seeds_B)


def _resampled(
    metric: str,
    labels: Labels,
    rows: Sequence[Scores],
    sample: Sequence[_Measured],
    weight_BP: Floats,
    shares: Sequence[Floats] | None,
    reference: int | None,
) -> tuple[list[Pair], list[Pair]]:
    """(value_B, pivot_B) of each row, and of each row's difference from the reference."""
    resamples = len(weight_BP)
    own = [(np.empty(resamples), np.empty(resamples)) for _ in rows]
    apart = [(np.empty(resamples), np.empty(resamples)) for _ in rows]
    for start in range(0, resamples, _CHUNK):
        part = slice(start, start + _CHUNK)
        weight = weight_BP[part]
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
            variance_B = _people_variance(weight, now.influence_BP - base.influence_BP) + now.seeds_B + base.seeds_B
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
