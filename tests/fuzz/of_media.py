"""Readers of media: videos, folders of images, feature files, features in the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.cohorts.ready import read_ready, ready_shape
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.video.decode import frames
from lfnet.video.probe import probe
from tests.fuzz.targets import reader
from tests.video.media import picture, write_folder, write_video
from tests.video.test_damage import film


def _video(name: str, codec: str) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        pictures = [picture(number, 64, 48) for number in range(25)]
        return write_video(at / name, pictures, codec=codec, pix_fmt=pix_fmt)

    return make


def _read_video(path: Path) -> Any:
    probe(path)
    for damaged in ("refuse", "keep"):
        for _ in frames(path, damaged=damaged):
            pass


for _name, _codec, _share in (
    ("a.mp4", "libx264", 1.5),
    ("a.avi", "mjpeg", 1.0),
    ("a.mkv", "libx264", 1.0),
    ("a.flv", "flv", 0.7),
    ("a.mts", "libx264", 0.7),
    ("a.webm", "libvpx", 0.7),
    ("a.mov", "mjpeg", 0.7),
    ("a.m2ts", "libx264", 0.5),
):
    reader(f"video-{_name[2:]}", _video(_name, _codec), _share)(_read_video)


reader("video-mpg", lambda at: film(at / "mpeg2.mpg"), 0.5)(_read_video)


@reader("images", lambda at: write_folder(at / "pictures", [picture(n, 64, 48) for n in range(4)]))
def _read_images(path: Path) -> Any:
    probe(path, 25.0)
    for _ in frames(path, fps=25.0):
        pass


@reader("images-jpg", lambda at: write_folder(at / "pictures", [picture(n, 64, 48) for n in range(4)], ".jpg"), 0.5)
def _read_jpegs(path: Path) -> Any:
    _read_images(path)


def _ready(suffix: str) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        from safetensors.numpy import save_file

        path = at / f"clip{suffix}"
        rng = np.random.default_rng(0)
        arrays = {"features": rng.normal(size=(9, 3)).astype(np.float32), "valid": np.ones(9, bool)}
        arrays["time"] = np.arange(9) / 30
        if suffix == ".npy":
            np.save(path, arrays["features"])
        elif suffix == ".npz":
            np.savez_compressed(path, **arrays)
        else:
            save_file(arrays, path)
        return path

    return make


def _read_ready(path: Path) -> Any:
    ready_shape(path)
    features, valid, time = read_ready(path, 30.0)
    ClipFeatures(features, valid, time)
    assert np.isfinite(features).all() and np.isfinite(time).all()


for _suffix in (".npy", ".npz", ".safetensors"):
    reader(f"features{_suffix}", _ready(_suffix), 2)(_read_ready)


def _table(at: Path) -> Path:
    path = at / "clip.csv"
    rows = [f"{n + 1}, {n / 30:.3f}, 0.9, 1, {n % 5}, {n / 9:.3f}" for n in range(9)]
    path.write_text("frame, timestamp, confidence, success, AU01_r, pose_Rx\n" + "\n".join(rows) + "\n")
    return path


reader("features.csv", _table, 2)(_read_ready)


def _store(at: Path) -> Path:
    clip = ClipFeatures(np.ones((9, 3), np.float32), np.ones(9, bool), np.arange(9) / 30)
    store = FeatureStore(at, "mine", "r" * 64)
    store.write("clip", clip, "source")
    return store.folder


@reader("store", _store, 2)
def _read_store(path: Path) -> Any:
    store = FeatureStore(path.parent, "mine", "r" * 64)
    store.has("clip", "source")
    store.header("clip")
    store.shape("clip")
    store.read("clip")
    store.fingerprint(["clip"])
