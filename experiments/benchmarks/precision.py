"""Test error with bfloat16 and with float32, for the same heads and seeds."""

import shutil
import sys
from pathlib import Path

import numpy as np

from experiments.benchmarks.measure import command
from experiments.benchmarks.report import Row, Target
from experiments.benchmarks.sweep import HEADS, fitted

__all__ = ["inside", "precision"]

_TRAINERS = {"32-true": "quick", "bf16-mixed": "quick_bf16"}


def precision(folder: Path, quick: bool = False) -> list[Row]:
    """Measure, for each head, the mean paired difference of test MAE in half-widths of the seeds' 95 % interval."""
    seeds = 2 if quick else 5
    mae: dict[str, dict[str, dict[int, float]]] = {}
    for name, trainer in _TRAINERS.items():
        shutil.rmtree(folder / "runs", ignore_errors=True)
        words = [
            *("head=" + ",".join(HEADS.values()), f"seed=range(0,{seeds})", f"trainer={trainer}", "launcher=joblib"),
            *(f"paths.{part}={folder / part}" for part in ("cache", "runs", "data")),
        ]
        if quick:
            words += ["cohort.recordings={train:6,dev:4,test:4}", "trainer.max_epochs=1"]
        conf = Path(__file__).parent / "conf"
        command([sys.executable, "-m", "lfnet.cli.main", "train", "-m", "--config-dir", conf, *words])
        for result in fitted(folder / "runs"):
            own = mae.setdefault(result["model"], {}).setdefault(name, {})
            own[result["seed"]] = result["metrics"]["test"]["recording"]["mae"]
    rows = []
    for head, name in HEADS.items():
        full, half = (np.array([mae[name][kind][seed] for seed in range(seeds)]) for kind in _TRAINERS)
        difference, width = inside(full, half)
        rows.append(
            Row(
                "precision",
                f"{head}: bf16 minus fp32, in half-widths of fp32's seed interval",
                abs(difference) / width,
                "",
                target=Target("max", 1.0),
                n=seeds,
                note=f"test MAE fp32 {full.mean():.3f} ± {width:.3f}, bf16 {half.mean():.3f}, "
                f"paired difference {difference:+.3f} points (sd {np.std(half - full, ddof=1):.3f})",
            )
        )
    return rows


def inside(full: np.ndarray, half: np.ndarray) -> tuple[float, float]:
    """Return the mean paired difference, and the half-width of the 95 % t interval of `full`'s mean over seeds."""
    from scipy import stats

    width = stats.t.ppf(0.975, len(full) - 1) * np.std(full, ddof=1) / np.sqrt(len(full))
    return float(np.mean(half - full)), float(width)
