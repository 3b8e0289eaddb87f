"""The record: what the chosen ways give on one fixed cohort, and the page that quotes the measurements."""

import datetime

import numpy as np
import pandas as pd
from population import CONSTANT, HEADS, PEOPLE_PER_RECORDING, people, scores

from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence

FIXED = EvidenceSettings(resamples=2000, flips=2000)
NAMES = {"mae": "MAE", "rmse": "RMSE", "pcc": "PCC", "ccc": "CCC", "sigma_ratio": "sigma_ratio", "skill": "skill"}


def fixed_cohort():
    """Intervals of one cohort of 50 recordings, one row a seed count and metric: what this record is about."""
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
    """README.md, from the csv files in `folder`."""
    coverage, alarms, ridge = (pd.read_csv(folder / f"{name}.csv") for name in ("coverage", "false_alarms", "ridge"))
    chosen = coverage[coverage["chosen"] == 1]
    values, gaps = chosen[chosen["of"] == "value"], chosen[chosen["of"] == "difference"]
    people_at = {n: round(n * PEOPLE_PER_RECORDING) for n in sorted(coverage["recordings"].unique())}
    sizes = ", ".join(f"{n} recordings of {count} people" for n, count in people_at.items())
    return f"""# Is the evidence right?

Question: do 95 % intervals hold the truth in 95 % of studies, and is a difference seen where there is none in 5 % at
most? Aim: 93 % or more at n = 50. Run by `make validate`; measured {datetime.date.today().isoformat()}.

{_summary(values, alarms)}

Cohorts: {sizes}; BDI-II-like skewed labels;
people who sit several times and are alike on different days; errors with a part of the person's own, whose spread grows
with severity; seeds with a bias, a slope and noise of their own. The truth is an integral (`population.py`). Heads:
weak (PCC .26), fair (.54), strong (.78).

## Coverage of the intervals that tables show

Per cent of cohorts whose interval held the truth, all heads together, with the 95 % interval of the Monte Carlo error.
*Trained*: one trained model on new people. *Architecture*: five seeds, over seeds and people.

{_coverage_table(values)}

The lowest of a single head: {_lowest(values)}.

## Coverage of paired differences

Two heads on the same people: equally good ones, and ones with equal MAE whose errors differ in spread.

{_coverage_table(gaps)}

## Other ways of making them, at n = 50

Mean over heads and both estimands; the way in use is in bold: the nearest to 95 %, up to Monte Carlo error. It was
chosen from these cohorts; those of the last section had no part in the choice. `coverage.csv` has each way, with how
often the truth lay below and above, and the median length.

{_ways_table(coverage)}

## False alarms

Per cent of cohorts in which a test at α = 5 % said what is not so.

{_alarm_table(alarms)}

*Were seeds ignored*: the test for trained models, asked about the architecture. It is not used so; it shows why an
architecture needs its seeds redrawn.

## End to end

{_ridge_text(ridge)}

| metric | way | coverage |
|---|---|---|
{chr(10).join(_ridge_line(row) for row in ridge.itertuples())}

`method.csv` holds what the chosen ways give on one fixed cohort; a test compares it with the code, so that this record
cannot outlive the method that it is about.
"""


def _summary(values, alarms):
    at_50 = values[values["recordings"] == 50].groupby("metric")["coverage"].mean()
    least, most = at_50.idxmin(), at_50.idxmax()
    used = alarms[~alarms["case"].str.contains("were seeds ignored")]
    worst = used.loc[used["rate"].idxmax()]
    ignored = alarms[alarms["case"].str.contains("were seeds ignored")]
    low, high = (f"{100 * at_50[name]:.1f} % ({NAMES[name]})" for name in (least, most))
    where = f"({worst['case']}, n = {worst['recordings']})"
    seeds = f"{100 * ignored['rate'].min():.0f} to {100 * ignored['rate'].max():.0f} %"
    return f"""**Reached** at n = 50: {low} to {high}. The highest of {len(used)} rates of false alarm is
{_percent(*worst[["rate", "rate_low", "rate_high"]])} % {where}. A test that ignores seeds
calls a head, trained again with other seeds, different from itself in {seeds}."""


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
        "| metric | way | " + " | ".join(f"{estimand}, n = {n}" for estimand, n in columns) + " |",
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


def _ways_table(coverage):
    part = coverage[coverage["recordings"] == 50]
    ways = list(dict.fromkeys(part["method"]))
    lines = ["| | metric | " + " | ".join(ways) + " |", "|---" * (2 + len(ways)) + "|"]
    for of in ("value", "difference"):
        for metric in NAMES:
            cells = []
            for way in ways:
                some = part[(part["of"] == of) & (part["metric"] == metric) & (part["method"] == way)]
                rate = f"{100 * some['coverage'].mean():.1f}"
                cells.append(f"**{rate}**" if some["chosen"].any() else rate)
            lines.append(f"| {of} | {NAMES[metric]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _alarm_table(alarms):
    sizes = sorted(alarms["recordings"].unique())
    lines = [
        "| said | about | where | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        "|---" * (3 + len(sizes)) + "|",
    ]
    for (says, estimand, case), part in alarms.groupby(["says", "estimand", "case"], sort=False):
        by_size = part.set_index("recordings")
        cells = [_percent(*by_size.loc[n, ["rate", "rate_low", "rate_high"]]) for n in sizes]
        lines.append(f"| {says} | {estimand} | {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ridge_text(ridge):
    cohorts, sets = ridge["cohorts"].iloc[0], ridge["test_sets"].iloc[0]
    truth = ridge.set_index("metric")["mean_truth"]
    return f"""Ridge trained on the mean features of {cohorts} simulated cohorts (50 training recordings each),
measured on {sets:,} test sets of about 50 recordings of other people. The truth is what it scores on the pool of 1,000
that they come from (mean MAE {truth["mae"]:.1f}, PCC {truth["pcc"]:.2f}), which flatters coverage by half a point."""


def _ridge_line(row):
    return f"| {NAMES[row.metric]} | {row.method} | {_percent(row.coverage, row.coverage_low, row.coverage_high)} |"
