"""Metrics compared with SciPy, scikit-learn and closed forms, their invariants, and what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from lfnet.evaluation.metrics import METRICS, ccc, compute_metrics, mae, pcc, rmse, sigma_ratio, var_ratio


def sample(n: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 46, n).astype(float)
    return labels, 12 + 0.3 * labels + generator.normal(0, 6, n)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of a BDI-II-like range, neither side nearly constant."""
    n = draw(st.integers(3, 40))
    values = st.integers(0, 6300).map(lambda points: points / 100)
    labels, scores = draw(arrays(float, n, elements=values)), draw(arrays(float, n, elements=values))
    assume(np.ptp(labels) > 0.5 and np.ptp(scores) > 0.5)
    return labels, scores


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [2, 3, 50, 1000])
def test_errors_and_correlation_agree_with_sklearn_and_scipy(n: int, seed: int) -> None:
    labels, scores = sample(n, seed)
    assert mae(labels, scores) == pytest.approx(mean_absolute_error(labels, scores), rel=1e-12)
    assert rmse(labels, scores) == pytest.approx(root_mean_squared_error(labels, scores), rel=1e-12)
    assert pcc(labels, scores) == pytest.approx(stats.pearsonr(labels, scores).statistic, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_spread_ratios_agree_with_scipy_whatever_the_ddof(seed: int) -> None:
    labels, scores = sample(40, seed)
    for ddof in (0, 1):
        expected = stats.tstd(scores, ddof=ddof) / stats.tstd(labels, ddof=ddof)
        assert sigma_ratio(labels, scores) == pytest.approx(expected, rel=1e-12)
    assert var_ratio(labels, scores) == pytest.approx(stats.tvar(scores) / stats.tvar(labels), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_ccc_is_pearsons_r_times_lins_bias_correction(seed: int) -> None:
    """Lin 1989: CCC = r · C_b with C_b = 2 / (v + 1/v + u²), v the ratio of SDs and u the scaled shift."""
    labels, scores = sample(30, seed)
    v = np.std(labels) / np.std(scores)
    u = (labels.mean() - scores.mean()) / math.sqrt(np.std(labels) * np.std(scores))
    expected = stats.pearsonr(labels, scores).statistic * 2 / (v + 1 / v + u**2)
    assert ccc(labels, scores) == pytest.approx(expected, rel=1e-9)


def test_ccc_of_a_case_computed_by_hand() -> None:
    # means 2 and 3, variances 2/3 and 8/3, covariance 4/3: 2 · 4/3 / (2/3 + 8/3 + 1) = 8/13
    assert ccc([1, 2, 3], [1, 3, 5]) == pytest.approx(8 / 13, rel=1e-12)


@given(pairs(), st.floats(-50, 50), st.floats(0.1, 20))
def test_invariants_under_shift_and_scale(pair: tuple[np.ndarray, np.ndarray], shift: float, scale: float) -> None:
    labels, scores = pair
    moved = labels * scale + shift, scores * scale + shift
    for name in ("pcc", "ccc", "sigma_ratio", "var_ratio"):
        assert METRICS[name].function(*moved) == pytest.approx(METRICS[name].function(labels, scores), abs=1e-7)
    for name in ("mae", "rmse"):
        assert METRICS[name].function(*moved) == pytest.approx(
            scale * METRICS[name].function(labels, scores), rel=1e-9, abs=1e-9
        )
    assert pcc(labels, scores * scale + shift) == pytest.approx(pcc(labels, scores), abs=1e-7)
    assert sigma_ratio(labels, scores * scale + shift) == pytest.approx(scale * sigma_ratio(labels, scores), rel=1e-7)
    assert pcc(labels, -scores) == pytest.approx(-pcc(labels, scores), abs=1e-12)


@given(pairs())
def test_bounds_symmetry_and_the_perfect_prediction(pair: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = pair
    assert -1 <= pcc(labels, scores) <= 1
    assert abs(ccc(labels, scores)) <= abs(pcc(labels, scores)) + 1e-12
    assert mae(labels, scores) <= rmse(labels, scores) * (1 + 1e-12)
    for name in ("mae", "rmse", "pcc", "ccc"):
        assert METRICS[name].function(labels, scores) == pytest.approx(
            METRICS[name].function(scores, labels), abs=1e-12
        )
    perfect = compute_metrics(labels, labels)
    assert perfect == pytest.approx(
        {"mae": 0, "rmse": 0, "pcc": 1, "ccc": 1, "sigma_ratio": 1, "var_ratio": 1, "n": len(labels)}
    )


def test_the_last_axis_is_measured_and_the_others_are_kept() -> None:
    labels, scores = sample(60)
    draws = np.random.default_rng(1).integers(0, 60, (4, 3, 60))
    draws[2, 1] = 7  # one resample is constant: undefined alone, without harm to the others
    for name, metric in METRICS.items():
        together = metric.function(labels[draws], scores[draws])
        assert together.shape == (4, 3)
        for place in np.ndindex(4, 3):
            alone = compute_metrics(labels[draws[place]], scores[draws[place]])[name]
            assert together[place] == pytest.approx(np.nan if alone is None else alone, nan_ok=True, rel=1e-12)
    assert np.isnan(pcc(labels[draws], scores[draws])).sum() == 1


def test_a_constant_prediction_has_no_correlation_and_zero_spread() -> None:
    labels, _ = sample()
    values = compute_metrics(labels, np.full(50, labels.mean()))
    assert values["pcc"] is None
    assert (values["ccc"], values["sigma_ratio"], values["var_ratio"]) == (0.0, 0.0, 0.0)
    assert values["mae"] == pytest.approx(np.abs(labels - labels.mean()).mean())


def test_rounding_noise_of_float32_is_still_constant_and_a_real_difference_is_not() -> None:
    labels, _ = sample()
    noise = np.random.default_rng(3).integers(-3, 4, 50)
    collapsed = (np.float32(14.7) + noise.astype(np.float32) * np.spacing(np.float32(14.7))).astype(np.float32)
    assert np.ptp(collapsed) > 0
    assert compute_metrics(labels, collapsed)["pcc"] is None
    faint = 14.7 + 0.001 * labels
    assert compute_metrics(labels, faint)["pcc"] == pytest.approx(1)
    assert compute_metrics(labels, faint)["sigma_ratio"] == pytest.approx(0.001)


def test_with_constant_labels_only_errors_are_defined() -> None:
    values = compute_metrics([9.0, 9.0, 9.0], [8.0, 10.0, 12.0])
    assert values["mae"] == pytest.approx(5 / 3)
    assert [name for name, value in values.items() if value is None] == ["pcc", "ccc", "sigma_ratio", "var_ratio"]


@pytest.mark.parametrize("n, undefined", [(0, set(METRICS)), (1, set(METRICS) - {"mae", "rmse"})])
def test_too_few_points_are_undefined_never_nan(n: int, undefined: set[str]) -> None:
    values = compute_metrics(np.arange(n, dtype=float), np.arange(n) + 1.0)
    assert {name for name, value in values.items() if value is None} == undefined
    assert values["n"] == n


def test_unknown_labels_are_not_measured() -> None:
    labels, scores = sample(10)
    hidden = labels.copy()
    hidden[3:] = np.nan
    assert compute_metrics(hidden, scores) == compute_metrics(labels[:3], scores[:3])


def test_scores_that_are_not_numbers_and_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        compute_metrics([1.0, 2.0], [1.0, np.nan])
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        compute_metrics([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="single"):
        mae(1.0, 2.0)
