"""Evaluate the scores of any models: arrays or DataFrames in, intervals, comparisons and verdicts out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation.class_evaluation import ClassEvaluation, cuts_asked, evaluate_classes
from lfnet.evaluation.class_evidence import ClassEvidence
from lfnet.evaluation.compare import EQUIVALENT, Verdict
from lfnet.evaluation.estimates import CORRELATIONS, Difference, Estimate, EvidenceSettings, estimate_text, too_few
from lfnet.evaluation.evidence import Evidence, compute_evidence
from lfnet.evaluation.score_rows import baseline_rows, evaluated_split, model_rows, recordings_of, score_frame
from lfnet.text import align_columns

__all__ = ["Evaluation", "evaluate"]

_SHOWN = {"mae": ("MAE", True), "rmse": ("RMSE", False), "pcc": ("PCC", True), "ccc": ("CCC", False)}
_SHOWN |= {"sigma_ratio": ("sigma_ratio", False), "skill": ("skill", False)}


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Evidence on the scores of one or several models.

    Parameters
    ----------
    models : tuple of str
        Names of the models, in the order given.
    split : str or None
        The split that was evaluated; None where no splits were given.
    evidence : Evidence
        Estimates of each model, and of the baselines train_mean and train_median where train labels are known.
    comparisons : mapping
        Reference → Evidence of the models compared with it.
    notes : tuple of str
        Sentences that a reader must know.
    classes : tuple of ClassEvaluation
        Evidence on binary questions: of each cut-off, or of labels that are 0 and 1.
    """

    models: tuple[str, ...]
    split: str | None
    evidence: Evidence
    comparisons: Mapping[str, Evidence]
    notes: tuple[str, ...]
    classes: tuple[ClassEvaluation, ...] = ()

    @property
    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Model → metric → Estimate."""
        return {name: dict(row.estimates) for name, row in self.evidence.rows.items()}

    @property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """Reference → model → verdict on its difference in MAE, of binary labels on its difference in AUROC."""
        found: Mapping[str, Evidence | ClassEvidence] = self.comparisons
        if any(not own.cut.name for own in self.classes):
            found = self.classes[0].comparisons
        return {
            reference: {name: row.comparison.verdict for name, row in one.rows.items() if row.comparison is not None}
            for reference, one in found.items()
        }

    def to_frame(self) -> pd.DataFrame:
        """Return all numbers as a tidy DataFrame.

        Returns
        -------
        DataFrame
            One row per model, reference and metric: model, reference ("" for the model's own value), metric, value,
            low, high, level, method, sd_seeds, undefined; and p, p_holm, p_equivalent, p_equivalent_holm, effect,
            probability and verdict in the rows of differences in MAE. Metrics of a cut-off are called `auroc_14`, those
            of binary labels `auroc`; their tests are in the rows of differences in AUROC. Correlations of fewer than
            `min_people` people are NaN.
        """
        lines: list[dict[str, Any]] = []
        for name, row in self.evidence.rows.items():
            for metric, estimate in row.estimates.items():
                estimate = Estimate(None) if self._too_few(metric) else estimate
                more = {"seeds": row.seeds, "sd_seeds": estimate.sd_seeds, "undefined": estimate.undefined}
                lines.append({"model": name, "reference": "", "metric": metric, **_numbers(estimate), **more})
        for reference, found in self.comparisons.items():
            for name, row in found.rows.items():
                if row.comparison is None:
                    continue
                for metric, difference in row.comparison.differences.items():
                    difference = Difference(None) if self._too_few(metric) else difference
                    line = {"model": name, "reference": reference, "metric": metric, **_numbers(difference)}
                    tests = {field: getattr(row.comparison, field) for field in _TESTS}
                    lines.append(line | {"seeds": row.seeds} | (tests if metric == "mae" else {}))
        seeds = {name: row.seeds for name, row in self.evidence.rows.items()}
        lines += [line | {"seeds": seeds[line["model"]]} for found in self.classes for line in found.records()]
        return pd.DataFrame(lines, columns=_COLUMNS)

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as dicts and lists, undefined ones as None."""
        frame = self.to_frame()
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        settings = self.evidence.settings
        return {
            "models": list(self.models),
            "split": self.split,
            "estimand": self.evidence.estimand,
            "people": self.evidence.people,
            "recordings": self.evidence.recordings,
            "level": settings.level,
            "margin": settings.margin,
            "rows": records,
            "notes": list(self.notes),
        }

    def _too_few(self, metric: str) -> bool:
        """Whether the metric is a correlation of too few people."""
        return metric in CORRELATIONS and self.evidence.people < self.evidence.settings.min_people

    def __repr__(self) -> str:
        """Tables of estimates and comparisons, at most 100 columns wide for short names."""
        found, settings = self.evidence, self.evidence.settings
        level = f"{100 * settings.level:g} %"
        models = "these trained models" if found.estimand == "trained" else "the architectures (over seeds and people)"
        split = "" if self.split is None else f"split {self.split}: "
        few = found.people < settings.min_people
        lines = [
            f"{split}{_number(found.recordings, 'recording', 'recordings')} of "
            f"{_number(found.people, 'person', 'people')}; "
            + (f"no intervals, {too_few(found.people)}" if few else f"{level} intervals of {models} for {found.whom}"),
            "",
        ]
        binary = any(not own.cut.name for own in self.classes)
        of_classes = [line for own in self.classes for line in ["", *own.lines(settings)]]
        if binary:  # what is asked of such labels comes first
            lines += [*of_classes[1:], ""]
        metrics = [metric for metric in _SHOWN if any(metric in row.estimates for row in found.rows.values())]
        seeds = any(row.seeds > 1 for row in found.rows.values())
        table = [["model", *["seeds"] * seeds, *(_SHOWN[metric][0] for metric in metrics)]]
        for name, row in found.rows.items():
            cells = [
                too_few(found.people)
                if self._too_few(metric)
                else estimate_text(row.estimates.get(metric), ".2f", _SHOWN[metric][1])
                for metric in metrics
            ]
            table.append([name, *[str(row.seeds)] * seeds, *cells])
        lines += align_columns(table)
        for reference, compared in self.comparisons.items():
            table = [["model", f"MAE vs {reference}", "p", "p (TOST)", "P(closer)", "verdict"]]
            for name, row in compared.rows.items():
                if (one := row.comparison) is not None:
                    gap = estimate_text(one.differences.get("mae"), "+.2f")
                    tests = [_p(one.p_holm), _p(one.p_equivalent_holm), f"{one.probability:.2f}"]
                    table.append([name, gap, *tests, str(one.verdict)])
            lines += ["", *align_columns(table)]
        if not binary:
            lines += of_classes
        notes = []
        if self.comparisons:
            margin = f"of a difference in MAE of the margin ({settings.margin:g}) or more."
            notes = [f"p-values have Holm's adjustment; p (TOST): {margin}"]
        if self.classes:
            notes.append(f"Of AUROC, the margin is {settings.margin_auroc:g}; the other metrics are not tested.")
        if any(verdict == "equivalent" for found in self.verdicts.values() for verdict in found.values()):
            notes.append(EQUIVALENT.format(level=f"{100 * (2 * settings.level - 1):g}"))
        return "\n".join([*lines, "", *notes, *self.notes]).rstrip()


_TESTS = ("p", "p_holm", "p_equivalent", "p_equivalent_holm", "effect", "probability", "verdict")
_COLUMNS = ["model", "reference", "metric", "value", "low", "high", "level", "method", "seeds", "sd_seeds", "undefined"]
_COLUMNS += _TESTS


def evaluate(
    y: ArrayLike,
    scores: ArrayLike | Mapping[str, ArrayLike] | pd.DataFrame,
    person: ArrayLike | None = None,
    recording: ArrayLike | None = None,
    split: ArrayLike | None = None,
    *,
    model: ArrayLike | None = None,
    seed: ArrayLike | None = None,
    on: str | None = None,
    against: str | Sequence[str] | None = None,
    constant: float | None = None,
    cutoff: float | Sequence[float] | None = None,
    threshold: Literal["cutoff", "dev", "dev90"] = "cutoff",
    level: float = 0.95,
    margin: float = 1.0,
    margin_auroc: float = 0.05,
    estimand: Literal["auto", "trained", "architecture"] = "auto",
    resamples: int = 10_000,
    flips: int = 10_000,
    min_people: int = 10,
    min_seeds: int = 5,
    random_seed: int = 0,
) -> Evaluation:
    """Evaluate scores: metrics with intervals over people, comparisons with references, and verdicts.

    Parameters
    ----------
    y : array_like, shape [n]
        Observed values, in points; NaN where unknown.
    scores : array_like, mapping or DataFrame
        Predicted values: [n] of one model; [seeds, n] of one model; a mapping of names to either; or a DataFrame with
        one column per model. Several rows of one recording (its clips, its windows) are averaged.
    person : array_like, shape [n], optional
        The person of each row. People are the unit that is resampled. Without it each recording counts as a person of
        its own, which makes intervals too short where people have several recordings.
    recording : array_like, shape [n], optional
        The recording of each row; without it each row is a recording.
    split : array_like, shape [n], optional
        The split of each row. Rows of the split "train" give the baselines train_mean and train_median, the constant
        that skill compares with; they are not scored. People who are in another split too are no new people: where
        there are any, the header says how many, and each row has its metrics on the others.
    model, seed : array_like, shape [n], optional
        The model and the training seed of each row, for long tables; `recording` is needed then.
    on : str, optional
        The split to evaluate; "test" by default.
    against : str or sequence of str, optional
        Names of models (or train_mean, train_median) that the models are compared with; by default train_median where
        train labels are known.
    constant : float, optional
        The constant score that skill compares with, where there is no train split.
    cutoff : float or sequence of float, optional
        Labels from it on are positive: AUROC, AUPRC, sensitivity, specificity and balanced accuracy with intervals, and
        verdicts by AUROC. Labels that are all 0 or 1 have them without it; where scores are between 0 and 1 they count
        as probabilities, with Brier score and calibration.
    threshold : {"cutoff", "dev", "dev90"}
        Scores that count as positive: from the cut-off on (.5 for probabilities); from the score with the highest
        balanced accuracy on the split "dev" on; or from the highest score on that finds 90 % of dev's positives.
    level, margin, margin_auroc, estimand, resamples, flips, min_people, min_seeds
        As in `EvidenceSettings`.
    random_seed : int
        Of the resamples; the same input gives the same numbers.

    Returns
    -------
    Evaluation

    Raises
    ------
    LfnetError
        Inputs of different lengths, missing or infinite scores, a recording with two labels, people or splits, models
        that scored different recordings, an unknown reference or split, or a setting out of range.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> person = np.repeat(np.arange(20), 2)
    >>> y = random.integers(0, 40, 40)
    >>> scores = {"close": y + random.normal(0, 3, 40), "far": y + random.normal(0, 9, 40)}
    >>> found = evaluate(y, scores, person, against="far", resamples=500)
    >>> found
    40 recordings of 20 people; 95 % intervals of these trained models for new people
    <BLANKLINE>
    model  MAE                RMSE  PCC                CCC   sigma_ratio
    close  2.27 [1.74, 2.97]  2.75  0.98 [0.96, 0.99]  0.98  1.08
    far    8.02 [6.55, 9.82]  9.50  0.77 [0.63, 0.86]  0.75  1.22
    <BLANKLINE>
    model  MAE vs far            p       p (TOST)  P(closer)  verdict
    close  -5.75 [-7.36, -4.13]  < .001  0.999     0.95       better
    <BLANKLINE>
    p-values have Holm's adjustment; p (TOST): of a difference in MAE of the margin (1) or more.
    Verdicts are about these trained models, not about architectures: that needs 5 seeds, and 2 rows have fewer.
    >>> found.estimates["close"]["mae"].interval.high < found.estimates["far"]["mae"].interval.low
    True
    >>> found.to_frame().query("reference == 'far' and metric == 'mae'")["verdict"].item()
    'better'
    """
    options = {"level": level, "margin": margin, "estimand": estimand, "resamples": resamples, "flips": flips}
    options |= {"min_people": min_people, "min_seeds": min_seeds, "seed": random_seed, "margin_auroc": margin_auroc}
    settings = read(EvidenceSettings, options, "")
    frame = score_frame(y, scores, person, recording, split, model, seed)
    recordings = recordings_of(frame)
    on = evaluated_split(recordings, on)
    train = recordings[recordings["split"] == "train"].dropna(subset="label")
    train = train.iloc[:0] if on in ("train", None) else train
    elsewhere = frozenset() if on is None else frozenset(recordings.loc[recordings["split"] != on, "person"])
    models = model_rows(frame if on is None else frame[frame["split"] == on], elsewhere)
    baselines = baseline_rows(train, models[0]) if len(train) else []
    baselines = [row for row in baselines if row.name not in {model.name for model in models}]
    if constant is None and len(train):
        constant = float(train["label"].median())
    evidence = compute_evidence([*models, *baselines], None, settings, constant)
    known = {row.name: row for row in (*models, *baselines)}
    names = (["train_median"] if len(train) else []) if against is None else _listed(against)
    cuts = cuts_asked(
        cutoff,
        np.asarray(models[0].label, float).tolist(),
        np.concatenate([np.ravel(row.score) for row in models]).tolist(),
    )
    binary = any(not cut.name for cut in cuts)
    comparisons = {}
    for name in names:
        if name not in known:
            raise LfnetError(f"against={name}: there is no such model. Choose one of {', '.join(known)}.")
        others = [row for row in models if row.name != name]
        if others and not binary:
            comparisons[name] = compute_evidence([*others, known[name]], name, settings, constant)
    dev = frame[(frame["split"] == "dev") & (on != "dev")].groupby(["model", "seed", "recording"], sort=False)
    classes = tuple(
        evaluate_classes(
            models,
            baselines,
            names,
            cut,
            settings,
            joint=evidence.estimand == "architecture",
            threshold=threshold,
            dev=dev.agg({"label": "first", "score": "mean"}).reset_index(),
        )
        for cut in cuts
    )
    notes = [*evidence.notes, *(note for found in comparisons.values() for note in found.notes)]
    if binary:
        notes.append("Labels are 0 and 1: rows are compared by AUROC, not by MAE.")
    if person is None:
        notes.append(
            "No person is given: each recording counts as a person of its own. Where people have several recordings, "
            "these intervals are too short."
        )
    return Evaluation(
        tuple(row.name for row in models),
        on,
        evidence,
        MappingProxyType(comparisons),
        tuple(dict.fromkeys(notes)),
        classes,
    )


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))


def _numbers(found: Estimate | Difference) -> dict[str, Any]:
    numbers: dict[str, Any] = {"value": found.value}
    if (ends := found.interval) is not None:
        numbers |= {"low": ends.low, "high": ends.high, "level": ends.level, "method": ends.method}
    return numbers


def _number(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _p(value: float | None) -> str:
    return "-" if value is None else "< .001" if value < 0.001 else f"{value:.3f}"
