"""Splits of conf/splits: no person in two splits, and test unchanged or every recording tested once."""

import numpy as np
import pytest

from lfnet.cli.configs import compose
from lfnet.cohorts.splits import grouped, unshared
from lfnet.config import check_target, instantiate, plain
from lfnet.errors import LfnetError
from lfnet.jobs.inputs import load_cohort
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs

SMALL = ["cohort.dim=16", "cohort.duration.max=8", "cohort.duration.min=6", "cohort.duration.median=7"]


def settings(*words):
    return plain(compose("train", [*SMALL, *words]))


@pytest.fixture(scope="module")
def cohort():
    return instantiate(settings()["cohort"])


def people(cohort):
    recordings = cohort.recordings()
    return {split: set(recordings.loc[recordings["split"] == split, "person_id"]) for split in ("train", "dev", "test")}


def test_people_of_test_are_not_trained_on(cohort):
    before, after = people(cohort), people(unshared(cohort))
    assert before["train"] & before["test"], "the cohort must share people for this test"
    assert after["test"] == before["test"]
    assert not after["train"] & after["test"] and not after["dev"] & after["test"] and not after["train"] & after["dev"]
    assert after["train"] == before["train"] - before["test"] - before["dev"]


def test_test_is_unchanged_and_a_warning_counts_what_is_left(cohort):
    left = unshared(cohort)
    assert left.in_split("test").equals(cohort.in_split("test"))
    recordings = left.recordings()
    train, dev = ((recordings["split"] == split).sum() for split in ("train", "dev"))
    assert train < 50 and dev < 50
    assert any(
        f"{train} of 50 train recordings and {dev} of 50 dev recordings are left" in text for text in left.warnings
    )
    assert not any("more than one split" in text for text in left.warnings)


def test_nothing_is_left_out_where_no_person_is_shared():
    cohort = instantiate(settings("cohort.people_shared=0")["cohort"])
    same = unshared(cohort)
    assert same.clips.equals(cohort.clips) and same.warnings == cohort.warnings


def test_every_recording_is_tested_in_one_fold(cohort):
    tested = []
    for fold in (1, 2, 3, 4):
        part = grouped(cohort, folds=4, fold=fold, seed=0)
        sides = people(part)
        assert not sides["train"] & sides["test"] and not sides["dev"] & (sides["train"] | sides["test"])
        assert len(part.clips) == len(cohort.clips)
        tested += part.recordings().query("split == 'test'")["recording_id"].tolist()
    assert sorted(tested) == sorted(cohort.recordings()["recording_id"])
    again = grouped(cohort, folds=4, fold=1, seed=1)
    assert people(again)["test"] != people(grouped(cohort, folds=4, fold=1, seed=0))["test"]


def test_a_fold_above_their_number_is_refused(cohort):
    with pytest.raises(LfnetError, match=r"splits\.fold=5: give a whole number from 1 to splits\.folds=4\."):
        grouped(cohort, folds=4, fold=5, seed=0)


def test_wrong_settings_are_all_named_without_a_cohort():
    node = settings("splits=grouped", "splits.fold=a", "splits.folds=2", "splits.seed=-1")["splits"]
    with pytest.raises(LfnetError) as caught:
        check_target(node, "splits")
    assert sorted(str(caught.value).splitlines()) == [
        "splits.fold=a: give a whole number of 1 or more.",
        "splits.folds=2: give a whole number of 3 or more.",
        "splits.seed=-1: give a whole number of 0 or more.",
    ]


def test_features_stay_and_oracles_follow_the_people_of_train(cohort):
    left = unshared(cohort)
    clip = left.clips["clip_id"].iloc[0]
    np.testing.assert_array_equal(left.own.clip(clip)[0], cohort.own.clip(clip)[0])
    assert left.own.source(clip) == cohort.own.source(clip)

    def answers(one):
        table = one.own.references().set_index(["model", "recording_id"])["score"]
        tested = one.recordings().query("split == 'test'")["recording_id"]
        return {model: table.loc[model].loc[tested] for model in ("oracle_signal_mean", "oracle_people_mean")}

    official, honest = answers(cohort), answers(left)
    assert honest["oracle_signal_mean"].equals(official["oracle_signal_mean"])
    # No person of test is in train, so that knowing people adds nothing.
    np.testing.assert_allclose(honest["oracle_people_mean"], honest["oracle_signal_mean"], atol=0.05)
    assert np.abs(official["oracle_people_mean"] - official["oracle_signal_mean"]).max() > 0.5


def test_the_config_chooses_splits():
    session = Session()

    def load(*words):
        return load_cohort(read_inputs(settings(*words), session), session)

    assert load().fingerprint() != load("splits=unshared").fingerprint()
    assert load() is load()
    one, two = (load("splits=grouped", f"splits.fold={fold}") for fold in (1, 2))
    assert one.fingerprint() != two.fingerprint()
