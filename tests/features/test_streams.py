"""Several streams from one pass: each as if alone, nothing read twice; and segments of whole clips."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.encoders.blendshapes import Blendshapes
from lfnet.encoders.skin import Skin
from lfnet.errors import LfnetError
from lfnet.features import extraction_job as job_module
from lfnet.features import health
from lfnet.features.clip_notes import clip_notes
from lfnet.features.consumers import FrameConsumer
from lfnet.features.extract import estimate, extract, open_stores
from lfnet.features.video_pass import run_pass
from lfnet.video.align import TEMPLATE_112
from lfnet.video.decode import Frame
from lfnet.video.settings import VideoSettings
from tests.features import fakes
from tests.features.fakes import Brightness, Loudest, cohort_of, crop_picture, files_of
from tests.features.test_video_pass import FakeMesh, Kept, made
from tests.video.media import write_folder, write_video


@pytest.fixture
def clips(tmp_path) -> dict[str, Path]:
    """Aligned crops: a video of 20 frames and a folder of 7."""
    pictures = [crop_picture(number, 32) for number in range(20)]
    return {"a": write_video(tmp_path / "a.mp4", pictures), "b": write_folder(tmp_path / "b", pictures[:7])}


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """The numbers of the frames that are decoded, as it happens."""
    numbers: list[int] = []
    original = job_module.frames

    def counted(*given, **more):
        for frame in original(*given, **more):
            numbers.append(frame.number)
            yield frame

    monkeypatch.setattr(job_module, "frames", counted)
    return numbers


def test_one_pass_fills_all_streams_with_the_bytes_of_each_alone(clips, tmp_path, decoded):
    cohort = cohort_of(clips)
    encoders = [Brightness(), Brightness(20, name="larger"), Loudest(6), Loudest(4, segments=1)]
    encoders[3].name = "first"
    stores = extract(cohort, encoders, cache=tmp_path / "together", batch_size=3)
    assert list(stores) == ["brightness", "larger", "loudest", "first"]
    assert decoded == [*range(20), *range(7)]
    for encoder in encoders:
        alone = fakes.extract(cohort, encoder, cache=tmp_path / "alone", batch_size=3)
        together = stores[encoder.name]
        assert alone.recipe == together.recipe and len(files_of(alone.folder)) == 2
        assert files_of(alone.folder) == files_of(together.folder)


def test_a_pass_makes_only_the_streams_that_a_clip_lacks(clips, tmp_path, decoded):
    cohort, cache = cohort_of(clips), tmp_path / "cache"
    fakes.extract(cohort_of({"a": clips["a"]}), Brightness(), cache=cache)
    decoded.clear()
    encoders = [Brightness(), Loudest()]
    stores, lacking = open_stores(cohort, encoders, cache=cache)
    assert lacking == {"brightness": ["b"], "loudest": ["a", "b"]}
    before = files_of(stores["brightness"].folder)
    expected = estimate(cohort, encoders, cache=cache)
    assert (expected.clips, expected.frames) == (2, 27) and expected.seconds > 0
    encoders[0].batches.clear()
    encoders[1].lengths.clear()
    decoded.clear()
    extract(cohort, encoders, cache=cache)
    assert encoders[0].batches == [7], "clip a has its stream already"
    assert encoders[1].lengths == [6, 6, 6, 6] and decoded == [*range(20), *range(7)]
    assert before.items() <= files_of(stores["brightness"].folder).items()
    assert open_stores(cohort, encoders, cache=cache)[1] == {}
    decoded.clear()
    extract(cohort, encoders, cache=cache)
    assert decoded == []


def test_a_pass_ends_when_no_stream_wants_more(clips, tmp_path, decoded):
    cohort = cohort_of(clips)
    encoder = Loudest(4, segments=2)
    assert estimate(cohort, [encoder], cache=tmp_path / "cache").frames == 8 + 7
    decoded.clear()
    clip = fakes.extract(cohort, encoder, cache=tmp_path / "cache").read("a")
    assert decoded == [*range(8), *range(7)]
    assert clip.features[:, 3:].tolist() == [[0, 3], [4, 7]] and clip.meta["segment_frames"] == "4, 4"


def test_the_estimate_looks_for_faces_and_knows_what_a_whole_segment_costs(tmp_path, monkeypatch):
    """A clip that begins without a face tells nothing of what faces cost; nor does a short segment of a whole one."""
    blank = np.zeros((32, 32, 3), np.uint8)
    pictures = [crop_picture(number, 32) for number in range(8)]
    empty, full = write_folder(tmp_path / "a", [blank] * 8), write_folder(tmp_path / "b", pictures)
    clock = [0.0]
    monkeypatch.setattr("lfnet.features.estimate.time.perf_counter", lambda: clock[0])
    encoder = Loudest(8, crop_size=32)
    encoder.count_images = lambda frames: frames + 4 * min(2, frames)  # of 8 frames 16 pictures, of 4 frames 12

    def slow(faces):
        clock[0] += encoder.count_images(len(faces))
        return np.zeros((1, 5), np.float32)

    encoder.encode = slow
    found = estimate(cohort_of({"a": empty, "b": full}), [encoder], cache=tmp_path / "cache", sample=4)
    assert (found.frames, found.seconds) == (16, pytest.approx(16 * 16 / 8))


def test_two_encoders_of_one_name_are_refused(clips, tmp_path):
    with pytest.raises(LfnetError, match="two encoders are named brightness"):
        extract(cohort_of(clips), [Brightness(), Brightness(20)], cache=tmp_path)


def test_what_is_no_face_for_one_stream_may_be_one_for_another():
    """Aligned crops need no mesh: that another stream finds none there takes nothing from them."""
    crops, meshes = Kept(24, "crops"), Kept(None, "mesh")
    one, other = run_pass(made(4), FakeMesh({1, 2}), [crops, meshes], aligned=True)
    assert one.valid.tolist() == [True] * 4 and other.valid.tolist() == [True, False, False, True]
    assert crops.batches[0].index.tolist() == [0, 1, 2, 3] and meshes.batches[0].index.tolist() == [0, 3]


def test_skin_is_measured_in_the_whole_frame_and_only_where_it_is_asked_for(libraries):
    seen: list[int] = []

    def means(rgb, landmarks):
        assert rgb.shape == (24, 24, 3) and landmarks.shape == (478, 3)
        seen.append(int(rgb[0, 0, 0]))
        return np.full((3, 4), rgb[0, 0, 0], np.float32)

    skins, again, crops = Kept(None, "skin"), Kept(None, "skin"), Kept(112, "crops")
    run_pass(made(5), FakeMesh({3}), [skins, again, crops], skin_means=means, batch_size=2)
    assert seen == [40, 47, 54, 68], "once a frame with a face"
    found = np.concatenate([batch.skin_NRC for batch in skins.batches])
    assert found.shape == (4, 3, 4) and found[:, 0, 0].tolist() == seen
    assert crops.batches[0].skin_NRC is None and skins.batches[0].crops_NHWC is None
    with pytest.raises(ValueError, match="need skin_means"):
        run_pass(made(1), FakeMesh(), [skins])


def test_each_encoder_of_skin_has_its_own_levels_and_a_change_extracts_anew(tmp_path, monkeypatch):
    def measured(rgb, landmarks, *, bright, dark):
        return np.full((3, 4), bright + dark, np.float32)

    monkeypatch.setattr("lfnet.encoders.skin.skin_means", measured)
    streams = [FrameConsumer(Skin(bright=bright, dark=dark)) for bright, dark in ((250, 20), (240, 20), (250, 5))]
    passed = run_pass(made(3), FakeMesh({1}), streams)
    found = [vectors.clip(one, {}).features for vectors, one in zip(streams, passed, strict=True)]
    assert [clip[0, 0] for clip in found] == [270, 260, 255] and all(np.isnan(clip[1]).all() for clip in found)

    cohort = cohort_of({"x": write_folder(tmp_path / "x", [crop_picture(0)])})
    model = tmp_path / "model"
    model.write_bytes(b"a landmarker")
    recipes = {
        open_stores(cohort, [Skin(bright=bright)], cache=tmp_path, mesh_model=model)[0]["skin"].recipe
        for bright in (250, 250, 249)
    }
    assert len(recipes) == 2


# --- segments ---------------------------------------------------------------------------------------------------------


def segments(tmp_path: Path, frames: int, encoder: Loudest, blank: set[int] = frozenset()):
    """The segments of a folder of frames at 5 fps, of which some are blank, which aligners write for no face."""
    pictures = [np.zeros((16, 16, 3), np.uint8) if k in blank else crop_picture(k, 16) for k in range(frames)]
    cohort = cohort_of({"x": write_folder(tmp_path / "x", pictures)}, fps=5.0)
    store = fakes.extract(cohort, encoder, cache=tmp_path / "cache", batch_size=4)
    return store, store.read("x")


@pytest.mark.parametrize(
    ("frames", "spans", "note"),
    [
        (12, [[0, 5], [6, 11]], ""),
        (16, [[0, 5], [6, 11], [12, 15]], "the last segment is short: 4 frames with a face instead of 6"),
        (14, [[0, 5], [6, 11]], "2 frames with a face at the end, too few for a segment, were left out"),
        (2, [[0, 1]], "the clip is shorter than a segment: 2 frames with a face instead of 6"),
    ],
)
def test_clips_are_cut_into_segments(tmp_path, frames, spans, note):
    _, clip = segments(tmp_path, frames, Loudest(6, min_frames=3))
    assert clip.features[:, 3:].tolist() == spans and clip.valid.all()
    np.testing.assert_allclose(clip.time, [start / 5 for start, _ in spans])
    assert clip.meta["notes"] == note and clip.meta["per_segment"] == "true"


def test_a_stream_that_ends_before_its_clip_has_the_notes_on_times_that_it_has_alone(tmp_path):
    """Repaired times concern all frames; a damaged end does not concern a stream that ends earlier."""
    film = write_video(tmp_path / "x.mts", [crop_picture(k, 32) for k in range(20)], codec="libx264")
    film.write_bytes(film.read_bytes() * 2)
    film.write_bytes(film.read_bytes()[:-100])
    cohort, video = cohort_of({"x": film}), VideoSettings(damaged="keep")
    first, all_frames = Loudest(6, segments=1), Brightness(16)
    together = extract(cohort, [first, all_frames], cache=tmp_path / "together", video=video)
    alone = extract(cohort, [first], cache=tmp_path / "alone", video=video)["loudest"].read("x").meta
    early, late = (together[name].read("x").meta["time_notes"] for name in ("loudest", "brightness"))
    assert early == alone["time_notes"] == late.partition("; ")[0]
    assert early.startswith("the clock jumps by -0.76 s after 0.76 s") and "only the frames up to" in late
    assert clip_notes(together.values(), ["x"], "time_notes") == {"x": late}


def test_a_gap_of_seconds_is_noted_and_not_filled(tmp_path):
    store, clip = segments(tmp_path, 30, Loudest(6), blank={*range(4, 14), 20})
    assert clip.features[:, 3:].tolist() == [[0, 15], [16, 22], [23, 28]]
    assert clip.meta["coverage"] == f"{19 / 30:.4f}"
    assert "no face for a second or more: 0.8–2.8 s" in clip.meta["notes"]
    assert "segment 1 contains 2.2 s without a face" in clip.meta["notes"] and "segment 2" not in clip.meta["notes"]
    assert health.check(store, ["x"]).problems == []


def test_a_clip_without_a_face_has_one_segment_that_is_not_valid(tmp_path):
    encoder = Loudest()
    store, clip = segments(tmp_path, 9, encoder, blank=set(range(9)))
    assert encoder.lengths == [] and clip.features.shape == (1, 5)
    assert np.isnan(clip.features).all() and not clip.valid.any()
    assert clip.meta["notes"] == "no face in any of 9 frames; no frame with a face: the clip has no segment"
    assert health.check(store, ["x"]).problems[0].what == "no face in any of 1 segments"


def test_a_segment_encoder_that_breaks_its_contract(tmp_path, monkeypatch):
    encoder = Loudest()
    monkeypatch.setattr(encoder, "encode", lambda faces: np.zeros((len(faces), 5), np.float32))
    with pytest.raises(ValueError, match=r"loudest must give float32 \(1, 5\), gave float32 \(6, 5\)"):
        segments(tmp_path, 9, encoder)


def test_memory_holds_one_segment(tmp_path):
    """The encoder is handed views of one buffer, which is the size of a segment."""
    encoder, owners = Loudest(50), set()
    original = encoder.encode

    def watched(faces):
        owners.add((id(faces.crops_NHWC.base), faces.crops_NHWC.base.nbytes))
        return original(faces)

    encoder.encode = watched
    segments(tmp_path, 210, encoder)
    assert len(owners) == 1 and next(iter(owners))[1] == 50 * 16 * 16 * 3


# --- notes on a clip --------------------------------------------------------------------------------------------------


def notes_of(frames, mesh, **settings) -> list[str]:
    kept = Kept(None, "mesh")
    return run_pass(frames, mesh, [kept], **settings)[0].notes()


def test_two_faces_are_noted():
    assert notes_of(made(9), FakeMesh(set(), {2, 3})) == [
        "more than one face in 2 of 9 frames: the one of video.person was taken first, and then the one with the "
        "largest overlap with the previous one"
    ]


def test_a_face_that_jumps_is_noted():
    class Elsewhere(FakeMesh):
        def find(self, rgb, time):
            found = super().find(rgb, time)
            if self.number in (3, 4):
                found.landmarks_LC[:, 0] += 500
            return found

    assert notes_of(made(9), Elsewhere()) == ["the face jumped to another place 2 times: it may be another person's"]


def test_greyscale_is_noted():
    def grey(count):
        for frame in made(count):
            yield Frame(frame.number, frame.time, np.repeat(frame.rgb.mean(-1, keepdims=True).astype(np.uint8), 3, -1))

    assert notes_of(grey(4), FakeMesh()) == [
        "greyscale: no frame with a face has colour, so that skin colour is unknown"
    ]
    some = [*grey(3), *[Frame(3 + frame.number, 1 + frame.time, frame.rgb) for frame in made(2)]]
    assert notes_of(some, FakeMesh()) == ["3 of 5 frames with a face are greyscale"]
    assert notes_of(made(4), FakeMesh()) == []


# --- real video -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("libraries")
def test_streams_of_a_real_clip_are_those_of_each_alone(shared, tmp_path, decoded):
    model = shared / "weights" / "face_landmarker.task"
    cohort = cohort_of({"clip": shared / "media" / "noface_face.mov"}, aligned=False)
    encoders = [Blendshapes(), Skin(), Brightness(56), Loudest(10, crop_size=56)]
    settings = {"mesh_model": model, "stride": 6}
    stores = extract(cohort, encoders, cache=tmp_path / "together", **settings)
    frames = len(decoded)
    for encoder in encoders:
        alone = fakes.extract(cohort, encoder, cache=tmp_path / "alone", **settings)
        assert files_of(alone.folder) == files_of(stores[encoder.name].folder)
    assert len(decoded) == frames * (1 + len(encoders))
    skin = stores["skin"].read("clip")
    assert skin.features.shape[1] == 12 and 0.3 < skin.coverage < 0.6
    red, green, blue, pixels = skin.features[skin.valid, :4].T
    assert (pixels > 100).mean() > 0.9 and (red > green).mean() > 0.9 and (red > blue).mean() > 0.9
    assert "no face for a second or more" in skin.meta["notes"]


def test_points_lie_in_the_crop_where_the_template_says(libraries):
    kept = Kept(224, "crops", "mesh")
    run_pass(made(1), FakeMesh(), [kept])
    from lfnet.video.align import five_points

    np.testing.assert_allclose(five_points(kept.batches[0].points_NL2[0]), TEMPLATE_112 * 2, atol=1e-3)
    scaled = Kept(48, "crops", "mesh")
    run_pass(made(1), FakeMesh(), [scaled], aligned=True)
    np.testing.assert_allclose(five_points(scaled.batches[0].points_NL2[0]), (TEMPLATE_112 + 0.5) * 2 - 0.5, atol=1e-3)
