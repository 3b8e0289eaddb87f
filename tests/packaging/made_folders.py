"""What the pages of docs/ assume to be in the reader's folder: videos, feature files, corpora, tables of scores."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.audio.media import bursts, write_clip
from tests.cohorts.miniatures import MINIATURES, openface_table
from tests.encoders.networks import write_sound_network

__all__ = [
    "MINIATURES",
    "make_avec2014",
    "make_corpus",
    "make_faces",
    "make_grouped",
    "make_interview",
    "make_items",
    "make_labelled",
    "make_person",
    "make_scores",
    "make_sound_network",
    "make_tree",
    "make_two_cohorts",
    "make_videos",
]

_PEOPLE = 30


def make_faces(folder: Path, shared: Path) -> None:
    """`my_faces`: a table of OpenFace for each person, and `phq9.csv` and `phq9.xlsx`."""
    (folder / "my_faces").mkdir()
    scores = np.arange(_PEOPLE) * 27 // _PEOPLE
    for person, score in enumerate(scores):
        openface_table(folder / "my_faces" / f"p{person:02}_1.csv", score / 9, frames=90)
    names = [f"p{person:02}_1" for person in range(_PEOPLE)]
    table = pd.DataFrame({"name": names, "phq9": scores})
    table.to_csv(folder / "phq9.csv", index=False)
    table.to_excel(folder / "phq9.xlsx", index=False)


def make_videos(folder: Path, shared: Path) -> None:
    """`my_videos`: ten people with 3 s of one real film each, in another light, with sound; `scores.csv`; weights."""
    import cv2

    from lfnet.video.decode import frames

    (folder / "my_videos").mkdir()
    small = []
    for frame in frames(shared / "media" / "single_face.mp4"):
        small.append(cv2.resize(frame.rgb, (320, 180), interpolation=cv2.INTER_AREA))
        if len(small) == 75:
            break
    names = [f"p{person:02}_1" for person in range(1, 11)]
    for number, name in enumerate(names):
        lit = [(rgb * (0.7 + 0.03 * number)).astype(np.uint8) for rgb in (small * 2)[number : number + 75]]
        sound = bursts(3.0, [0.5, 1.2 + number / 20, 2.2], hertz=400.0 + 40 * number)
        write_clip(folder / "my_videos" / f"{name}.mp4", sound, codec="aac", frames=lit)
    pd.DataFrame({"name": names, "bdi": range(2, 52, 5)}).to_csv(folder / "scores.csv", index=False)
    weights = folder / "lfnet_cache" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(shared / "weights" / "face_landmarker.task", weights)


def make_interview(folder: Path, shared: Path) -> None:
    """`interview.mp4`: one of `my_videos`."""
    shutil.copy(folder / "my_videos" / "p01_1.mp4", folder / "interview.mp4")


def make_sound_network(folder: Path, shared: Path) -> None:
    """`my_network.onnx`: a network of the waveform, with vectors of 128 numbers."""
    write_sound_network(folder / "my_network.onnx", bands=None, dim=128)


def make_avec2014(folder: Path, shared: Path) -> None:
    """`AVEC2014`: names of files and labels as they are handed out."""
    MINIATURES["avec2014"](folder / "AVEC2014")


def make_corpus(folder: Path, shared: Path) -> None:
    """`my_daic_woz`: a made copy."""
    MINIATURES["daic_woz"](folder / "my_daic_woz")


def make_tree(folder: Path, shared: Path) -> None:
    """`my_tree`: a corpus that no yaml of lfnet knows by this name."""
    MINIATURES["daic_woz"](folder / "my_tree")


def make_two_cohorts(folder: Path, shared: Path) -> None:
    """`A` and `B`, whose people have other numbers, `scores.csv` of both, and yamls of three cohorts in `my_conf`."""
    names = {name: [f"{name.lower()}{person:02}_1" for person in range(_PEOPLE)] for name in "AB"}
    scores = np.arange(_PEOPLE) * 27 // _PEOPLE
    for name, own in names.items():
        _write_arrays(folder / name, own, scores)
    both = pd.DataFrame({"name": [*names["A"], *names["B"]], "score": [*scores, *scores]})
    both.to_csv(folder / "scores.csv", index=False)
    (folder / "my_conf" / "cohort").mkdir(parents=True)
    for name, root in (("mine_b", "B"), ("mine_c", "B")):
        text = f"defaults: [folder, _self_]\nroot: {root}\nname: {name}\n"
        (folder / "my_conf" / "cohort" / f"{name}.yaml").write_text(text)


def make_grouped(folder: Path, shared: Path) -> None:
    """`DIR`: an array of each person, and `people.csv` with scores, sex and age."""
    number = np.arange(2 * _PEOPLE)
    names = [f"p{person:02}_1" for person in number]
    scores = number * 60 // len(number)
    _write_arrays(folder / "DIR", names, scores)
    table = {"name": names, "bdi": scores, "sex": np.where(number % 2, "f", "m"), "age": 20 + number * 7 % 50}
    pd.DataFrame(table).to_csv(folder / "people.csv", index=False)


def make_labelled(folder: Path, shared: Path) -> None:
    """`my_yes_no` and `my_phq8`, and the tables of their labels."""
    names = [f"p{person:02}_1" for person in range(_PEOPLE)]
    scores = np.arange(_PEOPLE) * 24 // _PEOPLE
    for name, labels in (("yes_no", (scores >= 10).astype(int)), ("phq8", scores)):
        _write_arrays(folder / f"my_{name}", names, scores)
        pd.DataFrame({"name": names, "label": labels}).to_csv(folder / f"{name}.csv", index=False)


def make_items(folder: Path, shared: Path) -> None:
    """`my_faces`, and `items.csv` with the nine items of PHQ-9."""
    names = [f"p{person:02}_1" for person in range(_PEOPLE)]
    items = (np.arange(_PEOPLE)[:, None] * 4 // _PEOPLE + np.arange(9)) % 4
    for name, score in zip(names, items.sum(axis=1), strict=True):
        openface_table(folder / "my_faces" / f"{name}.csv", score / 9, frames=90)
    table = pd.DataFrame(items, columns=[f"phq9_{item}" for item in range(1, 10)])
    table.insert(0, "name", names)
    table.to_csv(folder / "items.csv", index=False)


def make_scores(folder: Path, shared: Path) -> None:
    """`scores.csv`: labels of dev and test, and the scores of two models."""
    random = np.random.default_rng(0)
    label = random.gamma(1.5, 9, 90).clip(0, 63).round()
    table = pd.DataFrame({"person": [f"s{person:02}" for person in range(90)], "label": label})
    table["split"] = np.repeat(["dev", "test"], 45)
    table["mine"] = 12 + 0.5 * (label - 12) + random.normal(0, 5, 90)
    table["theirs"] = 12 + 0.3 * (label - 12) + random.normal(0, 5, 90)
    table.to_csv(folder / "scores.csv", index=False)


def make_person(folder: Path, shared: Path) -> None:
    """`my_videos` with a person P017, as arrays; `scores.csv`."""
    names = [f"P{person:03}_1" for person in range(1, _PEOPLE + 1)]
    scores = np.arange(_PEOPLE) * 60 // _PEOPLE
    _write_arrays(folder / "my_videos", names, scores)
    pd.DataFrame({"name": names, "bdi": scores}).to_csv(folder / "scores.csv", index=False)


def _write_arrays(folder: Path, names: Sequence[str], scores: Sequence[float] | np.ndarray) -> None:
    """Write an array [120, 8] of each name, whose first column follows the score."""
    folder.mkdir()
    random = np.random.default_rng(len(names))
    for name, score in zip(names, scores, strict=True):
        x_TD = random.normal(size=(120, 8))
        x_TD[:, 0] += score / 10
        np.save(folder / f"{name}.npy", x_TD.astype(np.float32))
