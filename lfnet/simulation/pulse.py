"""Simulated features of pulse-rate variability, drawn directly for each segment and not from a video.

A feature for which a segment is too short is missing or noise, by the list that pulse=nested applies to video
(conf/validity); the effect of severity is planted in the others. In 17 s these are mean interval, RMSSD and amplitude,
with heart rate and SD1, which follow from them; with 30 s SDNN joins them, with 60 s pNN50, with 200 beats SampEn.
What is not simulated: the error of RMSSD and SDNN by SNR (`pulse.max_error`).

White coordinates w of unit variance, one for each of these features, at each level of a recording (p person,
r recording, c clip, s segment; each h is a vector of independent standard normal numbers), and severity u along one of
their directions, q::

    j_c = √.5 h_p + √.3 h_r + √.2 h_c
    w_c = j_c + q (κ u_r + (√(1 − κ²) − 1) qᵀj_c),      κ = strength / √(1 + strength²)
    w_s = w_c + h_s
    z_s = L w_s / √2,   L Lᵀ = C,   L q = b

C is the correlation of the features, b the effect of severity on them: the pulse of people with a high score is faster
and varies less (lower variability in depression: the meta-analyses of Kemp et al. 2010 and Koch et al. 2019).
Each feature is a monotone function of its own z, or computed from others by its definition. Since all levels share C,
the mean of qᵀw over a clip's segments is sufficient for u, and the Bayes predictor is simple (`oracle`). LF, HF, LF/HF
and DFA α1 never depend on severity.

Segments are lost to poor quality, and with them whole clips, regardless of severity. A clip shorter than a segment has
none, as on video.
"""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logit

from lfnet.errors import LfnetError
from lfnet.fingerprints import digest, source_digest
from lfnet.pulse.validity import is_long_enough
from lfnet.simulation.people import Truth, stream
from lfnet.simulation.settings import Pulse, Settings

__all__ = ["CLIP", "NAMES", "NOISE", "PERSON", "SESSION", "Planted", "PulseStatistics", "SimulatedPulse", "read_pulse"]

# Shares of the variance between clips that belong to the person, the session and the clip.
PERSON, SESSION, CLIP = 0.5, 0.3, 0.2
# Variance from segment to segment, in units of the variance between clips.
NOISE = 1.0

# Median, and SD on the logarithmic scale: ms, ms, ms, %, none, arbitrary; pNN50 on the logit scale of its share.
_MEDIAN = np.array([850.0, 42.0, 32.0, 12.0, 1.4, 1.0])
_SPREAD = np.array([0.13, 0.40, 0.50, 1.10, 0.20, 0.35])
_BASE = ("MeanNN", "SDNN", "RMSSD", "pNN50", "SampEn", "Amplitude")
_SHARE = _BASE.index("pNN50")
_CORRELATION = np.array(
    [
        [1.00, 0.40, 0.50, 0.50, 0.10, 0.10],
        [0.40, 1.00, 0.75, 0.65, -0.10, 0.10],
        [0.50, 0.75, 1.00, 0.85, 0.10, 0.10],
        [0.50, 0.65, 0.85, 1.00, 0.10, 0.10],
        [0.10, -0.10, 0.10, 0.10, 1.00, 0.00],
        [0.10, 0.10, 0.10, 0.10, 0.00, 1.00],
    ]
)
_EFFECT = np.array([-0.35, -0.45, -0.55, -0.50, -0.15, -0.25])
# Without an effect: median and SD on the logarithmic scale, ms² and ms²; DFA α1 is normal.
_LF, _HF, _DFA = (500.0, 0.9), (400.0, 1.0), (1.0, 0.35)

NAMES = (*_BASE, "MeanHR", "SD1", "LF", "HF", "LFHF", "DFA_alpha1")


class Planted:
    """The features that severity has an effect on: those that are valid in a segment.

    Parameters
    ----------
    settings : Pulse
        Settings of the pulse; the number of intervals of a segment is that of the median mean interval.

    Attributes
    ----------
    valid : bool [K]
        Whether a segment is long enough for each of `NAMES`.
    columns : int [P]
        Planted features among `NAMES`, the first of which are those with an effect.
    lower : float64 [P, P]
        L, the Cholesky factor of their correlation.
    q : float64 [P]
        Direction of severity, of length 1.

    Raises
    ------
    LfnetError
        No feature with an effect is valid.
    """

    def __init__(self, settings: Pulse) -> None:
        intervals = 1000 * settings.segment / _MEDIAN[_BASE.index("MeanNN")]
        rules = settings.segment, intervals, settings.min_seconds, settings.min_intervals
        self.valid = np.array([is_long_enough(name, *rules) for name in NAMES])
        self.columns = np.flatnonzero(self.valid[: len(_BASE)])
        if not len(self.columns):
            raise LfnetError(
                f"cohort.pulse.segment={settings.segment:g}: a segment is too short for all of {', '.join(_BASE)} "
                "(cohort.pulse.min_seconds, min_intervals). Give longer segments."
            )
        self.lower = np.linalg.cholesky(_CORRELATION[np.ix_(self.columns, self.columns)])
        q = np.linalg.solve(self.lower, _EFFECT[self.columns])
        self.q = q / np.linalg.norm(q)


@dataclass(frozen=True)
class PulseStatistics:
    """Sufficient statistics of a clip's pulse features for severity.

    Attributes
    ----------
    segments, kept : int
        All segments, and those with features.
    mean : float
        Mean of qᵀw over the kept segments, 0 for none.
    """

    segments: int
    kept: int
    mean: float


class SimulatedPulse:
    """The stream "pulse" of a simulated cohort; implements `lfnet.cohorts.cohort.OwnFeatures`.

    Parameters
    ----------
    settings : Settings
        Settings of the cohort, with `pulse`.
    truth : Truth
        Its true severities and lengths.
    """

    stream = "pulse"
    more: tuple["SimulatedPulse", ...] = ()
    meta = {"per_segment": "true", "names": json.dumps(NAMES)}  # noqa: RUF012  never changed

    def __init__(self, settings: Settings, truth: Truth) -> None:
        assert settings.pulse is not None
        self.settings = settings
        self.pulse: Pulse = settings.pulse
        self.planted = Planted(settings.pulse)
        self.truth = truth
        code = source_digest(["lfnet.pulse.validity", "lfnet.simulation"])
        self.recipe = digest({"stream": self.stream, "settings": settings.drawn(), "code": code})
        self._row = {clip: row for row, clip in enumerate(truth.clips["clip_id"])}

    def source(self, clip_id: str) -> str:
        """Return a digest of what determines the clip's features: the recipe, its true severity and its length."""
        row = self._row[clip_id]
        severity, frames = float(self._u[row]), int(self.truth.clips["n_frames"].iloc[row])
        return digest({"recipe": self.recipe, "clip": clip_id, "frames": frames, "u": severity})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Generate the segments of a clip; one shorter than a segment has none.

        Parameters
        ----------
        clip_id : str
            Id of the clip.

        Returns
        -------
        features : float32 [S, K]
            The features `NAMES`; NaN where missing or lost.
        kept : bool [S]
            Whether the segment is usable.
        start : float64 [S]
            Seconds.

        Raises
        ------
        KeyError
            The clip is not in the cohort.
        """
        row = self._row[clip_id]
        seconds = int(self.truth.clips["n_frames"].iloc[row]) / self.settings.fps
        count = int(seconds / self.pulse.segment)
        random = stream(self.settings.seed, "pulse", 3, row)
        white = self._white[row] + np.sqrt(NOISE) * random.standard_normal((count, len(self.planted.q)))
        features = _features(white, self.planted, random)
        if self.pulse.invalid == "missing":
            features[:, ~self.planted.valid] = np.nan
        whole, each = random.random(), random.random(count)
        kept = each >= self.pulse.lost_segments if whole >= self.pulse.lost_clips else np.zeros(count, bool)
        features[~kept] = np.nan
        return features.astype(np.float32), kept, self.pulse.segment * np.arange(count, dtype=np.float64)

    @cached_property
    def _u(self) -> np.ndarray:
        return self.truth.recordings["u"].to_numpy(float)[self.truth.clips["recording"]]

    @cached_property
    def _white(self) -> np.ndarray:
        """w_c, float64 [clips, P]."""
        recording = self.truth.clips["recording"].to_numpy()
        person = self.truth.recordings["person"].to_numpy()[recording]
        parts = ((PERSON, self.settings.n_people, person), (SESSION, self.settings.n_recordings, recording))
        coupling, q = self.pulse.coupling, self.planted.q
        jitter = np.sqrt(CLIP) * stream(self.settings.seed, "pulse", 2).standard_normal((len(recording), len(q)))
        for level, (share, number, owner) in enumerate(parts):
            own = stream(self.settings.seed, "pulse", level).standard_normal((number, len(q)))
            jitter += np.sqrt(share) * own[owner]
        along = coupling * self._u + (np.sqrt(1 - coupling**2) - 1) * (jitter @ q)
        return jitter + along[:, None] * q


def read_pulse(features: np.ndarray, kept: np.ndarray, planted: Planted) -> PulseStatistics:
    """Read a clip's statistics from its features [S, K] and kept [S]."""
    if not kept.any():
        return PulseStatistics(len(kept), 0, 0.0)
    base = features[kept][:, : len(_BASE)].astype(np.float64)
    z = np.log(base / _MEDIAN) / _SPREAD
    z[:, _SHARE] = (logit(base[:, _SHARE] / 100) - logit(_MEDIAN[_SHARE] / 100)) / _SPREAD[_SHARE]
    white = np.linalg.solve(planted.lower, z[:, planted.columns].T * np.sqrt(1 + NOISE))
    return PulseStatistics(len(kept), int(kept.sum()), float((planted.q @ white).mean()))


def _features(white: np.ndarray, planted: Planted, random: np.random.Generator) -> np.ndarray:
    """Return features in the order of `NAMES`, float64 [S, K], from w_s [S, P]; those without an effect are noise."""
    z, other = np.split(random.standard_normal((len(white), len(_BASE) + 3)), [len(_BASE)], axis=1)
    z[:, planted.columns] = white @ planted.lower.T / np.sqrt(1 + NOISE)
    base = _MEDIAN * np.exp(_SPREAD * z)
    base[:, _SHARE] = 100 * expit(logit(_MEDIAN[_SHARE] / 100) + _SPREAD[_SHARE] * z[:, _SHARE])
    rate = 60_000 / base[:, _BASE.index("MeanNN")]
    sd1 = base[:, _BASE.index("RMSSD")] / np.sqrt(2)
    low, high = (median * np.exp(spread * h) for (median, spread), h in zip((_LF, _HF), other.T[:2], strict=True))
    alpha = _DFA[0] + _DFA[1] * other[:, 2]
    return np.concatenate([base, np.stack([rate, sd1, low, high, low / high, alpha], axis=1)], axis=1)
