"""Copies by frames and by features over time; clips of one face, of one scene, or of few events are not copies."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, shift

from lfnet.audit.courses import Copy, feature_copies, frame_copies, max_correlation
from lfnet.features.clip_summaries import ClipSummaries, summarise_clips
from lfnet.features.thumbnails import clip_thumbnails


def made_clips(seed: int = 0, n: int = 24, frames: int = 200, faces: int = 4) -> list[np.ndarray]:
    """Features of clips of `faces` people: a face, a slow drift of the head, and noise."""
    random = np.random.default_rng(seed)
    face = random.standard_normal((faces, 24))
    made = []
    for i in range(n):
        drift = np.cumsum(random.standard_normal((frames, 24)) * 0.05, axis=0)
        made.append((face[i % faces] + drift + 0.15 * random.standard_normal((frames, 24))).astype(np.float32))
    return made


def pooled(made: list[np.ndarray], fps: list[float] | None = None) -> ClipSummaries:
    rates = fps or [30.0] * len(made)

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = int(clip_id[1:])
        x = made[number]
        return x, np.ones(len(x), bool), np.arange(len(x)) / rates[number]

    return summarise_clips(read, [f"c{i}" for i in range(len(made))])


def found(made: list[np.ndarray], fps: list[float] | None = None) -> set[tuple[str, str]]:
    return {tuple(sorted((copy.first, copy.second))) for copy in compared(pooled(made, fps))}  # type: ignore[misc]


def compared(pool: ClipSummaries) -> list[Copy]:
    recordings = np.array([f"r{i}" for i in range(len(pool.clip_ids))])
    return feature_copies(pool, recordings, 0.8, 0.5, 0)


@pytest.mark.parametrize("seed", range(5))
def test_clips_of_the_same_faces_are_no_copies(seed: int) -> None:
    assert found(made_clips(seed)) == set()


def test_equal_features_are_copies() -> None:
    made = made_clips()
    made[7] = made[2].copy()
    pairs = compared(pooled(made))
    assert {(copy.first, copy.second, copy.how) for copy in pairs} >= {("c2", "c7", "equal features")}


@pytest.mark.parametrize("change", ["noise", "cut", "begins later", "half the frames"])
def test_a_reencoded_or_cut_clip_is_found(change: str) -> None:
    made, fps = made_clips(), [30.0] * 24
    random = np.random.default_rng(1)
    copy = made[2] + 0.05 * random.standard_normal(made[2].shape).astype(np.float32)
    if change == "cut":
        copy = copy[:120]
    elif change == "begins later":
        copy = copy[45:]
    elif change == "half the frames":
        copy, fps[9] = copy[::2], 15.0
    made[9] = copy
    assert found(made, fps) == {("c2", "c9")}


def test_max_correlation_is_the_correlation_at_the_best_shift() -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((100, 3)).astype(np.float32)
    assert max_correlation(a, a, 0.5) == pytest.approx(1)
    b = a[20:90] + 0.5 * random.standard_normal((70, 3)).astype(np.float32)
    wanted = (a[20:90] * b).sum() / np.sqrt((a[20:90] ** 2).sum() * (b**2).sum())
    assert max_correlation(a, b, 1.0) == pytest.approx(wanted, abs=1e-5)
    assert max_correlation(b, a, 1.0) == pytest.approx(wanted, abs=1e-5)
    by_hand = max(
        (a[shift : shift + 70] * b).sum() / np.sqrt((a[shift : shift + 70] ** 2).sum() * (b**2).sum())
        for shift in range(31)
    )
    assert max_correlation(a, b, 1.0) == pytest.approx(by_hand, abs=1e-5)
    assert max_correlation(a, -a, 0.5) < 0.5


def test_still_short_and_broken_clips_are_skipped() -> None:
    made = made_clips()
    made[0] = np.repeat(made[0][:1], 200, axis=0)
    made[1] = made[1][:3]
    made[3] = np.full_like(made[3], np.nan)
    assert found(made) == set()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda r: sparse(r, 100, 5), id="five events of 100"),
        pytest.param(lambda r: np.eye(4)[r.integers(0, 4, 12)], id="one-hot, 12 rows"),
        pytest.param(lambda r: np.cumsum(r.standard_normal((300, 1)), axis=0), id="random walk"),
        pytest.param(lambda r: np.linspace(0, r.uniform(1, 9), 300)[:, None], id="ramp"),
        pytest.param(lambda r: r.random((400, 3)) < 0.02, id="three units, rarely active"),
        pytest.param(lambda r: scaled(r.standard_normal((60, 1))), id="scaled to mean 0 and SD 1"),
        pytest.param(lambda r: np.zeros((50, 2)), id="zeros"),
    ],
)
def test_legitimate_features_make_no_copies(make) -> None:  # type: ignore[no-untyped-def]
    for seed in range(5):
        random = np.random.default_rng(seed)
        assert found([np.asarray(make(random), np.float32) for _ in range(8)]) == set()


def sparse(random: np.random.Generator, rows: int, events: int) -> np.ndarray:
    x = np.zeros((rows, 1))
    x[random.choice(rows, events, replace=False)] = 1
    return x


def scaled(x: np.ndarray) -> np.ndarray:
    """As in public archives of series: all means and lengths are equal, to the last bit."""
    x = np.concatenate([x, -x])
    return np.asarray(x / x.std())


def test_equal_frames_count_and_equal_means_do_not() -> None:
    """Of 50 series with one mean and length, the three pairs with equal frames are found, and no other pair."""
    random = np.random.default_rng(0)
    made = [scaled(random.standard_normal((20, 2))).astype(np.float32) for _ in range(50)]
    for one, other in ((1, 20), (2, 30), (3, 40)):
        made[other] = made[one].copy()
    assert len({x.mean(axis=0, dtype=np.float64).tobytes() for x in map(np.sort, made)}) < 50
    assert found(made) == {("c1", "c20"), ("c2", "c30"), ("c3", "c40")}


# Films: a textured head that wanders over a background by a pixel or two, in 160 x 120 pixels.
SIZE, FPS, SECONDS = (120, 160), 12, 9


def film(scene: int, seed: int) -> list[np.ndarray]:
    texture = np.random.default_rng(scene)
    background, head = (gaussian_filter1d(gaussian_filter1d(texture.standard_normal(SIZE), 5, 0), 5, 1) for _ in "ab")
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    inside = np.exp(-((((x - 80) / 40) ** 2 + ((y - 55) / 40) ** 2) ** 2))
    random = np.random.default_rng([scene, seed])
    way = np.stack([gaussian_filter1d(random.standard_normal(FPS * SECONDS), FPS / 3) for _ in "xy"], axis=1)
    way *= 1.5 / way.std()
    frames = []
    for step in way:
        moved = shift(head, step, order=1, mode="nearest")
        grey = 128 + 600 * (inside * moved + (1 - inside) * background) + 2 * random.standard_normal(SIZE)
        frames.append(np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return frames


def encode(path: Path, frames: list[np.ndarray], codec: str = "libx264", fps: int = FPS, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", **options} if codec == "libx264" else options
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return path


def smaller(frames: list[np.ndarray]) -> Iterator[np.ndarray]:
    for rgb in frames:
        image = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(96, 72)
        yield image.to_ndarray(format="rgb24")


def test_copies_of_films_are_found_and_other_films_of_the_scene_are_not(tmp_path: Path) -> None:
    first, second, third = film(1, 1), film(1, 2), film(2, 1)
    files = {
        "first": encode(tmp_path / "first.mp4", first, crf="18"),
        "second": encode(tmp_path / "second.mp4", second, crf="18"),
        "third": encode(tmp_path / "third.mp4", third, crf="18"),
        "small": encode(tmp_path / "small.mp4", [*smaller(first)], crf="30"),
        "codec": encode(tmp_path / "codec.avi", second, "mpeg4", b="150000"),
        "cut": encode(tmp_path / "cut.mkv", third[19:-20], crf="28"),
        "rate": encode(tmp_path / "rate.mp4", first[5::2], fps=FPS // 2, crf="24"),
        "faster": encode(tmp_path / "faster.mp4", third, fps=15, crf="24"),
    }
    clips = {name: clip_thumbnails(path).features for name, path in files.items()}
    pairs = frame_copies(clips, 0.62)
    groups = [{"first", "small", "rate"}, {"second", "codec"}, {"third", "cut", "faster"}]
    wanted = {frozenset((one, other)) for group in groups for one in group for other in group if one < other}
    assert {frozenset(pair[:2]) for pair in pairs} == wanted
    detail = {frozenset(pair[:2]): pair.detail for pair in pairs}
    assert "shifted by 1.6 s" in detail[frozenset(("third", "cut"))] or "1.5 s" in detail[frozenset(("third", "cut"))]
    assert "the second at 0.8 of its speed" in detail[frozenset(("third", "faster"))]
    assert detail[frozenset(("second", "codec"))].startswith("likeness 0.")


def test_a_short_film_in_another_container_has_equal_frames(tmp_path: Path) -> None:
    one, other = film(1, 1)[:40], film(1, 2)[:40]
    files = {
        "a": encode(tmp_path / "a.mp4", one),
        "b": encode(tmp_path / "b.mkv", one),
        "c": encode(tmp_path / "c.mp4", other),
    }
    clips = {name: clip_thumbnails(path).features for name, path in files.items()}
    assert frame_copies(clips, 0.62) == [Copy("a", "b", "equal frames")]


def test_unrelated_courses_of_one_scene_are_no_copies() -> None:
    """1,225 pairs of films of one scene: breathing at about one pace, a common light, and a wandering head."""
    random = np.random.default_rng(0)
    modes = random.standard_normal((6, 64))
    time = np.arange(60) / 4
    clips = {}
    for number in range(50):
        breath = np.sin(2 * np.pi * random.uniform(0.2, 0.33) * time + random.uniform(0, 6))[:, None]
        way = gaussian_filter1d(random.standard_normal((60, 5)), 2, axis=0)
        moves = np.concatenate([breath, way / way.std()], axis=1) @ modes
        clips[str(number)] = (100 * modes[0] + moves + 0.2 * random.standard_normal((60, 64))).astype(np.float32)
    assert frame_copies(clips, 0.62) == []
