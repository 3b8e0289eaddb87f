"""One measurement at one size, in a process of its own: prints a JSON object for each thing measured.

python -m experiments.scale.stages STAGE SIZE FOLDER
"""

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from lfnet.cli.main import main as lfnet
from lfnet.runs.resources import peak_memory

COHORT = (
    "cohort=simulated_new_people",
    "cohort.recordings={train:12,dev:12,test:40}",
    "cohort.duration={min:2,max:5,median:3,spread:0.3}",
    "cohort.dim=16",
    "protocol.window=48",
    "protocol.hop=24",
    "trainer.max_epochs=2",
    "trainer.batch_size=8",
)
MARK = "measured"  # begins a line of results
SEEDS = 10
WIDTH, FRAMES = 16, 12  # of one clip's vectors, where clips are many
LONG_CLIPS = 10


def report(what: str, size: int, seconds: float | None, **more: float) -> None:
    """Print one measurement; seconds are those of the processor."""
    row = {"what": what, "size": size, "seconds": None if seconds is None else round(seconds, 3), **more}
    print(f"{MARK} {json.dumps(row)}", flush=True)


class Timers:
    """Processor seconds and calls of functions while they are replaced by timed ones."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.began: dict[str, float] = {}  # of the last call

    def add(self, owner: Any, name: str, what: str) -> None:
        """Time the function `name` of a module or class under `what`."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.began[what] = began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - began
                self.calls[what] = self.calls.get(what, 0) + 1

        setattr(owner, name, timed)


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep what is printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        yield out


def measured(what: str, size: int, work: Callable[[], object]) -> None:
    """Do `work` and report its processor seconds and the peak of this process's memory in it."""
    with peak_memory() as peak, quiet():
        began = time.process_time()
        work()
        seconds = time.process_time() - began
    report(what, size, seconds, peak_gb=round(peak.gb, 2))


def command(*words: str) -> None:
    """Run a command of lfnet in this process."""
    status = lfnet(list(words))
    if status:
        raise SystemExit(f"lfnet {' '.join(words)[:200]} ended with {status}")


def sweep_words(jobs: int, folder: Path) -> list[str]:
    """The command of a table of `jobs` jobs: ten seeds of each learning rate."""
    rates = ",".join(f"{1e-4 * (1 + number / 100):.6g}" for number in range(jobs // SEEDS))
    return [
        *("table", "architectures", "head=mean_mlp", "protocol=masked", f"seed=range(0,{SEEDS})"),
        *(f"trainer.lr={rates}", "table.rows=[trainer.lr]", "table.controls=null"),
        *("table.evidence.against=[train_median]", *COHORT),
        *("launcher=copies", "--config-dir", str(Path(__file__).parent / "conf")),
        *(f"paths.{name}={folder / name}" for name in ("cache", "runs", "data", "tables")),
    ]


def sweep(jobs: int, folder: Path) -> None:
    """The command of a table. Where `folder` has no runs they are made; else all jobs are finished already."""
    import lfnet.jobs.compose
    import lfnet.jobs.sweep
    import lfnet.reports.terminal
    import lfnet.reports.write
    import lfnet.tables.build
    from experiments.scale.copies import reached
    from lfnet.runs.sweep_record import SweepRecord

    timers = Timers()
    timers.add(lfnet.jobs.compose, "compose_jobs", "compose the jobs")
    timers.add(lfnet.jobs.sweep, "run_sweep", "run")
    timers.add(SweepRecord, "write", "record")
    timers.add(lfnet.tables.build, "build", "build the table")
    timers.add(lfnet.reports.write, "write", "write the table's files")
    finished = (folder / "runs").is_dir()
    with peak_memory() as peak, quiet():
        began = time.process_time()
        command(*sweep_words(jobs, folder))
        whole = time.process_time() - began
    planned = reached[-1] - timers.began["run"]
    if not finished:
        report("plan the jobs, none finished", jobs, planned)
        report("all writes of the record", jobs, timers.seconds["record"], times=timers.calls["record"])
        return
    report("find that all jobs are finished", jobs, planned)
    for what in ("compose the jobs", "build the table", "write the table's files"):
        report(what, jobs, timers.seconds[what])
    report("the whole command, all jobs finished", jobs, whole, peak_gb=round(peak.gb, 2))


def runs(jobs: int, folder: Path) -> None:
    """Files and bytes of the sweep's folders, and reading them by the API and by `lfnet forget`."""
    from lfnet.runs.collection import open_runs

    place = folder / "runs"
    found = [path for path in place.glob("*/*") if path.parent.name != "sweeps"]
    size = sum(path.stat().st_size for path in found) / 1e6
    report("files of the run folders", jobs, None, files=len(found), megabytes=round(size, 1))
    (record,) = (place / "sweeps").glob("*.json")
    report("the record", jobs, None, files=1, megabytes=round(record.stat().st_size / 1e6, 3))
    measured("open all runs (open_runs)", jobs, lambda: open_runs(place))
    collection = open_runs(place)
    measured("a frame of all runs (to_frame)", jobs, collection.to_frame)
    person = str(collection[0].predictions.frame["person_id"].iloc[0])
    cohort = [word for word in COHORT if word.startswith("cohort")]
    where = [f"paths.{name}={folder / name}" for name in ("cache", "runs", "data")]
    measured("lfnet forget PERSON, the list", jobs, lambda: command("forget", person, *cohort, *where))


def make_clips(clips: int, frames: int, folder: Path, of_person: int = 4) -> None:
    """Write feature files and their manifest: two clips a recording, and a fifth of the people in dev and in test."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = ["path,person_id,recording_id,split,label,fps"]
    for number in range(clips):
        person, recording = number // of_person, number // min(2, of_person)
        place = f"{number // 1000:03d}/clip_{number:06d}.npy"
        (folder / place).parent.mkdir(exist_ok=True)
        x_TD = random.normal(size=(frames, WIDTH)) + 0.3 * random.normal(size=WIDTH)
        np.save(folder / place, x_TD.astype(np.float32))
        split = ("train", "train", "train", "dev", "test")[person % 5]
        lines.append(f"{place},p{person:06d},r{recording:06d},{split},{(recording * 7919) % 64},25")
    text = "\n".join(lines) + "\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    (folder / "videos.csv").write_text(text.replace(".npy", ".mp4"), encoding="utf-8")  # which do not exist


def _words(folder: Path) -> list[str]:
    return ["cohort=folder", f"cohort.root={folder / 'clips'}", f"paths.cache={folder / 'cache'}"]


def write_store(clips: int, folder: Path) -> None:
    """A cohort of many short clips: its manifest's audit, and the store of its ready vectors."""
    make_clips(clips, FRAMES, folder / "clips")
    manifest, cache = str(folder / "clips" / "videos.csv"), f"paths.cache={folder / 'cache'}"
    measured("audit of a manifest without its files", clips, lambda: command("audit", manifest, cache))
    measured("write the store (lfnet extract)", clips, lambda: command("extract", *_words(folder)))


def read_store(clips: int, folder: Path) -> None:
    """The same cohort with its store."""
    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.features.extract import open_stores
    from lfnet.jobs.inputs import load_cohort
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs

    session = Session()
    settings = read_inputs(plain(compose("extract", _words(folder))), session)
    measured("read and check the manifest", clips, lambda: load_cohort(settings, session))
    cohort = load_cohort(settings, session)
    cache = settings.paths.cache
    measured("open the store, find missing clips", clips, lambda: open_stores(cohort, cache=cache))
    measured("audit with the vectors", clips, lambda: command("audit", *_words(folder)))


def long_clips(frames: int, folder: Path) -> None:
    """Ten clips of many frames: the store of ready vectors, a job, and its windows alone."""
    make_clips(LONG_CLIPS, frames, folder / "clips", of_person=1)
    measured("write a store of long clips (lfnet extract)", frames, lambda: command("extract", *_words(folder)))
    words = [*_words(folder), f"paths.runs={folder / 'runs'}", "trainer=quick", "trainer.max_epochs=1"]
    measured("a job on long clips, one epoch", frames, lambda: command("train", *words))

    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.jobs.head_fit import load_data
    from lfnet.jobs.job import plan
    from lfnet.jobs.session import Session

    session = Session()
    experiment = plan(plain(compose("train", words)), {}, session)
    measured("cut long clips into windows", frames, lambda: load_data(experiment, session))


STAGES = {stage.__name__: stage for stage in (sweep, runs, write_store, read_store, long_clips)}

if __name__ == "__main__":
    STAGES[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
