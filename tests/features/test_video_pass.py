"""One pass over a clip: batches of consumers, summaries, and memory."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from lfnet.errors import Unreadable
from lfnet.features.consumers import FrameConsumer, PassSummary
from lfnet.features.video_pass import run_pass
from lfnet.video.align import TEMPLATE_112, five_points
from lfnet.video.decode import Frame
from lfnet.video.faces import Faces, Mesh
from tests.features.fakes import Brightness, crop_picture
from tests.video.test_align import mesh_at


def made(count: int, side: int = 24) -> Iterator[Frame]:
    for number in range(count):
        yield Frame(number, number / 25, crop_picture(number, side))


class FakeMesh:
    """Finds a face in frames whose number is not in `missing`; two faces in those of `crowded`."""

    def __init__(self, missing: set[int] = frozenset(), crowded: set[int] = frozenset()) -> None:
        self.missing, self.crowded, self.number = missing, crowded, -1

    def find(self, rgb: np.ndarray, time: float) -> Mesh | None:
        self.number += 1
        if self.number in self.missing:
            return None
        shapes = np.full(52, self.number, np.float32)
        return Mesh(mesh_at(TEMPLATE_112), shapes, np.eye(4, dtype=np.float32), 1 + (self.number in self.crowded))


class Kept:
    """A consumer that keeps what it was fed."""

    def __init__(self, crop_size: int | None, *needs: str, most: int | None = None) -> None:
        self.crop_size, self.needs, self.max_faces = crop_size, frozenset(needs), most
        self.batches: list[Faces] = []

    def take(self, faces: Faces) -> None:
        self.batches.append(faces)


def test_frames_without_a_face_are_nan_and_not_valid(libraries):
    encoder = Brightness(112)
    vectors = FrameConsumer(encoder)
    (passed,) = run_pass(made(10), FakeMesh({0, 4, 5}, {7, 8}), [vectors], batch_size=3)
    clip = vectors.clip(passed, {"a": "b"})
    assert clip.valid.tolist() == [False, True, True, True, False, False, True, True, True, True]
    assert np.isnan(clip.features[~clip.valid]).all() and np.isfinite(clip.features[clip.valid]).all()
    assert clip.features[clip.valid, 3].tolist() == [1, 2, 3, 6, 7, 8, 9]
    np.testing.assert_allclose(clip.time, np.arange(10) / 25)
    assert encoder.batches == [3, 3, 1] and clip.meta == {"a": "b"}
    assert passed.crowded == 2 and passed.size == (24, 24)


def test_a_clip_without_any_face():
    vectors = FrameConsumer(Brightness(112))
    clip = vectors.clip(*run_pass(made(3), FakeMesh({0, 1, 2}), [vectors]), {})
    assert clip.features.shape == (3, 4) and np.isnan(clip.features).all() and clip.coverage == 0


def test_one_pass_feeds_several_consumers(libraries):
    """Two encoders of other sizes and one of the mesh alone see the same frames; each face is found once."""
    mesh = FakeMesh({2})
    small, large, meshes = Kept(56, "crops", "mesh"), Kept(112, "crops"), Kept(None, "mesh")
    run_pass(made(7), mesh, [small, large, meshes], batch_size=4)
    assert mesh.number == 6
    for kept in (small, large, meshes):
        assert [batch.index.tolist() for batch in kept.batches] == [[0, 1, 3, 4], [5, 6]]
    for kept in (small, meshes):
        assert kept.batches[0].blendshapes_NB[:, 0].tolist() == [0, 1, 3, 4]
        assert kept.batches[0].landmarks_NLC.shape == (4, 478, 3) and kept.batches[0].pose_N44.shape == (4, 4, 4)
    assert small.batches[0].crops_NHWC.shape == (4, 56, 56, 3)
    assert large.batches[1].crops_NHWC.shape == (2, 112, 112, 3)
    assert meshes.batches[0].crops_NHWC is None and meshes.batches[0].points_NL2 is None
    assert large.batches[0].landmarks_NLC is None, "nobody is given what it did not ask for"
    np.testing.assert_allclose(five_points(small.batches[0].points_NL2[0]), TEMPLATE_112 / 2, atol=1e-3)


def test_aligned_frames_are_the_crops_themselves():
    kept, resized = Kept(24), Kept(12)
    passed, _ = run_pass(made(3), None, [kept, resized], aligned=True)
    (batch,), (smaller,) = kept.batches, resized.batches
    assert all(np.array_equal(batch.crops_NHWC[number], crop_picture(number)) for number in range(3))
    assert batch.landmarks_NLC is None and batch.blendshapes_NB is None and batch.pose_N44 is None
    # Half the side: each pixel is a weighted mean of its neighbourhood, none is skipped.
    np.testing.assert_allclose(smaller.crops_NHWC.mean((1, 2)), batch.crops_NHWC.mean((1, 2)), atol=1)
    assert passed.valid.all()


def test_blank_aligned_frames_hold_no_face():
    blank = [Frame(1, 0.04, np.zeros((24, 24, 3), np.uint8)), Frame(2, 0.08, np.full((24, 24, 3), 255, np.uint8))]
    (passed,) = run_pass([*made(1), *blank], None, [Kept(24)], aligned=True)
    assert passed.valid.tolist() == [True, False, False]


def test_a_mesh_in_aligned_crops_leaves_them_as_they_are():
    kept = Kept(24, "crops", "mesh")
    (passed,) = run_pass(made(3), FakeMesh({1}), [kept], aligned=True)
    assert passed.valid.tolist() == [True, False, True]
    assert np.array_equal(kept.batches[0].crops_NHWC[1], crop_picture(2))
    assert kept.batches[0].blendshapes_NB[:, 0].tolist() == [0, 2]


def test_a_face_that_cannot_be_aligned_is_no_face(libraries):
    class Collapsed(FakeMesh):
        def find(self, rgb, time):
            found = super().find(rgb, time)
            return replace(found, landmarks_LC=np.zeros((478, 3), np.float32)) if self.number == 1 else found

    assert run_pass(made(3), Collapsed(), [Kept(112)])[0].valid.tolist() == [True, False, True]


def test_aligned_frames_must_be_square():
    wide = Frame(0, 0.0, np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8))
    with pytest.raises(Unreadable, match=r"24 × 20, .* must be square.*cohort\.aligned=false"):
        run_pass([wide], None, [Kept(16)], aligned=True)
    with pytest.raises(ValueError, match="need a mesh"):
        run_pass([wide], None, [Kept(16)])


@pytest.mark.parametrize("rows", [np.zeros((2, 4), np.float32), np.zeros((3, 4)), np.zeros((3, 5), np.float32)])
def test_an_encoder_that_breaks_its_contract(rows, monkeypatch):
    encoder = Brightness(24)
    monkeypatch.setattr(encoder, "encode", lambda faces: rows)
    with pytest.raises(ValueError, match="brightness must give float32"):
        run_pass(made(3), None, [FrameConsumer(encoder)], aligned=True)


def test_an_encoder_may_use_one_buffer_again(monkeypatch):
    encoder, buffer = Brightness(24), np.empty((2, 4), np.float32)

    def encode(faces: Faces) -> np.ndarray:
        buffer[: len(faces)] = faces.index[:, None]
        return buffer[: len(faces)]

    monkeypatch.setattr(encoder, "encode", encode)
    vectors = FrameConsumer(encoder)
    clip = vectors.clip(*run_pass(made(5), None, [vectors], aligned=True, batch_size=2), {})
    assert clip.features[:, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("mesh", [False, True])
def test_memory_is_flat(libraries, mesh):
    """Over 2,000 frames never more than one whole frame is alive when the next one is asked for."""
    alive: set[int] = set()
    most = 0

    def watched() -> Iterator[Frame]:
        nonlocal most
        for number in range(2000):
            rgb = crop_picture(number, 64)
            alive.add(number)
            weakref.finalize(rgb, alive.discard, number)
            most = max(most, len(alive))
            frame = Frame(number, number / 25, rgb)
            del rgb
            yield frame
            del frame

    gc.collect()
    vectors = FrameConsumer(Brightness(16))
    (passed,) = run_pass(watched(), FakeMesh() if mesh else None, [vectors], aligned=not mesh, batch_size=8)
    assert most == 1 and not alive
    assert isinstance(passed, PassSummary) and len(vectors.clip(passed, {}).features) == 2000


class Drifting(FakeMesh):
    """A face that moves evenly and is found at the time it is asked for."""

    def find(self, rgb: np.ndarray, time: float) -> Mesh | None:
        found = super().find(rgb, time)
        return found and replace(found, landmarks_LC=found.landmarks_LC + np.float32(100 * time))


@pytest.mark.parametrize("every", [2, 3, 5, 100])
@pytest.mark.parametrize("count", [1, 2, 7, 11])
def test_a_mesh_is_interpolated_between_searched_frames(every, count):
    """Of a face that moves evenly the points are those found in every frame, with far fewer searches."""
    seen: list[np.ndarray] = []

    def skin_means(rgb, landmarks):
        seen.append(landmarks)
        return np.zeros((3, 4), np.float32)

    often, seldom = Drifting(), Drifting()
    run_pass(made(count), often, [Kept(None, "skin")], skin_means=skin_means)
    expected, seen[:] = list(seen), []
    kept = Kept(None, "skin")
    (passed,) = run_pass(made(count), seldom, [kept], skin_means=skin_means, every=every)
    np.testing.assert_allclose(np.stack(seen), np.stack(expected), rtol=1e-5)
    assert passed.valid.all() and passed.number.tolist() == list(range(count)) and passed.jumps == 0
    assert seldom.number + 1 == 1 + -(-(count - 1) // every)


def test_no_mesh_is_interpolated_next_to_a_frame_without_a_face():
    """Searched are frames 0, 3, 6 and 8; in 3 is no face."""
    (passed,) = run_pass(
        made(9), FakeMesh({1}), [Kept(None, "skin")], skin_means=lambda rgb, points: np.zeros((3, 4)), every=3
    )
    assert passed.valid.tolist() == [True, False, False, False, False, False, True, True, True]


def test_frames_between_searched_ones_are_no_checks_for_a_second_face():
    class Checked(FakeMesh):
        def find(self, rgb: np.ndarray, time: float) -> Mesh | None:
            found = super().find(rgb, time)
            return found and replace(found, others=(found.box,) if time in (0, 0.4) else None)

    (passed,) = run_pass(
        made(21),
        Checked(),
        [Kept(None, "skin")],
        skin_means=lambda rgb, points: np.zeros((3, 4), np.float32),
        every=5,
        check_people=True,
    )
    (note,) = [note for note in passed.people or () if "second face" in note]
    assert note.startswith("a second face next to the person's in 2 of 2 checks: 0.0–0.4 s")


def test_an_interpolated_mesh_serves_skin_only():
    with pytest.raises(ValueError, match="an interpolated mesh serves consumers of skin only"):
        run_pass(made(3), FakeMesh(), [Kept(112, "crops")], every=2)


def test_few_frames_are_buffered_for_a_mesh():
    alive: list[weakref.ref] = []
    most = 0

    def watched() -> Iterator[Frame]:
        nonlocal most
        for number in range(40):
            rgb = crop_picture(number)
            alive.append(weakref.ref(rgb))
            most = max(most, sum(one() is not None for one in alive))
            yield Frame(number, number / 25, rgb)
            del rgb

    run_pass(watched(), FakeMesh(), [Kept(None, "skin")], skin_means=lambda rgb, points: np.zeros((3, 4)), every=4)
    assert most <= 4


def test_no_mesh_is_interpolated_between_two_faces():
    """Between a face and one far away stands nobody, and that there were two is told."""

    class Jumping(FakeMesh):
        def find(self, rgb: np.ndarray, time: float) -> Mesh | None:
            found = super().find(rgb, time)
            assert found is not None
            return replace(found, landmarks_LC=found.landmarks_LC + np.float32(600 * (time > 0.5)))

    (found,) = run_pass(
        made(31), Jumping(), [Kept(None, "skin")], skin_means=lambda rgb, points: np.zeros((3, 4), np.float32), every=10
    )
    assert found.jumps == 1
    assert 0 < found.valid.sum() < 31


def test_a_consumer_works_while_the_next_frames_are_read():
    """The third batch is read before the second is done; and an error of the consumer is told. The first is taken at
    once, in the thread that reads, where Ctrl-C ends a download of its network."""
    import threading

    read: list[int] = []
    go = threading.Event()

    class Slow(Kept):
        def take(self, faces: Faces) -> None:
            first = faces.index[0] == 0
            assert (threading.current_thread() is threading.main_thread()) == first
            assert first or go.wait(10)
            super().take(faces)
            if faces.index[-1] == 5:
                raise RuntimeError("the consumer broke")

    def frames() -> Iterator[Frame]:
        for frame in made(9):
            read.append(frame.number)
            if frame.number == 5:
                go.set()
            yield frame

    slow = Slow(24)
    with pytest.raises(RuntimeError, match="the consumer broke"):
        run_pass(frames(), None, [slow], aligned=True, batch_size=2)
    assert read[:6] == [0, 1, 2, 3, 4, 5]
    assert [batch.index.tolist() for batch in slow.batches] == [[0, 1], [2, 3], [4, 5]]


class FaceInTheMiddle:
    """Finds a face in the middle of frames of any size, a sixth as wide as these."""

    def find(self, rgb: np.ndarray, time: float) -> Mesh:
        height, width = rgb.shape[:2]
        unit = (mesh_at(TEMPLATE_112)[:, :2] - mesh_at(TEMPLATE_112)[:, :2].mean(axis=0)) / 112
        points = np.column_stack([unit * width / 6 + (width / 2, height / 2), np.zeros(len(unit))])
        return Mesh(points.astype(np.float32), np.zeros(52, np.float32), np.eye(4, dtype=np.float32), 1)


@pytest.mark.parametrize("every", [1, 4])
def test_a_change_of_size_is_no_other_person_and_no_mesh_lies_between_sizes(every):
    """Browsers' recordings change the size of their frames with the bandwidth."""
    sizes = [(96, 64)] * 10 + [(384, 256)] * 10 + [(48, 32)] * 10
    clip = [Frame(k, k / 25, np.full((height, width, 3), 100, np.uint8)) for k, (width, height) in enumerate(sizes)]
    kept = Kept(None, "skin")
    wide: list[tuple[float, float]] = []

    def measure(rgb: np.ndarray, landmarks_LC: np.ndarray) -> np.ndarray:
        wide.append((rgb.shape[1], float(np.ptp(landmarks_LC[:, 0]) / rgb.shape[1])))
        return np.ones((3, 4), np.float32)

    (passed,) = run_pass(clip, FaceInTheMiddle(), [kept], skin_means=measure, every=every)
    assert passed.jumps == 0 and not passed.notes()[1:]
    assert {width for width, _ in wide} == {96, 384, 48}
    shares = [share for _, share in wide]
    np.testing.assert_allclose(shares, shares[0], rtol=1e-4)
