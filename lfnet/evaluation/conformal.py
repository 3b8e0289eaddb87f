"""Split conformal intervals: score ± a half-width calibrated on people who had no part in making the model.

The half-width is the k-th smallest absolute error of n calibration recordings, k = ⌈(n + 1) · level⌉. For a new
recording that is exchangeable with them the interval covers the label with a probability of k / (n + 1) or more, which
is at least `level`, whatever the model and the distribution of errors (Vovk, Gammerman and Shafer 2005, "Algorithmic
learning in a random world"; Lei et al. 2018, "Distribution-free predictive inference for regression", JASA, theorem
2.2). This holds on average over people, not within each subgroup; `conformal_by_group` calibrates within each, where
there are enough people (Vovk, Lindsay, Nouretdinov and Gammerman 2003, "Mondrian confidence machine").

Recordings of one person are not exchangeable with those of others, so one recording per person is drawn. Levels above
n / (n + 1) cannot be reached: k would be n + 1 and the interval the whole line. MAPIE gives the same half-widths (a
test compares); it is not used because a bundle is scored without scikit-learn, which MAPIE needs.

Where several models score a recording, the width follows their spread: the ranked value is |error| · 2t / (spread + t),
and a half-width is multiplied by (spread + t) / 2t, which is 1 where the spread is t (normalised nonconformity with a
sensitivity parameter: Johansson et al. 2014, "Regression conformal prediction with random forests"; Lei et al. 2018,
section 5.2). t is fixed before calibration, as the mean spread of the split that chose the epochs, so the guarantee
stays the same.

Where quantiles are predicted, the ranked value is max(low − label, label − high) of their interval, and its k-th
smallest widens (or, below 0, narrows) all intervals at both ends: conformalised quantile regression (Romano, Patterson
and Candès 2019, NeurIPS, theorem 1), with the same guarantee. With low = high = score it is the half-width above.
"""

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError

__all__ = [
    "Conformal",
    "calibrate",
    "calibration_rows",
    "conformal_by_group",
    "conformal_quantiles",
    "excess",
    "rank",
    "reachable",
    "split_conformal",
    "weights_of",
]


@dataclass(frozen=True)
class Conformal:
    """A calibrated interval.

    Parameters
    ----------
    level : float
        Requested coverage.
    half_width : float
        In points.
    n : int
        Calibration recordings, each of a different person.
    coverage : float
        Guaranteed coverage on average over calibrations, k / (n + 1).
    reachable : float
        The highest level that n recordings can give.
    typical : float or None
        The spread of several models' scores at which `half_width` applies; None: all intervals have the same width.

    Examples
    --------
    >>> found = split_conformal(np.arange(1.0, 20.0), 0.9)
    >>> found.half_width, found.coverage
    (18.0, 0.9)
    >>> found.interval(10.0, low=0, high=63)
    (0, 28.0)
    """

    level: float
    half_width: float
    n: int
    coverage: float
    reachable: float
    typical: float | None = None

    def around(self, low_N: np.ndarray, high_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of predicted intervals, widened by the half-width; an end never passes the middle.

        Examples
        --------
        >>> made = conformal_quantiles(np.arange(1.0, 20.0), np.full(19, 5.0), np.full(19, 15.0), 0.8)
        >>> made.around(np.array([10.0]), np.array([30.0]))
        (array([7.]), array([33.]))
        """
        middle_N = (low_N + high_N) / 2
        return np.minimum(low_N - self.half_width, middle_N), np.maximum(high_N + self.half_width, middle_N)

    def interval(
        self, score: float, low: float = -math.inf, high: float = math.inf, spread: float | None = None
    ) -> tuple[float, float]:
        """Return the interval around a score, clipped to the scale from `low` to `high`.

        `spread` is that of the models' scores of this recording; with `typical`, its absence is a `ValueError`.
        """
        half = self.half_width
        if self.typical is not None:
            if spread is None:
                raise ValueError("an interval that follows the spread needs the spread")
            half *= float(weights_of(spread, self.typical))
        return max(low, min(high, score - half)), min(high, max(low, score + half))


def weights_of(spread: float | np.ndarray, typical: float) -> np.ndarray:
    """Relative width of intervals, 1 where the spread is `typical`: (spread + t) / 2t."""
    return (np.asarray(spread, np.float64) + typical) / (2 * typical)


def reachable(n: int) -> float:
    """The highest level that n calibration recordings can give: n / (n + 1)."""
    return n / (n + 1)


def rank(n: int, level: float) -> int:
    """Rank k of the half-width among n sorted errors; n + 1 or more where the level cannot be reached."""
    # A level such as .9 is not a binary fraction: 10 · .9 must not become 9.000000000000002 and its ceiling 10.
    return math.ceil((n + 1) * level - 1e-9)


def excess(label_N: np.ndarray, low_N: np.ndarray, high_N: np.ndarray) -> np.ndarray:
    """How far labels lie outside their intervals, in points; below 0 where they are inside (Romano et al. 2019).

    Examples
    --------
    >>> excess(np.array([5.0, 12.0]), np.array([6.0, 6.0]), np.array([20.0, 20.0])).tolist()
    [1.0, -6.0]
    """
    return np.maximum(low_N - label_N, label_N - high_N)


def split_conformal(
    errors_N: np.ndarray, level: float, spread_N: np.ndarray | None = None, typical: float | None = None
) -> Conformal:
    """The interval from n absolute errors, in points; with spread_N and `typical` (above 0) it follows the spread.

    Raises `LfnetError` for a level outside (0, 1), and for one that n errors cannot reach: it names what they can.
    """
    errors = np.abs(np.asarray(errors_N, np.float64))
    if typical is not None:
        if spread_N is None or not typical > 0:
            raise ValueError("an interval that follows the spread needs each error's spread, and a typical one above 0")
        errors = errors / weights_of(spread_N, typical)
    return _calibrated(errors, level, typical)


def conformal_quantiles(label_N: np.ndarray, low_N: np.ndarray, high_N: np.ndarray, level: float) -> Conformal:
    """Conformalise predicted intervals: `Conformal.around` widens others like them. Raises as `split_conformal`.

    Parameters
    ----------
    label_N, low_N, high_N : ndarray
        Labels of n calibration recordings and the ends of their predicted intervals, in points.
    level : float

    Examples
    --------
    >>> label = np.arange(1.0, 20.0)
    >>> conformal_quantiles(label, np.full(19, 5.0), np.full(19, 15.0), 0.8).half_width
    3.0
    """
    return _calibrated(excess(*(np.asarray(part, np.float64) for part in (label_N, low_N, high_N))), level)


def conformal_by_group(errors_N: np.ndarray, group_N: np.ndarray, level: float) -> dict[str, Conformal]:
    """Calibrate an interval for each group on its own errors, so that it covers within the group.

    Parameters
    ----------
    errors_N : ndarray
        Errors in points, of one recording a person.
    group_N : ndarray of str
        The group of each; "" for people of no group, who are left out.
    level : float

    Returns
    -------
    dict
        Group → Conformal, of the groups whose people are enough for the level.

    References
    ----------
    Vovk, Lindsay, Nouretdinov and Gammerman (2003), "Mondrian confidence machine".

    Examples
    --------
    >>> group = np.repeat(["f", "m", "x"], [9, 9, 2])
    >>> found = conformal_by_group(np.r_[np.arange(1.0, 10.0), np.arange(11.0, 20.0), 50.0, 60.0], group, 0.9)
    >>> {name: one.half_width for name, one in found.items()}
    {'f': 9.0, 'm': 19.0}
    """
    groups = [str(name) for name in dict.fromkeys(group_N.tolist()) if name]
    own = {name: errors_N[group_N == name] for name in groups}
    return {name: split_conformal(part, level) for name, part in own.items() if rank(part.size, level) <= part.size}


def _calibrated(ranked: np.ndarray, level: float, typical: float | None = None) -> Conformal:
    """The interval whose half-width is the k-th smallest of n ranked values."""
    n = ranked.size
    if not 0 < level < 1:
        raise LfnetError(f"level={level:g}: give a share between 0 and 1.")
    if ranked.ndim != 1 or not np.isfinite(ranked).all():
        raise ValueError("errors must be finite and one-dimensional")
    k = rank(n, level)
    if k > n:
        raise LfnetError(
            f"an interval of level {level:g} needs {math.ceil(level / (1 - level) - 1e-9)} recordings of people in "
            f"neither training nor selection, one per person, but there {'is' if n == 1 else 'are'} {n}: the highest "
            f"level they reach is {reachable(n):.3f}."
        )
    return Conformal(level, float(np.sort(ranked)[k - 1]), n, k / (n + 1), reachable(n), typical)


def calibration_rows(recordings: pd.DataFrame, excluded: Collection[str]) -> pd.DataFrame:
    """Draw one labelled recording of each person who is not excluded.

    Parameters
    ----------
    recordings : DataFrame
        recording_id, person_id, label, score.
    excluded : collection of str
        People in training or selection.

    Returns
    -------
    DataFrame
        The draw depends on the names of recordings only, not on the order of rows or the scores.
    """
    usable = recordings[recordings["label"].notna() & ~recordings["person_id"].isin(set(excluded))]
    drawn = usable.assign(_draw=[hashlib.sha256(str(name).encode()).hexdigest() for name in usable["recording_id"]])
    one = drawn.sort_values("_draw", kind="stable").drop_duplicates("person_id").drop(columns="_draw")
    return one.sort_values("person_id", kind="stable").reset_index(drop=True)


def calibrate(
    recordings: pd.DataFrame, excluded: Collection[str], level: float, typical: float | None = None
) -> Conformal:
    """Apply `split_conformal` to the errors of `calibration_rows`, with `sd` as their spread if `typical` is given."""
    rows = calibration_rows(recordings, excluded)
    spread_N = None if typical is None else rows["sd"].to_numpy(float)
    return split_conformal((rows["score"] - rows["label"]).to_numpy(float), level, spread_N, typical)
