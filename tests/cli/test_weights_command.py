"""`lfnet weights` lists and fetches, and names what cannot be fetched."""

import json

import pytest

from lfnet.cli.configs import names
from lfnet.cli.main import main
from lfnet.weights.weights_file import WeightsFile


@pytest.fixture
def fetched(monkeypatch):
    """Names of the weights that would be downloaded; those in `refuse` cannot be fetched."""
    from lfnet.errors import LfnetError

    class Record(list):
        refuse: tuple[str, ...] = ()

    record = Record()

    def fetch(self, cache):
        record.append(self.name)
        if self.name in record.refuse:
            raise LfnetError(f"weights {self.name} cannot be fetched.")
        return cache / self.file

    monkeypatch.setattr(WeightsFile, "fetch", fetch)
    return record


def test_list_prints_state_and_licence(tmp_path, capsys):
    assert main(["weights", "list", f"paths.weights={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    for name in names("weights"):
        assert name in printed
    assert "non-commercial research only" in printed
    assert str(tmp_path) in printed


def test_list_as_json(tmp_path, capsys):
    (tmp_path / "mobileface.onnx").write_bytes(b"not a network")
    assert main(["weights", "list", "--json", f"paths.weights={tmp_path}"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(names("weights"))
    assert rows["mobileface"]["state"] == "wrong"
    assert rows["w600k_r50"]["state"] == "absent"


def test_fetch_takes_names(fetched, tmp_path, capsys):
    assert main(["weights", "fetch", "mobileface", "face_landmarker", f"paths.weights={tmp_path}"]) == 0
    assert fetched == ["mobileface", "face_landmarker"]
    assert str(tmp_path / "mobileface.onnx") in capsys.readouterr().out


def test_fetch_all_goes_on_after_a_failure_and_names_it(fetched, tmp_path, capsys):
    fetched.refuse = ("mobileface",)
    assert main(["weights", "fetch", "--all", f"paths.weights={tmp_path}"]) == 2
    assert fetched == names("weights")
    assert f"1 of {len(fetched)} weights cannot be fetched: mobileface." in capsys.readouterr().err


def test_an_unknown_name_is_refused_before_anything_is_fetched(fetched, capsys):
    assert main(["weights", "fetch", "mobileface", "mobilface"]) == 2
    assert fetched == []
    assert "mobilface" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "--all", "mobileface"], ["list", "mobileface"], []])
def test_contradicting_arguments_are_refused(arguments, fetched):
    assert main(["weights", *arguments]) == 2
    assert fetched == []
