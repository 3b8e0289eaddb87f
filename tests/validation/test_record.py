"""The record of the measurements matches the methods in use, and its README matches the record."""

import numpy as np
import pandas as pd
import pytest

from lfnet.evaluation.intervals import DIFFERENCES, METHODS, REACHED, coverage_sentence
from tests.validation.conftest import FOLDER


def read(name):
    return pd.read_csv(FOLDER / f"{name}.csv")


@pytest.fixture(scope="module")
def coverage():
    return read("coverage")


def test_the_record_matches_the_methods_in_use(scripts):
    """The same intervals and p-values on one fixed cohort; where they differ, run `make validate` and compare."""
    recorded = read("method")
    now = pd.DataFrame(scripts("record").fixed_cohort())
    texts = ["estimand", "of", "metric", "method"]
    pd.testing.assert_frame_equal(recorded[texts], now[texts], check_dtype=False)
    numbers = [column for column in recorded if column not in texts]
    pd.testing.assert_frame_equal(recorded[numbers], now[numbers], rtol=1e-6)


def test_the_record_is_complete(coverage):
    chosen = coverage[coverage["chosen"] == 1]
    for of, methods in (("value", METHODS), ("difference", DIFFERENCES)):
        part = chosen[chosen["of"] == of]
        assert dict(zip(part["metric"], part["method"], strict=True)) == {
            metric: method for metric, method in methods.items() if metric != "var_ratio"
        }
        cohorts = part.groupby(["estimand", "metric", "recordings"])["cohorts"].sum()
        assert set(cohorts.index.get_level_values("recordings")) == {50, 150, 500}
        assert cohorts.min() >= 2000
    alarms = read("false_alarms")
    assert set(alarms["recordings"]) == {50, 150, 500} and alarms["cohorts"].min() >= 2000
    assert read("ridge")["cohorts"].min() >= 100


def test_the_methods_in_use_reach_the_target(coverage):
    """93 % or more at n = 50, over heads and estimands, up to Monte Carlo error."""
    part = coverage[(coverage["chosen"] == 1) & (coverage["of"] == "value") & (coverage["recordings"] == 50)]
    for metric, rows in part.groupby("metric"):
        assert rows["coverage"].mean() >= 0.93, metric


def test_the_methods_in_use_cover_best(coverage):
    """Nearest to 95 % at n = 50, up to Monte Carlo error."""
    at_50 = coverage[coverage["recordings"] == 50]
    for (of, metric), rows in at_50.groupby(["of", "metric"]):
        missed = (rows.groupby("method")["coverage"].mean() - 0.95).abs()
        used = rows.loc[rows["chosen"] == 1, "method"].unique()
        assert len(used) == 1 and missed[used[0]] <= missed.min() + 0.005, (of, metric)


def test_false_alarms_are_at_most_five_per_cent(coverage):
    alarms = read("false_alarms")
    alarms = alarms[~alarms["case"].str.contains("were seeds ignored")]
    assert (alarms["rate_low"] <= 0.05).all(), alarms[alarms["rate_low"] > 0.05]
    assert (alarms["rate_high"] <= 0.07).all(), alarms[alarms["rate_high"] > 0.07]


def test_coverage_is_93_to_97_per_cent_of_30_people_or_more(coverage):
    """Of each head, estimand and pair, within Monte Carlo error; 150 recordings are of 84 people."""
    part = coverage[(coverage["chosen"] == 1) & (coverage["recordings"] >= 150)]
    assert len(part) == 2 * 2 * 6 * (3 + 2)  # sizes, estimands, metrics, three heads and two pairs
    outside = part[(part["coverage_high"] < 0.93) | (part["coverage_low"] > 0.97)]
    assert not len(outside), outside


def test_the_numbers_of_the_footer_match_the_record(coverage):
    part = coverage[(coverage["chosen"] == 1) & (coverage["of"] == "value")]
    for (people, reached), recordings in zip(REACHED.items(), (50, 150, 500), strict=True):
        rates = part[part["recordings"] == recordings].groupby("metric", sort=False)["coverage"].mean()
        assert {metric: 100 * rate for metric, rate in rates.items()} == pytest.approx(reached, abs=0.0501)
        low, high = min(reached.values()), max(reached.values())
        text = coverage_sentence(["mae", "rmse", "pcc", "ccc", "sigma_ratio", "skill"], people)
        assert f"in {low:.1f}–{high:.1f} % of simulated cohorts of {people} people ({recordings} recordings)" in text
        assert f"in {reached['mae']:.1f} % of" in coverage_sentence(["mae"], people)
    assert coverage_sentence(["mae"], 28, level=0.9) == "" and coverage_sentence(["var_ratio"], 28) == ""


def test_the_record_is_of_the_people_that_the_footer_names(scripts):
    population = scripts("population")
    for people, recordings in zip(REACHED, (50, 150, 500), strict=True):
        assert len(set(population.people(np.random.default_rng(0), recordings).person)) == people


@pytest.mark.parametrize(
    ("people", "nearest"),
    [(10, "28 people (50 recordings; the fewest measured)"), (40, "28 people (50 recordings)"),
     (81, "84 people (150 recordings)"), (250, "280 people (500 recordings)"),
     (1344, "280 people (500 recordings; the most measured)")],
)  # fmt: skip
def test_the_footer_quotes_the_measured_size_nearest_to_the_people_scored(people, nearest):
    assert nearest in coverage_sentence(["mae"], people)


def test_verdicts_over_training_sets_hold_what_they_promise():
    """At most 5 % of equal models differ, and 93 to 97 % of intervals hold the truth, within Monte Carlo error."""
    sets = read("training_sets")
    for (error, says), part in sets.groupby(["error", "says"]):
        if error == "the larger (in use)":
            if "different" in says:
                found = (part["rate_low"] <= 0.05) & (part["rate_high"] <= 0.07)
            else:
                found = (part["rate_high"] >= 0.93) & (part["rate_low"] <= 0.97)
            assert len(part) == 4 and found.all(), says
    naive = sets[(sets["error"] == "not corrected") & (sets["says"] == "equal models found different")]
    assert (naive["rate_low"] > 0.1).all()


def test_the_script_writes_only_when_asked(scripts, monkeypatch, capsys, tmp_path):
    validate = scripts("validate")
    monkeypatch.setattr(validate, "HERE", tmp_path)
    monkeypatch.setattr("sys.argv", ["validate.py", "--parts", "method"])
    validate.main()
    assert "jackknife t" in capsys.readouterr().out and list(tmp_path.iterdir()) == []
    monkeypatch.setattr("sys.argv", ["validate.py", "--parts", "method", "--write"])
    validate.main()
    assert [file.name for file in tmp_path.iterdir()] == ["method.csv"]
    monkeypatch.setattr("sys.argv", ["validate.py", "--parts", "everything"])
    with pytest.raises(SystemExit):
        validate.main()
