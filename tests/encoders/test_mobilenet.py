"""MobileNet: the same numbers as torchvision's network, timm's, and the reference in ../shared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lfnet.encoders.mobilenet import MobileNet
from lfnet.errors import LfnetError
from lfnet.testing.encoder_check import check_encoder, made_up_faces
from tests.encoders.networks import own

SIDE = 64  # smaller than the real 224, for speed: the network takes any


def encoder(path: Path, **settings: Any) -> MobileNet:
    return MobileNet(
        "mobilenet", own(path), path.parent, **({"crop_size": SIDE, "batch_size": 2, "threads": 1} | settings)
    )


def shaken(network: nn.Module) -> nn.Module:
    """Batch-norm statistics as after a training, some variances small enough for the epsilon to matter."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn(module.num_features, generator=generator)
            module.running_var = 0.001 + torch.rand(module.num_features, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def torchvisions() -> nn.Module:
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    return shaken(mobilenet_v3_small(weights=None))


def images(crops: np.ndarray | None) -> torch.Tensor:
    assert crops is not None
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(((crops / 255.0 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))


@pytest.mark.parametrize("layout", ["whole network", "features alone", "features and pooling", "safetensors"])
def test_torchvisions_layouts_give_torchvisions_numbers(tmp_path: Path, torchvisions: Any, layout: str) -> None:
    if layout == "safetensors":
        path = tmp_path / "m.safetensors"
        save_file(torchvisions.state_dict(), path)
    else:
        path = tmp_path / "m.pth"
        pooled = nn.Sequential(torchvisions.features, torchvisions.avgpool)
        parts = {"whole network": torchvisions, "features alone": torchvisions.features, "features and pooling": pooled}
        torch.save(parts[layout].state_dict(), path)
    faces = made_up_faces(3, SIDE)
    with torch.inference_mode():
        expected = torchvisions.features(images(faces.crops_NHWC)).mean((2, 3)).numpy()
    vectors = encoder(path).encode(faces)
    np.testing.assert_allclose(vectors, expected, atol=1e-5 * np.abs(expected).max())


def test_timms_layout_gives_timms_numbers(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    network = shaken(timm.create_model("mobilenetv3_small_100", pretrained=False))
    path = tmp_path / "m.pth"
    torch.save(network.state_dict(), path)
    faces = made_up_faces(3, SIDE)
    with torch.inference_mode():
        expected = network.forward_features(images(faces.crops_NHWC)).mean((2, 3)).numpy()
    np.testing.assert_allclose(encoder(path).encode(faces), expected, atol=1e-5 * np.abs(expected).max())


def test_it_keeps_the_contract(tmp_path: Path, torchvisions: nn.Module) -> None:
    torch.save(torchvisions.state_dict(), tmp_path / "m.pth")
    before = torch.get_num_threads()
    check_encoder(encoder(tmp_path / "m.pth"))
    assert torch.get_num_threads() == before


def test_another_network_is_refused(tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v3_large

    faces = made_up_faces(1, SIDE)
    path = tmp_path / "m.pth"
    torch.save(mobilenet_v3_large(weights=None).state_dict(), path)
    with pytest.raises(LfnetError, match=r"m\.pth holds another network"):
        encoder(path).encode(faces)
    torch.save({"fc.weight": torch.ones(1)}, path)
    with pytest.raises(LfnetError, match=r"neither in torchvision's layout .* nor in timm's"):
        encoder(path).encode(faces)
    torch.save([1, 2], path)
    with pytest.raises(LfnetError, match="holds a list"):
        encoder(path).encode(faces)
    path.write_bytes(b"rubbish")
    with pytest.raises(LfnetError, match="is not a file of PyTorch weights"):
        encoder(path).encode(faces)


def test_a_wrong_dim_or_device_is_refused(tmp_path: Path, torchvisions: nn.Module) -> None:
    torch.save(torchvisions.state_dict(), tmp_path / "m.pth")
    faces = made_up_faces(1, SIDE)
    with pytest.raises(LfnetError, match=r"dim=1024: .*gives 576 numbers.*set encoder\.mobilenet\.dim=576"):
        encoder(tmp_path / "m.pth", dim=1024)
    with pytest.raises(LfnetError, match=r"encoder\.device=tpu: .*encoder\.device=cpu"):
        encoder(tmp_path / "m.pth", device="tpu").encode(faces)


def test_parity_with_the_reference_export(shared: Path, tmp_path: Path) -> None:
    """torchvision's ImageNet trunk, exported with pooling by another author: at most 1e-4 apart."""
    import onnxruntime

    faces = made_up_faces(4, 224)
    reference = onnxruntime.InferenceSession(str(shared / "weights" / "mobilenetv3_embed_batch.onnx"))
    (expected,) = reference.run(None, {reference.get_inputs()[0].name: images(faces.crops_NHWC).numpy()})
    weights = own(shared / "weights" / "mobilenetv3_small_features.pt")
    with MobileNet("mobilenet", weights, tmp_path, threads=1) as real:
        vectors = real.encode(faces)
    assert np.abs(expected).max() > 1, "the reference is alive"
    np.testing.assert_allclose(vectors, expected.reshape(4, 576), rtol=0, atol=1e-4)
