"""`lfnet.load`: scores of runs and bundles in points, as the run wrote them; refusals are one message."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import lfnet
from lfnet.errors import LfnetError
from lfnet.jobs.job import run
from lfnet.testing import make_toy_bundle
from lfnet.testing.toy_bundle import HALF_WIDTH, MEAN, SD
from tests.composing import composed
from tests.fusion.simulated_splits import SMALL


@pytest.fixture
def toy(tmp_path):
    make_toy_bundle(tmp_path / "toy")
    return lfnet.load(tmp_path / "toy")


def clip(rows: int = 10) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (rows, 3))


def test_a_bundle_scores_as_computed_by_hand(toy):
    x_TD = clip()
    windows = [x_TD[start : start + 4, 0].mean() for start in (0, 2, 4, 6)]  # window 4, hop 2
    found = toy.predict(x_TD, fps=30)
    assert found.windows == pytest.approx([MEAN + SD * mean for mean in windows], abs=1e-3)
    assert found.score == pytest.approx(MEAN + SD * np.mean(windows), abs=1e-3)
    assert (found.low, found.high) == pytest.approx((found.score - HALF_WIDTH, found.score + HALF_WIDTH), abs=1e-3)
    assert (found.level, found.spread, found.coverage, found.source) == (0.9, None, 1.0, "array")
    assert toy.result is None and toy.scale.max == 63


def test_frames_that_are_not_finite_are_not_scored(toy):
    x_TD = clip()
    x_TD[5] = np.nan
    found = toy.predict(x_TD, fps=30)
    windows = [np.nanmean(x_TD[start : start + 4, 0]) for start in (0, 2, 4, 6)]
    assert found.score == pytest.approx(MEAN + SD * np.mean(windows), abs=1e-3) and found.coverage == 0.9


def test_a_file_of_features_is_scored_like_its_array(toy, tmp_path):
    np.save(tmp_path / "x.npy", clip().astype(np.float32))
    found = toy.predict(str(tmp_path / "x.npy"), fps=30)
    assert found.score == toy.predict(clip(), fps=30).score and found.source.endswith("x.npy")


def test_text_and_table_of_a_prediction(toy):
    found = toy.predict(clip(), fps=30)
    assert repr(found).startswith(f"Prediction: {found.score:.1f} (BDI-II, 0 to 63), 90 % interval ")
    (row,) = found.to_frame().to_dict("records")
    assert row["score"] == found.score and row["windows"] == 4 and row["scale"] == "BDI-II"
    assert "Model: mean, BDI-II 0 to 63 (bundle " in repr(toy)


@pytest.mark.parametrize(
    ("x", "fps", "message"),
    [
        (clip(), None, "fps is missing"),
        (clip(), 10, "10 frames a second: give 20 to 40"),
        (clip(), -1, "fps=-1: give a number above 0"),
        (clip(3), 30, "too short: 3 frames"),
        (clip()[:, :2], 30, "2 numbers per frame, and the head reads 3"),
        (clip()[:, 0], 30, r"shape \(frames, features\)"),
        (np.full((10, 3), np.nan), 30, "no face in any of 10 frames"),
        (np.ones((10, 3)), 30, "the same vector in all 10 frames"),
        ("nowhere.mp4", None, "nowhere.mp4"),
    ],
)
def test_what_cannot_be_scored_is_an_error(toy, x, fps, message):
    with pytest.raises(LfnetError, match=message):
        toy.predict(x, fps)


def test_nothing_to_load_is_an_error(tmp_path):
    with pytest.raises(LfnetError, match="names no finished run"):
        lfnet.load("0123", runs=tmp_path)


def test_a_bundle_is_loaded_without_torch(toy):
    code = (
        f"import sys, lfnet, numpy as np; x = np.random.default_rng(0).random((9, 3))\n"
        f"print(lfnet.load({str(toy.folder)!r}).predict(x, 30))\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Prediction: ")


@pytest.mark.slow
def test_a_run_and_its_bundle_score_clips_as_the_run_did(trained, exported):
    bundle = lfnet.load(exported("fp32"))
    model = lfnet.load(trained.folder.name[:6], runs=trained.folder.parent)
    assert model.result.metrics == trained.result.metrics and "run of a head" in repr(model)
    data = trained.data()
    wanted = trained.predictions.at("clip").frame.set_index("clip_id")["score"]
    for clip_id in data.clips.loc[data.clips["split"] == "test", "clip_id"]:
        stored = data.store.read(clip_id)
        x_TD = np.where(stored.valid[:, None], stored.features, np.nan)
        assert model.predict(x_TD).score == pytest.approx(wanted[clip_id], abs=1e-3)
        assert bundle.predict(x_TD, fps=30).score == pytest.approx(wanted[clip_id], abs=0.01)


@pytest.mark.slow
def test_an_ensemble_scores_with_a_spread(ensembled):
    model = lfnet.load(*(run.folder for run in ensembled.runs))
    data = ensembled.data()
    clip_id = data.clips.loc[data.clips["split"] == "test", "clip_id"].iloc[0]
    found = model.predict(data.store.read(clip_id).features)
    wanted = ensembled.predictions.at("clip").frame.set_index("clip_id")["score"]
    assert found.spread > 0 and "SD of the members" in repr(found)
    assert found.score == pytest.approx(wanted[clip_id], abs=1e-3)


@pytest.mark.slow
@pytest.mark.shared
def test_a_run_scores_video_as_it_did(filmed, shared):
    model = lfnet.load(filmed.folder)
    found = model.predict(shared / "media" / "single_face.mp4")
    data = filmed.data()
    (clip_id,) = [name for name in data.clips["clip_id"] if "single_face" in name]
    assert found.score == pytest.approx(model.predict(data.store.path(clip_id)).score, abs=1e-3)


@pytest.mark.slow
def test_a_fusion_scores_descriptors_as_the_run_did(tmp_path):
    cohort = (
        "cohort.recordings={train:16,dev:6,test:8}",
        "cohort.duration={min:2,max:12,median:6,spread:0.3}",
        "cohort.dim=16",
        "cohort.people_shared=0",
        "cohort.pulse.segment=2",
    )
    config, choices = composed(*cohort, "fusion=published", *SMALL, root=tmp_path)
    folder = tmp_path / "runs" / run(config, choices).run
    model = lfnet.load(folder)
    assert model.result.kind == "fusion"
    opened = lfnet.Run.open(folder)
    wanted = opened.predictions.at("clip").frame.set_index("clip_id")["score"]
    split = fusion_split(config, "test")
    for number, clip_id in enumerate(split.clip_ids):
        own = split.take(np.array([number]))
        rows = {
            name: pd.DataFrame(own.stream(name).X, columns=list(own.stream(name).names))
            for name in ("visual", "physiological")
        }
        assert model.predict(rows).score == pytest.approx(wanted[clip_id], abs=1e-6)
        assert (
            model.predict({name: frame.to_numpy() for name, frame in rows.items()}).score == model.predict(rows).score
        )
    with pytest.raises(LfnetError, match="have other names"):
        model.predict({name: frame.add_prefix("x") for name, frame in rows.items()})
    with pytest.raises(LfnetError, match="give rows of"):
        model.predict({"visual": np.zeros((2, 3))})
    with pytest.raises(LfnetError, match="a fusion scores descriptors"):
        model.predict(np.zeros((2, 3)))


def fusion_split(config, name):
    from lfnet.data.datamodule import DataModule
    from lfnet.fusion.modality_data import Split
    from lfnet.jobs.inputs import prepare_streams
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_settings

    session = Session()
    settings = read_settings(config, session)
    inputs = prepare_streams(settings.inputs, session)
    data = DataModule(inputs.cohort, inputs.stores, settings.protocol, seed=settings.seed)
    data.setup()
    fusion = settings.fusion
    return Split.from_arrays(data.arrays(name), fusion.visual.stream, fusion.physiological.stream)
