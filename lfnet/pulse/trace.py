"""From colours of single frames to traces at a uniform rate, by timestamp; gaps are bridged or named."""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from lfnet.pulse.settings import PulseSettings

__all__ = ["Traces", "colour", "resample", "uniform"]

# A stretch without frames longer than so many typical frames is a gap, over which a spline would swing.
_GAP_FRAMES = 2.5
# Grey levels: the largest difference between channels of a picture without colour, whose chroma was rounded.
_GREY = 1.0


class Traces(NamedTuple):
    """A clip's skin at a uniform rate.

    start: seconds of the first sample; sample k is k / rate later. rgb_NRC: float64 [N, 3 regions, 3 channels].
    known_NR: bool [N, 3], whether a region is seen at that time or in a gap short enough to bridge.
    pixels_R: a region's median number of skin pixels. frame_T, seen_TR, valid_T: the frames' seconds, whether they show
    each region, and whether they hold a face.
    """

    start: float
    rgb_NRC: np.ndarray
    known_NR: np.ndarray
    pixels_R: np.ndarray
    frame_T: np.ndarray
    seen_TR: np.ndarray
    valid_T: np.ndarray


def uniform(skin_TRC: np.ndarray, time_T: np.ndarray, valid_T: np.ndarray, settings: PulseSettings) -> Traces:
    """The traces of the stream `skin`.

    skin_TRC: [T, 3, 4] or [T, 12], red, green, blue, pixels of three regions (`lfnet.video.skin`). time_T: seconds,
    increasing. valid_T: whether the frame holds a face.
    """
    skin = np.asarray(skin_TRC, np.float64).reshape(len(time_T), 3, 4)
    time, valid = np.asarray(time_T, np.float64), np.asarray(valid_T, bool)
    seen = valid[:, None] & np.isfinite(skin).all(axis=2)
    seen &= np.where(seen, skin[:, :, 3], 0) >= max(1, settings.min_pixels)
    start = float(time[0]) if len(time) else 0.0
    # The last frame lasts as long as the others: 170 frames at 10 a second are 17 s.
    samples = 0
    if len(time):
        lasts = float(np.median(np.diff(time))) if len(time) > 1 else 1 / settings.rate
        samples = int((time[-1] + lasts - start) * settings.rate + 1e-6)
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
    """Values at the times of a uniform grid, float64 [N, C], and whether they are known, bool [N].

    A cubic spline between frames, straight lines over gaps; frames that come faster than the grid are averaged, so that
    nothing is folded into the band. Not known is what lies before the first frame, behind the last by more than a
    frame, or in a gap longer than `max_gap` seconds.
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


def colour(rgb_NRC: np.ndarray, regions_R: np.ndarray, pixels_R: np.ndarray) -> tuple[np.ndarray, bool]:
    """The skin's colour relative to its mean, float64 [N, 3], over the regions marked; and whether there is colour.

    Each region is divided by its own mean before the regions are averaged by their size: so a region that grows or
    shrinks as the head turns does not pull the mean from one skin tone to another.
    """
    rgb = rgb_NRC[:, regions_R]
    weight = pixels_R[regions_R] / pixels_R[regions_R].sum()
    relative = rgb / np.maximum(rgb.mean(axis=0), 1e-9)
    coloured = bool((np.ptp(rgb, axis=2).max(initial=0.0)) > _GREY)
    return np.tensordot(relative, weight, axes=(1, 0)), coloured
