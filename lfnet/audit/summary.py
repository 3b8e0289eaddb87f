"""The audit in a few lines that name nobody, for each run's result.json."""

from collections.abc import Sequence
from typing import Any

from lfnet.audit.audit import audit
from lfnet.audit.settings import Settings
from lfnet.cohorts.cohort import Cohort
from lfnet.digests import digest, source_digest
from lfnet.features.pooled import pooled
from lfnet.features.store import Readable
from lfnet.once import once

__all__ = ["audited_by", "summary"]

_done: dict[str, list[dict[str, Any]]] = {}


def audited_by(cohort: Cohort, store: Readable, settings: Settings) -> str:
    """Digest of all that an audit of these would depend on: code, settings, cohort, lengths and features."""
    told = [settings.alpha, settings.resamples, settings.seed, settings.copy, settings.overlap]
    return once(("audited", cohort, str(store.folder), *told), lambda: _audited_by(cohort, store, told))


def _audited_by(cohort: Cohort, store: Readable, told: list[Any]) -> str:
    clips = cohort.clips
    lengths = [[str(value) for value in clips[column]] for column in ("n_frames", "fps")]
    return digest(
        {
            "code": source_digest(["lfnet.audit", "lfnet.features.pooled"]),
            "settings": told,
            "cohort": [cohort.fingerprint(), lengths],
            "features": store.fingerprint(clips["clip_id"]),
        }
    )


def summary(cohort: Cohort, store: Readable, settings: Settings) -> list[dict[str, Any]]:
    """One dict a question: name, title, status, flagged, text; no id of anybody in it. Made once a process."""
    key = audited_by(cohort, store, settings)
    if key not in _done:
        clip_ids = cohort.clips["clip_id"].tolist()
        report = audit(cohort, pooled(store, clip_ids), sources=sources(store, clip_ids), settings=settings)
        _done[key] = [
            {name: getattr(finding, name) for name in ("name", "title", "status", "flagged", "text")}
            for finding in report.findings
        ]
    return [dict(line) for line in _done[key]]


def sources(store: Readable, clip_ids: Sequence[str]) -> dict[str, str]:
    """clip_id → digest of what its vectors were made from, as their files' headers say."""
    return {clip_id: (store.header(clip_id) or {}).get("source", "") for clip_id in clip_ids}
