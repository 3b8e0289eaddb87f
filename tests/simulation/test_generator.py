"""Features are reproducible unit vectors that identify people and show severity only as planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lfnet.simulation import signals
from lfnet.simulation.generator import SimulatedFeatures
from lfnet.simulation.people import Truth
from lfnet.simulation.signals import raw_coordinates


def _with(own: SimulatedFeatures, **columns: float) -> SimulatedFeatures:
    """Return the same cohort with these drives (level, tempo, burst) for everyone."""
    recordings = own.truth.recordings.assign(**{name: value for name, value in columns.items() if name != "level"})
    clips = own.truth.clips.assign(**{name: value for name, value in columns.items() if name == "level"})
    return SimulatedFeatures(own.settings, Truth(recordings, clips))


def test_a_clip_has_the_shapes_and_types_of_the_interface(simulated):
    cohort = simulated()
    for row in cohort.clips.head(6).itertuples():
        features, valid, seconds = cohort.own.clip(row.clip_id)
        assert features.shape == (row.n_frames, 32) and features.dtype == np.float32
        assert valid.dtype == bool and seconds.dtype == np.float64 and len(valid) == len(seconds) == row.n_frames
        assert seconds == pytest.approx(np.arange(row.n_frames) / 30)
        assert np.linalg.norm(features[valid].astype(float), axis=1) == pytest.approx(1, abs=2e-6)
        assert np.isnan(features[~valid]).all() and np.isfinite(features[valid]).all()
    assert cohort.own.stream == "simulated"
    with pytest.raises(KeyError):
        cohort.own.clip("nobody")


def test_clips_do_not_depend_on_the_order_of_calls(simulated):
    one, two = simulated(), simulated()
    names = one.clips["clip_id"].head(5).tolist()
    forwards = {name: one.own.clip(name)[0] for name in names}
    backwards = {name: two.own.clip(name)[0] for name in reversed(names)}
    again = one.own.clip(names[2])[0]
    assert all(forwards[name].tobytes() == backwards[name].tobytes() for name in names)
    assert again.tobytes() == forwards[names[2]].tobytes()
    other = simulated("cohort.seed=1").own
    assert not np.allclose(other.clip(other.truth.clips["clip_id"][0])[0][0], forwards[names[0]][0])


def test_the_source_changes_with_all_that_determines_a_clip(simulated):
    own = simulated().own
    names = own.truth.clips["clip_id"]
    sources = [own.source(name) for name in names]
    again = simulated().own
    assert len(set(sources)) == len(names) and sources == [again.source(name) for name in names]
    assert _with(own, tempo=1.0).source(names[0]) != sources[0]
    stronger = simulated("cohort.signal.strength=3").own
    assert stronger.recipe != own.recipe and stronger.source(names[0]) != sources[0]


def test_raw_coordinates_are_recovered_exactly(simulated):
    """Coordinates along the signal directions equal the planted ones to float32 precision."""
    own = simulated("cohort.dim=512", "cohort.lost_frames=0").own
    raw = np.random.default_rng(0).normal(size=(192, signals.DIRECTIONS)) * [1, 3, 1, 1, 1, 1]
    vectors = own._vectors(raw, 0, 0, 0)
    assert raw_coordinates(vectors, own.basis, own.settings.signal) == pytest.approx(raw, abs=1e-5)
    other = own._vectors(np.zeros_like(raw), 0, 0, 0)
    # The part orthogonal to the signal directions is the same face for any signal.
    outside = [x - x @ own.basis @ own.basis.T for x in (vectors, other)]
    cosine = np.sum(outside[0] * outside[1], axis=1) / np.prod([np.linalg.norm(x, axis=1) for x in outside], axis=0)
    assert cosine == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("block", [8, 32])
def test_tempo_changes_only_the_order_within_blocks(simulated, block):
    """With the same seed and another drive, every block has the same set of frames in another order."""
    own = simulated("cohort.lost_frames=0", f"cohort.signal.block={block}").own
    fluent, broken = _with(own, tempo=9.0), _with(own, tempo=-9.0)
    for name in own.truth.clips["clip_id"][:10]:
        one, two = fluent.clip(name)[0], broken.clip(name)[0]
        assert not np.array_equal(one, two)
        for start in range(0, len(one), block):
            rows = slice(start, start + block)
            assert np.array_equal(one[rows][np.lexsort(one[rows].T)], two[rows][np.lexsort(two[rows].T)])


def test_drives_have_their_stated_effect_on_features(simulated):
    own = simulated("cohort.recordings.test=1", "cohort.recordings.dev=1", "cohort.duration.median=8").own
    rare, calm = _with(own, burst=2.0).statistics(), _with(own, burst=-2.0).statistics()
    for statistics, drive in ((rare, 2.0), (calm, -2.0)):
        share = sum(one.events for one in statistics.values()) / sum(one.blocks for one in statistics.values())
        assert share == pytest.approx(signals.burst_probability(drive), abs=0.05)
    ordered = _with(own, tempo=0.5).statistics()
    share = sum(len(one.chance) for one in ordered.values()) / sum(one.blocks for one in ordered.values())
    assert share == pytest.approx(signals.tempo_probability(0.5), abs=0.06)
    level = np.array([one.level for one in _with(own, level=1.25).statistics().values()])
    assert level.mean() == pytest.approx(1.25, abs=0.03) and level.std() < 0.15


def test_lost_frames_come_in_runs_with_the_set_share(simulated):
    own = simulated(
        "cohort.lost_frames=0.03", "cohort.duration={min:20,max:60,median:40}", "cohort.recordings.test=200"
    ).own
    lost = [~own._valid(int(frames), row) for row, frames in enumerate(own.truth.clips["n_frames"])]
    share = np.concatenate(lost).mean()
    runs = sum(int(one[0]) + int((np.diff(one.astype(int)) == 1).sum()) for one in lost)
    assert share == pytest.approx(0.03, abs=0.004)
    assert np.concatenate(lost).sum() / runs == pytest.approx(15, abs=2)
    most = simulated("cohort.lost_frames=0.9").own
    assert all(most._valid(int(frames), row).any() for row, frames in enumerate(most.truth.clips["n_frames"]))
    assert simulated("cohort.lost_frames=0").own._valid(500, 3).all()


def _recording_means(cohort) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    recordings = cohort.recordings()
    means = []
    for name in recordings["recording_id"]:
        clips = cohort.clips.loc[cohort.clips["recording_id"] == name, "clip_id"]
        means.append(np.mean([x[valid].mean(axis=0) for x, valid, _ in map(cohort.own.clip, clips)], axis=0))
    unit = np.array(means) / np.linalg.norm(means, axis=1, keepdims=True)
    one, two = np.triu_indices(len(unit), 1)
    person = recordings["person_id"].to_numpy()
    return np.sum(unit[one] * unit[two], axis=1), person[one] == person[two], np.array(means)


def test_features_identify_people_as_set_by_identity(simulated):
    cosine, same, _ = _recording_means(simulated("cohort.dim=512"))
    assert roc_auc_score(same, cosine) > 0.99
    cosine, same, _ = _recording_means(simulated("cohort.dim=512", "cohort.identity=0", "cohort.signal.strength=0"))
    # The level's jitter has a person's part, which leaves some information on identity.
    assert roc_auc_score(same, cosine) < 0.75


def test_frames_are_as_similar_as_those_of_a_face_network(simulated):
    cohort = simulated("cohort.dim=512", "cohort.lost_frames=0")
    first = {row.clip_id: cohort.own.clip(row.clip_id)[0][0] for row in cohort.clips.itertuples()}
    frames = cohort.clips[cohort.clips["task"] == "freeform"]
    x = np.array([first[name] for name in frames["clip_id"]])
    x = x - x @ cohort.own.basis @ cohort.own.basis.T
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    one, two = np.triu_indices(len(x), 1)
    person, cosine = frames["person_id"].to_numpy(), np.sum(x[one] * x[two], axis=1)
    assert cosine[person[one] == person[two]].mean() == pytest.approx(0.6, abs=0.04)
    assert cosine[person[one] != person[two]].mean() == pytest.approx(0.1, abs=0.02)


def test_severity_affects_no_other_property_of_the_features(simulated):
    """At a large strength, coverage, vector length and the scatter orthogonal to the signal are free of severity."""
    rows = []
    for seed in range(6):
        cohort = simulated(
            f"cohort.seed={seed}", "cohort.signal.strength=20", "cohort.people=150", "cohort.lost_frames=0.1"
        )
        u = cohort.own.truth.recordings["u"].to_numpy()[cohort.own.truth.clips["recording"]]
        for name, severity in zip(cohort.own.truth.clips["clip_id"], u, strict=True):
            x, valid, _ = cohort.own.clip(name)
            outside = x[valid] - x[valid] @ cohort.own.basis @ cohort.own.basis.T
            outside /= np.linalg.norm(outside, axis=1, keepdims=True)
            length = np.linalg.norm(x[valid].astype(float), axis=1).mean()
            rows.append((severity, valid.mean(), length, outside.mean(axis=0).std(), outside.std(axis=0).mean()))
    correlation = np.corrcoef(np.array(rows).T)[0, 1:]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(6 * 150)


def test_without_a_signal_features_do_not_depend_on_severity(simulated):
    silent = simulated("cohort.signal.name=none")
    own, name = silent.own, silent.clips["clip_id"][0]
    truth = Truth(own.truth.recordings.assign(u=3.0, severity=60.0, label=60.0), own.truth.clips)
    assert SimulatedFeatures(replace(own.settings), truth).clip(name)[0].tobytes() == own.clip(name)[0].tobytes()
    drives = own.truth.recordings[["tempo", "burst"]].assign(u=own.truth.recordings["u"])
    wide = pd.concat([simulated("cohort.signal.name=none", f"cohort.seed={s}").own.truth.recordings for s in range(20)])
    assert np.abs(wide[drives.columns].corr().loc["u", ["tempo", "burst"]]).max() < 5 / np.sqrt(20 * 84)


@pytest.mark.parametrize(("signal", "sees"), [("tempo", False), ("level", True)])
def test_models_blind_to_order_stay_at_chance_on_tempo(simulated, signal, sees):
    """Ridge on means and scatter of clips and on means of their last windows: 600 recordings, a very large strength."""
    cohort = simulated(
        f"cohort.signal={{name:{signal},strength:20}}",
        "cohort.recordings={train:600,dev:1,test:600}",
        "cohort.people=1201",
        "cohort.lost_frames=0.1",
    )
    truth, rows = cohort.own.truth, []
    for name in truth.clips["clip_id"]:
        x, valid, _ = cohort.own.clip(name)
        last = x[-64:][valid[-64:]] if valid[-64:].any() else x[valid]
        rows.append(np.concatenate([x[valid].mean(axis=0), x[valid].std(axis=0), last.mean(axis=0)]))
    pooled = np.array(rows).reshape(len(truth.recordings), 2, -1).mean(axis=1)
    train, test = ((truth.recordings["split"] == split).to_numpy() for split in ("train", "test"))
    u = truth.recordings["u"].to_numpy()
    model = make_pipeline(StandardScaler(), RidgeCV(10.0 ** np.arange(-2, 4))).fit(pooled[train], u[train])
    correlation = np.corrcoef(model.predict(pooled[test]), u[test])[0, 1]
    if sees:
        assert correlation > 0.9
    else:
        assert abs(correlation) < 3.5 / np.sqrt(600)
