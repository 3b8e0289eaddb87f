"""Blocks of groups of people, for tables and model cards: errors of each group, and differences between groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lfnet.evaluation.compare import Verdict
from lfnet.evaluation.estimates import Difference, Estimate, EvidenceSettings
from lfnet.evaluation.group_evidence import GroupDifference, GroupEvidence, GroupRow
from lfnet.evaluation.groups import Grouping, Groups, make_grouping
from lfnet.tables.formatting import DASH, MINUS, fixed, p_text, points, with_interval
from lfnet.tables.table import Block

__all__ = ["MEANING", "NOT_BINARY", "group_blocks", "groupings_of", "hint"]

_IDS = ("recording_id", "person_id", "split")
_WORDS: dict[Verdict, str] = {
    "better": "differ",
    "worse": "differ",
    "better but inside the margin": "differ inside the margin",
    "worse but inside the margin": "differ inside the margin",
    "equivalent": "equivalent",
    "cannot tell": "cannot tell",
}
_TESTED = {"mae": "MAE", "bias": "Bias"}
MEANING = (
    "Groups differ: the first's MAE or bias is not the second's (p ≤ α after Holm); equivalent: shown to differ by "
    "less than the margin; cannot tell: neither is shown with this number of people. Coverage is that of intervals "
    "calibrated on all other new people, with the half-width ± all; own: of intervals calibrated within the group."
)
NOT_BINARY = "Groups of people are not shown: labels are binary, and errors in points say little of them."


def groupings_of(
    table: pd.DataFrame | None, asked: Groups | None, people: Sequence[str]
) -> tuple[list[Grouping], list[str]]:
    """Put the people who were scored into the groups that are asked for.

    Parameters
    ----------
    table : DataFrame or None
        `Run.groups`.
    asked : mapping or None
        Columns and where their bands begin; None: all columns, with bands that are guessed.
    people : sequence of str
        The people of the split that was scored.

    Returns
    -------
    list of Grouping
    list of str
        Sentences on columns that the run does not have.

    Examples
    --------
    >>> ids = {"recording_id": ["r", "s"], "person_id": ["ann", "bob"], "split": "test"}
    >>> table = pd.DataFrame({**ids, "sex": ["f", ""]})
    >>> [made], notes = groupings_of(table, {"sex": None, "age": None}, ["ann", "bob"])
    >>> made.group_of, notes
    ({'ann': 'f'}, ['No groups of age: the runs do not have it. Run the table again.'])
    """
    columns = [] if table is None else [name for name in table.columns if name not in _IDS]
    wanted: Groups = dict.fromkeys(columns) if asked is None else asked
    lacking = [f"No groups of {name}: the runs do not have it. Run the table again." for name in wanted]
    if table is None:
        return [], lacking
    rows = table[table["person_id"].isin(set(people))]
    made, notes = [], []
    for (name, edges), text in zip(wanted.items(), lacking, strict=True):
        if name not in columns:
            notes.append(text)
            continue
        values = {str(person): own.tolist() for person, own in rows.groupby("person_id")[name]}
        made.append(make_grouping(name, values, edges))
    return made, notes


def hint(table: pd.DataFrame) -> str:
    """Name the groups that a table could show. table: `Run.groups`."""
    names = [name for name in table.columns if name not in _IDS]
    example = f"table.evidence.groups={{{names[0]}: null}}"
    return f"Groups of people in this cohort: {', '.join(names)}; '{example}' shows errors by group."


def group_blocks(found: GroupEvidence, settings: EvidenceSettings, split: str) -> list[Block]:
    """Make two blocks for each column: its groups, and the differences between them."""
    level, covered = f"{100 * settings.level:g} %", f"{100 * found.coverage:g} %"
    headings = (
        *("Row", "Group", "People", "Recordings", f"MAE [{level}]", f"Bias [{level}]", f"Slope [{level}]"),
        *(f"Coverage of {covered}", "± all, own"),
    )
    blocks = []
    for column in dict.fromkeys(row.column for row in found.rows):
        rows = [row for row in found.rows if row.column == column]
        title = f"By {column}, {split}: bias is score {MINUS} label, slope that of labels on scores"
        lines = tuple(_line(row, found.half_widths.get(row.row)) for row in rows)
        blocks.append(
            Block(title, headings, lines, len(lines), {"groups": column, "rows": [_raw(row) for row in rows]})
        )
        if own := [one for one in found.differences if one.column == column]:
            lines = tuple(_difference(one) for one in own)
            names = ("Row", "Groups", "Of", f"Difference [{level}]", "p", "p (Holm)", "Verdict on groups")
            data = {"groups": column, "differences": [_raw_difference(one) for one in own]}
            title = (
                f"Differences by {column}: people permuted; Holm over all {len(found.differences)} differences between "
                f"groups; margin {points(settings.margin)}"
            )
            blocks.append(Block(title, names, lines, len(lines), data))
    return blocks


def _line(row: GroupRow, common: float | None) -> tuple[str, ...]:
    found = row.estimates
    widths = [DASH if width is None else fixed(width, 1) for width in (common, row.half_width)]
    return (
        row.row,
        row.group,
        str(row.people),
        str(row.recordings),
        with_interval(found["mae"], 2),
        with_interval(found["bias"], 2, sign=True),
        with_interval(found["slope"], 2),
        with_interval(found["coverage"], 2) if "coverage" in found else DASH,
        ", ".join(widths),
    )


def _difference(found: GroupDifference) -> tuple[str, ...]:
    return (
        found.row,
        f" {MINUS} ".join(found.groups),
        _TESTED[found.metric],
        with_interval(found.difference, 2, sign=True),
        p_text(found.p),
        p_text(found.p_holm),
        _WORDS[found.verdict],
    )


def _raw(row: GroupRow) -> dict[str, Any]:
    return {
        "row": row.row,
        "group": row.group,
        "people": row.people,
        "recordings": row.recordings,
        "estimates": {metric: _numbers(one) for metric, one in row.estimates.items()},
        "half_width_own": row.half_width,
    }


def _raw_difference(found: GroupDifference) -> dict[str, Any]:
    names = ("row", "metric", "p", "p_holm", "p_equivalent", "p_equivalent_holm", "verdict")
    numbers = {name: getattr(found, name) for name in names}
    return {**numbers, "groups": list(found.groups), "difference": _numbers(found.difference)}


def _numbers(found: Estimate | Difference) -> Mapping[str, float | None]:
    ends = found.interval
    return {"value": found.value, **({} if ends is None else {"low": ends.low, "high": ends.high})}
