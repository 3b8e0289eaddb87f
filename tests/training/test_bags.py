"""Multi-instance training: whole clips in a step, and the loss on their mean scores."""

import numpy as np
import pandas as pd
import pytest
import torch

from lfnet.data.batches import EpochSampler
from lfnet.errors import LfnetError
from lfnet.jobs.job import run
from lfnet.training.losses import Bags
from tests.composing import SMALL, composed

CLIPS = pd.Series(["b", "b", "a", "c", "c", "c"])


def test_a_bag_is_scored_by_the_mean_of_its_windows_in_the_batch():
    scores = torch.tensor([1.0, 5.0, 2.0, 9.0], requires_grad=True)
    index = torch.tensor([3, 0, 5, 2])  # c, b, c, a
    joined, targets, weights = Bags(CLIPS).join(index, scores, scores.detach() * 2, torch.ones(4))
    torch.testing.assert_close(joined, torch.tensor([5.0, 9.0, 1.5]))  # b, a, c: in the table's order
    torch.testing.assert_close(targets, torch.tensor([10.0, 18.0, 3.0]))
    torch.testing.assert_close(weights, torch.ones(3))
    (grad,) = torch.autograd.grad(joined.sum(), scores)
    torch.testing.assert_close(grad, torch.tensor([0.5, 1.0, 0.5, 1.0]))
    assert Bags(CLIPS).join(index, scores, scores, None)[2] is None


@pytest.mark.parametrize("windows_per_clip", [None, 2])
@pytest.mark.parametrize("bags", [1, 2, 5])
def test_a_step_holds_whole_clips(bags, windows_per_clip):
    clips = CLIPS.to_numpy()
    sampler = EpochSampler(clips, 1, windows_per_clip, seed=3, bags=bags)
    for _ in range(2):
        steps = list(sampler)
        assert len(steps) == len(sampler) == -(-3 // bags)
        assert sum(map(len, steps)) == sampler.windows == (6 if windows_per_clip is None else 5)
        of_clip = [set(clips[step]) for step in steps]
        assert sum(map(len, of_clip)) == 3  # no clip in two steps
        assert all(len(set(step)) == len(step) for step in steps)


def test_the_order_of_clips_follows_from_the_seed_and_the_epoch():
    clips = np.repeat(np.arange(30), 2)
    one, same, other = (EpochSampler(clips, 1, None, seed, bags=4) for seed in (1, 1, 2))
    first = list(one)
    assert first == list(same) != list(other)
    assert first != list(one)


def test_bags_need_a_mean(shared_jobs):
    config, choices = composed(*SMALL, "trainer.bags=2", "protocol.aggregate.clip=median", root=shared_jobs)
    with pytest.raises(LfnetError, match=r"protocol.aggregate.clip=median: choose mean, or trainer.bags=null"):
        run(config, choices)
