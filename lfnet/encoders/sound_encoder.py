"""Base class of encoders that turn windows of a clip's sound into vectors."""

from abc import abstractmethod

import numpy as np

from lfnet.encoders.encoder import Encoder
from lfnet.video.faces import Faces

__all__ = ["SoundEncoder", "hears"]


class SoundEncoder(Encoder):
    """Base class of encoders that turn each window of the sound track into one vector.

    Subclasses set the attributes and implement `recipe` and `encode_sound`. Which windows are valid, whose vectors are
    kept and at which times they lie is decided by `lfnet.features.sound`.

    Attributes
    ----------
    rate : int
        Samples a second that `encode_sound` takes.
    window, hop : float
        Seconds of a window, and from one to the next.
    min_voice : float
        The share of a window in which there must be a voice (`lfnet.audio.voice`) for its vector to be valid, 0 to 1;
        0 where all sound is.
    columns : tuple of str or None
        Names of the numbers of a vector.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders import SoundEncoder
    >>> class Power(SoundEncoder):
    ...     name, dim, rate, window, hop, min_voice = "power", 1, 8000, 0.5, 0.5, 0.0
    ...
    ...     def recipe(self):
    ...         return {"encoder": "Power"}
    ...
    ...     def encode_sound(self, samples_N):
    ...         whole = len(samples_N) // 4000
    ...         return (samples_N[: 4000 * whole].reshape(whole, 4000) ** 2).mean(axis=1, keepdims=True)
    >>> Power().encode_sound(np.ones(9000, np.float32)).tolist()
    [[1.0], [1.0]]
    """

    needs = frozenset({"sound"})
    rate: int
    window: float
    hop: float
    min_voice: float = 0.0
    columns: tuple[str, ...] | None = None

    @abstractmethod
    def encode_sound(self, samples_N: np.ndarray) -> np.ndarray:
        """Encode sound.

        Parameters
        ----------
        samples_N : ndarray of float32
            Mono, `rate` samples a second, 1 is full scale; zeros where the track has none.

        Returns
        -------
        ndarray of float32, shape [T, dim]
            Row k is of the window that begins at k · hop. T is the number of whole windows, or less.

        Raises
        ------
        LfnetError
            Weights or a library are missing or wrong, or the device cannot be used.
        """

    def prepare(self) -> None:
        """Load libraries and files. Raises `LfnetError` where one is missing or wrong, before any clip is read."""

    def encode(self, faces: Faces) -> np.ndarray:
        """Refuse faces: these encoders are given sound alone."""
        raise TypeError(f"{self.name} encodes sound, not faces: call encode_sound")

    @property
    def samples(self) -> tuple[int, int]:
        """Samples of a window, and from one to the next."""
        return max(1, round(self.window * self.rate)), max(1, round(self.hop * self.rate))


def hears(encoder: Encoder) -> bool:
    """Return whether an encoder reads the sound track instead of images."""
    return "sound" in encoder.needs
