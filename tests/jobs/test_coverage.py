"""What a job's name covers: each source file and each setting is changed in turn."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lfnet
from lfnet import fingerprints
from lfnet.jobs.inputs import load_cohort
from lfnet.jobs.job import plan
from lfnet.jobs.session import Session
from tests.composing import SMALL, composed

PACKAGE = Path(lfnet.__file__).parent
# Files that can change a number of either kind of job; a folder stands for all files in it.
COMMON = (
    "data/",
    "evaluation/metrics.py",
    "evaluation/predictions.py",
    "features/columns.py",
    "features/feature_file.py",
    "features/health.py",
    "features/store.py",
    "heads/cpu/machine.py",
    "jobs/latency.py",
    "simulation/",
)
HEAD = (
    *COMMON,
    "heads/cost.py",
    "heads/ldbm.py",
    "heads/layers.py",
    "jobs/head_fit.py",
    "jobs/head_job.py",
    "training/",
)
FUSION = (*COMMON, "fusion/", "jobs/fusion_job.py")
LDBM = ("head=ldbm",)
FUSED = ("fusion=published", "fusion.visual.k=[8]", "cohort.pulse.segment=1")


@pytest.fixture(scope="module", params=[(LDBM, HEAD), (FUSED, FUSION)], ids=["head", "fusion"])
def planned(request, tmp_path_factory):
    """A planned job, and the files that its name should cover."""
    overrides, covered = request.param
    config, choices = composed(*SMALL, *overrides, root=tmp_path_factory.mktemp("coverage"))
    return plan(config, choices, progress=False), covered


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(config: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    key, *rest = path
    return config | {key: changed(config[key], tuple(rest)) if rest else "elsewhere.changed"}


def test_a_source_file_changes_the_name_where_it_can_change_a_number(planned, monkeypatch):
    job, covered = planned
    real = fingerprints._code_digest
    touched: set[Path] = set()
    monkeypatch.setattr(fingerprints, "_code_digest", lambda path: "other" if path in touched else real(path))

    def recipe() -> str:  # is part of the features' fingerprint
        return load_cohort(job.settings.inputs, Session()).own.recipe

    named, made = job.fingerprint, recipe()

    def changes(*files: Path) -> bool:
        touched.clear()
        touched.update(files)
        return replace(job).fingerprint != named or recipe() != made

    others = []
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).as_posix()
        if any(place == part or (part.endswith("/") and place.startswith(part)) for part in covered):
            assert changes(file), place
        elif not (place.startswith("heads/") and covered == HEAD):  # what a head imports is tested below
            others.append(file)
    assert not changes(*others), [file for file in others if changes(file)]


def test_a_head_is_renamed_by_what_it_imports_and_not_by_other_heads(tmp_path, monkeypatch):
    job = plan(composed(*SMALL, *LDBM, root=tmp_path)[0], progress=False)
    before = job.fingerprint
    real = fingerprints._code_digest
    for name, expected in (("ldbm", True), ("layers", True), ("mamba", False), ("mean_mlp", False), ("tcn", False)):
        with monkeypatch.context() as patch:
            file = PACKAGE / "heads" / f"{name}.py"
            patch.setattr(fingerprints, "_code_digest", lambda path, file=file: "other" if path == file else real(path))
            assert (replace(job).fingerprint != before) == expected, name


@pytest.mark.parametrize(
    ("override", "files"),
    [
        ("trainer.recalibrate=variance", {"offsets", "recalibration"}),
        ("trainer.mc_dropout=2", {"replicates"}),
        ("loss=quantile", {"quantiles"}),
    ],
)
def test_code_that_only_some_settings_use_renames_their_jobs(override, files, tmp_path, monkeypatch):
    job = plan(composed(*SMALL, *LDBM, override, root=tmp_path)[0], progress=False)
    before, real = job.fingerprint, fingerprints._code_digest
    for name in ("offsets", "quantiles", "recalibration", "replicates"):
        with monkeypatch.context() as patch:
            file = PACKAGE / "evaluation" / f"{name}.py"
            patch.setattr(fingerprints, "_code_digest", lambda path, file=file: "other" if path == file else real(path))
            assert (replace(job).fingerprint != before) == (name in files), name


def test_a_setting_changes_the_name_where_it_can_change_a_number(planned):
    job, covered = planned
    groups = ("head", "trainer") if covered == HEAD else ("fusion",)
    # Cohort, splits and encoders count by what they lead to: the fingerprints of cohort and features.
    by_effect = {"cohort", "splits", "encoder", "video", "visual", "pulse", "streams"}
    for path in leaves(dict(job.config)):
        if path[0] not in by_effect:
            other = replace(job, config=changed(dict(job.config), path))
            expected = path[0] in (*groups, "protocol", "seed")
            assert (other.fingerprint != job.fingerprint) == expected, ".".join(path)


@pytest.mark.parametrize(
    "override",
    [
        "cohort.seed=1",
        "cohort.dim=17",
        "cohort.fps=25",
        "cohort.people_shared=0.5",
        "cohort.label_noise=1",
        "cohort.signal.strength=1",
        "cohort.signal.name=tempo",
        "cohort.identity=0.5",
        "cohort.duration.median=4",
        "cohort.lost_frames=0.1",
        "splits=unshared",
        "splits=grouped",
    ],
)
def test_what_changes_cohort_or_features_changes_the_name(planned, override, tmp_path):
    job, _ = planned
    words = [override, *(FUSED if job.settings.fusion else LDBM)]
    assert plan(composed(*SMALL, *words, root=tmp_path)[0], progress=False).fingerprint != job.fingerprint


def test_the_minor_version_of_a_library_counts_and_its_patch_does_not(planned, monkeypatch):
    from lfnet.jobs import experiment

    job, _ = planned
    before = job.fingerprint
    real = experiment.version
    minor_of = experiment._minor.__wrapped__  # without its cache
    monkeypatch.setattr(experiment, "_minor", minor_of)
    for name in job.covers.libraries:
        installed = name if name != "xgboost" else "xgboost-cpu"
        major, minor, *_ = minor_of(name).split(".")
        for version, expected in ((f"{major}.{minor}.99", False), (f"{major}.{int(minor) + 1}.0", True)):
            with monkeypatch.context() as patch:
                patch.setattr(
                    experiment, "version", lambda given, v=version, n=installed: v if given == n else real(given)
                )
                assert (replace(job).fingerprint != before) == expected, (name, version)
