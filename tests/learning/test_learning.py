"""On simulated signals, heads learn what they can see and nothing else.

The reference is the best constant in hindsight, the median of the test labels: an untrained head predicts some
constant, which may by luck be better than the median of 50 training labels.

On `level` (a shifted mean) every head must beat the constant on new people; on `tempo` (order alone) the mean head must
not, and a head that sees order must. Default strength, 300 test recordings, no person in two splits, three of three
seeds each. Other heads' results on 50 recordings are findings, not requirements: see experiments/recommended (`tcn`
narrowly misses on one of three seeds).
"""

import numpy as np
import pytest
from scipy import stats

from lfnet.evaluation.predictions import Predictions
from lfnet.jobs.job import run
from tests.composing import composed

HEADS = ("mean_mlp", "ldbm", "transformer", "mamba_gru", "hybrid", "attention_mil")
SEEDS = (0, 1, 2)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("learning")


def interval(root, signal, head, seed):
    """95 % interval of a head's test |error| minus that of the best constant, over people, by Student's t."""
    config, choices = composed(
        f"cohort.signal.name={signal}",
        "cohort.people_shared=0",
        "cohort.recordings={train:50,dev:50,test:300}",
        "trainer=default",
        f"head={head}",
        f"seed={seed}",
        root=root,
    )
    folder = root / "runs" / run(config, choices).run
    own = Predictions.from_csv_text((folder / "predictions.csv").read_text()).in_split("test").at("recording").frame
    assert len(own) == 300
    difference = (own["score"] - own["label"]).abs() - (own["label"].median() - own["label"]).abs()
    people = difference.groupby(own["person_id"]).mean().to_numpy()
    low, high = stats.t.interval(0.95, len(people) - 1, people.mean(), stats.sem(people))
    print(f"{signal} {head} seed {seed}: {people.mean():+.2f} [{low:+.2f}, {high:+.2f}] points on {len(people)} people")
    assert np.isfinite([low, high]).all()
    return low, high


@pytest.mark.parametrize("head", HEADS)
def test_every_head_reads_a_shifted_mean(root, head):
    assert all(interval(root, "level", head, seed)[1] < 0 for seed in SEEDS)


def test_the_mean_head_does_not_see_order(root):
    assert not any(interval(root, "tempo", "mean_mlp", seed)[1] < 0 for seed in SEEDS)


def test_a_head_that_sees_order_reads_it(root):
    others = [head for head in HEADS if head != "mean_mlp"]
    assert any(all(interval(root, "tempo", head, seed)[1] < 0 for seed in SEEDS) for head in others)
