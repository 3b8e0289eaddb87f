"""Conversion of scores from the points of one scale to those of another, with its source."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from lfnet.config import settings

__all__ = ["Conversion", "find_conversion"]

_Text = Annotated[str, Field(min_length=1)]


@settings
class Conversion:
    """A published table, or line, between two scales: linear between its points, constant outside.

    Scores are converted, observed labels never.

    Parameters
    ----------
    of, to : str
        Names of the scales, as `cohort.scale.name`.
    points : sequence of (float, float)
        A point of `of` and what it is in `to`, both increasing. Two points are a line.
    source : str
        Where the numbers are published.

    Examples
    --------
    >>> line = Conversion(of="PHQ-9", to="mine", points=[[0, 0], [27, 54]], source="an example, not published")
    >>> line.apply([0, 10, 30]).tolist()
    [0.0, 20.0, 54.0]
    """

    of: _Text
    to: _Text
    points: tuple[tuple[float, float], ...]
    source: Annotated[str, Field(min_length=8)]

    @model_validator(mode="after")
    def _check(self) -> "Conversion":
        if len(self.points) < 2:
            raise ValueError(".points: give two points or more, each [score, converted score].")
        if not (np.diff(np.array(self.points), axis=0) > 0).all():
            raise ValueError(".points: both numbers must increase from point to point.")
        return self

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Convert scores of any shape."""
        given, made = np.array(self.points, float).T
        return np.interp(np.asarray(scores, float), given, made)


def find_conversion(known: Sequence[Conversion], of: str, to: str) -> Conversion | None:
    """Return the first conversion from scale `of` to scale `to`; None where there is none."""
    return next((one for one in known if (one.of, one.to) == (of, to)), None)
