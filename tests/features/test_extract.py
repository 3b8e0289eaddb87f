"""Extraction of whole cohorts: what is made once, made anew, refused, and said."""

import gc
import os
import time
import weakref
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfnet import fingerprints
from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.features import extract as extract_module
from lfnet.features import extraction_job as job_module
from lfnet.features import provenance as sources
from lfnet.features.extract import needs_landmarker
from lfnet.features.provenance import Sources
from lfnet.files import atomic_path
from lfnet.fingerprints import file_digest
from lfnet.video import decode
from lfnet.video.settings import VideoSettings
from tests.composing import composed
from tests.features.fakes import Brightness, cohort_of, crop_picture, estimate, extract, files_of, open_store
from tests.video.media import truncate, write_folder, write_video


@pytest.fixture
def clips(tmp_path) -> dict[str, Path]:
    """Three clips of aligned crops: a video, a video of variable rate, a folder of frames."""
    pictures = [crop_picture(number, 32) for number in range(10)]
    return {
        "a": write_video(tmp_path / "a.mp4", pictures),
        "b": write_video(tmp_path / "b.mkv", pictures[:6], [0, 15, 90, 200, 210, 400]),
        "c": write_folder(tmp_path / "c", pictures[:4]),
    }


def test_without_a_terminal_the_clips_that_are_done_are_counted_and_not_named(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(extract_module, "_EVERY", 0.0)
    cohort = cohort_of(clips)
    extract_module.extract(cohort, [Brightness()], cache=tmp_path / "cache", progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" extracted")[0] for line in lines if line.startswith("3 of")] == ["3 of 3 clips"]
    assert lines[0].startswith("0 of 3 clips extracted") and "about 0 s left" in lines[0]
    assert not {word for line in lines for word in line.split()} & {"a", "b", "c"}
    extract_module.extract(cohort, [Brightness()], cache=tmp_path / "cache", progress=True)
    assert capsys.readouterr().err == ""


def test_all_clips_are_extracted_once(clips, tmp_path):
    cohort, encoder, cache = cohort_of(clips), Brightness(), tmp_path / "cache"
    store, missing = open_store(cohort, encoder, cache=cache)
    assert missing == ["a", "b", "c"] and not store.folder.exists()
    store = extract(cohort, encoder, cache=cache, batch_size=4)
    assert encoder.batches == [4, 4, 2, 4, 2, 4]
    assert store.folder.parent == cache / "features" / "made" and store.stream == "brightness"
    np.testing.assert_allclose(store.read("a").time, np.arange(10) * 0.04, atol=1e-3)
    np.testing.assert_allclose(store.read("b").time, [0, 0.015, 0.09, 0.2, 0.21, 0.4], atol=1e-3)
    np.testing.assert_allclose(store.read("c").time, np.arange(4) / 25)
    assert store.read("a").features[:, 3].tolist() == list(range(10)) and store.read("a").valid.all()
    meta = store.read("a").meta
    assert meta["coverage"] == "1.0000" and meta["unit_norm"] == "false" and meta["frame_size"] == "32 x 32"
    again = Brightness()
    before = files_of(store.folder)
    assert open_store(cohort, again, cache=cache)[1] == []
    assert files_of(extract(cohort, again, cache=cache).folder) == before and again.batches == []


def test_clips_that_another_process_extracted_meanwhile_are_skipped(clips, tmp_path, monkeypatch):
    cohort, cache, real = cohort_of(clips), tmp_path / "cache", extract_module.lock

    @contextmanager
    def waiting(path):
        monkeypatch.setattr(extract_module, "lock", real)
        extract(cohort, Brightness(), cache=cache)  # the other process, while this one waits for the first clip
        with real(path):
            yield True

    monkeypatch.setattr(extract_module, "lock", waiting)
    encoder = Brightness()
    assert len(files_of(extract(cohort, encoder, cache=cache).folder)) == 3 and encoder.batches == []


def test_features_extracted_again_are_the_same_bytes(clips, tmp_path):
    cohort = cohort_of(clips)
    one = extract(cohort, Brightness(), cache=tmp_path / "one")
    two = extract(cohort, Brightness(), cache=tmp_path / "two")
    assert files_of(one.folder) == files_of(two.folder) and len(files_of(one.folder)) == 3


def test_a_changed_source_is_extracted_again(clips, tmp_path):
    cohort, cache = cohort_of(clips), tmp_path / "cache"
    before = files_of(extract(cohort, Brightness(), cache=cache).folder)
    write_video(clips["a"], [crop_picture(number + 7, 32) for number in range(10)])
    assert open_store(cohort, Brightness(), cache=cache)[1] == ["a"]
    # The same pictures under another rate are other times; a picture more is another clip.
    assert open_store(cohort_of(clips, fps=30.0), Brightness(), cache=cache)[1] == ["a", "c"]
    (clips["c"] / "frame_9.png").write_bytes((clips["c"] / "frame_1.png").read_bytes())
    encoder = Brightness()
    after = files_of(extract(cohort, encoder, cache=cache).folder)
    assert encoder.batches == [10, 5]
    assert [name for name in before if before[name] != after[name]] == ["a.safetensors", "c.safetensors"]


def test_a_moved_or_touched_clip_is_not_extracted_again(clips, tmp_path):
    cache = tmp_path / "cache"
    extract(cohort_of(clips), Brightness(), cache=cache)
    moved = tmp_path / "elsewhere" / "a.mp4"
    moved.parent.mkdir()
    clips["a"].rename(moved)
    os.utime(clips["b"], (1, 1))
    assert open_store(cohort_of({**clips, "a": moved}), Brightness(), cache=cache)[1] == []


def test_the_recipe_covers_all_that_determines_the_vectors(clips, tmp_path):
    def recipe(encoder=None, aligned=True, **more):
        cohort = cohort_of(clips, aligned=aligned)
        return open_store(cohort, encoder or Brightness(), cache=tmp_path / "cache", **more)[0].recipe

    model, other = tmp_path / "model.task", tmp_path / "other.task"
    model.write_bytes(b"one")
    other.write_bytes(b"two")
    recipes = [
        recipe(),
        recipe(Brightness(20)),
        recipe(stride=2),
        recipe(video=VideoSettings(damaged="keep")),
        recipe(aligned=False, mesh_model=model),
        recipe(aligned=False, mesh_model=other),
        recipe(aligned=False, mesh_model=model, video=VideoSettings(min_detection=0.9)),
    ]
    assert len(set(recipes)) == len(recipes)
    # No face is searched in aligned crops: how it would be searched does not count.
    assert recipe(video=VideoSettings(min_detection=0.9), mesh_model=model) == recipes[0]
    with pytest.raises(LfnetError, match=r"video\.landmarker=null: add a node of conf/weights"):
        recipe(aligned=False)


def test_the_stated_digest_of_the_landmarker_replaces_its_file(clips, tmp_path):
    from lfnet.fingerprints import file_digest
    from lfnet.weights.weights_file import WeightsFile

    model = tmp_path / "model.task"
    model.write_bytes(b"one")
    weights = WeightsFile(name="face_landmarker", file="gone.task", sha256=file_digest(model), licence="", about="")
    cohort, cache = cohort_of(clips, aligned=False), tmp_path / "cache"
    stated = open_store(cohort, Brightness(), cache=cache, video=VideoSettings(landmarker=weights))[0]
    assert stated.recipe == open_store(cohort, Brightness(), cache=cache, mesh_model=model)[0].recipe
    with pytest.raises(LfnetError, match="lfnet weights fetch face_landmarker"):
        extract(cohort, Brightness(), cache=cache, video=VideoSettings(landmarker=weights))
    unstated = WeightsFile(name="face_landmarker", file="mine.task", sha256=None, licence="", about="", path=model)
    own = open_store(cohort, Brightness(), cache=cache, video=VideoSettings(landmarker=unstated))[0]
    assert own.recipe == stated.recipe


def test_stride_takes_every_kth_frame(clips, tmp_path):
    store = extract(cohort_of(clips), Brightness(), cache=tmp_path, stride=4)
    clip = store.read("a")
    assert clip.features[:, 3].tolist() == [0, 4, 8] and clip.meta["stride"] == "4"
    np.testing.assert_allclose(clip.time, [0, 0.16, 0.32], atol=1e-3)


def test_broken_clips_are_named_and_the_others_extracted(clips, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    pictures = [np.random.default_rng(k).integers(0, 255, (32, 32, 3), np.uint8) for k in range(40)]
    cut = truncate(write_video(tmp_path / "cut.mp4", pictures, options={"movflags": "faststart"}), 0.6)
    wide = write_video(tmp_path / "wide.mp4", [crop_picture(k, 32)[:24] for k in range(3)])
    paths = {**clips, "aa": broken, "ab": cut, "ac": wide, "d": tmp_path / "gone.mp4"}
    cohort, cache = cohort_of(paths), tmp_path / "cache"
    with pytest.raises(LfnetError) as error:
        extract(cohort, Brightness(), cache=cache)
    message = str(error.value)
    assert message.startswith("4 of 7 clips could not be read; the others are extracted.")
    for line in ("aa: ", "ab: ", "ac: its frames are 32 × 24", "d: "):
        assert f"\n  {line}" in message
    for name in ("broken.mp4", "cut.mp4", "gone.mp4"):
        assert name in message
    assert open_store(cohort, Brightness(), cache=cache)[1] == ["aa", "ab", "ac", "d"]
    again = Brightness()
    with pytest.raises(LfnetError, match="4 of 7"):
        extract(cohort, again, cache=cache)
    assert sum(again.batches) < 40  # of the readable clips, nothing
    kept = extract(cohort_of({"ab": cut}), Brightness(), cache=cache, video=VideoSettings(damaged="keep")).read("ab")
    assert 0 < len(kept.time) < 40 and "only the frames up to" in kept.meta["notes"]


def test_a_long_list_of_broken_clips_is_shortened(tmp_path):
    paths = {f"{number:03d}": tmp_path / f"{number}.mp4" for number in range(50)}
    with pytest.raises(LfnetError) as error:
        extract(cohort_of(paths), Brightness(), cache=tmp_path / "cache")
    assert "and 30 more" in str(error.value) and len(str(error.value).splitlines()) == 23


def test_faults_that_concern_no_clip_stop_at_once(clips, tmp_path, monkeypatch):
    encoder = Brightness()

    def lacking(faces):
        encoder.batches.append(len(faces))
        raise LfnetError("weights w are missing")

    monkeypatch.setattr(encoder, "encode", lacking)
    with pytest.raises(LfnetError, match=r"^weights w are missing$"):
        extract(cohort_of(clips), encoder, cache=tmp_path / "cache")
    assert len(encoder.batches) == 1

    def full(path):
        raise LfnetError("cannot write: no space left")

    monkeypatch.setattr("lfnet.features.feature_file.atomic_path", full)
    with pytest.raises(LfnetError, match=r"^cannot write: no space left$"):
        extract(cohort_of(clips), Brightness(), cache=tmp_path / "cache")


class Own:
    """Ready vectors: the clip's name as a number."""

    stream, recipe = "ready", "r" * 64

    def __init__(self) -> None:
        self.made: list[str] = []

    def source(self, clip_id: str) -> str:
        if clip_id == "gone":
            raise LfnetError("gone.npy does not exist.")
        return f"source of {clip_id}"

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if clip_id == "broken":
            raise LfnetError("broken.npy has no rows.")
        self.made.append(clip_id)
        return np.full((3, 2), ord(clip_id[0]), np.float32), np.ones(3, bool), np.arange(3) / 30


def test_a_cohort_with_its_own_vectors(tmp_path):
    own = Own()
    cohort = cohort_of({"x": Path("x.npy"), "y": Path("y.npy")}, own=own)
    store = extract(cohort, None, cache=tmp_path)
    assert store.stream == "ready" and store.read("y").features.tolist() == [[ord("y")] * 2] * 3
    extract(cohort, cache=tmp_path)
    assert own.made == ["x", "y"]
    assert str(estimate(cohort, cache=tmp_path)) == "nothing to extract"
    with pytest.raises(LfnetError, match=r"has its own vectors.*encoder=none"):
        extract(cohort, Brightness(), cache=tmp_path)
    with pytest.raises(LfnetError, match=r"encoder\.stride=1"):
        extract(cohort, cache=tmp_path, stride=2)
    bad = cohort_of({name: Path(f"{name}.npy") for name in ("broken", "gone", "x")}, own=own)
    with pytest.raises(
        LfnetError, match=r"2 of 3 clips[^$]*broken: broken\.npy has no rows[^$]*gone: gone\.npy does not"
    ):
        extract(bad, cache=tmp_path)


def test_encoders_that_do_not_fit(clips, tmp_path):
    with pytest.raises(LfnetError, match="choose an encoder"):
        extract(cohort_of(clips), None, cache=tmp_path)
    with pytest.raises(LfnetError, match="clip z of cohort made holds ready features"):
        extract(cohort_of({**clips, "z": Path("z.npy")}), Brightness(), cache=tmp_path)
    with pytest.raises(LfnetError, match=r"encoder\.stride=0: give a whole number of 1 or more"):
        extract(cohort_of(clips), Brightness(), cache=tmp_path, stride=0)
    with pytest.raises(LfnetError, match=r"encoder\.batch_size=0: give a whole number of 1 or more"):
        extract(cohort_of(clips), Brightness(), cache=tmp_path, batch_size=0)


def test_encoders_that_need_the_landmarker(clips):
    encoder, mesh = Brightness(), Brightness()
    mesh.needs = frozenset({"mesh"})
    assert needs_landmarker(cohort_of(clips, aligned=False), [encoder])
    assert not needs_landmarker(cohort_of(clips), [encoder]) and needs_landmarker(cohort_of(clips), [encoder, mesh])
    assert not needs_landmarker(cohort_of({"x": Path("x.npy")}, own=Own()), [])
    mesh.needs = frozenset({"skin"})
    assert needs_landmarker(cohort_of(clips), [mesh])


def test_a_missing_landmarker_is_said_once_and_first(clips, tmp_path, libraries):
    model = tmp_path / "model.task"
    model.write_bytes(b"no model")
    with pytest.raises(LfnetError, match=r"^\S*model\.task cannot be used"):
        extract(cohort_of(clips, aligned=False), Brightness(), cache=tmp_path / "cache", mesh_model=model)


def test_leftovers_of_killed_runs_are_removed_and_files_of_running_ones_are_not(clips, tmp_path):
    cohort, cache = cohort_of(clips), tmp_path / "cache"
    folder = open_store(cohort, Brightness(), cache=cache)[0].folder
    folder.mkdir(parents=True)
    for leftover in (folder / ".a.safetensors-1.part", folder.parent / ".a.lock"):
        leftover.write_bytes(b"half")
    with atomic_path(folder / "b.safetensors") as running:
        extract(cohort, Brightness(), cache=cache)
        assert {path.name for path in folder.glob(".*")} == {running.name}
    assert not list(folder.parent.glob(".*"))


def test_the_estimate(clips, tmp_path):
    """Frames are counted exactly; seconds are those of a sample, whatever the machine."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    cohort, cache = cohort_of({"0": broken, **clips}), tmp_path / "cache"
    found = estimate(cohort, Brightness(), cache=cache)
    assert (found.clips, found.frames) == (4, 20) and found.seconds > 0
    assert str(found).startswith("4 clips, 20 frames to extract: about ")
    assert estimate(cohort, Brightness(), cache=cache, stride=3).frames == 4 + 2 + 2
    assert not (cache / "features").exists()
    extract(cohort_of(clips), Brightness(), cache=cache)
    done = estimate(cohort_of(clips), Brightness(), cache=cache)
    assert (done.clips, done.frames, str(done)) == (0, 0, "nothing to extract")
    unknown = estimate(cohort_of({"0": broken}), Brightness(), cache=cache)
    assert unknown.seconds is None and str(unknown) == "1 clip to extract"


@pytest.mark.parametrize(
    ("terminal", "progress", "shown"), [(False, True, False), (True, False, False), (True, True, True)]
)
def test_the_bar_is_for_terminals(clips, tmp_path, monkeypatch, capsys, terminal, progress, shown):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    extract(cohort_of(clips), Brightness(), cache=tmp_path / "cache", progress=progress)
    said = capsys.readouterr().err
    assert bool(said) == shown
    if shown:
        assert "clip 3 of 3 (c)" in said and "20/20" in said and "frame/s" in said


def test_a_finished_sweep_reads_no_video_again(clips, tmp_path, monkeypatch):
    """Digests are remembered, but not believed of what had just changed: it may change again under its time stamp."""
    cache = tmp_path / "cache"
    cohort = cohort_of(clips)
    read: list[str] = []
    original = file_digest
    for room in (sources, fingerprints):
        monkeypatch.setattr(room, "file_digest", lambda path: read.append(Path(path).name) or original(path))
    extract(cohort, Brightness(), cache=cache)
    fresh = sorted(read)
    assert len(fresh) == 6
    read.clear()
    assert open_store(cohort, Brightness(), cache=cache)[1] == [] and sorted(read) == fresh
    for path in (clips["a"], clips["b"], *clips["c"].iterdir()):
        os.utime(path, (time.time() - 60,) * 2)
    for expected in (fresh, []):
        read.clear()
        assert open_store(cohort, Brightness(), cache=cache)[1] == []
        assert sorted(read) == expected
    for note in (cache / "digests").iterdir():
        note.write_text("broken")
    assert open_store(cohort, Brightness(), cache=cache)[1] == []


def test_digests_of_what_cannot_be_read(tmp_path):
    with pytest.raises(LfnetError, match=r"gone\.mp4 does not exist"):
        Sources(tmp_path).file(tmp_path / "gone.mp4")


def test_memory_does_not_grow_with_a_video(tmp_path, monkeypatch):
    """A video of 600 frames through decoder, pass and store: alive are the picture at work and those read ahead."""
    path = write_video(tmp_path / "long.mp4", [crop_picture(number, 32) for number in range(600)])
    alive: set[int] = set()
    counts: list[int] = []
    original = decode._rgb

    def counted(*given):
        counts.append(len(alive))
        rgb = original(*given)
        alive.add(id(rgb))
        weakref.finalize(rgb, alive.discard, id(rgb))
        return rgb

    monkeypatch.setattr(decode, "_rgb", counted)
    gc.collect()
    store = extract(cohort_of({"long": path}), Brightness(16), cache=tmp_path / "cache", batch_size=8)
    assert store.shape("long") == (600, 4) and len(counts) == 600
    assert max(counts) <= decode.AHEAD + 2


def test_versions_are_told(clips, tmp_path):
    store = extract(cohort_of(clips), Brightness(), cache=tmp_path / "cache")
    assert store.read("a").meta["versions"].startswith("av ") and "ai-edge-litert" in store.read("a").meta["versions"]
    assert job_module.version("av") in store.read("a").meta["versions"]


def test_simulated_clips_that_threads_generate_are_those_of_one_thread(tmp_path):
    settings = {"recordings": {"train": 4, "dev": 2, "test": 2}, "dim": 16, "people": None}
    node = composed("cohort=simulated", root=tmp_path)[0]["cohort"]
    cohort = instantiate({**node, **settings}, "cohort")
    names = list(cohort.clips["clip_id"])
    some = extract(replace(cohort, clips=cohort.clips[cohort.clips["clip_id"].isin(names[2:9:3])]), cache=tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in some.folder.iterdir()}
    store = extract(cohort, cache=tmp_path)  # passes over those
    again = instantiate({**node, **settings}, "cohort").own
    for name in names:
        features, valid, _ = again.clip(name)
        np.testing.assert_array_equal(store.read(name).features, features)
        np.testing.assert_array_equal(store.read(name).valid, valid)
    assert len(before) == 3
    assert all((store.folder / name).stat().st_mtime_ns == when for name, when in before.items())
