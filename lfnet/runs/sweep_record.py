"""The record of a sweep: which jobs it had and how each ended, with one writer and one reader."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lfnet.errors import LfnetError
from lfnet.files import exists
from lfnet.fingerprints import digest
from lfnet.runs.folds import join_folds
from lfnet.runs.public_settings import HIDDEN, public_override
from lfnet.runs.result import damaged
from lfnet.runs.run import MISSING, RESULT, Outcome, Run, leaves
from lfnet.seals import read_sealed_json, write_sealed_json

__all__ = [
    "Failure",
    "JobRecord",
    "Sweep",
    "SweepRecord",
    "Swept",
    "collect",
    "parse_overrides",
    "sweep_command",
    "sweep_name",
]

FORMAT = 3
_MAX_NAME = 48  # characters of the overrides in the name of a file


@dataclass(frozen=True)
class JobRecord:
    """One job of a sweep: its overrides, how it ended, and its run folder; `run` is "" where it has none."""

    overrides: tuple[str, ...]
    status: Literal["pending", "finished", "skipped", "failed", "interrupted"] = "pending"
    fingerprint: str = ""
    run: str = ""
    error: str | None = None
    control: bool = False

    @classmethod
    def of(cls, overrides: Sequence[str], control: bool, outcome: Outcome | None) -> "JobRecord":
        """The record of a job; `outcome` is None for one that has not ended yet.

        A skipped job counts as finished: which of two processes, or of two commands, did it is not recorded.
        """
        if outcome is None:
            return cls(tuple(overrides), control=control)
        status = "finished" if outcome.status == "skipped" else outcome.status
        return cls(tuple(overrides), status, outcome.fingerprint, outcome.run, outcome.error, control)


@dataclass(frozen=True)
class SweepRecord:
    """The file `<runs>/sweeps/<name>.json`.

    Parameters
    ----------
    table : dict
        The `table` node that the sweep was run for.
    command : str
        The command that repeats it.
    jobs : tuple of JobRecord

    Examples
    --------
    >>> swept = SweepRecord.read(record)  # lfnet_runs/sweeps/architectures.json
    >>> swept.table["rows"], len(swept.jobs)
    (['head', 'protocol'], 4)
    """

    table: dict[str, Any]
    command: str
    jobs: tuple[JobRecord, ...] = field(repr=False)

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        write_sealed_json(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> "SweepRecord":
        """Read a record.

        Raises
        ------
        LfnetError
            The file is missing, damaged, of another format, or has no jobs.
        """
        again = "Delete it and run the table again: finished runs are recognised."
        content, whole = read_sealed_json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise LfnetError(f"{path} is not a sweep record of format {FORMAT}. {again}")
        if not whole:
            raise LfnetError(f"{path} is damaged (its SHA-256 is not the one that it contains). {again}")
        try:
            record = _adapter().validate_python(content)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"]))
            raise LfnetError(f"{path} is damaged ({place}: {fault['msg']}). {again}") from None
        if not record.jobs:
            raise LfnetError(
                f"{path} contains no jobs: the sweep is empty. Give hydra.sweeper.params at least one value."
            )
        return record


@cache
def _adapter() -> TypeAdapter[SweepRecord]:
    return TypeAdapter(SweepRecord)


@dataclass(frozen=True)
class Failure:
    """A job without a result: its overrides, the reason in one line, its folder where it has one.

    pending: it has not ended, or not begun.
    """

    overrides: tuple[str, ...]
    reason: str
    folder: str | None
    control: bool = False
    pending: bool = False

    def setting(self, key: str) -> Any:
        """The value that the overrides give `key`, a dict of the settings below it, else MISSING."""
        return parse_overrides(self.overrides, key)


@dataclass(frozen=True)
class Sweep:
    """A sweep as tables read it: the table's node, the command, and each job's run or failure, in order."""

    record: Path
    table: dict[str, Any]
    command: str
    jobs: tuple[Run | Failure, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(job for job in self.jobs if isinstance(job, Run))

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(job for job in self.jobs if isinstance(job, Failure))


@dataclass(frozen=True)
class Swept:
    """A sweep that ended, or was submitted: the paths of its record, runs and tables, and the outcome of each job."""

    record: Path
    runs: Path
    tables: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> bool:
        """Whether a job failed or was interrupted."""
        return any(outcome.status in ("failed", "interrupted") for outcome in self.outcomes)


def collect(record: Path, runs: Path) -> Sweep:
    """Read a sweep's record and the result of each of its run folders below `runs`.

    The folds of a cross-validation count as one run (`lfnet.runs.folds`). Two jobs that led to one folder (the same
    fingerprint) count once. A job without a readable result is a `Failure`, not an error.

    Raises
    ------
    LfnetError
        As `SweepRecord.read`; and where folds tested the same recording.
    """
    content = SweepRecord.read(record)
    outcomes: dict[str, Run | Failure] = {}
    for number, job in enumerate(content.jobs):
        outcome = _open(job, Path(runs))
        outcomes.setdefault(outcome.name if isinstance(outcome, Run) else f"failure {number}", outcome)
    jobs = list(outcomes.values())
    places = [place for place, job in enumerate(jobs) if isinstance(job, Run)]
    kept: dict[int, Run | Failure] = {place: job for place, job in enumerate(jobs) if isinstance(job, Failure)}
    for place, run in join_folds([job for job in jobs if isinstance(job, Run)]):
        kept[places[place]] = run
    return Sweep(Path(record), content.table, content.command, tuple(kept[place] for place in sorted(kept)))


def _open(job: JobRecord, runs: Path) -> Run | Failure:
    def failure(reason: str) -> Failure:
        pending = job.status == "pending"
        return Failure(job.overrides, " ".join(reason.split()), job.run or None, job.control, pending)

    # A job that was in a queue when the record was written may have ended since.
    ended_since = job.status == "pending" and job.run and exists(runs / job.run / RESULT)
    if job.status not in ("finished", "skipped") and not ended_since:
        return failure(job.error or f"the job is {job.status}")
    if not job.run:
        return failure("the record names no run folder")
    if not exists(runs / job.run / RESULT):
        return failure(f"{RESULT} is missing; run the table again")
    run = Run(runs / job.run, job.overrides, job.control)
    try:
        if job.fingerprint and run.result.fingerprint != job.fingerprint:
            raise damaged(run.folder / RESULT, "it is the result of another job")
    except LfnetError as error:
        return failure(str(error).replace(f"{runs}/", ""))
    return run


def parse_overrides(overrides: Sequence[str], key: str) -> Any:
    """The value that Hydra overrides give `key`, a dict of the settings below it, else MISSING."""
    # Hydra's own grammar, needed for failed jobs only: cohort.signal={name:tempo,block:8} is no JSON and no YAML.
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    settings: dict[str, Any] = {}
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException:
            continue
        if not override.is_delete():
            settings.update(leaves(override.value(), override.key_or_group.replace("/", ".")))
    below = {name.removeprefix(key + "."): value for name, value in settings.items() if name.startswith(key + ".")}
    return settings.get(key, below or MISSING)


def sweep_name(table: str | None, given: Sequence[str]) -> str:
    """The name of a sweep's files: the table's, and what was overridden, so that variants have files of their own.

    Of a value that may not leave the machine, such as a path, the name has a digest: tables are handed on by that name.
    """
    name = table or "multirun"
    own = [item for item in given if not re.match(r"(\+?table=|force=|fail_fast=|[+~]*launcher|paths\.)", item)]
    shown = [public_override(item).replace(HIDDEN, digest(item)[:8]) for item in own]
    slug = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", "_".join(shown)).strip("-")
    if len(slug) > _MAX_NAME:
        slug = f"{slug[:_MAX_NAME]}-{digest(own)[:8]}"
    return f"{name}_{slug}" if slug else name


def sweep_command(table: str | None, given: Sequence[str], options: Sequence[str] = ()) -> str:
    """The command that repeats a sweep, quoted for a shell."""
    typed = [item for item in given if not item.startswith(("table=", "+table="))]
    words = ["lfnet", "table", table] if table else ["lfnet", "train", "-m"]
    return shlex.join([*words, *options, *typed])
