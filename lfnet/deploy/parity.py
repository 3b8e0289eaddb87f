"""Compare an exported head's scores with PyTorch's, on random masked windows and on real ones."""

import numpy as np
import torch
from torch import nn

from lfnet.deploy.bundle import HeadSession, Windows
from lfnet.deploy.bundle_json import Parity
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import Pooling, pool_members, to_points

__all__ = ["TOLERANCES", "lengths_of", "measure_parity", "random_windows"]

# Largest difference of a window's score that is allowed in each variant, in points.
TOLERANCES = {"fp32": 0.01, "fp16": 0.1, "int8": 0.5}
_SEED = 0


def lengths_of(window: int) -> tuple[int, ...]:
    """Return the lengths to compare on: the protocol's own, and shorter ones."""
    return tuple(sorted({window, *(max(1, window // k) for k in (2, 3, 7))}))


def random_windows(real: Windows, lengths: tuple[int, ...], each: int, seed: int = _SEED) -> list[Windows]:
    """Make windows with each feature's own mean and SD and with random masks, a batch per length.

    Values that no encoder gives (a blendshape of 5) would test a quantised head's ranges, not its error.
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
    head: nn.Module,
    session: HeadSession,
    real: Windows,
    *,
    labels: tuple[float, float],
    variant: str,
    tolerance: float,
    pooling: Pooling | None = None,
) -> Parity:
    """Compare the scores of an exported head with PyTorch's.

    Parameters
    ----------
    head, session
        The head in PyTorch, and the exported one.
    real : Windows
        Windows of the cohort.
    labels : (float, float)
        Mean and SD of the training labels.
    variant : str
        For the message.
    tolerance : float
        Largest difference allowed, in points.
    pooling : Pooling or None
        Of the head; the scores of windows that are pooled together are compared too.

    Raises
    ------
    LfnetError
        A score differs by more, or is not a number.
    """
    window = real.x_BTD.shape[1]
    lengths = lengths_of(window) if session.any_length else (window,)
    real_error = _errors(head, session, [real], labels, pooling)
    random_error = _errors(head, session, random_windows(real, lengths, 6), labels, pooling)
    worst = max(real_error.max(), random_error.max())
    if not worst <= tolerance:
        what = "a real window" if real_error.max() == worst else "a random masked window"
        advice = (
            f"Export without --{variant}, or, if that is precise enough, with --tolerance {worst * 1.1:.2g}."
            if variant != "fp32"
            else "Please report this head."
        )
        raise LfnetError(
            f"the {variant} head's score of {what} is {worst:.3g} points from PyTorch's, and {tolerance:g} is "
            f"allowed. {advice}"
        )
    return Parity(
        real_max=_rounded(real_error.max()),
        real_mean=_rounded(real_error.mean()),
        real_windows=len(real_error),
        random_max=_rounded(random_error.max()),
        random_mean=_rounded(random_error.mean()),
        random_windows=len(random_error),
        lengths=lengths,
        tolerance=tolerance,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _errors(
    head: nn.Module,
    session: HeadSession,
    batches: list[Windows],
    labels: tuple[float, float],
    pooling: Pooling | None,
) -> np.ndarray:
    """Return the difference of each window's score, or of its batch's pooled score where that is larger, in points."""
    errors = []
    with torch.inference_mode():
        for batch in batches:
            for b in range(0, len(batch.x_BTD), 32):
                some = Windows(batch.x_BTD[b : b + 32], batch.mask_BT[b : b + 32])
                y_B = head(torch.from_numpy(some.x_BTD), torch.from_numpy(some.mask_BT)).double().numpy()
                found, wanted = session(some), to_points(y_B, *labels, pooling)
                if pooling is None:
                    error = np.abs(found - wanted)
                else:
                    pairs = [_scores_and_pooled(values, pooling.in_points(*labels)) for values in (found, wanted)]
                    of_windows, of_all = (np.abs(one - other) for one, other in zip(*pairs, strict=True))
                    error = np.maximum(of_windows, of_all)
                errors.append(error)
    return np.concatenate(errors)


def _scores_and_pooled(values: np.ndarray, pooling: Pooling) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores [B, K] of a batch's windows by K heads, and those of all its windows pooled [K]."""
    if values.ndim == 1 + pooling.attends:  # of one head
        values = values[:, None]
    return (values[..., 0] if pooling.attends else values), pool_members(pooling, values)[0]
