"""Many runs of one thing as one line: mean, standard deviation, range.

The standard deviation has ddof 1 (the sample's) everywhere. System B's closing line mixes the two: its .068 for PCC is
the sample's, its .195 for MAE is neither (the sample's is .228, the population's .198). Here one rule holds for both.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["DDOF", "Summary", "summarise"]

DDOF = 1


@dataclass(frozen=True)
class Summary:
    """What several values of one quantity say together.

    n: how many values are defined; undefined: how many are not (a constant prediction's PCC). mean, min, max: over the
    defined, None where there are none. sd: ddof 1, None below two defined values.
    """

    n: int
    undefined: int
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None


def summarise(values: Iterable[float | None]) -> Summary:
    """Summarise values, None among them being undefined. Raises `ValueError` for a NaN: lfnet writes None for that."""
    given = list(values)
    defined = np.array([value for value in given if value is not None], dtype=np.float64)
    if not np.isfinite(defined).all():
        raise ValueError(f"values must be finite or None: {given}")
    undefined = len(given) - len(defined)
    if not len(defined):
        return Summary(0, undefined, None, None, None, None)
    # fsum is exact: the mean of equal values is that value, and the order of runs does not matter.
    mean = min(max(math.fsum(defined) / len(defined), float(defined.min())), float(defined.max()))
    sd = None
    if len(defined) > 1:
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in defined) / (len(defined) - DDOF))
    return Summary(len(defined), undefined, mean, sd, float(defined.min()), float(defined.max()))
