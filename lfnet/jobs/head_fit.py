"""The parts of a job that fits a head: its windows, the head before training, and its scores."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from lfnet.data.datamodule import DataModule
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.recalibration import Recalibration, fit_recalibration
from lfnet.features.joined_streams import JoinedStreams
from lfnet.fingerprints import digest
from lfnet.heads.cost import Cost
from lfnet.heads.cost import measure as measure_cost
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.inputs import Inputs
from lfnet.jobs.records import versions
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings
from lfnet.runs.run import TRAINING_STATE
from lfnet.training.distribution_head import build_head, outputs_of, with_distribution
from lfnet.training.fit import seed_all
from lfnet.training.pooling import with_pooling
from lfnet.training.predict import check_output, score_splits
from lfnet.training.progress import Progress, describe_machine
from lfnet.training.settings import TrainerSettings, check_compatible

__all__ = ["Prepared", "check_own_head", "head_key", "load_data", "open_progress", "prepare_head", "score_head"]


@dataclass(frozen=True)
class Prepared:
    """A head before training, with its pooling; its cost, and the entry `pretraining` of result.json (None without)."""

    head: torch.nn.Module
    cost: Cost
    pretraining: dict[str, Any] | None


def check_own_head(settings: JobSettings, inputs: Inputs, session: Session) -> None:
    """Check that a head outside lfnet scores windows, once in a session, before a folder is made for its run.

    Raises `LfnetError` that names its class and its file. Heads with a distribution are checked with their last layer,
    by `prepare_head`.
    """
    node, trainer = settings.head, settings.trainer
    assert node is not None
    if str(node["_target_"]).startswith("lfnet.") or outputs_of(trainer.loss) > 1:
        return
    frames = settings.protocol.window
    n_features = inputs.store.shape(str(inputs.cohort.clips["clip_id"].iloc[0]))[1]

    def check() -> bool:
        with torch.random.fork_rng(devices=[]):
            check_output(build_head(node, trainer.loss, n_features=n_features), frames, n_features)
        return True

    session.keep("own head", digest([node, frames, n_features]), check)


def load_data(job: Experiment, session: Session) -> DataModule:
    """The job's windows, set up."""
    trainer, streams = job.settings.trainer, job.settings.inputs.streams
    data = DataModule(
        job.inputs.cohort,
        job.inputs.stores,
        job.settings.protocol,
        batch_size=trainer.batch_size,
        eval_batch_size=trainer.eval_batch_size,
        windows_per_clip=trainer.windows_per_clip,
        recordings=None if trainer.pooling is None else trainer.pooling.recordings,
        select_windows_per_clip=trainer.select_windows_per_clip,
        stream_dropout=streams.dropout if streams and isinstance(job.inputs.store, JoinedStreams) else 0.0,
        seed=job.settings.seed,
        cache=session.frames,
        packed_on=trainer.device if trainer.device == "cuda" else None,
    )
    data.reuse = True  # what reads its batches reads them one at a time
    data.setup()
    return data


def open_progress(job: Experiment, what: str = "") -> Progress:
    """The state of the job's training, as its run folder has it; what: see `Progress`."""
    nodes = {name: job.config[name] for name in job.covers.nodes}
    of = {"job": job.fingerprint, "settings": digest(nodes), **versions("scipy"), "torch": str(torch.__version__)}
    of["processor"] = describe_machine(job.settings.trainer.device)
    return Progress(job.folder / TRAINING_STATE, of, job.settings.save_every, what)


def head_key(job: Experiment, data: DataModule) -> str:
    """Digest of the settings that the cost and the latency of a job's head depend on: jobs of other seeds share it."""
    settings, trainer = job.settings, job.config["trainer"]
    of_trainer = [trainer[name] for name in ("loss", "pooling", "threads")]
    return digest([settings.head, of_trainer, repr(data.cohort.scale), settings.protocol.window, data.n_features])


def prepare_head(job: Experiment, data: DataModule, session: Session, progress: Progress | None = None) -> Prepared:
    """Build the head, check and measure it, pre-train it, and leave the random state as training starts from it.

    The cost is measured once in a session for the same settings, since a GRU's takes as long as an epoch.

    progress: of an interrupted training, which is not pre-trained again; its weights come with its state.
    """
    settings, trainer, protocol = job.settings, job.settings.trainer, job.settings.protocol
    assert settings.head is not None
    seed_all(settings.seed)
    head = build_head(settings.head, trainer.loss, n_features=data.n_features)
    check_compatible(trainer, protocol, head)  # again, for heads that the meta device cannot hold
    scale = data.cohort.scale
    scored = with_distribution(head, trainer.loss, data.labels, scale.min, scale.max)
    check_output(scored, protocol.window, data.n_features)
    whole = with_pooling(scored, trainer.pooling, data.n_features)
    cost = session.keep(
        "cost of a head", head_key(job, data), lambda: measure_cost(whole, protocol.window, data.n_features)
    )
    seed_all(settings.seed)  # measuring the cost drew random numbers
    pretraining = None
    if trainer.pretrain is not None:
        if progress is not None:
            pretraining = progress.pretraining
        if pretraining is None:
            with nullcontext() if progress is None else progress.noting_log():
                pretraining = trainer.pretrain.fit(head, data, device=trainer.device, seed=settings.seed)
        if progress is not None:
            progress.pretraining = pretraining
        seed_all(settings.seed)
    return Prepared(whole, cost, pretraining)


def score_head(
    head: torch.nn.Module, data: DataModule, trainer: TrainerSettings
) -> tuple[Predictions, Recalibration | None]:
    """Score all splits but train; recalibrated on dev where the trainer says so, with the line that does it."""
    scores = score_splits(head, data, trainer.device, trainer.pooling)
    if trainer.recalibrate is None:
        return scores, None
    line = fit_recalibration(scores.at("recording").in_split("dev").frame, trainer.recalibrate)
    return Predictions(scores.frame.assign(score=line.apply(scores.frame["score"]))), line
