"""Poolings against closed forms, in NumPy and torch, and against the protocol's means."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp, softmax

from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.noisy_and import NoisyAnd
from lfnet.evaluation.pooling import Gated, Groups, LogSumExp, Max, Mean, pool, pool_members, read_pooling, to_points
from lfnet.training.predict import Grouping

SHIFTED = [Mean(), Max(), LogSumExp(sharpness=3.0), Gated()]  # scores move with the head's output
POOLINGS = [*SHIFTED, NoisyAnd(slope=7.5, threshold=0.3, span=12.0)]
SIZES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=4)
# Score and log weight of windows are used by `Gated`, the score alone by the others.


def drawn(sizes, seed):
    """Values [N, 2] of windows in random order, their clip and recording, and the steps from windows to recordings."""
    rng = np.random.default_rng(seed)
    clips = [(r, len(of)) for r, of in enumerate(sizes) for _ in of]
    clip_W = np.repeat(np.arange(len(clips)), [count for of in sizes for count in of])
    recording_C = np.array([r for r, _ in clips])
    values, clip_W = rng.normal(0, 2, (len(clip_W), 2)), rng.permutation(clip_W)
    return values, clip_W, recording_C, [Groups(clip_W, len(clips)), Groups(recording_C, len(sizes))]


def noisy_and(p, a, b):
    """Kraus et al. 2016, word for word."""
    return (expit(a * (p - b)) - expit(-a * b)) / (expit(a * (1 - b)) - expit(-a * b))


def at_once(pooling, values, clip_W, recording_C):
    """Each recording's score by its definition: all windows at once, weighed so that clips count alike."""
    found = []
    for recording in range(recording_C.max() + 1):
        own = recording_C[clip_W] == recording
        y, s, clip = values[own, 0], values[own, 1], clip_W[own]
        share = 1 / np.bincount(clip)[clip] / len(set(clip))
        if isinstance(pooling, Gated):
            found.append((softmax(s + np.log(share)) * y).sum())
        elif isinstance(pooling, NoisyAnd):
            P = noisy_and((share * expit(y)).sum(), pooling.slope, pooling.threshold)
            found.append(pooling.span * (2 * P - 1))
        elif isinstance(pooling, LogSumExp):
            found.append(logsumexp(pooling.sharpness * y, b=share) / pooling.sharpness)
        else:
            found.append(y.max() if isinstance(pooling, Max) else (share * y).sum())
    return found


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda one: type(one).__name__)
@settings(max_examples=25)
@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_pooling_by_clip_equals_the_definition_over_all_windows(pooling, sizes, seed):
    values, clip_W, recording_C, steps = drawn(sizes, seed)
    given_values = pooling.of_windows(values if pooling.attends else values[:, 0])
    score_R, _ = pool(pooling, given_values, steps)
    np.testing.assert_allclose(score_R, at_once(pooling, values, clip_W, recording_C), rtol=1e-10, atol=1e-12)
    in_torch = [Groups(torch.from_numpy(step.group_N), step.count) for step in steps]
    same_R, _ = pool(pooling, torch.from_numpy(given_values), in_torch)
    np.testing.assert_allclose(same_R.numpy(), score_R, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("level", ["clip", "recording"])
def test_the_mean_is_the_protocols(level):
    rng = np.random.default_rng(0)
    clips = ["a", "a", "a", "b", "c", "c"]
    windows = pd.DataFrame({"clip_id": clips, "recording_id": ["r", "r", "r", "r", "s", "s"], "label": 0.0})
    protocol, scores = Protocol(name="t", window=1, hop=1), rng.normal(15, 10, 6)
    plain = Grouping(windows, protocol, level).scores(scores)
    assert np.array_equal(Grouping(windows, protocol, level, Mean()).scores(scores), plain)


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda one: type(one).__name__)
def test_of_one_window_the_score_is_the_heads_own(pooling):
    values = np.random.default_rng(0).normal(0, 3, (5, 2))
    groups = [Groups(np.arange(5), 5)] * 2
    score, _ = pool(pooling, values if pooling.attends else values[:, 0], groups)
    np.testing.assert_allclose(score, values[:, 0], rtol=1e-13 if pooling not in SHIFTED else 0)


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda one: type(one).__name__)
def test_the_order_of_windows_changes_nothing(pooling):
    values, clip_W, _, steps = drawn([[4, 2], [3]], 1)
    order = np.random.default_rng(2).permutation(len(values))
    moved = [Groups(clip_W[order], steps[0].count), steps[1]]
    one, _ = pool(pooling, values if pooling.attends else values[:, 0], steps)
    other, _ = pool(pooling, values[order] if pooling.attends else values[order, 0], moved)
    np.testing.assert_allclose(other, one, rtol=1e-13)


@pytest.mark.parametrize("pooling", SHIFTED, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_large_scores_and_weights_do_not_overflow(pooling, shift):
    values = np.array([[1.0, 0.3], [2.0, -0.2], [4.0, 0.1]]) + shift
    groups = [Groups(np.zeros(3, int), 1)]
    near, _ = pool(pooling, (values - shift) if pooling.attends else (values - shift)[:, 0], groups)
    far, _ = pool(pooling, values if pooling.attends else values[:, 0], groups)
    np.testing.assert_allclose(far, near + shift, rtol=1e-8)


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda one: type(one).__name__)
def test_pooling_in_points_is_pooling_in_standard_units(pooling):
    values, _, _, steps = drawn([[4, 2], [3]], 3)
    mean, sd = 15.0, 9.0
    standard = values if pooling.attends else values[:, 0]
    in_points, _ = pool(pooling.in_points(mean, sd), to_points(standard, mean, sd, pooling), steps)
    expected, _ = pool(pooling, pooling.of_windows(standard), steps)
    np.testing.assert_allclose(in_points, expected * sd + mean, rtol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda one: type(one).__name__)
def test_members_are_pooled_one_by_one(pooling):
    values = np.random.default_rng(4).normal(size=(6, 3, 2))
    given_values = values if pooling.attends else values[..., 0]
    score_K, log_weight_K = pool_members(pooling, given_values)
    whole = [Groups(np.zeros(6, int), 1)]
    assert score_K.tolist() == [pool(pooling, given_values[:, k], whole)[0].item() for k in range(3)]
    assert (log_weight_K is not None) == pooling.attends


def test_noisy_and_turns_positive_at_its_share_of_windows():
    pooling = NoisyAnd(slope=12.0, threshold=0.3)

    def score(positive):
        output_N = np.where(np.arange(20) < positive, 9.0, -9.0)
        return pool(pooling, pooling.of_windows(output_N), [Groups(np.zeros(20, int), 1)])[0].item()

    assert score(0) == pytest.approx(-3, abs=0.01) and score(20) == pytest.approx(3, abs=0.01)
    assert score(2) < -2.5 < 0 < score(7) and score(12) > 2.5
    mean = pool(Mean(), np.where(np.arange(20) < 12, 3.0, -3.0), [Groups(np.zeros(20, int), 1)])[0].item()
    assert mean == pytest.approx(0.6)  # where the mean is far below


@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.99])
def test_noisy_and_in_float32_equals_float64_and_has_a_gradient_at_extreme_outputs(threshold):
    pooling = NoisyAnd(slope=12.0, threshold=threshold)
    output_N = torch.tensor([-90.0, -30.0, -2.0, 0.0, 2.0, 30.0, 90.0], requires_grad=True)
    groups = Groups(torch.tensor([0, 1, 2, 3, 3, 4, 5]), 6)
    score_G, _ = pool(pooling, pooling.of_windows(output_N), [groups])
    exact = output_N.detach().double().numpy()
    exact_G, _ = pool(pooling, pooling.of_windows(exact), [Groups(groups.group_N.numpy(), 6)])
    np.testing.assert_allclose(score_G.detach().numpy(), exact_G, atol=1e-5)
    (gradient_N,) = torch.autograd.grad(score_G.sum(), output_N)
    assert gradient_N.isfinite().all() and (gradient_N[2:5] > 0).all()


def test_a_node_that_names_no_pooling_is_refused():
    assert read_pooling(None, "pooling") is None
    assert read_pooling({"_target_": "lfnet.evaluation.pooling.Max", "recordings": 2}, "pooling") == Max(recordings=2)
    with pytest.raises(LfnetError, match=r"pooling=Protocol: give a node of conf/pooling, or null."):
        read_pooling({"_target_": "lfnet.data.protocol.Protocol", "name": "x", "window": 1, "hop": 1}, "pooling")
    with pytest.raises(LfnetError, match=r"pooling.sharpness=0: give a number above 0."):
        read_pooling({"_target_": "lfnet.evaluation.pooling.LogSumExp", "sharpness": 0}, "pooling")
    with pytest.raises(LfnetError, match=r"pooling.threshold=1: give a number above 0 and below 1."):
        read_pooling({"_target_": "lfnet.evaluation.noisy_and.NoisyAnd", "threshold": 1}, "pooling")
