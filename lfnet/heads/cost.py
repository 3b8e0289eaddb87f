"""What a head costs: its parameters, how many of them a window can train, and the arithmetic of one window."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["Cost", "measure"]

_RUN = 32  # real frames in a row: few enough for a gradient to get through any recurrence
_WINDOWS = 8  # windows a pass
_PASSES = 12  # random passes at most, for units that start out dead


@dataclass(frozen=True)
class Cost:
    """parameters: all weights; active_parameters: those that can get a gradient; flops: of one window (`measure`)."""

    parameters: int
    active_parameters: int
    flops: int


def measure(head: nn.Module, frames: int, n_features: int) -> Cost:
    """The cost of `head` for windows of `frames` frames with `n_features` features; the head itself is not touched.

    parameters: entries of all parameters, shared ones once.
    active_parameters: trainable entries that got a gradient other than zero in at least one real backward pass over
    random windows of that length, without dropout. Some windows are all real; in others only a short run of frames is,
    so that a gradient that fades with time still reaches every position in the window. Positions beyond it get none.
    flops: of one forward pass for one window, all frames real. Counted are the multiplications and additions of matrix
    products, attention's two included, as 2 for each multiply-add; not counted are biases, norms, activations, softmax,
    masking, gates and means, which are a small part of each head but the mean head.
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
    reached = [torch.zeros_like(p, dtype=torch.bool) for p in parameters]

    def go(mask_BT: Tensor) -> int:
        # an offset of its own for each window and feature: a mean over frames must not average the input away
        offset_B1D = 10 * torch.randn(len(mask_BT), 1, n_features)
        y_B = head(offset_B1D + torch.randn(len(mask_BT), frames, n_features), mask_BT)
        grads = torch.autograd.grad((y_B * torch.randn_like(y_B)).sum(), parameters, allow_unused=True)
        for seen, grad in zip(reached, grads, strict=True):
            if grad is not None:
                seen |= grad != 0
        return sum(int(seen.sum()) for seen in reached)

    everything = sum(p.numel() for p in parameters)
    all_BT = torch.ones(_WINDOWS, frames, dtype=torch.bool)
    runs_RT = torch.arange(frames) // _RUN == torch.arange(math.ceil(frames / _RUN)).unsqueeze(1)
    active, without_news = 0, 0
    for mask_BT in (all_BT, *runs_RT.split(_WINDOWS), *[all_BT] * _PASSES):
        before, active = active, go(mask_BT)
        without_news = without_news + 1 if active == before and mask_BT is all_BT else 0
        if active == everything or without_news == 2:
            break
    return active


def _flops(head: nn.Module, frames: int, n_features: int) -> int:
    x_BTD, mask_BT = torch.randn(1, frames, n_features), torch.ones(1, frames, dtype=torch.bool)
    # the plain kernel is made of matrix products; not every fused one is known to the counter
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        head(x_BTD, mask_BT)
    return int(counter.get_total_flops())
