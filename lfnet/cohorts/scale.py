"""Scale of a label: what kind of number it is, its range, published bands and cut-offs."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import model_validator

from lfnet.config import settings

__all__ = ["DOUBTFUL", "Band", "Cutoff", "Kind", "Scale", "doubt_scale"]

DOUBTFUL = "is the scale right? "
# Below this share of the scale the highest of `_MIN_LABELS` labels is suspicious: PHQ-9 has 27 of BDI-II's 63 points.
_LOW = 0.45
_MIN_LABELS = 30

Kind = Literal["interval", "ordinal", "binary", "items"]


@settings
class Band:
    """A named range of scores.

    Parameters
    ----------
    name : str
        Name of the band, such as "mild".
    low, high : float
        Lowest and highest score of the band, both included.

    Examples
    --------
    >>> Band(name="mild", low=5, high=9)
    Band(name='mild', low=5.0, high=9.0)
    """

    name: str
    low: float
    high: float

    @model_validator(mode="after")
    def _check(self) -> "Band":
        if self.high < self.low:
            raise ValueError(f".high={self.high:g}: give at least low={self.low:g}.")
        return self


@settings
class Cutoff:
    """A published cut-off of a scale: recordings with this score or more are positive.

    Parameters
    ----------
    score : float
        Lowest score that is positive.
    source : str
        Who published it, and what a positive is.

    Examples
    --------
    >>> Cutoff(score=10, source="Kroenke et al. (2009): current depression").score
    10.0
    """

    score: float
    source: str


@settings
class Scale:
    """A scale of labels.

    Parameters
    ----------
    name : str
        Name of the questionnaire or rating, as tables print it.
    min, max : float
        Lowest and highest possible score.
    bands : sequence of Band
        Severity bands from the lowest to the highest. Together they cover the range; each starts one point above the
        end of the one before.
    kind : {"interval", "ordinal", "binary", "items"}
        interval: points whose differences have a meaning (BDI-II, PHQ-8). ordinal: whole numbers that name ordered
        classes, one band a class. binary: 0 or 1. items: the sum of a questionnaire's items, which are known each.
    cutoffs : sequence of Cutoff
        Published cut-offs of an interval or ordinal scale, the usual one first.
    binary_at : float, optional
        A cut-off from which labels count as 1, and below it as 0, before anything is trained (`lfnet.cohorts.binary`).
    items : sequence of str
        Columns of the manifest that hold the items, of kind items.
    item_max : float, optional
        Highest score of an item; the lowest is 0.

    Examples
    --------
    >>> bands = [{"name": "low", "low": 0, "high": 9}, {"name": "high", "low": 10, "high": 24}]
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=bands)
    >>> scale.band(9.6).name, scale.band(10).name
    ('low', 'high')
    >>> scale.binary(10).name
    'PHQ-8 ≥ 10'
    """

    name: str
    min: float
    max: float
    bands: tuple[Band, ...]
    kind: Kind = "interval"
    cutoffs: tuple[Cutoff, ...] = ()
    binary_at: float | None = None
    items: tuple[str, ...] = ()
    item_max: float | None = None

    @model_validator(mode="after")
    def _check(self) -> "Scale":
        if self.max <= self.min:
            raise ValueError(f".max={self.max:g}: give a number above min={self.min:g}.")
        if not self.bands:
            raise ValueError(f".bands=[]: give one band or more, from {self.min:g} to {self.max:g}.")
        if self.bands[0].low != self.min or self.bands[-1].high != self.max:
            raise ValueError(f".bands: the bands must reach from min={self.min:g} to max={self.max:g}.")
        for lower, upper in zip(self.bands, self.bands[1:], strict=False):
            if upper.low - lower.high != 1:
                raise ValueError(
                    f".bands: band {upper.name} starts at {upper.low:g}, but {lower.name} ends at {lower.high:g}. "
                    "Each band starts one point above the end of the one before."
                )
        return self

    @model_validator(mode="after")
    def _check_kind(self) -> "Scale":
        if self.kind == "binary" and ((self.min, self.max) != (0, 1) or self.cutoffs or self.binary_at is not None):
            raise ValueError(".kind=binary: a binary scale runs from min=0 to max=1 and has no cut-offs.")
        if self.kind == "ordinal" and any(band.low != band.high or band.low % 1 for band in self.bands):
            raise ValueError(".kind=ordinal: give each class a band of its own, of one whole number (low = high).")
        for number, cutoff in enumerate(self.cutoffs):
            if not self.min < cutoff.score <= self.max:
                raise ValueError(
                    f".cutoffs.{number}.score={cutoff.score:g}: give a number above {self.min:g}, {self.max:g} or less."
                )
        if len({cutoff.score for cutoff in self.cutoffs}) < len(self.cutoffs):
            raise ValueError(".cutoffs: two cut-offs have the same score; give each once.")
        top = (self.item_max or 0) * len(self.items)
        if self.kind == "items" and (len(set(self.items)) < 2 or self.min != 0 or self.max != top):
            raise ValueError(".kind=items: give two items or more, and item_max, of which max is the sum (min is 0).")
        if self.kind != "items" and (self.items or self.item_max is not None):
            raise ValueError(f".kind={self.kind}: items and item_max belong to kind=items.")
        if self.kind == "items" and self.binary_at is not None:
            raise ValueError(".kind=items: binary_at leaves no items; choose the questionnaire's own scale.")
        if self.binary_at is not None and not self.min < self.binary_at <= self.max:
            raise ValueError(f".binary_at={self.binary_at:g}: give a number above {self.min:g}, {self.max:g} or less.")
        return self

    def binary(self, cutoff: float) -> "Scale":
        """Return the binary scale of "this score or more"."""
        bands = (Band(name=f"below {cutoff:g}", low=0, high=0), Band(name=f"{cutoff:g} or more", low=1, high=1))
        name = f"{self.name} ≥ {cutoff:g}"
        return replace(self, name=name, min=0.0, max=1.0, bands=bands, kind="binary", cutoffs=(), binary_at=None)

    def band(self, score: float) -> Band:
        """Return the band of a score, for display: the highest band that starts at or below it.

        A predicted score of 13.6 is in the band that ends at 13. A score below the range is in the first band, one
        above it in the last.

        Raises
        ------
        ValueError
            The score is NaN.
        """
        if math.isnan(score):
            raise ValueError("NaN has no band")
        reached = [band for band in self.bands if band.low <= score]
        return reached[-1] if reached else self.bands[0]


def doubt_scale(labels: Sequence[float], scale: Scale) -> list[str]:
    """Return a sentence where labels look like those of another scale: all 0 or 1, or with most of the scale empty.

    Examples
    --------
    >>> scale = Scale(name="BDI-II", min=0, max=63, bands=[{"name": "all", "low": 0, "high": 63}])
    >>> doubt_scale([0, 1, 1], scale)[0][:58]
    'is the scale right? Labels are all 0 or 1, and the scale i'
    >>> doubt_scale([3, 40, 18], scale)
    []
    """
    if scale.kind != "interval" or not len(labels) or scale.binary_at is not None:
        return []
    span = f"{scale.name}, {scale.min:g} to {scale.max:g}"
    if set(labels) == {0.0, 1.0} and scale.max - scale.min > 1:
        return [f"{DOUBTFUL}Labels are all 0 or 1, and the scale is {span}: add scale@cohort.scale=binary loss=bce."]
    if len(labels) >= _MIN_LABELS and max(labels) - scale.min < _LOW * (scale.max - scale.min):
        return [
            f"{DOUBTFUL}The highest of {len(labels)} labels is {max(labels):g}, and the scale is {span}: if they are "
            "of another, add scale@cohort.scale=NAME (`lfnet list scales` shows them)."
        ]
    return []
