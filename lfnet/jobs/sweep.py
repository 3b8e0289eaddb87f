"""Many jobs: finished ones are skipped, failed ones are named, and each job prints one line."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import uuid4

from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.files import personal_files
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.job import plan, run_safely
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings, read_settings
from lfnet.parent import end_with_parent
from lfnet.runs.run import Outcome, Run
from lfnet.runs.sweep_record import JobRecord, SweepRecord, Swept, sweep_command, sweep_name
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


def run_sweep(jobs: list[Job], given: Any, session: Session, options: Sequence[str] = ()) -> Swept:
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
    workers = _workers(next(iter(planned.values())).settings, len(planned)) if planned else 1
    done = Counter(outcome.status for outcome in outcomes if outcome)
    print(
        f"{plural(len(jobs), 'job')}: {done['skipped']} finished already, {len(planned)} to run"
        + (f", {done['failed']} cannot start" if done["failed"] else ""),
        flush=True,
    )
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    varying = [" ".join(item for item in job.overrides if item not in common) for job in jobs]
    for name, outcome in zip(varying, outcomes, strict=True):
        if outcome and outcome.error:
            print(f"cannot start {name}: {outcome.error}", flush=True)
    record.write(outcomes)
    ended = 0
    stopped = first.fail_fast and done["failed"] > 0
    try:
        for index, outcome in _run(jobs, {} if stopped else planned, workers, session):
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


def _refuse_if_hopeless(outcomes: list[Outcome | None]) -> None:
    errors = {outcome.error if outcome and outcome.status == "failed" else None for outcome in outcomes}
    if len(errors) == 1 and (error := errors.pop()) is not None:
        raise LfnetError(error)


def _workers(settings: JobSettings, jobs: int) -> int:
    """How many of the jobs run side by side."""
    launcher = settings.launcher
    if launcher.jobs != "auto":
        return max(1, min(launcher.jobs, jobs))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert launcher.memory is not None
    return max(1, min(cores // settings.trainer.threads, _jobs_in_memory(launcher.memory), jobs))


def _jobs_in_memory(needed: float) -> int:
    """How many jobs of `needed` GB fit into the memory that is free now, or into all of it where only that is known."""
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    free = os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError):  # Linux: what the page cache would give back counts as free
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    return int(free / (needed * 1e9))


class _Owned(NamedTuple):
    """A worker process's session, and the sweep that it serves."""

    sweep: str
    session: Session


_owned: _Owned | None = None  # the session of this worker process: loky keeps workers from one sweep to the next


def _run(
    jobs: list[Job], planned: dict[int, Experiment], workers: int, session: Session
) -> Iterator[tuple[int, Outcome]]:
    if workers == 1:
        for index, experiment in planned.items():
            yield index, run_safely(jobs[index].config, jobs[index].choices, session, experiment)
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    sweep = uuid4().hex
    ended: set[int] = set()
    calls = (joblib.delayed(_in_worker)(sweep, index, jobs[index]) for index in planned)
    parallel = joblib.Parallel(
        n_jobs=workers,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=workers,
        initializer=end_with_parent,
        initargs=(os.getpid(),),
    )
    try:
        for index, outcome in parallel(calls):
            ended.add(index)
            yield index, outcome
        return
    except TerminatedWorkerError:
        print(
            "a job's process was killed, probably out of memory (lower launcher.jobs): the others run one by one",
            flush=True,
        )
    for index in planned:
        if index not in ended:
            yield index, _alone(sweep, index, jobs[index])


def _alone(sweep: str, index: int, job: Job) -> Outcome:
    """Run one job in a process of its own (joblib gives a single worker none): if it is killed, only it has failed."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        parallel = joblib.Parallel(n_jobs=2, initializer=end_with_parent, initargs=(os.getpid(),))
        return parallel([joblib.delayed(_in_worker)(sweep, index, job)])[0][1]
    except TerminatedWorkerError:
        return Outcome("failed", error="its process was killed, probably out of memory, though it ran alone")


def _in_worker(sweep: str, index: int, job: Job) -> tuple[int, Outcome]:
    global _owned
    from joblib.externals.loky import process_executor

    # loky would mistake the cached cohort for a leak and restart the worker after every other job.
    process_executor._MAX_MEMORY_LEAK_SIZE = float("inf")
    if _owned is None or _owned.sweep != sweep:
        _owned = _Owned(sweep, Session())
    return index, run_safely(job.config, job.choices, _owned.session)


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
