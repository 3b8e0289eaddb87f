"""What stands beside a run's own scores: metrics, references and the audit; made anew when their code has changed.

None of it is part of a job's fingerprint, so that a better audit or another baseline trains nothing again.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lfnet.audit.audit import audited_by, summary
from lfnet.audit.settings import AuditSettings
from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate
from lfnet.data.module import DataModule
from lfnet.evaluation.predictions import models_to_csv_text
from lfnet.features.store import Readable
from lfnet.files import write_text
from lfnet.fingerprints import digest
from lfnet.jobs.baselines import references, referring_code
from lfnet.once import once
from lfnet.runs.result import AuditEntry, Result
from lfnet.runs.run import REFERENCES, measure, measuring_code

__all__ = ["audited", "bring_up_to_date", "measured", "refer"]


def refer(folder: Path, data: DataModule) -> dict[str, Any]:
    """Write references.csv of the recordings that `data` (set up) finds usable; returns what result.json says of it."""
    usable = data.clips.drop_duplicates("recording_id")[["recording_id", "person_id", "split", "label"]]
    clip_ids = data.clips["clip_id"].tolist()
    beside = references(data.cohort, data.store, usable.reset_index(drop=True), clip_ids, beside=data.stores)
    write_text(folder / REFERENCES, models_to_csv_text(beside))
    return {"referred_by": referring_code()}


def audited(cohort: Cohort, store: Readable, config: dict[str, Any]) -> dict[str, Any]:
    """The audit of the cohort and its features as result.json holds it: entries that contain no id."""
    settings = _settings(config)
    entries = tuple(AuditEntry(**entry) for entry in summary(cohort, store, settings))
    return {"audit": entries, "audited_by": audited_by(cohort, store, settings)}


def measured(folder: Path) -> dict[str, Any]:
    """The metrics of predictions.csv and references.csv as result.json holds them."""
    return {**measure(folder), "measured_by": measuring_code()}


def bring_up_to_date(
    folder: Path, cohort: Cohort, store: Readable, config: dict[str, Any], data: Callable[[], DataModule]
) -> None:
    """Make anew what older code made in a finished run folder, if anything.

    cohort, store: the run's, the store being the one that its references read. data(): the run's data, set up.
    """
    result = Result.read(folder)
    anew: dict[str, Any] = {}
    if result.referred_by != referring_code():
        anew |= refer(folder, data())
    if anew or result.measured_by != measuring_code():
        anew |= measured(folder)
    if result.audited_by != audited_by(cohort, store, _settings(config)):
        anew |= audited(cohort, store, config)
    if anew:
        replace(result, **anew).write(folder)


def _settings(config: dict[str, Any]) -> AuditSettings:
    if not config.get("audit"):
        return AuditSettings()
    made: AuditSettings = once(("audit", digest(config["audit"])), lambda: instantiate(config["audit"], "audit"))
    return made
