"""What a sweep left: manifests, results that are missing or broken, overrides of jobs that failed."""

import json
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.runs.run import MISSING
from lfnet.runs.sweep_record import collect, parse_overrides
from lfnet.seals import write_sealed_json
from tests.tables.factory import result, sweep


def manifest_with(folder: Path, change) -> Path:
    manifest = sweep(folder, [result(seed=0), result(seed=1)])
    content = json.loads(manifest.read_text())
    change(content)
    write_sealed_json(manifest, content)
    return manifest


def test_runs_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    found = collect(sweep(tmp_path, [result("ldbm", 1), result("mean_mlp", 0), result("ldbm", 0)]), tmp_path)
    assert [(run.result.model, run.seed) for run in found.runs] == [("ldbm", 1), ("mean_mlp", 0), ("ldbm", 0)]
    assert found.failures == () and found.command == "lfnet table architectures"


def test_two_jobs_in_one_folder_count_once(tmp_path: Path) -> None:
    def repeat(content: dict) -> None:
        content["jobs"].append({**content["jobs"][0], "status": "skipped", "overrides": ["head=ldbm", "seed=0", "x=1"]})

    assert len(collect(manifest_with(tmp_path, repeat), tmp_path).runs) == 2


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda job: job.update(status="failed", error="ValueError:\n  no face"), "ValueError: no face"),
        (lambda job: job.update(status="failed", error=None), "the job is failed"),
        (lambda job: job.update(status="pending", run=""), "the job is pending"),
        (lambda job: job.update(run=""), "the record names no run folder"),
        (lambda job: job.update(run="gone"), "result.json is missing; run the table again"),
    ],
)
def test_a_job_without_a_result_is_named_with_its_reason(tmp_path: Path, change, reason: str) -> None:
    found = collect(manifest_with(tmp_path, lambda content: change(content["jobs"][1])), tmp_path)
    assert [run.seed for run in found.runs] == [0]
    assert [(failure.overrides, failure.reason) for failure in found.failures] == [(("head=ldbm", "seed=1"), reason)]


@pytest.mark.parametrize(
    "text, reason", [("{", "result.json cannot be used: it is not valid JSON"), ('{"format": 1}', "its format is 1")]
)
def test_a_result_that_cannot_be_read_is_a_failure(tmp_path: Path, text: str, reason: str) -> None:
    manifest = sweep(tmp_path, [result(seed=0), result(seed=1)])
    (collect(manifest, tmp_path).runs[1].folder / "result.json").write_text(text)
    assert reason in collect(manifest, tmp_path).failures[0].reason


def test_an_empty_sweep_and_a_broken_manifest_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match="contains no jobs: the sweep is empty"):
        collect(manifest_with(tmp_path, lambda content: content["jobs"].clear()), tmp_path)
    with pytest.raises(LfnetError, match="not a sweep record of format 3"):
        collect(manifest_with(tmp_path, lambda content: content.update(format=2)), tmp_path)
    with pytest.raises(LfnetError, match="does not exist"):
        collect(tmp_path / "none.json", tmp_path)


def test_settings_are_choices_first_then_the_config(tmp_path: Path) -> None:
    run = collect(sweep(tmp_path, [result("ldbm")]), tmp_path).runs[0]
    assert run.setting("head") == "ldbm"
    assert run.setting("head.patch_size") == 16
    assert run.setting("cohort.seed") == 0
    assert run.setting("head.layers") is MISSING


def test_overrides_of_every_shape() -> None:
    overrides = (
        "head=ldbm",
        "+head.patch_size=8",
        "cohort.signal.name='tempo'",
        "cohort.signal.block=16",
        "~x=1",
        "flag",
    )
    assert parse_overrides(overrides, "head") == "ldbm"
    assert parse_overrides(overrides, "head.patch_size") == 8
    assert parse_overrides(overrides, "cohort.signal") == {"name": "tempo", "block": 16}
    assert parse_overrides(overrides, "x") is MISSING
    assert parse_overrides(("cohort.signal={name:tempo,block:64}", "seed=1"), "cohort.signal.block") == 64
    assert parse_overrides(("cohort.signal={name:tempo,block:64}", "seed=1"), "cohort.signal") == {
        "name": "tempo",
        "block": 64,
    }
    assert parse_overrides(("scale@cohort.scale=phq8",), "scale") == "phq8"
    assert parse_overrides(("cohort/signal=tempo",), "cohort.signal") == "tempo"
