"""Thumbnails of a clip's frames over time, by which copies of a video are recognised; cached like features.

A thumbnail is the mean luma of 8 × 8 cells of the frame over a quarter of a second: 64 numbers, four times a second. It
is coarse, but it is derived from the film of one person and kept under the clip's id: personal data, like features. It
has the permissions of features (`paths.mode`), and `lfnet forget` removes it with them.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.errors import LfnetError, LfnetWarning, Unreadable
from lfnet.features.filming import KEY as FILMING
from lfnet.features.filming import FilmingMeter, parse
from lfnet.features.provenance import Sources
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.files import exists
from lfnet.fingerprints import code_digest, digest
from lfnet.locks import remove_abandoned
from lfnet.video.decode import folder_rate, frames
from lfnet.video.settings import VideoSettings
from lfnet.video.survey import survey

__all__ = ["RATE", "SIDE", "Thumbnails", "clip_thumbnails", "cohort_thumbnails"]

SIDE, RATE = 8, 4.0
_STREAM = "thumbnails"
_MAX_ROWS = 4096  # the first 17 minutes of a clip
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Thumbnails:
    """The thumbnails of a cohort's videos.

    Attributes
    ----------
    clips : mapping of str to ndarray of float32, shape [T, SIDE * SIDE]
        By clip_id, `RATE` rows a second from the clip's first frame.
    left_out : mapping of str to str
        Why other clips have none, by clip_id.
    filming : mapping of str to mapping
        How each clip was filmed (`lfnet.features.filming`), by clip_id; without numbers of the face.
    """

    clips: Mapping[str, np.ndarray]
    left_out: Mapping[str, str]
    filming: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)


def cohort_thumbnails(
    cohort: Cohort, cache: Path, video: VideoSettings | None = None, *, progress: bool = False
) -> Thumbnails:
    """Read the thumbnails of a cohort's videos and frame folders from the cache, and compute those that it lacks.

    Clips without a file, and files that cannot be decoded, are left out. A damaged video counts up to its damage. Where
    the cache cannot be written, nothing is kept.
    """
    from tqdm import tqdm

    video = video or VideoSettings()
    made = digest({"code": code_digest(["lfnet.features.thumbnails"], ["lfnet.video"]), "times": video.times})
    store = FeatureStore(Path(cache) / "features" / cohort.name, _STREAM, made)
    remove_abandoned(store.folder)
    sources = Sources(cache)
    clips: dict[str, np.ndarray] = {}
    left_out: dict[str, str] = {}
    filming: dict[str, Mapping[str, float | str]] = {}
    rows = [*zip(*(cohort.clips[name].tolist() for name in ("clip_id", "path", "fps")), strict=True)]
    writing = True
    for clip_id, path, stated in tqdm(rows, "frames", unit="clip", disable=None if progress else True, leave=False):
        fps = None if pd.isna(stated) else float(stated)
        if not path or not exists(Path(path)):
            left_out[clip_id] = "no file"
            continue
        try:
            source = sources.clip(Path(path), fps)
            if store.has(clip_id, source):
                kept = store.read(clip_id)
                clips[clip_id], filming[clip_id] = kept.features, parse(kept.meta.get(FILMING))
                continue
            clip = clip_thumbnails(Path(path), fps, video.times)
        except Unreadable:
            left_out[clip_id] = "not decodable"
            continue
        clips[clip_id], filming[clip_id] = clip.features, parse(clip.meta.get(FILMING))
        try:
            if writing:
                store.write(clip_id, clip, source)
        except (LfnetError, OSError) as error:
            writing = False
            warnings.warn(f"thumbnails of frames are not kept for the next audit: {error}", LfnetWarning, stacklevel=2)
    return Thumbnails(clips, left_out, filming)


def clip_thumbnails(path: Path, fps: float | None = None, times: str = "stamps") -> ClipFeatures:
    """Compute the thumbnails of one video, or of a frame folder with its `fps`.

    A quarter of a second without a frame is interpolated between its neighbours and is not valid. Raises `Unreadable`
    if nothing can be decoded.
    """
    path = Path(path)
    surveyed = None if path.is_dir() else survey(path, times, "keep")
    rate = surveyed.clock.rate if surveyed is not None else folder_rate(path, fps)
    # Two frames a thumbnail are enough: converting a frame to RGB takes as long as decoding it.
    stride = max(1, int(rate / (2 * RATE)))
    sums: list[np.ndarray] = []
    counts: list[int] = []
    measured = FilmingMeter()
    read = frames(path, fps=fps, stride=stride, damaged="keep", times=times, surveyed=surveyed)
    for frame in measured.frames(read):
        row = int(frame.time * RATE + 1e-6)
        if row >= _MAX_ROWS:
            break
        while len(sums) <= row:
            sums.append(np.zeros(SIDE * SIDE))
            counts.append(0)
        sums[row] += _cells(frame.rgb)
        counts[row] += 1
    count_T = np.array(counts)
    if len(count_T) > 1 and count_T[-1] < count_T[:-1].max() / 2:
        count_T = count_T[:-1]  # the rest of the clip is shorter than a thumbnail
    valid_T = count_T > 0
    row_T = np.arange(len(count_T))
    mean_TD = np.stack(sums[: len(count_T)])[valid_T] / count_T[valid_T, None]
    filled_TD = np.stack([np.interp(row_T, row_T[valid_T], column) for column in mean_TD.T], axis=1)
    meta = {FILMING: measured.text(path, rate)}
    return ClipFeatures(filled_TD.astype(np.float32), valid_T, row_T / RATE, meta)


def _cells(rgb_HWC: np.ndarray) -> np.ndarray:
    """Mean luma of SIDE × SIDE cells of an image, row by row."""
    height, width, _ = rgb_HWC.shape
    rows, columns = (np.linspace(0, size, SIDE + 1).round().astype(int) for size in (height, width))
    if min(height, width) < SIDE:
        raise Unreadable(f"the frames are {width} × {height} pixels, fewer than {SIDE} × {SIDE}.")
    # Sums of columns first: the smaller array is then weighted.
    sums = np.add.reduceat(rgb_HWC, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    area = np.outer(np.diff(rows), np.diff(columns))
    return np.asarray((sums @ _LUMA / area).ravel())
