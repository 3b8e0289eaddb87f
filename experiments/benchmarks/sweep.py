"""Sweeps of the project and of plain PyTorch, with equal windows, batches, epochs and heads."""

import csv
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.benchmarks.ceiling import Ceilings
from experiments.benchmarks.measure import ROOT, Usage, command
from experiments.benchmarks.report import Row, Target, of_pairs

__all__ = ["HEADS", "Sizes", "fitted", "needed_flops", "sweep"]

# The peer's name of each head, and the project's with the same settings (dropout on attention weights too).
HEADS = {"mean": "mean_mlp", "ldbm": "ldbm_plain", "transformer": "transformer_plain", "gru": "mamba_gru"}
_PEER = Path("experiments/benchmarks/peers/ablation.py")
_CONF = Path("experiments/benchmarks/conf")
_PRECISIONS = {"32-true": ("fp32", 3.0, 8.0), "bf16-mixed": ("bf16", None, 20.0)}
_WORKERS = 2


@dataclass(frozen=True)
class Sizes:
    """Sizes of the sweep. recordings: of two clips each, with 6 windows per clip of `length` frames.

    epochs: of the project's jobs in the pairs; whole: of the sweep of four heads and five seeds. pairs: how often peer
    and project are measured alternately.
    """

    recordings: int = 50
    dim: int = 512
    window: int = 512
    length: int = 2000
    epochs: int = 3
    whole: int = 4
    seeds: int = 5
    pairs: int = 3

    @property
    def windows(self) -> int:
        """Training windows in an epoch."""
        hop = self.window // 2
        return 2 * self.recordings * (1 + (self.length - self.window) // hop)


# The peer's sizes are fixed in its file: these only check that everything runs, and their ratios mean nothing.
QUICK = Sizes(recordings=2, epochs=1, whole=1, seeds=1, pairs=1)


def sweep(folder: Path, sizes: Sizes, roof: Ceilings) -> list[Row]:
    """Measure each head and the whole sweep, in both precisions. folder: of cohort, features and runs."""
    clips = folder / "clips"
    _clips(clips, folder, sizes)
    rows: list[Row] = []
    times: dict[str, dict[str, list[float]]] = {head: {} for head in HEADS}
    loads: dict[str, list[float]] = {head: [] for head in HEADS}
    flops: dict[str, float] = {}
    for turn in range(sizes.pairs):
        for head, name in HEADS.items():
            seconds, load = _peer(clips, head, sizes)
            times[head].setdefault("peer", []).append(seconds)
            loads[head].append(load)
            for precision in _PRECISIONS:
                used, results = _project(
                    folder, [name], [turn * _WORKERS + i for i in range(_WORKERS)], precision, sizes
                )
                times[head].setdefault(precision, []).append(_each(results, sizes.epochs) / _WORKERS)
                loads[head].append(used.load)
                flops[head] = needed_flops(results[0], sizes.windows)
    for precision, (word, min_ratio, _) in _PRECISIONS.items():
        for head in HEADS:
            pair = of_pairs(times[head]["peer"], times[head][precision])
            rows.append(
                Row(
                    "sweep",
                    f"{head}, {word}: seconds per epoch, two jobs in parallel",
                    unit="s",
                    **pair,  # type: ignore[arg-type]
                    target=Target("min", min_ratio) if min_ratio else None,
                    share=flops[head] / float(pair["project"]) / roof["bf16" if word == "bf16" else "fp32 exact"],
                    load=sum(loads[head]) / len(loads[head]),
                )
            )
    epoch = [sum(times[head]["peer"][turn] for head in HEADS) for turn in range(sizes.pairs)]
    for precision, (word, _, min_ratio) in _PRECISIONS.items():
        rows += _whole(folder, sizes, epoch, precision, word, min_ratio, sum(flops.values()), roof)
    return rows


def _whole(
    folder: Path,
    sizes: Sizes,
    peer_epoch: Sequence[float],
    precision: str,
    word: str,
    min_ratio: float,
    flops: float,
    roof: Ceilings,
) -> list[Row]:
    """Measure the sweep that a user would start, in one command, and as many epochs of the peer."""
    used, results = _project(folder, list(HEADS.values()), list(range(sizes.seeds)), precision, sizes, sizes.whole)
    fits = sum(result["training"]["seconds"] for result in results) / _WORKERS
    once = used.seconds - fits
    peer = [sizes.seeds * seconds for seconds in peer_epoch]
    cap = roof["bf16" if word == "bf16" else "fp32 exact"]
    rows = []
    for epochs, target in ((100, Target("min", min_ratio)), (sizes.whole, None)):
        project = once + fits / sizes.whole * epochs
        rows.append(
            Row(
                "sweep",
                f"four heads × {sizes.seeds} seeds × {epochs} epochs, {word}: the whole command",
                unit="s",
                **of_pairs([epochs * seconds for seconds in peer], [project] * len(peer)),  # type: ignore[arg-type]
                target=target,
                share=flops * sizes.seeds * epochs / project / cap,
                load=used.load,
                note="measured"
                if epochs == sizes.whole
                else f"{once:.0f} s once, and {sizes.whole} measured epochs × {100 / sizes.whole:g}",
            )
        )
    return rows


def needed_flops(result: dict, windows: int) -> float:
    """Return the FLOP of an epoch of training: three times the forward pass, without the gradient of the input."""
    cost, head = result["cost"], result["config"]["head"]
    dim = result["features"]["dim"]
    if "width" in head:
        first = 2 * cost["frames"] * dim * head["width"]
    else:
        first = 2 * dim * head["hidden"]
    return windows * (3.0 * cost["flops"] - first)


def fitted(runs: Path) -> list[dict]:
    """Read the results of a folder of runs."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*/result.json"))]


def _each(results: Sequence[dict], epochs: int) -> float:
    return sum(result["training"]["seconds"] for result in results) / len(results) / epochs


def _peer(clips: Path, head: str, sizes: Sizes) -> tuple[float, float]:
    used = command([sys.executable, _PEER, clips, "--epochs", 1, "--heads", head])
    found = re.search(r"([\d.]+) s/epoch\s+\((\d+) windows\)", used.out)
    if found is None or int(found[2]) != sizes.windows:
        raise ValueError(f"unexpected output of the peer: {used.out}")
    return float(found[1]), used.load


def _project(
    folder: Path, heads: Sequence[str], seeds: Sequence[int], precision: str, sizes: Sizes, epochs: int = 0
) -> tuple[Usage, list[dict]]:
    """Run one sweep in a new folder of runs, as a user starts it; return its usage and results."""
    runs = folder / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    epochs = epochs or sizes.epochs
    used = command(
        [
            *(sys.executable, "-m", "lfnet.cli.main", "train", "-m", "--config-dir", ROOT / _CONF),
            *(f"head={','.join(heads)}", f"seed={','.join(map(str, seeds))}", "launcher=joblib"),
            *(
                f"launcher.jobs={_WORKERS}",
                "trainer=full",
                f"trainer.max_epochs={epochs}",
                f"trainer.patience={epochs}",
            ),
            *(f"trainer.precision={precision}", *_settings(folder, sizes)),
        ]
    )
    results = fitted(runs)
    done = {result["training"]["epochs"] for result in results}
    windows = {result["training"]["windows_per_epoch"] for result in results}
    if len(results) != len(heads) * len(seeds) or done != {epochs} or windows != {sizes.windows}:
        raise ValueError(f"{len(results)} jobs with {windows} windows and {done} epochs: {used.out[-1000:]}")
    return used, results


def _settings(folder: Path, sizes: Sizes) -> list[str]:
    return [
        # The peer measures training only: as little other work as a job can have.
        f"cohort.recordings={{train:{sizes.recordings},dev:2,test:2}}",
        "cohort.duration={min:20,max:66,median:45,spread:0.3}",
        *("cohort.lost_frames=0", f"cohort.dim={sizes.dim}", "protocol=published", f"protocol.length={sizes.length}"),
        *(f"protocol.window={sizes.window}", f"protocol.hop={sizes.window // 2}", "trainer.batch_size=32"),
        *(f"paths.{name}={folder / name}" for name in ("cache", "runs", "data")),
    ]


def _clips(clips: Path, folder: Path, sizes: Sizes) -> None:
    """Write the training clips of the cohort as the peer reads them: one .npy per clip, and labels.csv."""
    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.jobs.inputs import prepare
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs

    session = Session()
    settings = read_inputs(plain(compose("train", _settings(folder, sizes))), session)
    inputs = prepare(settings, session, progress=False)
    clips.mkdir(parents=True, exist_ok=True)
    with (clips / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "label"])
        for clip in inputs.cohort.in_split("train").itertuples():
            name = f"clip_{clip.clip_id}.npy"
            np.save(clips / name, inputs.store.read(clip.clip_id).features[: sizes.length])
            writer.writerow([name, clip.label])
