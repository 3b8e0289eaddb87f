"""Vectors on disk: what is written is read, by the same bytes, and a foreign or broken file is noticed."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.features import feature_file
from lfnet.features.store import ClipFeatures, FeatureStore


def clip(frames: int = 5, dim: int = 3, meta: dict[str, str] | None = None) -> ClipFeatures:
    rng = np.random.default_rng(frames)
    features = rng.normal(size=(frames, dim)).astype(np.float32)
    valid = rng.random(frames) < 0.7
    features[~valid] = np.nan
    return ClipFeatures(features, valid, np.arange(frames) / 30, meta or {})


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.integers(0, 40), dim=st.integers(1, 9), note=st.text(max_size=20))
def test_what_is_written_is_read(tmp_path, frames, dim, note):
    store = FeatureStore(tmp_path, "blendshapes", "a" * 64)
    written = clip(frames, dim, {"note": note})
    store.write("one", written, "source")
    read = store.read("one")
    for name in ("features", "valid", "time"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert read.meta == {"note": note, "stream": "blendshapes", "recipe": "a" * 64, "source": "source"}
    assert read.coverage == (written.valid.mean() if frames else 0)
    assert store.shape("one") == (frames, dim)


def test_the_same_vectors_are_the_same_bytes_in_another_process(tmp_path):
    """Eight facts in the header, in two processes: safetensors by itself would shuffle them."""
    code = (
        "import sys; from pathlib import Path; from tests.features.test_store import clip, FeatureStore\n"
        "FeatureStore(Path(sys.argv[1]), 's', 'r').write('one', clip(meta={str(k): str(k) for k in range(8)}), 'x')"
    )
    found = set()
    for number in range(3):
        folder = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
        found.add((folder / "s-r" / "one.safetensors").read_bytes())
    assert len(found) == 1


def test_a_clip_is_known_by_recipe_and_source(tmp_path):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    assert not store.has("one", "source") and store.header("one") is None
    store.write("one", clip(), "source")
    assert store.has("one", "source") and not store.has("one", "another")
    # Another recipe with the same first letters has the same folder, and is noticed all the same.
    other = FeatureStore(tmp_path, "s", "a" * 12 + "b" * 52)
    assert other.folder == store.folder and not other.has("one", "source")
    with pytest.raises(LfnetError, match="made by another recipe"):
        other.read("one")


def test_missing_broken_and_foreign_files(tmp_path):
    from safetensors.numpy import save_file

    store = FeatureStore(tmp_path, "s", "a" * 64)
    with pytest.raises(LfnetError, match=r"one\.safetensors does not exist: run `lfnet extract`"):
        store.read("one")
    with pytest.raises(LfnetError, match="does not exist"):
        store.shape("one")
    store.write("one", clip(), "source")
    data = store.path("one").read_bytes()
    store.path("one").write_bytes(data[: len(data) // 2])
    for foreign in (False, True):
        if foreign:
            save_file({"features": np.zeros((2, 2), np.float32)}, store.path("one"), metadata={"lfnet": "no json"})
        store = FeatureStore(tmp_path, "s", "a" * 64)
        with pytest.warns(LfnetWarning, match=r"one\.safetensors is damaged .* is extracted again"):
            assert store.header("one") is None
        with pytest.warns(LfnetWarning, match="damaged"):
            assert not store.has("one", "source")
        for read in (store.read, store.shape, lambda name, store=store: store.fingerprint([name])):
            with pytest.raises(LfnetError, match=r"one\.safetensors is damaged .*lfnet extract"):
                read("one")


@pytest.mark.parametrize("digest", [{}, {"sha256": "0" * 64}])  # as earlier versions wrote it
def test_a_file_without_a_checksum_is_extracted_again(tmp_path, digest):
    from safetensors.numpy import load_file, save_file

    store = FeatureStore(tmp_path, "s", "a" * 64)
    for name in ("one", "two"):
        store.write(name, clip(), "source")
        header = json.dumps({"recipe": "a" * 64, "source": "source", **digest})
        save_file(load_file(store.path(name)), store.path(name), metadata={"lfnet": header})
    store = FeatureStore(tmp_path, "s", "a" * 64)
    with pytest.warns(LfnetWarning) as warned:
        assert not store.has("one", "source") and not store.has("two", "source")
    (text,) = {str(warning.message) for warning in warned}  # the command line shows a text once
    assert text.startswith(f"{store.folder} has files of an earlier version of lfnet")
    with pytest.raises(LfnetError, match=r"one\.safetensors is damaged \(an earlier version .*lfnet extract"):
        store.read("one")


@pytest.mark.parametrize("kept_open", [False, True])
def test_damage_within_a_process_is_noticed(tmp_path, kept_open):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    store.write("one", clip(), "source")
    with store.keep_open() if kept_open else nullcontext():
        store.read("one")
        content = bytearray(store.path("one").read_bytes())
        content[-1] ^= 1  # in place, as in a memory map
        store.path("one").write_bytes(content)
        with pytest.raises(LfnetError, match=r"one\.safetensors is damaged"):
            store.read("one")


def test_vectors_are_read_only_views_that_outlive_store_and_file(tmp_path):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    written = clip()
    store.write("one", written, "source")
    read = store.read("one")
    with pytest.raises(ValueError, match="read-only"):
        read.features[0] = 0
    store.path("one").unlink()
    del store
    np.testing.assert_array_equal(read.features, written.features)
    np.testing.assert_array_equal(read.valid, written.valid)


def test_maps_end_with_their_arrays_and_take_no_file_descriptors(tmp_path):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    store.write("one", clip(), "source")

    def counts():
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8").count("one.safetensors")
        return mapped, len(list(Path("/proc/self/fd").iterdir()))

    _, files = counts()
    clips = [store.read("one") for _ in range(5)]
    # The kernel may join neighbouring maps of one file; it does not for different ones.
    mapped, still = counts()
    assert mapped and still == files
    part = clips.pop().features[1:]
    del clips
    assert counts() == (1, files) and part.base is not None
    del part
    assert counts() == (0, files)


def test_a_file_is_hashed_once_a_process(tmp_path, monkeypatch):
    hashed = []
    real = feature_file._checksum
    FeatureStore(tmp_path, "s", "a" * 64).write("one", clip(), "source")
    monkeypatch.setattr(feature_file, "_checksum", lambda *given: hashed.append(1) or real(*given))
    for _ in range(2):
        store = FeatureStore(tmp_path, "s", "a" * 64)
        assert store.has("one", "source") and store.shape("one") and store.fingerprint(["one"])
        store.read("one")
    assert len(hashed) == 1


def test_a_file_under_the_name_of_another_clip_is_noticed(tmp_path):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    store.write("one", clip(), "source")
    store.path("two").write_bytes(store.path("one").read_bytes())
    with pytest.raises(LfnetError, match=r"two\.safetensors is damaged \(it is the file of clip one\)"):
        store.read("two")


def test_the_fingerprint_follows_recipe_and_sources(tmp_path):
    store = FeatureStore(tmp_path, "s", "a" * 64)
    for name in ("one", "two"):
        store.write(name, clip(), "source")
    before = store.fingerprint(["one", "two"])
    assert before == store.fingerprint(["two", "one"]) != store.fingerprint(["one"])
    store.write("two", clip(), "changed")
    assert store.fingerprint(["one", "two"]) != before
    with pytest.raises(LfnetError, match=r"three\.safetensors does not exist: run `lfnet extract`"):
        store.fingerprint(["three"])


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros((3, 2)), np.ones(3, bool), np.zeros(3)),
        (np.zeros((3, 2), np.float32), np.ones(2, bool), np.zeros(3)),
        (np.zeros((3, 2), np.float32), np.ones(3), np.zeros(3)),
        (np.zeros((3, 2), np.float32), np.ones(3, bool), np.zeros(3, np.float32)),
    ],
)
def test_arrays_of_other_kinds_are_refused(arrays):
    with pytest.raises(ValueError, match="must be"):
        ClipFeatures(*arrays)


@pytest.mark.parametrize("name", ["features", "valid", "time"])
def test_arrays_of_a_wrong_shape_are_refused(tmp_path, name):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    store = FeatureStore(tmp_path, "mine", "a" * 64)
    store.write("one", clip(), "source")
    path = store.path("one")
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    arrays = load_file(path)
    save_file({**arrays, name: arrays[name].reshape(-1)[:2].copy()}, path, header)
    fresh = FeatureStore(tmp_path, "mine", "a" * 64)
    with pytest.raises(LfnetError, match=r"one\.safetensors .*to extract it again"):
        fresh.read("one")
