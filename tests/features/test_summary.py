"""The closing lines of an extraction: numbers of each stream, and the clips that need attention."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.features.extract import extract
from lfnet.features.health import Health
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.features.summary import check_clips, describe_features
from tests.features.fakes import Brightness, Loudest, cohort_of, crop_picture
from tests.video.media import write_folder


def store_of(folder: Path, stream: str, **clips: tuple[int, str]) -> FeatureStore:
    """A stream of ten frames a clip: how many have a face, and the notes."""
    store = FeatureStore(folder, stream, stream * 8)
    for number, (clip_id, (seen, notes)) in enumerate(clips.items()):
        vectors = np.random.default_rng(number).normal(size=(10, 3)).astype(np.float32)
        store.write(clip_id, ClipFeatures(vectors, np.arange(10) < seen, np.arange(10) / 10, {"notes": notes}), "x")
    return store


def test_one_stream(tmp_path: Path) -> None:
    none = "no face in any of 10 frames"
    store = store_of(tmp_path, "face", a=(10, ""), b=(5, "cut; dark"), c=(0, none), d=(1, "dark"))
    lines = describe_features(
        check_clips({"face": store}, ["a", "b", "c", "d", "gone"], Health(min_coverage=0.2)), ["face"]
    )
    assert lines[0].split() == ["stream", "clips", "mean", "coverage", "lowest", "invalid", "with", "notes"]
    assert lines[1].split() == ["face", "4", "0.40", "0.00", "1", "2"]
    need, train = lines[2].split("; ")
    assert need == "2 of 5 clips need attention"
    assert train == "`lfnet train` stops at 2 (protocol.health.unusable=drop leaves them out):"
    assert lines[3:5] == ["  c: no face in any of 10 frames", "  d: a face in 1 of 10 frames, coverage 0.10 < 0.2"]
    assert lines[5].startswith("to fix it: look at the clip; if its frames are face crops already")
    assert lines[6].startswith("to fix it: look at the clip, lower protocol.health.min_coverage")
    assert lines[7:] == ["notes:", "  b: cut", "  2 clips (b, d): dark"]
    assert all(line.isascii() for line in lines)


def test_a_clip_that_one_of_two_streams_lacks_is_used(tmp_path: Path) -> None:
    stores = {
        "face": store_of(tmp_path, "face", a=(0, ""), b=(0, "")),
        "voice": store_of(tmp_path, "voice", a=(9, ""), b=(0, "")),
    }
    checks = check_clips(stores, ["a", "b"], Health(min_coverage=0.05))
    assert [checks[clip].refused for clip in "ab"] == [False, True]
    lines = describe_features(checks, list(stores))
    assert [line.split()[:5] for line in lines[1:3]] == [
        ["face", "2", "0.00", "0.00", "2"],
        ["voice", "2", "0.45", "0.00", "1"],
    ]
    assert lines[3].startswith("2 of 2 clips need attention; `lfnet train` stops at 1 (")
    assert lines[4].startswith("  b: no face in any of 10 frames") and lines[5].startswith("  a: face: no face in any")


def test_no_more_than_twenty_lines_of_ten_thousand_clips(tmp_path: Path) -> None:
    store = store_of(tmp_path, "face", a=(0, "dark"))
    check = check_clips({"face": store}, ["a"], Health(min_coverage=0.05))["a"]
    lines = describe_features({f"clip_{number:05}": check for number in range(10_000)}, ["face"])
    assert len(lines) == 2 + 1 + 20 + 1 + 1 + 1 + 1 and "  and 9980 more" in lines
    assert lines[-1] == "  10000 clips (clip_00000, clip_00001, clip_00002, …): dark"


def test_streams_of_frames_and_segments(tmp_path: Path) -> None:
    pictures = [crop_picture(number) for number in range(9)]
    cohort = cohort_of({"a": write_folder(tmp_path / "a", pictures), "b": write_folder(tmp_path / "b", pictures[:2])})
    stores = extract(cohort, [Brightness(), Loudest(min_frames=3)], cache=tmp_path / "cache")
    lines = describe_features(check_clips(stores, ["a", "b"], Health(min_coverage=0.05)), list(stores))
    assert [line.split()[:2] for line in lines[1:3]] == [["brightness", "2"], ["loudest", "2"]]


def test_the_command_ends_with_it_also_where_clips_fail_or_are_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    for person in ("ann", "bob"):
        np.save(f"clips/{person}.npy", np.random.default_rng(0).normal(size=(9, 3)))
    np.save("clips/cyd.npy", np.full((9, 3), np.nan))
    Path("clips/dee.npy").write_bytes(b"broken")
    rows = ["ann,train", "bob,dev", "cyd,test", "dee,train"]
    text = "".join(f"{row.split(',')[0]}.npy,{row},3,25\n" for row in rows)
    Path("clips/manifest.csv").write_text(f"path,person_id,split,label,fps\n{text}")
    assert main(["extract", "cohort=folder", "cohort.root=clips"]) == 2
    printed = capsys.readouterr()
    assert "ready       3           0.67    0.00        1           0" in printed.out
    assert "error: 1 of 4 clips could not be read; the others are extracted.\n  dee: " in printed.err
    Path("clips/manifest.csv").write_text(f"path,person_id,split,label,fps\n{text[: text.index('dee')]}")
    for _ in range(2):
        assert main(["extract", "cohort=folder", "cohort.root=clips"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-4].split() == ["ready", "3", "0.67", "0.00", "1", "0"]
        assert lines[-3].startswith("1 of 3 clips needs attention; `lfnet train` stops at 1 (")
        assert lines[-2] == "  cyd: no face in any of 9 frames"


def test_clips_are_compared_by_extraction_and_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    rows = []
    for number in range(8):
        x_TD = np.random.default_rng(number).normal(size=(40, 8)) + number
        x_TD[:, 5] = 1
        if number == 6:
            x_TD[:, :5] = 0.5
        np.save(f"clips/p{number}.npy", x_TD)
        rows.append(f"p{number}.npy,p{number},{('train', 'dev', 'test')[number % 3]},{number},25\n")
    Path("clips/manifest.csv").write_text("path,person_id,split,label,fps\n" + "".join(rows))
    dead = "5 of 7 columns are the same number in all frames, and move in most other clips"
    everywhere = "1 of 8 columns are the same number in all frames of all clips"
    folder = ("cohort=folder", "cohort.root=clips")
    assert main(["extract", *folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"  p6: {dead}" in lines and any(line.endswith(f"ready: {everywhere}") for line in lines)
    assert any("`lfnet train` stops at 1 (" in line for line in lines)
    quick = ("trainer.max_epochs=1", "protocol.window=16", "protocol.hop=8", *folder)
    assert main(["train", *quick]) == 2
    assert f"p6: {dead} (" in capsys.readouterr().err
    assert main(["train", *quick, "protocol.health.unusable=drop"]) == 0
    printed = capsys.readouterr().out
    assert "warning: 1 clip left out as unusable (protocol.health)" in printed and f"warning: {everywhere}" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("  dev: "))
    assert "pcc" not in line and "; no correlation, n = 3: too few" in line
