"""What the pages of docs/ assume to be in the reader's folder: videos, feature files, tables of scores."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tests.cohorts.miniatures import avec2014, openface_table
from tests.video.media import write_video

__all__ = ["make_arrays", "make_avec2014", "make_faces", "make_videos"]

_PEOPLE = 30


def make_faces(folder: Path, shared: Path) -> None:
    """`my_faces`: a table of OpenFace for each person, and `phq9.csv`."""
    (folder / "my_faces").mkdir()
    scores = np.arange(_PEOPLE) * 27 // _PEOPLE
    for person, score in enumerate(scores):
        openface_table(folder / "my_faces" / f"p{person:02}_1.csv", score / 9, frames=90)
    names = [f"p{person:02}_1" for person in range(_PEOPLE)]
    pd.DataFrame({"name": names, "phq9": scores}).to_csv(folder / "phq9.csv", index=False)


def make_arrays(folder: Path, shared: Path) -> None:
    """`my_arrays`, which the page fills, and `bdi.csv`."""
    (folder / "my_arrays").mkdir()
    names = [f"p{person:02}_{session}" for person in range(_PEOPLE) for session in (1, 2)]
    pd.DataFrame({"name": names, "bdi": np.arange(2 * _PEOPLE) * 60 // (2 * _PEOPLE)}).to_csv(
        folder / "bdi.csv", index=False
    )


def make_videos(folder: Path, shared: Path) -> None:
    """`my_videos`: ten people, each with 3 s of one real film in another light, `scores.csv`, and the landmarker."""
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
        write_video(folder / "my_videos" / f"{name}.mp4", lit)
    pd.DataFrame({"name": names, "bdi": range(2, 52, 5)}).to_csv(folder / "scores.csv", index=False)
    weights = folder / "lfnet_cache" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(shared / "weights" / "face_landmarker.task", weights)


def make_avec2014(folder: Path, shared: Path) -> None:
    """`AVEC2014`: names of files and labels as they are handed out."""
    avec2014(folder / "AVEC2014")
