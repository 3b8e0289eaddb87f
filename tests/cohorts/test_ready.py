"""Ready features: files that somebody else's encoder wrote."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lfnet.cohorts.cohort import Band, Cohort, OwnFeatures, Scale
from lfnet.cohorts.folder import load
from lfnet.cohorts.ready import ReadyFeatures, read_ready, ready_shape
from lfnet.errors import LfnetError

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5)).astype(np.float32)
VALID = np.array([1, 1, 0, 1, 1, 1, 0], bool)
TIME = np.array([0, 0.1, 0.15, 0.3, 0.5, 0.8, 1.3])


def write(path: Path, **arrays: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, arrays["features"])
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_whole_files(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path / f"a{suffix}", features=X, valid=VALID, time=TIME)
    features, valid, time = read_ready(file, float("nan"))
    assert features.dtype == np.float32 and valid.dtype == bool and time.dtype == np.float64
    np.testing.assert_array_equal(valid, VALID)
    np.testing.assert_array_equal(time, TIME)
    np.testing.assert_array_equal(features[VALID], X[VALID])
    assert not features[~VALID].any()
    assert ready_shape(file) == (7, 5, True)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16])
def test_bare_arrays(tmp_path: Path, suffix: str, dtype: type) -> None:
    given = (X * 10).astype(dtype)
    name = "features" if suffix == ".npy" else "embedding"
    file = write(tmp_path / f"a{suffix}", **{name: given})
    features, valid, time = read_ready(file, 25)
    np.testing.assert_array_equal(features, given.astype(np.float32))
    np.testing.assert_allclose(time, np.arange(7) / 25, rtol=0, atol=1e-12)
    assert valid.all() and ready_shape(file) == (7, 5, False)


def test_frames_with_nan_are_invalid(tmp_path: Path) -> None:
    holed = X.astype(np.float64)
    holed[2, 3], holed[4, 0], holed[5, 1] = np.nan, np.inf, 1e300
    features, valid, _ = read_ready(write(tmp_path / "a.npy", features=holed), 25)
    assert valid.tolist() == [True, True, False, True, False, False, True]
    assert np.isfinite(features).all()


def test_no_frames(tmp_path: Path) -> None:
    features, valid, time = read_ready(write(tmp_path / "a.npy", features=X[:0]), 25)
    assert features.shape == (0, 5) and len(valid) == len(time) == 0


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"features": X[0]}, r"`features` must be numbers \[frames, columns\], not float32 \[5\]"),
        ({"features": X[None]}, r"not float32 \[1, 7, 5\]"),
        ({"features": X[:, :0]}, r"not float32 \[7, 0\]"),
        ({"features": X.astype(str)}, "must be numbers"),
        ({"one": X, "two": X}, "holds one, two. Name the array of vectors `features`"),
        ({"features": X, "valid": VALID[:3]}, "`valid` must be 7 truth values"),
        ({"features": X, "valid": np.arange(7)}, "`valid` must be 7 truth values"),
        ({"features": X, "time": TIME[::-1]}, "`time` must be 7 increasing seconds"),
        ({"features": X, "time": TIME[:3]}, "`time` must be 7 increasing seconds"),
        ({"features": X, "time": np.full(7, np.nan)}, "`time` must be 7 increasing seconds"),
        ({"features": np.array([{}] * 7, object)}, "cannot be read as features"),
    ],
)
def test_unsound_files(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, **arrays)
    with pytest.raises(LfnetError, match=said) as caught:
        read_ready(file, 25)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("cut", [0, 20, 100])
def test_broken_files(tmp_path: Path, suffix: str, cut: int) -> None:
    file = write(tmp_path / f"a{suffix}", features=X)
    file.write_bytes(file.read_bytes()[:cut])
    for reader in (lambda: read_ready(file, 25), lambda: ready_shape(file)):
        with pytest.raises(LfnetError, match="cannot be read as features"):
            reader()


def test_missing_file_and_missing_rate(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match="does not exist"):
        read_ready(tmp_path / "a.npy", 25)
    with pytest.raises(LfnetError, match="holds no `time`"):
        read_ready(write(tmp_path / "a.npy", features=X), float("nan"))


def test_source_depends_on_content_and_rate_but_not_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = write(tmp_path / "a.npy", features=X)
    same = write(tmp_path / "other/b.npy", features=X)
    changed = write(tmp_path / "c.npy", features=X + 1)
    own = ReadyFeatures({"a": (one, 25.0), "b": (same, 25.0), "c": (changed, 25.0), "d": (same, 30.0)})
    sources = [own.source(clip) for clip in "abcd"]
    assert sources[0] == sources[1] and len(set(sources)) == 3


def test_a_changed_file_is_another_source(tmp_path: Path) -> None:
    file = write(tmp_path / "a.npy", features=X)

    def source() -> str:
        return ReadyFeatures({"a": (file, 25.0)}, tmp_path / "cache").source("a")

    os.utime(file, ns=(1, 1))
    first = source()
    assert source() == first
    write(file, features=X + 1)
    assert source() != first


def manifest(root: Path, rows: list[tuple[str, str]], extra: str = "") -> Path:
    splits = ("train", "dev", "test")
    lines = [f"{name},p{number},{splits[number % 3]},{number},{fps}" for number, (name, fps) in enumerate(rows)]
    (root / "manifest.csv").write_text("path,person_id,split,label,fps\n" + "\n".join(lines) + "\n" + extra)
    return root


def test_folder_of_feature_files(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", features=X)
    write(tmp_path / "b.npz", features=X, valid=VALID, time=TIME)
    write(tmp_path / "c.safetensors", features=X, time=TIME)
    cohort = load(
        manifest(tmp_path, [("a.npy", "30"), ("b.npz", ""), ("c.safetensors", "")]), SCALE, cache=tmp_path / "k"
    )
    assert isinstance(cohort, Cohort) and isinstance(cohort.own, OwnFeatures) and cohort.own.stream == "ready"
    features, valid, time = cohort.own.clip("a")
    np.testing.assert_array_equal(features, X)
    assert valid.all() and time[1] == pytest.approx(1 / 30)
    assert cohort.own.clip("b")[1].tolist() == VALID.tolist()
    assert len({cohort.own.source(clip) for clip in "abc"}) == 3


def test_missing_frame_rates_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", features=X)
    write(tmp_path / "b.npz", features=X)
    write(tmp_path / "c.npz", features=X, time=TIME)
    with pytest.raises(
        LfnetError, match=r"(?s)2 problems.*row 2: fps is missing\. a\.npy.*row 3: fps is missing\. b\.npz"
    ):
        load(manifest(tmp_path, [("a.npy", ""), ("b.npz", ""), ("c.npz", "")]), SCALE)


def test_videos_and_features_in_one_cohort_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", features=X)
    (tmp_path / "b.mp4").touch()
    (tmp_path / "c.mp4").touch()
    with pytest.raises(LfnetError, match=r"rows 2 and 3: feature files and videos in one cohort"):
        load(manifest(tmp_path, [("a.npy", "30"), ("b.mp4", ""), ("c.mp4", "")]), SCALE)


def test_one_width_for_all(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", features=X)
    write(tmp_path / "b.npy", features=X.T.copy())
    own = ReadyFeatures({"a": (tmp_path / "a.npy", 30.0), "b": (tmp_path / "b.npy", 30.0)})
    own.clip("a")
    with pytest.raises(LfnetError, match=r"b\.npy has 7 columns, but .*a\.npy has 5.*\[frames, columns\]"):
        own.clip("b")


def test_frames_that_are_not_finite_are_invalid_whatever_the_file_says(tmp_path: Path) -> None:
    broken = X.copy()
    broken[1, 2], broken[3, 0] = np.nan, np.inf
    file = write(tmp_path / "a.npz", features=broken, valid=VALID, time=TIME)
    features, valid, _ = read_ready(file, float("nan"))
    assert np.isfinite(features).all()
    assert valid.tolist() == [True, False, False, False, True, True, False]


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        ({"time": np.array(list("abcdefg"))}, "time"),
        ({"time": np.arange(7, 0, -1, dtype=np.uint8)}, "time"),
        ({"time": TIME, "valid": np.array(list("1111111"))}, "valid"),
    ],
    ids=["time in words", "unsigned time backwards", "valid in words"],
)
def test_arrays_of_another_type_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], name: str) -> None:
    file = write(tmp_path / "a.npz", features=X, **arrays)
    with pytest.raises(LfnetError, match=f"a.npz: `{name}` must be 7 "):
        read_ready(file, float("nan"))


@pytest.mark.parametrize("read", [ready_shape, lambda path: read_ready(path, 30.0)])
def test_a_header_without_its_brace_and_a_header_of_a_terabyte(tmp_path: Path, read) -> None:
    file = write(tmp_path / "a.npy", features=X)
    content = file.read_bytes()
    file.write_bytes(content.replace(b", }", b",  ", 1))
    with pytest.raises(LfnetError, match=r"a\.npy cannot be read as features"):
        read(file)
    file.write_bytes(content.replace(b"(7, 5)", b"(9999999999, 99)", 1).replace(b" " * 10, b"", 1))
    with pytest.raises(LfnetError, match=r"a\.npy cannot be read as features"):
        read(file)
