"""Damage of stored files is reported, never used: random faults in a store, in run folders and in a bundle."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lfnet.deploy.bundle import Bundle
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.features import feature_file
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.fingerprints import DigestCache
from lfnet.runs.run import Run
from lfnet.runs.sweep_record import SweepRecord
from lfnet.testing import make_toy_bundle
from tests.sealing import reseal
from tests.tables.factory import leave, result, sweep

KINDS = ("store", "head", "fusion", "bundle", "record")
FAULTS = ("flip", "cut", "extend", "swap", "zero")
IN_MAKE_TEST, LONG = 100, 2000


class Place(NamedTuple):
    """A file, one of another clip, run or bundle to swap it with (None: there is none), and what reads it."""

    path: Path
    neighbour: Path | None
    read: Callable[[], object]


def _store(root: Path) -> Iterator[Place]:
    rng = np.random.default_rng(0)
    store = FeatureStore(root, "s", "a" * 64)
    for name in ("one", "two"):
        clip = ClipFeatures(rng.normal(size=(40, 6)).astype(np.float32), rng.random(40) < 0.8, np.arange(40) / 30)
        store.write(name, clip, f"source of {name}")
    for name, other in (("one", "two"), ("two", "one")):
        yield Place(store.path(name), store.path(other), lambda name=name: FeatureStore(root, "s", "a" * 64).read(name))


def _run(root: Path, kind: str) -> Iterator[Place]:
    folders = []
    for seed in (0, 1):
        folder = root / leave(root, {**result("ldbm", seed), "kind": kind})
        (folder / "config.yaml").write_text(f"seed: {seed}\nlr: 0.001\n")
        if kind == "head":
            (folder / "metrics.csv").write_text(f"dev/mae,epoch,step,train/loss\n9.5,0,3,\n,0,3,0.{seed + 1}\n")
            row = f"001,p,test,3,4.5,0.{seed + 1},5"
            (folder / "spread.csv").write_text(f"recording_id,person_id,split,label,score,sd,members\n{row}\n")
            (folder / "groups.csv").write_text(f"recording_id,person_id,split,sex\n001,p,test,{'fm'[seed]}\n")
            weights = {"w": torch.randn(30, 30, generator=torch.Generator().manual_seed(seed))}
            save_file(weights, folder / "head.safetensors")
        else:
            (folder / "model.skops").write_bytes(np.random.default_rng(seed).bytes(4000))
        reseal(folder)
        folders.append(folder)

    def read(folder: Path) -> None:
        run = Run(folder)
        _ = run.config, run.predictions, run.baselines, run.learning_curve, run.spread, run.groups
        if kind == "head":
            run.weights()
        else:
            run.content(run.weights_path.name)

    for path in sorted(folders[0].iterdir()):
        yield Place(path, folders[1] / path.name, lambda: read(folders[0]))


def _bundle(root: Path) -> Iterator[Place]:
    for name in ("a", "b"):
        make_toy_bundle(root / name)
    (root / "b" / "MODEL_CARD.md").write_text("# Another\n")
    for path in sorted((root / "a").iterdir()):
        neighbour = root / "b" / path.name
        yield Place(
            path, neighbour if neighbour.read_bytes() != path.read_bytes() else None, lambda: Bundle.open(root / "a")
        )


def _record(root: Path) -> Iterator[Place]:
    path = sweep(root, [result(seed=0), result(seed=1)])
    yield Place(path, None, lambda: SweepRecord.read(path))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Place]]:
    make = {
        "store": _store,
        "head": lambda root: _run(root, "head"),
        "fusion": lambda root: _run(root, "fusion"),
        "bundle": _bundle,
        "record": _record,
    }
    return {kind: list(make[kind](tmp_path_factory.mktemp(kind))) for kind in KINDS}


def damaged(content: bytes, fault: str, neighbour: Path | None, rng: np.random.Generator) -> bytes:
    """The content with a random fault of a kind."""
    place = int(rng.integers(len(content)))
    if fault == "flip":
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    if fault == "cut":
        return content[:place]
    if fault == "extend":
        return content + rng.bytes(int(rng.integers(1, 100)))
    if fault == "swap":
        return content if neighbour is None else neighbour.read_bytes()
    end = place + int(rng.integers(1, 512))
    return content[:place] + bytes(len(content[place:end])) + content[end:]


@contextmanager
def planted(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    feature_file._checked.clear()  # as in a new process
    try:
        yield
    finally:
        path.write_bytes(before)


def check(places: list[Place], fault: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = places[int(rng.integers(len(places)))]
    before = place.path.read_bytes()
    while (content := damaged(before, fault, place.neighbour, rng)) == before:
        place = places[int(rng.integers(len(places)))]  # one that has a neighbour, or is not zero there already
        before = place.path.read_bytes()
    place.read()
    with planted(place.path, content), pytest.raises(LfnetError) as raised:
        place.read()
    # The result of another run is noticed by its settings: either file could be the wrong one.
    named = place.path.parent if fault == "swap" and place.path.name == "result.json" else place.path
    assert str(named) in str(raised.value) and "\n" not in str(raised.value)


def cases(first: int, count: int) -> list[tuple[str, str, int]]:
    """Kinds and faults in turn, each with a seed of its own. There is one record, so that it has no neighbour."""
    pairs = itertools.cycle(pair for pair in itertools.product(KINDS, FAULTS) if pair != ("record", "swap"))
    return [(kind, fault, seed) for seed, (kind, fault) in zip(range(first, first + count), pairs, strict=False)]


@pytest.mark.parametrize(("kind", "fault", "seed"), cases(0, IN_MAKE_TEST))
def test_a_planted_fault_is_reported(places, kind, fault, seed):
    check(places[kind], fault, seed)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "fault", "seed"), cases(IN_MAKE_TEST, LONG))
def test_many_planted_faults_are_reported(places, kind, fault, seed):
    check(places[kind], fault, seed)


@pytest.mark.parametrize(
    ("kind", "name", "number"),
    [
        ("head", "result.json", r'"mae": \d'),
        ("bundle", "bundle.json", r'"min_frames": \d'),
        ("record", "architectures.json", r"seed=\d"),
    ],
)
def test_another_number_in_a_record_is_reported(places, kind, name, number):
    """The file is as valid as before, and no other file tells: only its own digest does."""
    (place,) = (place for place in places[kind] if place.path.name == name)
    text = place.path.read_text()
    found = re.search(number, text)
    assert found is not None
    content = text[: found.end() - 1] + str((int(found[0][-1]) + 1) % 10) + text[found.end() :]
    with planted(place.path, content.encode()), pytest.raises(LfnetError, match=r"SHA-256|damaged"):
        place.read()


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_feature_file_is_not_found(places, seed):
    (place, _) = places["store"]
    rng = np.random.default_rng(seed)
    store = FeatureStore(place.path.parents[1], "s", "a" * 64)
    content = damaged(place.path.read_bytes(), "flip", None, rng)
    warned = pytest.warns(LfnetWarning, match=r"one\.safetensors is damaged|an earlier version")
    with planted(place.path, content), warned:
        assert not store.has("one", "source of one")
    assert store.has("one", "source of one")


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_entry_of_the_digest_cache_is_not_believed(tmp_path, seed):
    cache, rng = DigestCache(tmp_path), np.random.default_rng(seed)
    stamp = ["/a/file", 10, 20]
    assert cache.of(stamp, 0, lambda: "1" * 64) == "1" * 64
    (entry,) = tmp_path.iterdir()
    for fault in ("flip", "cut", "extend", "zero"):
        content = damaged(entry.read_bytes(), fault, None, rng)
        entry.write_bytes(content)
        made: list[str] = []
        assert cache.of(stamp, 0, lambda made=made: made.append("again") or "1" * 64) == "1" * 64
        assert made == ["again"], (fault, content)
