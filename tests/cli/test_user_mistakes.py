"""What users get wrong over all commands: exit status 2 and one message that says what to do, and no traceback."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfnet.cli.main import DEFECT, main
from lfnet.testing import make_toy_bundle

CLIPS = "cohort=folder cohort.root=clips"
OWN = (
    "train cohort.recordings={train:6,dev:4,test:4} cohort.duration={min:2,max:3,median:2.5,spread:0.3} cohort.dim=16 "
    "protocol.window=48 protocol.hop=24 head._target_=own_heads."
)
OWN_HEADS = """\
from torch import nn
class Column(nn.Module):
    def __init__(self, n_features, max_frames=2000, width=None, hidden=1, **settings):
        super().__init__()
        self.layer = nn.Linear(width or n_features, min(hidden, 1))
    def forward(self, x_BTD, mask_BT):
        return self.layer(x_BTD.mean(1))
class Flat(Column):
    def forward(self, x_BTD, mask_BT):
        return super().forward(x_BTD, mask_BT).squeeze(-1)
class OnlyX(Flat):
    def forward(self, x_BTD):
        return self.layer(x_BTD.mean(1)).squeeze(-1)
class Infinite(Flat):
    def forward(self, x_BTD, mask_BT):
        return super().forward(x_BTD / 0, mask_BT)
"""
MISTAKES = {
    "report architectures": "Run `lfnet table architectures` first.",
    "report architectures --figure": "--figure is no option of this command",
    "dashboard architectures seed=0": "Run `lfnet table architectures seed=0` first.",
    "dashboard architectures --onlin": "--onlin is no option of this command",
    "table architectures --render --show-path": "--show-path is no option of this command",
    "table ../architectures": "'../architectures' is no name of a table.",
    "power nosuch": "there is no table 'nosuch'. There are: architectures, ",
    "adapt ": "a run's name is empty.",
    "bench bundle nosuch=3": "`nosuch=3` is no setting of this command",
    "bench bundle paths.nosuch=3": "there is no setting `paths.nosuch`.",
    "bench bundle --video nosuch.mp4": "--video nosuch.mp4 does not exist.",
    "evidence scores.csv --label a --score a": "--score a is the label",
    "demo picture.jpg": "picture.jpg is an image, not a video.",
    "pulse picture.png": "picture.png is an image, not a video.",
    "cohort init clips --force --fps 30 --labels scores.csv --encoding utf9": "utf9: there is no such encoding.",
    "cohort init clips --force --label-column bdi": "--label-column needs a table of scores:",
    "cohort init clips --force --fps 30 --splits 1": "splits 1: give three positive shares",
    "cohort init clips --force --fps 30 --seed -1": "seed -1: give 0 or more.",
    "cohort init clips --force --fps 30 --labels line.csv": "line.csv has one column, 'person_bdi'.",
    "cohort init clips --force --fps 30 --labels a.csv --label-column person": "of column 'person' is a number",
    "cohort init clips --force --kind videos": "Found 1 features (--kind features).",
    f"forget ann {CLIPS} paths.runs=scores.csv": "paths.runs=scores.csv: scores.csv is no folder.",
    f"extract {CLIPS} paths.cache=scores.csv/x": "paths.cache=scores.csv/x: scores.csv is no folder.",
    f"train {CLIPS} paths.weights=scores.csv": "paths.weights=scores.csv: scores.csv is no folder.",
    "train cohort=folder cohort.root=2024": "cohort.root=2024: give a path, as in 'cohort.root=\"2024\"'.",
    "train cohort=folder cohort.root=~/nosuch": "/nosuch is not a folder.",
    "train head._target_=broken.Head": "broken.py, line 1: ",
    f"{OWN}Column": "own_heads.py) returns shape [2, 1] for 2 windows, not [2].",
    f"{OWN}OnlyX": "py) cannot score windows x_BTD [2, 48, 16] with mask_BT [2, 48]: TypeError: ",
    f"{OWN}Flat +head.width=99": "py) cannot score windows x_BTD [2, 48, 16] with mask_BT [2, 48]: RuntimeError: ",
    f"{OWN}Flat head.hidden=-3": "own_heads.py, line 5: RuntimeError: Trying to create tensor with negative",
    f"{OWN}Infinite": "own_heads.py) returns scores that are not finite",
    "train head=ldbm head.patch_size=600": "head.patch_size=600: give at most protocol.window=512 frames.",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    (root / "clips").mkdir()
    np.save(root / "clips" / "ann.npy", np.eye(9, 3, dtype=np.float32))
    (root / "clips" / "manifest.csv").write_text("path,person_id,split,label,fps\nann.npy,ann,unlabelled,,30\n")
    (root / "scores.csv").write_text("person,a,b\nann,1,2\nbob,3,4\n")
    (root / "a.csv").write_text("person,bdi\nann,1\n")
    (root / "line.csv").write_text("person bdi\nann 3\n")
    (root / "broken.py").write_text("def Head(: pass")
    (root / "own_heads.py").write_text(OWN_HEADS)
    for suffix in ("jpg", "png"):
        Image.new("RGB", (64, 48), (200, 30, 30)).save(root / f"picture.{suffix}")
    make_toy_bundle(root / "bundle")
    return root


@pytest.mark.parametrize("line", MISTAKES)
def test_one_message(line: str, work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(work)
    assert main(line.split(" ")) == 2
    text = capfd.readouterr().err
    assert text.startswith("error: ") and MISTAKES[line] in text
    assert "Traceback" not in text and DEFECT not in text and text.count("\n") == 1
    assert not list(work.glob("lfnet_runs/*/config.yaml")), "found before a folder is made for the run"
