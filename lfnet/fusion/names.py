"""Features by name, however a stream spells them: `HRV_RMSSD`, `rmssd` and `RMSSD (ms)` are one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["engineered_columns"]


def engineered_columns(
    names: Sequence[str], ratio: Mapping[str, Sequence[str]], distance: Mapping[str, Sequence[Any]]
) -> tuple[list[tuple[int, int]], list[tuple[int, float]], list[str]]:
    """What to engineer from columns called `names`: ratios (above, below), distances (column, constant), and the names
    of the new features in that order. One whose columns are not there is left out.
    """
    place = {_plain(name): column for column, name in reversed(list(enumerate(names)))}
    ratios, distances, made = [], [], []
    for new, (above, below) in ratio.items():
        if (a := place.get(_plain(above))) is not None and (b := place.get(_plain(below))) is not None:
            ratios.append((a, b))
            made.append(new)
    for new, (column, constant) in distance.items():
        if (a := place.get(_plain(column))) is not None:
            distances.append((a, float(constant)))
            made.append(new)
    return ratios, distances, made


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(hrv|prv)_", "", re.sub(r"\(.*\)", "", name.lower())))
