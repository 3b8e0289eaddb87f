"""How far an exported head's scores lie from the torch head's, on random masked windows and on real ones."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lfnet.deploy.bundle import HeadSession, Windows
from lfnet.errors import LfnetError

__all__ = ["TOLERANCES", "Parity", "lengths_of", "measure_parity", "random_windows"]

# Points of the scale by which a window's score may be off, a variant.
TOLERANCES = {"fp32": 0.01, "fp16": 0.1, "int8": 0.5}
_SEED = 0


@dataclass(frozen=True)
class Parity:
    """Largest and mean difference of a window's score in points; random: masked windows of several lengths."""

    real_max: float
    real_mean: float
    real_windows: int
    random_max: float
    random_mean: float
    random_windows: int
    lengths: tuple[int, ...]
    tolerance: float

    def facts(self) -> dict[str, Any]:
        """As bundle.json holds it, to three digits."""
        numbers = {name: float(f"{v:.3g}") if isinstance(v, float) else v for name, v in asdict(self).items()}
        return {**numbers, "lengths": list(self.lengths)}


def lengths_of(window: int) -> tuple[int, ...]:
    """Lengths on which a head that takes any is tried: the protocol's own, and shorter ones."""
    return tuple(sorted({window, *(max(1, window // k) for k in (2, 3, 7))}))


def random_windows(real: Windows, lengths: tuple[int, ...], each: int, seed: int = _SEED) -> list[Windows]:
    """Windows with each feature's own mean and sd and with random masks, a batch for each length.

    What no encoder could give (a blendshape of 5) says nothing about a quantised head's error, only about its ranges.
    """
    random = np.random.default_rng(seed)
    seen_ND = real.x_BTD[real.mask_BT]
    mean_D, sd_D = seen_ND.mean(0), seen_ND.std(0)
    made = []
    for frames in lengths:
        x_BTD = random.normal(mean_D, sd_D + 1e-6, (each, frames, len(mean_D))).astype(np.float32)
        mask_BT = random.random((each, frames)) < random.uniform(0.3, 1.0, (each, 1))
        mask_BT[:, 0] = True
        mask_BT[0] = True
        x_BTD[~mask_BT] = 0
        made.append(Windows(x_BTD, mask_BT))
    return made


def measure_parity(
    head: nn.Module, session: HeadSession, real: Windows, *, labels: tuple[float, float], variant: str, tolerance: float
) -> Parity:
    """Compare. labels: mean and sd of the training labels.

    Raises `LfnetError` where a score is off by more than `tolerance` points, or is no number.
    """
    window = real.x_BTD.shape[1]
    lengths = lengths_of(window) if session.any_length else (window,)
    real_off = _off(head, session, [real], labels)
    random_off = _off(head, session, random_windows(real, lengths, 6), labels)
    worst = max(real_off.max(), random_off.max())
    if not worst <= tolerance:
        what = "a real window" if real_off.max() == worst else "a random masked window"
        mend = (
            f"Export without --{variant}, or, if that is precise enough, with --tolerance {worst * 1.1:.2g}."
            if variant != "fp32"
            else "The graph does not say what the head says; please report the head."
        )
        raise LfnetError(
            f"the {variant} head's score of {what} is {worst:.3g} points from the torch head's, and {tolerance:g} is "
            f"allowed. {mend}"
        )
    return Parity(
        float(real_off.max()),
        float(real_off.mean()),
        len(real_off),
        float(random_off.max()),
        float(random_off.mean()),
        len(random_off),
        lengths,
        tolerance,
    )


def _off(head: nn.Module, session: HeadSession, batches: list[Windows], labels: tuple[float, float]) -> np.ndarray:
    mean, sd = labels
    off = []
    with torch.inference_mode():
        for batch in batches:
            for b in range(0, len(batch.x_BTD), 32):
                some = Windows(batch.x_BTD[b : b + 32], batch.mask_BT[b : b + 32])
                y_B = head(torch.from_numpy(some.x_BTD), torch.from_numpy(some.mask_BT)).double().numpy()
                off.append(np.abs(session(some) - (y_B * sd + mean)))
    return np.concatenate(off)
