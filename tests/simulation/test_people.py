"""People, splits and labels resemble AVEC2014's, and severity shows only where it was planted."""

import numpy as np
import pandas as pd
import pytest


def test_the_default_cohort_has_the_structure_of_avec2014(simulated):
    cohort = simulated(small=False)
    recordings = cohort.recordings()
    assert recordings["split"].value_counts().to_dict() == {"train": 50, "dev": 50, "test": 50}
    assert recordings["person_id"].nunique() == 84
    assert recordings["person_id"].value_counts().between(1, 3).all()
    assert cohort.clips.groupby("recording_id")["task"].agg(sorted).map(tuple).unique().tolist() == [
        ("freeform", "northwind")
    ]
    seconds = cohort.clips["n_frames"] / cohort.clips["fps"]
    assert seconds.min() >= 6 and seconds.max() <= 248 and 30 < seconds.median() < 45
    assert (cohort.clips["n_frames"] % 32 == 0).all()
    assert cohort.simulated and "people in more than one split" in cohort.warnings[0]


def test_splits_of_any_size(simulated):
    recordings = simulated("cohort.recordings.test=300", "cohort.people_shared=0").recordings()
    assert recordings["split"].value_counts().to_dict() == {"train": 50, "dev": 50, "test": 300}
    assert recordings["person_id"].nunique() == 224  # 56 % of 400, as 84 of 150


@pytest.mark.parametrize("seed", range(5))
def test_no_one_is_shared_where_people_shared_is_0(simulated, seed):
    cohort = simulated("cohort.people_shared=0", f"cohort.seed={seed}")
    assert (cohort.recordings().groupby("person_id")["split"].nunique() == 1).all()
    assert cohort.warnings == ()


def test_more_people_are_shared_as_people_shared_grows(simulated):
    def shared(value):
        splits = simulated(f"cohort.people_shared={value}").recordings().groupby("person_id")["split"].nunique()
        return (splits > 1).sum()

    assert 0 == shared(0) < shared(0.5) < shared(1)


@pytest.fixture(scope="module")
def many(simulated):
    """People and clips of 24 cohorts of 150, at the defaults of everything that may leak."""
    truths = [simulated(f"cohort.seed={seed}").own.truth for seed in range(24)]
    recordings = pd.concat([truth.recordings.assign(cohort=c) for c, truth in enumerate(truths)], ignore_index=True)
    clips = [
        t.clips.merge(t.recordings, left_on="recording", right_index=True).assign(cohort=c)
        for c, t in enumerate(truths)
    ]
    return recordings, pd.concat(clips, ignore_index=True)


def test_labels_are_skewed_integers_on_the_scale(many):
    label = many[0]["label"]
    assert (label == np.rint(label)).all() and label.between(0, 63).all()
    # 3,600 labels of about 2,000 people: four standard errors or more.
    assert label.mean() == pytest.approx(15.2, abs=1.0) and label.std() == pytest.approx(12, abs=0.7)
    assert (label <= 5).mean() > 0.2 and label.median() < label.mean() - 1 and label.max() > 45


def test_severity_has_the_stated_distribution(many):
    recordings = many[0]
    assert recordings["severity"].mean() == pytest.approx(15, abs=1.0)
    noise = (recordings["label"] - recordings["severity"])[recordings["severity"].between(8, 55)]
    assert noise.std() == pytest.approx(np.sqrt(2.0**2 + 1 / 12), rel=0.06)
    first, second = (recordings[recordings["recording_id"].str.endswith(f"_{s}")] for s in (1, 2))
    pairs = first.merge(second, on=["cohort", "person_id"])
    assert np.corrcoef(pairs["u_x"], pairs["u_y"])[0, 1] == pytest.approx(0.7, abs=0.06)


def test_severity_affects_no_other_variable(many):
    """Duration, tasks, splits, sessions and the order of names say nothing about severity (5 standard errors)."""
    recordings, clips = many
    bound = 5 / np.sqrt(recordings.groupby("cohort")["person_id"].nunique().sum())
    by_person = recordings.groupby(["cohort", "person_id"]).agg(u=("u", "mean"), sittings=("u", "size"))
    place = recordings.groupby("cohort").cumcount()
    session = recordings["recording_id"].str[-1].astype(int)
    for other, u in (
        (np.log(clips["n_frames"]), clips["u"]),
        (place, recordings["u"]),
        (session, recordings["u"]),
        (recordings["split"] == "train", recordings["u"]),
        (recordings["split"] == "test", recordings["u"]),
        (by_person["sittings"], by_person["u"]),
    ):
        assert abs(np.corrcoef(other, u)[0, 1]) < bound


def test_duration_leak_is_the_correlation_that_is_set(simulated):
    truth = simulated("cohort.recordings.test=3000", "cohort.duration_leak=0.5", small=False).own.truth
    u = truth.recordings["u"].to_numpy()[truth.clips["recording"]]
    assert np.corrcoef(np.log(truth.clips["n_frames"]), u)[0, 1] == pytest.approx(0.5, abs=0.05)


def test_drives_keep_their_distribution_at_any_strength(simulated):
    for strength in (0, 1.5, 50):
        truth = simulated("cohort.recordings.test=4000", f"cohort.signal.strength={strength}").own.truth
        for drive in (truth.recordings["tempo"], truth.recordings["burst"], truth.clips["level"]):
            assert drive.mean() == pytest.approx(0, abs=0.1) and drive.std() == pytest.approx(1, abs=0.06)
        signal = simulated(f"cohort.signal.strength={strength}").own.settings.signal
        for name in ("tempo", "burst"):
            correlation = np.corrcoef(truth.recordings[name], truth.recordings["u"])[0, 1]
            assert correlation == pytest.approx(signal.coupling(name), abs=0.06)


def test_draw_is_deterministic_and_seeded(simulated):
    one, two, other = simulated(), simulated(), simulated("cohort.seed=1")
    assert one.fingerprint() == two.fingerprint() != other.fingerprint()
    assert one.own.recipe == two.own.recipe != other.own.recipe


def test_a_planted_group_scores_as_many_points_more_and_nothing_else_moves(simulated):
    filmed = "cohort.filming={leak: {}, moves: 0.3, sex_shift: %d}"
    plain, planted = (simulated(filmed % points) for points in (0, 4))
    pd.testing.assert_frame_equal(plain.about, planted.about)
    pd.testing.assert_frame_equal(plain.clips.drop(columns="label"), planted.clips.drop(columns="label"))
    female = plain.about["sex"].to_numpy() == "f"
    before, after = plain.clips["label"].to_numpy(), planted.clips["label"].to_numpy()
    np.testing.assert_array_equal(after[~female], before[~female])
    inside = female & (before > 0) & (before <= 59)
    np.testing.assert_array_equal(after[inside], before[inside] + 4)
    clip = plain.clips["clip_id"][0]
    np.testing.assert_array_equal(plain.own.clip(clip)[0], planted.own.clip(clip)[0])
    # Features of settings from before there was a shift keep their name.
    assert "sex_shift" not in plain.own.settings.drawn()["filming"]
    assert planted.own.settings.drawn()["filming"]["sex_shift"] == 4
