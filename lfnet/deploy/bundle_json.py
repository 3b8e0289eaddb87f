"""Schema and reader of bundle.json, which describes the contents of a bundle."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator

from lfnet.config import Count, NonNegative, Share, read, settings
from lfnet.data.protocol import Protocol
from lfnet.deploy.replace import BUNDLE, listed
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import Conformal
from lfnet.evaluation.pooling import read_pooling
from lfnet.files import read_json
from lfnet.runs.result import Result
from lfnet.seals import SEAL
from lfnet.trust import check_targets

__all__ = [
    "FORMAT",
    "VARIANTS",
    "Constants",
    "EncoderFacts",
    "Facts",
    "Features",
    "FileFacts",
    "HeadFacts",
    "Labels",
    "Limits",
    "Member",
    "Parity",
    "RunFacts",
    "Scale",
    "VideoFacts",
    "WeightsFacts",
    "read_facts",
    "to_json",
]

FORMAT: Literal[3] = 3
VARIANTS = ("fp32", "fp16", "int8")
_GROUPS = ("encoder", "pooling", "pulse", "video", "visual", "weights")  # of the classes that bundle.json may name
_Whole = Annotated[int, Field(ge=0)]
_Rates = tuple[NonNegative, NonNegative]


@settings
class Member:
    """A run whose head is in the bundle."""

    fingerprint: str
    seed: int


@settings
class RunFacts:
    """The run that was exported; of an ensemble the first one, with all `members`. `head` is the head's class."""

    fingerprint: str
    model: str
    seed: int
    members: tuple[Member, ...]
    head: str
    cohort: str
    simulated: bool
    marks: tuple[str, ...]


@settings
class Scale:
    """Name and range of the label scale, in points; or of a binary label, whose score is the probability of a 1."""

    name: str
    min: float
    max: float
    probability: bool = False

    @classmethod
    def of(cls, result: Result) -> Self:
        """The scale of a run's labels."""
        scale, classes = result.scale, result.scale.classes
        binary = classes is not None and classes.kind == "binary"
        return cls(name=scale.name, min=scale.min, max=scale.max, probability=binary)

    def text(self, score: float) -> str:
        """A score in words.

        Examples
        --------
        >>> Scale(name="BDI-II", min=0, max=63).text(12.34)
        'score 12.3 (BDI-II, 0 to 63)'
        >>> Scale(name="PHQ-9 ≥ 10", min=0, max=1, probability=True).text(0.4231)
        'probability 0.42 that the label is 1 (PHQ-9 ≥ 10)'
        >>> Scale(name="PHQ-9 ≥ 10", min=0, max=1, probability=True).text(-0.0)
        'probability 0.00 that the label is 1 (PHQ-9 ≥ 10)'
        """
        if self.probability:  # + 0.0: no minus sign before a zero
            return f"probability {round(score, 2) + 0.0:.2f} that the label is 1 ({self.name})"
        digits = 1 if self.max > 1 else 2
        return f"score {score:.{digits}f} ({self.name}, {self.min:g} to {self.max:g})"


@settings
class Labels:
    """Mean and SD of the training labels in points, which turn a head's standardised scores into points."""

    mean: float
    sd: NonNegative


@settings
class Constants:
    """Mean and median of the training recordings' labels, in points: what a model without any input would score."""

    mean: float
    median: float


@settings
class Features:
    """Stream of the features, their number per frame, and the file of their means over the training clips."""

    stream: str
    dim: Count
    means: str | None = None


@settings
class Parity:
    """Differences between a window's score by the exported head and by PyTorch's, in points.

    `random_*` are of random masked windows of several `lengths`; `tolerance` is the largest difference allowed.
    """

    real_max: NonNegative
    real_mean: NonNegative
    real_windows: _Whole
    random_max: NonNegative
    random_mean: NonNegative
    random_windows: _Whole
    lengths: tuple[Count, ...]
    tolerance: NonNegative


@settings
class HeadFacts:
    """The head's network. `windows` and `frames` are "any" where the graph does not fix them."""

    file: str
    variant: Literal["fp32", "fp16", "int8"]
    members: Count
    parameters: _Whole
    flops_per_window: NonNegative
    windows: Literal["any", 1]
    frames: Literal["any"] | Count
    parity: Parity


@settings
class WeightsFacts:
    """Origin and licence of a network's weights; `sha256` is the digest of the file before conversion."""

    name: str
    file: str
    licence: str
    about: str
    notice: str | None = None
    sha256: str | None = None


@settings
class EncoderCost:
    """Parameters of an encoder, and FLOPs per frame."""

    parameters: _Whole
    flops_per_frame: NonNegative


@settings
class EncoderFacts:
    """The encoder.

    Parameters
    ----------
    name : str
        Name of the encoder.
    node : dict
        Class and settings, as in conf/encoder.
    file : str or None
        Its network; None for an encoder without one.
    dim : int
        Length of a vector.
    needs : tuple of str
        What it reads of a frame.
    crop_size : int or None
        Side of the face crops in pixels.
    unit_norm : bool
        Whether vectors have length 1.
    stride : int
        Every `stride`-th frame is encoded.
    batch_size : int
        Frames encoded together.
    weights : WeightsFacts or None
        Origin of the network.
    cost : EncoderCost or None
        Measured cost; None where the encoder does not report one.
    parity : float or None
        Largest difference from PyTorch's vectors, as a share of the largest number; None where nothing was converted.
    """

    name: str
    node: dict[str, Any]
    file: str | None
    dim: Count
    needs: tuple[str, ...]
    crop_size: Count | None
    unit_norm: bool
    stride: Count
    batch_size: Count
    weights: WeightsFacts | None
    cost: EncoderCost | None
    parity: NonNegative | None


@settings
class VideoFacts:
    """The face landmarker: settings as in conf/video, file and origin."""

    node: dict[str, Any]
    file: str
    weights: WeightsFacts


@settings
class Limits:
    """Conditions for scoring a clip: frames per second (after the stride), frames with a face, share of such frames.

    sparse: zero and constant vectors are values, and no fault.
    """

    rows_per_second: _Rates | None
    trained_rows_per_second: _Rates | None
    min_frames: _Whole
    min_coverage: Share
    sparse: bool = False


@settings
class FileFacts:
    """Digest and size of a file."""

    sha256: str
    bytes: _Whole


@settings
class Facts:
    """The contents of bundle.json.

    Parameters
    ----------
    format : int
        Version of the schema.
    made : str
        Time of the export.
    versions : dict
        Versions of lfnet and the libraries that exported the head.
    run, scale, labels, features, head, limits
        See their classes.
    protocol : Protocol
        How clips are cut into windows, and scores aggregated.
    encoder, video
        None where the cohort has vectors and no video.
    pulse : dict or None
        Settings of the pulse, as in conf/pulse.
    conformal : Conformal or None
        The calibrated interval; None where too few people were left for calibration: `no_interval` is the reason.
    files : dict
        Name → digest and size of every file except bundle.json, which contains its own digest (`lfnet.seals`).
    pooling : dict or None
        How window scores are pooled, as in conf/pooling; None: as `protocol.aggregate` says.
    constants : Constants or None
        None in bundles of older versions.
    """

    format: Literal[3]
    made: str
    versions: dict[str, str]
    run: RunFacts
    scale: Scale
    labels: Labels
    protocol: Protocol
    features: Features
    head: HeadFacts
    encoder: EncoderFacts | None
    video: VideoFacts | None
    pulse: dict[str, Any] | None
    limits: Limits
    conformal: Conformal | None
    no_interval: str
    files: dict[str, FileFacts]
    pooling: dict[str, Any] | None = None
    constants: Constants | None = None

    @model_validator(mode="after")
    def _check_stages(self) -> "Facts":
        """Every stage reads files of the bundle alone, and fetches none."""
        if (self.encoder is None) != (self.video is None):
            raise ValueError(".video: give both encoder and video, or null for both.")
        names = [("head", self.head.file)]
        if self.video is not None:
            names.append(("video", self.video.file))
        if self.encoder is not None and self.encoder.file is not None:
            names.append(("encoder", self.encoder.file))
        if self.features.means is not None:
            names.append(("features", self.features.means))
        for stage, name in names:
            if name not in self.files:
                key = "means" if stage == "features" else "file"
                raise ValueError(f".{stage}.{key}={name}: give a file of this bundle.")
        if self.encoder is not None and (weights := self.encoder.node.get("weights")) is not None:
            own = isinstance(weights, dict) and not weights.get("sources") and not weights.get("path")
            if self.encoder.file is None or not own:
                raise ValueError(".encoder.node.weights: give the bundle's own file, without sources and path.")
        return self


def to_json(facts: Facts) -> dict[str, Any]:
    """Return the facts as bundle.json holds them."""
    return asdict(cast(Any, facts))


def read_facts(folder: Path, *, trust: Sequence[str] = ()) -> Facts:
    """Read and check bundle.json.

    Parameters
    ----------
    folder : Path
        The folder that contains it.
    trust : sequence of str
        Exact dotted names of classes that it may name besides lfnet's own.

    Raises
    ------
    LfnetError
        The file is damaged, of another format, names other code, or names files that are not the bundle's.
    """
    path = folder / BUNDLE
    listed(folder)
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise LfnetError(
            f"{path} has format {content.get('format')}, and this version of lfnet reads {FORMAT}: export the run "
            "again."
        )
    if content.pop(SEAL, None) is None:  # else `listed` has compared it
        raise LfnetError(f"{path} contains no SHA-256 of itself: copy the bundle again, or export the run again.")
    check_targets(content, path, groups=_GROUPS, trust=trust)
    try:
        facts = read(Facts, content, "")
        read_pooling(facts.pooling, "pooling")
        return facts
    except LfnetError as error:
        fault, *more = str(error).removeprefix(".").splitlines()
        rest = f" ({len(more)} more faults)" if more else ""
        raise LfnetError(f"{path} is damaged: {fault}{rest} Copy the bundle again, or export the run again.") from None
