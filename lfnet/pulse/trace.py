"""Resample skin colours of single frames to traces at a uniform rate, by timestamp; mark longer gaps as unknown."""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from lfnet.errors import LfnetError
from lfnet.pulse.settings import PulseSettings

__all__ = ["Traces", "mean_colour", "resample", "uniform_traces"]

# More than this many typical frame intervals are a gap, over which a spline would oscillate.
_GAP_FRAMES = 2.5
# Grey levels; the largest difference between channels of a greyscale video with rounded chroma.
_MAX_GREY = 1.0
# Limits of the frame rate (Hz) and of the duration (s), so that wrong timestamps do not take all time and memory.
_MAX_RATE, _MAX_SECONDS = 10_000.0, 86_400.0


class Traces(NamedTuple):
    """Skin colours of a clip at a uniform rate.

    Attributes
    ----------
    start : float
        Seconds of the first sample; sample k is k / rate later.
    rgb_NRC : float64 [N, 3 regions, 3 channels]
        Colours.
    known_NR : bool [N, 3]
        Whether a region is visible, or in a gap short enough to interpolate.
    pixels_R : float64 [3]
        Median number of skin pixels of each region.
    frame_T, seen_TR, valid_T
        Seconds of the frames, whether each region is visible, and whether there is a face.
    """

    start: float
    rgb_NRC: np.ndarray
    known_NR: np.ndarray
    pixels_R: np.ndarray
    frame_T: np.ndarray
    seen_TR: np.ndarray
    valid_T: np.ndarray


def uniform_traces(skin_TRC: np.ndarray, time_T: np.ndarray, valid_T: np.ndarray, settings: PulseSettings) -> Traces:
    """Resample the stream `skin` to `settings.rate`.

    Parameters
    ----------
    skin_TRC : [T, 3, 4] or [T, 12]
        Red, green, blue and number of pixels of three regions (`lfnet.video.skin`).
    time_T : float [T]
        Seconds, increasing.
    valid_T : bool [T]
        Whether there is a face.
    settings : PulseSettings
        `rate`, `min_pixels` and `max_gap` are used.

    Returns
    -------
    Traces

    Raises
    ------
    LfnetError
        The frames are too fast or the clip is too long.
    """
    skin = np.asarray(skin_TRC, np.float64).reshape(len(time_T), 3, 4)
    time, valid = np.asarray(time_T, np.float64), np.asarray(valid_T, bool)
    seen = valid[:, None] & np.isfinite(skin).all(axis=2)
    seen &= np.where(seen, skin[:, :, 3], 0) >= max(1, settings.min_pixels)
    start = float(time[0]) if len(time) else 0.0
    # The last frame lasts as long as the others: 170 frames at 10 per second are 17 s.
    samples = 0
    if len(time):
        duration = float(np.median(np.diff(time))) if len(time) > 1 else 1 / settings.rate
        if not (duration * _MAX_RATE >= 1 and time[-1] - start <= _MAX_SECONDS):
            raise LfnetError(
                f"frames are {duration:.3g} s apart (median) and span {time[-1] - start:.3g} s. A pulse is read at up "
                f"to {_MAX_RATE:,.0f} frames per second, from up to {_MAX_SECONDS / 3600:g} hours. Correct the times."
            )
        samples = int((time[-1] + duration - start) * settings.rate + 1e-6)
    grid = start + np.arange(samples) / settings.rate
    rgb = np.full((samples, 3, 3), np.nan)
    known = np.zeros((samples, 3), bool)
    pixels = np.zeros(3)
    for region in range(3):
        at = seen[:, region]
        if at.sum() >= 2:
            rgb[:, region], known[:, region] = resample(
                skin[at, region, :3], time[at], grid, settings.rate, settings.max_gap
            )
            pixels[region] = np.median(skin[at, region, 3])
    return Traces(start, rgb, known, pixels, time, seen, valid)


def resample(
    x_TC: np.ndarray, time_T: np.ndarray, grid_N: np.ndarray, rate: float, max_gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Resample values to a uniform grid.

    The method is a cubic spline between frames and a straight line over gaps. Frames faster than the grid are averaged,
    so that nothing aliases into the band. Unknown are times more than a frame outside the recording and in gaps longer
    than `max_gap`.

    Parameters
    ----------
    x_TC : float64 [T, C]
        Values.
    time_T : float64 [T]
        Seconds, increasing.
    grid_N : float64 [N]
        Seconds of the grid.
    rate : float
        Hz of the grid.
    max_gap : float
        Seconds.

    Returns
    -------
    values : float64 [N, C]
    known : bool [N]

    Examples
    --------
    >>> time = np.arange(10) / 10
    >>> values, known = resample(time[:, None], time, np.arange(20) / 20, 20.0, 0.5)
    >>> values[5].round(3), bool(known.all())
    (array([0.25]), True)
    """
    steps = np.diff(time_T)
    typical = float(np.median(steps))
    finer = max(1, round(1 / (rate * typical)))
    offsets = ((np.arange(finer) + 0.5) / finer - 0.5) / rate
    spline = CubicSpline(time_T, x_TC, axis=0)
    at = np.clip(grid_N[:, None] + offsets, time_T[0], time_T[-1])
    values = spline(at)
    after = np.clip(np.searchsorted(time_T, at, side="right"), 1, len(time_T) - 1)
    gap = steps[after - 1]
    wide = gap > _GAP_FRAMES * typical
    if wide.any():
        share = ((at - time_T[after - 1]) / gap)[..., None]
        straight = (1 - share) * x_TC[after - 1] + share * x_TC[after]
        values = np.where(wide[..., None], straight, values)
    edge = max(1 / rate, typical) + 1e-9
    inside = (grid_N >= time_T[0] - edge) & (grid_N <= time_T[-1] + edge)
    return values.mean(axis=1), inside & (gap <= max(max_gap, _GAP_FRAMES * typical)).all(axis=1)


def mean_colour(rgb_NRC: np.ndarray, regions_R: np.ndarray, pixels_R: np.ndarray) -> tuple[np.ndarray, bool]:
    """Average the relative colour of the marked regions, weighted by size.

    Each region is divided by its own mean first, so that a region whose size changes with head pose does not shift the
    average from one skin tone to another.

    Returns
    -------
    rgb : float64 [N, 3]
    coloured : bool
        False for a greyscale video.
    """
    rgb = rgb_NRC[:, regions_R]
    weight = pixels_R[regions_R] / pixels_R[regions_R].sum()
    relative = rgb / np.maximum(rgb.mean(axis=0), 1e-9)
    coloured = bool((np.ptp(rgb, axis=2).max(initial=0.0)) > _MAX_GREY)
    return np.tensordot(relative, weight, axes=(1, 0)), coloured
