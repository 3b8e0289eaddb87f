"""A tiny encoder of crops, and cohorts of media made by the tests: extraction without any weights."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import COLUMNS, Band, Cohort, OwnFeatures, Scale
from lfnet.encoders.encoder import Encoder
from lfnet.features.estimate import Estimate
from lfnet.features.estimate import estimate as estimate_all
from lfnet.features.extract import extract as extract_all
from lfnet.features.extract import open_stores
from lfnet.features.store import FeatureStore
from lfnet.video.faces import Faces


class Brightness:
    """Encodes a crop as its mean colour and its number in the clip, scaled to length 1 where asked."""

    needs = frozenset({"crops"})

    def __init__(self, crop_size: int = 16, unit_norm: bool = False, name: str = "brightness") -> None:
        self.name, self.dim, self.crop_size, self.unit_norm = name, 4, crop_size, unit_norm
        self.batches: list[int] = []

    def recipe(self) -> dict[str, Any]:
        return {"encoder": "Brightness", "crop_size": self.crop_size, "unit_norm": self.unit_norm}

    def encode(self, faces: Faces) -> np.ndarray:
        assert faces.crops_NHWC is not None and faces.crops_NHWC.shape[1:] == (self.crop_size, self.crop_size, 3)
        self.batches.append(len(faces))
        colour = faces.crops_NHWC.reshape(len(faces), -1, 3).mean(axis=1)
        rows = np.column_stack([colour, faces.index]).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True) if self.unit_norm else rows

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Loudest:
    """Encodes a segment as the mean colour of its brightest crop, the numbers of its first and last frame."""

    needs, unit_norm, per_segment, dim = frozenset({"crops"}), False, True, 5

    def __init__(self, frames: int = 6, segments: int | None = None, min_frames: int = 3, crop_size: int = 16) -> None:
        self.name, self.crop_size = "loudest", crop_size
        self.segment_frames, self.segments, self.min_frames = frames, segments, min_frames
        self.lengths: list[int] = []

    def recipe(self) -> dict[str, Any]:
        return {"encoder": "Loudest", "of": [self.segment_frames, self.segments, self.min_frames, self.crop_size]}

    def encode(self, faces: Faces) -> np.ndarray:
        assert faces.crops_NHWC is not None and faces.crops_NHWC.shape[1:] == (self.crop_size, self.crop_size, 3)
        self.lengths.append(len(faces))
        colour = faces.crops_NHWC.reshape(len(faces), -1, 3).mean(axis=1)
        best = colour[colour.sum(axis=1).argmax()]
        return np.array([[*best, faces.index[0], faces.index[-1]]], np.float32)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def extract(cohort: Cohort, encoder: Encoder | None = None, **settings: Any) -> FeatureStore:
    """`lfnet.features.extract.extract` with one encoder, or none, and its one store."""
    (store,) = extract_all(cohort, [] if encoder is None else [encoder], **settings).values()
    return store


def open_store(cohort: Cohort, encoder: Encoder | None = None, **settings: Any) -> tuple[FeatureStore, list[str]]:
    """The one store of one encoder, or none, and the clips that it lacks."""
    stores, lacking = open_stores(cohort, [] if encoder is None else [encoder], **settings)
    ((stream, store),) = stores.items()
    return store, lacking.get(stream, [])


def estimate(cohort: Cohort, encoder: Encoder | None = None, **settings: Any) -> Estimate:
    """`lfnet.features.extract.estimate` with one encoder, or none."""
    return estimate_all(cohort, [] if encoder is None else [encoder], **settings)


SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="any", low=0, high=63),))


def cohort_of(
    paths: dict[str, Path], *, fps: float | None = 25.0, aligned: bool = True, own: OwnFeatures | None = None
) -> Cohort:
    """A cohort of one clip a person, all in train."""
    rows = [
        (c, c, c, "train", "", 10.0, str(p), np.nan if fps is None else fps, np.nan) for c, p in sorted(paths.items())
    ]
    return Cohort("made", pd.DataFrame(rows, columns=list(COLUMNS)), SCALE, aligned=aligned, own=own)


def crop_picture(number: int, side: int = 24) -> np.ndarray:
    """A square picture of changing colour, never blank."""
    rgb = np.zeros((side, side, 3), np.uint8)
    rgb[..., 0] = 40 + 7 * (number % 30)
    rgb[..., 1] = np.linspace(0, 200, side).astype(np.uint8)
    rgb[: side // 2, :, 2] = 90
    return rgb


def files_of(folder: Path) -> dict[str, bytes]:
    """The finished files of a feature folder and their bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
