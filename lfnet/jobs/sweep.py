"""Many jobs: finished ones are skipped, failed ones are named, and each job prints one line."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.files import personal_files
from lfnet.jobs.call import JobCall
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.job import plan, run_safely
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_settings
from lfnet.launchers.launcher import Call, Launcher, Need
from lfnet.runs.resources import needed_memory, record_peaks
from lfnet.runs.run import Outcome, Run
from lfnet.runs.sweep_record import JobRecord, SweepRecord, Swept, sweep_command, sweep_name
from lfnet.signals import stoppable
from lfnet.text import plural

__all__ = ["Job", "run_sweep"]


@dataclass(frozen=True)
class Job:
    """One job of a sweep. overrides: as typed. config: everything, resolved. choices: what was chosen of each group.

    control: whether `table.controls` added it.
    """

    overrides: list[str]
    config: dict[str, Any]
    choices: dict[str, str]
    control: bool = False

    @classmethod
    def of(cls, overrides: list[str], config: Any, choices: dict[Any, Any]) -> Self:
        """A job from Hydra's composed config (without its `hydra` node) and runtime choices."""
        groups = {str(group): str(name) for group, name in choices.items() if not set("/@") & set(str(group))}
        return cls(overrides, plain(config), groups)


@stoppable()
def run_sweep(
    jobs: list[Job], given: Any, session: Session, options: Sequence[str] = (), launcher: Launcher | None = None
) -> Swept:
    """Run all jobs that are not finished, as `launcher` and `fail_fast` of the first one say.

    Parameters
    ----------
    jobs : list of Job
    given : sequence of str
        The overrides as typed.
    session : Session
        What the jobs share in this process.
    options : sequence of str
        The other words of the command (`--config-dir DIR`). The record of the sweep, `<runs>/sweeps/<name>.json`, is
        rewritten after every job.
    launcher : Launcher
        Runs the jobs instead of `conf/launcher`: one of another package.

    Raises
    ------
    LfnetError
        The settings of a job are wrong (before anything is read or written), or no job can start, all for one reason.
    """
    settings = [read_settings(job.config, session) for job in jobs]
    first = settings[0]
    table, paths = jobs[0].config["table"], first.inputs.paths
    path = paths.runs / "sweeps" / f"{sweep_name(table['name'], list(given))}.json"
    record = _RecordWriter(path, paths.mode, table, sweep_command(table["name"], list(given), options), jobs)
    outcomes: list[Outcome | None] = [None] * len(jobs)
    planned: dict[int, Experiment] = {}
    first_of: dict[str, int] = {}
    twins: dict[int, list[int]] = {}
    for index, job in enumerate(jobs):
        outcomes[index], experiment = _look(job, session)
        if experiment is not None:
            # A sweep over heads and fusions names each fusion once a head, and it is one job all the same.
            if (one := first_of.setdefault(experiment.fingerprint, index)) == index:
                planned[index] = experiment
            else:
                twins.setdefault(one, []).append(index)
    _refuse_if_hopeless(outcomes)
    done = Counter(outcome.status for outcome in outcomes if outcome)
    print(
        f"{plural(len(jobs), 'job')}: {done['skipped']} finished already, {len(planned)} to run"
        + (f", {done['failed']} cannot start" if done["failed"] else ""),
        flush=True,
    )
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    varying = [" ".join(item for item in job.overrides if item not in common) for job in jobs]
    launcher = launcher or first.launcher
    calls = _calls(jobs, planned, varying, launcher, session)
    for name, outcome in zip(varying, outcomes, strict=True):
        if outcome and outcome.error:
            print(f"cannot start {name}: {outcome.error}", flush=True)
    record.write(outcomes)
    ended = 0
    peaks: dict[str, float] = {}
    stopped = first.fail_fast and done["failed"] > 0
    try:
        for key, outcome in launcher.run([] if stopped else calls):
            index = first_of[key]
            outcome = _seen(outcome, planned[index])
            peaks[_kind(jobs[index])] = max(outcome.memory, peaks.get(_kind(jobs[index]), 0.0))
            for same in (index, *twins.get(index, ())):
                outcomes[same] = outcome
            ended += 1
            print(
                _line(f"[{ended:>{len(str(len(planned)))}}/{len(planned)}]", varying[index], paths.runs, outcome),
                flush=True,
            )
            record.write(outcomes, often=True)
            if outcome.status == "failed" and first.fail_fast:
                break
    finally:
        record.write(outcomes)
        with personal_files(paths.mode):
            record_peaks(paths.runs, {kind: peak for kind, peak in peaks.items() if peak})
    ends = [
        outcome or Outcome("failed", error="not run: an earlier job failed (fail_fast=true)") for outcome in outcomes
    ]
    return Swept(path, paths.runs, paths.tables, tuple(ends))


class _RecordWriter:
    """Writes the record of a sweep; `often`: not within two seconds of the last time."""

    def __init__(self, path: Path, access: str, table: dict[str, Any], command: str, jobs: Sequence[Job]) -> None:
        self._path, self._access, self._table, self._command, self._jobs = path, access, table, command, jobs
        self._written = 0.0

    def write(self, outcomes: Sequence[Outcome | None], often: bool = False) -> None:
        if often and time.monotonic() - self._written < 2.0:
            return
        pairs = zip(self._jobs, outcomes, strict=True)
        rows = tuple(JobRecord.of(job.overrides, job.control, outcome) for job, outcome in pairs)
        with personal_files(self._access):
            SweepRecord(self._table, self._command, rows).write(self._path)
        self._written = time.monotonic()


def _look(job: Job, session: Session) -> tuple[Outcome | None, Experiment | None]:
    """The outcome of a job that needs no running (finished, or impossible), else its plan."""
    try:
        planned = plan(job.config, job.choices, session)
    except LfnetError as error:
        return Outcome("failed", error=" ".join(str(error).split())), None
    except Exception:
        return run_safely(job.config, job.choices, session), None  # which fails in the same way and names the place
    if not planned.settings.force and planned.finished:
        return run_safely(job.config, job.choices, session, planned, finished=True), None
    return None, planned


def _seen(outcome: Outcome, planned: Experiment) -> Outcome:
    """The outcome with the job's name; of one that ran elsewhere unseen, what its folder says."""
    if outcome.status in ("finished", "skipped") and not outcome.run and not planned.finished:
        outcome = Outcome("failed", error="it ended without a result; see the log of the launcher")
    return replace(outcome, fingerprint=planned.fingerprint, run=planned.folder.name)


def _refuse_if_hopeless(outcomes: list[Outcome | None]) -> None:
    errors = {outcome.error if outcome and outcome.status == "failed" else None for outcome in outcomes}
    if len(errors) == 1 and (error := errors.pop()) is not None:
        raise LfnetError(error)


def _calls(
    jobs: Sequence[Job], planned: Mapping[int, Experiment], names: Sequence[str], launcher: Launcher, session: Session
) -> list[Call]:
    sweep = uuid4().hex
    calls: list[Call] = []
    for index, experiment in planned.items():
        job, settings = jobs[index], experiment.settings
        memory = needed_memory(settings.inputs.paths.runs, _kind(job)) if launcher.memory == "auto" else launcher.memory
        need = Need(settings.trainer.threads, memory, settings.trainer.device)
        own = (names[index], need, tuple(job.overrides), job.config, job.choices)
        calls.append(JobCall(experiment.fingerprint, *own, sweep, planned=(session, experiment)))
    return calls


def _kind(job: Job) -> str:
    """Jobs that need about the same memory: of one model on one cohort."""
    fusion = job.choices.get("fusion", "none")
    return f"{job.choices.get('head', '') if fusion == 'none' else fusion}, {job.choices.get('cohort', '')}"


def _line(count: str, name: str, runs: Path, outcome: Outcome) -> str:
    head = f"{count} {outcome.status:<8} {name}"
    if outcome.error:
        return f"{head}: {outcome.error}"
    result = Run(runs / outcome.run).result
    metrics = result.metrics
    if not metrics:
        return f"{head}: {'; '.join(result.marks)}"
    mae = metrics.get("test", metrics["dev"])["recording"]["mae"]
    split = "test" if "test" in metrics else "dev"
    return f"{head}: {split} MAE {mae:.2f}, {outcome.seconds:.0f} s, {outcome.run}"
