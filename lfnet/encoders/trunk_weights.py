"""MobileNetV3-Small's trunk with trained weights, from files in torchvision's or in timm's layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.errors import LfnetError

if TYPE_CHECKING:
    import torch

__all__ = ["load_trunk", "make_trunk"]

_TRUNK = ("conv_stem.", "bn1.", "blocks.")
_LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Each training used its own epsilon in batch normalisation; the weights are right with that one only.
_EPSILON = {"torchvision": 1e-3, "timm": 1e-5}


def make_trunk(epsilon: float = _EPSILON["torchvision"]) -> Any:
    """timm's `mobilenetv3_small_100` without its last linear layer, weights at random (Howard et al., ICCV 2019)."""
    import timm

    return timm.create_model("mobilenetv3_small_100", pretrained=False, num_classes=0, bn_eps=epsilon)


def load_trunk(path: Path) -> Any:
    """The same with the trunk's weights from `path`; its head keeps random numbers, unused here.

    Raises `LfnetError` where the file holds another network.
    """
    tensors, layout = _trunk_tensors(_read(path), path)
    model = make_trunk(_EPSILON[layout])
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
