"""Copies by files, and the finding: pairs are named with their evidence, and no check that was not made is clear."""

from pathlib import Path

import numpy as np
import pandas as pd

from lfnet.audit.audit import find_leaks
from lfnet.audit.copies import copies, file_copies, source_copies
from lfnet.audit.courses import Copy
from lfnet.cohorts.cohort import Cohort
from lfnet.features.thumbnails import Thumbnails
from tests.audit.simulated import script


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


def test_a_copy_across_splits_is_a_leak_and_within_a_split_a_warning() -> None:
    across = copies(table(4), [Copy("c0", "c1", "equal files")], ("their files",), "").conclude((), 0.005)
    within = copies(table(4), [Copy("c2", "c0", "equal files")], ("their files",), "").conclude((), 0.005)
    assert (across.status, within.status) == ("leak", "warning")
    assert across.clips == (("c0", "c1"),) and across.recordings == ("r0", "r1")
    assert "1 pair of clips is a copy (1 by equal files), 1 of them across splits; 1 with two person_ids" in across.text
    assert across.evidence == ("c0 = c1 (equal files)",) and "keep one of their two rows" in across.advice
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
    clips = table(6, path=[*map(str, paths), ""])
    pairs, looked = file_copies(clips)
    assert [(pair.first, pair.second, pair.how) for pair in pairs] == [("c0", "c2", "equal files")]
    assert looked == 5 and sorted(read) == ["0.mp4", "2.mp4", "4.mp4"]


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


def test_clear_means_that_every_clip_was_compared() -> None:
    """A pair of unrelated films is clear; a clip without frames is not checked, and the text says how many and why."""
    cohort = script().clean(0)
    clips = cohort.clips.head(4).assign(path="film.mp4")
    cohort = Cohort("films", clips, cohort.scale)
    random = np.random.default_rng(0)
    films = {clip: random.standard_normal((40, 64)).astype(np.float32) for clip in clips["clip_id"]}

    def finding(thumbnails: Thumbnails | None) -> tuple[str, str]:
        found = find_leaks(cohort, thumbnails=thumbnails)["copies"]
        return found.status, found.text

    assert finding(Thumbnails(films, {})) == ("clear", "no copies found by comparing frames of 4 videos")
    gone = clips["clip_id"].iloc[0]
    short = {clip: x[:12] if clip == clips["clip_id"].iloc[1] else x for clip, x in films.items() if clip != gone}
    status, text = finding(Thumbnails(short, {gone: "no file"}))
    assert status == "not checked"
    assert text.endswith("re-encoded copies are not checked for 2 clips (1 no file, 1 shorter than 5 s)")
    assert finding(None)[0] == "not checked"
