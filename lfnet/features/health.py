"""Find dead features before anything is trained on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, Readable
from lfnet.text import plural

__all__ = ["Problem", "check", "problems_of", "refuse"]

_MAX_NAMED = 10
# Unit vectors are normalised in float32; a stream that was scaled, averaged or filled deviates far more.
_UNIT = 1e-3
# Share of a vector's largest number: two frames of a real video differ by more, rounding errors are smaller.
_STILL = 1e-6


@dataclass(frozen=True)
class Problem:
    """A fault of a clip's features, and its fix."""

    clip_id: str
    what: str
    fix: str


def check(store: Readable, clip_ids: Iterable[str], *, min_coverage: float = 0.0) -> list[Problem]:
    """Find the problems of clips' features.

    Parameters
    ----------
    store : Readable
        The features.
    clip_ids : iterable of str
        Clips to check.
    min_coverage : float
        Minimum share of frames with a face, 0 to 1. A clip without a face is always a problem.

    Returns
    -------
    list of Problem
        Empty if there is none.

    Raises
    ------
    LfnetError
        A clip's file is missing.
    """
    problems, empty, seen = [], [], False
    for clip_id in clip_ids:
        clip = store.read(clip_id)
        problems += [Problem(clip_id, *found) for found in problems_of(clip, min_coverage)]
        if _is(clip, "sparse") and clip.valid.any():
            if clip.features[clip.valid].any():
                seen = True
            else:
                empty.append(clip_id)
    if not seen:  # a zero is a value only where there are others
        problems += [Problem(clip_id, "all-zero vectors in every clip", _EMPTY) for clip_id in empty]
    return problems


def problems_of(clip: ClipFeatures, min_coverage: float = 0.0) -> list[tuple[str, str]]:
    """Return faults of one clip's features with their fixes: frames, coverage, NaN, zeros, constant vectors, length.

    The clip's `meta` tells which vectors are right: "unit_norm" is "true" where each has length 1, and "sparse" where
    zero and constant ones are values.
    """
    if not len(clip.valid):
        return [("no frame", "check the clip's file")]
    if not clip.valid.any():
        rows = "segments" if clip.meta.get("per_segment") == "true" else "frames"
        return [(f"no face in any of {len(clip.valid)} {rows}", _NO_FACE)]
    found = []
    if clip.coverage < min_coverage:
        seen = (
            f"a face in {clip.valid.sum()} of {len(clip.valid)} frames, coverage {clip.coverage:.2f} < {min_coverage:g}"
        )
        found.append((seen, "look at the clip, lower protocol.health.min_coverage, or leave the clip out"))
    vectors = clip.features if clip.valid.all() else clip.features[clip.valid]
    if not vectors.shape[1]:
        return [*found, ("vectors without a single number", "check the clip's file")]
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        return [*found, (f"NaN or infinite numbers in {broken} of {len(vectors)} frames with a face", _FILLED)]
    largest = np.abs(vectors).max(axis=1)
    zeros, sparse = int((largest == 0).sum()), _is(clip, "sparse")
    if zeros and not sparse:
        return [*found, (f"all-zero vectors in {zeros} of {len(vectors)} frames with a face", f"{_FILLED}; {_SPARSE}")]
    if len(vectors) > 1 and not sparse and np.ptp(vectors, axis=0).max() <= _STILL * largest.max():
        found.append((f"the same vector in all {len(vectors)} frames with a face", f"{_CONSTANT}; {_SPARSE}"))
    if _is(clip, "unit_norm"):
        norm = np.linalg.norm(vectors.astype(np.float64), axis=1)
        off = np.abs(norm - 1) > _UNIT
        if off.any():
            worst = norm[np.abs(norm - 1).argmax()]
            found.append(
                (f"length {worst:.4g} instead of 1 in {off.sum()} of {len(vectors)} frames with a face", _SCALED)
            )
    return found


def _is(clip: ClipFeatures, name: str) -> bool:
    return clip.meta.get(name) == "true"


_NO_FACE = (
    "look at the clip; if its frames are face crops already, set cohort.aligned=true, and no face is searched in them"
)
_FILLED = "a frame without a face must be marked invalid, not filled; delete the file and extract it again"
_CONSTANT = "the encoder does not read the frames, or the clip is a still image: leave the clip out"
_SPARSE = (
    "if zero or constant vectors are values (counts, one-hot series), set cohort.sparse=true for feature files, or "
    "`sparse = True` in the class of your encoder"
)
_EMPTY = "the stream has no information: leave it out"
_SCALED = "the file was changed after the extraction, or the encoder does not normalise: extract it again"


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one `LfnetError` that lists the first ten problems, if there are any."""
    if not problems:
        return
    clips = len({problem.clip_id for problem in problems})
    lines = [f"{problem.clip_id}: {problem.what} ({problem.fix})" for problem in problems[:_MAX_NAMED]]
    if len(problems) > _MAX_NAMED:
        lines.append(f"and {len(problems) - _MAX_NAMED} more")
    raise LfnetError(
        f"the features of {plural(clips, 'clip')} are dead and are not trained on:\n  " + "\n  ".join(lines)
    )
