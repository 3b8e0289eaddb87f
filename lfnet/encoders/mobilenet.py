"""MobileNetV3-Small's pooled features: what an ImageNet network sees in a face (LightFusionNet's frame encoder)."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lfnet.encoders.encoder import checked_crops
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.files import WeightsFile

if TYPE_CHECKING:
    import torch

__all__ = ["MobileNet", "load_trunk"]

_MEAN = (0.485, 0.456, 0.406)  # ImageNet's channels on [0, 1], RGB
_STD = (0.229, 0.224, 0.225)
_TRUNK = ("conv_stem.", "bn1.", "blocks.")
_LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Each training used its own epsilon in batch normalisation; the weights are right with that one only.
_EPSILON = {"torchvision": 1e-3, "timm": 1e-5}


class MobileNet:
    """Face crops through MobileNetV3-Small (Howard et al., ICCV 2019) to its last block, averaged over the crop: 576-D.

    weights: a file in torchvision's layout (the whole network, or its features alone) or in timm's; .pth, .pt or
    .safetensors. dim: checked when the network is loaded. device: "cpu", "cuda", "cuda:N" or "mps".
    threads: None lets torch decide. cache: the folder of weights.
    """

    needs = frozenset({"crops"})
    unit_norm = False
    per_segment = False

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: int = 576,
        crop_size: int = 224,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.name, self.dim, self.crop_size = name, dim, crop_size
        self._weights, self._cache = weights, Path(cache)
        self._batch_size, self._device, self._threads = batch_size, device, threads
        self._network: torch.nn.Module | None = None

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON, see `Encoder.recipe`."""
        return {
            "encoder": "MobileNet",
            "weights": self._weights.digest(self._cache),
            "dim": self.dim,
            "crop_size": self.crop_size,
            "mean": list(_MEAN),
            "std": list(_STD),
        }

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim] from crops_NHWC, uint8 RGB [N, crop_size, crop_size, 3].

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        import torch

        crops = checked_crops(self, faces)
        vectors = np.empty((len(crops), self.dim), np.float32)
        # On a graphics card: full float32 and reproducible kernels, so that features depend on it as little as may be.
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact, _torch_threads(self._threads):
            for start in range(0, len(crops), self._batch_size):
                part = slice(start, start + self._batch_size)
                vectors[part] = self._load()(self._prepare(crops[part])).float().cpu().numpy()
        return vectors

    def close(self) -> None:
        """Free the network."""
        self._network = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _prepare(self, crops: np.ndarray) -> "torch.Tensor":
        import torch

        # Channels last in memory, as crops are: half again as fast on a processor.
        images = torch.from_numpy(np.ascontiguousarray(crops)).to(self._device).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(_MEAN, device=images.device).view(3, 1, 1)
        std = torch.tensor(_STD, device=images.device).view(3, 1, 1)
        return (images - mean) / std

    def _load(self) -> "torch.nn.Module":
        if self._network is None:
            import torch

            _check_device(self._device)  # a wrong device should not cost a download first
            path = self._weights.fetch(self._cache)
            trunk = load_trunk(path)
            if trunk.num_features != self.dim:
                raise LfnetError(
                    f"{path} gives {trunk.num_features} numbers a crop where encoder.{self.name}.dim says {self.dim}: "
                    f"set encoder.{self.name}.dim={trunk.num_features}."
                )
            pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
            network = torch.nn.Sequential(trunk.conv_stem, trunk.bn1, trunk.blocks, pool).eval()
            self._network = network.to(self._device).to(memory_format=torch.channels_last)
        return self._network


def load_trunk(path: Path) -> Any:
    """timm's `mobilenetv3_small_100` with the trunk's weights from `path`; its head keeps random numbers, unused here.

    Raises `LfnetError` where the file holds another network.
    """
    import timm

    tensors, layout = _trunk_tensors(_read(path), path)
    model: Any = timm.create_model("mobilenetv3_small_100", pretrained=False, num_classes=0, bn_eps=_EPSILON[layout])
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(_TRUNK)}
    if layout == "torchvision" and len(tensors) == len(own):
        # The two libraries name the same tensors differently, and build the network in the same order.
        tensors = dict(zip(own, (tensors[name] for name in sorted(tensors, key=_built)), strict=True))
    if tensors.keys() != own.keys() or any(tensors[name].shape != own[name].shape for name in own):
        raise LfnetError(f"{path} holds another network than MobileNetV3-Small: its tensors differ in number or shape.")
    model.load_state_dict({**model.state_dict(), **tensors})
    return model


def _read(path: Path) -> Mapping[str, "torch.Tensor"]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the unpickler does
        raise LfnetError(f"{path} is not a file of PyTorch weights ({type(error).__name__}: {error}).") from error
    if not isinstance(state, Mapping):
        raise LfnetError(f"{path} holds a {type(state).__name__}, not tensors by name.")
    return state


def _trunk_tensors(state: Mapping[str, "torch.Tensor"], path: Path) -> tuple[dict[str, "torch.Tensor"], str]:
    """The trunk's tensors and the layout they come in, told by their names."""
    if "conv_stem.weight" in state:
        return {name: tensor for name, tensor in state.items() if name.startswith(_TRUNK)}, "timm"
    # The whole network; its features with a pooling behind; its features by themselves.
    for prefix in ("features.", "0.", ""):
        if f"{prefix}0.0.weight" in state:
            return {name: tensor for name, tensor in state.items() if name.startswith(prefix)}, "torchvision"
    raise LfnetError(
        f"{path} is neither in torchvision's layout (features.0.0.weight) nor in timm's (conv_stem.weight): "
        "name another file with the weights' `path`."
    )


def _built(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts torchvision's names as the network is built; files may list them otherwise (safetensors: by alphabet)."""
    *modules, leaf = name.split(".")
    numbered = [(int(part), "") if part.isdigit() else (0, part) for part in modules]
    return (*numbered, (_LEAVES.index(leaf) if leaf in _LEAVES else len(_LEAVES), leaf))


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise LfnetError(
            f"encoder.device={device}: torch {torch.__version__} cannot use it here ({reason}). Set encoder.device=cpu."
        ) from error


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
