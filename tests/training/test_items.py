"""Items of a questionnaire: a head predicts each, their sum is the score; manifests that do not add up are refused."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from lfnet.cli.cohort import main as cohort_command
from lfnet.cohorts.folder import load
from lfnet.config import conf_dir, instantiate
from lfnet.data.labels import ITEM, exchanged
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.evaluation.items import summarise_items
from lfnet.jobs.job import run
from lfnet.runs.removal import find_rows, remove_rows
from lfnet.runs.run import ITEMS, Run
from tests.composing import composed
from tests.data.exchanged_labels import permuted

NAMES = [f"phq9_{number}" for number in range(1, 10)]
SETTINGS = ("cohort=folder", "scale@cohort.scale=phq9_items", "protocol.window=32", "protocol.hop=32")
LEARNED = ("loss=items", "head=mean_mlp", "trainer.max_epochs=30", "trainer.patience=30", "trainer.lr=0.01")


def items_of(people: int) -> np.ndarray:
    """Items [P, 9]: the first three follow one cause, the others another."""
    random = np.random.default_rng(0)
    causes = np.repeat(random.uniform(-0.5, 3.5, (people, 2)), (3, 6), axis=1)
    return np.clip(np.rint(causes + random.normal(0, 0.3, causes.shape)), 0, 3).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature files of 60 people whose columns show both causes, and a table of items without a sum."""
    root = tmp_path_factory.mktemp("items")
    items, random = items_of(60), np.random.default_rng(1)
    rows = [",".join(["name", *NAMES])]
    for number, own in enumerate(items):
        x_TD = random.normal([own[:3].mean(), own[3:].mean(), 0, 0], 0.3, (40, 4))
        np.save(root / f"{number:03}.npy", x_TD.astype(np.float32))
        rows.append(",".join([f"{number:03}", *map(str, own)]))
    (root / "phq.csv").write_text("\n".join(rows) + "\n")
    given = ["init", str(root), "--labels", str(root / "phq.csv"), "--scale", "phq9_items", "--fps", "30"]
    assert cohort_command([*given, "--kind", "features"]) == 0
    return root


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config, choices = composed(*SETTINGS, *LEARNED, f"cohort.root={folder}", root=tmp_path_factory.mktemp("job"))
    return Run.open(Path(config["paths"]["runs"]) / run(config, choices).run)


def test_init_keeps_the_items_and_labels_with_their_sum(folder: Path) -> None:
    table = pd.read_csv(folder / "manifest.csv", dtype={"clip_id": str}).set_index("clip_id")
    assert (table[NAMES].to_numpy() == items_of(60)).all() and (table["label"] == items_of(60).sum(axis=1)).all()


def test_the_score_is_the_sum_of_the_items_and_each_is_measured(done: Run) -> None:
    table = pd.read_csv(done.folder / ITEMS, dtype={"recording_id": str, "person_id": str}).set_index("recording_id")
    frame = done.predictions.at("recording").frame.set_index("recording_id")
    scores = table[[f"{name}_score" for name in NAMES]]
    assert scores.min(axis=None) >= 0 and scores.max(axis=None) <= 3
    np.testing.assert_allclose(scores.sum(axis=1), frame.loc[table.index, "score"], atol=1e-3)
    labels = table[[f"{name}_label" for name in NAMES]].to_numpy()
    assert (labels == items_of(60)[[int(name) for name in table.index]]).all()
    test = table[table["split"] == "test"]
    for name in NAMES:
        found = done.result.items["splits"]["test"][name]
        assert found["mae"] == pytest.approx((test[f"{name}_score"] - test[f"{name}_label"]).abs().mean(), abs=1e-6)
        constant = (test[f"{name}_label"] - done.result.items["median"][name]).abs().mean()
        assert found["mae"] < 0.7 * constant
    assert done.result.metrics["test"]["recording"]["mae"] < 3
    # A head that spread the sum over the items would give both causes the same scores.
    first, second = test["phq9_1_score"], test["phq9_9_score"]
    assert abs(np.corrcoef(first, second)[0, 1]) < abs(np.corrcoef(first, test["phq9_2_score"])[0, 1]) - 0.1


def test_an_opened_head_gives_the_same_sums(done: Run) -> None:
    from lfnet.training.predict import score_splits

    opened = TrainedHead(done)
    frame = score_splits(opened.head(), opened.data(), "cpu").frame
    np.testing.assert_allclose(frame["score"], done.predictions.frame["score"], atol=1e-4)


def test_items_are_exchanged_with_their_sum(done: Run) -> None:
    data = TrainedHead(done).data()
    clips = data.clips.assign(target=0.0)
    source = exchanged(clips, 3)
    items = data.cohort.items.loc[source]
    np.testing.assert_array_equal(items.sum(axis=1), permuted(clips, 3))
    assert (source != clips["recording_id"])[clips["split"] != "test"].mean() > 0.8
    names = [f"{ITEM}{name}" for name in NAMES]
    np.testing.assert_array_equal(data.windows[names].sum(axis=1), data.windows["target"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": "5"}, r"row 2: label 5 is not 6, the sum of its items"),
        ({"phq9_2": ""}, r"row 2: 8 of 9 items are given\. Fill in all of them, or none"),
        ({"phq9_2": "4"}, r"row 2: item '4' is no whole number from 0 to 3"),
        (dict.fromkeys(NAMES, ""), r"row 2: no items, but split train needs them"),
    ],
)
def test_items_that_do_not_fit_are_refused(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    scale = instantiate(OmegaConf.load(conf_dir() / "scale" / "phq9_items.yaml"))
    rows = []
    for number, split in enumerate(("train", "dev", "test")):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(0).normal(size=(20, 3)))
        own = {"path": f"{number}.npy", "person_id": str(number), "split": split, "label": "", "fps": "30"}
        rows.append(own | dict.fromkeys(NAMES, "0") | {"phq9_1": "3", "phq9_9": "3"})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    assert load(tmp_path, scale).clips["label"].tolist() == [6, 6, 6]
    pd.DataFrame([rows[0] | changes, *rows[1:]]).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(LfnetError, match=said):
        load(tmp_path, scale)
    pd.DataFrame(rows).drop(columns="phq9_4").to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(LfnetError, match=r"missing column phq9_4 of cohort\.scale\.items"):
        load(tmp_path, scale)


def test_a_scale_without_items_has_no_loss_of_items(tmp_path: Path) -> None:
    config, choices = composed("cohort=simulated", "loss=items", root=tmp_path)
    with pytest.raises(LfnetError, match=r"needs the items of the scale: choose scale@cohort\.scale=phq9_items"):
        run(config, choices)


def test_the_items_of_a_person_are_removed_with_the_scores(done: Run, tmp_path: Path) -> None:
    shutil.copytree(done.folder, tmp_path / done.folder.name)
    person = pd.read_csv(done.folder / ITEMS, dtype=str)["person_id"].iloc[-1]
    (rows,) = find_rows(tmp_path, done.result.cohort.name, person).found
    assert rows.counts[ITEMS] == 1
    remove_rows(rows, person, [*rows.people, *rows.clips])
    left = Run.open(tmp_path / done.folder.name)
    table = pd.read_csv(left.folder / ITEMS, dtype={"person_id": str})
    assert person not in set(table["person_id"]) and left.result.items["splits"] == summarise_items(table)
