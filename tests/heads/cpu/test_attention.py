"""The explicit attention against PyTorch's, forward and backward, with and without dropout."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lfnet.heads.cpu import attention
from lfnet.heads.cpu.attention import self_attention


def plain(qkv_BTX: Tensor, mask_BT: Tensor, heads: int) -> Tensor:
    """The formula, by matrix products and a softmax, with autograd's gradients."""
    q, k, v = qkv_BTX.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    seen_BT = mask_BT | ~mask_BT.any(1, keepdim=True)
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~seen_BT[:, None, None], float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


@pytest.fixture
def written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole products everywhere, as where oneDNN computes them."""
    monkeypatch.setattr(attention, "_wide", lambda dtype: True)
    monkeypatch.setattr(attention, "_has_avx512", lambda: True)


def both(qkv_BTX: Tensor, mask_BT: Tensor, heads: int) -> list[tuple[Tensor, Tensor]]:
    """Answer and gradient of the head's attention and of the formula."""
    goal = torch.randn(*qkv_BTX.shape[:2], qkv_BTX.shape[2] // 3, dtype=qkv_BTX.dtype)
    found = []
    for run in (self_attention, plain):
        x = qkv_BTX.clone().requires_grad_()
        y = run(x, mask_BT, heads)
        found.append((y.detach(), torch.autograd.grad((y * goal).sum(), x)[0]))
    return found


@settings(max_examples=25)
@given(
    windows=st.integers(1, 4),
    tokens=st.integers(1, 20),
    heads=st.integers(1, 3),
    width=st.integers(1, 5),
    group=st.sampled_from([1, 20_000, 1 << 22]),
    seed=st.integers(0, 999),
)
def test_equal_to_the_formula(windows: int, tokens: int, heads: int, width: int, group: int, seed: int) -> None:
    torch.manual_seed(seed)
    qkv = torch.randn(windows, tokens, 3 * heads * width, dtype=torch.float64)
    mask = torch.rand(windows, tokens) < torch.rand(windows, 1)  # from none to all of a window's tokens
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_wide", lambda dtype: True)
        patch.setattr(attention, "_has_avx512", lambda: True)
        patch.setattr(attention, "_GROUP", group)
        (y, grad), (expected, expected_grad) = both(qkv, mask, heads)
        scored = self_attention(qkv, mask, heads)  # without a gradient
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=1e-12)
    assert torch.equal(y, scored)
    torch.testing.assert_close(grad, expected_grad, atol=1e-12, rtol=1e-12)


def test_a_training_step_and_scoring_use_it(written_out, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the fused kernel ran")

    qkv, mask = torch.randn(2, 9, 24), torch.ones(2, 9, dtype=torch.bool)
    monkeypatch.setattr(F, "scaled_dot_product_attention", never)
    self_attention(qkv.clone().requires_grad_(), mask, 2).sum().backward()
    self_attention(qkv, mask, 2)
    for x, dropout in ((qkv.bfloat16(), 0.0), (qkv, 0.1)):  # without a gradient
        with pytest.raises(AssertionError, match="fused"):
            self_attention(x, mask, 2, dropout)


def test_windows_too_long_to_keep_their_weights_take_the_fused_kernel(written_out, monkeypatch) -> None:
    qkv, mask = torch.randn(2, 9, 24, dtype=torch.float64), torch.ones(2, 9, dtype=torch.bool)
    kept = both(qkv, mask, 2)[0]
    monkeypatch.setattr(attention, "_KEPT", 8 * 2 * 2 * 9 * 9 - 1)
    monkeypatch.setattr(attention._Attention, "apply", None)
    fused = self_attention(qkv, mask, 2)
    torch.testing.assert_close(kept[0], fused, atol=1e-12, rtol=1e-12)


def test_bfloat16_agrees_to_its_own_precision(written_out) -> None:
    torch.manual_seed(0)
    qkv, mask, goal = torch.randn(3, 40, 96).bfloat16(), torch.ones(3, 40, dtype=torch.bool), torch.randn(3, 40, 32)
    answers = []
    for x in (qkv.clone().requires_grad_(), qkv.float().requires_grad_()):
        y = self_attention(x, mask, 4)
        answers.append((y, torch.autograd.grad((y * goal.to(y.dtype)).sum(), x)[0]))
    for rounded, exact in zip(*answers, strict=True):
        assert rounded.dtype == torch.bfloat16
        assert (rounded.float() - exact).norm() / exact.norm() < 0.01


@pytest.mark.parametrize("group", [1, 1 << 22])
def test_gradients_with_dropped_weights(written_out, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    monkeypatch.setattr(attention, "_GROUP", group)
    torch.manual_seed(0)
    qkv = torch.randn(2, 7, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])

    def run(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return self_attention(x, mask, 2, dropout=0.4)

    assert torch.autograd.gradcheck(run, (qkv,))


def test_dropped_weights_leave_the_mean_as_it_is(written_out) -> None:
    torch.manual_seed(0)
    qkv = torch.randn(1, 6, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 6, dtype=torch.bool)
    runs = torch.stack([self_attention(qkv, mask, 2, dropout=0.3).detach() for _ in range(4000)])
    expected = self_attention(qkv, mask, 2).detach()
    assert ((runs.mean(0) - expected).abs() < 5 * runs.std(0) / math.sqrt(len(runs))).all()
    assert (runs.std(0) > 0).all()


@pytest.mark.parametrize("tokens", [32, 512])
def test_scores_without_avx512_are_equal_to_rounding(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    qkv, mask = torch.randn(3, tokens, 96), torch.rand(3, tokens) > 0.1
    monkeypatch.setattr(attention, "_wide", lambda dtype: True)
    scored = {}
    for wide in (True, False):
        monkeypatch.setattr(attention, "_has_avx512", lambda wide=wide: wide)
        with torch.inference_mode():
            scored[wide] = self_attention(qkv, mask, 4)
    assert not torch.equal(scored[True], scored[False])  # two kernels
    torch.testing.assert_close(scored[True], scored[False], atol=2e-6, rtol=0)
