"""Windows against counts by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.config import read
from lfnet.data.frames import Frames
from lfnet.data.protocol import Protocol
from lfnet.data.windows import cut, frames_of, starts
from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, FeatureStore


def clip(frames, dim=3, lost=(), seed=0):
    x = np.random.default_rng(seed).standard_normal((frames, dim)).astype(np.float32)
    valid = np.ones(frames, bool)
    valid[list(lost)] = False
    x[~valid] = np.nan
    return ClipFeatures(x, valid, np.arange(frames) / 30)


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(tmp_path, "test", "0" * 64)
    store.write("long", clip(100, lost=[3, 50, 99], seed=1), "a")
    store.write("short", clip(7, seed=2), "b")
    store.write("none", clip(0), "c")
    return store


PLAIN = {"length": None, "fill": "zero", "frames": "in_order"}


def frames_in(store, **changes):
    return Frames(store, ["long", "short", "none"], **PLAIN | changes)


def long(store, **changes):
    return frames_in(store, **changes).whole("long")


def test_the_published_protocol_has_six_windows_of_a_padded_clip():
    # 2000 frames, windows of 512, hop 256: 0, 256, 512, 768, 1024, 1280
    assert starts(900, window=512, hop=256, length=2000, tail="drop") == [0, 256, 512, 768, 1024, 1280]


@given(st.integers(1, 400), st.integers(1, 100), st.integers(1, 100))
def test_covering_windows_cover_every_frame_and_never_leave_the_clip(frames, window, hop):
    found = starts(frames, window=window, hop=hop, length=None, tail="cover")
    covered = np.zeros(max(frames, window), bool)
    for start in found:
        covered[start : start + window] = True
        assert start + window <= max(frames, window)
    assert covered[:frames].all() or hop > window
    assert found == sorted(set(found))


def test_a_clip_without_frames_has_no_window():
    assert starts(0, window=5, hop=5, length=None, tail="cover") == []


def test_frames_lie_end_to_end_and_lost_ones_are_zero(store):
    frames = frames_in(store)
    layout = frames.layout
    assert layout.first == {"long": 0, "short": 100, "none": 107}
    assert layout.frames == {"long": 100, "short": 7, "none": 0}
    assert np.flatnonzero(~layout.valid_N).tolist() == [3, 50, 99]
    assert (frames.whole("long")[0][[3, 50, 99]] == 0).all()
    np.testing.assert_array_equal(frames.whole("short")[0], store.read("short").features)
    assert layout.coverage == pytest.approx(104 / 107)


def test_length_keeps_the_beginning(store):
    frames = frames_in(store, length=10)
    assert frames.layout.frames == {"long": 10, "short": 7, "none": 0}
    np.testing.assert_array_equal(frames.whole("long")[0][4:10], store.read("long").features[4:10])


def test_random_fill_has_length_one_and_does_not_change(store):
    (one, valid), (two, _) = long(store, fill="random"), long(store, fill="random")
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(np.linalg.norm(one[[3, 50, 99]], axis=1), 1, rtol=1e-6)
    assert np.flatnonzero(~valid).tolist() == [3, 50, 99]


def test_reversed_and_shuffled_frames_are_the_same_frames(store):
    straight, _ = long(store)
    back, _ = long(store, frames="reversed")
    np.testing.assert_array_equal(back, straight[::-1])
    mixed, valid = long(store, frames="shuffled")
    assert not np.array_equal(mixed, straight)
    np.testing.assert_array_equal(np.sort(mixed, axis=0), np.sort(straight, axis=0))
    assert (mixed[~valid] == 0).all()


@pytest.mark.parametrize("length", [None, 60])
@pytest.mark.parametrize("fill", ["zero", "random"])
@pytest.mark.parametrize("order", ["in_order", "shuffled", "reversed"])
def test_a_window_has_the_frames_of_the_clip_as_a_whole(store, length, fill, order):
    frames = frames_in(store, length=length, fill=fill, frames=order)
    whole, valid = frames_of(store.read("long"), "long", length=length, fill=fill, frames=order)
    for start, count in ((0, 60), (3, 20), (45, 15), (51, 1), (10, 0)):
        np.testing.assert_array_equal(
            frames.read("long", start, np.full((count, 3), np.nan, np.float32)), whole[start : start + count]
        )
    np.testing.assert_array_equal(frames.whole("long")[1], valid)


def test_frames_of_a_store_stay_in_its_files(store):
    stored, computed = ({}, {})
    for kept, source in ((stored, store), (computed, Computed(store))):
        for clip_id, clip in frames_in(source)._clips.items():
            kept[clip_id] = clip.x_TD.flags.owndata
    assert stored == {"long": False, "short": False, "none": False}
    assert computed == {"long": True, "short": True, "none": True}


class Computed:
    """A store whose vectors are computed when they are read, with more rows than are used."""

    def __init__(self, store):
        self._store = store

    def read(self, clip_id):
        clip = self._store.read(clip_id)
        return ClipFeatures(clip.features.repeat(2, axis=0)[::2], clip.valid, clip.time)


def test_a_table_of_windows(store):
    protocol = Protocol(name="t", window=40, hop=40)
    table = cut(frames_in(store).layout, pd.DataFrame({"clip_id": ["long", "short", "none"]}), protocol)
    assert table["clip_id"].tolist() == ["long", "long", "long", "short"]
    assert table["window"].tolist() == [0, 40, 60, 0]
    assert table["row"].tolist() == [0, 40, 60, 100]
    assert table["frames"].tolist() == [40, 40, 40, 7]
    np.testing.assert_allclose(table["valid"], [39 / 40, 39 / 40, 39 / 40, 7 / 40])


def test_windows_cover_the_padding_without_rows(store):
    protocol = Protocol(name="t", window=20, hop=20, length=60, tail="drop", mask=False)
    table = cut(frames_in(store, length=60).layout, pd.DataFrame({"clip_id": ["short"]}), protocol)
    assert table["window"].tolist() == [0, 20, 40]
    assert table["frames"].tolist() == [7, 0, 0]


def test_windows_without_faces_are_left_out_but_a_clip_keeps_its_best(tmp_path):
    store = FeatureStore(tmp_path, "test", "0" * 64)
    store.write("half", clip(40, lost=range(20)), "a")
    store.write("bad", clip(40, lost=set(range(40)) - {35}), "b")
    frames = Frames(store, ["half", "bad"], **PLAIN)
    protocol = Protocol(name="t", window=20, hop=20, min_valid=0.5)
    table = cut(frames.layout, pd.DataFrame({"clip_id": ["half", "bad"]}), protocol)
    assert table[["clip_id", "window"]].to_numpy().tolist() == [["half", 20], ["bad", 20]]


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"tail": "wrap"}, ["protocol.tail=wrap: give one of cover, drop."]),
        ({"fill": "mean"}, ["protocol.fill=mean: give one of zero, random."]),
        ({"frames": "sideways"}, ["protocol.frames=sideways: give one of in_order, shuffled, reversed."]),
        ({"hop": 0}, ["protocol.hop=0: give a whole number from 1 to 1000000."]),
        ({"hop": 1.5}, ["protocol.hop=1.5: give a whole number from 1 to 1000000."]),
        (
            {"test_frames": "sideways"},
            ["protocol.test_frames=sideways: give one of in_order, shuffled, reversed, or null."],
        ),
        ({"labels": "swapped"}, ["protocol.labels=swapped: give one of given, permuted."]),
        ({"segment": 0}, ["protocol.segment=0: give a whole number from 1 to 1000000."]),
        ({"length": 1e20}, ["protocol.length=1e+20: give a whole number from 1 to 1000000, or null."]),
        ({"length": 10**20}, [f"protocol.length={10**20}: give a whole number from 1 to 1000000, or null."]),
        ({"tasks": "freeform"}, ["protocol.tasks=freeform: give a list, each a text, or null."]),
        ({"select": {"split": "train"}}, ["protocol.select.split=train: give one of dev, test."]),
        ({"select": {"level": "frame"}}, ["protocol.select.level=frame: give one of window, clip, recording."]),
        ({"aggregate": {"clip": "max"}}, ["protocol.aggregate.clip=max: give one of mean, median."]),
        (
            {"min_valid": "x", "mask": "maybe", "health": {"min_coverage": 2, "unusable": "hide"}},
            [
                "protocol.mask=maybe: give true or false.",
                "protocol.min_valid=x: give a number from 0 to 1.",
                "protocol.health.min_coverage=2: give a number from 0 to 1.",
                "protocol.health.unusable=hide: give one of refuse, drop.",
            ],
        ),
        (
            {"hop": 600},
            ["protocol.hop=600: give at most window=512; frames between windows would not be used."],
        ),
        ({"length": 100}, ["protocol.length=100: give at least window=512, or null for whole clips."]),
    ],
)
def test_each_wrong_setting_is_named_with_what_is_allowed(settings, lines):
    with pytest.raises(LfnetError) as caught:
        read(Protocol, {"name": "t", "window": 512, "hop": 256, **settings}, "protocol")
    assert str(caught.value).splitlines() == lines


def test_an_unknown_setting_is_refused():
    with pytest.raises(LfnetError, match=r"protocol\.windwo: there is no such setting; known: name, window, hop"):
        read(Protocol, {"name": "t", "window": 512, "hop": 256, "windwo": 3}, "protocol")
