"""Test error of a head on one stream, on two joined streams, and on two of which one is missing.

Trains the mean head on the default simulated cohort, with the vector as one stream and as two of 256 columns, for
several lengths (joined.csv), and without and with modality dropout. Scores the test recordings with both streams and
without each of them (missing.csv). means.csv has the means and SDs over seeds. Finished runs are not trained again.

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
from lfnet.runs.collection import RunCollection, open_runs
from lfnet.runs.run import Run
from lfnet.training.predict import Grouping

HERE = Path(__file__).parent
CHANCES = (0.0, 0.1, 0.25, 0.5)
LENGTHS = (1.0, 5.0, 22.6)  # 22.6: SD 1 in each of 512 columns
WORDS = ("trainer=quick", "head=mean_mlp", "seed=0,1,2")


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


def swept_runs(*words: str) -> RunCollection:
    """Train the mean head with each value of `words`, where it is not trained yet."""
    swept = sweep(["-m", *WORDS, *words])
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    return open_runs(swept.record)


def write(name: str, rows: list[dict[str, Any]]) -> None:
    target = HERE / name
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"written: {target}")


def measure_joined() -> None:
    """Write the test error on one stream, and on two joined streams by their length."""
    rows: list[dict[str, Any]] = []
    lengths = ",".join(map(str, LENGTHS))
    for columns, words in (("none", []), ("[256,256]", ["streams.columns=[256,256]", f"streams.length={lengths}"])):
        for run in swept_runs(*words):
            mae = run.result.metrics["test"]["recording"]["mae"] or 0
            length = run.setting("streams.length") if words else ""
            rows.append({"columns": columns, "length": length, "seed": run.seed, "mae": round(mae, 4)})
    write("joined.csv", rows)


def measure_missing() -> None:
    """Write the test error without each stream, by the dropout of streams in training."""
    runs = swept_runs("streams.columns=[256,256]", f"streams.dropout={','.join(map(str, CHANCES))}")
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
    frame = pd.DataFrame(rows)
    print(frame.pivot_table(index="dropout", columns="missing", values=["mae", "sigma_ratio"]).round(2))
    write("missing.csv", rows)


def write_means() -> None:
    """Write the mean and SD over seeds of each setting in joined.csv and missing.csv."""
    parts = []
    for name in ("joined.csv", "missing.csv"):
        table = pd.read_csv(HERE / name)
        settings = [column for column in table if column not in ("seed", "mae", "sigma_ratio")]
        found = table.groupby(settings, dropna=False, sort=False).agg(["mean", "std"]).drop(columns="seed", level=0)
        found.columns = [f"{metric}_{of}" for metric, of in found.columns]
        parts.append(found.reset_index())
    pd.concat(parts).round(4).to_csv(HERE / "means.csv", index=False, lineterminator="\n")
    print(f"written: {HERE / 'means.csv'}")


if __name__ == "__main__":
    measure_joined()
    measure_missing()
    write_means()
