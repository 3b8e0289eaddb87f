"""The architecture table runs on the miniature of each corpus and on real tables, by the commands of docs/corpora."""

import hashlib
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main
from tests.cohorts.miniatures import MINIATURES, openface_table
from tests.encoders.networks import DIM, SIDE, network
from tests.features.fakes import crop_picture
from tests.video.media import write_video

PAGES = Path(__file__).resolve().parents[2] / "docs" / "corpora"
QUICK = ["head=mean_mlp,tcn", "seed=0", "protocol=masked", "trainer=quick", "debug=fast", "launcher=serial"]
QUICK += ["table.controls=[]"]
pytestmark = pytest.mark.long


def command_of(name: str) -> list[str]:
    """The words of the table's command in a corpus's page, after `lfnet table architectures`."""
    found = re.search(r"^lfnet table architectures (.+)$", (PAGES / f"{name}.md").read_text(), re.MULTILINE)
    assert found is not None
    return shlex.split(found[1])


def run_table(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the table in the current folder and check that both heads have a score; returns what was printed."""
    assert main(["table", "architectures", *words, *QUICK]) == 0
    (file,) = Path("lfnet_runs/tables").glob("*.csv")
    rows = pd.read_csv(file)
    assert rows["head"].tolist()[:2] == ["mean_mlp", "tcn"] and rows["test.mae"].iloc[:2].notna().all()
    return capsys.readouterr().out


def fill_videos(root: Path) -> None:
    """Make each empty video a short one, whose frames are taken for face crops."""
    for number, file in enumerate(sorted(path for path in root.rglob("*") if path.suffix in (".mp4", ".avi"))):
        codec = "mpeg4" if file.suffix == ".avi" else "libx264"
        write_video(file, [crop_picture(7 * number + frame, SIDE) for frame in range(12)], codec=codec)


@pytest.mark.parametrize("name", sorted(MINIATURES))
def test_the_architecture_table_of_a_miniature(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    MINIATURES[name](tmp_path / "copy")
    fill_videos(tmp_path / "copy")
    words = [word.replace("root=DIR", "root=copy") for word in command_of(name)]
    if "encoder=blendshapes" in words:  # made videos have no face: they are crops, and a network of the test reads them
        path = network(tmp_path / "tiny.onnx")
        own = {"dim": DIM, "crop_size": SIDE, "weights.path": path, "weights.size": "null",
               "weights.sha256": hashlib.sha256(path.read_bytes()).hexdigest()}  # fmt: skip
        words.remove("encoder=blendshapes")
        words += ["++cohort.aligned=true", "encoder=mobileface", "encoder.threads=1"]
        words += [f"encoder.mobileface.{key}={value}" for key, value in own.items()]
    printed = run_table(words, capsys)
    assert "Temporal architectures" in printed and ("Test AUROC" in printed) == ("loss=bce" in words)


@pytest.mark.parametrize(
    ("source", "columns"), [("openface/OpenFace_Test.csv", "openface"), ("pyfeat/002.csv", "pyfeat")]
)
def test_the_table_of_real_feature_tables_in_three_commands(
    source: str, columns: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pd.read_csv(shared / "corpora" / source, skipinitialspace=True)
    rows = rows[pd.to_numeric(rows.iloc[:, 0], errors="coerce").notna()].reset_index(drop=True)
    # The file is of one clip: overlapping parts of it stand for people.
    people, frames = 12, len(rows) // 2
    Path("faces").mkdir()
    for number in range(people):
        start = number * (len(rows) - frames) // (people - 1)
        rows.iloc[start : start + frames].to_csv(f"faces/{number:03}.csv", index=False)
    Path("phq9.csv").write_text("name,phq9\n" + "".join(f"{n:03},{2 * n}\n" for n in range(people)))
    timed = [] if columns == "openface" else ["--kind", "features", "--fps", "30"]
    assert main(["cohort", "init", "faces", "--labels", "phq9.csv", "--scale", "phq9", *timed]) == 0
    assert f"guessed features@cohort.features={columns}" in capsys.readouterr().out
    words = ["cohort=folder", "cohort.root=faces", "scale@cohort.scale=phq9", f"features@cohort.features={columns}"]
    assert main(["cohort", "show", *words]) == 0
    run_table([*words, "protocol.health.min_clip_ratio=0"], capsys)


def test_the_table_of_real_tables_of_crema_d(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tables = shared / "corpora" / "crema_d"
    Path("copy").mkdir()
    for name in ("summaryTable.csv", "VideoDemographics.csv"):
        (tmp_path / "copy" / name).write_bytes((tables / name).read_bytes())
    names = pd.read_csv(tables / "summaryTable.csv")["FileName"]
    chosen = names[names.str.contains("_IEO_(?:SAD|HAP)_HI")][:36]
    for name, score in zip(chosen, np.linspace(0, 2, len(chosen)), strict=True):
        openface_table(tmp_path / "copy" / "OpenFace" / f"{name}.csv", float(score), frames=60)
    words = [word.replace("root=DIR", "root=copy") for word in command_of("crema_d")]
    run_table(words, capsys)


def test_the_table_of_a_drafted_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    MINIATURES["e_daic"](tmp_path / "tree")
    assert main(["cohort", "init", "tree", "--yaml", "my_conf/cohort/mine.yaml", "--scale", "phq8"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "  2. lfnet table architectures --config-dir my_conf cohort=mine"
    run_table([*shlex.split(last)[4:], "streams.match=mean"], capsys)
