"""Synthetic pulse waves, and skin colours that follow them, for tests with known truth."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = ["PULSE_RGB", "MadeSkin", "Shape", "made_skin", "skin_of", "wander", "wave"]

# Amplitude of the blood volume in red, green and blue, as shares of each channel (de Haan and van Leest 2014).
PULSE_RGB = np.array([0.33, 0.77, 0.53])
# Mean colour of light skin under white light, and pixels of forehead and cheeks.
_TONE = np.array([180.0, 130.0, 105.0])
_REGIONS = np.array([[1.0, 1.0, 1.0], [1.05, 1.02, 1.0], [0.93, 0.92, 0.95]])
_PIXELS = np.array([3000.0, 1500.0, 1500.0])


@dataclass(frozen=True)
class Shape:
    """Two waves of a beat, in shares of the median interval: a systolic one that peaks at .30, and a dicrotic one.

    rise, fall: widths (SD) of the systolic wave before and after its peak. dicrotic, at, width: height, place and
    width of the dicrotic wave.
    """

    rise: float = 0.11
    fall: float = 0.11
    dicrotic: float | np.ndarray = 0.35  # or one for each beat
    at: float = 0.62
    width: float = 0.12
    peak: ClassVar[float] = 0.30


def wave(
    seconds_T: np.ndarray, beats_B: np.ndarray, shape: Shape = Shape(), strength_B: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return the blood volume at given times: a systolic and a dicrotic wave after each beat, amplitude near 1.

    seconds_T: float64 [T]. beats_B: increasing seconds of the beats, from before the first time to after the last.
    strength_B: relative height of each beat.
    """
    period = float(np.median(np.diff(beats_B)))
    # In seconds after the beat, so that systolic peaks have the same distances as beats.
    since = (seconds_T[:, None] - beats_B) / period
    near = np.abs(since) < 2
    place = since[near]
    systolic = np.exp(-0.5 * ((place - shape.peak) / np.where(place < shape.peak, shape.rise, shape.fall)) ** 2)
    dicrotic, strength = (np.broadcast_to(given, since.shape)[near] for given in (shape.dicrotic, strength_B))
    volume = np.zeros(since.shape)
    volume[near] = systolic
    volume[near] += dicrotic * np.exp(-0.5 * ((place - shape.at) / shape.width) ** 2)
    volume[near] *= strength
    return 2 * (volume.sum(axis=1) - 0.38) / 0.98


@dataclass(frozen=True)
class MadeSkin:
    """Skin colours of each frame. skin_TRC: float64 [T, 3, 4], as `lfnet.video.skin.skin_means` returns them.

    time_T: seconds. valid_T: bool. beats: seconds of the beats between first and last frame.
    """

    skin_TRC: np.ndarray
    time_T: np.ndarray
    valid_T: np.ndarray
    beats: np.ndarray


def made_skin(
    beats_per_minute: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    fps: float = 30.0,
    amplitude: float = 0.005,
    noise: float = 0.0005,
    light: float = 0.002,
    motion: float = 0.003,
    flicker: tuple[float, float] | None = None,
    variability_ms: float = 0.0,
) -> MadeSkin:
    """Simulate a face's skin: pulse, light, head motion and camera noise, each a share of the skin's colour.

    amplitude: of the pulse in green, 0 is none; red and blue follow `PULSE_RGB`. noise: of each region and channel in
    each frame. light: slow drift common to all channels. motion: of each region, as a turning head shades and colours
    it, four fifths common to all channels. flicker: Hz and share of a lamp. variability_ms: SD of the intervals between
    beats.
    """
    time = np.arange(round(seconds * fps)) / fps
    period = 60 / beats_per_minute
    count = int((seconds + 4) / period) + 6
    intervals = np.maximum(period + rng.normal(0, variability_ms / 1000, count), 0.3 * period)
    beats = np.cumsum(intervals) - 2 - period * (1 + rng.random())
    relative = np.ones((len(time), 3, 3))
    relative *= 1 + light * wander(time, rng, 0.05)[:, None, None]
    if flicker is not None:
        relative *= 1 + flicker[1] * np.sin(2 * np.pi * (flicker[0] * time + rng.random()))[:, None, None]
    for region in range(3):
        relative[:, region] *= 1 + motion * wander(time, rng, 0.4)[:, None]
        for channel in range(3):
            relative[:, region, channel] *= 1 + 0.2 * motion * wander(time, rng, 0.4)
    if amplitude:
        relative *= 1 - wave(time, beats)[:, None, None] * (amplitude * PULSE_RGB / PULSE_RGB[1])
    relative *= 1 + noise * rng.normal(size=relative.shape)
    inside = beats[(beats >= 0) & (beats < time[-1])]
    return MadeSkin(skin_of(relative), time, np.ones(len(time), bool), inside)


def skin_of(relative_TRC: np.ndarray) -> np.ndarray:
    """Return the stream `skin` [T, 3, 4] of colours relative to the skin's own."""
    skin = np.empty((len(relative_TRC), 3, 4))
    skin[:, :, :3] = relative_TRC * _TONE * _REGIONS
    skin[:, :, 3] = _PIXELS
    return skin


def wander(time: np.ndarray, rng: np.random.Generator, hertz: float) -> np.ndarray:
    """Draw an Ornstein-Uhlenbeck process of SD 1, whose power falls with the squared frequency above `hertz`."""
    step = float(time[1] - time[0])
    keep = np.exp(-2 * np.pi * hertz * step)
    drawn = rng.normal(size=len(time)) * np.sqrt(1 - keep**2)
    out = np.empty(len(time))
    value = rng.normal()
    for k, each in enumerate(drawn):
        value = keep * value + each
        out[k] = value
    return out
