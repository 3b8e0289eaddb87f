"""A job's inputs: its cohort and the features of all clips, extracted where they are missing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from lfnet.audit.audit import filming_of
from lfnet.cohorts.binary import binarised
from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.scale import DOUBTFUL
from lfnet.cohorts.splits import fewer_people
from lfnet.cohorts.transfer import join_cohorts, named_as_test
from lfnet.config import instantiate
from lfnet.encoders.encoder import Encoder, per_segment
from lfnet.errors import LfnetError
from lfnet.evaluation.conversion import Conversion, find_conversion
from lfnet.evaluation.predictions import Predictions
from lfnet.features.derived import PULSE, SKIN, pulse_store
from lfnet.features.filming import read_filming
from lfnet.features.health import UNSCALED, unscaled
from lfnet.features.joined_streams import JoinedStreams, parts_of
from lfnet.features.normalised import FilmingSettings, NormalisedStream
from lfnet.features.routed import Route, RoutedStream, check_alike
from lfnet.features.shortened import ShortenedStream
from lfnet.features.store import Readable
from lfnet.fingerprints import digest
from lfnet.jobs.cohort_settings import OtherCohort
from lfnet.jobs.extraction import extract_missing
from lfnet.jobs.session import Session
from lfnet.jobs.settings import InputSettings
from lfnet.runs.removal_record import check_removals

__all__ = ["Inputs", "load_cohort", "prepare", "prepare_streams", "prepare_transfer"]


@dataclass(frozen=True)
class Inputs:
    """A cohort and the stores of its clips' vectors, by stream.

    Where a model is tested on another cohort, its scores, of the scale that it was trained on, become those of the
    test labels by `conversion`; without one on another scale, `same_points` is false: only their ranks mean something.
    unused: a sentence on conversions that were given and fit neither scale.
    """

    cohort: Cohort
    stores: Mapping[str, Readable]
    conversion: Conversion | None = None
    same_points: bool = True
    unused: str = ""

    def in_test_points(self, scores: Predictions) -> Predictions:
        """The scores in points of the test labels, where they can be; labels on another scale are left out."""
        if self.same_points and self.conversion is None:
            return scores
        frame = scores.frame
        frame = frame.assign(label=frame["label"].where(frame["split"] == "test"))
        if self.conversion is not None:
            frame = frame.assign(score=self.conversion.apply(frame["score"]))
        return Predictions(frame)

    @property
    def store(self) -> Readable:
        """The first stream's: what heads, baselines and the audit read."""
        return next(iter(self.stores.values()))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What looks like a forgotten setting: to be said before anything is trained."""
        unused = (self.unused,) if self.unused else ()
        return (*(text for text in self.cohort.warnings if text.startswith((DOUBTFUL, UNSCALED))), *unused)

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
        return binarised(instantiate(settings.cohort, "cohort"))

    def split() -> Cohort:
        cohort: Cohort = session.keep("cohort", digest(settings.cohort), load)
        if settings.splits is not None:
            # Hydra would make a dict of a cohort among the settings.
            cohort = instantiate({**settings.splits, "_partial_": True}, "splits")(cohort)
        amount = settings.amount
        if amount is not None and amount.train_people is not None:
            return fewer_people(cohort, amount.train_people, amount.seed)
        return cohort

    key = digest([settings.cohort, settings.splits, settings.nodes.get("amount")])
    return session.keep("split cohort", key, split)


def prepare(settings: InputSettings, session: Session, *, progress: bool = True) -> Inputs:
    """The cohort and the one stream that a head reads, of one encoder or of several; extracted where it is missing.

    The streams of frames that a cohort brings are joined, too.

    Raises `LfnetError` where an encoder does not fit the cohort or gives no vector a frame, or clips cannot be read.
    """
    return session.keep("inputs of a head", settings.key, lambda: _one_stream(settings, session, progress))


def prepare_transfer(
    settings: InputSettings,
    test: OtherCohort,
    conversions: Sequence[Conversion],
    session: Session,
    *,
    progress: bool = True,
) -> Inputs:
    """Train and dev of a cohort, and the recordings of another cohort that its head is tested on, by the same encoders.

    What is fitted to streams (normalisation, the effect of filming) is fitted to the training clips.

    Raises `LfnetError` as `prepare` does for either cohort, and where their features are not of one kind.
    """
    key = digest([settings.key, asdict(test), [asdict(one) for one in conversions]])
    return session.keep("inputs of a test", key, lambda: _joined(settings, test, conversions, session, progress))


def _joined(
    settings: InputSettings, test: OtherCohort, conversions: Sequence[Conversion], session: Session, progress: bool
) -> Inputs:
    train, of_train = _extracted(settings, session, progress)
    try:
        other, of_test = _extracted(settings.on(test.cohort), session, progress)
    except LfnetError as error:
        error.args = (named_as_test(str(error), test.cohort),)
        raise
    other = replace(other, warnings=tuple(named_as_test(text, test.cohort) for text in other.warnings))
    # Two simulated cohorts of one seed have the same people; otherwise no id of theirs is that of someone else.
    seeds = (settings.cohort.get("seed"), test.cohort.get("seed"))
    same_ids = not (train.simulated or other.simulated) or (train.simulated and other.simulated and len({*seeds}) == 1)
    cohort, before = join_cohorts(train, other, test.split, same_ids=same_ids)
    routes: dict[str, dict[str, Route]] = {}
    for stream, store in of_train.items():
        routes[stream] = {name: Route(store, own) for name, own in before.items()}
    tested = cohort.clips.loc[cohort.clips["split"] == "test", "clip_id"].tolist()
    first = {stream: next(iter(own.values())) for stream, own in routes.items()}
    check_alike(first, {stream: Route(store, tested[0]) for stream, store in of_test.items()})
    for stream, store in of_test.items():
        routes[stream] |= {name: Route(store, name) for name in tested}
    inputs = _made_one(cohort, {stream: RoutedStream(own) for stream, own in routes.items()}, settings)
    of, to = train.scale, other.scale
    if (of.name, of.min, of.max) == (to.name, to.min, to.max):
        return inputs
    conversion = find_conversion(conversions, of.name, to.name)
    unused = ""
    if conversions and conversion is None:
        given = ", ".join(f"{one.of} to {one.to}" for one in conversions)
        unused = f"no conversion is from {of.name} to {to.name}, and scores have ranks alone; conversions has {given}."
    return replace(inputs, conversion=conversion, same_points=conversion is not None, unused=unused)


def _one_stream(settings: InputSettings, session: Session, progress: bool) -> Inputs:
    return _made_one(*_extracted(settings, session, progress), settings)


def _extracted(settings: InputSettings, session: Session, progress: bool) -> tuple[Cohort, dict[str, Readable]]:
    """The cohort and its streams of frames as they were extracted."""
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
    return cohort, stores


def _made_one(cohort: Cohort, stores: Mapping[str, Readable], settings: InputSettings) -> Inputs:
    """The streams as the one that a head reads: filmed alike and joined, as the settings say."""
    joining, amount = settings.streams, settings.amount
    if amount is not None and amount.clip_share < 1:
        stores = {name: ShortenedStream(store, amount.clip_share) for name, store in stores.items()}
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
    """The cohort with a warning where the features of its one stream are not scaled; simulated ones are."""
    if cohort.simulated:
        return cohort
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
