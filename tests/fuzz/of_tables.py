"""Readers of tables: manifests, labels, predictions, scores of other tools."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from lfnet.cohorts import folder
from lfnet.cohorts.cohort import Scale
from lfnet.cohorts.draft import draft, resplit_manifest
from lfnet.cohorts.label_files import read_score, read_scores
from lfnet.cohorts.merge_labels import add_labels
from lfnet.config import read
from lfnet.evaluation.predictions import Predictions
from lfnet.fingerprints import DigestCache
from lfnet.runs.run import Run
from tests.fuzz.targets import reader
from tests.sealing import forge
from tests.tables.factory import leave, result

SCALE = read(Scale, {"name": "BDI-II", "min": 0, "max": 63, "bands": [{"name": "all", "low": 0, "high": 63}]}, "scale")
PEOPLE = ("ann", "bob", "cyd", "dee", "eve", "fay")


def cohort_of_features(root: Path) -> Path:
    """A folder of feature files of each kind with its manifest."""
    from safetensors.numpy import save_file

    root.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number, person in enumerate(PEOPLE):
        features, time = rng.normal(size=(9, 3)).astype(np.float32), np.arange(9) / 30
        suffix = (".npy", ".npz", ".safetensors")[number % 3]
        path = root / f"{person}_1{suffix}"
        if suffix == ".npy":
            np.save(path, features)
        elif suffix == ".npz":
            np.savez(path, features=features, time=time, valid=np.ones(9, bool))
        else:
            save_file({"features": features, "time": time}, path)
        split = ("train", "dev", "test")[number // 2]
        rows.append((path.name, person, split, 7 * number, 30 if suffix == ".npy" else "", 9, number % 3 + 1))
    table = pd.DataFrame(rows, columns=["path", "person_id", "split", "label", "fps", "n_frames", "fold"])
    table.to_csv(root / "manifest.csv", index=False, lineterminator="\n")
    return root


def _manifest(at: Path) -> Path:
    """A manifest that finds its clips from everywhere."""
    manifest = cohort_of_features(at / "clips") / "manifest.csv"
    text = manifest.read_text()
    for person in PEOPLE:
        text = text.replace(f"{person}_1.", f"{manifest.parent}/{person}_1.")
    manifest.write_text(text)
    return manifest


@reader("manifest", _manifest, 2, named=False)
def _read_manifest(path: Path) -> Any:
    for given in ({}, {"fold": 2}, {"manifest_only": True}):
        folder.load(path.parent, SCALE, manifest=path.name, allow_outside=True, **given)


@reader("cohort-of-features", lambda at: cohort_of_features(at / "clips"), 2)
def _read_cohort(path: Path) -> Any:
    cohort = folder.load(path, SCALE)
    assert cohort.own is not None or len(cohort.clips)
    for clip in cohort.clips["clip_id"] if cohort.own is not None else ():
        cohort.own.clip(clip)
        cohort.own.source(clip)


@reader("resplit-manifest", _manifest)
def _resplit(path: Path) -> Any:
    resplit_manifest(path, (0.4, 0.3, 0.3), 0)


def _labels(at: Path) -> Path:
    path = at / "labels.csv"
    path.write_text("participant,bdi,session\n" + "".join(f"{p},{n},1\n" for n, p in enumerate(PEOPLE)))
    return path


@reader("labels", _labels, 1.5)
def _read_labels(path: Path) -> Any:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        for person in PEOPLE:
            (Path(place) / f"{person}_1.npy").touch()
        add_labels(draft(Path(place))[0], path, SCALE)


def _excel_labels(at: Path) -> Path:
    from openpyxl import Workbook

    book, path = Workbook(), at / "labels.xlsx"
    for row in [("participant", "bdi", "session"), *((person, number, 1) for number, person in enumerate(PEOPLE))]:
        book.active.append(row)
    book.save(path)
    return path


def _excel_parts(at: Path) -> Path:
    shutil.unpack_archive(_excel_labels(at), at / "parts", "zip")
    return at / "parts"


reader("labels-xlsx", _excel_labels, 0.5)(_read_labels)


@reader("labels-xlsx-parts", _excel_parts, named=False)
def _read_excel_parts(path: Path) -> Any:
    """A damaged archive is noticed by its checksums; here the texts inside are damaged, and packed again."""
    _read_labels(
        Path(shutil.make_archive(str(path.parent / "labels"), "zip", path)).rename(path.parent / "labels.xlsx")
    )


def _avec_scores(at: Path) -> Path:
    path = at / "labels.csv"
    path.write_text("file,score\n" + "".join(f"20{n}_1_Freeform,{n}\n" for n in range(6)))
    return path


@reader("avec-scores", _avec_scores)
def _read_scores(path: Path) -> Any:
    read_scores(path, r"(?P<person>\d+)_(?P<session>\d+)")


def _score(at: Path) -> Path:
    path = at / "203_1_Depression.csv"
    path.write_text("17\n")
    return path


@reader("avec-score", _score, 0.5)
def _read_score(path: Path) -> Any:
    read_score(path)


def _avec(at: Path) -> Path:
    root = at / "AVEC2014"
    splits = {"train": "Training", "dev": "Development", "test": "Testing"}
    for number, (person, split) in enumerate((p, s) for p in range(201, 207) for s in ("train", "dev", "test")):
        folder = root / splits[split] / "Freeform"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{person}_{number % 3 + 1}_Freeform_video.mp4").touch()
        (root / f"{person}_{number % 3 + 1}_Depression.csv").write_text(f"{person - 190}\n")
    return root


@reader("avec-tree", _avec, 0.5)
def _read_avec(path: Path) -> Any:
    from tests.cohorts.test_avec2014 import load

    load(path)


def _predictions(at: Path) -> Path:
    path = at / "predictions.csv"
    frame = pd.DataFrame(
        {
            "clip_id": [f"c{n}" for n in range(8)],
            "recording_id": [f"r{n // 2}" for n in range(8)],
            "person_id": [f"p{n // 4}" for n in range(8)],
            "split": ["dev"] * 4 + ["test"] * 4,
            "label": [float(n // 2) for n in range(8)],
            "score": [n / 3 for n in range(8)],
        }
    )
    path.write_text(Predictions.from_frame(frame, "clip").all_levels().to_csv_text())
    return path


@reader("predictions-text", _predictions, 2, named=False)
def _read_predictions(path: Path) -> Any:
    Predictions.from_csv_text(path.read_bytes().decode("utf-8", "replace") if path.is_file() else "")


_keep = TemporaryDirectory(prefix="lfnet-run-")


@cache
def _run() -> Path:
    return Path(_keep.name) / leave(Path(_keep.name), result(each=8))


def _run_predictions(at: Path) -> Path:
    return Path(shutil.copy(_run() / "predictions.csv", at))


@reader("predictions", _run_predictions, 2)
def _read_run_predictions(path: Path) -> Any:
    shutil.copy(_run() / "result.json", path.parent)
    forge(path.parent / "result.json")
    _ = Run(path.parent).predictions.metrics()


def _digests(at: Path) -> Path:
    source = at / "source.bin"
    source.write_bytes(b"content")
    stat = source.stat()
    DigestCache(at / "digests").of((str(source), stat.st_size, stat.st_mtime_ns), 0, lambda: "d" * 64)
    return at / "digests"


@reader("digests", _digests)
def _read_digests(path: Path) -> Any:
    source = path.parent / "source.bin"
    source.write_bytes(b"content")
    assert DigestCache(path).of((str(source), 7, 1), 0, lambda: "d" * 64) == "d" * 64
