"""What the spread of passes with dropout says: its relation to error and length of a recording, and its coverage.

Trains the mean head and the hybrid head with dropout on the simulated cohort with 150 test recordings of people who are
in no other split (finished runs are not trained again), and writes dropout.csv: for each head and seed, over the test
recordings, Spearman's correlation of the spread with the number of windows and with the absolute error, and the share
of recordings within ± 1.645 spreads. Intervals: 95 %, percentiles of 2,000 resamples of people.

    python experiments/recommended/dropout.py          4 minutes of one core, runs in ./lfnet_runs
"""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import norm, spearmanr

from lfnet.cli.train import sweep
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run

RESAMPLES = 2000
NOMINAL = 0.9


def recordings(run: Run) -> pd.DataFrame:
    """One row a test recording: person_id, sd, error, windows."""
    spread = pd.read_csv(run.folder / "spread.csv")
    spread = spread[spread["split"] == "test"]
    scored = run.predictions.frame
    windows = scored[scored["level"] == "window"].groupby("recording_id").size().rename("windows")
    rows = spread.merge(windows, left_on="recording_id", right_index=True)
    return rows.assign(error=(rows["score"] - rows["label"]).abs())


def rank(one: str, other: str) -> Callable[[pd.DataFrame], float]:
    return lambda rows: float(spearmanr(rows[one], rows[other]).statistic)


def held(rows: pd.DataFrame) -> float:
    return float((rows["error"] <= norm.ppf((1 + NOMINAL) / 2) * rows["sd"]).mean())


MEASURES = {"windows": rank("sd", "windows"), "error": rank("sd", "error"), "held": held}


def measured(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return each measure with the ends of its interval over people."""
    random = np.random.default_rng(seed)
    people = [own.index.to_numpy() for _, own in rows.groupby("person_id")]
    draws = [
        rows.loc[np.concatenate([people[i] for i in random.integers(len(people), size=len(people))])]
        for _ in range(RESAMPLES)
    ]
    found = {}
    for name, measure in MEASURES.items():
        low, high = np.percentile([measure(draw) for draw in draws], [2.5, 97.5])
        found |= {name: measure(rows), f"{name}_low": low, f"{name}_high": high}
    return {name: round(float(value), 3) for name, value in found.items()}


def main() -> None:
    swept = sweep(
        [
            "-m",
            "trainer=quick",
            "+ingredient=mc_dropout",
            "head=mean_mlp,hybrid",
            "head.dropout=0.2",
            "trainer.mc_dropout=50",
            "splits=unshared",
            "cohort.recordings={train:50,dev:50,test:150}",
            "seed=0,1,2",
        ]
    )
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    found = [
        {"head": run.result.model, "seed": run.seed, "recordings": len(rows), **measured(rows, run.seed or 0)}
        for run in open_runs(swept.record)
        for rows in [recordings(run)]
    ]
    table = pd.DataFrame(found)
    target = Path(__file__).with_name("dropout.csv")
    table.to_csv(target, index=False, lineterminator="\n")
    print(table.to_string(index=False))
    print(f"written: {target}")


if __name__ == "__main__":
    main()
