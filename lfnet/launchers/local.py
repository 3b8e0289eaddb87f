"""Jobs on this machine: one after the other in this process, or side by side in processes of their own (joblib)."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from lfnet.config import Count, settings
from lfnet.launchers.launcher import Call, Launcher, Memory, Need, killed
from lfnet.parent import end_with_parent
from lfnet.runs.run import Outcome

__all__ = ["Local"]


@settings
class Local(Launcher):
    """Jobs on this machine.

    Parameters
    ----------
    jobs : int or "auto"
        How many run side by side; 1: in this process. auto: as many as cores and free memory allow.
    memory : float or "auto"
        GB of memory that one job needs.

    Examples
    --------
    >>> Local(jobs=1).workers([])
    1
    """

    jobs: Count | Literal["auto"]
    memory: Memory = "auto"

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Run the calls. If a process is killed, the calls that have not ended run one by one, to find its cause."""
        if self.workers([call.need for call in calls]) == 1:
            for call in calls:
                yield call.key, call()
            return
        yield from self._side_by_side(calls)

    def workers(self, needs: Sequence[Need]) -> int:
        """Return how many calls with these needs run side by side."""
        if not needs:
            return 1
        if self.jobs != "auto":
            return min(self.jobs, len(needs))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads, memory = max(need.threads for need in needs), max(need.memory for need in needs)
        return max(1, min(cores // threads, _jobs_in_memory(memory), len(needs)))

    def _side_by_side(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        import joblib
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        ended: set[str] = set()
        workers = self.workers([call.need for call in calls])
        parallel = joblib.Parallel(
            n_jobs=workers,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch=workers,
            initializer=end_with_parent,
            initargs=(os.getpid(),),
        )
        try:
            for key, outcome in parallel(joblib.delayed(_in_worker)(call) for call in calls):
                ended.add(key)
                yield key, outcome
            return
        except TerminatedWorkerError:
            print(
                "a job's process was killed, probably out of memory (lower launcher.jobs): the others run one by one",
                flush=True,
            )
        for call in calls:
            if call.key not in ended:
                yield call.key, _alone(call)


def _alone(call: Call) -> Outcome:
    """Run one call in a process of its own (joblib gives a single worker none): if it is killed, only it has failed."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        parallel = joblib.Parallel(n_jobs=2, initializer=end_with_parent, initargs=(os.getpid(),))
        outcome: Outcome = parallel([joblib.delayed(_in_worker)(call)])[0][1]
    except TerminatedWorkerError:
        return killed(call.need, ", though it ran alone")
    return outcome


def _in_worker(call: Call) -> tuple[str, Outcome]:
    from joblib.externals.loky import process_executor

    # loky would mistake the cached cohort for a leak and restart the worker after every other job.
    process_executor._MAX_MEMORY_LEAK_SIZE = float("inf")
    return call.key, call()


def _jobs_in_memory(needed: float) -> int:
    """How many jobs of `needed` GB fit into the memory that is free now, or into all of it where only that is known."""
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    free = os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError):  # Linux: what the page cache would give back counts as free
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    return int(free / (needed * 1e9))
