"""A job as launchers run it: in this process with what is planned here, or in another one by its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lfnet.errors import Interrupted
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.job import run_safely
from lfnet.jobs.session import Session, own_session
from lfnet.launchers.launcher import Call
from lfnet.runs.resources import peak_memory
from lfnet.runs.run import Outcome
from lfnet.signals import stoppable

__all__ = ["JobCall"]


@dataclass(frozen=True, eq=False)
class JobCall(Call):
    """Runs one job (`lfnet.launchers.launcher.Call`).

    Parameters
    ----------
    key, name, need, overrides
        As in `Call`; the key is the job's fingerprint.
    config, choices : mapping
        The resolved config, and what was chosen of each group.
    sweep : str
        Calls with the same one share a worker's session.
    planned : tuple of Session and Experiment, or None
        What this process has; not pickled.
    """

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    sweep: str
    planned: tuple[Session, Experiment] | None = field(default=None, repr=False)

    def __call__(self) -> Outcome:
        """Run the job; its outcome has the peak of memory."""
        session, experiment = self.planned or (own_session(self.sweep), None)
        try:
            with stoppable(), peak_memory() as peak:
                outcome = run_safely(self.config, self.choices, session, experiment)
        except Interrupted as stop:
            if self.planned:
                raise
            error = str(stop) or "interrupted before it had anything to save"
            return Outcome("interrupted", self.key, error=error, saved=stop.saved)
        return replace(outcome, memory=peak.gb)

    def continued(self) -> "JobCall":
        """Return the call without `force`, which would start the job over."""
        return replace(self, config={**self.config, "force": False})

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "planned": None}
