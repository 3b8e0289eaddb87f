"""Coverage and false alarms over training sets, on cohorts from which models are trained again and again.

A cohort has people with skewed labels and sixteen features: two of each half follow severity, all hold a person's own
part. A model is ridge on one half, its penalty chosen on the dev fold. Each cohort is cross-validated by person,
several times, as `splits=grouped` does. The true difference of ridge from a constant is the mean over all cohorts, each
of which is another draw of training people; the halves are exchangeable, so that ridge on one is as good as on the
other. Errors of the difference: the larger of the corrected resampled one and of the one from drawing people, which
`lfnet.evaluation.evidence` uses; the corrected one alone; the one without correction.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
from measures import wilson
from population import people

from lfnet.cohorts.splits import fold_people
from lfnet.evaluation.training_sets import corrected_resampled, over_people

FOLDS = 5
REPEATS = (2, 10)
SIZES = (50, 150)
FEATURES = 8  # of a half
FOLLOWS = 0.6
PENALTIES = (1.0, 10.0, 100.0)
LEVEL, ALPHA = 0.95, 0.05
RATIO = 1 / (FOLDS - 2)  # test / train, one fold being dev
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
    """One cross-validation: the fold of each recording, and its |error| by both halves and by a constant, [3, n]."""
    ids = [f"r{number}" for number in range(len(who.label))]
    frame = pd.DataFrame({"recording_id": ids, "person_id": [f"p{one}" for one in who.person], "label": who.label})
    fold_N = fold_people(frame, FOLDS, seed).loc[ids].to_numpy()
    y = who.label.astype(float)
    error_MN = np.empty((3, len(y)))
    for number in range(1, FOLDS + 1):
        test, dev = fold_N == number, fold_N == number % FOLDS + 1
        train = ~test & ~dev
        for place, half in enumerate(HALVES):
            tried = [ridge(x[train, half], y[train], penalty) for penalty in PENALTIES]
            best = min(tried, key=lambda model: np.abs(model(x[dev, half]) - y[dev]).mean())
            error_MN[place, test] = np.abs(best(x[test, half]) - y[test])
        error_MN[2, test] = np.abs(np.median(y[train]) - y[test])
    return fold_N, error_MN


def differences(person_N, fold_RN, apart_RN):
    """The difference of two errors [repeats, n] with each standard error: {name: Resampled}."""
    cells = [
        (apart_N[fold_N == number].mean(), (fold_N == number).sum())
        for fold_N, apart_N in zip(fold_RN, apart_RN, strict=True)
        for number in range(1, FOLDS + 1)
    ]
    value_K, count_K = np.array(cells).T
    sizes = np.bincount(person_N)
    by_person = over_people(np.bincount(person_N, apart_RN.mean(axis=0)) / sizes, sizes)
    corrected = corrected_resampled(value_K, count_K, RATIO)
    return {
        "the larger (in use)": max(corrected, by_person, key=lambda found: found.error),
        "corrected": corrected,
        "not corrected": corrected_resampled(value_K, count_K, 0.0),
    }


def training_sets(cohorts):
    """Measure all sizes: one row per size, number of repeats, claim and standard error."""
    rows = []
    for recordings in SIZES:
        random = np.random.default_rng(recordings)
        found = defaultdict(list)
        for _ in range(cohorts):
            who, x = draw(random, recordings)
            repeats = [errors(who, x, seed) for seed in range(max(REPEATS))]
            fold_RN, error_RMN = (np.stack(part) for part in zip(*repeats, strict=True))
            for count in REPEATS:
                for against, claim in ((2, "contains the truth"), (1, "equal models found different")):
                    apart_RN = error_RMN[:count, 0] - error_RMN[:count, against]
                    for name, one in differences(who.person, fold_RN[:count], apart_RN).items():
                        found[count, claim, name].append(one)
        rows += [
            _row(own, {"recordings": recordings, "repeats": count, "says": claim, "error": name})
            for (count, claim, name), own in found.items()
        ]
    return rows


def _row(found, names):
    """The rate of cohorts in which the claim is made."""
    if names["says"] == "contains the truth":
        truth = np.mean([one.value for one in found])
        intervals = [one.interval(LEVEL) for one in found]
        hits = [interval.low <= truth <= interval.high for interval in intervals]
    else:
        hits = [one.p() <= ALPHA for one in found]
    low, high = wilson(sum(hits), len(hits))
    return {**names, "cohorts": len(hits), "rate": float(np.mean(hits)), "rate_low": low, "rate_high": high}
