"""Windows, masks and comparisons for the rules of `check_head`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["BrokenRule", "Case", "all_real", "answer_and_gradients", "masks", "require", "require_same", "score"]


class BrokenRule(Exception):
    """A rule that a head breaks; the message says how."""


@dataclass(frozen=True)
class Case:
    """A head's class or factory and the arguments of `check_head`."""

    head: Callable[..., nn.Module]
    n_features: int
    max_frames: int
    frames: tuple[int, ...]
    tolerance: float
    seed: int
    config_dir: Path | None

    def make(self, seed: int | None = None) -> nn.Module:
        """Build a new head from the case's seed, or another."""
        torch.manual_seed(self.seed if seed is None else seed)
        return self.head(n_features=self.n_features, max_frames=self.max_frames)

    def windows(self, batch: int, frames: int) -> Tensor:
        """Draw random features; each window has its own offset, so that their means differ too."""
        return torch.randn(batch, 1, self.n_features) + torch.randn(batch, frames, self.n_features)

    @property
    def short(self) -> int:
        """Length for rules that need only one: odd, and no multiple of a patch."""
        return min(33, self.max_frames)


def score(head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Score windows, and check the result against the rule `shape`."""
    shape = tuple(x_BTD.shape)
    try:
        y_B = head(x_BTD, mask_BT)
    except Exception as error:
        raise BrokenRule(f"for x of shape {shape} it raised {type(error).__name__}: {error}") from error
    require(isinstance(y_B, Tensor), f"the answer is a {type(y_B).__name__}, not a tensor")
    require(y_B.shape == shape[:1], f"for x of shape {shape} the answer has shape {tuple(y_B.shape)}, not {shape[:1]}")
    require(y_B.dtype == torch.float32, f"the answer is {y_B.dtype}, not torch.float32")
    require(bool(y_B.isfinite().all()), f"for x of shape {shape} the answer is not finite")
    return y_B


def require(holds: bool, message: str) -> None:
    """Raise `BrokenRule` with the message unless the condition holds."""
    if not holds:
        raise BrokenRule(message)


def require_same(got: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Raise `BrokenRule`, starting with `what`, where tensors differ by more than tolerance · (1 + |expected|)."""
    require(got.shape == expected.shape, f"{what}: shape {tuple(got.shape)} in place of {tuple(expected.shape)}")
    if got.numel():
        worst = ((got - expected).abs() / (1 + expected.abs())).max().item()
        require(worst <= tolerance, f"{what} by {worst:.2g}, where {tolerance:.2g} is allowed")


def all_real(batch: int, frames: int) -> Tensor:
    """Build a mask of real frames only."""
    return torch.ones(batch, frames, dtype=torch.bool)


def masks(frames: int) -> Tensor:
    """Build five masks, each with a real frame: all real, end masked, start and a gap masked, two random ones."""
    mask_BT = all_real(5, frames)
    mask_BT[1, max(1, 2 * frames // 3) :] = False
    mask_BT[2, : frames // 5] = False
    mask_BT[2, frames // 2 : frames - 1] = False
    mask_BT[3:] = torch.rand(2, frames) < torch.tensor([[0.6], [0.1]])
    mask_BT[3:, frames // 3] = True
    return mask_BT


def answer_and_gradients(head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
    """Return the answer and, by name, the gradients of features and trainable parameters; zeros for none."""
    x_BTD = x_BTD.clone().requires_grad_(True)
    y_B = score(head, x_BTD, mask_BT)
    wanted = {"the features": x_BTD} | {name: p for name, p in head.named_parameters() if p.requires_grad}
    loss = (y_B * torch.linspace(1, 2, len(y_B))).sum()
    grads: tuple[Tensor | None, ...] = (None,) * len(wanted)
    if loss.requires_grad:
        grads = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    found = {"the answer": y_B.detach()}
    for (name, value), grad in zip(wanted.items(), grads, strict=True):
        found[f"the gradient of {name}"] = torch.zeros_like(value) if grad is None else grad
        finite = grad is None or bool(grad.isfinite().all())
        require(finite, f"at {x_BTD.shape[1]} frames the gradient of {name} is not finite")
    return found
