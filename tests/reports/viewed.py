"""A folder of runs and tables for `lfnet view`: two tables, an audit with a leak, a failed job, a run on few people."""

import json
from pathlib import Path
from typing import Any

from tests.sealing import reseal
from tests.tables.factory import result, sweep

AUDIT = [
    {"name": "people", "title": "people", "status": "leak", "text": "27 people are in train and test", "flagged": True},
    {"name": "copies", "title": "copies", "status": "clear", "text": "no clip is a copy of another", "flagged": False},
]
CURVE = "dev/mae,epoch,step,train/loss\n9.5,0,3,\n,0,3,0.7\n8.1,1,7,\n,1,7,0.6\n8.4,2,11,\n,2,11,0.55\n"
HEADS = {"mean_mlp": 0.2, "ldbm": 0.8, "transformer": 0.5, "mamba_gru": 0.1}


def make_runs(folder: Path, heads: dict[str, float] = HEADS, seeds: int = 2) -> Path:
    """Write run folders and the records of two tables below `folder`."""
    made = [_result(head, seed, skill) for head, skill in heads.items() for seed in range(seeds)]
    quick = {"resamples": 200, "flips": 200}
    sweep(folder, made, {"head=tcn seed=0": "out of memory"}, evidence={"against": ["head=mean_mlp"], **quick})
    own = {"name": "order", "title": "Order of frames", "question": "Does the order of frames matter?"}
    # Runs of the first table, too, as where a table is part of another.
    sweep(folder, [_result("ldbm", seed, 0.8) for seed in range(seeds)], evidence=quick, **own)
    for file in folder.glob("*/result.json"):
        (file.parent / "metrics.csv").write_text(CURVE)
        reseal(file.parent)
    return folder


def _result(head: str, seed: int, skill: float) -> dict[str, Any]:
    done = result(head, seed, skill=skill)
    done["audit"] = AUDIT
    done["training"] |= {"epochs": 3, "best_epoch": 2, "max_epochs": 3}
    if (head, seed) == ("mamba_gru", 1):
        done["marks"] = ["collapsed"]
    return done


def read_script(path: Path) -> Any:
    """The JSON in a script of the page: lfnet.runs=JSON; or lfnet.run("NAME",JSON);."""
    text = path.read_text(encoding="utf-8")
    start = text.index(",{") + 1 if text.startswith("lfnet.run(") else text.index("=") + 1
    return json.loads(text[start:].rstrip().rstrip(";").removesuffix(")"))
