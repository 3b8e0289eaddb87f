"""Coverage and false alarms of the corrected resampled t, on cohorts from which models are trained again and again.

A cohort has people with skewed labels and sixteen features: two of each half follow severity, all hold a person's own
part. A model is ridge on one half, its penalty chosen on the dev fold. Each cohort is cross-validated by person,
several times, as `splits=grouped` does. The truth is the mean error over all cohorts: each is another draw of training
people. The halves are exchangeable, so that ridge on one is as good as on the other.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
from measures import wilson
from population import people

from lfnet.cohorts.splits import fold_people
from lfnet.evaluation.training_sets import Resampled, corrected_resampled

FOLDS = 5
REPEATS = (2, 10)
SIZES = (50, 150)
FEATURES = 8  # of a half
FOLLOWS = 0.6
PENALTIES = (1.0, 10.0, 100.0)
LEVEL, ALPHA = 0.95, 0.05
# What the variance is multiplied by, besides 1 / K.
RATIOS = {"test / train": 1 / (FOLDS - 2), "test / (train + dev)": 1 / (FOLDS - 1), "not corrected": 0.0}
HALVES = (slice(0, FEATURES), slice(FEATURES, 2 * FEATURES))


def draw(random, recordings):
    """Return the people of a cohort, their labels, and features [n, 16]."""
    who = people(random, recordings)
    count = len(who.label)
    own = random.normal(size=(who.person.max() + 1, 2 * FEATURES))[who.person]
    x = 0.7 * own + random.normal(size=(count, 2 * FEATURES))
    x[:, [0, 1, FEATURES, FEATURES + 1]] += FOLLOWS * who.u[:, None]
    return who, x


def ridge(x, y, penalty):
    """Return a function that scores features."""
    centre, mean = x.mean(axis=0), y.mean()
    weights = np.linalg.solve((x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1]), (x - centre).T @ (y - mean))
    return lambda other: mean + (other - centre) @ weights


def errors(who, x, seed):
    """One cross-validation: of each fold its number of test recordings, and MAE of both halves and of a constant."""
    ids = [f"r{number}" for number in range(len(who.label))]
    frame = pd.DataFrame({"recording_id": ids, "person_id": [f"p{one}" for one in who.person], "label": who.label})
    fold = fold_people(frame, FOLDS, seed).loc[ids].to_numpy()
    y = who.label.astype(float)
    rows = []
    for number in range(1, FOLDS + 1):
        test, dev = fold == number, fold == number % FOLDS + 1
        train = ~test & ~dev
        row = [test.sum()]
        for half in HALVES:
            tried = [ridge(x[train, half], y[train], penalty) for penalty in PENALTIES]
            best = min(tried, key=lambda model: np.abs(model(x[dev, half]) - y[dev]).mean())
            row.append(np.abs(best(x[test, half]) - y[test]).mean())
        rows.append([*row, np.abs(np.median(y[train]) - y[test]).mean()])
    return np.array(rows)


def training_sets(cohorts):
    """Measure all sizes, one row per size, number of repeats and correction."""
    rows = []
    for recordings in SIZES:
        random = np.random.default_rng(recordings)
        drawn = []
        for _ in range(cohorts):
            who, x = draw(random, recordings)
            drawn.append([errors(who, x, seed) for seed in range(max(REPEATS))])
        means = np.mean(
            [np.average(np.concatenate(one), axis=0, weights=np.concatenate(one)[:, 0]) for one in drawn], 0
        )
        for repeats in REPEATS:
            cells = [np.concatenate(one[:repeats]) for one in drawn]
            for name, ratio in RATIOS.items():
                rows += _row(cells, means, ratio, {"recordings": recordings, "repeats": repeats, "variance": name})
    return rows


def _row(cells, means, ratio, names):
    hits = defaultdict(list)
    for count, first, second, constant in (cell.T for cell in cells):
        value = corrected_resampled(first, count, ratio)
        gap = corrected_resampled(first - constant, count, ratio)
        hits["MAE contains the truth"].append(_within(value, means[1]))
        hits["difference from a constant contains the truth"].append(_within(gap, means[1] - means[3]))
        hits["equal models found different"].append(corrected_resampled(first - second, count, ratio).p() <= ALPHA)
    for says, found in hits.items():
        low, high = wilson(sum(found), len(found))
        rate = float(np.mean(found))
        yield {**names, "says": says, "cohorts": len(found), "rate": rate, "rate_low": low, "rate_high": high}


def _within(found: Resampled, truth):
    interval = found.interval(LEVEL)
    return interval.low <= truth <= interval.high
