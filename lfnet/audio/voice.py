"""Voice activity: where somebody speaks, by the level of the band of speech above the clip's own noise."""

import numpy as np

from lfnet.audio.spectra import power_spectra
from lfnet.audio.track import Sound

__all__ = ["STEP", "share_in", "voice"]

STEP = 0.01  # seconds from one decision to the next
_WINDOW = 0.03  # seconds
_BAND = (200.0, 4000.0)  # Hz
_SILENCE = -90.0  # dB of full scale: below it is no sound of a room
_ABOVE_NOISE = 6.0  # dB
_NOISE = 10  # percentile of the levels that is the noise
_BELOW_PEAK = 40.0  # dB below the 95th percentile: further down is no speech, however silent the pauses
_MIN_PAUSE, _MIN_VOICE = 0.2, 0.06  # seconds; shorter pauses, then shorter sounds, do not count


def voice(sound: Sound) -> np.ndarray:
    """Decide for each hundredth of a second whether there is a voice, bool [T] from the clip's start.

    A step has a voice where the level between 200 and 4000 Hz is 6 dB or more above the noise, which is the tenth
    percentile of the clip's levels, and no more than 40 dB below their 95th percentile. Then pauses below 0.2 s are
    filled, and sounds below 0.06 s left out. Any other loud sound, as music or a door, counts as a voice, and all
    speakers are one. docs/audio.md has its errors.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> samples = 0.001 * random.standard_normal(32000)
    >>> samples[8000:16000] += 0.1 * np.sin(np.arange(8000))
    >>> found = voice(Sound(samples.astype(np.float32), np.ones(32000, bool), 16000))
    >>> bool(found[55:95].all()), bool(found[:45].any()), bool(found[110:].any())
    (True, False, False)
    """
    rate = sound.rate
    window, hop = round(_WINDOW * rate), round(STEP * rate)
    frequency_F = np.arange(window // 2 + 1) * rate / window
    band_F = (frequency_F >= _BAND[0]) & (frequency_F <= _BAND[1])
    parts = [power_TF[:, band_F].sum(axis=1) for power_TF in power_spectra(sound.samples_N, window, hop)]
    steps = round(len(sound.samples_N) / hop)
    if not parts:
        return np.zeros(steps, bool)
    level_T = np.maximum(_SILENCE, 10 * np.log10(np.concatenate(parts) + 1e-12))
    there_T = np.asarray(sound.there_N)[: hop * len(level_T)].reshape(-1, hop).min(axis=1)
    level_T = level_T[: len(there_T)]
    if not there_T.any():
        return np.zeros(steps, bool)
    noise, peak = np.percentile(level_T[there_T], [_NOISE, 95])
    loud_T = there_T & (level_T >= noise + _ABOVE_NOISE) & (level_T >= peak - _BELOW_PEAK)
    found = np.zeros(steps, bool)
    before = (window - hop) // (2 * hop)  # a window's centre lies so many steps after its start
    kept = loud_T[: max(0, steps - before)]
    found[before : before + len(kept)] = kept
    found = ~_without_short(~found, round(_MIN_PAUSE / STEP), ends=True)
    return _without_short(found, round(_MIN_VOICE / STEP))


def share_in(steps_T: np.ndarray, start: np.ndarray, seconds: float) -> np.ndarray:
    """Return the share of true steps in windows that begin at `start` and last `seconds`, float64 like `start`.

    A window shorter than two steps has the value of the step that its centre lies in.
    """
    total = np.concatenate([[0], np.cumsum(steps_T)])
    if seconds < 2 * STEP:
        place = np.floor((start + seconds / 2) / STEP + 1e-6).astype(int).clip(0, max(0, len(steps_T) - 1))
        return steps_T[place].astype(float) if len(steps_T) else np.zeros(len(start))
    first = np.rint(start / STEP).astype(int).clip(0, len(steps_T))
    end = np.rint((start + seconds) / STEP).astype(int).clip(0, len(steps_T))
    return np.asarray((total[end] - total[first]) / np.maximum(end - first, 1))


def _without_short(runs_T: np.ndarray, steps: int, *, ends: bool = False) -> np.ndarray:
    """Set runs of fewer true steps to false; ends: keep those at either end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], runs_T.astype(np.int8), [0]])))
    kept = runs_T.copy()
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        at_end = first == 0 or end == len(runs_T)
        if end - first < steps and not (ends and at_end):
            kept[first:end] = False
    return kept
