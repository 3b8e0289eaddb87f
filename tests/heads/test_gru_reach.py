"""MambaGRU reads the end of a window alone, and gives what reading all of it gives."""

import copy

import pytest
import torch
from torch import Tensor, nn

from lfnet.heads.mamba_gru import MambaGRU

T, D = 300, 12


def reading_all(head: MambaGRU) -> MambaGRU:
    other = copy.deepcopy(head)
    other.reach.fill_(10 * T)
    return other


def windows() -> tuple[Tensor, Tensor]:
    """All frames real, some missing anywhere, few real ones, none, and a short run in the middle."""
    mask_BT = torch.rand(6, T) > 0.1
    mask_BT[0], mask_BT[2], mask_BT[3] = True, False, False
    mask_BT[2, [5, 90, 91]] = True
    mask_BT[4], mask_BT[4, 100:150] = False, True
    return torch.randn(6, T, D).masked_fill(~mask_BT.unsqueeze(-1), torch.nan), mask_BT


def step(head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
    head.train()
    head.zero_grad()
    y_B = head(x_BTD, mask_BT)
    (y_B - 1).abs().mean().backward()
    return {"score": y_B.detach()} | {name: p.grad.clone() for name, p in head.named_parameters()}


@pytest.mark.parametrize("whole", [False, True])
def test_a_step_is_that_of_the_whole_window(whole: bool) -> None:
    torch.manual_seed(0)
    head = MambaGRU(D, width=16, dropout=0.0)
    x_BTD, mask_BT = windows()
    if whole:
        x_BTD, mask_BT = x_BTD.nan_to_num(), torch.ones_like(mask_BT)
    expected = step(reading_all(head), x_BTD, mask_BT)
    for name, value in step(head, x_BTD, mask_BT).items():
        assert (value - expected[name]).abs().max() < 1e-7, name
    step(head, x_BTD, mask_BT)  # a gradient at the start of a window that is read whole is no reason to read more
    assert int(head.reach) == 128
    with torch.no_grad():
        assert (head.eval()(x_BTD, mask_BT) - reading_all(head)(x_BTD, mask_BT)).abs().max() < 1e-6


def remembering(head: MambaGRU) -> MambaGRU:
    """Gates of the update open so far that a state lives for thousands of frames."""
    with torch.no_grad():
        for layer in range(head.gru.num_layers):
            getattr(head.gru, f"bias_hh_l{layer}")[16:32] = 8.0
    return head


def test_a_gru_that_remembers_reads_more_and_in_evaluation_all() -> None:
    torch.manual_seed(0)
    head = remembering(MambaGRU(D, width=16))
    x_BTD, mask_BT = windows()
    assert head.remembered_frames(x_BTD, mask_BT) == T
    with torch.no_grad():
        assert torch.equal(head.eval()(x_BTD, mask_BT), reading_all(head)(x_BTD, mask_BT))
    reach = [int(head.reach)]
    for _ in range(4):
        step(head, x_BTD, mask_BT)
        reach.append(int(head.reach))
    assert reach == [128, 128, 192, 256, 320]  # the certificate of a step widens the next
    assert torch.equal(step(head, x_BTD, mask_BT)["score"], step(reading_all(head), x_BTD, mask_BT)["score"])


def test_the_reach_is_the_frames_that_change_a_score() -> None:
    torch.manual_seed(0)
    head = MambaGRU(D, width=16).eval()
    x_BTD, mask_BT = torch.randn(4, T, D), torch.ones(4, T, dtype=torch.bool)
    reach = head.remembered_frames(x_BTD, mask_BT)
    assert 16 <= reach < 128
    other = x_BTD.clone()
    other[:, : T - reach] = torch.randn(4, T - reach, D)
    near = x_BTD.clone()
    near[:, T - reach // 2 :] = torch.randn(4, reach // 2, D)
    with torch.no_grad():
        y_B = head(x_BTD, mask_BT)
        assert (head(other, mask_BT) - y_B).abs().max() < 1e-5
        assert (head(near, mask_BT) - y_B).abs().max() > 1e-3


def test_the_reach_is_no_weight_and_gradients_in_evaluation_are_of_the_whole_window() -> None:
    torch.manual_seed(0)
    head = remembering(MambaGRU(D, width=16))
    assert "reach" not in head.state_dict()
    x_BTD = torch.randn(2, T, D, requires_grad=True)
    (grad,) = torch.autograd.grad(head.eval()(x_BTD, torch.ones(2, T, dtype=torch.bool)).sum(), x_BTD)
    assert (grad[:, 60] != 0).all()
