"""Cost of a head: its parameters, how many of them a window can train, and the arithmetic of one window."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["Cost", "measure"]

_RUN = 32  # real frames in a row, so few that a gradient survives any recurrence
_WINDOWS = 8  # windows a pass
_PASSES = 12  # maximum of random passes, for units that are inactive at first


@dataclass(frozen=True)
class Cost:
    """Cost of a head, measured by `measure`.

    Attributes
    ----------
    parameters : int
        All weights, shared ones once.
    active_parameters : int
        Weights that can get a gradient from a window.
    flops : int
        Floating-point operations of the forward pass of one window.

    Examples
    --------
    >>> from lfnet.heads import Cost
    >>> cost = Cost(parameters=462_465, active_parameters=272_001, flops=416_000_000)
    >>> f"{cost.active_parameters / cost.parameters:.0%} of the parameters are trained"
    '59% of the parameters are trained'
    """

    parameters: int
    active_parameters: int
    flops: int


def measure(head: nn.Module, frames: int, n_features: int) -> Cost:
    """Measure what a head costs for windows of a given length; the head and torch's random state are left unchanged.

    A parameter is active if it gets a gradient other than zero in at least one backward pass over random windows,
    without dropout. In some windows all frames are real, in others only a short run of them, so that a gradient that
    fades with time still reaches every position of the window. Positions beyond the window get none.

    Operations are the multiplications and additions of matrix products, attention's two included, 2 for each
    multiply-add. Biases, norms, activations, softmax, masking, gates and means are not counted; they are a small part
    of every head but the mean head.

    Parameters
    ----------
    head : torch.nn.Module
    frames : int
        Length of a window.
    n_features : int
        Features of a frame.

    Returns
    -------
    Cost

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> measure(TemporalMeanMLP(n_features=4, hidden=None), frames=10, n_features=4)
    Cost(parameters=5, active_parameters=5, flops=8)
    """
    head = copy.deepcopy(head).to("cpu").eval()
    parameters = list(head.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        active = _active(head, trainable, frames, n_features) if trainable else 0
        flops = _flops(head, frames, n_features)
    return Cost(sum(p.numel() for p in parameters), active, flops)


def _active(head: nn.Module, parameters: list[nn.Parameter], frames: int, n_features: int) -> int:
    outputs = getattr(head, "distribution", head)  # a score may leave out a part of a distribution
    reached = [torch.zeros_like(p, dtype=torch.bool) for p in parameters]

    def count_after_pass(mask_BT: Tensor) -> int:
        # each window and feature has its own offset, or a mean over frames would average the input away
        offset_B1D = 10 * torch.randn(len(mask_BT), 1, n_features)
        y_B = outputs(offset_B1D + torch.randn(len(mask_BT), frames, n_features), mask_BT)
        grads = torch.autograd.grad((y_B * torch.randn_like(y_B)).sum(), parameters, allow_unused=True)
        for seen, grad in zip(reached, grads, strict=True):
            if grad is not None:
                seen |= grad != 0
        return sum(int(seen.sum()) for seen in reached)

    total = sum(p.numel() for p in parameters)
    all_BT = torch.ones(_WINDOWS, frames, dtype=torch.bool)
    runs_RT = torch.arange(frames) // _RUN == torch.arange(math.ceil(frames / _RUN)).unsqueeze(1)
    active, unchanged = 0, 0
    for mask_BT in (all_BT, *runs_RT.split(_WINDOWS), *[all_BT] * _PASSES):
        before, active = active, count_after_pass(mask_BT)
        unchanged = unchanged + 1 if active == before and mask_BT is all_BT else 0
        if active == total or unchanged == 2:
            break
    return active


def _flops(head: nn.Module, frames: int, n_features: int) -> int:
    x_BTD, mask_BT = torch.randn(1, frames, n_features), torch.ones(1, frames, dtype=torch.bool)
    # The plain kernel consists of matrix products; the counter does not know every fused one. With gradients a head
    # reads the whole window, also where a score needs only its end (`MambaGRU`).
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        head(x_BTD, mask_BT)
    return int(counter.get_total_flops())
