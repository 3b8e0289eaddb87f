"""Simulated features of pulse-rate variability, drawn directly for each segment and not from a video.

White coordinates w of unit variance at each level of a recording (p person, r recording, c clip, s segment; each h is
a vector of independent standard normal numbers), and severity u along one of their directions, q::

    j_c = √.5 h_p + √.3 h_r + √.2 h_c
    w_c = j_c + q (κ u_r + (√(1 − κ²) − 1) qᵀj_c),      κ = strength / √(1 + strength²)
    w_s = w_c + h_s
    z_s = L w_s / √2,   L Lᵀ = C,   L q = b

C is the correlation of the features, b the effect of severity on them: the pulse of people with a high score is faster
and varies less (lower variability in depression: the meta-analyses of Kemp et al. 2010 and Koch et al. 2019).
Each feature is a monotone function of its own z, or computed from others by its definition. Since all levels share C,
the mean of qᵀw over a clip's segments is sufficient for u, and the Bayes predictor is simple (`oracle`).

LF, HF, LF/HF and DFA α1 need minutes (Task Force 1996) and mean nothing in a segment of 17 s: they are missing, or
noise. Segments are lost to poor quality, and with them whole clips, regardless of severity.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logit

from lfnet.fingerprints import digest, source_digest
from lfnet.simulation.people import Truth, stream
from lfnet.simulation.settings import Pulse, Settings

__all__ = ["CLIP", "NAMES", "NOISE", "PERSON", "SESSION", "PulseStatistics", "SimulatedPulse", "read_pulse"]

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
# Invalid in a short segment: median and SD on the logarithmic scale, ms² and ms²; DFA α1 is normal.
_LF, _HF, _DFA = (500.0, 0.9), (400.0, 1.0), (1.0, 0.35)

NAMES = (*_BASE, "MeanHR", "SD1", "LF", "HF", "LFHF", "DFA_alpha1")

_LOWER = np.linalg.cholesky(_CORRELATION)
_Q = np.linalg.solve(_LOWER, _EFFECT)
_Q /= np.linalg.norm(_Q)


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
        self.truth = truth
        code = source_digest(["lfnet.simulation"])
        self.recipe = digest({"stream": self.stream, "settings": asdict(settings), "code": code})
        self._row = {clip: row for row, clip in enumerate(truth.clips["clip_id"])}

    def source(self, clip_id: str) -> str:
        """Return a digest of what determines the clip's features: the recipe, its true severity and its length."""
        row = self._row[clip_id]
        severity, frames = float(self._u[row]), int(self.truth.clips["n_frames"].iloc[row])
        return digest({"recipe": self.recipe, "clip": clip_id, "frames": frames, "u": severity})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Generate the segments of a clip; one shorter than a segment has one.

        Parameters
        ----------
        clip_id : str
            Id of the clip.

        Returns
        -------
        features : float32 [S, K]
            The features `NAMES`; NaN where invalid or lost.
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
        count = max(1, int(seconds / self.pulse.segment))
        random = stream(self.settings.seed, "pulse", 3, row)
        white = self._white[row] + np.sqrt(NOISE) * random.standard_normal((count, len(_BASE)))
        features = _features(white, self.pulse.invalid == "noise", random)
        whole, each = random.random(), random.random(count)
        kept = each >= self.pulse.lost_segments if whole >= self.pulse.lost_clips else np.zeros(count, bool)
        features[~kept] = np.nan
        return features.astype(np.float32), kept, self.pulse.segment * np.arange(count, dtype=np.float64)

    @cached_property
    def _u(self) -> np.ndarray:
        return self.truth.recordings["u"].to_numpy(float)[self.truth.clips["recording"]]

    @cached_property
    def _white(self) -> np.ndarray:
        """w_c, float64 [clips, 6]."""
        recording = self.truth.clips["recording"].to_numpy()
        person = self.truth.recordings["person"].to_numpy()[recording]
        parts = ((PERSON, self.settings.n_people, person), (SESSION, self.settings.n_recordings, recording))
        jitter = np.sqrt(CLIP) * stream(self.settings.seed, "pulse", 2).standard_normal((len(recording), len(_BASE)))
        for level, (share, number, owner) in enumerate(parts):
            jitter += np.sqrt(share) * stream(self.settings.seed, "pulse", level).standard_normal((number, 6))[owner]
        coupling = self.pulse.coupling
        along = coupling * self._u + (np.sqrt(1 - coupling**2) - 1) * (jitter @ _Q)
        return jitter + along[:, None] * _Q


def read_pulse(features: np.ndarray, kept: np.ndarray) -> PulseStatistics:
    """Read a clip's statistics from its features [S, K] and kept [S]."""
    if not kept.any():
        return PulseStatistics(len(kept), 0, 0.0)
    base = features[kept][:, : len(_BASE)].astype(np.float64)
    z = np.log(base / _MEDIAN) / _SPREAD
    z[:, _SHARE] = (logit(base[:, _SHARE] / 100) - logit(_MEDIAN[_SHARE] / 100)) / _SPREAD[_SHARE]
    white = np.linalg.solve(_LOWER, z.T * np.sqrt(1 + NOISE))
    return PulseStatistics(len(kept), int(kept.sum()), float((_Q @ white).mean()))


def _features(white: np.ndarray, noise: bool, random: np.random.Generator) -> np.ndarray:
    """Return features in the order of `NAMES`, float64 [S, K], from w_s [S, 6]."""
    z = white @ _LOWER.T / np.sqrt(1 + NOISE)
    base = _MEDIAN * np.exp(_SPREAD * z)
    base[:, _SHARE] = 100 * expit(logit(_MEDIAN[_SHARE] / 100) + _SPREAD[_SHARE] * z[:, _SHARE])
    rate = 60_000 / base[:, _BASE.index("MeanNN")]
    sd1 = base[:, _BASE.index("RMSSD")] / np.sqrt(2)
    short = random.standard_normal((len(z), 3))
    low, high = (median * np.exp(spread * h) for (median, spread), h in zip((_LF, _HF), short.T[:2], strict=True))
    invalid = np.stack([low, high, low / high, _DFA[0] + _DFA[1] * short[:, 2]], axis=1)
    if not noise:
        invalid[:] = np.nan
    return np.concatenate([base, np.stack([rate, sd1], axis=1), invalid], axis=1)
