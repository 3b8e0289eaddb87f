"""Feature files: vectors computed elsewhere, one .npy, .npz or .safetensors file a clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.files import refuse_special
from lfnet.fingerprints import DigestCache, digest

__all__ = ["ReadyFeatures", "read_ready", "ready_shape"]

# Increased when the same file would give other vectors.
_FORMAT = 1


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
    """

    stream = "ready"

    def __init__(
        self, clips: Mapping[str, tuple[Path, float]], cache: Path | None = None, *, sparse: bool = False
    ) -> None:
        self.meta = {"sparse": "true"} if sparse else {}
        self.recipe = digest({"stream": self.stream, "format": _FORMAT, **self.meta})
        self._clips = dict(clips)
        self._digests = DigestCache(None if cache is None else Path(cache) / "digests")
        self._dim: tuple[int, Path] | None = None

    def source(self, clip_id: str) -> str:
        """Return the digest of the clip's file and frame rate."""
        path, fps = self._clips[clip_id]
        try:
            file = self._digests.file(path)
        except FileNotFoundError as error:
            raise LfnetError(f"{path} does not exist.") from error
        return digest({"file": file, "fps": None if np.isnan(fps) else fps})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds.

        Raises
        ------
        LfnetError
            The file is invalid (see `read_ready`), or its width differs from the clips read before.
        """
        path, fps = self._clips[clip_id]
        features, valid, time = read_ready(path, fps)
        if self._dim is None:
            self._dim = features.shape[1], path
        elif self._dim[0] != features.shape[1]:
            raise LfnetError(
                f"{path} has {features.shape[1]} columns, but {self._dim[1]} has {self._dim[0]}. All clips of a cohort "
                "need vectors of one width, laid out [frames, columns]."
            )
        return features, valid, time


def read_ready(path: Path, fps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a feature file.

    A .npy file holds one array [T, D]; .npz and .safetensors files hold `features` (or a single array of any name), and
    optionally `valid` and `time`. A frame with a number that is not finite is invalid, whatever `valid` says. Without
    `time`, frames are 1/`fps` apart.

    Parameters
    ----------
    path : Path
        The file.
    fps : float
        Frames per second; NaN where the file holds `time`.

    Returns
    -------
    features : ndarray of float32, shape (T, D)
        Invalid rows are zero.
    valid : ndarray of bool, shape (T,)
    time : ndarray of float64, shape (T,)
        Seconds.

    Raises
    ------
    LfnetError
        The file is broken, has another shape, or neither `time` nor `fps` is known.
    """
    arrays = _load(path)
    features = _pick(path, arrays)
    frames = len(features)
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
        if not fps > 0:
            raise LfnetError(f"{path} holds no `time`. Give the clip's fps in the manifest.")
        time = np.arange(frames) / fps
    elif time.shape != (frames,) or time.dtype.kind not in "iuf" or not _increases(time.astype(np.float64)):
        raise LfnetError(f"{path}: `time` must be {frames} increasing seconds, one a frame.")
    features = np.where(valid[:, None], features, 0).astype(np.float32)
    return features, valid, np.asarray(time, np.float64)


def _increases(time: np.ndarray) -> bool:
    return bool(np.isfinite(time).all() and (np.diff(time) > 0).all())


def ready_shape(path: Path) -> tuple[int, int, bool]:
    """Return the number of frames, the width, and whether the file holds times. A .npy file is not loaded."""
    arrays = _load(path)
    frames, width = _pick(path, arrays, convert=False).shape
    return frames, width, "time" in arrays


def _load(path: Path) -> dict[str, np.ndarray]:
    """The file's arrays by name; that of a .npy file is mapped, so that nothing is read but what is used."""
    refuse_special(path)
    suffix = path.suffix.lower()
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
