"""Compare the errors of two rows on the same people: tests, effect sizes and verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.evaluation.resample import Quantity, generator

__all__ = [
    "EQUIVALENT",
    "VERDICTS",
    "Verdict",
    "adjust",
    "effect_size",
    "equivalence_p",
    "holm",
    "pivot_p",
    "probability_of_improvement",
    "sign_flip_p",
    "verdict",
]

Floats = NDArray[np.float64]

# Points, or units of AUROC. A model's float32 scores of the same frames in another order differ by less.
_ROUNDING = 1e-4
_EQUAL = 1e-9  # relative tolerance of ties: flips of equal differences must count as equal


def sign_flip_p(difference_P: ArrayLike, flips: int, seed: int) -> float:
    """Two-sided p-value of Fisher's sign-flip test on one difference per person.

    Parameters
    ----------
    difference_P : array_like
        Differences; their sum is tested, so a person's weight (such as the number of recordings) must be included.
    flips : int
        Number of random sign flips, the sample among them; all 2^P flips where they are no more.
    seed : int
        Of the random flips.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        A difference is not finite.

    References
    ----------
    Fisher (1935), "The design of experiments", section 21.

    Examples
    --------
    >>> sign_flip_p([1.0, 2.0, 3.0, 4.0, 5.0], flips=1000, seed=0)
    0.0625
    """
    d = np.asarray(difference_P, dtype=np.float64)
    if not np.isfinite(d).all():
        raise ValueError("differences must be finite")
    d = d[d != 0]
    threshold = abs(d.sum()) * (1 - _EQUAL)
    if 2 ** len(d) <= flips:
        sums = np.zeros(1)
        for one in d:
            sums = np.concatenate([sums + one, sums - one])
        return float((np.abs(sums) >= threshold).mean())
    signs = generator(seed, "signs").integers(0, 2, size=(flips - 1, len(d)), dtype=np.int8) * 2.0 - 1.0
    return float((1 + (np.abs(signs @ d) >= threshold).sum()) / flips)


def pivot_p(quantity: Quantity) -> float | None:
    """Two-sided p-value of the difference being 0, from the resamples' |t|; None where the sample allows none."""
    distance = _distance(quantity, 0.0)
    return None if distance is None else distance[0]


def equivalence_p(quantity: Quantity, margin: float) -> float | None:
    """p-value of a difference of `margin` or more in either direction: the larger of two one-sided tests.

    It is at most α exactly where the symmetric 1 − 2α interval lies within ±margin (Schuirmann 1987).
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
    """Two-sided p-value of the value's distance from `null`, and the sign of the distance."""
    if quantity.error == 0:  # the same difference for all people: two constants, or the same scores twice
        return float(abs(quantity.value - null) <= _EQUAL), 1 if quantity.value > null else -1
    pivots = np.abs(quantity.pivot_B[np.isfinite(quantity.pivot_B)])
    if not len(pivots):
        return None
    t = (quantity.value - null) / quantity.error
    return float((1 + (pivots >= abs(t) * (1 - _EQUAL)).sum()) / (1 + len(pivots))), 1 if t > 0 else -1


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values with Holm's (1979) procedure.

    Parameters
    ----------
    p : sequence of float or None
        None counts as no test and stays None.

    Returns
    -------
    list of float or None

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = np.array([value for value in p if value is not None], dtype=np.float64)
    order = np.argsort(known, kind="stable")
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)))
    places = iter(adjusted)
    return [None if value is None else float(next(places)) for value in p]


def effect_size(difference_P: ArrayLike) -> float | None:
    """−mean / SD (ddof 1) of people's differences in mean |error|: above 0 where the row's errors are smaller."""
    d = np.asarray(difference_P, dtype=np.float64)
    sd = d.std(ddof=1) if len(d) > 1 else 0.0
    return float(-d.mean() / sd) if sd > 0 else None


def probability_of_improvement(difference_P: ArrayLike) -> float:
    """Share of people whose mean |error| is smaller than with the reference; ties count half."""
    d = np.asarray(difference_P, dtype=np.float64)
    return float(((d < 0) + 0.5 * (d == 0)).mean())


Verdict = Literal[
    "better",
    "better but inside the margin",
    "equivalent",
    "cannot tell",
    "worse but inside the margin",
    "worse",
    "not compared",
]

VERDICTS: dict[Verdict, str] = {
    "better": "its MAE is smaller than the reference's (p ≤ α after Holm)",
    "better but inside the margin": "its MAE is smaller, and it is also shown to be smaller by less than the margin",
    "equivalent": "its MAE is shown to differ from the reference's by less than the margin (TOST, p ≤ α after Holm)",
    "cannot tell": "neither a difference nor equivalence is shown with this number of people",
    "worse but inside the margin": "its MAE is larger, and it is also shown to be larger by less than the margin",
    "worse": "its MAE is larger than the reference's (p ≤ α after Holm)",
    "not compared": "both rows rank people backwards (the intervals of their PCC lie below 0)",
}

# Two one-sided tests at 1 − level each have an interval of 2 level − 1.
EQUIVALENT = (
    "Equivalent: the {level} % interval lies within the margin (two one-sided tests); the wider interval shown may not."
)


def verdict(difference: float, p: float | None, p_equivalent: float | None, alpha: float) -> Verdict:
    """Classify a difference in MAE (row − reference) by its two adjusted p-values.

    A difference of rounding alone is none, however constant it is over people.

    Examples
    --------
    >>> verdict(-2.0, p=0.01, p_equivalent=0.9, alpha=0.05)
    'better'
    >>> verdict(-0.1, p=0.6, p_equivalent=0.01, alpha=0.05)
    'equivalent'
    >>> verdict(-2.0, p=None, p_equivalent=None, alpha=0.05)
    'cannot tell'
    """
    different = p is not None and p <= alpha and abs(difference) > _ROUNDING
    equivalent = p_equivalent is not None and p_equivalent <= alpha
    if not different:
        return "equivalent" if equivalent else "cannot tell"
    if difference < 0:
        return "better but inside the margin" if equivalent else "better"
    return "worse but inside the margin" if equivalent else "worse"


class _Compared(Protocol):
    """A comparison: a dataclass with the p-values of its two tests, and with what Holm's procedure makes of them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def p(self) -> float | None: ...

    @property
    def p_equivalent(self) -> float | None: ...

    @property
    def verdict(self) -> Verdict: ...


_C = TypeVar("_C", bound=_Compared)


def adjust(comparisons: Sequence[_C], difference: Callable[[_C], float | None], alpha: float) -> list[_C]:
    """Give comparisons Holm's adjustment as one family, and their verdicts; what is not compared stays so.

    Parameters
    ----------
    comparisons : sequence of dataclasses
        With p, p_holm, p_equivalent, p_equivalent_holm and verdict.
    difference : callable
        The tested difference of a comparison, row − reference, of which less is better.
    alpha : float
        The level of the tests.

    Returns
    -------
    list of dataclasses
        As given, with p_holm, p_equivalent_holm and verdict.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> from lfnet.evaluation.class_evidence import ClassComparison
    >>> one = ClassComparison({}, p=0.03, p_equivalent=0.9)
    >>> [(pair.p_holm, pair.verdict) for pair in adjust([one, one], lambda _: -2.0, alpha=0.05)]
    [(0.06, 'cannot tell'), (0.06, 'cannot tell')]
    """
    p = holm([one.p for one in comparisons])
    p_equivalent = holm([one.p_equivalent for one in comparisons])
    return [
        replace(
            one,
            p_holm=p[number],
            p_equivalent_holm=p_equivalent[number],
            verdict=one.verdict
            if one.verdict == "not compared"
            else verdict(difference(one) or 0.0, p[number], p_equivalent[number], alpha),
        )
        for number, one in enumerate(comparisons)
    ]
