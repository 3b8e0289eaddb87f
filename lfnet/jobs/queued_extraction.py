"""Extraction in the queue of a cluster: no clip is submitted twice, nor extracted elsewhere while it is queued."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.features.store import FeatureStore
from lfnet.files import make_folder
from lfnet.fingerprints import digest
from lfnet.launchers.queue import QueuedJob, find_jobs, latest
from lfnet.locks import lock
from lfnet.runs.submissions import SUBMISSIONS, Submission, SubmittedTask, read_submissions
from lfnet.text import plural

__all__ = ["check_not_queued", "find_extracting", "one_submitter", "piece_keys"]

_LOCK = ".extraction.lock"


def piece_keys(stores: Mapping[str, FeatureStore], lacking: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the keys of what each clip lacks (`Call.pieces`): one for its vectors in each store, of 16 characters.

    Parameters
    ----------
    stores : mapping of FeatureStore
        By stream.
    lacking : mapping
        The ids of the clips that each stream lacks.
    """
    keys: dict[str, list[str]] = {}
    for stream, clips in lacking.items():
        folder = str(Path(stores[stream].folder).absolute())
        for clip in clips:
            keys.setdefault(clip, []).append(digest(["vectors", folder, clip])[:16])
    return {clip: tuple(own) for clip, own in keys.items()}


def find_extracting(runs: Path, pieces: Mapping[str, tuple[str, ...]], sweep: str = "") -> dict[str, QueuedJob]:
    """Return the jobs, by key, that are queued or running and extract some of these pieces, or belong to `sweep`."""
    wanted = {key for keys in pieces.values() for key in keys}

    def concerns(one: Submission, task: SubmittedTask) -> bool:
        return (bool(sweep) and one.sweep == sweep) or not wanted.isdisjoint(task.pieces)

    found = [one for one in read_submissions(runs) if not one.cancelled]
    own = [one for one in found if any(concerns(one, task) for task in one.tasks)]
    jobs = latest(job for job in find_jobs(own) if concerns(job.submission, job.task))
    return {key: job for key, job in jobs.items() if job.status != "ended"}


def check_not_queued(cohort: str, runs: Path, pieces: Mapping[str, tuple[str, ...]], sweep: str) -> None:
    """Raise `LfnetError` where jobs in a queue extract what is missing, or belong to the sweep that needs it.

    cohort: its name. pieces: of the clips that lack vectors.
    """
    jobs = list(find_extracting(runs, pieces, sweep).values())
    if not jobs:
        return
    silent = sorted({job.silence for job in jobs if job.silence})
    raise LfnetError(
        f"cohort {cohort}: {plural(len(pieces), 'clip')} have no features yet, and {plural(len(jobs), 'job')} that "
        f"extract them are in a queue ({jobs[0].text}): run this again when they have ended. `lfnet jobs` lists them, "
        "`lfnet cancel` ends them." + "".join(f" {line}" for line in silent)
    )


@contextmanager
def one_submitter(runs: Path) -> Iterator[None]:
    """Let one command at a time look at what is queued and submit the rest of an extraction."""
    folder = Path(runs) / SUBMISSIONS
    make_folder(folder)
    with lock(folder / _LOCK):
        yield
