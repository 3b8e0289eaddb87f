"""Jobs of a sweep in the queue of a cluster: what is submitted, where it is, and what may be run here."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lfnet.errors import LfnetError
from lfnet.files import personal_files
from lfnet.jobs.settings import Paths
from lfnet.launchers.launcher import Call, Launcher
from lfnet.launchers.queue import QueuedJob, QueueLauncher, discard_leftovers, find_latest
from lfnet.runs.resources import record_peaks
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import Submission, read_submissions
from lfnet.text import plural

__all__ = ["SweepQueue", "check_launcher"]


def check_launcher(launcher: Launcher, *, submit: bool, fail_fast: bool) -> None:
    """Raise `LfnetError` where a launcher cannot do what is asked, before any work starts."""
    if isinstance(launcher, QueueLauncher):
        launcher.check()
    elif submit:
        raise LfnetError("--submit hands the jobs to a queue, and this launcher has none: add launcher=slurm.")
    if submit and fail_fast:
        raise LfnetError("fail_fast=true needs a command that waits for the jobs: leave out --submit.")


class SweepQueue:
    """The jobs of one sweep that are, or will be, in a queue.

    Parameters
    ----------
    launcher : Launcher
    paths : Paths
    sweep : str
        The sweep's name, by which it is recognised from any launcher.
    command : str
        The command that runs the sweep.
    """

    def __init__(self, launcher: Launcher, paths: Paths, sweep: str, command: str) -> None:
        self._launcher, self._paths, self._sweep, self._command = launcher, paths, sweep, command
        self._held: dict[str, QueuedJob] = {}
        self._submitted: list[Submission] = []  # in the name of the sweep, and not cancelled; oldest first
        self._own = False  # whether the sweep itself was submitted

    @property
    def hint(self) -> str:
        """The commands that list and end the jobs."""
        words = [word for word in shlex.split(self._command) if not word.lstrip("+~").startswith("launcher")]
        words = ["multirun", *words[3:]] if words[:3] == ["lfnet", "train", "-m"] else words[2:]
        return f"`lfnet jobs {shlex.join(words)}` lists them; `lfnet cancel` with the same words ends them"

    def record_peaks(self, kinds: Mapping[str, str]) -> None:
        """Keep the memory that jobs of this sweep took in a queue, so that the next ones ask for enough.

        kinds: what kind of job each key is.
        """
        if not isinstance(self._launcher, QueueLauncher):
            return
        peaks: dict[str, float] = {}
        for one in read_submissions(self._paths.runs):
            for place, task in enumerate(one.tasks):
                if task.key in kinds and (outcome := one.outcome(place)):
                    peaks[kinds[task.key]] = max(outcome.memory, peaks.get(kinds[task.key], 0.0))
        with personal_files(self._paths.mode):
            record_peaks(self._paths.runs, peaks)

    def hold(self, calls: Sequence[Call], *, submit: bool) -> dict[str, Outcome]:
        """Return the outcome of each call that is not to be run by `run`, since a queue has or had it.

        submit: hand all others to the queue now. Without it, a sweep that was submitted stays with its queue.
        """
        if isinstance(self._launcher, QueueLauncher):
            if not submit:
                return {}
            self._submit(calls)
        else:
            discard_leftovers(self._paths.runs)
        known = find_latest(self._paths.runs, [call.key for call in calls])
        found = read_submissions(self._paths.runs)
        self._submitted = [one for one in found if one.sweep == self._sweep and not one.cancelled]
        self._own = submit or bool(self._submitted)
        held: dict[str, Outcome] = {}
        for call in calls:
            job = known.get(call.key)
            if job is not None and (self._own or job.status != "ended"):
                self._held[call.key] = job
                why = f"; {job.silence.rstrip('.')}" if job.silence else ""
                waits = Outcome("pending", error=f"it is {job.text}{why}")
                held[call.key] = job.outcome if job.status == "ended" else waits
            elif self._own:
                held[call.key] = Outcome("pending", error="it was not submitted")
        return held

    @property
    def silences(self) -> list[str]:
        """Why queues with jobs of this sweep do not answer."""
        return sorted({job.silence for job in self._held.values() if job.silence})

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Run calls as the launcher does, submitted in the name of the sweep."""
        if not isinstance(self._launcher, QueueLauncher):
            yield from self._launcher.run(calls)
            return
        self._submit(calls)
        try:
            yield from self._launcher.wait([call.key for call in calls])
        except KeyboardInterrupt:
            print(f"the jobs stay in the queue: {self.hint}", flush=True)
            raise

    def withdraw(self, calls: Sequence[Call]) -> None:
        """Let no call start that has not started."""
        if isinstance(self._launcher, QueueLauncher):
            self._launcher.withdraw(calls, self._sweep)

    def _submit(self, calls: Sequence[Call]) -> None:
        if not isinstance(self._launcher, QueueLauncher) or not calls:
            return
        with personal_files(self._paths.mode):
            active = self._launcher.submit(calls, self._sweep, self._command)
        already = f", {len(active)} queued or running before" if active else ""
        print(f"{plural(len(calls) - len(active), 'job')} submitted{already}", flush=True)

    def lines(self, names: Sequence[str], outcomes: Sequence[Outcome | None]) -> list[str]:
        """Say how far a sweep is that was submitted; empty for another one, and for one that is finished.

        names, outcomes: of all its jobs.
        """
        if not self._own or all(end and end.status in ("finished", "skipped") for end in outcomes):
            return []
        statuses = [
            self._held[outcome.fingerprint].status if outcome.fingerprint in self._held else "not submitted"
            for outcome in outcomes
            if outcome and outcome.status == "pending"
        ]
        counts = Counter(statuses)
        ends = [(name, end) for name, end in zip(names, outcomes, strict=True) if end is not None]
        failed = [(name, end.error) for name, end in ends if end.status in ("failed", "interrupted")]
        done = sum(end.status in ("finished", "skipped") for _, end in ends)
        parts = [f"{done} of {len(outcomes)} done"]
        parts += [f"{counts[word]} {word}" for word in ("running", "queued", "not submitted") if counts[word]]
        parts += [f"{len(failed)} failed"] if failed else []
        found = [", ".join(parts), *(f"failed   {name}: {error}" for name, error in failed)]
        found += self.silences
        if statuses or failed:
            found.append(self.hint)
        if (failed or counts["not submitted"]) and self._submitted:
            again = f"{self._submitted[-1].command} --submit"
            found.append(f"submit what is missing: {again}; or cancel the sweep to run it here")
        return found
