"""A job's inputs: its cohort and the features of all clips, extracted where they are missing."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from lfnet.audit.audit import filming_of
from lfnet.cohorts.binary import binarised
from lfnet.cohorts.cohort import DOUBTFUL, Cohort
from lfnet.config import instantiate
from lfnet.encoders.encoder import Encoder, per_segment
from lfnet.errors import LfnetError
from lfnet.features.derived import PULSE, SKIN, pulse_store
from lfnet.features.filming import read_filming
from lfnet.features.health import UNSCALED, unscaled
from lfnet.features.joined_streams import JoinedStreams, parts_of
from lfnet.features.normalised import FilmingSettings, NormalisedStream
from lfnet.features.store import Readable
from lfnet.fingerprints import digest
from lfnet.jobs.extraction import extract_missing
from lfnet.jobs.session import Session
from lfnet.jobs.settings import InputSettings
from lfnet.runs.removal_record import check_removals

__all__ = ["Inputs", "load_cohort", "prepare", "prepare_streams"]


@dataclass(frozen=True)
class Inputs:
    """A cohort and the stores of its clips' vectors, by stream."""

    cohort: Cohort
    stores: Mapping[str, Readable]

    @property
    def store(self) -> Readable:
        """The first stream's: what heads, baselines and the audit read."""
        return next(iter(self.stores.values()))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What looks like a forgotten setting: to be said before anything is trained."""
        return tuple(text for text in self.cohort.warnings if text.startswith((DOUBTFUL, UNSCALED)))

    @contextmanager
    def keep_open(self) -> Iterator[None]:
        """Open each feature file once within the block."""
        with ExitStack() as stack:
            for store in self.stores.values():
                stack.enter_context(store.keep_open())
            yield


def load_cohort(settings: InputSettings, session: Session) -> Cohort:
    """Load the cohort in the splits and with the labels that the settings name; once in a session."""

    def load() -> Cohort:
        return binarised(instantiate(settings.cohort, "cohort")).one_id_each()

    def split() -> Cohort:
        cohort: Cohort = session.keep("cohort", digest(settings.cohort), load)
        if settings.splits is None:
            return cohort
        # Hydra would make a dict of a cohort among the settings.
        made: Cohort = instantiate({**settings.splits, "_partial_": True}, "splits")(cohort)
        return made

    return session.keep("split cohort", digest([settings.cohort, settings.splits]), split)


def prepare(settings: InputSettings, session: Session, *, progress: bool = True) -> Inputs:
    """The cohort and the one stream that a head reads, of one encoder or of several; extracted where it is missing.

    The streams of frames that a cohort brings are joined, too.

    Raises `LfnetError` where an encoder does not fit the cohort or gives no vector a frame, or clips cannot be read.
    """
    return session.keep("inputs of a head", settings.key, lambda: _one_stream(settings, session, progress))


def _one_stream(settings: InputSettings, session: Session, progress: bool) -> Inputs:
    with ExitStack() as stack:
        encoders = _encoders(settings, stack)
        for encoder in encoders:
            if per_segment(encoder):
                raise LfnetError(
                    f"encoder={encoder.name} gives one vector a segment, and a head reads frames: choose an encoder of "
                    "frames for `lfnet train`, or train a fusion."
                )
        cohort = _cohort_of_job(settings, session)
        extracted = extract_missing(cohort, settings, encoders, session, progress=progress)
    stores: dict[str, Readable] = {**extracted}
    joining = settings.streams
    if joining is not None:
        for own in getattr(cohort.own, "more", ()):
            if own.meta.get("per_segment") != "true":  # a head reads frames
                stores |= extract_missing(replace(cohort, own=own), settings, [], session, progress=progress)
    if settings.filming is not None:
        stores = _filmed_alike(cohort, stores, settings.filming)
    if joining is None and len(stores) > 1:
        raise LfnetError(f"the encoders {', '.join(stores)} are to be joined, and no `streams` node says how.")
    if joining is None or not (len(stores) > 1 or joining.columns):
        return Inputs(_with_unscaled(cohort, next(iter(stores.values()))), stores)
    train = cohort.clips.loc[cohort.clips["split"] == "train", "clip_id"].tolist()
    joined = JoinedStreams(parts_of(stores, joining, str(cohort.clips["clip_id"].iloc[0])), train, joining)
    return Inputs(cohort, {joined.stream: joined})


def _with_unscaled(cohort: Cohort, store: Readable) -> Cohort:
    """The cohort with a warning where the features of its one stream are not scaled."""
    train = cohort.clips.loc[cohort.clips["split"] == "train", "clip_id"].tolist()
    return replace(cohort, warnings=(*cohort.warnings, *unscaled(store, train)))


def _filmed_alike(cohort: Cohort, stores: Mapping[str, Readable], settings: FilmingSettings) -> dict[str, Readable]:
    """The stores with the normalisation that `filming` asks for."""
    clips, wanted = cohort.clips, settings.adjust or ()
    numbers: dict[str, np.ndarray] = {}
    if wanted:
        measured = read_filming(next(iter(stores.values())), clips["clip_id"])
        known = filming_of(cohort, None, measured).table
        table = known.reindex(columns=list(wanted)).reindex(clips["recording_id"]).astype(float)
        if lacking := [name for name in wanted if table[name].isna().any()]:
            raise LfnetError(
                f"filming.adjust: {', '.join(lacking)} of {int(table[lacking].isna().any(axis=1).sum())} of "
                f"{len(clips)} clips is unknown. Extract the features again with this version, give columns of the "
                "manifest, or set filming=none."
            )
        numbers = dict(zip(clips["clip_id"], table.to_numpy(), strict=True))
    train = clips[clips["split"] == "train"]
    of_train = dict(zip(train["clip_id"], train["person_id"], strict=True))
    return {name: NormalisedStream(store, settings, numbers, of_train) for name, store in stores.items()}


def prepare_streams(settings: InputSettings, session: Session, *, progress: bool = True) -> Inputs:
    """The cohort and all streams of its encoders, for a fusion; what is missing is extracted, in one pass.

    A cohort that brings its own vectors may bring several streams. The stream `skin` becomes the stream `pulse`.
    Raises `LfnetError` where an encoder does not fit the cohort, or clips cannot be read.
    """
    return session.keep("inputs of a fusion", settings.key, lambda: _all_streams(settings, session, progress))


def _all_streams(settings: InputSettings, session: Session, progress: bool) -> Inputs:
    cohort = _cohort_of_job(settings, session)
    with ExitStack() as stack:
        encoders = _encoders(settings, stack)
        stores = extract_missing(cohort, settings, encoders, session, progress=progress)
    for own in getattr(cohort.own, "more", ()):
        stores |= extract_missing(replace(cohort, own=own), settings, [], session, progress=progress)
    if SKIN in stores and settings.pulse is not None:
        skin, folder = stores.pop(SKIN), settings.paths.cache / "features" / cohort.name
        stores[PULSE] = pulse_store(skin, cohort.clips["clip_id"], folder, settings.pulse)
    return Inputs(cohort, stores)


def _cohort_of_job(settings: InputSettings, session: Session) -> Cohort:
    cohort = load_cohort(settings, session)
    check_removals(cohort, settings.paths.runs)
    return cohort


def _encoders(settings: InputSettings, stack: ExitStack) -> list[Encoder]:
    return [stack.enter_context(instantiate(node, f"encoder.{name}")) for name, node in settings.encoders.items()]
