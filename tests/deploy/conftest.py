"""Runs to export, trained once: a small simulated one, and one on real video."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from lfnet.deploy.export import Run
from lfnet.jobs.job import run
from tests.composing import SMALL, composed

# Faces that come and go at 26 frames a second, one at 30, one at 24; trained on the fastest and a slower one.
CLIPS = (
    ("noface_face.mov", "train", 30),
    ("single_face.mp4", "train", 5),
    ("face_noface.mov", "dev", 30),
    ("WolfgangLanger_Pexels.mp4", "test", 20),
)  # the dev clip is the first one's person: the epoch that is kept tells the two apart


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A head on the simulated cohort, nobody in two splits, that has learnt something (scores differ)."""
    return Run(_simulated(tmp_path_factory.mktemp("deploy"), seed=0))


@pytest.fixture(scope="session")
def ensembled(trained: Run) -> Run:
    """Two runs as one: the trained one and one of another seed."""
    return Run(trained.folder, _simulated(trained.folder.parents[1], seed=1))


def _simulated(root: Path, seed: int) -> Path:
    settings, choices = composed(
        *SMALL,
        "head=hybrid",
        "cohort.people_shared=0.0",
        "cohort.recordings={train:12,dev:8,test:24}",
        "trainer.max_epochs=25",
        "trainer.patience=25",
        "trainer.lr=0.003",
        f"seed={seed}",
        root=root,
    )
    return root / "runs" / run(settings, choices).run


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Callable[[str], Run]:
    """A run of the head that is named, on blendshapes of real video; the labels are invented."""
    root = tmp_path_factory.mktemp("filmed")
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "person_id", "split", "label"])
        writer.writerows((shared / "media" / name, name, split, label) for name, split, label in CLIPS)

    def trained_on(head: str) -> Run:
        settings, choices = composed(
            "cohort=folder",
            f"cohort.root={root}",
            "cohort.allow_outside=true",
            "cohort.name=filmed",
            "encoder=blendshapes",
            f'video.landmarker.path="{shared}/weights/face_landmarker.task"',
            f"head={head}",
            "protocol.window=64",
            "protocol.hop=32",
            "trainer.max_epochs=80",
            "trainer.patience=80",
            "trainer.windows_per_clip=1",  # else most windows have one label, and L1 gives it to everybody
            "trainer.lr=0.01",
            root=root,
        )
        return Run(root / "runs" / run(settings, choices).run)

    return trained_on


@pytest.fixture(scope="session")
def filmed(films: Callable[[str], Run]) -> Run:
    """A head on blendshapes of real video, trained until its scores differ by points."""
    return films("hybrid")
