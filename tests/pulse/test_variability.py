"""PRV features against their definitions, known spectra and HeartPy."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfnet.pulse.beats import find_beats
from lfnet.pulse.methods import band_pass
from lfnet.pulse.quality import heart_rate, spectrum
from lfnet.pulse.variability import VARIABILITY, nn_spectrum, variability

INTERVALS = st.lists(st.floats(400, 1500), min_size=6, max_size=60)


def modulated(low: float, high: float, count: int, mean: float = 850.0) -> np.ndarray:
    """Return intervals in ms that oscillate by `low` ms at .1 Hz and by `high` ms at .25 Hz."""
    found: list[float] = []
    now = 0.0
    while len(found) < count:
        found.append(mean + low * np.sin(2 * np.pi * 0.1 * now) + high * np.sin(2 * np.pi * 0.25 * now))
        now += found[-1] / 1000
    return np.array(found)


@settings(max_examples=25)
@given(INTERVALS)
def test_time_and_poincare_features_equal_their_definitions(values: list[float]) -> None:
    nn = np.array(values)
    found = variability(nn)
    steps = np.diff(nn)
    expected = {
        "MeanNN": nn.mean(),
        "MedianNN": np.median(nn),
        "SDNN": nn.std(ddof=1),
        "SDSD": steps.std(ddof=1),
        "RMSSD": np.sqrt((steps**2).mean()),
        "CVNN": nn.std(ddof=1) / nn.mean(),
        "CVSD": np.sqrt((steps**2).mean()) / nn.mean(),
        "pNN20": 100 * (np.abs(steps) > 20).mean(),
        "pNN50": 100 * (np.abs(steps) > 50).mean(),
        "IQRNN": np.subtract(*np.percentile(nn, [75, 25])),
        "MadNN": 1.482602 * np.median(np.abs(nn - np.median(nn))),
        "MeanHR": (60000 / nn).mean(),
        "SDHR": (60000 / nn).std(ddof=1),
        "MinHR": 60000 / nn.max(),
        "MaxHR": 60000 / nn.min(),
        "SD1": np.sqrt(steps.var(ddof=1) / 2),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    if found["SD2"] > 0:
        assert found["SD1"] ** 2 + found["SD2"] ** 2 == pytest.approx(2 * found["SDNN"] ** 2, rel=1e-6)
    assert not np.isinf(list(found.values())).any()


def test_sd1_and_sd2_are_the_spreads_of_the_poincare_plot() -> None:
    nn = modulated(40, 20, 300)
    found = variability(nn)
    assert found["SD1"] == pytest.approx(((nn[1:] - nn[:-1]) / np.sqrt(2)).std(ddof=1))
    assert found["SD2"] == pytest.approx(((nn[1:] + nn[:-1]) / np.sqrt(2)).std(ddof=1), rel=0.01)


def test_geometry_of_a_known_histogram() -> None:
    """Bins of 1/128 s: 10 of 40 intervals in the fullest."""
    middle = 7.8125 * np.arange(110, 114) + 4
    nn = np.tile(middle, 10)
    assert variability(nn)["HTI"] == pytest.approx(4)


@pytest.mark.parametrize(("low", "high"), [(30, 20), (10, 40), (40, 5)])
def test_power_of_known_oscillations_is_half_their_square(low: float, high: float) -> None:
    found = variability(modulated(low, high, 400))
    assert found["LF"] == pytest.approx(low**2 / 2, rel=0.05)
    # An interval averages over its own duration, which attenuates an oscillation of four seconds by 3 %.
    assert found["HF"] == pytest.approx(high**2 / 2, rel=0.08)
    assert found["LFHF"] == pytest.approx(low**2 / high**2, rel=0.1)
    assert found["LFn"] + found["HFn"] == pytest.approx(1)
    assert found["VLF"] < 0.02 * found["TP"]


def test_power_of_short_signals_is_a_number_near_that_of_long_ones() -> None:
    hertz, power = nn_spectrum(modulated(30, 20, 400))
    assert np.trapezoid(power, hertz) == pytest.approx(30**2 / 2 + 20**2 / 2, rel=0.06)
    short = variability(modulated(30, 20, 70))
    assert short["LF"] == pytest.approx(450, rel=0.15) and short["HF"] == pytest.approx(200, rel=0.1)
    assert np.isfinite([variability(modulated(30, 20, 20))[name] for name in ("VLF", "LF", "HF", "LFHF")]).all()


def test_dfa_separates_white_noise_from_a_random_walk() -> None:
    rng = np.random.default_rng(0)
    white, walk = rng.normal(850, 30, 500), 850 + rng.normal(0, 5, 500).cumsum()
    assert variability(white)["DFA_alpha1"] == pytest.approx(0.5, abs=0.15)
    assert variability(walk)["DFA_alpha1"] == pytest.approx(1.5, abs=0.15)


def test_entropy_separates_noise_from_an_oscillation() -> None:
    noise, swing = np.random.default_rng(0).normal(850, 30, 300), modulated(40, 0, 300)
    for name in ("SampEn", "ApEn"):
        assert variability(noise)[name] > 2 * variability(swing)[name] > 0
    # White noise fills the plane; a slow oscillation is nearly a line.
    assert variability(noise)["HFD"] == pytest.approx(2, abs=0.05) and variability(swing)["HFD"] < 1.6


@pytest.mark.parametrize("nn", [[], [800.0] * 4, [800, 810, np.nan, 820, 830, 805], [800, 0, 800, 810, 820, 790]])
def test_features_that_cannot_be_computed_are_nan(nn: list[float]) -> None:
    found = variability(np.array(nn))
    assert tuple(found) == VARIABILITY and np.isnan(list(found.values())).all()


def test_a_regular_pulse_has_no_variability_and_no_infinite_value() -> None:
    found = variability(np.full(20, 800.0))
    assert found["SDNN"] == found["RMSSD"] == found["pNN50"] == 0
    assert np.isnan([found["SampEn"], found["SD1SD2"], found["LFHF"]]).all()
    assert not np.isinf(list(found.values())).any()


@pytest.fixture(scope="module")
def heartpy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        return pytest.importorskip("heartpy", exc_type=ImportError)


def test_heartpy_on_the_same_intervals(heartpy, shared: Path) -> None:
    nn = np.load(shared / "signals" / "SampleNNISeriesShort.npy").astype(float)
    steps = np.abs(np.diff(nn))
    _, theirs = heartpy.analysis.calc_ts_measures(nn, steps, steps**2, {}, {})
    ours = variability(nn)
    assert ours["RMSSD"] == pytest.approx(theirs["rmssd"])
    assert ours["MeanNN"] == pytest.approx(theirs["ibi"])
    assert ours["SDNN"] * np.sqrt(1 - 1 / len(nn)) == pytest.approx(theirs["sdnn"]), "HeartPy divides by n"
    assert ours["pNN50"] == pytest.approx(100 * theirs["pnn50"]) and ours["pNN20"] == pytest.approx(
        100 * theirs["pnn20"]
    )


def test_heartpy_and_neurokit_on_a_real_finger_pulse(heartpy, shared: Path) -> None:
    """From the raw signal: our beats against HeartPy's and NeuroKit2's where these agree within 2 %."""
    import neurokit2

    with (shared / "signals" / "heartpy_ppg_100hz.csv").open() as file:
        signal = np.array([float(cell) for row in csv.reader(file) for cell in row])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        working, _ = heartpy.process(signal, 100.0)
        _, info = neurokit2.ppg_process(signal, sampling_rate=100)
    second = variability(np.asarray(working["RR_list_cor"], float))
    third = variability(np.diff(info["PPG_Peaks"]) * 10.0)
    pulse = band_pass(signal, 100.0, (0.6, 8.0), 3)  # a finger's pulse is sharper than a face's
    rate = heart_rate(spectrum(pulse, 100.0), (0.6, 4.0))
    ours = variability(find_beats(pulse, 100.0, rate, max_deviation=0.2).intervals)
    agreed = [
        name for name in ("MeanNN", "MeanHR", "SDNN", "RMSSD", "SD2") if abs(second[name] / third[name] - 1) < 0.02
    ]
    assert {"MeanNN", "MeanHR", "SDNN", "RMSSD"} <= set(agreed)
    for name in agreed:
        assert ours[name] == pytest.approx((second[name] + third[name]) / 2, rel=0.02), name
