"""What a sweep left behind: its manifest, the run folders that are finished, and why the others are not."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from lfnet.errors import LfnetError
from lfnet.files import read_json, write_json
from lfnet.fingerprints import digest
from lfnet.runs.folds import pooled
from lfnet.runs.run import Outcome

__all__ = [
    "MISSING",
    "Failure",
    "Record",
    "Run",
    "Sweep",
    "Swept",
    "collect",
    "leaves",
    "parse_overrides",
    "sweep_name",
    "swept",
]

FORMAT = 1
MISSING = object()


@dataclass(frozen=True)
class Run:
    """A finished job: the name of its folder, its overrides, its result.json, whether it is a control."""

    folder: str
    overrides: tuple[str, ...]
    result: dict[str, Any] = field(repr=False)
    control: bool = False

    @property
    def seed(self) -> int:
        return int(self.result["seed"])

    @property
    def cohort(self) -> dict[str, Any]:
        return dict(self.result["cohort"])

    def setting(self, key: str) -> Any:
        """A config group's choice (`head`) or a setting of the resolved config (`head.patch_size`), else MISSING."""
        # A group that the sweep adds (`+leak=none`) may only name settings: a job that another table has finished says
        # nothing of it, or another name.
        if "." not in key:
            for text in self.overrides:
                if text.startswith(f"+{key}="):
                    return text.partition("=")[2]
        choices = self.result.get("choices", {})
        for name in (key, key.replace(".", "/")):
            if name in choices:
                return choices[name]
        value = self.result.get("config", {})
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return MISSING
            value = value[part]
        return value


@dataclass(frozen=True)
class Failure:
    """A job without a result: its overrides, one line of reason, its folder where it has one."""

    overrides: tuple[str, ...]
    reason: str
    folder: str | None
    control: bool = False

    def setting(self, key: str) -> Any:
        """What the overrides say of `key`: a value, a dict of the settings below it, else MISSING."""
        return parse_overrides(self.overrides, key)


@dataclass(frozen=True)
class Sweep:
    """A manifest read: the table it was run for, the command, and its jobs in their order, each with its outcome."""

    manifest: Path
    table: dict[str, Any]
    command: str
    jobs: tuple[Run | Failure, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(job for job in self.jobs if isinstance(job, Run))

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(job for job in self.jobs if isinstance(job, Failure))


def collect(manifest: Path, runs: Path) -> Sweep:
    """Read a sweep's manifest and the result of each of its run folders below `runs`.

    The folds of a cross-validation count as one run (`lfnet.runs.folds`).
    Two jobs that led to one folder (the same fingerprint) count once. Raises `LfnetError` where the manifest is
    missing, broken, of another format or empty; a job without a readable result is a `Failure`, not an error.
    """
    content = read_json(manifest)
    if not isinstance(content, dict) or content.get("format") != FORMAT or "table" not in content:
        raise LfnetError(f"{manifest} is not a sweep manifest of format {FORMAT}. Delete it and run the table again.")
    jobs = content.get("jobs") or []
    if not jobs:
        raise LfnetError(f"{manifest} holds no jobs: the sweep is empty. Give hydra.sweeper.params at least one value.")
    outcomes: dict[str, Run | Failure] = {}
    for number, job in enumerate(jobs):
        outcome = _read(job, Path(runs))
        outcomes.setdefault(outcome.folder if isinstance(outcome, Run) else f"failure {number}", outcome)
    return Sweep(Path(manifest), content["table"], content.get("command") or "", _joined(outcomes.values(), Path(runs)))


def _joined(outcomes: Iterable[Run | Failure], runs: Path) -> tuple[Run | Failure, ...]:
    """The outcomes with the folds of a cross-validation as one run, at the place of the first of them."""
    jobs = list(outcomes)
    places = [place for place, job in enumerate(jobs) if isinstance(job, Run)]
    done = [job for job in jobs if isinstance(job, Run)]
    kept: dict[int, Run | Failure] = {place: job for place, job in enumerate(jobs) if isinstance(job, Failure)}
    for members, folder, result in pooled([(run.folder, run.result) for run in done], runs):
        kept[places[members[0]]] = replace(done[members[0]], folder=folder, result=result)
    return tuple(kept[place] for place in sorted(kept))


def _read(job: dict[str, Any], runs: Path) -> Run | Failure:
    overrides, folder = tuple(job.get("overrides", ())), job.get("run")
    control = bool(job.get("control"))
    if job.get("status") not in ("finished", "skipped"):
        return Failure(
            overrides, _line(job.get("error") or f"the job is {job.get('status', 'unknown')}"), folder, control
        )
    if not folder:
        return Failure(overrides, "the manifest names no run folder", None, control)
    path = runs / folder / "result.json"
    if not path.exists():
        return Failure(overrides, "result.json is missing; run the table again", folder, control)
    try:
        result = read_json(path)
    except LfnetError:
        return Failure(overrides, "result.json is broken; delete the folder and run the table again", folder, control)
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        return Failure(
            overrides, f"result.json is not of format {FORMAT}; delete the folder and run again", folder, control
        )
    return Run(folder, overrides, result, control)


def _line(text: str) -> str:
    return " ".join(str(text).split())


def parse_overrides(overrides: tuple[str, ...], key: str) -> Any:
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


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each setting below a nested dict; lists count as one value."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


_SECONDS = 2.0
_LONGEST = 80


@dataclass(frozen=True)
class Swept:
    """A sweep that ended: where its record and the jobs' folders are, where its table goes, and how its jobs ended."""

    record: Path
    runs: Path
    tables: Path
    outcomes: list[Outcome]


# The sweeps of this process. Hydra's `main` returns nothing, so whoever started a sweep looks here for what it left.
swept: list[Swept] = []


class _Job(Protocol):
    @property
    def overrides(self) -> list[str]: ...

    @property
    def control(self) -> bool: ...


def sweep_name(table: dict[str, Any], given: Sequence[str]) -> str:
    """The name of a sweep's files: the table's, and what was overridden, so that variants stand side by side."""
    name = str(table["name"] or "multirun")
    own = [item for item in given if not re.match(r"(\+?table=|force=|fail_fast=|launcher|paths\.)", item)]
    slug = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", "_".join(own)).strip("-")
    if len(slug) > _LONGEST:
        slug = f"{slug[:_LONGEST]}-{digest(own)[:8]}"
    return f"{name}_{slug}" if slug else name


class Record:
    """Writes `<runs>/sweeps/<name>.json`, whole after every change; `often` writes at most every other second."""

    def __init__(
        self, folder: Path, name: str, table: dict[str, Any], given: Sequence[str], options: Sequence[str] = ()
    ) -> None:
        self.path = folder / f"{name}.json"
        self._table = table
        typed = [item for item in given if not item.startswith(("table=", "+table="))]
        words = ["lfnet", "table", table["name"]] if table["name"] else ["lfnet", "train", "-m"]
        self._command = " ".join(
            [*words, *(f"'{item}'" if re.search(r"[\s{}()\[\],&;*]", item) else item for item in (*options, *typed))]
        )
        self._written = 0.0

    def write(self, jobs: Sequence[_Job], outcomes: Sequence[Outcome | None], often: bool = False) -> None:
        """Write what is known of each job; one that has not ended yet is `pending`."""
        if often and time.monotonic() - self._written < _SECONDS:
            return
        rows = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            ended = outcome or Outcome("failed")
            rows.append(
                {
                    "overrides": job.overrides,
                    "fingerprint": ended.fingerprint,
                    "run": ended.run,
                    "status": outcome.status if outcome else "pending",
                    "error": ended.error,
                    **({"control": True} if job.control else {}),
                }
            )
        write_json(self.path, {"format": 1, "table": self._table, "command": self._command, "jobs": rows})
        self._written = time.monotonic()
