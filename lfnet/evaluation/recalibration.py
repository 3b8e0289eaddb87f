"""Recalibration: a line through the scores of dev that turns shrunken scores into the labels' range.

A head that is trained on few people predicts near the mean: the SD of its scores is below that of the labels
(`sigma_ratio` below 1). Two lines, label = intercept + slope · score, are offered:

- `linear`: the regression of dev labels on dev scores, with people's offsets (`lfnet.evaluation.personalisation`, as in
  `lfnet adapt --slope`). The mean label of recordings with a score is then that score (calibration slope 1: Cox 1958).
  A regression is shrunken itself: sigma_ratio becomes the PCC, not 1.
- `variance`: mean and SD of dev scores become those of dev labels, so sigma_ratio becomes 1. With the PCC r the squared
  error of such scores is 2 (1 − r) · variance of the labels, while that of the regression is (1 − r²): it is larger.

A line changes no rank, so PCC stays. Because it commutes with means, medians and maxima, it applies to windows, clips
and recordings alike. It is fitted on dev, which also chose the epoch, so dev metrics are optimistic twice; test labels
are never used.

References
----------
Cox D. R. (1958). Two further applications of a model for binary regression. Biometrika 45. Steyerberg E. W. (2019).
Clinical prediction models, section 15.3.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.offsets import fit_line

__all__ = ["Method", "Recalibration", "fit_recalibration"]

Method = Literal["linear", "variance"]


@dataclass(frozen=True)
class Recalibration:
    """A line, label = intercept + slope · score, in points.

    Parameters
    ----------
    method : str
    intercept, slope : float
        0 and 1 where no line with a slope above 0 was found.
    recordings, people : int
        How many it was fitted on.
    found : bool
        Whether there is such a line.
    """

    method: str
    intercept: float
    slope: float
    recordings: int
    people: int
    found: bool = True

    def apply(self, score_N: ArrayLike) -> NDArray[np.float64]:
        """Return the recalibrated scores.

        Examples
        --------
        >>> Recalibration("variance", -20.0, 2.0, 10, 10).apply([15.0, 25.0]).tolist()
        [10.0, 30.0]
        """
        return self.intercept + self.slope * np.asarray(score_N, np.float64)

    @property
    def mark(self) -> str:
        """What a reader of the run's numbers must know."""
        if self.found:
            return f"scores recalibrated on dev ({self.method})"
        return f"not recalibrated ({self.method}): scores do not rise with the labels of dev"


def fit_recalibration(recordings: pd.DataFrame, method: Method) -> Recalibration:
    """Fit the line on the labelled recordings of dev.

    Parameters
    ----------
    recordings : DataFrame
        person_id, label and score.
    method : {"linear", "variance"}

    Returns
    -------
    Recalibration
        Without a change where the line would fall, or scores are all equal: it would turn the order of people round.

    Examples
    --------
    >>> dev = pd.DataFrame({"person_id": ["a", "b", "c"], "label": [10.0, 20.0, 30.0], "score": [18.0, 20.0, 22.0]})
    >>> fit_recalibration(dev, "variance").apply([18.0, 22.0]).round(6).tolist()
    [10.0, 30.0]
    """
    known = recordings[recordings["label"].notna()]
    label_N, score_N = known["label"].to_numpy(float), known["score"].to_numpy(float)
    count, people = len(known), int(known["person_id"].nunique())
    try:
        intercept, slope = fit_line(label_N, score_N, known["person_id"])
    except LfnetError:  # equal scores
        slope = 0.0
    if not slope > 0:
        return Recalibration(method, 0.0, 1.0, count, people, found=False)
    if method == "variance":
        slope = float(label_N.std() / score_N.std())
        intercept = float(label_N.mean() - slope * score_N.mean())
    return Recalibration(method, intercept, slope, count, people)
