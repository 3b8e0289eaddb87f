"""How a drive becomes what a face does: the three mechanisms' constants, probabilities and coordinates.

A mechanism's drive d is a standard normal number for each recording (`lfnet.simulation`); its raw coordinates lie along
directions of the feature space that no other mechanism uses: 0 level, 1 burst, 2 to 5 tempo.
"""

import numpy as np
from scipy.special import ndtr

__all__ = [
    "BURST",
    "CLIP_SHARE",
    "DIRECTIONS",
    "LEVEL",
    "LEVEL_NOISE",
    "PERSON_SHARE",
    "SESSION_SHARE",
    "TEMPO",
    "amplitudes",
    "block_of",
    "burst_coordinate",
    "burst_probability",
    "playing_order",
    "read_event",
    "read_phase_index",
    "tempo_coordinates",
    "tempo_probability",
]

LEVEL, BURST, TEMPO = 0, 1, slice(2, 6)
DIRECTIONS = 6

# Shares of the level's jitter: what belongs to the person, the session and the clip.
PERSON_SHARE, SESSION_SHARE, CLIP_SHARE = 0.4, 0.4, 0.2
# SD of the level's noise from frame to frame.
LEVEL_NOISE = 1.0

# An event moves the burst coordinate by more than all offsets and noise together, so it is seen without doubt.
_EVENT = 6.0
_OFFSET = np.sqrt(3.0)  # half width of a uniform number of SD 1: the clip's own zero, which hides events from a mean
_NOISE = np.sqrt(0.75)  # half width, SD 0.5
_BURST_BASE, _BURST_SLOPE = -1.6, 0.7

# Half width of a phase's jitter, in steps between phases: below ½, so that phases never change places.
_PHASE_JITTER = 0.4


def amplitudes(of: dict[str, float]) -> np.ndarray:
    """float64 [6]: the amplitude of each signal direction."""
    values = np.empty(DIRECTIONS)
    values[LEVEL], values[BURST], values[TEMPO] = of["level"], of["burst"], of["tempo"]
    return values


def block_of(frames: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """int [T], int [T]: each frame's block and its place in it."""
    return np.divmod(np.arange(frames), block)


def tempo_probability(drive: np.ndarray | float) -> np.ndarray:
    """P(a block is played in order) = Φ(drive): uniform over recordings."""
    return ndtr(drive)


def burst_probability(drive: np.ndarray | float) -> np.ndarray:
    """P(a block holds an event) = Φ(−1.6 + .7 drive): about 1 in 18, from 1 in 700 to 1 in 2.4 at ±2 SD."""
    return ndtr(_BURST_BASE + _BURST_SLOPE * np.asarray(drive))


def burst_coordinate(frames: int, block: int, probability: float, random: np.random.Generator) -> np.ndarray:
    """float64 [T]: offset + noise + 6 · event; an event lasts one block, so order within blocks does not touch it."""
    blocks, _ = block_of(frames, block)
    offset = random.uniform(-_OFFSET, _OFFSET)
    noise = random.uniform(-_NOISE, _NOISE, frames)
    event = random.random(blocks[-1] + 1) < probability
    return offset + noise + _EVENT * event[blocks]


def read_event(coordinate: np.ndarray) -> np.ndarray:
    """bool: whether frames with these burst coordinates belong to an event; never wrong."""
    return coordinate > _EVENT / 2


def tempo_coordinates(frames: int, block: int, random: np.random.Generator) -> np.ndarray:
    """float64 [T, 4]: √2 cos(π j φ), j = 1 … 4, along a gesture whose phase φ runs through (0, 1) in each block."""
    _, place = block_of(frames, block)
    phase = (place + 0.5 + random.uniform(-_PHASE_JITTER, _PHASE_JITTER, frames)) / block
    return np.sqrt(2.0) * np.cos(np.pi * phase[:, None] * np.arange(1, 5))


def read_phase_index(first_coordinate: np.ndarray, block: int) -> np.ndarray:
    """int: a frame's rank by phase in its block, from its first tempo coordinate; never wrong."""
    phase = np.arccos(np.clip(first_coordinate / np.sqrt(2.0), -1.0, 1.0)) / np.pi
    return np.floor(phase * block).astype(int)


def playing_order(frames: int, block: int, probability: float, random: np.random.Generator) -> np.ndarray:
    """int [T]: which frame stands at each time: each block in order with `probability`, else in random order.

    Frames never leave their block, so the set of a block's frames does not depend on `probability`.
    """
    blocks, place = block_of(frames, block)
    in_order = random.random(blocks[-1] + 1) < probability
    key = np.where(in_order[blocks], place / block, random.random(frames))
    return np.lexsort((key, blocks))
