"""Costs of sweeps, stores and long clips at growing sizes, with run folders that are copies of one real run.

Writes costs.csv (processor seconds, peak memory, files and bytes at each size) and growth.csv (what a straight line
through them says, and the growth from the second largest size to the largest).

    python experiments/scale/measure.py [--max SIZE] [--work FOLDER] [--out FOLDER]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmarks.growth import line
from experiments.benchmarks.measure import ROOT
from experiments.scale.stages import MARK

__all__ = ["fit", "measure"]

JOBS, CLIPS = (100, 1_000, 10_000), (100, 1_000, 10_000, 100_000)
FRAMES = (10_000, 100_000, 1_000_000)
# (unit of the size, its values, stages in order); a stage that is named twice finds its own files the second time.
PLAN = (
    ("jobs", JOBS, ("sweep", "sweep", "runs")),
    ("clips", CLIPS, ("write_store", "read_store")),
    ("frames", FRAMES, ("long_clips",)),
)


def measure(largest: int, work: Path) -> pd.DataFrame:
    """Run all stages at all sizes up to `largest`, each in a process of its own; one row for each thing measured."""
    rows = []
    for unit, sizes, stages in PLAN:
        for size in (size for size in sizes if size <= largest):
            for stage in stages:
                rows += [{"unit": unit, **row} for row in _stage(stage, size, work / f"{unit}_{size}")]
                print(pd.DataFrame(rows).tail(1).to_string(header=False), flush=True)
    return pd.DataFrame(rows)


def _stage(stage: str, size: int, folder: Path) -> Iterator[dict[str, object]]:
    command = [sys.executable, "-m", "experiments.scale.stages", stage, str(size), str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for text in done.stdout.splitlines():
        if text.startswith(MARK):
            yield json.loads(text.removeprefix(MARK))


def fit(costs: pd.DataFrame) -> pd.DataFrame:
    """Fit each cost in seconds: intercept and slope of a straight line, its r², and the exponent of the last tenfold.

    An exponent of 1 is linear growth, of 2 quadratic; it is below 1 where a constant part is not small.
    """
    rows = []
    for (unit, what), own in costs.dropna(subset=["seconds"]).groupby(["unit", "what"], sort=False):
        sizes, seconds = own["size"].tolist(), own["seconds"].tolist()
        if len(sizes) < 3:
            continue
        slope, start, r2 = line(sizes, seconds)
        last = np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2]) if min(seconds[-2:]) > 0 else np.nan
        rows.append(
            {
                "unit": unit,
                "what": what,
                "start_seconds": round(start, 2),
                "ms_each": round(1000 * slope, 4),
                "r2": round(r2, 4),
                "last_exponent": round(float(last), 2),
            }
        )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max", type=int, default=max(FRAMES), help="the largest size")
    parser.add_argument("--work", type=Path, help="folder for what is measured; where it is kept, runs are used again")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        costs = measure(options.max, Path(options.work or temporary))
    costs.to_csv(options.out / "costs.csv", index=False, lineterminator="\n")
    fit(costs).to_csv(options.out / "growth.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
