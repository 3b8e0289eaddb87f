"""Thumbnails of frames: equal to FFmpeg's scaler, on the time axis of the clip, cached, private, and forgotten."""

import os
import stat
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main
from lfnet.cohorts.cohort import COLUMNS, Band, Cohort, Scale
from lfnet.errors import LfnetWarning
from lfnet.features import thumbnails
from lfnet.features.removal import clip_files
from lfnet.features.thumbnails import RATE, SIDE, clip_thumbnails, cohort_thumbnails
from tests.video.media import write_folder, write_video

SCALE = Scale(name="test", min=0, max=63, bands=(Band(name="all", low=0, high=63),))


def pictures(n: int, seed: int = 0) -> list[np.ndarray]:
    """Blurred noise that moves to the right by a pixel a frame, 160 x 120."""
    random = np.random.default_rng(seed)
    coarse = random.integers(30, 220, (15, 40, 3)).astype(np.uint8)
    wide = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    return [np.ascontiguousarray(wide[:, k : k + 160]) for k in range(n)]


def cohort(paths: list[Path | str], fps: float = float("nan")) -> Cohort:
    names = [f"c{i}" for i in range(len(paths))]
    table = pd.DataFrame(
        {
            "clip_id": names,
            "recording_id": [f"r{i}" for i in range(len(paths))],
            "person_id": [f"p{i}" for i in range(len(paths))],
            "split": "train",
            "task": "",
            "label": 1.0,
            "path": [str(path) for path in paths],
            "fps": fps,
            "n_frames": float("nan"),
        }
    )
    return Cohort("films", table[list(COLUMNS)], SCALE)


def test_thumbnails_are_those_of_ffmpegs_scaler(tmp_path: Path) -> None:
    """The mean of the frames of each quarter second, scaled to 8 x 8 grey pixels by libswscale's area filter."""
    path = write_video(tmp_path / "a.mp4", pictures(50))
    clip = clip_thumbnails(path)
    grey = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rgb = frame.reformat(format="rgb24")
            small = rgb.reformat(SIDE, SIDE, format="gray", interpolation="AREA", dst_color_range="JPEG")
            grey.append((frame.time, small.to_ndarray().astype(float).ravel()))
    # Every third frame is read, as 25 frames a second are more than twice the rate of thumbnails.
    read = grey[::3]
    wanted = [np.mean([image for time, image in read if int(time * RATE) == row], axis=0) for row in range(8)]
    assert clip.features.shape == (8, SIDE * SIDE) and clip.valid.all()
    np.testing.assert_allclose(clip.features, wanted, atol=1.5)
    np.testing.assert_allclose(clip.time, np.arange(8) / RATE)


def test_a_gap_in_time_is_interpolated_and_not_valid(tmp_path: Path) -> None:
    times = [*range(0, 1000, 40), *range(2000, 3000, 40)]
    clip = clip_thumbnails(write_video(tmp_path / "a.mp4", pictures(50), times))
    assert clip.valid.tolist() == [True] * 4 + [False] * 4 + [True] * 4
    step = (clip.features[8] - clip.features[3]) / 5
    np.testing.assert_allclose(clip.features[5], clip.features[3] + 2 * step, rtol=1e-5)


def test_a_folder_of_frames_has_the_thumbnails_of_its_film(tmp_path: Path) -> None:
    images = pictures(50)
    film = clip_thumbnails(write_video(tmp_path / "a.mp4", images))
    folder = clip_thumbnails(write_folder(tmp_path / "a", images), 25.0)
    np.testing.assert_allclose(folder.features, film.features, atol=2)


def test_thumbnails_are_cached_private_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(30))
    os.utime(path, (1, 1))
    own = cohort([path, "gone.mp4", "", write_video(tmp_path / "b.mp4", pictures(30, 1))])
    (tmp_path / "b.mp4").write_bytes(b"no film")
    first = cohort_thumbnails(own, tmp_path / "cache")
    assert set(first.clips) == {"c0"}
    assert first.left_out == {"c1": "no file", "c2": "no file", "c3": "not decodable"}
    files = clip_files(tmp_path / "cache", "films", ["c0"], [path])
    (file,) = [file for file in files if file.suffix == ".safetensors"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def fail(*words: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(thumbnails, "clip_thumbnails", fail)
    again = cohort_thumbnails(cohort([path]), tmp_path / "cache")
    np.testing.assert_array_equal(again.clips["c0"], first.clips["c0"])
    write_video(path, pictures(40, 2))
    with pytest.raises(AssertionError, match="decoded again"):
        cohort_thumbnails(cohort([path]), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    paths: list[Path | str] = [write_video(tmp_path / f"{k}.mp4", pictures(20, k)) for k in range(2)]
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.warns(LfnetWarning, match="thumbnails of frames are not kept") as caught:
        found = cohort_thumbnails(cohort(paths), tmp_path / "cache")
    assert len(found.clips) == 2 and len(caught) == 1


def test_an_audit_of_films_finds_the_copy_and_forget_removes_what_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut copy of a film under another name and in another container; no features are needed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    walk = np.cumsum(np.random.default_rng(3).integers(-3, 4, 150)).clip(-70, 70) + 80
    noise = np.random.default_rng(4).integers(30, 220, (15, 40, 3)).astype(np.uint8)
    wide = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    images = [np.ascontiguousarray(wide[:, k : k + 160]) for k in walk]
    write_video(tmp_path / "clips" / "anna.mp4", images)
    write_video(tmp_path / "clips" / "berta.avi", images[11:], codec="mpeg4")
    write_video(tmp_path / "clips" / "clara.mp4", images[::-1])
    rows = ["path,person_id,split,label", "anna.mp4,anna,train,3", "berta.avi,berta,test,9", "clara.mp4,clara,dev,5"]
    (tmp_path / "clips" / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert main(["audit", "clips/manifest.csv", "--strict"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "LEAK copies of clips: 1 pair of clips is a copy (1 by frames over time), 1 of them across splits" in printed
    assert "pairs: anna = berta (frames over time, likeness " in printed
    kept = [*(tmp_path / "lfnet_cache").rglob("anna.safetensors")]
    assert len(kept) == 1
    assert main(["forget", "anna", "clips/manifest.csv", "--yes"]) == 0
    assert not kept[0].exists() and [*(tmp_path / "lfnet_cache").rglob("berta.safetensors")]
    assert main(["audit", "clips/manifest.csv", "audit.frames=false"]) == 0
    assert "re-encoded copies are not checked" in capsys.readouterr().out
