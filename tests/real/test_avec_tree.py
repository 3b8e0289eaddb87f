"""Real video in AVEC2014's layout, from clips and label files to a table, through the commands that a person types."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from tests.real.clips import QUICK, cut, landmarker, lfnet

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("libraries")]

# Recording: split, score, and for each task where its clip is cut. 203 is the man of three of the videos, 205 the woman
# of the fourth, so both are in more than one split, as people are in the official partitions.
SITTINGS = {
    "203_1": ("Training", 3, ("single_face.mp4", 0.0), ("single_face.mp4", 1.2)),
    "203_2": ("Development", 10, ("face_noface.mov", 0.0), ("face_noface.mov", 1.2)),
    "203_3": ("Training", 41, ("noface_face.mov", 3.6), ("noface_face.mov", 4.5)),
    "203_4": ("Testing", 17, ("single_face.mp4", 0.6), ("noface_face.mov", 5.4)),
    "205_1": ("Training", 22, ("WolfgangLanger_Pexels.mp4", 0.0), ("WolfgangLanger_Pexels.mp4", 0.8)),
    "205_2": ("Development", 5, ("WolfgangLanger_Pexels.mp4", 1.6), ("WolfgangLanger_Pexels.mp4", 8.4)),
    "205_3": ("Testing", 30, ("WolfgangLanger_Pexels.mp4", 9.2), ("WolfgangLanger_Pexels.mp4", 10.0)),
}
SECONDS = 0.8


@pytest.fixture(scope="module")
def tree(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "AVEC2014"
    for recording, (split, score, *clips) in SITTINGS.items():
        for task, (name, start) in zip(("Freeform", "Northwind"), clips, strict=True):
            folder = root / split / task
            cut(shared / "media" / name, folder / f"{recording}_{task}_video.mp4", start, SECONDS)
        label = root / "DepressionLabels" / f"{recording}_Depression.csv"
        label.parent.mkdir(exist_ok=True)
        label.write_text(f"{score}\n")
    return root


def table(tree: Path, shared: Path, *overrides: str) -> int:
    return lfnet(
        "table", "architectures", "cohort=avec2014", f"cohort.root={tree}", "protocol=masked", "launcher=serial",
        "head=mean_mlp,mamba_gru", landmarker(shared), *QUICK, *overrides,
    )  # fmt: skip


def check_features(stream: str, width: int, stride: int) -> dict[str, dict[str, np.ndarray]]:
    """The stored vectors of all clips, sound as far as any encoder's must be."""
    (folder,) = Path("lfnet_cache/features/avec2014").glob(f"{stream}-*")
    clips = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
    assert sorted(clips) == sorted(f"{name}_{task}" for name in SITTINGS for task in ("Freeform", "Northwind"))
    for clip in clips.values():
        assert clip["features"].shape == (len(clip["valid"]), width)
        assert np.isfinite(clip["features"][clip["valid"]]).all()
        assert clip["features"][clip["valid"]].std(axis=0).max() > 0
        assert clip["time"][0] == 0 and clip["time"][-1] < SECONDS
    # The video's own rhythm, to the millisecond in which the clips were cut.
    rhythm = np.diff(clips["205_1_Freeform"]["time"])
    assert rhythm == pytest.approx(stride * 1001 / 24000, abs=1.1e-3)
    coverage = {name: clip["valid"].mean() for name, clip in clips.items()}
    assert 0.05 < coverage.pop("203_3_Freeform") < 0.9, "the clip in which the face appears"
    assert min(coverage.values()) > 0.9
    return clips


def check_table(printed: str) -> None:
    """The table against the label files, by hand."""
    assert "people in more than one split: 2 of 2 people" in " ".join(printed.split())
    assert "not the official AVEC2014 partitions: 3/2/2 recordings" in " ".join(printed.split())
    (file,) = Path("lfnet_runs/tables").glob("*.csv")
    rows = pd.read_csv(file)
    assert rows["head"].tolist()[:2] == ["mean_mlp", "mamba_gru"]
    assert rows["reference"].dropna().tolist()[:2] == ["train mean", "train median"]
    train, dev, test = np.array([3, 41, 22]), np.array([10, 5]), np.array([17, 30])
    constants = rows.set_index("reference")
    for name, value in (("train mean", train.mean()), ("train median", np.median(train))):
        assert constants.loc[name, "dev.mae"] == pytest.approx(np.abs(dev - value).mean())
        assert constants.loc[name, "test.mae"] == pytest.approx(np.abs(test - value).mean())
    for row in rows.iloc[:2].itertuples():
        folder = Path("lfnet_runs") / row.runs
        scores = pd.read_csv(folder / "predictions.csv").query("level == 'recording' and split == 'test'")
        assert scores["recording_id"].tolist() == ["203_4", "205_3"] and scores["label"].tolist() == [17, 30]
        result = json.loads((folder / "result.json").read_text())
        assert rows.loc[row.Index, "test.mae"] == pytest.approx(np.abs(scores["score"] - test).mean())
        assert result["cohort"]["recordings"] == {"train": 3, "dev": 2, "test": 2}
        assert result["training"]["epochs"] == 2 and not result["cohort"]["simulated"]


def test_blendshapes(tree, shared, here, capsys):
    assert table(tree, shared, "encoder=blendshapes") == 0
    printed = capsys.readouterr().out
    assert re.search(r"cohort avec2014: 14 clips, \d+ frames to extract: about", printed)
    check_features("blendshapes", 58, stride=1)
    check_table(printed)
    assert table(tree, shared, "encoder=blendshapes") == 0
    printed = capsys.readouterr().out
    assert "6 jobs: 6 finished already, 0 to run" in printed and "to extract" not in printed


def test_mobileface(tree, shared, here, capsys):
    weights = f'encoder.mobileface.weights.path="{shared}/weights/face_embedding_512.onnx"'
    words = ("encoder=mobileface", weights, "encoder.stride=3", "encoder.threads=1")
    assert table(tree, shared, *words, "table.controls=[]") == 0
    printed = capsys.readouterr().out
    clips = check_features("mobileface", 512, stride=3)
    check_table(printed)
    # A face embedding knows the two people apart in every clip of theirs.
    means = {name: clip["features"][clip["valid"]].mean(axis=0) for name, clip in clips.items()}
    units = {name: mean / np.linalg.norm(mean) for name, mean in means.items()}
    names = sorted(units)
    same = [units[a] @ units[b] for a in names for b in names if a < b and a[:3] == b[:3]]
    different = [units[a] @ units[b] for a in names for b in names if a < b and a[:3] != b[:3]]
    assert min(same) > max(different)
