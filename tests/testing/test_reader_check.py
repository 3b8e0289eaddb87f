"""`check_reader` passes a careful reader, and names the rule that another one breaks."""

import json
import os
import time
from pathlib import Path
from random import Random

import pytest

from lfnet.errors import LfnetError
from lfnet.testing import check_reader
from lfnet.testing.isolated import run_cases
from lfnet.testing.mutations import mutate


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    path = tmp_path / "score.json"
    path.write_text('{"score": 17, "person": "ann"}')
    return path


def careful(path: Path) -> float:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return float(content["score"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise LfnetError(f"{path} contains no score ({error}).") from error


def test_a_careful_reader_passes(valid: Path) -> None:
    check_reader(careful, [valid], cases=300)
    check_reader(lambda folder: careful(folder / valid.name), [valid.parent], cases=50)


def check(read, valid: Path, **limits) -> str:
    with pytest.raises(AssertionError) as broken:
        check_reader(read, [valid], cases=60, **limits)
    return str(broken.value)


def test_each_broken_rule_is_named(valid: Path) -> None:
    original = valid.read_bytes()

    def fails(path: Path):
        raise ValueError("planted")

    def damaged(action):
        return lambda path: None if path.is_file() and path.read_bytes() == original else action(path)

    def nameless(path: Path):
        raise LfnetError("it is damaged.")

    assert check(fails, valid) == f"{valid} breaks the rule 'valid': ValueError: planted"
    assert "breaks the rule 'error': ValueError: planted" in check(damaged(fails), valid)
    assert "breaks the rule 'error': AssertionError: the message does not name score.json" in check(
        damaged(nameless), valid
    )
    slow = check(damaged(lambda path: time.sleep(30)), valid, seconds=0.2)
    assert slow == "case 0 of score.json breaks the rule 'time': it takes more than 0.2 s"
    assert "breaks the rule 'process': it ends with -6" in check(damaged(lambda path: os.abort()), valid)
    large = check(damaged(lambda path: bytearray(1 << 30)), valid, memory=100 << 20)
    assert "breaks the rule 'memory'" in large or not Path("/proc/self/status").exists()


def test_a_case_is_repeated_by_its_number(valid: Path) -> None:
    def careless(path: Path) -> None:
        json.loads(path.read_text())

    text = check(careless, valid)
    number = int(text.split()[1])
    with pytest.raises(AssertionError) as again:
        check_reader(careless, [valid], cases=1, first=number)
    assert str(again.value) == text


@pytest.mark.parametrize("suffix", [".csv", ".json", ".yaml", ".npy", ".npz", ".safetensors", ".bin"])
def test_damage_depends_on_the_seed_alone(suffix: str) -> None:
    content = b'{"a": [1, 2.5, "x"]}' if suffix == ".json" else b"a,b\n1,2\n3,4\n"
    both = [[mutate(content, f"x{suffix}", Random(seed)) for seed in range(50)] for _ in range(2)]
    assert both[0] == both[1]
    assert len(set(both[0])) > 25


def test_cases_go_on_after_one_that_ends_the_process() -> None:
    def run(case: int) -> str:
        if case == 1:
            os.abort()
        return str(case)

    assert [(one.rule, one.text) for one in run_cases(run, [0, 1, 2])] == [
        ("", "0"),
        ("process", "it ends with -6"),
        ("", "2"),
    ]
