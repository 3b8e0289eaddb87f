"""The jobs of a sweep before and while they run: which are finished, which are to run, and how each ended."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import uuid4

from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.jobs.call import JobCall
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.job import plan, run_safely
from lfnet.jobs.session import Session
from lfnet.launchers.launcher import Call, Launcher, Need
from lfnet.runs.run import Outcome

__all__ = ["Job", "PlannedJobs"]

_TEST = "cohort@test_cohort"  # the group that chooses a cohort to test on, as Hydra names it


@dataclass(frozen=True)
class Job:
    """One job of a sweep. overrides: as typed. config: everything, resolved. choices: what was chosen of each group.

    control: whether `table.controls` added it.
    """

    overrides: list[str]
    config: dict[str, Any]
    choices: dict[str, str]
    control: bool = False

    @classmethod
    def of(cls, overrides: list[str], config: Any, choices: dict[Any, Any]) -> Self:
        """A job from Hydra's composed config (without its `hydra` node) and runtime choices."""
        groups = {str(group): str(name) for group, name in choices.items() if not set("/@") & set(str(group))}
        if (tested := choices.get(_TEST)) is not None:
            if not isinstance(tested, str):
                raise LfnetError(f"{_TEST} names several cohorts: name one, or vary it by -m {_TEST}=NAME,OTHER.")
            groups["test_cohort"] = tested
        return cls(overrides, plain(config), groups)

    @property
    def kind(self) -> str:
        """Jobs of one kind need about the same memory: they have one model and one cohort."""
        fusion = self.choices.get("fusion", "none")
        model = self.choices.get("head", "") if fusion == "none" else fusion
        return f"{model}, {self.choices.get('cohort', '')}"


class PlannedJobs:
    """All jobs of a sweep, each planned when this is made.

    Parameters
    ----------
    jobs : sequence of Job
    session : Session

    Attributes
    ----------
    names : list of str
        What varies from job to job, for people.
    outcomes : list of Outcome or None
        Of each job; None while it is to run.
    peaks : dict
        The highest peak of memory of each kind of job that ended, in GB.

    Raises
    ------
    LfnetError
        No job can start, all for one reason.
    """

    def __init__(self, jobs: Sequence[Job], session: Session) -> None:
        self._jobs, self._session = jobs, session
        common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
        self.names = [" ".join(item for item in job.overrides if item not in common) for job in jobs]
        self.outcomes: list[Outcome | None] = []
        self.peaks: dict[str, float] = {}
        self._planned: dict[str, Experiment] = {}
        self._places: dict[str, list[int]] = {}  # of each fingerprint; a fusion is named once a head, and is one job
        for place, job in enumerate(jobs):
            session.display.phase(f"labels and features of job {place + 1} of {len(jobs)}: {self.names[place]}")
            outcome, experiment = _look(job, session)
            self.outcomes.append(outcome)
            if experiment is not None:
                self._planned.setdefault(experiment.fingerprint, experiment)
                self._places.setdefault(experiment.fingerprint, []).append(place)
        errors = {one.error if one and one.status == "failed" else None for one in self.outcomes}
        if len(errors) == 1 and (error := errors.pop()) is not None:
            raise LfnetError(error)

    @property
    def doubts(self) -> list[str]:
        """What looks like a forgotten setting of some job."""
        return [*dict.fromkeys(text for one in self._planned.values() for text in one.inputs.doubts)]

    def count(self, status: str) -> int:
        """Return how many jobs ended in this way."""
        return sum(outcome is not None and outcome.status == status for outcome in self.outcomes)

    @property
    def cannot_start(self) -> list[tuple[str, str]]:
        """Name and reason of each job that cannot start."""
        return [(name, end.error) for name, end in zip(self.names, self.outcomes, strict=True) if end and end.error]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each job that has a name."""
        ended = {end.fingerprint: job.kind for job, end in zip(self._jobs, self.outcomes, strict=True) if end}
        return {**ended, **{key: self._jobs[places[0]].kind for key, places in self._places.items()}}

    def calls(self, launcher: Launcher) -> list[Call]:
        """Return the jobs that are to run, as calls in the order in which they should start."""
        sweep = uuid4().hex
        return [self._call(key, launcher, sweep) for key in self._order()]

    def name(self, key: str) -> str:
        """Return the name of the job with this fingerprint."""
        return self.names[self._places[key][0]]

    def end(self, key: str, outcome: Outcome) -> Outcome:
        """Keep how a job ended; returns it with the job's name, and of one that ran elsewhere, what its folder says."""
        planned = self._planned[key]
        if not outcome.run:
            # Its process was lost later, or another one did it.
            if outcome.status == "failed" and planned.finished and not planned.settings.force:
                outcome = Outcome("finished")
            elif outcome.status in ("finished", "skipped") and not planned.finished:
                outcome = Outcome("failed", error="it ended without a result; see the log of the launcher")
        outcome = replace(outcome, fingerprint=planned.fingerprint, run=planned.folder.name)
        kind = self._jobs[self._places[key][0]].kind
        self.peaks[kind] = max(outcome.memory, self.peaks.get(kind, 0.0))
        for place in self._places[key]:
            self.outcomes[place] = outcome
        return outcome

    def _order(self) -> list[str]:
        """Cohort by cohort, of which a process holds one; within it, one seed of every row before a second of any.

        Of the jobs that test one trained head on several cohorts, only the first comes early: it trains the head, for
        which the others would wait.
        """
        cohorts: dict[str, int] = {}
        seeds: Counter[tuple[str, ...]] = Counter()
        tests: Counter[str] = Counter()
        ranks: dict[str, tuple[int, int, int, int]] = {}
        for key, experiment in self._planned.items():
            place = self._places[key][0]
            trained = experiment.trained or experiment
            cohort = cohorts.setdefault(trained.inputs.cohort.fingerprint(), len(cohorts))
            row = tuple(word for word in self._jobs[place].overrides if not re.match(r"\+*seed=", word))
            ranks[key] = cohort, tests[trained.fingerprint], seeds[row], place
            seeds[row] += 1
            tests[trained.fingerprint] += 1
        return sorted(self._planned, key=ranks.__getitem__)

    def _call(self, key: str, launcher: Launcher, sweep: str) -> Call:
        job, experiment = self._jobs[self._places[key][0]], self._planned[key]
        settings = experiment.settings
        memory = launcher.memory_of(job.kind, settings.inputs.paths.runs)
        need = Need(settings.trainer.threads, memory, settings.trainer.device)
        own = (self.name(key), need, tuple(job.overrides), job.config, job.choices)
        return JobCall(key, *own, sweep, planned=(self._session, experiment))


def _look(job: Job, session: Session) -> tuple[Outcome | None, Experiment | None]:
    """The outcome of a job that needs no running (finished, or impossible), else its plan."""
    try:
        planned = plan(job.config, job.choices, session)
    except LfnetError as error:
        return Outcome("failed", error=" ".join(str(error).split())), None
    except Exception:
        return run_safely(job.config, job.choices, session), None  # which fails in the same way and names the place
    if not planned.settings.force and planned.finished:
        return run_safely(job.config, job.choices, session, planned, finished=True), None
    return None, planned
