"""A head that is trained on one cohort and tested on another one: its scores, their points, and what is refused."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import mae
from lfnet.jobs.job import plan, run
from lfnet.jobs.planned import Job
from lfnet.runs.run import WEIGHTS, Run
from tests.composing import SMALL, composed

HEAD = ("head=mean_mlp", "protocol.window=32", "protocol.hop=16", "trainer.max_epochs=2", "scale@cohort.scale=phq9")
LINE = "conversions=[{of: PHQ-9, to: BDI-II, points: [[0, 0], [27, 54]], source: made for this test}]"


def folder(root: Path, name: str, people: int, columns: int = 6, shift: float = 0.0, own: str = "") -> Path:
    """A folder of feature files with a manifest; the first column follows the label."""
    place = root / name
    place.mkdir()
    random = np.random.default_rng(len(name))
    lines = ["path,person_id,split,label,fps"]
    for number in range(people):
        label = 25 * number // people
        x_TD = random.normal(size=(40, columns)).astype(np.float32)
        x_TD[:, 0] += label / 4 + shift
        np.save(place / f"{own or name}{number}.npy", x_TD)
        split = ("train", "train", "dev", "test")[number % 4]
        lines.append(f"{own or name}{number}.npy,{own or name}{number},{split},{label},30")
    (place / "manifest.csv").write_text("\n".join(lines))
    return place


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("transfer")
    folder(root, "a", 24)
    folder(root, "b", 16, shift=2.0)
    return root


def settings(root: Path, *overrides: str, train: str = "a", test: str | None = "b") -> tuple[dict, dict]:
    """The config and choices of a head on cohort `train`, tested on cohort `test`."""
    other = () if test is None else ("cohort@test_cohort=folder", f"test_cohort.root={root}/{test}")
    return composed("cohort=folder", f"cohort.root={root}/{train}", *HEAD, *other, *overrides, root=root)


@cache
def done(root: Path, *overrides: str, **cohorts: str | None) -> Run:
    """The run of `settings`."""
    return Run(root / "runs" / run(*settings(root, *overrides, **cohorts)).run)


def test_scores_are_those_of_the_trained_head_and_nothing_is_trained_again(root: Path) -> None:
    same = done(root, "scale@test_cohort.scale=phq9", test="a")  # trains the head, which is not there yet
    before = (root / "runs" / same.result.tested["run"] / "result.json").read_bytes()
    alone = done(root, test=None)
    other = done(root, "scale@test_cohort.scale=phq9")
    assert (alone.folder / "result.json").read_bytes() == before
    for tested in (same, other):
        assert tested.result.tested is not None and tested.result.tested["run"] == alone.name
        assert not (tested.folder / WEIGHTS["head"]).exists()
        assert tested.result.training == alone.result.training
    rows = [one.predictions.in_split("test").frame.reset_index(drop=True) for one in (alone, same)]
    pd.testing.assert_frame_equal(*rows, check_exact=True)
    labels = pd.read_csv(root / "b/manifest.csv").query("split == 'test'").set_index("person_id")["label"]
    found = other.predictions.at("recording").in_split("test").frame.set_index("person_id")
    assert found["label"].to_dict() == labels.to_dict()
    assert set(found["recording_id"]) == set(labels.index)  # ids as the test cohort has them


@pytest.mark.long
@pytest.mark.parametrize("setting", ["trainer.recalibrate=variance", "loss=quantile", "pooling=gated"])
def test_whatever_makes_scores_of_the_head_is_part_of_the_test(root: Path, setting: str) -> None:
    same = done(root, "scale@test_cohort.scale=phq9", setting, "trainer.max_epochs=10", "trainer.lr=0.01", test="a")
    alone = Run(root / "runs" / same.result.tested["run"])
    rows = [one.predictions.in_split("test").frame.reset_index(drop=True) for one in (alone, same)]
    pd.testing.assert_frame_equal(*rows, check_exact=True)
    line = alone.result.recalibration
    assert (line is None) == ("recalibrate" not in setting) and (line is None or line["slope"] != 1)


def test_baselines_are_fitted_on_the_training_cohort_and_measured_on_the_other(root: Path) -> None:
    other = done(root, "scale@test_cohort.scale=phq9")
    manifest = pd.read_csv(root / "a/manifest.csv")
    expected = manifest.loc[manifest["split"] == "train", "label"].median()
    median = other.baselines["train_median"].in_split("test").frame
    assert median["score"].unique().tolist() == [expected]
    assert set(median["person_id"]) == set(pd.read_csv(root / "b/manifest.csv").query("split == 'test'")["person_id"])
    assert other.trained_people == set(manifest.loc[manifest["split"] == "train", "person_id"])
    assert other.result.cohort.name == "b" and other.result.tested["trained_on"] == "a"


def test_scales_without_a_conversion_leave_ranks_alone(root: Path) -> None:
    ranks = done(root)
    points = done(root, "scale@test_cohort.scale=phq9")
    values = ranks.result.metrics["test"]["recording"]
    assert {name for name in values if not name.endswith(("_14", "_20"))} == {"pcc", "spearman", "n"}
    assert {name.partition("_")[0] for name in values if name.endswith("_14")} == {
        "auroc", "auprc", "positive", "negative",
    }  # fmt: skip
    assert values["pcc"] == points.result.metrics["test"]["recording"]["pcc"]
    assert all("mae" not in own.get("test", {}) for own in ranks.result.references.values())
    assert "dev" not in ranks.result.metrics  # its labels are of the other scale
    assert ranks.result.marks[-1] == "scores are on PHQ-9 and labels on BDI-II: ranks alone"


def test_a_conversion_changes_scores_and_no_label_and_is_named_with_its_source(root: Path) -> None:
    ranks, converted = done(root), done(root, LINE)
    rows = [one.predictions.at("recording").in_split("test").frame for one in (ranks, converted)]
    assert rows[0]["label"].tolist() == rows[1]["label"].tolist()
    np.testing.assert_allclose(rows[1]["score"], 2 * rows[0]["score"].clip(0, 27), atol=2e-6)
    values = converted.result.metrics["test"]["recording"]
    assert values["mae"] == pytest.approx(float(mae(rows[1]["label"], rows[1]["score"])))
    medians = [one.baselines["train_median"].frame["score"].iloc[0] for one in (ranks, converted)]
    assert medians[1] == 2 * medians[0]
    assert "made for this test" in converted.result.marks[-1]
    assert converted.name != ranks.name


def test_a_conversion_of_other_scales_is_said_to_be_unused(root: Path) -> None:
    given = ("cohort=folder", f"cohort.root={root}/a", *HEAD, "cohort@test_cohort=folder", f"test_cohort.root={root}/b")
    for line, said in ((LINE.replace("of: PHQ-9", "of: PHQ9"), True), (LINE, False)):
        doubts = plan(composed(*given, line, root=root)[0], progress=False).inputs.doubts
        assert ("conversions has PHQ9 to BDI-II." in " ".join(doubts)) == said


def test_a_cohort_of_test_recordings_alone_can_be_tested_on(root: Path) -> None:
    manifest = folder(root, "outside", 16) / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",train,", ",test,").replace(",dev,", ",test,"))
    assert done(root, test="outside").result.cohort.recordings == {**done(root).result.cohort.recordings, "test": 16}


def test_what_is_wrong_with_the_cohort_to_test_on_is_said_of_its_own_settings(root: Path) -> None:
    given = (
        "cohort=folder",
        f"cohort.root={root}/a",
        *HEAD,
        "cohort@test_cohort=folder",
        f"test_cohort.root={root}/no",
    )
    with pytest.raises(LfnetError, match=r"^test_cohort\.root: .*Give test_cohort\.root=DIR"):
        plan(composed(*given, root=root)[0])


def test_all_labelled_recordings_may_be_tested(root: Path) -> None:
    every = plan(settings(root, "test_split=all")[0], progress=False).inputs.cohort
    assert len(every.in_split("test")) == 16


def test_people_of_both_cohorts_are_reported_as_shared(root: Path) -> None:
    if not (root / "again").exists():
        folder(root, "again", 16, own="a")
    shared = plan(settings(root, "test_split=all", test="again")[0], progress=False).inputs.cohort
    assert any(text.startswith("people in more than one split: 12 of 22 people") for text in shared.warnings)
    trained = pd.read_csv(root / "a/manifest.csv").query("split != 'test'")["person_id"]
    both = [set(own) for _, own in shared.clips["person_id"].groupby(shared.clips["split"] == "test")]
    assert both[0] & both[1] == set(trained) & set(pd.read_csv(root / "again/manifest.csv")["person_id"])


def test_simulated_people_are_the_same_where_the_seed_is(root: Path) -> None:
    small = [word for word in SMALL if word.startswith("cohort.")]
    given = [*SMALL, *(word.replace("cohort.", "test_cohort.") for word in small), "cohort@test_cohort=simulated"]
    people = []
    for seed in (0, 1):
        inputs = plan(composed(*given, f"test_cohort.seed={seed}", root=root)[0], progress=False).inputs
        own = inputs.cohort.clips.groupby(inputs.cohort.clips["split"] == "test")["person_id"].agg(set)
        people.append(own[True] & own[False])
    assert people[0] and not people[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fusion=nested"], "test_cohort tests a head on another cohort, and no fusion"),
        (["test_split=dev"], "test_split=dev: give one of test, all"),
        ([LINE.replace("made for this test", "me")], "conversions.0.source"),
        ([LINE.replace("[27, 54]", "[27, 0]")], "both numbers must increase"),
        (["test_cohort.manifest_only=7"], "test_cohort.manifest_only=7"),
        (["test_cohort=null", "test_split=all"], "test_split is about a cohort to test on: give cohort@test_cohort="),
        (["test_cohort=null", LINE], "conversions is about a cohort to test on"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(overrides: list[str], message: str) -> None:
    config, _ = composed("cohort@test_cohort=folder", *overrides, root=Path("/nowhere"))
    with pytest.raises(LfnetError, match=message):
        plan(config)


def test_a_list_of_cohorts_is_no_cohort() -> None:
    with pytest.raises(LfnetError, match="cohort@test_cohort names several cohorts: name one, or vary it by -m"):
        Job.of([], {}, {"cohort@test_cohort": ["a", "b"]})
    assert Job.of([], {}, {"cohort@test_cohort": None, "scale@cohort.scale": "phq8", "head": "tcn"}).choices == {
        "head": "tcn"
    }


def test_features_of_another_kind_are_refused(root: Path) -> None:
    if not (root / "wide").exists():
        folder(root, "wide", 16, columns=7)
    with pytest.raises(LfnetError, match=r"test_cohort: ready has 7 columns, and 6 the head was trained on"):
        done(root, test="wide")


def test_statistics_of_joined_streams_are_those_of_the_training_clips(root: Path) -> None:
    """Columns of one stream as two, normalised: features of the test cohort do not change those of the training one."""
    parts = ("streams.columns=[2,4]", "streams.normalise=columns")
    given = ("cohort=folder", f"cohort.root={root}/a", *HEAD, *parts)
    other = ("cohort@test_cohort=folder", f"test_cohort.root={root}/b")
    alone, both = (plan(composed(*words, root=root)[0], progress=False).inputs for words in (given, (*given, *other)))
    np.testing.assert_array_equal(both.store.read("a:a0").features, alone.store.read("a0").features)
    raw = np.load(root / "b/b3.npy")
    mean, sd = (
        getattr(np.concatenate([np.load(root / f"a/a{n}.npy") for n in range(24) if n % 4 < 2]), how)(axis=0)
        for how in ("mean", "std")
    )
    found = both.store.read("b3").features[:, :2]
    expected = ((raw - mean) / sd)[:, :2]
    np.testing.assert_allclose(found / found[0, 0], expected / expected[0, 0], rtol=2e-4)


def test_forgetting_a_person_of_either_cohort_finds_the_test(root: Path) -> None:
    from lfnet.runs.removal import find_rows

    tested = done(root, "scale@test_cohort.scale=phq9")
    for cohort, person in (("a", "a0"), ("b", "b3")):
        assert tested.folder in {rows.folder for rows in find_rows(root / "runs", cohort, person).found}


def test_a_test_that_is_finished_is_skipped_and_its_metrics_are_recomputed_as_ranks(root: Path) -> None:
    ranks = done(root)
    path = ranks.folder / "result.json"
    content = json.loads(path.read_text())
    from lfnet.seals import SEAL, write_sealed_json

    content.pop(SEAL)
    write_sealed_json(path, {**content, "measured_by": "older code", "metrics": {}})
    assert done.__wrapped__(root).result.metrics == ranks.result.metrics


def test_what_needs_weights_names_the_run_that_has_them(root: Path) -> None:
    from lfnet.deploy.trained_head import TrainedHead

    with pytest.raises(LfnetError, match=f"tests the head of run {done(root, test=None).name} on another cohort"):
        TrainedHead(done(root))
