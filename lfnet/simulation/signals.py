"""The three mechanisms that show severity, and the sufficient statistics that are read back from features.

A mechanism's drive d is a standard normal number for each recording (`lfnet.simulation`). Its raw coordinates lie along
directions of the feature space that no other mechanism uses: 0 level, 1 burst, 2 to 5 tempo.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtr

from lfnet.simulation.settings import Amplitudes, Signal

__all__ = [
    "BURST",
    "CLIP_SHARE",
    "DIRECTIONS",
    "LEVEL",
    "LEVEL_NOISE",
    "PERSON_SHARE",
    "SESSION_SHARE",
    "TEMPO",
    "ClipStatistics",
    "amplitudes",
    "block_of",
    "burst_coordinate",
    "burst_probability",
    "playing_order",
    "raw_coordinates",
    "read_event",
    "read_phase_index",
    "read_statistics",
    "tempo_coordinates",
    "tempo_probability",
]

LEVEL, BURST, TEMPO = 0, 1, slice(2, 6)
DIRECTIONS = 6

# Shares of the level's jitter: what belongs to the person, the session and the clip.
PERSON_SHARE, SESSION_SHARE, CLIP_SHARE = 0.4, 0.4, 0.2
# SD of the level's noise from frame to frame.
LEVEL_NOISE = 1.0

# An event moves the burst coordinate by more than all offsets and noise together, so detecting it never fails.
_EVENT = 6.0
_OFFSET = np.sqrt(3.0)  # half width of a uniform number of SD 1: a clip's own zero, which hides events from its mean
_NOISE = np.sqrt(0.75)  # half width, SD 0.5
_BURST_BASE, _BURST_SLOPE = -1.6, 0.7

# Half width of a phase's jitter, in steps between phases: below ½, so that phases never change places.
_PHASE_JITTER = 0.4
# A block of more frames than this many is in order by chance with a probability below 1e-15.
_NEVER = 1e-15


@dataclass(frozen=True)
class ClipStatistics:
    """Sufficient statistics of one clip for severity.

    Attributes
    ----------
    frames, seen : int
        All frames, and those with a face.
    level : float
        Mean level coordinate of the frames with a face.
    blocks, events : int
        Blocks with a face, and how many of them hold an event.
    disordered : int
        Blocks in which some frame is out of its place.
    chance : ndarray of float64
        For each block with every visible frame in its place, the probability of that in random order.
    """

    frames: int
    seen: int
    level: float
    blocks: int
    events: int
    disordered: int
    chance: np.ndarray


def amplitudes(of: Amplitudes) -> np.ndarray:
    """Return the amplitude of each signal direction, float64 [6]."""
    values = np.empty(DIRECTIONS)
    values[LEVEL], values[BURST], values[TEMPO] = of.level, of.burst, of.tempo
    return values


def block_of(frames: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each frame's block and its place in it, int [T] and int [T]."""
    return np.divmod(np.arange(frames), block)


def tempo_probability(drive: np.ndarray | float) -> np.ndarray:
    """Return P(a block is played in order) = Φ(drive), uniform over recordings."""
    return ndtr(drive)


def burst_probability(drive: np.ndarray | float) -> np.ndarray:
    """Return P(a block holds an event) = Φ(−1.6 + .7 drive): about 1 in 18, from 1 in 700 to 1 in 2.4 at ±2 SD."""
    return ndtr(_BURST_BASE + _BURST_SLOPE * np.asarray(drive))


def burst_coordinate(frames: int, block: int, probability: float, random: np.random.Generator) -> np.ndarray:
    """Draw offset + noise + 6 · event, float64 [T]; an event lasts one block, so order in it does not matter."""
    blocks, _ = block_of(frames, block)
    offset = random.uniform(-_OFFSET, _OFFSET)
    noise = random.uniform(-_NOISE, _NOISE, frames)
    event = random.random(blocks[-1] + 1) < probability
    return offset + noise + _EVENT * event[blocks]


def read_event(coordinate: np.ndarray) -> np.ndarray:
    """Detect without error which frames belong to an event, bool, from their burst coordinates."""
    return coordinate > _EVENT / 2


def tempo_coordinates(frames: int, block: int, random: np.random.Generator) -> np.ndarray:
    """Draw √2 cos(π j φ), j = 1 … 4, float64 [T, 4], for a gesture whose phase φ runs through (0, 1) in each block."""
    _, place = block_of(frames, block)
    phase = (place + 0.5 + random.uniform(-_PHASE_JITTER, _PHASE_JITTER, frames)) / block
    return np.sqrt(2.0) * np.cos(np.pi * phase[:, None] * np.arange(1, 5))


def read_phase_index(first_coordinate: np.ndarray, block: int) -> np.ndarray:
    """Return without error each frame's rank by phase in its block, int, from its first tempo coordinate."""
    phase = np.arccos(np.clip(first_coordinate / np.sqrt(2.0), -1.0, 1.0)) / np.pi
    return np.floor(phase * block).astype(int)


def playing_order(frames: int, block: int, probability: float, random: np.random.Generator) -> np.ndarray:
    """Draw which frame is shown at each time, int [T]: each block in order with `probability`, else in random order.

    Frames never leave their block, so the set of a block's frames does not depend on `probability`.
    """
    blocks, place = block_of(frames, block)
    in_order = random.random(blocks[-1] + 1) < probability
    key = np.where(in_order[blocks], place / block, random.random(frames))
    return np.lexsort((key, blocks))


def raw_coordinates(features: np.ndarray, basis: np.ndarray, signal: Signal) -> np.ndarray:
    """Return r_t = A⁻¹ Sᵀx_t / √(1 − |Sᵀx_t|²), float64 [T, 6], for unit vectors x [T, D]."""
    inside = (features @ basis.astype(np.float32)).astype(np.float64)
    outside = np.sqrt(1 - np.sum(inside**2, axis=1, keepdims=True))
    return inside / outside / amplitudes(signal.amplitudes)


def read_statistics(features: np.ndarray, valid: np.ndarray, basis: np.ndarray, signal: Signal) -> ClipStatistics:
    """Read a clip's statistics from features float32 [T, D], valid bool [T] and basis float64 [D, 6].

    The statistics are sufficient for severity under the model. Level noise is normal, so the mean is sufficient. Events
    are detected without error, so their count is. A block played in order has every frame in its place; a block in
    random order has so with probability (L − m)! / L! for m visible of L frames. Clips are whole blocks.
    """
    frames = len(valid)
    raw = raw_coordinates(features[valid], basis, signal)
    blocks, place = block_of(frames, signal.block)
    count, blocks, place = int(blocks[-1]) + 1, blocks[valid], place[valid]
    seen = np.bincount(blocks, minlength=count)
    event = np.bincount(blocks, read_event(raw[:, BURST]), minlength=count)
    rank = read_phase_index(raw[:, TEMPO.start], signal.block)
    moved = np.bincount(blocks, rank != place, minlength=count)
    ordered = (seen > 0) & (moved == 0)
    chance = np.exp(gammaln(signal.block - seen + 1) - gammaln(signal.block + 1))[ordered]
    return ClipStatistics(
        frames=frames,
        seen=len(raw),
        level=float(raw[:, LEVEL].mean()) if len(raw) else 0.0,
        blocks=int((seen > 0).sum()),
        events=int((event > 0).sum()),
        disordered=int((moved > 0).sum()),
        chance=np.where(chance < _NEVER, 0.0, chance),
    )
