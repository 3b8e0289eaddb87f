"""Power spectra of windows and bands of the mel scale."""

from collections.abc import Iterator

import numpy as np

__all__ = ["hertz", "mel", "mel_bands", "power_spectra"]

_CHUNK = 4096  # windows that are transformed together


def power_spectra(samples_N: np.ndarray, window: int, hop: int) -> Iterator[np.ndarray]:
    """Yield the power of each frequency of Hann windows, float64 [T, F], some thousand windows at a time.

    A sine of amplitude a at one of the frequencies has the power a² / 2 there, whatever the window's length.

    Parameters
    ----------
    samples_N : ndarray of float32
    window, hop : int
        Samples of a window, and from one to the next; only whole windows count.

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 1000 * np.arange(800) / 16000)
    >>> power_TF = next(power_spectra(sine, window=400, hop=400))
    >>> power_TF.shape, int(power_TF[0].argmax()), round(float(power_TF[0].max()), 6)
    ((2, 201), 25, 0.5)
    """
    from scipy.fft import rfft
    from scipy.signal.windows import hann

    if len(samples_N) < window:
        return
    shape_N = hann(window, sym=False)
    frames_TN = np.lib.stride_tricks.sliding_window_view(samples_N, window)[::hop]
    scale = 2 / shape_N.sum() ** 2
    for start in range(0, len(frames_TN), _CHUNK):
        yield scale * np.abs(rfft(frames_TN[start : start + _CHUNK] * shape_N, axis=1)) ** 2


def mel(hertz: np.ndarray | float) -> np.ndarray:
    """Return m = 2595 log10(1 + f / 700) (O'Shaughnessy 1987, *Speech Communication*; the scale of HTK).

    Examples
    --------
    >>> round(float(mel(1000.0)))
    1000
    """
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz, float) / 700))


def hertz(mel: np.ndarray | float) -> np.ndarray:
    """Return the frequency of a place on the mel scale, the inverse of `mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel, float) / 2595) - 1))


def mel_bands(bands: int, low: float, high: float, rate: int, window: int) -> np.ndarray:
    """Return the weights of triangular bands that are equally wide on the mel scale, float64 [B, F].

    Band b rises from the centre of band b − 1 to 1 at its own centre, and falls to 0 at that of band b + 1; the bands
    of one frequency add up to 1 between the first centre and the last. A band that no frequency falls into has that
    nearest to its centre.

    Parameters
    ----------
    bands : int
    low, high : float
        Hz, where the first band begins and the last one ends.
    rate, window : int
        Samples a second and of a window.

    Examples
    --------
    >>> mel_bands(4, 0, 8000, rate=16000, window=400).shape
    (4, 201)
    """
    edges = hertz(np.linspace(mel(low), mel(high), bands + 2))
    frequency_F = np.arange(window // 2 + 1) * rate / window
    below, centre, above = (edges[part, None] for part in (slice(0, -2), slice(1, -1), slice(2, None)))
    rising, falling = (frequency_F - below) / (centre - below), (above - frequency_F) / (above - centre)
    weights_BF = np.maximum(0, np.minimum(rising, falling))
    for band in np.flatnonzero(~weights_BF.any(axis=1)):
        weights_BF[band, np.abs(frequency_F - edges[band + 1]).argmin()] = 1.0
    return weights_BF
