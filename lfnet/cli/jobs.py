"""`lfnet jobs` and `lfnet cancel`: the jobs of a sweep in the queue of a cluster."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lfnet.errors import LfnetError
from lfnet.text import align_columns, plural

if TYPE_CHECKING:
    from lfnet.launchers.queue import QueuedJob
    from lfnet.runs.submissions import Submission

__all__ = ["cancel", "main"]

HELP = """\
usage: lfnet jobs [NAME] [OVERRIDES] [--all]

List the jobs that were submitted to the queue of a cluster (launcher=slurm) and have not finished: state, node, how
long it has been in this state, and log. NAME is a table, with the overrides that it was submitted with, or `multirun`
for a sweep of `lfnet train -m`, each with the extraction that it needs; `extraction` for all extractions; without NAME,
all jobs. Finished jobs are counted; --all lists them too.

examples:
  lfnet jobs
  lfnet jobs architectures
  lfnet jobs architectures seed=0,1,2 --all
  lfnet jobs extraction
  lfnet jobs paths.runs=/scratch/lfnet_runs
"""

CANCEL_HELP = """\
usage: lfnet cancel NAME [OVERRIDES]

End the jobs of a sweep that are queued or running in the queue of a cluster. Finished jobs stay. NAME and OVERRIDES are
those of `lfnet jobs`. Afterwards the sweep can be submitted again, or run here.

examples:
  lfnet cancel architectures
"""


def main(argv: list[str]) -> int:
    """`lfnet jobs NAME OVERRIDES`. Returns 0."""
    if {"-h", "--help"} & set(argv):
        print(HELP, end="")
        return 0
    words = [word for word in argv if word != "--all"]
    from lfnet.launchers.queue import discard_leftovers

    sweep, runs = _find_sweep("jobs", words)
    discard_leftovers(runs)
    jobs = _latest_jobs(_submissions(sweep, runs))
    states = {job.task.key: _state(job, runs) for job in jobs}
    shown = jobs if "--all" in argv else [job for job in jobs if states[job.task.key] != "finished"]
    for silence in sorted({job.silence for job in jobs if job.silence}):
        print(f"{silence} Jobs without an outcome are listed as queued.")
    folder = None
    for job in shown:
        if job.submission.folder != folder:
            folder = job.submission.folder
            print(_heading(job.submission))
            own = [one for one in shown if one.submission.folder == folder]
            print("\n".join(f"  {line}" for line in align_columns([_row(one, states[one.task.key]) for one in own])))
            for one in own:
                if states[one.task.key] == "failed":
                    print(f"  {_name(one)}: {one.outcome.error or 'its result is gone'}")
    print(_counted(list(states.values())))
    return 0


def cancel(argv: list[str]) -> int:
    """`lfnet cancel NAME OVERRIDES`. Returns 0, or 2 without a name."""
    if not argv or argv[0] in ("-h", "--help"):
        print(CANCEL_HELP, end="")
        return 0 if argv else 2
    from lfnet.launchers import queue

    sweep, runs = _find_sweep("cancel", argv)
    if not sweep:
        raise LfnetError("name the sweep whose jobs are to end: lfnet cancel NAME. `lfnet jobs` lists them.")
    submissions = _submissions(sweep, runs)
    jobs = [job for job in _latest_jobs(submissions) if job.status != "ended"]
    queue.cancel(submissions)
    print(f"{plural(len(jobs), 'job')} of {sweep} cancelled" if jobs else f"no job of {sweep} was queued or running")
    return 0


def _find_sweep(command: str, words: list[str]) -> tuple[str, Path]:
    """The name of the sweep ("" for all), and the folder of runs."""
    from lfnet.cli.configs import paths
    from lfnet.cli.table import find_sweep_files
    from lfnet.runs.submissions import EXTRACTION

    if not words or words[0].startswith(("paths.", "paths=")):
        return "", paths(words)["runs"]
    if words[0].startswith("-"):
        raise LfnetError(f"the name comes first: lfnet {command} NAME {' '.join(words)}.")
    if words[0] == EXTRACTION:
        return EXTRACTION, paths(words[1:])["runs"]
    record, runs, _ = find_sweep_files("none" if words[0] == "multirun" else words[0], words[1:])
    return record.stem, runs


def _submissions(sweep: str, runs: Path) -> "list[Submission]":
    from lfnet.runs.submissions import read_submissions

    found = [one for one in read_submissions(runs) if not one.cancelled and one.belongs(sweep)]
    if sweep and not found:
        raise LfnetError(f"no job of {sweep} was submitted from {runs}. `lfnet jobs` lists all that were.")
    return found


def _latest_jobs(submissions: "list[Submission]") -> "list[QueuedJob]":
    """The latest job of each key: one that was submitted again is listed once."""
    from lfnet.launchers.queue import find_jobs, latest

    return list(latest(find_jobs(submissions)).values())


def _state(job: "QueuedJob", runs: Path) -> str:
    """As the queue says; of a job that has ended, as its run folder does, since it may have been run elsewhere."""
    from lfnet.runs.run import Run

    if job.status != "ended":
        return job.status
    extracts = bool(job.task.pieces)
    done = job.outcome.status == "finished" if extracts else Run.finished(runs, job.task.key)
    return "finished" if done else "failed"


def _name(job: "QueuedJob") -> str:
    return job.task.name or job.task.key[:16]


def _heading(submission: "Submission") -> str:
    from lfnet.launchers.queue import duration

    age = duration(time.time() - submission.submitted)
    return f"{submission.sweep or submission.name}: submitted {age} ago, logs in {submission.folder}"


def _row(job: "QueuedJob", state: str) -> list[str]:
    from lfnet.launchers.queue import duration

    entry = job.entry
    log = job.log
    age = duration(entry.seconds) if entry is not None and job.status != "ended" else "-"
    node = (entry.node if entry is not None else "") or "-"
    why = f" ({entry.reason})" if entry is not None and job.status == "queued" and entry.reason else ""
    return [f"{state}{why}", node, age, log.name if log else "-", _name(job)]


def _counted(states: list[str]) -> str:
    if not states:
        return "no job was submitted"
    counts = Counter(states)
    return ", ".join(f"{counts[word]} {word}" for word in ("running", "queued", "failed", "finished") if counts[word])
