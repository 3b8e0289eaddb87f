"""Control rows: what the same models score where there is nothing to learn, or nothing left to see.

`table.controls` names them by what differs (`protocol=shuffled`); their jobs are `lfnet.jobs.controls`'. They stand
below the models, with intervals, and are set against nothing: no comparison and no closing line counts them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.jobs.controls import override_parts
from lfnet.tables.grouping import Group

__all__ = ["check_controls", "explained_controls", "split_controls"]

_MEANINGS = {
    "protocol=shuffled": "the frames of each clip stand in random order",
    "protocol=permuted": "training labels were dealt to other training people",
}


def check_controls(node: Any, keys: Iterable[str], where: Path | str) -> tuple[str, ...]:
    """`table.controls` as a tuple. Raises `LfnetError` naming `where` where no row key tells a control from a model."""
    if node is None or node is False:
        return ()
    if isinstance(node, str) or not isinstance(node, Sequence):
        raise LfnetError(f"{where}: table.controls is {node!r}, but must be a list such as [protocol=shuffled].")
    keys = tuple(keys)
    for control in node:
        if not {override_parts(word)[0] for word in str(control).split()} & set(keys):
            raise LfnetError(
                f"{where}: table.controls holds {control!r}, which sets none of table.rows ({', '.join(keys)}): its "
                "rows could not be told from the others. Add what it sets to table.rows."
            )
    return tuple(map(str, node))


def split_controls(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The models and the controls among a table's rows."""
    return [group for group in groups if not group.control], [group for group in groups if group.control]


def explained_controls(controls: Sequence[str], shown: bool) -> str:
    """A sentence for the foot, "" where no control is shown."""
    if not shown:
        return ""
    said = []
    for control in controls:
        word = next((word for word in control.split() if word in _MEANINGS), None)
        said.append(f"{word.partition('=')[2]}: {_MEANINGS[word]}" if word else control)
    return (
        f"Below the models, controls ({'; '.join(dict.fromkeys(said))}): of one seed, set against nothing. A model "
        "that is not better than its own control has not learnt what the control lacks."
    )
