"""Record of the validation: the results of the methods in use on one fixed cohort, and README.md."""

import datetime

import numpy as np
import pandas as pd
from population import CONSTANT, HEADS, PEOPLE_PER_RECORDING, people, scores

from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence

FIXED = EvidenceSettings(resamples=2000, flips=2000)
PARTS = ("method", "alarms", "coverage", "ridge", "training_sets")
NAMES = {"mae": "MAE", "rmse": "RMSE", "pcc": "PCC", "ccc": "CCC", "sigma_ratio": "sigma_ratio", "skill": "skill"}


def fixed_cohort():
    """Compute intervals of one cohort of 50 recordings, one row per number of seeds and metric."""
    random = np.random.default_rng(20260101)
    who = people(random, 50)
    ids = [f"r{number:02}" for number in range(50)], [f"p{number:02}" for number in who.person]
    rows = []
    for seeds in (1, 5):
        pair = [
            RowScores(name, *ids, who.label, scores(random, HEADS[name], who, seeds)[0], deterministic=seeds == 1)
            for name in ("fair", "strong")
        ]
        found = compute_evidence(pair, "fair", FIXED, CONSTANT)
        for metric, estimate in found.rows["strong"].estimates.items():
            comparison = found.rows["strong"].comparison
            for of, one in (("value", estimate), ("difference", comparison.differences[metric])):
                rows.append(
                    {
                        "estimand": found.estimand,
                        "of": of,
                        "metric": metric,
                        "method": one.interval.method,
                        "value": one.value,
                        "low": one.interval.low,
                        "high": one.interval.high,
                        "p": comparison.p,
                        "p_equivalent": comparison.p_equivalent,
                    }
                )
    return rows


def readme(folder):
    """Write README.md from the csv files in `folder`."""
    names = ("coverage", "false_alarms", "ridge", "training_sets")
    coverage, alarms, ridge, sets = (pd.read_csv(folder / f"{name}.csv") for name in names)
    chosen = coverage[coverage["chosen"] == 1]
    values, gaps = chosen[chosen["of"] == "value"], chosen[chosen["of"] == "difference"]
    people_at = {n: round(n * PEOPLE_PER_RECORDING) for n in sorted(coverage["recordings"].unique())}
    sizes = ", ".join(f"{n} recordings of {count} people" for n, count in people_at.items())
    number = f"{sets['cohorts'].iloc[0]:,}"
    return f"""# Validation of intervals and tests

**Question:** do 95 % intervals contain the truth in 95 % of studies, and do tests reject a true null hypothesis
in at most 5 %?

**Hypothesis:** coverage of 93 % or more at n = 50.

**Result**, by `make validate`, measured {datetime.date.today().isoformat()}:

{_summary(values, alarms)}

Cohorts: {sizes}; BDI-II-like skewed labels;
people with several recordings whose labels correlate; errors that correlate within a person and grow with severity;
seeds with a bias, a slope and noise of their own. The truth is an integral (`population.py`). Heads:
weak (PCC .26), fair (.54), strong (.78).

## Coverage of the intervals that tables show

Percent of cohorts whose interval contains the truth, over all heads, with the 95 % interval of the Monte Carlo error.
*Trained*: one trained model on new people. *Architecture*: five seeds, over seeds and people.

{_coverage_table(values)}

The lowest of a single head: {_lowest(values)}.

## Coverage of paired differences

Two heads on the same people: equally good ones, and ones with equal MAE whose errors differ in spread.

{_coverage_table(gaps)}

## Other methods, at n = 50

Mean over heads and both estimands. The method in use is in bold: the nearest to 95 %, up to Monte Carlo error. It was
chosen on these cohorts; those of the last section were not used for the choice. `coverage.csv` has each method, with
how often the truth is below and above the interval, and the median length.

{_methods_table(coverage)}

## False alarms

Percent of cohorts in which a test at α = 5 % rejects a true null hypothesis.

{_alarm_table(alarms)}

*Were seeds ignored*: the test for trained models, applied to the architecture. It is not used in this way; it shows why
statements about an architecture need resampled seeds.

## Over training sets

Percent of {number} cohorts, from which models were trained again and again by cross-validations by person (five folds,
one of them dev, repeated 2 or 10 times): how often the 95 % interval of a difference contains the expected difference
of ridge from a constant, both trained on other people; and how often two equally good models are found different.
Standard errors: the corrected resampled one (Nadeau and Bengio 2003) or, if it is larger, the one from drawing people;
the corrected one alone; the one without correction.

{_sets_table(sets)}

## End to end

{_ridge_text(ridge)}

| metric | method | coverage |
|---|---|---|
{chr(10).join(_ridge_line(row) for row in ridge.itertuples())}

`method.csv` has the results of the methods in use on one fixed cohort; a test compares it with the code, so that this
record cannot outlive the methods it describes.

## Repeat

```sh
{chr(10).join(f"python experiments/validation/validate.py --parts {part} --write" for part in PARTS)}
```

About 45 minutes of one core. Digest of the result files: `-`.
"""


def _summary(values, alarms):
    at_50 = values[values["recordings"] == 50].groupby("metric")["coverage"].mean()
    lowest, highest = at_50.idxmin(), at_50.idxmax()
    used = alarms[~alarms["case"].str.contains("were seeds ignored")]
    worst = used.loc[used["rate"].idxmax()]
    ignored = alarms[alarms["case"].str.contains("were seeds ignored")]
    low, high = (f"{100 * at_50[name]:.1f} % ({NAMES[name]})" for name in (lowest, highest))
    where = f"({worst['case']}, n = {worst['recordings']})"
    seeds = f"{100 * ignored['rate'].min():.0f} to {100 * ignored['rate'].max():.0f} %"
    return f"""**Reached** at n = 50: {low} to {high}. The highest of {len(used)} rates of false alarm is
{_percent(*worst[["rate", "rate_low", "rate_high"]])} % {where}. A test that ignores seeds
finds a head different from itself, trained again with other seeds, in {seeds}."""


def _percent(rate, low, high):
    return f"{100 * rate:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _pooled(part):
    from measures import wilson

    total, hits = part["cohorts"].sum(), (part["coverage"] * part["cohorts"]).sum()
    return _percent(hits / total, *wilson(hits, total))


def _coverage_table(chosen):
    sizes = sorted(chosen["recordings"].unique())
    columns = [(estimand, n) for estimand in ("trained", "architecture") for n in sizes]
    lines = [
        "| metric | method | " + " | ".join(f"{estimand}, n = {n}" for estimand, n in columns) + " |",
        "|---" * (2 + len(columns)) + "|",
    ]
    for metric in NAMES:
        part = chosen[chosen["metric"] == metric]
        cells = [_pooled(part[(part["estimand"] == e) & (part["recordings"] == n)]) for e, n in columns]
        lines.append(f"| {NAMES[metric]} | {part['method'].iloc[0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _lowest(values):
    row = values.loc[values["coverage"].idxmin()]
    rate = _percent(row["coverage"], row["coverage_low"], row["coverage_high"])
    return f"{NAMES[row['metric']]} of the {row['case']} head at n = {row['recordings']} ({row['estimand']}), {rate} %"


def _methods_table(coverage):
    part = coverage[coverage["recordings"] == 50]
    methods = list(dict.fromkeys(part["method"]))
    lines = ["| | metric | " + " | ".join(methods) + " |", "|---" * (2 + len(methods)) + "|"]
    for of in ("value", "difference"):
        for metric in NAMES:
            cells = []
            for method in methods:
                some = part[(part["of"] == of) & (part["metric"] == metric) & (part["method"] == method)]
                rate = f"{100 * some['coverage'].mean():.1f}"
                cells.append(f"**{rate}**" if some["chosen"].any() else rate)
            lines.append(f"| {of} | {NAMES[metric]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _alarm_table(alarms):
    sizes = sorted(alarms["recordings"].unique())
    lines = [
        "| claim | estimand | case | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        "|---" * (3 + len(sizes)) + "|",
    ]
    for (claim, estimand, case), part in alarms.groupby(["says", "estimand", "case"], sort=False):
        by_size = part.set_index("recordings")
        cells = [_percent(*by_size.loc[n, ["rate", "rate_low", "rate_high"]]) for n in sizes]
        lines.append(f"| {claim} | {estimand} | {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _sets_table(sets):
    columns = sets[["recordings", "repeats"]].drop_duplicates()
    names = [f"n = {recordings}, {repeats} repeats" for recordings, repeats in columns.to_numpy()]
    lines = ["| | standard error | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for (says, error), part in sets.groupby(["says", "error"], sort=False):
        rates = [_percent(*row) for row in part[["rate", "rate_low", "rate_high"]].to_numpy()]
        lines.append(f"| {says} | {error} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def _ridge_text(ridge):
    cohorts, sets = ridge["cohorts"].iloc[0], ridge["test_sets"].iloc[0]
    truth = ridge.set_index("metric")["mean_truth"]
    return f"""Ridge trained on the mean features of {cohorts} simulated cohorts (50 training recordings each),
measured on {sets:,} test sets of about 50 recordings of other people. The truth is its metric on the pool of 1,000
that they come from (mean MAE {truth["mae"]:.1f}, PCC {truth["pcc"]:.2f}), which raises coverage by half a point."""


def _ridge_line(row):
    return f"| {NAMES[row.metric]} | {row.method} | {_percent(row.coverage, row.coverage_low, row.coverage_high)} |"
