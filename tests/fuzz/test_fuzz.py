"""The fuzzer finds every reader, each reads its valid files, and failures are told and repeated."""

from pathlib import Path
from random import Random

import pytest

from lfnet.testing.isolated import Outcome
from tests.fuzz import fuzz
from tests.fuzz.targets import Target, found

TARGETS = found()
READERS = {name: target for name, target in TARGETS.items() if target.read is not None}


@pytest.mark.parametrize("name", [name for name in READERS if not name.startswith("table-")])
def test_a_reader_reads_its_valid_files(name: str, tmp_path: Path) -> None:
    target = READERS[name]
    assert target.read is not None
    target.read(target.make(tmp_path))


def test_a_planted_fault_is_found_named_and_repeated(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def make(at: Path) -> Path:
        return at

    def run(valid: Path, folder: Path, random: Random) -> str:
        if random.random() < 0.2:
            raise KeyError("planted")
        return "read"

    monkeypatch.setattr(fuzz, "found", lambda: {"mine": Target("mine", make, run)})
    assert fuzz.main(["--cases", "40"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine: 40 cases, ") and "KeyError: 'planted'" in lines[1]
    case = lines[1].split()[0]
    assert fuzz.main(["--case", case]) == 1
    assert "mine: 1 cases, 1 failed" in capsys.readouterr().out
    number = next(n for n in range(40) if Random(f"mine:{n}").random() >= 0.2)
    assert fuzz.main(["--case", f"mine:{number}"]) == 0


def test_kept_cases_are_of_targets_that_exist() -> None:
    assert set(fuzz.kept()) <= set(TARGETS)
    assert fuzz.run_target(Target("t", lambda at: at, lambda *_: "read"), [7]) == [Outcome(7, "", "read")]
