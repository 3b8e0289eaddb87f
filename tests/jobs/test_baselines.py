"""Baselines and audit of every run: recomputed when their code changes, without training."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lfnet.config import instantiate
from lfnet.evaluation.baselines import Ridge
from lfnet.evaluation.predictions import models_from_csv_text
from lfnet.features.clip_summaries import ClipSummaries, summarise_clips
from lfnet.jobs import refresh
from lfnet.jobs.baselines import fit_baselines
from lfnet.jobs.job import plan, run
from lfnet.jobs.session import Session
from lfnet.seals import write_sealed_json
from tests.composing import SMALL, composed

BASELINES = ["train_mean", "train_median", "duration", "nuisance", "person_lookup", "ridge", "random_projection"]


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
    assert list(models)[:7] == BASELINES and all("oracle" in name for name in list(models)[7:])
    recordings = plan(config).inputs.cohort.recordings()
    assert all(len(model) == len(recordings) for model in models.values())
    known = recordings["person_id"].isin(recordings.loc[recordings["split"] == "train", "person_id"])
    frame = models["person_lookup"].frame.set_index("recording_id").loc[recordings["recording_id"]]
    mean = recordings.loc[recordings["split"] == "train", "label"].mean()
    np.testing.assert_allclose(frame["score"].to_numpy()[~known], mean, atol=1e-6)
    metrics = result(folder)["references"]
    assert list(metrics)[:7] == BASELINES and metrics["ridge"]["test"]["mae"] > 0


def test_a_run_names_what_nuisance_uses_and_lacks(finished) -> None:  # type: ignore[no-untyped-def]
    found = result(finished[2])["nuisance"]
    assert found["used"] == ["length", "session number"] and found["constant"] == ["frame rate", "tasks present"]
    assert "size of the face" in found["absent"] and "sex" not in found["absent"]


def test_planted_filming_is_read_by_nuisance_on_new_people() -> None:
    """Frame rate and face size that go with severity; without them nuisance is a constant, give or take chance."""
    quick = ("cohort.recordings={train:100,dev:20,test:150}", "cohort.people_shared=0", "cohort.dim=16")
    short = "cohort.duration={min:2,max:4,median:3,spread:0.1}"
    gains = {}
    for name, leak in (("none", ""), ("planted", "fps:0.8,face_size:0.8")):
        config, _ = composed(*quick, short, f"cohort.filming={{leak:{{{leak}}},moves:0.0}}")
        cohort = instantiate(config["cohort"])
        clips = cohort.clips
        store = SimpleNamespace(header=lambda clip: None, fingerprint=lambda clips: "", folder=Path(), stream="")
        session = Session()
        pool = summarise_clips(
            lambda clip: (np.ones((9, 2), np.float32), np.ones(9, bool), np.arange(9.0)), clips["clip_id"]
        )
        session.keep_latest("clip summaries", (str(store.folder), ""), lambda pool=pool: pool)
        models = fit_baselines(replace(cohort, own=None), store, cohort.recordings(), session)
        errors = {model: made.frame for model, made in models.items()}
        test = {m: f[f["split"] == "test"] for m, f in errors.items()}
        mae = {m: float((f["score"] - f["label"]).abs().mean()) for m, f in test.items()}
        gains[name] = mae["train_median"] - mae["nuisance"]
    assert gains["planted"] > 2 and gains["none"] < 0.7, gains


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
    shutil.rmtree(Path(config["paths"]["cache"]) / "references")
    session = Session()
    for seed in (1, 2):
        run(config | {"seed": seed}, choices, session)
    assert fitted == ["ridge", "random_projection"]


def test_jobs_of_other_processes_take_the_baselines_and_audit_from_the_cache(finished, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    config, choices, folder = finished
    cache = Path(config["paths"]["cache"]) / "references"
    assert len(list(cache.rglob("*.json"))) == 2 and not list(cache.rglob(".*"))
    monkeypatch.setattr(refresh, "fit_baselines", lambda *given, **more: pytest.fail("baselines were fitted again"))
    monkeypatch.setattr(refresh, "summary", lambda *given: pytest.fail("the audit was run again"))
    outcome = run(config | {"seed": 11}, choices, Session())
    other = folder.parent / outcome.run
    assert (other / "references.csv").read_bytes() == (folder / "references.csv").read_bytes()
    for part in ("audit", "audited_by", "nuisance", "referred_by"):
        assert result(other)[part] == result(folder)[part]


def test_summaries_of_clips_are_not_held_after_a_job(finished) -> None:  # type: ignore[no-untyped-def]
    config, choices, _ = finished
    shutil.rmtree(Path(config["paths"]["cache"]) / "references")
    session = Session()
    run(config | {"seed": 12}, choices, session)
    assert not [key for key, (_, value) in session._latest.items() if isinstance(value, ClipSummaries)]


@pytest.mark.parametrize("stale", ["referred_by", "audited_by"])
def test_results_of_older_code_are_recomputed_without_training(finished, stale: str) -> None:  # type: ignore[no-untyped-def]
    config, choices, folder = finished
    before = result(folder)
    weights = (folder / "head.safetensors").stat().st_mtime_ns
    broken = before | {stale: "older code", "audit": []} if stale == "audited_by" else before | {stale: "older code"}
    if stale == "referred_by":  # as runs of versions without a baseline have neither its rows nor its numbers
        del broken["nuisance"]
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
