"""`lfnet train`: one job, or with -m a sweep."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.hydra_command import SUBMIT, has_option, run_hydra
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.jobs.session import Session
    from lfnet.runs.sweep_record import Swept

__all__ = ["run_one", "sweep", "train"]


def train(argv: list[str]) -> int:
    """`lfnet train OVERRIDES`: one job, or with -m many. Returns 1 where a job failed."""
    tables = [word for word in argv if word.startswith(("table=", "+table=")) and not word.endswith("=none")]
    # Without -m, Hydra would blame a comma for every other mistake.
    many = ["-m"] if tables and not has_option([word for word in argv if word != SUBMIT]) else []
    return int(any(swept.failed for swept in run_hydra("train", [*many, *argv], run_one)))


def sweep(argv: list[str]) -> "Swept":
    """Run `lfnet train ARGV` with -m, for other programs; returns the record and the outcomes.

    Raises `LfnetError` where ARGV runs no sweep, and as the command does.
    """
    found = run_hydra("train", argv, run_one)
    if not found:
        raise LfnetError(f"no sweep was run by {' '.join(argv)}: give -m and what to vary.")
    return found[-1]


def run_one(config: Any, session: "Session") -> float:
    """Run one job and print what it found; returns the metric that chooses, which Hydra's sweepers minimise."""
    from hydra.core.hydra_config import HydraConfig

    from lfnet.cli.run_text import run_lines
    from lfnet.jobs.display import Display
    from lfnet.jobs.job import plan, run
    from lfnet.jobs.planned import Job
    from lfnet.jobs.settings import read_settings
    from lfnet.runs.run import Run
    from lfnet.tables.settings import read_table

    job = Job.of([], config, dict(HydraConfig.get().runtime.choices))
    # A single job makes no table: rows and columns may be empty, but no setting may be wrong.
    read_settings(job.config, session, checks=[lambda all: read_table({"table": {**all["table"], "name": None}})])
    with session.shown_by(Display()) as display:
        display.phase(f"cohort {job.choices.get('cohort', '')}: labels and features")
        for text in plan(job.config, job.choices, session).inputs.doubts:
            display.print(f"warning: {text}")
        outcome = run(job.config, job.choices, session)
    folder = Path(job.config["paths"]["runs"]) / outcome.run
    result = Run.open(folder).result
    print(f"{outcome.status}: {folder}")
    for line in run_lines(result, folder):
        print(line)
    value = result.selection_value
    return math.nan if value is None else value
