"""Small simulated splits with a planted effect, in the form of `DataModule.arrays`."""

from typing import Any, NamedTuple

import numpy as np

from lfnet.config import plain, read
from lfnet.fusion.modality_data import Split
from lfnet.fusion.settings import MODELS, FusionSettings
from tests.composing import composed

PUBLISHED_MODELS = tuple(model for model in MODELS if model != "audio")  # sound is in test_audio.py
NAMES = ("rmssd", "sdnn", "lf", "hf", "dfa_alpha1", *(f"prv_{number}" for number in range(7)))


class Rows(NamedTuple):
    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]


class Arrays(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    streams: dict[str, Rows]


def arrays(
    name: str,
    *,
    clips: int = 24,
    people: int = 8,
    dim: int = 12,
    names: tuple[str, ...] = NAMES,
    seed: int = 0,
    effect: float = 2.0,
    without_pulse: tuple[int, ...] = (),
    without_face: tuple[int, ...] = (),
) -> Arrays:
    """Draw clips, two a recording; both modalities show severity. without_*: clips without rows in that stream."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    recording = np.arange(clips) // 2
    person = recording % people
    severity = rng.uniform(0, 40, recording.max() + 1)[recording]
    own = rng.normal(size=(people, dim))[person]
    faces, pulses = [], []
    for clip in range(clips):
        for _ in range(rng.integers(1, 4) if clip not in without_face else 0):
            x = own[clip] + rng.normal(size=dim)
            x[:2] += effect * severity[clip] / 8
            faces.append((clip, x))
        for _ in range(rng.integers(1, 6) if clip not in without_pulse else 0):
            x = np.exp(rng.normal(size=len(names)) / 4) * 10
            x[:2] += effect * severity[clip] / 8
            x[rng.random(len(names)) < 0.1] = np.nan
            pulses.append((clip, x))
    streams = {
        "face": _rows(faces, dim, tuple(f"face_{number}" for number in range(dim))),
        "pulse": _rows(pulses, len(names), names),
    }
    ids = np.array([f"{name}_{clip:03d}" for clip in range(clips)])
    recordings = np.array([f"{name}_r{number:03d}" for number in recording])
    return Arrays(
        np.zeros((clips, dim)), severity, np.array([f"{name}_p{p}" for p in person]), ids, recordings, streams
    )


def _rows(parts: list[tuple[int, np.ndarray]], dim: int, names: tuple[str, ...]) -> Rows:
    X = np.array([x for _, x in parts]).reshape(-1, dim)
    return Rows(X, np.array([clip for clip, _ in parts], np.int64), names)


def split(name: str, **given: Any) -> Split:
    return Split.from_arrays(arrays(name, **given), None, "pulse")


def settings(*overrides: str, fusion: str = "nested") -> FusionSettings:
    config, _ = composed(f"fusion={fusion}", *overrides)
    return read(FusionSettings, plain(config["fusion"]), "fusion")


# Small enough to be fitted in a second.
SMALL = (
    "fusion.physiological.votes.trees=5",
    "fusion.physiological.votes.k=[6]",
    "fusion.physiological.folds=2",
    "fusion.physiological.lightgbm.trees=5",
    "fusion.physiological.xgboost.trees=5",
    "fusion.visual.forest.trees=8",
    "fusion.inner_folds=2",
    "fusion.outer_folds=2",
)
# And smaller grids for `nested`; the stack is fitted elsewhere.
NESTED = ("fusion.physiological.models=[svr]", "fusion.visual.k=[100]", "fusion.visual.C=[0.01,0.1]")
