"""Numbers in print: digits, signs, thousands, prefixes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.evaluation.replicates import summarise
from lfnet.tables.formatting import amount, count, fixed, magnitude, span, spread


@pytest.mark.parametrize(
    "value, sign, text",
    [
        (8.645, False, "8.64"),
        (10.426, False, "10.43"),
        (-0.25, False, "−0.25"),
        (2.04, True, "+2.04"),
        (-0.001, True, "0.00"),
    ],
)
def test_fixed(value: float, sign: bool, text: str) -> None:
    assert fixed(value, sign=sign) == text


def test_thousands_are_separated() -> None:
    assert [count(131_585), count(1_354_881), count(12), count(-1200)] == ["131,585", "1,354,881", "12", "−1,200"]


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (524, "524"),
        (999.7, "1.00 k"),
        (524_544, "525 k"),
        (9_999, "10.0 k"),
        (999_999, "1.00 M"),
        (62_345_678, "62.3 M"),
        (1_254_000_000, "1.25 G"),
        (3e12, "3.00 T"),
    ],
)
def test_magnitude(value: float, text: str) -> None:
    assert magnitude(value) == text


@given(st.floats(1, 9e17))
def test_a_magnitude_is_within_half_of_its_third_digit(value: float) -> None:
    number, _, prefix = magnitude(value).partition(" ")
    read = float(number.replace(",", "")) * 1000 ** " kMGTP".index(prefix or " ")
    assert read == pytest.approx(value, rel=0.0051 if value >= 999.5 else None, abs=None if value >= 999.5 else 0.51)


def test_seconds_and_ranges() -> None:
    assert [amount(12.25), amount(99.94), amount(99.96), amount(2700)] == ["12.2", "99.9", "100", "2,700"]
    assert [span([12.0, 12.0]), span([9.0, 12.0, 10.0])] == ["12", "9–12"]


def test_spread_reports_undefined_values() -> None:
    assert spread(summarise([8.0, 9.0, 10.0])) == "9.00 ± 1.00"
    assert spread(summarise([8.0])) == "8.00"
    assert spread(summarise([-0.2, None, -0.4]), sign=True) == "−0.30 ± 0.14 (undefined in 1 of 3)"
    assert spread(summarise([0.2, None])) == "0.20 (undefined in 1 of 2)"
    assert spread(summarise([None, None])) == "undefined"
