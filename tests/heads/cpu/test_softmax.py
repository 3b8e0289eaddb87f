"""Softmax and dropout of attention weights: compiled, in tensor operations, and by autograd."""

import subprocess
import sys
from types import ModuleType

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lfnet.heads.cpu import compiled, softmax
from lfnet.heads.cpu.attention import self_attention
from lfnet.heads.cpu.dropout import keep_mask
from lfnet.heads.cpu.softmax import dropped_softmax, dropped_softmax_backward

HALF, FULL = torch.bfloat16, torch.float32
# bfloat16 has 8 bits: results that differ in float32's last bits may be rounded to neighbours.
NEAR = {FULL: {"rtol": 3e-6, "atol": 1e-7}, HALF: {"rtol": 2**-7, "atol": 1e-5}}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(
    kernels: ModuleType | None, scores: Tensor, grad: Tensor, rate: float, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Marked weights, minus the kept ones, these from the backward pass, and the gradient of the scores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax, "_LONG", 1)
        patch.setattr(softmax, "_kernels", lambda: kernels)
        torch.manual_seed(seed)
        marked, minus_kept = dropped_softmax(scores.clone(), rate)
        of_scores, again = dropped_softmax_backward(marked, grad.clone(), torch.empty_like(grad))
    return marked, minus_kept, again, of_scores


@settings(max_examples=60, deadline=None)
@given(
    windows=st.integers(1, 3),
    rows=st.integers(1, 9),
    keys=st.integers(1, 300),
    dtype=st.sampled_from([FULL, HALF]),
    rate=st.sampled_from([0.01, 0.1, 0.5, 0.9]),
    spread=st.sampled_from([0.01, 1.0, 30.0]),
    seed=st.integers(0, 999),
)
def test_compiled_kernels_equal_tensor_operations(windows, rows, keys, dtype, rate, spread, seed) -> None:
    torch.manual_seed(seed)
    scores, grad = (torch.randn(windows, rows, keys).mul(spread).to(dtype), torch.randn(windows, rows, keys).to(dtype))
    ours = run(compiled, scores, grad, rate, seed)
    plain = run(None, scores, grad, rate, seed)
    assert torch.equal(torch.signbit(ours[0]), torch.signbit(plain[0])), "another mask"
    for one, other in zip(ours[:3], plain[:3], strict=True):
        torch.testing.assert_close(one, other, **NEAR[dtype])
    # p (g - Σ p g): the difference of numbers up to 5, whose errors are some of float32's roundings.
    torch.testing.assert_close(ours[3], plain[3], rtol=NEAR[dtype]["rtol"], atol=2e-6 if dtype == FULL else 1e-5)
    assert torch.equal(ours[1], ours[2])


@pytest.mark.parametrize("kernels", [compiled, None])
@pytest.mark.parametrize("keys", [1, 77, 512])
def test_gradients_are_those_of_autograd(kernels, keys) -> None:
    torch.manual_seed(0)
    scores, grad = torch.randn(2, 5, keys), torch.randn(2, 5, keys)
    marked, minus_kept, _, of_scores = run(kernels, scores, grad, 0.3)
    torch.manual_seed(0)
    keep = keep_mask(scores, 0.3)
    exact = scores.double().requires_grad_()
    weights = exact.softmax(-1)
    torch.testing.assert_close(marked.abs().double(), weights.detach(), rtol=3e-6, atol=1e-8)
    torch.testing.assert_close(-minus_kept.double(), (weights * keep).detach(), rtol=3e-6, atol=1e-8)
    (expected,) = torch.autograd.grad((weights * keep * grad).sum(), exact)
    torch.testing.assert_close(of_scores.double(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_weights_are_dropped_at_the_rate(rate) -> None:
    marked, *_ = run(compiled, torch.zeros(40, 101, 199), torch.zeros(40, 101, 199), rate)
    dropped, count = float((marked > 0).double().mean()), marked.numel()
    assert abs(dropped - rate) < 5 * (rate * (1 - rate) / count) ** 0.5


@pytest.mark.parametrize("dtype", [FULL, HALF])
def test_extreme_scores(dtype) -> None:
    scores = torch.zeros(6, 150, dtype=dtype)
    scores[0, 3], scores[1, :2], scores[2] = float("nan"), 3e38, -3e38
    scores[3, 1:], scores[4, 1:], scores[5, 1] = float("-inf"), -1e4, float("inf")
    marked = run(compiled, scores, torch.zeros_like(scores), 0.5)[0].abs().float()
    assert marked[0].isnan().all() and marked[5].isnan().all(), "a training that diverges must show it"
    torch.testing.assert_close(marked[1:5], scores[1:5].float().softmax(-1), rtol=2**-8, atol=0)


@pytest.mark.parametrize("dtype", [FULL, HALF])
def test_attention_trains_equally_with_odd_numbers_of_keys(dtype, monkeypatch) -> None:
    torch.manual_seed(0)
    qkv, goal = torch.randn(3, 151, 24).to(dtype), torch.randn(3, 151, 8).to(dtype)
    mask = torch.ones(3, 151, dtype=torch.bool)
    mask[1, torch.randperm(151)[:20]] = False  # 131 keys
    mask[2, 40:] = False  # too few for the compiled kernels
    found = []
    used = []
    for kernels in (compiled, None):
        monkeypatch.setattr(softmax, "_kernels", lambda kernels=kernels: used.append(kernels) or kernels)
        torch.manual_seed(1)
        x = qkv.clone().requires_grad_()
        y = self_attention(x, mask, 2, dropout=0.2)
        found.append((y.detach(), torch.autograd.grad((y * goal).sum(), x)[0]))
    assert used == [compiled] * 4 + [None] * 4
    for ours, plain in zip(*found, strict=True):
        assert (ours.float() - plain.float()).norm() < {FULL: 1e-6, HALF: 5e-3}[dtype] * plain.float().norm()


def test_without_numba_tensor_operations_run(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lfnet.heads.cpu.compiled", None)  # an import then raises ImportError
    monkeypatch.delattr("lfnet.heads.cpu.compiled")
    softmax._kernels.cache_clear()
    try:
        assert softmax._kernels() is None
        assert (dropped_softmax(torch.zeros(3, 200), 0.5)[1] <= 0).all()
    finally:
        softmax._kernels.cache_clear()


def test_several_threads_keep_torchs_kernels() -> None:
    torch.set_num_threads(2)
    assert softmax._compiled(torch.zeros(3, 200)) is None
    torch.set_num_threads(1)
    assert softmax._compiled(torch.zeros(3, 200)) is compiled


def test_kernels_work_where_none_can_be_kept(monkeypatch) -> None:
    real = numba.njit

    def njit(signature: str, cache: bool = False, **options: object) -> object:
        if cache:
            raise OSError(28, "No space left on device")
        return real(signature, **options)

    monkeypatch.setattr(compiled.numba, "njit", njit)

    def double(x):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            x[i] = 2 * x[i]

    x = np.ones(3, np.float32)
    compiled._compile("void(float32[::1])")(double)(x)
    assert x.tolist() == [2, 2, 2]


def test_only_a_step_with_dropped_weights_imports_numba() -> None:
    code = (
        "import lfnet.heads.transformer, sys; print('numba' in sys.modules, 'lfnet.heads.cpu.softmax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
