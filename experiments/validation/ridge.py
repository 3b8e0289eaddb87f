"""End to end: features of a simulated cohort, ridge trained on them, and intervals from test sets of 50 recordings.

Each cohort has 50 training recordings and a test pool of 1,000 of other people. The metric on the pool is the
truth; the pool is divided by person into test sets of about 50 recordings, each of which gives an interval. The truth
contains each test set's recordings (one in twenty), which raises coverage by about half a percent.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from measures import LEVEL, METRICS, RESAMPLES
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lfnet.config import instantiate
from lfnet.evaluation.intervals import METHODS, interval
from lfnet.evaluation.metrics import METRICS as TABLES
from lfnet.evaluation.resample import measure, people_weights
from lfnet.evaluation.sufficient_statistics import label_sums, score_sums

CONF = Path(__file__).resolve().parents[2] / "conf"
POOL, SET = 1000, 50
# Short clips of few dimensions: as noisy an association with severity, a hundred times as fast.
SMALL = ("cohort.dim=32", "cohort.duration={min:2,max:5,median:3}", "cohort.people_shared=0")


def cohort(seed):
    """Mean features [n, D], and label, person and split of each recording of one simulated cohort."""
    sizes = f"cohort.recordings={{train:50,dev:2,test:{POOL}}}"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("cohort/simulated", overrides=[sizes, f"cohort.seed={seed}", *SMALL])
    made = instantiate(config.cohort, "cohort")
    recordings = made.recordings()
    pooled = {name: [] for name in recordings["recording_id"]}
    for clip, recording in zip(made.clips["clip_id"], made.clips["recording_id"], strict=True):
        features, valid, _ = made.own.clip(clip)
        pooled[recording].append(features[valid].mean(axis=0))
    return np.stack([np.mean(pooled[name], axis=0) for name in recordings["recording_id"]]), recordings


def outcomes(seed):
    """Measure one cohort: a row per test set and metric with the truth and whether the interval contains it."""
    x, recordings = cohort(seed)
    label, split = recordings["label"].to_numpy(), recordings["split"].to_numpy()
    person = pd.factorize(recordings["person_id"])[0]
    model = make_pipeline(StandardScaler(), RidgeCV(10.0 ** np.arange(0, 6)))
    score = model.fit(x[split == "train"], label[split == "train"]).predict(x)
    constant = float(np.median(label[split == "train"]))
    test = split == "test"
    y, s, who = label[test], score[test], pd.factorize(person[test])[0]
    true = {metric: _measured(metric, y, s, constant) for metric in METRICS}
    rows = []
    for number, chosen in enumerate(_test_sets(who, np.random.default_rng([seed, 4]))):
        people = pd.factorize(who[chosen])[0]
        labels = label_sums(people, y[chosen], constant)
        scores = [score_sums(people, y[chosen], s[chosen][None])]
        weight = people_weights(labels.people, RESAMPLES[SET], 1000 * seed + number)
        for metric in METRICS:
            found = interval(measure(metric, labels, scores, weight_BP=weight)[0][0], METHODS[metric], LEVEL)
            covered = found is not None and found.low <= true[metric] <= found.high
            rows.append({"seed": seed, "metric": metric, "truth": true[metric], "covered": covered})
    return rows


def _measured(metric, y, s, constant):
    if metric in TABLES:
        return float(TABLES[metric].function(y, s))
    return float(1 - np.abs(y - s).mean() / np.abs(y - constant).mean())


def _test_sets(who, random):
    """Recordings of each test set: people are added until a set has 50 or more."""
    sets, now, count = [], [], 0
    sizes = np.bincount(who)
    for one in random.permutation(len(sizes)):
        now.append(one)
        count += sizes[one]
        if count >= SET:
            sets.append(np.isin(who, now))
            now, count = [], 0
    return sets


def ridge_coverage(cohorts, first=0):
    """Rows of the record, their Monte Carlo interval over cohorts: the test sets of one cohort share its ridge."""
    table = pd.DataFrame([row for seed in range(first, first + cohorts) for row in outcomes(seed)])
    rows = []
    for metric, part in table.groupby("metric", sort=False):
        by_cohort = part.groupby("seed")["covered"].mean()
        error = by_cohort.std(ddof=1) / np.sqrt(len(by_cohort)) if len(by_cohort) > 1 else np.nan
        rate = float(part["covered"].mean())
        rows.append(
            {
                "metric": metric,
                "method": METHODS[metric],
                "cohorts": len(by_cohort),
                "test_sets": len(part),
                "mean_truth": float(part.groupby("seed")["truth"].first().mean()),
                "coverage": rate,
                "coverage_low": rate - 1.96 * error,
                "coverage_high": rate + 1.96 * error,
            }
        )
    return rows
