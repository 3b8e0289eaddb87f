"""Features as if all clips were filmed alike: one frame rate, and no linear effect of place and size of the face."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.features.filming import extracted
from lfnet.features.joined_streams import JoinedStreams, JoinSettings, Part
from lfnet.features.normalised import FilmingSettings, NormalisedStream
from lfnet.features.store import ClipFeatures, FeatureStore

RATE = FilmingSettings(rate=25, adjust=None)
ADJUST = FilmingSettings(rate=None, adjust=("face_x", "face_size"))


def written(folder: Path, clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> FeatureStore:
    store = FeatureStore(folder, "stream", "recipe")
    for name, (features, time) in clips.items():
        meta = {"unit_norm": "true"}
        store.write(name, ClipFeatures(features.astype(np.float32), np.ones(len(time), bool), time, meta), name)
    return store


@pytest.mark.parametrize("own", [20.0, 25.0, 30.0, 50.0])
def test_each_row_is_the_nearest_in_time_and_the_length_stays(tmp_path: Path, own: float) -> None:
    time = np.arange(round(4 * own)) / own
    store = written(tmp_path, {"a": (time[:, None] * [1, -1], time)})
    made = NormalisedStream(store, RATE, {}, {})
    clip = made.read("a")
    assert clip.features.shape == made.shape("a") == (100, 2)
    np.testing.assert_allclose(clip.time, np.arange(100) / 25, atol=1e-12)
    # The features are the times of the frames: by brute force, none is nearer.
    nearest = np.abs(time[:, None] - clip.time[None]).min(axis=0)
    np.testing.assert_allclose(np.abs(clip.features[:, 0] - clip.time), nearest, atol=1e-6)
    if own == 25:
        np.testing.assert_array_equal(clip.features, store.read("a").features)


def planted(folder: Path, effect: np.ndarray, people: int = 40) -> tuple[FeatureStore, dict[str, np.ndarray]]:
    """Clips whose vectors move with two numbers, and within themselves."""
    random = np.random.default_rng(0)
    numbers = {f"c{i:02d}": random.normal(size=2) for i in range(people)}
    time = np.arange(30) / 30
    clips = {name: (z @ effect + 0.1 * random.normal(size=(30, effect.shape[1])), time) for name, z in numbers.items()}
    return written(folder, clips), numbers


def test_the_linear_effect_of_numbers_is_taken_out_of_new_clips_and_movement_stays(tmp_path: Path) -> None:
    effect = np.array([[1.0, 0.0, 2.0], [0.0, -1.0, 1.0]])
    store, numbers = planted(tmp_path, effect)
    train = {name: name for name in list(numbers)[:20]}
    made = NormalisedStream(store, ADJUST, numbers, train)
    new = list(numbers)[20:]
    z = np.array([numbers[name] for name in new])
    before = np.array([store.read(name).features.mean(axis=0) for name in new])
    after = np.array([made.read(name).features.mean(axis=0) for name in new])
    assert np.abs(np.linalg.lstsq(z - z.mean(0), before - before.mean(0), rcond=None)[0] - effect).max() < 0.05
    assert np.abs(np.linalg.lstsq(z - z.mean(0), after - after.mean(0), rcond=None)[0]).max() < 0.05
    for name in new:  # a clip is moved as a whole
        moved = made.read(name).features - store.read(name).features
        np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-6)
    assert (made.header("c00") or {})["unit_norm"] == "false" and made.read("c00").meta["unit_norm"] == "false"


def test_only_training_clips_fit_the_effect_and_people_weigh_the_same(tmp_path: Path) -> None:
    store, numbers = planted(tmp_path, np.ones((2, 3)))
    train = {name: name for name in list(numbers)[:20]}
    one = NormalisedStream(store, ADJUST, numbers, train)
    changed = {name: z if name in train else 100 * z for name, z in numbers.items()}
    np.testing.assert_array_equal(NormalisedStream(store, ADJUST, changed, train)._effect[1], one._effect[1])
    # Ten copies of one person's clip count as that one clip.
    copies = {f"copy{i}": "c00" for i in range(9)}
    for name in copies:
        clip = store.read("c00")
        store.write(name, clip, name)
    more = NormalisedStream(
        store, ADJUST, {**numbers, **{name: numbers["c00"] for name in copies}}, {**train, **copies}
    )
    np.testing.assert_allclose(more._effect[1], one._effect[1], atol=1e-9)


def test_the_fingerprint_depends_on_all_that_can_change_a_vector(tmp_path: Path) -> None:
    store, numbers = planted(tmp_path, np.ones((2, 3)))
    train = {name: name for name in list(numbers)[:20]}
    ids = list(numbers)[20:22]
    moved = {**numbers, ids[0]: numbers[ids[0]] + 1}
    prints = [
        made.fingerprint(ids)
        for made in (
            NormalisedStream(store, RATE, {}, {}),
            NormalisedStream(store, FilmingSettings(rate=30, adjust=None), {}, {}),
            NormalisedStream(store, ADJUST, numbers, train),
            NormalisedStream(store, ADJUST, moved, train),
            NormalisedStream(store, ADJUST, numbers, {**train, ids[1]: "x"}),
        )
    ]
    assert len({*prints, store.fingerprint(ids)}) == 6


def test_too_few_clips_are_refused_and_the_extracted_store_is_found(tmp_path: Path) -> None:
    store, numbers = planted(tmp_path, np.ones((2, 3)))
    few = NormalisedStream(store, ADJUST, numbers, {"c00": "a", "c01": "b", "c02": "c"})
    with pytest.raises(LfnetError, match="3 training clips with a face are too few to fit 2 numbers"):
        few.read("c05")
    joining = JoinSettings(normalise="none", length=1, presence=False, valid="any", dropout=0, columns=None)
    joined = JoinedStreams([Part("a", few), Part("b", store)], ["c00"], joining)
    assert extracted(few) is extracted(joined) is extracted(store) is store
