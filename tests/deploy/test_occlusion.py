"""Effects of hidden segments: the score of the scorer itself, closed forms, the deletion test and its random orders."""

from dataclasses import replace

import numpy as np
import pytest

from lfnet.config import read
from lfnet.data.protocol import Protocol
from lfnet.deploy.bundle import Windows, clip_windows
from lfnet.deploy.bundle_json import Limits, Scale
from lfnet.deploy.deletion import deletion_test, segment_effects
from lfnet.deploy.occlusion import OccludedClip, time_segments
from lfnet.deploy.scoring import Stages
from lfnet.evaluation.pooling import Gated
from lfnet.features.store import ClipFeatures

T, D = 60, 3
PROTOCOLS = {
    "one window": {"window": 100, "hop": 100},
    "overlapping": {"window": 16, "hop": 8, "min_valid": 0.1},
    "half of a window": {"window": 16, "hop": 16, "min_valid": 0.5},
    "median": {"window": 16, "hop": 8, "min_valid": 0.1, "aggregate": {"clip": "median"}},
    "zeros": {"window": 16, "hop": 8, "mask": False, "min_valid": 0.2},
    "random vectors": {"window": 16, "hop": 8, "mask": False, "fill": "random", "min_valid": 0.2},
    "padded": {"window": 16, "hop": 8, "length": 96, "min_valid": 0.1},
    "cut": {"window": 16, "hop": 8, "length": 40, "tail": "drop", "min_valid": 0.1},
    "reversed": {"window": 16, "hop": 8, "frames": "reversed", "min_valid": 0.1},
    "shuffled": {"window": 16, "hop": 8, "frames": "shuffled", "min_valid": 0.1},
}


def mean_head(windows: Windows) -> np.ndarray:
    """The mean of the first feature over frames that the mask shows, and of a product of neighbours: order matters."""
    x_BT, mask_BT = windows.x_BTD[..., 0].astype(float), windows.mask_BT
    shown = np.maximum(mask_BT.sum(axis=1), 1)
    pairs = (x_BT * mask_BT)[:, 1:] * (x_BT * mask_BT)[:, :-1]
    return (x_BT * mask_BT).sum(axis=1) / shown + pairs.sum(axis=1) / shown


def sum_head(windows: Windows) -> np.ndarray:
    """20 + the sum of the first feature: effects of segments add up."""
    return 20 + (windows.x_BTD[..., 0] * windows.mask_BT).sum(axis=1).astype(float)


def stages(head=sum_head, protocol=PROTOCOLS["one window"], **more) -> Stages:
    limits = Limits(rows_per_second=None, trained_rows_per_second=None, min_frames=1, min_coverage=0.0)
    settings = read(Protocol, {"name": "test", **protocol}, "protocol")
    return Stages(head, settings, Scale(name="BDI-II", min=0, max=63), D, "test", limits, **more)


def clip(seed: int = 0, lost: int = 12) -> ClipFeatures:
    random = np.random.default_rng(seed)
    valid_T = np.ones(T, bool)
    valid_T[random.choice(T, lost, replace=False)] = False
    return ClipFeatures(random.normal(size=(T, D)).astype(np.float32), valid_T, np.arange(T) / 30, {})


def effects(own: Stages, of: ClipFeatures) -> tuple[OccludedClip, np.ndarray]:
    segment_T, edge_S = time_segments(of.time)
    occluded = OccludedClip(own, of, segment_T)
    return occluded, segment_effects(occluded, len(edge_S) - 1)


def test_segments_are_of_about_a_second_and_20_to_40():
    for seconds, wanted in ((2.0, 20), (25.0, 25), (600.0, 40)):
        segment_T, edge_S = time_segments(np.arange(round(seconds * 30)) / 30)
        assert len(edge_S) - 1 == wanted
        assert np.ptp(np.bincount(segment_T)) <= 1 and np.ptp(np.diff(edge_S)) < 1e-9
    assert time_segments(np.arange(4) / 30)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_hidden_segment_is_scored_as_frames_without_a_face_are(name):
    own, whole = stages(mean_head, PROTOCOLS[name]), clip()
    segment_T, _ = time_segments(whole.time)
    random = np.random.default_rng(1)
    hidden = random.random((40, segment_T.max() + 1)) < random.uniform(0, 0.9, (40, 1))
    read_T = whole.valid & (np.arange(T) < (own.protocol.length or T) - 8)
    hidden = hidden[[bool((read_T & ~each[segment_T]).any()) for each in hidden]]
    wanted = []
    for each in hidden:
        windows = clip_windows(replace(whole, valid=whole.valid & ~each[segment_T]), own.protocol)
        wanted.append(own.aggregate(own.values(windows), own.protocol.aggregate.clip)[0].mean())
    occluded = OccludedClip(own, whole, segment_T)
    assert len(hidden) > 30 and np.std(wanted) > 0.05
    assert occluded.scores(hidden) == pytest.approx(wanted, abs=1e-6)
    windows = clip_windows(whole, own.protocol)
    assert occluded.whole == own.aggregate(own.values(windows), own.protocol.aggregate.clip)[0].mean()


def test_a_window_that_is_emptied_is_left_out_where_the_protocol_has_no_minimum():
    own, whole = stages(sum_head, {"window": 15, "hop": 15}), clip(lost=0)
    segment_T, edge_S = time_segments(whole.time)  # 20 segments of 3 frames: 5 in a window
    hidden = np.zeros((1, len(edge_S) - 1), bool)
    hidden[0, :5] = True
    sums = whole.features[:, 0].reshape(4, 15).sum(axis=1)
    assert OccludedClip(own, whole, segment_T).scores(hidden)[0] == pytest.approx(20 + sums[1:].mean(), abs=1e-5)


def test_the_effects_of_a_sum_are_its_parts_and_of_a_planted_segment_alone():
    whole = clip()
    segment_T, edge_S = time_segments(whole.time)
    _, effect_S = effects(stages(), whole)
    parts = np.bincount(segment_T, whole.features[:, 0] * whole.valid, len(edge_S) - 1)
    known = np.isfinite(effect_S)
    assert effect_S[known] == pytest.approx(parts[known], abs=1e-5)
    assert (~known).tolist() == (np.bincount(segment_T, whole.valid) == 0).tolist()
    planted = replace(whole, features=np.zeros_like(whole.features), valid=np.ones(T, bool))
    planted.features[segment_T == 7, 0] = 2.0
    _, found = effects(stages(), planted)
    assert found[7] == pytest.approx(6.0) and np.count_nonzero(found) == 1


def test_the_curves_of_a_sum_are_its_sorted_sums_and_random_orders_lie_between():
    occluded, effect_S = effects(stages(), clip(lost=0))
    found = deletion_test(occluded, effect_S, orders=200)
    count = np.round(found.share_P * len(effect_S)).astype(int)
    falling = np.concatenate([[0], np.cumsum(np.sort(effect_S)[::-1])])
    rising = np.concatenate([[0], np.cumsum(np.sort(effect_S))])
    assert count[0] == 0 and count[-1] == len(effect_S) - 1, "the last segment stays"
    assert found.raising_first_P == pytest.approx(occluded.whole - falling[count], abs=1e-4)
    assert found.lowering_first_P == pytest.approx(occluded.whole - rising[count], abs=1e-4)
    expected = occluded.whole - found.share_P * effect_S.sum()
    spread = found.random_high_P - found.random_low_P
    assert (np.abs(found.random_mean_P - expected) <= 0.1 * spread + 1e-6).all()
    assert (found.raising_first_P <= found.random_low_P + 1e-6).all()
    assert (found.lowering_first_P >= found.random_high_P - 1e-6).all()
    wanted = np.trapezoid(falling[count] - rising[count], found.share_P) / found.share_P[-1]
    assert found.gap == pytest.approx(wanted, abs=1e-4)
    assert found.as_far_apart == 0 and found.beats_random and not found.flat
    low, high = found.random_range
    assert low == pytest.approx(-high) and 0 < high < found.gap


def test_wrong_effects_do_not_beat_random_orders():
    occluded, effect_S = effects(stages(), clip(lost=0))
    backwards = deletion_test(occluded, -effect_S)
    assert backwards.gap < 0 and backwards.as_far_apart > 90 and not backwards.beats_random
    random = np.random.default_rng(0)
    beaten = [deletion_test(occluded, random.permutation(effect_S), seed=seed).beats_random for seed in range(40)]
    assert sum(beaten) <= 6, "5 % of wrong effects do by chance: 2 of 40 are expected"


def test_of_a_planted_segment_the_order_is_better_than_chance():
    random, whole = np.random.default_rng(3), clip(lost=0)
    segment_T, _ = time_segments(whole.time)
    x_TD = random.normal(0, 0.01, whole.features.shape).astype(np.float32)
    x_TD[segment_T == 4, 0] += 1
    occluded, effect_S = effects(stages(), replace(whole, features=x_TD))
    assert np.argmax(effect_S) == 4 and deletion_test(occluded, effect_S).beats_random


def test_a_model_that_scores_all_alike_has_nothing_to_explain():
    occluded, effect_S = effects(stages(lambda windows: np.full(len(windows.x_BTD), 9.0)), clip())
    found = deletion_test(occluded, effect_S)
    assert not np.nan_to_num(effect_S).any() and found.flat and not found.beats_random


def test_random_orders_are_the_same_each_time_and_others_with_another_seed():
    occluded, effect_S = effects(stages(), clip())
    one, other = (deletion_test(occluded, effect_S, seed=seed) for seed in (0, 1))
    assert np.array_equal(one.random_gap_R, deletion_test(occluded, effect_S).random_gap_R)
    assert not np.array_equal(one.random_gap_R, other.random_gap_R)


def test_one_segment_with_a_face_has_no_effect_and_no_test():
    whole = clip()
    whole = replace(whole, valid=np.arange(T) < 2)
    occluded, effect_S = effects(stages(), whole)
    assert np.isnan(effect_S).all() and deletion_test(occluded, effect_S) is None


@pytest.mark.parametrize("mask", [True, False])
def test_parts_take_their_typical_values_in_frames_with_a_face(mask):
    whole = clip()
    occluded, _ = effects(stages(protocol={"window": 100, "hop": 100, "mask": mask}), whole)
    found = occluded.part_effects({"a": np.array([0]), "b": np.array([1, 2])}, np.array([0.5, 9.0, 9.0], np.float32))
    assert found["a"] == pytest.approx(float((whole.features[whole.valid, 0] - 0.5).sum()), abs=1e-4)
    assert found["b"] == 0


def test_weights_are_those_of_the_poolings_attention():
    def head(windows: Windows) -> np.ndarray:
        mean_B = windows.x_BTD[..., 0].mean(axis=1).astype(float)
        return np.stack([mean_B, 2 * mean_B], axis=-1)

    own, whole = stages(head, {"window": 15, "hop": 15}, pooling=Gated()), clip(lost=0)
    occluded, _ = effects(own, whole)
    mean_B = whole.features[:, 0].reshape(4, 15).mean(axis=1).astype(float)
    wanted = np.exp(2 * mean_B) / np.exp(2 * mean_B).sum()
    assert occluded.window_weights() == pytest.approx(wanted, abs=1e-6)
    assert occluded.whole == pytest.approx(float(wanted @ mean_B), abs=1e-6)
    assert occluded.window_segments() == [(0, 4), (5, 9), (10, 14), (15, 19)]
    assert effects(stages(), whole)[0].window_weights() is None
