"""On which scale a metric is nearly normal: log for sizes, Fisher's z for correlations."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SCALES", "Scale"]

Floats = NDArray[np.float64]
Function = Callable[[ArrayLike], Floats]


@dataclass(frozen=True)
class Scale:
    """An increasing function, its inverse and its derivative (a standard error on the scale is slope × error)."""

    name: str
    forward: Function
    inverse: Function
    slope: Function


def _array(x: ArrayLike) -> Floats:
    return np.asarray(x, dtype=np.float64)


def _above_zero(x: ArrayLike) -> Floats:
    """The square's inverse of −1/√: what reaches 0 there has no upper end."""
    return np.where(_array(x) < 0, 1 / np.square(np.minimum(_array(x), -1e-150)), np.inf)


_PLAIN = Scale("plain", _array, _array, lambda x: np.ones_like(_array(x)))
_LOG = Scale("log", lambda x: np.log(_array(x)), lambda x: np.exp(_array(x)), lambda x: 1 / _array(x))
_FISHER = Scale(
    "Fisher", lambda x: np.arctanh(_array(x)), lambda x: np.tanh(_array(x)), lambda x: 1 / (1 - np.square(_array(x)))
)
# Squared errors are so skewed that the log of their root still is; −1/√ is not (measured: experiments/validation).
_ROOT = Scale("−1/√", lambda x: -(_array(x) ** -0.5), _above_zero, lambda x: 0.5 * _array(x) ** -1.5)
# 1 − skill is a ratio of two MAE.
_SKILL = Scale(
    "log(1 − skill)", lambda x: -np.log1p(-_array(x)), lambda x: -np.expm1(-_array(x)), lambda x: 1 / (1 - _array(x))
)

SCALES = MappingProxyType(
    {
        "mae": _LOG,
        "rmse": _ROOT,
        "pcc": _FISHER,
        "ccc": _FISHER,
        "sigma_ratio": _LOG,
        "var_ratio": _LOG,
        "skill": _SKILL,
        "difference": _PLAIN,
    }
)
