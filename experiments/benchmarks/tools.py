"""Time of short commands: help, and a finished sweep of a thousand jobs."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from experiments.benchmarks.measure import command
from experiments.benchmarks.report import Row, Target, median

__all__ = ["finish", "tools"]

_HEADS = ("mean_mlp", "ldbm", "transformer", "mamba_gru")
# 300 clips as in AVEC2014, but short: recognising a job does not depend on their length.
_SMALL = (
    *("cohort.recordings={train:50,dev:50,test:50}", "cohort.duration={min:2,max:5,median:3,spread:0.3}"),
    *("cohort.dim=16", "protocol.window=48", "protocol.hop=24", "trainer=quick", "trainer.max_epochs=1"),
)


def tools(folder: Path, quick: bool = False) -> list[Row]:
    """Measure `lfnet --help` and a sweep whose jobs are all finished."""
    times = [command([sys.executable, "-m", "lfnet.cli.main", "--help"]) for _ in range(5)]
    rows = [
        Row(
            "tools",
            "lfnet --help",
            median([used.seconds for used in times]),
            "s",
            low=min(used.seconds for used in times),
            high=max(used.seconds for used in times),
            n=5,
            target=Target("max", 0.5),
            load=max(used.load for used in times),
            note=f"{median([used.cpu for used in times]):.2f} s of a processor",
        )
    ]
    jobs = 8 if quick else 1000
    settings = [*_SMALL, *(f"paths.{name}={folder / name}" for name in ("cache", "runs", "data"))]
    finish(settings, jobs // len(_HEADS))
    words = ["train", "-m", f"head={','.join(_HEADS)}", f"seed=range(0,{jobs // len(_HEADS)})", *settings]
    again = [command([sys.executable, "-m", "lfnet.cli.main", *words]) for _ in range(1 if quick else 3)]
    for used in again:
        if f"{jobs:,} jobs: {jobs:,} finished already, 0 to run" not in used.out:
            raise ValueError(f"the sweep was not finished: {used.out[-500:]}")
    rows.append(
        Row(
            "tools",
            f"resuming a finished sweep of {jobs} jobs",
            median([used.seconds for used in again]),
            "s",
            low=min(used.seconds for used in again),
            high=max(used.seconds for used in again),
            n=len(again),
            target=Target("max", 10.0),
            load=max(used.load for used in again),
            note=f"{median([used.cpu for used in again]):.1f} s of a processor; four heads, cohort of 300 clips",
        )
    )
    return rows


def finish(settings: list[str], seeds: int) -> None:
    """Make a finished run of each head and seed.

    One job per head is trained; the folders of the other seeds, named as their own plans name them, are copies. The
    timed command recognises folders by name, reads their results and trains nothing.
    """
    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.jobs.job import plan, run
    from lfnet.jobs.session import Session
    from lfnet.runs.result import Result

    for head in _HEADS:
        config = plain(compose("train", [f"head={head}", *settings]))
        trained = plan(config).folder
        run(config, {"head": head})
        result = Result.read(trained)
        session = Session()
        for seed in range(seeds):
            planned = plan(config | {"seed": seed}, session=session)
            if not planned.finished:
                shutil.copytree(trained, planned.folder, dirs_exist_ok=True)
                replace(result, seed=seed, fingerprint=planned.fingerprint).write(planned.folder)
