"""The audit on simulated cohorts: clean ones are not flagged, each planted leak is found, a manifest is enough."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.audit import audited_by, clip_seconds, find_leaks, summary
from lfnet.audit.settings import AuditSettings
from lfnet.cli.main import main
from lfnet.config import instantiate, read
from lfnet.errors import LfnetError
from lfnet.features.clip_summaries import summarise_clips, summarise_store
from lfnet.features.extract import extract
from tests.audit.simulated import script
from tests.composing import composed

experiment = script()


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_cohort_is_not_flagged(seed: int) -> None:
    cohort = experiment.clean(seed, *experiment.SMALL)
    report = find_leaks(cohort, experiment.features(cohort))
    assert experiment.flags(report) == [] and report.leaks == ()
    statuses = {finding.name: finding.status for finding in report.findings if finding.name not in experiment.FILMING}
    unknown = {statuses.pop("identity"), statuses.pop("names")}  # simulated features are those of no face recognition
    assert set(statuses.values()) == {"clear"} and unknown == {"not checked"}


@pytest.mark.slow
def test_false_alarms_on_clean_manifests_have_their_level() -> None:
    """At alpha 0.1 of 40 cohorts, four at most are expected; 11 or more would happen once in 700 times."""
    loose = AuditSettings(alpha=0.1, resamples=999)
    flagged = [bool(experiment.flags(find_leaks(experiment.clean(seed), settings=loose))) for seed in range(100, 140)]
    assert sum(flagged) <= 10


@pytest.mark.parametrize("leak", experiment.PLANTED)
def test_each_planted_leak_is_found(leak: str) -> None:
    finding, plant = experiment.PLANTED[leak]
    # Power is measured by the experiment; here one cohort each, of those strengths that are found nearly always.
    report = plant(10_001)
    found = {one.name: one for one in report.findings}
    assert found[finding].status == "leak", found[finding].text
    assert report.leaks and found[finding].advice


def test_a_report_is_json_and_its_texts_have_no_ids() -> None:
    cohort = experiment.clean(3, *experiment.SMALL)
    shared = experiment.clean(3, "cohort.people_shared=1", *experiment.SMALL)
    for each in (cohort, shared):
        report = find_leaks(each, experiment.features(each))
        content = json.loads(json.dumps(report.to_json(), allow_nan=False))
        assert content["leaks"] == [finding.name for finding in report.leaks]
        assert [one["name"] for one in content["findings"]] == [
            *("people", "copies", "labels", "duration", "coverage", "filming", "filming_splits", "demographics"),
            *("look_up", "identity", "names"),
        ]
        ids = [*each.clips["clip_id"], *each.clips["recording_id"], *each.clips["person_id"]]
        for finding in report.findings:
            assert not any(name in finding.text + finding.advice for name in ids)


def test_an_audit_is_deterministic() -> None:
    cohort = experiment.clean(0)
    assert find_leaks(cohort).to_json() == find_leaks(cohort).to_json()


def test_durations_come_from_the_manifest_or_else_from_the_features() -> None:
    cohort = experiment.clean(0, *experiment.SMALL)
    pooled = experiment.features(cohort)
    np.testing.assert_allclose(clip_seconds(cohort, None), clip_seconds(cohort, pooled))
    cohort.clips.loc[3, "n_frames"] = np.nan
    assert clip_seconds(cohort, None) is None
    np.testing.assert_allclose(clip_seconds(cohort, pooled), pooled.seconds_N)


def test_a_wrong_setting_is_named() -> None:
    for key, value in (("alpha", 0.0), ("resamples", 3), ("seed", -1), ("min_correlation", 1.5), ("min_overlap", 0.0)):
        with pytest.raises(LfnetError, match=f"audit.{key}={value}: give"):
            read(AuditSettings, {key: value}, "audit")


def test_the_summary_has_no_ids_and_its_digest_covers_what_it_depends_on(tmp_path: Path) -> None:
    config, _ = composed("cohort.recordings={train:12,dev:8,test:8}", "cohort.dim=16", *experiment.SMALL[1:])
    cohort = instantiate(config["cohort"])
    store = next(iter(extract(cohort, cache=tmp_path, progress=False).values()))
    settings = instantiate(config["audit"])
    summaries = summarise_store(store, cohort.clips["clip_id"])
    lines = summary(cohort, store, summaries, settings)
    assert lines == summary(cohort, store, summaries, settings)
    ids = [*cohort.clips["clip_id"], *cohort.clips["recording_id"], *cohort.clips["person_id"]]
    assert not any(name in line["text"] for name in ids for line in lines)
    assert {"name", "title", "status", "flagged", "text"} == set(lines[0])
    assert lines[0]["name"] == "people" and lines[0]["flagged"]
    first = audited_by(cohort, store, settings)
    assert audited_by(cohort, store, AuditSettings(alpha=0.1)) != first
    cohort.clips.loc[0, "n_frames"] += 1
    assert audited_by(cohort, store, settings) != first


def manifest(folder: Path, shared: bool = False, **more: object) -> Path:
    """A manifest of 30 people with two recordings each, and no video."""
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(30), 2)
    split = np.array(["train", "dev", "test"])[(people + shared * np.tile([0, 1], 30)) % 3]
    table = pd.DataFrame(
        {
            "path": [f"video_{i}.mp4" for i in range(60)],
            "person_id": [f"person_{p}" for p in people],
            "split": split,
            "label": random.integers(0, 40, 60),
            "fps": 30,
            "n_frames": random.integers(300, 3000, 60),
        }
    ).assign(**more)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def test_a_bare_manifest_is_audited_without_any_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(tmp_path / "odd, name")
    assert main(["audit", str(path), "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "0 leaks" in printed and "clear        people in several splits" in printed
    assert "there are no files to compare" in printed and "not checked  frame coverage vs label" in printed
    assert main(["audit", str(path.parent), "--json"]) == 0
    statuses = {one["name"]: one["status"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert statuses == {
        **dict.fromkeys(("people", "labels", "duration", "look_up"), "clear"),
        **dict.fromkeys(("copies", "coverage", "identity", "names"), "not checked"),
        **dict.fromkeys(("filming", "filming_splits", "demographics"), "not checked"),
    }


def test_strict_fails_on_a_leak_and_people_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(tmp_path, shared=True)
    assert main(["audit", str(path)]) == 0
    assert main(["audit", str(path), "--strict"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "LEAK people in several splits: 30 of 30 people" in printed and "people: person_0, person_1," in printed
    assert "and 22 more (--json)" in printed


def test_a_manifest_that_leaks_by_duration_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = np.random.default_rng(1).integers(0, 40, 60)
    path = manifest(tmp_path, label=label, n_frames=500 + 40 * label)
    assert main(["audit", str(path), "--strict"]) == 1
    assert "LEAK         duration vs label" in capsys.readouterr().out


def test_existing_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(tmp_path)
    for number in (3, 4, 8):
        (tmp_path / f"video_{number}.mp4").write_bytes(b"one clip" if number != 8 else b"another clip")
    assert main(["audit", str(path), "--json"]) == 0
    copies = next(one for one in json.loads(capsys.readouterr().out)["findings"] if one["name"] == "copies")
    assert copies["status"] == "leak" and copies["clips"] == [["video_3", "video_4"]]


def test_unknown_durations_and_missing_paths_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(tmp_path, n_frames="", clip_id=[f"c{i}" for i in range(60)])
    pd.read_csv(path).drop(columns="path").to_csv(path, index=False)
    assert main(["audit", str(path)]) == 0
    assert "n_frames or fps of 60 of 60 clips" in " ".join(capsys.readouterr().out.split())


def test_settings_reach_the_audit_and_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(tmp_path, shared=True)
    assert main(["audit", str(path), "audit.alpha=0.02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alpha"] == 0.02
    for wrong in ("2", "x"):
        assert main(["audit", str(path), f"audit.alpha={wrong}"]) == 2
        assert f"error: audit.alpha={wrong}: give a number above 0 and below 1.\n" == capsys.readouterr().err
    assert main(["audit", "nowhere.csv"]) == 2
    assert "nowhere.csv is neither a setting" in capsys.readouterr().err


def test_ready_features_are_audited_with_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    faces = random.standard_normal((30, 8))
    for number in range(60):
        x = faces[number // 2] + random.standard_normal((40 + number, 8))
        np.save(tmp_path / f"clip_{number}.npy", x.astype(np.float32))
    np.save(tmp_path / "clip_4.npy", np.load(tmp_path / "clip_2.npy"))
    path = manifest(tmp_path, path=[f"clip_{i}.npy" for i in range(60)], n_frames="")
    assert main(["audit", str(path), "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found["copies"]["status"] == "leak" and found["copies"]["clips"] == [["clip_2", "clip_4"]]
    assert found["duration"]["status"] != "not checked" and found["identity"]["tests"]
    assert found["names"]["status"] == found["identity"]["status"] == "not checked"


def test_summaries_leave_out_frames_without_a_face() -> None:
    x = np.array([[1, 2], [np.nan, np.nan], [3, 6]], np.float32)
    pooled = summarise_clips(lambda clip: (x, np.array([True, False, True]), np.array([0.0, 0.5, 1.0])), ["a"])
    np.testing.assert_allclose(pooled.mean_ND, [[2, 4]])
    assert pooled.coverage_N[0] == pytest.approx(2 / 3) and pooled.seconds_N[0] == pytest.approx(1.5)
    assert (pooled.courses[0][1] == 0).all()
