"""The contract between a sweep and what runs its jobs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lfnet.config import Positive
from lfnet.runs.resources import needed_memory
from lfnet.runs.run import Outcome

__all__ = ["Call", "Launcher", "Memory", "Need", "killed"]

Memory = Positive | Literal["auto"]
"""GB that one job may use; auto: the peak of earlier jobs of its kind and a margin (`lfnet.runs.resources`)."""


@dataclass(frozen=True)
class Need:
    """What one job needs of a machine: processor threads, GB of memory, and a GPU where `device` is "cuda"."""

    threads: int
    memory: float
    device: str = "cpu"

    @classmethod
    def of_any(cls, needs: Sequence["Need"]) -> "Need":
        """Return what a machine must have for any one of some jobs.

        Examples
        --------
        >>> Need.of_any([Need(1, 3.0), Need(2, 1.0, "cuda")])
        Need(threads=2, memory=3.0, device='cuda')
        """
        gpu = [need.device for need in needs if need.device == "cuda"]
        threads, memory = max(need.threads for need in needs), max(need.memory for need in needs)
        return cls(threads, memory, *gpu[:1])


@dataclass(frozen=True, eq=False)
class Call(ABC):
    """Work for one process. It never raises: a failure is an Outcome, except `Interrupted` where it was made.

    Pickled, it keeps what another process needs to do the same; called where it was made, it uses what is there.

    While it is called, SIGINT, SIGTERM and SIGUSR1 ask it to stop (`lfnet.signals`; in the main thread of a process,
    and where no one else handles the signal): within seconds it saves what another call with its key can go on from. In
    another process it then returns an Outcome of status "interrupted", and the launcher calls it again, there or
    elsewhere, or yields that outcome. Where it was made, it raises `lfnet.errors.Interrupted`: the whole command is to
    stop. A process that is killed without such a signal loses at most what came after its last periodic save.

    Parameters
    ----------
    key : str
        Names the work by its result: two calls with one key do the same. The fingerprint of a job.
    name : str
        For people: what varies from job to job.
    need : Need
        What the machine must have.
    overrides : tuple of str
        Hydra's overrides of a job, for launchers of others; empty for other work.
    pieces : tuple of str
        Keys of pieces of the work that another call may contain too: a clip's vectors; empty where there are none.
    """

    key: str
    name: str
    need: Need
    overrides: tuple[str, ...]
    pieces: tuple[str, ...] = field(default=(), kw_only=True)

    def continued(self) -> "Call":
        """Return the call that goes on where an interrupted one stopped."""
        return self

    @abstractmethod
    def __call__(self) -> Outcome:
        """Do the work."""


class Launcher(ABC):
    """Runs calls somewhere (`conf/launcher`). Its settings are its fields; `memory` is among them."""

    memory: Memory

    def extracts(self, needs: Sequence[Need]) -> bool:
        """Return whether its processes extract missing features in parts with these needs.

        If not, the process of the command does.
        """
        return True

    def at_once(self, needs: Sequence[Need]) -> int | None:
        """Return how many calls with these needs run at once, in their order; None where that is not known."""
        return None

    def memory_of(self, kind: str, folder: Path) -> float:
        """Return the GB that a call of this kind asks for; the peaks of earlier ones are in `folder`."""
        return needed_memory(folder, kind) if self.memory == "auto" else self.memory

    @abstractmethod
    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Run all calls, and yield the key and the outcome of each as soon as it has ended.

        A process that is lost is a failed outcome that says why and what to change; it stops neither the others nor the
        command. If the iterator is closed early, calls that have not started are not started.

        Raises
        ------
        Interrupted
            A signal asked this process to stop. Calls that ran here have saved their state.
        LfnetError
            Nothing can run at all: the engine is not installed, or does not answer.
        """


def killed(need: Need, how: str = "") -> Outcome:
    """Return the outcome of a call whose process was killed. how: ", though it ran alone"."""
    more = max(1, round(2 * need.memory))
    return Outcome(
        "failed",
        error=f"its process was killed{how}, probably out of memory: it had asked for {need.memory:.1f} GB; give "
        f"launcher.memory={more}, or fewer jobs at once by launcher.jobs",
    )
