"""Runs to export, trained once for all processes that test: a small simulated one, and one on real video."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lfnet.deploy.export import export
from lfnet.deploy.trained_head import TrainedHead
from lfnet.files import write_text
from lfnet.jobs.job import run
from lfnet.locks import lock
from lfnet.runs.run import Run
from tests.composing import SMALL, composed

# Faces that appear and disappear at 26 frames a second, one at 30, one at 24; trained on the fastest and a slower one.
CLIPS = (
    ("noface_face.mov", "train", 30),
    ("single_face.mp4", "train", 5),
    ("face_noface.mov", "dev", 30),
    ("WolfgangLanger_Pexels.mp4", "test", 20),
)  # the dev clip shows the first one's person: the chosen epoch separates the two


@pytest.fixture(scope="session")
def trained(common: Path) -> TrainedHead:
    """A head on the simulated cohort, no person in two splits, trained until scores differ."""
    return TrainedHead(_simulated(common / "deploy", seed=0))


@pytest.fixture(scope="session")
def exported(trained: TrainedHead, common: Path) -> Callable[[str], Path]:
    """The bundle of a variant of the trained head, to read or to copy; exported once for all processes that test."""

    def bundle(variant: str) -> Path:
        folder = common / f"bundle_{variant}"
        with lock(common / f".bundle_{variant}.lock"):
            if not folder.exists():
                export(trained, folder, variant=variant, min_frames=20)
        return folder

    return bundle


@pytest.fixture(scope="session")
def ensembled(trained: TrainedHead) -> TrainedHead:
    """An ensemble of the trained head and one of another seed."""
    return TrainedHead(trained.runs[0], _simulated(trained.folder.parents[1], seed=1))


def _simulated(root: Path, seed: int) -> Run:
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
    return Run.open(root / "runs" / run(settings, choices).run)


@pytest.fixture(scope="session")
def films(common: Path, shared: Path) -> Callable[[str], TrainedHead]:
    """A run of the head that is named, on blendshapes of real video; the labels are invented."""
    root = common / "filmed"
    root.mkdir(exist_ok=True)
    rows = [f"{shared / 'media' / name},{name},{split},{label}" for name, split, label in CLIPS]
    write_text(root / "manifest.csv", "\n".join(["path,person_id,split,label", *rows]) + "\n")

    def trained_on(head: str) -> TrainedHead:
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
            "trainer.windows_per_clip=1",  # else most windows have one label, and L1 predicts it for all
            "trainer.lr=0.01",
            root=root,
        )
        return TrainedHead(Run.open(root / "runs" / run(settings, choices).run))

    return trained_on


@pytest.fixture(scope="session")
def filmed(films: Callable[[str], TrainedHead]) -> TrainedHead:
    """A head on blendshapes of real video, trained until its scores differ by points."""
    return films("hybrid")
