"""The measured error of RMSSD and SDNN, and features that are withheld for it."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from experiments.media.pulses import draw_pulse, draw_skin
from experiments.media.skin import made_skin
from lfnet.features.derived import pulse_clip, pulse_store
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.pulse import errors
from lfnet.pulse.errors import COVERAGE, MEASURED, SNR_FROM, TABLE, VALUE_FROM, error_share, feature_errors, follows
from lfnet.pulse.segments import Segment, read_segments, segment_features
from lfnet.pulse.variability import NAMES, VARIABILITY
from tests.pulse.settings import settings_of

NESTED = settings_of("nested")


def test_the_table_has_every_cell_once_and_falls_with_the_snr() -> None:
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [(row["feature"], float(row["snr_from"]), float(row["value_from"])) for row in rows]
    assert found == list(itertools.product(MEASURED, SNR_FROM, VALUE_FROM))
    shares = np.array([float(row["error_share"]) for row in rows]).reshape(len(MEASURED), len(SNR_FROM), -1)
    counts = np.array([int(row["segments"]) for row in rows]).reshape(shares.shape)
    assert (shares >= 0).all() and counts.sum() > 2000
    mean = (shares * counts).sum(axis=2) / counts.sum(axis=2)
    assert (mean[:, 0] > 0.6).all() and (mean[:, 0] - mean[:, -1] > 0.1).all()
    assert (np.diff(shares, axis=2) >= 0).all(), "large values are mostly error"


def test_a_share_is_that_of_its_cell() -> None:
    with TABLE.open(encoding="utf-8") as file:
        shares = {
            (row["feature"], float(row["snr_from"]), float(row["value_from"])): float(row["error_share"])
            for row in csv.DictReader(file)
        }
    assert error_share("RMSSD", 25.0, 9.0) == shares["RMSSD", 9.0, 25.0]
    assert error_share("SDNN", 39.9, 10.9) == shares["SDNN", 9.0, 25.0]
    assert error_share("RMSSD", 1000.0, 50.0) == shares["RMSSD", 11.0, 130.0], "above the last one, the last one"
    assert error_share("RMSSD", 1.0, -20.0) == shares["RMSSD", 1.0, 0.0], "below the first cell, the first one"
    assert np.isnan([error_share("RMSSD", np.nan, 9.0), error_share("SDNN", 40.0, np.nan)]).all()


def test_every_feature_of_variability_follows_a_measured_one_or_is_of_the_mean() -> None:
    free = {name for name in VARIABILITY if follows(name) is None}
    assert free == {"MeanHR", "MeanNN", "MedianNN"}
    assert {follows(name) for name in VARIABILITY} == {None, "RMSSD", "SDNN"}


def test_features_in_other_units_have_the_same_relative_error() -> None:
    values = {"RMSSD": 42.0, "SDNN": 50.0, "SD1": 30.0, "CVSD": 0.05, "SDHR": 4.0, "pNN50": 20.0, "MeanHR": 70.0}
    found = feature_errors(values, 9.5)
    assert set(found) == {"RMSSD", "SDNN", "SD1", "CVSD", "SDHR"}
    for name in ("SD1", "CVSD"):
        assert found[name] / values[name] == pytest.approx(found["RMSSD"] / 42.0)
    assert found["SDHR"] / 4.0 == pytest.approx(found["SDNN"] / 50.0)


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Errors of RMSSD and SDNN as shares, for all values and SNR; the test may change them."""
    shares = {"RMSSD": 0.2, "SDNN": 0.2}
    monkeypatch.setattr(errors, "error_share", lambda name, value, snr: shares[name])
    return shares


def segment(**changed: object) -> Segment:
    made = made_skin(72, 60, np.random.default_rng(0), amplitude=0.01, variability_ms=40)
    settings = settings_of("nested", segment=60.0, hop=60.0, **changed)
    (found,) = read_segments(made.skin_TRC, made.time_T, made.valid_T, settings)
    assert found.kept
    return found


def test_features_whose_error_is_above_half_of_the_value_are_withheld(share: dict[str, float]) -> None:
    fine = segment()
    assert not fine.withheld and fine.valid["RMSSD"] and fine.valid["SDNN"] and fine.valid["HF"]
    assert fine.errors["RMSSD"] == pytest.approx(0.2 * fine.values["RMSSD"])
    share["RMSSD"] = 0.51
    wrong = segment()
    assert wrong.withheld == {"RMSSD", "SDSD", "CVSD", "SD1", "pNN20", "pNN50", "HF"}, "others are too short anyway"
    assert not any(wrong.valid[name] for name in wrong.withheld) and wrong.valid["SDNN"] and wrong.valid["MeanHR"]
    assert wrong.heart_rate == fine.heart_rate and wrong.values == fine.values
    share |= {"RMSSD": 0.5, "SDNN": 0.6}
    assert {"SDNN", "SDHR", "SD2", "MaxHR"} < segment().withheld and "RMSSD" not in segment().withheld
    assert not segment(max_error=None).withheld and not segment(max_error=0.7).withheld


def test_withheld_features_are_missing_in_the_stream_and_named_in_its_notes(share: dict[str, float]) -> None:
    share["RMSSD"] = 0.8
    made = made_skin(72, 40, np.random.default_rng(0), amplitude=0.01)
    colours = made.skin_TRC.reshape(-1, 12).astype(np.float32)
    clip = pulse_clip(ClipFeatures(colours, made.valid_T, made.time_T), NESTED)
    column = NAMES.index("RMSSD")
    assert clip.valid.all() and np.isnan(clip.features[:, column]).all()
    assert np.isfinite(clip.features[:, NAMES.index("MeanHR")]).all()
    assert clip.meta["notes"] == "RMSSD of 2 of 2 segments withheld: its error is above 50 % of the value"
    kept = pulse_clip(ClipFeatures(colours, made.valid_T, made.time_T), settings_of("nested", invalid="keep"))
    assert np.isfinite(kept.features[:, column]).all()
    flags = segment_features(made.skin_TRC, made.time_T, made.valid_T, NESTED).valid_SK
    assert not flags[:, column].any() and flags[:, NAMES.index("MeanNN")].all()


def test_published_settings_withhold_nothing(share: dict[str, float]) -> None:
    share |= {"RMSSD": 9.0, "SDNN": 9.0}
    made = made_skin(75, 17, np.random.default_rng(0), amplitude=0.01, light=0, motion=0.0005)
    found = segment_features(made.skin_TRC, made.time_T, made.valid_T, settings_of("published"))
    assert found.kept_S[0] and found.valid_SK[0].sum() > 30 and np.isfinite(found.X[0, NAMES.index("RMSSD")])


def test_another_table_makes_the_stream_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skin = FeatureStore(tmp_path, "skin", "s" * 64)
    before = pulse_store(skin, [], tmp_path, NESTED).recipe
    other = tmp_path / "errors.csv"
    other.write_text(TABLE.read_text().replace("0.", "1.", 1))
    monkeypatch.setattr("lfnet.features.derived.TABLE", other)
    assert pulse_store(skin, [], tmp_path, NESTED).recipe != before


def test_the_stated_error_held_on_other_traces_and_on_video() -> None:
    """The committed result: the share of segments within the stated error, of sources that made no table."""
    path = Path(__file__).parents[2] / "experiments" / "pulse" / "variability.csv"
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] != "fit"]
    assert {row["source"] for row in rows} == {"traces", "videos", "ppg"}
    for source, name in itertools.product(("traces", "videos", "ppg"), MEASURED):
        chosen = [row for row in rows if (row["source"], row["feature"]) == (source, name)]
        count = sum(int(row["segments"]) for row in chosen)
        within = sum(int(row["segments"]) * float(row["within_stated"]) for row in chosen) / count
        assert within > COVERAGE - 0.08, (source, name, within)


@pytest.mark.long
def test_the_stated_error_holds_on_fresh_draws() -> None:
    within, shown = [], []
    for draw in range(300):
        rng = np.random.default_rng([77, draw])
        pulse = draw_pulse(rng, 17.0)
        skin, time = draw_skin(pulse.volume, rng, 17.0, 30, 10 ** rng.uniform(-0.7, 0.6) if draw % 5 < 3 else None)
        (found,) = read_segments(skin, time, np.ones(len(time), bool), NESTED)
        truth = np.sqrt((np.diff(pulse.intervals(17.0)) ** 2).mean())
        if found.kept and 10 <= truth <= 120:  # what the table is about
            within.append(abs(found.values["RMSSD"] - truth) <= found.errors["RMSSD"])
            shown.append("RMSSD" not in found.withheld)
    assert len(within) > 80
    assert COVERAGE - 0.05 < np.mean(within) < COVERAGE + 0.2
    assert np.mean(np.array(within)[shown]) > COVERAGE - 0.15


@pytest.mark.parametrize("seconds", [2.0, 7.0, 9.0, 12.37])
def test_advice_for_a_short_clip_can_be_followed(seconds: float) -> None:
    made = made_skin(90, seconds, np.random.default_rng(0), amplitude=0.01)
    advice = NESTED.advice(seconds)
    if seconds < 6.7:
        assert advice == "Give 17 s or more; the shortest segment that can be set is 6.7 s."
        return
    length = float(advice.rpartition("pulse.segment=")[2].split()[0])
    assert f"pulse.hop={length:g}" in advice and seconds - 0.1 < length <= seconds
    (found,) = read_segments(
        made.skin_TRC, made.time_T, made.valid_T, settings_of("nested", segment=length, hop=length)
    )
    assert found.kept and found.heart_rate == pytest.approx(90, abs=3)
