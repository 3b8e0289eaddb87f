"""Simulated pulse features follow their definitions, are reproducible, and depend on severity as set."""

import json

import numpy as np
import pytest

from lfnet.cohorts.cohort import OwnFeatures
from lfnet.simulation import pulse
from lfnet.simulation.pulse import NAMES, read_pulse

# A second a segment, so that clips of a few seconds have several.
SHORT = "cohort.pulse.segment=1"

INVALID = ["LF", "HF", "LFHF", "DFA_alpha1"]  # for which a short segment has too few beats


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
    cohort = simulated(SHORT)
    stream = cohort.own.more[0]
    assert isinstance(stream, OwnFeatures) and stream.stream == "pulse"
    assert stream.meta["per_segment"] == "true" and tuple(json.loads(stream.meta["names"])) == NAMES
    for row in cohort.clips.itertuples():
        features, kept, start = stream.clip(row.clip_id)
        segments = max(1, int(row.n_frames / 30))
        assert features.shape == (segments, len(NAMES)) and features.dtype == np.float32
        assert kept.dtype == bool and start.dtype == np.float64
        np.testing.assert_array_equal(start, np.arange(segments))
        assert np.isnan(features[~kept]).all()
        assert np.isfinite(features[kept][:, : NAMES.index("LF")]).all()
    with pytest.raises(KeyError):
        stream.clip("nobody")
    assert simulated("cohort.pulse=null").own.more == ()


def test_a_clip_shorter_than_a_segment_has_one_segment(simulated):
    cohort = simulated("cohort.pulse.lost_segments=0", "cohort.pulse.lost_clips=0")
    _, owner = rows(cohort)
    np.testing.assert_array_equal(owner, np.arange(len(cohort.clips)))


def test_clips_do_not_depend_on_the_order_of_calls(simulated):
    one, two = simulated(SHORT).own.more[0], simulated(SHORT).own.more[0]
    names = list(one.truth.clips["clip_id"][:6])
    forwards = {name: one.clip(name)[0].tobytes() for name in names}
    assert forwards == {name: two.clip(name)[0].tobytes() for name in reversed(names)}
    assert len({one.source(name) for name in names}) == 6
    assert [one.source(name) for name in names] == [two.source(name) for name in names]
    other = simulated(SHORT, "cohort.pulse.strength=2").own.more[0]
    assert other.recipe != one.recipe and other.source(names[0]) != one.source(names[0])


def test_frames_do_not_depend_on_the_pulse(simulated):
    plain, loud, none = (simulated(*over).own for over in ((), ("cohort.pulse.strength=3",), ("cohort.pulse=null",)))
    name = plain.truth.clips["clip_id"][5]
    assert plain.recipe == loud.recipe == none.recipe
    assert plain.clip(name)[0].tobytes() == loud.clip(name)[0].tobytes() == none.clip(name)[0].tobytes()


def test_features_follow_their_definitions(simulated):
    features, _ = rows(simulated(SHORT, "cohort.pulse.invalid=noise"))
    np.testing.assert_allclose(column(features, "MeanHR"), 60_000 / column(features, "MeanNN"), rtol=1e-6)
    np.testing.assert_allclose(column(features, "SD1"), column(features, "RMSSD") / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(column(features, "LFHF"), column(features, "LF") / column(features, "HF"), rtol=1e-6)
    assert ((column(features, "pNN50") > 0) & (column(features, "pNN50") < 100)).all()
    assert np.median(column(features, "MeanHR")) == pytest.approx(60_000 / 850, rel=0.05)
    assert np.median(column(features, "RMSSD")) == pytest.approx(32, rel=0.15)
    assert np.percentile(column(features, "MeanHR"), [1, 99]) == pytest.approx([53, 95], rel=0.15)


def test_features_correlate_as_stated(simulated):
    """C is the correlation that the factor gives white coordinates, and severity shifts features by b."""
    np.testing.assert_allclose(pulse._LOWER @ pulse._LOWER.T, pulse._CORRELATION, atol=1e-12)
    np.testing.assert_array_equal(pulse._CORRELATION, pulse._CORRELATION.T)
    effect = pulse._LOWER @ pulse._Q
    assert effect / effect[0] == pytest.approx(pulse._EFFECT / pulse._EFFECT[0]) and effect[0] < 0
    features, owner = rows(
        simulated(SHORT, "cohort.recordings.test=900", "cohort.pulse.strength=0", "cohort.people=990")
    )
    base = np.log(features[:, :6])
    base[:, 3] = np.log(features[:, 3] / (100 - features[:, 3]))
    first = np.unique(owner, return_index=True)[1]  # one segment a clip; two clips of one person are alike
    assert np.corrcoef(base[first].T) == pytest.approx(pulse._CORRELATION, abs=0.1)
    assert base[first].std(axis=0) == pytest.approx(pulse._SPREAD, rel=0.1)


def test_features_that_need_longer_segments_are_missing_or_noise(simulated):
    missing, noise = simulated(SHORT), simulated(SHORT, "cohort.pulse.invalid=noise", "cohort.pulse.strength=50")
    features, _ = rows(missing)
    assert [name for name in NAMES if np.isnan(column(features, name)).all()] == INVALID
    features, owner = rows(noise)
    u = noise.own.truth.recordings["u"].to_numpy()[noise.own.truth.clips["recording"]][owner]
    assert abs(np.corrcoef(u, column(features, "RMSSD"))[0, 1]) > 0.3
    for name in INVALID:
        assert np.isfinite(column(features, name)).all()
        assert abs(np.corrcoef(u, np.log(np.abs(column(features, name))))[0, 1]) < 5 / np.sqrt(84)


def test_statistics_are_recovered_exactly(simulated):
    random = np.random.default_rng(0)
    white = 1.5 * random.standard_normal((40, 6))
    for noise in (False, True):
        features = pulse._features(white, noise, random).astype(np.float32)
        found = read_pulse(features, np.arange(40) < 30)
        assert (found.segments, found.kept) == (40, 30)
        assert found.mean == pytest.approx((white[:30] @ pulse._Q).mean(), abs=1e-5)
    assert read_pulse(features, np.zeros(40, bool)) == pulse.PulseStatistics(40, 0, 0.0)


@pytest.mark.parametrize("strength", [0.0, 1.0, 20.0])
def test_drives_keep_their_distribution_and_correlate_with_severity_as_set(simulated, strength):
    own = simulated(f"cohort.pulse.strength={strength}", "cohort.recordings.test=3000").own
    stream, truth = own.more[0], own.truth
    drive = stream._white @ pulse._Q
    u = truth.recordings["u"].to_numpy()[truth.clips["recording"]]
    assert drive.mean() == pytest.approx(0, abs=0.1) and drive.std() == pytest.approx(1, abs=0.06)
    assert np.corrcoef(drive, u)[0, 1] == pytest.approx(strength / np.hypot(1, strength), abs=0.05)
    aside = np.linalg.svd(pulse._Q[None])[2][1:]  # directions that severity does not affect
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
    none = simulated(SHORT, "cohort.pulse.lost_clips=1").own.more[0]
    assert not any(none.clip(name)[1].any() for name in none.truth.clips["clip_id"])
