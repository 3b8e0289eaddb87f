"""Log-mel spectrogram of the sound track."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lfnet.audio.spectra import mel_bands, power_spectra
from lfnet.config import Count, NonNegative, Positive, Share
from lfnet.encoders.sound_encoder import SoundEncoder
from lfnet.errors import LfnetError

__all__ = ["LogMel", "check_bands", "log_mel"]

_FLOOR = 1e-10  # of the power, −100 dB of a full-scale sine's


class LogMel(SoundEncoder):
    """Level of each band of the mel scale in dB, one vector a window: 64-D, 100 a second by default.

    Power spectra of Hann windows, triangular bands between `low` and `high` Hz, 10 log10 of each band's power, at least
    −100 dB. 0 dB is about a full-scale sine within a band. No network is needed.

    Parameters
    ----------
    name : str
        Name of the stream.
    rate : int
        Samples a second to which the track is resampled.
    window, hop : float
        Seconds of a window, and from one to the next.
    bands : int
        Bands, the length of a vector.
    low, high : float
        Hz, where the first band begins and the last one ends; `high` is at most half of `rate`.
    min_voice : float
        Share of a window in which there must be a voice, 0 to 1; 0: all sound is valid.

    Raises
    ------
    LfnetError
        The bands do not lie between 0 Hz and half the rate, or the hop is longer than the window.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders import LogMel
    >>> sine = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    >>> LogMel().encode_sound(sine).shape
    (98, 64)
    """

    def __init__(
        self,
        name: str = "logmel",
        *,
        rate: Annotated[int, Field(ge=1000)] = 16000,
        window: Positive = 0.025,
        hop: Positive = 0.01,
        bands: Count = 64,
        low: NonNegative = 50.0,
        high: Positive = 8000.0,
        min_voice: Share = 0.5,
    ) -> None:
        check_bands(name, low, high, rate)
        if hop > window:
            raise LfnetError(f"encoder.{name}.hop={hop:g}: give seconds of at most encoder.{name}.window={window:g}.")
        self.name, self.dim = name, bands
        self.rate, self.window, self.hop, self.min_voice = rate, window, hop, min_voice
        self._low, self._high = low, high

    def recipe(self) -> dict[str, Any]:
        """Describe the settings as JSON."""
        own = ("rate", "window", "hop", "min_voice", "dim")
        return {
            "encoder": "LogMel",
            **{name: getattr(self, name) for name in own},
            "low": self._low,
            "high": self._high,
        }

    def encode_sound(self, samples_N: np.ndarray) -> np.ndarray:
        """Return the levels in dB, float32 [T, bands]."""
        weights_BF = mel_bands(self.dim, self._low, self._high, self.rate, self.samples[0])
        return log_mel(samples_N, weights_BF, *self.samples)


def check_bands(name: str, low: float, high: float, rate: int) -> None:
    """Check that an encoder's bands lie below half its rate. Raises `LfnetError` otherwise."""
    if not low < high <= rate / 2:
        raise LfnetError(
            f"encoder.{name}: bands from low={low:g} to high={high:g} Hz do not fit rate={rate}: give low below "
            f"high, and high of at most {rate / 2:g}."
        )


def log_mel(samples_N: np.ndarray, weights_BF: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return 10 log10 of the power in bands, float32 [T, B]; window, hop: samples."""
    parts = [power_TF @ weights_BF.T for power_TF in power_spectra(samples_N, window, hop)]
    if not parts:
        return np.zeros((0, len(weights_BF)), np.float32)
    return (10 * np.log10(np.maximum(np.concatenate(parts), _FLOOR))).astype(np.float32)
