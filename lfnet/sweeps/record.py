"""A sweep's record: which jobs it has and which run folder each left. Tables are made from it and from nothing else."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lfnet.digests import digest
from lfnet.files import write_json
from lfnet.training.outcome import Outcome

__all__ = ["Record", "Swept", "sweep_name", "swept"]

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
