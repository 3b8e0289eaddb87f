"""Several streams as one: what each frame holds, what it is normalised by, and what is said of what cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.features.health import EXACT
from lfnet.features.joined_streams import JoinedStreams, JoinSettings, Part, parts_of
from lfnet.features.matching import means_at, rows_at
from lfnet.features.shift import activity, find_shift
from lfnet.features.store import ClipFeatures, FeatureStore
from tests.composing import composed

TRAIN, ALL = ("a", "b"), ("a", "b", "c")


def settings(**changed) -> JoinSettings:
    return read(JoinSettings, {**composed()[0]["streams"], **changed}, "streams")


def clip(seed: int, frames: int, dim: int, *, rate: float = 30.0, lost: float = 0.2, scale: float = 1.0):
    rng = np.random.default_rng([seed, dim])
    x_TD = (scale * (rng.standard_normal((frames, dim)) * np.arange(1, dim + 1) + 5)).astype(np.float32)
    valid = rng.random(frames) >= lost
    x_TD[~valid] = np.nan
    return ClipFeatures(x_TD, valid, np.arange(frames) / rate, {"unit_norm": "false"})


@pytest.fixture
def stores(tmp_path):
    """A wide and a narrow stream of three clips; of clip c the narrow one saw nothing."""
    wide, narrow = FeatureStore(tmp_path, "wide", "1" * 64), FeatureStore(tmp_path, "narrow", "2" * 64)
    for seed, name in enumerate(ALL):
        wide.write(name, clip(seed, 40, 12), "w")
        narrow.write(name, clip(seed, 40, 3, scale=100.0, lost=1.0 if name == "c" else 0.3), "n")
    return {"wide": wide, "narrow": narrow}


def joined(stores, train=TRAIN, **changed) -> JoinedStreams:
    made = settings(**changed)
    return JoinedStreams(parts_of(stores, made, "a"), train, made)


def training_frames(store, names=TRAIN) -> np.ndarray:
    clips = [store.read(name) for name in names]
    return np.concatenate([one.features[one.valid] for one in clips]).astype(np.float64)


@pytest.mark.parametrize("length", [1.0, 3.0])
@pytest.mark.parametrize("normalise", ["columns", "stream"])
def test_each_stream_is_normalised_by_its_own_training_frames(stores, normalise, length):
    store = joined(stores, normalise=normalise, length=length)
    for part, span in zip(store.parts, store.spans, strict=True):
        frames = training_frames(part.store)
        sd = frames.std(axis=0) if normalise == "columns" else np.sqrt(frames.var(axis=0).mean())
        for name in ALL:  # clip c is of no training person, and changes nothing
            one, made = part.store.read(name), store.read(name)
            wanted = (one.features - frames.mean(axis=0)) / sd * length / np.sqrt(frames.shape[1])
            np.testing.assert_allclose(made.features[one.valid, span], wanted[one.valid], atol=2e-6 * length)
        seen = np.concatenate([store.read(n).features[part.store.read(n).valid, span] for n in TRAIN])
        # A stream of 3 columns a hundred times as large weighs as much as one of 12.
        assert np.sqrt((seen.astype(float) ** 2).sum(axis=1).mean()) == pytest.approx(length, rel=1e-5)


def test_statistics_are_of_training_clips_alone(stores):
    before = joined(stores).read("a").features
    stores["wide"].write("c", clip(9, 40, 12, scale=1e4), "other")
    np.testing.assert_array_equal(joined(stores).read("a").features, before)
    assert not np.allclose(joined(stores, train=("a", "c")).read("a").features, before)


def test_as_it_is_nothing_is_lost_and_nothing_changed(stores):
    store = joined(stores, normalise="none", presence=False)
    made = store.read("b")
    for part, span in zip(store.parts, store.spans, strict=True):
        one = part.store.read("b")
        np.testing.assert_array_equal(made.features[one.valid, span], one.features[one.valid])
        assert not made.features[~one.valid, span].any()
    assert made.features.shape == store.shape("b") == (40, 15) and not store.flags


@pytest.mark.parametrize(("valid", "join"), [("any", np.logical_or), ("all", np.logical_and)])
def test_a_missing_stream_is_zero_and_says_so(stores, valid, join):
    store = joined(stores, valid=valid)
    for name in ALL:
        seen = [stores[stream].read(name).valid for stream in ("wide", "narrow")]
        made = store.read(name)
        np.testing.assert_array_equal(made.valid, join(*seen))
        for span, flag, there in zip(store.spans, store.flags, seen, strict=True):
            assert not made.features[~there, span].any()
            np.testing.assert_array_equal(made.features[:, flag], there & made.valid)
        assert not made.features[~made.valid].any()
    assert store.read("c").valid.any() == (valid == "any")


@given(
    st.integers(0, 30),
    st.integers(1, 30),
    st.sampled_from([5.0, 10.0, 29.97, 30.0]),
    st.floats(0, 0.4),
    st.integers(0, 10**6),
)
def test_a_frame_gets_the_row_that_is_nearest_in_time(frames, rows, rate, shift, seed):
    rng = np.random.default_rng(seed)
    grid = np.arange(frames) / 30
    time = shift / 30 + np.sort(rng.choice(60, rows, replace=False)) / rate
    found = rows_at(grid, time)
    steps = [np.median(np.diff(times)) for times in (grid, time) if len(times) > 1]
    apart = np.abs(grid[:, None] - time[None, :])
    near = apart.min(axis=1) <= (0.5 + 1e-9) * min(steps, default=0.0)
    np.testing.assert_array_equal(found >= 0, near)
    np.testing.assert_allclose(apart[near, found[near]], apart.min(axis=1)[near])


def test_streams_of_other_rates_are_aligned_in_time(tmp_path):
    fast, slow = FeatureStore(tmp_path, "fast", "1" * 64), FeatureStore(tmp_path, "slow", "2" * 64)
    fast.write("a", clip(0, 30, 4, lost=0.0), "f")
    slow.write("a", clip(1, 10, 2, rate=10.0, lost=0.0), "s")
    store = joined({"fast": fast, "slow": slow}, train=("a",), normalise="none")
    made = store.read("a")
    # 30 frames a second and 10: every third frame has a vector of the slow stream.
    np.testing.assert_array_equal(made.features[:, store.flags[1]], np.arange(30) % 3 == 0)
    np.testing.assert_array_equal(made.features[::3, store.spans[1]], slow.read("a").features)
    assert made.valid.all() and store.shape("a") == (30, 8)


def test_columns_of_one_stream_are_streams_that_hold_all_of_it(stores):
    only = {"wide": stores["wide"]}
    store = joined(only, columns=[4, 8], presence=False)
    assert store.stream == "wide[0:4] + wide[4:12]"
    frames, made, one = training_frames(stores["wide"]), store.read("c"), stores["wide"].read("c")
    shares = np.repeat(np.sqrt([4.0, 8.0]), [4, 8])
    again = made.features * shares * frames.std(axis=0) + frames.mean(axis=0)
    np.testing.assert_allclose(again[one.valid], one.features[one.valid], rtol=1e-4, atol=1e-4)
    named = joined(only, columns={"gaze": 4, "units": 8})
    assert named.stream == "gaze + units"
    np.testing.assert_array_equal(named.read("c").features[:, :12], made.features)


def test_a_column_that_never_moves_in_training_stays_out(tmp_path):
    stores = {name: FeatureStore(tmp_path, name, name[0] * 64) for name in ("x", "y")}
    for seed, name in enumerate(ALL):
        for store in stores.values():
            one = clip(seed, 20, 3, lost=0.0)
            one.features[:, 1] = 0.1 if name in TRAIN else 7.0
            store.write(name, one, "s")
    made = joined(stores).read("c").features
    assert not made[:, 1].any() and np.abs(made).max() < 10


def test_fingerprints_tell_what_changes_vectors_and_nothing_else(stores):
    first = joined(stores).fingerprint(ALL)
    assert joined(stores, dropout=0.5).fingerprint(ALL) == first
    turned = {name: stores[name] for name in ("narrow", "wide")}
    others = [joined(turned), joined(stores, train=("a",)), joined({"wide": stores["wide"]}, columns=[6, 6])]
    others += [joined(stores, **{key: value}) for key, value in CHANGES.items()]
    found = [first, *(store.fingerprint(ALL) for store in others)]
    assert len(set(found)) == len(found)
    folders = {store.folder for store in (joined(stores), *others[2:])} | {stores["wide"].folder}
    assert len(folders) == len(others), "each has a name of its own"
    stores["narrow"].write("c", clip(7, 40, 3), "another film")
    assert joined(stores).fingerprint(ALL) != first


CHANGES = {"normalise": "stream", "length": 2.0, "presence": False, "valid": "all"}


def test_a_dead_stream_is_named_and_a_missing_one_is_not(stores):
    still = clip(0, 40, 3, lost=0.0)
    still.features[:] = 1.0
    stores["narrow"].write("b", still, "n")
    store = joined(stores)
    (problem,) = store.check(ALL, EXACT).problems
    assert problem.clip_id == "b" and problem.what.startswith("narrow: the same vector in all 40 frames")
    # What is dead is nobody's mean: the statistics are those of the other training clip.
    alone = joined(stores, train=("a",))
    np.testing.assert_array_equal(
        store.read("a").features[:, store.spans[1]], alone.read("a").features[:, store.spans[1]]
    )


def test_a_stream_that_no_training_clip_has_is_refused(stores):
    with pytest.raises(LfnetError, match=r"stream narrow has no usable frame in any of 1 training clips"):
        joined(stores, train=("c",)).read("a")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"normalise": "z"}, r"streams\.normalise=z: give one of columns, stream, none"),
        ({"valid": "most"}, r"streams\.valid=most"),
        ({"presence": 1}, r"streams\.presence=1: give true or false"),
        ({"length": 0}, r"streams\.length=0: give a number above 0"),
        ({"dropout": 1.0}, r"streams\.dropout=1\.0: give a number from 0 to below 1"),
        ({"columns": [12]}, r"streams\.columns=\[12\]: give two numbers of columns or more, or null"),
        ({"columns": [6, 0]}, r"streams\.columns"),
        ({"dropuot": 0.1}, r"streams\.dropuot: there is no such setting"),
    ],
)
def test_wrong_settings_are_named(changed, message):
    with pytest.raises(LfnetError, match=message):
        settings(**changed)


def test_columns_must_add_up_and_be_of_one_stream(stores):
    with pytest.raises(LfnetError, match=r"adds up to 11 columns, and stream wide has 12"):
        joined({"wide": stores["wide"]}, columns=[5, 6])
    with pytest.raises(LfnetError, match=r"takes one stream as several, and there are 2 \(wide, narrow\)"):
        joined(stores, columns=[6, 6])


def test_parts_can_be_named_twice_only_by_columns(stores):
    with pytest.raises(ValueError, match="two streams or more"):
        JoinedStreams([Part("wide", stores["wide"])], TRAIN, settings())


@given(
    frames=st.integers(2, 40),
    rate=st.sampled_from([1.0, 7.0, 25.0, 100.0]),
    window=st.sampled_from([None, 0.05, 0.4]),
    seed=st.integers(0, 2**16),
)
def test_means_in_windows_are_those_of_their_definition(frames, rate, window, seed):
    rng = np.random.default_rng(seed)
    grid, time = np.arange(frames) / 10, np.arange(int(frames / 10 * rate) + 2) / rate
    x, valid = rng.normal(size=(len(time), 3)).astype(np.float32), rng.random(len(time)) < 0.7
    made, seen = means_at(grid, time, x, valid, window)
    width = window or max(0.1, 1 / rate)
    for t, (row, found) in enumerate(zip(made, seen, strict=True)):
        own = (time >= grid[t] - width / 2 - 1e-9) & (time < grid[t] + width / 2 - 1e-9) & valid
        assert found == own.any()
        np.testing.assert_allclose(row, x[own].mean(axis=0) if found else 0, atol=1e-5)


def two_rates(tmp_path, *, late=0.0, names=ALL):
    """Faces at 30 frames a second and sound at 100, moved by one strength; the sound is `late` seconds late."""
    stores = {name: FeatureStore(tmp_path, name, name[0] * 64) for name in ("face", "sound")}
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        at = np.arange(0, 34, 0.01)
        strength = np.exp(np.convolve(rng.normal(size=len(at)), np.hanning(60), "same") / 5)
        for store, rate, by in ((stores["face"], 30, 0.0), (stores["sound"], 100, late)):
            time = np.arange(30 * rate) / rate
            x = rng.normal(size=(len(time), 4)) * np.interp(time + 2 - by, at, strength)[:, None]
            store.write(name, ClipFeatures(x.astype(np.float32), np.ones(len(time), bool), time, {}), "s")
    return stores


def test_streams_of_other_rates_join_by_time(tmp_path):
    stores = two_rates(tmp_path)
    face, sound = (stores[name].read("a") for name in ("face", "sound"))
    nearest = joined(stores, normalise="none").read("a").features[:, 4:8]
    np.testing.assert_array_equal(nearest, sound.features[rows_at(face.time, sound.time)])
    mean = joined(stores, normalise="none", match="mean").read("a")
    np.testing.assert_allclose(mean.features[1, 4:8], sound.features[2:5].mean(axis=0), atol=1e-6)
    assert mean.valid.all()
    slow = joined({"sound": stores["sound"], "face": stores["face"]}, normalise="none", match="mean").read("a")
    assert slow.features[:, 8:].mean() > 0.99  # presence: each of 100 frames a second has one of 30


def test_a_shifted_track_is_remarked_and_no_other(tmp_path):
    names = tuple("abcdef")
    for late, wanted in ((0.0, []), (0.5, ["sound seems 0.5 s late"]), (-0.5, ["sound seems 0.5 s early"])):
        stores = two_rates(tmp_path / str(late), late=late, names=names)
        remarks = [text for text, _ in joined(stores).check(names, EXACT).remarks if "seems" in text]
        assert [text[: len(start)] for text, start in zip(remarks, wanted, strict=True)] == wanted


def test_settings_that_are_not_given_do_not_change_the_name(stores):
    assert set(settings().recipe()) == {"normalise", "length", "presence", "valid"}
    assert joined(stores).recipe != joined(stores, match="mean").recipe != joined(stores, window=0.2).recipe


def test_unrelated_streams_have_no_shift():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        one, two = ({name: rng.normal(size=200) for name in "abcd"} for _ in range(2))
        found.append(find_shift(one, two))
    assert sum(shift is not None for shift in found) <= 2  # 1 in 40 expected


def test_slow_streams_are_not_compared():
    rng = np.random.default_rng(0)
    slow = ClipFeatures(rng.normal(size=(90, 2)).astype(np.float32), np.ones(90, bool), np.arange(90) / 1.0, {})
    fast = ClipFeatures(slow.features, slow.valid, np.arange(90) / 10, {})
    assert not len(activity(slow)) and len(activity(fast)) == 90


def test_a_clip_without_a_moving_vector_has_no_activity():
    still = ClipFeatures(np.ones((20, 2), np.float32), np.ones(20, bool), np.arange(20) / 10, {})
    assert not len(activity(still))
