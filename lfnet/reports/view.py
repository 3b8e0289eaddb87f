"""`lfnet view`: a static folder that shows all runs and tables, opened from disk or served as files.

index.html lists tables and runs; runs.js has the list of runs, runs/NAME.js what is drawn of one run, which is loaded
when it is opened; tables/NAME.html is the page of `lfnet report`. Browsers load scripts of a page opened from disk, and
no other files of data.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.estimates import Estimate
from lfnet.files import read_bytes, read_json, write_text
from lfnet.fingerprints import digest, file_digest
from lfnet.reports.figure_data import parts
from lfnet.reports.html_page import page, render
from lfnet.reports.kept_runs import KeptRuns
from lfnet.reports.run_detail import describe_run
from lfnet.reports.run_list import estimate_error, list_runs, run_key
from lfnet.reports.view_table import summarise_table
from lfnet.runs.collection import open_runs
from lfnet.runs.result import RESULT
from lfnet.runs.run import PREDICTIONS, Run
from lfnet.runs.scores import RecordingScores
from lfnet.runs.sweep_record import SweepRecord
from lfnet.tables.build import build
from lfnet.tables.public import public
from lfnet.tables.table import BANNER
from lfnet.text import plural

__all__ = ["View", "write_view"]

_SPLITS = ("test", "dev")
_MADE = "lfnet.run("  # begins each file of a run
_CODE = ("evaluation", "reports", "runs", "tables")  # packages whose code decides a table's page


@dataclass(frozen=True)
class View:
    """What `write_view` wrote. index: the page; runs, tables: their numbers; faults: what could not be read."""

    index: Path
    runs: int
    tables: int
    faults: tuple[str, ...]


def write_view(runs: Path, out: Path, show_paths: bool = False) -> View:
    """Write the folder; pages of tables that have not changed are kept.

    Parameters
    ----------
    runs : Path
        The folder of run folders.
    out : Path
        The folder to write; other files in it are left alone.
    show_paths : bool
        Whether settings that may name places are shown.

    Returns
    -------
    View

    Raises
    ------
    LfnetError
        There is no such folder, it contains no run, or a file cannot be written. Scores and tables that cannot be read
        are `faults`.
    """
    runs, out = Path(runs), Path(out)
    found = sorted({run_key(run): run for run in open_runs(runs)}.values(), key=_order)
    if not found and not (runs / "sweeps").is_dir():
        raise LfnetError(f"{runs} contains no finished run: give the folder of run folders, such as lfnet_runs.")
    faults: list[str] = []
    code = [file_digest(path) for path in _code_files()]
    tables = list(_write_tables(runs, out, code, show_paths, faults))
    errors = _write_runs(found, out, code, faults)
    listed = list_runs(found, errors, show_paths)
    _write_changed(out / "runs.js", f"lfnet.runs={_json(listed)};\n")
    _write_changed(out / "index.html", _index(found, tables))
    return View(out / "index.html", len(found), len(tables), tuple(faults))


def _order(run: Run) -> tuple[Any, ...]:
    """Runs of one model stand together."""
    result = run.result
    return result.cohort.name, result.kind, result.model, sorted(result.choices.items()), result.seed, run.name


def _write_runs(runs: Sequence[Run], out: Path, code: Sequence[str], faults: list[str]) -> list[Estimate | None]:
    """Write the script of each run that has changed; return the error of each run."""
    kept = KeptRuns(out / "runs.json", code)
    scripts = {run_key(run): out / "runs" / f"{run_key(run)}.js" for run in runs}
    errors = {}
    changed = []
    for run in runs:
        key = run_key(run)
        if kept.find(key, run, scripts[key]):
            errors[key] = kept.error(key)
        else:
            changed.append(run)
    for run, splits in _scores(changed, faults):
        key, before = run_key(run), len(faults)
        content = _describe(run, splits or {}, faults)
        _write_changed(scripts[key], f'{_MADE}"{key}",{_json(content)});\n')
        errors[key] = estimate_error(run, splits["test"]) if splits else None
        if splits is not None and len(faults) == before:  # else it is named again in the next call
            kept.add(key, run, scripts[key], errors[key])
    _write_changed(out / "runs.json", f"{_json(kept.content())}\n")
    _remove_others(out / "runs", set(scripts))
    return [errors[run_key(run)] for run in runs]


def _scores(runs: Sequence[Run], faults: list[str]) -> Iterator[tuple[Run, dict[str, pd.DataFrame] | None]]:
    """Each run with the rows of its recordings by split: {} of a run without scores, None of one with damaged ones."""
    readable, damaged = [], set()
    for run in runs:
        try:
            if run.has_scores:
                run.content(PREDICTIONS)
                readable.append(run)
        except LfnetError as error:
            faults.append(str(error))
            damaged.add(id(run))
    read = RecordingScores(readable)
    kept = {id(run) for run in readable}
    for run in runs:
        if id(run) in damaged:
            yield run, None
        else:
            yield run, {split: read.rows(run, split) for split in _SPLITS} if id(run) in kept else {}


def _describe(run: Run, splits: Mapping[str, pd.DataFrame], faults: list[str]) -> dict[str, Any]:
    try:
        return describe_run(run, splits)
    except LfnetError as error:
        faults.append(str(error))
        return describe_run(run, splits, with_curve=False)


def _write_tables(
    runs: Path, out: Path, code: Sequence[str], show_paths: bool, faults: list[str]
) -> Iterator[dict[str, Any]]:
    """The page of each table, and what the index says of it; an unchanged one is not built again."""
    for record in sorted((runs / "sweeps").glob("*.json")):
        summary = out / "tables" / f"{record.stem}.json"
        built = None
        try:
            sweep = SweepRecord.read(record)
            if sweep.table.get("name") is None:  # jobs started by hand
                continue
            results = [runs / job.run / RESULT for job in sweep.jobs if job.run]
            states = [file_digest(path) if path.is_file() else "" for path in results]
            stamp = digest([code, file_digest(record), states, show_paths])
            found = _kept(summary, stamp)
            if found is None:
                table = public(replace(build(record, runs, show_paths=show_paths), name=record.stem))
                shown = parts(table)
                built, found = page(table, shown, home="../index.html"), summarise_table(table, shown)
        except LfnetError as error:
            faults.append(f"{record.stem}: {error}")
            continue
        if built is not None:
            _write_changed(summary.with_suffix(".html"), built)
            _write_changed(summary, json.dumps({"stamp": stamp, **found}, allow_nan=False))
        yield {**found, "link": f"tables/{quote(record.stem)}.html"}


def _kept(summary: Path, stamp: str) -> dict[str, Any] | None:
    """The summary of a table that was written before and has not changed."""
    if not summary.is_file() or not summary.with_suffix(".html").is_file():
        return None
    try:
        content = read_json(summary)
    except LfnetError:  # damaged: it is written again
        return None
    return content if isinstance(content, dict) and content.get("stamp") == stamp else None


def _code_files() -> list[Path]:
    package = Path(__file__).parents[1]
    return sorted(path for name in _CODE for path in (package / name).rglob("*.*") if path.suffix != ".pyc")


def _index(runs: Sequence[Run], tables: Sequence[Mapping[str, Any]]) -> str:
    simulated = sum(run.result.cohort.simulated for run in runs)
    cohorts = len({run.result.cohort.fingerprint for run in runs})
    notices = [BANNER] if runs and simulated == len(runs) else []
    if 0 < simulated < len(runs):
        notices.append(f"{simulated} of {plural(len(runs), 'run')} are on a simulated cohort; each figure says so.")
    keys = ("name", "title", "link", "runs", "forests")
    return render(
        "index.html",
        own_files=True,
        heading=" and ".join([*([plural(len(tables), "table")] if tables else []), plural(len(runs), "run")]),
        lead=f"All that is finished in this folder, on {plural(cohorts, 'cohort')}.",
        notices=notices,
        tables=tables,
        forests=[{key: table[key] for key in keys} for table in tables],
    )


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _write_changed(path: Path, text: str) -> None:
    """Write a file unless it has this content; they are made to be handed on."""
    if not path.is_file() or read_bytes(path) != text.encode():
        write_text(path, text, personal=False)


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove files of runs that are not there any more; no other file."""
    for path in folder.glob("*.js"):
        if path.stem not in names and read_bytes(path).startswith(f'{_MADE}"{path.stem}"'.encode()):
            path.unlink()
