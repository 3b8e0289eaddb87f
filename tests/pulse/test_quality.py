"""Rate, Q and SNR of known spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.pulse.methods import band_pass
from lfnet.pulse.quality import Spectrum, heart_rate, published_q, snr, spectrum

RATE, BAND = 30.0, (0.6, 4.0)
TIME = np.arange(17 * 30) / RATE


@given(st.floats(45, 200), st.floats(0, 6.28), st.floats(1e-3, 1e3))
def test_the_rate_of_a_sine_is_its_frequency(bpm: float, phase: float, scale: float) -> None:
    found = heart_rate(spectrum(scale * np.sin(2 * np.pi * bpm / 60 * TIME + phase), RATE), BAND)
    assert found == pytest.approx(bpm, abs=0.25)


def test_q_of_white_noise_is_the_bands_share() -> None:
    rng = np.random.default_rng(0)
    found = [published_q(spectrum(rng.normal(size=len(TIME)), RATE), BAND) for _ in range(200)]
    assert np.mean(found) == pytest.approx(3.4 / 11.6, rel=0.05)


def test_q_and_snr_equal_their_definitions() -> None:
    hertz = np.arange(0, 15, 0.05)
    power = np.random.default_rng(0).random(len(hertz))
    found = Spectrum(hertz, power)
    inside = (hertz >= 0.6) & (hertz <= 4)
    assert published_q(found, BAND) == pytest.approx(power[inside].sum() / power[~inside].sum())
    near = inside & ((abs(hertz - 1.21) <= 0.1) | (abs(hertz - 2.42) <= 0.2))
    by_hand = 10 * np.log10(power[near].sum() / power[inside & ~near].sum())
    assert snr(found, 60 * 1.21, BAND) == pytest.approx(by_hand)


def test_q_is_uninformative_for_filtered_traces_and_low_with_drift() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=len(TIME))
    assert published_q(spectrum(band_pass(noise, RATE, BAND, 3), RATE), BAND) > 5
    assert (
        published_q(spectrum(np.sin(2 * np.pi * 1.2 * TIME) + 20 * np.sin(2 * np.pi * 0.1 * TIME), RATE), BAND) < 0.01
    )


def test_a_second_harmonic_counts_as_pulse() -> None:
    one = np.sin(2 * np.pi * 1.1 * TIME)
    noise = 0.3 * np.random.default_rng(0).normal(size=len(TIME))
    both = one + 0.5 * np.sin(2 * np.pi * 2.2 * TIME)
    other = one + 0.5 * np.sin(2 * np.pi * 3.1 * TIME)
    levels = [snr(spectrum(x + noise, RATE), 66, BAND) for x in (one, both, other)]
    assert levels[1] > levels[0] > levels[2]


def test_snr_falls_as_noise_rises() -> None:
    pulse = np.sin(2 * np.pi * 1.2 * TIME) + 0.4 * np.sin(2 * np.pi * 2.4 * TIME)
    rng = np.random.default_rng(0)
    noises = [rng.normal(size=len(TIME)) for _ in range(20)]
    levels = [
        np.mean([snr(spectrum(pulse + level * noise, RATE), 72, BAND) for noise in noises])
        for level in (0.1, 0.3, 1.0, 3.0)
    ]
    assert (np.diff(levels) < -2).all() and levels[0] > 15


def test_a_trace_without_power_gives_nan() -> None:
    nothing = spectrum(np.zeros(len(TIME)), RATE)
    assert np.isnan([heart_rate(nothing, BAND), published_q(nothing, BAND), snr(nothing, 60, BAND)]).all()
    assert np.isnan(snr(spectrum(np.sin(TIME), RATE), float("nan"), BAND))
