"""Each promise of docs/promises.md names tests that exist and are run."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", (ROOT / "docs/promises.md").read_text(encoding="utf-8"), re.M)
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_there_are_eight():
    assert [number for number, *_ in ROWS] == [str(number) for number in range(1, 9)]


@pytest.mark.parametrize(("number", "promise", "tests"), ROWS, ids=[f"promise {row[0]}" for row in ROWS])
def test_a_promise_has_tests(number, promise, tests):
    files = re.findall(r"`(tests/[\w/.]+\.py)`", tests)
    assert files, promise
    for name in files:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert any(name.startswith("test_") for name in functions), name


def test_the_campaigns_run_in_ci():
    assert {"make test-faults ARGS=--tenth", 'make fuzz ARGS="--cases 500"'} <= set(CI.splitlines())
