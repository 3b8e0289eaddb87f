"""Measure coverage of intervals and rates of false alarms on simulated people with known truth.

Each function draws cohorts and returns one flat record per question. Rates have the interval of their Monte Carlo error
(Wilson 1927, 95 %).
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
from methods import ALL_METHODS
from population import CONSTANT, HEADS, over_seeds, people, scores, truth, with_mae_of

from lfnet.evaluation.compare import equivalence_p, holm, pivot_p, sign_flip_p
from lfnet.evaluation.intervals import DIFFERENCES, METHODS
from lfnet.evaluation.resample import measure, people_weights, seed_shares
from lfnet.evaluation.sufficient_statistics import EVIDENCE_METRICS, label_sums, score_sums

LEVEL, ALPHA, MARGIN = 0.95, 0.05, 1.0
SEEDS = 5  # the minimum for a statement about an architecture
FAMILY = 8  # rows compared with one reference
RESAMPLES = {50: 999, 150: 599, 500: 399}
# var_ratio is sigma_ratio squared, and so is its interval.
METRICS = tuple(metric for metric in EVIDENCE_METRICS if metric != "var_ratio")
FIXED_SEED = {"seed_bias": 0.0, "seed_slope": 0.0}  # one trained model: no variance between seeds

FAIR, STRONG = HEADS["fair"], HEADS["strong"]
FIXED_SEED_FAIR = replace(FAIR, **FIXED_SEED)
PAIRS = {
    "equal heads": (FAIR, FAIR),
    "equal MAE, unequal spread": (FAIR, with_mae_of(STRONG, FAIR)),
}
FIXED_SEED_PAIRS = {
    "equal heads": (FIXED_SEED_FAIR, FIXED_SEED_FAIR),
    "equal MAE, unequal spread": (FIXED_SEED_FAIR, with_mae_of(replace(STRONG, **FIXED_SEED), FIXED_SEED_FAIR)),
}


def wilson(hits, total):
    """The 95 % interval of a rate."""
    rate, z = hits / total, 1.959964
    centre = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * np.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    return centre - reach, centre + reach


def coverage(head, recordings, cohorts, *, joint, methods=tuple(ALL_METHODS), first=0):
    """Rows of the record: how often each method's interval contained the true metric of a head.

    joint: the architecture, over seeds (five) and people; else one trained model, over people.
    """
    seeds = SEEDS if joint else 1
    expected = over_seeds(HEADS[head])
    tally = defaultdict(list)
    for cohort in range(first, first + cohorts):
        random = np.random.default_rng([cohort, recordings, seeds, 1])
        who = people(random, recordings)
        scored, drawn = scores(random, HEADS[head], who, seeds)
        true = expected if joint else truth(HEADS[head], *drawn[0])
        _count(tally, who, [scored], None, lambda metric, true=true: true[metric], cohort, joint, methods, METHODS)
    return _coverage_rows(tally, "value", head, recordings, joint, METHODS)


def difference_coverage(pair, recordings, cohorts, *, joint, methods=tuple(ALL_METHODS), first=0):
    """The same for the paired difference of two heads."""
    seeds = SEEDS if joint else 1
    one, other = (PAIRS if joint else FIXED_SEED_PAIRS)[pair]
    expected = [over_seeds(head) for head in (one, other)]
    tally = defaultdict(list)
    for cohort in range(first, first + cohorts):
        random = np.random.default_rng([cohort, recordings, seeds, 2])
        who = people(random, recordings)
        scored = [scores(random, head, who, seeds)[0] for head in (one, other)]
        _count(
            tally,
            who,
            scored,
            1,
            lambda metric: expected[0][metric] - expected[1][metric],
            cohort,
            joint,
            methods,
            DIFFERENCES,
        )
    return _coverage_rows(tally, "difference", pair, recordings, joint, DIFFERENCES)


def _sums(who, scored):
    labels = label_sums(who.person, who.label, CONSTANT)
    return labels, [score_sums(who.person, who.label, one) for one in scored]


def _count(tally, who, scored, reference, true, cohort, joint, methods, chosen):
    labels, rows = _sums(who, scored)
    resamples = RESAMPLES[len(who.label)]
    weight = people_weights(labels.people, resamples, cohort)
    shares = [seed_shares(str(n), len(one), resamples, cohort) for n, one in enumerate(scored)] if joint else None
    for metric in METRICS:
        wanted = methods or (chosen[metric],)
        resampled = None if wanted == ("jackknife t",) else weight
        own, gaps = measure(metric, labels, rows, weight_BP=resampled, shares=shares, reference=reference)
        quantity = own[0] if reference is None else gaps[0]
        for method in wanted:
            found = ALL_METHODS[method](quantity, LEVEL)
            if found is None:
                tally[metric, method].append((False, False, np.nan))
                continue
            value = true(metric)
            tally[metric, method].append((found.low <= value <= found.high, value < found.low, found.high - found.low))


def _coverage_rows(tally, of, case, recordings, joint, chosen):
    rows = []
    for (metric, method), outcomes in tally.items():
        inside, below, length = (np.array(column, dtype=float) for column in zip(*outcomes, strict=True))
        low, high = wilson(inside.sum(), len(inside))
        rows.append(
            {
                "of": of,
                "estimand": "architecture" if joint else "trained",
                "case": case,
                "recordings": recordings,
                "metric": metric,
                "method": method,
                "chosen": int(chosen[metric] == method),
                "cohorts": len(inside),
                "coverage": inside.mean(),
                "coverage_low": low,
                "coverage_high": high,
                "truth_below": below.mean(),
                "truth_above": 1 - inside.mean() - below.mean(),
                "median_length": np.nanmedian(length),
            }
        )
    return rows


def alarms(recordings, cohorts, first=0):
    """Rows of the record: how often a test rejects a true null hypothesis. All are about MAE, at α = .05."""
    found = defaultdict(list)
    pairs = FIXED_SEED_PAIRS | {"equal MAE, one a constant": (with_mae_of(FIXED_SEED_FAIR, _constant()), None)}
    apart = {joint: _one_margin_apart(joint) for joint in (False, True)}
    for cohort in range(first, first + cohorts):
        random = np.random.default_rng([cohort, recordings, 3])
        who = people(random, recordings)
        for name, pair in pairs.items():
            scored = [_scored(random, head, who, 1) for head in pair]
            found["different", "trained", name].append(_flip(who, scored, cohort) <= ALPHA)
        found["equivalent", "trained", "exactly a margin apart"].append(
            _tost(who, [_scored(random, head, who, 1) for head in apart[False]], cohort, joint=False) <= ALPHA
        )
        reference = _scored(random, FIXED_SEED_FAIR, who, 1)
        family = [_flip(who, [_scored(random, FIXED_SEED_FAIR, who, 1), reference], cohort) for _ in range(FAMILY)]
        found["different", "trained", f"{FAMILY} equal heads and their reference, any"].append(
            min(holm(family)) <= ALPHA
        )
        split = _scored(random, FAIR, who, 2 * SEEDS)
        cases = {"same head, other seeds": [split[:SEEDS], split[SEEDS:]]}
        cases |= {name: [_scored(random, head, who, SEEDS) for head in pair] for name, pair in PAIRS.items()}
        for name, scored in cases.items():
            found["different", "architecture", name].append(_joint(who, scored, cohort) <= ALPHA)
        found["different", "architecture", "same head, other seeds, were seeds ignored"].append(
            _flip(who, cases["same head, other seeds"], cohort) <= ALPHA
        )
        found["equivalent", "architecture", "exactly a margin apart"].append(
            _tost(who, [_scored(random, head, who, SEEDS) for head in apart[True]], cohort, joint=True) <= ALPHA
        )
        model, seeds_drawn = scores(random, FAIR, who, SEEDS)
        control, _ = scores(random, FAIR, who, SEEDS, seeds_drawn)
        found["different", "architecture", "a control and its model, paired by seed"].append(
            _joint(who, [control, model], cohort, paired=True) <= ALPHA
        )
    rows = []
    for (claim, estimand, name), hits in found.items():
        low, high = wilson(sum(hits), len(hits))
        rows.append(
            {
                "says": claim,
                "estimand": estimand,
                "case": name,
                "recordings": recordings,
                "cohorts": len(hits),
                "rate": float(np.mean(hits)),
                "rate_low": low,
                "rate_high": high,
            }
        )
    return rows


def _constant():
    """A head that predicts CONSTANT for everyone; only its truth is used."""
    return replace(FAIR, follows=0.0, spread=1e-9, bias=CONSTANT - 15.0, seed_noise=1e-9, **FIXED_SEED)


def _one_margin_apart(joint):
    head = FAIR if joint else FIXED_SEED_FAIR
    return head, with_mae_of(head, head, over=MARGIN)


def _scored(random, head, who, seeds):
    return np.full((seeds, len(who.label)), CONSTANT) if head is None else scores(random, head, who, seeds)[0]


def _flip(who, scored, cohort):
    errors = [np.abs(one - who.label).mean(axis=0) for one in scored]
    return sign_flip_p(np.bincount(who.person, errors[0] - errors[1]), 1000, cohort)


def _gap(who, scored, cohort, joint, paired=False):
    labels, rows = _sums(who, scored)
    resamples = RESAMPLES[len(who.label)]
    names = ["" if paired else str(n) for n in range(len(scored))]
    shares = None
    if joint:
        shares = [seed_shares(name, len(one), resamples, cohort) for name, one in zip(names, scored, strict=True)]
    weight = people_weights(labels.people, resamples, cohort)
    return measure("mae", labels, rows, weight_BP=weight, shares=shares, reference=1, paired=paired)[1][0]


def _joint(who, scored, cohort, paired=False):
    return pivot_p(_gap(who, scored, cohort, True, paired))


def _tost(who, scored, cohort, joint):
    return equivalence_p(_gap(who, scored, cohort, joint), MARGIN)
