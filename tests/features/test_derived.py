"""The pulse as a stream made from the skin's."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.media.skin import made_skin
from lfnet.errors import LfnetError
from lfnet.features.derived import pulse_clip, pulse_store
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.pulse.variability import NAMES
from tests.pulse.settings import settings_of


def skin_clip(seconds: float, amplitude: float = 0.01) -> ClipFeatures:
    made = made_skin(72, seconds, np.random.default_rng(0), amplitude=amplitude)
    return ClipFeatures(made.skin_TRC.reshape(-1, 12).astype(np.float32), made.valid_T, made.time_T, {"notes": "seen"})


@pytest.fixture
def skin(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path, "skin", "s" * 64)
    for clip_id, clip in {"long": skin_clip(40), "short": skin_clip(6), "dead": skin_clip(20, 0.0)}.items():
        store.write(clip_id, clip, f"source of {clip_id}")
    return store


def test_each_clip_gets_its_segments_and_their_outcomes(skin: FeatureStore, tmp_path: Path) -> None:
    store = pulse_store(skin, ["long", "short", "dead"], tmp_path, settings_of("nested"))
    assert store.stream == "pulse"
    long, short, dead = (store.read(clip_id) for clip_id in ("long", "short", "dead"))
    assert long.features.shape == (2, len(NAMES)) and long.valid.all() and long.time.tolist() == [0, 17]
    assert tuple(json.loads(long.meta["names"])) == NAMES and long.meta["per_segment"] == "true"
    assert long.features[0, NAMES.index("MeanHR")] == pytest.approx(72, abs=1)
    assert json.loads(long.meta["outcomes"]) == {"kept": 2} and long.meta["notes"] == "seen"
    assert short.features.shape == (0, len(NAMES)) and "shorter than a segment of 17 s" in short.meta["notes"]
    assert not dead.valid.any() and np.isnan(dead.features).all(), "missing, never zero"
    assert json.loads(dead.meta["outcomes"]) == {"no pulse": 1}
    assert "0 of 1 segment; dropped: no pulse 1" in dead.meta["notes"]


def test_present_features_are_kept_and_changed_ones_recomputed(skin: FeatureStore, tmp_path: Path) -> None:
    settings = settings_of("nested")
    store = pulse_store(skin, ["long"], tmp_path, settings)
    before = store.path("long").stat().st_mtime_ns
    assert pulse_store(skin, ["long"], tmp_path, settings).path("long").stat().st_mtime_ns == before
    skin.write("long", skin_clip(20), "another video")
    assert len(pulse_store(skin, ["long"], tmp_path, settings).read("long").valid) == 1
    other = pulse_store(skin, ["long"], tmp_path, settings_of("nested", threshold=99.0))
    assert other.folder != store.folder and not other.read("long").valid.any()


def test_another_stream_is_refused() -> None:
    clip = ClipFeatures(np.ones((30, 5), np.float32), np.ones(30, bool), np.arange(30) / 30)
    with pytest.raises(LfnetError, match=r"clip c7: .*12 numbers a frame, not 5.*encoder=skin"):
        pulse_clip(clip, settings_of("nested"), "c7")


def test_a_clip_without_skin_is_named(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match="does not exist"):
        pulse_store(FeatureStore(tmp_path, "skin", "s" * 64), ["lost"], tmp_path, settings_of("nested"))
