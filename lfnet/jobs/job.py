"""One job: plan it, and run it unless it is finished."""

import time
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from lfnet.errors import describe_failure
from lfnet.files import make_folder, personal_files, writing_in
from lfnet.heads.cpu.machine import fast_cpu
from lfnet.jobs import head_job, transfer_job
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.groups import check_table_groups
from lfnet.jobs.records import log
from lfnet.jobs.refresh import refresh
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings, read_settings
from lfnet.locks import lock, remove_abandoned
from lfnet.runs.run import LOCK, TRAINING_STATE, Outcome
from lfnet.signals import stoppable
from lfnet.tuning.space import separate

__all__ = ["plan", "run", "run_safely"]


def plan(
    config: Mapping[str, Any],
    choices: Mapping[str, str] | None = None,
    session: Session | None = None,
    *,
    progress: bool = True,
) -> Experiment:
    """Validate a job's settings and prepare its inputs; features that are missing are extracted.

    Parameters
    ----------
    config : mapping
        The whole resolved config of `lfnet train`.
    choices : mapping
        What was chosen of each config group, to be recorded.
    session : Session
        What jobs share; None for a new one.
    progress : bool
        Whether to report an extraction.

    Raises
    ------
    LfnetError
        For a user's mistake; for wrong settings with one line each, before anything is read.
    """
    session, config, choices = session or Session(), separate(config), dict(choices or {})
    settings = read_settings(config, session)
    trained = None
    if settings.test is not None:
        # `force` repeats the test: what was trained is used as it is.
        apart = ("test_cohort", "test_split", "conversions")
        own = {name: node for name, node in config.items() if name not in apart} | {"force": False}
        trained = plan(own, {group: name for group, name in choices.items() if group != "test_cohort"}, session)
    else:
        check_table_groups(config, settings.inputs, session)
    with personal_files(settings.inputs.paths.mode):
        inputs, covers = _kind(settings).plan(settings, session, progress=progress)
    if settings.inputs.amount is not None:  # its effect on numbers is in the fingerprints of cohort and features
        covers = replace(covers, recorded=(*covers.recorded, "amount"))
    return Experiment(settings, config, choices, inputs, covers, trained=trained)


def run(config: Mapping[str, Any], choices: Mapping[str, str], session: Session | None = None) -> Outcome:
    """Plan a job and do it.

    One process at a time works in a run folder: a second one waits, and then skips the job. A finished job is skipped
    (unless `force`); its metrics, baselines and audit are recomputed where their code has
    changed. Arguments and errors are those of `plan`.
    """
    session = session or Session()
    return _do(plan(config, choices, session), session)


def run_safely(
    config: Mapping[str, Any],
    choices: Mapping[str, str],
    session: Session | None = None,
    planned: Experiment | None = None,
    *,
    finished: bool = False,
) -> Outcome:
    """As `run`, but a failure becomes an Outcome and leaves its traceback in the job's train.log.

    `Interrupted` is raised. planned: the job's plan, where it exists already. finished: whether `planned.finished` was
    true a moment ago.
    """
    fingerprint = folder = ""
    session = session or Session()
    try:
        job = planned or plan(config, choices, session)
        fingerprint, folder = job.fingerprint, job.folder.name
        return _do(job, session, finished=finished)
    except Exception as error:
        return Outcome("failed", fingerprint, folder, error=describe_failure(error))


def _do(job: Experiment, session: Session, *, finished: bool = False) -> Outcome:
    with stoppable(), personal_files(job.settings.inputs.paths.mode):
        return _execute_or_skip(job, session, finished)


def _execute_or_skip(job: Experiment, session: Session, finished: bool) -> Outcome:
    kind = _kind(job.settings)
    if job.trained is not None:
        _execute_or_skip(job.trained, session, finished=False)
    if not job.settings.force and (finished or job.finished):
        return _skip(job, session, kind)
    started = time.perf_counter()
    make_folder(job.folder)
    with writing_in(job.folder), lock(job.folder / LOCK) as waited:
        if not (waited and job.finished):
            with log(job.folder), fast_cpu():
                kind.execute(job, session)
            return Outcome("finished", job.fingerprint, job.folder.name, seconds=time.perf_counter() - started)
    return _skip(job, session, kind)  # another process has done it meanwhile


def _skip(job: Experiment, session: Session, kind: ModuleType) -> Outcome:
    remove_abandoned(job.folder)
    (job.folder / TRAINING_STATE).unlink(missing_ok=True)  # of a process that was killed just before it did so
    refresh(job, session, lambda: kind.load_data(job, session))
    return Outcome("skipped", job.fingerprint, job.folder.name)


def _kind(settings: JobSettings) -> ModuleType:
    """The module of this kind of job: its `plan`, `load_data` and `execute`."""
    if settings.test is not None:
        return transfer_job
    if settings.fusion is None:
        return head_job
    from lfnet.jobs import fusion_job  # scikit-learn's ensembles and LightGBM take a second to import

    return fusion_job
