"""Tables as streams of features: columns by pattern, times, validity, units; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from lfnet.cohorts.cohort import Band, Scale
from lfnet.cohorts.feature_stream import FeatureStream, read_streams
from lfnet.cohorts.feature_table import is_feature_table
from lfnet.cohorts.folder import load
from lfnet.cohorts.media import kind, why_no_clip
from lfnet.cohorts.ready import read_clip, ready_shape
from lfnet.errors import LfnetError

CONF = Path(__file__).resolve().parents[2] / "conf"
SCALE = Scale(name="PHQ-9", min=0, max=27, bands=(Band(name="all", low=0, high=27),))
NAN = float("nan")


def named(name: str) -> dict[str, FeatureStream]:
    return read_streams(OmegaConf.to_container(OmegaConf.load(CONF / "features" / f"{name}.yaml")))  # type: ignore[arg-type]


def openface(path: Path, frames: int = 6, **changed: object) -> pd.DataFrame:
    """Write a table as OpenFace 2 does, with a space after each comma."""
    rng = np.random.default_rng(frames)
    table = pd.DataFrame({"frame": np.arange(1, frames + 1), "timestamp": np.arange(frames) / 25})
    table = table.assign(confidence=0.98, success=1)
    for name in ("gaze_0_x", "gaze_0_y", "gaze_0_z", "gaze_1_x", "gaze_1_y", "gaze_1_z"):
        table[name] = rng.normal(size=frames)
    for name in ("pose_Tx", "pose_Rx", "pose_Ry", "pose_Rz", "x_0", "x_2", "x_10", "X_0"):
        table[name] = rng.normal(size=frames) / 4
    for name in ("AU01_r", "AU12_r", "AU45_r", "AU01_c"):
        table[name] = rng.uniform(0, 5, frames)
    table = table.assign(**changed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table.to_csv(index=False).replace(",", ", "))
    return table


def test_columns_are_chosen_by_pattern_in_natural_order_and_case(tmp_path: Path) -> None:
    table = openface(tmp_path / "a.csv")
    clip = read_clip(tmp_path / "a.csv", NAN, FeatureStream(columns=(r"AU\d+_r", r"x_\d+"), factor=0.2))
    names = ["AU01_r", "AU12_r", "AU45_r", "x_0", "x_2", "x_10"]
    assert json.loads(clip.meta["names"]) == names
    np.testing.assert_allclose(clip.features, table[names] * 0.2, rtol=1e-6)


def test_all_columns_but_those_of_time_and_validity(tmp_path: Path) -> None:
    table = openface(tmp_path / "a.csv")
    clip = read_clip(tmp_path / "a.csv", NAN)
    assert json.loads(clip.meta["names"]) == list(table.columns[4:])
    assert ready_shape(tmp_path / "a.csv") == (6, 18, True) and kind(tmp_path / "a.csv") == "features"


def test_time_is_kept_where_frames_are_thinned_or_lost(tmp_path: Path) -> None:
    seconds = np.array([0.0, 0.4, 0.44, 2.0, 2.04, 7.0])
    openface(tmp_path / "a.csv", timestamp=seconds, frame=np.round(seconds * 25).astype(int) + 1)
    np.testing.assert_array_equal(read_clip(tmp_path / "a.csv", NAN).time, seconds)
    one = FeatureStream(first_frame=1)
    np.testing.assert_allclose(read_clip(tmp_path / "a.csv", 50.0, one).time, seconds / 2, atol=1e-12)
    without = pd.read_csv(tmp_path / "a.csv", skipinitialspace=True).drop(columns="timestamp")
    without.to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    np.testing.assert_allclose(read_clip(tmp_path / "b.tsv", 25.0, one).time, seconds, atol=1e-12)
    with pytest.raises(
        LfnetError,
        match=r"b.tsv has no column of times \(timestamp, time, seconds, frametime\)\. Name it so",
    ):
        read_clip(tmp_path / "b.tsv", NAN)


def test_validity_of_success_confidence_and_numbers(tmp_path: Path) -> None:
    found = np.array([1, 0, 1, 1, 1, 1])
    sure = np.array([0.9, 0.9, 0.7, 0.75, 0.9, 0.9])
    units = np.array([1, 1, 1, 1, np.nan, 1.0])
    openface(tmp_path / "a.csv", success=found, confidence=sure, AU01_r=units)
    units_alone = {"columns": (r"AU\d+_r",)}
    assert read_clip(tmp_path / "a.csv", NAN, FeatureStream(**units_alone)).valid.tolist() == [1, 0, 1, 1, 0, 1]
    strict = read_clip(tmp_path / "a.csv", NAN, FeatureStream(**units_alone, min_confidence=0.75))
    assert strict.valid.tolist() == [1, 0, 0, 1, 0, 1] and not strict.features[~strict.valid].any()


def test_of_several_faces_the_one_seen_most_is_read(tmp_path: Path) -> None:
    openface(tmp_path / "a.csv", face_id=[0, 1, 1, 0, 1, 1], timestamp=[0, 0, 0.04, 0.08, 0.08, 0.12])
    clip = read_clip(tmp_path / "a.csv", NAN)
    assert clip.time.tolist() == [0, 0.04, 0.08, 0.12] and clip.meta["notes"].startswith("2 faces: 1 has most")
    openface(tmp_path / "b.csv", timestamp=[0, 0, 0.04, 0.08, 0.08, 0.12])
    with pytest.raises(LfnetError, match=r"b.csv: row 3: column 'timestamp' does not increase"):
        read_clip(tmp_path / "b.csv", NAN)


def test_angles_are_unwrapped_and_degrees_are_not_taken_for_radians(tmp_path: Path) -> None:
    true = np.linspace(2.8, 3.6, 6)
    openface(tmp_path / "a.csv", pose_Rx=(true + np.pi) % (2 * np.pi) - np.pi, success=[1, 1, 0, 1, 1, 1])
    pose = FeatureStream(columns=("pose_Rx",), angle="radians")
    clip = read_clip(tmp_path / "a.csv", NAN, pose)
    turned = clip.features[clip.valid, 0] - true[clip.valid]
    np.testing.assert_allclose(turned, turned[0], atol=1e-5)
    openface(tmp_path / "b.csv", pose_Rx=np.degrees(true))
    with pytest.raises(
        LfnetError, match=r"b.csv: angles of up to 206.3 are no radians. Set the stream's angle=degrees"
    ):
        read_clip(tmp_path / "b.csv", NAN, pose)


@pytest.mark.parametrize("order", ["blocks", "interleaved"])
def test_landmarks_lose_place_and_size_only(order: str) -> None:
    shape_PC = np.random.default_rng(0).normal(size=(5, 2))
    shape_PC -= shape_PC.mean(axis=0)
    shape_PC /= np.sqrt((shape_PC**2).sum(axis=1).mean())
    moved = np.stack([300 * shape_PC + (640, 20), 40 * shape_PC - 7])
    flat = (moved.transpose(0, 2, 1) if order == "blocks" else moved).reshape(2, 10)
    made = FeatureStream(landmarks=order).transform(flat, np.ones(2, bool))  # type: ignore[arg-type]
    wanted = (shape_PC.T if order == "blocks" else shape_PC).ravel()
    np.testing.assert_allclose(made, [wanted, wanted], atol=1e-12)


def test_semicolons_decimal_commas_and_text_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name;frameTime;Loudness_sma3\n'x';0,00;0,5\n'x';0,01;-\n'x';0,02;1,25\n")
    clip = read_clip(tmp_path / "a.csv", NAN)
    assert clip.features.ravel().tolist() == [0.5, 0, 1.25] and clip.valid.tolist() == [True, False, True]
    np.testing.assert_allclose(clip.time, [0, 0.01, 0.02])


def test_a_table_without_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "covarep.csv").write_text("1,2,3\n4,-Inf,6\n7,8,9\n")
    clip = read_clip(tmp_path / "covarep.csv", NAN, FeatureStream(header=False, fps=100))
    assert clip.features.shape == (3, 3) and clip.valid.tolist() == [True, False, True]
    np.testing.assert_allclose(clip.time, [0, 0.01, 0.02])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("timestamp,a\n", "has no rows"),
        ("timestamp,a,a\n0,1,2\n", "two columns are called 'a'"),
        ("timestamp,a\n0,1\n0.1,x\n0.2,3\n", "row 3: 'x' in column 'a' is not a number"),
        ("timestamp,a\n0,1\n,2\n", "column 'timestamp' is empty in 1 row"),
        ("timestamp,a\n0,1\n0.1,2,3\n", "row 3: 3 values under 2 columns"),
        ("timestamp,name\n0,ann\n1,bob\n", "has no column of numbers"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(LfnetError, match=message):
        read_clip(tmp_path / "a.csv", NAN)


def test_a_pattern_without_a_column(tmp_path: Path) -> None:
    openface(tmp_path / "a.csv")
    with pytest.raises(LfnetError, match=r"no column is called 'AU\\d\+'. There are frame, timestamp"):
        read_clip(tmp_path / "a.csv", NAN, named("pyfeat")["units"])


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".pt"])
def test_pickles_are_refused_with_the_lines_that_convert_them(suffix: str) -> None:
    lines = why_no_clip(Path(f"300{suffix}")).splitlines()
    assert len(lines) == 4 and lines[-1].strip() == 'np.savez("300.npz", features=x)'


def manifest(root: Path, files: list[str], fps: str = "") -> None:
    splits = ["train", "train", "dev", "test"]
    rows = [f"{file},p{n},{splits[n]},{n},{fps},F" for n, file in enumerate(files)]
    (root / "manifest.csv").write_text("path,person_id,split,label,fps,sex\n" + "\n".join(rows) + "\n")


def test_a_folder_of_tables_is_a_cohort_of_features(tmp_path: Path) -> None:
    for number in range(4):
        openface(tmp_path / f"{number}.csv", 6 + number)
    manifest(tmp_path, [f"{number}.csv" for number in range(4)])
    cohort = load(tmp_path, SCALE, features=named("openface"))  # type: ignore[arg-type]
    assert cohort.own is not None and cohort.own.stream == "units"
    assert [own.stream for own in cohort.own.more] == ["pose", "gaze"]
    assert cohort.own.clip("1")[0].shape == (7, 3) and cohort.own.more[1].clip("3")[0].shape == (9, 6)
    recipes = {own.recipe for own in (cohort.own, *cohort.own.more)}
    surer = replace(named("openface")["units"], min_confidence=0.9)
    strict = load(tmp_path, SCALE, features={**named("openface"), "units": surer})
    assert len(recipes) == 3 and strict.own is not None and strict.own.recipe not in recipes


def test_what_is_no_clip_is_refused_before_training(tmp_path: Path) -> None:
    for name in ("0.pkl", "1.mat", "2.npy", "3.csv"):
        (tmp_path / name).write_bytes(b"x")
    manifest(tmp_path, ["0.pkl", "1.mat", "2.npy", "3.csv"], "25")
    with pytest.raises(LfnetError, match=r"row 2: 0.pkl is a pickle[\s\S]*row 3: 1.mat is no video"):
        load(tmp_path, SCALE)


def test_tables_with_other_columns_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        table = openface(tmp_path / f"{number}.csv")
        if number == 2:
            table.rename(columns={"AU12_r": "AU14_r"}).to_csv(tmp_path / "2.csv", index=False)
    manifest(tmp_path, [f"{number}.csv" for number in range(4)])
    own = load(tmp_path, SCALE, features=named("openface")).own  # type: ignore[arg-type]
    assert own is not None
    own.clip("0")
    with pytest.raises(LfnetError, match=r"2.csv has column 'AU14_r' where .*0.csv has 'AU12_r'"):
        own.clip("2")


def test_columns_cannot_be_chosen_from_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 3)))
    with pytest.raises(LfnetError, match=r"a \.npy file has no names of columns"):
        read_clip(tmp_path / "a.npy", 25, named("openface")["units"])


@pytest.mark.parametrize("path", sorted((CONF / "features").glob("*.yaml")), ids=lambda path: path.stem)
def test_each_yaml_of_features_says_what_it_is_and_its_units(path: Path) -> None:
    assert path.read_text().startswith("# ")
    for how in named(path.stem).values():
        assert how.unit or path.stem == "columns"
        assert how.columns is not None or not how.recipe()


def test_which_tables_hold_features(tmp_path: Path, shared: Path) -> None:
    openface(tmp_path / "a.csv")
    (tmp_path / "phq9.csv").write_text("id,phq9,age\n1,3,40\n2,9,31\n")
    (tmp_path / "notes.txt").write_text("a note, with a comma\nand more\n")
    assert [is_feature_table(tmp_path / name) for name in ("a.csv", "phq9.csv", "notes.txt")] == [True, False, False]
    held = {path.name for path in (shared / "corpora").rglob("*.csv") if is_feature_table(path)}
    assert held == {"OpenFace_Test.csv", "002.csv"}


@pytest.mark.parametrize(
    ("file", "features", "widths"),
    [
        ("openface/OpenFace_Test.csv", "openface", {"units": 17, "pose": 3, "gaze": 6}),
        ("openface/OpenFace_Test.csv", "openface_landmarks", {"shape": 136}),
        ("pyfeat/002.csv", "pyfeat", {"units": 20, "pose": 3, "emotions": 7}),
        ("pyfeat/002.csv", "mediapipe", {"blendshapes": 51}),
    ],
)
def test_real_tables(shared: Path, file: str, features: str, widths: dict[str, int]) -> None:
    path = shared / "corpora" / file
    for name, how in named(features).items():
        clip = read_clip(path, 30.0, how)
        assert clip.features.shape[1] == widths[name] and clip.valid.all()
        assert np.abs(clip.features).max() < 4  # in the stream's unit
        step = np.diff(clip.time)
        np.testing.assert_allclose(step, (2 if "002" in file else 1) / 30, atol=1e-9)  # py-feat read every other frame
