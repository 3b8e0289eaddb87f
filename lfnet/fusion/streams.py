"""What a fusion is given: one split's clips, and the rows of two streams that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lfnet.errors import LfnetError

__all__ = ["Split", "Stream"]

SKIN = "skin"  # colours of the skin: the pulse is made from them, nothing is fused with them


@dataclass(frozen=True)
class Stream:
    """Rows of one stream, several or none a clip.

    X: float64 [rows, D], NaN where a feature is invalid. clip: int64 [rows], index into the split's clips. names: D.
    """

    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]

    def of(self, clips: np.ndarray) -> "Stream":
        """The rows of some clips, numbered anew in the order of `clips` (indices, each once)."""
        place = np.full(max(int(self.clip.max(initial=-1)), int(clips.max(initial=-1))) + 1, -1)
        place[clips] = np.arange(len(clips))
        kept = place[self.clip] >= 0
        return Stream(self.X[kept], place[self.clip[kept]], self.names)

    def missing(self, clips: int) -> np.ndarray:
        """Which of 0 … clips − 1 have no row."""
        return np.setdiff1d(np.arange(clips), self.clip)

    def whole(self, clips: int) -> "Stream":
        """These rows and one of NaN for each clip that has none: a pipeline that imputes can score every clip."""
        absent = self.missing(clips)
        X = np.vstack([self.X, np.full((len(absent), self.X.shape[1]), np.nan)])
        return Stream(X, np.concatenate([self.clip, absent]), self.names)

    def each(self, how: str) -> "Stream":
        """One row a clip that has any: its `first`, or the `mean` of its rows (of each feature's valid values)."""
        clips = np.unique(self.clip)
        if how == "first":
            first = [int(np.flatnonzero(self.clip == clip)[0]) for clip in clips]
            return Stream(self.X[first], clips, self.names)
        valid = ~np.isnan(self.X)
        place = np.searchsorted(clips, self.clip)
        sums, counts = np.zeros((2, len(clips), self.X.shape[1]))
        np.add.at(sums, place, np.where(valid, self.X, 0.0))
        np.add.at(counts, place, valid)
        return Stream(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), clips, self.names)


@dataclass(frozen=True)
class Split:
    """One split's clips: y [clips] in points (NaN where unknown), people, clip_ids, recording_ids, and both sides."""

    y: np.ndarray
    people: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    visual: Stream | None
    physiological: Stream | None

    @classmethod
    def of_arrays(cls, arrays: Any, visual: str | None, physiological: str) -> "Split":
        """From what `DataModule.arrays(split)` returns.

        visual: the visual stream's name; None for the only one that is neither skin nor `physiological`. A side whose
        stream is not there is None. Raises `LfnetError` where the visual stream cannot be told.
        """
        streams = arrays.streams
        if visual is None:
            names = [name for name in streams if name not in (SKIN, physiological)]
            if len(names) > 1:
                raise LfnetError(f"which stream is the visual one: {', '.join(names)}? Say fusion.visual.stream=NAME.")
            visual = names[0] if names else None
        elif visual not in streams:
            raise LfnetError(f"fusion.visual.stream={visual}: the features have the streams {', '.join(streams)}.")
        visual_side, pulse_side = (
            Stream(*streams[name]) if name is not None and name in streams else None for name in (visual, physiological)
        )
        people, clip_ids, recording_ids = map(np.asarray, (arrays.groups, arrays.clip_ids, arrays.recording_ids))
        return cls(np.asarray(arrays.y, float), people, clip_ids, recording_ids, visual_side, pulse_side)

    def __len__(self) -> int:
        return len(self.y)

    def of(self, clips: np.ndarray) -> "Split":
        """Some of the clips, by index."""
        visual, pulse = (None if side is None else side.of(clips) for side in (self.visual, self.physiological))
        return Split(self.y[clips], self.people[clips], self.clip_ids[clips], self.recording_ids[clips], visual, pulse)

    def labelled(self) -> "Split":
        """The clips whose label is known."""
        return self if np.isfinite(self.y).all() else self.of(np.flatnonzero(np.isfinite(self.y)))

    def without_labels(self) -> "Split":
        """The same clips with every label unknown: what is given to code that must not see them."""
        return replace(self, y=np.full(len(self), np.nan))

    def side(self, name: str) -> Stream:
        """One side's rows. Raises `LfnetError` where the features have no such stream."""
        stream: Stream | None = getattr(self, name)
        if stream is None:
            raise LfnetError(
                f"the features hold no {name} stream. On video: encoder=[visual,skin]; else fusion.model="
                f"{'physiological' if name == 'visual' else 'visual'} works with the other one alone."
            )
        return stream

    def descriptors(self, sides: Sequence[str]) -> np.ndarray:
        """[clips, D of all sides]: the mean of each clip's rows, NaN where a clip has none."""
        blocks = []
        for name in sides:
            each = self.side(name).whole(len(self)).each("mean")
            blocks.append(each.X)
        return np.hstack(blocks)
