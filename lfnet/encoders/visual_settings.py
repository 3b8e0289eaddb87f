"""Settings of LightFusionNet's visual descriptor: conf/visual."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lfnet.config import Count, NonNegative, settings
from lfnet.encoders.trunk_network import Cut
from lfnet.video.regions import PUBLISHED, REGIONS

__all__ = ["RegionKind", "VisualSettings"]

RegionKind = Literal["published", "mesh", "whole"]


def _from_uniform(weights: Any) -> Any:
    return dict.fromkeys(REGIONS, 1 / len(REGIONS)) if weights == "uniform" else weights


def _check_regions(weights: dict[str, float]) -> dict[str, float]:
    if set(weights) != set(REGIONS):
        raise ValueError(f"give uniform, or a weight for each of {', '.join(REGIONS)}.")
    return weights


@settings
class VisualSettings:
    """Settings of `lfnet.encoders.visual.Visual`; the defaults are LightFusionNet's published constants.

    Frame attention α, temporal attention β and region weights λ that are learned from labels, as LightFusionNet's
    figures draw them, cannot be part of an encoder, which sees no label: use `head=region_attention` with
    `encoder=visual_frames`.

    Parameters
    ----------
    cut : str
        Where MobileNetV3-Small ends, a key of `lfnet.encoders.trunk_network.CUTS`: "whole", 576-D and 927,008
        parameters, is what the published code runs; "block4.1.depthwise" is 576-D too, with 354,368 parameters; the
        article states 0.46 M.
    segment_frames : int
        Frames with a face that make a segment: 500 frames as published.
    segments : {"first", "all"}
        "first" takes the first one, as published; "all" takes all of the clip.
    min_frames : int
        A last segment with fewer frames is left out, unless it is the clip's only one. Assumed.
    selection : {"expression", "uniform", "none"}
        "expression" keeps the `keep` frames with the highest `length`·‖f‖ + `deviation`·‖f − mean‖ +
        `spread`·std(f[:`channels`]); "uniform" keeps `keep` evenly spread frames; "none" keeps all. Assumed: of equal
        scores the earlier frame is kept, and a segment of at most `keep` frames keeps all.
    keep : int
        Number of frames that a segment keeps; 100 as published.
    length, deviation, spread : float
        Weights of the three terms of "expression"; .5, .3 and .2 as published.
    channels : int
        Numbers of a vector that the third term reads; 100 as published.
    regions : {"published", "mesh", "whole"}
        "published" cuts eyes (upper half), mouth (lower third), left and right cheek (halves of the middle third) out
        of the crop; "mesh" cuts them along the face mesh, so that each shows the same part of the face at the same
        place when the head turns (`lfnet.video.regions.mesh_patch`); "whole" is the crop as it is.
    weights : dict or "uniform"
        Of each region: eyes .35, mouth .30, right cheek .20, left cheek .15; "uniform": 1/4 each.
    pooling : {"softmax", "mean"}
        Over frames; "softmax" weights them by the standard deviation of their channels.

    Examples
    --------
    >>> from lfnet.encoders import VisualSettings
    >>> settings = VisualSettings(weights="uniform", keep=50)
    >>> settings.names
    ('eyes', 'mouth', 'left_cheek', 'right_cheek')
    >>> settings.weight("eyes"), settings.count_images(500)
    (0.25, 700)
    """

    cut: Cut = "whole"
    segment_frames: Count = 500
    segments: Literal["first", "all"] = "first"
    min_frames: Count = 250
    selection: Literal["expression", "uniform", "none"] = "expression"
    keep: Count = 100
    length: float = 0.5
    deviation: float = 0.3
    spread: float = 0.2
    channels: Count = 100
    regions: RegionKind = "published"
    weights: Annotated[dict[str, NonNegative], BeforeValidator(_from_uniform), AfterValidator(_check_regions)] = Field(
        default_factory=lambda: dict(PUBLISHED)
    )
    pooling: Literal["softmax", "mean"] = "softmax"

    @property
    def names(self) -> tuple[str, ...]:
        """The regions, in the descriptor's order."""
        return ("face",) if self.regions == "whole" else REGIONS

    def weight(self, region: str) -> float:
        """Return a region's weight; 1 for the whole face."""
        return 1.0 if self.regions == "whole" else self.weights[region]

    def count_images(self, frames: int) -> int:
        """Count the images encoded for a segment of so many frames: each frame, and each region of the kept ones."""
        kept = frames if self.selection == "none" else min(self.keep, frames)
        return frames if self.regions == "whole" else frames + len(REGIONS) * kept

    def recipe(self) -> dict[str, Any]:
        """Describe the settings as JSON."""
        return {**asdict(self), "weights": {name: self.weight(name) for name in self.names}}
