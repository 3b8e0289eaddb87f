"""A tiny encoder of crops, and cohorts of media made by the tests: extraction without any weights."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import COLUMNS, Band, Cohort, OwnFeatures, Scale
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


SCALE = Scale("BDI-II", 0, 63, (Band("any", 0, 63),))


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
