"""Run one call in a job of Slurm, and write its outcome into the submission's folder."""

import signal
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from lfnet.launchers.launcher import Call
from lfnet.runs.submissions import forget_outcome, outcome_path, read_outcome, record_outcome
from lfnet.signals import handle_always

__all__ = ["SlurmTask", "closing_lines"]


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
        """Do the work. A job that Slurm starts again forgets how it ended before."""
        for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2):  # submitit handles some
            signal.signal(number, signal.SIG_DFL)
        handle_always()
        before = read_outcome(self.folder, self.place)
        forget_outcome(self.folder, self.place)
        call = self.call if before is None else self.call.continued()
        record_outcome(self.folder, self.place, call())


def closing_lines(folder: Path, requeues: int) -> list[str]:
    """Return lines of shell that follow a task in its job: they run outside a container, where Slurm's commands are.

    An interrupted job goes back into the queue, unless it is being cancelled; once only where it had nothing to go on
    from, or a job that is longer than its time limit would start again and again. Of one that has ended, submitit's
    files are removed: of 1,000 jobs they would be 2,000. The job has the exit status of its task.
    """
    place = quote(str(folder))
    outcome = f"{place}/${{SLURM_ARRAY_TASK_ID:-0}}{outcome_path(folder, 0).suffix}"
    return [
        "status=$?",
        # The number of one task of an array may be that of the whole array.
        "job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}",
        f"if grep -q '\"interrupted\",' {outcome} 2>/dev/null; then",
        f"  if grep -q '\"saved\": true' {outcome}; then limit={requeues}; else limit={min(1, requeues)}; fi",
        "  [ ${SLURM_RESTART_COUNT:-0} -ge $limit ] ||",
        '    [ "$(squeue --noheader --format=%T --jobs="$job")" != RUNNING ] || scontrol requeue "$job"',
        f"elif [ -e {outcome} ]; then",
        f'  rm -f {place}/"$job"_submitted.pkl {place}/"$job"_0_result.pkl',
        "fi",
        "exit $status",
    ]
