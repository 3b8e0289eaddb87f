"""Compare losses of distributions on draws of the simulated cohort: scores, intervals and recalibration, on test.

Trains what is not trained yet, and writes scores.csv, intervals.csv, recalibration.csv and result.md.

    python experiments/distributions/measure.py          runs in ./lfnet_runs
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from lfnet.cli.train import sweep
from lfnet.evaluation.conformal import calibration_rows, conformal_quantiles
from lfnet.evaluation.metrics import compute_metrics
from lfnet.evaluation.quantiles import COLUMNS, LEVELS, central, covered_by_person, crps, quantiles_of
from lfnet.evaluation.recalibration import fit_recalibration
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run

HERE = Path(__file__).resolve().parent
LOSSES = ("l1", "quantile", "crps", "ordinal")
WORDS = (
    "-m",
    "cohort.seed=0,1,2,3,4,5,6",
    f"loss={','.join(LOSSES)}",
    "trainer=quick",
    "trainer.windows_per_clip=null",
    "trainer.select_windows_per_clip=null",
    "cohort.dim=64",
    "cohort.people_shared=0",
    "cohort.recordings={train: 100, dev: 50, test: 150}",
    "cohort.duration={min: 6, max: 30, median: 17, spread: 0.3}",
    "cohort.pulse=null",
)
BANDS = {"all": (0, 63), "0 to 19": (0, 19), "20 to 63": (20, 63)}  # minimal and mild; moderate and severe


def main() -> None:
    """Measure all complete draws, and write the tables."""
    swept = sweep(list(WORDS))
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    draws: dict[int, dict[str, Run]] = {}
    for run in open_runs(swept.record):
        draws.setdefault(run.setting("cohort.seed"), {})[str(run.setting("loss"))] = run
    scores, intervals, lines = [], [], []
    for draw, runs in sorted(draws.items()):
        for loss in LOSSES:
            table = _table(runs[loss])
            scores.append({"draw": draw, "loss": loss, **_scores(table)})
            intervals += [{"draw": draw, "loss": loss, **row} for row in _intervals(table)]
            lines += [{"draw": draw, "loss": loss, **row} for row in _recalibrated(table)]
    found = {"scores": scores, "intervals": intervals, "recalibration": lines}
    tables = {name: pd.DataFrame(rows) for name, rows in found.items()}
    for name, table in tables.items():
        table.to_csv(HERE / f"{name}.csv", index=False, float_format="%.4f", lineterminator="\n")
    (HERE / "result.md").write_text(_markdown(**tables), encoding="utf-8")


def _table(run: Run) -> pd.DataFrame:
    """Scores and quantiles of recordings; those of l1 are its scores plus the quantiles of its errors on dev."""
    frame = run.predictions.at("recording").frame
    if run.quantiles is not None:
        return frame.merge(run.quantiles[["recording_id", *COLUMNS]], on="recording_id", validate="one_to_one")
    dev = frame[frame["split"] == "dev"]
    errors = np.quantile(dev["label"] - dev["score"], LEVELS)
    return frame.assign(**{name: frame["score"] + error for name, error in zip(COLUMNS, errors, strict=True)})


def _scores(table: pd.DataFrame) -> dict[str, float]:
    test = table[table["split"] == "test"]
    measured = compute_metrics(test["label"], test["score"])
    found = {name: float(measured[name] or 0) for name in ("mae", "pcc", "sigma_ratio")}
    return {**found, "crps": float(crps(test["label"], quantiles_of(test)).mean())}


def _intervals(table: pd.DataFrame) -> list[dict[str, object]]:
    """Coverage by person and width on test; conformal ones are calibrated on dev, one recording a person."""
    test, rows = table[table["split"] == "test"], []
    dev = calibration_rows(table[table["split"] == "dev"], ())
    label_N, person_N = test["label"].to_numpy(float), test["person_id"].to_numpy()
    for level in (0.8, 0.9):
        ends = {"quantiles": central(quantiles_of(test), level)}
        for kind in ("half-width", "conformal quantiles"):
            of_score = kind == "half-width"
            pairs = [
                (part["score"].to_numpy(float),) * 2 if of_score else central(quantiles_of(part), level)
                for part in (dev, test)
            ]
            made = conformal_quantiles(dev["label"].to_numpy(float), *pairs[0], level)
            ends[kind] = made.around(*pairs[1])
        for kind, (low_N, high_N) in ends.items():
            inside_N = (low_N <= label_N) & (label_N <= high_N)
            width_N = np.clip(high_N, 0, 63) - np.clip(low_N, 0, 63)
            for band, (least, most) in BANDS.items():
                own = (label_N >= least) & (label_N <= most)
                covered = covered_by_person(inside_N[own], person_N[own])
                rows.append(
                    {
                        "interval": kind,
                        "level": level,
                        "band": band,
                        "n": int(own.sum()),
                        "coverage": 100 * covered,
                        "width": float(width_N[own].mean()),
                    }
                )
    return rows


def _recalibrated(table: pd.DataFrame) -> list[dict[str, object]]:
    dev, test = (table[table["split"] == split] for split in ("dev", "test"))
    rows = []
    for method in ("none", "linear", "variance"):
        line = None if method == "none" else fit_recalibration(dev, method)  # type: ignore[arg-type]
        score = test["score"] if line is None else line.apply(test["score"])
        measured = compute_metrics(test["label"], score)
        slope = 1.0 if line is None else line.slope
        rows.append({"method": method, "slope": slope, **{name: measured[name] for name in ("mae", "sigma_ratio")}})
    return rows


def _mean(values: pd.Series, digits: int) -> str:
    """The mean over draws with its 95 % interval (t)."""
    mean, half = values.mean(), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    text = f"{mean:.{digits}f} [{mean - half:.{digits}f}, {mean + half:.{digits}f}]"
    return text.replace("-", "−")


def _markdown(scores: pd.DataFrame, intervals: pd.DataFrame, recalibration: pd.DataFrame) -> str:
    n = scores["draw"].nunique()
    lines = [
        f"Means over {n} draws of the simulated cohort with 95 % intervals (t) over draws; 150 test recordings each."
    ]
    lines += ["", "| loss | test MAE | PCC | sigma_ratio | CRPS | CRPS vs l1 |", "|---|--:|--:|--:|--:|--:|"]
    reference = scores[scores["loss"] == "l1"].set_index("draw")["crps"]
    for loss in LOSSES:
        own = scores[scores["loss"] == loss].set_index("draw")
        against = "" if loss == "l1" else _mean(own["crps"] - reference, 2)
        numbers = [_mean(own[name], 2) for name in ("mae", "pcc", "sigma_ratio", "crps")]
        lines.append(f"| {loss} | {' | '.join(numbers)} | {against} |")
    lines += ["", "| loss | interval | level | coverage, % | 0 to 19 | 20 to 63 | width, points | 0 to 19 | 20 to 63 |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for (level, loss, kind), own in intervals.groupby(["level", "loss", "interval"], sort=False):
        cells = [_mean(own[own["band"] == band][name], 1) for name in ("coverage", "width") for band in BANDS]
        lines.append(f"| {loss} | {kind} | {100 * level:.0f} | {' | '.join(cells)} |")
    lines += ["", "| loss | recalibration | slope | test MAE | sigma_ratio |", "|---|---|--:|--:|--:|"]
    for (loss, method), own in recalibration.groupby(["loss", "method"], sort=False):
        cells = [_mean(own[name], 2) for name in ("slope", "mae", "sigma_ratio")]
        lines.append(f"| {loss} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
