"""What a clip's features say about severity: all of it, in a few numbers, read from the features alone."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from lfnet.simulation import signals
from lfnet.simulation.settings import Signal

__all__ = ["ClipStatistics", "raw_coordinates", "read_statistics"]

# A block of more frames than this many is in its order by chance with probability below 1e-15.
_NEVER = 1e-15


@dataclass(frozen=True)
class ClipStatistics:
    """Sufficient statistics of one clip.

    frames: all frames, seen or not. seen: frames with a face. level: mean level coordinate of these. blocks and events:
    blocks with a face, and how many of them hold an event. disordered: blocks in which some frame is out of its place.
    chance: float64, one for each block with every seen frame in its place: the probability of that in random order.
    """

    frames: int
    seen: int
    level: float
    blocks: int
    events: int
    disordered: int
    chance: np.ndarray


def raw_coordinates(features: np.ndarray, basis: np.ndarray, signal: Signal) -> np.ndarray:
    """float64 [T, 6]: r_t = A⁻¹ Sᵀx_t / √(1 − |Sᵀx_t|²), for unit vectors x [T, D]."""
    inside = (features @ basis.astype(np.float32)).astype(np.float64)
    outside = np.sqrt(1 - np.sum(inside**2, axis=1, keepdims=True))
    return inside / outside / signals.amplitudes(dict(signal.amplitudes))


def read_statistics(features: np.ndarray, valid: np.ndarray, basis: np.ndarray, signal: Signal) -> ClipStatistics:
    """Read a clip's statistics. features: float32 [T, D], valid: bool [T], basis: float64 [D, 6].

    The statistics are sufficient for severity given the model: level noise is normal, so its mean is; events are read
    without doubt, so their count is; a block played in order has every frame in its place, and a block in random order
    has so with probability (L − m)! / L! for m seen of L frames, whichever they are. Clips are whole blocks.
    """
    frames = len(valid)
    raw = raw_coordinates(features[valid], basis, signal)
    blocks, place = signals.block_of(frames, signal.block)
    count, blocks, place = int(blocks[-1]) + 1, blocks[valid], place[valid]
    seen = np.bincount(blocks, minlength=count)
    event = np.bincount(blocks, signals.read_event(raw[:, signals.BURST]), minlength=count)
    rank = signals.read_phase_index(raw[:, signals.TEMPO.start], signal.block)
    moved = np.bincount(blocks, rank != place, minlength=count)
    ordered = (seen > 0) & (moved == 0)
    chance = np.exp(gammaln(signal.block - seen + 1) - gammaln(signal.block + 1))[ordered]
    return ClipStatistics(
        frames=frames,
        seen=len(raw),
        level=float(raw[:, signals.LEVEL].mean()) if len(raw) else 0.0,
        blocks=int((seen > 0).sum()),
        events=int((event > 0).sum()),
        disordered=int((moved > 0).sum()),
        chance=np.where(chance < _NEVER, 0.0, chance),
    )
