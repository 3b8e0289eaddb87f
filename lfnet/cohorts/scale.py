"""What a label is: a questionnaire or rating, its range of points and its published severity bands."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lfnet.errors import LfnetError

__all__ = ["Band", "Scale"]


@dataclass(frozen=True)
class Band:
    """A named range of scores, both bounds included."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """A severity scale: its name, the lowest and the highest score, and bands that cover what lies between.

    bands: `Band`s or mappings with the keys name, low, high (as a yaml gives them), from the lowest to the highest.
    Raises `LfnetError` where the bands leave a gap, overlap or miss an end of the range.
    """

    name: str
    min: float
    max: float
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(_bands(self.bands, self.name)))
        if not (math.isfinite(self.min) and math.isfinite(self.max) and self.min < self.max):
            raise LfnetError(f"scale {self.name}: min {self.min} must be below max {self.max}. Mend `scale`.")
        if not self.bands:
            raise LfnetError(f"scale {self.name}: no bands. Give at least one, from {self.min:g} to {self.max:g}.")
        if self.bands[0].low != self.min or self.bands[-1].high != self.max:
            raise LfnetError(f"scale {self.name}: the bands must reach from min {self.min:g} to max {self.max:g}.")
        for lower, upper in zip(self.bands, self.bands[1:], strict=False):
            if upper.low - lower.high != 1:
                raise LfnetError(
                    f"scale {self.name}: band {upper.name} starts at {upper.low:g}, but {lower.name} ends at "
                    f"{lower.high:g}. Each band starts one point above the end of the one before."
                )

    def band(self, score: float) -> Band:
        """The band of a score, for display: the highest band that starts at or below it.

        A prediction of 13.6 thus stays in the band that ends at 13. Below the range it is the first band, above it
        the last. Raises `ValueError` for NaN.
        """
        if math.isnan(score):
            raise ValueError("NaN has no band")
        reached = [band for band in self.bands if band.low <= score]
        return reached[-1] if reached else self.bands[0]


def _bands(bands: Iterable[Band | Mapping[str, float | str]], scale: str) -> Iterable[Band]:
    for band in bands:
        if isinstance(band, Band):
            made = band
        else:
            try:
                made = Band(str(band["name"]), float(band["low"]), float(band["high"]))
            except (KeyError, TypeError, ValueError) as error:
                raise LfnetError(f"scale {scale}: a band needs name, low and high, not {band!r}.") from error
        if not made.low <= made.high:
            raise LfnetError(f"scale {scale}: band {made.name} ends at {made.high:g}, below its start {made.low:g}.")
        yield made
