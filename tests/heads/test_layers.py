"""Shared parts of heads."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lfnet.heads.layers import (
    EncoderLayer,
    fold,
    fold_mask,
    masked_mean,
    sinusoidal_positions,
    token_count,
    zero_masked,
)


@given(frames=st.integers(1, 40), size=st.integers(1, 9), data=st.data())
def test_folding_holds_every_frame_in_its_place(frames: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    x_BTD = torch.arange(1.0, 1 + 2 * frames * 3).reshape(2, frames, 3)
    mask_BT = torch.tensor(data.draw(st.lists(st.booleans(), min_size=2 * frames, max_size=2 * frames)))
    mask_BT = mask_BT.reshape(2, frames)
    tokens, real = fold(x_BTD, mask_BT, size, stride), fold_mask(mask_BT, size, stride)
    count = token_count(frames, size, stride)
    assert tokens.shape == (2, count, size * 3) and real.shape == (2, count)
    assert (count - 1) * stride + size >= frames  # the last frame is in
    assert count == 1 or (count - 2) * stride + size < frames  # and no token holds nothing but filling
    for b in range(2):
        brought = set()
        for n in range(count):
            inside = [t for t in range(n * stride, n * stride + size) if t < frames and mask_BT[b, t]]
            assert bool(real[b, n]) == bool(set(inside) - brought)
            brought |= {t for t in range(n * stride, n * stride + size)}
            for place, t in enumerate(range(n * stride, n * stride + size)):
                expected = x_BTD[b, t] if t in inside else torch.zeros(3)
                assert torch.equal(tokens[b, n].reshape(size, 3)[place], expected)


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=5))
def test_masked_mean_is_the_mean_of_the_real_frames(rows: list[list[bool]]) -> None:
    mask = np.array(rows)
    x = np.random.default_rng(len(rows)).normal(size=(len(rows), 7, 4)).astype(np.float32)
    hidden = np.where(mask[..., None], x, np.nan)
    expected = np.stack([x[b, m].mean(0, dtype=np.float64) if m.any() else np.zeros(4) for b, m in enumerate(mask)])
    got = masked_mean(torch.from_numpy(hidden), torch.from_numpy(mask))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)


def test_zero_masked_hides_values_and_gradients() -> None:
    x_BTD = torch.tensor([[[1.0], [math.nan], [math.inf]]], requires_grad=True)
    mask_BT = torch.tensor([[True, False, False]])
    answer = zero_masked(x_BTD, mask_BT)
    assert answer.flatten().tolist() == [1.0, 0.0, 0.0]
    answer.sum().backward()
    assert x_BTD.grad is not None and x_BTD.grad.flatten().tolist() == [1.0, 0.0, 0.0]


def test_sinusoidal_positions() -> None:
    table = sinusoidal_positions(50, 8)
    for place in (0, 1, 17, 49):
        for i in range(4):
            angle = place / 10000 ** (2 * i / 8)
            assert math.isclose(table[place, 2 * i], math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[place, 2 * i + 1], math.cos(angle), abs_tol=1e-6)


def test_attention_in_an_empty_window_attends_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = F.scaled_dot_product_attention

    def spy(*args: Tensor, attn_mask: Tensor, dropout_p: float) -> Tensor:
        seen.append(attn_mask)
        return real(*args, attn_mask=attn_mask, dropout_p=dropout_p)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    mask_BT = torch.tensor([[True, False, True], [False, False, False]])
    EncoderLayer(8, 2, 16, 0.0, 0.0, "gelu")(torch.randn(2, 3, 8), mask_BT)
    assert seen[0].reshape(2, 3).tolist() == [[True, False, True], [True, True, True]]
