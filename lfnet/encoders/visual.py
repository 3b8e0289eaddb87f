"""LightFusionNet's visual descriptor: the expressive frames of a segment, region by region."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.config import Count
from lfnet.encoders.encoder import Device, SegmentEncoder
from lfnet.encoders.trunk import Backend, Trunk, TrunkEncoder
from lfnet.encoders.trunk_network import Cut
from lfnet.encoders.visual_settings import RegionKind, VisualSettings
from lfnet.video.faces import Faces
from lfnet.video.regions import REGIONS, cut_mesh, cut_rectangles
from lfnet.weights.weights_file import WeightsFile

__all__ = ["Descriptor", "Visual", "VisualFrames", "score_expression", "select_frames"]


class Descriptor(NamedTuple):
    """A segment's descriptor.

    vector: float32 [regions × dim]. selected: int64 [K], the kept frames. images: number of encoded images.
    """

    vector: np.ndarray
    selected: np.ndarray
    images: int


class Visual(TrunkEncoder, SegmentEncoder):
    """One vector a segment: 4 regions × 576 = 2304-D as published.

    Every frame's aligned crop (224 px, ImageNet's normalisation) is encoded by the trunk; some frames are selected by
    these vectors; the regions of each are enlarged to the crop's side and encoded again; a region's vectors g are
    pooled over frames, as published by Σ softmax(std(g))·g, a softmax of their standard deviations over channels
    (ddof 1), and weighted. The regions are concatenated in the order of `lfnet.video.regions.REGIONS`.

    Parameters
    ----------
    name : str
        Name of the stream.
    settings : VisualSettings
        Selection, regions and pooling.
    weights : WeightsFile
        The weights of MobileNetV3-Small, in torchvision's layout or timm's.
    cache : path
        Folder of weights.
    crop_size, batch_size, device, threads, backend
        See `lfnet.encoders.trunk.Trunk`.

    Examples
    --------
    The attributes are known before the weights are read.

    >>> from lfnet.encoders import Visual, VisualSettings
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.pth", sha256=None, licence="MIT", about="a network")
    >>> encoder = Visual("visual", VisualSettings(), weights, cache="weights")
    >>> encoder.dim, encoder.segment_frames, encoder.images_per_vector
    (2304, 500, 900)
    """

    def __init__(
        self,
        name: str,
        settings: VisualSettings,
        weights: WeightsFile,
        cache: Path | str,
        *,
        crop_size: Count = 224,
        batch_size: Count = 32,
        device: Device = "cpu",
        threads: Count | None = None,
        backend: Backend = "auto",
    ) -> None:
        super().__init__(
            name,
            weights,
            cache,
            cut=settings.cut,
            crop_size=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self.settings = settings
        self.dim = len(settings.names) * self.trunk.dim
        self.needs = _needs(settings.regions)
        self.segment_frames, self.min_frames = settings.segment_frames, settings.min_frames
        self.segments = 1 if settings.segments == "first" else None
        self.images_per_vector = settings.count_images(settings.segment_frames)

    def recipe(self) -> dict[str, Any]:
        """Describe weights, preprocessing and settings as JSON."""
        return {**super().recipe(), "settings": self.settings.recipe()}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return float32 [1, dim] for the faces of one segment, [0, dim] for none.

        Raises `LfnetError` as `Encoder.encode` does.
        """
        return self.describe(faces).vector[None] if len(faces) else np.zeros((0, self.dim), np.float32)

    def count_images(self, frames: int) -> int:
        """Count the images encoded for a segment of so many frames; of a short segment all frames are selected."""
        return self.settings.count_images(frames)

    def describe(self, faces: Faces) -> Descriptor:
        """Compute the descriptor of a segment of one face or more, with the frames that were selected."""
        crops_NHWC, settings = self.check_crops(faces), self.settings
        frame_TD = self.trunk(crops_NHWC)
        score_T = None
        if settings.selection == "expression":
            score_T = score_expression(
                frame_TD, settings.length, settings.deviation, settings.spread, settings.channels
            )
        selected = select_frames(settings.selection, settings.keep, len(crops_NHWC), score_T)
        images = len(crops_NHWC)
        parts = []
        for region in settings.names:
            if region == "face":
                region_KD = frame_TD[selected]
            else:
                region_KD = _encode_region(self.trunk, settings.regions, faces, crops_NHWC, selected, region)
                images += len(selected)
            parts.append(settings.weight(region) * _pool(region_KD, settings.pooling))
        return Descriptor(np.concatenate(parts).astype(np.float32), selected, images)


class VisualFrames(TrunkEncoder):
    """One vector a frame: the whole face and then each region through the trunk, 5 × 576 = 2880-D.

    For a head that learns which frames and which regions count, as LightFusionNet's figures draw it
    (`lfnet.heads.region_attention`): no frame is selected and no region weighted. Five images are encoded for each
    frame, so that `encoder.stride` saves time.

    Parameters
    ----------
    name : str
        Name of the stream.
    weights : WeightsFile
        The weights of MobileNetV3-Small, in torchvision's layout or timm's.
    cache : path
        Folder of weights.
    cut, regions
        See `VisualSettings`.
    crop_size, batch_size, device, threads, backend
        See `lfnet.encoders.trunk.Trunk`.

    Examples
    --------
    The attributes are known before the weights are read.

    >>> from lfnet.encoders import VisualFrames
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.pth", sha256=None, licence="MIT", about="a network")
    >>> encoder = VisualFrames("visual_frames", weights, cache="weights")
    >>> encoder.dim, encoder.images_per_vector
    (2880, 5)
    """

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        cut: Cut = "whole",
        regions: RegionKind = "published",
        crop_size: Count = 224,
        batch_size: Count = 32,
        device: Device = "cpu",
        threads: Count | None = None,
        backend: Backend = "auto",
    ) -> None:
        super().__init__(
            name,
            weights,
            cache,
            cut=cut,
            crop_size=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self._regions = regions
        self._names = () if regions == "whole" else REGIONS
        self.images_per_vector = 1 + len(self._names)
        self.dim = self.images_per_vector * self.trunk.dim
        self.needs = _needs(regions)

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        return {**super().recipe(), "regions": self._regions}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return float32 [N, dim]: the face's numbers, then each region's in the order of `REGIONS`.

        Raises `LfnetError` as `Encoder.encode` does.
        """
        crops_NHWC, frames = self.check_crops(faces), np.arange(len(faces))
        parts = [self.trunk(crops_NHWC)]
        for region in self._names:
            parts.append(_encode_region(self.trunk, self._regions, faces, crops_NHWC, frames, region))
        return np.concatenate(parts, axis=1)


def score_expression(
    vectors_TD: np.ndarray, length: float, deviation: float, spread: float, channels: int
) -> np.ndarray:
    """Score how expressive each frame of a segment is: length·‖f‖ + deviation·‖f − mean‖ + spread·std(f[:channels]).

    The mean is over the segment's frames, the standard deviation (ddof 1) over the first `channels` numbers of a frame.
    LightFusionNet publishes .5, .3, .2 and 100 channels.

    Parameters
    ----------
    vectors_TD : ndarray, shape [T, D]
        One vector f a frame.
    length, deviation, spread : float
        Weights of the three terms.
    channels : int
        Numbers of a vector that the third term reads.

    Returns
    -------
    ndarray of float64, shape [T]

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders.visual import score_expression
    >>> score_expression(np.array([[3.0, 4.0], [3.0, 4.0]]), 0.5, 0.3, 0.0, 100)
    array([2.5, 2.5])
    """
    f_TD = vectors_TD.astype(np.float64)
    few_TC = f_TD[:, :channels]
    sd_T = few_TC.std(axis=1, ddof=1) if few_TC.shape[1] > 1 else np.zeros(len(f_TD))
    norm_T = np.linalg.norm(f_TD, axis=1)
    return length * norm_T + deviation * np.linalg.norm(f_TD - f_TD.mean(axis=0), axis=1) + spread * sd_T


def select_frames(selection: str, keep: int, frames: int, score_T: np.ndarray | None = None) -> np.ndarray:
    """Select `keep` frames of a segment, or all where it has no more.

    Parameters
    ----------
    selection : {"expression", "uniform", "none"}
        The highest of `score_T`, and of equal ones the earlier; evenly spread; or all.
    keep, frames : int
        How many to keep, and of how many.
    score_T : ndarray, shape [T], optional
        Needed for "expression".

    Returns
    -------
    ndarray of int64
        Increasing indices.

    Examples
    --------
    >>> from lfnet.encoders.visual import select_frames
    >>> select_frames("uniform", 2, 8)
    array([2, 6])
    """
    if selection == "none" or frames <= keep:
        return np.arange(frames)
    if selection == "uniform":
        return ((np.arange(keep) + 0.5) * frames / keep).astype(np.int64)
    assert score_T is not None
    return np.sort(np.argsort(-score_T, kind="stable")[:keep])


def _needs(regions: str) -> frozenset[str]:
    return frozenset({"crops", "mesh"} if regions == "mesh" else {"crops"})


def _encode_region(
    trunk: Trunk, kind: str, faces: Faces, crops_NHWC: np.ndarray, selected: np.ndarray, region: str
) -> np.ndarray:
    """Encode a region of the selected frames, float32 [K, dim]; one batch of its images is in memory at a time."""
    vectors = np.empty((len(selected), trunk.dim), np.float32)
    for start in range(0, len(selected), trunk.batch_size):
        some = selected[start : start + trunk.batch_size]
        if kind == "mesh":
            if faces.points_NL2 is None or faces.points_NL2.shape[1:] != (478, 2):
                raise ValueError("regions along the mesh need points [N, 478, 2]")
            images = cut_mesh(crops_NHWC[some], faces.points_NL2[some], region)
        else:
            images = cut_rectangles(crops_NHWC[some], region)
        vectors[start : start + len(some)] = trunk(images)
    return vectors


def _pool(vectors_KD: np.ndarray, pooling: str) -> np.ndarray:
    """float64 [D]: the mean, or the sum weighted by a softmax over frames of the standard deviation over channels."""
    g_KD = vectors_KD.astype(np.float64)
    if pooling == "mean":
        return g_KD.mean(axis=0)
    sd_K = g_KD.std(axis=1, ddof=1)
    weight_K = np.exp(sd_K - sd_K.max())
    return (weight_K / weight_K.sum()) @ g_KD
