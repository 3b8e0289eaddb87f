"""The oracle is the Bayes predictor: Monte Carlo integration, calibration, other predictors, limiting cases."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom, multivariate_normal, norm
from sklearn.linear_model import LinearRegression

from lfnet.simulation.oracle import Oracle, references
from lfnet.simulation.signals import ClipStatistics

MODELS = {"oracle_signal_median", "oracle_signal_mean", "oracle_people_median", "oracle_people_mean"}


def _oracle(cohort) -> Oracle:
    own = cohort.own
    return Oracle(
        own.truth.recordings, own.truth.clips["recording"].to_numpy(), list(own.statistics().values()), own.settings
    )


def _errors(cohort, model: str, split: str = "test") -> np.ndarray:
    table = cohort.own.references().query("model == @model").merge(cohort.recordings(), on="recording_id")
    table = table[table["split"] == split]
    return (table["score"] - table["label"]).to_numpy()


def test_references_have_a_row_for_each_recording_and_model(simulated):
    cohort = simulated()
    table = cohort.own.references()
    assert list(table.columns) == ["recording_id", "model", "score"]
    assert set(table["model"]) == MODELS
    counts = table.groupby("model")["recording_id"].agg(["size", "nunique"])
    assert (counts == 150).all().all() and table["score"].between(0, 63).all()


def _tiny(settings) -> tuple[pd.DataFrame, np.ndarray, list[ClipStatistics]]:
    """Build one person with a recording in train and one in test, short enough for sampling from the prior."""
    recordings = pd.DataFrame(
        {
            "recording_id": ["a_1", "a_2", "b_1"],
            "person": [0, 0, 1],
            "split": ["train", "test", "train"],
            "label": [8.0, 4.0, 12.0],
        }
    )
    none = np.array([])
    statistics = [
        ClipStatistics(1504, 8, 1.6, 5, 1, 2, np.zeros(3)),
        ClipStatistics(896, 9, 1.2, 4, 0, 1, np.array([0.0, 0.0, 0.5])),
        ClipStatistics(800, 9, 1.0, 4, 1, 3, np.array([1 / 3])),
        ClipStatistics(704, 0, 0.0, 0, 0, 0, none),
        ClipStatistics(992, 5, 2.0, 4, 0, 4, none),
        ClipStatistics(1600, 5, 2.0, 4, 1, 4, none),
    ]
    return recordings, np.array([0, 0, 1, 1, 2, 2]), statistics


def test_posteriors_equal_monte_carlo_integration(simulated):
    """Draw severities and drives from their prior, weight them by a likelihood written independently with SciPy.

    The levels of all clips of both recordings are one normal vector, its covariance filled in entry by entry.
    """
    signal = "cohort.signal={strength:2,shares:{level:0.6,tempo:0.2,burst:0.2}}"
    settings = simulated("cohort.duration_leak=0.4", signal, small=False).own.settings
    recordings, owner, statistics = _tiny(settings)
    oracle = Oracle(recordings, owner, statistics, settings)
    random, draws, chunks = np.random.default_rng(0), 100_000, 8
    k = {name: settings.signal.coupling(name) for name in ("level", "tempo", "burst")}
    rest = {name: np.sqrt(1 - value**2) for name, value in k.items()}
    faces = [i for i in np.flatnonzero(owner < 2) if statistics[i].seen]
    covariance = np.empty((len(faces), len(faces)))
    for row, i in enumerate(faces):
        for column, j in enumerate(faces):
            shared = 0.4 + 0.4 * (owner[i] == owner[j]) + 0.2 * (i == j)
            covariance[row, column] = rest["level"] ** 2 * shared + (i == j) / statistics[i].seen
    level = np.array([statistics[i].level for i in faces])
    second = [place for place, i in enumerate(faces) if owner[i] == 1]
    totals = {"signal": np.zeros(64), "people": np.zeros(64)}
    squares = {"signal": 0.0, "people": 0.0}
    for _ in range(chunks):
        a = random.standard_normal(draws)
        u = np.sqrt(0.7) * a + np.sqrt(0.3) * random.standard_normal((2, draws))
        log = np.zeros((2, draws))
        for row in (0, 1):
            tempo = norm.cdf(k["tempo"] * u[row] + rest["tempo"] * random.standard_normal(draws))
            burst = norm.cdf(-1.6 + 0.7 * (k["burst"] * u[row] + rest["burst"] * random.standard_normal(draws)))
            for clip in (statistics[i] for i in np.flatnonzero(owner == row)):
                seconds = (np.log(np.array([clip.frames - 16, clip.frames + 16]) / 30 / 36) / 0.6)[:, None]
                edges = (seconds - 0.4 * u[row]) / np.sqrt(1 - 0.4**2)
                log[row] += np.log(norm.cdf(edges[1]) - norm.cdf(edges[0]))
                log[row] += binom.logpmf(clip.events, clip.blocks, burst) + clip.disordered * np.log(1 - tempo)
                log[row] += np.sum([np.log(tempo + (1 - tempo) * chance) for chance in clip.chance], axis=0)
        severity = 63 * beta.ppf(norm.cdf(u), *settings.beta)
        upper, lower = norm.cdf((8.5 - severity[0]) / 2), norm.cdf((7.5 - severity[0]) / 2)
        observed = np.clip(np.rint(severity[1] + 2.0 * random.standard_normal(draws)), 0, 63).astype(int)
        away = level - k["level"] * u[owner[faces]].T
        both = multivariate_normal(cov=covariance).logpdf(away)
        alone = multivariate_normal(cov=covariance[np.ix_(second, second)]).logpdf(away[:, second])
        weights = {
            "signal": log[1] + alone,
            "people": log.sum(axis=0) + both + np.log(np.maximum(upper - lower, 1e-300)),
        }
        for name, weight in weights.items():
            totals[name] += np.bincount(observed, np.exp(weight + 40), minlength=64)
            squares[name] += np.sum(np.exp(weight + 40) ** 2)
    labels = np.arange(64)
    for name, posterior in (("signal", oracle.signal()[1]), ("people", oracle.people()[1])):
        effective = totals[name].sum() ** 2 / squares[name]
        estimate = totals[name] / totals[name].sum()
        deviation = np.sqrt(posterior @ labels**2 - (posterior @ labels) ** 2)
        assert effective > 5_000, (name, effective)
        assert posterior @ labels == pytest.approx(estimate @ labels, abs=3.5 * deviation / np.sqrt(effective))
        assert np.abs(np.cumsum(posterior) - np.cumsum(estimate)).max() < 3.5 * 0.5 / np.sqrt(effective)
    # Only the person is in train, without a label of their own: nothing more is known.
    assert oracle.people()[2] == pytest.approx(oracle.signal()[2])


@pytest.mark.slow
def test_posteriors_are_calibrated(simulated):
    """Over 12 cohorts the label lies in the 50, 80 and 95 % intervals as often as these say, for both oracles."""
    inside: dict[str, list[np.ndarray]] = {"signal": [], "people": []}
    random = np.random.default_rng(0)
    for seed in range(12):
        cohort = simulated(f"cohort.seed={seed}")
        oracle = _oracle(cohort)
        label = oracle.recordings["label"].to_numpy().astype(int)
        for name in inside:
            posterior = getattr(oracle, name)()
            below = np.cumsum(posterior, axis=1) - posterior
            rows = np.arange(len(label))
            # The probability integral transform of a discrete label, made continuous: uniform if calibrated.
            place = below[rows, label] + random.random(len(label)) * posterior[rows, label]
            inside[name].append(np.abs(place - 0.5))
    for name, distances in inside.items():
        distance = np.concatenate(distances)
        for level in (0.5, 0.8, 0.95):
            # Recordings of a person are not independent: about 84 · 12 people carry the evidence.
            error = np.sqrt(level * (1 - level) / (84 * 12))
            assert np.mean(distance < level / 2) == pytest.approx(level, abs=3.5 * error), (name, level)


@pytest.mark.slow
def test_no_regression_on_the_true_statistics_has_a_smaller_error(simulated):
    """With 300 training recordings and the oracle's own statistics, a regression still has a larger error."""
    cohort = simulated("cohort.recordings={train:300,dev:1,test:300}", "cohort.people_shared=0")
    own, recordings = cohort.own, cohort.own.truth.recordings
    table = pd.DataFrame([vars(one) for one in own.statistics().values()])
    table = table.assign(recording=own.truth.clips["recording"], ordered=table["chance"].map(len))
    per = table.groupby("recording")[["level", "blocks", "events", "disordered", "ordered"]].sum()
    x = np.stack([per["level"], per["events"] / per["blocks"], per["ordered"] / per["blocks"]], axis=1)
    x = np.concatenate([x, x**2], axis=1)
    train, test = ((recordings["split"] == split).to_numpy() for split in ("train", "test"))
    label = recordings["label"].to_numpy()
    regression = LinearRegression().fit(x[train], label[train]).predict(x[test]) - label[test]
    median, mean = _errors(cohort, "oracle_signal_median"), _errors(cohort, "oracle_signal_mean")
    for gain in (np.abs(regression) - np.abs(median), regression**2 - mean**2):
        assert gain.mean() > 0 or abs(gain.mean()) < 2 * gain.std() / np.sqrt(len(gain))
    constant = np.median(label[train]) - label[test]
    assert np.abs(median).mean() < np.abs(regression).mean() + 0.1 < np.abs(constant).mean() - 2


def test_knowing_people_helps_only_people_with_training_recordings(simulated):
    cohort = simulated("cohort.recordings={train:200,dev:1,test:400}", "cohort.people=300")
    recordings = cohort.own.truth.recordings
    seen = recordings["person"].isin(recordings.loc[recordings["split"] == "train", "person"])
    table = cohort.own.references().pivot(index="recording_id", columns="model", values="score")
    table = table.loc[recordings["recording_id"]]
    test = (recordings["split"] == "test").to_numpy()
    stranger = test & ~seen.to_numpy()
    assert (table["oracle_people_mean"] == table["oracle_signal_mean"])[stranger].all()
    known, label = test & seen.to_numpy(), recordings["label"].to_numpy()
    assert known.sum() > 80 and stranger.sum() > 80
    error = {name: (table[f"oracle_{name}_mean"].to_numpy() - label)[known] ** 2 for name in ("signal", "people")}
    gain = error["signal"] - error["people"]
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


def test_at_a_very_large_strength_only_label_noise_is_left(simulated):
    """With level read exactly, the error is that of the observed score about severity."""
    cohort = simulated("cohort.signal={name:level,strength:1e4}", "cohort.label_noise=3", "cohort.recordings.test=600")
    label, severity = (cohort.own.truth.recordings[name] for name in ("label", "severity"))
    test = cohort.own.truth.recordings["split"] == "test"
    least = np.sqrt(np.mean((label - np.clip(severity, 0, 63))[test] ** 2))
    errors = _errors(cohort, "oracle_signal_mean")
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(least, rel=0.06)
    noiseless = simulated("cohort.signal={name:level,strength:1e4}", "cohort.label_noise=0").own
    few = noiseless.truth.recordings.head(10)
    statistics = [ClipStatistics(3000, 3000, float(u), 0, 0, 0, np.array([])) for u in np.repeat(few["u"], 2)]
    found = references(few, np.repeat(np.arange(10), 2), statistics, noiseless.settings)
    exact = found.query("model == 'oracle_signal_median'")["score"].to_numpy()
    assert np.abs(exact - few["label"]).max() <= 1


def test_without_a_signal_only_the_prior_is_left(simulated):
    cohort = simulated("cohort.signal.name=none")
    oracle = _oracle(cohort)
    prior = oracle.signal()
    assert prior == pytest.approx(np.broadcast_to(prior[0], prior.shape), abs=1e-9)
    draws = np.random.default_rng(0).standard_normal(400_000)
    severity = 63 * beta.ppf(norm.cdf(draws), *cohort.own.settings.beta)
    label = np.clip(np.rint(severity + 2 * np.random.default_rng(1).standard_normal(400_000)), 0, 63)
    expected = np.bincount(label.astype(int), minlength=64) / 400_000
    assert prior[0] == pytest.approx(expected, abs=0.0015)
    scores = cohort.own.references().groupby("model")["score"]
    assert scores.get_group("oracle_signal_median").unique() == [np.median(label)]
    assert scores.get_group("oracle_signal_mean").iloc[0] == pytest.approx(label.mean(), abs=0.1)
    # Only the person is informative now: their other labels shift the prior.
    people = oracle.people() @ oracle.labels
    recordings = oracle.recordings
    train = recordings[recordings["split"] == "train"].groupby("person")["label"].mean()
    test = recordings[(recordings["split"] == "test") & recordings["person"].isin(train.index)]
    assert np.corrcoef(people[test.index], train.loc[test["person"]])[0, 1] > 0.9
    stranger = ~recordings["person"].isin(train.index)
    assert people[stranger] == pytest.approx(prior[0] @ oracle.labels)


def test_the_oracle_uses_only_features_and_training_labels(simulated):
    cohort = simulated("cohort.recordings={train:20,dev:5,test:20}")
    own, expected = cohort.own, cohort.own.references()
    features = {name: own.clip(name)[:2] for name in cohort.clips["clip_id"]}
    fresh = simulated("cohort.recordings={train:20,dev:5,test:20}").own
    hidden = fresh.truth.recordings.assign(u=np.nan, severity=np.nan, tempo=np.nan, burst=np.nan)
    hidden.loc[hidden["split"] != "train", "label"] = np.nan
    object.__setattr__(fresh.truth, "recordings", hidden)
    object.__setattr__(fresh.truth, "clips", fresh.truth.clips.assign(level=np.nan, n_frames=0))
    pd.testing.assert_frame_equal(fresh.references(features.__getitem__), expected)
    # With the features of two recordings swapped, their scores are swapped.
    one, two = hidden.index[hidden["split"] == "test"][:2]
    swap = {
        f"{hidden['recording_id'][i]}_{task}": f"{hidden['recording_id'][j]}_{task}"
        for i, j in ((one, two), (two, one))
        for task in ("freeform", "northwind")
    }
    swapped = fresh.references(lambda name: features[swap.get(name, name)])
    before, after = (
        t.query("model == 'oracle_signal_mean'").set_index("recording_id")["score"] for t in (expected, swapped)
    )
    names = hidden["recording_id"][[one, two]].tolist()
    assert after[names].tolist() == before[names[::-1]].tolist()


def test_a_recordings_own_label_is_never_used(simulated):
    cohort = simulated("cohort.recordings={train:60,dev:5,test:5}")
    own = cohort.own
    before = own.references().query("model == 'oracle_people_mean'")["score"].to_numpy()
    row = int(own.truth.recordings.index[own.truth.recordings["split"] == "train"][0])
    changed = own.truth.recordings.copy()
    changed.loc[row, "label"] = 63.0
    statistics = list(own.statistics().values())
    after = references(changed, own.truth.clips["recording"].to_numpy(), statistics, own.settings)
    after = after.query("model == 'oracle_people_mean'")["score"].to_numpy()
    assert after[row] == before[row]
    others = own.truth.recordings["person"] == own.truth.recordings["person"][row]
    assert (after != before).tolist() == (others & (own.truth.recordings.index != row)).tolist()


def test_duration_is_used_where_it_leaks(simulated):
    plain, leaking = (
        simulated("cohort.signal.name=none", f"cohort.duration_leak={leak}", "cohort.recordings.test=300")
        for leak in (0, 0.8)
    )
    errors = [np.mean(_errors(cohort, "oracle_signal_mean") ** 2) for cohort in (plain, leaking)]
    assert errors[1] < 0.75 * errors[0]
