"""Statistics of a stream's columns over clips: which move, and whether clips differ."""

import numpy as np

__all__ = ["ColumnStatistics"]

_MIN_CLIPS = 5
_ROWS = 200  # of a clip that measure the variance within it
# Where clips do not differ, and frames by less than this share of the numbers, all vectors are one.
_NEAR = 0.01


class ColumnStatistics:
    """Ranges, means and variances of columns, clip by clip.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> statistics = ColumnStatistics()
    >>> for clip in range(8):
    ...     x_TD = draw.normal(size=(50, 3)) + [0, 0, clip]
    ...     x_TD[:, 0] = 4.0
    ...     statistics.add(str(clip), x_TD, x_TD.min(axis=0), x_TD.max(axis=0))
    >>> statistics.dead(1e-3), statistics.alike(2.0)
    (1, (1, False))
    """

    def __init__(self) -> None:
        self.clip_ids: list[str] = []
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._mean: list[np.ndarray] = []
        self._rows: list[int] = []
        self._within_D = np.zeros(0)  # sum of squares about the means of clips

    def add(self, clip_id: str, x_TD: np.ndarray, low_D: np.ndarray, high_D: np.ndarray) -> None:
        """Add a clip's vectors, and the ends of each column. Clips of another width are passed over."""
        if self._low and len(low_D) != self.total:
            return
        sample = x_TD[np.linspace(0, len(x_TD) - 1, min(len(x_TD), _ROWS)).astype(int)].astype(np.float64)
        mean_D = sample.mean(axis=0)
        within_D = np.square(sample - mean_D).sum(axis=0)
        self._within_D = within_D if not self._low else self._within_D + within_D
        self.clip_ids.append(clip_id)
        self._low.append(low_D)
        self._high.append(high_D)
        self._mean.append(mean_D.astype(np.float32))
        self._rows.append(len(sample))

    @property
    def enough(self) -> bool:
        """Whether there are clips enough to compare."""
        return len(self.clip_ids) >= _MIN_CLIPS

    @property
    def total(self) -> int:
        """The number of columns."""
        return len(self._low[0])

    def dead(self, rounding: float) -> int:
        """Count columns whose range over all clips is at most `rounding` of their largest number."""
        low_D, high_D = np.min(self._low, axis=0), np.max(self._high, axis=0)
        return int((high_D - low_D <= rounding * np.maximum(np.abs(low_D), np.abs(high_D))).sum())

    def still_columns(self, min_range: float) -> list[tuple[str, int, int]]:
        """Return each clip with its columns that do not move though they usually do, and the number of usual ones.

        A column moves in a clip where its range exceeds `min_range` of the median of its ranges in all clips, and it
        usually does if so in more than half of them.
        """
        range_CD = np.subtract(self._high, self._low)
        moves_CD = range_CD > min_range * np.median(range_CD, axis=0)
        usual_D = moves_CD.mean(axis=0) > 0.5
        still_C = (~moves_CD[:, usual_D]).sum(axis=1)
        usual = int(usual_D.sum())
        return [(clip_id, int(still), usual) for clip_id, still in zip(self.clip_ids, still_C, strict=True)]

    def alike(self, min_ratio: float) -> tuple[int, bool]:
        """Count moving columns in which clips do not differ, and say whether these columns are near constants.

        The variance between the means of clips is compared with what frames alone would give: the F ratio of an
        analysis of variance, 1 where clips do not differ. Frames of a video are correlated, so real clips have
        ratios far above 1, whatever they show.
        """
        rows_C1 = np.array(self._rows, float)[:, None]
        mean_CD = np.array(self._mean, dtype=np.float64)
        mean_D = (rows_C1 * mean_CD).sum(axis=0) / rows_C1.sum()
        between_D = (rows_C1 * np.square(mean_CD - mean_D)).sum(axis=0) / (len(mean_CD) - 1)
        within_D = self._within_D / (rows_C1.sum() - len(mean_CD))
        alike_D = (between_D < min_ratio * within_D) & (within_D > 0)
        near_D = np.sqrt(within_D[alike_D]) <= _NEAR * np.abs(mean_D[alike_D])
        return int(alike_D.sum()), bool(2 * near_D.sum() > len(near_D))
