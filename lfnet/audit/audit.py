"""Audit of a cohort: all checks, with false alarms controlled over all of their tests."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from lfnet.audit.copies import copies, file_copies, source_copies
from lfnet.audit.courses import MIN_SECONDS, comparable, feature_copies, frame_copies
from lfnet.audit.filming import Filming, collect
from lfnet.audit.filming_checks import filming_checks
from lfnet.audit.finding import Check, Finding
from lfnet.audit.label_checks import by_recording, distribution, label_association, label_balance, missing
from lfnet.audit.recognition import recording_vectors, two_ids, verification
from lfnet.audit.report import Report
from lfnet.audit.settings import AuditSettings
from lfnet.audit.shared_people import look_up, shared_people
from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.identity import normal_id, one_spelling
from lfnet.evaluation.compare import holm
from lfnet.features.clip_summaries import ClipSummaries
from lfnet.features.filming import read_filming
from lfnet.features.store import Readable
from lfnet.features.thumbnails import RATE, Thumbnails
from lfnet.fingerprints import digest, source_digest
from lfnet.text import plural

__all__ = ["Report", "audited_by", "find_leaks", "summary"]

_CHECKS = 11  # of `_checks`
_DURATION = (
    "Use masks (protocol=masked) and windows of equal length, compare every row with the baseline duration, and do not "
    "pad clips to a common length."
)
_COVERAGE = (
    "Find out why faces are lost, leave out clips with few frames (protocol.health.min_coverage), and give no model "
    "the number of lost frames."
)


def find_leaks(
    cohort: Cohort,
    pool: ClipSummaries | None = None,
    *,
    encoder: str = "",
    thumbnails: Thumbnails | None = None,
    sources: Mapping[str, str] | None = None,
    filming: Mapping[str, Mapping[str, float | str]] | None = None,
    no_features: str = "needs features",
    no_durations: str = "",
    settings: AuditSettings | None = None,
    progress: bool = False,
) -> Report:
    """Run all checks that the cohort, its files and its features allow.

    Unlabelled clips are compared with others for copies, and left out of everything else.

    Parameters
    ----------
    cohort : Cohort
    pool : ClipSummaries, optional
        Summaries of the clips' features; without it `no_features` says why.
    encoder : str
        The features' name, by which `AuditSettings.same_person` knows them.
    thumbnails : Thumbnails, optional
        Thumbnails of the clips' frames, by which copies of videos are found.
    sources : mapping, optional
        clip_id → digest of the file that its features come from; without it the files are compared where they exist.
    filming : mapping, optional
        How clips were filmed, by clip_id (`lfnet.features.filming.read_filming`). The thumbnails tell some of
        it.
    no_features, no_durations : str
        Why features or durations are missing.
    settings : AuditSettings, optional
    progress : bool
        Whether to show the checks that are done, where standard error is a terminal.

    Returns
    -------
    Report
    """
    from tqdm import tqdm

    settings = settings or AuditSettings()
    clips, whole = cohort.clips, cohort.recordings()
    table = whole[whole["split"] != "unlabelled"].reset_index(drop=True)

    def copied() -> Check:
        return _copies(cohort, pool, thumbnails, sources, no_features, settings)

    filmed = filming_of(cohort, pool, {**(thumbnails.filming if thumbnails else {}), **(filming or {})})
    running = _checks(cohort, table, pool, copied, filmed, encoder, no_features, no_durations, settings)
    shown = None if progress else True
    checks = [*tqdm(running, "audit", total=_CHECKS, unit="check", disable=shown, leave=False)]
    return Report(
        cohort=cohort.name,
        fingerprint=cohort.fingerprint(),
        simulated=cohort.simulated,
        scale=cohort.scale.name,
        clips=len(clips),
        recordings=len(whole),
        people=clips["person_id"].map(normal_id).nunique(),
        alpha=settings.alpha,
        splits=tuple(distribution(whole, cohort.scale)),
        findings=_concluded(checks, settings.alpha),
        filming_alpha=settings.filming_alpha,
    )


def _checks(
    cohort: Cohort,
    table: pd.DataFrame,
    pool: ClipSummaries | None,
    copied: Callable[[], Check],
    filmed: Filming,
    encoder: str,
    no_features: str,
    no_durations: str,
    settings: AuditSettings,
) -> Iterator[Check]:
    """Run one check after another, on the labelled recordings in `table`; all share one random generator."""
    clips = cohort.clips
    random = np.random.default_rng(settings.seed)
    given: tuple[np.random.Generator, int] = (random, settings.resamples)
    yield shared_people(table)
    table = table.assign(person_id=table["person_id"].map(one_spelling(table["person_id"])))
    yield copied()
    yield label_balance(table, cohort.scale, *given)
    seconds = clip_seconds(cohort, pool)
    if seconds is None:
        unknown = int((clips["n_frames"] / clips["fps"]).isna().sum())
        text = f"n_frames or fps of {unknown} of {len(clips)} clips are not in the manifest, and {no_features}"
        yield missing("duration", "duration", no_durations or text)
    else:
        values = by_recording(np.log(np.maximum(seconds, 1e-3)), clips, table)
        yield label_association("duration", "duration", values, table, _DURATION, *given)
    covered = None
    if pool is None or not np.isfinite(pool.coverage_N).any():
        yield missing("coverage", "frame coverage", no_features if pool is None else "no coverage is given")
    else:
        coverage = _by_clip(pool, pool.coverage_N, clips["clip_id"].tolist())
        values = by_recording(coverage, clips, table)
        covered = values[""]
        yield label_association("coverage", "frame coverage", values, table, _COVERAGE, *given)
    yield from filming_checks(filmed, table, settings, covered)
    yield look_up(table, *given)
    if pool is None or not np.isfinite(pool.mean_ND).any():
        yield Check.certain(Finding("identity", "people in the features", "not checked", no_features))
        text = f"{no_features}; this check takes those of encoder=mobileface"
        yield Check.certain(Finding("names", "one person with two ids", "not checked", text))
    else:
        vectors = recording_vectors(pool, clips, table)
        shared = bool((table.groupby("person_id")["split"].nunique() > 1).any())
        two = two_ids(vectors, table, settings.same_person.get(encoder), encoder)
        yield verification(vectors, table, random, shared, two.conclude((), settings.alpha).status)
        yield two


def clip_seconds(cohort: Cohort, pool: ClipSummaries | None) -> np.ndarray | None:
    """Seconds of each clip: the manifest's where it has all of them, else the features', else None."""
    clips = cohort.clips
    stated = (clips["n_frames"] / clips["fps"]).to_numpy(float)
    if np.isfinite(stated).all():
        return stated
    if pool is not None and np.isfinite(pool.seconds_N).any():
        return _by_clip(pool, pool.seconds_N, clips["clip_id"].tolist())
    return None


def filming_of(
    cohort: Cohort,
    pool: ClipSummaries | None,
    measured: Mapping[str, Mapping[str, float | str]],
    clip_ids: Sequence[str] | None = None,
) -> Filming:
    """What is known of how the cohort was filmed. Features tell lengths and frame rates where nothing else does.

    clip_ids: the clips that count; None for all.
    """
    rate = None
    if pool is not None and np.isfinite(pool.step_N).any():
        with np.errstate(divide="ignore"):
            rate = _by_clip(pool, 1 / pool.step_N, cohort.clips["clip_id"].tolist())
    return collect(cohort, measured, seconds=clip_seconds(cohort, pool), rate=rate, clip_ids=clip_ids)


def _by_clip(pool: ClipSummaries, values: np.ndarray, clip_ids: list[str]) -> np.ndarray:
    known = dict(zip(pool.clip_ids, values.tolist(), strict=True))
    return np.array([known.get(clip, np.nan) for clip in clip_ids], float)


def _copies(
    cohort: Cohort,
    pool: ClipSummaries | None,
    thumbnails: Thumbnails | None,
    sources: Mapping[str, str] | None,
    no_features: str,
    settings: AuditSettings,
) -> Check:
    """The check for copies, by files, and by frames of videos or else by features."""
    clips = cohort.clips
    if sources:
        found, number = source_copies(clips["clip_id"], sources), len(sources)
    else:
        found, number = file_copies(clips)
    checked = ["files"] if number else []
    if thumbnails is not None and thumbnails.clips:
        found += frame_copies(thumbnails.clips, settings.min_likeness)
        checked.append(f"frames of {plural(len(thumbnails.clips), 'video')}")
        lacking = _not_compared(thumbnails)
    elif pool is not None and np.isfinite(pool.mean_ND).any():
        recordings = clips.set_index("clip_id")["recording_id"].reindex(pool.clip_ids).to_numpy()
        found += feature_copies(pool, recordings, settings.min_correlation, settings.min_overlap, settings.seed)
        checked.append("features")
        few = int((~comparable(pool)).sum())
        lacking = f"re-encoded copies are not checked for {plural(few, 'clip')} with few frames" if few else ""
        if cohort.own is None and (clips["path"] != "").any():
            lacking = "frames of videos are not compared here: `lfnet audit` does it"
    else:
        lacking = f"re-encoded copies are not checked: {no_features}"
        lacking = lacking if checked else f"there are no files to compare, and {no_features}"
    return copies(clips, found, tuple(checked), lacking)


def _not_compared(thumbnails: Thumbnails) -> str:
    """Which clips were not compared by their frames; "" if all were."""
    count = Counter(thumbnails.left_out.values())
    short = sum(len(x_TD) < MIN_SECONDS * RATE for x_TD in thumbnails.clips.values())
    if short:
        count[f"shorter than {MIN_SECONDS:g} s"] = short
    left = ", ".join(f"{number} {why}" for why, number in sorted(count.items()))
    return f"re-encoded copies are not checked for {plural(count.total(), 'clip')} ({left})" if left else ""


def _concluded(checks: list[Check], alpha: float) -> tuple[Finding, ...]:
    """The findings, with the p-values of all tests adjusted together."""
    tests = [test for check in checks for test in check.tests]
    adjusted = iter([p for p in holm([test.p for test in tests]) if p is not None])
    findings = []
    for check in checks:
        own = tuple(replace(test, adjusted=next(adjusted)) for test in check.tests)
        findings.append(check.conclude(own, alpha))
    return tuple(findings)


def audited_by(cohort: Cohort, store: Readable, settings: AuditSettings) -> str:
    """Digest of everything that an audit depends on: code, settings, cohort, durations and features."""
    clips = cohort.clips
    filmed = read_filming(store, clips["clip_id"])
    about = None if cohort.about is None else cohort.about.to_csv()
    code = [
        "lfnet.audit",
        "lfnet.features.filming",
        "lfnet.features.clip_summaries",
        "lfnet.evaluation.baselines",
        "lfnet.evaluation.compare",
    ]
    lengths = [[str(value) for value in clips[column]] for column in ("n_frames", "fps")]
    return digest(
        {
            "code": source_digest(code),
            "settings": asdict(settings),
            "cohort": [cohort.fingerprint(), lengths],
            "features": store.fingerprint(clips["clip_id"]),
            "filmed": [filmed, about],
        }
    )


def summary(cohort: Cohort, store: Readable, pool: ClipSummaries, settings: AuditSettings) -> list[dict[str, Any]]:
    """Return one dict per finding: name, title, status, flagged, text; without ids. pool: summaries of all clips."""
    sources_of = sources(store, cohort.clips["clip_id"].tolist())
    filmed = read_filming(store, cohort.clips["clip_id"])
    report = find_leaks(cohort, pool, encoder=store.stream, sources=sources_of, filming=filmed, settings=settings)
    return [
        {name: getattr(finding, name) for name in ("name", "title", "status", "flagged", "text")}
        for finding in report.findings
    ]


def sources(store: Readable, clip_ids: Sequence[str]) -> dict[str, str]:
    """Read clip_id → digest of the file that its features come from, from the headers of feature files."""
    return {clip_id: (store.header(clip_id) or {}).get("source", "") for clip_id in clip_ids}
