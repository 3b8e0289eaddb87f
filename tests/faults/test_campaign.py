"""The campaign of faults finds what it looks for: each kind of defect, planted in a command of a few lines."""

import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.files import atomic_path, write_text
from tests.faults.campaign import KINDS, Case, Worker, cases_of, tenth
from tests.faults.commands import Command

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def right() -> int:
    write_text(Path("out/a.txt"), "whole\n" * 100)
    return 0


def not_atomic() -> int:
    if not Path("out/a.txt").exists():
        Path("out/a.txt").write_text("whole\n" * 100)
    return 0


def leaves_a_file() -> int:
    scratch = Path(f"out/{os.getpid()}.tmp")
    scratch.write_text("half\n")
    with atomic_path(Path("out/a.txt")) as temporary:
        shutil.copyfile(scratch, temporary)
    scratch.unlink()
    return 0


def clears_the_folder() -> int:
    shutil.rmtree("out")
    return right()


def goes_on_without() -> int:
    try:
        return right()
    except LfnetError:
        return 0


@dataclass(frozen=True)
class Small:
    """A command of a few lines; mistakes are reported as `lfnet` does."""

    run: Callable[[], int]

    def __call__(self) -> int:
        try:
            return self.run()
        except LfnetError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2


def make_out() -> int:
    Path("out").mkdir()
    return 0


def verdicts(folder: Path, run: Callable[[], int], *kinds: str) -> dict[tuple[str, int], str | None]:
    """Verdicts on all cases of a command by kind of fault and place."""
    worker, cases = cases_in(folder, run)
    chosen = [case for case in cases if case.fault.kind in (kinds or KINDS)]
    return {(case.fault.kind, case.fault.at): worker.check(case).problem for case in chosen}


def cases_in(folder: Path, run: Callable[[], int]) -> tuple[Worker, list[Case]]:
    worker = Worker(folder, [Command("one", Small(run), (make_out,))])
    return worker, cases_of(worker.undisturbed("one"), "one")


@pytest.fixture(scope="module")
def alone() -> Iterator[ProcessPoolExecutor]:
    """A process without threads, from which commands are forked: other tests leave threads in this one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_right_command_passes_at_every_point(alone, tmp_path):
    found = alone.submit(verdicts, tmp_path, right, "die", "EMFILE", "limit").result()
    assert {kind for kind, _ in found} == {"die", "EMFILE", "limit"}
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        (not_atomic, "limit", "exit status"),
        (not_atomic, "EIO", "exit status"),
        (leaves_a_file, "die", "left over out/"),
        (goes_on_without, "ENOSPC", "exit status 0, but missing out/a.txt"),
    ],
)
def test_a_defect_is_found(alone, tmp_path, command, kind, words):
    problems = alone.submit(verdicts, tmp_path, command, kind).result()
    assert any(words in problem for problem in problems.values() if problem), problems


def test_a_command_that_clears_the_users_files_is_found(alone, tmp_path):
    with pytest.raises(RuntimeError, match=r"my notes\.txt"):
        alone.submit(verdicts, tmp_path, clears_the_folder).result()


def test_a_tenth_has_every_kind(alone, tmp_path):
    _, cases = alone.submit(cases_in, tmp_path, right).result()
    assert {case.fault.kind for case in tenth(cases)} == set(KINDS)
    assert len(tenth(cases)) < len(cases) / 5
