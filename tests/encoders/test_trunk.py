"""The trunk: its cuts, its cost, and the same numbers from both libraries."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lfnet.config import check_target
from lfnet.encoders.mobilenet import MobileNet
from lfnet.encoders.trunk import MEAN, STD, Trunk
from lfnet.encoders.trunk_network import CUTS, cost, cut_network, load_trunk
from lfnet.errors import LfnetError, LfnetWarning
from tests.encoders.networks import own
from tests.encoders.test_mobilenet import shaken

SIDE = 64


@pytest.fixture(scope="module")
def weights(tmp_path_factory: Any) -> Path:
    """A file of torchvision's whole network, with statistics as after a training."""
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "m.pth"
    torch.save(shaken(mobilenet_v3_small(weights=None)).state_dict(), path)
    return path


def trunk(path: Path, **settings: Any) -> Trunk:
    return Trunk(own(path), path.parent, setting="encoder.m", **({"side": SIDE, "threads": 1} | settings))


def random_images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def test_the_counts_are_those_of_the_layers() -> None:
    assert cost("whole").parameters == 927_008
    assert cost("block4.1.depthwise").parameters == 354_368
    # A multiply-add is two: 54.9 M of them at 224 pixels. The stem alone: 16 filters of 27 weights on 112 × 112 places.
    assert round(cost("whole").flops / 2e6, 1) == 54.9
    assert cost("stem").flops == 2 * 16 * 27 * 112 * 112 == 4 * cost("stem", 112).flops
    parameters = [cost(cut).parameters for cut in CUTS]
    assert parameters == sorted(parameters) and len(set(parameters)) == len(CUTS)


def test_every_cut_has_the_width_that_the_table_says_and_is_what_lies_there(weights: Path) -> None:
    whole = load_trunk(weights).eval()
    found: dict[str, torch.Tensor] = {"stem": torch.empty(0)}

    def keep(cut: str) -> Any:
        return lambda module, given, output: found.__setitem__(cut, output.mean((2, 3)))

    whole.bn1.register_forward_hook(keep("stem"))
    for stage, blocks in enumerate(whole.blocks):
        for number, block in enumerate(blocks):
            name = "whole" if stage == 5 else f"block{stage}.{number}"
            block.register_forward_hook(keep(name))
            if hasattr(block, "conv_pwl"):
                block.bn2.register_forward_hook(keep(f"{name}.depthwise"))
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole.forward_features(images)
        assert found.keys() == CUTS.keys()
        for cut, width in CUTS.items():
            network = cut_network(load_trunk(weights), cut)
            torch.testing.assert_close(network(images), found[cut])
            assert found[cut].shape == (2, width)


@pytest.mark.parametrize("cut", CUTS)
def test_onnxruntime_gives_torchs_numbers(weights: Path, cut: str) -> None:
    expected = trunk(weights, cut=cut, backend="torch")(random_images())
    found = trunk(weights, cut=cut, backend="onnx", batch_size=2)(random_images())
    assert found.shape == (3, CUTS[cut]) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 35])
def test_images_in_parallel_equal_images_one_after_the_other(weights: Path, count: int) -> None:
    one, several = trunk(weights, threads=1), trunk(weights, threads=3, batch_size=20)
    np.testing.assert_array_equal(several(random_images(count)), one(random_images(count)))
    several.close()
    np.testing.assert_array_equal(several(random_images(1)), one(random_images(1)))


def test_auto_is_onnxruntime_on_a_cpu(weights: Path) -> None:
    assert np.array_equal(trunk(weights)(random_images()), trunk(weights, backend="onnx")(random_images()))
    assert not np.array_equal(trunk(weights)(random_images()), trunk(weights, backend="torch")(random_images()))


def test_deviating_vectors_of_onnxruntime_are_reported_and_not_used(weights: Path, monkeypatch: Any) -> None:
    from lfnet.encoders import trunk_onnx

    original = trunk_onnx.to_onnx
    monkeypatch.setattr(trunk_onnx, "to_onnx", lambda network, mean, std: original(network, STD, MEAN))
    with pytest.warns(LfnetWarning, match=r"encoder\.m: onnxruntime's vectors differ .* PyTorch is used"):
        found = trunk(weights, backend="onnx")(random_images())
    assert np.array_equal(found, trunk(weights, backend="torch")(random_images()))


def test_no_images_load_no_network(tmp_path: Path, weights: Path) -> None:
    empty = trunk(weights)(random_images()[:0])
    assert empty.shape == (0, 576) and empty.dtype == np.float32


def test_wrong_settings_are_refused(weights: Path) -> None:
    node = {"_target_": "lfnet.encoders.mobilenet.MobileNet", "cut": "block9", "backend": "tvm", "device": "tpu"}
    with pytest.raises(LfnetError) as raised:
        check_target(node, "encoder.m")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("encoder.m.cut=block9: choose one of stem, ")
    assert lines[1:] == [
        "encoder.m.device=tpu: choose cpu, cuda, cuda:N or mps.",
        "encoder.m.backend=tvm: give one of auto, onnx, torch.",
    ]
    with pytest.raises(LfnetError, match=r"encoder\.device=cuda:99"):
        trunk(weights, device="cuda:99", backend="onnx")(random_images())


def test_the_recipe_names_the_cut_and_not_the_backend(weights: Path) -> None:
    assert trunk(weights, backend="torch").recipe() == trunk(weights, backend="onnx", batch_size=7).recipe()
    assert trunk(weights, cut="block4.0").recipe() != trunk(weights).recipe()


def test_an_encoder_of_frames_may_be_cut_too(weights: Path) -> None:
    encoder = MobileNet("m", own(weights), weights.parent, cut="block4.0", crop_size=SIDE)
    assert encoder.dim == 96 and encoder.cost() == cost("block4.0", SIDE)
