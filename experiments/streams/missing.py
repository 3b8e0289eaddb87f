"""Test error of a head when one of its two streams is missing, with and without modality dropout.

Trains the mean head on the default simulated cohort, with the vector as two streams of 256 columns, without and with
modality dropout (finished runs are not trained again). Scores the test recordings with both streams and without each of
them. Writes missing.csv.

    python experiments/streams/missing.py          2 minutes of one core, runs in ./lfnet_runs
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch

from lfnet.cli.train import sweep
from lfnet.config import instantiate, read
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.evaluation.metrics import compute_metrics
from lfnet.features.joined_streams import JoinedStreams
from lfnet.jobs.inputs import prepare
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run
from lfnet.training.predict import Grouping

CHANCES = (0.0, 0.1, 0.25, 0.5)


def scored(run: Run, data: DataModule, store: JoinedStreams) -> Iterator[tuple[str, float, float]]:
    """Yield the missing stream, and test MAE and sigma_ratio by recording without it."""
    head = instantiate(run.config["head"], n_features=data.n_features)
    head.load_state_dict(run.weights())
    head.eval()
    windows = data.split("test")
    grouping = Grouping(windows, data.protocol, "recording")
    for missing in (None, 0, 1):
        found = []
        for batch in data.eval_dataloader(windows):
            x_BTD = batch["x_BTD"]
            if missing is not None:
                x_BTD[..., store.spans[missing]] = 0.0
                x_BTD[..., store.flags[missing]] = 0.0
            with torch.inference_mode():
                found.append(head(x_BTD, batch["mask_BT"]).double())
        points = data.labels.points(torch.cat(found).numpy())
        numbers = compute_metrics(grouping.labels, grouping.scores(points))
        recorded = run.result.metrics["test"]["recording"]["mae"] or 0
        assert missing is not None or abs((numbers["mae"] or 0) - recorded) < 1e-3
        yield "none" if missing is None else store.parts[missing].name, numbers["mae"] or 0, numbers["sigma_ratio"] or 0


def main() -> None:
    chances = ",".join(map(str, CHANCES))
    words = ["trainer=quick", "head=mean_mlp", "streams.columns=[256,256]", f"streams.dropout={chances}", "seed=0,1,2"]
    swept = sweep(["-m", *words])
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    runs = open_runs(swept.record)
    config = runs[0].config
    session = Session()
    inputs = prepare(read_inputs(config, session), session)
    assert isinstance(inputs.store, JoinedStreams)
    data = DataModule(inputs.cohort, inputs.store, read(Protocol, config["protocol"], "protocol"))
    data.setup()
    rows: list[dict[str, Any]] = []
    for run in runs:
        for missing, mae, sigma_ratio in scored(run, data, inputs.store):
            row = {"dropout": run.setting("streams.dropout"), "seed": run.seed, "missing": missing}
            rows.append({**row, "mae": round(mae, 4), "sigma_ratio": round(sigma_ratio, 4)})
    target = Path(__file__).with_name("missing.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    frame = pd.DataFrame(rows)
    print(frame.pivot_table(index="dropout", columns="missing", values=["mae", "sigma_ratio"]).round(2))
    print(f"written: {target}")


if __name__ == "__main__":
    main()
