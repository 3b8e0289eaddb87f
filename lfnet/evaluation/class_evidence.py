"""Evidence on classification: intervals of AUROC and its kin over people, and comparisons by AUROC.

Only AUROC is tested (quadratic kappa where labels have several classes); other differences are descriptive. Seeds are a
second source of variance for statements about an architecture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lfnet.evaluation import compare
from lfnet.evaluation.aligned_scores import RowScores, align
from lfnet.evaluation.classes import OF_COUNTS, Cut, class_numbers
from lfnet.evaluation.compare import Verdict
from lfnet.evaluation.estimates import Difference, Estimate, EvidenceSettings, too_few
from lfnet.evaluation.intervals import jackknife_p, jackknife_t
from lfnet.evaluation.left_out import LeftOut, Question, class_interval, difference, leave_out

__all__ = ["ClassComparison", "ClassEvidence", "ClassRow", "Thresholds", "compute_class_evidence"]

Floats = NDArray[np.float64]

Thresholds = Mapping[str, Sequence[float]]
"""Row → the threshold of each of its seeds, from which scores count as positive."""


@dataclass(frozen=True)
class ClassComparison:
    """A row compared with the reference by AUROC, or by the quadratic kappa of classes.

    `differences`: metric → Difference. p and p_holm: of no difference; p_equivalent and p_equivalent_holm: of one of
    the margin or more.
    """

    differences: Mapping[str, Difference]
    p: float | None
    p_equivalent: float | None
    p_holm: float | None = None
    p_equivalent_holm: float | None = None
    verdict: Verdict = "cannot tell"


@dataclass(frozen=True)
class ClassRow:
    """Estimates of one row by metric, the thresholds of its seeds, and its comparison (None for the reference)."""

    name: str
    estimates: Mapping[str, Estimate]
    thresholds: tuple[float, ...] | None
    comparison: ClassComparison | None = None


@dataclass(frozen=True)
class ClassEvidence:
    """Evidence on rows as answers to one binary question (`cut`), or on classes (None).

    `tested` names the metric of comparisons. positive, negative: people with a recording above the first class, or in
    it; `enough`: whether there are `min_people` of both, without which `withheld` is shown in place of numbers.
    """

    cut: Cut | None
    tested: str
    reference: str | None
    positive: int
    negative: int
    enough: bool
    rows: Mapping[str, ClassRow]

    @property
    def withheld(self) -> str | None:
        """What stands in place of every number of too few people of a kind; None where there are enough."""
        return None if self.enough else too_few(min(self.positive, self.negative))


def compute_class_evidence(
    rows: Sequence[RowScores],
    of: Cut | Floats,
    reference: str | None = None,
    settings: EvidenceSettings | None = None,
    *,
    joint: bool = False,
    thresholds: Thresholds | None = None,
) -> ClassEvidence:
    """Compute intervals of the metrics of classification and, with a reference, verdicts on the other rows.

    Parameters
    ----------
    rows : sequence of RowScores
        Scores of the same recordings.
    of : Cut or ndarray
        A binary question, or the edges of classes (`lfnet.evaluation.classes.edges_of`).
    reference : str, optional
        Name of the row that others are compared with.
    settings : EvidenceSettings, optional
    joint : bool
        Whether seeds are drawn too, for statements about architectures.
    thresholds : mapping, optional
        Row → threshold of each seed, such as those of `choose_threshold` on dev; by default the cut's own.

    Returns
    -------
    ClassEvidence

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> people = [f"p{i}" for i in range(60)]
    >>> label = random.integers(0, 25, 60)
    >>> near, far = label + random.normal(0, 4, 60), label + random.normal(0, 20, 60)
    >>> rows = [RowScores("near", people, people, label, [near]), RowScores("far", people, people, label, [far])]
    >>> found = compute_class_evidence(rows, Cut("10", 10, 10), "far").rows["near"]
    >>> round(found.estimates["auroc"].value, 2), found.comparison.verdict
    (0.96, 'better')
    """
    settings = settings or EvidenceSettings()
    aligned = align(rows)
    cut = of if isinstance(of, Cut) else None
    edges = np.array([cut.score]) if cut is not None else np.asarray(of, np.float64)
    question = Question(class_numbers(edges, aligned.label_N), aligned.person_N, edges)
    positive, negative = question.people_in(True), question.people_in(False)
    enough = min(positive, negative) >= settings.min_people
    tested = "auroc" if cut is not None else "quadratic_kappa"
    left: dict[str, dict[str, LeftOut]] = {}
    made: dict[str, ClassRow] = {}
    for name, score_SN in zip(aligned.names, aligned.score_RSN, strict=True):
        threshold_S = (thresholds or {}).get(name)
        if threshold_S is None and cut is not None and cut.threshold is not None:
            threshold_S = [cut.threshold] * len(score_SN)
        left[name] = {
            metric: leave_out(metric, question, score_SN, threshold_S)
            for metric in _metrics_of(cut, threshold_S is not None)
        }
        estimates = {metric: _estimate(one, joint, enough, settings) for metric, one in left[name].items()}
        made[name] = ClassRow(name, MappingProxyType(estimates), None if threshold_S is None else tuple(threshold_S))
    if reference is not None:
        others = [name for name in aligned.names if name != reference]
        compared = [_compared(left[name], left[reference], tested, joint, enough, settings) for name in others]
        # Of an error less is better, of these metrics more.
        adjusted = compare.adjust(compared, lambda one: -(one.differences[tested].value or 0.0), settings.alpha)
        for name, one in zip(others, adjusted, strict=True):
            made[name] = replace(made[name], comparison=one)
    return ClassEvidence(cut, tested, reference, positive, negative, enough, MappingProxyType(made))


def _metrics_of(cut: Cut | None, has_threshold: bool) -> list[str]:
    if cut is None:
        return [name for name in OF_COUNTS if name not in ("sensitivity", "specificity")]
    counted = [name for name in OF_COUNTS if name != "quadratic_kappa"] if has_threshold else []
    return ["auroc", "auprc", *["brier"] * cut.probability, *counted]


def _estimate(found: LeftOut, joint: bool, enough: bool, settings: EvidenceSettings) -> Estimate:
    value_S = found.value_S
    if not np.isfinite(value_S).all():
        return Estimate(None, undefined=int((~np.isfinite(value_S)).sum()))
    quantity = found.quantity(joint)
    sd = float(value_S.std(ddof=1)) if len(value_S) > 1 else None
    return Estimate(
        quantity.value,
        class_interval(found, joint, settings.level) if enough else None,
        sd_seeds=sd,
        var_people=quantity.people if np.isfinite(quantity.people) else None,
        var_seeds=None if sd is None else sd**2 / len(value_S),
    )


def _compared(
    row: Mapping[str, LeftOut],
    base: Mapping[str, LeftOut],
    tested: str,
    joint: bool,
    enough: bool,
    settings: EvidenceSettings,
) -> ClassComparison:
    differences, p, p_equivalent = {}, None, None
    for metric, own in row.items():
        if metric not in base:
            continue
        gap = difference(own, base[metric], joint)
        if not np.isfinite(gap.value):
            differences[metric] = Difference(None)
            continue
        differences[metric] = Difference(gap.value, jackknife_t(gap, settings.level) if enough else None)
        if metric == tested and enough:
            p = jackknife_p(gap)
            margin = settings.margin_auroc
            above, below = jackknife_p(gap, -margin, toward=1), jackknife_p(gap, margin, toward=-1)
            p_equivalent = None if above is None or below is None else max(above, below)
    return ClassComparison(MappingProxyType(differences), p, p_equivalent)
