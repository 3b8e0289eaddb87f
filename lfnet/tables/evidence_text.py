"""Format confidence intervals and comparisons as rows of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lfnet.evaluation.compare import VERDICTS
from lfnet.evaluation.estimates import ranks_backwards, too_few
from lfnet.evaluation.evidence import Comparison, Difference, Estimate, Evidence, EvidenceSettings, RowEvidence
from lfnet.evaluation.intervals import coverage_sentence
from lfnet.tables.findings import EITHER_WAY, Asked, finding
from lfnet.tables.formatting import DASH, MINUS, fixed, p_text, points, with_interval
from lfnet.tables.table import Block

__all__ = ["Numbers", "comparisons", "explain_evidence", "intervals", "scored_on", "subject_of"]

Numbers = Mapping[str, Estimate | None]

_SUBJECTS = {
    "trained": "these trained {what}",
    "architecture": "the architectures",
    "training_sets": "the architectures trained on other people",
}
_TESTS = "by flipping the signs of people's differences or, for architectures, by a bootstrap of seeds and people"
_RESAMPLED_TEST = "as its difference over training sets, by the corrected resampled t (Nadeau and Bengio 2003)"
_SHOWN = ("mae", "pcc", "skill")
_BACKWARDS = "backwards"
_HEADINGS = {"mae": "MAE", "pcc": "PCC", "skill": "Skill"}


def intervals(
    found: Evidence, lines: Sequence[tuple[str, Numbers, RowEvidence]], models: int, what: str, split: str
) -> Block:
    """Make the block of each row's own intervals.

    Parameters
    ----------
    found : Evidence
    lines : sequence
        Name, metric → estimate, and the row's evidence; the first `models` are models, the others references.
    models : int
    what : str
        What the rows are: "heads" or "models".
    split : str
        The split that was scored.
    """
    shared = any(row.shared and row.new for _, _, row in lines[:models])
    level = f"{100 * found.settings.level:g} %"
    headings = ["Row", *[f"MAE, new people [{level}]"] * shared]
    headings += [*(f"{_HEADINGS[metric]} [{level}]" for metric in _SHOWN), "SE people", "SE seeds"]
    headings += ["MAE, shared people"] * shared
    fewest = found.settings.min_people
    rows = tuple(_line(name, estimates, row, found.people, fewest, shared) for name, estimates, row in lines)
    data = [_raw(name, estimates, row) for name, estimates, row in lines]
    of = f"these trained {what}" if found.estimand == "trained" else "this architecture, over seeds and people,"
    title = f"Evidence: the error of {of} on {scored_on(found)}"
    return Block(
        title,
        tuple(headings),
        rows,
        models,
        {"estimand": found.estimand, "split": split, "people": found.people, "rows": data},
    )


def scored_on(found: Evidence) -> str:
    """The people who were scored, and their recordings."""
    return f"{found.whom} ({found.recordings} recordings of {found.people} people)"


def comparisons(asked: Asked, found: Sequence[tuple[str, str, Comparison]]) -> Block:
    """Make the block of comparisons with one row, and its finding.

    Parameters
    ----------
    asked : Asked
    found : sequence
        Name, short name (in the finding) and comparison of each row.
    """
    # A constant has no correlation, so that nothing differs from it in PCC; nor do correlations of too few people.
    correlated = any(
        _defined(comparison.differences.get("pcc")) and comparison.p is not None for _, _, comparison in found
    )
    headings = ["Row", "Difference in MAE", "p", "p (Holm)"]
    headings += [*(["Difference in PCC"] * correlated), "Effect", "P(closer)", "Verdict"]
    rows = tuple(_comparison(name, comparison, correlated) for name, _, comparison in found)
    data = [
        {"row": name, "reference": comparison.reference, **_raw_comparison(comparison)} for name, _, comparison in found
    ]
    title = f"{asked.question}: verdicts on {asked.subject}, margin {points(asked.margin)}"
    sentence = finding(asked, [(short, comparison) for _, short, comparison in found])
    return Block(title, tuple(headings), rows, len(rows), {"rows": data}, sentence)


def subject_of(estimand: str, what: str) -> str:
    """What verdicts are about. what: "heads" or "models"."""
    return _SUBJECTS[estimand].format(what=what)


def _line(name: str, estimates: Numbers, row: RowEvidence, people: int, fewest: int, shared: bool) -> tuple[str, ...]:
    new, other = (
        DASH if part is None else _carried(part.estimates.get("mae"), 1, part.people, fewest)
        for part in (row.new, row.shared)
    )
    few = too_few(people) if people < fewest else None
    mae, pcc, skill = (estimates.get(metric) for metric in _SHOWN)
    correlation = few or with_interval(pcc, 2) + f" {_BACKWARDS}" * ranks_backwards(estimates)
    texts = [_carried(mae, 1, people, fewest), correlation, with_interval(skill, 2)]
    over_people, over_seeds = (None, None) if mae is None else (mae.var_people, mae.var_seeds)
    errors = [few or _root(over_people), _root(over_seeds)]
    return (name, *[new] * shared, *texts, *errors, *[other] * shared)


def _carried(found: Estimate | None, digits: int, people: int, fewest: int) -> str:
    """A value with its interval; of too few people, the value with their number."""
    text = with_interval(found, digits)
    return text if people >= fewest else f"{text} ({too_few(people)})"


def _root(variance: float | None) -> str:
    return DASH if variance is None else fixed(float(np.sqrt(variance)), 2)


def _defined(found: Difference | None) -> bool:
    return found is not None and found.value is not None


def _comparison(name: str, found: Comparison, correlated: bool) -> tuple[str, ...]:
    return (
        name,
        with_interval(found.differences.get("mae"), 2, sign=True),
        p_text(found.p),
        p_text(found.p_holm),
        *([with_interval(found.differences.get("pcc"), 2, sign=True)] * correlated),
        DASH if found.effect is None else fixed(found.effect, 2, sign=True),
        fixed(found.probability, 2),
        found.verdict,
    )


def _raw(name: str, estimates: Mapping[str, Estimate | None], row: RowEvidence) -> dict[str, Any]:
    """The numbers behind a line, for machines."""
    return {
        "row": name,
        "seeds": row.seeds,
        "estimates": {metric: _numbers(found) for metric, found in estimates.items() if found is not None},
        **{
            which: None
            if part is None
            else {
                "people": part.people,
                "recordings": part.recordings,
                "estimates": {metric: _numbers(found) for metric, found in part.estimates.items()},
            }
            for which, part in (("shared", row.shared), ("new", row.new))
        },
    }


def _numbers(found: Estimate | Difference) -> dict[str, Any]:
    interval = found.interval
    numbers: dict[str, Any] = {"value": found.value}
    if interval is not None:
        numbers |= {"low": interval.low, "high": interval.high, "level": interval.level, "method": interval.method}
    if isinstance(found, Estimate):
        numbers |= {"var_people": found.var_people, "var_seeds": found.var_seeds, "undefined": found.undefined}
    elif found.error is not None:
        numbers["error"] = found.error
    return numbers


def _raw_comparison(found: Comparison) -> dict[str, Any]:
    return {
        "differences": {metric: _numbers(difference) for metric, difference in found.differences.items()},
        "p": found.p,
        "p_holm": found.p_holm,
        "p_equivalent": found.p_equivalent,
        "p_equivalent_holm": found.p_equivalent_holm,
        "effect": found.effect,
        "probability": found.probability,
        "verdict": found.verdict,
    }


def explain_evidence(settings: EvidenceSettings, present: Sequence[Block]) -> list[str]:
    """Lines of the foot: what intervals, tests and verdicts are."""
    if not present:
        return []
    resampled = any(block.finding and block.finding.subject == _SUBJECTS["training_sets"] for block in present)
    lines = [
        f"[low, high]: {100 * settings.level:g} % intervals over people, each with all recordings; "
        "SE people, SE seeds: the standard error of MAE from drawing people, and from drawing seeds.",
        f"Skill: 1 {MINUS} MAE / MAE of the training median.",
    ]
    if any(_BACKWARDS in text for block in present for line in block.rows for text in line[1:]):
        lines.append(f"{_BACKWARDS}: the interval of PCC lies below 0: higher scores go with lower labels.")
    people = {block.data["people"] for block in present if "people" in block.data}
    lines += _coverage([number for number in sorted(people) if number >= settings.min_people], settings.level)
    verdicts = {line[-1] for block in present for line in block.rows if block.headings[-1] == "Verdict"}
    if verdicts:
        lines.append(
            f"Only MAE is tested, {_RESAMPLED_TEST if resampled else _TESTS}; Holm over the rows compared with one "
            "reference. "
            f"Margin {points(settings.margin)}. Differences are row {MINUS} "
            "reference; effect: the mean difference of "
            "people's errors in its own SD, above 0 where the row errs less; P(closer): the share of people whose "
            "scores are closer than the reference's."
        )
        meanings = "; ".join(f"{name}: {meaning}" for name, meaning in VERDICTS.items() if name in verdicts)
        lines.append(f"{meanings[0].upper()}{meanings[1:]}.")
    if any(block.finding and EITHER_WAY in block.finding.text for block in present):
        lines.append(
            f"{EITHER_WAY[0].upper()}{EITHER_WAY[1:]}: the interval includes a gain and a loss of "
            f"{points(settings.margin)}."
        )
    return lines


def _coverage(people: Sequence[int], level: float) -> list[str]:
    """What coverage was measured at the sizes nearest to these numbers of people."""
    return [text for text in dict.fromkeys(coverage_sentence(_SHOWN, number, level) for number in people) if text]
