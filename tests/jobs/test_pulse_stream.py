"""Where streams are brought together, the skin's becomes the pulse's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.media.skin import made_skin
from lfnet.cli.configs import compose
from lfnet.config import plain
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.jobs import inputs
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.pulse.variability import NAMES


@pytest.mark.parametrize("pulse", ["nested", "published"])
def test_skin_becomes_pulse(pulse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: dict[str, Any] = plain(compose("train", [f"paths.cache={tmp_path}", f"pulse={pulse}"]))
    folder = tmp_path / "features" / "filmed"
    stores = {name: FeatureStore(folder, name, name[0] * 64) for name in ("visual", "skin")}
    made = made_skin(72, 18, np.random.default_rng(0), amplitude=0.01, light=0, motion=0.0005)
    colours = made.skin_TRC.reshape(-1, 12).astype(np.float32)
    stores["skin"].write("a", ClipFeatures(colours, made.valid_T, made.time_T), "film")
    cohort = SimpleNamespace(name="filmed", clips=pd.DataFrame({"clip_id": ["a"], "person_id": ["p"]}), own=None)
    monkeypatch.setattr(inputs, "load_cohort", lambda *given: cohort)
    monkeypatch.setattr(inputs, "extract_missing", lambda *given, **more: dict(stores))
    session = Session()
    found = inputs.prepare_streams(read_inputs(config, session), session)
    assert list(found.stores) == ["visual", "pulse"], "colours themselves are nothing to fuse"
    clip = found.stores["pulse"].read("a")
    assert clip.features.shape == (1, len(NAMES)) and clip.valid.all()
    assert np.isnan(clip.features[0, NAMES.index("LF")]) == (pulse == "nested")
