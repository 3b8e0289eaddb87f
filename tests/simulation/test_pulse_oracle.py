"""Oracles of the pulse: explicit likelihood, calibration, another predictor, limiting cases."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lfnet.simulation import pulse
from lfnet.simulation.grids import log_length
from lfnet.simulation.oracle import Oracle
from lfnet.simulation.people import block_bounds
from lfnet.simulation.pulse import read_pulse

# The small cohort's frames, slower, with segments of 10 s or of more than 200 beats.
SHORT = ("cohort.fps=3", "cohort.duration={min:20,max:80,median:40}", "cohort.pulse.segment=10")
LONG = ("cohort.fps=0.15", "cohort.duration={min:400,max:1600,median:800}", "cohort.pulse.segment=200")
MODELS = {f"oracle_{knows}_{how}" for knows in ("signal", "people") for how in ("median", "mean")}
PULSE_MODELS = {f"oracle_{knows}_{how}" for knows in ("pulse", "both", "both_people") for how in ("median", "mean")}


def references(cohort) -> pd.DataFrame:
    """Return the scores of all oracles, one column each, with label and split, by recording."""
    stream = cohort.own.more[0]
    table = cohort.own.references(read_segments=lambda name: stream.clip(name)[:2])
    wide = table.pivot(index="recording_id", columns="model", values="score")
    return wide.join(cohort.recordings().set_index("recording_id"))


def oracle_of(cohort) -> Oracle:
    own, stream = cohort.own, cohort.own.more[0]
    seen = [read_pulse(*stream.clip(name)[:2], stream.planted) for name in own.truth.clips["clip_id"]]
    statistics = list(own.statistics().values())
    return Oracle(own.truth.recordings, own.truth.clips["recording"].to_numpy(), statistics, own.settings, seen)


def test_pulse_oracles_need_the_pulse(simulated):
    cohort = simulated(*SHORT)
    assert set(cohort.own.references()["model"]) == MODELS
    table = references(cohort)
    assert set(table.columns) > MODELS | PULSE_MODELS
    assert table[list(PULSE_MODELS)].stack().between(0, 63).all() and len(table) == 150


@pytest.mark.parametrize(("length", "columns"), [(SHORT, [0, 2, 5]), (LONG, range(6))])
def test_the_likelihood_equals_that_of_all_features_of_all_segments(simulated, length, columns):
    """Up to a number, log p(pulse | u) is the log density of the stacked z of every segment, its covariance entry by
    entry from the model's shares: nothing is lost in reading one number a clip.
    """
    columns = list(columns)
    cohort = simulated(*length, "cohort.pulse.lost_segments=0.4", "cohort.pulse.lost_clips=0.2")
    own, stream = cohort.own, cohort.own.more[0]
    oracle = oracle_of(cohort)
    kappa = own.settings.pulse.strength / np.hypot(1, own.settings.pulse.strength)
    correlation = pulse._CORRELATION[np.ix_(columns, columns)]
    lower = np.linalg.cholesky(correlation)
    q = np.linalg.solve(lower, pulse._EFFECT[columns])
    q /= np.linalg.norm(q)
    # what is left of the jitter along q
    turned = np.eye(len(q)) + (np.sqrt(1 - kappa**2) - 1) * np.outer(q, q)
    between = lower @ turned @ turned.T @ lower.T / 2
    within = correlation / 2
    u = np.linspace(-2.5, 2.5, 6)
    at = np.searchsorted(np.linspace(-5, 5, 1001), u - 1e-9)
    checked = 0
    for row in range(25):
        clips = np.flatnonzero(own.truth.clips["recording"] == row)
        z, owner = [], []
        for clip in clips:
            x, kept, _ = stream.clip(own.truth.clips["clip_id"][clip])
            x = x[kept][:, :6].astype(float)
            raw = np.log(x / [850, 42, 32, 12, 1.4, 1]) / [0.13, 0.4, 0.5, 1.1, 0.2, 0.35]
            raw[:, 3] = (logit(x[:, 3] / 100) - logit(0.12)) / 1.1
            z.append(raw[:, columns])
            owner += [clip] * len(raw)
        z, owner = np.concatenate(z), np.array(owner)
        found = oracle._pulse[row][at]
        if not len(z):
            assert np.ptp(found) < 1e-9  # without data the likelihood is flat
            continue
        alike = owner[:, None] == owner
        share = 0.5 + 0.3 + 0.2 * alike
        covariance = np.kron(share, between) + np.kron(np.eye(len(z)), within)
        density = multivariate_normal(cov=covariance)
        effect = kappa * (lower @ q) / np.sqrt(2)
        expected = np.array([density.logpdf((z - effect * value).ravel()) for value in u])
        assert found - found[0] == pytest.approx(expected - expected[0], abs=2e-3)
        checked += 1
    assert checked > 15


@pytest.mark.slow
def test_posteriors_are_calibrated_and_their_means_unbiased(simulated):
    """Over 12 cohorts the label lies in the 50, 80 and 95 % intervals as often as these say; errors average zero."""
    place: dict[str, list[np.ndarray]] = {"pulse_only": [], "both": [], "both_people": []}
    error: dict[str, list[np.ndarray]] = {name: [] for name in place}
    random = np.random.default_rng(0)
    for seed in range(12):
        oracle = oracle_of(simulated(*SHORT, f"cohort.seed={seed}", "cohort.pulse.strength=1.2"))
        label = oracle.recordings["label"].to_numpy().astype(int)
        for name in place:
            posterior = getattr(oracle, name)()
            below = np.cumsum(posterior, axis=1) - posterior
            at = np.arange(len(label))
            place[name].append(below[at, label] + random.random(len(label)) * posterior[at, label])
            error[name].append(label - posterior @ oracle.labels)
    for name in place:
        distance = np.abs(np.concatenate(place[name]) - 0.5)
        for level in (0.5, 0.8, 0.95):
            expected = np.sqrt(level * (1 - level) / (84 * 12))
            assert np.mean(distance < level / 2) == pytest.approx(level, abs=3.5 * expected), (name, level)
        errors = np.concatenate(error[name])
        assert abs(errors.mean()) < 3.5 * errors.std() / np.sqrt(84 * 12)


@pytest.mark.slow
def test_no_ridge_on_the_same_features_has_a_smaller_error(simulated):
    """With 400 training recordings, ridge on mean features, linear and log, still has a larger error."""
    over = ("cohort.recordings={train:400,dev:1,test:400}", "cohort.people_shared=0", "cohort.pulse.strength=1.2")
    cohort = simulated(*SHORT, *over, "cohort.pulse.lost_clips=0")
    stream, table = cohort.own.more[0], references(cohort)
    means = {}
    for name, own in cohort.clips.groupby("recording_id")["clip_id"]:
        x = np.concatenate([x[kept][:, stream.planted.valid] for x, kept, _ in map(stream.clip, own)])
        means[name] = np.concatenate([x.mean(axis=0), np.log(x).mean(axis=0)]) if len(x) else np.full(10, np.nan)
    x = np.array([means[name] for name in table.index])
    known = np.isfinite(x).all(axis=1)
    train, test = known & (table["split"] == "train"), known & (table["split"] == "test")
    label = table["label"].to_numpy()
    for columns in (slice(0, 5), slice(5, 10), slice(0, 10)):
        ridge = make_pipeline(StandardScaler(), RidgeCV(10.0 ** np.arange(-2, 6)))
        score = ridge.fit(x[train][:, columns], label[train]).predict(x[test][:, columns])
        own = table.loc[test, "oracle_pulse_mean"].to_numpy()
        gain = (score - label[test]) ** 2 - (own - label[test]) ** 2
        assert gain.mean() > -2 * gain.std() / np.sqrt(len(gain))
        assert np.corrcoef(score, label[test])[0, 1] > 0.35  # a competitive predictor


def test_both_streams_are_better_than_either(simulated):
    cohort = simulated(*SHORT, "cohort.recordings={train:1,dev:1,test:700}", "cohort.pulse.strength=1.2")
    table = references(cohort).query("split == 'test'")
    error = {m: (table[f"oracle_{m}_mean"] - table["label"]) ** 2 for m in ("signal", "pulse", "both")}
    for one in ("signal", "pulse"):
        gain = error[one] - error["both"]
        assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


@pytest.mark.slow
def test_knowing_people_helps_only_people_with_training_recordings(simulated):
    over = ("cohort.recordings={train:300,dev:1,test:250}", "cohort.people=240", "cohort.pulse.strength=1.2")
    cohort = simulated(*SHORT, *over)
    table, recordings = references(cohort), cohort.own.truth.recordings
    seen = set(recordings.loc[recordings["split"] == "train", "person_id"])
    test = table[table["split"] == "test"]
    known, strangers = test[test["person_id"].isin(seen)], test[~test["person_id"].isin(seen)]
    assert len(known) > 80 and len(strangers) > 80
    assert (strangers["oracle_both_people_mean"] == strangers["oracle_both_mean"]).all()
    for other in ("both", "people"):
        gain = (known[f"oracle_{other}_mean"] - known["label"]) ** 2
        gain = gain - (known["oracle_both_people_mean"] - known["label"]) ** 2
        assert gain.mean() > 1.6 * gain.std() / np.sqrt(len(gain))


def test_limiting_cases(simulated):
    silent = references(simulated(*SHORT, "cohort.pulse.strength=0"))
    # A pulse without signal adds nothing; sums over coarser grids agree.
    assert silent["oracle_both_people_mean"].to_numpy() == pytest.approx(
        silent["oracle_people_mean"].to_numpy(), abs=1e-4
    )
    assert silent["oracle_both_mean"].to_numpy() == pytest.approx(silent["oracle_signal_mean"].to_numpy(), abs=1e-9)
    assert silent["oracle_pulse_mean"].nunique() == 1 or np.ptp(silent["oracle_pulse_mean"]) < 1e-9
    alone = references(simulated(*SHORT, "cohort.signal.name=none"))
    assert alone["oracle_both_mean"].to_numpy() == pytest.approx(alone["oracle_pulse_mean"].to_numpy(), abs=1e-9)
    assert np.corrcoef(alone["oracle_pulse_mean"], alone["label"])[0, 1] > 0.3
    lost = references(simulated(*SHORT, "cohort.pulse.lost_clips=1"))
    assert np.ptp(lost["oracle_pulse_mean"]) < 1e-9
    pulse = "cohort.pulse={strength:1e4,lost_segments:0,lost_clips:0,segment:0.05}"
    loud = references(simulated(pulse, "cohort.label_noise=0"))
    assert np.abs(loud["oracle_pulse_median"] - loud["label"]).mean() < 3


def test_the_number_of_segments_is_used_where_duration_leaks(simulated):
    over = (
        "cohort.pulse.strength=0",
        "cohort.signal.name=none",
        "cohort.duration_leak=0.8",
        "cohort.recordings.test=300",
    )
    cohort = simulated("cohort.pulse.segment=0.5", *over)
    table = references(cohort).query("split == 'test'")
    error = {m: ((table[f"oracle_{m}_mean"] - table["label"]) ** 2).mean() for m in ("signal", "pulse", "both")}
    assert error["pulse"] < 0.75 * table["label"].var()
    assert table["oracle_both_mean"].to_numpy() == pytest.approx(table["oracle_signal_mean"].to_numpy(), abs=1e-9)
    # Segments are counted whole, frames to the block of about a second.
    coarse = references(simulated("cohort.pulse.segment=4", *over)).query("split == 'test'")
    assert error["pulse"] < ((coarse["oracle_pulse_mean"] - coarse["label"]) ** 2).mean()


def test_likelihood_of_a_length_sums_to_one(simulated):
    settings = simulated("cohort.duration_leak=0.5", small=False).own.settings
    least, most = block_bounds(settings)
    u = np.linspace(-3, 3, 7)
    total = sum(np.exp(log_length(blocks, blocks, u, settings)) for blocks in range(least, most + 1))
    assert total == pytest.approx(1, abs=1e-9)
    parts = [(least, 40), (41, 41), (42, most)]
    assert sum(np.exp(log_length(*part, u, settings)) for part in parts) == pytest.approx(1, abs=1e-9)
    assert np.exp(log_length(30, 39, np.zeros(1), settings)) == pytest.approx(
        np.diff(norm.cdf(np.log(np.array([29.5, 39.5]) * 32 / 30 / 36) / 0.6 / np.sqrt(0.75))), abs=1e-9
    )
