"""Extraction of what features are missing: in this process, or shared by clips over the processes of a launcher."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heapreplace
from typing import Any
from uuid import uuid4

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate
from lfnet.encoders.encoder import Encoder
from lfnet.errors import Interrupted, LfnetError, describe_failure
from lfnet.extras import require
from lfnet.features.estimate import estimate
from lfnet.features.extract import Incomplete, clear_abandoned, extract, needs_landmarker, open_stores
from lfnet.features.extraction_job import Job, Missing, by_stream
from lfnet.features.store import FeatureStore
from lfnet.files import personal_files
from lfnet.fingerprints import digest
from lfnet.jobs.queued_extraction import check_not_queued, find_extracting, one_submitter, piece_keys
from lfnet.jobs.session import Session, own_session
from lfnet.jobs.settings import InputSettings
from lfnet.launchers.launcher import Call, Launcher, Need
from lfnet.launchers.queue import QueueLauncher
from lfnet.runs.resources import peak_memory, record_peaks
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import EXTRACTION, extraction_of
from lfnet.signals import stoppable
from lfnet.text import plural

__all__ = ["ExtractionCall", "extract_missing", "share"]

_FRAMES = 2_000  # of a part: half a minute or more, so that starting a process does not count
_WORTH = 5_000  # of each of two parts that are worth processes of their own on this machine: they start in six seconds
_MAX_PARTS = 500  # what queues take at once


@dataclass(frozen=True, eq=False)
class ExtractionCall(Call):
    """Extracts some clips of a cohort (`lfnet.launchers.launcher.Call`).

    Its outcome is "finished" also where clips cannot be read: `error` then has a line for each. Every clip is written
    when it is done, so that a second call goes on where the first was ended.

    Parameters
    ----------
    key, name, need, overrides
        As in `Call`; the key is a digest of clips and settings, and there are no overrides.
    cohort : Cohort
        With these clips alone.
    encoders : mapping
        The nodes of the encoders by name; a worker opens them once.
    given : mapping
        The other arguments of `extract`.
    access : str
        `paths.mode`.
    sweep : str
        Calls with the same one share a worker's encoders.
    here : bool
        Whether this is the process that made it; not pickled.
    """

    cohort: Cohort
    encoders: Mapping[str, Mapping[str, Any]]
    given: Mapping[str, Any]
    access: str
    sweep: str
    here: bool = field(default=True, repr=False)

    def __call__(self) -> Outcome:
        """Extract the clips; the outcome has the peak of memory."""
        begun = time.perf_counter()
        try:
            with stoppable(), peak_memory() as peak, personal_files(self.access):
                outcome = self._extract()
        except Interrupted:
            if self.here:
                raise
            return Outcome("interrupted", self.key, error="interrupted; clips that were done are kept", saved=True)
        return replace(outcome, memory=peak.gb, seconds=time.perf_counter() - begun)

    def _extract(self) -> Outcome:
        try:
            extract(self.cohort, self._opened(), progress=False, **self.given)
        except Incomplete as error:
            return Outcome("finished", self.key, error="\n".join(error.failed))
        except Exception as error:
            return Outcome("failed", self.key, error=describe_failure(error))
        return Outcome("finished", self.key)

    def _opened(self) -> list[Encoder]:
        """The encoders of this process, whose networks stay loaded until it serves another sweep."""
        nodes = self.encoders
        return own_session(self.sweep).keep(
            "encoders", digest(nodes), lambda: [instantiate(node, f"encoder.{name}") for name, node in nodes.items()]
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "here": False}


def extract_missing(
    cohort: Cohort,
    settings: InputSettings,
    encoders: Sequence[Encoder],
    session: Session,
    *,
    progress: bool = True,
) -> dict[str, FeatureStore]:
    """Return the stores of a cohort by stream, with what is missing extracted.

    Parameters
    ----------
    cohort : Cohort
    settings : InputSettings
    encoders : sequence of Encoder
        Those of `settings`, or none for a cohort with its own vectors.
    session : Session
        The processes of its launcher share the clips where it runs several, except for vectors that a cohort brings.
        Their failure is found once in it, not by every job.
    progress : bool
        Whether to say what is extracted.

    Raises
    ------
    Incomplete
        Clips could not be read; the others are extracted.
    LfnetError
        The encoders do not fit the cohort, processes of the launcher were lost, or jobs in a queue extract the same.
    """
    given: dict[str, Any] = {
        "cache": settings.paths.cache,
        "video": settings.video,
        "stride": settings.encoding.stride,
    }
    stores, lacking = open_stores(cohort, encoders, **given)
    if not lacking:
        clear_abandoned(stores)
        return stores
    if encoders:
        require("video", use=f"encoder={','.join(encoder.name for encoder in encoders)}")
    if needs_landmarker(cohort, [encoder for encoder in encoders if encoder.name in lacking]):
        given["mesh_model"] = settings.video.find_landmarker(settings.paths.weights)
    given["batch_size"] = settings.encoding.batch_size
    launcher = session.launcher
    if launcher is not None and (session.submit or not isinstance(launcher, QueueLauncher)):
        check_not_queued(cohort.name, settings.paths.runs, piece_keys(stores, lacking), session.sweep)
    job = Job(cohort, tuple(encoders), **given)
    if (
        launcher is None
        or cohort.own is not None
        or not session.keep(
            "is extraction shared", settings.key, lambda: launcher.extracts(_needs(launcher, job, settings))
        )
    ):
        if progress:
            session.display.print(f"cohort {cohort.name}: {estimate(cohort, encoders, **given)}")
        with session.display.paused():
            return extract(cohort, encoders, progress=progress, **given)
    if session.submit:
        clips = len({clip_id for own in lacking.values() for clip_id in own})
        raise LfnetError(
            f"cohort {cohort.name}: {plural(clips, 'clip')} have no features yet, and --submit does not wait for them. "
            "Run `lfnet extract` first, with the same launcher, cohort and encoder."
        )
    with session.display.paused():
        failure = session.keep(
            "shared extraction", settings.key, lambda: _extract_by(launcher, job, settings, session.sweep)
        )
    if failure is not None:
        raise failure
    return job.stores()


def _extract_by(launcher: Launcher, job: Job, settings: InputSettings, sweep: str) -> LfnetError | None:
    """Extract with the processes of a launcher, and print a line for each part; returns what failed."""
    kind, need = _kind(settings), _need(launcher, settings)
    cohort = job.cohort
    if isinstance(launcher, QueueLauncher):
        parts, ends = _submit(launcher, job, settings, need, sweep)
    else:
        calls = _calls(job, job.missing(job.stores()), settings, need)
        parts, ends = {call.key: call.name for call in calls}, launcher.run(calls)
    failed: dict[str, str] = {}
    lines: list[str] = []
    peak, ended = 0.0, 0
    try:
        for key, outcome in ends:
            ended += 1
            peak = max(peak, outcome.memory)
            if outcome.status == "finished":
                lines += (outcome.error or "").splitlines()
                end = f"extracted {parts[key]}, {outcome.seconds:.0f} s"
            else:
                failed[key] = outcome.error or outcome.status
                end = f"{outcome.status} {parts[key]}: {failed[key]}"
            print(f"[{ended:>{len(str(len(parts)))}}/{len(parts)}] {end}", flush=True)
    finally:
        record_peaks(settings.paths.cache, {kind: peak})
    if failed:
        return LfnetError(
            f"cohort {cohort.name}: {len(failed)} of {plural(len(parts), 'part')} of the extraction failed: "
            f"{next(iter(failed.values())).rstrip('.')}. Clips that are done are kept."
        )
    if lines:
        places = {str(clip_id): place for place, clip_id in enumerate(cohort.clips["clip_id"])}
        lines.sort(key=lambda line: places.get(line.partition(": ")[0], 0))
        return Incomplete(lines, cohort, job.stores())
    return None


def _kind(settings: InputSettings) -> str:
    """The name under which the memory of an extraction is kept."""
    return "+".join(settings.encoders)


def _need(launcher: Launcher, settings: InputSettings) -> Need:
    """What one part of an extraction needs. A library's own choice of threads would be all cores, for each process."""
    memory = launcher.memory_of(_kind(settings), settings.paths.cache)
    return Need(settings.encoding.threads or 1, memory, settings.encoding.device)


def _needs(launcher: Launcher, job: Job, settings: InputSettings) -> list[Need]:
    """What each part of an extraction needs, where parts are as large as they must be to be worth a process."""
    frames = {one.clip.clip_id: job.count_frames(one) for one in job.missing(job.stores())}
    return [_need(launcher, settings) for _ in share(frames, per_part=_WORTH)]


def _submit(
    launcher: QueueLauncher, job: Job, settings: InputSettings, need: Need, sweep: str
) -> tuple[dict[str, str], Iterator[tuple[str, Outcome]]]:
    """Submit what no job of a queue extracts already; returns the names of all these jobs by key, and how they end."""
    with one_submitter(launcher.runs):
        stores = job.stores()
        missing = job.missing(stores)
        pieces = piece_keys(stores, by_stream(missing))
        queued = find_extracting(launcher.runs, pieces)
        if queued:
            print(f"cohort {job.cohort.name}: {plural(len(queued), 'part')} queued or running before", flush=True)
        covered = {piece for one in queued.values() for piece in one.task.pieces}
        missing = [one for one in missing if not covered.issuperset(pieces[one.clip.clip_id])]
        calls = _calls(job, missing, settings, need)
        launcher.submit(calls, extraction_of(sweep))
    parts = {**{key: one.task.name for key, one in queued.items()}, **{call.key: call.name for call in calls}}
    return parts, _wait(launcher, list(parts))


def _wait(launcher: QueueLauncher, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    try:
        yield from launcher.wait(keys)
    except KeyboardInterrupt:
        listed = f"`lfnet jobs {EXTRACTION}` lists them; `lfnet cancel {EXTRACTION}` ends them"
        print(f"the parts of the extraction stay in the queue: {listed}", flush=True)
        raise


def _calls(job: Job, missing: Sequence[Missing], settings: InputSettings, need: Need) -> list[ExtractionCall]:
    """Share the clips that lack vectors into parts, and print how many."""
    if not missing:
        return []
    cohort, stores = job.cohort, job.stores()
    pieces = piece_keys(stores, by_stream(missing))
    frames = {one.clip.clip_id: job.count_frames(one) for one in missing}
    parts = share(frames)
    print(
        f"cohort {cohort.name}: {plural(len(frames), 'clip')}, {plural(sum(frames.values()), 'frame')} to extract in "
        f"{plural(len(parts), 'part')}",
        flush=True,
    )
    nodes = {
        name: {**node, "threads": need.threads} if "threads" in node else node
        for name, node in settings.encoders.items()
    }
    made = [str(store.folder) for store in stores.values()]
    given = {name: getattr(job, name) for name in ("cache", "mesh_model", "video", "stride", "batch_size")}
    sweep = uuid4().hex
    calls = []
    for clips in parts:
        name = f"{plural(len(clips), 'clip')}, {plural(sum(frames[clip] for clip in clips), 'frame')}"
        own = replace(cohort, clips=cohort.clips[cohort.clips["clip_id"].isin(clips)], about=None)
        key = digest(["extraction", made, clips])
        own_pieces = tuple(piece for clip in clips for piece in pieces[clip])
        work = (own, nodes, given, settings.paths.mode, sweep)
        calls.append(ExtractionCall(key, name, need, (), *work, pieces=own_pieces))
    return calls


def share(frames: Mapping[str, int], per_part: int = _FRAMES, max_parts: int = _MAX_PARTS) -> list[list[str]]:
    """Share clips into parts of similar numbers of frames.

    Parameters
    ----------
    frames : mapping of str to int
        The frames of each clip; 0 where they are not known, which counts as the mean of the others.
    per_part : int
        Frames of a part, or more.
    max_parts : int
        The largest number of parts.

    Returns
    -------
    list of list of str
        The clips of each part, in the order of `frames`; none is empty.

    Examples
    --------
    >>> share({"a": 900, "b": 100, "c": 500, "d": 400}, per_part=900)
    [['a', 'b'], ['c', 'd']]
    """
    known = [number for number in frames.values() if number]
    mean = sum(known) / len(known) if known else 1.0
    sizes = {clip: number or mean for clip, number in frames.items()}
    parts = int(min(max(1, sum(sizes.values()) // per_part), len(frames), max_parts))
    loads = [(0.0, part) for part in range(parts)]
    heapify(loads)
    place: dict[str, int] = {}
    for clip in sorted(sizes, key=lambda clip: -sizes[clip]):  # the longest first, each to the part with the fewest
        load, part = loads[0]
        place[clip] = part
        heapreplace(loads, (load + sizes[clip], part))
    shared: list[list[str]] = [[] for _ in range(parts)]
    for clip in frames:
        shared[place[clip]].append(clip)
    return shared
