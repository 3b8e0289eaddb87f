"""Remove one person's rows from runs, so that a killed removal is finished by the next one."""

import io
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lfnet.cohorts.identity import normal_id
from lfnet.errors import LfnetError
from lfnet.evaluation.items import summarise_items
from lfnet.evaluation.quantiles import summarise_quantiles
from lfnet.evaluation.replicates import spread_summary
from lfnet.files import read_json, write_json, write_text
from lfnet.fingerprints import file_digest
from lfnet.locks import lock
from lfnet.runs.result import RESULT, STAGE, CohortSummary
from lfnet.runs.run import (
    GROUPS,
    ITEMS,
    LOCK,
    LOG,
    PREDICTIONS,
    QUANTILES,
    REFERENCES,
    SPREAD,
    TRAINING_STATE,
    Run,
    digest_files,
    measure,
    measure_references,
    measuring_code,
)
from lfnet.runs.submissions import submitted_texts

__all__ = [
    "Rows",
    "RunRows",
    "find_rows",
    "finish_removal",
    "logs_of_failed_jobs",
    "pending_removals",
    "remove_rows",
    "removed_people",
    "rewrite_log",
    "unfinished_files",
    "without_names",
]

_TABLES = (PREDICTIONS, REFERENCES, SPREAD, QUANTILES, GROUPS, ITEMS)
_IDS = dict.fromkeys(("person_id", "recording_id", "split"), str)
_OF = "of.json"  # in STAGE: the digest of the result.json that the prepared files follow
_BEFORE = " (counted before a removal)"
_MARK = re.compile(r"scores of (\d+) pe(?:rson|ople) removed on request")


@dataclass(frozen=True)
class RunRows:
    """One person's rows in a finished run.

    Attributes
    ----------
    folder : Path
    counts : dict
        Number of rows by file name.
    people, recordings, clips : frozenset of str
        Ids in these rows.
    trained : bool
        Whether the person was in training, so that the weights have seen them.
    """

    folder: Path
    counts: dict[str, int]
    people: frozenset[str]
    recordings: frozenset[str]
    clips: frozenset[str]
    trained: bool


class Rows(NamedTuple):
    """A person's rows in the runs on a cohort, runs on other cohorts with such a person, and why others are unread."""

    found: list[RunRows]
    elsewhere: list[Path]
    faults: list[str]


def find_rows(runs: Path, cohort: str, person: str) -> Rows:
    """Find the rows of a person, in any spelling of the id (`lfnet.cohorts.identity`), in finished runs."""
    found, elsewhere, faults = [], [], []
    for file in sorted(Path(runs).glob(f"*/{RESULT}")):
        try:
            run = Run(file.parent)
            result = run.result
            tables = _rows(run, person)
        except (LfnetError, ValueError, KeyError, OSError) as error:
            faults.append(f"{file.parent}: {' '.join(str(error).split())}")
            continue
        if not tables:
            continue
        if cohort not in (result.cohort.name, (result.tested or {}).get("trained_on")):
            elsewhere.append(file.parent)
            continue
        references = tables.get(REFERENCES)
        trained = references is not None and bool((references["split"] == "train").any())
        if result.pretraining is not None and not trained:
            trained = any((rows["split"] == "unlabelled").any() for rows in tables.values())
        people, recordings, clips = (
            frozenset(text for rows in tables.values() if name in rows for text in rows[name] if text)
            for name in ("person_id", "recording_id", "clip_id")
        )
        counts = {name: len(rows) for name, rows in tables.items()}
        found.append(RunRows(file.parent, counts, people, recordings, clips, trained))
    return Rows(found, elsewhere, faults)


def _rows(run: Run, person: str) -> dict[str, pd.DataFrame]:
    found = {}
    for name in _TABLES:
        if (run.folder / name).is_file():
            table = _read(run.content(name))
            rows = table[_of(person, table)]
            if len(rows):
                found[name] = rows
    return found


def _of(person: str, table: pd.DataFrame) -> pd.Series:
    """Which rows are the person's."""
    return table["person_id"].map(normal_id) == normal_id(person)


def _read(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


def unfinished_files(runs: Path, person: str, recordings: Collection[str]) -> list[Path]:
    """List what has seen the person in run folders without a result.

    These are tables with rows of their recordings, and states of trainings in their folders. States come first: a
    removal that is interrupted between the two finds both again.
    """
    found: list[Path] = []
    for name in _TABLES:
        for path in sorted(Path(runs).glob(f"*/{name}")):
            try:
                rows = _read(path.read_bytes()) if not (path.parent / RESULT).exists() else None
                if rows is not None and (_of(person, rows) & rows["recording_id"].isin(recordings)).any():
                    found.append(path)
            except (OSError, ValueError, KeyError):
                found.append(path)  # cut short by a kill: the job writes it again
    states = sorted({path.with_name(TRAINING_STATE) for path in found})
    return [*(path for path in states if path.exists()), *found]


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
    folder, stage = run.folder, run.folder / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    write_json(stage / _OF, file_digest(folder / RESULT))
    before, removed = Run(folder), []
    for name in _TABLES:
        if (folder / name).is_file():
            table = _read(before.content(name))
            own = _of(person, table)
            kept = table[~own]
            removed.append(table[own])
            write_text(stage / name, kept.to_csv(index=False, lineterminator="\n"))
    if (folder / LOG).is_file():
        write_text(stage / LOG, without_names(_log(folder / LOG), names))
    result = before.result
    count = removed_people(result.marks) + 1
    mark = f"scores of {count} {'person' if count == 1 else 'people'} removed on request"
    if run.trained or any("the weights have seen" in old for old in result.marks if _MARK.match(old)):
        mark += ", of whom the weights have seen one or more"
    cohort = _recounted(result.cohort, pd.concat(removed))
    empty = [split for split, count in cohort.recordings.items() if not count and result.cohort.recordings[split]]
    spread = result.spread
    if spread is not None and (stage / SPREAD).is_file():
        spread = {**spread, "splits": spread_summary(pd.read_csv(stage / SPREAD, dtype=_IDS))}
    quantiles = result.quantiles
    if quantiles is not None and (stage / QUANTILES).is_file():
        table = pd.read_csv(stage / QUANTILES, dtype=_IDS)
        quantiles = {**quantiles, "splits": summarise_quantiles(table, result.scale.min, result.scale.max)}
    items = result.items
    if items is not None and (stage / ITEMS).is_file():
        items = {**items, "splits": summarise_items(pd.read_csv(stage / ITEMS, dtype=_IDS))}
    measured = stage, result.scale.whole, result.tested
    replace(
        result,
        metrics=measure(*measured),
        references=measure_references(*measured),
        files={**result.files, **digest_files(stage)},
        measured_by=measuring_code(),
        tuning=_without_scores(result.tuning),
        members={},  # the scores of a fusion's members are not kept, so that their metrics cannot be recomputed
        spread=spread,
        quantiles=quantiles,
        items=items,
        cohort=replace(cohort, warnings=tuple(_dated(without_names(text, names)) for text in cohort.warnings)),
        audit=tuple(replace(entry, text=_dated(entry.text)) for entry in result.audit),
        missing={
            modality: {split: [clip for clip in clips if clip not in names] for split, clips in splits.items()}
            for modality, splits in result.missing.items()
        },
        marks=(*(old for old in result.marks if not _MARK.match(old)), mark, *map(_emptied, empty)),
    ).write(stage)
    _finish(folder)


def _without_scores(tuning: dict[str, Any] | None) -> dict[str, Any] | None:
    """The trials of a tuned job without the metrics of those that led: their scores are not kept either."""
    if tuning is None:
        return None
    return {**tuning, "curve": [{**point, "metrics": {}} for point in tuning["curve"]]}


def _recounted(cohort: CohortSummary, removed: pd.DataFrame) -> CohortSummary:
    """Sizes without the removed rows."""

    def less(counts: dict[str, int], column: str) -> dict[str, int]:
        gone = removed.groupby("split")[column].nunique()
        return {split: count - int(gone.get(split, 0)) for split, count in counts.items()}

    return replace(cohort, recordings=less(cohort.recordings, "recording_id"), people=less(cohort.people, "person_id"))


def _emptied(split: str) -> str:
    return f"split {split} is empty since the removal"


def _dated(text: str) -> str:
    """A text of the audit or a warning, which counts the removed person: it cannot be made again without features."""
    return text if text.endswith(_BEFORE) or not re.search(r"\d", text) else text + _BEFORE


def pending_removals(runs: Path) -> list[Path]:
    """The run folders in which a removal was killed."""
    return sorted(stage.parent for stage in Path(runs).glob(f"*/{STAGE}"))


def finish_removal(folder: Path) -> None:
    """Finish a removal that was killed in a run folder, or discard what it had prepared."""
    with lock(folder / LOCK):
        _finish(folder)


def _finish(folder: Path) -> None:
    stage = folder / STAGE
    try:
        whole = (stage / RESULT).is_file() and read_json(stage / _OF) == file_digest(folder / RESULT)
    except (LfnetError, OSError):
        whole = False
    if whole:
        for name in (*_TABLES, LOG, RESULT):
            if (stage / name).is_file():
                (stage / name).replace(folder / name)
    if stage.is_dir():
        shutil.rmtree(stage)


def logs_of_failed_jobs(runs: Path, names: Collection[str]) -> list[Path]:
    """List the logs of run folders without a result, and of submitted jobs, in which one of the names stands."""
    logs = [path for path in sorted(Path(runs).glob(f"*/{LOG}")) if not (path.parent / RESULT).exists()]
    logs += submitted_texts(runs)
    return [path for path in logs if _log(path) != without_names(_log(path), names)]


def rewrite_log(path: Path, names: Collection[str]) -> None:
    """Take the names out of a log. A job that writes it is waited for."""
    with lock(path.parent / LOCK):
        write_text(path, without_names(_log(path), names))


def _log(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


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
