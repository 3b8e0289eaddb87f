"""Records of jobs that were handed to a queue: which job of the queue does which work, and how it ended.

A record says nothing of how far a job is: that comes from the queue and from the run folder.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lfnet.errors import LfnetError
from lfnet.files import exists, make_folder, read_json, write_json
from lfnet.runs.run import Outcome

__all__ = [
    "EXTRACTION",
    "SUBMISSIONS",
    "Submission",
    "SubmittedTask",
    "extraction_of",
    "forget_outcome",
    "outcome_path",
    "read_outcome",
    "read_submissions",
    "record_outcome",
    "submitted_texts",
]

SUBMISSIONS = "submissions"
EXTRACTION = "extraction"
RECORD = "submission.json"
FORMAT = 1


@dataclass(frozen=True)
class SubmittedTask:
    """One call of a submission: its key, its name for people, the GB of memory that it asked for, and its pieces."""

    key: str
    name: str
    memory: float
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """The folder `<runs>/submissions/<id>`: submission.json, and the logs and outcomes of its tasks.

    The record is written before the queue gets the jobs, which have the name `lfnet-<id>` there: however a command
    ends, a job in the queue has a record. The name says nothing about the work, since others see it.

    Parameters
    ----------
    folder : Path
    engine : str
        The queue: "slurm".
    sweep : str
        The name of the sweep that it belongs to, or "". Of an extraction, see `extraction_of`.
    command : str
        The command that submits what is missing.
    minutes : int
        The time limit of each task.
    submitted : float
        Seconds since 1970, by the clock of the machine that submitted: for people, since clocks differ.
    tasks : tuple of SubmittedTask
        Their places are the numbers of tasks in the queue's array.
    number : int
        Larger than those of all submissions before it. Who creates one holds a lock.
    cluster : str
        Where several clusters see one folder of runs, that of the jobs; "" where it is not known.
    cancelled : bool
        `lfnet cancel` has ended it.

    Examples
    --------
    >>> import tempfile
    >>> runs = Path(tempfile.mkdtemp())
    >>> made = Submission.create(runs, "slurm", [SubmittedTask("0b1c", "seed=3", 3.0)], sweep="patch_size", minutes=60)
    >>> read_submissions(runs) == [made], made.outcome(0)
    (True, None)
    >>> record_outcome(made.folder, 0, Outcome("failed", error="the head exploded"))
    >>> made.outcome(0).error
    'the head exploded'
    """

    folder: Path
    engine: str
    sweep: str
    command: str
    minutes: int
    submitted: float
    tasks: tuple[SubmittedTask, ...] = field(repr=False)
    number: int = 0
    cluster: str = ""
    cancelled: bool = False

    @classmethod
    def create(
        cls,
        runs: Path,
        engine: str,
        tasks: Sequence[SubmittedTask],
        *,
        sweep: str = "",
        command: str = "",
        minutes: int,
        cluster: str = "",
    ) -> "Submission":
        """Make the folder and the record of a new submission."""
        folder = Path(runs).absolute() / SUBMISSIONS / token_hex(4)
        number = max((one.number for one in read_submissions(runs)), default=0) + 1
        made = cls(folder, engine, sweep, command, minutes, time.time(), tuple(tasks), number, cluster)
        make_folder(folder)
        made._write()
        return made

    @property
    def name(self) -> str:
        """The name of its jobs in the queue."""
        return f"lfnet-{self.folder.name}"

    def belongs(self, sweep: str) -> bool:
        """Whether `lfnet jobs` and `lfnet cancel` find it by this name of a sweep; "" stands for all."""
        if sweep == EXTRACTION:
            return self.sweep.startswith(EXTRACTION)
        return sweep in ("", self.sweep) or self.sweep == extraction_of(sweep)

    def cancel(self) -> "Submission":
        """Record that its jobs were ended on purpose, and remove their pickled work: they may run elsewhere now."""
        ended = replace(self, cancelled=True)
        ended._write()
        for path in self.pickles():
            path.unlink(missing_ok=True)
        return ended

    def pickles(self) -> list[Path]:
        """List the files of pickled work that are left. Those of an extraction contain a part of its cohort's table."""
        return sorted(self.folder.glob("*.pkl"))

    def outcome(self, place: int) -> Outcome | None:
        """How a task ended, by its own account; None where it has not ended, or was killed."""
        return read_outcome(self.folder, place)

    def _write(self) -> None:
        content = {name: value for name, value in asdict(self).items() if name != "folder"}
        write_json(self.folder / RECORD, {"format": FORMAT, **content})


def extraction_of(sweep: str) -> str:
    """Return the name under which the extraction that a sweep needs is submitted; that of `lfnet extract` for "".

    Examples
    --------
    >>> extraction_of("architectures"), extraction_of("")
    ('extraction of architectures', 'extraction')
    """
    return f"{EXTRACTION} of {sweep}" if sweep else EXTRACTION


def record_outcome(folder: Path, place: int, outcome: Outcome) -> None:
    """Write how a task of the submission in `folder` ended."""
    write_json(outcome_path(folder, place), asdict(outcome))


def read_outcome(folder: Path, place: int) -> Outcome | None:
    """Read how a task of the submission in `folder` ended; None where it says nothing."""
    path = outcome_path(folder, place)
    if not exists(path):
        return None
    try:
        found: Outcome = _outcomes().validate_python(read_json(path))
    except (LfnetError, ValidationError):  # a full disk: the run folder and the queue tell
        return None
    return found


def forget_outcome(folder: Path, place: int) -> None:
    """Remove the outcome of a task that runs again."""
    outcome_path(folder, place).unlink(missing_ok=True)


def outcome_path(folder: Path, place: int) -> Path:
    """Return the file of a task's outcome."""
    return folder / f"{place}.json"


def read_submissions(runs: Path) -> list[Submission]:
    """Read all records below a folder of runs, oldest first; none where there is no such folder.

    Raises
    ------
    LfnetError
        A record is damaged or of another format.
    """
    folder = Path(runs).absolute() / SUBMISSIONS
    if not exists(folder):
        return []
    found = [_read(path) for path in sorted(folder.glob(f"*/{RECORD}"))]
    return sorted(found, key=lambda one: (one.number, one.submitted))


def submitted_texts(runs: Path) -> list[Path]:
    """List the logs and outcomes of all submitted jobs: what they say may name a clip or a person."""
    folder = Path(runs) / SUBMISSIONS
    return sorted([*folder.glob("*/*_log.out"), *folder.glob("*/[0-9]*.json")])


def _read(path: Path) -> Submission:
    content = read_json(path)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise LfnetError(f"{path} is not a record of submitted jobs of format {FORMAT}. {_advice(path)}")
    try:
        made: Submission = _submissions().validate_python({**content, "folder": path.parent})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise LfnetError(f"{path} is damaged ({place}: {fault['msg']}). {_advice(path)}") from None
    return made


def _advice(path: Path) -> str:
    return f"Cancel the jobs named lfnet-{path.parent.name} in the queue, then delete {path.parent}."


def _submissions() -> TypeAdapter[Any]:
    return TypeAdapter(Submission)


def _outcomes() -> TypeAdapter[Any]:
    return TypeAdapter(Outcome)
