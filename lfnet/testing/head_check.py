"""`check_head`: the contract that lets a head stand in the tables, for ours and for anybody's own."""

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
    """Raise AssertionError, naming the broken rule, unless `head` keeps the contract of lfnet's heads.

    head: a class or factory, called as `head(n_features=…, max_frames=…)`; the module answers `head(x, mask)` with
    x [B, T, D] float32, mask [B, T] bool, true where a frame is real → y [B] float32.
    frames: window lengths to try, none above `max_frames`. config_dir: the folder that holds `head/*.yaml`, where a
    yaml for the head is looked for; None leaves that rule out. tolerance: of comparisons between batches of different
    size, relative to 1 + |y|.

    The rules, in the order they are tried:

    arguments    `n_features` and `max_frames` are taken by name and the result is a torch module
    shape        the answer is [B], float32 and finite for every length, in training and in evaluation
    inputs       features and mask are not written to
    seed         the same seed gives the same weights and the same dropout
    evaluation   evaluation has no randomness and leaves the head as it was
    gradients    they are finite, and every trainable parameter gets one
    mask         what lies under a false mask, at the end or in between, changes neither answer nor gradients: NaN,
                 infinity and huge numbers included
    empty        a window without a real frame gets a finite answer and finite gradients, whatever lies in it
    batch        neither order nor company of the other windows in a batch matters
    padding      a clip is scored the same alone and padded in a batch of longer ones
    save         weights go through safetensors into a new head that answers the same
    copy         `copy.deepcopy` and `pickle` give a head that answers the same (parallel jobs need it)
    length       a window longer than `max_frames` is scored, or refused with an error that says `max_frames`
    config       a yaml in `config_dir/head` names the head as `_target_` and makes one that works
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
