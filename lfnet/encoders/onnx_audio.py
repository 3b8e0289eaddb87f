"""Networks of sound in ONNX files."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from lfnet.audio.spectra import mel_bands
from lfnet.config import Count, NonNegative, Positive, Share
from lfnet.encoders.encoder import Device
from lfnet.encoders.logmel import check_bands, log_mel
from lfnet.encoders.onnx_network import open_session, providers
from lfnet.encoders.sound_encoder import SoundEncoder
from lfnet.errors import LfnetError
from lfnet.weights.weights_file import WeightsFile

__all__ = ["OnnxAudio"]


class OnnxAudio(SoundEncoder):
    """A network of your own in an ONNX file: one vector a window of the sound.

    The contract: one input, float32, mono at `rate`, either the waveform [1, samples] in [−1, 1], or its log-mel
    spectrogram [1, bands, frames] in dB (`LogMel`). The first output has `dim` numbers; its axes of length one do not
    matter. Each window is given alone, so that a file with fixed sizes works.

    Parameters
    ----------
    name : str
        Name of the stream.
    weights : WeightsFile
        The ONNX file.
    cache : path
        Folder of weights.
    dim : int
        Numbers of a vector; compared with the network when it is loaded.
    input : {"waveform", "logmel"}
        What the network takes.
    rate : int
        Samples a second.
    window, hop : float
        Seconds of a window, and from one to the next.
    bands, low, high, frame, step : int, float
        Of input "logmel": bands, their range in Hz, and seconds of its frames and from one to the next.
    min_voice : float
        Share of a window in which there must be a voice, 0 to 1; 0: all sound is valid.
    device : str
        "cpu", "cuda" or "cuda:N".
    threads : int or None
        None lets onnxruntime decide.

    Raises
    ------
    LfnetError
        A setting does not fit another one.

    Examples
    --------
    >>> from lfnet.encoders import OnnxAudio
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.onnx", sha256=None, licence="MIT", about="a network")
    >>> OnnxAudio("mine", weights, cache="weights", dim=128).input_shape
    (1, 16000)
    """

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: Count,
        input: Literal["waveform", "logmel"] = "waveform",
        rate: Annotated[int, Field(ge=1000)] = 16000,
        window: Positive = 1.0,
        hop: Positive = 0.5,
        bands: Count = 64,
        low: NonNegative = 50.0,
        high: Positive = 8000.0,
        frame: Positive = 0.025,
        step: Positive = 0.01,
        min_voice: Share = 0.5,
        device: Device = "cpu",
        threads: Count | None = None,
    ) -> None:
        if input == "logmel":
            check_bands(name, low, high, rate)
        if input == "logmel" and not step <= frame <= window:
            raise LfnetError(
                f"encoder.{name}: step={step:g}, frame={frame:g} and window={window:g} s: give a step of at most a "
                "frame, and a frame of at most a window."
            )
        self.name, self.dim = name, dim
        self.rate, self.window, self.hop, self.min_voice = rate, window, hop, min_voice
        self._weights, self._cache, self._device, self._threads = weights, Path(cache), device, threads
        self._input, self._mel = input, {"bands": bands, "low": low, "high": high, "frame": frame, "step": step}
        self._session: Any = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one window, as the network gets it."""
        samples = self.samples[0]
        if self._input == "waveform":
            return 1, samples
        frame, step = self._frames
        return 1, int(self._mel["bands"]), 1 + (samples - frame) // step

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        own = ("dim", "rate", "window", "hop", "min_voice")
        return {
            "encoder": "OnnxAudio",
            "weights": self._weights.digest(self._cache),
            "input": self._input,
            **{name: getattr(self, name) for name in own},
            **(self._mel if self._input == "logmel" else {}),
        }

    def prepare(self) -> None:
        """Load the network. Raises `LfnetError` where it is missing or wrong, or the device cannot be used."""
        if self._session is None:
            providers(self._device)  # refuse a wrong device before a download
            self._session = _open(self._weights.fetch(self._cache), self._device, self._threads)

    def encode_sound(self, samples_N: np.ndarray) -> np.ndarray:
        """Return the network's output for each whole window, float32 [T, dim].

        Raises `LfnetError` where weights are missing or wrong, take other shapes, or the device cannot be used.
        """
        window, hop = self.samples
        starts = range(0, len(samples_N) - window + 1, hop)
        vectors = np.zeros((len(starts), self.dim), np.float32)
        for row, start in enumerate(starts):
            vectors[row] = self._run(samples_N[start : start + window])
        return vectors

    def close(self) -> None:
        """Free the network."""
        self._session = None

    @property
    def _frames(self) -> tuple[int, int]:
        """Samples of a frame of the spectrogram, and from one to the next."""
        return max(1, round(self._mel["frame"] * self.rate)), max(1, round(self._mel["step"] * self.rate))

    @cached_property
    def _weights_BF(self) -> np.ndarray:
        """Weights of the spectrogram's bands, the same for all windows."""
        mel = self._mel
        return mel_bands(int(mel["bands"]), mel["low"], mel["high"], self.rate, self._frames[0])

    def _run(self, samples_N: np.ndarray) -> np.ndarray:
        self.prepare()
        if self._input == "logmel":
            given = log_mel(samples_N, self._weights_BF, *self._frames).T[None]
        else:
            given = samples_N[None]
        network = self._session.get_inputs()[0]
        try:
            (output,) = self._session.run(
                [self._session.get_outputs()[0].name], {network.name: np.ascontiguousarray(given, np.float32)}
            )
        except Exception as error:  # of onnxruntime's own kinds
            raise LfnetError(
                f"{self._weights.place(self._cache)} takes {network.shape} and cannot be given {list(given.shape)} "
                f"(encoder.{self.name}.input={self._input}): set input, rate, window or bands to what it takes "
                f"({' '.join(str(error).split())[:200]})."
            ) from error
        vector = np.asarray(output, np.float32).reshape(-1)
        if len(vector) != self.dim:
            raise LfnetError(
                f"{self._weights.place(self._cache)} gives {len(vector)} numbers a window, but encoder.{self.name}.dim "
                f"is {self.dim}: set encoder.{self.name}.dim={len(vector)}."
            )
        return vector


def _open(path: Path, device: str, threads: int | None) -> Any:
    session = open_session(path, device, threads)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{one.type} {one.shape}" for one in inputs)
        raise LfnetError(
            f"{path} takes {found}: give a network with one input of float32, [1, samples] or [1, bands, frames]."
        )
    return session
