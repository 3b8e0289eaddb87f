"""Closing lines of an extraction: a table of its streams, and the clips that need attention."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from lfnet.features.health import CohortCheck, Health, Report, problems_of
from lfnet.features.store import ClipFeatures, Readable
from lfnet.text import align_columns, first_names, plural

__all__ = ["ClipCheck", "check_clips", "describe_features"]

_MAX_LINES = 20


@dataclass
class ClipCheck:
    """What the streams of one clip hold.

    Attributes
    ----------
    coverage : dict
        Share of valid rows in each stream that has the clip.
    problems : dict
        Streams of each problem, by its text and fix.
    notes : list of str
        Notes of the extraction, each once.
    refused : bool
        Whether `lfnet train` refuses the clip.
    """

    coverage: dict[str, float] = field(default_factory=dict)
    problems: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: bool = False


def check_clips(stores: Mapping[str, Readable], clip_ids: Iterable[str], health: Health) -> dict[str, ClipCheck]:
    """Check the features of clips as `lfnet train` does; a clip that a stream lacks is passed over there.

    A clip is refused where a stream of frames is faulty, or where no stream has enough faces: what one stream lacks is
    missing there, and no fault. Rows of segments are not checked, unless there is no other stream.
    """
    found: dict[str, ClipCheck] = {}
    cohort = {stream: CohortCheck(health) for stream in stores}
    for clip_id in tqdm(list(clip_ids), desc="checking features", unit="clip", disable=None, leave=False):
        check = found[clip_id] = ClipCheck()
        faulty, enough = False, False
        for number, (stream, store) in enumerate(stores.items()):
            if store.header(clip_id) is None:
                continue
            clip = store.read(clip_id)
            check.coverage[stream] = clip.coverage
            segments = number > 0 and clip.meta.get("per_segment") == "true"
            found_here = problems_of(clip, health) if segments else cohort[stream].add(clip_id, clip)
            known = [*check.notes, *(text for text, _ in found_here)]
            check.notes += [note for note in _notes(clip) if note not in known]
            if segments:
                continue
            for problem in found_here:
                check.problems.setdefault(problem, []).append(stream)
            covered = clip.coverage >= health.min_coverage
            faulty |= bool(clip.valid.any()) and len(found_here) > (not covered)
            enough |= bool(clip.valid.any()) and covered
        check.refused = bool(check.coverage) and (faulty or not enough)
    for stream, all_clips in cohort.items():
        _add_report(found, stream, all_clips.report())
    return found


def _add_report(checks: Mapping[str, ClipCheck], stream: str, report: Report) -> None:
    """Add to each clip what is found by comparing all clips of a stream."""
    for problem in report.problems:
        check = checks[problem.clip_id]
        streams = check.problems.setdefault((problem.what, problem.fix), [])
        if stream not in streams:
            streams.append(stream)
            check.refused = True
    for text, clip_ids in report.remarks:
        for clip_id in clip_ids or [name for name, check in checks.items() if stream in check.coverage]:
            checks[clip_id].notes.append(f"{stream}: {text}")


def _notes(clip: ClipFeatures) -> list[str]:
    return [note for note in clip.meta.get("notes", "").split("; ") if note]


def describe_features(checks: Mapping[str, ClipCheck], streams: Sequence[str]) -> list[str]:
    """Return a table with one row a stream, then the clips that need attention, at most 20 lines of each kind.

    Examples
    --------
    >>> no_face = ("no face in any of 90 frames", "look at the clip")
    >>> checks = {"a_1": ClipCheck({"expression": 1.0}), "b_1": ClipCheck({"expression": 0.5})}
    >>> checks["c_1"] = ClipCheck({"expression": 0.0}, {no_face: ["expression"]}, refused=True)
    >>> print("\\n".join(describe_features(checks, ["expression"])))
    stream      clips  mean coverage  lowest  invalid  with notes
    expression      3           0.50    0.00        1           0
    1 of 3 clips needs attention; `lfnet train` stops at 1 (protocol.health.unusable=drop leaves it out):
      c_1: no face in any of 90 frames
    to fix it: look at the clip
    """
    rows = [["stream", "clips", "mean coverage", "lowest", "invalid", "with notes"]]
    for stream in streams:
        coverage = [check.coverage[stream] for check in checks.values() if stream in check.coverage]
        shares = [f"{sum(coverage) / len(coverage):.2f}", f"{min(coverage):.2f}"] if coverage else ["-", "-"]
        noted = sum(bool(check.notes) for check in checks.values() if stream in check.coverage)
        rows.append([stream, str(len(coverage)), *shares, str(coverage.count(0)), str(noted)])
    return [*align_columns(rows, numbers=True), *_problem_lines(checks, len(streams)), *_note_lines(checks)]


def _problem_lines(checks: Mapping[str, ClipCheck], streams: int) -> list[str]:
    shown = {clip_id: check for clip_id, check in checks.items() if check.problems}
    if not shown:
        return []
    stops = sum(check.refused for check in shown.values())
    need = f"{len(shown)} of {plural(len(checks), 'clip')} {'needs' if len(shown) == 1 else 'need'} attention"
    drop = f"protocol.health.unusable=drop leaves {'it' if stops == 1 else 'them'} out"
    train = f"`lfnet train` stops at {stops} ({drop})" if stops else "`lfnet train` uses them"
    lines = []
    for clip_id, check in sorted(shown.items(), key=lambda item: not item[1].refused):
        parts = [
            text if len(own) == streams else f"{', '.join(own)}: {text}" for (text, _), own in check.problems.items()
        ]
        lines.append(f"{clip_id}: {'; '.join(parts)}")
    fixes = dict.fromkeys(fix for check in shown.values() for _, fix in check.problems)
    return [f"{need}; {train}:", *_cut(lines), *(f"to fix it: {fix}" for fix in fixes)]


def _note_lines(checks: Mapping[str, ClipCheck]) -> list[str]:
    clips_of: dict[str, list[str]] = {}
    for clip_id, check in checks.items():
        for note in check.notes:
            clips_of.setdefault(note, []).append(clip_id)
    lines = [
        f"{ids[0]}: {note}" if len(ids) == 1 else f"{len(ids)} clips ({first_names(ids)}): {note}"
        for note, ids in clips_of.items()
    ]
    return ["notes:", *_cut(lines)] if lines else []


def _cut(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
    return [f"  {line}" for line in [*lines[:_MAX_LINES], *more]]
