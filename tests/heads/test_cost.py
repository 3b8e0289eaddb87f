"""The cost of heads against sums by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from lfnet.heads.cost import Cost, measure
from lfnet.heads.ldbm import LDBM
from lfnet.heads.mamba_gru import MambaGRU
from lfnet.heads.mean_mlp import TemporalMeanMLP
from lfnet.heads.transformer import VanillaTransformer

W, FF, HIDDEN = 128, 256, 64
REGRESSOR = W * HIDDEN + HIDDEN


def encoder(tokens: int) -> int:
    """Multiply-adds of an encoder layer: projections, feed-forward, scores and weighted values."""
    return tokens * (3 * W * W + W * W + 2 * W * FF) + 2 * tokens * tokens * W


def by_hand(name: str, T: int, D: int) -> int:
    if name == "mean_mlp":
        return 2 * (D * 256 + 256)
    if name == "transformer":
        return 2 * (T * D * W + encoder(T) + REGRESSOR)
    if name == "mamba_gru":
        return 2 * (T * D * W + 2 * T * (3 * W * W + 3 * W * W) + REGRESSOR)
    tokens = math.ceil(T / 16)
    total = tokens * 16 * D * W
    for _ in range(2):
        total += encoder(tokens)
        tokens = math.ceil(tokens / 2)
        total += tokens * 2 * W * W
    return 2 * (total + REGRESSOR)


HEADS = {"mean_mlp": TemporalMeanMLP, "ldbm": LDBM, "transformer": VanillaTransformer, "mamba_gru": MambaGRU}


@pytest.mark.parametrize("frames", [512, 100])
@pytest.mark.parametrize("name", HEADS)
def test_flops_are_those_of_the_matrix_products(name: str, frames: int) -> None:
    assert measure(HEADS[name](64), frames, 64).flops == by_hand(name, frames, 64)


@pytest.mark.parametrize("name", HEADS)
def test_positions_beyond_the_window_are_not_active(name: str) -> None:
    torch.manual_seed(1)
    cost = measure(HEADS[name](512), 512, 512)
    idle = 190_464 if name in ("transformer", "mamba_gru") else 0
    assert cost.parameters - cost.active_parameters == idle
    assert cost.parameters == sum(p.numel() for p in HEADS[name](512).parameters())


def test_positions_of_a_long_window_are_all_reached() -> None:
    # the gradient of a GRU's last state has long faded before it reaches the first of 2000 frames
    cost = measure(MambaGRU(8), 2000, 8)
    assert cost.active_parameters == cost.parameters


class Odd(nn.Module):
    """A used layer whose units are rarely active, an unused one, a frozen one, and one used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.first.bias.data[:] = -3.0
        self.unused = nn.Linear(6, 7)
        self.frozen = nn.Linear(5, 5).requires_grad_(False)
        self.last = nn.Linear(5, 1)
        self.again = self.last
        self.dropout = nn.Dropout(0.9)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        mean = (x_BTD * mask_BT.unsqueeze(-1)).sum(1) / mask_BT.sum(1, keepdim=True)
        z = self.frozen(self.dropout(self.first(mean).relu()))
        return (self.last(z) + self.again(z)).squeeze(-1)


def test_active_parameters_can_be_trained() -> None:
    torch.manual_seed(0)
    assert measure(Odd(), 40, 6) == Cost(
        parameters=35 + 49 + 30 + 6, active_parameters=35 + 6, flops=2 * (30 + 25 + 5 + 5)
    )


def test_a_head_without_weights() -> None:
    class Constant(nn.Module):
        def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
            return x_BTD.new_zeros(len(x_BTD))

    assert measure(Constant(), 40, 6) == Cost(0, 0, 0)


def test_measuring_changes_neither_head_nor_random_state() -> None:
    torch.manual_seed(0)
    head = LDBM(8, 64, dropout=0.5).train()
    weights = {name: value.clone() for name, value in head.state_dict().items()}
    state = torch.get_rng_state()
    assert measure(head, 40, 8) == measure(head, 40, 8)
    assert torch.equal(torch.get_rng_state(), state)
    assert head.training and all(p.grad is None for p in head.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in head.state_dict().items())
