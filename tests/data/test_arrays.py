"""Rows of streams: means over valid frames, unchanged segments, and missing clips."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.data.arrays import feature_names, frame_rows
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Health, Protocol
from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, FeatureStore
from tests.composing import SMALL, composed, head_inputs


@given(st.lists(st.booleans(), max_size=70), st.integers(1, 12))
def test_pieces_hold_every_valid_frame_once(valid, size):
    valid_T = np.array(valid, bool)
    x_TD = np.random.default_rng(len(valid)).standard_normal((len(valid), 2)).astype(np.float32)
    x_TD[~valid_T] = np.nan
    rows = frame_rows(x_TD, valid_T, size)
    frames = x_TD[valid_T].astype(float)
    assert rows.dtype == np.float64 and rows.shape[1] == 2
    assert len(rows) == max(int(np.floor(len(frames) / size + 0.5)), 1 if len(frames) else 0)
    bounds = [size * piece for piece in range(len(rows))] + [len(frames)]
    for row, start, end in zip(rows, bounds[:-1], bounds[1:], strict=True):
        np.testing.assert_allclose(row, frames[start:end].mean(axis=0))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    config, _ = composed(*SMALL, "cohort.lost_frames=0.2", root=tmp_path_factory.mktemp("arrays"))
    return head_inputs(config)


NAMES = ("IBI", "RMSSD", "LF")


@pytest.fixture
def segments(inputs, tmp_path):
    """Segments of three features: n of them for the n-th clip (mod 4), the second lost, LF invalid in the first."""
    store = FeatureStore(tmp_path, "pulse", "0" * 64)
    for i, clip_id in enumerate(inputs.cohort.clips["clip_id"]):
        count = i % 4
        x = (np.arange(3 * count, dtype=np.float32) + 100 * i).reshape(count, 3)
        if count:
            x[0, 2] = np.nan
        valid = np.arange(count) != 1
        meta = {"per_segment": "true", "names": json.dumps(NAMES)}
        store.write(clip_id, ClipFeatures(x, valid, 17.0 * np.arange(count), meta), "s")
    return store


def module(inputs, stores, **settings):
    protocol = Protocol(**{"name": "t", "window": 48, "hop": 24, **settings})
    return DataModule(inputs.cohort, stores, protocol)


def test_every_stream_has_its_rows(inputs, segments):
    data = module(inputs, {"simulated": inputs.store, "pulse": segments}, segment=40)
    order = inputs.cohort.clips["clip_id"].tolist()
    for split in ("train", "dev", "test"):
        arrays = data.arrays(split)
        assert list(arrays.streams) == ["simulated", "pulse"]
        frames, pulse = arrays.streams["simulated"], arrays.streams["pulse"]
        assert pulse.names == NAMES and frames.names[:2] == ("simulated_0", "simulated_1")
        assert pulse.clip.dtype == np.int64 and pulse.X.dtype == np.float64
        for i, clip_id in enumerate(arrays.clip_ids):
            clip = inputs.store.read(clip_id)
            np.testing.assert_allclose(frames.X[frames.clip == i], frame_rows(clip.features, clip.valid, 40), rtol=1e-6)
            stored = segments.read(clip_id)
            np.testing.assert_array_equal(pulse.X[pulse.clip == i], stored.features[stored.valid])
            assert (pulse.clip == i).sum() == {0: 0, 1: 1, 2: 1, 3: 2}[order.index(clip_id) % 4]
        assert np.isnan(pulse.X).any() and np.isfinite(frames.X).all()


def test_one_store_is_one_stream(inputs):
    data = module(inputs, inputs.store)
    assert list(data.arrays("dev").streams) == ["simulated"] and data.store is inputs.store


def test_a_second_stream_of_frames_is_treated_as_the_first(inputs):
    data = module(inputs, {"simulated": inputs.store, "again": inputs.store}, segment=40, length=70, frames="reversed")
    # The second is read from disk, the first from memory.
    data.stores["again"] = FeatureStore(inputs.store.folder.parent, inputs.store.stream, inputs.store.recipe)
    one, two = data.arrays("test").streams.values()
    np.testing.assert_allclose(one.X, two.X)
    np.testing.assert_array_equal(one.clip, two.clip)


def test_unusable_frames_of_a_second_stream_are_refused_or_missing(inputs, tmp_path):
    store = FeatureStore(tmp_path, "other", "0" * 64)
    clip_ids = inputs.cohort.in_split("train")["clip_id"].tolist()
    for clip_id in inputs.cohort.clips["clip_id"]:
        x = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
        valid = np.full(9, clip_id != clip_ids[1])  # without one valid frame: missing, and no fault
        if clip_id == clip_ids[0]:
            x[4] = np.nan
        store.write(clip_id, ClipFeatures(x, valid, np.arange(9) / 30), "s")
    stores = {"simulated": inputs.store, "other": store}
    with pytest.raises(LfnetError, match=clip_ids[0]):
        module(inputs, stores).arrays("train")
    rows = module(inputs, stores, health=Health(unusable="drop")).arrays("train").streams["other"]
    assert sorted(set(range(len(clip_ids))) - set(rows.clip)) == [0, 1]


def test_invalid_segments_are_missing_or_refused(inputs, segments):
    stores = {"simulated": inputs.store, "pulse": segments}
    clip_id = inputs.cohort.in_split("dev")["clip_id"][0]
    stored = segments.read(clip_id)
    x = np.full((2, 3), np.nan, np.float32)
    segments.write(clip_id, ClipFeatures(x, np.ones(2, bool), np.arange(2.0), stored.meta), "s")
    assert 0 not in module(inputs, stores).arrays("dev").streams["pulse"].clip
    x[1, 1] = np.inf
    segments.write(clip_id, ClipFeatures(x, np.ones(2, bool), np.arange(2.0), stored.meta), "s")
    with pytest.raises(LfnetError, match=f"{clip_id} holds infinite"):
        module(inputs, stores).arrays("dev")
    meta = {**stored.meta, "names": json.dumps(["a", "b", "c"])}
    segments.write(clip_id, ClipFeatures(x, np.ones(2, bool), np.arange(2.0), meta), "s")
    with pytest.raises(LfnetError, match="are not those of clip"):
        feature_names(segments, inputs.cohort.clips["clip_id"])
