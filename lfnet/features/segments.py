"""A consumer for encoders that look at whole segments of a clip and leave one vector each.

Changing this file changes the recipe of such streams.
"""

from typing import Any

import numpy as np

from lfnet.encoders.encoder import SegmentEncoder
from lfnet.features.store import ClipFeatures
from lfnet.features.video_pass import Passed
from lfnet.video.faces import Faces

__all__ = ["Segments"]


class Segments:
    """Gathers the faces of one segment at a time and has it encoded: memory holds one segment, whatever the clip.

    A segment is `segment_frames` frames with a face, one after the other; frames without a face are passed over, and
    `clip` says where that took more than a second. A last segment of fewer than `min_frames` is left out, unless it is
    the clip's only one.
    """

    def __init__(self, encoder: SegmentEncoder) -> None:
        self._encoder = encoder
        self._held = 0
        self._buffers: dict[str, np.ndarray] = {}
        self._rows: list[np.ndarray] = []
        self._spans: list[tuple[float, float, int, float]] = []

    @property
    def needs(self) -> frozenset[str]:
        return self._encoder.needs

    @property
    def crop_size(self) -> int | None:
        return self._encoder.crop_size if "crops" in self._encoder.needs else None

    @property
    def most(self) -> int | None:
        segments = self._encoder.segments
        return None if segments is None else segments * self._encoder.segment_frames

    def take(self, faces: Faces) -> None:
        """Keep a copy of the faces; encode when a segment is full."""
        parts = {name: array for name, array in vars(faces).items() if array is not None}
        taken = 0
        while taken < len(faces):
            count = min(self._encoder.segment_frames - self._held, len(faces) - taken)
            for name, array in parts.items():
                if name not in self._buffers:
                    shape = (self._encoder.segment_frames, *array.shape[1:])
                    self._buffers[name] = np.empty(shape, array.dtype)
                self._buffers[name][self._held : self._held + count] = array[taken : taken + count]
            self._held += count
            taken += count
            if self._held == self._encoder.segment_frames:
                self._encode()

    def clip(self, passed: Passed, meta: dict[str, str]) -> ClipFeatures:
        """One row a segment, its time that of its first frame. A clip without a face is one row that is not valid."""
        left_out = 0
        if self._held and (not self._rows or self._held >= self._encoder.min_frames):
            self._encode()
        elif self._held:
            left_out, self._held = self._held, 0
        self._buffers.clear()
        facts = {
            "per_segment": "true",
            "segment_frames": ", ".join(str(count) for _, _, count, _ in self._spans),
            "notes": "; ".join(part for part in (meta.get("notes", ""), *self._notes(left_out)) if part),
        }
        if not self._rows:
            nothing = np.full((1, self._encoder.dim), np.nan, np.float32)
            return ClipFeatures(nothing, np.zeros(1, bool), np.zeros(1), {**meta, **facts})
        starts = np.array([start for start, _, _, _ in self._spans], np.float64)
        return ClipFeatures(np.concatenate(self._rows), np.ones(len(starts), bool), starts, {**meta, **facts})

    def _encode(self) -> None:
        held: dict[str, Any] = {name: buffer[: self._held] for name, buffer in self._buffers.items()}
        rows = self._encoder.encode(Faces(**held))
        wanted = (1, self._encoder.dim)
        if rows.shape != wanted or rows.dtype != np.float32:
            raise ValueError(f"{self._encoder.name} must give float32 {wanted}, gave {rows.dtype} {rows.shape}")
        time = held["time"]
        pause = float(np.diff(time).max()) if len(time) > 1 else 0.0
        self._spans.append((float(time[0]), float(time[-1]), self._held, pause))
        self._rows.append(rows.copy())
        self._held = 0

    def _notes(self, left_out: int) -> list[str]:
        whole = self._encoder.segment_frames
        if not self._spans:
            return ["no frame with a face: the clip has no segment"]
        notes = []
        if (count := self._spans[-1][2]) < whole:
            only = "the clip is shorter than a segment" if len(self._spans) == 1 else "the last segment is short"
            notes.append(f"{only}: {count} frames with a face instead of {whole}")
        if left_out:
            notes.append(f"{left_out} frames with a face at the end, too few for a segment, were left out")
        for number, (_, _, _, pause) in enumerate(self._spans, start=1):
            if pause > 1:
                notes.append(f"segment {number} goes on over {pause:.1f} s without a face")
        return notes
