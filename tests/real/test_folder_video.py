"""Real video in a folder of one's own: no face, a face for part of the time, a file that is broken and mended."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.real.clips import QUICK, cut, landmarker, lfnet
from tests.video.media import truncate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("libraries")]

ROWS = {
    "man_1": ("man", "train", 4),
    "noface_face": ("man_2", "train", 35),
    "woman_1": ("woman", "dev", 9),
    "woman_2": ("woman_2", "test", 28),
}


@pytest.fixture(scope="module")
def media(shared, tmp_path_factory) -> Path:
    """Three short clips, and the one in which the face comes late, whole."""
    folder = tmp_path_factory.mktemp("media")
    real = shared / "media"
    cut(real / "single_face.mp4", folder / "man_1.mp4", 0.0, 0.8)
    cut(real / "WolfgangLanger_Pexels.mp4", folder / "woman_1.mp4", 0.0, 0.8)
    cut(real / "WolfgangLanger_Pexels.mp4", folder / "woman_2.mp4", 0.8, 0.8)
    shutil.copy(real / "noface_face.mov", folder / "noface_face.mov")
    return folder


@pytest.fixture
def clips(media, here) -> Path:
    """A folder of one's own with a manifest, in the current folder."""
    folder = shutil.copytree(media, here / "clips")
    write_manifest(folder, ROWS)
    return folder


def write_manifest(folder: Path, rows: dict[str, tuple[str, str, int]]) -> None:
    files = {path.stem: path.name for path in folder.iterdir()}
    lines = [f"{files[clip]},{person},{split},{label}" for clip, (person, split, label) in rows.items()]
    (folder / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *lines]))


def settings(shared: Path) -> list[str]:
    return ["cohort=folder", "cohort.root=clips", "encoder=blendshapes", "encoder.stride=4", landmarker(shared)]


def vectors(clip: str) -> Path:
    (path,) = Path("lfnet_cache/features/clips").glob(f"*/{clip}.safetensors")
    return path


def test_a_clip_without_a_face_is_refused_and_one_with_half_a_face_trains(clips, shared, capsys):
    shutil.copy(shared / "media" / "no_face.mp4", clips)
    write_manifest(clips, {**ROWS, "no_face": ("nobody", "train", 20)})
    assert lfnet("train", *settings(shared), *QUICK) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "error: the features of 1 clip are dead and are not trained on:\n  no_face: no face in any of 24"
    )
    assert not load_file(vectors("no_face"))["valid"].any()
    assert 0.3 < load_file(vectors("noface_face"))["valid"].mean() < 0.6
    assert not list(Path("lfnet_runs").glob("*/result.json"))

    write_manifest(clips, ROWS)
    assert lfnet("train", *settings(shared), *QUICK) == 0
    assert "to extract" not in (printed := capsys.readouterr().out) and "finished: " in printed
    (result,) = (json.loads(path.read_text()) for path in Path("lfnet_runs").glob("*/result.json"))
    assert result["cohort"]["recordings"] == {"train": 2, "dev": 1, "test": 1}
    valid = [load_file(vectors(clip))["valid"] for clip in ROWS]
    assert result["features"]["coverage"] == pytest.approx(sum(map(sum, valid)) / sum(map(len, valid)), abs=1e-4)


def test_a_faceless_clip_can_be_left_out_and_every_number_says_so(clips, shared, capsys):
    shutil.copy(shared / "media" / "no_face.mp4", clips)
    write_manifest(clips, {**ROWS, "no_face": ("nobody", "train", 20)})
    assert lfnet("train", *settings(shared), *QUICK, "protocol.health.unusable=drop") == 0
    assert "1 clip left out as unusable (protocol.health); train.log names them" in capsys.readouterr().out


def test_a_broken_clip_is_named_and_once_fixed_the_rest_goes_on(clips, media, shared, capsys):
    truncate(clips / "woman_1.mp4", 0.6)
    (clips / "man_1.mp4").write_text("not a video")
    assert lfnet("extract", *settings(shared)) == 2
    said = capsys.readouterr().err
    assert "2 of 4 clips could not be read; the others are extracted" in said
    assert f"man_1: {clips / 'man_1.mp4'} cannot be opened as a video" in said
    assert f"woman_1: {clips / 'woman_1.mp4'} " in said and "Fix these clips" in said
    done = {clip: vectors(clip).stat().st_mtime_ns for clip in ("noface_face", "woman_2")}

    for name in ("woman_1.mp4", "man_1.mp4"):
        shutil.copy(media / name, clips)
    assert lfnet("extract", *settings(shared)) == 0
    assert "cohort clips: 2 clips, 11 frames to extract" in capsys.readouterr().out
    assert {clip: vectors(clip).stat().st_mtime_ns for clip in done} == done
    assert all(load_file(vectors(clip))["valid"].all() for clip in ("man_1", "woman_1"))
