"""MobileNetV3-Small cut where one likes: pictures go in, their channels' means come out; and what that costs."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lfnet.encoders.trunk_weights import load_trunk, make_trunk
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.weights.weights_file import WeightsFile

if TYPE_CHECKING:
    import torch

__all__ = ["BACKENDS", "CUTS", "MEAN", "STD", "Cost", "Trunk", "cost", "cut_network"]

MEAN = (0.485, 0.456, 0.406)  # ImageNet's channels on [0, 1], RGB
STD = (0.229, 0.224, 0.225)
BACKENDS = ("auto", "onnx", "torch")
# Where the network may be cut, and how many channels it has there. "block4.1" is behind that block (timm's numbers),
# "block4.1.depthwise" inside it, behind its expansion and its depthwise convolution.
CUTS = {
    "stem": 16,
    "block0.0": 16,
    **{"block1.0.depthwise": 72, "block1.0": 24, "block1.1.depthwise": 88, "block1.1": 24},
    **{"block2.0.depthwise": 96, "block2.0": 40, "block2.1.depthwise": 240, "block2.1": 40},
    **{"block2.2.depthwise": 240, "block2.2": 40, "block3.0.depthwise": 120, "block3.0": 48},
    **{"block3.1.depthwise": 144, "block3.1": 48, "block4.0.depthwise": 288, "block4.0": 96},
    **{"block4.1.depthwise": 576, "block4.1": 96, "block4.2.depthwise": 576, "block4.2": 96},
    "whole": 576,
}
_PIECE = 8  # pictures that onnxruntime takes at a time on a processor, so that what they become stays in the cache
_CLOSE = 1e-4  # of the largest output: what two libraries' rounding may differ by


@dataclass(frozen=True)
class Cost:
    """parameters: of the network. flops: of one picture, 2 for each multiply-add of a convolution."""

    parameters: int
    flops: int


class Trunk:
    """uint8 RGB pictures [N, side, side, 3] -> float32 [N, dim], the mean of each channel at the cut.

    weights: a file in torchvision's layout (the whole network, or its features alone) or in timm's; .pth, .pt or
    .safetensors. cut: a key of `CUTS`. setting: what messages call the encoder, such as "encoder.visual".
    backend: "torch"; "onnx", which on a processor is several times as fast; "auto", which is "onnx" on "cpu" and
    "torch" elsewhere. The ONNX network is made of the weights when they are loaded, and compared with torch's; where
    their answers differ by more than rounding, torch's is used and a `LfnetWarning` says so.
    device: "cpu", "cuda", "cuda:N" or, with torch, "mps". threads: None lets the library decide. cache: the folder of
    weights. Networks are loaded by the first call and freed by `close`.
    """

    def __init__(
        self,
        weights: WeightsFile,
        cache: Path | str,
        *,
        setting: str,
        cut: str = "whole",
        side: int = 224,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        if cut not in CUTS:
            raise LfnetError(f"the cut {cut!r} of {setting} is unknown: choose one of {', '.join(CUTS)}.")
        if backend not in BACKENDS:
            raise LfnetError(f"{setting}.backend must be one of {', '.join(BACKENDS)}, not {backend!r}.")
        self.cut, self.dim, self.side = cut, CUTS[cut], side
        self.batch_size = batch_size
        self._weights, self._cache, self._setting = weights, Path(cache), setting
        self._device, self._threads = device, threads
        self._backend = ("onnx" if device == "cpu" else "torch") if backend == "auto" else backend
        self._run: Callable[[np.ndarray], np.ndarray] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON."""
        return {
            "weights": self._weights.digest(self._cache),
            "cut": self.cut,
            "mean": list(MEAN),
            "std": list(STD),
        }

    def __call__(self, pictures_NHWC: np.ndarray) -> np.ndarray:
        """float32 [N, dim], `batch_size` pictures at a time.

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        vectors = np.empty((len(pictures_NHWC), self.dim), np.float32)
        for start in range(0, len(pictures_NHWC), self.batch_size):
            part = slice(start, start + self.batch_size)
            vectors[part] = self._load()(np.ascontiguousarray(pictures_NHWC[part]))
        return vectors

    def cost(self) -> Cost:
        """Measured on a network of this cut, without its weights' file."""
        return cost(self.cut, self.side)

    def close(self) -> None:
        """Free the network."""
        self._run = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _load(self) -> Callable[[np.ndarray], np.ndarray]:
        if self._run is None:
            # A wrong device should not cost a download first.
            if self._backend == "onnx":
                from lfnet.encoders.onnx_session import providers

                providers(self._device)
            else:
                _check_device(self._device)
            path = self._weights.fetch(self._cache)
            network = cut_network(load_trunk(path), self.cut)
            self._run = self._with_torch(network) if self._backend == "torch" else self._with_onnx(network, path)
        return self._run

    def _with_torch(self, network: "torch.nn.Module", device: str | None = None) -> Callable[[np.ndarray], np.ndarray]:
        import torch

        device = device or self._device
        network = network.to(device).to(memory_format=torch.channels_last)

        def run(pictures: np.ndarray) -> np.ndarray:
            # On a graphics card: full float32 and reproducible kernels, so that features depend on it little.
            exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
            with torch.inference_mode(), exact, _torch_threads(self._threads):
                # Channels last in memory, as pictures are: half again as fast on a processor.
                images = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 255
                mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1)
                std = torch.tensor(STD, device=images.device).view(3, 1, 1)
                return np.asarray(network((images - mean) / std).float().cpu().numpy())

        return run

    def _with_onnx(self, network: "torch.nn.Module", path: Path) -> Callable[[np.ndarray], np.ndarray]:
        from lfnet.encoders.onnx_session import open_session
        from lfnet.encoders.trunk_onnx import to_onnx

        def whole(pictures: np.ndarray) -> np.ndarray:
            return np.asarray(started.run(["vectors"], {"pictures": pictures})[0])

        def side_by_side(pictures: np.ndarray) -> np.ndarray:
            pieces = [pictures[start : start + _PIECE] for start in range(0, len(pictures), _PIECE)]
            return np.concatenate(list(map(whole, pieces) if self._pool is None else self._pool.map(whole, pieces)))

        model, cores = to_onnx(network, MEAN, STD), self._threads or _cores()
        if on_cpu := self._device == "cpu":
            # Pictures side by side, one thread each: threads within a layer would wait for each other at its end.
            self._pool = ThreadPoolExecutor(cores, thread_name_prefix="trunk") if cores > 1 else None
        started = open_session(model, self._device, 1 if on_cpu else self._threads)
        run = side_by_side if on_cpu else whole
        probe = np.random.default_rng(0).integers(0, 256, (2, self.side, self.side, 3), dtype=np.uint8)
        expected = self._with_torch(network, "cpu")(probe)
        off = float(np.abs(run(probe) - expected).max() / np.abs(expected).max())
        if off <= _CLOSE:
            return run
        message = (
            f"{self._setting}: onnxruntime's answers differ from torch's by {off:.1g} of the largest for {path.name}; "
            f"torch is used. {self._setting}.backend=torch says so at once."
        )
        warnings.warn(message, LfnetWarning, stacklevel=2)
        return self._with_torch(network)


def cut_network(trunk: Any, cut: str) -> "torch.nn.Module":
    """The layers of timm's network up to the cut, and the mean over the picture, for use: [N, 3, S, S] -> [N, dim]."""
    import torch

    layers: list[Any] = [trunk.conv_stem, trunk.bn1]
    if cut != "stem":
        stage, block, inside = _place(cut, trunk)
        for number, blocks in enumerate(trunk.blocks[: stage + 1]):
            layers += list(blocks) if number < stage else list(blocks[: block + (not inside)])
        if inside:
            half = trunk.blocks[stage][block]
            layers += [half.conv_pw, half.bn1, half.conv_dw, half.bn2]
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()


def _place(cut: str, trunk: Any) -> tuple[int, int, bool]:
    """Stage, block, and whether the cut is inside the block."""
    if cut == "whole":
        return len(trunk.blocks) - 1, len(trunk.blocks[-1]) - 1, False
    stage, block = cut.removeprefix("block").removesuffix(".depthwise").split(".")
    return int(stage), int(block), cut.endswith(".depthwise")


@cache
def cost(cut: str, side: int = 224) -> Cost:
    """What a picture of side × side pixels costs up to the cut, measured on a network with random weights.

    parameters: entries of all weights, batch normalisation's two a channel included, its statistics not. flops: counted
    by torch while one picture goes through, convolutions only, those of squeeze-and-excitation included.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng(devices=[]):
        network = cut_network(make_trunk(), cut)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    return Cost(sum(p.numel() for p in network.parameters()), int(counter.get_total_flops()))


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise LfnetError(
            f"encoder.device={device}: torch {torch.__version__} cannot use it here ({reason}). Set encoder.device=cpu."
        ) from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    """torch with `threads` threads inside; the setting is the whole process's, so it is put back."""
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
