"""The selective scan against the plain recurrence, one frame after another, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lfnet.heads.cpu import scan
from lfnet.heads.cpu.scan import linear_scan, selective_scan


def plain(u_TBE: Tensor, delta_TBE: Tensor, A_EN: Tensor, B_TBN: Tensor, C_TBN: Tensor) -> Tensor:
    h_BEN = u_TBE.new_zeros(*u_TBE.shape[1:], A_EN.shape[1])
    y = []
    for u, delta, B, C in zip(u_TBE, delta_TBE, B_TBN, C_TBN, strict=True):
        h_BEN = torch.exp(delta[:, :, None] * A_EN) * h_BEN + (delta * u)[:, :, None] * B[:, None, :]
        y.append((h_BEN * C[:, None, :]).sum(-1))
    return torch.stack(y)


def inputs(frames: int, batch: int, channels: int, state: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Steps from 0 (skipped) to large ones, which forget everything."""
    delta_TBE = torch.rand(frames, batch, channels, dtype=dtype) * 10 ** torch.linspace(-3, 1, channels, dtype=dtype)
    delta_TBE[torch.rand(frames, batch) < 0.2] = 0.0
    values = [
        torch.randn(frames, batch, channels, dtype=dtype),
        delta_TBE,
        -torch.rand(channels, state, dtype=dtype) * 5 - 0.01,
        torch.randn(frames, batch, state, dtype=dtype),
        torch.randn(frames, batch, state, dtype=dtype),
    ]
    return [value.requires_grad_() for value in values]


def require_same(run, given_: list[Tensor], tolerance: float) -> None:
    y_TBE, expected_TBE = run(*given_), plain(*given_)
    weight_TBE = torch.linspace(0.5, 1.5, y_TBE.numel(), dtype=y_TBE.dtype).view_as(y_TBE)
    pairs = {"y": (y_TBE, expected_TBE)}
    found, wanted = (torch.autograd.grad((y * weight_TBE).sum(), given_) for y in (y_TBE, expected_TBE))
    pairs |= dict(zip(["u", "delta", "A", "B", "C"], zip(found, wanted, strict=True), strict=True))
    for name, (one, other) in pairs.items():
        assert (one - other).abs().max() <= tolerance * max(1.0, other.abs().max().item()), name


@pytest.mark.parametrize("frames", [1, 2, 16, 17, 33, 300])
def test_equal_to_the_plain_recurrence_in_float32(frames: int) -> None:
    torch.manual_seed(frames)
    require_same(selective_scan, inputs(frames, 3, 6, 4, torch.float32), 1e-5)


@settings(max_examples=25)
@given(
    frames=st.integers(1, 60),
    batch=st.integers(1, 3),
    channels=st.integers(1, 4),
    state=st.integers(1, 4),
    chunk=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_equal_to_the_plain_recurrence_in_float64(
    frames: int, batch: int, channels: int, state: int, chunk: int, seed: int
) -> None:
    torch.manual_seed(seed)
    given_ = inputs(frames, batch, channels, state)
    require_same(lambda *x: selective_scan(*x, chunk=chunk), given_, 1e-11)


def test_gradcheck() -> None:
    torch.manual_seed(0)
    given_ = [x.detach() for x in inputs(7, 2, 3, 2)]
    given_[1].clamp_(0.05, 1.0)
    assert torch.autograd.gradcheck(lambda *x: selective_scan(*x, chunk=3), [x.requires_grad_() for x in given_])


@given(steps=st.integers(1, 40), pieces=st.integers(1, 50), seed=st.integers(0, 99))
def test_pieces_side_by_side_are_the_sequence(steps: int, pieces: int, seed: int) -> None:
    torch.manual_seed(seed)
    a, b, h = torch.rand(steps, 2, 3).double(), torch.randn(steps, 2, 3).double(), torch.randn(2, 3).double()
    expected, state = [], h
    for t in range(steps):
        state = a[t] * state + b[t]
        expected.append(state)
    torch.testing.assert_close(linear_scan(a, b, h, pieces), torch.stack(expected), atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(linear_scan(a, b, h), torch.stack(expected), atol=1e-12, rtol=1e-12)


def test_a_sequence_runs_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = torch.addcmul

    def spy(*args: Tensor, **kwargs: Tensor) -> Tensor:
        sizes.append(args[0].numel())
        return real(*args, **kwargs)

    monkeypatch.setattr(torch, "addcmul", spy)
    a, b = torch.rand(400, 5), torch.rand(400, 5)
    linear_scan(a, b, torch.zeros(5))
    # 20 pieces of 20: 19 steps to their ends, 19 to chain them, 20 once more; not 400
    assert len(sizes) == 58 and max(sizes) == 20 * 5


def test_states_are_kept_between_chunks_only() -> None:
    given_ = inputs(64, 2, 3, 5)
    y_TBE = selective_scan(*given_, chunk=16)
    shapes = [tuple(x.shape) for x in y_TBE.grad_fn.saved_tensors]
    assert shapes[5:] == [(2, 3, 5)] * 4


def test_long_decays_neither_overflow_nor_vanish_into_nan() -> None:
    # a ratio of products of decays, the short way to a parallel scan, would be 0 / 0 here
    given_ = inputs(200, 1, 2, 2, torch.float32)
    with torch.no_grad():
        given_[1].fill_(10.0)
        given_[2].fill_(-50.0)
    require_same(selective_scan, given_, 1e-6)


def test_the_export_by_doubling_is_the_same() -> None:
    torch.manual_seed(0)
    given_ = inputs(77, 2, 3, 4)
    torch.testing.assert_close(scan._exported(*given_), plain(*given_), atol=1e-10, rtol=1e-10)


def test_under_autocast_the_recurrence_stays_in_float32() -> None:
    torch.manual_seed(0)
    low = [x.detach().bfloat16().requires_grad_() for x in inputs(40, 2, 3, 4, torch.float32)]
    expected = selective_scan(*(x.float() for x in low))
    with torch.autocast("cpu", torch.bfloat16):
        y_TBE = selective_scan(*low)
    assert y_TBE.dtype == torch.float32 and torch.equal(y_TBE, expected)
    y_TBE.sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in low)
