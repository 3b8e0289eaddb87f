"""Items of a questionnaire in a manifest: one column each, whose sum is the label."""

import pandas as pd

from lfnet.cohorts.columns import is_number
from lfnet.cohorts.scale import Scale
from lfnet.errors import LfnetError

__all__ = ["item_columns", "read_items", "sums_of_items"]


def item_columns(scale: Scale) -> list[str]:
    """Names of a scale's items as columns of a table that `read_table` has read."""
    return [name.strip().lower().replace(" ", "_") for name in scale.items]


def sums_of_items(table: pd.DataFrame, scale: Scale) -> list[str]:
    """The sum of each row's items as text; "" where an item is missing or is no number."""
    rows = table[item_columns(scale)].to_numpy().tolist()
    return [f"{sum(map(float, row)):g}" if all(map(is_number, row)) else "" for row in rows]


def read_items(table: pd.DataFrame, scale: Scale, origin: object) -> tuple[pd.DataFrame | None, list[str]]:
    """Read the items of a manifest's recordings; empty labels of its rows become their sum, in place.

    Parameters
    ----------
    table : DataFrame
        Text columns recording_id, split, label and the items; the index is the line in the file.
    scale : Scale
    origin : object
        The file, for messages.

    Returns
    -------
    items : DataFrame or None
        By recording_id, float64 in the order of `scale.items`; None where the scale has no items.
    problems : list of str
        Rows whose items are incomplete, off the scale, or do not add up to the label.

    Raises
    ------
    LfnetError
        A column of items is missing.
    """
    if scale.kind != "items":
        return None, []
    names = item_columns(scale)
    if missing := [name for name in names if name not in table.columns]:
        raise LfnetError(
            f"{origin}: missing column {', '.join(missing)} of cohort.scale.items. Add it, name the items with "
            "cohort.scale.items=[…], or choose the scale of the sum."
        )
    problems = []
    top = scale.item_max or 0.0
    for (row, values), total in zip(table[names].iterrows(), sums_of_items(table, scale), strict=True):
        given = [str(value) for value in values if value]
        label, split = str(table.at[row, "label"]), str(table.at[row, "split"])
        if not given:
            if split in ("train", "dev"):
                problems.append(f"row {row}: no items, but split {split} needs them. Fill them in.")
        elif len(given) < len(names):
            problems.append(f"row {row}: {len(given)} of {len(names)} items are given. Fill in all of them, or none.")
        elif wrong := [text for text in given if not is_number(text) or float(text) % 1 or not 0 <= float(text) <= top]:
            problems.append(f"row {row}: item {wrong[0]!r} is no whole number from 0 to {top:g}. Correct it.")
        elif not label:
            table.at[row, "label"] = total
        elif is_number(label) and float(label) != float(total):
            problems.append(f"row {row}: label {label} is not {total}, the sum of its items. Correct one, or empty it.")
    numbers = table[names].apply(pd.to_numeric, errors="coerce").astype("float64")
    by_recording = numbers.set_axis(pd.Index(table["recording_id"].tolist(), name="recording_id"), axis=0)
    if (by_recording.groupby(level=0).nunique(dropna=False) > 1).any(axis=None):
        problems.append("clips of one recording have other items. Make them equal.")
    return by_recording[~by_recording.index.duplicated()].set_axis(list(scale.items), axis=1).sort_index(), problems
