"""Reference rows: baselines that need no training, and oracles of a known truth.

Each run has the references of its own cohort, so the runs of a section must agree on them. Where they do not, there is
a row for each value of the row key that explains it, or a mean over several draws of one cohort; all else is an error.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lfnet.errors import LfnetError
from lfnet.evaluation.replicates import summarise
from lfnet.runs.run import MISSING, Run, leaves
from lfnet.tables.formatting import DASH
from lfnet.tables.grouping import Group
from lfnet.tables.table import Cell, Column, Row

if TYPE_CHECKING:
    from lfnet.tables.settings import PublishedRow

__all__ = [
    "DEFAULT",
    "is_oracle",
    "label",
    "label_of_part",
    "meanings",
    "nuisance_lines",
    "published_rows",
    "reference_rows",
    "same_values",
    "split_by_key",
]

DEFAULT = (
    "train_mean",
    "train_median",
    "duration",
    "nuisance",
    "person_lookup",
    "ridge",
    "random_projection",
    "oracle_signal",
    "oracle_people",
)
_CONSTANTS = ("train_mean", "train_median")
_ORACLE = "oracle_"
_NAMES = {"person_lookup": "person look-up"}
_MEANINGS = {
    "duration": "a line through the logarithm of each recording's length: it sees no face",
    "nuisance": "ridge regression on how people were filmed: it sees no expression",
    "person_lookup": "a known person's mean training score, for others the training mean",
    "ridge": "ridge regression on the mean over frames, alpha chosen on train by folds of people: it sees no time",
    "random_projection": "the same after a fixed random projection of the mean",
}
_LACKING = {"constant": "the same everywhere", "absent": "unknown"}


def is_oracle(name: str) -> bool:
    return name.startswith(_ORACLE)


def label(name: str) -> str:
    """A reference's name in print: "train mean", "oracle (signal)"."""
    if is_oracle(name):
        return f"oracle ({name.removeprefix(_ORACLE).replace('_', ' ')})"
    return _NAMES.get(name, name.replace("_", " "))


def meanings(present: Sequence[str]) -> list[str]:
    """What the references between the constants and the oracles are: one line of the foot, or none."""
    texts = [f"{label(name)} is {_MEANINGS[name]}" for name in present if name in _MEANINGS]
    line = "; ".join(texts)
    return [f"{line[0].upper()}{line[1:]}."] if line else []


def nuisance_lines(runs: Sequence[Run]) -> list[str]:
    """What the reference `nuisance` uses and lacks, one line for each kind of cohort; none where no run has it."""
    lines = []
    for run in runs:
        found = run.result.nuisance
        if not found.get("used"):
            continue
        parts = [f"uses {', '.join(found['used'])}"]
        parts += [f"{text}: {', '.join(found[kind])}" for kind, text in _LACKING.items() if found.get(kind)]
        lines.append(f"Nuisance {'; '.join(parts)}.")
    return list(dict.fromkeys(lines))


def reference_rows(name: str, groups: Sequence[Group], columns: Sequence[Column], keys: Sequence[str]) -> list[Row]:
    """The rows of reference `name` in one section, none if no run has it.

    groups: the section's model rows; keys: the row keys. An oracle's MAE is that of its median, which is the best guess
    for MAE; all else is that of its mean. Raises `LfnetError` where runs on one cohort disagree.
    """
    read = {run.name: _read(name, run, columns) for group in groups for run in group.runs}
    members = [(group, run) for group in groups for run in group.runs if read[run.name]]
    if not members:
        return []
    for alike in (_agree, _draws_of_one_cohort):
        found = split_by_key(members, keys, partial(alike, read=read))
        if found is not None:
            key, parts = found
            return [_row(name, key, part, runs, read, columns) for part, runs in parts.items()]
    runs = [run for _, run in members]
    raise LfnetError(
        f"runs of one section disagree about the reference {name!r} ({', '.join(run.name for run in runs)}), and no "
        "row key explains it. Name what differs in table.sections, or delete the older folders and run the table again."
    )


def split_by_key(
    members: Sequence[tuple[Group, Run]], keys: Sequence[str], alike: Callable[[list[Run]], bool]
) -> tuple[str | None, dict[str, list[Run]]] | None:
    """Split runs by the row key whose values explain how they differ.

    Parameters
    ----------
    members : sequence of (Group, Run)
    keys : sequence of str
        The row keys.
    alike : callable
        Whether runs agree.

    Returns
    -------
    key : str or None
        None where all runs agree.
    parts : dict
        Text of the key ("" without one) → its runs.
    None
        Where no key explains it.
    """
    for key in (None, *keys):
        parts: dict[str, list[Run]] = {}
        for group, run in members:
            parts.setdefault("" if key is None else group.identity[key], []).append(run)
        if all(alike(runs) for runs in parts.values()):
            return key, parts
    return None


def label_of_part(name: str, key: str | None, part: str) -> str:
    """A reference's name in print, with the row key that it follows: "ridge, filming none"."""
    return label(name) if key is None else f"{label(name)}, {key.rpartition('.')[2].replace('_', ' ')} {part}"


def _read(name: str, run: Run, columns: Sequence[Column]) -> dict[str, Any]:
    """Column → value, {} if the run does not have the reference."""
    values = {}
    for column in columns:
        source = name
        if is_oracle(name):
            source += "_median" if column.metric == "mae" else "_mean"
        measured = run.result.references.get(source)
        if measured is None:
            return {}
        recording = {split: {"recording": metrics} for split, metrics in measured.items()}
        values[column.name] = column.read(replace(run.result, metrics=recording))
    return values


def same_values(values: Iterable[Mapping[str, Any]]) -> bool:
    """Equal to nine decimals: what arithmetic on another machine may change, and no more."""
    rounded = {
        tuple(round(value, 9) + 0.0 if isinstance(value, float) else str(value) for value in one.values())
        for one in values
    }
    return len(rounded) == 1


def _agree(runs: Sequence[Run], read: dict[str, dict[str, Any]]) -> bool:
    return same_values(read[run.name] for run in runs)


def _draws_of_one_cohort(runs: Sequence[Run], read: dict[str, dict[str, Any]]) -> bool:
    """Whether the cohorts differ in their seed only, and runs on the same cohort agree."""
    return len({_variant(run) for run in runs}) == 1 and all(_agree(draw, read) for draw in _draws(runs).values())


def _variant(run: Run) -> str:
    settings = leaves(run.result.config.get("cohort", {}))
    kept = {name: value for name, value in settings if name.rpartition(".")[2] != "seed"}
    return json.dumps([run.result.cohort.name, kept], sort_keys=True)


def _draws(runs: Sequence[Run]) -> dict[str, list[Run]]:
    draws: dict[str, list[Run]] = {}
    for run in runs:
        draws.setdefault(run.result.cohort.fingerprint, []).append(run)
    return draws


def _row(
    name: str,
    key: str | None,
    part: str,
    runs: Sequence[Run],
    read: dict[str, dict[str, Any]],
    columns: Sequence[Column],
) -> Row:
    agreed = _agree(runs, read)
    shown = list(runs[:1]) if agreed else [draw[0] for draw in _draws(runs).values()]
    cells = {
        column.name: _cell(column, shown, {run.name: read[run.name][column.name] for run in runs}) for column in columns
    }
    notes = [] if agreed else [f"over {len(shown)} draws of the cohort"]
    if name in _CONSTANTS and any(run.folds for run in runs):
        notes.append("another constant in each fold: its correlation says only how folds differ")
    return Row("reference", {}, cells, label_of_part(name, key, part), notes=tuple(notes), runs=tuple(runs))


def _cell(column: Column, shown: Sequence[Run], values: dict[str, Any]) -> Cell:
    """A cell traced to all runs that have the number, its text made from one run a cohort."""
    traced = {folder: value for folder, value in values.items() if value is not MISSING}
    distinct = {run.name: traced[run.name] for run in shown if run.name in traced}
    return Cell(column.show(distinct, ()) if distinct else DASH, traced, summarise(distinct.values()))


def published_rows(published: "Sequence[PublishedRow]", shown: Sequence[Column]) -> list[Row]:
    """A row for each published one; a column that the table does not show is left out."""
    rows = []
    for entry in published:
        given = {name: float(value) for name, value in entry.values.items()}
        cells = {one.name: one.fill({"published": given[one.name]}) for one in shown if one.name in given}
        notes = (entry.note,) if entry.note else ()
        rows.append(Row("reference", {}, cells, f"{entry.name} (published)", notes=notes))
    return rows
