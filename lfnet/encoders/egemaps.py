"""openSMILE's eGeMAPS descriptors of the voice."""

import warnings
from typing import Any

import numpy as np

from lfnet.config import Share
from lfnet.encoders.sound_encoder import SoundEncoder
from lfnet.errors import LfnetError
from lfnet.extras import require

__all__ = ["EGEMAPS_COLUMNS", "LICENCE", "Egemaps"]

LICENCE = "audEERING Research License: no commercial use"
_FORMANTS = tuple(
    f"F{number}{what}_sma3nz" for number in (1, 2, 3) for what in ("frequency", "bandwidth", "amplitudeLogRelF0")
)
EGEMAPS_COLUMNS = (
    "Loudness_sma3",
    "alphaRatio_sma3",
    "hammarbergIndex_sma3",
    "slope0-500_sma3",
    "slope500-1500_sma3",
    "spectralFlux_sma3",
    "mfcc1_sma3",
    "mfcc2_sma3",
    "mfcc3_sma3",
    "mfcc4_sma3",
    "F0semitoneFrom27.5Hz_sma3nz",
    "jitterLocal_sma3nz",
    "shimmerLocaldB_sma3nz",
    "HNRdBACF_sma3nz",
    "logRelF0-H1-H2_sma3nz",
    "logRelF0-H1-A3_sma3nz",
    *_FORMANTS,
)
_SHORTEST = 0.06  # seconds, openSMILE's window of pitch


class Egemaps(SoundEncoder):
    """The 25 low-level descriptors of eGeMAPS v02, 100 vectors a second.

    They are `EGEMAPS_COLUMNS`: loudness, spectral balance, pitch, jitter, shimmer, harmonics-to-noise ratio and
    formants, the columns of openSMILE's tables (conf/features/egemaps.yaml). Pitch and what follows from it are 0 where
    openSMILE hears no voice. Descriptors and not the 88 functionals of eGeMAPS: heads read sequences, and a fusion
    forms means by itself.

    openSMILE is free for research and teaching alone (`LICENCE`). It is a package of its own, installed by
    `pip install 'lfnet[audio]'`.

    Parameters
    ----------
    name : str
        Name of the stream.
    min_voice : float
        Share of a window in which there must be a voice, 0 to 1; 0: all sound is valid.

    References
    ----------
    Eyben et al. (2016), "The Geneva minimalistic acoustic parameter set", IEEE Transactions on Affective Computing 7,
    190-202.

    Examples
    --------
    >>> from lfnet.encoders import Egemaps
    >>> encoder = Egemaps()
    >>> encoder.dim, encoder.columns[0]
    (25, 'Loudness_sma3')
    """

    dim = len(EGEMAPS_COLUMNS)
    rate = 16000
    window, hop = 0.02, 0.01
    columns = EGEMAPS_COLUMNS

    def __init__(self, name: str = "egemaps", *, min_voice: Share = 0.5) -> None:
        self.name, self.min_voice = name, min_voice
        self._smile: Any = None

    def recipe(self) -> dict[str, Any]:
        """Describe the settings as JSON."""
        return {"encoder": "Egemaps", "set": "eGeMAPSv02", "rate": self.rate, "min_voice": self.min_voice}

    def prepare(self) -> None:
        """Load openSMILE. Raises `LfnetError` where it is not installed."""
        if self._smile is None:
            self._smile = _open()

    def encode_sound(self, samples_N: np.ndarray) -> np.ndarray:
        """Return the descriptors, float32 [T, 25]. Raises `LfnetError` without openSMILE."""
        self.prepare()
        if len(samples_N) < _SHORTEST * self.rate:
            return np.zeros((0, self.dim), np.float32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Segment too short")
            table = self._smile.process_signal(np.clip(samples_N, -1.0, 32767 / 32768), self.rate)
        if tuple(table.columns) != self.columns:
            raise LfnetError("the installed opensmile has other descriptors of eGeMAPS v02: install opensmile 2.6.")
        found: np.ndarray = table.to_numpy(np.float32)
        return found[np.isfinite(found).all(axis=1)] if len(found) == 1 else found

    def close(self) -> None:
        """Free openSMILE."""
        self._smile = None


def _open() -> Any:
    require("audio", use=f"encoder=egemaps (openSMILE: {LICENCE})")
    try:
        import opensmile
    except (ImportError, OSError) as error:
        raise LfnetError(f"encoder=egemaps: openSMILE cannot be loaded ({error}).") from error
    level = opensmile.FeatureLevel.LowLevelDescriptors
    return opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=level)
