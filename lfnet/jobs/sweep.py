"""Many jobs: what is finished is skipped, what fails is named, and each job says one plain line."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.jobs.head_job import plan, run_safely
from lfnet.once import together
from lfnet.runs.result import Result
from lfnet.runs.run import Outcome
from lfnet.runs.sweep_record import JobRecord, SweepRecord, Swept, sweep_command, sweep_name

__all__ = ["Job", "KeepsSweeps", "run_sweep"]


@runtime_checkable
class KeepsSweeps(Protocol):
    """A Hydra task function that takes the sweeps that were run for it."""

    sweeps: list[Swept]


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


def run_sweep(jobs: list[Job], given: Any, options: Sequence[str] = ()) -> Swept:
    """Run all jobs that are not finished, as `launcher` and `fail_fast` of the first one say.

    given: the overrides that the person typed. options: the words beside them (`--config-dir DIR`). The sweep's record
    is written beside the runs, after every job.
    Raises `LfnetError` where no job can even be planned, all for the same reason.
    """
    first = jobs[0].config
    paths, table = first["paths"], first["table"]
    path = Path(paths["runs"]) / "sweeps" / f"{sweep_name(table['name'], list(given))}.json"
    writer = _RecordWriter(path, table, sweep_command(table["name"], list(given), options), jobs)
    outcomes: list[Outcome | None] = [None] * len(jobs)
    to_run = []
    first_of: dict[str, int] = {}
    twins: dict[int, list[int]] = {}
    with together():
        for index, job in enumerate(jobs):
            outcomes[index], fingerprint = _look(job)
            if outcomes[index] is None:
                # A sweep over heads and fusions names each fusion once a head, and it is one job all the same.
                if (one := first_of.setdefault(fingerprint, index)) == index:
                    to_run.append(index)
                else:
                    twins.setdefault(one, []).append(index)
    _refuse_if_hopeless(outcomes)
    workers = _workers(jobs[to_run[0]].config, len(to_run)) if to_run else 1
    done = Counter(outcome.status for outcome in outcomes if outcome)
    print(
        f"{len(jobs)} jobs: {done['skipped']} finished already, {len(to_run)} to run"
        + (f", {done['failed']} cannot start" if done["failed"] else ""),
        flush=True,
    )
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    varying = [" ".join(item for item in job.overrides if item not in common) for job in jobs]
    for name, outcome in zip(varying, outcomes, strict=True):
        if outcome and outcome.error:
            print(f"cannot start {name}: {outcome.error}", flush=True)
    writer.write(outcomes)
    ended = 0
    stopped = first["fail_fast"] and done["failed"] > 0
    try:
        for index, outcome in _run(jobs, [] if stopped else to_run, workers):
            for same in (index, *twins.get(index, ())):
                outcomes[same] = outcome
            ended += 1
            print(
                _line(f"[{ended:>{len(str(len(to_run)))}}/{len(to_run)}]", varying[index], jobs[index], outcome),
                flush=True,
            )
            writer.write(outcomes, often=True)
            if outcome.status == "failed" and first["fail_fast"]:
                break
    finally:
        writer.write(outcomes)
    ends = [
        outcome or Outcome("failed", error="not run: an earlier job failed (fail_fast=true)") for outcome in outcomes
    ]
    return Swept(path, Path(paths["runs"]), Path(paths["tables"]), tuple(ends))


class _RecordWriter:
    """Writes the record of a sweep; `often`: not within two seconds of the last time."""

    def __init__(self, path: Path, table: dict[str, Any], command: str, jobs: Sequence[Job]) -> None:
        self._path, self._table, self._command, self._jobs = path, table, command, jobs
        self._written = 0.0

    def write(self, outcomes: Sequence[Outcome | None], often: bool = False) -> None:
        if often and time.monotonic() - self._written < 2.0:
            return
        pairs = zip(self._jobs, outcomes, strict=True)
        rows = tuple(JobRecord.of(job.overrides, job.control, outcome) for job, outcome in pairs)
        SweepRecord(self._table, self._command, rows).write(self._path)
        self._written = time.monotonic()


def _look(job: Job) -> tuple[Outcome | None, str]:
    """The outcome of a job that needs no running (finished, or impossible), else None; and its fingerprint."""
    try:
        planned = plan(job.config)
    except LfnetError as error:
        return Outcome("failed", error=" ".join(str(error).split())), ""
    except Exception:
        return run_safely(job.config, job.choices), ""  # which fails alike and says where
    if planned.finished and not job.config["force"]:
        return run_safely(job.config, job.choices, planned), planned.fingerprint
    return None, planned.fingerprint


def _refuse_if_hopeless(outcomes: list[Outcome | None]) -> None:
    errors = {outcome.error if outcome and outcome.status == "failed" else None for outcome in outcomes}
    if len(errors) == 1 and (error := errors.pop()) is not None:
        raise LfnetError(error)


def _workers(config: dict[str, Any], jobs: int) -> int:
    asked = config["launcher"]["jobs"]
    if asked == "auto":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        asked = min(cores // max(1, int(config["trainer"]["threads"])), _fitting(config["launcher"]["memory"]))
        asked = max(1, asked)
    elif not isinstance(asked, int) or asked < 1:
        raise LfnetError(f"launcher.jobs={asked}: give auto or a number of jobs, 1 or more.")
    return max(1, min(int(asked), jobs))


def _fitting(needed: Any) -> int:
    """How many jobs of `needed` GB the memory holds that is free now, or all of it where only that is known."""
    if not isinstance(needed, int | float) or isinstance(needed, bool) or not needed > 0:
        raise LfnetError(f"launcher.memory={needed}: give the GB that one job needs, a number above 0.")
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    free = os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError):  # Linux: what the page cache would give back counts as free
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    return int(free / (needed * 1e9))


def _run(jobs: list[Job], indices: list[int], workers: int) -> Iterator[tuple[int, Outcome]]:
    if workers == 1:
        for index in indices:
            yield index, run_safely(jobs[index].config, jobs[index].choices)
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    ended: set[int] = set()
    calls = (joblib.delayed(_numbered)(index, jobs[index]) for index in indices)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1, pre_dispatch=workers)
    try:
        for index, outcome in parallel(calls):
            ended.add(index)
            yield index, outcome
        return
    except TerminatedWorkerError:
        print("a job's process was killed, most likely for want of memory: the other jobs go on one by one", flush=True)
    for index in indices:
        if index not in ended:
            yield index, _alone(index, jobs[index])


def _alone(index: int, job: Job) -> Outcome:
    """Run one job in a process of its own (joblib gives a single worker none): if it is killed, only it has failed."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        return joblib.Parallel(n_jobs=2)([joblib.delayed(_numbered)(index, job)])[0][1]
    except TerminatedWorkerError:
        return Outcome("failed", error="its process was killed, most likely for want of memory")


def _numbered(index: int, job: Job) -> tuple[int, Outcome]:
    from joblib.externals.loky import process_executor

    # loky takes a worker that holds a cohort for one that leaks memory, and would end it after every other job.
    process_executor._MAX_MEMORY_LEAK_SIZE = float("inf")
    return index, run_safely(job.config, job.choices)


def _line(count: str, name: str, job: Job, outcome: Outcome) -> str:
    head = f"{count} {outcome.status:<8} {name}"
    if outcome.error:
        return f"{head}: {outcome.error}"
    result = Result.read(Path(job.config["paths"]["runs"]) / outcome.run)
    metrics = result.metrics
    if not metrics:
        return f"{head}: {'; '.join(result.marks)}"
    mae = metrics.get("test", metrics["dev"])["recording"]["mae"]
    split = "test" if "test" in metrics else "dev"
    return f"{head}: {split} MAE {mae:.2f}, {outcome.seconds:.0f} s, {outcome.run}"
