"""Write what each leak changes, head by head, draw by draw: differences.csv, from the finished runs of the table.

    lfnet table leaks
    python experiments/leaks/differences.py

A run with a leak is paired with the run without one of the same head and the same seed of the cohort. `difference` is
the mean over draws of the test metric with the leak minus that without it, with Student's 95 % interval.
"""

from pathlib import Path

import pandas as pd
from scipy.stats import t

from lfnet.runs.collection import open_runs

LEVEL = 0.95
METRICS = ("mae", "pcc")


def main() -> None:
    """Write differences.csv next to this script."""
    values = pd.DataFrame(
        {
            "leak": run.setting("leak"),
            "head": run.setting("head"),
            "draw": run.setting("cohort.seed"),
            **{metric: run.result.metrics["test"]["recording"][metric] for metric in METRICS},
        }
        for run in open_runs("lfnet_runs/sweeps/leaks.json")
    ).melt(["leak", "head", "draw"], var_name="metric")
    table = values.pivot(index=["metric", "head", "draw"], columns="leak", values="value").astype(float)
    gained = table.drop(columns="none").sub(table["none"], axis="index").stack().rename("difference")
    lines = gained.groupby(["metric", "head", "leak"]).agg(["count", "mean", "sem"]).reset_index()
    reach = t.ppf((1 + LEVEL) / 2, lines["count"] - 1) * lines["sem"]
    found = lines.assign(difference=lines["mean"], low=lines["mean"] - reach, high=lines["mean"] + reach)
    columns = ["metric", "head", "leak", "count", "difference", "low", "high"]
    target = Path(__file__).with_name("differences.csv")
    found[columns].rename(columns={"count": "draws"}).round(3).to_csv(target, index=False, lineterminator="\n")
    print(f"written: {target}")


if __name__ == "__main__":
    main()
