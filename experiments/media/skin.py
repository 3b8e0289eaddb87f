"""Synthetic pulse waves, and skin colours that follow them, for tests with known truth."""

from dataclasses import dataclass

import numpy as np

__all__ = ["PULSE_RGB", "MadeSkin", "made_skin", "wave"]

# Amplitude of the blood volume in red, green and blue, as shares of each channel (de Haan and van Leest 2014).
PULSE_RGB = np.array([0.33, 0.77, 0.53])
# Mean colour of light skin under white light, and pixels of forehead and cheeks.
_TONE = np.array([180.0, 130.0, 105.0])
_REGIONS = np.array([[1.0, 1.0, 1.0], [1.05, 1.02, 1.0], [0.93, 0.92, 0.95]])
_PIXELS = np.array([3000.0, 1500.0, 1500.0])


def wave(seconds_T: np.ndarray, beats_B: np.ndarray) -> np.ndarray:
    """Return the blood volume at given times: a systolic and a dicrotic wave after each beat, amplitude near 1.

    seconds_T: float64 [T]. beats_B: increasing seconds of the beats, from before the first time to after the last.
    """
    period = float(np.median(np.diff(beats_B)))
    # In seconds after the beat, so that systolic peaks have the same distances as beats.
    since = (seconds_T[:, None] - beats_B) / period
    near = np.abs(since) < 2
    shape = np.zeros(since.shape)
    shape[near] = np.exp(-0.5 * ((since[near] - 0.30) / 0.11) ** 2)
    shape[near] += 0.35 * np.exp(-0.5 * ((since[near] - 0.62) / 0.12) ** 2)
    return 2 * (shape.sum(axis=1) - 0.38) / 0.98


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
    relative *= 1 + light * _wander(time, rng, 0.05)[:, None, None]
    if flicker is not None:
        relative *= 1 + flicker[1] * np.sin(2 * np.pi * (flicker[0] * time + rng.random()))[:, None, None]
    for region in range(3):
        relative[:, region] *= 1 + motion * _wander(time, rng, 0.4)[:, None]
        for channel in range(3):
            relative[:, region, channel] *= 1 + 0.2 * motion * _wander(time, rng, 0.4)
    if amplitude:
        share = amplitude * PULSE_RGB / PULSE_RGB[1]
        relative *= 1 - wave(time, beats)[:, None, None] * share
    relative *= 1 + noise * rng.normal(size=relative.shape)
    skin = np.empty((len(time), 3, 4))
    skin[:, :, :3] = relative * _TONE * _REGIONS
    skin[:, :, 3] = _PIXELS
    inside = beats[(beats >= 0) & (beats < time[-1])]
    return MadeSkin(skin, time, np.ones(len(time), bool), inside)


def _wander(time: np.ndarray, rng: np.random.Generator, hertz: float) -> np.ndarray:
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
