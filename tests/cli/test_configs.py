"""Where conf/ is: inside an installed wheel, or in the repository."""

from pathlib import Path

import pytest

import lfnet
from lfnet.cli.configs import compose, conf_dir, description, names, paths
from lfnet.errors import LfnetError


def settle(folder: Path, conf: Path, monkeypatch) -> None:
    (folder / "lfnet").mkdir(parents=True)
    (folder / "lfnet" / "__init__.py").touch()
    conf.mkdir()
    (conf / "train.yaml").write_text("# settings\n")
    monkeypatch.setattr(lfnet, "__file__", str(folder / "lfnet" / "__init__.py"))


def test_a_wheel_carries_its_own(tmp_path, monkeypatch):
    settle(tmp_path, tmp_path / "conf", monkeypatch)
    inside = tmp_path / "lfnet" / "conf"
    inside.mkdir()
    (inside / "train.yaml").write_text("# settings\n")
    assert conf_dir() == inside.resolve()


def test_a_clone_has_it_at_the_top(tmp_path, monkeypatch):
    settle(tmp_path, tmp_path / "conf", monkeypatch)
    assert conf_dir() == (tmp_path / "conf").resolve()


def test_neither_is_said_clearly(tmp_path, monkeypatch):
    monkeypatch.setattr(lfnet, "__file__", str(tmp_path / "lfnet" / "__init__.py"))
    with pytest.raises(LfnetError, match="settings are missing"):
        conf_dir()


def test_the_description_is_the_first_line_that_is_no_package_header(tmp_path, monkeypatch):
    settle(tmp_path, tmp_path / "conf", monkeypatch)
    (tmp_path / "conf" / "encoder").mkdir()
    (tmp_path / "conf" / "encoder" / "mine.yaml").write_text("# @package encoder.mine\n# Mine.\n# More.\na: 1\n")
    assert names("encoder") == ["mine"]
    assert description("encoder", "mine") == "Mine."
    assert names("nothing") == []


def test_places_are_absolute_below_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = paths()
    assert {"data", "cache", "weights", "runs"} <= set(places)
    assert all(place.is_relative_to(tmp_path) for place in places.values())


def test_a_place_can_be_named_and_what_depends_on_it_follows(tmp_path):
    places = paths([f"paths.cache={tmp_path / 'big'}"])
    assert places["cache"] == tmp_path / "big"
    assert places["weights"].is_relative_to(tmp_path / "big")


def test_other_settings_are_refused():
    with pytest.raises(LfnetError, match="`head=ldbm` is no setting of this command"):
        paths(["head=ldbm"])


def test_composing_leaves_hydra_as_it_was():
    from hydra.core.global_hydra import GlobalHydra

    assert compose("train", ["seed=3"]).seed == 3
    assert not GlobalHydra.instance().is_initialized()
