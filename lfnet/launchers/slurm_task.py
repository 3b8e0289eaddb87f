"""Run one call in a job of Slurm, and write its outcome into the submission's folder."""

from dataclasses import dataclass
from pathlib import Path

from lfnet.launchers.launcher import Call
from lfnet.runs.submissions import forget_outcome, record_outcome

__all__ = ["SlurmTask"]


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
    """

    folder: Path
    place: int
    call: Call

    def __call__(self) -> None:
        """Do the work. A task that Slurm runs again forgets how it ended before."""
        forget_outcome(self.folder, self.place)
        record_outcome(self.folder, self.place, self.call())
