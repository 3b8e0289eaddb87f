"""The stream `pulse`, computed from the stream `skin` without reading a video again."""

import json
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lfnet.errors import LfnetError
from lfnet.features.clip_notes import KINDS
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.fingerprints import code_digest, digest, file_digest
from lfnet.pulse.errors import TABLE
from lfnet.pulse.segments import KEPT, SegmentFeatures, segment_features
from lfnet.pulse.settings import PulseSettings
from lfnet.text import plural

__all__ = ["PULSE", "SKIN", "pulse_clip", "pulse_store"]

SKIN, PULSE = "skin", "pulse"


def pulse_store(skin: FeatureStore, clip_ids: Iterable[str], folder: Path, settings: PulseSettings) -> FeatureStore:
    """Compute the missing clips of the stream `pulse`: features of each segment.

    A clip's rows [S, K] have the starts of its segments as times; segments that were kept are valid. A clip without
    any, or shorter than a segment, is missing in this stream, never zero; the header's `outcomes` says why. The recipe
    holds the settings, the skin's recipe, the code of the pulse and the table of its errors.

    Parameters
    ----------
    skin : FeatureStore
        The stream of `lfnet.encoders.skin`.
    clip_ids : iterable of str
        Clips.
    folder : Path
        The cache's feature folder of the cohort.
    settings : PulseSettings

    Returns
    -------
    FeatureStore

    Raises
    ------
    LfnetError
        A clip's skin is missing, or `skin` is another stream.
    """
    recipe = {
        "skin": skin.recipe,
        "settings": settings.recipe(),
        "code": code_digest(["lfnet.pulse.segments"], ["lfnet.pulse"]),
        "errors": file_digest(TABLE),
    }
    store = FeatureStore(folder, PULSE, digest(recipe))
    for clip_id in clip_ids:
        header = skin.header(clip_id)
        source = "" if header is None else digest({"skin": header.get("source", "")})
        if header is None or not store.has(clip_id, source):
            store.write(clip_id, pulse_clip(skin.read(clip_id), settings, clip_id), source)
    return store


def pulse_clip(skin: ClipFeatures, settings: PulseSettings, clip_id: str = "clip") -> ClipFeatures:
    """Compute a clip's pulse features, float32 [S, K], from its skin colours."""
    if skin.features.shape[1] != 12:
        raise LfnetError(
            f"clip {clip_id}: the pulse is computed from the stream {SKIN} with 12 numbers a frame, not "
            f"{skin.features.shape[1]}. Use encoder=skin."
        )
    try:
        found = segment_features(skin.features, skin.time, skin.valid, settings)
    except LfnetError as error:
        raise LfnetError(f"clip {clip_id}: {error}") from error
    meta = {
        "per_segment": "true",
        "unit_norm": "false",
        "names": json.dumps(found.names),
        "outcomes": json.dumps(dict(Counter(found.outcome_S))),
        "quality": json.dumps([_number(q) for q in found.quality_S]),
        "snr": json.dumps([_number(decibels) for decibels in found.snr_S]),
        "notes": "; ".join(part for part in (skin.meta.get("notes", ""), _note(found, settings)) if part),
        **{name: skin.meta.get(name, "") for name in KINDS},
        "versions": ", ".join(f"{name} {version(name)}" for name in ("neurokit2", "scipy")),
    }
    return ClipFeatures(found.X.astype(np.float32), found.kept_S, found.start_S, meta)


def _note(found: SegmentFeatures, settings: PulseSettings) -> str:
    if not len(found.kept_S):
        return f"no pulse: shorter than a segment of {settings.segment:g} s"
    notes = []
    kept = found.outcome_S.count(KEPT)
    if found.dropped:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(found.dropped.items()))
        notes.append(f"pulse of {kept} of {plural(len(found.kept_S), 'segment')}; dropped: {reasons}")
    notes += [
        f"{name} of {count} of {plural(kept, 'segment')} withheld: its error is above "
        f"{100 * (settings.max_error or 0):g} % of the value"
        for name, count in found.withheld.items()
        if count
    ]
    return "; ".join(notes)


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
