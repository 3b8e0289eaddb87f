"""Explain a clip's score: effects of its segments and of parts of the face, the deletion test, coverage, pulse."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.deletion import DeletionTest, deletion_test, segment_effects
from lfnet.deploy.face_parts import face_parts
from lfnet.deploy.film import Film, Still
from lfnet.deploy.occlusion import OccludedClip, time_segments
from lfnet.deploy.scorer import Scorer
from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures
from lfnet.pulse.segments import Segment

__all__ = ["MADE_BY", "Explanation", "explain_clip"]

MADE_BY = "lfnet explain"
_ORDERS = 50  # random ones of the deletion test, each also in reverse
_PRIVATE = ("video", "latency", "disclaimer")  # of a report: the file's name, and what is said once


@dataclass(frozen=True)
class Explanation:
    """What explains the score of one clip.

    Attributes
    ----------
    content : dict
        Numbers and texts, as JSON; they name no person, file or folder.
    stills : sequence of Still
        Frames of the video; empty for a clip of features.
    pulse : sequence of Segment
        Segments of its pulse; empty where none was read.
    """

    content: dict[str, Any]
    stills: Sequence[Still]
    pulse: Sequence[Segment]


def explain_clip(
    scorer: Scorer, bundle: Bundle, source: Path | np.ndarray, fps: float | None = None, film: Film | None = None
) -> Explanation:
    """Score a clip as `lfnet predict` does, and explain the score.

    Parameters
    ----------
    scorer : Scorer
        Of the bundle.
    bundle : Bundle
    source, fps
        See `Scorer.score`.
    film : Film, optional
        Keeps frames of a video.

    Returns
    -------
    Explanation

    Raises
    ------
    LfnetError
        The clip cannot be scored; the message is the reason.
    """
    reading = scorer.read(source, fps, film)
    report, clip = reading.report, reading.clip
    if report["score"] is None or clip is None:
        raise LfnetError(report["refused"])
    segment_T, edge_S = time_segments(clip.time)
    occluded = OccludedClip(scorer.stages, clip, segment_T)
    effect_S = segment_effects(occluded, len(edge_S) - 1)
    test = deletion_test(occluded, effect_S, _ORDERS)
    pulse = reading.pulse or []
    content = {
        "made_by": MADE_BY,
        "disclaimer": RESEARCH_ONLY,
        "about": "Effects are of the model, not of the person: what changes its score.",
        **{name: value for name, value in report.items() if name not in _PRIVATE and value is not None},
        "unit": "of probability" if scorer.stages.scale.probability else "points",
        "model": _model(bundle),
        "constants": None if bundle.facts.constants is None else asdict(bundle.facts.constants),
        "hidden": occluded.how_hidden,
        "segments": _segments(clip, segment_T, edge_S, effect_S),
        "deletion": None if test is None else _deletion(test, scorer, clip),
        "attention": _attention(occluded, edge_S),
        "parts": _parts(occluded, scorer, bundle),
        "pulse_segments": [_pulse(segment) for segment in pulse],
    }
    return Explanation(content, film.stills if film else [], pulse)


def _model(bundle: Bundle) -> dict[str, Any]:
    run = bundle.facts.run
    return {
        "name": run.model,
        "head": run.head.rpartition(".")[2],
        "encoder": bundle.facts.encoder.name if bundle.facts.encoder else None,
        "cohort": run.cohort,
        "simulated": run.simulated,
        "marks": list(run.marks),
        "runs": [member.fingerprint[:16] for member in run.members],
    }


def _segments(
    clip: ClipFeatures, segment_T: np.ndarray, edge_S: np.ndarray, effect_S: np.ndarray
) -> list[dict[str, Any]]:
    count = len(effect_S)
    frames_S, faces_S = (np.bincount(segment_T[chosen], minlength=count) for chosen in (slice(None), clip.valid))
    return [
        {
            "start_s": round(float(edge_S[s]), 3),
            "end_s": round(float(edge_S[s + 1]), 3),
            "frames": int(frames_S[s]),
            "frames_with_a_face": int(faces_S[s]),
            "effect": _rounded(effect_S[s]),
        }
        for s in range(count)
    ]


def _deletion(test: DeletionTest, scorer: Scorer, clip: ClipFeatures) -> dict[str, Any]:
    low, high = test.random_range
    seen, least = int(clip.valid.sum()), scorer.stages.limits.min_frames
    return {
        "share_removed": _list(test.share_P),
        "raising_first": _list(test.raising_first_P),
        "lowering_first": _list(test.lowering_first_P),
        "random_mean": _list(test.random_mean_P),
        "random_low": _list(test.random_low_P),
        "random_high": _list(test.random_high_P),
        "random_orders": len(test.random_gap_R),
        "gap": _rounded(test.gap),
        "random_gap_95": [_rounded(low), _rounded(high)],
        "gap_minus_random_95": [_rounded(test.gap - high), _rounded(test.gap - low)],
        "random_orders_as_far_apart": test.as_far_apart,
        "flat": test.flat,
        "beats_random": test.beats_random,
        "share_below_the_minimum_of_frames": round(max(0.0, 1 - least / seen), 4),
        "note": "Effects and test hide segments in the same way: the test shows whether effects add up over segments "
        "that are hidden together, not whether they are true of the person.",
    }


def _attention(occluded: OccludedClip, edge_S: np.ndarray) -> list[dict[str, Any]] | None:
    """Spans and weights of windows; None where the pooling of windows has no attention."""
    weight_B = occluded.window_weights()
    if weight_B is None:
        return None
    return [
        {
            "start_s": round(float(edge_S[span[0]]), 3),
            "end_s": round(float(edge_S[span[1] + 1]), 3),
            "weight": _rounded(weight),
        }
        for span, weight in zip(occluded.window_segments(), weight_B, strict=True)
        if span is not None
    ]


def _parts(occluded: OccludedClip, scorer: Scorer, bundle: Bundle) -> dict[str, Any]:
    """Effects of parts of the face, or why there are none."""
    parts, encoder = face_parts(scorer.stages.encoder), scorer.stages.encoder
    if encoder is None:
        return {"why_not": "the bundle scores ready features, and what their numbers stand for is not known"}
    if not parts:
        return {"why_not": f"the encoder {encoder.name} reads the whole face as one vector, without regions"}
    typical_D = bundle.feature_means()
    if typical_D is None:
        return {"why_not": "the bundle has no means of its training clips: export the run again"}
    effects = occluded.part_effects(parts, typical_D)
    return {"effects": {name: _rounded(effect) for name, effect in effects.items()}}


def _pulse(segment: Segment) -> dict[str, Any]:
    return {
        "start_s": round(segment.start, 3),
        "end_s": round(segment.start + segment.seconds, 3),
        "outcome": segment.outcome,
        "heart_rate_bpm": _rounded(segment.heart_rate) if segment.kept else None,
        "snr_db": _rounded(segment.snr),
        "quality": _rounded(segment.q),
        "beats": 0 if segment.beats is None else len(segment.beats.peaks),
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _list(values: np.ndarray) -> list[float | None]:
    return [_rounded(value) for value in values]
