"""Streams that are made from other streams, without looking at a video again: the pulse from the skin's colour."""

import json
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.fingerprints import code_digest, digest
from lfnet.pulse.segments import KEPT, SegmentFeatures, segment_features
from lfnet.pulse.settings import PulseSettings

__all__ = ["PULSE", "SKIN", "pulse_clip", "pulse_store"]

SKIN, PULSE = "skin", "pulse"


def pulse_store(skin: FeatureStore, clip_ids: Iterable[str], folder: Path, settings: PulseSettings) -> FeatureStore:
    """The stream `pulse` of the clips: features of each segment, made from the stream `skin` where they are missing.

    folder: the cache's feature folder of the cohort. A clip's rows [S, K] have its segments' starts for time; valid are
    the segments that were kept. A clip without any, or shorter than a segment, is missing in this stream, never zero;
    the header's `outcomes` says why. The recipe holds the settings, the skin's recipe and the code of the pulse.
    Raises `LfnetError` where a clip's skin is missing or is not the stream of `lfnet.encoders.skin`.
    """
    made = {
        "skin": skin.recipe,
        "settings": settings.recipe(),
        "code": code_digest(["lfnet.pulse.segments"], ["lfnet.pulse"]),
    }
    store = FeatureStore(folder, PULSE, digest(made))
    for clip_id in clip_ids:
        header = skin.header(clip_id)
        source = "" if header is None else digest({"skin": header.get("source", "")})
        if header is None or not store.has(clip_id, source):
            store.write(clip_id, pulse_clip(skin.read(clip_id), settings, clip_id), source)
    return store


def pulse_clip(skin: ClipFeatures, settings: PulseSettings, clip_id: str = "clip") -> ClipFeatures:
    """A clip's pulse features, float32 [S, K], from its skin's colours."""
    if skin.features.shape[1] != 12:
        raise LfnetError(
            f"clip {clip_id}: the pulse is made from the stream {SKIN}, 12 numbers a frame, and not from "
            f"{skin.features.shape[1]}. Use encoder=skin."
        )
    found = segment_features(skin.features, skin.time, skin.valid, settings)
    meta = {
        "per_segment": "true",
        "unit_norm": "false",
        "names": json.dumps(found.names),
        "outcomes": json.dumps(dict(Counter(found.outcome_S))),
        "quality": json.dumps([_number(q) for q in found.quality_S]),
        "snr": json.dumps([_number(decibels) for decibels in found.snr_S]),
        "notes": "; ".join(part for part in (skin.meta.get("notes", ""), _said(found, settings)) if part),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("neurokit2", "scipy")),
    }
    return ClipFeatures(found.X.astype(np.float32), found.kept_S, found.start_S, meta)


def _said(found: SegmentFeatures, settings: PulseSettings) -> str:
    if not len(found.kept_S):
        return f"no pulse: shorter than a segment of {settings.segment:g} s"
    if not found.dropped:
        return ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(found.dropped.items()))
    kept = found.outcome_S.count(KEPT)
    return f"pulse of {kept} of {len(found.kept_S)} segments; dropped: {reasons}"


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
