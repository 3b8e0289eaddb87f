"""Export finished runs of a head as a bundle: networks, settings, parity, interval, model card."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from lfnet.cohorts.feature_stream import FeatureStream
from lfnet.config import read
from lfnet.data.datamodule import DataModule
from lfnet.deploy.bundle import FRAMES, VALID, HeadSession, Windows
from lfnet.deploy.bundle_json import (
    FORMAT,
    VARIANTS,
    Constants,
    EncoderFacts,
    Facts,
    Features,
    FileFacts,
    HeadFacts,
    Labels,
    Limits,
    Member,
    RunFacts,
    Scale,
    VideoFacts,
    to_json,
)
from lfnet.deploy.card import write_card
from lfnet.deploy.head_onnx import head_to_onnx, to_fp16, to_int8
from lfnet.deploy.parity import TOLERANCES, lengths_of, measure_parity, random_windows
from lfnet.deploy.replace import BUNDLE, CARD, replaced
from lfnet.deploy.stages import bundle_encoder, bundle_landmarker
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import Conformal, calibrate, calibration_rows, reachable
from lfnet.evaluation.groups import Groups, check_groups
from lfnet.extras import require
from lfnet.files import write_text
from lfnet.fingerprints import file_digest
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.runs.public_settings import public_cohort
from lfnet.seals import write_sealed_json

__all__ = ["export"]

_MEANS = "feature_means.npy"
_WINDOWS = 64  # of training, for calibration and comparison, and as many others for comparison
_LEVELS = (0.9, 0.8)  # tried in this order where no level is given
_FPS = 0.1  # share by which a video's frame rate may lie outside the training clips'


def export(
    run: TrainedHead,
    out: Path,
    *,
    variant: str = "fp32",
    tolerance: float | None = None,
    level: float | None = None,
    min_frames: int | None = None,
    groups: Groups | None = None,
) -> Facts:
    """Write the bundle of a run or an ensemble, whole or not at all.

    A bundle in `out` is replaced; all files that it does not list stay (`lfnet.deploy.replace`).

    Parameters
    ----------
    run : TrainedHead
        The run or ensemble.
    out : Path
        The bundle's folder.
    variant : {"fp32", "fp16", "int8"}
        Precision of the head.
    tolerance : float, optional
        Largest difference of a window's score from PyTorch's in points; by default that of `TOLERANCES`.
    level : float, optional
        Of the conformal interval; by default .9, or .8 where too few people are left for .9.
    min_frames : int, optional
        Minimum number of frames with a face; by default that of the shortest training clip.
    groups : mapping, optional
        Groups of people that the model card shows, with the numbers at which their bands begin; by default all that
        the run has, with bands that are guessed.

    Returns
    -------
    Facts
        The contents of bundle.json.

    Raises
    ------
    LfnetError
        Scores differ by more, too few people are left for the level, a stage needs PyTorch, or the run has no such
        groups.
    """
    table = run.runs[0].groups
    check_groups(groups, [] if table is None else sorted(table.columns[3:]), "groups")
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}, not {variant!r}")
    if "filming" in run.result.config:
        raise LfnetError(
            f"{run.folder} is a run on features normalised by filming={run.result.choices.get('filming', '')}, and a "
            "bundle does not normalise. Train a run with filming=none to export it."
        )
    features = run.result.config["cohort"].get("features") or {}
    if any(how and read(FeatureStream, how, f"cohort.features.{name}").recipe() for name, how in features.items()):
        raise LfnetError(
            f"{run.folder} is a run on chosen columns of tables, and a bundle reads files as they are. Train a run "
            "with features@cohort.features=columns to export it."
        )
    if "streams" in run.result.config:
        raise LfnetError(
            f"{run.folder} is a run on several streams ({run.result.features.stream}), and a bundle has one encoder. "
            "Train a run with a single encoder and streams.columns=null to export it."
        )
    require("deploy", use="exporting a run")
    conformal, no_interval = _conformal(run, level)
    with replaced(out) as folder:
        data = run.data()
        head = _head(run, data, folder, variant, TOLERANCES[variant] if tolerance is None else tolerance)
        encoder, video = _video(run, folder)
        result = run.result
        facts = Facts(
            format=FORMAT,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions={name: version(name) for name in ("lfnet", "torch", "onnx", "onnxruntime", "onnxscript")},
            run=RunFacts(
                fingerprint=result.fingerprint,
                model=result.model,
                seed=result.seed,
                members=tuple(Member(fingerprint=one.result.fingerprint, seed=one.seed) for one in run.runs),
                head=run.config["head"]["_target_"],
                cohort=public_cohort(result),
                simulated=result.cohort.simulated,
                marks=result.marks,
            ),
            scale=Scale.of(result),
            labels=Labels(mean=run.labels[0], sd=run.labels[1]),
            protocol=run.protocol,
            features=Features(stream=result.features.stream, dim=run.n_features, means=_means(data, folder)),
            head=head,
            encoder=encoder,
            video=video,
            pulse=run.config.get("pulse"),
            pooling=run.config["trainer"].get("pooling"),
            constants=_constants(data),
            limits=_limits(data, min_frames),
            conformal=conformal,
            no_interval=no_interval,
            files={path.name: _file(path) for path in sorted(folder.iterdir())},
        )
        card = write_card(result, facts, run.predictions, _people(data, "train"), table, groups)
        write_text(folder / CARD, card)
        facts = replace(facts, files={**facts.files, CARD: _file(folder / CARD)})
        write_sealed_json(folder / BUNDLE, to_json(facts), personal=False)
    return facts


def _file(path: Path) -> FileFacts:
    return FileFacts(sha256=file_digest(path), bytes=path.stat().st_size)


def _head(run: TrainedHead, data: DataModule, folder: Path, variant: str, tolerance: float) -> HeadFacts:
    head, target = run.head(), folder / ("head.onnx" if variant == "fp32" else f"head.{variant}.onnx")
    windows = _some_windows(data, data.split("train"))
    with TemporaryDirectory() as scratch:
        plain_file = Path(scratch) / "head.onnx"
        head_to_onnx(head, plain_file, frames=run.protocol.window, n_features=run.n_features)
        if variant == "fp16":
            to_fp16(plain_file, target)
        elif variant == "int8":
            # Short and partly masked windows have wider ranges than whole ones, and training may have whole ones only.
            some = [windows, *random_windows(windows, lengths_of(run.protocol.window), 8, seed=1)]
            feeds = [{FRAMES: x[None], VALID: mask[None]} for batch in some for x, mask in zip(*batch, strict=True)]
            to_int8(plain_file, target, feeds)
        else:
            shutil.copyfile(plain_file, target)
    session = HeadSession(target, *run.labels, threads=1, pooling=run.pooling)
    # Ranges come from training windows alone; they are tested on others.
    others = _some_windows(data, data.windows[data.windows["split"] != "train"])
    real = Windows(*(np.concatenate(pair) for pair in zip(windows, others, strict=True)))
    parity = measure_parity(
        head, session, real, labels=run.labels, variant=variant, tolerance=tolerance, pooling=run.pooling
    )
    count = len(run.runs)
    return HeadFacts(
        file=target.name,
        variant=variant,  # type: ignore[arg-type]  # checked by export
        members=count,
        parameters=count * int(run.result.cost.parameters or 0),
        flops_per_window=count * (run.result.cost.flops or 0),
        windows="any" if session.any_windows else 1,
        frames="any" if session.any_length else run.protocol.window,
        parity=parity,
    )


def _some_windows(data: DataModule, table: pd.DataFrame) -> Windows:
    """Return some windows of a table, spread over clips, for calibration and comparison."""
    chosen = table.iloc[np.unique(np.linspace(0, len(table) - 1, _WINDOWS).astype(int))].reset_index(drop=True)
    batches = list(data.eval_dataloader(chosen))
    x_BTD, mask_BT = (torch.cat([batch[key] for batch in batches]).numpy() for key in ("x_BTD", "mask_BT"))
    return Windows(x_BTD, mask_BT)


def _video(run: TrainedHead, folder: Path) -> tuple[EncoderFacts | None, VideoFacts | None]:
    """Put encoder and landmarker into the bundle; None where the cohort has features and no video."""
    names = list(read_inputs(run.config, Session()).encoders)
    if not names:
        return None, None
    if (cohort := run.config["cohort"]).get("aligned"):
        raise LfnetError(
            f"{run.folder} was trained on aligned crops of cohort {cohort.get('name')}: how they were aligned is not "
            "known, so no video could be aligned alike. Train a run on video to export it."
        )
    return bundle_encoder(names[0], run.config, folder), bundle_landmarker(run.config, folder)


def _limits(data: DataModule, min_frames: int | None) -> Limits:
    """Derive the limits from the frame rates and lengths of the training clips."""
    rates, seen, sparse = [], [], False
    for clip_id in data.clips.loc[data.clips["split"] == "train", "clip_id"]:
        clip = data.store.read(clip_id)
        seen.append(int(clip.valid.sum()))
        sparse = clip.meta.get("sparse") == "true"
        if len(clip.time) > 1 and clip.time[-1] > clip.time[0]:
            rates.append((len(clip.time) - 1) / float(clip.time[-1] - clip.time[0]))
    return Limits(
        rows_per_second=(round(min(rates) * (1 - _FPS), 3), round(max(rates) * (1 + _FPS), 3)) if rates else None,
        trained_rows_per_second=(round(min(rates), 3), round(max(rates), 3)) if rates else None,
        min_frames=min(seen) if min_frames is None else min_frames,
        min_coverage=data.protocol.health.min_coverage,
        sparse=sparse,
    )


def _means(data: DataModule, folder: Path) -> str | None:
    """Write the mean of each feature over the training clips, each with its mean over frames with a face."""
    means = []
    for clip_id in data.clips.loc[data.clips["split"] == "train", "clip_id"]:
        clip = data.store.read(clip_id)
        if clip.valid.any():
            means.append(clip.features[clip.valid].mean(axis=0, dtype=np.float64))
    if not means:
        return None
    np.save(folder / _MEANS, np.mean(means, axis=0).astype(np.float32))
    return _MEANS


def _constants(data: DataModule) -> Constants | None:
    """Compute the mean and the median of the training recordings' labels."""
    clips = data.clips[data.clips["split"] == "train"]
    labels = clips.drop_duplicates("recording_id")["label"].dropna()
    return Constants(mean=float(labels.mean()), median=float(labels.median())) if len(labels) else None


def _people(data: DataModule, *splits: str) -> frozenset[str]:
    return frozenset(data.cohort.clips.loc[data.cohort.clips["split"].isin(splits), "person_id"])


def _conformal(run: TrainedHead, level: float | None) -> tuple[Conformal | None, str]:
    """Calibrate the interval; None and the reason where too few people are left. `level`: as in `export`."""
    if Scale.of(run.result).probability:
        if level is not None:
            raise LfnetError(f"level={level:g}: the score is the probability of a label of 1, which has no interval.")
        return None, "the score is the probability of a label of 1"
    frame = run.predictions.at("recording").frame
    selected_on = run.protocol.select.split
    used = ["train", selected_on, *(["unlabelled"] if run.config["trainer"].get("pretrain") else [])]
    people = set(run.runs[0].trained_people)
    people |= set(frame.loc[frame["split"].isin(used), "person_id"])
    typical = None
    if run.spread is not None:
        frame = frame.merge(run.spread[["recording_id", "sd"]], on="recording_id", validate="one_to_one")
        typical = float(frame.loc[frame["split"] == selected_on, "sd"].mean())
        typical = typical if typical > 0 else None  # members with equal scores
    candidates = frame[frame["split"].isin({"dev", "test"} - {selected_on})]
    if level is not None:
        return calibrate(candidates, people, level, typical), ""
    n = len(calibration_rows(candidates, people))
    for each in _LEVELS:
        if n and each <= reachable(n) + 1e-9:
            return calibrate(candidates, people, each, typical), ""
    return (
        None,
        f"{n} labelled recordings of people in neither training nor selection: too few for an interval of level "
        f"{_LEVELS[-1]:g}",
    )
