"""Less data: parts of clips and fewer training people, recorded with the run; all of it changes no name."""

from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.jobs.job import plan, run
from lfnet.runs.run import Run
from tests.composing import CONF, SMALL, composed


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("amount")


def planned(root: Path, *overrides: str):
    return plan(composed(*SMALL, *overrides, root=root)[0], progress=False)


def test_people_of_training_alone_are_left_out_and_fewer_are_among_more(root: Path) -> None:
    clips = [planned(root, *own).inputs.cohort.clips for own in ((), *((f"amount.train_people={n}",) for n in (6, 3)))]
    people = [set(one.loc[one["split"] == "train", "person_id"]) for one in clips]
    assert [len(own) for own in people[1:]] == [6, 3] and people[0] > people[1] > people[2]
    for split in ("dev", "test"):
        ids = [one.loc[one["split"] == split, "clip_id"].tolist() for one in clips]
        assert ids[0] == ids[1] == ids[2]
    other = planned(root, "amount.train_people=6", "amount.seed=1").inputs.cohort.clips
    assert set(other.loc[other["split"] == "train", "person_id"]) != people[1]


def test_oracles_and_normalisation_know_the_people_who_are_left(root: Path) -> None:
    own = planned(root, "amount.train_people=3").inputs.cohort.own
    assert (own.truth.recordings["split"] == "left out").any()


def test_parts_of_clips_are_read_in_training_and_testing(root: Path) -> None:
    whole, part = planned(root), planned(root, "amount.clip_share=0.5")
    for split in ("train", "test"):
        clip = whole.inputs.cohort.in_split(split)["clip_id"].iloc[0]
        frames = [job.inputs.store.shape(clip)[0] for job in (whole, part)]
        assert frames[1] == -(-frames[0] // 2)
    assert whole.fingerprint != part.fingerprint


def test_all_of_it_is_the_job_without_the_group(root: Path) -> None:
    """So that runs of earlier versions are found: neither name nor record knows of the group."""
    given = planned(root)
    config = {name: node for name, node in given.config.items() if name != "amount"}
    without = plan(config, progress=False)
    assert without.fingerprint == given.fingerprint
    assert "amount" not in given.recorded_config()


def test_a_run_records_what_it_used(root: Path) -> None:
    config, choices = composed(*SMALL, "head=mean_mlp", "amount.clip_share=0.5", "amount.train_people=6", root=root)
    result = Run(root / "runs" / run(config, choices).run).result
    assert result.config["amount"] == {"clip_share": 0.5, "train_people": 6, "seed": 0}
    assert result.cohort.people["train"] == 6


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["amount.train_people=99"], r"amount.train_people=99: split train of cohort simulated has \d+ people"),
        (["amount.clip_share=0"], "amount.clip_share=0: give a number above 0"),
        (["amount.clip_share=0.5", "fusion=nested"], "amount.clip_share shortens the frames of a head, and a fusion"),
    ],
)
def test_wrong_amounts_are_refused(root: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        planned(root, *overrides)


@pytest.mark.parametrize("name", [path.stem for path in (CONF / "amount").glob("*.yaml") if path.stem != "all"])
def test_each_option_is_what_its_name_says(name: str) -> None:
    what, _, number = name.partition("_")
    node = composed(f"amount={name}")[0]["amount"]
    expected = {"clip_share": float(number) / 100} if what == "clip" else {"train_people": int(number)}
    assert node == {"clip_share": 1.0, "train_people": None, "seed": 0} | expected
