"""Is one row's error smaller than another's on the same people? Tests, and how large the difference is."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.evaluation.resample import Quantity, generator

__all__ = [
    "VERDICTS",
    "Verdict",
    "effect_size",
    "equivalence_p",
    "holm",
    "pivot_p",
    "probability_of_improvement",
    "sign_flip_p",
    "verdict",
]

Floats = NDArray[np.float64]

_EQUAL = 1e-9  # sums closer than this share of the largest are ties: flips of equal differences must count as equal


def sign_flip_p(difference_P: ArrayLike, flips: int, seed: int) -> float:
    """Two-sided p of "the differences are as likely positive as negative", one a person (Fisher 1935's sign flip).

    Exact where all 2^P flips are no more than `flips`, else of that many random ones, the sample among them. The sum is
    tested: what a person weighs in it (the number of recordings, say) must be in the difference. Raises `ValueError`
    for what is not finite.
    """
    d = np.asarray(difference_P, dtype=np.float64)
    if not np.isfinite(d).all():
        raise ValueError("differences must be finite")
    d = d[d != 0]
    reached = abs(d.sum()) * (1 - _EQUAL)
    if 2 ** len(d) <= flips:
        sums = np.zeros(1)
        for one in d:
            sums = np.concatenate([sums + one, sums - one])
        return float((np.abs(sums) >= reached).mean())
    signs = generator(seed, "signs").integers(0, 2, size=(flips - 1, len(d)), dtype=np.int8) * 2.0 - 1.0
    return float((1 + (np.abs(signs @ d) >= reached).sum()) / flips)


def pivot_p(quantity: Quantity, null: float = 0.0) -> float | None:
    """Two-sided p of "the difference is `null`" from the resamples' |t|; None where the sample allows none."""
    distance = _distance(quantity, null)
    return None if distance is None else distance[0]


def equivalence_p(quantity: Quantity, margin: float) -> float | None:
    """p of "the difference is `margin` or more, either way": two one-sided tests (Schuirmann 1987), the larger p.

    At most α just where the symmetric 1 − 2α interval lies within ±margin.
    """
    sides = [(_distance(quantity, -margin), 1), (_distance(quantity, margin), -1)]
    one_sided = []
    for distance, direction in sides:
        if distance is None:
            return None
        p, sign = distance
        one_sided.append(p / 2 if sign == direction else 1 - p / 2)
    return max(one_sided)


def _distance(quantity: Quantity, null: float) -> tuple[float, int] | None:
    """Two-sided p of the value's distance from `null`, and on which side of it the value lies."""
    if quantity.error == 0:  # the difference is the same for everybody: two constants, or twice the same scores
        return float(abs(quantity.value - null) <= _EQUAL), 1 if quantity.value > null else -1
    pivots = np.abs(quantity.pivot_B[np.isfinite(quantity.pivot_B)])
    if not len(pivots):
        return None
    t = (quantity.value - null) / quantity.error
    return float((1 + (pivots >= abs(t) * (1 - _EQUAL)).sum()) / (1 + len(pivots))), 1 if t > 0 else -1


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p-values; None stays None and counts as no test."""
    known = np.array([value for value in p if value is not None], dtype=np.float64)
    order = np.argsort(known, kind="stable")
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)))
    places = iter(adjusted)
    return [None if value is None else float(next(places)) for value in p]


def effect_size(difference_P: ArrayLike) -> float | None:
    """Mean over SD (ddof 1) of people's differences in mean |error|, sign turned: above 0 where the row errs less."""
    d = np.asarray(difference_P, dtype=np.float64)
    sd = d.std(ddof=1) if len(d) > 1 else 0.0
    return float(-d.mean() / sd) if sd > 0 else None


def probability_of_improvement(difference_P: ArrayLike) -> float:
    """The share of people whose mean |error| is smaller under the row than under the reference; ties count half."""
    d = np.asarray(difference_P, dtype=np.float64)
    return float(((d < 0) + 0.5 * (d == 0)).mean())


Verdict = Literal[
    "better",
    "better but inside the margin",
    "equivalent",
    "cannot tell",
    "worse but inside the margin",
    "worse",
]

VERDICTS: dict[Verdict, str] = {
    "better": "its MAE is smaller than the reference's (p ≤ α after Holm)",
    "better but inside the margin": "its MAE is smaller, and it is also shown to be smaller by less than the margin",
    "equivalent": "its MAE is shown to be less than the margin from the reference's (TOST, p ≤ α after Holm)",
    "cannot tell": "neither was shown: this many people cannot tell the two apart, nor show that they are alike",
    "worse but inside the margin": "its MAE is larger, and it is also shown to be larger by less than the margin",
    "worse": "its MAE is larger than the reference's (p ≤ α after Holm)",
}


def verdict(difference: float, p: float | None, p_equivalent: float | None, alpha: float) -> Verdict:
    """The verdict on a difference in MAE (row − reference) from the two adjusted p-values; None: nothing was tested."""
    apart = p is not None and p <= alpha
    alike = p_equivalent is not None and p_equivalent <= alpha
    if not apart:
        return "equivalent" if alike else "cannot tell"
    if difference < 0:
        return "better but inside the margin" if alike else "better"
    return "worse but inside the margin" if alike else "worse"
