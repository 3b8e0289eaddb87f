"""Time from an empty folder to the first finished row of a table, and to the whole of both main tables."""

import sys
import threading
import time
from pathlib import Path

from experiments.benchmarks.measure import command
from experiments.benchmarks.report import Row, Target

__all__ = ["tables"]

_TABLES = ("architectures", "patch_size")  # those of `make tables`
_SMALL = ("seed=0", "table.controls=null", "trainer.max_epochs=1")


def tables(folder: Path, quick: bool = False) -> list[Row]:
    """Run the commands of `make tables` in an empty folder."""
    runs = folder / "runs"
    places = [f"paths.{name}={folder / name}" for name in ("cache", "runs", "data", "tables")]
    first: list[float] = []
    began, done = time.perf_counter(), threading.Event()

    def watch() -> None:
        while not first and not done.wait(0.1):
            if any(runs.glob("*/result.json")):
                first.append(time.perf_counter() - began)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        used = [
            command([sys.executable, "-m", "lfnet.cli.main", "table", name, *places, *(_SMALL if quick else ())])
            for name in _TABLES
        ]
    finally:
        done.set()
        watcher.join()
    jobs = len(list(runs.glob("*/result.json")))
    load = max(one.load for one in used)
    own, resident = (max(getattr(one, name) for one in used) / 1000 for name in ("own_mb", "peak_mb"))
    return [
        Row("tables", "make tables: the first job finished", first[0], "s", target=Target("max", 30.0), load=load),
        Row(
            "tables",
            "make tables: both tables",
            sum(one.seconds for one in used),
            "s",
            target=Target("max", 300.0),
            load=load,
            note=f"{jobs} jobs, {sum(one.cpu for one in used):.0f} s of a processor",
        ),
        Row(
            "tables",
            "peak memory of the largest process, without mapped files",
            own,
            "GB",
            target=Target("max", 1.5),
            load=load,
            note=f"{resident:.1f} GB with the feature files that all processes map and share",
        ),
    ]
