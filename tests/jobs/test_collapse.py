"""A head that predicts the same for everybody is noticed while it trains."""

import json

import pytest

from lfnet.jobs.job import run
from tests.composing import SMALL, composed

CONSTANT = "head._target_=tests.jobs.broken.Constant"


def result_and_log(root, *overrides):
    config, choices = composed(*SMALL, *overrides, root=root)
    folder = root / "runs" / run(config, choices).run
    return json.loads((folder / "result.json").read_text()), (folder / "train.log").read_text()


def test_a_collapse_is_warned_of_and_marked(shared_jobs):
    result, log = result_and_log(shared_jobs, CONSTANT, "trainer.max_epochs=5", "trainer.collapse_patience=2")
    assert result["marks"] == ["collapsed: dev sigma_ratio below 0.1"]
    assert result["training"]["epochs"] == 5  # it is not stopped unless asked for
    assert log.count("WARNING epoch 2: dev sigma_ratio is 0.000") == 1
    assert "has been below trainer.min_sigma_ratio=0.1 for 2 epochs" in log


def test_a_collapse_may_stop_training(shared_jobs):
    result, _ = result_and_log(
        shared_jobs, CONSTANT, "trainer.max_epochs=9", "trainer.collapse_patience=3", "trainer.stop_on_collapse=true"
    )
    assert result["training"]["epochs"] == 3 and not result["training"]["converged"]
    assert result["marks"] == ["collapsed: dev sigma_ratio below 0.1", "stopped on collapse"]


@pytest.mark.parametrize("threshold", ["null", "0"])
def test_no_threshold_no_word(shared_jobs, threshold):
    result, log = result_and_log(shared_jobs, CONSTANT, f"trainer.min_sigma_ratio={threshold}")
    assert result["marks"] == [] and "sigma_ratio" not in log


def test_a_training_that_errs_by_more_than_the_scale_is_marked(shared_jobs):
    result, _ = result_and_log(shared_jobs, "trainer.lr=1e6", "trainer.max_epochs=2")
    (mark,) = [mark for mark in result["marks"] if mark.startswith("diverged: dev mae ")]
    assert mark.endswith("is above the range of the scale, 63; lower trainer.lr")


def test_the_mark_speaks_of_the_epoch_that_is_kept(shared_jobs):
    result, _ = result_and_log(shared_jobs, "trainer.lr=0.02", "trainer.max_epochs=6", "trainer.min_sigma_ratio=0.02")
    kept = result["metrics"]["dev"]["recording"]["sigma_ratio"]
    assert kept > 0.02 and result["marks"] == []
    again, _ = result_and_log(
        shared_jobs, "trainer.lr=0.02", "trainer.max_epochs=6", f"trainer.min_sigma_ratio={kept * 1.01}"
    )
    assert again["marks"] == [f"collapsed: dev sigma_ratio below {kept * 1.01:g}"]
