"""Truncated MobileNetV3-Small with global average pooling, run by onnxruntime or PyTorch."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lfnet.encoders.encoder import Cost, Encoder
from lfnet.encoders.trunk_network import CUTS, cost, cut_network, load_trunk
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.weights.weights_file import WeightsFile

if TYPE_CHECKING:
    import torch

__all__ = ["MEAN", "STD", "Backend", "Trunk", "TrunkEncoder"]

MEAN = (0.485, 0.456, 0.406)  # ImageNet's channels on [0, 1], RGB
STD = (0.229, 0.224, 0.225)
Backend = Literal["auto", "onnx", "torch"]
_PIECE = 8  # images that onnxruntime takes at a time on a CPU, so that activations stay in the cache
_CLOSE = 1e-4  # of the largest output: allowed difference between the rounding of two libraries


class Trunk:
    """Network uint8 RGB images [N, side, side, 3] → float32 [N, dim], the mean of each channel at the cut.

    The ONNX network is made from the weights when they are loaded, and compared with PyTorch's; where they differ by
    more than rounding, PyTorch is used and an `LfnetWarning` says so. Networks are loaded by the first call and freed
    by `close`.

    Parameters
    ----------
    weights : WeightsFile
        A file in torchvision's layout (the whole network, or its features alone) or in timm's; .pth, .pt or
        .safetensors. Or the ONNX network of this cut, as `lfnet export` writes it, which needs no PyTorch.
    cache : path
        Folder of weights.
    setting : str
        What messages call the encoder, such as "encoder.visual".
    cut : str
        Where the network ends, a key of `lfnet.encoders.trunk_network.CUTS`; "whole" is its last block.
    side : int
        Side of the images in pixels.
    batch_size : int
        Images encoded together.
    device : str
        "cpu", "cuda", "cuda:N" or, with PyTorch, "mps".
    threads : int or None
        None lets the library decide.
    backend : {"auto", "onnx", "torch"}
        "onnx" is several times as fast on a CPU; "auto" is "onnx" on "cpu" and "torch" elsewhere.
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
        backend: Backend = "auto",
    ) -> None:
        self.cut, self.dim, self.side = cut, CUTS[cut], side
        self.batch_size = batch_size
        self._weights, self._cache, self._setting = weights, Path(cache), setting
        self._device, self._threads = device, threads
        self._backend = ("onnx" if device == "cpu" else "torch") if backend == "auto" else backend
        if Path(weights.path or weights.file).suffix == ".onnx":
            self._backend = "onnx"
        self._run: Callable[[np.ndarray], np.ndarray] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        return {
            "weights": self._weights.digest(self._cache),
            "cut": self.cut,
            "mean": list(MEAN),
            "std": list(STD),
        }

    def __call__(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Return float32 [N, dim], `batch_size` images at a time.

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        vectors = np.empty((len(images_NHWC), self.dim), np.float32)
        for start in range(0, len(images_NHWC), self.batch_size):
            part = slice(start, start + self.batch_size)
            vectors[part] = self._load()(np.ascontiguousarray(images_NHWC[part]))
        return vectors

    def cost(self) -> Cost:
        """Measure the cost of an image on a network of this cut, without the weights' file."""
        return cost(self.cut, self.side)

    def close(self) -> None:
        """Free the network."""
        self._run = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _load(self) -> Callable[[np.ndarray], np.ndarray]:
        if self._run is None:
            # Refuse a wrong device before a download.
            if self._backend == "onnx":
                from lfnet.encoders.onnx_network import providers

                providers(self._device)
            else:
                _check_torch_device(self._device)
            path = self._weights.fetch(self._cache)
            if path.suffix == ".onnx":
                self._run = self._open(path)
            else:
                network = cut_network(load_trunk(path), self.cut)
                self._run = self._with_torch(network) if self._backend == "torch" else self._with_onnx(network, path)
        return self._run

    def _with_torch(self, network: "torch.nn.Module", device: str | None = None) -> Callable[[np.ndarray], np.ndarray]:
        import torch

        device = device or self._device
        network = network.to(device).to(memory_format=torch.channels_last)

        def run(images_NHWC: np.ndarray) -> np.ndarray:
            # On a graphics card: full float32 and reproducible kernels, so that features depend on it little.
            exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
            with torch.inference_mode(), exact, _torch_threads(self._threads):
                # Channels last in memory: half again as fast on a CPU.
                images = torch.from_numpy(images_NHWC).to(device).permute(0, 3, 1, 2).float() / 255
                mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1)
                std = torch.tensor(STD, device=images.device).view(3, 1, 1)
                return np.asarray(network((images - mean) / std).float().cpu().numpy())

        return run

    def _with_onnx(self, network: "torch.nn.Module", path: Path) -> Callable[[np.ndarray], np.ndarray]:
        from lfnet.encoders.trunk_onnx import to_onnx

        run = self._open(to_onnx(network, MEAN, STD))
        probe = np.random.default_rng(0).integers(0, 256, (2, self.side, self.side, 3), dtype=np.uint8)
        expected = self._with_torch(network, "cpu")(probe)
        difference = float(np.abs(run(probe) - expected).max() / np.abs(expected).max())
        if difference <= _CLOSE:
            return run
        message = (
            f"{self._setting}: onnxruntime's vectors differ from PyTorch's by {difference:.1g} of the largest number "
            f"for {path.name}: PyTorch is used. Set {self._setting}.backend=torch to avoid the comparison."
        )
        warnings.warn(message, LfnetWarning, stacklevel=2)
        return self._with_torch(network)

    def _open(self, model: Path | bytes) -> Callable[[np.ndarray], np.ndarray]:
        from lfnet.encoders.onnx_network import open_session

        def run_piece(images_NHWC: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(["vectors"], {"images": images_NHWC})[0])

        def run_pieces(images_NHWC: np.ndarray) -> np.ndarray:
            pieces = [images_NHWC[start : start + _PIECE] for start in range(0, len(images_NHWC), _PIECE)]
            results = map(run_piece, pieces) if self._pool is None else self._pool.map(run_piece, pieces)
            return np.concatenate(list(results))

        cores = self._threads or _cores()
        if on_cpu := self._device == "cpu":
            # Pieces in parallel, one thread each: threads within a layer would wait for each other at its end.
            self._pool = ThreadPoolExecutor(cores, thread_name_prefix="trunk") if cores > 1 else None
        session = open_session(model, self._device, 1 if on_cpu else self._threads)
        return run_pieces if on_cpu else run_piece


class TrunkEncoder(Encoder):
    """Base class of encoders of aligned crops by a `Trunk`; parameters as there.

    Attributes
    ----------
    trunk : Trunk
        The network.
    images_per_vector : int
        Images that are encoded for one vector.
    """

    needs = frozenset({"crops"})
    images_per_vector = 1

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        cut: str,
        crop_size: int,
        batch_size: int,
        device: str,
        threads: int | None,
        backend: Backend,
    ) -> None:
        self.name, self.crop_size = name, crop_size
        self.trunk = Trunk(
            weights,
            cache,
            setting=f"encoder.{name}",
            cut=cut,
            side=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self.dim = self.trunk.dim

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        facts = {"encoder": type(self).__name__, "dim": self.dim, "crop_size": self.crop_size}
        return {**facts, **self.trunk.recipe()}

    def cost(self) -> Cost:
        """Measure the parameters, and the FLOPs of one vector."""
        one = self.trunk.cost()
        return Cost(one.parameters, one.flops * self.images_per_vector)

    def close(self) -> None:
        """Free the network."""
        self.trunk.close()


def _check_torch_device(device: str) -> None:
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
    """Set torch's number of threads, which holds for the whole process, and restore it at the end."""
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
