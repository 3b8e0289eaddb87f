"""Feature files: vectors computed elsewhere, one .npy, .npz or .safetensors file or table a clip."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.cohorts.feature_stream import FeatureStream
from lfnet.cohorts.feature_table import read_feature_table, table_columns
from lfnet.cohorts.media import READY_SUFFIXES, TABLE_SUFFIXES, why_no_clip
from lfnet.errors import LfnetError
from lfnet.files import refuse_special
from lfnet.fingerprints import DigestCache, digest

__all__ = ["ReadyClip", "ReadyFeatures", "has_times", "read_clip", "read_ready", "ready_features", "ready_shape"]

# Increased when the same file would give other vectors.
_FORMAT = 1
_TABLES = 1
_PLAIN = FeatureStream()


class ReadyClip(NamedTuple):
    """A clip's features float32 [T, D], valid bool [T], time float64 [T] in seconds, and facts for its header."""

    features: np.ndarray
    valid: np.ndarray
    time: np.ndarray
    meta: dict[str, str] = {}  # noqa: RUF012  a default that no one changes


def ready_features(
    clips: Mapping[str, Mapping[str, tuple[Path, float]]],
    streams: Mapping[str, FeatureStream],
    cache: Path | None = None,
    *,
    sparse: bool = False,
) -> "ReadyFeatures":
    """Make the streams of a cohort's feature files; the first one carries the others as `more`.

    Parameters
    ----------
    clips : mapping
        For each stream, as `ReadyFeatures` takes them; a clip may be absent from all streams but one.
    streams : mapping
        How each stream is read, by its name, in order.
    cache, sparse
        As for `ReadyFeatures`.
    """
    made = [
        ReadyFeatures(clips[name], cache, sparse=sparse or how.sparse, stream=name, how=how)
        for name, how in streams.items()
    ]
    made[0].more = tuple(made[1:])
    return made[0]


class ReadyFeatures:
    """Features of a cohort's feature files; an `OwnFeatures`.

    Parameters
    ----------
    clips : mapping
        File and frames per second (NaN where the file holds times) of each clip_id.
    cache : Path, optional
        Folder for the files' digests, so that an unchanged file is not hashed again.
    sparse : bool
        Whether zero and constant vectors are values, as counts and one-hot vectors are.
    stream : str
        Name of the stream.
    how : FeatureStream
        Columns of tables, and what is done to the numbers.

    Attributes
    ----------
    more : tuple of ReadyFeatures
        Further streams of the same clips.
    """

    def __init__(
        self,
        clips: Mapping[str, tuple[Path, float]],
        cache: Path | None = None,
        *,
        sparse: bool = False,
        stream: str = "ready",
        how: FeatureStream = _PLAIN,
    ) -> None:
        self.stream = stream
        self.more: tuple[ReadyFeatures, ...] = ()
        self.meta = {"sparse": "true"} if sparse else {}
        tables = any(path.suffix.lower() in TABLE_SUFFIXES for path, _ in clips.values())
        read_as = how.recipe() | ({"tables": _TABLES} if tables else {})
        self.recipe = digest(
            {"stream": stream, "format": _FORMAT, **self.meta, **({"read_as": read_as} if read_as else {})}
        )
        self.facts: dict[str, dict[str, str]] = {}
        self._clips, self._how = dict(clips), how
        self._digests = DigestCache(None if cache is None else Path(cache) / "digests")
        self._width: tuple[int, Path, tuple[str, ...]] | None = None

    def source(self, clip_id: str) -> str:
        """Return the digest of the clip's file and frame rate; of no file where the stream lacks the clip."""
        if clip_id not in self._clips:
            return digest({"file": None})
        path, fps = self._clips[clip_id]
        try:
            file = self._digests.file(path)
        except FileNotFoundError as error:
            raise LfnetError(f"{path} does not exist.") from error
        return digest({"file": file, "fps": None if np.isnan(fps) else fps})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds.

        `facts` then holds the names of its columns and notes for its header. A clip without a file has no rows.

        Raises
        ------
        LfnetError
            The file is invalid (see `read_clip`), or its columns differ from the clips read before.
        """
        if clip_id not in self._clips:
            self.facts[clip_id] = {"notes": f"no file of stream {self.stream}"}
            return np.zeros((0, self._known_width()), np.float32), np.zeros(0, bool), np.zeros(0)
        path, fps = self._clips[clip_id]
        clip = read_clip(path, fps, self._how)
        self.facts[clip_id] = clip.meta
        names = tuple(json.loads(clip.meta.get("names", "[]")))
        width = clip.features.shape[1]
        if self._width is None:
            self._width = width, path, names
        elif self._width[0] != width:
            raise LfnetError(
                f"{path} has {width} columns, but {self._width[1]} has {self._width[0]}. All clips of a cohort "
                "need vectors of one width, laid out [frames, columns]."
            )
        elif differ := [(own, other) for own, other in zip(names, self._width[2], strict=False) if own != other]:
            raise LfnetError(
                f"{path} has column {differ[0][0]!r} where {self._width[1]} has {differ[0][1]!r}. All tables need the "
                "same columns in one order; name them with the stream's `columns`."
            )
        return clip.features, clip.valid, clip.time

    def _known_width(self) -> int:
        if self._width is None:
            path, fps = next(iter(self._clips.values()))
            return read_clip(path, fps, self._how).features.shape[1]
        return self._width[0]


def read_ready(path: Path, fps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read all columns of a feature file: features, valid and time, as `read_clip` does."""
    return read_clip(path, fps)[:3]


def read_clip(path: Path, fps: float, how: FeatureStream = _PLAIN) -> ReadyClip:
    """Read a feature file.

    A .npy file holds one array [T, D]; .npz and .safetensors files hold `features` (or a single array of any name), and
    optionally `valid` and `time`. A table is read by `lfnet.cohorts.feature_table.read_feature_table`. A frame with a
    number that is not finite is invalid, whatever `valid` says. Without `time`, frames are 1/`fps` apart.

    Parameters
    ----------
    path : Path
        The file.
    fps : float
        Frames per second; NaN where the file holds `time`.
    how : FeatureStream
        Columns of a table, and what is done to the numbers.

    Returns
    -------
    ReadyClip
        Features of invalid rows are zero.

    Raises
    ------
    LfnetError
        The file is broken, has another shape, or neither `time` nor `fps` is known.
    """
    if path.suffix.lower() in TABLE_SUFFIXES:
        table = read_feature_table(path, fps, how)
        meta = {"names": json.dumps(table.names), **({"notes": "; ".join(table.notes)} if table.notes else {})}
        return ReadyClip(*_narrowed(table.features, table.valid), table.time + how.offset, meta)
    if how.columns is not None:
        raise LfnetError(
            f"{path}: a {path.suffix} file has no names of columns to choose from. Set "
            "features@cohort.features=columns."
        )
    arrays = _load(path)
    features = _pick(path, arrays)
    frames = len(features)
    rate = fps if fps > 0 or how.fps is None else how.fps
    valid, time = arrays.get("valid"), arrays.get("time")
    finite = np.isfinite(features).all(axis=1)
    if valid is None:
        valid = finite
    elif valid.shape != (frames,) or valid.dtype.kind not in "biuf" or not np.isin(valid, (0, 1)).all():
        raise LfnetError(
            f"{path}: `valid` must be {frames} truth values, one a frame, not {valid.dtype} {valid.shape}."
        )
    valid = valid.astype(bool) & finite
    if time is None:
        if not rate > 0:
            raise LfnetError(f"{path} holds no `time`. Give the clip's fps in the manifest.")
        time = np.arange(frames) / rate
    elif time.shape != (frames,) or time.dtype.kind not in "iuf" or not _increases(time.astype(np.float64)):
        raise LfnetError(f"{path}: `time` must be {frames} increasing seconds, one a frame.")
    if how.recipe():
        try:
            features = how.transform(features, valid)
        except LfnetError as error:
            raise LfnetError(f"{path}: {error}") from error
    return ReadyClip(*_narrowed(features, valid), np.asarray(time, np.float64) + how.offset)


def _narrowed(x_TD: np.ndarray, valid_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 vectors and their validity: numbers beyond float32 are invalid, invalid rows zero."""
    with np.errstate(over="ignore"):
        x_TD = np.asarray(x_TD).astype(np.float32)
    valid_T = valid_T & np.isfinite(x_TD).all(axis=1)
    return np.where(valid_T[:, None], x_TD, 0).astype(np.float32), valid_T


def _increases(time: np.ndarray) -> bool:
    return bool(np.isfinite(time).all() and (np.diff(time) > 0).all())


def ready_shape(path: Path) -> tuple[int, int, bool]:
    """Return the number of frames, the width, and whether the file holds times. A .npy file is not loaded.

    The width of a table is that of all its columns of numbers.
    """
    if path.suffix.lower() in TABLE_SUFFIXES:
        timed = has_times(path)
        table = read_feature_table(path, float("nan") if timed else 1.0, _PLAIN)
        return *table.features.shape, timed
    arrays = _load(path)
    frames, width = _pick(path, arrays, convert=False).shape
    return frames, width, "time" in arrays


def has_times(path: Path) -> bool:
    """Return whether a feature file holds the times of its frames; a .npy file or table is not read."""
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        names = {name.lower() for name in table_columns(path)}
        return any(name in names for name in _PLAIN.time)
    return suffix != ".npy" and "time" in _load(path)


def _load(path: Path) -> dict[str, np.ndarray]:
    """The file's arrays by name; that of a .npy file is mapped, so that nothing is read but what is used."""
    refuse_special(path)
    suffix = path.suffix.lower()
    if suffix not in READY_SUFFIXES and (reason := why_no_clip(path)):
        raise LfnetError(reason)
    try:
        if suffix == ".npy":
            return {"features": np.load(path, mmap_mode="r", allow_pickle=False)}
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        from safetensors.numpy import load_file

        return dict(load_file(path))
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except Exception as error:  # the libraries raise many kinds (tokenize.TokenError); the file cannot be read
        raise LfnetError(
            f"{path} cannot be read as features ({error}). Write it again, without pickled objects."
        ) from error


def _pick(path: Path, arrays: dict[str, np.ndarray], convert: bool = True) -> np.ndarray:
    others = [name for name in arrays if name not in ("valid", "time")]
    name = "features" if "features" in arrays else others[0] if len(others) == 1 else None
    if name is None:
        raise LfnetError(f"{path} holds {', '.join(arrays) or 'nothing'}. Name the array of vectors `features`.")
    found: Any = arrays[name]
    if found.ndim != 2 or found.dtype.kind not in "fiu" or not found.shape[1]:
        raise LfnetError(f"{path}: `{name}` must be numbers [frames, columns], not {found.dtype} {list(found.shape)}.")
    if not convert:
        return found
    with np.errstate(over="ignore"):  # numbers beyond float32 become inf, so that their frame is invalid
        return found.astype(np.float32)
