"""Records of every kind of job: its folder, its log, its cohort and the versions of packages."""

import logging
import math
import platform
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from lfnet.data.datamodule import DataModule
from lfnet.errors import LfnetError
from lfnet.features.clip_notes import count_noted
from lfnet.files import atomic_path, make_folder, write_text
from lfnet.fingerprints import digest
from lfnet.jobs.experiment import Experiment
from lfnet.locks import remove_abandoned
from lfnet.runs.result import CohortSummary, FeatureSummary, Result, Training, describe_scale
from lfnet.runs.run import CONFIG, LOG, RESULT, TRAINING_STATE, WEIGHTS, digest_files

if TYPE_CHECKING:
    import torch

    from lfnet.training.fit import Fitted

__all__ = ["describe_training", "log", "save_weights", "start_folder", "versions", "write_config", "write_result"]

_logger = logging.getLogger(__name__)
_REACH_WINDOWS = 16
_PACKAGES = ("lfnet", "torch", "lightning", "numpy", "pandas", "scikit-learn")
_OPTIONAL = ("numba",)  # changes the rounding of some heads where it is installed


def start_folder(job: Experiment) -> None:
    """Remove what an earlier or killed run left that could be mistaken for this one's, and write config.yaml."""
    (job.folder / RESULT).unlink(missing_ok=True)
    if job.settings.force:
        (job.folder / TRAINING_STATE).unlink(missing_ok=True)
    remove_abandoned(job.folder)
    write_config(job)


def write_config(job: Experiment) -> None:
    """Write config.yaml: all settings of the job, from which its model can be built."""
    write_text(job.folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(dict(job.config))))


def _describe_inputs(job: Experiment, data: DataModule, more: Sequence[str]) -> dict[str, Any]:
    """`scale`, `cohort` and `features` of a result: on whom and on what it was measured. more: further warnings."""
    cohort = job.inputs.cohort
    recordings = data.clips.drop_duplicates("recording_id")
    by_split = recordings.groupby("split")
    warnings = list(cohort.warnings)
    if data.dropped:
        # Tables and model cards print the warning and are handed on; the log stays in the run folder.
        number = f"{len(data.dropped)} clip{'s' * (len(data.dropped) > 1)} left out as unusable (protocol.health)"
        _logger.warning("%s: %s", number, ", ".join(data.dropped))
        warnings.append(f"{number}; {LOG} names them")
    for text, clip_ids in data.remarks:
        if clip_ids:
            _logger.warning("%s: %s", text, ", ".join(clip_ids))
        warnings.append(f"{text}; {LOG} names them" if clip_ids else text)
    warnings += count_noted(data.stores.values(), cohort.clips["clip_id"])
    return {
        "scale": describe_scale(cohort.scale),
        "cohort": CohortSummary(
            name=cohort.name,
            fingerprint=cohort.fingerprint(),
            simulated=cohort.simulated,
            recordings={str(split): int(count) for split, count in by_split.size().items()},
            people={str(split): int(count) for split, count in by_split["person_id"].nunique().items()},
            warnings=(*warnings, *more),
        ),
        "features": FeatureSummary(
            stream=" + ".join(data.stores),
            fingerprint=job.features[0] if len(job.features) == 1 else digest(job.features),
            dim=sum(store.shape(cohort.clips["clip_id"].iloc[0])[1] for store in data.stores.values()),
            coverage=round(data.frames.layout.coverage, 4),
        ),
    }


def write_result(job: Experiment, data: DataModule, *, warnings: Sequence[str] = (), **parts: Any) -> None:
    """Write result.json, the last file of a job. warnings: on the cohort. parts: what this kind of job records."""
    Result(
        fingerprint=job.fingerprint,
        seed=job.settings.seed,
        config=job.recorded_config(),
        **_describe_inputs(job, data, warnings),
        **parts,
        files=digest_files(job.folder),
    ).write(job.folder)


def describe_training(fitted: "Fitted", data: DataModule, max_epochs: int) -> Training:
    """How a head was fitted."""
    select = data.protocol.select
    return Training(
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        max_epochs=max_epochs,
        converged=fitted.converged,
        monitor=f"{select.split} {select.metric} ({select.level})",
        best=None if math.isnan(fitted.best) else fitted.best,
        seconds=round(fitted.seconds, 2),
        windows_per_epoch=data.windows_per_epoch,
        label_mean=data.labels.mean,
        label_sd=data.labels.sd,
        reach=_reach(fitted.head, data),
    )


def _reach(head: "torch.nn.Module", data: DataModule) -> int | None:
    """The frames that the scores of some windows of the selection split depend on, where the head tells."""
    remembered = getattr(head, "remembered_frames", None)
    if remembered is None:
        return None
    table = data.selection().head(_REACH_WINDOWS)
    batch = next(iter(data.eval_dataloader(table)))
    device = next(head.parameters()).device
    return int(remembered(*(batch[name].to(device) for name in ("x_BTD", "mask_BT"))))


def save_weights(head: "torch.nn.Module", folder: Path) -> None:
    """Write a head's weights to head.safetensors. Raises `LfnetError` where the disk is full."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(folder / WEIGHTS["head"]) as temporary:
        try:
            save_file({name: value.contiguous() for name, value in head.state_dict().items()}, temporary)
        except SafetensorError as error:
            raise LfnetError(f"cannot write the weights into {folder}: {error}. Is the disk full?") from error


def versions(*more: str) -> dict[str, str]:
    """Python's and the packages' versions."""
    installed = [name for name in _OPTIONAL if find_spec(name)]
    names = (*_PACKAGES, *installed, *more)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@contextmanager
def log(folder: Path) -> Iterator[None]:
    """Write everything that is logged in the block, a traceback that ends it included, to train.log in the folder."""
    make_folder(folder)
    logger = logging.getLogger("lfnet")
    handler = logging.FileHandler(folder / LOG, mode="w", encoding="utf-8")
    # A full disk is reported once, by what the job cannot do without; not by each line of its log.
    setattr(handler, "handleError", lambda record: None)  # noqa: B010  mypy forbids to assign a method
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except Exception:
        logger.error("the job failed\n%s", traceback.format_exc())
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
