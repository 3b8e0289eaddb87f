"""Bundles of a simulated run: variants, parity, refusals, interval, card; and scoring in a process without torch."""

import json
import shutil
import subprocess
import sys
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import yaml

from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.export import export
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import calibrate

pytestmark = pytest.mark.slow
PREDICT = """
import sys
from lfnet.cli.main import main
status = main(["predict", *sys.argv[1:]])
assert "torch" not in sys.modules and "lightning" not in sys.modules
sys.exit(status)
"""


@pytest.fixture(scope="module")
def bundles(exported):
    """A bundle of each variant, and its facts."""
    return {kind: (exported(kind), Bundle.open(exported(kind)).facts) for kind in ("fp32", "fp16", "int8")}


@pytest.fixture(scope="module")
def clips(trained, tmp_path_factory):
    """The test clips' vectors as files, by clip_id."""
    folder, data = tmp_path_factory.mktemp("clips"), trained.data()
    files = {}
    for clip_id in data.clips.loc[data.clips["split"] == "test", "clip_id"]:
        clip = data.store.read(clip_id)
        files[clip_id] = folder / f"{clip_id.replace('/', '_')}.npz"
        np.savez(files[clip_id], features=clip.features, valid=clip.valid, time=clip.time)
    return files


@pytest.mark.parametrize(("variant", "within"), [("fp32", 0.01), ("fp16", 0.1), ("int8", 0.5)])
def test_a_bundle_scores_clips_like_the_run(trained, bundles, clips, variant, within):
    folder, facts = bundles[variant]
    frame = trained.predictions.at("clip").frame
    wanted = frame.set_index("clip_id")["score"]
    assert wanted[list(clips)].std() > 1  # equal scores would test nothing
    with Scorer.of(Bundle.open(folder), threads=1) as scorer:
        for clip_id, path in clips.items():
            report = scorer.score(path)
            assert report["refused"] is None
            assert report["score"] == pytest.approx(wanted[clip_id], abs=within), clip_id
    assert 0 < facts.head.parity.real_max <= facts.head.parity.tolerance == within
    assert facts.head.parity.lengths == (6, 16, 24, 48)


def test_smaller_variants_are_smaller(bundles):
    size = {kind: facts.files[facts.head.file].bytes for kind, (_, facts) in bundles.items()}
    assert size["int8"] < size["fp16"] < size["fp32"]


def test_a_variant_with_a_large_error_is_refused_and_leaves_nothing(trained, tmp_path):
    with pytest.raises(LfnetError, match=r"int8 head's score .* points from PyTorch's, and 1e-06 is allowed"):
        export(trained, tmp_path / "out", variant="int8", tolerance=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_the_interval_is_calibrated_on_people_in_neither_training_nor_selection(trained, bundles, tmp_path):
    recordings = trained.predictions.at("recording").frame
    clips = trained.data().cohort.clips
    used = set(clips.loc[clips["split"].isin(["train", "dev"]), "person_id"])
    test = recordings[recordings["split"] == "test"]
    facts = bundles["fp32"][1].conformal
    assert facts.n == test.loc[~test["person_id"].isin(used), "person_id"].nunique()
    assert facts.half_width == calibrate(test, used, facts.level).half_width
    with pytest.raises(LfnetError, match=f"there are {facts.n}: the highest level"):
        export(trained, tmp_path / "never", level=0.99)


def test_the_card_describes_data_scores_and_use_and_names_no_person(trained, bundles):
    card = (bundles["int8"][0] / "MODEL_CARD.md").read_text()
    for text in (
        "not a diagnosis",
        "Simulated: no person was filmed",
        "Not for diagnosis",
        "Audit",
        "int8",
        "Intervals: 95 %",
    ):
        assert text in card, text
    mae = trained.result.metrics["test"]["recording"]["mae"]
    assert f"mae: {mae:.2f} [" in card
    opening, matter, _ = card.split("---\n", 2)
    about = yaml.safe_load(matter)
    assert opening == "" and about["library_name"] == "lfnet" and about["license"] == "other"
    assert {"research-only", "simulated"} <= set(about["tags"]) and {"mae", "rmse"} <= set(about["metrics"])
    test = next(one for one in about["model-index"][0]["results"] if one["dataset"]["split"] == "test")
    assert {"type": "mae", "value": round(mae, 4)} in test["metrics"]
    people = trained.data().cohort.clips["person_id"].unique()
    everything = card + (bundles["int8"][0] / "bundle.json").read_text()
    assert not [person for person in people if person in everything]


def test_a_bundle_holds_the_training_labels_constants_and_the_features_means(trained, bundles):
    folder, facts = bundles["fp32"]
    data = trained.data()
    train = data.clips[data.clips["split"] == "train"]
    labels = train.groupby("recording_id")["label"].first()
    assert (facts.constants.mean, facts.constants.median) == pytest.approx((labels.mean(), labels.median()))
    means = [data.store.read(clip_id) for clip_id in train["clip_id"]]
    wanted_D = np.mean([clip.features[clip.valid].mean(axis=0) for clip in means], axis=0)
    assert Bundle.open(folder).feature_means() == pytest.approx(wanted_D, abs=1e-5)
    assert "feature_means.npy" in (folder / "MODEL_CARD.md").read_text()


def test_predict_imports_no_torch_and_refusals_have_a_status(bundles, clips, tmp_path):
    folder, good = bundles["int8"][0], next(iter(clips.values()))
    arrays = dict(np.load(good))
    np.savez(tmp_path / "slow.npz", **{**arrays, "time": arrays["time"] * 2})
    np.savez(tmp_path / "short.npz", **{name: value[:5] for name, value in arrays.items()})
    np.savez(tmp_path / "faceless.npz", **{**arrays, "valid": np.zeros_like(arrays["valid"])})
    files = [good, *(tmp_path / f"{name}.npz" for name in ("slow", "short", "faceless"))]
    ran = subprocess.run(
        [sys.executable, "-c", PREDICT, *map(str, files), "--bundle", str(folder), "--json", "--threads", "1"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 3, ran.stderr
    printed = json.loads(ran.stdout)
    assert printed["disclaimer"].startswith("Research instrument, not a diagnosis")
    scored, slow, short, faceless = printed["videos"]
    assert scored["interval"]["low"] <= scored["score"] <= scored["interval"]["high"]
    assert slow["score"] is None and "15 frames a second" in slow["refused"]
    assert "too short: 5 frames" in short["refused"]
    assert "no face in any of" in faceless["refused"]


def test_clips_of_one_recording_are_joined(trained, bundles, clips):
    bundle = Bundle.open(bundles["fp32"][0])
    frame = trained.predictions.at("clip").frame
    recording = frame[frame["split"] == "test"].groupby("recording_id")["clip_id"].agg(list).iloc[0]
    with Scorer.of(bundle, threads=1) as scorer:
        reports = [scorer.score(clips[clip_id]) for clip_id in recording]
    wanted = trained.predictions.at("recording").frame.set_index("recording_id")["score"]
    assert scorer.join(reports)["score"] == pytest.approx(
        wanted[frame.set_index("clip_id").loc[recording[0], "recording_id"]], abs=0.01
    )


def test_a_changed_file_is_refused(bundles, tmp_path):
    shutil.copytree(bundles["fp32"][0], tmp_path / "b")
    (tmp_path / "b" / "head.onnx").write_bytes(b"something else")
    with pytest.raises(LfnetError, match=r"head\.onnx is not the file that was exported"):
        Bundle.open(tmp_path / "b")
    with pytest.raises(LfnetError, match="is no bundle"):
        Bundle.open(tmp_path)


def test_a_folder_with_other_files_is_not_changed(trained, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LfnetError, match="not empty and no bundle"):
        export(trained, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_run_is_found_by_the_first_letters_of_its_name(trained, tmp_path):
    runs = trained.folder.parent
    assert TrainedHead.open([trained.folder.name[:6]], runs).folder == trained.folder
    with pytest.raises(LfnetError, match="names no finished run"):
        TrainedHead.open(["zzzz"], runs)


def test_a_run_on_several_streams_is_refused(trained, tmp_path):
    several = copy(trained)
    features = replace(trained.result.features, stream="webface + expression")
    config = {**trained.result.config, "streams": {"valid": "any"}}
    several.result = replace(trained.result, config=config, features=features)
    with pytest.raises(LfnetError, match=r"several streams \(webface \+ expression\), and a bundle has one encoder"):
        export(several, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"{}", lambda content: content[:-5], lambda content: content[:40]])
def test_damaged_weights_are_one_line(damage, trained, tmp_path, capsys):
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    content = (folder / "head.safetensors").read_bytes()
    (folder / "head.safetensors").write_bytes(damage(content) if callable(damage) else damage)
    assert main(["export", str(folder), "--out", str(tmp_path / "b")]) == 2
    printed = capsys.readouterr().err
    assert "head.safetensors" in printed and printed.count("\n") == 1
    assert not (tmp_path / "b").exists()
