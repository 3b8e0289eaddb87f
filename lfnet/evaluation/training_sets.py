"""The corrected resampled t test: two architectures over training sets, from a repeated cross-validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lfnet.evaluation.intervals import Interval

__all__ = ["FEWEST_SETS", "Resampled", "TrainingSets", "corrected_resampled", "over_people"]

FEWEST_SETS = 10  # two repeats of five folds

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingSets:
    """Which training set each score of a row comes from.

    Parameters
    ----------
    set_SN : ndarray of str, shape [seeds, n]
        Name of the training set, such as the repeat and the fold that tested the recording. Rows with the same names
        were trained on the same recordings.
    ratio : float
        Recordings of a test fold / recordings of its training set; 1/3 for five folds, of which one is dev.
    """

    set_SN: NDArray[np.str_]
    ratio: float


@dataclass(frozen=True)
class Resampled:
    """A mean difference, with its standard error and the degrees of freedom of its t."""

    value: float
    error: float
    freedom: int

    def interval(self, level: float) -> Interval | None:
        """Return Student's interval; None where nothing varies."""
        if self.error == 0:
            return None
        reach = stats.t.ppf((1 + level) / 2, self.freedom) * self.error
        return Interval(self.value - reach, self.value + reach, level, "corrected resampled t")

    def p(self) -> float | None:
        """Two-sided p-value of the value being 0."""
        return None if self.error == 0 else float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))

    def equivalence_p(self, margin: float) -> float | None:
        """p-value of a value of `margin` or more in either direction: the larger of two one-sided tests."""
        if self.error == 0:
            return float(abs(self.value) >= margin)
        above = stats.t.sf((margin - self.value) / self.error, self.freedom)
        below = stats.t.sf((margin + self.value) / self.error, self.freedom)
        return float(max(above, below))


def corrected_resampled(value_K: ArrayLike, recordings_K: ArrayLike, ratio: float) -> Resampled:
    """Average a value over the training sets of a repeated cross-validation, with the corrected standard error.

    The training sets overlap, and so do the test sets of repeats: the K values are not independent, and the variance of
    their mean is not s² / K. Nadeau and Bengio's estimate is (1 / K + n_test / n_train) s². Recordings of the split
    that chooses the epoch count neither as training nor as test recordings.

    Folds that are balanced by label differ less than cohorts do. Evidence therefore takes the larger of this error and
    that of `over_people`, which experiments/validation measures.

    Parameters
    ----------
    value_K : array_like
        The value of each training set on its own test fold, such as a difference of two errors.
    recordings_K : array_like
        Test recordings of each, which weight it, so that the mean is the one over recordings.
    ratio : float
        Recordings of a test fold / recordings of its training set.

    Returns
    -------
    Resampled

    Raises
    ------
    ValueError
        There are fewer than two values.

    References
    ----------
    Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52. Bouckaert and Frank (2004),
    "Evaluating the replicability of significance tests for comparing learning algorithms", PAKDD.

    Examples
    --------
    >>> found = corrected_resampled([1.0, 2.0, 3.0, 2.0, 2.0], [10, 10, 10, 10, 10], ratio=1 / 3)
    >>> found.value, round(found.error, 3), found.freedom
    (2.0, 0.516, 4)
    """
    value, weight = np.asarray(value_K, dtype=np.float64), np.asarray(recordings_K, dtype=np.float64)
    count = len(value)
    if count < 2:
        raise ValueError("a variance over training sets needs two or more")
    weight = weight / weight.sum()
    mean = float(weight @ value)
    variance = float(weight @ np.square(value - mean)) * count / (count - 1)
    return Resampled(mean, float(np.sqrt((1 / count + ratio) * variance)), count - 1)


def over_people(value_P: ArrayLike, recordings_P: ArrayLike) -> Resampled:
    """Average a value over people, each weighted by the number of recordings, with the error from drawing people.

    Parameters
    ----------
    value_P : array_like
        The value of each person, such as a difference of mean |error|.
    recordings_P : array_like
        The number of recordings of each.

    Returns
    -------
    Resampled

    Examples
    --------
    >>> found = over_people([1.0, 2.0, 3.0], [1, 1, 1])
    >>> found.value, round(found.error, 3), found.freedom
    (2.0, 0.577, 2)
    """
    value, weight = np.asarray(value_P, dtype=np.float64), np.asarray(recordings_P, dtype=np.float64)
    weight = weight / weight.sum()
    mean, count = float(weight @ value), len(value)
    error = np.sqrt(count / (count - 1) * np.square(weight * (value - mean)).sum()) if count > 1 else 0.0
    return Resampled(mean, float(error), count - 1)
