"""Rows quoted from publications: beside what was measured here, and never to be mistaken for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.tables.columns import Column
from lfnet.tables.table import Row

__all__ = ["published_rows"]


def published_rows(node: Any, shown: Sequence[Column], where: Path | str) -> list[Row]:
    """A row for each entry of `table.published`: {name, note, values: {column: number}}.

    Raises `LfnetError` naming `where` for an entry without a name or with values that are no numbers. A column that the
    table does not show is left out.
    """
    rows = []
    for entry in node or ():
        if not isinstance(entry, dict) or not entry.get("name") or not isinstance(entry.get("values"), dict):
            raise LfnetError(f"{where}: table.published holds {entry!r}; each entry needs name, note and values.")
        values = entry["values"]
        wrong = [
            name for name, value in values.items() if isinstance(value, bool) or not isinstance(value, int | float)
        ]
        if wrong:
            raise LfnetError(
                f"{where}: table.published, {entry['name']}: {wrong[0]} is {values[wrong[0]]!r}, no number."
            )
        cells = {one.name: one.fill({"published": float(values[one.name])}) for one in shown if one.name in values}
        note = entry.get("note") or ""
        rows.append(Row("reference", {}, cells, f"{entry['name']} (published)", notes=(note,) if note else ()))
    return rows
