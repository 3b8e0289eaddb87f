"""From finished runs of a head to a bundle: networks, settings, parity, interval, card."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch

from lfnet.config import instantiate, read
from lfnet.data.module import DataModule
from lfnet.data.protocol import Protocol
from lfnet.deploy.bundle import FORMAT, FRAMES, VALID, HeadSession, Windows
from lfnet.deploy.card import card
from lfnet.deploy.parity import TOLERANCES, lengths_of, measure_parity, random_windows
from lfnet.deploy.replace import BUNDLE, CARD, replaced
from lfnet.deploy.stages import bundle_encoder, bundle_landmarker
from lfnet.deploy.to_onnx import head_to_onnx
from lfnet.deploy.variants import VARIANTS, to_fp16, to_int8
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import Conformal, calibrate, calibration_rows, reachable
from lfnet.files import write_json, write_text
from lfnet.fingerprints import file_digest
from lfnet.jobs.inputs import prepare
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.runs.collection import RunCollection
from lfnet.runs.result import RESULT, damaged
from lfnet.runs.run import Run as FinishedRun

__all__ = ["Run", "export", "open_run"]

_WINDOWS = 64  # of training, which calibrate and compare, and as many of the rest, which compare
_LEVELS = (0.9, 0.8)  # tried in this order where no level is asked for
_FPS = 0.1  # share by which a video's frame rate may lie outside the training clips'


class Run:
    """A finished run of a head: its settings, its result and its windows; or several, a deep ensemble.

    more: runs that differ from the first in their seed alone. Then predictions are the means of all, `spread` is that
    of each recording's scores (`lfnet.evaluation.replicates`), and `head` gives a score of each member.
    trust: exact dotted names of classes that its settings may name besides lfnet's own (`lfnet.trust.TARGETS`).
    """

    def __init__(self, folder: Path, *more: Path, trust: Sequence[str] = ()) -> None:
        self.folder, self.folders = folder, (folder, *more)
        self.runs = tuple(FinishedRun.open(each, trust) for each in self.folders)
        first = self.runs[0]
        if first.result.kind != "head":
            raise LfnetError(f"{folder} is a run of a {first.result.kind}: `lfnet export` takes runs of a head.")
        if "streams" in first.result.config:
            raise LfnetError(
                f"{folder} is a run on several streams ({first.result.features.stream}), and a bundle has one "
                "encoder: `lfnet export` takes runs of one. Train one with a single encoder and streams.columns=null."
            )
        self.config = first.config
        self.protocol = read(Protocol, self.config["protocol"], "protocol")
        self.spread: pd.DataFrame | None = None
        if more:
            ensemble = RunCollection(self.runs).ensemble()
            self.predictions, self.spread = ensemble.predictions, ensemble.spread
        else:
            self.predictions = first.predictions
        marks = tuple(dict.fromkeys(mark for run in self.runs for mark in run.result.marks))
        self.result = replace(first.result, marks=marks)
        labels = {_labels(run) for run in self.runs}
        if len(labels) > 1:  # as with permuted labels, which each seed deals anew
            raise LfnetError(f"{', '.join(map(str, self.folders))} were trained on other labels: they are no ensemble.")
        (self.labels,) = labels
        self.n_features = first.result.features.dim

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each member, in their order."""
        return tuple(run.seed for run in self.runs)

    def head(self) -> torch.nn.Module:
        """The head with its trained weights, [B] scores; of an ensemble all members, [B, K]."""
        heads = [self._head(run) for run in self.runs]
        return heads[0] if len(heads) == 1 else _Members(heads).eval()

    def _head(self, run: FinishedRun) -> torch.nn.Module:
        head: torch.nn.Module = instantiate(self.config["head"], n_features=self.n_features)
        try:
            head.load_state_dict(run.weights())
        except RuntimeError as error:
            raise damaged(run.weights_path, f"it does not contain this head's weights ({error})") from error
        return head.eval()

    def data(self) -> DataModule:
        """The run's windows; features that are missing are extracted."""
        session = Session()
        inputs = prepare(read_inputs(self.config, session), session)
        if inputs.cohort.fingerprint() != self.result.cohort.fingerprint:
            raise LfnetError(
                f"cohort {inputs.cohort.name} is not the one that {self.folder} was trained on: train the run again."
            )
        data = DataModule(inputs.cohort, inputs.store, self.protocol, seed=self.config["seed"])
        data.setup()
        return data


class _Members(torch.nn.Module):
    """Several heads as one: [B, K] scores."""

    def __init__(self, heads: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(heads)

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        return torch.stack([head(x_BTD, mask_BT) for head in self.heads], dim=1)


def open_run(name: str, runs: Path, *more: str, trust: Sequence[str] = ()) -> Run:
    """The run in the folder `name`, or in `runs`/`name`, whose first letters will do; `more`: an ensemble's others.

    trust: as in `Run`.

    Raises `LfnetError` where a name is not one finished run's, and for what is no ensemble.
    """
    return Run(*(FinishedRun.find(each, runs).folder for each in (name, *more)), trust=trust)


def _labels(run: FinishedRun) -> tuple[float, float]:
    """Mean and SD of the training labels, in points."""
    mean, sd = run.result.training.label_mean, run.result.training.label_sd
    if mean is None or sd is None:
        raise damaged(run.folder / RESULT, "training.label_mean and training.label_sd are missing")
    return mean, sd


def export(
    run: Run,
    out: Path,
    *,
    variant: str = "fp32",
    tolerance: float | None = None,
    level: float | None = None,
    min_frames: int | None = None,
) -> dict[str, Any]:
    """Write the bundle of `run`, an ensemble perhaps, into the folder `out`, whole or not at all; returns bundle.json.

    A bundle in `out` is replaced; all that it does not list stays (`lfnet.deploy.replace`).

    variant: "fp32", "fp16" or "int8". tolerance: points a window's score may be off, None for `TOLERANCES`. level: of
    the conformal interval, None for .9, or .8 where .9 is out of reach. min_frames: fewest frames with a face
    that are scored, None for the shortest training clip's.
    Raises `LfnetError` where the variant is off by more, the level is out of reach, or a stage cannot do without torch.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}, not {variant!r}")
    conformal, why_not = _conformal(run, level)
    with replaced(out) as folder:
        data = run.data()
        facts = {
            "format": FORMAT,
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "versions": {name: version(name) for name in ("lfnet", "torch", "onnx", "onnxruntime", "onnxscript")},
            "run": {
                "fingerprint": run.result.fingerprint,
                "model": run.result.model,
                "seed": run.result.seed,
                "members": _members(run),
                "head": run.config["head"]["_target_"],
                "cohort": run.result.cohort.name,
                "simulated": run.result.cohort.simulated,
                "marks": list(run.result.marks),
            },
            "scale": asdict(run.result.scale),
            "labels": {"mean": run.labels[0], "sd": run.labels[1]},
            "protocol": run.config["protocol"],
            "features": {"stream": run.result.features.stream, "dim": run.n_features},
            "head": _head(run, data, folder, variant, TOLERANCES[variant] if tolerance is None else tolerance),
            **_video(run, folder),
            "pulse": run.config.get("pulse"),
            "limits": _limits(data, min_frames),
            "conformal": asdict(conformal) if conformal else None,
            "no_interval": why_not,
        }
        facts["files"] = {
            path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in sorted(folder.iterdir())
        }
        write_text(folder / CARD, card(run.result, facts, run.predictions, _people(data, "train")))
        write_json(folder / BUNDLE, facts)
    return facts


def _head(run: Run, data: DataModule, folder: Path, variant: str, tolerance: float) -> dict[str, Any]:
    head, target = run.head(), folder / ("head.onnx" if variant == "fp32" else f"head.{variant}.onnx")
    windows = _some_windows(data, data.split("train"))
    with TemporaryDirectory() as scratch:
        plain_file = Path(scratch) / "head.onnx"
        head_to_onnx(head, plain_file, frames=run.protocol.window, n_features=run.n_features)
        if variant == "fp16":
            to_fp16(plain_file, target)
        elif variant == "int8":
            # Short and half-hidden windows have wider ranges than whole ones, which may be all that training has.
            some = [windows, *random_windows(windows, lengths_of(run.protocol.window), 8, seed=1)]
            feeds = [{FRAMES: x[None], VALID: mask[None]} for batch in some for x, mask in zip(*batch, strict=True)]
            to_int8(plain_file, target, feeds)
        else:
            shutil.copyfile(plain_file, target)
    session = HeadSession(target, *run.labels, threads=1)
    # Ranges come from training windows alone; whether they hold is to be seen on others.
    others = _some_windows(data, data.windows[data.windows["split"] != "train"])
    real = Windows(*(np.concatenate(pair) for pair in zip(windows, others, strict=True)))
    parity = measure_parity(head, session, real, labels=run.labels, variant=variant, tolerance=tolerance)
    return {
        "file": target.name,
        "variant": variant,
        "members": len(run.folders),
        "parameters": len(run.folders) * (run.result.cost.parameters or 0),
        "flops_per_window": len(run.folders) * (run.result.cost.flops or 0),
        "windows": "any" if session.any_windows else 1,
        "frames": "any" if session.any_length else run.protocol.window,
        "parity": parity.facts(),
    }


def _members(run: Run) -> list[dict[str, Any]]:
    return [{"fingerprint": one.result.fingerprint, "seed": one.seed} for one in run.runs]


def _some_windows(data: DataModule, table: pd.DataFrame) -> Windows:
    """Some windows of a table, spread over clips: what ranges are calibrated on and scores compared on."""
    chosen = table.iloc[np.unique(np.linspace(0, len(table) - 1, _WINDOWS).astype(int))].reset_index(drop=True)
    batches = list(data.eval_dataloader(chosen))
    x_BTD, mask_BT = (torch.cat([batch[key] for batch in batches]).numpy() for key in ("x_BTD", "mask_BT"))
    return Windows(x_BTD, mask_BT)


def _video(run: Run, folder: Path) -> dict[str, Any]:
    """`encoder` and `video` of bundle.json; None where the cohort brings its own vectors: there is no video stage."""
    names = list(read_inputs(run.config, Session()).encoders)
    if not names:
        return {"encoder": None, "video": None}
    if (cohort := run.config["cohort"]).get("aligned"):
        raise LfnetError(
            f"{run.folder} was trained on aligned crops of cohort {cohort.get('name')}: how they were aligned is not "
            "known here, so no video could be scored as they were."
        )
    return {"encoder": bundle_encoder(names[0], run.config, folder), "video": bundle_landmarker(run.config, folder)}


def _limits(data: DataModule, min_frames: int | None) -> dict[str, Any]:
    """What the head was made for: the frame rates and lengths of the clips it was trained on."""
    rates, seen = [], []
    for clip_id in data.clips.loc[data.clips["split"] == "train", "clip_id"]:
        clip = data.store.read(clip_id)
        seen.append(int(clip.valid.sum()))
        if len(clip.time) > 1 and clip.time[-1] > clip.time[0]:
            rates.append((len(clip.time) - 1) / float(clip.time[-1] - clip.time[0]))
    return {
        "rows_per_second": [round(min(rates) * (1 - _FPS), 3), round(max(rates) * (1 + _FPS), 3)] if rates else None,
        "trained_rows_per_second": [round(min(rates), 3), round(max(rates), 3)] if rates else None,
        "min_frames": min(seen) if min_frames is None else min_frames,
        "min_coverage": data.protocol.health.min_coverage,
    }


def _people(data: DataModule, *splits: str) -> frozenset[str]:
    return frozenset(data.cohort.clips.loc[data.cohort.clips["split"].isin(splits), "person_id"])


def _conformal(run: Run, level: float | None) -> tuple[Conformal | None, str]:
    """The interval, or why there is none. Raises `LfnetError` where the level that was asked for is out of reach."""
    frame = run.predictions.at("recording").frame
    selected_on = run.protocol.select.split
    used = ["train", selected_on, *(["unlabelled"] if run.config["trainer"].get("pretrain") else [])]
    people = set(run.runs[0].trained_people)
    people |= set(frame.loc[frame["split"].isin(used), "person_id"])
    typical = None
    if run.spread is not None:
        frame = frame.merge(run.spread[["recording_id", "sd"]], on="recording_id", validate="one_to_one")
        typical = float(frame.loc[frame["split"] == selected_on, "sd"].mean())
        typical = typical if typical > 0 else None  # members that all say the same
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
