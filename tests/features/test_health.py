"""Dead features of every kind are found, named and refused; live ones are not."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.features import health
from lfnet.features.health import Health, Problem, problems_of
from lfnet.features.store import ClipFeatures, FeatureStore
from tests.composing import composed


def live(frames: int = 40, dim: int = 8, faceless: int = 0, unit: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Features that move, NaN in the first `faceless` frames."""
    features = np.random.default_rng(frames).normal(size=(frames, dim)).astype(np.float32)
    if unit:
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    valid = np.arange(frames) >= faceless
    features[~valid] = np.nan
    return features, valid


def found(
    features: np.ndarray, valid: np.ndarray, unit: bool = False, least: float = 0.0, sparse: bool = False
) -> list[str]:
    meta = {"unit_norm": "true" if unit else "false", "sparse": "true" if sparse else "false"}
    clip = ClipFeatures(features, valid, np.arange(len(valid)) / 30, meta)
    return [what for what, _ in problems_of(clip, Health(min_coverage=least))]


@given(frames=st.integers(1, 60), share=st.floats(0, 0.9), unit=st.booleans())
def test_live_features_have_no_problem(frames, share, unit):
    assert found(*live(frames, faceless=int(share * frames), unit=unit), unit=unit) == []


def test_no_frame_and_no_face():
    assert found(*live(0)) == ["no frame"]
    assert found(*live(40, faceless=40)) == ["no face in any of 40 frames"]


def test_coverage():
    features, valid = live(40, faceless=30)
    assert found(features, valid, least=0.25) == []
    assert found(features, valid, least=0.3) == ["a face in 10 of 40 frames, coverage 0.25 < 0.3"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_numbers_count_in_valid_frames_only(value):
    features, valid = live(40, faceless=5)
    features[2] = value
    assert found(features, valid) == []
    features[[10, 20], 3] = value
    assert found(features, valid) == ["NaN or infinite numbers in 2 of 35 frames with a face"]


def test_zeros():
    features, valid = live(40, faceless=4)
    assert found(np.zeros_like(features), valid) == ["all-zero vectors in 36 of 36 frames with a face"]
    features[7] = 0
    assert found(features, valid) == ["all-zero vectors in 1 of 36 frames with a face"]
    features, valid = live(40)
    features[:, 3] = 0  # a column that never moves is no dead vector
    assert found(features, valid) == []


def test_the_same_vector_all_the_time():
    features, valid = live(40, faceless=4)
    still = np.repeat(features[5:6], 40, axis=0)
    assert found(still, valid) == ["the same vector in all 36 frames with a face"]
    rounded = still * (1 + 1e-7 * np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32))
    assert found(rounded, valid) == ["the same vector in all 36 frames with a face"]
    still[20:, 2] += np.arange(20) * 0.01
    assert found(still, valid) == []
    assert found(*live(1)) == []


def test_zero_and_constant_vectors_are_values_of_a_sparse_stream():
    features, valid = live(40, faceless=4)
    assert found(np.zeros_like(features), valid, sparse=True) == []
    assert found(np.repeat(features[5:6], 40, axis=0), valid, sparse=True) == []
    features[7] = np.nan
    assert found(features, valid, sparse=True) == ["NaN or infinite numbers in 1 of 36 frames with a face"]
    assert found(*live(40, faceless=40), sparse=True) == ["no face in any of 40 frames"]


def test_a_sparse_stream_without_any_value_is_dead(tmp_path):
    store = FeatureStore(tmp_path, "s", "r" * 64)
    zeros, valid = np.zeros((40, 3), np.float32), np.ones(40, bool)
    for name, features in (("a", zeros), ("b", zeros), ("events", np.eye(40, 3, dtype=np.float32))):
        store.write(name, ClipFeatures(features, valid, np.arange(40) / 30, {"sparse": "true"}), "source")
    assert health.check(store, ["a", "b", "events"]).problems == []
    problems = health.check(store, ["a", "b"]).problems
    assert [(one.clip_id, one.what) for one in problems] == [(name, "all-zero vectors in every clip") for name in "ab"]


def test_length():
    features, valid = live(40, faceless=4, unit=True)
    assert found(features, valid, unit=True) == []
    features[9] *= 1.5
    assert found(features, valid, unit=True) == ["length 1.5 instead of 1 in 1 of 36 frames with a face"]
    assert found(features, valid, unit=False) == []


def test_no_columns():
    assert found(np.zeros((3, 0), np.float32), np.ones(3, bool)) == ["vectors without a single number"]


def test_a_store_is_checked_clip_by_clip(tmp_path):
    store = FeatureStore(tmp_path, "s", "r" * 64)
    features, valid = live(unit=True)
    for name, scale, unit in (
        ("good", 1.0, "true"),
        ("long", 2.0, "true"),
        ("free", 2.0, "false"),
        ("dead", 0.0, "false"),
    ):
        clip = ClipFeatures(features * np.float32(scale), valid, np.arange(40) / 30, {"unit_norm": unit})
        store.write(name, clip, "source")
    problems = health.check(store, ["dead", "free", "good", "long"], Health(min_coverage=0.5)).problems
    assert [problem.clip_id for problem in problems] == ["dead", "long"]
    assert health.check(store, ["good"]).problems == []
    with pytest.raises(LfnetError, match="does not exist"):
        health.check(store, ["gone"])


def test_refusal_lists_clips_reasons_and_mends():
    health.refuse([])
    problems = [Problem(f"clip_{number:02d}", "all-zero vectors", "mend it") for number in range(14)]
    with pytest.raises(LfnetError) as error:
        health.refuse(problems)
    lines = str(error.value).splitlines()
    assert lines[0] == "the features of 14 clips are dead and are not trained on:"
    assert lines[1] == "  clip_00: all-zero vectors (mend it)" and lines[-1] == "  and 4 more" and len(lines) == 12


# Vectors that say next to nothing, in a cohort of eight clips as an encoder of faces makes them: people differ.


def cohort(clips: int = 8, frames: int = 300, dim: int = 512, seed: int = 0) -> dict[str, np.ndarray]:
    """Unit vectors float32 [T, D] that wander about a person's own."""
    random = np.random.default_rng(seed)
    found = {}
    for number in range(clips):
        wander = np.cumsum(random.normal(size=(frames, dim)), axis=0) / np.sqrt(frames)
        x_TD = random.normal(size=dim) + 0.3 * wander + 0.1 * random.normal(size=(frames, dim))
        found[f"c{number}"] = (x_TD / np.linalg.norm(x_TD, axis=1, keepdims=True)).astype(np.float32)
    return found


def report(clips: dict[str, np.ndarray], limits: Health | None = None, **meta: str) -> health.Report:
    check = health.CohortCheck(limits or Health())
    for clip_id, x_TD in clips.items():
        check.add(clip_id, ClipFeatures(x_TD, np.ones(len(x_TD), bool), np.arange(len(x_TD)) / 30, meta))
    return check.report()


def whats(found: health.Report) -> dict[str, str]:
    return {problem.clip_id: problem.what for problem in found.problems}


def rounded(x_D: np.ndarray, frames: int, error: float = 1e-5) -> np.ndarray:
    """One vector in all frames, but for errors of rounding."""
    return (x_D + error * np.random.default_rng(9).normal(size=(frames, len(x_D)))).astype(np.float32)


def test_a_constant_with_rounding_noise_is_dead_by_itself_and_among_others():
    constant = rounded(np.random.default_rng(1).uniform(0.5, 2, 16), 300)
    assert found(constant, np.ones(300, bool)) == ["the same vector, up to rounding, in all 300 frames with a face"]
    # In unit vectors of 512 numbers, most numbers are small: noise is near 1 % of them, and small beside other clips.
    clips = cohort()
    clips["c3"] = rounded(clips["c3"][0], 300)
    assert found(clips["c3"], np.ones(300, bool)) == []
    (what,) = whats(report(clips)).values()
    assert re.fullmatch("(50[0-9]|51[0-2]) of 512 columns are the same number in all frames, and move in .*", what)
    assert report(clips, Health(max_dead_columns=1.0)).problems == []


def test_columns_that_died_in_one_clip_or_in_all():
    clips = cohort()
    clips["c5"][:, :412] = clips["c5"][0, :412]
    assert whats(report(clips)) == {
        "c5": "412 of 512 columns are the same number in all frames, and move in most other clips"
    }
    clips["c5"] = cohort()["c5"]
    for x_TD in clips.values():
        x_TD[:, :412] = 0.25
    text = "412 of 512 columns are the same number in all frames of all clips"
    assert whats(report(clips)) == dict.fromkeys(clips, text)
    few = cohort()
    for x_TD in few.values():
        x_TD[:, [3, 70, 71]] = 0
    assert report(few) == ([], [("3 of 512 columns are the same number in all frames of all clips", ())])


@pytest.mark.parametrize("frames", [40, 1200])
def test_a_still_image_with_one_other_frame(frames):
    clips = cohort(frames=frames)
    still = np.repeat(clips["c2"][:1], frames, axis=0)
    still[frames // 3] = clips["c2"][-1]
    still += np.float32(1e-7) * np.random.default_rng(0).normal(size=still.shape).astype(np.float32)
    clips["c2"] = still
    (what,) = whats(report(clips)).values()
    assert what.startswith("no change in 9") or what.startswith("no change in 100 %")
    assert found(still, np.ones(frames, bool)) == [what]
    assert report(clips, Health(max_still=1.0)).problems == []


def repeated(x_TD: np.ndarray, rate: float) -> np.ndarray:
    """A film of `rate` frames a second in a file of 30: each frame is the newest one at its time."""
    return x_TD[np.floor(np.arange(len(x_TD)) * rate / 30 + 1e-9).astype(int)]


def test_repeated_frames_of_a_conversion_are_no_fault():
    clips = cohort()
    for rate in (24.0, 22.5, 15.0):  # a fifth, a quarter and a half of the frames are repeated
        assert report({name: repeated(x_TD, rate) for name, x_TD in clips.items()}) == ([], [])
    clips["c1"] = repeated(clips["c1"], 5)
    assert report(clips) == ([], [("more than 60% of the frames repeat the one before in 1 clip", ("c1",))])
    assert next(iter(whats(report({"one": repeated(clips["c0"], 1)})).values())).startswith("no change in 97 %")


def test_clips_that_do_not_differ():
    constant = cohort()["c0"][0]
    dead = {name: rounded(constant, 300) for name in "abcdefgh"}
    for number, x_TD in enumerate(dead.values()):
        x_TD += np.float32(1e-5) * np.random.default_rng(number).normal(size=x_TD.shape).astype(np.float32)
    assert whats(report(dead)) == dict.fromkeys(dead, "nearly the same vector in all frames of every clip")
    assert report(dead, Health(min_clip_ratio=0.0)).problems == []
    centred = {name: x_TD - x_TD.mean(axis=0) for name, x_TD in cohort().items()}
    (remark,) = report(centred).remarks
    assert report(centred).problems == [] and remark.clip_ids == ()
    assert remark.text.startswith("clips differ by no more than their frames do in 512 of 512 columns: ")


def test_vectors_of_every_kind_pass():
    """Near-zero blendshapes, few logits, half precision, few columns, few frames, clipped and quiet ones."""
    random = np.random.default_rng(4)
    faces = cohort()
    shapes = {name: np.abs(x_TD[:, :52]) ** np.linspace(1, 6, 52) for name, x_TD in faces.items()}
    assert min(float(x_TD.max(axis=0).min()) for x_TD in shapes.values()) < 1e-5
    kinds = {
        "faces": faces,
        "half": {name: x_TD.astype(np.float16) for name, x_TD in faces.items()},
        "shapes": shapes,
        "logits": {name: 20 * x_TD[:, :7] for name, x_TD in faces.items()},
        "sixteen": {name: 60 + x_TD[:3, :16] for name, x_TD in faces.items()},
        "one": {name: x_TD[:, :1] for name, x_TD in faces.items()},
        "clipped": {name: np.maximum(x_TD + 0.02, 0) for name, x_TD in faces.items()},
        "units": {
            name: x_TD[:, :12] * np.repeat([1, 5000], 6) + np.repeat([100, 5000], 6) for name, x_TD in faces.items()
        },
        "quiet": {
            name: (x_TD if name != "c4" else x_TD[:1] + 0.02 * (x_TD - x_TD[:1])) for name, x_TD in faces.items()
        },
        "short": {name: x_TD[: random.integers(1, 12)] for name, x_TD in faces.items()},
    }
    assert {kind: report({n: x.astype(np.float32) for n, x in clips.items()}) for kind, clips in kinds.items()} == (
        dict.fromkeys(kinds, ([], []))
    )


@pytest.mark.parametrize("settings", [(), ("cohort.signal.name=tempo", "cohort.identity=0"), ("cohort.dim=16",)])
def test_simulated_cohorts_pass(settings):
    config, _ = composed(
        "cohort.recordings={train:6,dev:3,test:3}", "cohort.duration={min:6,max:20,median:9}", *settings
    )
    simulated = instantiate(config["cohort"], "cohort")
    check = health.CohortCheck(Health())
    for clip_id in simulated.clips["clip_id"]:
        check.add(clip_id, ClipFeatures(*simulated.own.clip(clip_id)))
    assert check.report() == ([], [])


@pytest.mark.parametrize(("size", "said"), [(300.0, "features are not scaled: 8 of 8 columns reach 1"), (3.0, None)])
def test_features_in_pixels_are_doubted(size, said, tmp_path):
    store = FeatureStore(tmp_path, "pixels", "r" * 64)
    for name in "abc":
        x_TD, valid = live(faceless=2)
        store.write(name, ClipFeatures(x_TD * size, valid, np.arange(40) / 30), "s")
    found = health.unscaled(store, ["a", "b", "c"])
    assert found == [] if said is None else found[0].startswith(said)
