"""Targets of training windows and their losses, against SciPy, by hand, and in a whole job."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.jobs.job import run
from lfnet.training.losses import L1, label_density, smoothed_in_time
from lfnet.training.settings import TrainerSettings
from tests.composing import SMALL, composed


def windows(labels, counts=None):
    """A training table: recording r has label labels[r], one clip, and counts[r] windows of 10 frames, 5 apart."""
    counts = counts or [1] * len(labels)
    rows = [
        (f"c{r}", f"r{r}", 5 * w, 10, float(label))
        for r, (label, count) in enumerate(zip(labels, counts, strict=True))
        for w in range(count)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "recording_id", "window", "frames", "target"])


def test_the_density_is_scipys_smoothed_histogram():
    labels = np.random.default_rng(0).integers(0, 40, 60).astype(float)
    histogram = np.bincount(labels.astype(int) + 40, minlength=120).astype(float)  # far from its ends
    expected = gaussian_filter1d(histogram, 2.0, mode="constant", truncate=15)
    found = label_density(labels, sigma=2.0, bin_width=1.0)(np.arange(40.0))
    np.testing.assert_allclose(found / found.sum(), expected[40:80] / expected[40:80].sum(), rtol=1e-9)


def test_weights_are_the_inverse_density_of_recordings_with_mean_1_over_windows():
    # label 10 twice, label 50 once and far away: densities 2 and 1; windows 1, 1 and 4
    table = windows([10, 10, 50], [1, 1, 4])
    targets = L1(lds_sigma=1.0).prepare(table)
    np.testing.assert_allclose(targets.weight_W, np.array([0.5, 0.5, 1, 1, 1, 1]) * 6 / 5)
    np.testing.assert_array_equal(targets.target_W, table["target"])
    root = L1(lds_sigma=1.0, lds_power=0.5).prepare(table).weight_W
    assert root is not None and root[2] / root[0] == pytest.approx(2**0.5) and root.mean() == pytest.approx(1)


@given(labels=st.lists(st.integers(0, 63), min_size=2, max_size=30), sigma=st.floats(0.3, 20))
def test_rarer_labels_never_weigh_less(labels, sigma):
    targets = L1(lds_sigma=sigma).prepare(windows(labels))
    density = label_density(np.array(labels, float), sigma=sigma, bin_width=1.0)(np.array(labels, float))
    order = np.argsort(density)
    assert targets.weight_W.mean() == pytest.approx(1)
    assert (np.diff(targets.weight_W[order]) <= 1e-9 * targets.weight_W.max()).all()


def test_labels_of_one_bin_weigh_the_same():
    targets = L1(lds_sigma=0.5, lds_bin=5.0).prepare(windows([10, 14, 15, 30]))
    assert targets.weight_W[0] == targets.weight_W[1] < targets.weight_W[2] == pytest.approx(targets.weight_W[3])


def test_temporal_smoothing_is_the_documented_convolution():
    table = windows([30, 4], [7, 1])
    mean, sigma = 17.0, 8.0
    found = smoothed_in_time(table, table["target"].to_numpy(), mean=mean, sigma=sigma)
    for row, target in zip(table.itertuples(), found, strict=True):
        end = 40.0 if row.clip_id == "c0" else 10.0
        centre = row.window + 5.0
        inside, _ = quad(lambda t, centre=centre: norm.pdf(t, centre, sigma), 0.0, end)
        assert target == pytest.approx(row.target * inside + mean * (1 - inside), abs=1e-7)


def test_temporal_smoothing_keeps_the_middle_and_has_the_right_limits():
    table = windows([30, 4], [21, 1])
    none = L1(temporal_sigma=1e-6).prepare(table).target_W
    np.testing.assert_allclose(none, table["target"])
    everything = L1(temporal_sigma=1e9).prepare(table).target_W
    np.testing.assert_allclose(everything, 17.0, atol=1e-5)  # the mean of the two recordings, not of 22 windows
    some = L1(temporal_sigma=10.0).prepare(table).target_W
    distance = 30 - some[:21]
    assert (distance >= 0).all() and np.argmin(distance) == 10 and distance[0] == pytest.approx(distance[20])


def test_a_window_of_padding_lies_outside_its_clip():
    padded = pd.concat([windows([30, 4], [2, 1]), windows([30]).assign(window=500, frames=0)], ignore_index=True)
    found = smoothed_in_time(padded, padded["target"].to_numpy(), mean=17.0, sigma=4.0)
    alone = smoothed_in_time(padded[:3], padded["target"].to_numpy()[:3], mean=17.0, sigma=4.0)
    np.testing.assert_allclose(found[:3], alone)
    assert found[3] == pytest.approx(17.0)


def test_the_loss_of_a_batch():
    scores, target = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([1.0, 2.0, 1.0])
    assert L1()(scores, target, None).item() == pytest.approx(1.0)
    assert L1()(scores, target, torch.tensor([3.0, 0.0, 0.0])).item() == pytest.approx(1.0)
    assert L1()(scores, target, torch.tensor([0.0, 0.5, 1.5])).item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "settings", [{"lds_sigma": 0}, {"lds_bin": None}, {"lds_power": "much"}, {"temporal_sigma": -1}, {"lds_bin": True}]
)
def test_a_wrong_setting_is_named(settings):
    (name,) = settings
    with pytest.raises(LfnetError, match=f"trainer.loss.{name}="):
        read(L1, settings, "trainer.loss")


@pytest.mark.parametrize("name", ["l1", "lds", "lds_sqrt", "temporal"])
def test_every_yaml_builds_a_loss(name):
    config, choices = composed(f"loss={name}")
    loss = read(TrainerSettings, config["trainer"], "trainer").loss
    assert choices["loss"] == name and isinstance(loss, L1)
    assert (loss.lds_sigma is not None) == name.startswith("lds")
    assert (loss.temporal_sigma is not None) == (name == "temporal")
    assert loss.marks == (("targets depend on clip length",) if name == "temporal" else ())


def test_l1_without_weights_is_torchs():
    targets = L1().prepare(windows([3, 9]))
    assert targets.weight_W is None
    scores, target = torch.randn(100), torch.randn(100)
    assert torch.equal(L1()(scores, target, None), torch.nn.functional.l1_loss(scores, target))


@pytest.mark.parametrize(
    "overrides", [("loss=lds",), ("loss=temporal", "trainer.loss.temporal_sigma=16"), ("pooling=mean",)]
)
def test_a_job_trains_with_it(shared_jobs, overrides):
    plain, choices = composed(*SMALL, root=shared_jobs)
    other, _ = composed(*SMALL, *overrides, root=shared_jobs)
    results = [
        json.loads((shared_jobs / "runs" / run(c, choices).run / "result.json").read_text()) for c in (plain, other)
    ]
    assert results[0]["fingerprint"] != results[1]["fingerprint"]
    one, two = (result["metrics"]["dev"]["recording"]["mae"] for result in results)
    assert one != two
    mark = "targets depend on clip length"
    assert [mark in result["marks"] for result in results] == [False, overrides[0] == "loss=temporal"]
