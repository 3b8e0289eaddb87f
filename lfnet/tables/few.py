"""Numbers that too few people cannot carry: correlations are withheld, and a banner says so.

Below `table.evidence.min_people` people of a split there is no interval, no standard error over people and no
correlation: two recordings correlate by 1 or −1 whatever a model does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lfnet.evaluation.replicates import summarise
from lfnet.runs.run import Run
from lfnet.tables.formatting import too_few
from lfnet.tables.table import Column, Row

__all__ = ["CORRELATIONS", "banner", "people_of", "withhold"]

CORRELATIONS = ("pcc", "ccc")


def people_of(runs: Sequence[Run]) -> dict[str, int]:
    """Split → people, the fewest of any run; of the splits that are scored."""
    found: dict[str, int] = {}
    for run in runs:
        for split in run.result.metrics:
            people = run.result.cohort.people.get(split)
            if people is not None:
                found[split] = min(people, found.get(split, people))
    return found


def withhold(rows: Sequence[Row], columns: Sequence[Column], people: Mapping[str, int], fewest: int) -> list[Row]:
    """Replace correlations of splits with fewer than `fewest` people by the number of people."""
    texts = {}
    for column in columns:
        split = column.name.partition(".")[0]
        splits = ("dev", "test") if split == "gap" else (split,)
        n = min((people[one] for one in splits if one in people), default=fewest)
        if column.metric in CORRELATIONS and n < fewest:
            texts[column.name] = too_few(n)
    return [
        replace(
            row,
            cells={
                name: replace(cell, text=texts[name], summary=summarise([])) if name in texts and cell.values else cell
                for name, cell in row.cells.items()
            },
        )
        for row in rows
    ]


def banner(people: Mapping[str, int], fewest: int) -> str:
    """The line above a table of which a split has too few people; "" where none has."""
    short = [f"{split} {n}" for split, n in people.items() if n < fewest]
    if not short:
        return ""
    return (
        f"Too few people ({', '.join(short)}): fewer than {fewest} support no interval, no correlation and no "
        "statement about a model."
    )
