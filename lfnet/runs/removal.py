"""Remove one person's rows from finished runs, so that a killed removal is finished by the next one."""

import io
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lfnet.cohorts.folder import safe_name
from lfnet.errors import LfnetError
from lfnet.files import read_json, write_json, write_text
from lfnet.fingerprints import file_digest
from lfnet.locks import lock
from lfnet.runs.result import RESULT, Result
from lfnet.runs.run import LOCK, LOG, PREDICTIONS, REFERENCES, SPREAD, Run, digest_files, measure, measuring_code

__all__ = [
    "RunRows",
    "find_rows",
    "finish_removal",
    "pending_removals",
    "remove_rows",
    "removed_people",
    "unfinished_tables",
    "without_names",
]

_TABLES = (PREDICTIONS, REFERENCES, SPREAD)
_STAGE, _OF = ".forget", "of.json"
_MARK = re.compile(r"scores of (\d+) pe(?:rson|ople) removed on request")


@dataclass(frozen=True)
class RunRows:
    """One person's rows in a finished run.

    Attributes
    ----------
    folder : Path
    counts : dict
        Number of rows by file name.
    recordings, clips : frozenset of str
        Ids in these rows.
    trained : bool
        Whether the person was in training, so that the weights have seen them.
    """

    folder: Path
    counts: dict[str, int]
    recordings: frozenset[str]
    clips: frozenset[str]
    trained: bool


def find_rows(runs: Path, cohort: str, person: str) -> tuple[list[RunRows], list[str]]:
    """Find a person's rows in the finished runs on a cohort; returns them, and why other runs cannot be read."""
    found, faults = [], []
    for file in sorted(Path(runs).glob(f"*/{RESULT}")):
        try:
            run = Run(file.parent)
            result = run.result
            if _cohort_name(result) != cohort:
                continue
            tables = _rows(run, person)
        except (LfnetError, ValueError, KeyError, OSError) as error:
            faults.append(f"{file.parent}: {' '.join(str(error).split())}")
            continue
        if not tables:
            continue
        references = tables.get(REFERENCES)
        trained = references is not None and bool((references["split"] == "train").any())
        if result.pretraining is not None and not trained:
            trained = any((rows["split"] == "unlabelled").any() for rows in tables.values())
        ids = {
            name: frozenset(text for rows in tables.values() if name in rows for text in rows[name] if text)
            for name in ("recording_id", "clip_id")
        }
        counts = {name: len(rows) for name, rows in tables.items()}
        found.append(RunRows(file.parent, counts, ids["recording_id"], ids["clip_id"], trained))
    return found, faults


def _cohort_name(result: Result) -> str:
    """The cohort's name in the cache: a folder without a name of its own has another one in results."""
    node = result.config.get("cohort") or {}
    if node.get("name") or not node.get("root"):
        return result.cohort.name
    return safe_name(Path(str(node["root"])).expanduser().resolve().name)


def _rows(run: Run, person: str) -> dict[str, pd.DataFrame]:
    found = {}
    for name in _TABLES:
        if (run.folder / name).is_file():
            table = _read(run.content(name))
            rows = table[table["person_id"] == person]
            if len(rows):
                found[name] = rows
    return found


def _read(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


def unfinished_tables(runs: Path, person: str, recordings: Collection[str]) -> list[Path]:
    """List the tables of run folders without a result that have rows of the person's recordings."""
    found = []
    for name in _TABLES:
        for path in sorted(Path(runs).glob(f"*/{name}")):
            try:
                rows = _read(path.read_bytes()) if not (path.parent / RESULT).exists() else None
                if rows is not None and ((rows["person_id"] == person) & rows["recording_id"].isin(recordings)).any():
                    found.append(path)
            except (OSError, ValueError, KeyError):
                found.append(path)  # cut short by a kill: the job writes it again
    return found


def removed_people(marks: Iterable[str]) -> int:
    """The number of people whose scores were removed from a run, by the marks of its result.

    Examples
    --------
    >>> removed_people(["selected on test", "scores of 2 people removed on request"])
    2
    """
    return sum(int(found[1]) for mark in marks if (found := _MARK.match(mark)))


def remove_rows(run: RunRows, person: str, names: Collection[str]) -> None:
    """Remove a person's rows from a run, recompute its metrics and mark it.

    All files are written next to the run first and then moved to their places, result.json last; `finish_removal`
    does the rest of a removal that was killed while it moved them. A job that works in the folder is waited for.
    names: ids and files that texts must not contain.
    """
    with lock(run.folder / LOCK):
        _remove_rows(run, person, names)


def _remove_rows(run: RunRows, person: str, names: Collection[str]) -> None:
    folder, stage = run.folder, run.folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    write_json(stage / _OF, file_digest(folder / RESULT))
    before = Run(folder)
    for name in _TABLES:
        if (folder / name).is_file():
            table = _read(before.content(name))
            kept = table[table["person_id"] != person]
            write_text(stage / name, kept.to_csv(index=False, lineterminator="\n"))
    if (folder / LOG).is_file():
        write_text(stage / LOG, without_names((folder / LOG).read_text(encoding="utf-8", errors="replace"), names))
    result = before.result
    count = removed_people(result.marks) + 1
    mark = f"scores of {count} {'person' if count == 1 else 'people'} removed on request"
    if run.trained or any("the weights have seen" in old for old in result.marks if _MARK.match(old)):
        mark += ", of whom the weights have seen one or more"
    cohort = result.cohort
    measured = measure(stage)
    replace(
        result,
        **measured,
        files={**result.files, **digest_files(stage)},
        measured_by=measuring_code(),
        members={},  # the scores of a fusion's members are not kept, so that their metrics cannot be recomputed
        cohort=replace(cohort, warnings=tuple(without_names(text, names) for text in cohort.warnings)),
        missing={
            modality: {split: [clip for clip in clips if clip not in names] for split, clips in splits.items()}
            for modality, splits in result.missing.items()
        },
        marks=(*(old for old in result.marks if not _MARK.match(old)), mark),
    ).write(stage)
    _finish(folder)


def pending_removals(runs: Path) -> list[Path]:
    """The run folders in which a removal was killed."""
    return sorted(stage.parent for stage in Path(runs).glob(f"*/{_STAGE}"))


def finish_removal(folder: Path) -> None:
    """Finish a removal that was killed in a run folder, or discard what it had prepared."""
    with lock(folder / LOCK):
        _finish(folder)


def _finish(folder: Path) -> None:
    stage = folder / _STAGE
    try:
        whole = (stage / RESULT).is_file() and read_json(stage / _OF) == file_digest(folder / RESULT)
    except (LfnetError, OSError):
        whole = False
    if whole:
        for name in (*_TABLES, LOG, RESULT):
            if (stage / name).is_file():
                (stage / name).replace(folder / name)
    shutil.rmtree(stage, ignore_errors=True)


def without_names(text: str, names: Collection[str]) -> str:
    """Replace whole names in a text by `(removed)`; a plain number only where it is an item of a list.

    Examples
    --------
    >>> without_names("2 clips left out: p2_a, p2_ab, 2", ["p2_a", "2"])
    '2 clips left out: (removed), p2_ab, (removed)'
    """
    for name in sorted(filter(None, names), key=len, reverse=True):
        word = re.escape(name)
        if name.isdigit():
            pattern = rf"(?<=[,:] ){word}(?=,|\)|$)|(?<=\(){word}(?=,|\))"
        else:
            pattern = rf"(?<![\w-]){word}(?![\w-])"
        text = re.sub(pattern, "(removed)", text, flags=re.MULTILINE)
    return text
