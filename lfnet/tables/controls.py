"""Control rows: the same models on shuffled frames or permuted labels.

`table.controls` names them by what differs (`protocol=shuffled`); their jobs are `lfnet.jobs.controls`'. They are
listed below the models, with intervals; no comparison and no closing line includes them.
"""

from collections.abc import Sequence

from lfnet.tables.grouping import Group

__all__ = ["explained_controls", "split_controls"]

_MEANINGS = {
    "protocol=shuffled": "the frames of each clip are in random order",
    "protocol=permuted": "training labels were permuted between training people",
}


def split_controls(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The models and the controls among a table's rows."""
    return [group for group in groups if not group.control], [group for group in groups if group.control]


def explained_controls(controls: Sequence[str], shown: bool) -> str:
    """A sentence for the foot, "" where no control is shown."""
    if not shown:
        return ""
    texts = []
    for control in controls:
        word = next((word for word in control.split() if word in _MEANINGS), None)
        texts.append(f"{word.partition('=')[2]}: {_MEANINGS[word]}" if word else control)
    return (
        f"Below the models, controls ({'; '.join(dict.fromkeys(texts))}): of one seed, compared with nothing. A model "
        "that is not better than its own control has not learnt what the control lacks."
    )
