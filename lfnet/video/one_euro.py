"""One-Euro filter: smooth points strongly while they rest, and little while they move."""

import numpy as np

__all__ = ["OneEuro"]


class OneEuro:
    """One-Euro filter [1]_ of points over time, with MediaPipe's constants for faces.

    A low-pass filter whose cutoff grows with each coordinate's speed in sizes of the object a second. Until a second
    time after 0 is known, the rate counts as 30 a second, as in MediaPipe.

    References
    ----------
    .. [1] Casiez, G., Roussel, N., Vogel, D. "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
       Interactive Systems." CHI 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.video.one_euro import OneEuro
    >>> smooth = OneEuro()
    >>> [round(float(smooth(np.array([x]), time, 100.0)[0]), 2) for time, x in ((0.0, 5), (0.04, 6), (0.08, 6))]
    [5.0, 5.47, 5.71]
    """

    _MIN_CUTOFF, _BETA, _SPEED_CUTOFF = 0.05, 80.0, 1.0  # Hz, Hz for one size a second, Hz
    _RATE = 30.0

    def __init__(self) -> None:
        self._raw: np.ndarray | None = None
        self._time = 0.0
        self._rate = self._RATE

    def __call__(self, points: np.ndarray, time: float, size: float) -> np.ndarray:
        """Return the smoothed points.

        Parameters
        ----------
        points : ndarray
            Of the same shape each time.
        time : float
            Seconds, increasing.
        size : float
            Of the object, in the points' unit.
        """
        if self._raw is None:
            self._smooth, self._speed = points, np.zeros_like(points)
        else:
            if self._time and time:
                self._rate = 1 / (time - self._time)
            self._speed = self._mix(self._speed, (points - self._raw) / size * self._rate, self._SPEED_CUTOFF)
            self._smooth = self._mix(self._smooth, points, self._MIN_CUTOFF + self._BETA * np.abs(self._speed))
        self._raw, self._time = points, time
        return self._smooth

    def _mix(self, before: np.ndarray, now: np.ndarray, cutoff: np.ndarray | float) -> np.ndarray:
        share = 1 / (1 + self._rate / (2 * np.pi * cutoff))
        return share * now + (1 - share) * before
