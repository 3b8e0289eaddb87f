"""Whether a clip shows one person: other faces than the person's, another person after a cut, a turned face."""

from itertools import combinations

import numpy as np
import pytest

from lfnet.features.people import Looks, People, describe_look
from lfnet.features.video_pass import run_pass
from lfnet.video.align import TEMPLATE_112
from lfnet.video.decode import Frame, frames
from lfnet.video.faces import Box, Mesh
from lfnet.video.mesh import FaceMesh
from lfnet.video.settings import VideoSettings
from tests.features.heads import Meshes, checked, film, head, landmarker, place
from tests.video.test_align import mesh_at

ONE, OTHER, THIRD = "obama/obama.jpg", "rose_leslie/img1.jpg", "alex_lacamoire/img1.jpg"


@pytest.fixture(scope="module")
def heads(shared, libraries):
    return [head(shared, name) for name in (ONE, OTHER, THIRD)]


@pytest.fixture(scope="module")
def libraries():
    from lfnet.video.backends import missing

    if said := missing():
        pytest.skip("; ".join(said))


def seconds(count: float, start: float = 0.0) -> list[float]:
    return [start + number / 5 for number in range(round(5 * count))]


# --- looks ------------------------------------------------------------------------------------------------------------


def look(angle: float) -> np.ndarray:
    """A look of length 1; two of them differ by twice the sine of half the angle between them."""
    return np.array([np.cos(angle), np.sin(angle), *[0.0] * 254], np.float32)


def notes_of(looks) -> list[str]:
    made = Looks()
    for number, one in enumerate(looks):
        made.add(number / 5, one)
    return made.notes()


def test_a_look_is_the_same_in_other_light_and_none_without_contrast(libraries):
    squares = np.random.default_rng(0).integers(0, 120, (14, 14, 1))
    rgb = np.kron(squares, np.ones((8, 8, 3))).astype(np.uint8)
    one, brighter = describe_look(rgb), describe_look(2 * rgb)
    assert one.shape == (256,) and np.linalg.norm(one) == pytest.approx(1) and abs(one.mean()) < 1e-6
    np.testing.assert_allclose(one, brighter, atol=0.01)
    assert describe_look(np.full((112, 112, 3), 80, np.uint8)) is None


def test_a_head_that_turns_step_by_step_stays_one_person_however_far():
    turning = [look(angle) for angle in np.arange(0, np.pi, 0.3)]
    assert np.linalg.norm(turning[0] - turning[-1]) > 1.9
    assert notes_of([each for each in turning for _ in range(30)]) == []


def test_a_look_far_from_all_others_is_another_person_if_it_lasts():
    one, other = [look(0.0)] * 40, [look(np.pi / 2)] * 30
    (note,) = notes_of([*one, *other, *one])
    assert note.startswith("the face looks like another person's: 8.0–13.8 s (cut the video where the person changes")
    assert notes_of([*one, *other[:2], *one]) == []
    (note,) = notes_of([*one, *other[:10], *one])
    assert note == "not checked whether the face is the same person's, since it is shown too briefly: 8.0–9.8 s"


def test_the_person_is_the_one_shown_longest_and_another_may_come_twice():
    one, other = [look(0.0)] * 50, [look(np.pi / 2)] * 30
    (note,) = notes_of([*other, *one, *other, *one])
    assert "0.0–5.8 s, 16.0–21.8 s" in note


def test_a_bridge_between_two_looks_joins_them_also_afterwards():
    one, other, bridge = [look(0.0)] * 30, [look(1.2)] * 30, [look(0.6)]
    assert len(notes_of([*one, *other])) == 1 and notes_of([*one, *other, *bridge]) == []


def test_memory_grows_with_how_much_the_face_moves_and_not_with_the_clip():
    still = Looks()
    for number in range(2000):
        still.add(number / 5, look(0.02 * np.sin(number)))
    assert still._number == 1


# --- second faces -----------------------------------------------------------------------------------------------------


def second(*others: Box, time: float = 0.0) -> tuple[Frame, Mesh]:
    points = mesh_at(TEMPLATE_112)
    return Frame(0, time, np.zeros((4, 4, 3), np.uint8)), Mesh(points, np.zeros(52), np.eye(4), 1, others)


def test_a_second_face_counts_from_half_the_size_of_the_persons(libraries):
    _, person = second()
    side = person.box.area**0.5
    people = People()
    for time, width in enumerate((0.4, 0.49, 0.51, 1.0, 2.0, None, 1.0)):
        near = () if width is None else (Box(200, 0, 200 + width * side, width * side),)
        people.add(*second(*near, time=float(time)))
    (note,) = [text for text in people.notes() if "second" in text]
    assert note.startswith("a second face next to the person's in 4 of 7 checks: 2.0–4.0 s, 6.0 s (video.faces=2")


# --- made films -------------------------------------------------------------------------------------------------------


def test_two_people_side_by_side_are_noted_and_either_can_be_followed(shared, heads):
    left, right, _ = heads
    images = [place(right, t, 480, 260, place(left, t, 160, 280)) for t in seconds(6)]
    (note,) = checked(shared, images).people
    assert note.startswith("a second face next to the person's in 2 of 2 checks: 0.0–5.0 s")
    for person, low in (("left", 0), ("right", 320), ("largest", 0)):
        with FaceMesh(landmarker(shared), VideoSettings(faces=2, person=person)) as mesh:
            for frame in film(images[:6]):
                box = mesh.find(frame.rgb, frame.time).box
                assert low < (box.left + box.right) / 2 < low + 320
    found = checked(shared, images[:6], faces=2)
    assert found.people == () and found.crowded == 6


def test_a_small_face_in_the_background_is_no_second_person(shared, heads):
    person, poster, _ = heads
    images = [place(person, t, 220, 330, place(poster, t, 540, 130)) for t in seconds(1)]
    with FaceMesh(landmarker(shared)) as mesh:
        face = mesh.find(images[0])
    assert [round((other.area / face.box.area) ** 0.5, 1) for other in face.others] == [0.4]
    assert checked(shared, images).people == ()


def test_a_second_person_who_comes_later_is_noted_with_the_time(shared, heads):
    person, visitor, _ = heads
    alone = [place(person, t, 160, 280) for t in seconds(6)]
    both = [place(visitor, t, 480, 260, place(person, t, 160, 280)) for t in seconds(6, 6)]
    (note,) = checked(shared, [*alone, *both]).people
    assert "in 1 of 3 checks: 10.0 s" in note


def test_another_person_after_a_cut_at_the_same_place_is_noted(shared, heads):
    one, other, _ = heads
    images = [place(one, t) for t in seconds(6)] + [place(other, t) for t in seconds(5.2)]
    found = checked(shared, images)
    assert found.jumps == 0 and found.valid.all()
    (note,) = found.people
    assert note.startswith("the face looks like another person's: 6.0–11.0 s (cut the video where the person changes")


def test_one_person_with_a_cut_or_a_pause_is_one_person(shared, heads):
    one, _, third = heads
    empty = [np.full((360, 640, 3), 90, np.uint8)] * 15
    part, later = [place(one, t) for t in seconds(6)], [place(one, t, 200, 280) for t in seconds(6, 40)]
    assert checked(shared, [*part, *later]).people == ()
    found = checked(shared, [*part, *empty, *later])
    assert found.people == () and "no face for a second or more" in found.notes()[0]
    (note,) = checked(shared, [*part, *empty, *[place(third, t) for t in seconds(5.2)]]).people
    assert "another person's: 9.0–14.0 s" in note


@pytest.mark.parametrize(
    ("turns", "said"), [(1, "a quarter turn counterclockwise"), (2, "upside down"), (3, "a quarter turn clockwise")]
)
def test_a_turned_face_is_noted(shared, heads, turns, said):
    images = [np.rot90(place(heads[0], t), turns) for t in seconds(2)]
    assert checked(shared, images).people == (f"the face is {said} in 10 of 10 frames that were checked",)


def test_a_stream_that_ends_early_is_told_of_its_own_part(shared, heads):
    one, other, _ = heads
    images = [place(one, t) for t in seconds(5.2)] + [place(other, t) for t in seconds(5.2)]
    with FaceMesh(landmarker(shared)) as mesh:
        short, whole = run_pass(film(images), mesh, [Meshes(26), Meshes()], check_people=True)
    with FaceMesh(landmarker(shared)) as mesh:
        (alone,) = run_pass(film(images), mesh, [Meshes(26)], check_people=True)
    assert short.people == alone.people == () and len(whole.people) == 1
    assert run_pass(film(images[:5]), FaceInTheMiddle(), [Meshes()])[0].people is None


class FaceInTheMiddle:
    def find(self, rgb, time):
        return second()[1]


# --- error rates ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_no_real_film_of_one_person_has_a_note(shared, libraries):
    """All films of shared/media show one person or none; each frame, and every 25th."""
    for path in sorted([*(shared / "media").glob("*.mp4"), *(shared / "media").glob("*.mov")]):
        for stride in (1, 25):
            with FaceMesh(landmarker(shared)) as mesh:
                found = run_pass(frames(path, stride=stride), mesh, [Meshes()], check_people=True)[0]
            assert found.people == (), (path.name, stride)


@pytest.mark.long
def test_error_rates_of_looks(shared, libraries):
    """The numbers of docs/people.md: pairs of photographed people, and parts of a lively person's film."""
    looks, media = {}, shared / "media"
    for path in sorted((media / "faces").glob("*/*")):
        still = head(shared, f"{path.parent.name}/{path.name}")
        looks[path] = looks_of(shared, film([place(still, t) for t in seconds(5.2)]))[:25]
    pairs = [(a, b) for a, b in combinations(looks, 2) if a.parent != b.parent]
    noted = sum("another person's" in "".join(notes_of([*looks[a], *looks[b]])) for a, b in pairs)
    assert (noted, len(pairs)) == (31, 32)
    film_looks = looks_of(shared, frames(media / "WolfgangLanger_Pexels.mp4"))
    number = len(film_looks)
    found = {}
    for length in (25, 40):
        parts = [
            (i, j) for i in range(0, number - length + 1, 3) for j in range(i + length + 5, number - length + 1, 3)
        ]
        cut = [notes_of([*film_looks[i : i + length], *film_looks[j : j + length]]) for i, j in parts]
        found[length] = sum("another person's" in "".join(notes) for notes in cut), len(cut)
    assert found == {25: (2, 105), 40: (0, 10)}


def looks_of(shared, images) -> list[np.ndarray]:
    """The looks of a film of one person, five a second."""
    people = People()
    found: list[np.ndarray] = []
    people._looks.add = lambda time, one: found.append(one)
    with FaceMesh(landmarker(shared)) as mesh:
        for frame in images:
            people.add(frame, mesh.find(frame.rgb, frame.time))
    return found
