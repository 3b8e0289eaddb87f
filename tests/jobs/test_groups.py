"""Groups of people in run folders: written with the run, kept as the cohort has them, refused before any work."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cohorts.cohort import Cohort
from lfnet.errors import LfnetError
from lfnet.features.filming import KEY
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.jobs import inputs
from lfnet.jobs.groups import groups_csv
from lfnet.jobs.job import plan, run
from lfnet.runs.run import Run
from tests.audit.test_filming import cohort as filmed_cohort
from tests.composing import SMALL, composed

FILMED = ("cohort.filming={leak: {}, moves: 0}", "trainer.max_epochs=1", "head=mean_mlp")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("groups")
    config, choices = composed(*SMALL, *FILMED, root=root)
    return config, choices, root / "runs" / run(config, choices).run


def test_a_run_keeps_the_groups_of_all_its_recordings(finished) -> None:
    config, _, folder = finished
    cohort = plan(config).inputs.cohort
    groups = Run(folder).groups
    assert groups.columns.tolist() == ["recording_id", "person_id", "split", "age", "sex"]
    pd.testing.assert_frame_equal(groups[["recording_id", "person_id", "split"]], cohort.recordings().iloc[:, :3])
    first = cohort.clips.drop_duplicates("recording_id").set_index("recording_id")["clip_id"]
    wanted = cohort.about["sex"].loc[first.loc[groups["recording_id"]]]
    assert groups["sex"].tolist() == wanted.tolist() and set(groups["sex"]) == {"f", "m"}


def _other(monkeypatch, change) -> None:
    """Load the cohort with other facts about its people."""
    load = inputs.instantiate

    def changed(node, where):
        made = load(node, where)
        return replace(made, about=change(made.about)) if isinstance(made, Cohort) else made

    monkeypatch.setattr(inputs, "instantiate", changed)


def test_changed_groups_are_written_again_without_training(finished, monkeypatch) -> None:
    config, choices, folder = finished
    before, result = {path.name: path.read_bytes() for path in folder.iterdir()}, Run(folder).result
    _other(monkeypatch, lambda about: about.assign(sex="x").drop(columns="age"))
    assert run(config, choices).status == "skipped"
    groups = Run(folder).groups
    assert groups.columns.tolist()[3:] == ["sex"] and set(groups["sex"]) == {"x"}
    _other(monkeypatch, lambda about: about.drop(columns="sex"))
    assert run(config, choices).status == "skipped"
    assert Run(folder).groups is None and "groups.csv" not in Run(folder).result.files
    monkeypatch.undo()
    assert run(config, choices).status == "skipped"
    assert Run(folder).result == result
    del before["result.json"]  # has the digests in another order
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_folder_without_scores_gets_no_groups(finished) -> None:
    config, choices, folder = finished
    kept = {name: (folder / name).read_bytes() for name in ("predictions.csv", "groups.csv")}
    for name in kept:
        (folder / name).unlink()
    assert run(config, choices).status == "skipped" and not (folder / "groups.csv").exists()
    for name, content in kept.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"gender": None}, r"table\.evidence\.groups\.gender: the cohort has no such group\. There are: age, sex\."),
        ({"sex": [1.0]}, r"groups\.sex: its values are no numbers \(such as 'f'\)"),
        ({"age": [40, 30]}, r"table\.evidence\.groups\.age=\[40, 30\]: give rising numbers"),
    ],
)
def test_groups_that_the_cohort_lacks_are_refused_before_features_are_made(tmp_path, groups, message) -> None:
    config, _ = composed(*SMALL, *FILMED, root=tmp_path)
    config["table"]["evidence"]["groups"] = groups
    with pytest.raises(LfnetError, match=message):
        plan(config)
    assert not (tmp_path / "cache").exists() and not (tmp_path / "runs").exists()


def test_a_tracker_gets_no_group_of_a_person(finished, tmp_path: Path) -> None:
    """Its file of settings and numbers names neither the columns of groups.csv nor the file."""
    from lfnet.jobs.tracking import final_metrics, shared_settings

    _, _, folder = finished
    result = Run(folder).result
    text = json.dumps([shared_settings(result.config), final_metrics(result.metrics)])
    assert "groups" not in text and '"sex"' not in text and '"age"' not in text


def test_measured_skin_tone_is_a_group_and_a_column_of_the_manifest_takes_its_place(tmp_path: Path) -> None:
    made = filmed_cohort(6)
    store = FeatureStore(tmp_path, "stream", "recipe")
    for number, name in enumerate(made.clips["clip_id"]):
        meta = {} if number == 2 else {KEY: json.dumps({"skin_tone": 10.0 * number})}
        store.write(name, ClipFeatures(np.zeros((3, 4), np.float32), np.ones(3, bool), np.arange(3.0), meta), "source")
    joined = made.clips.assign(recording_id=["r", "r", "s", "t", "u", "v"], person_id=["a", "a", "s", "t", "u", "v"])
    joined.loc[1, ["split", "label"]] = joined.loc[0, ["split", "label"]]
    table = pd.read_csv(io.StringIO(groups_csv(replace(made, clips=joined), store)), dtype=str)
    assert table["skin_tone"].fillna("").tolist() == ["5.0", "", "30.0", "40.0", "50.0"]  # r: the mean of two clips
    given = groups_csv(filmed_cohort(6, skin_tone=["dark", "light"] * 3), store)
    assert pd.read_csv(io.StringIO(given))["skin_tone"].tolist() == ["dark", "light"] * 3
    assert groups_csv(made, FeatureStore(tmp_path / "none", "stream", "recipe")) == ""
