"""MobileNetV3-Small in PyTorch: load its weights, cut it, measure its cost."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from lfnet.encoders.encoder import Cost
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    import torch

__all__ = ["CUTS", "Cut", "cost", "cut_network", "load_trunk", "make_trunk"]

# Where the network may be cut, and its number of channels there. "block4.1" is after that block (in timm's numbering),
# "block4.1.depthwise" inside it, after its expansion and its depthwise convolution.
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


def _check_cut(cut: str) -> str:
    if cut not in CUTS:
        raise ValueError(f"choose one of {', '.join(CUTS)}.")
    return cut


# A key of `CUTS`, as a setting.
Cut = Annotated[str, AfterValidator(_check_cut)]

_TRUNK = ("conv_stem.", "bn1.", "blocks.")
_LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Each training used its own epsilon in batch normalisation; the weights are right with that one only.
_EPSILON = {"torchvision": 1e-3, "timm": 1e-5}


def make_trunk(epsilon: float = _EPSILON["torchvision"]) -> Any:
    """Make timm's `mobilenetv3_small_100` (Howard et al., ICCV 2019) without its last layer and with random weights."""
    import timm

    return timm.create_model("mobilenetv3_small_100", pretrained=False, num_classes=0, bn_eps=epsilon)


def load_trunk(path: Path) -> Any:
    """Make the network with the trunk's weights from `path`; its head, which is not used, keeps random weights.

    The file is in torchvision's layout (the whole network or its features) or in timm's. Raises `LfnetError` where it
    holds another network.
    """
    tensors, layout = _trunk_tensors(_read(path), path)
    model = make_trunk(_EPSILON[layout])
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(_TRUNK)}
    if layout == "torchvision" and len(tensors) == len(own):
        # The two libraries name the same tensors differently, and build the network in the same order.
        tensors = dict(zip(own, (tensors[name] for name in sorted(tensors, key=_position)), strict=True))
    if tensors.keys() != own.keys() or any(tensors[name].shape != own[name].shape for name in own):
        raise LfnetError(f"{path} holds another network than MobileNetV3-Small: its tensors differ in number or shape.")
    model.load_state_dict({**model.state_dict(), **tensors})
    return model


def cut_network(trunk: Any, cut: str) -> "torch.nn.Module":
    """Take the layers up to the cut and a mean over the image, in evaluation mode: [N, 3, S, S] → [N, dim]."""
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


@cache
def cost(cut: str, side: int = 224) -> Cost:
    """Measure the network up to a cut on an image of side × side pixels, with random weights.

    Parameters count the entries of all weights, two a channel of batch normalisation included, its statistics excluded.
    FLOPs are counted by torch: convolutions only, those of squeeze-and-excitation included.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng(devices=[]):
        network = cut_network(make_trunk(), cut)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    return Cost(sum(p.numel() for p in network.parameters()), int(counter.get_total_flops()))


def _place(cut: str, trunk: Any) -> tuple[int, int, bool]:
    """Stage, block, and whether the cut is inside the block."""
    if cut == "whole":
        return len(trunk.blocks) - 1, len(trunk.blocks[-1]) - 1, False
    stage, block = cut.removeprefix("block").removesuffix(".depthwise").split(".")
    return int(stage), int(block), cut.endswith(".depthwise")


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
    """The trunk's tensors and their layout, recognised by their names."""
    if "conv_stem.weight" in state:
        return {name: tensor for name, tensor in state.items() if name.startswith(_TRUNK)}, "timm"
    # The whole network; its features followed by a pooling; its features alone.
    for prefix in ("features.", "0.", ""):
        if f"{prefix}0.0.weight" in state:
            return {name: tensor for name, tensor in state.items() if name.startswith(prefix)}, "torchvision"
    raise LfnetError(
        f"{path} is neither in torchvision's layout (features.0.0.weight) nor in timm's (conv_stem.weight): "
        "set the weights' `path` to another file."
    )


def _position(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key: the order in which torchvision builds the network; safetensors lists names alphabetically."""
    *modules, leaf = name.split(".")
    numbered = [(int(part), "") if part.isdigit() else (0, part) for part in modules]
    return (*numbered, (_LEAVES.index(leaf) if leaf in _LEAVES else len(_LEAVES), leaf))
