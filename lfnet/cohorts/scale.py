"""Severity scale of a label: range of scores and published severity bands."""

import math

from pydantic import model_validator

from lfnet.config import settings

__all__ = ["Band", "Scale"]


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
class Scale:
    """A severity scale.

    Parameters
    ----------
    name : str
        Name of the questionnaire or rating, as tables print it.
    min, max : float
        Lowest and highest possible score.
    bands : sequence of Band
        Severity bands from the lowest to the highest. Together they cover the range; each starts one point above the
        end of the one before.

    Examples
    --------
    >>> bands = [{"name": "low", "low": 0, "high": 9}, {"name": "high", "low": 10, "high": 24}]
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=bands)
    >>> scale.band(9.6).name, scale.band(10).name
    ('low', 'high')
    """

    name: str
    min: float
    max: float
    bands: tuple[Band, ...]

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
