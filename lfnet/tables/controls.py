"""Control rows: the same models on shuffled frames or permuted labels.

`table.controls` names them by what differs (`protocol=shuffled`); their jobs are `lfnet.jobs.controls`'. They are
listed below the models, with intervals, and each is compared with its model, seed by seed; no other comparison and no
closing line includes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lfnet.evaluation.evidence import Evidence, RowEvidence, RowScores, adjust_together, compute_evidence
from lfnet.runs.run import MISSING, Run, leaves
from lfnet.tables.evidence_text import comparisons, scored_on, subject_of
from lfnet.tables.findings import Asked
from lfnet.tables.grouping import Group, seeds_of
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Block

__all__ = ["control_blocks", "explain_controls", "measure_controls", "split_controls"]

Scored = tuple[Group, RowScores]

_MEANINGS = {
    "protocol=shuffled": "the frames of each clip are in random order",
    "protocol=permuted": "labels were permuted between people, in train and in the split that chooses the epoch",
}
_LACKS = {"shuffled": "the order of frames is read", "permuted": "something was learnt from the labels"}


def split_controls(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The models and the controls among a table's rows."""
    return [group for group in groups if not group.control], [group for group in groups if group.control]


def explain_controls(controls: Sequence[str], shown: bool) -> str:
    """A sentence for the foot, "" where no control is shown."""
    if not shown:
        return ""
    texts = []
    for control in controls:
        word = next((word for word in control.split() if word in _MEANINGS), None)
        texts.append(f"{word.partition('=')[2]}: {_MEANINGS[word]}" if word else control)
    return (
        f"Below the models, controls ({'; '.join(dict.fromkeys(texts))}). Each is compared with its model, the row "
        "whose settings differ least from its own, run by run of one seed. A control that is worse than its model "
        "lacks what the model uses."
    )


def measure_controls(
    node: TableEvidence, models: Evidence, controls: Sequence[Scored], constant: float | None
) -> tuple[dict[str, RowEvidence], list[str]]:
    """Measure each control, over seeds where its models are and it has enough of them.

    Seeds that a control lacks must not limit the statements about models to trained ones.

    Parameters
    ----------
    node : TableEvidence
    models : Evidence
        On the model rows of the section.
    controls : sequence of (Group, RowScores)
    constant : float or None
        The constant that skill compares with.

    Returns
    -------
    rows : dict
        Name of a control → its evidence.
    notes : list of str
        A sentence on the controls whose intervals leave out seeds although those of the models do not.
    """
    scores = [row for _, row in controls]
    few = [row for row in scores if _lacks_seeds(row, node)]
    found: dict[str, RowEvidence] = {}
    for rows, estimand in (([row for row in scores if not _lacks_seeds(row, node)], models.estimand), (few, "trained")):
        if rows:
            found |= compute_evidence(rows, None, replace(node, estimand=estimand), constant).rows
    if not few or models.estimand != "architecture":
        return found, []
    return found, [
        f"Intervals of {', '.join(row.name for row in few)} are over people alone: over seeds needs {node.min_seeds} "
        "seeds."
    ]


def control_blocks(
    node: TableEvidence,
    models: Sequence[Scored],
    controls: Sequence[Scored],
    constant: float | None,
    what: str,
    short: Mapping[str, str],
) -> tuple[list[Block], list[str]]:
    """Compare each control with its model, runs of one seed as pairs.

    Parameters
    ----------
    node : TableEvidence
    models, controls : sequence of (Group, RowScores)
        Rows of one section.
    constant : float or None
        The constant that skill compares with.
    what : str
        What the rows are: "heads" or "models".
    short : mapping
        Name of a model row → its short name.

    Returns
    -------
    blocks : list of Block
        One for each kind of control; its tests are one family.
    notes : list of str
        Sentences on the controls that have no pair.
    """
    kinds: dict[tuple[str, str], list[tuple[RowScores, RowScores]]] = {}
    notes = []
    for control in controls:
        model = min(models, key=lambda one: _distance(one[0].runs[0], control[0].runs[0]))
        pair = _paired(control, model)
        if pair is None:
            notes.append(f"{control[1].name} is not compared with {model[1].name}: they have no seed in common.")
            continue
        own, other = control[0].identity, model[0].identity
        changed = [key for key in own if own[key] != other[key]]
        texts = [", ".join(identity[key] for key in changed) for identity in (own, other)]
        kinds.setdefault((texts[0], texts[1]), []).append(pair)
    blocks = []
    for (changed_text, model_text), pairs in kinds.items():
        few = any(one.training is None and _lacks_seeds(one, node) for pair in pairs for one in pair)
        settings = replace(node, estimand="trained") if few else node
        found = [compute_evidence(pair, pair[1].name, settings, constant, paired=True) for pair in pairs]
        own_rows = [one.rows[pair[0].name].comparison for one, pair in zip(found, pairs, strict=True)]
        made = adjust_together([one for one in own_rows if one is not None], node.alpha)
        asked = Asked(
            f"{changed_text} vs {model_text}, paired by seed",
            subject_of(found[0].estimand, what),
            scored_on(found[0]),
            found[0].people,
            node.min_people,
            node.margin,
            _LACKS.get(changed_text, ""),
        )
        rows = [(own.name, short[model.name], one) for (own, model), one in zip(pairs, made, strict=True)]
        blocks.append(comparisons(asked, rows))
    return blocks, notes


def _lacks_seeds(row: RowScores, node: TableEvidence) -> bool:
    return not row.deterministic and len(np.asarray(row.score)) < node.min_seeds


def _distance(one: Run, other: Run) -> int:
    """The number of settings in which two runs differ."""
    settings, others = (dict(leaves(run.result.config)) for run in (one, other))
    return sum(settings.get(key, MISSING) != others.get(key, MISSING) for key in settings.keys() | others.keys())


def _paired(control: Scored, model: Scored) -> tuple[RowScores, RowScores] | None:
    """Both rows with the seeds that both have, in one order; None where there is none."""
    seeds = [sorted(map(seeds_of, group.runs)) for group, _ in (control, model)]
    common = sorted(set(seeds[0]) & set(seeds[1]))
    if not common:
        return None
    first, second = (
        _only(row, [own.index(seed) for seed in common]) for own, (_, row) in zip(seeds, (control, model), strict=True)
    )
    return first, second


def _only(row: RowScores, seeds: list[int]) -> RowScores:
    training = row.training and replace(row.training, set_SN=row.training.set_SN[seeds])
    return replace(row, score=np.asarray(row.score)[seeds], training=training)
