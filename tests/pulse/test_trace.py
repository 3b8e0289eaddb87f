"""Traces at a uniform rate: by timestamp, over gaps, and of regions that change their size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.features.derived import pulse_clip
from lfnet.features.store import ClipFeatures
from lfnet.pulse.settings import PulseSettings
from lfnet.pulse.trace import mean_colour, resample, uniform_traces

SETTINGS = PulseSettings()


def sine(time: np.ndarray) -> np.ndarray:
    return np.stack([100 + np.sin(2 * np.pi * 1.3 * time), 80 + np.cos(2 * np.pi * 0.9 * time)], axis=1)


@given(st.integers(0, 1000), st.floats(20, 33))
def test_irregular_frames_give_the_same_trace(seed: int, fps: float) -> None:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.uniform(0.5, 1.5, int(10 * fps)) / fps)
    grid = np.arange(time[0], time[-1], 1 / 30)
    values, known = resample(sine(time), time, grid, 30.0, 0.5)
    inner = slice(5, -5)
    assert known.all()
    assert np.abs(values - sine(grid))[inner].max() < 0.05


def test_faster_frames_are_averaged_without_aliasing() -> None:
    time = np.arange(0, 10, 1 / 120)
    grid = np.arange(0.1, 9.9, 1 / 30)
    fast = np.sin(2 * np.pi * 28.5 * time)[:, None]  # would show as 1.5 Hz at 30 Hz
    values, _ = resample(fast, time, grid, 30.0, 0.5)
    assert np.abs(values).max() < 0.15
    slow, _ = resample(sine(time), time, grid, 30.0, 0.5)
    assert np.abs(slow - sine(grid)).max() < 0.01


@pytest.mark.parametrize(("gap", "bridged"), [(0.4, True), (0.8, False), (3.0, False)])
def test_short_gaps_are_interpolated_linearly_and_long_ones_are_unknown(gap: float, bridged: bool) -> None:
    time = np.arange(0, 10, 1 / 30)
    time = time[(time < 4) | (time >= 4 + gap)]
    grid = np.arange(0, 9.9, 1 / 30)
    x = np.where(time < 4, 1.0, 2.0)[:, None]
    values, known = resample(x, time, grid, 30.0, 0.5)
    within = (grid > 4) & (grid < 4 + gap - 1 / 30)
    assert (known[within] == bridged).all() and known[~within & ((grid < 3.9) | (grid > 4.1 + gap))].all()
    assert ((values[within] >= 1) & (values[within] <= 2)).all(), "a spline would swing"


def test_times_before_the_first_and_after_the_last_frame_are_unknown() -> None:
    time = np.arange(2, 4, 1 / 30)
    _, known = resample(np.ones((len(time), 1)), time, np.arange(0, 6, 1 / 30), 30.0, 0.5)
    grid = np.arange(0, 6, 1 / 30)
    assert known[(grid >= 2) & (grid <= 3.96)].all() and not known[(grid < 1.95) | (grid > 4.05)].any()


def skin(frames: int, pixels: float = 500) -> np.ndarray:
    x = np.ones((frames, 3, 4)) * [150.0, 110.0, 90.0, pixels]
    x[:, :, :3] += np.random.default_rng(0).normal(size=(frames, 3, 3))
    return x


def test_a_region_with_too_few_pixels_is_not_visible() -> None:
    x = skin(90)
    x[30:60, 1, 3] = SETTINGS.min_pixels - 1
    x[:, 2] = 0
    traces = uniform_traces(x, np.arange(90) / 30, np.ones(90, bool), SETTINGS)
    assert traces.known_NR[:, 0].all()
    assert not traces.known_NR[32:58, 1].any() and traces.known_NR[:29, 1].all() and traces.known_NR[62:, 1].all()
    assert not traces.known_NR[:, 2].any() and traces.pixels_R[2] == 0
    assert traces.seen_TR.sum(axis=0).tolist() == [90, 60, 0]


def test_frames_without_a_face_are_ignored() -> None:
    x = skin(90)
    valid = np.ones(90, bool)
    valid[40:43] = False
    x[40:43] = np.nan
    other = x.copy()
    other[40:43] = 1e6
    one, two = (uniform_traces(y, np.arange(90) / 30, valid, SETTINGS) for y in (x, other))
    np.testing.assert_array_equal(one.rgb_NRC, two.rgb_NRC)
    assert np.isfinite(one.rgb_NRC).all() and one.known_NR.all()


@pytest.mark.parametrize("frames", [0, 1])
def test_a_clip_of_no_frame_or_one_has_no_trace(frames: int) -> None:
    traces = uniform_traces(skin(frames), np.arange(frames) / 30, np.ones(frames, bool), SETTINGS)
    assert len(traces.rgb_NRC) == frames and not traces.known_NR.any()


def test_a_growing_region_does_not_shift_the_mean_colour() -> None:
    rgb = np.ones((100, 3, 3)) * np.array([[200, 150, 120], [100, 70, 60], [150, 100, 90]])[:, :]
    found, coloured = mean_colour(rgb, np.ones(3, bool), np.array([300.0, 100.0, 50.0]))
    assert coloured
    np.testing.assert_allclose(found, 1.0)
    rgb[50:, 1] *= 1.1
    found, _ = mean_colour(rgb, np.ones(3, bool), np.array([300.0, 100.0, 50.0]))
    assert found[60, 0] / found[40, 0] == pytest.approx(1 + (0.1 / 1.05) * 100 / 450, rel=0.02)


def test_greyscale_is_detected() -> None:
    grey = np.repeat(100 + np.random.default_rng(0).normal(size=(50, 3, 1)), 3, axis=2)
    assert not mean_colour(grey, np.ones(3, bool), np.ones(3))[1]


@pytest.mark.parametrize(
    "time",
    [np.append(np.arange(400) * 1e-9, 1 + np.arange(200) / 30), np.append(np.arange(599) / 30, 1.7e9)],
    ids=["1 ns apart", "a jump of 54 years"],
)
def test_wrong_times_are_refused_before_they_take_time_and_memory(time: np.ndarray) -> None:
    with pytest.raises(LfnetError, match=r"^frames are .* s apart \(median\) and span .* Correct the times\.$"):
        uniform_traces(np.ones((600, 3, 4)), time, np.ones(600, bool), SETTINGS)
    with pytest.raises(LfnetError, match=r"^clip my_clip: frames are "):
        pulse_clip(ClipFeatures(np.ones((600, 12), np.float32), np.ones(600, bool), time), SETTINGS, "my_clip")


def test_the_fastest_camera_is_read() -> None:
    time = np.arange(5000) / 9999
    assert len(uniform_traces(np.ones((5000, 3, 4)), time, np.ones(5000, bool), SETTINGS).rgb_NRC) == 15
