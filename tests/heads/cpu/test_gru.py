"""The explicit GRU against PyTorch's, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lfnet.heads.cpu.gru import run_gru

LOSSES = {
    "last state": lambda y: y[-1].square().sum(),
    "all states": lambda y: (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)).sum(),
    "one state in the middle": lambda y: y[len(y) // 2, 0].sum(),
    "a different state each": lambda y: sum(y[b, b].sum() for b in range(min(y.shape[:2]))),
}


def answers_and_gradients(run, gru: nn.GRU, x_TBD: Tensor, loss) -> dict[str, Tensor]:
    x_TBD = x_TBD.clone().requires_grad_(True)
    y_TBH = run(x_TBD)
    grads = torch.autograd.grad(loss(y_TBH), [x_TBD, *gru.parameters()])
    names = ["x", *(name for name, _ in gru.named_parameters())]
    return {"y": y_TBH.detach()} | dict(zip(names, grads, strict=True))


def require_same(gru: nn.GRU, x_TBD: Tensor, loss, tolerance: float) -> None:
    expected = answers_and_gradients(lambda x: gru(x)[0], gru, x_TBD, loss)
    got = answers_and_gradients(lambda x: run_gru(gru, x), gru, x_TBD, loss)
    for name, value in expected.items():
        allowed = tolerance * max(1.0, value.abs().max().item())
        assert (got[name] - value).abs().max() <= allowed, name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("frames", [1, 31, 32, 33, 100])
def test_equal_to_pytorch_in_float32(frames: int, loss: str) -> None:
    torch.manual_seed(frames)
    require_same(nn.GRU(24, 16, 2), torch.randn(frames, 5, 24), LOSSES[loss], 1e-5)


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(1, 70),
    batch=st.integers(1, 4),
    width=st.integers(1, 6),
    hidden=st.integers(1, 6),
    layers=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_equal_to_pytorch_in_float64(frames: int, batch: int, width: int, hidden: int, layers: int, seed: int) -> None:
    torch.manual_seed(seed)
    gru = nn.GRU(width, hidden, layers).double()
    for p in gru.parameters():
        nn.init.normal_(p)  # larger than usual: gates that open and close
    for loss in LOSSES.values():
        require_same(gru, torch.randn(frames, batch, width, dtype=torch.float64), loss, 1e-11)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradcheck(layers: int) -> None:
    torch.manual_seed(0)
    gru = nn.GRU(3, 4, layers).double()
    x_TBD = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    values = list(gru.parameters())

    def run(x_TBD: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(_Run(gru), dict(zip(names, parameters, strict=True)), (x_TBD,))

    names = [f"gru.{name}" for name, _ in gru.named_parameters()]
    assert torch.autograd.gradcheck(run, (x_TBD, *values))


class _Run(nn.Module):
    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.gru = gru

    def forward(self, x_TBD: Tensor) -> Tensor:
        return run_gru(self.gru, x_TBD)


def test_the_recursion_stops_at_a_faded_gradient() -> None:
    torch.manual_seed(0)
    gru, x_TBD = nn.GRU(32, 32, 2), torch.randn(512, 4, 32)
    expected = answers_and_gradients(lambda x: gru(x)[0], gru, x_TBD, LOSSES["last state"])
    got = answers_and_gradients(lambda x: run_gru(gru, x), gru, x_TBD, LOSSES["last state"])
    silent = ~got["x"].flatten(1).any(1)
    assert silent[:64].all() and not silent[-64:].any()
    assert expected["x"][silent].abs().max() < 1e-29  # nothing was lost that a weight could feel
    for name, value in expected.items():
        assert (got[name] - value).abs().max() <= 1e-5 * max(1.0, value.abs().max().item()), name
    # and an early state that has a gradient of its own still gets it
    early = answers_and_gradients(lambda x: run_gru(gru, x), gru, x_TBD, lambda y: y[-1].sum() + y[40].sum())
    assert early["x"][:41].flatten(1).any(1).all()


def test_a_gradient_that_is_not_a_number_stays_one() -> None:
    gru = nn.GRU(3, 4)
    y_TBH = run_gru(gru, torch.randn(80, 2, 3))
    (y_TBH[3] * torch.nan).sum().backward()
    assert all(p.grad.isnan().any() for p in gru.parameters())


def test_no_gradient_at_all() -> None:
    gru, x_TBD = nn.GRU(3, 4, 2), torch.randn(80, 2, 3, requires_grad=True)
    (run_gru(gru, x_TBD) * 0.0).sum().backward()
    assert not x_TBD.grad.any() and not any(p.grad.any() for p in gru.parameters())


def test_features_without_gradient_and_transposed_features() -> None:
    torch.manual_seed(0)
    gru, x_BTD = nn.GRU(3, 4), torch.randn(2, 40, 3)
    expected = torch.autograd.grad(gru(x_BTD.transpose(0, 1))[0].sum(), gru.parameters())
    got = torch.autograd.grad(run_gru(gru, x_BTD.transpose(0, 1)).sum(), gru.parameters())
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_dropout_between_layers_in_training_only() -> None:
    torch.manual_seed(0)
    gru, x_TBD = nn.GRU(3, 4, 2, dropout=0.5), torch.randn(40, 2, 3)
    torch.manual_seed(1)
    one = run_gru(gru, x_TBD)
    torch.manual_seed(1)
    assert torch.equal(one, run_gru(gru, x_TBD))
    assert not torch.equal(one, run_gru(gru, x_TBD))
    torch.testing.assert_close(run_gru(gru.eval(), x_TBD), gru(x_TBD)[0], atol=1e-6, rtol=1e-6)


def test_the_same_twice_bit_for_bit() -> None:
    torch.manual_seed(0)
    gru, x_TBD = nn.GRU(24, 16, 2), torch.randn(100, 5, 24)
    one, other = (answers_and_gradients(lambda x: run_gru(gru, x), gru, x_TBD, LOSSES["all states"]) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_under_autocast_only_products_over_many_steps_are_rounded() -> None:
    torch.manual_seed(0)
    gru, x_TBD = nn.GRU(24, 16, 2), torch.randn(50, 5, 24)
    expected = answers_and_gradients(lambda x: run_gru(gru, x), gru, x_TBD, LOSSES["all states"])

    def run(x_TBD: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return run_gru(gru, x_TBD)

    got = answers_and_gradients(run, gru, x_TBD, LOSSES["all states"])
    assert got["y"].dtype == torch.float32
    for name, value in expected.items():
        error = (got[name] - value).norm() / value.norm()
        assert 0 < error < 0.01, name  # bfloat16 holds 8 bits: each input is off by 0.1 % on average


def test_the_gradient_that_reaches_the_first_states_is_noted() -> None:
    torch.manual_seed(0)
    gru, x_TBD, start = nn.GRU(6, 5, 2), torch.randn(40, 3, 6), []
    h_LBH = torch.zeros(2, 3, 5, requires_grad=True)
    (expected,) = torch.autograd.grad(gru(x_TBD, h_LBH)[0][-1].sum(), h_LBH)
    run_gru(gru, x_TBD, start)[-1].sum().backward()
    torch.testing.assert_close(torch.stack(start[::-1]), expected.abs().sum(2), rtol=1e-4, atol=1e-8)
