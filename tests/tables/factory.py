"""Run folders and manifests as a sweep leaves them, with predictions of which the metrics are really computed."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lfnet.evaluation.baselines import TRIVIAL, fit_predict
from lfnet.evaluation.predictions import Predictions, models_to_csv_text
from lfnet.files import write_json, write_text
from lfnet.fingerprints import digest
from lfnet.seals import write_sealed_json
from tests.sealing import reseal

HEADS = {
    "mean_mlp": {"parameters": 131_585, "active_parameters": 131_585, "flops": 524_544},
    "ldbm": {"parameters": 1_354_881, "active_parameters": 1_354_881, "flops": 86_212_480},
    "transformer": {"parameters": 462_465, "active_parameters": 272_001, "flops": 416_000_000},
    "mamba_gru": {"parameters": 528_129, "active_parameters": 337_665, "flops": 276_824_064},
}
TABLE = {
    "name": "architectures",
    "title": "Temporal architectures",
    "question": "Does a more complex temporal head generalise better than mean pooling?",
    "rows": ["head", "protocol"],
    "columns": [
        "dev.mae", "dev.pcc", "test.mae", "test.rmse", "test.pcc", "test.sigma_ratio", "gap.mae",
        "parameters", "flops", "seconds", "epochs",
    ],
    "references": ["train_mean", "train_median", "oracle_signal", "oracle_people"],
    "level": "recording",
    "closing": True,
    "evidence": None,
}  # fmt: skip
PEOPLE_SHARED = "people in more than one split: 27 (71 of 150 recordings)"


def recordings(seed: int = 0, each: int = 50) -> pd.DataFrame:
    """BDI-II-like labels of 3 × `each` recordings."""
    generator = np.random.default_rng(seed)
    n = 3 * each
    return pd.DataFrame(
        {
            "recording_id": [f"r{i:03d}" for i in range(n)],
            "person_id": [f"p{i % (n * 56 // 100):03d}" for i in range(n)],
            "split": np.repeat(["train", "dev", "test"], each),
            "label": np.minimum(63, np.round(generator.gamma(1.4, 11, n))),
        }
    )


@cache
def measured(skill: float, noise: float, seed: int, cohort_seed: int, each: int) -> tuple[Predictions, dict]:
    """Predictions and their metrics."""
    predictions = scored(recordings(cohort_seed, each), skill, noise, seed)
    return predictions, predictions.metrics()


@cache
def references(cohort_seed: int, each: int) -> tuple[dict[str, Predictions], dict[str, dict]]:
    """Constants and something like oracles, and their metrics."""
    frame = recordings(cohort_seed, each)
    models = {baseline.name: fit_predict(baseline, frame) for baseline in TRIVIAL}
    for number, name in enumerate(("signal", "people")):
        for statistic in ("median", "mean"):
            strength = 0.5 + 0.2 * number
            models[f"oracle_{name}_{statistic}"] = scored(frame, strength, 4 + (statistic == "mean"), seed=number)
    return models, {
        name: {split: levels["recording"] for split, levels in model.metrics().items() if split != "train"}
        for name, model in models.items()
    }


def scored(frame: pd.DataFrame, skill: float, noise: float, seed: int) -> Predictions:
    """Predictions that follow the labels by `skill` and miss them by `noise` points."""
    generator = np.random.default_rng(seed)
    scores = 15 + skill * (frame["label"] - 15) + generator.normal(0, noise, len(frame)) if noise else 15.0
    return Predictions.from_frame(frame.assign(score=scores), level="recording")


def result(
    head: str = "ldbm", seed: int = 0, *, skill: float = 0.3, noise: float = 5.0, cohort_seed: int = 0, each: int = 50
) -> dict[str, Any]:
    """A plausible result.json. What a test wants otherwise it changes."""
    predictions, metrics = measured(skill, noise, 1000 + 10 * seed + len(head), cohort_seed, each)
    models, reference_metrics = references(cohort_seed, each)
    people = recordings(cohort_seed, each).groupby("split")["person_id"].nunique()
    config = {"head": {"_target_": f"lfnet.heads.{head}.Head"}, "cohort": {"name": "simulated", "seed": cohort_seed}}
    config |= {
        "seed": seed,
        "protocol": {"window": 512, "select": {"split": "dev", "metric": "mae", "level": "recording"}},
    }
    if head == "ldbm":
        config["head"]["patch_size"] = 16
    done = {
        "format": 3,
        "kind": "head",
        "model": head,
        "seed": seed,
        "choices": {"cohort": "simulated", "encoder": "none", "head": head, "protocol": "masked", "trainer": "quick"},
        "config": config,
        "scale": {"name": "BDI-II", "min": 0, "max": 63},
        "cohort": {
            "name": "simulated",
            "fingerprint": digest(["cohort", cohort_seed, each]),
            "simulated": True,
            "recordings": {"train": each, "dev": each, "test": each},
            "people": {split: int(number) for split, number in people.items()},
            "warnings": [PEOPLE_SHARED],
        },
        "features": {"stream": "simulated", "fingerprint": "f" * 64, "dim": 512, "coverage": 0.97},
        "metrics": {split: levels for split, levels in metrics.items() if split != "train"},
        "references": reference_metrics,
        "cost": {**HEADS[head], "frames": 512},
        "training": {
            "epochs": 12, "best_epoch": 7, "max_epochs": 12, "converged": True, "monitor": "dev mae (recording)",
            "best": 8.1, "seconds": 12.25, "windows_per_epoch": 600,
        },
        "marks": [],
        "versions": {"lfnet": "0.1.0", "torch": "2.15.0"},
        "threads": 1,
        "device": "cpu",
        "precision": "32-true",
    }  # fmt: skip
    return deepcopy(done) | {"_predictions": predictions, "_references": models}


def leave(folder: Path, done: dict[str, Any]) -> str:
    """Write a run folder below `folder` and return its name."""
    done = dict(done)
    predictions, references = done.pop("_predictions", None), done.pop("_references", None)
    fingerprint = digest([done["choices"], done["config"], done["cohort"]["fingerprint"]])
    run = folder / fingerprint[:16]
    if predictions is not None:
        write_text(run / "predictions.csv", predictions.to_csv_text())
        write_text(run / "references.csv", models_to_csv_text(references))
    write_json(run / "result.json", {"fingerprint": fingerprint, **done})
    reseal(run)
    return run.name


def sweep(
    folder: Path,
    results: list[dict[str, Any]],
    failed: dict[str, str] | None = None,
    overrides: list[list[str]] | None = None,
    **table: Any,
) -> Path:
    """Write run folders and their manifest. failed: overrides → reason; table: what differs from TABLE (None: gone)."""
    jobs = []
    for number, done in enumerate(results):
        done, control = {key: value for key, value in done.items() if key != "_control"}, done.get("_control", False)
        given = overrides[number] if overrides else [f"head={done['choices']['head']}", f"seed={done['seed']}"]
        run = leave(folder, done)
        jobs.append(
            {
                "overrides": given,
                "fingerprint": json.loads((folder / run / "result.json").read_text())["fingerprint"],
                "run": run,
                "status": "finished",
                "error": None,
                "control": control,
            }
        )
    for text, reason in (failed or {}).items():
        jobs.append({"overrides": text.split(), "fingerprint": "", "run": "", "status": "failed", "error": reason})
    node = {key: value for key, value in (TABLE | table).items() if value is not None or key == "evidence"}
    manifest = folder / "sweeps" / f"{node['name']}.json"
    command = f"lfnet table {node['name']}"
    write_sealed_json(manifest, {"format": 3, "table": node, "command": command, "jobs": jobs})
    return manifest
