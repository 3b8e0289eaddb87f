"""Files in the current folder never replace libraries; a user's own head there is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lfnet

pytestmark = pytest.mark.slow
ROOT = Path(lfnet.__file__).parents[1]
# Names of modules that Python, lfnet or its libraries import, some of them in new processes.
SHADOWED = ("json", "joblib", "numpy", "pickle", "random", "runpy", "statistics", "tempfile", "typing", "yaml")
JOBLIB = ("launcher=joblib", "launcher.jobs=2")
SMALL = (
    "cohort.recordings={train:6,dev:4,test:4}",
    "cohort.duration={min:2,max:3,median:2.5,spread:0.3}",
    "cohort.dim=16",
    "protocol.window=48",
    "protocol.hop=24",
    "trainer.max_epochs=1",
)


def lfnet_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`lfnet ARGUMENTS` in that folder; like the installed command, the folder itself is not on the import path."""
    code = "from lfnet.__main__ import run; run()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules leave a file where they are imported."""
    text = f"open({str(tmp_path / 'EXECUTED')!r}, 'a').write(__file__ + chr(10))\n"
    folder = tmp_path / "data"
    (folder / "hydra_plugins" / "theirs").mkdir(parents=True)
    (folder / "lfnet").mkdir()
    for name in (*SHADOWED, "hydra_plugins/theirs/__init__", "lfnet/__init__", "sitecustomize", "usercustomize"):
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize("module", ["lfnet", "lfnet.cli.main"])
def test_libraries_win_with_python_m(module: str, tmp_path: Path) -> None:
    for name in ("json", "logging", "numpy", "random", "statistics", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, "-m", module, "list", "protocols"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0 and "masked" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("train", *SMALL), marks=pytest.mark.long),
        pytest.param(("train", "-m", "seed=0,1", *JOBLIB, *SMALL), marks=pytest.mark.long),
        ("list", "heads"),
        pytest.param(("audit", "cohort=simulated", *SMALL[:3]), marks=pytest.mark.long),
        pytest.param(("doctor",), marks=pytest.mark.long),
    ],
)
def test_libraries_win_over_the_current_folder(words, hostile):
    ran = lfnet_in(hostile, *words)
    assert_nothing_was_executed(hostile)
    assert ran.returncode == 0 or words == ("doctor",), ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("several", [pytest.param((), marks=pytest.mark.long), ("-m", "seed=0,1", *JOBLIB)])
def test_an_own_head_in_the_current_folder_is_found(several, hostile):
    (hostile / "my_own_head.py").write_text("from lfnet.heads.mean_mlp import TemporalMeanMLP as MyHead\n")
    ran = lfnet_in(hostile, "train", *several, "head._target_=my_own_head.MyHead", *SMALL)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert_nothing_was_executed(hostile)


def assert_nothing_was_executed(hostile: Path) -> None:
    marker = hostile.parent / "EXECUTED"
    assert not marker.exists(), marker.read_text()
