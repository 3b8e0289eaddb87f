"""How strong should the simulated signal be? As strong as makes ridge on mean-pooled features reach PCC .45.

For each draw (cohort.seed = 0, 1, …) with nobody shared between splits: features of all clips are made as any other
part of lfnet gets them (`Cohort.own.clip`), averaged over the valid frames of a clip and over the clips of a recording,
standardised on train, and fitted by ridge, whose alpha is chosen by cross-validation on train grouped by person. The
correlation of its predictions with the labels of the test recordings is averaged over draws.

    python experiments/calibration/calibrate.py --draws 200 --write
    python experiments/calibration/calibrate.py --draws 9 cohort.signal.strength=1    (another strength, only printed)
"""

import argparse
import datetime
import os
import shlex
import sys
import time
from pathlib import Path

# One thread: the matrices are small, and the numbers should not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate, plain

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf"
GOAL, TOLERANCE = 0.45, 0.02
ALPHAS = 10.0 ** np.arange(-1, 6)


def main() -> None:
    """Draw, fit, print, and with --write leave draws.csv and README.md beside this file."""
    parser = argparse.ArgumentParser(description="Measure what ridge on mean-pooled features reaches.")
    parser.add_argument("--draws", type=int, default=20, help="cohorts to draw (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first cohort (default: 0)")
    parser.add_argument("--write", action="store_true", help="write draws.csv and README.md beside this script")
    parser.add_argument("overrides", nargs="*", help="Hydra overrides, such as cohort.signal.strength=1.2")
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.first, arguments.first + arguments.draws):
        start = time.perf_counter()
        cohort, settings = _cohort(["cohort.people_shared=0", f"cohort.seed={seed}", *arguments.overrides])
        rows.append({"seed": seed, **_measure(cohort)})
        table = pd.DataFrame(rows)
        seconds = time.perf_counter() - start
        print(f"{seed}: {_line(table)} ({seconds:.1f} s)", flush=True)
    if arguments.write:
        table.to_csv(HERE / "draws.csv", index=False, float_format="%.4f", lineterminator="\n")
        (HERE / "README.md").write_text(_readme(table, settings["signal"], sys.argv[1:]), encoding="utf-8")


def _cohort(overrides: list[str]) -> tuple[Cohort, dict]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("cohort/simulated", overrides=overrides)
    return instantiate(config.cohort, "cohort"), plain(config.cohort)


def _measure(cohort: Cohort) -> dict[str, float]:
    """Test PCC and MAE of ridge, and beside it the MAE of the train median and both of the signal oracle."""
    recordings = cohort.recordings()
    pooled: dict[str, list[np.ndarray]] = {name: [] for name in recordings["recording_id"]}
    for clip, recording in zip(cohort.clips["clip_id"], cohort.clips["recording_id"], strict=True):
        features, valid, _ = cohort.own.clip(clip)
        pooled[recording].append(features[valid].mean(axis=0))
    x = np.stack([np.mean(pooled[name], axis=0) for name in recordings["recording_id"]])
    y, person = recordings["label"].to_numpy(), recordings["person_id"].to_numpy()
    train, test = ((recordings["split"] == split).to_numpy() for split in ("train", "test"))
    ridge = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": ALPHAS},
        cv=GroupKFold(5),
        scoring="neg_mean_squared_error",
    )
    ridge.fit(x[train], y[train], groups=person[train])
    scores = ridge.predict(x[test])
    oracle = cohort.own.references().pivot(index="recording_id", columns="model", values="score")
    oracle = oracle.loc[recordings["recording_id"][test]]
    return {
        "ridge_pcc": float(np.corrcoef(scores, y[test])[0, 1]),
        "ridge_mae": float(np.abs(scores - y[test]).mean()),
        "median_mae": float(np.abs(np.median(y[train]) - y[test]).mean()),
        "oracle_pcc": float(np.corrcoef(oracle["oracle_signal_mean"], y[test])[0, 1]),
        "oracle_mae": float(np.abs(oracle["oracle_signal_median"].to_numpy() - y[test]).mean()),
        "alpha": float(ridge.best_params_["ridge__alpha"]),
    }


def _line(table: pd.DataFrame) -> str:
    return ", ".join(f"{name} {_mean(table[name])}" for name in table.columns if name not in ("seed", "alpha"))


def _mean(values: pd.Series, digits: int = 3) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def _readme(table: pd.DataFrame, signal: dict, arguments: list[str]) -> str:
    reached = "yes" if abs(table["ridge_pcc"].mean() - GOAL) <= TOLERANCE else "NO"
    return f"""# How strong is the simulated signal?

Question: at which strength does ridge on mean-pooled features reach a test PCC of {GOAL:.2f} ± {TOLERANCE:.2f} on
unseen people, averaged over 200 draws of the cohort? That strength is the default in `conf/cohort/simulated.yaml`.

Measured {datetime.date.today().isoformat()} by `python experiments/calibration/calibrate.py {shlex.join(arguments)}`
(`cohort.people_shared=0`, {len(table)} draws, each in `draws.csv`; mean ± Monte Carlo standard error over draws):

| | test PCC | test MAE |
|---|---|---|
| ridge on mean-pooled features | {_mean(table["ridge_pcc"])} | {_mean(table["ridge_mae"], 2)} |
| train median | undefined | {_mean(table["median_mae"], 2)} |
| oracle, from the signal alone | {_mean(table["oracle_pcc"])} | {_mean(table["oracle_mae"], 2)} |

Reached: {reached}. Signal: {signal["name"]}, strength {signal["strength"]:g}, shares {signal["shares"]},
amplitudes {signal["amplitudes"]}, blocks of {signal["block"]} frames.

One draw scatters with a standard deviation of {table["ridge_pcc"].std(ddof=1):.3f} in PCC: with 50 test recordings
a single cohort says little.
"""


if __name__ == "__main__":
    main()
