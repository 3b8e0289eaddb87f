"""Sweeps of the project and of its peers, with equal windows, batches, epochs and heads.

The peers are a plain PyTorch program, a plain Lightning program, and the latter with one line of precision. All read
the same clips; windows and parameters of each head are equal, and rows compare the error of the first epoch.
"""

import csv
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.benchmarks.ceiling import Ceilings, ceilings
from experiments.benchmarks.measure import ROOT, Usage, command
from experiments.benchmarks.report import Row, Target, energy_row, median, of_pairs

__all__ = ["HEADS", "PRECISIONS", "Epoch", "Sizes", "fitted", "needed_flops", "project_epoch", "sweep"]

# The peer's name of each head, and the project's with the same settings (dropout on attention weights too).
HEADS = {"mean": "mean_mlp", "ldbm": "ldbm_plain", "transformer": "transformer_plain", "gru": "mamba_gru"}
_SCRIPTS = Path("experiments/benchmarks/peers")
_PLAIN = "plain PyTorch"
_PEERS = {
    _PLAIN: ("ablation.py",),
    "Lightning": ("lightning_ablation.py",),
    "Lightning, medium": ("lightning_ablation.py", "--precision", "medium"),
    "Lightning, bf16": ("lightning_ablation.py", "--precision", "bf16"),
}
_CONF = Path("experiments/benchmarks/conf")
PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16"}
_ROOF = {"fp32": "fp32 exact", "bf16": "bf16"}
# With which peers each precision is compared: the last is the one with one line of precision.
_COMPARED = {"fp32": (_PLAIN, "Lightning", "Lightning, medium"), "bf16": (_PLAIN, "Lightning", "Lightning, bf16")}
_HEAD_TARGET, _WHOLE_TARGET = {"fp32": 3.0}, {"fp32": 6.5, "bf16": 9.5}  # against plain PyTorch
_WORKERS = 2
_EARLIER = {"cohort.lost_frames=0": "cohort.missing=0"}  # settings by their name at the commit that `since` measures


@dataclass(frozen=True)
class Sizes:
    """Sizes of the sweep. recordings: of two clips each, with 6 windows per clip of `length` frames.

    epochs: of the project's jobs in the pairs; whole: of the sweep of four heads and five seeds. pairs: how often peers
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


@dataclass(frozen=True)
class Epoch:
    """One measurement of a head: seconds of an epoch, parameters, training error of the first epoch in points, and the
    load of other processes."""

    seconds: float
    parameters: int
    error: float
    load: float


# The peer's sizes are fixed in its file: these only check that everything runs, and their ratios mean nothing.
QUICK = Sizes(recordings=2, epochs=1, whole=1, seeds=1, pairs=1)


def sweep(folder: Path, sizes: Sizes, quick: bool = False) -> list[Row]:
    """Measure each head and the whole sweep, in both precisions. folder: of cohort, features and runs."""
    clips = folder / "clips"
    _clips(clips, folder, sizes)
    epochs: dict[tuple[str, str], list[Epoch]] = {}
    flops: dict[str, float] = {}
    roofs = []
    for turn in range(sizes.pairs):
        roofs.append(ceilings(quick))
        for head, name in HEADS.items():
            for peer in _PEERS:
                epochs.setdefault((peer, head), []).append(_peer(clips, peer, head, sizes))
            for precision, word in PRECISIONS.items():
                epochs.setdefault((word, head), []).append(project_epoch(folder, name, turn, precision, sizes))
            flops[head] = needed_flops(fitted(folder / "runs")[0], sizes.windows)
    roof = {kind: median([one[kind] for one in roofs]) for kind in roofs[0]}
    rows = []
    for word, peers in _COMPARED.items():
        for peer in peers:
            rows += [_compare(head, word, peer, epochs, flops, roof) for head in HEADS]
    for precision, word in PRECISIONS.items():
        sums = {
            peer: [sum(epochs[peer, head][turn].seconds for head in HEADS) for turn in range(sizes.pairs)]
            for peer in _COMPARED[word]
        }
        rows += _whole(folder, sizes, sums, precision, word, sum(flops.values()), roof)
    return rows


def _compare(
    head: str,
    word: str,
    peer: str,
    epochs: dict[tuple[str, str], list[Epoch]],
    flops: dict[str, float],
    roof: Ceilings,
) -> Row:
    """Compare the epochs of a head with a peer's. Raises `ValueError` where the two are not the same head."""
    one, own = epochs[peer, head], epochs[word, head]
    if one[0].parameters != own[0].parameters:
        raise ValueError(f"{head}: {peer} has {one[0].parameters} parameters, the project {own[0].parameters}")
    pair = of_pairs([epoch.seconds for epoch in one], [epoch.seconds for epoch in own])
    target = Target("min", _HEAD_TARGET[word]) if peer == _PLAIN and word in _HEAD_TARGET else None
    errors = [median([epoch.error for epoch in found]) for found in (one, own)]
    return Row(
        "sweep",
        f"{head}, {word} vs {peer}: seconds per epoch, two jobs in parallel",
        unit="s",
        **pair,  # type: ignore[arg-type]
        target=target,
        share=flops[head] / float(pair["project"]) / roof[_ROOF[word]],
        load=sum(epoch.load for epoch in (*one, *own)) / (len(one) + len(own)),
        note=f"training MAE of the first epoch {errors[0]:.2f} and {errors[1]:.2f} points",
    )


def _whole(
    folder: Path,
    sizes: Sizes,
    peers: dict[str, list[float]],
    precision: str,
    word: str,
    flops: float,
    roof: Ceilings,
) -> list[Row]:
    """Measure the sweep that a user would start, in one command, and as many epochs of each peer.

    peers: seconds of an epoch of all heads, one for each turn.
    """
    used, results = _project(folder, list(HEADS.values()), list(range(sizes.seeds)), precision, sizes, sizes.whole)
    fits = sum(result["training"]["seconds"] for result in results) / _WORKERS
    once = used.seconds - fits
    rows = []
    for epochs in (100, sizes.whole):
        project = once + fits / sizes.whole * epochs
        for peer, seconds in peers.items():
            times = [epochs * sizes.seeds * one for one in seconds]
            rows.append(
                Row(
                    "sweep",
                    f"four heads × {sizes.seeds} seeds × {epochs} epochs, {word} vs {peer}: the whole command",
                    unit="s",
                    **of_pairs(times, [project] * len(times)),  # type: ignore[arg-type]
                    target=Target("min", _WHOLE_TARGET[word]) if epochs == 100 and peer == _PLAIN else None,
                    share=flops * sizes.seeds * epochs / project / roof[_ROOF[word]],
                    load=used.load,
                    note="measured"
                    if epochs == sizes.whole
                    else f"{once:.0f} s once, and {sizes.whole} measured epochs × {100 / sizes.whole:g}",
                )
            )
    rows.append(energy_row("sweep", f"energy of a job of {sizes.whole} epochs, {word}", used, len(results)))
    return rows


def needed_flops(result: dict, windows: int) -> float:
    """Return the FLOP of an epoch of training: three times the forward pass, without the gradient of the input.

    Of a head that reads only the frames that its last state remembers, the operations on these frames.
    """
    cost, head = result["cost"], result["config"]["head"]
    dim = result["features"]["dim"]
    if "width" in head:
        first = 2 * cost["frames"] * dim * head["width"]
    else:
        first = 2 * dim * head["hidden"]
    read = min(1.0, (result["training"].get("reach") or cost["frames"]) / cost["frames"])
    return windows * read * (3.0 * cost["flops"] - first)


def fitted(runs: Path) -> list[dict]:
    """Read the results of a folder of runs."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*/result.json"))]


def project_epoch(folder: Path, head: str, turn: int, precision: str, sizes: Sizes, tree: Path = ROOT) -> Epoch:
    """Measure an epoch of a head with all workers busy, each with a seed of its own."""
    seeds = [turn * _WORKERS + i for i in range(_WORKERS)]
    used, results = _project(folder, [head], seeds, precision, sizes, tree=tree)
    training = [result["training"] for result in results]
    seconds = sum(one["seconds"] / one["epochs"] for one in training) / len(training) / _WORKERS
    errors = []
    for path in sorted((folder / "runs").glob("*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
        errors.append(losses[0] * training[0]["label_sd"])
    return Epoch(seconds, results[0]["cost"]["parameters"], sum(errors) / len(errors), used.load)


def _peer(clips: Path, peer: str, head: str, sizes: Sizes) -> Epoch:
    script, *more = _PEERS[peer]
    used = command([sys.executable, _SCRIPTS / script, clips, "--epochs", "1", "--heads", head, *more])
    pattern = r"params +(\d+) +([\d.]+) s/epoch\s+\((\d+) windows\) +L1 of the first epoch ([\d.]+) points"
    found = re.search(pattern, used.out)
    if found is None or int(found[3]) != sizes.windows:
        raise ValueError(f"unexpected output of {peer}: {used.out}")
    return Epoch(float(found[2]), int(found[1]), float(found[4]), used.load)


def _project(
    folder: Path,
    heads: Sequence[str],
    seeds: Sequence[int],
    precision: str,
    sizes: Sizes,
    epochs: int = 0,
    tree: Path = ROOT,
) -> tuple[Usage, list[dict]]:
    """Run one sweep of a tree of the project in a new folder of runs, as a user starts it; return usage and results."""
    runs = folder / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    settings = [word if tree == ROOT else _EARLIER.get(word, word) for word in _settings(folder, sizes)]
    epochs = epochs or sizes.epochs
    used = command(
        [
            *(sys.executable, "-m", "lfnet.cli.main", "train", "-m", "--config-dir", tree / _CONF),
            *(f"head={','.join(heads)}", f"seed={','.join(map(str, seeds))}", "launcher=joblib"),
            *(
                f"launcher.jobs={_WORKERS}",
                "trainer=full",
                f"trainer.max_epochs={epochs}",
                f"trainer.patience={epochs}",
            ),
            *(f"trainer.precision={precision}", *settings),
        ],
        tree=tree,
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
