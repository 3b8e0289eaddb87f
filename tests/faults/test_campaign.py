"""The campaign of faults finds what it looks for: each kind of defect, planted in a command of a few lines."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.files import atomic_path, write_text
from tests.faults.campaign import KINDS, Worker, cases_of, tenth
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


def verdicts(folder: Path, run, *kinds: str) -> dict[tuple[str, int], str | None]:
    """Verdicts on all cases of a command by kind of fault and place; mistakes are reported as `lfnet` does."""

    def command() -> int:
        try:
            return run()
        except LfnetError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    worker = Worker(folder, [Command("one", command, (lambda: Path("out").mkdir() or 0,))])
    cases = [case for case in cases_of(worker.undisturbed("one"), "one") if case.fault.kind in (kinds or KINDS)]
    return {(case.fault.kind, case.fault.at): worker.check(case).problem for case in cases}


def test_a_right_command_passes_at_every_point(tmp_path):
    found = verdicts(tmp_path, right, "die", "EMFILE", "limit")
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
def test_a_defect_is_found(tmp_path, command, kind, words):
    problems = verdicts(tmp_path, command, kind).values()
    assert any(words in problem for problem in problems if problem)


def test_a_command_that_clears_the_users_files_is_found(tmp_path):
    with pytest.raises(RuntimeError, match=r"my notes\.txt"):
        verdicts(tmp_path, clears_the_folder)


def test_a_tenth_has_every_kind(tmp_path):
    worker = Worker(tmp_path, [Command("one", right, (lambda: Path("out").mkdir() or 0,))])
    cases = cases_of(worker.undisturbed("one"), "one")
    assert {case.fault.kind for case in tenth(cases)} == set(KINDS)
    assert len(tenth(cases)) < len(cases) / 5
