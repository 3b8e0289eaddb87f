"""Baselines and audit of every run: recomputed when their code changes, without training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.evaluation.baselines import Ridge
from lfnet.evaluation.predictions import models_from_csv_text
from lfnet.jobs import refresh
from lfnet.jobs.job import plan, run
from lfnet.jobs.session import Session
from lfnet.seals import write_sealed_json
from tests.composing import SMALL, composed

BASELINES = ["train_mean", "train_median", "duration", "person_lookup", "ridge", "random_projection"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str], Path]:
    root = tmp_path_factory.mktemp("beside")
    config, choices = composed(*SMALL, "trainer.max_epochs=1", root=root)
    return config, choices, root / "runs" / run(config, choices).run


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_all_baselines_are_recorded_in_the_order_of_tables(finished) -> None:  # type: ignore[no-untyped-def]
    config, _, folder = finished
    models = models_from_csv_text((folder / "references.csv").read_text())
    assert list(models)[:6] == BASELINES and all("oracle" in name for name in list(models)[6:])
    recordings = plan(config).inputs.cohort.recordings()
    assert all(len(model) == len(recordings) for model in models.values())
    known = recordings["person_id"].isin(recordings.loc[recordings["split"] == "train", "person_id"])
    frame = models["person_lookup"].frame.set_index("recording_id").loc[recordings["recording_id"]]
    mean = recordings.loc[recordings["split"] == "train", "label"].mean()
    np.testing.assert_allclose(frame["score"].to_numpy()[~known], mean, atol=1e-6)
    metrics = result(folder)["references"]
    assert list(metrics)[:6] == BASELINES and metrics["ridge"]["test"]["mae"] > 0


def test_a_run_records_the_audit_without_ids(finished) -> None:  # type: ignore[no-untyped-def]
    config, _, folder = finished
    audit = result(folder)["audit"]
    assert [line["name"] for line in audit][:3] == ["people", "copies", "labels"] and audit[0]["flagged"]
    cohort = plan(config).inputs.cohort
    for column in ("person_id", "recording_id", "clip_id"):
        assert not any(name in line["text"] for name in cohort.clips[column] for line in audit)


def test_jobs_of_one_cohort_fit_the_baselines_once(finished, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    config, choices, _ = finished
    fitted = []
    fit = Ridge.fit
    monkeypatch.setattr(Ridge, "fit", lambda self, train: fitted.append(self.name) or fit(self, train))
    session = Session()
    for seed in (1, 2):
        run(config | {"seed": seed}, choices, session)
    assert fitted == ["ridge", "random_projection"]


@pytest.mark.parametrize("stale", ["referred_by", "audited_by"])
def test_results_of_older_code_are_recomputed_without_training(finished, stale: str) -> None:  # type: ignore[no-untyped-def]
    config, choices, folder = finished
    before = result(folder)
    weights = (folder / "head.safetensors").stat().st_mtime_ns
    broken = before | {stale: "older code", "audit": []} if stale == "audited_by" else before | {stale: "older code"}
    if stale == "referred_by":
        text = (folder / "references.csv").read_text()
        (folder / "references.csv").write_text("".join(line for line in text.splitlines(True) if "ridge" not in line))
        broken["references"] = {}
    write_sealed_json(folder / "result.json", broken)
    assert run(config, choices).status == "skipped"
    assert result(folder) == before
    assert (folder / "head.safetensors").stat().st_mtime_ns == weights
    if stale == "referred_by":
        assert (folder / "references.csv").read_text() == text


def test_current_results_are_not_recomputed(finished, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    config, choices, _ = finished
    monkeypatch.setattr(refresh, "write_baselines", lambda *given: pytest.fail("baselines were fitted again"))
    monkeypatch.setattr(refresh, "run_audit", lambda *given: pytest.fail("the audit was run again"))
    assert run(config, choices).status == "skipped"


def test_the_code_of_baselines_and_audit_does_not_change_a_jobs_name(finished, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from lfnet import fingerprints

    config, _, folder = finished
    real = fingerprints._code_digest
    touched = ("jobs/baselines.py", "jobs/refresh.py", "evaluation/baselines.py", "/audit/")
    monkeypatch.setattr(
        fingerprints,
        "_code_digest",
        lambda path: "other" if any(part in path.as_posix() for part in touched) else real(path),
    )
    assert plan(config, progress=False).folder == folder
    monkeypatch.setattr(fingerprints, "_code_digest", lambda path: "other" if path.name == "fit.py" else real(path))
    assert plan(config, progress=False).folder != folder
