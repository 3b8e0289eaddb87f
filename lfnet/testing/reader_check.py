"""`check_reader`: test that a reader of files survives damaged files."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from lfnet.errors import LfnetError
from lfnet.testing.isolated import Outcome, run_cases
from lfnet.testing.mutations import damage

__all__ = ["check_reader", "read_damaged", "refusal"]


def check_reader(
    read: Callable[[Path], Any],
    valid_files: Sequence[Path | str],
    *,
    cases: int = 200,
    first: int = 0,
    seconds: float = 20.0,
    memory: int = 2 << 30,
) -> None:
    """Check that a reader reads valid files, and reads or refuses damaged ones.

    Copies of the valid files are damaged in seeded ways: flipped bits, cuts, inserted and repeated bytes, other
    encodings, swapped words, huge numbers, NaN, deep nesting, and changes that know .csv, .json, .yaml, .npy, .npz and
    .safetensors. Each copy is read in a child process with limits of time and memory.

    Parameters
    ----------
    read : callable
        The reader; it gets the path of a file or folder.
    valid_files : sequence of path
        Files that it can read, or folders, of which one file is damaged.
    cases : int
        Number of damaged copies.
    first : int
        Number of the first case: `check_reader(…, first=n, cases=1)` repeats the one that an error names.
    seconds : float
        Longest time for one copy.
    memory : int
        Most bytes for one copy (Linux).

    Raises
    ------
    AssertionError
        Names the case and the broken rule. The rules:

    valid     the valid files are read
    error     what cannot be read raises `LfnetError`, and nothing else; its message names the file, or the folder
    time      a copy is read or refused within `seconds`
    memory    and within `memory`
    process   the process survives

    Examples
    --------
    >>> import tempfile
    >>> from lfnet.errors import LfnetError
    >>> from lfnet.testing import check_reader
    >>> def read_number(path):
    ...     try:
    ...         return float(path.read_text(encoding="utf-8"))
    ...     except (OSError, ValueError) as error:
    ...         raise LfnetError(f"{path} contains no number ({error}). Write one.") from error
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     valid = Path(folder) / "score.txt"
    ...     _ = valid.write_text("17.5")
    ...     check_reader(read_number, [valid], cases=20)
    ...     check_reader(lambda path: float(path.read_text()), [valid], cases=20)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: case 0 of score.txt breaks the rule 'error': ...
    """
    files = [Path(file) for file in valid_files]
    if not files:
        raise ValueError("check_reader needs a valid file.")
    for file in files:
        try:
            read(file)
        except Exception as error:
            raise AssertionError(f"{file} breaks the rule 'valid': {type(error).__name__}: {error}") from error
    for outcome in _check_cases(read, files, range(first, first + cases), seconds, memory):
        if outcome.rule:
            name = files[outcome.case % len(files)].name
            raise AssertionError(f"case {outcome.case} of {name} breaks the rule '{outcome.rule}': {outcome.text}")


def _check_cases(
    read: Callable[[Path], Any], files: Sequence[Path], cases: Sequence[int], seconds: float, memory: int
) -> Iterator[Outcome]:
    """Read one damaged copy for each case."""
    with tempfile.TemporaryDirectory(prefix="lfnet-damaged-") as folder:

        def run(case: int) -> str:
            return read_damaged(read, files[case % len(files)], Path(folder), Random(case))

        yield from run_cases(run, cases, seconds=seconds, memory=memory)


def read_damaged(read: Callable[[Path], Any], valid: Path, folder: Path, random: Random, named: bool = True) -> str:
    """Damage a copy of a file in `folder` and read it; returns "read" or "refused".

    Raises whatever the reader raises but a proper refusal.
    """
    copy = folder / valid.name
    if copy.exists():
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink()
    if valid.is_dir():
        shutil.copytree(valid, copy)
    else:
        shutil.copyfile(valid, copy)
    damaged = damage(copy, random)
    try:
        read(copy)
    except LfnetError as error:
        names = (copy.name, damaged.name) if named else ()
        if fault := refusal(str(error), names):
            raise AssertionError(fault) from error
        return "refused"
    return "read"


def refusal(message: str, names: Sequence[str]) -> str:
    """What is wrong with the message of a refusal; "" where it is right."""
    if not message.strip():
        return "the message is empty"
    if names and not any(name in message for name in names):
        return f"the message does not name {names[-1]}: {message[:200]}"
    return ""
