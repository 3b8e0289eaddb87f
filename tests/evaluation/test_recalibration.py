"""The line through dev scores: against NumPy's least squares, what it changes and what it leaves."""

import numpy as np
import pandas as pd
import pytest

from lfnet.evaluation.metrics import compute_metrics
from lfnet.evaluation.offsets import fit_offsets
from lfnet.evaluation.recalibration import fit_recalibration


def shrunken(n=60, seed=0, sittings=1):
    random = np.random.default_rng(seed)
    label = np.clip(random.normal(18, 10, n), 0, 63)
    person = [f"p{number // sittings}" for number in range(n)]
    score = 15 + 0.3 * (label - 18) + random.normal(0, 2, n)
    return pd.DataFrame({"person_id": person, "label": label, "score": score})


def test_the_linear_line_is_the_least_squares_line_of_people_with_one_recording():
    dev = shrunken()
    found = fit_recalibration(dev, "linear")
    slope, intercept = np.polyfit(dev["score"], dev["label"], 1)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))
    assert (found.recordings, found.people) == (60, 60)
    # The regression is calibrated in the mean, and its SD ratio is the PCC.
    measured = compute_metrics(dev["label"], found.apply(dev["score"]))
    assert np.polyfit(found.apply(dev["score"]), dev["label"], 1) == pytest.approx([1, 0])
    assert measured["sigma_ratio"] == pytest.approx(measured["pcc"])


def test_with_several_recordings_it_is_the_slope_of_adapt():
    dev = shrunken(sittings=3)
    dev["label"] += np.repeat(np.random.default_rng(3).normal(0, 6, 20), 3)
    found = fit_recalibration(dev, "linear")
    model = fit_offsets(dev["label"], dev["score"], dev["person_id"], slope=True)
    assert (found.slope, found.intercept) == (model.slope, model.general)
    assert found.slope != pytest.approx(np.polyfit(dev["score"], dev["label"], 1)[0])


def test_variance_gives_scores_the_labels_mean_and_sd_and_leaves_the_correlation():
    dev = shrunken()
    found = fit_recalibration(dev, "variance")
    before, after = (compute_metrics(dev["label"], score) for score in (dev["score"], found.apply(dev["score"])))
    assert before["sigma_ratio"] < 0.5 and after["sigma_ratio"] == pytest.approx(1)
    assert found.apply(dev["score"]).mean() == pytest.approx(dev["label"].mean())
    assert after["pcc"] == pytest.approx(before["pcc"])
    linear = compute_metrics(dev["label"], fit_recalibration(dev, "linear").apply(dev["score"]))
    assert after["rmse"] > linear["rmse"]  # 2 (1 − r) above 1 − r²


@pytest.mark.parametrize("method", ["linear", "variance"])
@pytest.mark.parametrize("case", ["falls", "equal", "one"])
def test_scores_that_do_not_rise_with_labels_stay_as_they_are(method, case):
    dev = shrunken()
    dev["score"] = {"falls": -dev["score"], "equal": 15.0, "one": dev["score"]}[case]
    found = fit_recalibration(dev[:1] if case == "one" else dev, method)
    assert not found.found and found.apply([3.0, 9.0]).tolist() == [3.0, 9.0]
    assert "not recalibrated" in found.mark


def test_recordings_without_a_label_are_left_out():
    dev = shrunken()
    more = pd.concat([dev, dev.assign(label=np.nan, score=99.0)])
    assert fit_recalibration(more, "linear") == fit_recalibration(dev, "linear")
