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
from lfnet.jobs.queued import SweepQueue, check_launcher
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
    jobs: list[Job],
    given: Any,
    session: Session,
    options: Sequence[str] = (),
    launcher: Launcher | None = None,
    *,
    submit: bool = False,
) -> Swept:
    """Run all jobs that are not finished, as `launcher` and `fail_fast` of the first one say.

    A job that is in the queue of a cluster is never started twice. A sweep that was submitted is not run by another
    launcher: its state is printed.

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
    submit : bool
        Return when the jobs are in the queue.

    Raises
    ------
    LfnetError
        The settings of a job are wrong (before anything is read or written), or no job can start, all for one reason.
    """
    settings = [read_settings(job.config, session) for job in jobs]
    first = settings[0]
    table, paths = jobs[0].config["table"], first.inputs.paths
    launcher = launcher or first.launcher
    check_launcher(launcher, submit=submit, fail_fast=first.fail_fast)
    path = paths.runs / "sweeps" / f"{sweep_name(table['name'], list(given))}.json"
    command = sweep_command(table["name"], list(given), options)
    record = _RecordWriter(path, paths.mode, table, command, jobs)
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
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    varying = [" ".join(item for item in job.overrides if item not in common) for job in jobs]
    peaks: dict[str, float] = {}

    def end(key: str, outcome: Outcome) -> Outcome:
        index = first_of[key]
        outcome = _seen(outcome, planned[index])
        peaks[_kind(jobs[index])] = max(outcome.memory, peaks.get(_kind(jobs[index]), 0.0))
        for same in (index, *twins.get(index, ())):
            outcomes[same] = outcome
        return outcome

    queue = SweepQueue(launcher, paths, path.stem, command)
    kinds = {outcome.fingerprint: _kind(job) for job, outcome in zip(jobs, outcomes, strict=True) if outcome}
    queue.record_peaks({**kinds, **{key: _kind(jobs[index]) for key, index in first_of.items()}})
    done = Counter(outcome.status for outcome in outcomes if outcome)
    cannot_start = [(name, end.error) for name, end in zip(varying, outcomes, strict=True) if end and end.error]
    stopped = first.fail_fast and done["failed"] > 0
    calls = [] if stopped else _calls(jobs, planned, varying, launcher, session)
    record.write(outcomes)
    held = queue.hold(calls, submit=submit)
    for key, outcome in held.items():
        end(key, outcome)
    calls = [call for call in calls if call.key not in held]
    for line in queue.lines(varying, outcomes) or [_summary(len(jobs), done, len(planned) - len(held), len(held))]:
        print(line, flush=True)
    for name, error in cannot_start:
        print(f"cannot start {name}: {error}", flush=True)
    record.write(outcomes)
    ended = 0
    try:
        for key, outcome in queue.run(calls):
            outcome = end(key, outcome)
            index = first_of[key]
            ended += 1
            print(
                _line(f"[{ended:>{len(str(len(calls)))}}/{len(calls)}]", varying[index], paths.runs, outcome),
                flush=True,
            )
            record.write(outcomes, often=True)
            if outcome.status == "failed" and first.fail_fast:
                queue.withdraw(calls)
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


def _summary(jobs: int, done: Mapping[Any, int], to_run: int, queued: int) -> str:
    in_queue = f", {queued} in the queue of another sweep" if queued else ""
    failed = f", {done['failed']} cannot start" if done["failed"] else ""
    return f"{plural(jobs, 'job')}: {done['skipped']} finished already, {to_run} to run{in_queue}{failed}"


def _seen(outcome: Outcome, planned: Experiment) -> Outcome:
    """The outcome with the job's name; of one that ran elsewhere unseen, what its folder says."""
    if not outcome.run:
        if outcome.status == "failed" and planned.finished:  # its process was lost later, or another one did it
            outcome = Outcome("finished")
        elif outcome.status in ("finished", "skipped") and not planned.finished:
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
