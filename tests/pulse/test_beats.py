"""Beats and the intervals between them."""

import numpy as np
import pytest

from experiments.media.pulses import draw_pulse
from experiments.media.skin import Shape, wave
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
    # The wave peaks .30 of a period after the beat, and is steepest one SD of its Gaussian before.
    off = inside[:, None] - (at + (0.30 - 0.11) * np.median(np.diff(at)))
    off = off[np.arange(len(inside)), np.abs(off).argmin(axis=1)]
    assert len(inside) == pytest.approx(15 * bpm / 60, abs=1.5)
    # The band-pass shifts all beats slightly. At 30 Hz a frame is 33 ms; the spline is more precise.
    assert abs(np.median(off)) < 0.03 and off.std() < 0.01
    np.testing.assert_allclose(found.intervals, 1000 * np.diff(found.seconds))


def test_the_dicrotic_wave_is_not_a_beat() -> None:
    at = np.arange(-3, 22, 60 / 50)
    assert len(find_beats(pulse(at), RATE, 50, max_deviation=None).peaks) == pytest.approx(17 * 50 / 60, abs=1)


def test_a_wave_that_began_before_the_trace_has_a_peak_and_no_beat() -> None:
    time = np.arange(600) / RATE
    found = find_beats(np.sin(2 * np.pi * time - 0.3), RATE, 60, max_deviation=None)
    upstrokes = np.arange(1, 20) + 0.3 / (2 * np.pi)  # where the sine is zero and rises
    assert len(found.peaks) == 20
    np.testing.assert_allclose(found.seconds, upstrokes, atol=5e-4)


def test_beats_are_placed_between_samples() -> None:
    """Intervals of 770 ms, no multiple of a frame of 67 ms or of a sample of 4 ms, are 770 ms."""
    time = np.arange(17 * 15) / 15
    found = find_beats(np.sin(2 * np.pi * time / 0.77), 15.0, 78, max_deviation=None)
    assert np.abs(found.intervals[1:-1] - 770).max() < 1


def test_slow_changes_of_light_move_beats_less_than_peaks() -> None:
    """A tilt shifts a peak by slope / curvature, and the steepest upstroke not at all."""
    time = np.arange(round(17 * RATE)) / RATE
    at = np.arange(-3, 20, 0.9)
    still = wave(time, at, Shape(rise=0.09, fall=0.14))
    tilted = still + 1.5 * np.sin(2 * np.pi * 0.25 * time)
    found, plain = (find_beats(x, RATE, 60 / 0.9, max_deviation=None) for x in (tilted, still))
    count = min(len(found.seconds), len(plain.seconds))
    moved = {name: (getattr(found, name) - getattr(plain, name))[-count:].std() for name in ("seconds", "peaks")}
    assert moved["seconds"] < 0.2 * moved["peaks"] and moved["peaks"] > 0.005


def test_a_step_before_the_peak_is_not_the_beat() -> None:
    """A steep wave runs into a weak beat .3 s before its peak: the rise that leads to the peak is the beat's."""
    time = np.arange(round(17 * RATE)) / RATE
    at = np.arange(-3, 20, 1.0)
    strength = np.where(np.arange(len(at)) == 12, 0.75, 1.0)
    step = 1.6 * np.exp(-0.5 * ((time - at[12]) / 0.06) ** 2)
    both = band_pass(wave(time, at, strength_B=strength) + step, RATE, (0.6, 4), 3)
    assert np.abs(find_beats(both, RATE, 60, max_deviation=None).intervals - 1000).max() < 100


@pytest.mark.parametrize("fps", [15, 25, 60])
def test_intervals_at_any_frame_rate(fps: float) -> None:
    """Drawn pulses without noise: RMSSD is that of the beats, also where a frame lasts longer than it."""
    for seed in range(4):
        made = draw_pulse(np.random.default_rng(seed), 30.0)
        truth = made.intervals(30.0)
        time = np.arange(round(30 * fps)) / fps
        x = band_pass(made.volume(time), fps, (0.6, 4.0), 3)
        found = find_beats(x, fps, 60_000 / truth.mean(), max_deviation=None).intervals
        rmssd, true = (np.sqrt((np.diff(each) ** 2).mean()) for each in (found, truth))
        assert rmssd == pytest.approx(true, rel=0.15, abs=4)


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
    assert len(found.seconds) == len(found.peaks) == len(found.intervals) == 0
