"""Vectors of a stream at other times: the nearest one, or the mean in a window."""

import numpy as np

__all__ = ["means_at", "rows_at"]

_ROUNDING = 1e-9


def rows_at(grid_T: np.ndarray, time_N: np.ndarray, window: float | None = None) -> np.ndarray:
    """Return the row of `time_N` nearest to each time of the grid, int64 [T]; -1 if none is near enough.

    Near is within half the window. By default, the window is a step: the median time from one row to the next, of the
    grid or of the stream, whichever is shorter, so that no row is used for two distant frames.

    Examples
    --------
    >>> rows_at(np.array([0.0, 0.1, 0.2]), np.array([0.01, 0.18])).tolist()
    [0, -1, 1]
    >>> rows_at(np.array([0.0, 0.1, 0.2]), np.array([0.01, 0.18]), window=0.2).tolist()
    [0, 1, 1]
    """
    if np.array_equal(grid_T, time_N):
        return np.arange(len(grid_T))
    after = np.searchsorted(time_N, grid_T).clip(1, max(1, len(time_N) - 1))
    before = after - 1
    after = after.clip(max=len(time_N) - 1)
    rows = np.where(np.abs(time_N[after] - grid_T) < np.abs(time_N[before] - grid_T), after, before)
    width = min(_steps(grid_T, time_N), default=0.0) if window is None else window
    near = np.abs(time_N[rows] - grid_T) <= (0.5 + _ROUNDING) * width
    return np.where(near, rows, -1)


def means_at(
    grid_T: np.ndarray, time_N: np.ndarray, x_ND: np.ndarray, valid_N: np.ndarray, window: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average a stream's valid vectors in a window about each time of the grid.

    Parameters
    ----------
    grid_T, time_N : ndarray of float64
        Seconds of the grid and of the stream, increasing.
    x_ND : ndarray
        The stream's vectors.
    valid_N : ndarray of bool
        Which of them count.
    window : float, optional
        Width in seconds; a vector at its end belongs to the next window. By default, the longer of the two steps.

    Returns
    -------
    x_TD : ndarray of float64
        Zero where the window holds no valid vector.
    seen_T : ndarray of bool

    Examples
    --------
    >>> sound = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> x_TD, seen_T = means_at(np.array([0.1, 0.3]), np.arange(4) / 10 + 0.05, sound, np.ones(4, bool), 0.2)
    >>> x_TD.ravel().tolist(), seen_T.tolist()
    ([1.0, 5.0], [True, True])
    """
    width = max(_steps(grid_T, time_N), default=0.0) if window is None else window
    first = np.searchsorted(time_N, grid_T - width / 2 - _ROUNDING)
    end = np.searchsorted(time_N, grid_T + width / 2 - _ROUNDING)
    total = np.zeros((len(time_N) + 1, x_ND.shape[1]))
    np.cumsum(np.where(valid_N[:, None], x_ND, 0.0), axis=0, out=total[1:])
    count = np.concatenate([[0], np.cumsum(valid_N)])
    number_T = count[end] - count[first]
    return (total[end] - total[first]) / np.maximum(number_T, 1)[:, None], number_T > 0


def _steps(*times: np.ndarray) -> list[float]:
    return [float(np.median(np.diff(time))) for time in times if len(time) > 1]
