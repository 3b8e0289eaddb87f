"""Simulated pulse features follow their definitions, are reproducible, and depend on severity as set."""

import json

import numpy as np
import pytest

from lfnet.cohorts.cohort import OwnFeatures
from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.simulation import pulse
from lfnet.simulation.pulse import NAMES, read_pulse
from tests.composing import composed

# The small cohort's frames, slower: segments of 10 s as short ones of video, and segments that are long enough for all.
SHORT = ("cohort.fps=3", "cohort.duration={min:20,max:80,median:40}", "cohort.pulse.segment=10")
LONG = ("cohort.fps=0.15", "cohort.duration={min:400,max:1600,median:800}", "cohort.pulse.segment=200")
VALID = ["MeanNN", "RMSSD", "Amplitude", "MeanHR", "SD1"]  # in a segment of 10 s


def rows(cohort, kept_only=True):
    """Return the segments of all clips, and the clip of each."""
    stream = cohort.own.more[0]
    clips = [stream.clip(name) for name in cohort.clips["clip_id"]]
    features = np.concatenate([x[kept] if kept_only else x for x, kept, _ in clips])
    owner = np.repeat(np.arange(len(clips)), [int(kept.sum()) if kept_only else len(kept) for _, kept, _ in clips])
    return features.astype(float), owner


def column(features, name):
    return features[:, NAMES.index(name)]


def test_a_clip_has_the_shapes_and_types_of_the_interface(simulated):
    cohort = simulated(*SHORT)
    stream = cohort.own.more[0]
    assert isinstance(stream, OwnFeatures) and stream.stream == "pulse"
    assert stream.meta["per_segment"] == "true" and tuple(json.loads(stream.meta["names"])) == NAMES
    for row in cohort.clips.itertuples():
        features, kept, start = stream.clip(row.clip_id)
        segments = int(row.n_frames / 3 / 10)
        assert features.shape == (segments, len(NAMES)) and features.dtype == np.float32
        assert kept.dtype == bool and start.dtype == np.float64
        np.testing.assert_array_equal(start, 10 * np.arange(segments))
        assert np.isnan(features[~kept]).all()
        np.testing.assert_array_equal(np.isfinite(features[kept]), np.tile(np.isin(NAMES, VALID), (kept.sum(), 1)))
    with pytest.raises(KeyError):
        stream.clip("nobody")
    assert simulated("cohort.pulse=null").own.more == ()


def test_a_clip_shorter_than_a_segment_has_none_as_on_video(simulated):
    kept = ("cohort.pulse.lost_segments=0", "cohort.pulse.lost_clips=0")
    stream = simulated(*kept, "cohort.pulse.segment=5").own.more[0]
    seconds = stream.truth.clips["n_frames"] / 30
    assert (seconds < 5).sum() > 50 and (seconds >= 5).sum() > 50
    counts = [len(stream.clip(name)[1]) for name in stream.truth.clips["clip_id"]]
    np.testing.assert_array_equal(counts, np.where(seconds < 5, 0, 1))


def test_features_are_valid_by_the_list_that_nested_applies_to_video(simulated):
    """At every length: those that `lfnet.pulse` would keep of a segment with the median interval, and no others."""
    config, _ = composed("pulse=nested")
    video = instantiate(config["pulse"], "pulse")
    for seconds in (9.9, 10, 17, 29, 30, 60, 120, 169, 171):
        own = simulated(f"cohort.pulse.segment={seconds}", "cohort.pulse.strength=2").own.more[0]
        expected = [
            name
            for name in NAMES
            if video.min_seconds.get(name, 0) <= seconds and video.min_intervals.get(name, 0) <= seconds / 0.85
        ]
        assert [name for name, valid in zip(NAMES, own.planted.valid, strict=True) if valid] == expected, seconds
    assert "SampEn" in expected


def test_a_segment_too_short_for_every_feature_is_refused(simulated):
    with pytest.raises(LfnetError, match=r"cohort.pulse.segment=5: a segment is too short for all of MeanNN, "):
        simulated("cohort.pulse.segment=5", "+cohort.pulse.min_seconds.Amplitude=6")


def test_clips_do_not_depend_on_the_order_of_calls(simulated):
    one, two = simulated(*SHORT).own.more[0], simulated(*SHORT).own.more[0]
    names = list(one.truth.clips["clip_id"][:6])
    forwards = {name: one.clip(name)[0].tobytes() for name in names}
    assert forwards == {name: two.clip(name)[0].tobytes() for name in reversed(names)}
    assert len({one.source(name) for name in names}) == 6
    assert [one.source(name) for name in names] == [two.source(name) for name in names]
    other = simulated(*SHORT, "cohort.pulse.strength=2").own.more[0]
    assert other.recipe != one.recipe and other.source(names[0]) != one.source(names[0])


def test_frames_do_not_depend_on_the_pulse(simulated):
    plain, loud, none = (simulated(*over).own for over in ((), ("cohort.pulse.strength=3",), ("cohort.pulse=null",)))
    name = plain.truth.clips["clip_id"][5]
    assert plain.recipe == loud.recipe == none.recipe
    assert plain.clip(name)[0].tobytes() == loud.clip(name)[0].tobytes() == none.clip(name)[0].tobytes()


def test_features_follow_their_definitions(simulated):
    features, _ = rows(simulated(*SHORT, "cohort.pulse.invalid=noise"))
    np.testing.assert_allclose(column(features, "MeanHR"), 60_000 / column(features, "MeanNN"), rtol=1e-6)
    np.testing.assert_allclose(column(features, "SD1"), column(features, "RMSSD") / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(column(features, "LFHF"), column(features, "LF") / column(features, "HF"), rtol=1e-6)
    assert ((column(features, "pNN50") > 0) & (column(features, "pNN50") < 100)).all()
    assert np.median(column(features, "MeanHR")) == pytest.approx(60_000 / 850, rel=0.05)
    assert np.median(column(features, "RMSSD")) == pytest.approx(32, rel=0.15)
    assert np.percentile(column(features, "MeanHR"), [1, 99]) == pytest.approx([53, 95], rel=0.15)


@pytest.mark.parametrize(("length", "columns"), [(SHORT, [0, 2, 5]), (LONG, range(6))])
def test_features_correlate_as_stated(simulated, length, columns):
    """C is the correlation that the factor gives white coordinates, and severity shifts features by b."""
    columns = list(columns)
    cohort = simulated(*length, "cohort.recordings.test=900", "cohort.pulse.strength=0", "cohort.people=990")
    planted = cohort.own.more[0].planted
    assert planted.columns.tolist() == columns
    correlation = pulse._CORRELATION[np.ix_(columns, columns)]
    np.testing.assert_array_equal(pulse._CORRELATION, pulse._CORRELATION.T)
    np.testing.assert_allclose(planted.lower @ planted.lower.T, correlation, atol=1e-12)
    effect = planted.lower @ planted.q
    assert effect / effect[0] == pytest.approx(pulse._EFFECT[columns] / pulse._EFFECT[0]) and effect[0] < 0
    features, owner = rows(cohort)
    base = np.log(features[:, :6])
    base[:, 3] = np.log(features[:, 3] / (100 - features[:, 3]))
    first = np.unique(owner, return_index=True)[1]  # one segment a clip; two clips of one person are alike
    assert np.corrcoef(base[first][:, columns].T) == pytest.approx(correlation, abs=0.1)
    assert base[first][:, columns].std(axis=0) == pytest.approx(pulse._SPREAD[columns], rel=0.1)


def test_features_that_need_longer_segments_are_missing_or_noise(simulated):
    """However strong the effect: a feature that the pipeline would drop says nothing about severity."""
    features, _ = rows(simulated(*SHORT))
    assert [name for name in NAMES if np.isfinite(column(features, name)).all()] == sorted(VALID, key=NAMES.index)
    assert [name for name in NAMES if np.isnan(column(features, name)).all()] == [n for n in NAMES if n not in VALID]
    noise = simulated(*SHORT, "cohort.pulse.invalid=noise", "cohort.pulse.strength=50")
    features, owner = rows(noise)
    assert np.isfinite(features).all()
    u = noise.own.truth.recordings["u"].to_numpy()[noise.own.truth.clips["recording"]][owner]
    related = [abs(np.corrcoef(u, np.log(np.abs(column(features, name))))[0, 1]) for name in NAMES]
    for name, value in zip(NAMES, related, strict=True):
        assert value > 0.25 if name in VALID else value < 5 / np.sqrt(84), name


@pytest.mark.parametrize("seconds", [10, 30, 200])
def test_statistics_are_recovered_exactly(simulated, seconds):
    planted = simulated(f"cohort.pulse.segment={seconds}").own.more[0].planted
    random = np.random.default_rng(0)
    white = 1.5 * random.standard_normal((40, len(planted.q)))
    features = pulse._features(white, planted, random).astype(np.float32)
    features[:, ~planted.valid] = np.nan
    found = read_pulse(features, np.arange(40) < 30, planted)
    assert (found.segments, found.kept) == (40, 30)
    assert found.mean == pytest.approx((white[:30] @ planted.q).mean(), abs=1e-5)
    assert read_pulse(features, np.zeros(40, bool), planted) == pulse.PulseStatistics(40, 0, 0.0)


@pytest.mark.parametrize("strength", [0.0, 1.0, 20.0])
def test_drives_keep_their_distribution_and_correlate_with_severity_as_set(simulated, strength):
    own = simulated(f"cohort.pulse.strength={strength}", "cohort.recordings.test=3000").own
    stream, truth = own.more[0], own.truth
    drive = stream._white @ stream.planted.q
    u = truth.recordings["u"].to_numpy()[truth.clips["recording"]]
    assert drive.mean() == pytest.approx(0, abs=0.1) and drive.std() == pytest.approx(1, abs=0.06)
    assert np.corrcoef(drive, u)[0, 1] == pytest.approx(strength / np.hypot(1, strength), abs=0.05)
    aside = np.linalg.svd(stream.planted.q[None])[2][1:]  # directions that severity does not affect
    others = stream._white @ aside.T
    assert np.abs(np.corrcoef(np.column_stack([u, others]).T)[0, 1:]).max() < 5 / np.sqrt(1700)
    # What clips of one recording share, and recordings of one person; severity shares .7 of it within a person.
    first, second = drive[0::2], drive[1::2]
    spread = 1 / (1 + strength**2)
    shared = 1 - spread + spread * (pulse.PERSON + pulse.SESSION)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(shared, abs=0.04)
    person = truth.recordings["person"].to_numpy()
    pair = np.flatnonzero(person[1:] == person[:-1])
    within = np.corrcoef(first[pair], first[pair + 1])[0, 1]
    assert within == pytest.approx(0.7 * (1 - spread) + spread * pulse.PERSON, abs=0.08)


def test_segments_and_clips_are_lost_with_the_set_shares_regardless_of_severity(simulated):
    over = ("cohort.pulse.segment=0.25", "cohort.recordings.test=1000")
    cohort = simulated(*over, "cohort.pulse.lost_segments=0.3", "cohort.pulse.lost_clips=0.2")
    stream, truth = cohort.own.more[0], cohort.own.truth
    kept = [stream.clip(name)[1] for name in truth.clips["clip_id"]]
    gone = np.array([not any(one) for one in kept])
    assert gone.mean() == pytest.approx(0.2, abs=0.035)
    lost = 1 - np.concatenate([one for one in kept if any(one)]).mean()
    assert lost == pytest.approx(0.3, abs=0.02)
    u = truth.recordings["u"].to_numpy()[truth.clips["recording"]]
    share = np.array([one.mean() for one in kept])
    assert abs(np.corrcoef(u, gone)[0, 1]) < 5 / np.sqrt(600)
    assert abs(np.corrcoef(u[~gone], share[~gone])[0, 1]) < 5 / np.sqrt(600)
    none = simulated(*SHORT, "cohort.pulse.lost_clips=1").own.more[0]
    assert not any(none.clip(name)[1].any() for name in none.truth.clips["clip_id"])
