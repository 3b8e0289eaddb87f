"""Run one call in a job of Slurm, and write its outcome into the submission's folder."""

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from lfnet.launchers.launcher import Call
from lfnet.runs.submissions import forget_outcome, outcome_path, record_outcome
from lfnet.signals import handle_always

__all__ = ["SlurmTask", "requeue_lines"]


@dataclass(frozen=True, eq=False)
class SlurmTask:
    """One task of a submission.

    Parameters
    ----------
    folder : Path
        Of the submission.
    place : int
        The task's place in it.
    call : Call
    requeues : int
        How often the job goes back into the queue at most.
    """

    folder: Path
    place: int
    call: Call
    requeues: int = 0

    def __call__(self) -> None:
        """Do the work. A job that Slurm starts again forgets how it ended before."""
        for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2):  # submitit handles some
            signal.signal(number, signal.SIG_DFL)
        handle_always()
        forget_outcome(self.folder, self.place)
        outcome = self.call()
        if outcome.status == "interrupted" and int(os.environ.get("SLURM_RESTART_COUNT", "0")) >= self.requeues:
            more = "give it more time with launcher.time, or more launcher.requeues"
            error = f"{outcome.error}, and {self.requeues} times before; {more}"
            outcome = replace(outcome, status="failed", error=error)
        record_outcome(self.folder, self.place, outcome)


def requeue_lines(folder: Path) -> list[str]:
    """Return lines of shell that put an interrupted job back into the queue, unless it is being cancelled.

    They run outside the job's container, where Slurm's commands are.
    """
    outcome = f"{quote(str(folder))}/${{SLURM_ARRAY_TASK_ID:-0}}{outcome_path(folder, 0).suffix}"
    return [
        f'if grep -q \'"status": "interrupted"\' {outcome} 2>/dev/null; then',
        '  [ "$(squeue --noheader --format=%T --jobs=$SLURM_JOB_ID)" != RUNNING ] || scontrol requeue $SLURM_JOB_ID',
        "fi",
    ]
