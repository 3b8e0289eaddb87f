"""The commands that faults are planted in, each with the folder that it starts from."""

import csv
import hashlib
import io
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from lfnet.cli.main import main
from lfnet.testing import make_toy_bundle
from tests.fusion.simulated_splits import SMALL

__all__ = ["SWEEP", "Command", "make_commands", "plant_own_files"]

_OWN_FILE, _OWN_FOLDER = "my notes.txt", "my folder"
_TINY = (
    "cohort.recordings={train:6,dev:4,test:4}",
    "cohort.duration={min:2,max:3,median:2.5,spread:0.3}",
    "cohort.dim=16",
    "protocol.window=32",
    "protocol.hop=32",
    "trainer.max_epochs=1",
    "trainer.batch_size=8",
    "launcher=serial",
)
_CLIPS = 3
_TRAIN = ("train", *_TINY, "head=mean_mlp")
_FUSION = ("train", *_TINY, "fusion=published", *SMALL, "cohort.pulse.segment=1")
SWEEP = ("train", "-m", *_TINY, "head=mean_mlp", "seed=0,1")
_TABLE = ("table", "architectures", *_TINY, "head=mean_mlp,tcn", "protocol=masked", "seed=0", "table.controls=[]")
_FOLDER = ("cohort=folder", "cohort.root=clips", "cohort.name=mine")
_TRAINED = ("train", *_TINY, "head=mean_mlp", "cohort.people_shared=0", "cohort.recordings={train:6,dev:4,test:12}")


@dataclass(frozen=True)
class Command:
    """A command under test.

    Attributes
    ----------
    name : str
    run : callable
        The command, called in its working folder; returns the exit status.
    before : tuple of callables
        What is done in the folder first, in a process of its own each and without faults.
    shared : Path, optional
        The folder of real media and weights, for a command that needs them.
    in_tenth : bool
        Whether a tenth of the campaign has it: others are slow, or write like one that is in it.
    """

    name: str
    run: Callable[[], int]
    before: tuple[Callable[[], int], ...] = ()
    shared: Path | None = None
    in_tenth: bool = True

    def possible(self) -> bool:
        """Whether the media and weights that it needs are there."""
        return self.shared is None or (self.shared / "weights").is_dir()


def _lfnet(*words: str) -> Callable[[], int]:
    return lambda: main(list(words))


def _run_of(seed: int) -> str:
    """The name of the only run of this seed in lfnet_runs."""
    from lfnet.runs.result import Result

    files = sorted(Path("lfnet_runs").glob("*/result.json"))
    return next(file.parent.name for file in files if Result.read(file.parent).seed == seed)


def _export(seed: int) -> Callable[[], int]:
    return lambda: main(["export", _run_of(seed), "--out", "bundles/mine"])


def write_features() -> int:
    """A folder of feature files with their scores, as other tools write them."""
    Path("clips").mkdir()
    generator = np.random.default_rng(0)
    with Path("scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "score"])
        for number in range(3):
            features = generator.normal(size=(40 + number, 4)).astype(np.float32)
            np.savez(Path("clips") / f"{number:02d}_1.npz", features=features, time=np.arange(len(features)) / 20)
            writer.writerow([f"{number:02d}", 5 * number])
    return 0


def _write_videos(shared: Path) -> Callable[[], int]:
    def run() -> int:
        from tests.real.clips import cut

        rows = ["path,person_id,split,label"]
        for number, split in zip(range(_CLIPS), ("train", "dev", "test"), strict=True):
            cut(shared / "media" / "single_face.mp4", Path(f"clips/{number}.mp4"), 0.3 * number, 0.25)
            rows.append(f"{number}.mp4,person_{number},{split},{10 * number}")
        Path("clips/manifest.csv").write_text("\n".join(rows) + "\n")
        return 0

    return run


def _forget_two_clips() -> int:
    for file in sorted(Path("lfnet_cache/features").glob("*/*/*.safetensors"))[1:]:
        file.unlink()
    return 0


def _write_bundle() -> int:
    """A bundle, and a clip that it scores."""
    make_toy_bundle("bundle")
    features = np.random.default_rng(0).uniform(size=(60, 3)).astype(np.float32)
    np.savez("clip.npz", features=features, time=np.arange(60) / 30)
    return 0


def _write_scores() -> int:
    generator = np.random.default_rng(1)
    with Path("scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "split", "label", "score"])
        for number in range(20):
            writer.writerow([number, "train" if number < 8 else "test", number, f"{number + generator.normal():.3f}"])
    return 0


def _fetch() -> int:
    from lfnet.weights.sources import Source
    from lfnet.weights.weights_file import WeightsFile

    content = bytes(range(256)) * 40
    urllib.request.urlopen = lambda *_, **__: _Reply(content)
    digest = hashlib.sha256(content).hexdigest()
    source = Source(url="https://example.org/mine.bin")
    file = WeightsFile(name="mine", file="mine.bin", sha256=digest, licence="none", about="a file", sources=(source,))
    return _as_status(lambda: file.fetch(Path("weights")))


class _Reply(io.BytesIO):
    """A server's reply."""

    headers: ClassVar = {}


def _as_status(function: Callable[[], object]) -> int:
    """Call a function as `lfnet` does: mistakes and the machine's errors are a message and status 2."""
    from lfnet.cli.hydra_errors import explain
    from lfnet.errors import LfnetError

    try:
        function()
    except (LfnetError, OSError) as error:
        message = str(error) if isinstance(error, LfnetError) else explain(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 2
    return 0


def make_commands(shared: Path) -> list[Command]:
    """All commands. shared: the folder of real media and weights."""
    video = (
        "extract",
        "cohort=folder",
        "cohort.root=clips",
        "cohort.name=mine",
        "encoder=blendshapes",
        f'video.landmarker.path="{shared}/weights/face_landmarker.task"',
    )
    init = _lfnet("cohort", "init", "clips", "--labels", "scores.csv")
    audit = _lfnet("audit", *_FOLDER)
    return [
        Command("extract video", _lfnet(*video), (_write_videos(shared), _lfnet(*video), _forget_two_clips), shared),
        Command("audit videos", audit, (_write_videos(shared), audit, _forget_two_clips), shared, in_tenth=False),
        Command("extract features", _lfnet("extract", *_FOLDER), (write_features, init)),
        Command("train", _lfnet(*_TRAIN), (_lfnet("extract", *_TINY[:3]),)),
        Command("train tuned", _lfnet(*_TRAIN, "tune=2"), (_lfnet("extract", *_TINY[:3]),), in_tenth=False),
        Command("train again", _lfnet(*_TRAIN, "force=true"), (_lfnet(*_TRAIN),), in_tenth=False),
        Command(
            "train fusion", _lfnet(*_FUSION), (_lfnet("extract", *_TINY[:3], "cohort.pulse.segment=1"),), in_tenth=False
        ),
        Command("sweep", _lfnet(*SWEEP), (_lfnet("extract", *_TINY[:3]),), in_tenth=False),
        Command("sweep half done", _lfnet(*SWEEP), (_lfnet(*SWEEP[:-1], "seed=0"),)),
        Command("table", _lfnet(*_TABLE), (_lfnet(*_TABLE, "launcher.jobs=1"),)),
        Command("table --render", _lfnet(*_TABLE, "--render"), (_lfnet(*_TABLE),)),
        Command("report", _lfnet("report", *_TABLE[1:]), (_lfnet(*_TABLE),)),
        Command("report --figures", _lfnet("report", *_TABLE[1:], "--figures"), (_lfnet(*_TABLE),), in_tenth=False),
        Command("view", _lfnet("view", "--no-open"), (_lfnet(*_TABLE),), in_tenth=False),
        Command("power", _lfnet("power", *_TABLE[1:], "sizes=[20,50]"), (_lfnet(*_TABLE),), in_tenth=False),
        Command("export", _export(0), (_lfnet(*_TRAINED),), in_tenth=False),
        Command("export again", _export(1), (_lfnet(*_TRAINED), _lfnet(*_TRAINED, "seed=1"), _export(0))),
        Command("explain", _lfnet("explain", "clip.npz", "--bundle", "bundle"), (_write_bundle,)),
        Command("cohort init", init, (write_features,)),
        Command("cohort split", _lfnet("cohort", "split", "clips", "--seed", "3"), (write_features, init)),
        Command("forget", _lfnet("forget", "P1", *_TINY[:3], *_TRAINED[-2:], "--yes"), (_lfnet(*_TRAINED),)),
        Command("evidence", _lfnet("evidence", "scores.csv", "--csv", "out/evidence.csv"), (_write_scores,)),
        Command("weights fetch", _fetch),
    ]


def plant_own_files(folder: Path) -> None:
    """Put a file and a folder of the user into every folder below `folder`."""
    for place in [path for path in folder.rglob("*") if path.is_dir()]:
        (place / _OWN_FILE).write_text("mine\n")
        (place / _OWN_FOLDER).mkdir()
        (place / _OWN_FOLDER / "kept.bin").write_bytes(bytes(range(256)))
