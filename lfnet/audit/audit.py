"""The audit of one cohort: every question asked, and false alarms held together at one level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lfnet.audit.copies import Copy, copies, file_copies, source_copies, vector_copies
from lfnet.audit.finding import Check, Finding
from lfnet.audit.identity import identity, recording_vectors, two_names
from lfnet.audit.labels import by_recording, distribution, label_balance, missing, tells_the_label
from lfnet.audit.people import look_up, shared_people
from lfnet.audit.settings import Settings
from lfnet.audit.statistics import holm
from lfnet.cohorts.cohort import Cohort
from lfnet.features.clip_summaries import Pooled, pooled
from lfnet.features.store import Readable
from lfnet.fingerprints import digest, source_digest
from lfnet.once import once

__all__ = ["Report", "audit", "audited_by", "summary"]

_DURATION = (
    "Use masks (protocol=masked) and windows of one length, read every row beside the baseline duration, and do not "
    "pad to a common length."
)
_COVERAGE = (
    "Find out why faces are lost, leave clips with few frames out (protocol.health.min_coverage), and never let the "
    "number of lost frames reach a model."
)


@dataclass(frozen=True)
class Report:
    """What an audit found.

    splits: one dict a split (`labels.distribution`). findings: in the order asked. alpha: the chance of a false alarm.
    """

    cohort: str
    fingerprint: str
    simulated: bool
    scale: str
    alpha: float
    splits: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that `--strict` fails on."""
        return tuple(finding for finding in self.findings if finding.status == "leak")

    def to_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "format": 1,
            "cohort": {"name": self.cohort, "fingerprint": self.fingerprint, "simulated": self.simulated},
            "scale": self.scale,
            "alpha": self.alpha,
            "splits": list(self.splits),
            "leaks": [finding.name for finding in self.leaks],
            "findings": [finding.to_json() for finding in self.findings],
        }


def audit(
    cohort: Cohort,
    pool: Pooled | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    no_features: str = "needs features",
    settings: Settings | None = None,
) -> Report:
    """Ask everything that the cohort, its files and its features can answer.

    pool: the clips' features in a few numbers, None where there are none; then no_features says why. sources: clip_id →
    digest of the file that its features come from, where that is known; else the files are looked at where they exist.
    Unlabelled clips are compared with others for copies, and left out of all else.
    """
    settings = settings or Settings()
    clips = cohort.clips
    whole = cohort.recordings()
    table = whole[whole["split"] != "unlabelled"].reset_index(drop=True)
    random = np.random.default_rng(settings.seed)
    given: tuple[np.random.Generator, int] = (random, settings.resamples)
    checks: list[Check] = [shared_people(table), _copies(cohort, pool, sources, no_features, settings)]
    checks.append(label_balance(table, cohort.scale, *given))
    seconds = clip_seconds(cohort, pool)
    if seconds is None:
        unknown = int((clips["n_frames"] / clips["fps"]).isna().sum())
        text = f"n_frames or fps of {unknown} of {len(clips)} clips are not in the manifest, and {no_features}"
        checks.append(missing("duration", "duration", text))
    else:
        values = by_recording(np.log(np.maximum(seconds, 1e-3)), clips, table)
        checks.append(tells_the_label("duration", "duration", values, table, _DURATION, *given))
    if pool is None:
        checks.append(missing("coverage", "frame coverage", no_features))
    else:
        coverage = _by_clip(pool, pool.coverage_N, clips["clip_id"].tolist())
        values = by_recording(coverage, clips, table)
        checks.append(tells_the_label("coverage", "frame coverage", values, table, _COVERAGE, *given))
    checks.append(look_up(table, *given))
    if pool is None:
        for name, title in (("identity", "people in the features"), ("names", "one person under two names")):
            checks.append(Check.certain(Finding(name, title, "not checked", no_features)))
    else:
        vectors = recording_vectors(pool, clips, table)
        shared = bool((table.groupby("person_id")["split"].nunique() > 1).any())
        checks += [identity(vectors, table, random, shared), two_names(vectors, table, random)]
    return Report(
        cohort=cohort.name,
        fingerprint=cohort.fingerprint(),
        simulated=cohort.simulated,
        scale=cohort.scale.name,
        alpha=settings.alpha,
        splits=tuple(distribution(whole, cohort.scale)),
        findings=_concluded(checks, settings.alpha),
    )


def clip_seconds(cohort: Cohort, pool: Pooled | None) -> np.ndarray | None:
    """Seconds of each clip: the manifest's where it knows all of them, else the features', else None."""
    clips = cohort.clips
    stated = (clips["n_frames"] / clips["fps"]).to_numpy(float)
    if np.isfinite(stated).all():
        return stated
    if pool is not None:
        return _by_clip(pool, pool.seconds_N, clips["clip_id"].tolist())
    return None


def _by_clip(pool: Pooled, values: np.ndarray, clip_ids: list[str]) -> np.ndarray:
    known = dict(zip(pool.clip_ids, values.tolist(), strict=True))
    return np.array([known.get(clip, np.nan) for clip in clip_ids], float)


def _copies(
    cohort: Cohort, pool: Pooled | None, sources: Mapping[str, str] | None, no_features: str, settings: Settings
) -> Check:
    clips = cohort.clips
    found: list[Copy] = []
    checked: list[str] = []
    if sources:
        found += source_copies(clips["clip_id"], sources)
        checked.append("their files")
    else:
        by_file, number = file_copies(clips)
        found += by_file
        checked += ["their files"] if number else []
    if pool is not None:
        found += vector_copies(pool, clips, settings.copy, settings.overlap, settings.seed)
        checked.append("the course of their features")
    lacking = "" if pool is not None else f"films encoded anew are not found: {no_features}"
    if not checked:
        lacking = f"there are no files to compare, and {no_features}"
    return copies(clips, found, tuple(checked), lacking)


def _concluded(checks: list[Check], alpha: float) -> tuple[Finding, ...]:
    """The findings, all tests' p-values adjusted together."""
    tests = [test for check in checks for test in check.tests]
    adjusted = iter(holm([test.p for test in tests]))
    findings = []
    for check in checks:
        own = tuple(replace(test, adjusted=next(adjusted)) for test in check.tests)
        findings.append(check.conclude(own, alpha))
    return tuple(findings)


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
            "code": source_digest(["lfnet.audit", "lfnet.features.clip_summaries"]),
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
