"""Permissions of the files that commands write: scores are private, tables and bundles follow the umask."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli import doctor
from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.files import personal_files, write_text
from tests.composing import SMALL

TINY = [*SMALL, "trainer.max_epochs=1", "table.controls=[]", "table.evidence.resamples=200"]
TABLE = ["table", "architectures", *TINY, "head=mean_mlp", "protocol=masked", "cohort.people_shared=0.0"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An own folder, and the usual umask of a server with many accounts."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of everything below a folder."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("mirrored", [False, pytest.param(True, marks=pytest.mark.long)])
def test_every_file_of_a_table_and_of_an_export_has_its_permissions(here, mirrored):
    words = [*TABLE, "head.dropout=0.1", "trainer.mc_dropout=2", "cohort.recordings={train:12,dev:8,test:24}"]
    if mirrored:  # in a process of its own: W&B's service process outlives a test
        words += ["seed=0,1", "logger=wandb", "launcher=joblib", "launcher.jobs=2"]
        subprocess.run([sys.executable, "-m", "lfnet.cli.main", *words], check=True)
    else:
        assert main([*words, "seed=0", "launcher=serial"]) == 0
    (run, *_) = sorted(here.glob("lfnet_runs/*/result.json"))
    assert main(["export", str(run.parent), "--out", "bundle"]) == 0
    found = modes(here)
    handed_on = {name for name in found if name.startswith(("bundle", "lfnet_runs/tables"))}
    personal = {name for name in found if name not in handed_on}
    for part in ("predictions.csv", "references.csv", "spread.csv", "train.log", "metrics.csv", "head.safetensors"):
        assert str(run.parent.relative_to(here) / part) in personal
    assert mirrored == any(name.endswith(".wandb") for name in personal)
    assert any(name.startswith("lfnet_cache/features/simulated") for name in personal)
    assert any(name.startswith("lfnet_runs/sweeps/") for name in personal)
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if not (here / name).is_symlink()
        and mode & 0o777
        != {(0, 0): 0o600, (0, 1): 0o700, (1, 0): 0o644, (1, 1): 0o755}[name in handed_on, (here / name).is_dir()]
    }
    assert wrong == {}
    assert len(handed_on) >= 7  # a table in four formats, a bundle of three files, and their folders


def test_a_manifest_is_private_and_a_folder_that_exists_stays_as_it_is(here):
    videos = here / "features"
    videos.mkdir()
    for person in range(6):
        np.save(videos / f"p{person}.npy", np.zeros((4, 2), np.float32))
    assert main(["cohort", "init", "features", "--fps", "30"]) == 0
    assert modes(videos)["manifest.csv"] == 0o600
    assert stat.S_IMODE(videos.stat().st_mode) == 0o755
    (videos / "manifest.csv").chmod(0o644)
    assert main(["cohort", "split", "features"]) == 0
    assert modes(videos)["manifest.csv"] == 0o644


@pytest.mark.parametrize(("mode", "file", "folder"), [("group", 0o640, 0o750), ("umask", 0o644, 0o755)])
def test_other_modes(here, mode, file, folder):
    with personal_files(mode):
        write_text(here / "a" / "b" / "c.txt", "text")
        Path("native.txt").write_text("by another library")
    assert modes(here) == {"a": folder, "a/b": folder, "a/b/c.txt": file, "native.txt": file}
    Path("after.txt").write_text("the umask is as before")
    assert modes(here)["after.txt"] == 0o644


def test_settings_choose_the_mode(here, capsys):
    assert main(["extract", *SMALL[:3], "paths.mode=group"]) == 0
    assert set(modes(here / "lfnet_cache").values()) == {0o640, 0o750}
    capsys.readouterr()
    assert main(["extract", *SMALL[:3], "paths.mode=0600"]) == 2
    assert capsys.readouterr().err == "error: paths.mode=0600: give one of private, group, umask.\n"
    with pytest.raises(LfnetError, match=r"paths\.mode=open: give one of private, group, umask\."):
        personal_files("open").__enter__()


def test_doctor_counts_files_that_others_can_read(here, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_torch", lambda: iter(()))
    monkeypatch.setattr(doctor, "_cv2", lambda: iter(()))
    with personal_files("umask"):
        write_text(here / "lfnet_runs" / "run" / "predictions.csv", "")
        write_text(here / "lfnet_runs" / "tables" / "a.csv", "")
        write_text(here / "lfnet_cache" / "weights" / "a.onnx", "")
        write_text(here / "lfnet_cache" / "closed" / "a.json", "")
    (here / "lfnet_cache" / "closed").chmod(0o700)

    def said(*settings: str) -> list[str]:
        main(["doctor", *settings])
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if " of people (paths.mode" in line or "chmod" in line]

    line, fix = said()
    assert "your group or others can read 1 file of people (paths.mode=private)" in line
    assert fix.endswith(f"-> Run `chmod -R go= {here}/lfnet_runs`.")
    assert said("paths.mode=umask") == []
    (here / "lfnet_runs" / "run").chmod(0o700)
    assert said() == []
