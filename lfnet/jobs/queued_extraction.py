"""Extraction in the queue of a cluster: no clip is submitted twice, nor extracted elsewhere while it is queued."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.features.store import FeatureStore
from lfnet.files import make_folder
from lfnet.fingerprints import digest
from lfnet.jobs.settings import Paths
from lfnet.launchers.queue import QueuedJob, find_jobs, find_leftovers, latest
from lfnet.locks import lock
from lfnet.runs.submissions import SUBMISSIONS, Submission, SubmittedTask, read_submissions
from lfnet.text import plural

__all__ = ["check_not_queued", "find_extracting", "find_work_on", "one_submitter", "piece_keys"]

_LOCK = ".extraction.lock"
_CLIP_KEY = 12  # characters


def piece_keys(stores: Mapping[str, FeatureStore], lacking: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the keys of what each clip lacks (`Call.pieces`), one for its vectors in each store.

    They begin with the key of the clip, by which `lfnet forget` finds it, and name no one.

    Parameters
    ----------
    stores : mapping of FeatureStore
        By stream.
    lacking : mapping
        The ids of the clips that each stream lacks.
    """
    keys: dict[str, list[str]] = {}
    for stream, clips in lacking.items():
        folder = stores[stream].folder
        for clip in clips:
            keys.setdefault(clip, []).append(f"{_clip_key(folder.parent, clip)}{digest(folder.name)[:6]}")
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


def _clip_key(folder: Path, clip: str) -> str:
    """The key of a clip in its cohort's folder of features."""
    return digest([str(folder.absolute()), clip])[:_CLIP_KEY]


def find_work_on(clips: Sequence[str], cohort: str, paths: Paths) -> tuple[list[QueuedJob], list[Path]]:
    """Return the jobs that are queued or running and extract some clips of a cohort, and files that ended ones left.

    cohort: its name.
    """
    keys = {_clip_key(paths.cache / "features" / cohort, clip) for clip in clips}

    def concerns(one: Submission) -> bool:
        return any(piece[:_CLIP_KEY] in keys for task in one.tasks for piece in task.pieces)

    own = [one for one in read_submissions(paths.runs) if not one.cancelled and concerns(one)]
    active = [
        job
        for job in find_jobs(own)
        if job.status != "ended" and any(piece[:_CLIP_KEY] in keys for piece in job.task.pieces)
    ]
    left = [path for job, files in find_leftovers(paths.runs) if concerns(job.submission) for path in files]
    return active, left


@contextmanager
def one_submitter(runs: Path) -> Iterator[None]:
    """Let one command at a time look at what is queued and submit the rest of an extraction."""
    folder = Path(runs) / SUBMISSIONS
    make_folder(folder)
    with lock(folder / _LOCK):
        yield
