"""Scores of reference rows for the evidence of a section: constants, baselines and oracles on its recordings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lfnet.evaluation.evidence import Evidence, RowEvidence, RowScores
from lfnet.runs.collection import joined_training_sets
from lfnet.runs.run import Run
from lfnet.runs.scores import recording_rows
from lfnet.tables.evidence_text import Numbers
from lfnet.tables.grouping import Group
from lfnet.tables.reference_rows import is_oracle, label_of_part, same_values, split_by_key
from lfnet.tables.settings import TableEvidence

__all__ = ["ReferenceScores", "reference_lines", "reference_scores", "training_median"]

_MEDIAN = "train_median"


@dataclass(frozen=True)
class ReferenceScores:
    """A reference on the recordings of a section.

    Parameters
    ----------
    name : str
        As settings have it: "ridge".
    label : str
        In print, with the row key that it follows: "ridge, filming none".
    scores : RowScores
        Of an oracle, those of its median, the best guess for MAE and skill.
    means : RowScores or None
        Of an oracle, those of its mean, the best guess for all else.
    key : str or None
        The row key that explains how the runs' references differ; None where all runs have the same.
    part : str
        The key's text.
    """

    name: str
    label: str
    scores: RowScores = field(repr=False)
    means: RowScores | None = field(default=None, repr=False)
    key: str | None = None
    part: str = ""

    @property
    def rows(self) -> tuple[RowScores, ...]:
        """All rows of scores."""
        return (self.scores,) if self.means is None else (self.scores, self.means)

    def is_of(self, group: Group) -> bool:
        """Whether the runs of a row have this reference."""
        return self.key is None or group.identity[self.key] == self.part


def reference_scores(
    node: TableEvidence, names: Sequence[str], groups: Sequence[Group], row_keys: Sequence[str], like: RowScores
) -> list[ReferenceScores]:
    """Read the references that the runs have for these recordings, once for each value of a key that they follow.

    Parameters
    ----------
    node : TableEvidence
    names : sequence of str
        Those that the table shows; those that it compares with are added.
    groups : sequence of Group
        The model rows of the section.
    row_keys : sequence of str
    like : RowScores
        A model row: its recordings and the people whom they share with other splits.
    """
    wanted = {name for name in node.names if "=" not in name}
    found = []
    for name in [*names, *sorted(wanted - set(names))]:
        key, parts = _parts(node, name, groups, row_keys)
        for part, runs in parts.items():
            text = label_of_part(name, key, part)
            repeats = _repeats(runs)
            if is_oracle(name):
                means = _row(node, f"{text} (mean)", f"{name}_mean", repeats, like)
                scores = _row(node, text, f"{name}_median", repeats, like)
            else:
                means, scores = None, _row(node, text, name, repeats, like)
            if scores is not None:
                found.append(ReferenceScores(name, text, scores, means, key, part))
    return found


def training_median(groups: Sequence[Group], row_keys: Sequence[str], node: TableEvidence) -> tuple[float | None, str]:
    """The median that skill compares with, and a sentence where rows of the section have others, else ""."""
    key, parts = _parts(node, _MEDIAN, groups, row_keys)
    for part, runs in parts.items():
        model = runs[0].baselines.get(_MEDIAN)
        if model is not None:
            text = "" if key is None else f"Skill compares every row with {label_of_part(_MEDIAN, key, part)}."
            # The folds of a cross-validation have a median each; they differ little.
            return float(model.frame["score"].median()), text
    return None, ""


def reference_lines(found: Evidence, given: Sequence[ReferenceScores]) -> list[tuple[str, Numbers, RowEvidence]]:
    """Name, metric → estimate, and evidence of each reference."""
    lines: list[tuple[str, Numbers, RowEvidence]] = []
    for one in given:
        median = found.rows[one.scores.name]
        mean = median if one.means is None else found.rows[one.means.name]
        estimates = {
            metric: (median if metric in ("mae", "skill") else mean).estimates.get(metric)
            for metric in median.estimates
        }
        lines.append((one.label, estimates, median))
    return lines


def _parts(
    node: TableEvidence, name: str, groups: Sequence[Group], row_keys: Sequence[str]
) -> tuple[str | None, dict[str, list[Run]]]:
    """The row key that the runs' references follow, and the runs of each of its values; one run where none does."""
    source = f"{name}_median" if is_oracle(name) else name
    members = [
        (group, run) for group in groups for run in group.runs if node.split in run.result.references.get(source, {})
    ]

    def agree(runs: list[Run]) -> bool:
        repeats: dict[Any, list[Run]] = {}
        for run in runs:
            repeats.setdefault(_repeat(run), []).append(run)
        return all(same_values(run.result.references[source][node.split] for run in own) for own in repeats.values())

    if not members:
        return None, {}
    return split_by_key(members, row_keys, agree) or (None, {"": [members[0][1]]})


def _repeat(run: Run) -> Any:
    return run.setting("splits.seed") if run.folds else None


def _repeats(runs: Sequence[Run]) -> list[Run]:
    """One run of each repeat of a cross-validation, as references are fitted too; else the first run."""
    found: dict[Any, Run] = {}
    for run in runs:
        found.setdefault(_repeat(run), run)
    return list(found.values())


def _row(node: TableEvidence, label: str, source: str, runs: Sequence[Run], like: RowScores) -> RowScores | None:
    models = [run.baselines.get(source) for run in runs]
    tables = [recording_rows(model.frame, node.split) for model in models if model is not None]
    if len(tables) < len(runs) or any(table["recording_id"].tolist() != list(like.recording_id) for table in tables):
        return None
    table = tables[0]
    return RowScores(
        label,
        table["recording_id"].tolist(),
        table["person_id"].tolist(),
        table["label"].to_numpy(float),
        np.stack([table["score"].to_numpy(float) for table in tables]),
        like.shared_people,
        deterministic=True,
        training=joined_training_sets(runs, list(like.recording_id)) if node.split == "test" else None,
    )
