"""Sound as a third modality: its settings, streams, joint model, and the table of seven combinations."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from lfnet.cli.main import main
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.fusion import persist
from lfnet.fusion.cost import measure
from lfnet.fusion.modality_data import Split, Stream
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.system import fuse
from tests.composing import CONF, composed
from tests.fusion.simulated_splits import NESTED, SMALL

QUICK = (*SMALL, *NESTED, "fusion.repeats=1")
WITH_AUDIO = (*QUICK, "fusion.audio.k=[10]", "fusion.audio.C=[0.01]", "fusion.audio.forest.trees=8")


def settings(*overrides: str, fusion: str = "with_audio") -> FusionSettings:
    more = WITH_AUDIO if fusion == "with_audio" else QUICK
    return read(FusionSettings, composed(f"fusion={fusion}", *more, *overrides)[0]["fusion"], "fusion")


def split_of(count: int, seed: int) -> Split:
    """People whose sound says more about the label than face and pulse do; the first has no sound."""
    random = np.random.default_rng(seed)
    y = random.uniform(0, 60, count).round()
    names = np.array([f"{seed}_{number}" for number in range(count)])

    def stream(columns: int, noise: float, first: int = 0) -> Stream:
        X = random.standard_normal((count, columns))
        X[:, 0] = (y - 30) / 17 + noise * random.standard_normal(count)
        return Stream(X[first:], np.arange(first, count), tuple(f"f{column}" for column in range(columns)))

    return Split(y, names, names, names, stream(12, 3.0), stream(7, 3.0), stream(5, 0.2, first=1))


def error(scores: np.ndarray, split: Split) -> float:
    return float(np.abs(scores - split.y).mean())


def test_the_settings_of_others_have_no_sound() -> None:
    for name in ("published", "nested"):
        assert settings(fusion=name).audio is None
    assert settings().used == ("visual", "physiological", "audio")


@pytest.mark.parametrize(
    ("overrides", "fusion", "message"),
    [
        (("fusion.model=audio",), "nested", r"fusion\.audio: there is no regressor of sound: set fusion=with_audio"),
        (("fusion.joint.inputs=[visual,audio]",), "nested", "there is no regressor of sound"),
        (("fusion.model=concat_svr",), "with_audio", r"concat_svr joins \[visual, physiological\]; stacked joins all"),
        (("fusion.model=weighted",), "with_audio", r"weighted needs both, \[visual, physiological\]"),
    ],
)
def test_what_cannot_be_joined_is_refused(overrides: tuple[str, ...], fusion: str, message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        settings(*overrides, fusion=fusion)


def test_a_fusion_with_sound_is_kept_whole(tmp_path: Path) -> None:
    train, test = split_of(40, 0), split_of(20, 1)
    found = fuse(train, {"test": test}, settings("fusion.model=stacked"), seed=0)
    persist.save(found.system, tmp_path / "model.skops")
    again = persist.load(tmp_path / "model.skops").scores(test)
    for name, scores in found.scores["test"].items():
        np.testing.assert_array_equal(again[name], scores)
    parts = measure(found.system)
    whole = parts.pop("all")
    assert "audio" in parts and whole.parameters == sum(part.parameters for part in parts.values())


def test_streams_are_found_by_name() -> None:
    arrays = split_of(6, 0)
    given: Any = type("Arrays", (), {})()
    given.y, given.groups, given.clip_ids, given.recording_ids = (arrays.y, *[arrays.people] * 3)
    parts = {"face": arrays.visual, "pulse": arrays.physiological, "logmel": arrays.audio}
    given.streams = {name: (one.X, one.clip, one.names) for name, one in parts.items() if one is not None}
    found = Split.from_arrays(given, None, "pulse", "logmel")
    assert found.visual is not None and found.visual.X.shape == (6, 12)
    assert found.audio is not None and found.audio.X.shape == (5, 5)
    with pytest.raises(LfnetError, match="several streams may be the visual one: face, logmel"):
        Split.from_arrays(given, None, "pulse")
    kept = found.take(np.array([0, 2]))
    assert kept.audio is not None and kept.audio.clip.tolist() == [1]
    both = kept.join(found)
    assert both.audio is not None and both.audio.clip.tolist() == [1, 3, 4, 5, 6, 7]
    with pytest.raises(LfnetError, match=r"no audio stream\. Set encoder=\[visual,skin,logmel\]"):
        Split.from_arrays(given, "face", "pulse").stream("audio")


def test_a_stack_weights_the_modality_that_predicts() -> None:
    train, test = split_of(40, 1), split_of(30, 2)
    result = fuse(train, {"test": test}, settings(), seed=0)
    weight = result.system.joint.weight_
    assert len(weight) == 3 and weight[2] > weight[:2].sum()
    members = result.scores["test"]
    assert set(members) == {"visual", "physiological", "audio", "stacked"}
    assert error(members["stacked"], test) < 0.6 * error(members["visual"], test)
    assert result.missing["audio"] == {"train": ["1_0"], "test": ["2_0"]}
    alone = fuse(train, {"test": test}, settings("fusion.model=audio"), seed=0)
    assert np.array_equal(alone.scores["test"]["audio"], members["audio"])


def test_there_are_seven_combinations() -> None:
    files = sorted((CONF / "fusion" / "joined").glob("*.yaml"))
    inputs = {tuple(yaml.safe_load(file.read_text())["joint"]["inputs"]) for file in files}
    assert len(files) == len(inputs) == 7


@pytest.mark.long
def test_the_table_of_sound_has_a_row_for_each_combination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = (
        *("cohort.recordings={train:16,dev:6,test:8}", "cohort.duration={min:2,max:12,median:6,spread:0.3}"),
        *("cohort.dim=16", "cohort.people_shared=0", "cohort.pulse.segment=2", "cohort.audio.lost_clips=0.1"),
    )
    words = ["table", "sound", *small, *WITH_AUDIO, "seed=0", "launcher=serial", "debug=fast", "audit.resamples=99"]
    assert main(words) == 0
    assert "Does a fusion of face, pulse and sound" in capsys.readouterr().out
    (file,) = (tmp_path / "lfnet_runs" / "tables").glob("*.csv")
    rows = pd.read_csv(file)
    assert rows["test.mae"].notna().sum() == 7 + 6  # and six references
