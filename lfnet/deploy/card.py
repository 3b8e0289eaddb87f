"""Model card of a bundle: data, people, measured scores, limits, licences and intended use."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import yaml  # type: ignore[import-untyped]

from lfnet import RESEARCH_ONLY
from lfnet.deploy.bundle_json import EncoderFacts, Facts
from lfnet.evaluation.calibration import calibration_bins
from lfnet.evaluation.class_evidence import compute_class_evidence
from lfnet.evaluation.class_metrics import CLASS_METRICS
from lfnet.evaluation.classes import Cut
from lfnet.evaluation.estimates import CORRELATIONS, too_few
from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence
from lfnet.evaluation.group_evidence import compute_group_evidence
from lfnet.evaluation.groups import Groups
from lfnet.evaluation.predictions import Predictions
from lfnet.reports.markdown import escape, evidence_tables
from lfnet.runs.result import Result
from lfnet.tables.group_blocks import MEANING, NOT_BINARY, group_blocks, groupings_of

__all__ = ["write_card"]

_METRICS = ("mae", "rmse", "pcc", "ccc", "sigma_ratio")
_CLASS_METRICS = ("auroc", "brier", "sensitivity", "specificity")
_RESAMPLES = 2000


def write_card(
    result: Result,
    facts: Facts,
    predictions: Predictions,
    trained: Collection[str],
    table: pd.DataFrame | None = None,
    asked: Groups | None = None,
) -> str:
    """Write the text of MODEL_CARD.md.

    Parameters
    ----------
    result : Result
        The run's.
    facts : Facts
        The bundle's.
    predictions : Predictions
        The run's.
    trained : collection of str
        People of the training recordings.
    table : DataFrame, optional
        Groups of the people (`Run.groups`).
    asked : mapping, optional
        The groups to show, with their bands; None: all, with bands that are guessed.
    """
    scale = facts.scale
    measured, numbers = _measured(result, predictions, trained, scale.probability)
    parts = [
        _front_matter(facts, numbers),
        f"# {facts.run.model}, {facts.head.variant}",
        f"**{RESEARCH_ONLY}**",
        f"{_about(facts)} Made {facts.made} from {_runs(facts)}.",
        "## Intended use",
        "Research on methods: comparing encoders, heads and protocols on cohorts whose scores are known. Not for "
        "diagnosis, screening, triage, monitoring of a person, or any decision about a person. A person's video is to "
        "be scored only with that person's informed consent.",
        *_data(result, facts.run.cohort, table),
        *measured,
        *_groups(facts, predictions, trained, table, asked, scale.probability),
        *_interval(facts),
        *_audit(result),
        "## What it refuses",
        _limits(facts),
        *_networks(facts),
        "## Made with",
        ", ".join(f"{name} {number}" for name, number in facts.versions.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: Facts, numbers: Mapping[str, Mapping[str, float]]) -> str:
    """Write the YAML block above the card, with the keys of Hugging Face's model cards. numbers: of each split."""
    cohort = facts.run.cohort
    name = f"{cohort}, simulated" if facts.run.simulated else cohort
    kind = "classification" if facts.scale.probability else "regression"
    results = [
        {
            "task": {"type": kind, "name": f"{facts.scale.name} of a recording"},
            "dataset": {"type": cohort, "name": name, "split": split},
            "metrics": [{"type": metric, "value": round(value, 4)} for metric, value in found.items()],
        }
        for split, found in numbers.items()
    ]
    content = {
        "library_name": "lfnet",
        "license": "other",  # the head's is its author's to state, and the networks have their own
        "license_name": "see-networks-and-their-licences",
        "tags": ["depression", "research-only", "not-a-diagnosis", *(["simulated"] if facts.run.simulated else [])],
        "metrics": sorted({metric for found in numbers.values() for metric in found}),
        "model-index": [{"name": f"{facts.run.model}, {facts.head.variant}", "results": results}],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)}---"


def _about(facts: Facts) -> str:
    scale = facts.scale
    if not scale.probability:
        return f"Scores {_input(facts)} on {scale.name}, {scale.min:g} to {scale.max:g} points."
    return (
        f"Gives, for {_input(facts)}, the probability that the label is 1 ({escape(scale.name)}), where labels are as "
        "frequent as in this cohort. It is a number about a label, and says nothing certain of a person."
    )


def _input(facts: Facts) -> str:
    return "a video of a face" if facts.video else f"a clip's features ({facts.features.dim} numbers per frame)"


def _runs(facts: Facts) -> str:
    members = [f"`{member.fingerprint[:16]}` (seed {member.seed})" for member in facts.run.members]
    if len(members) == 1:
        return f"run {members[0]}"
    return f"the runs {', '.join(members)}: a deep ensemble, whose score is the mean of theirs"


def _data(result: Result, name: str, table: pd.DataFrame | None) -> list[str]:
    cohort, features = result.cohort, result.features
    sizes = ", ".join(f"{split} {count} of {cohort.people[split]} people" for split, count in cohort.recordings.items())
    truth = " **Simulated: no person was filmed, and the scores say nothing about any person.**" * cohort.simulated
    groups = (
        "Age, sex, ethnicity and language of the people are not recorded here, so differences between groups are "
        "unknown."
        if table is None
        else "What is known of groups of people is below."
    )
    lines = [
        "## Data and people",
        f"Cohort {escape(name)}.{truth} Recordings: {sizes}. Features: {features.stream}, {features.dim} "
        f"numbers per frame, a face in {100 * features.coverage:.0f} % of frames. {groups}",
    ]
    warnings = [*cohort.warnings, *result.marks]
    return [*lines, "\n".join(f"- {escape(text)}" for text in warnings)]


def _of_classes(scores: RowScores) -> tuple[dict[str, str], dict[str, float]]:
    """Metrics of a binary label, with the calibration of its probabilities, as texts; and their numbers."""
    cut = Cut("", 0.5, 0.5, probability=True)
    found = compute_class_evidence([scores], cut)
    estimates = found.rows["head"].estimates
    texts = {
        CLASS_METRICS[name].label: found.withheld
        or f"{_number(estimates[name].value)}{_between(estimates[name].interval)}"
        for name in _CLASS_METRICS
    }
    bins = calibration_bins(cut.positive(scores.label), np.asarray(scores.score)[0], scores.person_id)
    if bins and not found.withheld:
        texts["calibration, predicted → observed share"] = ", ".join(
            f"{one.predicted:.2f} → {one.observed:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in bins
        )
    return texts, {} if found.withheld else _defined({name: estimates[name].value for name in _CLASS_METRICS})


def _defined(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None and np.isfinite(value)}


def _measured(
    result: Result, predictions: Predictions, trained: Collection[str], binary: bool = False
) -> tuple[list[str], dict[str, dict[str, float]]]:
    """The lines on what was measured, and the numbers of each split; correlations of too few people are in neither."""
    numbers: dict[str, dict[str, float]] = {}
    frame = predictions.at("recording").frame
    lines = ["## Measured"]
    for split in ("dev", "test"):
        rows = frame[(frame["split"] == split) & frame["label"].notna()]
        if not len(rows):
            continue
        scores = _row_scores(frame, split, trained)
        found = compute_evidence([scores], settings=EvidenceSettings(estimand="trained", resamples=_RESAMPLES))
        row = found.rows["head"]
        estimates: dict[str, str] = {
            name: _value(name, row.estimates[name], found.people) for name in _METRICS if name in row.estimates
        }
        withheld = CORRELATIONS if found.people < EvidenceSettings().min_people else ()
        numbers[split] = _defined(
            {name: one.value for name, one in row.estimates.items() if name in _METRICS and name not in withheld}
        )
        if binary:
            estimates, numbers[split] = _of_classes(scores)
        chose = result.training.monitor.startswith(split)
        lines.append(
            f"{split}, {found.recordings} recordings of {found.people} people"
            + (", which chose the epoch, so these numbers are optimistic" if chose else "")
            + (f"; {found.shared} of the people are in another split too" if found.shared else "")
            + ":"
        )
        lines.append("\n".join(f"- {name}: {text}" for name, text in estimates.items()))
        median = result.references.get("train_median", {}).get(split, {}).get("mae")
        if median is not None and not binary:
            lines.append(f"A constant, the training median, has MAE {median:.2f}.")
        lines += [f"{note}" for note in found.notes]
    if len(lines) == 1:
        return [*lines, "Nothing: no recording outside training has a label."], {}
    return [*lines, "Intervals: 95 %, over people (bootstrap); training set and seed are fixed."], numbers


def _row_scores(frame: pd.DataFrame, split: str, trained: Collection[str]) -> RowScores:
    """The labelled recordings of a split. frame: recordings of all splits."""
    rows = frame[(frame["split"] == split) & frame["label"].notna()]
    return RowScores(
        "head",
        rows["recording_id"].tolist(),
        rows["person_id"].tolist(),
        rows["label"].to_numpy(float),
        rows["score"].to_numpy(float)[None],
        frozenset(trained) | frozenset(frame.loc[frame["split"] != split, "person_id"]),
        deterministic=True,
    )


def _groups(
    facts: Facts,
    predictions: Predictions,
    trained: Collection[str],
    table: pd.DataFrame | None,
    asked: Groups | None,
    binary: bool = False,
) -> list[str]:
    """Errors by group, of the test recordings or, without any, of those of dev; "" where no group is known."""
    frame = predictions.at("recording").frame
    labelled = set(frame.loc[frame["label"].notna(), "split"])
    split = next((name for name in ("test", "dev") if name in labelled), None)
    if table is None or split is None:
        return []
    if binary:
        return ["## Groups of people", NOT_BINARY]
    scores = replace(_row_scores(frame, split, trained), name=facts.run.model)
    groupings, notes = groupings_of(table, asked, scores.person_id)
    settings = EvidenceSettings(estimand="trained", flips=_RESAMPLES)
    coverage = 0.9 if facts.conformal is None else facts.conformal.level
    found = compute_group_evidence([scores], groupings, settings, coverage)
    lines = [f"- {escape(text)}" for text in (MEANING, *notes, *found.notes)]
    return ["## Groups of people", *evidence_tables(group_blocks(found, settings, split)), "\n".join(lines)]


def _value(name: str, estimate: Any, people: int) -> str:
    if name in CORRELATIONS and people < EvidenceSettings().min_people:
        return too_few(people)
    return f"{_number(estimate.value)}{_between(estimate.interval)}"


def _number(value: float | None) -> str:
    return "undefined" if value is None or not np.isfinite(value) else f"{value:.2f}"


def _between(interval: Any) -> str:
    return "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"


def _interval(facts: Facts) -> list[str]:
    conformal = facts.conformal
    if conformal is None:
        return ["## Interval of a score", f"None: {facts.no_interval}."]
    follows = ""
    if conformal.typical is not None:
        follows = (
            f" where the members' scores have an SD of {conformal.typical:.2f} points (the mean of the split that "
            "chose the epochs), wider where they disagree more,"
        )
    return [
        "## Interval of a score",
        f"± {conformal.half_width:.2f} points{follows or ','} split conformal at level {conformal.level:g}: "
        f"calibrated on {conformal.n} recordings, each of another person in neither training nor selection (the "
        f"highest level with them is {conformal.reachable:.3f}). It covers {100 * conformal.coverage:.1f} % of new "
        "recordings on average, if they are like those of this cohort; it guarantees nothing for a group of people, "
        "for other cameras, or for other instructions. The metrics of the split that calibrated it, above, were "
        "measured on the same recordings.",
    ]


def _audit(result: Result) -> list[str]:
    lines = [f"- {entry.status}: {escape(entry.text.rstrip('.'))}." for entry in result.audit]
    return ["## Audit of the cohort", "\n".join(lines) if lines else "Not audited."]


def _limits(facts: Facts) -> str:
    limits, rates = facts.limits, facts.limits.rows_per_second
    stride = facts.encoder.stride if facts.encoder else 1
    rate = "" if rates is None else f" frame rates outside {rates[0] * stride:.3g} to {rates[1] * stride:.3g} a second;"
    return (
        f"Clips without a face;{rate} fewer than {limits.min_frames} frames with a face; a face in less than "
        f"{100 * limits.min_coverage:g} % of the frames. It cannot detect that a person's posture or task "
        "differs from the cohort's."
    )


def _networks(facts: Facts) -> list[str]:
    head, parity = facts.head, facts.head.parity
    lines = [
        f"- head, `{head.file}`: {head.parameters:,} parameters, {head.variant}; a real window's score is "
        f"at most {parity.real_max:.2g} points from PyTorch's ({parity.real_windows} windows), a random masked "
        f"window's {parity.random_max:.2g} ({parity.random_windows}); {parity.tolerance:g} is allowed.",
    ]
    for stage, part in (("video", facts.video), ("encoder", facts.encoder)):
        if part is not None and (weights := part.weights):
            notice = f" {weights.notice.strip()}" if weights.notice else ""
            licence = f"licence of the weights: {weights.licence}.{notice}"
            lines.append(f"- {stage}, `{part.file}`: {weights.about}; {licence}")
        elif isinstance(part, EncoderFacts):
            lines.append(f"- {stage}: {part.name}, no network of its own.")
    if facts.features.means is not None:
        lines.append(
            f"- `{facts.features.means}`: the mean of each feature over the training clips, for `lfnet explain`."
        )
    lines.append("- lfnet itself: Apache-2.0.")
    return ["## Networks and their licences", "\n".join(lines)]
