"""Coverage of the intervals of classification, and false alarms of its test, on people with known truth.

Scores are normal given severity, so the truth is an integral over a grid, as in `../validation/population.py`.

    python experiments/classes/coverage.py --write          the record next to this file
    python experiments/classes/coverage.py --cohorts 40     a quick check, printed only
"""

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

# One thread: the matrices are small, and the numbers should not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "validation"))

import numpy as np
import pandas as pd
from population import GRID, HEADS, people, scores
from scipy import optimize, special, stats

from lfnet.evaluation.classes import OF_COUNTS, class_numbers
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.intervals import jackknife_p, jackknife_t
from lfnet.evaluation.left_out import LOGIT, Question, class_interval, difference, leave_out
from lfnet.evaluation.sufficient_statistics import SCALES

HERE = Path(__file__).resolve().parent
CUTS = (14.0, 20.0)
THRESHOLD = 15.0  # of sensitivity and its kin: heads shrink scores, and few reach 20
BANDS = (14.0, 20.0, 29.0)
LEVEL, ALPHA, SEEDS = 0.95, 0.05, 5
MIN_PEOPLE = EvidenceSettings().min_people
SIZES = (50, 150)
BINARY = ("auroc", "auprc", "brier", "sensitivity", "specificity", "balanced_accuracy", "macro_f1", "kappa")
# The scale that is not in use: plain where one is, else that of shares or correlations.
OTHER = {"balanced_accuracy": LOGIT, "macro_f1": LOGIT, "kappa": SCALES["pcc"]}
FIXED = {"seed_bias": 0.0, "seed_slope": 0.0}
_POINTS = np.linspace(-80.0, 160.0, 1201)  # scores


def probability(score):
    """The probability that a score stands for, for the Brier score."""
    return special.expit((score - 15.0) / 6.0)


def class_truth(head, edges, bias=0.0, slope=1.0):
    """The metrics of one trained model over all people there could be: of a cut (one edge), or of classes."""
    u, y, p = GRID
    points, place = np.unique(u, return_inverse=True)
    own = class_numbers(edges, y)
    share_KU = np.stack([np.bincount(place, p * (own == k), len(points)) for k in range(len(edges) + 1)])
    centre, sd = head.centre(points, bias, slope), np.hypot(head.noise_sd(points, slope), head.seed_noise)
    limits = edges if len(edges) > 1 else (THRESHOLD,)
    above = np.stack([special.ndtr((centre - limit) / sd) for limit in limits])
    above = np.concatenate([np.ones((1, len(points))), above, np.zeros((1, len(points)))])
    counts = share_KU @ -np.diff(above, axis=0).T
    if len(edges) > 1:
        return {"quadratic_kappa": float(OF_COUNTS["quadratic_kappa"](counts))}
    found = {name: float(OF_COUNTS[name](counts)) for name in BINARY[3:]}
    negative, positive = share_KU
    wins = special.ndtr((centre[:, None] - centre) / np.hypot(sd[:, None], sd))
    found["auroc"] = positive @ wins @ negative / positive.sum() / negative.sum()
    above = special.ndtr((centre - _POINTS[:, None]) / sd)
    hits, every = above @ positive, above @ (positive + negative)
    precision = hits / np.where(every > 0, every, 1.0)
    found["auprc"] = -float(np.sum(np.diff(hits) * (precision[1:] + precision[:-1]) / 2)) / positive.sum()
    z, weight = np.polynomial.hermite_e.hermegauss(40)
    given = probability(centre[:, None] + sd[:, None] * z)
    error = [share @ (np.square(given - label) @ weight) for label, share in enumerate((negative, positive))]
    return found | {"brier": sum(error) / weight.sum()}


def expected(head, edges, points=9):
    """The same over seeds: what an architecture scores."""
    x, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()
    total = defaultdict(float)
    for one, share in zip(x, weights, strict=True):
        for other, part in zip(x, weights, strict=True):
            at = class_truth(head, edges, head.seed_bias * one, 1 + head.seed_slope * other)
            for metric, value in at.items():
                total[metric] += share * part * value
    return total


def class_coverage(cohorts):
    """Rows of the record: how often intervals contain the truth, by metric, head, size and estimand."""
    cases = [(f"{cut:g}", (cut,)) for cut in CUTS] + [("bands", BANDS)]
    rows = []
    for recordings in SIZES:
        for joint in (False, True):
            for number, (name, head) in enumerate(HEADS.items()):
                rows += _cover(name, head, recordings, cohorts, joint, number * cohorts, cases)
    return rows + [row for recordings in SIZES for row in _alarms(recordings, 3 * cohorts)]


def _cover(name, head, recordings, cohorts, joint, first, cases):
    truth = {case: expected(head, edges) for case, edges in cases} if joint else {}
    tally = defaultdict(list)
    for cohort in range(first, first + cohorts):
        random = np.random.default_rng([cohort, recordings, joint, 11])
        who = people(random, recordings)
        score_SN, drawn = scores(random, head, who, SEEDS if joint else 1)
        for case, edges in cases:
            true = truth[case] if joint else class_truth(head, edges, *drawn[0])
            question = Question(class_numbers(edges, who.label), who.person, np.array(edges))
            enough = min(question.people_in(True), question.people_in(False)) >= MIN_PEOPLE
            for metric in BINARY if len(edges) == 1 else ("quadratic_kappa",):
                scored = probability(score_SN) if metric == "brier" else score_SN
                limit = [THRESHOLD] * len(score_SN) if len(edges) == 1 else None
                found = leave_out(metric, question, scored, limit)
                quantity = found.quantity(joint)
                other = jackknife_t(replace(quantity, scale=OTHER.get(metric, SCALES["difference"])), LEVEL)
                for method, given in (("in use", class_interval(found, joint, LEVEL)), ("other scale", other)):
                    tally[case, metric, method].append((enough, given, true[metric]))
    rows = []
    for (case, metric, method), outcomes in tally.items():
        used = [(given, true) for enough, given, true in outcomes if enough]
        inside = [given is not None and given.low <= true <= given.high for given, true in used]
        rows.append(
            _row("coverage", "architecture" if joint else "trained", name, recordings, case, metric, inside)
            | {"method": method, "without": len(outcomes) - len(used), "none": sum(given is None for given, _ in used)}
        )
    return rows


def _alarms(recordings, cohorts):
    """False alarms of the test of AUROC at the first cut-off: one trained model, or an architecture, each."""
    fair, edges = HEADS["fair"], (CUTS[0],)
    chance, margin = replace(fair, follows=0.0), EvidenceSettings().margin_auroc
    target = class_truth(replace(fair, **FIXED), edges)["auroc"] + margin

    def excess(follows):
        return class_truth(replace(fair, follows=follows, **FIXED), edges)["auroc"] - target

    better = replace(fair, follows=optimize.brentq(excess, fair.follows, 0.95))
    found = defaultdict(list)
    for cohort in range(cohorts):
        random = np.random.default_rng([cohort, recordings, 12])
        who = people(random, recordings)
        question = Question(class_numbers(edges, who.label), who.person, np.array(edges))
        if min(question.people_in(True), question.people_in(False)) < MIN_PEOPLE:
            continue
        for joint in (False, True):
            pairs = {"equal heads": (fair, fair), "chance and a constant": (chance, None)}
            pairs |= {} if joint else {"a margin apart": (better, fair)}
            for case, pair in pairs.items():
                left = []
                for head in pair:
                    drawn = np.zeros((1, recordings)) if head is None else None
                    if head is not None:
                        seeds = SEEDS if joint else 1
                        drawn = scores(random, head if joint else replace(head, **FIXED), who, seeds)[0]
                    left.append(leave_out("auroc", question, drawn, None))
                gap = difference(*left, joint)
                sides = (jackknife_p(gap, -margin, toward=1), jackknife_p(gap, margin, toward=-1))
                p = max(sides) if case == "a margin apart" else jackknife_p(gap)
                found["architecture" if joint else "trained", case].append(p <= ALPHA)
    return [
        _row("false alarm", estimand, case, recordings, "14", "auroc", hits)
        | {"method": "in use", "without": cohorts - len(hits), "none": 0}
        for (estimand, case), hits in found.items()
    ]


def _row(of, estimand, case, recordings, label, metric, hits):
    rate = float(np.mean(hits))
    interval = stats.binomtest(int(np.sum(hits)), len(hits)).proportion_ci(method="wilson")
    row = {"of": of, "estimand": estimand, "case": case, "recordings": recordings, "label": label, "metric": metric}
    return row | {"cohorts": len(hits), "rate": rate, "rate_low": interval.low, "rate_high": interval.high}


def summary(table):
    """Percent of cohorts whose interval contains the truth, over heads and cut-offs: the table of the page."""
    rates = table[table["of"] == "coverage"].groupby(["method", "metric", "estimand", "recordings"])["rate"].mean()
    wide = (100 * rates).round(1).unstack(["estimand", "recordings"])
    return wide.set_axis([f"{estimand} {n}" for estimand, n in wide.columns], axis=1).reset_index()


def main():
    """Measure, print, and with --write write the csv files next to this file."""
    parser = argparse.ArgumentParser(description="Measure the coverage of intervals of classification.")
    parser.add_argument("--cohorts", type=int, default=700, help="cohorts for each head, n and estimand (default: 700)")
    parser.add_argument("--write", action="store_true", help="write the csv files next to this script")
    arguments = parser.parse_args()
    table = pd.DataFrame(class_coverage(arguments.cohorts))
    print(table.to_string(index=False, float_format="%.4g"))
    if arguments.write:
        table.to_csv(HERE / "coverage.csv", index=False, float_format="%.4f", lineterminator="\n")
        written = pd.read_csv(HERE / "coverage.csv")
        summary(written).to_csv(HERE / "summary.csv", index=False, float_format="%.1f", lineterminator="\n")


if __name__ == "__main__":
    main()
