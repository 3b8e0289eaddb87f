"""Ten seeds of the four heads on one GPU, trained together, and one job at a time.

usage: python -m experiments.benchmarks.gpu [--quick] [--work DIR] [--out FILE]

Stage `gpu` of `make bench`; alone it needs less of the environment than the other stages. Where there is no GPU it says
so; --quick runs a small form, on the CPU where there is no GPU, whose times mean nothing.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

try:
    import numpy as np
    import pandas as pd
    import torch
    import yaml  # type: ignore[import-untyped]
    from torch import nn

    from experiments.benchmarks.report import Row, Target, csv_text, markdown
    from experiments.benchmarks.stacked_fit import Seeds, fit_seeds
    from lfnet.cohorts import Cohort, Scale
    from lfnet.cohorts.validation import validate
    from lfnet.config import read
    from lfnet.data.datamodule import DataModule
    from lfnet.data.packed import pack
    from lfnet.data.protocol import Protocol
    from lfnet.features.store import ClipFeatures, FeatureStore
    from lfnet.heads import LDBM, MambaGRU, TemporalMeanMLP, VanillaTransformer
    from lfnet.heads.cpu import machine
    from lfnet.training.fit import fit, seed_all
    from lfnet.training.predict import predict
    from lfnet.training.settings import TrainerSettings
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    lacking = (error.name or str(error)).partition(".")[0]
    sys.exit(
        f"{lacking} is not installed. This script needs torch, lightning, hydra-core, omegaconf, pydantic, pandas, "
        "scipy, scikit-learn, safetensors, xxhash and PyYAML: `pip install --target DIR PACKAGE …`, DIR on PYTHONPATH."
    )

__all__ = ["gpu"]

_MINUTE = Target("max", 60.0)  # ten seeds × four heads × 100 epochs
_EQUAL = Target("max", 0.05)  # points; scores of two ways to add float32 numbers, after two epochs
_PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16"}
_COMPARED = 2  # epochs, and seeds


@dataclass(frozen=True)
class _Sizes:
    """Sizes as those of the stage sweep. alone: epochs of one job at a time."""

    recordings: int = 50
    dim: int = 512
    window: int = 512
    length: int = 2000
    batch: int = 32
    width: int = 128
    seeds: int = 10
    epochs: int = 100
    alone: int = 2


_SMALL = _Sizes(recordings=6, dim=16, window=32, length=128, batch=8, width=16, seeds=2, epochs=2, alone=1)


def gpu(folder: Path, quick: bool = False) -> list[Row]:
    """Measure on one GPU; folder: of features."""
    sizes = _SMALL if quick else _Sizes()
    what = f"{sizes.seeds} seeds × four heads × {sizes.epochs} epochs on one GPU"
    available = torch.cuda.is_available()
    if not (available or quick):
        return [Row("gpu", what, note="no GPU here: not measured")]
    device = "cuda" if available else "cpu"
    # On a CPU `map_chunks` would take a few windows at a time, of one seed.
    with mock.patch.object(machine, "_CHUNK", 1 << 30):
        return _measure(folder, sizes, device, what)


def _measure(folder: Path, sizes: _Sizes, device: str, what: str) -> list[Row]:
    data = _data(folder, sizes)
    data.packed_on = device
    began = time.perf_counter()
    pack(data.frames, device)
    packing = time.perf_counter() - began
    # Before Lightning, which leaves PyTorch in its deterministic mode.
    together = {
        (word, head): _together(head, data, sizes, sizes.seeds, sizes.epochs, bf16=word == "bf16")
        for word in _PRECISIONS.values()
        for head in _HEADS
    }
    alone = {
        (word, head): _alone(head, data, sizes, device, precision)
        for precision, word in _PRECISIONS.items()
        for head in _HEADS
    }
    found = {head: _difference(head, data, sizes, device) for head in _HEADS}
    equal = Row(
        "gpu",
        "seed 0 without dropout, 2 epochs: largest difference of dev scores from those of one job on the CPU",
        max(found.values()),
        "points",
        target=_EQUAL,
        note=", ".join(f"{head} {value:.2g}" for head, value in found.items()),
    )
    if device == "cpu":
        return [Row("gpu", what, note="no GPU here: not measured; a small form ran on the CPU"), equal]
    name = torch.cuda.get_device_name()
    rows = [Row("gpu", "copy the frames of the cohort to the GPU, once", packing, "s", note=name)]
    epochs = sizes.seeds * sizes.epochs
    for (word, head), fitted in together.items():
        one = alone[word, head] * epochs
        rows.append(
            Row(
                "gpu",
                f"{head}, {word}: {sizes.seeds} seeds × {sizes.epochs} epochs together vs one job at a time",
                fitted.seconds,
                "s",
                peer=one,
                ratio=one / fitted.seconds,
                note=f"{name}; one at a time: {sizes.alone} measured epochs × {epochs / sizes.alone:g}",
            )
        )
    for word in _PRECISIONS.values():
        seconds = sum(together[word, head].seconds for head in _HEADS)
        rows.append(Row("gpu", f"{what}, {word}", seconds, "s", target=None if sizes == _SMALL else _MINUTE, note=name))
    return [*rows, equal]


def _together(head: str, data: DataModule, sizes: _Sizes, seeds: int, epochs: int, *, bf16: bool, **more: Any) -> Seeds:
    settings = _settings(sizes, epochs)
    return fit_seeds(
        [_head(head, sizes, seed, **more) for seed in range(seeds)],
        data,
        range(seeds),
        epochs=epochs,
        patience=epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        bf16=bf16,
    )


def _alone(head: str, data: DataModule, sizes: _Sizes, device: str, precision: str) -> float:
    """Seconds of an epoch of one job, after one epoch in which libraries prepare."""
    for epochs in (1, sizes.alone):
        settings = _settings(sizes, epochs, device=device, precision=precision)
        fitted = fit(_head(head, sizes, 0), data, settings, None, [])
    return fitted.seconds / fitted.epochs


def _difference(head: str, data: DataModule, sizes: _Sizes, device: str) -> float:
    """Train the head with others on the device, and alone on the CPU; compare its scores of dev."""
    plain = {} if head in ("mean", "gru") else {"dropout": 0.0, "attention_dropout": 0.0}
    stacked = _together(head, data, sizes, _COMPARED, _COMPARED, bf16=False, **plain)
    data.packed_on = None
    one = fit(_head(head, sizes, 0, **plain), data, _settings(sizes, _COMPARED), None, []).head
    other = _head(head, sizes, 0, **plain)
    other.load_state_dict({name: value[0].cpu() for name, value in stacked.weights.items()})
    scores = [predict(each, data.val_dataloader(), "cpu") for each in (one, other)]
    data.packed_on = device
    return float(np.abs(scores[0] - scores[1]).max()) * data.labels.sd


_HEADS: dict[str, Any] = {
    "mean": TemporalMeanMLP,
    "ldbm": partial(LDBM, attention_dropout=0.1),
    "transformer": partial(VanillaTransformer, attention_dropout=0.1),
    "gru": MambaGRU,
}


def _head(name: str, sizes: _Sizes, seed: int, **more: Any) -> nn.Module:
    seed_all(seed)
    width = {"hidden": 2 * sizes.width} if name == "mean" else {"width": sizes.width}
    head: nn.Module = _HEADS[name](sizes.dim, 2000, **width, **more)
    return head


def _settings(sizes: _Sizes, epochs: int, **more: Any) -> TrainerSettings:
    path = Path(__file__).resolve().parents[2] / "conf" / "trainer" / "default.yaml"
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    del node["search"]
    node |= {"max_epochs": epochs, "patience": epochs, "batch_size": sizes.batch, "min_sigma_ratio": None}
    node |= {"loss": {"_target_": "lfnet.training.losses.L1"}, **more}
    return read(TrainerSettings, node, "trainer")


def _data(folder: Path, sizes: _Sizes) -> DataModule:
    """Random vectors that tell a little of the label: recordings of two clips each for training, 2 for dev."""
    random = np.random.default_rng(0)
    store = FeatureStore(folder, "random", "0" * 64)
    rows = []
    direction_D = random.standard_normal(sizes.dim).astype(np.float32)
    for split, count in (("train", sizes.recordings), ("dev", 2), ("test", 2)):
        for number in range(count):
            recording, label = f"{split}{number}", float(random.integers(0, 45))
            for part in "ab":
                clip = f"{recording}{part}"
                x_TD = random.standard_normal((sizes.length, sizes.dim), np.float32) + label / 100 * direction_D
                x_TD /= np.linalg.norm(x_TD, axis=1, keepdims=True)
                store.write(clip, ClipFeatures(x_TD, np.ones(len(x_TD), bool), np.arange(len(x_TD)) / 30), clip)
                rows.append((clip, recording, recording, split, "", label, "", 30, sizes.length))
    columns = ["clip_id", "recording_id", "person_id", "split", "task", "label", "path", "fps", "n_frames"]
    scale = Scale(name="BDI-II", min=0, max=63, bands=[{"name": "any", "low": 0, "high": 63}])
    cohort = Cohort("random", validate(pd.DataFrame(rows, columns=columns), scale, "random"), scale)
    protocol = Protocol(
        name="published", window=sizes.window, hop=sizes.window // 2, length=sizes.length, tail="drop", mask=False
    )
    data = DataModule(cohort, store, protocol, batch_size=sizes.batch, eval_batch_size=64)
    data.setup()
    return data


def main(argv: list[str]) -> int:
    """Measure and print; --out: a CSV file of the rows."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to check that everything runs")
    parser.add_argument("--work", type=Path, help="folder for features (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="CSV file of the result")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="lfnet-bench-") as temporary:
        rows = gpu(options.work or Path(temporary), options.quick)
    print(markdown("One GPU", rows))
    if options.out:
        options.out.write_text(csv_text(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
