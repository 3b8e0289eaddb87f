"""Scores of any models as answers to binary questions: estimates, comparisons, and their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.calibration import count_bins
from lfnet.evaluation.class_evidence import ClassEvidence, compute_class_evidence
from lfnet.evaluation.classes import Cut, calibration_curve, choose_threshold
from lfnet.evaluation.estimates import Difference, Estimate, EvidenceSettings, estimate_text
from lfnet.text import align_columns

__all__ = ["THRESHOLDS", "ClassEvaluation", "cuts_asked", "evaluate_classes"]

THRESHOLDS = ("cutoff", "dev", "dev90")
_SHOWN = {"auroc": ("AUROC", True), "auprc": ("AUPRC", False), "sensitivity": ("Sens.", True)}
_SHOWN |= {"specificity": ("Spec.", True), "balanced_accuracy": ("Bal. acc.", False), "brier": ("Brier", False)}


@dataclass(frozen=True)
class ClassEvaluation:
    """Evidence on one binary question.

    Parameters
    ----------
    cut : Cut
    threshold : str
        How thresholds were set: one of "cutoff", "dev" and "dev90".
    evidence : ClassEvidence
        Estimates of all rows.
    comparisons : mapping
        Reference → evidence of the models compared with it.
    calibration : mapping
        Model → (predicted, observed, number of recordings) by bin, where scores are probabilities.
    """

    cut: Cut
    threshold: str
    evidence: ClassEvidence
    comparisons: Mapping[str, ClassEvidence]
    calibration: Mapping[str, tuple[tuple[float, float, int], ...]]

    def records(self) -> list[dict[str, Any]]:
        """One dict per model, reference and metric, as rows of `Evaluation.to_frame`."""
        end = f"_{self.cut.name}" if self.cut.name else ""
        lines: list[dict[str, Any]] = []
        for name, row in self.evidence.rows.items():
            for metric, one in row.estimates.items():
                one = Estimate(None) if self.evidence.withheld else one
                more = {"sd_seeds": one.sd_seeds, "undefined": one.undefined}
                lines.append({"model": name, "reference": "", "metric": metric + end, **_numbers(one), **more})
        for reference, found in self.comparisons.items():
            for name, row in found.rows.items():
                if (compared := row.comparison) is None:
                    continue
                for metric, gap in compared.differences.items():
                    gap = Difference(None) if found.withheld else gap
                    line = {"model": name, "reference": reference, "metric": metric + end, **_numbers(gap)}
                    fields = ("p", "p_holm", "p_equivalent", "p_equivalent_holm", "verdict")
                    tests = {field: getattr(compared, field) for field in fields}
                    lines.append(line | (tests if metric == found.tested else {}))
        return lines

    def lines(self, settings: EvidenceSettings) -> list[str]:
        """Tables of estimates and comparisons, and calibration."""
        found = self.evidence
        what = "a label of 1" if self.cut.probability or not self.cut.name else f"a label of {self.cut.score:g} or more"
        limit = {
            "cutoff": "threshold: none" if self.cut.threshold is None else f"threshold {self.cut.threshold:g}",
            "dev": "thresholds of the highest balanced accuracy on dev",
            "dev90": "thresholds that find 90 % of the positives of dev",
        }[self.threshold]
        lines = [
            f"positive: {what}; {found.positive} people with a positive recording, {found.negative} with another",
            limit,
        ]
        metrics = [metric for metric in _SHOWN if any(metric in row.estimates for row in found.rows.values())]
        table = [["model", *(_SHOWN[metric][0] for metric in metrics)]]
        for name, row in found.rows.items():
            cells = (estimate_text(row.estimates.get(one), ".2f", _SHOWN[one][1]) for one in metrics)
            table.append([name, *(found.withheld or cell for cell in cells)])
        lines += align_columns(table)
        for reference, compared in self.comparisons.items():
            table = [["model", f"AUROC vs {reference}", "p", "p (TOST)", "verdict"]]
            for name, row in compared.rows.items():
                if (one := row.comparison) is not None:
                    gap = compared.withheld or estimate_text(one.differences.get("auroc"), "+.2f")
                    table.append([name, gap, _p(one.p_holm), _p(one.p_equivalent_holm), str(one.verdict)])
            lines += ["", *align_columns(table)]
        for name, bins in self.calibration.items():
            parts = [f"{predicted:.2f} → {observed:.2f} (n = {count})" for predicted, observed, count in bins]
            lines += ["", f"calibration of {name}, predicted → observed share of positives:", f"  {', '.join(parts)}"]
        if found.withheld:
            lines.append(f"Fewer than {settings.min_people} people of a kind are too few for a number or a verdict.")
        return lines


def cuts_asked(cutoff: float | Sequence[float] | None, label: Sequence[float], scores: Sequence[float]) -> list[Cut]:
    """The binary questions: the cut-offs given or, without any, labels that are all 0 or 1.

    Examples
    --------
    >>> [cut.name for cut in cuts_asked([10, 15], [3.0, 16.0], [4.0, 9.0])]
    ['10', '15']
    >>> cuts_asked(None, [0.0, 1.0], [0.2, 0.9])[0].probability, cuts_asked(None, [0.0, 1.0], [-2.0, 3.0])[0].threshold
    (True, None)
    """
    known = {float(one) for one in label if not np.isnan(one)}
    if cutoff is None:
        if known != {0.0, 1.0}:
            return []
        inside = all(0 <= score <= 1 for score in scores)
        return [Cut("", 0.5, 0.5 if inside else None, probability=inside)]
    given = [float(one) for one in ([cutoff] if isinstance(cutoff, int | float) else cutoff)]
    for one in given:
        if not (known and min(known) < one <= max(known)):
            raise LfnetError(f"cutoff={one:g}: no label is below it, or none reaches it. Give a cut-off of the labels.")
    return [Cut(f"{one:g}".replace(".", "_"), one, one) for one in dict.fromkeys(given)]


def evaluate_classes(
    models: Sequence[RowScores],
    baselines: Sequence[RowScores],
    references: Sequence[str],
    cut: Cut,
    settings: EvidenceSettings,
    *,
    joint: bool,
    threshold: str,
    dev: pd.DataFrame,
) -> ClassEvaluation:
    """Evaluate models as answers to one binary question.

    Parameters
    ----------
    models, baselines : sequence of RowScores
    references : sequence of str
        Rows that the models are compared with by AUROC.
    cut : Cut
    settings : EvidenceSettings
    joint : bool
        Whether seeds are drawn.
    threshold : {"cutoff", "dev", "dev90"}
    dev : DataFrame
        recording, model, seed, label, score of dev, for thresholds that are chosen on it.
    """
    if threshold not in THRESHOLDS:
        raise LfnetError(f"threshold={threshold}: give one of {', '.join(THRESHOLDS)}.")
    if threshold != "cutoff" and not len(dev):
        raise LfnetError(f"threshold={threshold}: thresholds are chosen on the split dev, and there is no row of it.")
    rows = {row.name: row for row in (*models, *baselines)}
    limits = None
    if threshold != "cutoff":
        limits = {}
        for name, row in rows.items():
            own = dev[(dev["model"] == name) & dev["label"].notna()]
            if len(own):
                by_seed = [part for _, part in own.groupby("seed", sort=False)]
                limits[name] = [
                    choose_threshold(cut.positive(part["label"]), part["score"], threshold) for part in by_seed
                ]
                if np.isnan(limits[name]).any():
                    raise LfnetError(f"threshold={threshold}: dev needs recordings on both sides of the cut-off.")
                if len(limits[name]) != len(np.atleast_2d(row.score)):
                    raise LfnetError(f"{name} has other seeds on dev than on the rows that are evaluated.")
            else:  # a constant, which has no scores of dev
                limits[name] = [float(np.atleast_2d(row.score).min())] * len(np.atleast_2d(row.score))
    evidence = compute_class_evidence([*rows.values()], cut, None, settings, joint=joint, thresholds=limits)
    comparisons = {}
    for name in references:
        others = [row for row in models if row.name != name]
        if others:
            comparisons[name] = compute_class_evidence(
                [*others, rows[name]], cut, name, settings, joint=joint, thresholds=limits
            )
    calibration = {row.name: _calibration(cut, row) for row in models} if cut.probability else {}
    return ClassEvaluation(
        cut, threshold, evidence, comparisons, {name: bins for name, bins in calibration.items() if bins}
    )


def _calibration(cut: Cut, row: RowScores) -> tuple[tuple[float, float, int], ...]:
    label = np.asarray(row.label, np.float64)
    known = ~np.isnan(label)
    score = np.atleast_2d(np.asarray(row.score, np.float64)).mean(axis=0)[known]
    bins = count_bins(int(known.sum()))
    if bins < 2 or np.ptp(score) == 0:
        return ()
    curve = calibration_curve(cut.positive(label[known]), score, bins)
    return tuple((float(p), float(o), int(n)) for p, o, n in zip(*curve, strict=True))


def _numbers(found: Estimate | Difference) -> dict[str, Any]:
    numbers: dict[str, Any] = {"value": found.value}
    if (ends := found.interval) is not None:
        numbers |= {"low": ends.low, "high": ends.high, "level": ends.level, "method": ends.method}
    return numbers


def _p(value: float | None) -> str:
    return "-" if value is None else "< .001" if value < 0.001 else f"{value:.3f}"
