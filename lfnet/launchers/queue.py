"""Jobs in the queue of a cluster, which outlive the command: submit them, look at them, wait for them, cancel them.

Which job does which work is in the records of submissions (`lfnet.runs.submissions`). How far a job is comes from the
queue and from what the job wrote, never from memory.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lfnet.errors import LfnetError
from lfnet.files import make_folder
from lfnet.launchers.launcher import Call, Launcher
from lfnet.locks import lock
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import SUBMISSIONS, Submission, SubmittedTask, read_submissions

__all__ = [
    "Engine",
    "Entry",
    "QueueLauncher",
    "QueuedJob",
    "cancel",
    "discard_leftovers",
    "duration",
    "find_jobs",
    "find_latest",
    "find_leftovers",
    "latest",
]

_LOCK = ".submit.lock"
_PATIENCE = 60.0  # seconds in which the files of a job that has ended may reach this node
_POLLS = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between looks at the queue: more and more


@dataclass(frozen=True)
class Entry:
    """What the queue says of one job.

    Parameters
    ----------
    job : str
        Its number there: `12_3`.
    status : "queued", "running" or "ended"
    state : str
        The queue's own word: "OUT_OF_MEMORY".
    node : str
        Where it runs or ran, or "".
    seconds : float
        How long it has been running, or been in the queue.
    reason : str
        Why it waits, where that is unusual, or has ended; or "".
    """

    job: str
    status: Literal["queued", "running", "ended"]
    state: str
    node: str = ""
    seconds: float = 0.0
    reason: str = ""


class Engine(ABC):
    """What a kind of queue answers; one for each value of `Submission.engine`."""

    @abstractmethod
    def look(self, submissions: Sequence[Submission]) -> dict[tuple[str, int], Entry]:
        """Return what the queue knows of the user's own jobs, by the submission's name and the task's place.

        Raises
        ------
        LfnetError
            The queue does not answer, there is none on this machine, or the submissions are of another cluster.
        """

    @abstractmethod
    def cancel(self, submissions: Sequence[Submission], *, waiting: bool = False) -> None:
        """End all jobs of these submissions; `waiting`: those that have not started. Raises `LfnetError` as `look`."""

    @abstractmethod
    def log(self, submission: Submission, place: int) -> Path | None:
        """Return the log of a task, if there is one."""

    @abstractmethod
    def pickles(self, submission: Submission, place: int) -> list[Path]:
        """List the files of a task's pickled work, which may name people."""

    @abstractmethod
    def explain(self, submission: Submission, place: int, entry: Entry | None) -> str:
        """Say why a task ended without an outcome, and what to ask for."""


@dataclass(frozen=True)
class QueuedJob:
    """A task of a submission, and what is known of it.

    Parameters
    ----------
    submission, place
        Which one.
    engine : Engine
    entry : Entry or None
        What the queue says; None where it does not know the job any more.
    silence : str
        Why the queue did not answer; "" where it did.
    """

    submission: Submission
    place: int
    engine: Engine
    entry: Entry | None = None
    silence: str = ""

    @property
    def task(self) -> SubmittedTask:
        """What was asked for."""
        return self.submission.tasks[self.place]

    @property
    def status(self) -> Literal["queued", "running", "ended"]:
        """As the queue says. A job that wrote its outcome has ended; if the queue is silent, others are queued."""
        if self.entry is not None and self.entry.status == "queued":
            return "queued"
        outcome = self.submission.outcome(self.place)
        again = self.entry is not None and self.entry.status == "running"  # it may have been started again elsewhere
        if outcome is not None and outcome.status != "interrupted" and not (outcome.status == "failed" and again):
            return "ended"
        if self.silence:
            return "queued"
        return "ended" if self.entry is None else self.entry.status

    @property
    def outcome(self) -> Outcome:
        """How a job that has ended did so; no run folder is named, since its result may be gone."""
        found = self.submission.outcome(self.place)
        if found is not None and found.status == "interrupted":
            return replace(found, error=f"{found.error}. The queue has not started it again")
        if found is not None:
            return replace(found, run="")
        reason = self.engine.explain(self.submission, self.place, self.entry)
        log = self.log
        return Outcome("failed", error=f"{reason}; see {log}" if log else reason)

    @property
    def log(self) -> Path | None:
        """Its log in the submission's folder."""
        return self.engine.log(self.submission, self.place)

    def discard(self) -> None:
        """Remove the pickled work of a job that has ended; one that was killed could not do so itself."""
        for path in self.engine.pickles(self.submission, self.place):
            path.unlink(missing_ok=True)

    @property
    def text(self) -> str:
        """Where it is, for people: `running on n1 for 3 min`."""
        if self.entry is None or self.silence:
            return self.status
        where = f" on {self.entry.node}" if self.entry.node and self.status == "running" else ""
        return f"{self.status}{where} for {duration(self.entry.seconds)}"


def duration(seconds: float) -> str:
    """Format a duration: `12 s`, `3 min`, `2.5 h`.

    Examples
    --------
    >>> duration(12), duration(200), duration(9000)
    ('12 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def find_jobs(submissions: Sequence[Submission]) -> list[QueuedJob]:
    """Ask each queue once for all tasks of the submissions, and return them in order."""
    answers: dict[tuple[str, str], tuple[Engine, dict[tuple[str, int], Entry], str]] = {}
    for where, own in _by_queue(submissions).items():
        engine = _engine(where[0])
        try:
            answers[where] = engine, engine.look(own), ""
        except LfnetError as error:
            answers[where] = engine, {}, str(error)
    jobs = []
    for one in submissions:
        engine, entries, silence = answers[one.engine, one.cluster]
        for place in range(len(one.tasks)):
            jobs.append(QueuedJob(one, place, engine, entries.get((one.name, place)), silence))
    return jobs


def find_leftovers(runs: Path) -> list[tuple[QueuedJob, list[Path]]]:
    """Return the jobs that have ended and left pickled work, with its files; a silent queue tells of none.

    A command that is submitting jobs is waited for: its jobs are not known to the queue yet.
    """
    own = [one for one in read_submissions(runs) if not one.cancelled and one.pickles()]
    if not own:
        return []
    found = []
    with lock(Path(runs) / SUBMISSIONS / _LOCK):
        ended = [job for job in find_jobs(own) if job.status == "ended"]
    for one in own:
        jobs = [job for job in ended if job.submission is one]
        if len(jobs) == len(one.tasks):  # with what a command left that was killed while it submitted
            found.append((jobs[0], one.pickles()))
        else:
            found += [(job, files) for job in jobs if (files := job.engine.pickles(one, job.place))]
    return found


def discard_leftovers(runs: Path) -> None:
    """Remove what `find_leftovers` finds."""
    for _, files in find_leftovers(runs):
        for path in files:
            path.unlink(missing_ok=True)


def find_latest(runs: Path, keys: Sequence[str]) -> dict[str, QueuedJob]:
    """Return the job of each key that was submitted and not cancelled; of several, one that is in the queue, or the
    latest."""
    wanted = set(keys)
    own = [one for one in read_submissions(runs) if not one.cancelled and any(task.key in wanted for task in one.tasks)]
    return latest(job for job in find_jobs(own) if job.task.key in wanted)


def cancel(submissions: Sequence[Submission]) -> None:
    """End the jobs of submissions, and record that. Raises `LfnetError` where a queue does not answer."""
    for (engine, _), own in _by_queue(submissions).items():
        _engine(engine).cancel(own)
        for one in own:
            one.cancel()


def _by_queue(submissions: Sequence[Submission]) -> dict[tuple[str, str], list[Submission]]:
    """Submissions by engine and cluster."""
    found: dict[tuple[str, str], list[Submission]] = {}
    for one in submissions:
        found.setdefault((one.engine, one.cluster), []).append(one)
    return found


def _engine(name: str) -> Engine:
    if name == "slurm":
        from lfnet.launchers.slurm_engine import SlurmEngine

        return SlurmEngine()
    raise LfnetError(f"jobs were submitted to {name}, which this version of lfnet does not know.")


class QueueLauncher(Launcher):
    """A launcher whose jobs outlive the command."""

    runs: Path
    """The folder of runs, which all nodes see."""

    @abstractmethod
    def check(self) -> None:
        """Raise `LfnetError` where nothing can be submitted from here."""

    @abstractmethod
    def enqueue(self, calls: Sequence[Call], sweep: str, command: str) -> list[Submission]:
        """Hand calls to the queue."""

    def submit(self, calls: Sequence[Call], sweep: str = "", command: str = "") -> dict[str, QueuedJob]:
        """Submit the calls that are neither queued nor running, and return those that were, by key.

        Two commands that submit at once do so one after the other: nothing is submitted twice.

        Raises
        ------
        LfnetError
            The queue does not answer, or refuses the jobs.
        """
        self.check()
        folder = Path(self.runs) / SUBMISSIONS
        make_folder(folder)
        discard_leftovers(self.runs)
        with lock(folder / _LOCK):
            known = find_latest(self.runs, [call.key for call in calls])
            active = {key: job for key, job in known.items() if job.status != "ended"}
            if silence := next((job.silence for job in active.values() if job.silence), ""):
                raise LfnetError(silence)
            self.enqueue([call for call in calls if call.key not in active], sweep, command)
        return active

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Submit what is not in the queue, and wait for all. Interrupted or closed, it leaves the jobs in the queue."""
        self.submit(calls)
        yield from self.wait([call.key for call in calls])

    def withdraw(self, calls: Sequence[Call], sweep: str) -> None:
        """Take what a sweep has submitted of these calls, and has not started, out of the queue."""
        jobs = find_latest(self.runs, [call.key for call in calls]).values()
        own = {job.submission.name: job for job in jobs if job.status == "queued" and job.submission.sweep == sweep}
        for job in own.values():
            job.engine.cancel([job.submission], waiting=True)

    def wait(self, keys: Collection[str]) -> Iterator[tuple[str, Outcome]]:
        """Yield the key and the outcome of each call that was submitted under these keys, as it ends."""
        left = set(keys)
        own = [one for one in read_submissions(self.runs) if any(task.key in left for task in one.tasks)]
        for key in left - {task.key for one in own for task in one.tasks}:
            left.discard(key)
            yield key, Outcome("failed", error="it was not submitted")
        settling: dict[str, float] = {}
        told: set[str] = set()
        polls = iter(_POLLS)
        pause = next(polls)
        while left:
            jobs = latest(job for job in find_jobs(own) if job.task.key in left)
            for line in _remarks(jobs.values()):
                if line not in told:
                    told.add(line)
                    print(line, flush=True)
            ended = [key for key in jobs if jobs[key].status == "ended" and _settled(jobs[key], settling)]
            for key in ended:
                left.discard(key)
                jobs[key].discard()
                yield key, jobs[key].outcome
            if left:
                pause = _POLLS[0] if ended else next(polls, pause)
                time.sleep(pause)


def latest(jobs: Iterable[QueuedJob]) -> dict[str, QueuedJob]:
    """Return the job of each key: of several, the latest one that has not ended, else the latest."""
    found: dict[str, QueuedJob] = {}
    for job in jobs:
        key = job.task.key
        if key not in found or job.status != "ended" or found[key].status == "ended":
            found[key] = job
    return found


def _remarks(jobs: Collection[QueuedJob]) -> list[str]:
    """Why jobs may have to be waited for long: the queue does not answer, or holds them."""
    silent = {f"{job.silence} The jobs are waited for." for job in jobs if job.silence}
    held = {job.entry.reason for job in jobs if job.entry is not None and job.status == "queued" and job.entry.reason}
    return sorted(silent) + [f"jobs wait: {reason}" for reason in sorted(held)]


def _settled(job: QueuedJob, since: dict[str, float]) -> bool:
    """Whether a job that has ended is known to leave no outcome, or has left one: files reach other nodes late."""
    if job.submission.outcome(job.place) is not None or (job.entry is not None and job.entry.state != "COMPLETED"):
        return True
    now = time.monotonic()
    return now - since.setdefault(job.task.key, now) > _PATIENCE
