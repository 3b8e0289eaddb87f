"""Consumers of a pass over a clip: they encode batches of faces and keep one vector a frame, or one a segment.

Changing this file changes the recipe of all streams made from video: their features are extracted again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lfnet.encoders.encoder import Encoder, SegmentEncoder
from lfnet.features.store import ClipFeatures
from lfnet.video.faces import Faces

__all__ = ["Consumer", "FrameConsumer", "PassSummary", "SegmentConsumer", "SkinMeans"]

# (rgb_HWC, landmarks_LC) -> float32 [3, 4], see `lfnet.video.skin.skin_means`. An encoder of skin has its own.
SkinMeans = Callable[[np.ndarray, np.ndarray], np.ndarray]

_MIN_GAP = 1.0  # seconds without a face that are reported
_MAX_GAPS = 3  # gaps that are named


@dataclass(frozen=True)
class PassSummary:
    """What one consumer was given of a clip; independent of the other consumers of the pass.

    Attributes
    ----------
    number : ndarray of int64, shape [T]
        Frame numbers.
    time : ndarray of float64, shape [T]
        Seconds.
    valid : ndarray of bool, shape [T]
        Whether the frame has a face.
    crowded, grey : int
        Frames with more than one face, and frames with a face but without colour.
    jumps : int
        How often the face was found at a place that does not touch the previous one.
    size : (int, int)
        Width and height of the first frame.
    ended : bool
        Whether the pass reached the clip's end.
    people : tuple of str, optional
        Notes of the check whether one person is shown (`lfnet.features.people`); None if there was no check.
    """

    number: np.ndarray
    time: np.ndarray
    valid: np.ndarray
    crowded: int
    grey: int
    jumps: int
    size: tuple[int, int]
    ended: bool
    people: tuple[str, ...] | None = None

    def notes(self) -> list[str]:
        """Return sentences on what a user should know: gaps of seconds, several faces, jumps, missing colour."""
        notes = []
        frames, faces = len(self.valid), int(self.valid.sum())
        if not faces:
            return [f"no face in any of {frames} frames"]
        if gaps := self._gaps():
            longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_MAX_GAPS]
            named = ", ".join(f"{start:.1f}–{end:.1f} s" for start, end in sorted(longest))
            more = f" and {len(gaps) - _MAX_GAPS} times more" if len(gaps) > _MAX_GAPS else ""
            notes.append(f"no face for a second or more: {named}{more}")
        if self.crowded:
            notes.append(
                f"more than one face in {self.crowded} of {frames} frames: the one of video.person was taken first, "
                "and then the one with the largest overlap with the previous one"
            )
        notes += self.people or ()
        if self.jumps and self.people is None:
            times = "once" if self.jumps == 1 else f"{self.jumps} times"
            notes.append(f"the face jumped to another place {times}: it may be another person's")
        if self.grey == faces:
            notes.append("greyscale: no frame with a face has colour, so that skin colour is unknown")
        elif self.grey:
            notes.append(f"{self.grey} of {faces} frames with a face are greyscale")
        return notes

    def _gaps(self) -> list[tuple[float, float]]:
        """Stretches without a face, from the first frame without one to the next with one, or to the last frame."""
        edges = np.diff(np.concatenate([[0], (~self.valid).astype(np.int8), [0]]))
        ends = np.minimum(np.flatnonzero(edges == -1), len(self.time) - 1)
        gaps = zip(self.time[np.flatnonzero(edges == 1)].tolist(), self.time[ends].tolist(), strict=True)
        return [(start, end) for start, end in gaps if end - start >= _MIN_GAP]


class Consumer(Protocol):
    """Receives batches of faces during a pass.

    needs: the parts of `Faces` that it reads, see `Encoder`. crop_size: side of its crops, None without crops.
    max_faces: faces after which it is full; the pass ends when all consumers are. None for no limit.
    `take` is called from another thread than the pass's, batch after batch, never concurrently.
    """

    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def crop_size(self) -> int | None: ...
    @property
    def max_faces(self) -> int | None: ...

    def take(self, faces: Faces) -> None:
        """Use the faces; they are not kept after the call."""
        ...


class _EncoderConsumer:
    """What the consumers of frames and of segments share."""

    _encoder: Encoder

    @property
    def needs(self) -> frozenset[str]:
        return self._encoder.needs

    @property
    def crop_size(self) -> int | None:
        return self._encoder.crop_size if "crops" in self._encoder.needs else None

    def _encode_faces(self, faces: Faces, rows: int) -> np.ndarray:
        vectors = self._encoder.encode(faces)
        expected = (rows, self._encoder.dim)
        if vectors.shape != expected or vectors.dtype != np.float32:
            name = self._encoder.name
            raise ValueError(f"{name} must give float32 {expected}, gave {vectors.dtype} {vectors.shape}")
        return vectors.copy()


class FrameConsumer(_EncoderConsumer):
    """Collects an encoder's vector of each frame with a face; memory holds T × D numbers."""

    max_faces = None

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rows: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    @property
    def skin_means(self) -> SkinMeans | None:
        """The encoder's own measure of skin; None if it has none."""
        return getattr(self._encoder, "skin_means", None)

    def take(self, faces: Faces) -> None:
        """Encode a batch. Raises `ValueError` if the encoder breaks its contract."""
        self._rows.append(self._encode_faces(faces, len(faces)))
        self._numbers.append(faces.index)

    def clip(self, summary: PassSummary, meta: dict[str, str]) -> ClipFeatures:
        """Return the clip's vectors; frames without a face are NaN and invalid, so that ignoring the mask fails."""
        features = np.full((len(summary.number), self._encoder.dim), np.nan, np.float32)
        if self._rows:
            rows = np.searchsorted(summary.number, np.concatenate(self._numbers))
            features[rows] = np.concatenate(self._rows)
        return ClipFeatures(features, summary.valid, summary.time, meta)


class SegmentConsumer(_EncoderConsumer):
    """Collects the faces of one segment at a time and encodes them; memory holds one segment for any clip.

    A segment is `segment_frames` consecutive frames with a face; frames without a face are skipped, and the notes say
    where that took more than a second. A last segment of fewer than `min_frames` is left out, unless it is the clip's
    only one.
    """

    def __init__(self, encoder: SegmentEncoder) -> None:
        self._encoder: SegmentEncoder = encoder
        self._count = 0
        self._buffers: dict[str, np.ndarray] = {}
        self._rows: list[np.ndarray] = []
        self._spans: list[tuple[float, float, int, float]] = []

    @property
    def max_faces(self) -> int | None:
        segments = self._encoder.segments
        return None if segments is None else segments * self._encoder.segment_frames

    def take(self, faces: Faces) -> None:
        """Copy the faces; encode a segment when it is full."""
        parts = {name: array for name, array in vars(faces).items() if array is not None}
        taken = 0
        while taken < len(faces):
            count = min(self._encoder.segment_frames - self._count, len(faces) - taken)
            for name, array in parts.items():
                if name not in self._buffers:
                    shape = (self._encoder.segment_frames, *array.shape[1:])
                    self._buffers[name] = np.empty(shape, array.dtype)
                self._buffers[name][self._count : self._count + count] = array[taken : taken + count]
            self._count += count
            taken += count
            if self._count == self._encoder.segment_frames:
                self._encode()

    def clip(self, summary: PassSummary, meta: dict[str, str]) -> ClipFeatures:
        """Return one row a segment, at the time of its first frame; one invalid row for a clip without a face."""
        left_out = 0
        if self._count and (not self._rows or self._count >= self._encoder.min_frames):
            self._encode()
        elif self._count:
            left_out, self._count = self._count, 0
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
        parts: dict[str, Any] = {name: buffer[: self._count] for name, buffer in self._buffers.items()}
        self._rows.append(self._encode_faces(Faces(**parts), 1))
        time = parts["time"]
        pause = float(np.diff(time).max()) if len(time) > 1 else 0.0
        self._spans.append((float(time[0]), float(time[-1]), self._count, pause))
        self._count = 0

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
                notes.append(f"segment {number} contains {pause:.1f} s without a face")
        return notes
