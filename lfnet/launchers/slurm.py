"""Jobs in the queue of Slurm, as arrays that submitit writes and submits."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

from pydantic import Field

from lfnet.config import Count, settings
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.launchers.launcher import Call, Memory, Need
from lfnet.launchers.queue import QueueLauncher
from lfnet.launchers.slurm_engine import configuration
from lfnet.launchers.slurm_task import SlurmTask, closing_lines
from lfnet.runs.submissions import Submission, SubmittedTask

__all__ = ["Slurm"]

_NOTICE = 90  # seconds before its time limit at which a job is asked to save its state
_MAX_ARRAY = 1000  # tasks of an array, where Slurm does not say

Whole = Annotated[int, Field(ge=0)]


@settings
class Slurm(QueueLauncher):
    """Jobs of Slurm: one array for all calls that need the same.

    Parameters
    ----------
    runs : Path
        The folder of runs, on a file system that all nodes share; logs and records go into its `submissions`.
    partition, account, qos, constraint : str or None
        As of `sbatch`; None: the cluster's default.
    time : int
        Minutes that a job may take.
    memory : float or "auto"
        GB of memory that one job needs.
    jobs : int
        How many jobs of one command run at once. Slurm limits each array by itself: where calls differ in what they
        need, or are too many for one array, each array has a share of it, and one job at least.
    gpus : int or "auto"
        GPUs of a job; auto: one where `trainer.device=cuda`.
    setup : tuple of str
        Lines of shell before the job starts: `module load cuda`.
    python : str or None
        The command that starts Python on a node, such as `apptainer exec lfnet.sif python`; None: this Python.
    srun : tuple of str
        Further words for `srun`, such as `--container-image=…` of a cluster with enroot and pyxis.
    requeues : int
        How often a job goes back into the queue when it was interrupted: it saves its state ahead of its time limit, or
        when it is preempted, and goes on from there.
    options : dict of str to str, int or bool
        Further options of `sbatch` by their long names.
    """

    runs: Path
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: Count = 240
    memory: Memory = "auto"
    jobs: Count = 16
    gpus: Whole | Literal["auto"] = "auto"
    setup: tuple[str, ...] = ()
    python: str | None = None
    srun: tuple[str, ...] = ()
    requeues: Whole = 20
    options: dict[str, str | int | bool] = Field(default_factory=dict)

    def check(self) -> None:
        """See `QueueLauncher.check`."""
        require("slurm", use="launcher=slurm", otherwise="give launcher=joblib")
        if missing := [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]:
            raise LfnetError(
                f"launcher=slurm needs Slurm's commands, and {missing[0]} is not on PATH: run this on a login node, or "
                "choose launcher=joblib."
            )

    def enqueue(self, calls: Sequence[Call], sweep: str, command: str) -> list[Submission]:
        """See `QueueLauncher.enqueue`."""
        arrays: dict[Need, list[Call]] = {}
        for one in calls:
            arrays.setdefault(one.need, []).append(one)
        if not arrays:
            return []
        size = configuration().get("MaxArraySize", "")
        largest = max(1, int(size) - 1) if size.isdecimal() else _MAX_ARRAY
        parts = [
            (need, members[start : start + largest])
            for need, members in arrays.items()
            for start in range(0, len(members), largest)
        ]
        limits = divide(self.jobs, [len(members) for _, members in parts])
        return [self._submit_array(*part, limit, sweep, command) for part, limit in zip(parts, limits, strict=True)]

    def _submit_array(self, need: Need, calls: Sequence[Call], limit: int, sweep: str, command: str) -> Submission:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        tasks = [SubmittedTask(call.key, call.name, need.memory, call.pieces) for call in calls]
        cluster = configuration().get("ClusterName", "")
        given: dict[str, Any] = {"sweep": sweep, "command": command, "minutes": self.time, "cluster": cluster}
        made = Submission.create(self.runs, "slurm", tasks, **given)
        # -P: a file of the current folder must not stand in for a module of Python.
        executor = SlurmExecutor(made.folder, python=self.python or f"{quote(sys.executable)} -P")
        executor.update_parameters(
            job_name=made.name,
            teardown=closing_lines(made.folder, self.requeues),
            array_parallelism=limit,
            **self._parameters(need),
        )
        try:
            executor.submit_array([SlurmTask(made.folder, place, call) for place, call in enumerate(calls)])
        except (FailedJobError, FailedSubmissionError) as error:
            made.cancel()
            raise LfnetError(f"Slurm refuses the jobs: {_reason(error)}") from None
        return made

    def _parameters(self, need: Need) -> dict[str, Any]:
        gpus = int(need.device == "cuda") if self.gpus == "auto" else self.gpus
        named = {"partition": self.partition, "account": self.account, "qos": self.qos, "constraint": self.constraint}
        return {
            **{name: value for name, value in named.items() if value is not None},
            **({"gpus_per_node": gpus} if gpus else {}),
            "time": self.time,
            "mem": f"{round(1000 * need.memory)}MB",
            "cpus_per_task": need.threads,
            "stderr_to_stdout": True,
            "setup": list(self.setup),
            "srun_args": list(self.srun),
            "additional_parameters": {"requeue": True, "signal": f"USR1@{_NOTICE}", **self.options},
        }


def divide(limit: int, sizes: Sequence[int]) -> list[int]:
    """Divide a limit among arrays of these sizes: one each, and the rest where most jobs share a place.

    Examples
    --------
    >>> divide(16, [30, 10]), divide(2, [5, 5, 5]), divide(16, [3])
    ([12, 4], [1, 1, 1], [3])
    """
    shares = [1] * len(sizes)
    for _ in range(min(limit, sum(sizes)) - len(sizes)):
        place = max(range(len(sizes)), key=lambda number: sizes[number] / shares[number])
        shares[place] += 1
    return shares


def _reason(error: Exception) -> str:
    """What sbatch said, in one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line.removeprefix("sbatch: error: ") for line in lines if line.startswith("sbatch: error:")]
    return f"{' '.join(said or lines)}."
