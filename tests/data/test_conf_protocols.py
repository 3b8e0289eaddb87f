"""The yamls of protocols and leaks change what their names say, and nothing else."""

from pathlib import Path

import pytest

from lfnet.cli.configs import names
from lfnet.config import read
from lfnet.data.protocol import Protocol
from tests.composing import CONF, composed


def protocol(*overrides):
    return composed(*overrides)[0]["protocol"]


def differences(one, other):
    return {name: value for name, value in one.items() if value != other[name]}


@pytest.mark.parametrize("name", names("protocol"))
def test_every_protocol_is_whole(name):
    made = read(Protocol, protocol(f"protocol={name}"), "protocol")
    assert made.name == name
    assert made.select.split == "dev"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("shuffled", {"frames": "shuffled"}),
        ("reversed", {"frames": "reversed"}),
        ("tested_shuffled", {"test_frames": "shuffled"}),
        ("tested_reversed", {"test_frames": "reversed"}),
        ("permuted", {"labels": "permuted"}),
    ],
)
def test_a_baselines_protocol_changes_one_thing(name, changed):
    assert differences(protocol(f"protocol={name}"), protocol()) == {"name": name, **changed}


def leak(name):
    config, choices = composed("table=leaks", f"+leak={name}")
    assert choices["leak"] == name and config["cohort"]["signal"]["name"] == "none"
    return config


def test_leaks_are_one_at_a_time():
    """Against `none`: which settings of cohort and protocol each leak changes."""
    none, found = leak("none"), {}
    assert none["cohort"]["people_shared"] == 0 and none["cohort"]["duration_leak"] == 0
    for name in names("leak"):
        config = leak(name)
        found[name] = {
            **differences(config["cohort"], none["cohort"]),
            **differences(config["protocol"], none["protocol"]),
        }
        assert {key: config[key] for key in ("head", "trainer", "seed")} == {
            key: none[key] for key in ("head", "trainer", "seed")
        }
    padded = {"duration_leak": 0.5, "length": 2000, "tail": "drop"}
    assert found == {
        "none": {},
        "people": {"people_shared": 1.0},
        "duration_masked": padded,
        "duration": {**padded, "mask": False, "min_valid": 0.0},
        "selection": {"select": {**none["protocol"]["select"], "split": "test"}},
    }


@pytest.mark.parametrize("name", ["mechanisms", "leaks", "order"])
def test_a_table_has_its_question_and_its_folder(name):
    readme = Path(CONF.parent / "experiments" / name / "README.md").read_text(encoding="utf-8")
    for part in ("**Question:**", "**Hypothesis", "**Result", f"lfnet table {name}"):
        assert part in readme


def test_blocks_of_the_mechanisms_are_never_cut():
    """A window that cuts a block reveals order to a model that ignores order."""
    config, _ = composed("table=mechanisms", "cohort.signal.name=tempo")
    cohort, made = config["cohort"], read(Protocol, config["protocol"], "protocol")
    assert made.window % cohort["signal"]["block"] == made.hop % cohort["signal"]["block"] == 0
    assert made.window <= config["head"].get("max_frames", made.window)
    assert cohort["people_shared"] == 0 and cohort["duration_leak"] == 0
