"""LightFusionNet's visual descriptor: the expressive frames of a segment, region by region."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from lfnet.encoders.encoder import checked_crops
from lfnet.encoders.selection import expression, select
from lfnet.encoders.trunk import Cost, Trunk
from lfnet.encoders.visual_settings import KINDS, VisualSettings
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.video.regions import REGIONS, cut_mesh, cut_rectangles
from lfnet.weights.weights_file import WeightsFile

__all__ = ["Descriptor", "Visual", "VisualFrames"]


class Descriptor(NamedTuple):
    """One segment's. vector: float32 [regions × dim]; selected: int64 [kept], frames; images: how many were encoded."""

    vector: np.ndarray
    selected: np.ndarray
    images: int


class Visual:
    """One vector a segment: 4 regions × 576 = 2304-D as published (LightFusionNet; research.md, section A).

    Every frame's aligned crop (224 px, ImageNet's normalisation) goes through the trunk; some frames are selected by
    these vectors; the regions of each are grown to the crop's side and go through the trunk again; a region's vectors g
    are pooled over frames, by a softmax of their standard deviations over channels (ddof 1) as published,
    Σ softmax(std(g))·g, and weighted; the regions are joined, in the order of `lfnet.video.regions.REGIONS`.
    settings: conf/visual. weights, device, threads, backend, cache: as in `lfnet.encoders.trunk.Trunk`.
    """

    unit_norm = False
    per_segment = True

    def __init__(
        self,
        name: str,
        settings: VisualSettings,
        weights: WeightsFile,
        cache: Path | str,
        *,
        crop_size: int = 224,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        self.name, self.settings, self.crop_size = name, settings, crop_size
        self._trunk = Trunk(
            weights,
            cache,
            setting=f"encoder.{name}",
            cut=settings.cut,
            side=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self.dim = len(settings.names) * self._trunk.dim
        self.needs = frozenset({"crops", "mesh"} if settings.regions == "mesh" else {"crops"})
        self.segment_frames, self.shortest = settings.segment_frames, settings.shortest
        self.segments = 1 if settings.segments == "first" else None

    def recipe(self) -> dict[str, Any]:
        """Weights, preprocessing and settings as JSON, see `Encoder.recipe`."""
        made = {"encoder": "Visual", **self._trunk.recipe(), "dim": self.dim, "crop_size": self.crop_size}
        return {**made, "settings": self.settings.recipe()}

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [1, dim] from the faces of one segment, [0, dim] from none.

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        return self.describe(faces).vector[None] if len(faces) else np.zeros((0, self.dim), np.float32)

    def describe(self, faces: Faces) -> Descriptor:
        """The descriptor of one segment's faces, at least one, and how it came about."""
        crops_NHWC, chosen = checked_crops(self, faces), self.settings
        frame_TD = self._trunk(crops_NHWC)
        score_T = None
        if chosen.selection == "expression":
            score_T = expression(frame_TD, chosen.length, chosen.deviation, chosen.spread, chosen.channels)
        selected = select(chosen.selection, chosen.keep, len(crops_NHWC), score_T)
        images = len(crops_NHWC)
        parts = []
        for region in chosen.names:
            if region == "face":
                region_KD = frame_TD[selected]
            else:
                region_KD = _encode_region(self._trunk, chosen.regions, faces, crops_NHWC, selected, region)
                images += len(selected)
            parts.append(chosen.weight(region) * _pool(region_KD, chosen.pooling))
        return Descriptor(np.concatenate(parts).astype(np.float32), selected, images)

    def images(self, frames: int) -> int:
        """How many pictures are encoded for a segment of so many frames."""
        return self.settings.images(frames)

    def cost(self) -> Cost:
        """Parameters, and FLOPs of one whole segment, measured."""
        one = self._trunk.cost()
        return Cost(one.parameters, one.flops * self.settings.images(self.segment_frames))

    def close(self) -> None:
        """Free the network."""
        self._trunk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class VisualFrames:
    """One vector a frame: the whole face and then each region through the trunk, 5 × 576 = 2880-D.

    For a head that learns by itself which frames and which regions count, as LightFusionNet's figures draw it
    (`lfnet.heads.region_attention`): here no frame is selected and no region weighted. regions: "published" or "mesh".
    Five pictures a frame are encoded, so a stride spares time. The other arguments are `Visual`'s.
    """

    unit_norm = False
    per_segment = False

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        cut: str = "whole",
        regions: str = "published",
        crop_size: int = 224,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        if regions not in KINDS:
            raise LfnetError(f"encoder.{name}.regions must be one of {', '.join(KINDS)}, not {regions!r}.")
        self.name, self.crop_size, self._regions = name, crop_size, regions
        self._trunk = Trunk(
            weights,
            cache,
            setting=f"encoder.{name}",
            cut=cut,
            side=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self._names = () if regions == "whole" else REGIONS
        self.dim = (1 + len(self._names)) * self._trunk.dim
        self.needs = frozenset({"crops", "mesh"} if regions == "mesh" else {"crops"})

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON, see `Encoder.recipe`."""
        made = {"encoder": "VisualFrames", **self._trunk.recipe(), "dim": self.dim, "crop_size": self.crop_size}
        return {**made, "regions": self._regions}

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim]: the face's numbers, then each region's, in the order of `lfnet.video.regions.REGIONS`.

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        crops_NHWC, everyone = checked_crops(self, faces), np.arange(len(faces))
        parts = [self._trunk(crops_NHWC)]
        for region in self._names:
            parts.append(_encode_region(self._trunk, self._regions, faces, crops_NHWC, everyone, region))
        return np.concatenate(parts, axis=1)

    def cost(self) -> Cost:
        """Parameters, and FLOPs of one frame, measured."""
        one = self._trunk.cost()
        return Cost(one.parameters, one.flops * (1 + len(self._names)))

    def close(self) -> None:
        """Free the network."""
        self._trunk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _encode_region(
    trunk: Trunk, kind: str, faces: Faces, crops_NHWC: np.ndarray, selected: np.ndarray, region: str
) -> np.ndarray:
    """A region's vectors, float32 [K, dim], of the selected frames; no more of its pictures at a time than a batch."""
    vectors = np.empty((len(selected), trunk.dim), np.float32)
    for start in range(0, len(selected), trunk.batch_size):
        some = selected[start : start + trunk.batch_size]
        if kind == "mesh":
            if faces.points_NL2 is None or faces.points_NL2.shape[1:] != (478, 2):
                raise ValueError("regions along the mesh need points [N, 478, 2]")
            pictures = cut_mesh(crops_NHWC[some], faces.points_NL2[some], region)
        else:
            pictures = cut_rectangles(crops_NHWC[some], region)
        vectors[start : start + len(some)] = trunk(pictures)
    return vectors


def _pool(vectors_KD: np.ndarray, pooling: str) -> np.ndarray:
    """float64 [D]: the mean, or the sum weighted by a softmax over frames of the standard deviation over channels."""
    g_KD = vectors_KD.astype(np.float64)
    if pooling == "mean":
        return g_KD.mean(axis=0)
    sd_K = g_KD.std(axis=1, ddof=1)
    weight_K = np.exp(sd_K - sd_K.max())
    return (weight_K / weight_K.sum()) @ g_KD
