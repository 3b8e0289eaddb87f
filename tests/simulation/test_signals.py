"""The mechanisms' building blocks against enumeration and their own definitions."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import norm

from lfnet.simulation import signals
from lfnet.simulation.settings import Signal
from lfnet.simulation.signals import read_statistics


@given(some.integers(1, 700), some.integers(2, 64), some.floats(0, 1), some.integers(0, 99))
def test_playing_order_never_leaves_a_block(frames, block, probability, seed):
    order = signals.playing_order(frames, block, probability, np.random.default_rng(seed))
    blocks, _ = signals.block_of(frames, block)
    assert (blocks[order] == blocks).all()
    assert (np.sort(order) == np.arange(frames)).all()


def test_playing_order_follows_its_probability():
    random = np.random.default_rng(0)
    assert (signals.playing_order(333, 32, 1.0, random) == np.arange(333)).all()
    order = signals.playing_order(20_000 * 8, 8, 0.3, random).reshape(-1, 8)
    in_order = (np.diff(order, axis=1) > 0).all(axis=1)
    assert in_order.mean() == pytest.approx(0.3, abs=0.015)
    # In a block in random order every frame is equally likely at each place.
    assert np.bincount(order[~in_order, 0] % 8, minlength=8) / (~in_order).sum() == pytest.approx(1 / 8, abs=0.012)


@pytest.mark.parametrize("block", [2, 8, 32, 64, 256])
def test_phase_is_recovered_in_single_precision(block):
    coordinates = signals.tempo_coordinates(5 * block + 3, block, np.random.default_rng(block))
    _, place = signals.block_of(len(coordinates), block)
    # Rounding of a coordinate when unit vectors are stored in float32, at an amplitude of .1.
    stored = coordinates[:, 0] + np.random.default_rng(1).uniform(-1e-6, 1e-6, len(coordinates))
    assert (signals.read_phase_index(stored, block) == place).all()


def test_events_follow_their_probability_and_are_detected_without_error():
    for chance in (0.0, 0.06, 1.0):
        frames = 40_000
        coordinate = signals.burst_coordinate(frames, 8, chance, np.random.default_rng(4))
        event = signals.read_event(coordinate).reshape(-1, 8)
        assert (event.all(axis=1) == event.any(axis=1)).all()
        assert event.any(axis=1).mean() == pytest.approx(chance, abs=0.015)


def test_probabilities_are_normal_distribution_functions():
    drive = np.linspace(-3, 3, 7)
    assert signals.tempo_probability(drive) == pytest.approx(norm.cdf(drive))
    assert signals.burst_probability(drive) == pytest.approx(norm.cdf(-1.6 + 0.7 * drive))


def test_the_probability_of_visible_frames_in_place_equals_enumeration():
    """For every way to lose frames of a block of four: the share of all 24 orders that show the others in place."""
    equal = {"level": 0.1, "tempo": 0.1, "burst": 0.1}
    signal = Signal(name="tempo", strength=1.0, block=4, shares=equal, amplitudes=equal)
    basis = np.eye(16)[:, :6]
    phase = (np.arange(4) + 0.5) / 4
    vectors = np.zeros((4, 16))
    vectors[:, 2:6] = 0.1 * np.sqrt(2) * np.cos(np.pi * phase[:, None] * np.arange(1, 5))
    vectors[:, 9] = 1
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    for seen in range(1, 5):
        for kept in combinations(range(4), seen):
            valid = np.isin(np.arange(4), kept)
            found = [read_statistics(vectors[list(order)], valid, basis, signal) for order in permutations(range(4))]
            in_place = [one for one in found if one.disordered == 0]
            assert all(one.seen == seen and one.blocks == 1 and one.events == 0 for one in found)
            assert in_place[0].chance[0] == pytest.approx(len(in_place) / 24)
            assert len(in_place) + sum(one.disordered for one in found) == 24
