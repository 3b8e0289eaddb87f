"""Tune a job's settings: trials that are stored one by one, and the one that dev chooses.

A trial is the job with other settings and without tuning: fitted from the same seed, its best epoch chosen as ever. The
test split is opened after the last trial.
"""

import logging
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from lfnet.errors import LfnetError
from lfnet.evaluation.class_metrics import SELECTION
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.head_fit import load_data, open_progress, prepare_head, score_head
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_settings
from lfnet.runs.result import Metrics
from lfnet.runs.trials import Trial, incumbents, read_trials, write_trials
from lfnet.training.fit import Fitted, fit
from lfnet.training.progress import Progress
from lfnet.tuning.sampler import suggest
from lfnet.tuning.space import Scalar, with_values

__all__ = ["Study", "describe_study", "study_marks", "tune"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """The trials of a tuned job.

    Attributes
    ----------
    job : Experiment
        The job with the chosen settings.
    trials : tuple of Trial
    led : tuple of int
        The places of those that led, in order; the last was chosen.
    heads : dict
        Fitted heads by place, of those that led and were fitted by this process.
    """

    job: Experiment
    trials: tuple[Trial, ...]
    led: tuple[int, ...]
    heads: dict[int, torch.nn.Module]

    @property
    def best(self) -> Trial:
        """The chosen trial."""
        return self.trials[self.led[-1]]


def tune(job: Experiment, session: Session) -> Study:
    """Run the trials of a job that are not stored yet, and choose the best by the selection metric.

    Raises
    ------
    LfnetError
        The settings as given cannot be trained. Other trials that cannot be are recorded.
    """
    space, fingerprint = job.settings.space, job.fingerprint
    assert space is not None
    better = _better(job)
    trials = [] if job.settings.force else read_trials(job.folder, fingerprint)[: job.settings.tune]
    heads: dict[int, torch.nn.Module] = {}
    while (place := len(trials)) < job.settings.tune:
        history = [(trial.settings, trial.value) for trial in trials]
        values = suggest(space, history, better=better, seed=job.settings.seed)
        trial, fitted = _try(job, values, session, place + 1, required=not trials)
        trials.append(trial)
        if fitted is not None and incumbents(trials, better)[-1] == place:
            heads[place] = fitted.head
        write_trials(job.folder, fingerprint, trials)
    for number, trial in enumerate(trials, start=1):  # at the end: a study that went on after a kill has the same log
        _log.info("trial %d: %s %s", number, trial.error or trial.value, trial.settings)
    led = incumbents(trials, better)
    return Study(_with(job, trials[led[-1]].settings, session), tuple(trials), tuple(led), heads)


def describe_study(study: Study, session: Session, refitted: Fitted, chosen: Metrics) -> dict[str, Any]:
    """The entry `tuning` of result.json; the trials that led before the chosen one are scored here.

    Parameters
    ----------
    study : Study
    session : Session
    refitted : Fitted
        The chosen trial's head, fitted again by the job.
    chosen : dict
        Its metrics.
    """
    select, trials = study.job.settings.protocol.select, study.trials
    metrics = [*(_score(study, place, session) for place in study.led[:-1]), chosen]
    return {
        "trials": len(trials),
        "failed": sum(bool(trial.error) for trial in trials),
        "collapsed": sum(trial.collapsed for trial in trials),
        "best_trial": study.led[-1] + 1,
        "select": {"split": select.split, "metric": select.metric, "level": select.level},
        "seconds": round(sum(trial.seconds for trial in trials) + refitted.seconds, 2),
        "curve": [
            {"trial": place + 1, "value": trials[place].value, "metrics": own}
            for place, own in zip(study.led, metrics, strict=True)
        ],
    }


def study_marks(study: Study, refitted: Fitted) -> tuple[str, ...]:
    """What a reader of a tuned row must know."""
    found = []
    if study.best.value is None:
        found.append("no trial has a defined selection metric: settings as given")
    elif refitted.best != study.best.value:
        found.append("the chosen trial was fitted again with another dev score: training is not deterministic here")
    return tuple(found)


def _better(job: Experiment) -> Literal["lower", "higher"]:
    return SELECTION[job.settings.protocol.select.metric]


def _with(job: Experiment, values: dict[str, Scalar], session: Session) -> Experiment:
    """The job with other settings, validated as if a user had given them; folder and name stay the job's."""
    config = with_values(job.config, values)
    return replace(job, config=config, settings=read_settings({**config, "tune": 0}, session), of=job)


def _try(
    job: Experiment, values: dict[str, Scalar], session: Session, number: int, *, required: bool
) -> tuple[Trial, Fitted | None]:
    """Fit one trial. required: whether an error is the job's."""
    try:
        own = _with(job, values, session)
        with open_progress(own, f" in trial {number}") as progress:
            fitted = _fit(own, session, progress, f", trial {number} of {job.settings.tune}")
    except LfnetError as error:
        if required:
            raise
        return Trial(values, None, error=" ".join(str(error).split())), None
    trial = Trial(
        values,
        None if math.isnan(fitted.best) else fitted.best,
        fitted.epochs,
        fitted.best_epoch,
        fitted.converged,
        round(fitted.seconds, 2),
        any(mark.startswith("collapsed") for mark in fitted.marks),
    )
    return trial, fitted


def _fit(trial: Experiment, session: Session, progress: Progress | None = None, what: str = "") -> Fitted:
    data = load_data(trial, session)
    head = prepare_head(trial, data, session, progress).head
    show = session.display.training(f"{trial.choices.get('head', 'head')}, seed {trial.settings.seed}{what}")
    return fit(head, data, trial.settings.trainer, None, [], progress, show)


def _score(study: Study, place: int, session: Session) -> Metrics:
    """Metrics of a trial that led; a head that an earlier, killed process fitted is fitted again."""
    trial = _with(study.job, study.trials[place].settings, session)
    trainer = trial.settings.trainer
    head = study.heads[place] if place in study.heads else _fit(trial, session).head
    return score_head(head, load_data(trial, session), trainer)[0].metrics()
