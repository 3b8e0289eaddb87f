"""Every head as ONNX: its scores of masked windows in other numbers and lengths than those of the trace."""

import onnx
import pytest
import torch

from lfnet.config import instantiate
from lfnet.deploy.bundle import HeadSession, Windows
from lfnet.deploy.head_onnx import head_to_onnx
from lfnet.errors import LfnetError
from lfnet.heads.region_attention import RegionAttention
from tests.composing import CONF, composed

D = 12
FEW = ("ldbm", "mamba_gru")  # of shapes from the length, and of a fixed number of windows
EVERY = tuple(sorted(path.stem for path in (CONF / "head").glob("*.yaml")))


def made(name):
    torch.manual_seed(3)
    # fewer frames kept than most windows have
    settings, _ = composed(f"head={name}", *["head.keep=20"] * (name == "region_attention"))
    return instantiate(settings["head"], n_features=D, max_frames=256).eval()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in FEW else pytest.mark.long) for name in EVERY],
)
def test_an_exported_head_scores_like_the_head(name, tmp_path):
    head, path = made(name), tmp_path / "head.onnx"
    head_to_onnx(head, path, frames=64, n_features=D)
    session = HeadSession(path, mean=20.0, sd=10.0, threads=1)
    assert session.any_length
    assert session.any_windows == (name != "mamba_gru")  # PyTorch's GRU fixes them: it is run window by window
    # 65 is one frame more than eight patches of eight, 50 is none of their multiples.
    for windows, frames in ((1, 64), (3, 50), (2, 65), (5, 130), (1, 7)):
        x_BTD, mask_BT = torch.randn(windows, frames, D), torch.rand(windows, frames) < 0.6
        mask_BT[:, 0] = True
        x_BTD[~mask_BT] = torch.nan if frames == 50 else 7.0
        with torch.inference_mode():
            expected = head(x_BTD, mask_BT).double().numpy() * 10 + 20
        got = session(Windows(x_BTD.numpy(), mask_BT.numpy()))
        assert got == pytest.approx(expected, abs=1e-4), (windows, frames)


@pytest.mark.slow
def test_the_file_holds_no_paths_of_this_machine(tmp_path):
    head_to_onnx(made("mean_mlp"), tmp_path / "head.onnx", frames=32, n_features=D)
    model = onnx.load(str(tmp_path / "head.onnx"))
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert b"site-packages" not in (tmp_path / "head.onnx").read_bytes()


@pytest.mark.slow
def test_of_equal_frames_the_first_are_kept_in_an_export_too(tmp_path):
    torch.manual_seed(3)
    head, path = RegionAttention(D, parts=3, keep=20).eval(), tmp_path / "head.onnx"
    head_to_onnx(head, path, frames=64, n_features=D)
    x_BTD, mask_BT = torch.randn(2, 64, D), torch.ones(2, 64, dtype=torch.bool)
    x_BTD[..., : D // 3] = 1.0  # whole faces that weigh the same; their regions differ
    mask_BT[1, 5:9] = False
    with torch.inference_mode():
        expected = head(x_BTD, mask_BT).double().numpy()
    got = HeadSession(path, mean=0.0, sd=1.0, threads=1)(Windows(x_BTD.numpy(), mask_BT.numpy()))
    assert got == pytest.approx(expected, abs=1e-5)


class Untraceable(torch.nn.Module):
    """A head that refuses to be traced."""

    def forward(self, x_BTD, mask_BT):
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            raise RuntimeError("not traceable")
        return x_BTD.mean((1, 2))


@pytest.mark.slow
def test_a_head_that_cannot_be_exported_is_named(tmp_path):
    with pytest.raises(LfnetError, match="PyTorch cannot export Untraceable to ONNX"):
        head_to_onnx(Untraceable(), tmp_path / "head.onnx", frames=32, n_features=D)
    assert not (tmp_path / "head.onnx").exists()
