"""How a job ended."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["RESULT", "Outcome"]

RESULT = "result.json"  # written last: where it exists the job is finished


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    run: its folder's name, "" where it failed before it had one; a failed job's holds its train.log and no result.
    error: one line.
    """

    status: Literal["finished", "skipped", "failed"]
    fingerprint: str = ""
    run: str = ""
    error: str | None = None
    seconds: float = 0.0
