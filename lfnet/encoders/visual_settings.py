"""How LightFusionNet's visual stream turns a segment into a descriptor: conf/visual."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lfnet.encoders.selection import SELECTIONS
from lfnet.encoders.trunk import CUTS
from lfnet.errors import LfnetError
from lfnet.video.regions import PUBLISHED, REGIONS

__all__ = ["KINDS", "POOLINGS", "VisualSettings"]

KINDS = ("published", "mesh", "whole")
POOLINGS = ("softmax", "mean")


@dataclass(frozen=True)
class VisualSettings:
    """The settings of conf/visual/*.yaml. Defaults are LightFusionNet's published constants (research.md, section A).

    cut: where MobileNetV3-Small ends, a key of `lfnet.encoders.trunk.CUTS`: "whole", 576-D and 927,008 parameters, is
    what the published code runs; "block4.1.depthwise" is 576-D too and 354,368; the text says 0.46 M.
    segment_frames: 500 frames with a face make a segment. segments: "first" takes the first one, as published; "all"
    go through the clip. shortest: a last segment of fewer frames is left out, unless it is the clip's only one.
    selection: "expression" keeps the `keep` = 100 frames with the highest `length`·‖f‖ + `deviation`·‖f − mean‖ +
    `spread`·std(f[:`channels`]), .5, .3, .2 and 100; "uniform" keeps `keep` frames evenly spread; "none" keeps all.
    Assumed, for no source says so: of equal scores the earlier frame is kept, a segment of no more than `keep` frames
    keeps all; and `shortest`.
    regions: "published" cuts eyes (upper half), mouth (lower third), left and right cheek (middle third, halved) out of
    the crop; "mesh" cuts them along the face mesh, so that each shows its own part of the face and nothing else when
    the head turns, each part at its own place (`lfnet.video.regions.mesh_patch`); "whole" is the crop as it is.
    weights: of each region, eyes .35, mouth .30, right cheek .20, left cheek .15; "uniform": the same for all, sum 1.
    pooling: "softmax" over frames of the per-frame standard deviation of the channels, or "mean".

    Frame attention α, temporal attention β and region weights λ learned from labels, as the figures draw them, cannot
    be here, where no label is known: that is `head=region_attention` on `encoder=visual_frames`.
    Raises `LfnetError` for values out of range.
    """

    cut: str = "whole"
    segment_frames: int = 500
    segments: str = "first"
    shortest: int = 250
    selection: str = "expression"
    keep: int = 100
    length: float = 0.5
    deviation: float = 0.3
    spread: float = 0.2
    channels: int = 100
    regions: str = "published"
    weights: Mapping[str, float] | str = field(default_factory=lambda: dict(PUBLISHED))
    pooling: str = "softmax"

    def __post_init__(self) -> None:
        among = {
            "cut": tuple(CUTS),
            "segments": ("first", "all"),
            "selection": SELECTIONS,
            "regions": KINDS,
            "pooling": POOLINGS,
        }
        for name, allowed in among.items():
            if getattr(self, name) not in allowed:
                raise LfnetError(f"visual.{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}.")
        for name in ("segment_frames", "shortest", "keep", "channels"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise LfnetError(f"visual.{name} must be a whole number from 1, not {getattr(self, name)}.")
        if isinstance(self.weights, str):
            if self.weights != "uniform":
                raise LfnetError(f"visual.weights must be uniform or a weight for each region, not {self.weights!r}.")
        elif self.regions != "whole" and (
            set(self.weights) != set(REGIONS) or not all(weight >= 0 for weight in self.weights.values())
        ):
            raise LfnetError(
                f"visual.weights must name {', '.join(REGIONS)}, each with a number from 0, not {dict(self.weights)}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The regions, in the descriptor's order."""
        return ("face",) if self.regions == "whole" else REGIONS

    def weight(self, region: str) -> float:
        """A region's weight; 1 for the whole face."""
        if self.regions == "whole":
            return 1.0
        return 1 / len(REGIONS) if isinstance(self.weights, str) else float(self.weights[region])

    def images(self, frames: int) -> int:
        """How many pictures are encoded for a segment of so many frames: each, and each region of the kept ones."""
        kept = frames if self.selection == "none" else min(self.keep, frames)
        return frames if self.regions == "whole" else frames + len(REGIONS) * kept

    def recipe(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {**asdict(self), "weights": {name: self.weight(name) for name in self.names}}
