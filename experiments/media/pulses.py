"""Draw pulses with known intervals between beats: rhythm, shape of the wave, and noise that comes in bursts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.media.skin import PULSE_RGB, Shape, skin_of, wander, wave

__all__ = ["DrawnPulse", "draw_pulse", "draw_skin", "quantised"]

_BLOCKS, _BLOCK_NOISE, _KEY_FRAMES = 40, 0.12, 250  # 2 grey levels a pixel in 256 pixels; x264's default
_MAX_SHARE = 0.12  # of the SD of intervals in the mean interval


@dataclass(frozen=True)
class DrawnPulse:
    """A pulse with known beats. beats_B: seconds. strength_B: relative height of each beat."""

    beats_B: np.ndarray
    shape: Shape
    strength_B: np.ndarray

    def volume(self, seconds_T: np.ndarray) -> np.ndarray:
        """Return the blood volume at given times."""
        return wave(seconds_T, self.beats_B, self.shape, self.strength_B)

    def intervals(self, seconds: float) -> np.ndarray:
        """Return the intervals in ms between beats whose upstroke lies in the first `seconds`."""
        delay = (self.shape.peak - self.shape.rise) * np.median(np.diff(self.beats_B))
        upstrokes = self.beats_B + delay
        return 1000 * np.diff(upstrokes[(upstrokes >= 0) & (upstrokes < seconds)])


def draw_pulse(rng: np.random.Generator, seconds: float) -> DrawnPulse:
    """Draw a pulse of 48 to 105 beats per minute whose intervals have an SD of 5 to 150 ms, uniform on a log scale.

    Intervals follow breathing (.18 to .35 Hz), a slow wave (.07 to .12 Hz) and chance, in shares that are drawn;
    breathing changes the height of beats by up to 15 %, and of their dicrotic waves by up to 40 %.
    """
    period = 60 / rng.uniform(48, 105)
    spread = min(0.001 * np.exp(rng.uniform(np.log(5), np.log(150))), _MAX_SHARE * period)
    breath, slow, chance = rng.dirichlet([2, 2, 1])
    hertz, slow_hertz = rng.uniform(0.18, 0.35), rng.uniform(0.07, 0.12)
    phase, slow_phase, other_phase = 2 * np.pi * rng.random(3)
    beats = [-period * (2 + rng.random())]
    while beats[-1] < seconds + 3:
        change = np.sqrt(2 * breath) * np.sin(2 * np.pi * hertz * beats[-1] + phase)
        change += np.sqrt(2 * slow) * np.sin(2 * np.pi * slow_hertz * beats[-1] + slow_phase)
        change += np.sqrt(chance) * rng.normal()
        beats.append(beats[-1] + max(period + spread * change, 0.4 * period))
    beats_B = np.array(beats)
    breathing_B = np.sin(2 * np.pi * hertz * beats_B + other_phase)
    shape = Shape(
        rise=rng.uniform(0.06, 0.11),
        fall=rng.uniform(0.11, 0.16),
        dicrotic=rng.uniform(0.1, 0.45) * (1 + rng.uniform(0, 0.4) * breathing_B),
        at=rng.uniform(0.56, 0.68),
        width=rng.uniform(0.09, 0.13),
    )
    return DrawnPulse(beats_B, shape, 1 + rng.uniform(0, 0.15) * breathing_B)


def draw_skin(
    volume: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    seconds: float,
    fps: float,
    step: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw skin colours that follow a pulse; return the stream `skin` [T, 3, 4] and times [T].

    volume: the blood volume at given seconds, of SD near 1. The amplitude in green is .25 to 1.6 %. Noise has .05 to
    1.3 times the pulse's SD in .6–4 Hz, a spectrum from white to 1/f², a level that varies by a factor of up to e^1.2
    (motion comes in bursts), and parts that are common to all channels, of one channel, and of one region. Light drifts
    by up to .4 %. step: as for `quantised`; None for no codec.
    """
    time = np.arange(round(seconds * fps)) / fps
    amplitude = 10 ** rng.uniform(-2.6, -1.8)
    exponent, share, burst = rng.uniform(0, 2), 10 ** rng.uniform(-1.3, 0.1), rng.uniform(0, 1.2)
    common = rng.uniform(0.5, 4) * _coloured(len(time), fps, exponent, rng, 1)
    channels = 0.5 * _coloured(len(time), fps, exponent, rng, 3)
    regions = 0.5 * _coloured(len(time), fps, exponent, rng, 9).reshape(-1, 3, 3)
    level = np.exp(burst * wander(time, rng, 0.1) - burst**2 / 2)
    noise = common[:, None] + channels[:, None] + regions
    relative = 1 - volume(time)[:, None, None] * (amplitude * PULSE_RGB / PULSE_RGB[1])
    relative = relative * (1 + 0.7 * amplitude * share * level[:, None, None] * noise)
    relative *= 1 + rng.uniform(0, 0.004) * wander(time, rng, 0.05)[:, None, None]
    skin = skin_of(relative)
    if step is not None:
        skin[:, :, :3] = quantised(skin[:, :, :3], rng, step)
    return skin, time


def quantised(rgb_TRC: np.ndarray, rng: np.random.Generator, step: float) -> np.ndarray:
    """Code colours as a video codec does: blocks whose changes are rounded, the small ones to none.

    Each region has 40 blocks of 16 × 16 pixels with their own brightness and noise. Of each block, luma and chroma are
    predicted from the frame before; the difference is rounded to multiples of `step` grey levels (1.5 · `step` in
    chroma), towards zero below two thirds of it. Every 250 frames the prediction starts again.
    """
    to_luma = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
    steps = step * np.array([1.0, 1.5, 1.5])
    gain = rng.uniform(0.7, 1.2, (rgb_TRC.shape[1], _BLOCKS, 1))
    before = np.zeros((rgb_TRC.shape[1], _BLOCKS, 3))
    out = np.empty_like(rgb_TRC)
    for frame, rgb_RC in enumerate(rgb_TRC):
        block = gain * rgb_RC[:, None] + _BLOCK_NOISE * rng.normal(size=before.shape)
        change = (block @ to_luma.T) - (0 if frame % _KEY_FRAMES == 0 else before)
        change = np.sign(change) * np.floor(np.abs(change) / steps + 1 / 3) * steps
        before = change + (0 if frame % _KEY_FRAMES == 0 else before)
        out[frame] = (before / gain).mean(axis=1) @ np.linalg.inv(to_luma).T
    return out


def _coloured(count: int, fps: float, exponent: float, rng: np.random.Generator, columns: int) -> np.ndarray:
    """Draw noise [count, columns] with power 1/f^exponent above .1 Hz, of SD 1 in .6–4 Hz."""
    hertz = np.fft.rfftfreq(count, 1 / fps)
    found = np.fft.rfft(rng.normal(size=(count, columns)), axis=0)
    found *= (np.maximum(hertz, 0.1) ** (-exponent / 2))[:, None]
    power = 2 * (np.abs(found[(hertz >= 0.6) & (hertz <= 4)]) ** 2).sum(axis=0) / count**2
    return np.fft.irfft(found, count, axis=0) / np.sqrt(power)
