"""Summaries over runs: against NumPy, and against the closing line that system B prints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.evaluation.summary import Summary, summarise


def test_system_b_closing_line_with_one_ddof() -> None:
    error = summarise([10.426, 10.529, 10.428, 10.907])
    assert (error.mean, error.sd) == (pytest.approx(10.5725), pytest.approx(0.228126, abs=1e-6))
    assert (error.min, error.max) == (10.426, 10.907)
    correlation = summarise([0.101, 0.267, 0.186, 0.181])
    assert (correlation.mean, correlation.sd) == (pytest.approx(0.18375), pytest.approx(0.067801, abs=1e-6))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_agrees_with_numpy_in_any_order(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (summary.n, summary.min, summary.max) == (len(values), min(values), max(values))
    assert summarise(reversed(values)) == summary


@given(st.floats(-1e6, 1e6), st.integers(2, 9))
def test_equal_values_have_no_spread_at_all(value: float, n: int) -> None:
    summary = summarise([value] * n)
    assert (summary.mean, summary.sd) == (value, 0.0)


def test_undefined_values_are_counted_and_left_out() -> None:
    assert summarise([0.2, None, 0.4]) == Summary(
        2, 1, pytest.approx(0.3), pytest.approx(np.std([0.2, 0.4], ddof=1)), 0.2, 0.4
    )
    assert summarise([None, None]) == Summary(0, 2, None, None, None, None)
    assert summarise([5.0]) == Summary(1, 0, 5.0, None, 5.0, 5.0)
    assert summarise([]).n == 0


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="finite or None"):
        summarise([1.0, float("nan")])
