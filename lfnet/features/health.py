"""Find dead features before anything is trained on them.

A clip is checked by itself (`problems_of`), and the clips of a cohort against each other (`CohortCheck`): a column that
stands still in one clip is a fault only where it moves in others. Faults make a clip unusable (`Problem`); what is
unusual but may be right is a `Remark`, one line in the results.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lfnet.config import NonNegative, Share, settings
from lfnet.errors import LfnetError
from lfnet.features.columns import ColumnStatistics
from lfnet.features.store import ClipFeatures, Readable
from lfnet.text import plural

__all__ = [
    "EXACT",
    "CohortCheck",
    "Health",
    "Problem",
    "Remark",
    "Report",
    "check",
    "problems_of",
    "refuse",
    "unscaled",
]

_MAX_NAMED = 10
# Unit vectors are normalised in float32; a stream that was scaled, averaged or filled deviates far more.
_UNIT = 1e-3
# Share of a vector's largest number: two frames of a real video differ by more, errors of float32 are smaller.
_EQUAL = 1e-6
# Fewer vectors than these may be alike by chance.
_MIN_VECTORS = 10
# Steps from frame to frame that are compared in a clip, drawn at random from a longer one.
_MAX_STEPS = 512
# Share of the columns that may change in a step without change: rounding errors exceed the limit in columns that hardly
# move. Below 20 columns, none.
_FEW = 0.05
# Above this share of repeated frames a clip is named: conversions from 24 to 30 frames a second repeat a fifth, videos
# of 15 frames a second in files of 30 a half.
_REPEATED = 0.6
# Heads get numbers as they are; above this one a training of some epochs ends with absurd scores.
_LARGE = 100.0
_FIRST = 5  # clips that are read for it
UNSCALED = "features are not scaled: "


@settings
class Health:
    """Conditions for a usable clip, and whether unusable ones stop the job (refuse) or are left out (drop).

    `conf/protocol/masked.yaml` explains each.
    """

    min_coverage: Share = 0.05
    rounding: Share = 1e-3
    max_still: Share = 0.9
    min_range: Share = 0.01
    max_dead_columns: Share = 0.5
    min_clip_ratio: NonNegative = 2.0
    unusable: Literal["refuse", "drop"] = "refuse"


# Exact faults alone: no vectors, no face, NaN, zeros, constant vectors, wrong lengths.
EXACT = Health(min_coverage=0.0, rounding=0.0, max_still=1.0, max_dead_columns=1.0, min_clip_ratio=0.0)


@dataclass(frozen=True)
class Problem:
    """A fault of a clip's features, and its fix."""

    clip_id: str
    what: str
    fix: str


class Remark(NamedTuple):
    """What is unusual in a cohort's features, and in which clips; no clip where it concerns all."""

    text: str
    clip_ids: tuple[str, ...] = ()


class Report(NamedTuple):
    """What a check found: faults, and remarks that stop nothing."""

    problems: list[Problem]
    remarks: list[Remark]


class CohortCheck:
    """Check clips one after the other, then the columns of all of them.

    Parameters
    ----------
    health : Health
        The conditions.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(6, 40, 8)).astype(np.float32) + np.arange(6)[:, None, None]
    >>> rows = rows.astype(np.float32)
    >>> rows[2, :, :5] = 0.25
    >>> check = CohortCheck(Health())
    >>> for name, x_TD in zip("abcdef", rows):
    ...     found = check.add(name, ClipFeatures(x_TD, np.ones(40, bool), np.arange(40) / 30))
    >>> [(problem.clip_id, problem.what) for problem in check.report().problems]
    [('c', '5 of 8 columns are the same number in all frames, and move in most other clips')]
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._columns = ColumnStatistics()
        self._problems: list[Problem] = []
        self._repeating: list[str] = []
        self._empty: list[str] = []
        self._seen = False  # a vector of a sparse stream that is not zero
        self._sound = False  # within a clip, speech varies more than it does between clips

    def add(self, clip_id: str, clip: ClipFeatures) -> list[tuple[str, str]]:
        """Check a clip by itself; returns its faults with their fixes (see `problems_of`)."""
        scan = _scan(clip, self._health)
        self._sound |= _is(clip, "sound")
        self._problems += [Problem(clip_id, *found) for found in scan.found]
        if _is(clip, "sparse"):
            if clip.valid.any() and clip.features[clip.valid].any():
                self._seen = True
            elif clip.valid.any():
                self._empty.append(clip_id)
        elif not scan.found and len(scan.rows) >= _MIN_VECTORS:
            self._columns.add(clip_id, scan.rows, scan.low_D, scan.high_D)
            if scan.still > _REPEATED:
                self._repeating.append(clip_id)
        return scan.found

    def report(self) -> Report:
        """Return the problems and remarks of all clips that were added."""
        problems, remarks, health, columns = list(self._problems), [], self._health, self._columns
        if not self._seen:  # a zero is a value only where there are others
            problems += [Problem(clip_id, "all-zero vectors in every clip", _EMPTY) for clip_id in self._empty]
        if self._repeating:
            count = plural(len(self._repeating), "clip")
            text = f"more than {_REPEATED:.0%} of the frames repeat the one before in {count}"
            remarks.append(Remark(text, tuple(self._repeating)))
        if not columns.enough:
            return Report(problems, remarks)
        dead, total = columns.dead(health.rounding), columns.total
        if dead > health.max_dead_columns * total:
            text = f"{dead} of {total} columns are the same number in all frames of all clips"
            problems += [Problem(clip_id, text, _DEAD) for clip_id in columns.clip_ids]
        elif dead:
            remarks.append(Remark(f"{dead} of {total} columns are the same number in all frames of all clips"))
        for clip_id, still, usual in columns.still_columns(health.min_range):
            if still > health.max_dead_columns * usual:
                text = f"{still} of {usual} columns are the same number in all frames, and move in most other clips"
                problems.append(Problem(clip_id, text, _DEAD))
        alike, near = columns.alike(health.min_clip_ratio)
        if alike > total / 2:
            if near:
                text = "nearly the same vector in all frames of every clip"
                problems += [Problem(clip_id, text, _CONSTANT) for clip_id in columns.clip_ids]
            elif not self._sound:
                remarks.append(Remark(_ALIKE.format(alike=alike, total=total)))
        return Report(problems, remarks)


def check(store: Readable, clip_ids: Iterable[str], health: Health = EXACT) -> Report:
    """Check the features of clips, each by itself and the columns of all.

    Parameters
    ----------
    store : Readable
        The features.
    clip_ids : iterable of str
        Clips to check.
    health : Health
        The conditions. A clip without a face is always a problem. Default: only exact faults.

    Returns
    -------
    Report
        Without problems if there is none.

    Raises
    ------
    LfnetError
        A clip's file is missing.
    """
    found = CohortCheck(health)
    for clip_id in clip_ids:
        found.add(clip_id, store.read(clip_id))
    return found.report()


def unscaled(store: Readable, clip_ids: Sequence[str]) -> list[str]:
    """Return a sentence where numbers of a stream are far larger than heads expect, as pixels and millimetres are.

    The first clips are read.
    """
    high_D = np.zeros(0)
    for clip_id in clip_ids[:_FIRST]:
        clip = store.read(clip_id)
        if clip.valid.any():
            own_D = np.abs(clip.features[clip.valid]).max(axis=0)
            high_D = own_D if not len(high_D) else np.maximum(high_D, own_D)
    large = int((high_D > _LARGE).sum())
    if not large:
        return []
    return [
        f"{UNSCALED}{large} of {plural(len(high_D), 'column')} reach {high_D.max():.3g}, and heads "
        "expect numbers near 1. Choose columns (such as features@cohort.features=openface), or split them into streams "
        "(streams.columns), which are normalised."
    ]


class _Scan(NamedTuple):
    """One clip: its faults, its valid vectors with each column's ends, and the share of steps without change."""

    found: list[tuple[str, str]]
    rows: np.ndarray
    low_D: np.ndarray
    high_D: np.ndarray
    still: float


def problems_of(clip: ClipFeatures, health: Health = EXACT) -> list[tuple[str, str]]:
    """Return faults of one clip's features with their fixes.

    Checked are frames, coverage, NaN, zeros, constant vectors, repeated frames and length. The clip's `meta` tells
    which vectors are right: "unit_norm" is "true" where each has length 1, and "sparse" where zero and constant ones
    are values.
    """
    return _scan(clip, health).found


def _scan(clip: ClipFeatures, health: Health) -> _Scan:
    none = np.zeros(0, np.float32)

    def unusable(*found: tuple[str, str]) -> _Scan:
        return _Scan(list(found), clip.features[:0], none, none, 0.0)

    if not len(clip.valid):
        return unusable(("no frame", "check the clip's file"))
    if not clip.valid.any():
        if _is(clip, "sound"):
            return unusable((clip.meta.get("sound_notes") or "no voice in its sound", _NO_SOUND))
        rows = "segments" if clip.meta.get("per_segment") == "true" else "frames"
        return unusable((f"no face in any of {len(clip.valid)} {rows}", _NO_FACE))
    found = []
    if clip.coverage < health.min_coverage:
        what = "a voice" if _is(clip, "sound") else "a face"
        seen = (
            f"{what} in {clip.valid.sum()} of {len(clip.valid)} frames, "
            f"coverage {clip.coverage:.2f} < {health.min_coverage:g}"
        )
        found.append((seen, "look at the clip, lower protocol.health.min_coverage, or leave the clip out"))
    vectors = clip.features if clip.valid.all() else clip.features[clip.valid]
    count = f"{len(vectors)} frames with a face"
    if not vectors.shape[1]:
        return unusable(*found, ("vectors without a single number", "check the clip's file"))
    low_D, high_D = vectors.min(axis=0), vectors.max(axis=0)  # not finite where any number is not
    if not (np.isfinite(low_D).all() and np.isfinite(high_D).all()):
        broken = int((~np.isfinite(vectors)).any(axis=1).sum())
        return unusable(*found, (f"NaN or infinite numbers in {broken} of {count}", _FILLED))
    zeros, sparse = len(vectors) - int(vectors.any(axis=1).sum()), _is(clip, "sparse")
    if zeros and not sparse:
        return unusable(*found, (f"all-zero vectors in {zeros} of {count}", f"{_FILLED}; {_SPARSE}"))
    still = 0.0
    if not sparse:
        text, still = _stillness(vectors, low_D, high_D, health)
        if text:
            found.append((f"{text} {count}", f"{_CONSTANT}; {_SPARSE}"))
        elif still > health.max_still:
            text = f"no change in {_percent(still)} of the steps from frame to frame of {count}"
            found.append((text, _REPEATS))
    if _is(clip, "unit_norm"):
        norm = np.linalg.norm(vectors.astype(np.float64), axis=1)
        off = np.abs(norm - 1) > _UNIT
        if off.any():
            worst = norm[np.abs(norm - 1).argmax()]
            found.append((f"length {worst:.4g} instead of 1 in {off.sum()} of {count}", _SCALED))
    return _Scan(found, vectors, low_D, high_D, still)


def _stillness(x_TD: np.ndarray, low_D: np.ndarray, high_D: np.ndarray, health: Health) -> tuple[str, float]:
    """What is constant in all frames ("" if nothing is), and the share of steps from frame to frame without change."""
    range_D, size_D = high_D - low_D, np.maximum(np.abs(low_D), np.abs(high_D))
    if len(x_TD) > 1 and range_D.max() <= _EQUAL * size_D.max():
        return "the same vector in all", 1.0
    if len(x_TD) < _MIN_VECTORS:
        return "", 0.0
    if (range_D <= health.rounding * size_D).all():
        return "the same vector, up to rounding, in all", 1.0
    if health.max_still == 1:
        return "", 0.0
    first = np.arange(len(x_TD) - 1)
    if len(first) > _MAX_STEPS:  # a fixed stride would fall in step with a conversion's repeats
        first = np.sort(np.random.default_rng(0).choice(first, _MAX_STEPS, replace=False))
    moves_TD = np.abs(x_TD[first + 1] - x_TD[first]) > health.rounding * range_D
    return "", float((moves_TD.sum(axis=1) <= _FEW * (range_D > 0).sum()).mean())


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _is(clip: ClipFeatures, name: str) -> bool:
    return clip.meta.get(name) == "true"


_NO_FACE = (
    "look at the clip; if its frames are face crops already, set cohort.aligned=true, and no face is searched in them"
)
_NO_SOUND = (
    "leave the clip out (protocol.health.unusable=drop), join the sound with a stream of the face, as in "
    "encoder=[blendshapes,logmel], or, where no voice was found, take all its sound: encoder.NAME.min_voice=0 (NAME: "
    "logmel, …)"
)
_FILLED = "a frame without a face must be marked invalid, not filled; delete the file and extract it again"
_CONSTANT = "the encoder does not read the frames, or the clip is a still image: leave the clip out"
_SPARSE = (
    "if zero or constant vectors are values (counts, one-hot series), set cohort.sparse=true for feature files, or "
    "`sparse = True` in the class of your encoder"
)
_EMPTY = "the stream has no information: leave it out"
_REPEATS = (
    "a still image or a frozen video: leave the clip out; where vectors are repeated on purpose, set "
    "protocol.health.max_still=1"
)
_DEAD = (
    "extract the clip again, or leave the columns out of its file; where they are right, set "
    "protocol.health.max_dead_columns=1"
)
_ALIKE = (
    "clips differ by no more than their frames do in {alike} of {total} columns: the encoder ignores its input, or "
    "vectors were normalised clip by clip"
)
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
