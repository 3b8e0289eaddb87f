"""Beats and the intervals between them."""

import numpy as np
import pytest

from experiments.media.skin import wave
from lfnet.pulse.beats import correct_artefacts, find_beats
from lfnet.pulse.methods import band_pass

RATE = 30.0


def pulse(at: np.ndarray, seconds: float = 17.0) -> np.ndarray:
    return band_pass(wave(np.arange(round(seconds * RATE)) / RATE, at), RATE, (0.6, 4.0), 3)


def series(rng: np.random.Generator, mean: float, spread: float, count: int = 60) -> np.ndarray:
    return np.cumsum(rng.normal(mean, spread, count)) - 3


@pytest.mark.parametrize("bpm", [45, 72, 110, 150])
def test_beats_of_a_wave_are_located(bpm: float) -> None:
    at = series(np.random.default_rng(bpm), 60 / bpm, 0.03 * 60 / bpm)
    found = find_beats(pulse(at), RATE, bpm, max_deviation=None)
    inside = found.seconds[(found.seconds > 1) & (found.seconds < 16)]
    off = inside[:, None] - (at + 0.30 * np.median(np.diff(at)))
    off = off[np.arange(len(inside)), np.abs(off).argmin(axis=1)]
    assert len(inside) == pytest.approx(15 * bpm / 60, abs=1.5)
    # The band-pass shifts all peaks slightly towards the dicrotic wave. At 30 Hz a frame is 33 ms; the spline is
    # more precise.
    assert abs(np.median(off)) < 0.03 and off.std() < 0.01
    np.testing.assert_allclose(found.intervals, 1000 * np.diff(found.seconds))


def test_the_dicrotic_wave_is_not_a_beat() -> None:
    at = np.arange(-3, 22, 60 / 50)
    assert len(find_beats(pulse(at), RATE, 50, max_deviation=None).seconds) == pytest.approx(17 * 50 / 60, abs=1)


def test_a_missed_and_an_extra_beat_are_corrected() -> None:
    rng = np.random.default_rng(0)
    at = np.cumsum(rng.normal(0.85, 0.02, 60))
    truth = 1000 * np.diff(at)
    clean, none = correct_artefacts(at, 0.2)
    assert none == 0
    np.testing.assert_allclose(clean, truth)
    for wrong in (np.delete(at, 20), np.insert(at, 20, at[19] + 0.3)):
        intervals, concerned = correct_artefacts(wrong, 0.2)
        assert concerned >= 1
        assert intervals.max() < 1000 and intervals.min() > 700, "the interval of 1.7 s or .3 s is gone"
        assert intervals.mean() == pytest.approx(truth.mean(), rel=0.01)


def test_a_misplaced_beat_is_corrected() -> None:
    at = np.cumsum(np.random.default_rng(1).normal(0.85, 0.02, 60))
    at[30] += 0.25
    before = np.diff(1000 * at)
    intervals, concerned = correct_artefacts(at, 0.2)
    assert concerned >= 1 and len(intervals) == len(before)
    assert np.abs(intervals - 850).max() < 0.6 * np.abs(before - 850).max()


def test_flat_signals_have_no_beats() -> None:
    found = find_beats(np.zeros(510), RATE, 60, max_deviation=0.2)
    assert len(found.seconds) == len(found.intervals) == 0
