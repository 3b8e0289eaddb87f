"""Launchers of other packages (`hydra/launcher=NAME`): Hydra's own, submitit's, Ray's, joblib's."""

from collections.abc import Iterator, Sequence
from typing import Any

from lfnet.launchers.launcher import Call, Launcher, Need
from lfnet.runs.run import Outcome

__all__ = ["Foreign"]


class Foreign(Launcher):
    """A launcher of Hydra's interface, which gets the overrides of jobs and returns when all have ended.

    Parameters
    ----------
    launcher : hydra.plugins.launcher.Launcher
        Set up.
    """

    memory = "auto"

    def __init__(self, launcher: Any) -> None:
        self._launcher = launcher

    def extracts(self, needs: Sequence[Need]) -> bool:
        """No: it can only start jobs."""
        return False

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Launch all calls at once. What such a launcher calls completed may have failed: the caller looks."""
        returned = self._launcher.launch([list(call.overrides) for call in calls], initial_job_idx=0)
        for call, job in zip(calls, returned, strict=True):
            yield call.key, _outcome(job)


def _outcome(job: Any) -> Outcome:
    from hydra.core.utils import JobStatus

    if job.status is JobStatus.COMPLETED:
        return Outcome("finished")
    reason = " ".join(str(getattr(job, "_return_value", "")).split())
    return Outcome("failed", error=reason or "it ended without a result; see the log of the launcher")
