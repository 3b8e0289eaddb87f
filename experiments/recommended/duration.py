"""What temporal label smoothing makes of a clip's length: targets of short clips shrink to the mean.

Trains the mean head with `loss=l1` and `loss=temporal` on draws of the simulated cohort in which duration tells nothing
of severity (`duration_leak: 0`), and writes duration.csv: for each protocol and measure the mean over draws with either
loss, and the mean difference of draws with its 95 % t interval. Measures, over the 100 test recordings of a draw, of
people who are in no other split:

    label      correlation of the label with the logarithm of the recording's length: what the draw gives by chance
    score      correlation of the score with it
    spread     correlation of |score - mean of the training labels| with it: length alone moves the score to the mean
    mae        mean absolute error

    python experiments/recommended/duration.py         3 minutes of one core, runs in ./lfnet_runs
"""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, t

from lfnet.cli.train import sweep
from lfnet.config import instantiate
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run

DRAWS = 6
MEASURES = ("label", "score", "spread", "mae")


def measured(run: Run, length: pd.Series) -> dict[str, object]:
    """One row: the draw, protocol and loss of a run, and its measures."""
    scored = run.predictions.frame
    test = scored[(scored["split"] == "test") & (scored["level"] == "recording")].set_index("recording_id")
    log_length = np.log(length.loc[test.index])
    training = run.result.training
    found = {
        "label": pearsonr(test["label"], log_length).statistic,
        "score": pearsonr(test["score"], log_length).statistic,
        "spread": pearsonr((test["score"] - training.label_mean).abs(), log_length).statistic,
        "mae": (test["score"] - test["label"]).abs().mean(),
    }
    config = run.config
    smoothed = config["trainer"]["loss"]["temporal_sigma"] is not None
    name = {"protocol": config["protocol"]["name"], "loss": "temporal" if smoothed else "l1"}
    return {"draw": config["cohort"]["seed"], **name, **found}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each protocol and measure."""
    found = []
    for protocol, own in rows.groupby("protocol", sort=False):
        for measure in MEASURES:
            draws = own.pivot(index="draw", columns="loss", values=measure)
            difference = draws["temporal"] - draws["l1"]
            half = t.ppf(0.975, len(draws) - 1) * difference.sem()
            values = (draws["l1"].mean(), draws["temporal"].mean(), difference.mean())
            ends = (difference.mean() - half, difference.mean() + half)
            names = ("l1", "temporal", "difference", "low", "high")
            row = dict(zip(names, (round(float(value), 3) for value in (*values, *ends)), strict=True))
            found.append({"protocol": protocol, "measure": measure, "draws": len(draws), **row})
    return pd.DataFrame(found)


def main() -> None:
    swept = sweep(
        [
            "-m",
            "trainer=quick",
            "head=mean_mlp",
            "cohort.people_shared=0",
            "cohort.recordings={train:50,dev:50,test:100}",
            "cohort.dim=32",
            f"cohort.seed={','.join(map(str, range(DRAWS)))}",
            "protocol=masked,published",
            "loss=l1,temporal",
        ]
    )
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    lengths: dict[int, pd.Series] = {}
    rows = []
    for run in open_runs(swept.record):
        draw = run.config["cohort"]["seed"]
        if draw not in lengths:
            clips = instantiate(run.config["cohort"], "cohort").clips
            lengths[draw] = clips.groupby("recording_id")["n_frames"].sum()
        rows.append(measured(run, lengths[draw]))
    table = summary(pd.DataFrame(rows))
    target = Path(__file__).with_name("duration.csv")
    table.to_csv(target, index=False, lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
