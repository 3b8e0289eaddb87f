"""--config-dir and the current folder: own yamls and classes outside the repository, in every command."""

import json
import sys
from pathlib import Path

import pytest

from lfnet.cli.audit import cohort_settings
from lfnet.cli.commands import COMMANDS
from lfnet.cli.completion import complete
from lfnet.cli.main import main
from lfnet.cli.own_code import config_dir, own_yamls

MODULE = """\
from lfnet.encoders.blendshapes import Blendshapes
from lfnet.heads.mean_mlp import TemporalMeanMLP as Head
class Encoder(Blendshapes):
    pass
"""
YAMLS = {
    "head/mine.yaml": "# A head of mine.\n_target_: module_of_mine.Head\nhidden: 8\n",
    "encoder/own.yaml": "# @package encoder.own\n# An encoder of mine.\n_target_: module_of_mine.Encoder\nname: own\n",
    "scale/own_scale.yaml": "# A scale of mine.\n_target_: lfnet.cohorts.Scale\nname: Mine\nmin: 0\nmax: 9\n"
    "bands: [{name: all, low: 0, high: 9}]\n",
    "cohort/own_cohort.yaml": "# A cohort of mine.\ndefaults: [simulated, _self_]\nname: own_cohort\n"
    "recordings: {train: 3, dev: 2, test: 2}\nduration: {min: 2, max: 3, median: 2.5, spread: 0.3}\ndim: 16\n",
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module, and its yamls in `my conf`; Python does not look for modules in it."""
    for name, text in YAMLS.items():
        (tmp_path / "my conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my conf" / name).write_text(text)
    (tmp_path / "module_of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    monkeypatch.delitem(sys.modules, "module_of_mine", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("list heads", "mine"),
        ("list encoders", "An encoder of mine."),
        ("list scales", "A scale of mine."),
        ("train head=mine --cfg job", "_target_: module_of_mine.Head"),
        ("table architectures head=mine --cfg job", "_target_: module_of_mine.Head"),
        ("extract encoder=own --cfg job", "_target_: module_of_mine.Encoder"),
        ("cohort show cohort=own_cohort", "own_cohort"),
        ("weights list", "face_landmarker"),
        ("runs", "no run in"),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_own_yamls(line: str, text: str, last: bool, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, option = line.split(), ["--config-dir", "my conf"]
    (work / "lfnet_runs").mkdir()
    assert main([*words, *option] if last else [words[0], *option, *words[1:]]) == 0
    printed = capsys.readouterr()
    assert text in printed.out, printed
    assert config_dir() is None


def test_the_audit_composes_them(work: Path) -> None:
    with own_yamls(work / "my conf"):
        assert cohort_settings(["cohort=own_cohort"])["cohort"]["name"] == "own_cohort"


def test_a_head_of_the_current_folder_is_measured(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "heads", "--json", "--config-dir=my conf"]) == 0
    (row,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "mine"]
    assert row["parameters"] == 512 * 8 + 8 + 8 + 1


def test_completion_knows_them(work: Path) -> None:
    folder = "--config-dir my_conf"
    (work / "my conf").rename(work / "my_conf")
    assert complete(f"lfnet train {folder} head=mi") == ["head=mine "]
    assert complete(f"lfnet train {folder} head=mine head.hid") == ["head.hidden="]
    assert complete(f"lfnet audit {folder} cohort=own") == ["cohort=own_cohort "]
    assert complete("lfnet train head=mi") == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_option(name: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--config-dir", "nosuch"]) == 2
    assert capsys.readouterr().err.startswith("error: --config-dir nosuch: there is no such folder. Give one that")
    assert main([name, "--config-dir", "my conf", "--help"]) == 0
