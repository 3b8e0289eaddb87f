"""`check_head`: test that a head keeps the contract of lfnet's heads."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from lfnet.testing.head_case import BrokenRule, Case
from lfnet.testing.head_rules import RULES

__all__ = ["FRAMES", "check_head"]

FRAMES = (1, 2, 7, 17, 31, 33, 100, 511, 512)


def check_head(
    head: Callable[..., nn.Module],
    *,
    n_features: int = 16,
    max_frames: int = 512,
    frames: Sequence[int] = FRAMES,
    config_dir: Path | str | None = None,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check that a head keeps the contract of lfnet's heads.

    The module is called as `head(x_BTD, mask_BT)` with x float32 [B, T, D] and mask bool [B, T], true where a frame is
    real, and returns scores float32 [B].

    Parameters
    ----------
    head : callable
        A class or factory, called as `head(n_features=…, max_frames=…)`.
    n_features : int
        Features of a frame in the check.
    max_frames : int
        Longest window that the head must accept.
    frames : sequence of int
        Lengths of windows to try, none above `max_frames`.
    config_dir : path or None
        Folder with `head/*.yaml`, where the head must have a yaml; None skips that rule.
    tolerance : float
        Of comparisons between batches of different size, relative to 1 + |score|.
    seed : int
        Of weights and windows. The caller's random state is left unchanged.

    Raises
    ------
    AssertionError
        Names the broken rule. The rules, in the order of the check:

    arguments    `n_features` and `max_frames` are accepted by name, and the result is a torch module
    shape        the answer is [B], float32 and finite for every length, in training and in evaluation
    inputs       features and mask are not written to
    seed         the same seed gives the same weights and the same dropout
    evaluation   evaluation has no randomness and does not change the head
    gradients    they are finite, and every trainable parameter gets one
    mask         values under a false mask, at the end or in between, change neither answer nor gradients: NaN,
                 infinity and huge numbers included
    empty        a window without a real frame gets a finite answer and finite gradients, whatever its values
    batch        neither the order nor the other windows of a batch change a score
    padding      a clip gets the same score alone and padded in a batch of longer ones
    save         weights go through safetensors into a new head with the same answers
    copy         `copy.deepcopy` and `pickle` give a head with the same answers (parallel jobs need it)
    length       a window longer than `max_frames` is scored, or refused with an error that names `max_frames`
    embedding    where it has `embed_windows`, its `regressor` makes its scores of these vectors
    rounding     where it declares `rounds_frames`, bfloat16 frames get the same answers as exact ones under autocast
    outputs      where it takes an argument `n_outputs`, K > 1 gives [B, K], and no masked value changes it
    meta         it can be built on torch's meta device: jobs check its settings there before they read any data
    config       a yaml in `config_dir/head` names the head as `_target_` and builds one that works

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> check_head(TemporalMeanMLP, n_features=4, frames=(1, 5), max_frames=8)
    >>> class LastFrame(TemporalMeanMLP):
    ...     def forward(self, x_BTD, mask_BT):
    ...         return self.regressor(x_BTD[:, -1]).squeeze(-1)
    >>> check_head(LastFrame, n_features=4, frames=(1, 5), max_frames=8)
    Traceback (most recent call last):
    AssertionError: LastFrame breaks the rule 'mask': at 5 frames a gradient reaches what the mask hides
    """
    if not frames or max(frames) > max_frames:
        raise ValueError("check_head needs lengths in `frames`, none of them above `max_frames`")
    name = getattr(head, "__qualname__", None) or repr(head)
    folder = None if config_dir is None else Path(config_dir)
    case = Case(head, n_features, max_frames, tuple(frames), tolerance, seed, folder)
    for rule, check in RULES.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                check(case)
            except BrokenRule as broken:
                raise AssertionError(f"{name} breaks the rule '{rule}': {broken}") from broken.__cause__
            except Exception as error:
                raise AssertionError(
                    f"{name} breaks the rule '{rule}': it raised {type(error).__name__}: {error}"
                ) from error
