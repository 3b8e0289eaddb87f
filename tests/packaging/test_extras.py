"""Extras: their modules, one line where one is missing, and a core that trains, tabulates and scores without them."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

import lfnet
from lfnet.cli.main import main
from lfnet.extras import EXTRAS, explain_import
from lfnet.fusion import persist
from lfnet.pulse.segments import read_segments
from lfnet.pulse.settings import PulseSettings
from lfnet.testing.toy_bundle import make_toy_bundle
from lfnet.video.container import opened
from lfnet.video.settings import VideoSettings
from tests.composing import SMALL
from tests.packaging.test_lock import MODULES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
HIDDEN = sorted({module for modules in EXTRAS.values() for module in modules} - {"PIL"})  # Matplotlib has Pillow
# Modules that only what needs the extra imports.
WITH_EXTRA = {"launchers/dask_worker.py", "heads/cpu/compiled.py", "testing/toy_bundle.py"}


@pytest.fixture
def core(monkeypatch):
    """An installation without extras, as imports see it."""
    for module in HIDDEN:
        monkeypatch.setitem(sys.modules, module, None)


def test_the_modules_of_each_extra_are_those_of_its_packages():
    own = {"cv2": "mediapipe"}  # which brings OpenCV
    for extra, modules in EXTRAS.items():
        packages = {MODULES.get(one.name, one.name.replace("-", "_")) for one in map(Requirement, OPTIONAL[extra])}
        assert {own.get(module, module) for module in modules} == packages, extra
    assert OPTIONAL.keys() - EXTRAS == {"all", "dev", "docs", "gpu"}


def test_all_are_all_but_those_that_are_large_or_not_free():
    (requirement,) = map(Requirement, OPTIONAL["all"])
    assert requirement.name == "lfnet" and requirement.extras == EXTRAS.keys() - {"audio", "ray"}


def test_no_module_of_the_core_imports_an_extra_when_it_is_imported():
    for file in (ROOT / "lfnet").rglob("*.py"):
        if file.relative_to(ROOT / "lfnet").as_posix() in WITH_EXTRA:
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & {*HIDDEN, "PIL"}, file


def features(folder: Path) -> None:
    """A folder of feature files with a manifest, as someone has who never had the videos."""
    folder.mkdir()
    rows = ["path,person_id,split,label,fps"]
    rng = np.random.default_rng(0)
    for number in range(30):
        split = ("train", "train", "dev", "test", "test")[number % 5]
        np.save(folder / f"{number}.npy", rng.normal(number % 7, 1, (90, 3)).astype(np.float32))
        rows.append(f"{number}.npy,p{number},{split},{5 * (number % 7)},30")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


ON_FEATURES = ("cohort=folder", "cohort.root=cohort", "encoder=none")


@pytest.mark.long
def test_features_train_tabulate_and_are_scored_with_the_core_alone(tmp_path):
    features(tmp_path / "cohort")
    make_toy_bundle(tmp_path / "bundle")
    wide = ["subject,bdi,a,b", *(f"p{i},{i % 40},{(i + 3) % 40},20" for i in range(24))]
    (tmp_path / "scores.csv").write_text("\n".join(wide), encoding="utf-8")
    commands = [
        ["train", *ON_FEATURES, "debug=fast"],
        ["table", "architectures", *ON_FEATURES, "head=mean_mlp,ldbm", "protocol=masked", "seed=0,1", "debug=fast"],
        ["report", "architectures", "--figures", *ON_FEATURES, "head=mean_mlp,ldbm", "protocol=masked", "seed=0,1"],
        ["evidence", "scores.csv", "--label", "bdi", "--score", "a", "--score", "b", "--person", "subject"],
        ["predict", "cohort/1.npy", "--bundle", "bundle", "--fps", "30"],
        ["audit", "cohort"],
        ["doctor"],
    ]
    commands[2].append("debug=fast")
    code = f"""
import json, sys
sys.modules.update(dict.fromkeys({HIDDEN}))  # None: an import fails
from lfnet.cli.main import main
commands = json.loads(sys.argv[1])
for command in commands:
    status = main(command)
    assert status == 0, (command, status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| ldbm" in done.stdout or "ldbm " in done.stdout
    assert "cohort/1.npy: score " in done.stdout


@pytest.mark.parametrize(
    ("extra", "use", "command"),
    [
        ("video", "lfnet demo", ["demo", "clip.mp4"]),
        ("video", "lfnet pulse", ["pulse", "clip.mp4"]),
        ("lightfusion", "fusion=nested", ["train", *SMALL, "fusion=nested"]),
        ("wandb", "logger=wandb", ["train", *SMALL, "logger=wandb"]),
        ("wandb", "lfnet dashboard", ["dashboard", "architectures"]),
        ("deploy", "lfnet bench", ["bench", "bundle"]),
        ("excel", "labels.xlsx", ["cohort", "init", "clips", "--labels", "labels.xlsx"]),
        ("tune", "tune=3", ["train", *SMALL, "tune=3"]),
        ("slurm", "launcher=slurm", ["train", "-m", "seed=0,1", "launcher=slurm"]),
        ("dask", "launcher=dask", ["train", "-m", "seed=0,1", "launcher=dask"]),
        ("ray", "launcher=ray", ["train", "-m", "seed=0,1", "launcher=ray"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_missing_extra_is_one_line_before_any_work(extra, use, command, core, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    np.save(tmp_path / "clips" / "1.npy", np.zeros((9, 3)))
    (tmp_path / "labels.xlsx").touch()
    before = sorted(tmp_path.rglob("*"))
    assert main(command) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: {use} needs the extra {extra} (") and line.count("\n") == 1, line
    assert f"pip install 'lfnet[{extra}]'" in line
    assert sorted(tmp_path.rglob("*")) == before


def test_the_python_api_says_the_same(core, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.touch()
    skin = np.ones((600, 3, 4))
    for extra, call in (
        ("video", lambda: opened(clip).__enter__()),
        ("video", lambda: read_segments(skin, np.arange(600) / 30, np.ones(600, bool), PulseSettings())),
        ("lightfusion", lambda: persist.dumps(object())),
    ):
        with pytest.raises(lfnet.errors.LfnetError, match=rf"pip install 'lfnet\[{extra}\]'"):
            call()


def test_videos_need_the_extra_before_a_clip_is_opened(core, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort").mkdir()
    for number in range(3):
        (tmp_path / "cohort" / f"{number}.mp4").write_bytes(b"not opened")
    rows = [f"{number}.mp4,p{number},{split},{number}" for number, split in enumerate(("train", "dev", "test"))]
    (tmp_path / "cohort" / "manifest.csv").write_text(
        "\n".join(["path,person_id,split,label", *rows]), encoding="utf-8"
    )
    assert main(["extract", "cohort=folder", "cohort.root=cohort", "encoder=blendshapes"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "needs the extra video (" in line and "pip install 'lfnet[video]'" in line


def test_an_import_that_was_not_expected_is_explained_by_its_extra():
    missing = ModuleNotFoundError("No module named 'timm.layers'", name="timm.layers")
    assert explain_import(missing, "lfnet train") == (
        "lfnet train needs the extra video (timm is not installed): pip install 'lfnet[video]'."
    )
    assert explain_import(ModuleNotFoundError("No module named 'mine'", name="mine"), "lfnet train") is None
    assert explain_import(ImportError("libGL.so.1: cannot open", name="cv2"), "lfnet train") is None


def test_a_missing_runtime_does_not_change_which_features_are_looked_for(core):
    assert VideoSettings().used_runtime == "litert"
