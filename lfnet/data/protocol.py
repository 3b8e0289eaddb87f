"""Settings of a protocol: how clips become windows and how window scores become a recording's score."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lfnet.config import Share, settings
from lfnet.features.health import Health

__all__ = ["PUBLISHED_TRAINING", "QUICK_TRAINING", "Aggregate", "Health", "Protocol", "Select"]

# Training of the published temporal ablation: Adam at 3e-4 with weight decay 1e-4 and mean absolute error, on single
# windows and all of them, and all dev windows choose the epoch. A row of a table is called `published` only where its
# training is this.
PUBLISHED_TRAINING = {
    "lr": 3e-4,
    "weight_decay": 1e-4,
    "windows_per_clip": None,
    "select_windows_per_clip": None,
    "loss._target_": "lfnet.training.losses.L1",
    "loss.lds_sigma": None,
    "loss.temporal_sigma": None,
    "pooling": None,
    "pretrain": None,
    "recalibrate": None,
}
# What trainer=quick and its like may set otherwise in a row called "published, quick".
QUICK_TRAINING = frozenset({"lr", "windows_per_clip", "select_windows_per_clip"})

# Nine hours at 30 frames a second; windows are laid over `length` whether a clip has so many frames or not.
_Frames = Annotated[int, Field(ge=1, le=1_000_000)]
_Mean = Literal["mean", "median"]
_Order = Literal["in_order", "shuffled", "reversed"]


@settings
class Aggregate:
    """Aggregation of scores: windows to a clip, clips to a recording."""

    clip: _Mean = "mean"
    recording: _Mean = "mean"


@settings
class Select:
    """Choice of the best epoch: by which metric, on which split, at which level."""

    split: Literal["dev", "test"] = "dev"
    metric: str = "mae"
    level: Literal["window", "clip", "recording"] = "recording"


@settings
class Protocol:
    """Settings of one protocol; `conf/protocol/masked.yaml` explains each. Lengths are in frames.

    Examples
    --------
    >>> from lfnet.config import read
    >>> protocol = read(Protocol, {"name": "short", "window": 64, "hop": 32, "test_frames": "reversed"}, "protocol")
    >>> protocol.frames_in("train"), protocol.frames_in("test")
    ('in_order', 'reversed')
    """

    name: str
    window: _Frames
    hop: _Frames
    length: _Frames | None = None
    tail: Literal["cover", "drop"] = "cover"
    mask: bool = True
    fill: Literal["zero", "random"] = "zero"
    min_valid: Share = 0.0
    tasks: tuple[str, ...] | None = None
    frames: _Order = "in_order"
    test_frames: _Order | None = None
    labels: Literal["given", "permuted"] = "given"
    segment: _Frames = 500
    aggregate: Aggregate = Aggregate()
    select: Select = Select()
    health: Health = Health()

    @model_validator(mode="after")
    def _check_lengths(self) -> "Protocol":
        if self.hop > self.window:
            raise ValueError(
                f".hop={self.hop}: give at most window={self.window}; frames between windows would not be used."
            )
        if self.length is not None and self.length < self.window:
            raise ValueError(f".length={self.length}: give at least window={self.window}, or null for whole clips.")
        return self

    def frames_in(self, split: str) -> str:
        """Return the order in which the frames of a split's clips are served."""
        return self.test_frames if split == "test" and self.test_frames is not None else self.frames
