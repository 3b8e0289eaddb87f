"""Readers of results: run folders, sweep records, tables, bundles, fusions, weights.

Damaged files get right digests (`forge`), so that the readers behind the digests are reached.
"""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lfnet.deploy.bundle import Bundle
from lfnet.deploy.bundle_json import read_facts
from lfnet.evaluation.replicates import COLUMNS
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run
from lfnet.runs.sweep_record import SweepRecord, collect
from lfnet.tables.build import build
from lfnet.testing import make_toy_bundle
from tests.fuzz.targets import reader
from tests.sealing import forge, reseal
from tests.tables.factory import result, sweep


def table_runs(at: Path) -> Path:
    """Runs of a table with their record."""
    runs = at / "runs"
    results = [result(head, seed, each=12) for head in ("mean_mlp", "ldbm") for seed in (0, 1)]
    for done in results:
        done["config"] |= {"encoder": {}, "trainer": {"max_epochs": 12}}
    sweep(runs, results, {"head=tcn seed=0": "out of memory"})
    for folder in runs.iterdir():
        if (folder / "result.json").is_file():
            (folder / "metrics.csv").write_text("epoch,train/loss,dev/mae\n0,1.5,\n0,,9\n1,1.25,8.5\n")
            (folder / "config.yaml").write_text("head:\n  _target_: lfnet.heads.mean_mlp.TemporalMeanMLP\nseed: 0\n")
            rows = [f"r{n},p{n},{('dev', 'test')[n % 2]},{n},{n + n % 3},{0.5 + n % 4},3" for n in range(20)]
            (folder / "spread.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
            rows = [f"r{n},p{n},{('dev', 'test')[n % 2]},{'fm'[n % 3 > 0]},{20 + n}" for n in range(20)]
            (folder / "groups.csv").write_text("\n".join(["recording_id,person_id,split,sex,age", *rows]) + "\n")
            reseal(folder)
    return runs


def _one_run(at: Path) -> Path:
    return next(folder for folder in sorted(table_runs(at).iterdir()) if (folder / "result.json").is_file())


@reader("run", _one_run, 3)
def _read_run(path: Path) -> Any:
    forge(path / "result.json")
    run = Run.open(path)
    _ = (run.predictions, run.baselines, run.learning_curve, run.spread, run.groups, run.config, run.trained_people)


def _result(at: Path) -> Path:
    return _one_run(at) / "result.json"


@reader("result", _result, 2)
def _read_result(path: Path) -> Any:
    if path.exists():
        forge(path)
        _ = Run.open(path.parent).result.to_json()


def _record(at: Path) -> Path:
    return table_runs(at) / "sweeps" / "architectures.json"


@cache
def _runs() -> Path:
    return table_runs(Path(_keep.name))


_keep = TemporaryDirectory(prefix="lfnet-runs-")


@reader("record", _record, 1.5)
def _read_record(path: Path) -> Any:
    forge(path)
    SweepRecord.read(path)
    collect(path, _runs())


@reader("table-record", _record, 1.5, named=False)
def _build_table(path: Path) -> Any:
    from lfnet.reports.terminal import terminal

    forge(path)
    terminal(build(path, _runs()))


@reader("table-runs", table_runs, 1.5, named=False)
def _build_from_damaged_runs(path: Path) -> Any:
    import warnings

    from lfnet.reports.html_page import write_report
    from lfnet.reports.write import write

    record = path / "sweeps" / "architectures.json"
    for file in (record, *path.glob("*/result.json")):
        forge(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_runs(record)
        table = build(record, path)
        write(table, path / "tables")
        write_report(table, path / "tables", False)


def _bundle(at: Path) -> Path:
    make_toy_bundle(at / "bundle")
    return at / "bundle"


@reader("bundle", _bundle, 1.5)
def _read_bundle(path: Path) -> Any:
    forge(path / "bundle.json")
    Bundle.open(path).head(threads=1)


def _bundle_json(at: Path) -> Path:
    return _bundle(at) / "bundle.json"


@reader("bundle-json", _bundle_json, 2)
def _read_bundle_json(path: Path) -> Any:
    forge(path)
    read_facts(path.parent)


@reader("bundle-score", _bundle_json, 1, named=False)
def _score_with_bundle(path: Path) -> Any:
    import shutil

    import numpy as np

    from lfnet.deploy.scorer import Scorer

    make_toy_bundle(path.parent / "whole")
    forge(path)
    for name in ("head.onnx", "MODEL_CARD.md"):
        shutil.copy(path.parent / "whole" / name, path.parent)
    np.savez(path.parent / "clip.npz", features=np.ones((60, 3), np.float32), time=np.arange(60) / 30)
    with Scorer.of(Bundle.open(path.parent), pulse=False, threads=1) as scorer:
        json.dumps(scorer.score(path.parent / "clip.npz"), allow_nan=False)


@cache
def _fitted() -> bytes:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lfnet.fusion import persist

    return persist.dumps(make_pipeline(StandardScaler(), Ridge()).fit([[0.0], [1.0]], [0.0, 1.0]))


def _skops(at: Path) -> Path:
    path = at / "model.skops"
    path.write_bytes(_fitted())
    return path


@reader("fusion", _skops)
def _read_fusion(path: Path) -> Any:
    from lfnet.errors import LfnetError
    from lfnet.fusion import persist

    try:
        persist.load(path)
    except LfnetError as error:
        if "not a fusion" not in str(error):
            raise


def _network(at: Path) -> Path:
    return _bundle(at) / "head.onnx"


@reader("network", _network)
def _read_network(path: Path) -> Any:
    from lfnet.encoders.onnx_network import open_session

    open_session(path, "cpu", 1)
