"""The temporal ablation's four heads against plain implementations with the same weights."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lfnet.errors import LfnetError
from lfnet.heads.layers import zero_masked
from lfnet.heads.ldbm import LDBM
from lfnet.heads.mamba_gru import MambaGRU
from lfnet.heads.mean_mlp import TemporalMeanMLP
from lfnet.heads.transformer import VanillaTransformer
from tests.heads.plain import PLAIN

D = 12


def make(name: str) -> nn.Module:
    torch.manual_seed(3)
    return {
        "mean_mlp": lambda: TemporalMeanMLP(D),
        "ldbm": lambda: LDBM(D, 128, patch_size=4, layers=3, dropout=0.0),
        "transformer": lambda: VanillaTransformer(D, 128, layers=2, dropout=0.0),
        "mamba_gru": lambda: MambaGRU(D, 128),
    }[name]()


def clip_by_clip(name: str, head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return torch.stack([PLAIN[name](head, x, mask) for x, mask in zip(x_BTD, mask_BT, strict=True)])


def masks(frames: int) -> Tensor:
    mask_BT = torch.rand(11, frames) < 0.7
    mask_BT[0] = True
    mask_BT[1] = torch.arange(frames) < frames // 3
    mask_BT[2] = torch.arange(frames) == frames - 1
    mask_BT[3] = (torch.arange(frames) // 4) % 3 == 1  # whole patches missing
    mask_BT[:, frames // 2] |= ~mask_BT.any(1)
    return mask_BT


def check_exported_graph(head: nn.Module, n_features: int) -> None:
    """Check that one exported graph scores any number of windows, of any length, as the head does."""
    # from the second patch on: a sum over one thing is another graph to the exporter
    axes = {0: torch.export.Dim("windows"), 1: torch.export.Dim("frames", min=5)}
    mask_BT = torch.arange(33) < torch.tensor([[33], [20]])
    example = (torch.randn(2, 33, n_features), mask_BT)
    program = torch.export.export(head, example, dynamic_shapes=(axes, axes)).module()
    for windows, frames in ((3, 7), (2, 130)):
        x_BTD, mask_BT = torch.randn(windows, frames, n_features), torch.arange(frames) % 5 > 0
        mask_BT = mask_BT.repeat(windows, 1)
        torch.testing.assert_close(program(x_BTD, mask_BT), head(x_BTD, mask_BT), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [64, 61, 5])
@pytest.mark.parametrize("name", PLAIN)
def test_answers_and_gradients_equal_a_plain_implementation(name: str, frames: int) -> None:
    head = make(name)
    x_BTD, mask_BT = torch.randn(11, frames, D), masks(frames)
    expected_B = clip_by_clip(name, head, x_BTD, mask_BT)
    hidden = x_BTD.masked_fill(~mask_BT.unsqueeze(-1), float("nan"))
    y_B = head(hidden, mask_BT)
    torch.testing.assert_close(y_B, expected_B, atol=1e-5, rtol=1e-5)
    weight_B = torch.randn(11)
    wanted = dict(head.named_parameters())
    if name in ("ldbm", "transformer"):  # plain layers hold copies of these
        wanted = {k: p for k, p in wanted.items() if not k.startswith("layers")}
    got = torch.autograd.grad((y_B * weight_B).sum(), wanted.values())
    expected = torch.autograd.grad((expected_B * weight_B).sum(), wanted.values(), allow_unused=True)
    for key, one, other in zip(wanted, got, expected, strict=True):
        other = torch.zeros_like(one) if other is None else other
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", PLAIN)
def test_with_an_all_true_mask_a_head_is_the_published_formula(name: str) -> None:
    # 64 frames make 16 patches, which halve evenly.
    head = make(name).eval()
    x_BTD = torch.randn(5, 64, D)
    expected_B = clip_by_clip(name, head, x_BTD, torch.ones(5, 64, dtype=torch.bool))
    torch.testing.assert_close(head(x_BTD, torch.ones(5, 64, dtype=torch.bool)), expected_B, atol=1e-5, rtol=1e-5)


def test_the_mean_head_cannot_see_order_and_the_others_can() -> None:
    x_BTD, mask_BT = torch.randn(4, 64, D), torch.ones(4, 64, dtype=torch.bool)
    for name in PLAIN:
        head = make(name).eval()
        change = (head(x_BTD, mask_BT) - head(x_BTD.flip(1), mask_BT)).abs().max()
        assert (change < 1e-6) == (name == "mean_mlp"), name


@pytest.mark.parametrize("name", PLAIN)
def test_a_window_without_frames_is_scored_as_zeros(name: str) -> None:
    head = make(name).eval()
    zeros = torch.zeros(1, head.regressor[0].in_features)
    y_B = head(torch.full((2, 9, D), float("nan")), torch.zeros(2, 9, dtype=torch.bool))
    torch.testing.assert_close(y_B, head.regressor(zeros).squeeze(-1).expand(2), atol=1e-7, rtol=0)


def test_overlapping_patches_are_those_of_unfold() -> None:
    torch.manual_seed(0)
    head = LDBM(D, 32, patch_size=6, stride=2, layers=1, dropout=0.0).eval()
    x_BTD, mask_BT = torch.randn(2, 11, D), torch.ones(2, 11, dtype=torch.bool)
    padded = nn.functional.pad(x_BTD, (0, 0, 0, 1))  # 4 patches reach to frame 12
    tokens = torch.stack([head.projection(padded[:, i : i + 6].flatten(1)) for i in (0, 2, 4, 6)], 1)
    z = head.layers[0](tokens + head.positions[:4], torch.ones(2, 4, dtype=torch.bool))
    merged = head.merge(z.reshape(2, 2, -1))
    torch.testing.assert_close(head(x_BTD, mask_BT), head.regressor(merged.mean(1)).squeeze(-1), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("make_head", [LDBM, VanillaTransformer, MambaGRU])
def test_a_window_that_is_too_long_names_the_setting(make_head: type[nn.Module]) -> None:
    head = make_head(D, 20)
    with pytest.raises(LfnetError, match=re.escape("a window has 21 frames and head.max_frames is 20")):
        head(torch.zeros(1, 21, D), torch.ones(1, 21, dtype=torch.bool))


@pytest.mark.filterwarnings("ignore:(Flash|Both):UserWarning")  # PyTorch says at length why there is no kernel
@pytest.mark.parametrize("make_head", [LDBM, VanillaTransformer])
def test_training_never_falls_back_to_plain_attention(make_head: type[nn.Module]) -> None:
    mask_BT = masks(40)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        for rate in (0.0, 0.1):
            make_head(D, 64, attention_dropout=rate).train()(torch.randn(11, 40, D), mask_BT).sum().backward()


@pytest.mark.parametrize("make_head", [TemporalMeanMLP, LDBM, VanillaTransformer, MambaGRU])
def test_dropout_acts_in_training_only(make_head: type[nn.Module]) -> None:
    torch.manual_seed(0)
    head = make_head(D, 64, dropout=0.5)
    x_BTD, mask_BT = torch.randn(3, 40, D), torch.ones(3, 40, dtype=torch.bool)
    assert not torch.equal(head.train()(x_BTD, mask_BT), head(x_BTD, mask_BT))
    assert torch.equal(head.eval()(x_BTD, mask_BT), head(x_BTD, mask_BT))


@pytest.mark.parametrize("frames", [64, 5, 1])
def test_a_shortened_window_gets_the_score_of_the_whole_one(frames: int) -> None:
    torch.manual_seed(0)
    head, x_BTD, mask_BT = make("mean_mlp"), torch.randn(12, frames, D), torch.ones(12, frames, dtype=torch.bool)
    mask_BT[:11] = masks(frames)
    mask_BT[3] = False
    x_BTD[~mask_BT] = float("nan")
    short_BKD, short_BK = head.shorten(x_BTD, mask_BT)
    assert short_BKD.shape == (12, 1, D)
    assert torch.equal(head(short_BKD, short_BK), head(x_BTD, mask_BT))


def test_windows_with_zeros_under_the_mask_are_not_copied() -> None:
    x_BTD, mask_BT = torch.randn(3, 8, D), torch.ones(3, 8, dtype=torch.bool)
    assert zero_masked(x_BTD, mask_BT) is x_BTD
    mask_BT[1, 6:] = False
    x_BTD[1, 6:] = 0.0
    assert zero_masked(x_BTD, mask_BT) is x_BTD
    for value in (1e-30, float("nan"), float("inf")):
        x_BTD[1, 7, 3] = value
        cleaned = zero_masked(x_BTD, mask_BT)
        assert cleaned is not x_BTD and not cleaned[1, 6:].any() and torch.equal(cleaned[mask_BT], x_BTD[mask_BT])
    learnt = torch.zeros(3, 8, D, requires_grad=True)
    zero_masked(learnt, mask_BT).sum().backward()
    assert torch.equal(learnt.grad[..., 0] == 1, mask_BT)  # no gradient for hidden frames
