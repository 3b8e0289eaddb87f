"""Table without what names a place, a file or a person's recording, to be handed on."""

import re
from dataclasses import replace

from lfnet.runs.public_settings import public_command, public_override
from lfnet.runs.sweep_record import Failure
from lfnet.tables.table import Row, Table

__all__ = ["public"]

_REASON = "the sweep's record has the reason, which may name files"


def public(table: Table) -> Table:
    """Return the table as it may be handed on: the same rows and numbers, without paths and reasons of failures.

    Of commands and overrides, only settings listed in `lfnet.runs.public_settings` keep their values. A table built
    with `show_paths` is returned as it is.
    """
    if table.show_paths:
        return table
    command = public_command(table.command)
    return replace(
        table,
        command=command,
        foot=tuple(line.replace(f"`{table.command}`", f"`{command}`") for line in table.foot),
        failures=tuple(_failure(failure) for failure in table.failures),
        sections=tuple(replace(section, rows=tuple(_row(row) for row in section.rows)) for section in table.sections),
    )


def _failure(failure: Failure) -> Failure:
    overrides = tuple(public_override(word) for word in failure.overrides)
    return replace(failure, overrides=overrides, reason=_REASON)


def _row(row: Row) -> Row:
    return replace(
        row, notes=tuple(re.sub(r"\b(failed|missing): .*", r"\1", note, flags=re.DOTALL) for note in row.notes)
    )
