"""From the windows of a clip to its score: what a bundle or a run scores with, and how window scores are joined."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.data.protocol import Protocol
from lfnet.deploy.bundle import Windows
from lfnet.deploy.bundle_json import Limits, Scale
from lfnet.encoders.encoder import Encoder
from lfnet.evaluation.conformal import Conformal
from lfnet.evaluation.pooling import Pooling, pool_members
from lfnet.pulse.settings import PulseSettings
from lfnet.video.settings import VideoSettings

__all__ = ["Stages", "score_text"]


@dataclass(frozen=True)
class Stages:
    """The stages from a video to a score, of a bundle or of a run.

    Parameters
    ----------
    head : callable
        Windows → scores in points, [B] or [B, K] of K heads; where the pooling attends, with weights [..., 2].
    protocol : Protocol
        How clips are cut into windows, and scores aggregated.
    scale : Scale
        Name and range of the scores.
    dim : int
        Numbers per frame that the head reads.
    cohort : str
        Name of the training cohort.
    limits : Limits
        Conditions for scoring a clip.
    encoder : Encoder or None
        None where features are scored, and no video. Else `video`, `landmarker`, `stride` and `batch_size` are used.
    video : VideoSettings or None
    landmarker : callable or None
        Returns the file of the face landmarker.
    changed : tuple of str
        Notes on settings of videos that differ from those of the training clips.
    stride, batch_size : int
        Every `stride`-th frame is encoded, `batch_size` frames together.
    pulse : PulseSettings or None
        None where the pulse is not read.
    conformal : Conformal or None
        The interval; None where there is none: `no_interval` is the reason.
    pooling : Pooling or None
        Of window scores in points; None: as the protocol aggregates.
    """

    head: Callable[[Windows], np.ndarray]
    protocol: Protocol
    scale: Scale
    dim: int
    cohort: str
    limits: Limits
    encoder: Encoder | None = None
    video: VideoSettings | None = None
    landmarker: Callable[[], Path] | None = None
    changed: tuple[str, ...] = ()
    stride: int = 1
    batch_size: int = 32
    pulse: PulseSettings | None = None
    conformal: Conformal | None = None
    no_interval: str = ""
    pooling: Pooling | None = None

    @property
    def attends(self) -> bool:
        """Whether the pooling attends: the head then also returns the logarithms of windows' weights."""
        return self.pooling is not None and self.pooling.attends

    def values(self, windows: Windows) -> np.ndarray:
        """Return the scores of N windows by K heads, [N, K]; where the pooling attends, with log weights [N, K, 2]."""
        values = self.head(windows)
        return values[:, None] if values.ndim == 1 + self.attends else values

    def aggregate(self, values: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Join N windows or videos.

        Parameters
        ----------
        values : ndarray
            Scores [N, K] of K heads; where the pooling attends, with logarithms of weights [N, K, 2].
        how : {"mean", "median"}
            What the protocol does where there is no pooling.

        Returns
        -------
        ndarray, ndarray or None
            Scores [K], and logarithms of weights [K] where the pooling attends.
        """
        if self.pooling is None:
            return (np.mean(values, axis=0) if how == "mean" else np.median(values, axis=0)), None
        return pool_members(self.pooling, values)

    def summary(self, scores_K: np.ndarray) -> dict[str, Any]:
        """Return the mean score of K heads, their spread (None of one) and the interval."""
        score = float(np.mean(scores_K))
        spread = float(np.std(scores_K, ddof=1)) if len(scores_K) > 1 else None
        interval, conformal, scale = None, self.conformal, self.scale
        if conformal is not None:
            low, high = conformal.interval(score, scale.min, scale.max, spread)
            interval = {"level": conformal.level, "low": round(low, 4), "high": round(high, 4), "n": conformal.n}
        return {
            "score": round(score, 4),
            "spread": None if spread is None else round(spread, 4),
            "members_score": [round(float(value), 4) for value in scores_K],
            "interval": interval,
        }


def score_text(report: Mapping[str, Any], scale: Mapping[str, Any]) -> str:
    """Return the score of a report in words, with its interval and spread, or the reason why there is none.

    Examples
    --------
    >>> interval = {"level": 0.9, "low": 4.0, "high": 20.5, "n": 19}
    >>> score_text({"score": 12.34, "interval": interval}, {"name": "BDI-II", "min": 0, "max": 63})
    'score 12.3 (BDI-II, 0 to 63), 90 % interval 4.0 to 20.5 (conformal, n = 19)'
    """
    if report["score"] is None:
        return f"refused: {report['refused']}"
    digits = 1 if scale["max"] > 1 else 2  # of probabilities
    text = Scale(**scale).text(report["score"])
    if interval := report.get("interval"):
        text += f", {100 * interval['level']:g} % interval {interval['low']:.1f} to {interval['high']:.1f}"
        text += f" (conformal, n = {interval['n']})"
    if report.get("spread") is not None:
        text += f"; SD of the {len(report['members_score'])} models' scores {report['spread']:.{digits}f}"
    return text
