"""Differences of all sections, which are cohorts, pooled by random effects into a section of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lfnet.evaluation.meta_analysis import FEWEST_COHORTS, Pooled, pool_effects
from lfnet.tables.formatting import MINUS, fixed
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Block, Finding, Section

__all__ = ["LABEL", "pooled_section"]

LABEL = "All cohorts"
_MEANING = (
    "Pooled: the mean difference over cohorts by random effects, τ² by restricted maximum likelihood, interval of "
    "Hartung and Knapp; new cohort: where the true difference in a further cohort is expected; I²: the share of the "
    "variance of differences that is between cohorts. Cohorts are taken to be independent: no person in two of them."
)


def pooled_section(sections: Sequence[Section], node: TableEvidence) -> tuple[Section | None, list[str]]:
    """Pool each row's difference in MAE from each reference over the sections.

    Returns
    -------
    Section or None
        Without rows, one block for each reference; None where nothing can be pooled.
    list of str
        What a reader must know, and what is not pooled.
    """
    notes = []
    first: dict[str, Section] = {}
    for section in sections:
        of = {run.result.cohort.fingerprint for row in section.rows for run in row.runs}
        for fingerprint in of:
            if (twin := first.setdefault(fingerprint, section)) is not section:
                return None, [f"Not pooled: {twin.label} and {section.label} are of one cohort."]
    asked: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = {}
    subjects: dict[str, list[str]] = {}
    for section in sections:
        for block in section.evidence:
            if block.finding is None:
                continue
            rows = asked.setdefault(block.finding.question, {})
            subjects.setdefault(block.finding.question, []).append(block.finding.subject)
            for line in block.data.get("rows", ()):
                found = line.get("differences", {}).get("mae", {})
                if found.get("error"):
                    rows.setdefault(line["row"], []).append((section.label, found))
    blocks = []
    for question, rows in asked.items():
        pooled = {}
        for name, effects in rows.items():
            if len(effects) < FEWEST_COHORTS:
                notes.append(
                    f"Not pooled, {question}: {name} has a difference with an interval in {len(effects)} of "
                    f"{len(sections)} cohorts, and {FEWEST_COHORTS} are needed."
                )
                continue
            values, errors = (np.array([one[key] for _, one in effects]) for key in ("value", "error"))
            pooled[name] = (effects, pool_effects(values, errors, node.level))
        if close := [name for name, (_, one) in pooled.items() if one.agree]:
            notes.append(
                f"Pooled, {question}: the cohorts agree on {', '.join(close)} better than their standard errors let "
                "expect, which happens by chance. The interval is shorter than these errors alone would make it: do "
                "not read it as more precise."
            )
        if pooled:
            blocks.append(_block(question, "; ".join(dict.fromkeys(subjects[question])), pooled, node))
    if not blocks:
        return None, notes
    return Section(LABEL, {}, (), evidence=tuple(blocks)), [_MEANING, *notes]


_Effects = dict[str, tuple[list[tuple[str, dict[str, Any]]], Pooled]]


def _block(question: str, subject: str, pooled: _Effects, node: TableEvidence) -> Block:
    level = f"{100 * node.level:g} %"
    headings = (
        "Row", "Cohorts", f"Difference in MAE [{level}]", f"In a new cohort [{level}]", "τ", "I²", "p (equal cohorts)",
    )  # fmt: skip
    rows, data, texts = [], [], []
    for name, (effects, found) in pooled.items():
        shown = _ends(found.effect, found.low, found.high)
        new = f"[{_signed(found.predicted_low)}, {_signed(found.predicted_high)}]"
        p = "< .001" if found.p < 0.001 else fixed(found.p, 3).removeprefix("0")
        share = f"{fixed(100 * found.i2, 0)} %"
        rows.append((name, str(len(effects)), shown, new, fixed(float(np.sqrt(found.tau2)), 2), share, p))
        texts.append(f"{name} {shown}, in a new cohort {new}, I² {share}")
        data.append({"row": name, "cohorts": _numbers(effects, found), **_raw(found)})
    finding = Finding(question, subject, f"{max(len(own) for own, _ in pooled.values())} cohorts", "; ".join(texts))
    title = f"{question}: difference over cohorts, row {MINUS} reference"
    return Block(title, headings, tuple(rows), len(rows), {"pooled": question, "rows": data}, finding)


def _numbers(effects: Sequence[tuple[str, dict[str, Any]]], found: Pooled) -> list[dict[str, Any]]:
    """Each cohort's own difference, with its interval and its weight in the pooled one."""
    return [
        {
            "cohort": label,
            **{key: own[key] for key in ("value", "low", "high", "error") if key in own},
            "weight": weight,
        }
        for (label, own), weight in zip(effects, found.weights, strict=True)
    ]


def _raw(found: Pooled) -> dict[str, float]:
    return {name: value for name, value in vars(found).items() if name != "weights"}


def _ends(value: float, low: float, high: float) -> str:
    return f"{_signed(value)} [{_signed(low)}, {_signed(high)}]"


def _signed(value: float) -> str:
    return fixed(value, 2, sign=True)
