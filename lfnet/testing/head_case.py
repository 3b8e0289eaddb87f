"""What the rules of `check_head` are made of: windows and masks to try, and the questions that all rules ask."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["BrokenRule", "Case", "answer_and_gradients", "ask", "masks", "real", "require", "require_same"]


class BrokenRule(Exception):
    """Says what a head does that it must not do."""


@dataclass(frozen=True)
class Case:
    """A head's maker and what `check_head` was asked to try on it."""

    head: Callable[..., nn.Module]
    n_features: int
    max_frames: int
    frames: tuple[int, ...]
    tolerance: float
    seed: int
    config_dir: Path | None

    def make(self, seed: int | None = None) -> nn.Module:
        """A new head from the case's seed, or another."""
        torch.manual_seed(self.seed if seed is None else seed)
        return self.head(n_features=self.n_features, max_frames=self.max_frames)

    def windows(self, batch: int, frames: int) -> Tensor:
        """Random features; each window has an offset of its own, so that their means differ too."""
        return torch.randn(batch, 1, self.n_features) + torch.randn(batch, frames, self.n_features)

    @property
    def short(self) -> int:
        """A length for rules that need only one: odd, and no multiple of a patch."""
        return min(33, self.max_frames)


def ask(head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The head's answer, which must be what the rule `shape` asks for."""
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
    """Raise BrokenRule with the message unless it holds."""
    if not holds:
        raise BrokenRule(message)


def require_same(got: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Raise BrokenRule, beginning with `what`, where two tensors differ by more than tolerance · (1 + |expected|)."""
    require(got.shape == expected.shape, f"{what}: shape {tuple(got.shape)} in place of {tuple(expected.shape)}")
    if got.numel():
        worst = ((got - expected).abs() / (1 + expected.abs())).max().item()
        require(worst <= tolerance, f"{what} by {worst:.2g}, where {tolerance:.2g} is allowed")


def real(batch: int, frames: int) -> Tensor:
    """A mask without anything masked."""
    return torch.ones(batch, frames, dtype=torch.bool)


def masks(frames: int) -> Tensor:
    """Five masks, each with a real frame: all real, the end masked, the beginning and a gap masked, two at random."""
    mask_BT = real(5, frames)
    mask_BT[1, max(1, 2 * frames // 3) :] = False
    mask_BT[2, : frames // 5] = False
    mask_BT[2, frames // 2 : frames - 1] = False
    mask_BT[3:] = torch.rand(2, frames) < torch.tensor([[0.6], [0.1]])
    mask_BT[3:, frames // 3] = True
    return mask_BT


def answer_and_gradients(head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
    """The answer and, by name, the gradients of the features and all trainable parameters; zeros for no gradient."""
    x_BTD = x_BTD.clone().requires_grad_(True)
    y_B = ask(head, x_BTD, mask_BT)
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
