"""Many jobs: finished ones are skipped, failed ones are named, and each job prints one line."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lfnet.evaluation.class_metrics import binary_text, is_binary
from lfnet.files import personal_files
from lfnet.jobs.planned import Job, PlannedJobs
from lfnet.jobs.queued import SweepQueue, check_launcher
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_settings
from lfnet.jobs.sweep_display import SweepDisplay
from lfnet.launchers.launcher import Launcher
from lfnet.runs.resources import record_peaks
from lfnet.runs.result import Result
from lfnet.runs.run import Outcome, Run
from lfnet.runs.sweep_record import JobRecord, SweepRecord, Swept, sweep_command, sweep_name
from lfnet.signals import stoppable
from lfnet.text import plural

__all__ = ["run_sweep"]

_MAX_SHOWN = 20  # jobs that were finished before


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
    with session.shown_by(SweepDisplay()) as display:
        return _run_sweep(jobs, given, session, options, launcher, submit, display)


def _run_sweep(
    jobs: list[Job],
    given: Any,
    session: Session,
    options: Sequence[str],
    launcher: Launcher | None,
    submit: bool,
    display: SweepDisplay,
) -> Swept:
    display.phase("settings of the jobs")
    settings = [read_settings(job.config, session) for job in jobs]
    first = settings[0]
    table, paths = jobs[0].config["table"], first.inputs.paths
    launcher = launcher or first.launcher
    check_launcher(launcher, submit=submit, fail_fast=first.fail_fast)
    path = paths.runs / "sweeps" / f"{sweep_name(table['name'], list(given))}.json"
    session.launcher, session.submit, session.sweep = launcher, submit, path.stem
    command = sweep_command(table["name"], list(given), options)
    record = _RecordWriter(path, paths.mode, table, command, jobs)
    planned = PlannedJobs(jobs, session)
    queue = SweepQueue(launcher, paths, path.stem, command)
    queue.record_peaks(planned.kinds)
    finished, failed = planned.count("skipped"), planned.cannot_start
    calls = [] if first.fail_fast and failed else planned.calls(launcher)
    record.write(planned.outcomes)
    held = queue.hold(calls, submit=submit)
    for key, outcome in held.items():
        planned.end(key, outcome)
    calls = [call for call in calls if call.key not in held]
    lines = queue.lines(planned.names, planned.outcomes)
    if not lines:
        lines = [_summary(len(jobs), finished, len(calls), len(held), len(failed)), *queue.silences]
        lines += [] if table["name"] else _finished_before(planned, paths.runs)  # a table shows them itself
        lines += [f"warning: {text}" for text in planned.doubts]
        lines += [f"cannot start {error if error.startswith(name) else f'{name}: {error}'}" for name, error in failed]
    display.print("\n".join(lines))
    if calls:
        at_once = launcher.at_once([call.need for call in calls])
        display.begin({call.key: call.name for call in calls}, side_by_side=at_once)
    record.write(planned.outcomes)
    try:
        for number, (key, ended) in enumerate(queue.run(calls), start=1):
            outcome = planned.end(key, ended)
            count = f"[{number:>{len(str(len(calls)))}}/{len(calls)}]"
            line, value, title = _line(count, planned.name(key), paths.runs, outcome)
            display.end(key, value, title)
            display.print(line)
            record.write(planned.outcomes, often=True)
            if outcome.status == "failed" and first.fail_fast:
                queue.withdraw(calls)
                break
    finally:
        record.write(planned.outcomes)
        with personal_files(paths.mode):
            record_peaks(paths.runs, planned.peaks)
    not_run = Outcome("failed", error="not run: an earlier job failed (fail_fast=true)")
    return Swept(path, paths.runs, paths.tables, tuple(outcome or not_run for outcome in planned.outcomes))


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


def _summary(jobs: int, finished: int, to_run: int, queued: int, impossible: int) -> str:
    in_queue = f", {queued} in the queue of another sweep" if queued else ""
    cannot = f", {impossible} cannot start" if impossible else ""
    same = jobs - finished - to_run - queued - impossible  # a fusion is named once a head, and is one job
    repeated = f", {same} the same as one of these" if same > 0 else ""
    return f"{plural(jobs, 'job')}: {finished:,} finished already, {to_run:,} to run{in_queue}{cannot}{repeated}"


def _line(count: str, name: str, runs: Path, outcome: Outcome) -> tuple[str, float | None, str]:
    """What is printed of a job that has ended; its main metric, and the title of that."""
    head = f"{count} {outcome.status:<8} {name}"
    if outcome.error:
        return f"{head}: {outcome.error}", None, ""
    result = Run(runs / outcome.run).result
    text, value = _metric(result)
    seconds = f", {outcome.seconds:.0f} s, {outcome.run}" if result.metrics else ""
    return f"{head}: {text}{seconds}", value, "" if value is None else text.rpartition(" ")[0]


def _metric(result: Result) -> tuple[str, float | None]:
    """The main metric of a run in words, and as a number; of one without scores, what a reader must know."""
    metrics = result.metrics
    if not metrics:
        return "; ".join(result.marks), None
    split = "test" if "test" in metrics else "dev"
    numbers = metrics[split]["recording"]
    if is_binary(numbers):
        return f"{split} {binary_text(numbers, 1)}", numbers["auroc"]
    return f"{split} {_number(numbers)}", numbers.get("mae", numbers.get("spearman"))


def _finished_before(planned: PlannedJobs, runs: Path) -> list[str]:
    """A line for each job that was finished before, up to `_MAX_SHOWN` of them."""
    ended = zip(planned.names, planned.outcomes, strict=True)
    lines = []
    for name, run in [(name, end.run) for name, end in ended if end and end.status == "skipped"]:
        lines.append(f"finished before: {name or 'the job'}: {_metric(Run(runs / run).result)[0]}, {run}")
    return [*lines[:_MAX_SHOWN], *["… `lfnet runs` lists all"] * (len(lines) > _MAX_SHOWN)]


def _number(numbers: Mapping[str, float | None]) -> str:
    """MAE; of scores on another scale than the labels, whose ranks alone mean something, Spearman's correlation."""
    name, label = ("mae", "MAE") if "mae" in numbers else ("spearman", "Spearman")
    value = numbers[name]
    return f"{label} undefined" if value is None else f"{label} {value:.2f}"
