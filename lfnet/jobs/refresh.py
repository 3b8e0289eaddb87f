"""Baselines, metrics, audit and groups of a run; recomputed for finished runs when their code or the cohort changes.

None of it is part of a job's fingerprint, so that a better audit or another baseline trains nothing again.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lfnet.audit.audit import audited_by, summary
from lfnet.data.datamodule import DataModule
from lfnet.errors import LfnetWarning
from lfnet.evaluation.predictions import models_to_csv_text
from lfnet.files import write_text
from lfnet.fingerprints import digest, file_digest
from lfnet.jobs.baselines import baseline_code, drop_summaries, filming_numbers, fit_baselines, summarise
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.groups import groups_text, write_groups
from lfnet.jobs.records import versions
from lfnet.jobs.session import Session
from lfnet.jobs.shared_values import SharedValues
from lfnet.locks import lock
from lfnet.runs.removal import removed_people
from lfnet.runs.result import AuditEntry, Result, describe_scale
from lfnet.runs.run import GROUPS, LOCK, PREDICTIONS, REFERENCES, Run, measure, measure_references, measuring_code

__all__ = ["compute_metrics", "refer_and_audit", "refresh", "run_audit", "write_baselines"]

_MADE = {REFERENCES: "baselines", GROUPS: "groups"}  # files that are made again, and the part that each belongs to


def refer_and_audit(job: Experiment, data: DataModule, session: Session) -> dict[str, Any]:
    """Write references.csv and groups.csv and audit the cohort; returns the result's parts. data: set up."""
    write_groups(job, session)
    parts = {**write_baselines(job, data, session), **run_audit(job, session)}
    drop_summaries(session)
    return parts


def write_baselines(job: Experiment, data: DataModule, session: Session) -> dict[str, Any]:
    """Write references.csv of the recordings that `data` (set up) finds usable; returns the result's part."""
    usable = data.clips.drop_duplicates("recording_id")[["recording_id", "person_id", "split", "label"]]
    usable, clip_ids = usable.reset_index(drop=True), data.clips["clip_id"].tolist()

    def fit() -> dict[str, Any]:
        models = fit_baselines(data.cohort, data.store, usable, session, clip_ids=clip_ids, streams=data.stores)
        models = {name: job.inputs.in_test_points(model) for name, model in models.items()}
        numbers = filming_numbers(data.cohort, data.store, usable, session, clip_ids)
        return {"text": models_to_csv_text(models), "nuisance": numbers}

    of: list[Any] = [baseline_code(), _audit_digest(job, session), job.features, usable.to_csv(), clip_ids]
    if job.tested is not None:
        of.append(job.tested)
    found = _shared(job, session, "references", of, fit)
    write_text(job.folder / REFERENCES, found["text"])
    return {"referred_by": baseline_code(), "nuisance": found["nuisance"]}


def run_audit(job: Experiment, session: Session) -> dict[str, Any]:
    """Audit the cohort and its features; returns the result's part: entries without ids, and the audit's digest."""
    cohort, store = job.inputs.cohort, job.inputs.store
    key = _audit_digest(job, session)

    def audit() -> list[dict[str, Any]]:
        return summary(cohort, store, summarise(cohort, store, session), job.settings.audit)

    lines = _shared(job, session, "audit", [key], audit)
    return {"audit": tuple(AuditEntry(**line) for line in lines), "audited_by": key}


def _shared(job: Experiment, session: Session, what: str, of: list[Any], make: Callable[[], Any]) -> Any:
    """A value that jobs of this and of other processes share; of: what it depends on, with the versions of packages."""
    key = digest([of, versions("scipy")])
    values = SharedValues(job.settings.inputs.paths.cache, job.inputs.cohort.name)
    return session.keep(what, key, lambda: values.keep(what, key, make))


def compute_metrics(job: Experiment, session: Session) -> dict[str, Any]:
    """The metrics of predictions.csv and references.csv, as the result holds them.

    Jobs with the same references.csv measure it once in a session.
    """
    of = job.folder, job.inputs.cohort.scale, job.tested
    key = digest([file_digest(job.folder / REFERENCES), repr(job.inputs.cohort.scale), job.tested])
    references = session.keep("metrics of references", key, lambda: measure_references(*of))
    return {"metrics": measure(*of), "references": references, "measured_by": measuring_code()}


def refresh(job: Experiment, session: Session, load_data: Callable[[], DataModule]) -> None:
    """Recompute what older code made in a finished run folder, and damaged baselines. load_data(): its data, set up.

    Digests of other files are kept as the job wrote them. One process at a time changes a folder; one in which nothing
    changes is not locked.
    """
    with job.inputs.keep_open():
        if not _outdated(job, session):
            return
        with lock(job.folder / LOCK):
            outdated = _outdated(job, session)  # another process may have done it meanwhile
            changed: dict[str, Any] = {}
            if "baselines" in outdated:
                changed |= write_baselines(job, load_data(), session)
            if "groups" in outdated:
                write_groups(job, session)
            if made := [name for name, part in _MADE.items() if part in outdated]:
                own = {name: path for name in made if (path := job.folder / name).is_file()}
                files = {**Run(job.folder).result.files, **{name: file_digest(path) for name, path in own.items()}}
                changed["files"] = {name: of for name, of in files.items() if name in own or name not in made}
            if outdated & {"baselines", "metrics"}:
                changed |= {**compute_metrics(job, session), "scale": describe_scale(job.inputs.cohort.scale)}
            if "audit" in outdated:
                changed |= run_audit(job, session)
            drop_summaries(session)
            if changed:
                replace(Run(job.folder).result, **changed).write(job.folder)


def _outdated(job: Experiment, session: Session) -> set[str]:
    """The parts of a finished run that older code made, or that are damaged."""
    result = Run(job.folder).result
    if removed_people(result.marks):
        return set()  # baselines of the whole cohort would bring the removed rows back
    outdated = {
        "baselines": result.referred_by != baseline_code() or _damaged_baselines(job.folder, result),
        "metrics": result.measured_by != measuring_code(),
        "audit": result.audited_by != _audit_digest(job, session),
        "groups": _outdated_groups(job, result, session),
    }
    return {part for part, old in outdated.items() if old}


def _outdated_groups(job: Experiment, result: Result, session: Session) -> bool:
    """Whether groups.csv, or its digest in the result, is not that of the cohort's groups as they are.

    A folder without scores, as it is shared, gets none.
    """
    if not (job.folder / PREDICTIONS).is_file():
        return False
    path, text = job.folder / GROUPS, groups_text(job, session)
    wanted = hashlib.sha256(text.encode()).hexdigest() if text else None
    return (file_digest(path) if path.is_file() else None) != wanted or result.files.get(GROUPS) != wanted


def _damaged_baselines(folder: Path, result: Result) -> bool:
    """Whether references.csv is there and is not what the job wrote, with a warning."""
    path = folder / REFERENCES
    damaged = path.is_file() and file_digest(path) != result.files.get(REFERENCES)
    if damaged:
        warnings.warn(f"{path} is damaged: the baselines are computed again.", LfnetWarning, stacklevel=2)
    return damaged


def _audit_digest(job: Experiment, session: Session) -> str:
    cohort, store, settings = job.inputs.cohort, job.inputs.store, job.settings.audit
    key = (cohort, store, digest(asdict(settings)))
    return session.keep("audit digest", key, lambda: audited_by(cohort, store, settings))
