"""A queue in memory, for tests: jobs stay queued until a test runs or loses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lfnet.config import settings
from lfnet.errors import LfnetError
from lfnet.launchers.launcher import Call, Memory, Need
from lfnet.launchers.queue import Engine, Entry, QueueLauncher
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import Submission, SubmittedTask, record_outcome

NEED = Need(1, 2.0)


@dataclass(frozen=True, eq=False)
class Done(Call):
    """Work that is done at once."""

    def __call__(self) -> Outcome:
        return Outcome("finished", self.key)


def done(key: str) -> Done:
    return Done(key, f"name of {key}", NEED, ())


class StubEngine(Engine):
    """Entries and calls by key; `silence` is why it does not answer."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], Entry] = {}
        self.calls: dict[str, tuple[Submission, int, Call]] = {}
        self.silence = ""
        self.refused = ""  # the name of a call
        self.submitted: list[str] = []

    def look(self, submissions: Sequence[Submission]) -> dict[tuple[str, int], Entry]:
        if self.silence:
            raise LfnetError(self.silence)
        names = {one.name for one in submissions}
        return {key: entry for key, entry in self.entries.items() if key[0] in names}

    def cancel(self, submissions: Sequence[Submission], *, waiting: bool = False) -> None:
        names = {one.name for one in submissions}
        for key, entry in self.entries.items():
            if key[0] in names and (entry.status == "queued" or not waiting):
                self.entries[key] = Entry(entry.job, "ended", "CANCELLED")

    def log(self, submission: Submission, place: int) -> Path | None:
        return None

    def pickles(self, submission: Submission, place: int) -> list[Path]:
        return list(submission.folder.glob(f"{place}.pkl"))

    def explain(self, submission: Submission, place: int, entry: Entry | None) -> str:
        return f"lost ({entry.state if entry else 'gone'})"

    def start(self, key: str) -> None:
        """Let a queued job run."""
        submission, place, _ = self.calls[key]
        self.entries[submission.name, place] = Entry(key, "running", "RUNNING", "n1", 200.0)

    def finish(self, key: str) -> None:
        """Do the work of a job."""
        submission, place, call = self.calls[key]
        record_outcome(submission.folder, place, call())
        self.entries[submission.name, place] = Entry(key, "ended", "COMPLETED", "n1")

    def lose(self, key: str, state: str = "NODE_FAIL") -> None:
        """End a job without an outcome; with no state, the queue forgets it."""
        submission, place, _ = self.calls[key]
        self.entries.pop((submission.name, place), None)
        if state:
            self.entries[submission.name, place] = Entry(key, "ended", state, "n1")


ENGINE = StubEngine()


@settings
class StubQueue(QueueLauncher):
    runs: Path
    jobs: int = 1
    memory: Memory = "auto"

    def check(self) -> None:
        pass

    def enqueue(self, calls: Sequence[Call], sweep: str, command: str) -> list[Submission]:
        calls = [call for call in calls if call.name != ENGINE.refused]
        if not calls:
            return []
        tasks = [SubmittedTask(call.key, call.name, call.need.memory, call.pieces) for call in calls]
        made = Submission.create(self.runs, "stub", tasks, sweep=sweep, command=command, minutes=60)
        for place, call in enumerate(calls):
            (made.folder / f"{place}.pkl").touch()
            ENGINE.entries[made.name, place] = Entry(call.key, "queued", "PENDING")
            ENGINE.calls[call.key] = (made, place, call)
            ENGINE.submitted.append(call.key)
        if ENGINE.refused:
            raise LfnetError(f"{ENGINE.refused} is refused.")
        return [made]
