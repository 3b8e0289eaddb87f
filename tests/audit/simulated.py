"""Cohorts for the tests of the audit: those of experiments/audit, and a table of recordings."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "audit"


def script(name: str = "false_flags") -> ModuleType:
    """Import the module of an experiment, which may import others of its folder."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sessions(people: int = 40, each: int = 2, seed: int = 0) -> pd.DataFrame:
    """`each` recordings per person, all in one split; half the variance of labels is between people."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), each)
    split = np.array(["train", "dev", "test"])[person % 3]
    label = 20 + 6 * random.standard_normal(people)[person] + 6 * random.standard_normal(len(person))
    names = [f"r{p:02d}_{i % each}" for i, p in enumerate(person)]
    return pd.DataFrame(
        {
            "recording_id": names,
            "person_id": [f"p{p:02d}" for p in person],
            "split": split,
            "label": np.clip(np.rint(label), 0, 63),
        }
    )
