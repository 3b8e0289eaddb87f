"""Commands, overrides and settings as they may leave the machine."""

import shlex

import pytest

from lfnet.runs.public_settings import is_public, public_command, public_override, public_value
from lfnet.runs.sweep_record import sweep_command, sweep_name


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("lfnet table architectures seed=0,1", "lfnet table architectures seed=0,1"),
        ("lfnet table a cohort=folder cohort.root=clinic", "lfnet table a cohort=folder cohort.root=…"),
        ("lfnet table a --config-dir /places/x/c 'head={a: 1}'", "lfnet table a --config-dir … 'head={a: 1}'"),
        ("lfnet table a --config-dir=conf_of_erika seed=1", "lfnet table a --config-dir=… seed=1"),
        ("lfnet table a +encoder.x.weights.path=~/w.onnx", "lfnet table a +encoder.x.weights.path=…"),
        ("lfnet table a head.start=erika.safetensors", "lfnet table a head.start=…"),
        ("lfnet train -m hydra.sweeper.params.cohort.root=a,b", "lfnet train -m hydra.sweeper.params.cohort.root=…"),
        ("lfnet train -m hydra.sweeper.params.head=a,b", "lfnet train -m hydra.sweeper.params.head=a,b"),
        ("lfnet table a 'cohort.root='/data/Study of Erika M/clips''", "lfnet table a cohort.root=… … … …"),
        ("lfnet table a 'cohort.root=/data/Erika's'", "…"),
    ],
    ids=str,
)
def test_a_public_command_keeps_listed_settings_only(command, told):
    """The last two are as earlier versions recorded them, without escaping quotes."""
    assert public_command(command) == told


def test_settings_are_private_unless_listed():
    assert not is_public("cohort.notes_of_the_clinic") and not is_public("headache.patch_size")
    assert is_public("head.patch_size") and is_public("cohort.recordings.train") and is_public("fusion/component")
    assert not is_public("head.cache") and public_override("paths.runs=x") == "paths.runs=…"


def test_values_with_a_path_are_private_in_every_setting():
    assert public_value({"a": ["~/x", 1, "mae"], "b": {"c": "C:\\x"}}) == {"a": ["…", 1, "mae"], "b": {"c": "…"}}
    assert public_value({"path": "x", "lr": 1e-3, "none": None}) == {"path": "…", "lr": 1e-3, "none": None}


def test_a_sweeps_command_can_be_pasted():
    given = ["cohort.root='/data/Study of Erika M/it''s'", "head={a: 1}", "seed=0,1", "trainer.lr=$x"]
    command = sweep_command("a", given, ["--config-dir", "my conf"])
    assert shlex.split(command) == ["lfnet", "table", "a", "--config-dir", "my conf", *given]


def test_a_sweeps_files_are_not_named_after_a_path():
    names = {sweep_name("a", ["cohort=folder", f"cohort.root=/data/{person}"]) for person in ("Erika", "Karl")}
    assert len(names) == 2 and all("Erika" not in name and "data" not in name for name in names)
