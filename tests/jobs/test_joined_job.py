"""Whole jobs on several streams: their names, their rows in a table, and jobs of one stream do not change."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lfnet.config import read
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.jobs.job import plan, run
from lfnet.jobs.tracking import shared_settings
from lfnet.runs.run import Run
from lfnet.tables.grouping import groups
from tests.composing import SMALL, composed
from tests.jobs.test_inputs import FAKES, crop_picture, write_folder

COLUMNS = "streams.columns=[6,10]"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Twelve short clips of aligned crops, four a split, brighter where the score is higher."""
    root = tmp_path_factory.mktemp("joined_clips")
    lines = ["clip_id,recording_id,person_id,split,label,path,fps"]
    for number in range(12):
        name, split = f"p{number}", ("train", "dev", "test")[number % 3]
        write_folder(root / name, [crop_picture(2 * number + frame, 24) for frame in range(6)])
        lines.append(f"{name},{name},{name},{split},{3 * number},{name},25")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


def job(clips, *names, overrides=()):
    chosen = ("cohort=folder", f"cohort.root={clips}", "cohort.aligned=true")
    short = ("protocol.window=4", "protocol.hop=2", "trainer.max_epochs=1")
    config, choices = composed(*chosen, *short, *overrides, root=clips)
    shared = {key: config["encoder"][key] for key in ("device", "stride", "batch_size", "threads")}
    config["encoder"] = {**shared, **{name: FAKES[name] for name in names}}
    choices.pop("encoder", None)  # as Hydra has it for several
    return config, {**choices, **({"encoder": names[0]} if len(names) == 1 else {})}


@pytest.fixture(scope="module")
def finished(clips):
    """Jobs that differ in their encoders alone, each with its result."""
    found = {}
    for names in (("brightness",), ("brightness", "larger"), ("larger", "brightness")):
        config, choices = job(clips, *names)
        outcome = run(config, choices)
        found[names] = json.loads((clips / "runs" / outcome.run / "result.json").read_text()) | {"_run": outcome.run}
    return found


def test_jobs_of_different_encoders_have_different_names(finished):
    results = list(finished.values())
    assert len({result["fingerprint"] for result in results}) == 3
    assert [result["features"]["stream"] for result in results] == [
        "brightness",
        "brightness + larger",
        "larger + brightness",
    ]
    assert [result["features"]["dim"] for result in results] == [4, 10, 10]
    one, both, _ = results
    assert "streams" not in one["config"] and both["config"]["streams"]["normalise"] == "columns"
    assert np.isfinite(both["metrics"]["test"]["recording"]["mae"])


def test_a_table_names_each_by_its_encoders(clips, finished):
    runs = [Run.open(clips / "runs" / result["_run"]) for result in finished.values()]

    class Sweep:
        jobs = runs
        failures = ()

    Sweep.runs = runs
    rows = groups(Sweep, ["encoder", "head"])
    assert [row.identity["encoder"] for row in rows] == ["brightness", "brightness + larger", "larger + brightness"]


def test_a_finished_job_of_several_streams_is_recognised(clips, finished):
    config, choices = job(clips, "brightness", "larger")
    assert run(config, choices).status == "skipped"
    other, _ = job(clips, "brightness", "larger", overrides=["streams.dropout=0.2"])
    known = {result["fingerprint"] for result in finished.values()}
    assert plan(config).fingerprint in known and plan(other).fingerprint not in known


def test_baselines_see_what_the_head_sees(clips, finished):
    one, both = finished[("brightness",)], finished[("brightness", "larger")]
    frames = [pd.read_csv(clips / "runs" / result["_run"] / "references.csv") for result in (one, both)]
    by_model = [frame.set_index(["model", "recording_id"])["score"] for frame in frames]
    assert by_model[0]["train_mean"].equals(by_model[1]["train_mean"])
    assert not np.allclose(by_model[0]["ridge"], by_model[1]["ridge"])


def test_trackers_get_the_encoders_and_how_they_were_joined(clips):
    alone, both = job(clips, "brightness")[0], job(clips, "brightness", "larger")[0]
    sent = shared_settings(plan(alone).recorded_config())
    assert sent["encoder"] == ["brightness"] and "streams" not in sent
    sent = shared_settings(plan(both).recorded_config())
    assert sent["encoder"] == ["brightness", "larger"] and sent["streams"] == both["streams"]
    assert str(clips) not in json.dumps(sent)


def test_settings_of_streams_do_not_count_for_a_single_stream(tmp_path):
    plain = plan(composed(*SMALL, root=tmp_path)[0]).fingerprint
    assert plan(composed(*SMALL, "streams.valid=all", root=tmp_path)[0]).fingerprint == plain
    several = plan(composed(*SMALL, COLUMNS, root=tmp_path)[0]).fingerprint
    assert (
        len({plain, several, plan(composed(*SMALL, COLUMNS, "streams.valid=all", root=tmp_path)[0]).fingerprint}) == 3
    )


def test_columns_of_the_simulated_cohort_keep_its_oracles(tmp_path):
    results = []
    for overrides in ((), (COLUMNS, "streams.dropout=0.3")):
        outcome = run(*composed(*SMALL, *overrides, "trainer.max_epochs=1", root=tmp_path))
        results.append(json.loads((tmp_path / "runs" / outcome.run / "result.json").read_text()))
    one, both = (result["references"] for result in results)
    assert set(one) == set(both)
    for name in ("oracle_signal_median", "oracle_people_mean", "person_lookup"):
        assert one[name] == both[name]
    assert (
        results[1]["features"]["stream"] == "simulated[0:6] + simulated[6:16]" and results[1]["features"]["dim"] == 18
    )


def test_dead_features_in_one_stream_are_refused(clips):
    config, _ = job(clips, "brightness", "larger")
    inputs = plan(config).inputs
    store = inputs.store.parts[1].store
    clip_id = inputs.cohort.clips["clip_id"].iloc[0]
    kept = store.path(clip_id).read_bytes()
    one = store.read(clip_id)
    source = (store.header(clip_id) or {})["source"]
    one = replace(one, features=np.zeros_like(one.features))
    try:
        store.write(clip_id, one, source)
        with pytest.raises(LfnetError, match="larger: all-zero vectors in 6 of 6 frames"):
            DataModule(inputs.cohort, inputs.store, read(Protocol, config["protocol"], "protocol")).setup()
    finally:
        store.path(clip_id).write_bytes(kept)
