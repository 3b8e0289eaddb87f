"""How a pulse is read and what is believed of it: conf/pulse."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lfnet.errors import LfnetError

__all__ = ["INVALID", "MEASURES", "METHODS", "PulseSettings"]

METHODS = ("green", "chrom", "pos")
MEASURES = ("q", "snr")
INVALID = ("keep", "missing")


@dataclass(frozen=True)
class PulseSettings:
    """The settings of conf/pulse/*.yaml; the published ones by default (LightFusionNet).

    method: "green" (published) | "chrom" (de Haan & Jeanne 2013) | "pos" (Wang et al. 2017).
    rate: Hz of the uniform trace. band: Hz of the band-pass and of every quality measure, published .6–4; order: of the
    Butterworth filter, run forwards and backwards. detrend: λ of the smoothness priors (Tarvainen et al. 2002), None
    for none. window: seconds of CHROM's and POS's windows.
    segment, hop, context: seconds, 17 for LightFusionNet's 500 frames at 30 Hz; a segment is read with `context`
    seconds on either side, where there are any, which are cut off again behind the filters.
    min_pixels: a region with fewer skin pixels is not seen. max_gap: seconds without a region that are bridged.
    min_coverage: least share of a segment's frames in which a region is seen. min_fps: least frames a second.
    measure: "q" | "snr", what is held against `threshold`; see `lfnet.pulse.quality`. Q is published, .3 is assumed:
    no source names the published threshold, and of white noise Q is .29.
    agreement: beats a minute by which a region's own rate may differ from the whole's to agree with it, and
    agreeing: how many regions must, at least as far as they are seen; agreeing 0 asks for none.
    min_beats: least number of beats in a segment. correct: the share by which an interval differs from those around it
    where intervals are corrected (`lfnet.pulse.interbeat_intervals.correct`); None for no correction.
    invalid: "keep" | "missing", what becomes of a feature that the signal is too short for; least_seconds, least_beats:
    what each feature needs; a feature not named needs none.
    Raises `LfnetError` for what cannot be.
    """

    name: str = "published"
    method: str = "green"
    rate: float = 30.0
    band: tuple[float, float] = (0.6, 4.0)
    order: int = 3
    detrend: float | None = None
    window: float = 1.6
    segment: float = 17.0
    hop: float = 17.0
    context: float = 0.0
    min_pixels: int = 40
    max_gap: float = 0.5
    min_coverage: float = 0.9
    min_fps: float = 9.0
    measure: str = "q"
    threshold: float = 0.3
    agreement: float = 5.0
    agreeing: int = 0
    min_beats: int = 8
    correct: float | None = 0.2
    invalid: str = "keep"
    least_seconds: Mapping[str, float] = field(default_factory=dict)
    least_beats: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "band", tuple(float(edge) for edge in self.band))
        for name, choices in (("method", METHODS), ("measure", MEASURES), ("invalid", INVALID)):
            if getattr(self, name) not in choices:
                raise LfnetError(f"pulse.{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}.")
        for name in ("rate", "window", "segment", "hop", "max_gap", "min_fps", "order", "agreement"):
            if not getattr(self, name) > 0:
                raise LfnetError(f"pulse.{name} must be above 0, not {getattr(self, name)}.")
        for name in ("context", "min_pixels", "min_beats", "agreeing"):
            if getattr(self, name) < 0:
                raise LfnetError(f"pulse.{name} must be 0 or more, not {getattr(self, name)}.")
        if self.detrend is not None and not self.detrend > 0:
            raise LfnetError(f"pulse.detrend must be above 0, or null for none, not {self.detrend}.")
        if self.correct is not None and not 0 < self.correct < 1:
            raise LfnetError(f"pulse.correct must lie between 0 and 1, or be null for none, not {self.correct}.")
        if len(self.band) != 2 or not 0 < self.band[0] < self.band[1] < self.rate / 2:
            raise LfnetError(
                f"pulse.band must be two frequencies between 0 and half of pulse.rate ({self.rate / 2:g} Hz), "
                f"not {list(self.band)}."
            )
        if not 0 < self.min_coverage <= 1:
            raise LfnetError(f"pulse.min_coverage must be above 0 and at most 1, not {self.min_coverage}.")
        if self.min_fps <= 2 * self.band[1]:
            raise LfnetError(
                f"pulse.min_fps={self.min_fps:g} cannot show the band's {self.band[1]:g} Hz: give more than "
                f"{2 * self.band[1]:g}."
            )
        if self.segment * self.band[0] < 4:
            raise LfnetError(
                f"pulse.segment={self.segment:g} holds fewer than four beats of {self.band[0]:g} Hz: give "
                f"{4 / self.band[0]:.0f} s or more."
            )
        from lfnet.pulse.variability import NAMES

        for name in ("least_seconds", "least_beats"):
            if unknown := sorted(set(getattr(self, name)) - set(NAMES)):
                raise LfnetError(
                    f"pulse.{name} names {unknown[0]}, which is no feature. There are: {', '.join(NAMES)}."
                )

    def recipe(self) -> dict[str, Any]:
        """What makes the features what they are, as JSON."""
        return {**asdict(self), "band": list(self.band)}
