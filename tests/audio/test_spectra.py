"""Log-mel spectrograms against closed forms."""

import numpy as np
import pytest

from lfnet.audio.spectra import hertz, mel, mel_bands, power_spectra
from lfnet.encoders import LogMel
from tests.audio.media import tone


def test_parseval_holds_for_white_noise() -> None:
    # The sum of a Hann window's powers is (signal power) times the window's noise bandwidth, 1.5 bins.
    noise = np.random.default_rng(0).standard_normal(400 * 300)
    power_TF = np.concatenate(list(power_spectra(noise, 400, 400)))
    assert power_TF.shape == (300, 201)
    assert power_TF.sum(axis=1).mean() / 1.5 == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("amplitude", [1.0, 0.1])
def test_a_tone_has_the_level_of_the_closed_form(amplitude: float) -> None:
    # At 1,000 Hz, a bin of 16,000/400: power a²/2 in bin 25, and a quarter of it in bins 24 and 26 (Hann).
    weights_BF = mel_bands(64, 50, 8000, 16000, 400)
    expected = amplitude**2 / 2 * (weights_BF[:, 25] + weights_BF[:, [24, 26]].sum(axis=1) / 4)
    levels_TB = LogMel().encode_sound(tone(0.5, 1000.0, amplitude))
    heard = expected > 1e-6
    assert heard.sum() >= 3
    assert np.abs(levels_TB[:, heard] - 10 * np.log10(expected[heard])).max() < 0.01
    assert levels_TB[:, ~heard].max() < levels_TB[:, heard].max() - 60


def test_rows_are_whole_windows() -> None:
    encoder = LogMel(window=0.05, hop=0.02, bands=20)
    assert encoder.encode_sound(tone(1.0)).shape == (48, 20)
    assert encoder.encode_sound(tone(0.04)).shape == (0, 20)
    assert encoder.encode_sound(np.zeros(16000, np.float32)).max() == -100


def test_bands_cover_their_range_evenly() -> None:
    weights_BF = mel_bands(40, 100, 7600, 16000, 1024)
    frequency_F = np.arange(513) * 16000 / 1024
    centres = hertz(np.linspace(mel(100), mel(7600), 42))
    inner = (frequency_F > centres[1]) & (frequency_F < centres[-2])
    assert np.abs(weights_BF[:, inner].sum(axis=0) - 1).max() < 1e-12
    assert not weights_BF[:, (frequency_F < 100) | (frequency_F > 7600)].any()
    assert mel_bands(64, 50, 8000, 16000, 400).any(axis=1).all()
    assert float(hertz(mel(440.0))) == pytest.approx(440.0)


def test_long_sound_is_the_same_in_pieces() -> None:
    noise = np.random.default_rng(1).standard_normal(16000 * 50).astype(np.float32)
    whole = LogMel(bands=8).encode_sound(noise)
    assert len(whole) > 4096
    assert np.array_equal(
        whole[4096:4100], LogMel(bands=8).encode_sound(noise[4096 * 160 : 4096 * 160 + 400 + 3 * 160])
    )
