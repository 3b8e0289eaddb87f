"""What a reader of a clip's vectors must know about the clip, in plain words."""

import numpy as np

from lfnet.features.passes import Passed

__all__ = ["notes_of"]

_LOST = 1.0  # seconds without a face that are worth a word
_NAMED = 3


def notes_of(passed: Passed) -> list[str]:
    """Sentences on what a pass met: no face for seconds, several faces, a face that jumps, no colour."""
    notes = []
    held = int(passed.valid.sum())
    if not held:
        return [f"no face in any of {len(passed.valid)} frames"]
    gaps = _gaps(passed.time, passed.valid)
    if gaps:
        longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_NAMED]
        named = ", ".join(f"{start:.1f}–{end:.1f} s" for start, end in sorted(longest))
        more = f" and {len(gaps) - _NAMED} times more" if len(gaps) > _NAMED else ""
        notes.append(f"no face for a second or more: {named}{more}")
    if passed.crowded:
        notes.append(
            f"more than one face in {passed.crowded} of {len(passed.valid)} frames: the largest at first, and then the "
            "face that overlaps most with the one before, was taken"
        )
    if passed.jumps:
        times = "once" if passed.jumps == 1 else f"{passed.jumps} times"
        notes.append(f"the face jumped to another place {times}: it may be another person's")
    if passed.grey == held:
        notes.append("greyscale: no frame with a face holds colour, so nothing here speaks of the skin's colour")
    elif passed.grey:
        notes.append(f"{passed.grey} of {held} frames with a face are greyscale")
    return notes


def _gaps(time: np.ndarray, valid: np.ndarray) -> list[tuple[float, float]]:
    """Stretches without a face, from the first frame without one to the next with one (or to the clip's last frame)."""
    edges = np.diff(np.concatenate([[0], (~valid).astype(np.int8), [0]]))
    ends = np.minimum(np.flatnonzero(edges == -1), len(time) - 1)
    gaps = zip(time[np.flatnonzero(edges == 1)].tolist(), time[ends].tolist(), strict=True)
    return [(start, end) for start, end in gaps if end - start >= _LOST]
