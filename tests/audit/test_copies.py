"""Copies are found by bytes, by vectors and by features over time; two clips of one face are not copies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.copies import Copy, copies, file_copies, max_correlation, source_copies, vector_copies
from lfnet.features.clip_summaries import ClipSummaries, summarise_clips


def table(n: int, splits: tuple[str, ...] = ("train", "test"), **more: object) -> pd.DataFrame:
    names = [f"c{i}" for i in range(n)]
    return pd.DataFrame(
        {
            "clip_id": names,
            "recording_id": [f"r{i}" for i in range(n)],
            "person_id": [f"p{i}" for i in range(n)],
            "split": [splits[i % len(splits)] for i in range(n)],
            "path": "",
            "n_frames": np.nan,
            **more,
        }
    )


def made_clips(seed: int = 0, n: int = 24, frames: int = 200, faces: int = 4) -> list[np.ndarray]:
    """Features of clips of `faces` people: a face, a slow drift of the head, and noise."""
    random = np.random.default_rng(seed)
    face = random.standard_normal((faces, 24))
    made = []
    for i in range(n):
        drift = np.cumsum(random.standard_normal((frames, 24)) * 0.05, axis=0)
        made.append((face[i % faces] + drift + 0.15 * random.standard_normal((frames, 24))).astype(np.float32))
    return made


def pooled(made: list[np.ndarray], fps: list[float] | None = None) -> ClipSummaries:
    rates = fps or [30.0] * len(made)

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = int(clip_id[1:])
        x = made[number]
        return x, np.ones(len(x), bool), np.arange(len(x)) / rates[number]

    return summarise_clips(read, [f"c{i}" for i in range(len(made))])


def found(made: list[np.ndarray], fps: list[float] | None = None) -> set[tuple[str, str]]:
    pairs = vector_copies(pooled(made, fps), table(len(made)), 0.8, 0.5, 0)
    return {tuple(sorted((copy.first, copy.second))) for copy in pairs}  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(5))
def test_clips_of_the_same_faces_are_no_copies(seed: int) -> None:
    assert found(made_clips(seed)) == set()


def test_equal_features_are_copies() -> None:
    made = made_clips()
    made[7] = made[2].copy()
    pairs = vector_copies(pooled(made), table(len(made)), 0.8, 0.5, 0)
    assert {(copy.first, copy.second, copy.how) for copy in pairs} >= {("c2", "c7", "equal features")}


@pytest.mark.parametrize("change", ["noise", "cut", "begins later", "half the frames"])
def test_a_reencoded_or_cut_clip_is_found(change: str) -> None:
    made, fps = made_clips(), [30.0] * 24
    random = np.random.default_rng(1)
    copy = made[2] + 0.05 * random.standard_normal(made[2].shape).astype(np.float32)
    if change == "cut":
        copy = copy[:120]
    elif change == "begins later":
        copy = copy[45:]
    elif change == "half the frames":
        copy, fps[9] = copy[::2], 15.0
    made[9] = copy
    assert found(made, fps) == {("c2", "c9")}


def test_max_correlation_is_the_correlation_at_the_best_shift() -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((100, 3)).astype(np.float32)
    assert max_correlation(a, a, 0.5) == pytest.approx(1)
    b = a[20:90] + 0.5 * random.standard_normal((70, 3)).astype(np.float32)
    wanted = (a[20:90] * b).sum() / np.sqrt((a[20:90] ** 2).sum() * (b**2).sum())
    assert max_correlation(a, b, 1.0) == pytest.approx(wanted, abs=1e-5)
    assert max_correlation(b, a, 1.0) == pytest.approx(wanted, abs=1e-5)
    by_hand = max(
        (a[shift : shift + 70] * b).sum() / np.sqrt((a[shift : shift + 70] ** 2).sum() * (b**2).sum())
        for shift in range(31)
    )
    assert max_correlation(a, b, 1.0) == pytest.approx(by_hand, abs=1e-5)
    assert max_correlation(a, -a, 0.5) < 0.5


def test_still_short_and_broken_clips_are_skipped() -> None:
    made = made_clips()
    made[0] = np.repeat(made[0][:1], 200, axis=0)
    made[1] = made[1][:3]
    made[3] = np.full_like(made[3], np.nan)
    assert found(made) == set()


def test_a_copy_across_splits_is_a_leak_and_within_a_split_a_warning() -> None:
    across = copies(table(4), [Copy("c0", "c1", "equal files")], ("their files",), "").conclude((), 0.005)
    within = copies(table(4), [Copy("c2", "c0", "equal files")], ("their files",), "").conclude((), 0.005)
    assert (across.status, within.status) == ("leak", "warning")
    assert across.clips == (("c0", "c1"),) and across.recordings == ("r0", "r1")
    assert "1 pair of clips is a copy (1 by equal files), 1 of them across splits; 1 with two person_ids" in across.text
    unlabelled = table(4, ("train", "unlabelled"))
    assert copies(unlabelled, [Copy("c0", "c1", "x")], ("x",), "").conclude((), 0.005).status == "warning"
    assert copies(table(4), [], (), "no files").conclude((), 0.005).status == "not checked"


def test_files_of_equal_bytes_are_found_and_only_suspects_are_read(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(0)
    paths = []
    for number, size in enumerate((1000, 1200, 1000, 1500, 1000)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(random.bytes(size))
        paths.append(path)
    paths[2].write_bytes(paths[0].read_bytes())
    read = []
    from lfnet.audit import copies as module

    digest = module.file_digest
    monkeypatch.setattr(module, "file_digest", lambda path: read.append(path.name) or digest(path))
    clips = table(6, path=[*map(str, paths), ""], n_frames=[100, 100, 100, 120, 90, 80])
    pairs, looked = file_copies(clips)
    assert [(pair.first, pair.second, pair.how) for pair in pairs] == [("c0", "c2", "equal files")]
    assert looked == 5 and sorted(read) == ["0.mp4", "2.mp4", "4.mp4"]
    clips["n_frames"] = [100, 100, 100, 120, 100, 80]  # now the fifth has the first's size and length too
    hows = {(pair.first, pair.second): pair.how for pair in file_copies(clips)[0]}
    assert hows == {("c0", "c2"): "equal files", ("c0", "c4"): "files of equal size and length"}


def test_uncompressed_files_of_equal_length_are_no_copies(tmp_path: Path) -> None:
    paths = []
    for number, frames in enumerate((10, 10, 20, 30)):
        path = tmp_path / f"{number}.avi"
        path.write_bytes(np.random.default_rng(number).bytes(100 * frames))
        paths.append(str(path))
    assert file_copies(table(4, path=paths, n_frames=[10, 10, 20, 30]))[0] == []


def test_equal_frame_folders_are_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").write_bytes(b"image" + str(number + (name == "c")).encode())
    pairs, _ = file_copies(table(3, path=[str(tmp_path / name) for name in "abc"]))
    assert [(pair.first, pair.second) for pair in pairs] == [("c0", "c1")]


def test_equal_sources_are_copies() -> None:
    (pair,) = source_copies(["a", "b", "c", "d"], {"a": "1", "b": "2", "c": "1", "d": ""})
    assert (pair.first, pair.second) == ("a", "c")
