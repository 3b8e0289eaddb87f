"""Streams of sound: extracted from the same files as the face, valid where there is a voice, joined by time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders import Egemaps, LogMel, SoundEncoder
from lfnet.errors import LfnetError
from lfnet.features.clip_notes import count_noted
from lfnet.features.extract import extract, open_stores
from lfnet.features.health import Health, check
from lfnet.features.joined_streams import JoinedStreams, JoinSettings, parts_of
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.features.summary import check_clips, describe_features
from tests.audio.media import RATE, bursts, tone, write_clip
from tests.features.fakes import cohort_of as fake_cohort


def videos(paths: dict[str, Path]) -> Cohort:
    return fake_cohort(paths, fps=None, aligned=False)


def extracted(paths: dict[str, Path], tmp_path: Path, encoder: SoundEncoder) -> FeatureStore:
    return extract(videos(paths), [encoder], cache=tmp_path / "cache", progress=False)[encoder.name]


def starts(clip: ClipFeatures) -> list[float]:
    """Times of the first row of each valid stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], clip.valid.astype(int)])) == 1)
    return clip.time[edges].tolist()


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_rows_lie_at_the_times_of_the_frames(late: float, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", bursts(3.0, [0.5, 1.5]), late=late)
    clip = extracted({"a": path}, tmp_path, LogMel(bands=16)).read("a")
    assert starts(clip) == pytest.approx([late + 0.5, late + 1.5], abs=0.03)
    assert np.isnan(clip.features[~clip.valid]).all() and np.isfinite(clip.features[clip.valid]).all()
    assert np.diff(clip.time) == pytest.approx(0.01) and clip.meta["sound_rate"] == "16000"
    assert 0.1 < clip.coverage < 0.2


def test_without_voice_activity_all_sound_is_valid(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", bursts(3.0, [0.5]), late=1.0)
    clip = extracted({"a": path}, tmp_path, LogMel(bands=16, min_voice=0)).read("a")
    assert clip.valid[(clip.time > 1.02) & (clip.time < 3.98)].all()
    assert not clip.valid[clip.time < 0.98].any(), "the track begins late"


def test_clips_without_sound_or_voice_are_said_and_invalid(tmp_path: Path) -> None:
    paths = {
        "mute": write_clip(tmp_path / "mute.mp4", None, seconds=1.0),
        "still": write_clip(tmp_path / "still.mov", np.zeros(RATE, np.float32), seconds=1.0),
        "good": write_clip(tmp_path / "good.mov", bursts(2.0, [0.5, 1.4]), seconds=2.0),
    }
    store = extracted(paths, tmp_path, LogMel(bands=16))
    assert [int(store.read(name).valid.sum()) > 0 for name in paths] == [False, False, True]
    found = {problem.clip_id: (problem.what, problem.fix) for problem in check(store, paths, Health()).problems}
    assert found["mute"][0] == "no sound track" and found["still"][0] == "no voice in its sound"
    assert "encoder=[blendshapes,logmel]" in found["mute"][1] and set(found) == {"mute", "still"}
    lines = "\n".join(describe_features(check_clips({"logmel": store}, paths, Health()), ["logmel"]))
    assert (
        "2 of 3 clips need attention" in lines and "ignores its input" not in lines and "mute: no sound track" in lines
    )
    assert "2 of 3 clips have no sound, gaps in it, or no voice" in count_noted([store], paths)[0]


def test_sound_is_written_once_and_depends_on_its_settings(tmp_path: Path) -> None:
    paths = {"a": write_clip(tmp_path / "a.mov", bursts(2.0, [0.5]), seconds=2.0)}
    cohort, cache = videos(paths), tmp_path / "cache"
    extract(cohort, [LogMel(bands=16)], cache=cache, progress=False)
    recipes = set()
    for settings, lacking in (({}, []), ({"bands": 17}, ["a"]), ({"bands": 16, "min_voice": 0.2}, ["a"])):
        made: dict[str, Any] = {"bands": 16, **settings}
        stores, missing = open_stores(cohort, [LogMel(**made)], cache=cache)
        assert missing.get("logmel", []) == lacking
        recipes.add(stores["logmel"].recipe)
    assert len(recipes) == 3
    # Images are read at another stride, and the sound stays.
    assert open_stores(cohort, [LogMel(bands=16)], cache=cache, stride=5)[1] == {}


class Beat:
    """Vectors of 25 frames a second that change when the tones begin, as a mouth that opens."""

    def __init__(self, at: list[float], seconds: float) -> None:
        self.time = np.arange(round(25 * seconds)) / 25
        random = np.random.default_rng(1)
        x_TD = 0.05 * random.standard_normal((len(self.time), 3))
        for start in at:
            x_TD[(self.time >= start) & (self.time < start + 0.3)] += 1
        self.clip = ClipFeatures(x_TD.astype(np.float32), np.ones(len(self.time), bool), self.time)


def test_face_and_sound_are_joined_and_an_offset_of_half_a_second_is_found(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    paths, faces = {}, FeatureStore(tmp_path / "faces", "face", "r")
    for number in range(4):
        at = np.cumsum(random.uniform(0.6, 1.6, 9)).round(2).tolist()
        paths[f"c{number}"] = write_clip(
            tmp_path / f"c{number}.mov", bursts(16.0, at, noise=0.01), late=0.5, seconds=16
        )
        faces.write(f"c{number}", Beat(at, 16.0).clip, "s")
    store = extracted(paths, tmp_path, LogMel(bands=16, min_voice=0))
    how = JoinSettings(
        normalise="columns", length=1.0, presence=True, valid="any", dropout=0.0, columns=None, match="mean"
    )
    joined = JoinedStreams(parts_of({"face": faces, "logmel": store}, how, "c0"), list(paths), how)
    clip = joined.read("c0")
    assert clip.features.shape == (400, 3 + 16 + 2) and clip.valid.all()
    assert not clip.features[:12, -1].any() and clip.features[14:390, -1].all(), "presence of the sound"
    report = joined.check(paths, Health())
    assert any(remark.text.startswith("logmel seems 0.5 s late against face") for remark in report.remarks)


def test_a_clip_shorter_than_a_window_has_no_row(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", tone(0.4), seconds=0.4)
    clip = extracted({"a": path}, tmp_path, LogMel(bands=16, window=1.0, hop=0.5)).read("a")
    assert not clip.valid.any() and clip.meta["notes"] == "the clip is shorter than a window of 1 s"


def test_a_missing_library_is_said_before_a_clip_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(LfnetError, match=r"encoder=egemaps .* needs the extra audio"):
        extracted({"a": tmp_path / "missing.mp4"}, tmp_path, Egemaps())


def test_a_folder_of_images_has_no_sound(tmp_path: Path) -> None:
    from tests.video.media import picture, write_folder

    cohort = fake_cohort({"a": write_folder(tmp_path / "a", [picture(number) for number in range(5)])}, fps=5.0)
    store = extract(cohort, [LogMel()], cache=tmp_path / "cache", progress=False)["logmel"]
    assert store.read("a").meta["notes"] == "no sound track"


def test_face_and_sound_of_one_file_are_those_of_each_alone(shared: Path, tmp_path: Path) -> None:
    from lfnet.encoders import Blendshapes

    paths = {"a": shared / "media" / "single_face.mp4"}
    mesh = shared / "weights" / "face_landmarker.task"
    encoders = [Blendshapes(), LogMel()]
    both = extract(videos(paths), encoders, cache=tmp_path / "both", mesh_model=mesh, stride=10, progress=False)
    for encoder in encoders:
        alone = extract(videos(paths), [encoder], cache=tmp_path / "one", mesh_model=mesh, stride=10, progress=False)
        name = encoder.name
        assert both[name].path("a").read_bytes() == alone[name].path("a").read_bytes()
