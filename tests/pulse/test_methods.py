"""GREEN, CHROM, POS, detrending and band-pass against their formulas and invariances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve

from experiments.media.skin import PULSE_RGB, wave
from lfnet.pulse.methods import band_pass, chrom, detrend, extract_pulse, green, pos
from lfnet.pulse.settings import METHODS, PulseSettings

RATE, BAND = 30.0, (0.6, 4.0)
TIME = np.arange(17 * 30) / RATE
BEATS = np.arange(-3, 22, 60 / 72)
SETTINGS = PulseSettings()


def skin(amplitude: float = 0.01) -> np.ndarray:
    """Return a relative skin colour that follows the pulse, [N, 3]."""
    return 1 - wave(TIME, BEATS)[:, None] * amplitude * PULSE_RGB


def in_band(x: np.ndarray) -> np.ndarray:
    return band_pass(x, RATE, BAND, 3)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_rises_with_the_blood_volume(method: str) -> None:
    pulse = in_band(extract_pulse(skin(), replace(SETTINGS, method=method)))
    assert np.corrcoef(pulse, in_band(wave(TIME, BEATS)))[0, 1] > 0.98


@pytest.mark.parametrize("method", ["chrom", "pos"])
def test_chrom_and_pos_ignore_light_changes_common_to_all_channels_and_green_does_not(method: str) -> None:
    light = 1 + 0.02 * np.sin(2 * np.pi * 2.1 * TIME)[:, None]
    kept = extract_pulse(skin() * light, replace(SETTINGS, method=method))
    clean = extract_pulse(skin(), replace(SETTINGS, method=method))
    assert np.corrcoef(in_band(kept), in_band(clean))[0, 1] > 0.97
    assert np.corrcoef(in_band(green(skin() * light)), in_band(green(skin())))[0, 1] < 0.6


@hypothesis_settings(max_examples=25)
@given(st.lists(st.floats(1, 255), min_size=3, max_size=3), st.integers(0, 100))
def test_no_method_depends_on_the_brightness_of_a_channel(tone: list[float], seed: int) -> None:
    noisy = skin() + 0.002 * np.random.default_rng(seed).normal(size=(len(TIME), 3))
    for method in METHODS:
        settings = replace(SETTINGS, method=method)
        np.testing.assert_allclose(
            extract_pulse(noisy * np.array(tone), settings), extract_pulse(noisy, settings), atol=1e-10
        )


def test_pos_is_algorithm_1_of_its_paper() -> None:
    rgb = skin() * (1 + 0.01 * np.random.default_rng(0).normal(size=(len(TIME), 3)))
    length = 48
    out, count = np.zeros(len(rgb)), np.zeros(len(rgb))
    for end in range(length, len(rgb) + 1):
        part = rgb[end - length : end]
        normal = part / part.mean(axis=0)
        s = normal @ np.array([[0, 1, -1], [-2, 1, 1]]).T
        h = s[:, 0] + s[:, 0].std() / s[:, 1].std() * s[:, 1]
        out[end - length : end] += h - h.mean()
        count[end - length : end] += 1
    np.testing.assert_allclose(pos(rgb, RATE, 1.6), -out / count, atol=1e-12)


def test_chrom_in_one_window_is_x_minus_alpha_y() -> None:
    rgb = skin() * (1 + 0.01 * np.random.default_rng(0).normal(size=(len(TIME), 3)))
    normal = rgb / rgb.mean(axis=0) - 1
    x = in_band(3 * normal[:, 0] - 2 * normal[:, 1])
    y = in_band(1.5 * normal[:, 0] + normal[:, 1] - 1.5 * normal[:, 2])
    # A window twice as long as the signal: its middle half and the overlapping halves cover the whole signal.
    found = chrom(rgb, RATE, 4 * len(rgb) / RATE, BAND, 3)
    np.testing.assert_allclose(found, x - x.std() / y.std() * y, rtol=1e-9, atol=1e-12)


def test_constant_or_grey_input_gives_zeros() -> None:
    still = np.ones((100, 3))
    for method in METHODS:
        np.testing.assert_allclose(extract_pulse(still, replace(SETTINGS, method=method)), 0, atol=1e-12)


@pytest.mark.parametrize("strength", [10.0, 300.0])
def test_detrending_equals_the_dense_formula(strength: float) -> None:
    x = np.random.default_rng(0).normal(size=80).cumsum()
    second = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(78, 80))
    trend = spsolve(sparse.csc_matrix(sparse.identity(80) + strength**2 * second.T @ second), x)
    np.testing.assert_allclose(detrend(x, strength), x - trend, atol=1e-8)


def test_detrending_removes_lines_and_halves_its_cutoff_frequency() -> None:
    np.testing.assert_allclose(detrend(3 + 0.2 * TIME, 300.0), 0, atol=1e-8)
    time = np.arange(6000) / RATE
    own = np.sin(2 * np.pi * RATE / (2 * np.pi * np.sqrt(300)) * time)
    middle = slice(2000, 4000)
    assert detrend(own, 300.0)[middle].std() / own[middle].std() == pytest.approx(0.5, abs=0.01)


def test_the_band_pass_has_zero_phase_and_removes_what_is_outside() -> None:
    middle = slice(150, -150)
    for hertz, share in ((1.2, 1.0), (0.1, 0.0), (10.0, 0.0), (0.6, 0.5), (4.0, 0.5)):
        wave_ = np.cos(2 * np.pi * hertz * TIME)
        kept = in_band(wave_)[middle]
        assert kept.std() / wave_[middle].std() == pytest.approx(share, abs=0.02)
        if share:
            assert np.corrcoef(kept, wave_[middle])[0, 1] > 0.999
