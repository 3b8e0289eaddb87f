"""Split conformal intervals: score ± a half-width that held for people who had no part in making the model.

The half-width is the k-th smallest absolute error of n calibration recordings, k = ⌈(n + 1) · level⌉. For a new
recording that is exchangeable with them the interval covers the label with a probability of k / (n + 1) or more, which
is at least `level`, whatever the model and the distribution of errors (Vovk, Gammerman and Shafer 2005, "Algorithmic
learning in a random world"; Lei et al. 2018, "Distribution-free predictive inference for regression", JASA, theorem
2.2). It holds on average over people, not for each kind of person.

Recordings of one person are not exchangeable with those of others, so one recording a person is drawn. Levels above
n / (n + 1) are out of reach: k would be n + 1 and the interval the whole line. MAPIE gives the same half-widths (a test
compares); it is not used because a bundle is to be scored without scikit-learn, which it is built on.
"""

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError

__all__ = ["Conformal", "calibrate", "calibration_rows", "reachable", "split_conformal"]


@dataclass(frozen=True)
class Conformal:
    """level: asked for. half_width: points. n: calibration recordings, each of another person.

    coverage: what is guaranteed on average over calibrations, k / (n + 1). reachable: the highest level n could give.
    """

    level: float
    half_width: float
    n: int
    coverage: float
    reachable: float

    def interval(self, score: float, low: float = -math.inf, high: float = math.inf) -> tuple[float, float]:
        """The interval about a score, cut to the scale from `low` to `high`: no label lies beyond, none is lost."""
        return max(low, min(high, score - self.half_width)), min(high, max(low, score + self.half_width))


def reachable(n: int) -> float:
    """The highest level that n calibration recordings can give: n / (n + 1)."""
    return n / (n + 1)


def split_conformal(errors_N: np.ndarray, level: float) -> Conformal:
    """The interval from n absolute errors, in points.

    Raises `LfnetError` for a level outside (0, 1), and for one that n errors cannot reach: it names what they can.
    """
    errors = np.abs(np.asarray(errors_N, np.float64))
    n = errors.size
    if not 0 < level < 1:
        raise LfnetError(f"an interval's level is a share between 0 and 1, not {level:g}.")
    if errors.ndim != 1 or not np.isfinite(errors).all():
        raise ValueError("errors must be finite and in one row")
    # A level such as .9 is not a binary fraction: 10 · .9 must not become 9.000000000000002 and its ceiling 10.
    k = math.ceil((n + 1) * level - 1e-9)
    if k > n:
        raise LfnetError(
            f"an interval of level {level:g} needs {math.ceil(level / (1 - level) - 1e-9)} recordings of people in "
            f"neither training nor selection, one a person, and there {'is' if n == 1 else 'are'} {n}: the highest "
            f"level they reach is {reachable(n):.3f}."
        )
    return Conformal(level, float(np.sort(errors)[k - 1]), n, k / (n + 1), reachable(n))


def calibration_rows(recordings: pd.DataFrame, excluded: Collection[str]) -> pd.DataFrame:
    """One recording of each person who is not excluded: those of `recordings` that have a label.

    recordings: recording_id, person_id, label, score. excluded: people in training or selection. Which of a person's
    recordings is drawn follows from its name alone: neither the order of rows nor the score decides.
    """
    usable = recordings[recordings["label"].notna() & ~recordings["person_id"].isin(set(excluded))]
    drawn = usable.assign(_draw=[hashlib.sha256(str(name).encode()).hexdigest() for name in usable["recording_id"]])
    one = drawn.sort_values("_draw", kind="stable").drop_duplicates("person_id").drop(columns="_draw")
    return one.sort_values("person_id", kind="stable").reset_index(drop=True)


def calibrate(recordings: pd.DataFrame, excluded: Collection[str], level: float) -> Conformal:
    """`split_conformal` on the errors of `calibration_rows`. Raises `LfnetError` as it does."""
    rows = calibration_rows(recordings, excluded)
    return split_conformal((rows["score"] - rows["label"]).to_numpy(float), level)
