"""Settings of the pulse (conf/pulse): how it is extracted, and which segments and features are kept."""

import math
from dataclasses import asdict, field
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lfnet.config import Count, NonNegative, Positive, settings
from lfnet.pulse.variability import NAMES

__all__ = ["METHODS", "PulseSettings"]

METHODS = ("green", "chrom", "pos")
_MIN_PERIODS = 4  # of the band's lowest frequency in a segment


@settings
class PulseSettings:
    """The settings of conf/pulse/*.yaml; the defaults are the published ones (LightFusionNet, Bilal et al. 2026).

    Parameters
    ----------
    name : str
        Name of the yaml.
    method : {"green", "chrom", "pos"}
        "green" (published), "chrom" (de Haan & Jeanne 2013) or "pos" (Wang et al. 2017).
    rate : float
        Hz of the uniform trace.
    band : (float, float)
        Hz, of the band-pass and of all quality measures; published .6–4.
    order : int
        Order of the Butterworth filter, which runs forwards and backwards.
    detrend : float or None
        λ of the smoothness priors (Tarvainen et al. 2002).
    window : float
        Seconds, of the windows of CHROM and POS.
    segment, hop, context : float
        Seconds, 17 for LightFusionNet's 500 frames at 30 Hz. The filters see `context` seconds on either side of a
        segment, where there are any.
    min_pixels : int
        Minimum number of skin pixels of a visible region.
    max_gap : float
        Seconds without a region that are interpolated.
    min_coverage : float
        Minimum share of a segment's frames in which a region is visible.
    min_fps : float
        Minimum frames per second.
    measure : {"q", "snr"}
        Quality measure that is compared with `threshold` (`lfnet.pulse.quality`).
    threshold : float
        Minimum quality of a segment. Q is published, its threshold of .3 is assumed: no source names one, and white
        noise has a Q of .29.
    max_rate_difference : float
        Beats per minute by which a region's own rate may differ from that of all regions to agree with it.
    min_regions : int
        Minimum number of regions that agree, or all visible ones where they are fewer; 0 for no such rule.
    min_beats : int
        Minimum number of beats of a segment.
    correct : float or None
        Relative deviation of an interval that starts the correction (`lfnet.pulse.beats.correct_artefacts`).
    invalid : {"keep", "missing"}
        Values of features for which a segment is too short: kept, or missing.
    max_error : float or None
        Share of RMSSD or SDNN that its measured error may reach (`lfnet.pulse.errors`); above it, the feature and those
        that follow it are invalid. None for no such rule.
    min_seconds, min_intervals : dict
        Minimum length and number of interbeat intervals of each feature; features without an entry need none.

    Examples
    --------
    >>> PulseSettings(method="pos", segment=30).segment
    30.0
    """

    name: str = "published"
    method: Literal["green", "chrom", "pos"] = "green"
    rate: Positive = 30.0
    band: tuple[Positive, Positive] = (0.6, 4.0)
    order: Count = 3
    detrend: Positive | None = None
    window: Positive = 1.6
    segment: Positive = 17.0
    hop: Positive = 17.0
    context: NonNegative = 0.0
    min_pixels: Annotated[int, Field(ge=0)] = 40
    max_gap: Positive = 0.5
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.9
    min_fps: Positive = 9.0
    measure: Literal["q", "snr"] = "q"
    threshold: float = 0.3
    max_rate_difference: Positive = 5.0
    min_regions: Annotated[int, Field(ge=0, le=3)] = 0
    min_beats: Annotated[int, Field(ge=0)] = 8
    correct: Annotated[float, Field(gt=0, lt=1)] | None = 0.2
    invalid: Literal["keep", "missing"] = "keep"
    max_error: Positive | None = None
    min_seconds: dict[str, Positive] = field(default_factory=dict)
    min_intervals: dict[str, Count] = field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.band
        if not low < high < self.rate / 2:
            raise ValueError(
                f".band=[{low:g}, {high:g}]: give two increasing frequencies below half of rate, {self.rate / 2:g} Hz."
            )
        if self.min_fps <= 2 * high:
            raise ValueError(
                f".min_fps={self.min_fps:g}: give a number above {2 * high:g}, twice the band's {high:g} Hz."
            )
        if self.segment < self.min_segment:
            raise ValueError(
                f".segment={self.segment:g}: give {self.min_segment:g} s or more, {_MIN_PERIODS} periods of {low:g} Hz."
            )
        for name in ("min_seconds", "min_intervals"):
            if unknown := sorted(set(getattr(self, name)) - set(NAMES)):
                raise ValueError(f".{name}.{unknown[0]}: there is no such feature; known: {', '.join(NAMES)}.")
        return self

    @property
    def min_segment(self) -> float:
        """Return the minimum length of a segment in seconds, rounded up to .1 s."""
        return math.ceil(10 * _MIN_PERIODS / self.band[0] - 1e-9) / 10

    def advice(self, seconds: float) -> str:
        """Return what to do with a clip that is shorter than a segment.

        Parameters
        ----------
        seconds : float
            Length of the clip.

        Returns
        -------
        str

        Examples
        --------
        >>> PulseSettings().advice(12.34)
        'Give 17 s or more, or set pulse.segment=12.3 pulse.hop=12.3.'
        >>> PulseSettings().advice(5.0)
        'Give 17 s or more; the shortest segment that can be set is 6.7 s.'
        """
        longest = math.floor(10 * seconds + 1e-6) / 10
        if longest < self.min_segment:
            return f"Give {self.segment:g} s or more; the shortest segment that can be set is {self.min_segment:g} s."
        return f"Give {self.segment:g} s or more, or set pulse.segment={longest:g} pulse.hop={longest:g}."

    def recipe(self) -> dict[str, Any]:
        """Return all settings as JSON-like values, for fingerprints."""
        return {**asdict(self), "band": list(self.band)}
