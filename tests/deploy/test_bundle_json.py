"""bundle.json: one schema, and one line for whatever is wrong with the file."""

import json
from copy import deepcopy

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.bundle_json import read_facts, to_json
from lfnet.errors import LfnetError
from lfnet.seals import BLANK, SEAL, seal, write_sealed_json
from lfnet.testing import make_toy_bundle

WRONG = (None, "x", -1, [], {"x": 1}, float("nan"))


@pytest.fixture
def folder(tmp_path):
    make_toy_bundle(tmp_path / "b")
    return tmp_path / "b"


def places(node, place=()):
    """The place of every value of nested dicts and lists."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*place, key)
        yield from places(value, (*place, key))


def test_facts_are_read_as_they_were_written(folder):
    facts = read_facts(folder)
    write_sealed_json(folder / "bundle.json", to_json(facts))
    assert read_facts(folder) == facts
    assert facts.protocol.window == 4 and facts.limits.rows_per_second == (20.0, 40.0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format", 1, "has format 1, and this version of lfnet reads 3: export the run again."),
        ("head.variant", "fp8", "head.variant=fp8: give one of fp32, fp16, int8."),
        ("limits.min_coverage", 2, "limits.min_coverage=2: give a number from 0 to 1."),
        ("protocol.hop", 5, "protocol.hop=5: give at most window=4"),
        ("scale.max", "63", "scale.max=63: give a number."),
        ("run.seed", None, "run.seed=null: give a whole number."),
        ("head.file", "../head.onnx", "head.file=../head.onnx: give a file of this bundle."),
        ("encoder", {}, "encoder.name is missing"),
    ],
)
def test_a_wrong_value_is_named(place, value, message, folder):
    content = json.loads((folder / "bundle.json").read_text())
    *keys, last = place.split(".")
    node = content
    for key in keys:
        node = node[key]
    node[last] = value
    write_sealed_json(folder / "bundle.json", content)
    with pytest.raises(LfnetError) as error:
        Bundle.open(folder)
    assert message in str(error.value) and str(folder / "bundle.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_every_damage_is_one_line(folder):
    content = json.loads((folder / "bundle.json").read_text())
    refused = 0
    for place in places(content):
        for value in (*WRONG, "missing"):
            changed = deepcopy(content)
            node = changed
            for key in place[:-1]:
                node = node[key]
            if value == "missing":
                del node[place[-1]]
            else:
                node[place[-1]] = value
            (folder / "bundle.json").write_bytes(seal(json.dumps({**changed, SEAL: BLANK}).encode()))
            try:
                read_facts(folder)
            except LfnetError as error:
                refused += 1
                assert "\n" not in str(error), (place, value)
    assert refused > 300


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "[" * 100_000, "{}", '{"files": 3}', "\udcff"])
def test_a_file_of_something_else_is_one_line(text, folder, capsys):
    (folder / "bundle.json").write_text(text, errors="surrogateescape")
    np.save(folder.parent / "x.npy", np.zeros((8, 3), np.float32))
    assert main(["predict", str(folder.parent / "x.npy"), "--bundle", str(folder)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1 and "bundle.json" in printed
