"""Mean error of scores, with its interval over people."""

import numpy as np
from numpy.typing import ArrayLike

from lfnet.evaluation.estimates import Estimate
from lfnet.evaluation.left_out import class_interval, leave_out_mean

__all__ = ["mean_error"]


def mean_error(
    error: ArrayLike, person: ArrayLike, level: float = 0.95, min_people: int = 10, *, absolute: bool = False
) -> Estimate:
    """Average errors over recordings; the interval is over people, each with all recordings (jackknife t).

    Parameters
    ----------
    error : array_like, shape [N]
        Score − label of each recording.
    person : array_like, shape [N]
    level : float
    min_people : int
        Below this number of people there is no interval.
    absolute : bool
        Whether to average absolute errors: MAE with the interval that tables have of a trained model.

    Returns
    -------
    Estimate
        Its value is None without recordings.

    Examples
    --------
    >>> found = mean_error([1.0, 2.0, 3.0, 6.0], ["a", "b", "c", "d"], min_people=4)
    >>> found.value, round(found.interval.low, 2), round(found.interval.high, 2)
    (3.0, -0.44, 6.44)
    """
    error_N = np.abs(np.asarray(error, float)) if absolute else np.asarray(error, float)
    person_N = np.unique(np.asarray(person), return_inverse=True)[1]
    if not len(error_N):
        return Estimate(None)
    people = int(person_N.max()) + 1
    if people < min_people:
        return Estimate(float(error_N.mean()))
    found = leave_out_mean("mae" if absolute else "bias", error_N[None], person_N, people)
    return Estimate(float(error_N.mean()), class_interval(found, False, level))
