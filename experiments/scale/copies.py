"""A launcher that copies run folders instead of training: sweeps of any size in minutes, which readers accept.

The first job of a sweep is run. Each other one gets a copy of its folder under its own fingerprint, seed and settings,
with scores that differ a little, the digests of its own files, and a seal.
"""

import io
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from lfnet.config import settings
from lfnet.jobs.call import JobCall
from lfnet.jobs.experiment import Experiment
from lfnet.launchers.launcher import Call, Launcher, Memory
from lfnet.runs.result import RESULT, Result
from lfnet.runs.run import CONFIG, PREDICTIONS, Outcome, digest_files
from lfnet.seals import BLANK, SEAL, seal

__all__ = ["Copies", "reached"]

reached: list[float] = []  # processor seconds of this process when the first job of each sweep could start


@settings
class Copies(Launcher):
    """Runs the first job, and copies its folder for the others."""

    memory: Memory

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Yield the outcome of each call; nothing but the first one is computed."""
        reached.append(time.process_time())
        first: Path | None = None
        for number, call in enumerate(calls):
            assert isinstance(call, JobCall) and call.planned is not None
            experiment = call.planned[1]
            if first is None:
                outcome = call()
                first = experiment.folder
                yield call.key, outcome
                continue
            copy_run(first, experiment, number)
            yield call.key, Outcome("finished", call.key, experiment.folder.name, seconds=1.0, memory=1.0)


def copy_run(source: Path, experiment: Experiment, number: int) -> None:
    """Copy a run folder to the folder of another experiment of the same model."""
    folder, result = experiment.folder, Result.read(source)
    shutil.copytree(source, folder)
    (folder / RESULT).unlink()
    (folder / CONFIG).write_text(OmegaConf.to_yaml(OmegaConf.create(dict(experiment.config))), encoding="utf-8")
    scores = pd.read_csv(folder / PREDICTIONS, dtype=str, keep_default_na=False)
    noisy = scores["score"].astype(float) + np.random.default_rng(number).normal(size=len(scores))
    scores["score"] = [f"{one:.6f}" for one in noisy]
    text = io.StringIO()
    scores.to_csv(text, index=False, lineterminator="\n")
    (folder / PREDICTIONS).write_text(text.getvalue(), encoding="utf-8")
    own = replace(
        result,
        fingerprint=experiment.fingerprint,
        seed=experiment.settings.seed,
        config=experiment.recorded_config(),
        files=digest_files(folder),
    )
    content = json.dumps({SEAL: BLANK, **own.to_json()}, indent=2, allow_nan=False) + "\n"
    (folder / RESULT).write_bytes(seal(content.encode()))
