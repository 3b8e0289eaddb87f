"""The same paths on media made here, with a tiny network, so that they live where no real video or weights are."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from tests.encoders.networks import DIM, SIDE, network
from tests.features.fakes import crop_picture
from tests.real.clips import QUICK, lfnet
from tests.video.media import truncate, write_folder, write_video

pytestmark = pytest.mark.slow

PEOPLE = {"203_1": ("train", 3), "204_1": ("train", 40), "205_1": ("dev", 12), "206_1": ("test", 25)}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> list[str]:
    """The face-embedding encoder with a network of this test's own."""
    path = network(tmp_path_factory.mktemp("network") / "tiny.onnx")
    own = {"dim": DIM, "crop_size": SIDE, "weights.path": path, "weights.size": None,
           "weights.sha256": hashlib.sha256(path.read_bytes()).hexdigest()}  # fmt: skip
    words = [f"encoder.mobileface.{name}={'null' if value is None else value}" for name, value in own.items()]
    return ["encoder=mobileface", *words, "encoder.threads=1"]


def pictures(number: int, count: int = 14) -> list[np.ndarray]:
    """Square crops that change from frame to frame and from person to person."""
    return [crop_picture(7 * number + frame, SIDE) for frame in range(count)]


def table(*words: str) -> pd.DataFrame:
    """`lfnet table architectures` with two heads and no controls; its numbers."""
    few = ("protocol=masked", "head=mean_mlp,ldbm", "table.controls=[]", "launcher=serial", *QUICK)
    assert lfnet("table", "architectures", *few, *words) == 0
    (path,) = Path("lfnet_runs/tables").glob("*.csv")
    return pd.read_csv(path)


def test_an_avec_tree_of_aligned_frames(here, encoder, capsys):
    for number, (recording, (split, _)) in enumerate(PEOPLE.items()):
        for task in ("Freeform", "Northwind"):
            write_folder(here / "data" / split / task / f"{recording}_{task}_video_aligned", pictures(number))
    scores = "".join(f"{recording},{score}\n" for recording, (_, score) in PEOPLE.items())
    (here / "data" / "labels.csv").write_text(f"recording,score\n{scores}")
    words = ["cohort=avec2014", "cohort.root=data", "cohort.aligned=true", "cohort.fps=10", *encoder]
    rows = table(*words)
    assert "cohort avec2014: 8 clips, 112 frames to extract" in capsys.readouterr().out
    assert rows["head"].tolist()[:2] == ["mean_mlp", "ldbm"]
    constant = rows.set_index("reference").loc["train mean"]
    assert constant["dev.mae"] == pytest.approx(9.5) and constant["test.mae"] == pytest.approx(3.5)
    (folder,) = Path("lfnet_cache/features/avec2014").iterdir()
    clips = [load_file(path) for path in folder.iterdir()]
    assert len(clips) == 8 and all(clip["features"].shape == (14, DIM) and clip["valid"].all() for clip in clips)
    assert all(np.allclose(clip["time"], np.arange(14) / 10) for clip in clips)
    assert table(*words).equals(rows)
    assert "2 jobs: 2 finished already, 0 to run" in capsys.readouterr().out


def test_videos_from_a_drafted_manifest_broken_and_fixed(here, encoder, capsys):
    folder = here / "my clips"
    folder.mkdir()
    for number, recording in enumerate(PEOPLE):
        write_video(folder / f"{recording}.mp4", pictures(number), [100 * frame for frame in range(14)])
    (here / "scores.csv").write_text("clip,bdi\n" + "".join(f"{name},{score}\n" for name, (_, score) in PEOPLE.items()))
    assert lfnet("cohort", "init", "my clips", "--labels", "scores.csv") == 0
    printed = capsys.readouterr().out
    assert "wrote my clips/manifest.csv: 4 clips, 4 recordings, 4 people" in printed
    (step,) = (line for line in printed.splitlines() if "lfnet extract" in line)
    assert """'cohort.root="my clips"'""" in step
    cohort = ["cohort=folder", 'cohort.root="my clips"', "cohort.aligned=true", *encoder]

    whole = shutil.copy(folder / "205_1.mp4", here)
    truncate(folder / "205_1.mp4", 0.5)
    assert lfnet("train", *cohort, *QUICK, "cohort.fold=1") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: 1 of 4 clips could not be read; the others are extracted.\n  205_1: ")
    shutil.copy(whole, folder)
    assert lfnet("train", "-m", *cohort, *QUICK, "cohort.fold=1,2,3,4") == 0
    printed = capsys.readouterr().out
    assert "1 clip, 14 frames to extract" in printed and printed.count("] finished cohort.fold=") == 4
    tested = []
    for run in Path("lfnet_runs").glob("*/result.json"):
        scores = pd.read_csv(run.parent / "predictions.csv").query("level == 'recording' and split == 'test'")
        tested += scores["recording_id"].tolist()
        warnings = json.loads(run.read_text())["cohort"]["warnings"]
        assert any(text.startswith("people are guessed from file names for 4 of 4 clips") for text in warnings)
    assert sorted(tested) == sorted(PEOPLE), "grouped cross-validation tests each person once"


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_ready_features(here, suffix, capsys):
    rng = np.random.default_rng(0)
    folder = here / "ready"
    folder.mkdir()
    rows = ["path,person_id,split,label,fps"]
    for recording, (split, score) in PEOPLE.items():
        array = rng.normal(size=(40, 6)).astype(np.float32)
        save = np.save if suffix == ".npy" else lambda path, x: np.savez(path, features=x, valid=np.arange(40) > 9)
        save(folder / f"{recording}{suffix}", array)
        rows.append(f"{recording}{suffix},{recording[:3]},{split},{score},25")
    (folder / "manifest.csv").write_text("\n".join(rows))
    rows = table("cohort=folder", "cohort.root=ready", "--full")
    assert rows["head"].tolist()[:2] == ["mean_mlp", "ldbm"]
    printed = capsys.readouterr().out
    first, second = printed.splitlines()[:2]
    assert first == "table architectures: 2 jobs to look at; runs are in lfnet_runs"
    assert second.startswith("cohort ready: 4 clips to extract: about 1 s")
    assert f"Features: ready, 6-D, {'100 %' if suffix == '.npy' else '75 %'} of frames valid" in printed


def test_unlabelled_clips_are_scored(here, capsys):
    rows = ["path,person_id,split,label,fps"]
    for number, (recording, (split, score)) in enumerate(PEOPLE.items()):
        np.save(here / f"{recording}.npy", np.random.default_rng(number).normal(size=(40, 6)))
        rows.append(f"{recording}.npy,{recording},{split},{score},25".replace("test,25", "unlabelled,"))
    (here / "manifest.csv").write_text("\n".join(rows))
    assert lfnet("train", "cohort=folder", "cohort.root=.", "cohort.name=mine", *QUICK) == 0
    (path,) = Path("lfnet_runs").glob("*/predictions.csv")
    scored = pd.read_csv(path).query("level == 'recording' and split == 'unlabelled'")
    assert (
        scored["recording_id"].tolist() == ["206_1"] and scored["score"].notna().all() and scored["label"].isna().all()
    )
    # A manifest that changes between two commands of one process is read anew.
    (here / "manifest.csv").write_text("\n".join(row.replace("unlabelled,", "test,63") for row in rows))
    assert lfnet("train", "cohort=folder", "cohort.root=.", "cohort.name=mine", *QUICK) == 0
    assert "\n test: mae" in capsys.readouterr().out
