"""Join several streams of frames: aligned in time, each normalised by its own training frames, concatenated."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from lfnet.config import Count, Positive, settings
from lfnet.errors import LfnetError
from lfnet.features.health import CohortCheck, Health, Problem, Remark, Report, problems_of
from lfnet.features.matching import means_at, rows_at
from lfnet.features.shift import activity, find_shift
from lfnet.features.store import ClipFeatures, Readable
from lfnet.fingerprints import digest, source_digest

__all__ = ["JoinSettings", "JoinedStreams", "Part", "parts_of"]

# Share of a column's mean: a smaller SD is rounding, and must not be scaled up to 1.
_STILL = 1e-6
# Clips whose streams are compared in time.
_MAX_COMPARED = 60


@settings
class JoinSettings:
    """Settings of joining streams, described in `conf/streams/default.yaml`."""

    normalise: Literal["columns", "stream", "none"]
    length: Positive
    presence: bool
    valid: Literal["any", "all"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    columns: tuple[Count, ...] | dict[str, Count] | None
    match: Literal["nearest", "mean"] = "nearest"
    window: Positive | None = None

    @field_validator("columns")
    @classmethod
    def _several(cls, columns: Any) -> Any:
        if columns is not None and len(columns) < 2:
            raise ValueError("give two numbers of columns or more, or null.")
        return columns

    def recipe(self) -> dict[str, Any]:
        """Describe as JSON what determines the joined vectors; dropout concerns training only."""
        matching = {"match": self.match, "window": self.window}
        default = {"match": "nearest", "window": None}
        return {
            "normalise": self.normalise,
            "length": float(self.length),
            "presence": self.presence,
            "valid": self.valid,
            **(matching if matching != default else {}),
        }


class Part(NamedTuple):
    """One stream of several. columns: its columns of the store as (first, end); None for all."""

    name: str
    store: Readable
    columns: tuple[int, int] | None = None


class _Scale(NamedTuple):
    """float32 [D] each: a stream's vectors become (x - mean) · factor."""

    mean: np.ndarray
    factor: np.ndarray


class JoinedStreams:
    """Several streams of frames as one `Readable`, for a head with several encoders.

    A clip's frames are those of its first stream that has any. Another stream's vector belongs to a frame if it is the
    nearest one and lies within half a frame's time, or a frame has the mean of its vectors in a window
    (`settings.match`). A stream without a vector for a frame is zero there, which after normalisation is its
    mean, and its presence is 0. `spans` are the columns of each stream, `flags` those of their presence.

    Parameters
    ----------
    parts : sequence of Part
        The streams, in the order of their columns.
    train : iterable of str
        Ids of the training clips, from whose frames a stream's mean and SD are computed, without dead clips
        (`lfnet.features.health`).
    settings : JoinSettings
    """

    def __init__(self, parts: Sequence[Part], train: Iterable[str], settings: JoinSettings) -> None:
        if len(parts) < 2:
            raise ValueError("two streams or more can be joined")
        self.parts, self.settings, self._train = tuple(parts), settings, tuple(train)
        self.stream = " + ".join(part.name for part in self.parts)
        self.recipe = digest({"parts": self._named([part.store.recipe for part in self.parts]), **self._how})
        # The folder does not exist: its name identifies the store.
        self.folder = self.parts[0].store.folder.parent / f"joined-{self.recipe[:12]}"

    @cached_property
    def _how(self) -> dict[str, Any]:
        return {"settings": self.settings.recipe(), "code": source_digest([__name__, "lfnet.features.matching"])}

    def _named(self, values: Sequence[str]) -> list[Any]:
        return [[part.name, part.columns, value] for part, value in zip(self.parts, values, strict=True)]

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """The columns of each stream."""
        if not self._train:
            raise LfnetError("there is no training clip to normalise streams by: check the manifest's split column.")
        widths = [self._width(part) for part in self.parts]
        ends = np.cumsum(widths).tolist()
        return tuple(slice(end - width, end) for end, width in zip(ends, widths, strict=True))

    @property
    def flags(self) -> tuple[int, ...]:
        """The column of each stream's presence, after all vectors; empty if `presence` is false."""
        end = self.spans[-1].stop
        return tuple(range(end, end + len(self.parts))) if self.settings.presence else ()

    def path(self, clip_id: str) -> Path:
        """Return the path of the clip's file of the first stream."""
        return self.parts[0].store.path(clip_id)

    def header(self, clip_id: str) -> dict[str, str] | None:
        """Return the part of the first stream's header that holds for all streams: the source of the clip's vectors."""
        header = self.parts[0].store.header(clip_id)
        return None if header is None else {"unit_norm": "false", "source": header.get("source", "")}

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Return the shape [T, D] of a clip's joined vectors."""
        frames = next((count for part in self.parts if (count := part.store.shape(clip_id)[0])), 0)
        return frames, self.spans[-1].stop + len(self.flags)

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Compute the digest of the streams, of the training clips that normalise them, and of the settings."""
        ids = tuple(clip_ids)
        found = [part.store.fingerprint(ids) for part in self.parts]
        return digest({"parts": self._named(found), "train": self._trained, **self._how})

    @cached_property
    def _trained(self) -> list[Any]:
        return self._named([part.store.fingerprint(self._train) for part in self.parts])

    def read(self, clip_id: str) -> ClipFeatures:
        """Return a clip's joined vectors; missing ones are zero. Raises `LfnetError` as the streams' stores do."""
        clips = self._read(clip_id)
        grid = next((clip.time for clip in clips if len(clip.time)), clips[0].time)
        x_TD = np.zeros((len(grid), self.shape(clip_id)[1]), np.float32)
        there_TS = np.zeros((len(grid), len(clips)), bool)
        for s, (clip, span, scale) in enumerate(zip(clips, self.spans, self._scales, strict=True)):
            if not len(clip.time):
                continue
            if self.settings.match == "mean" and not np.array_equal(grid, clip.time):
                mean_TD, seen_T = means_at(grid, clip.time, clip.features, clip.valid, self.settings.window)
                x_TD[seen_T, span] = (mean_TD[seen_T] - scale.mean) * scale.factor
            else:
                rows_T = rows_at(grid, clip.time, self.settings.window)
                seen_T = (rows_T >= 0) & clip.valid[rows_T]
                x_TD[seen_T, span] = (clip.features[rows_T[seen_T]] - scale.mean) * scale.factor
            there_TS[:, s] = seen_T
        if self.settings.presence:
            x_TD[:, self.spans[-1].stop :] = there_TS
        valid_T = np.asarray(there_TS.any(axis=1) if self.settings.valid == "any" else there_TS.all(axis=1))
        x_TD[~valid_T] = 0
        sparse = any(clip.meta.get("sparse") == "true" for clip in clips)
        return ClipFeatures(x_TD, valid_T, grid, {"unit_norm": "false", "sparse": "true" if sparse else "false"})

    def check(self, clip_ids: Iterable[str], health: Health) -> Report:
        """Check single streams as they were extracted; a missing one is no problem, whatever its coverage.

        A stream whose times are shifted against those of the first one is remarked (`lfnet.features.shift`).
        """
        problems: list[Problem] = []
        remarks: list[Remark] = []
        ids = list(clip_ids)
        moving: dict[str, dict[str, np.ndarray]] = {}
        for store in self._stores():
            stream = CohortCheck(replace(health, min_coverage=0.0))
            moving[store.stream] = {}
            for clip_id in ids:
                clip = store.read(clip_id)
                if clip.valid.any():
                    stream.add(clip_id, clip)
                    if len(moving[store.stream]) < _MAX_COMPARED:
                        moving[store.stream][clip_id] = activity(clip)
            found = stream.report()
            problems += [replace(problem, what=f"{store.stream}: {problem.what}") for problem in found.problems]
            remarks += [Remark(f"{store.stream}: {text}", named) for text, named in found.remarks]
        return Report(problems, [*remarks, *_shifts(moving)])

    def _read(self, clip_id: str) -> list[ClipFeatures]:
        """The clip's streams, each with its own columns."""
        read = {id(store): store.read(clip_id) for store in self._stores()}
        return [_columns(read[id(part.store)], part.columns) for part in self.parts]

    def _width(self, part: Part) -> int:
        if part.columns is not None:
            return part.columns[1] - part.columns[0]
        return part.store.shape(self._train[0])[1]

    @contextmanager
    def keep_open(self) -> Iterator[None]:
        """As `FeatureStore.keep_open`, for all streams."""
        with ExitStack() as stack:
            for store in self._stores():
                stack.enter_context(store.keep_open())
            yield

    def _stores(self) -> list[Readable]:
        """The streams' stores, each once: several streams may be columns of one."""
        return list({id(part.store): part.store for part in self.parts}.values())

    @cached_property
    def _scales(self) -> tuple[_Scale, ...]:
        with self.keep_open():
            return tuple(self._scale(part) for part in self.parts)

    def _scale(self, part: Part) -> _Scale:
        width = self._width(part)
        if self.settings.normalise == "none":
            return _Scale(np.zeros(width, np.float32), np.ones(width, np.float32))
        count, mean_D, square_D = 0, np.zeros(width), np.zeros(width)
        for clip_id in self._train:
            clip = part.store.read(clip_id)
            if not clip.valid.any() or _wrong(clip):
                continue
            own = _columns(clip, part.columns).features[clip.valid].astype(np.float64)
            # Clip by clip, after Chan, Golub and LeVeque 1983: sums of squares about the mean so far.
            apart_D, total = own.mean(axis=0) - mean_D, count + len(own)
            square_D += own.var(axis=0) * len(own) + apart_D**2 * (count * len(own) / total)
            mean_D += apart_D * (len(own) / total)
            count = total
        if not count:
            raise LfnetError(
                f"stream {part.name} has no usable frame in any of {len(self._train)} training clips: leave it out."
            )
        sd_D = np.sqrt(square_D / count)
        varies_D = sd_D > _STILL * np.abs(mean_D)
        if not varies_D.any():
            raise LfnetError(f"stream {part.name} is the same in all {count} training frames: leave it out.")
        if self.settings.normalise == "stream":
            sd_D = np.where(varies_D, np.sqrt((sd_D[varies_D] ** 2).mean()), sd_D)
        # A column that is constant in training has no information, and would be scaled without bound elsewhere.
        factor_D = np.where(varies_D, 1 / np.where(varies_D, sd_D, 1.0), 0.0)
        return _Scale(
            mean_D.astype(np.float32), (factor_D * self.settings.length / np.sqrt(varies_D.sum())).astype(np.float32)
        )


def _shifts(moving: Mapping[str, Mapping[str, np.ndarray]]) -> Iterator[Remark]:
    (first, activity_of_first), *others = moving.items()
    for name, of_clips in others:
        found = find_shift(activity_of_first, of_clips)
        if found is not None:
            late = "late" if found.seconds > 0 else "early"
            yield Remark(
                f"{name} seems {abs(found.seconds):.1f} s {late} against {first}: their activity correlates by "
                f"{found.correlation:.2f} there and by {found.unmoved:.2f} as they are. Compare their times; a stream "
                "of feature files is moved by its `offset`"
            )


def parts_of(stores: Mapping[str, Readable], settings: JoinSettings, clip_id: str) -> list[Part]:
    """List the streams of a head: the stores, or the parts of the only one given by `streams.columns`.

    clip_id: a clip whose columns are counted. Raises `LfnetError` if `streams.columns` does not add up to them.
    """
    if settings.columns is None:
        return [Part(name, store) for name, store in stores.items()]
    if len(stores) > 1:
        raise LfnetError(
            f"streams.columns takes one stream as several, and there are {len(stores)} ({', '.join(stores)}): "
            "choose one encoder, or streams.columns=null."
        )
    ((name, store),) = stores.items()
    columns = settings.columns
    counts: list[int] = list(columns.values()) if isinstance(columns, Mapping) else list(columns)
    width = store.shape(clip_id)[1]
    if sum(counts) != width:
        raise LfnetError(f"streams.columns adds up to {sum(counts)} columns, and stream {name} has {width}.")
    ends = np.cumsum(counts).tolist()
    ranges = [(end - count, end) for end, count in zip(ends, counts, strict=True)]
    names = list(columns) if isinstance(columns, Mapping) else [f"{name}[{first}:{end}]" for first, end in ranges]
    return [Part(own, store, part) for own, part in zip(names, ranges, strict=True)]


def _columns(clip: ClipFeatures, columns: tuple[int, int] | None) -> ClipFeatures:
    if columns is None:
        return clip
    return ClipFeatures(clip.features[:, slice(*columns)], clip.valid, clip.time, clip.meta)


def _wrong(clip: ClipFeatures) -> list[tuple[str, str]]:
    return problems_of(clip) if clip.valid.any() else []
