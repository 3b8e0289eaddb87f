"""Plain text for people: columns of a table, lists of names."""

from collections.abc import Sequence

__all__ = ["align_columns", "first_names"]


def align_columns(table: Sequence[Sequence[str]], *, numbers: bool = False) -> list[str]:
    """Pad the cells of each column to one width; with `numbers`, all columns but the first are right-aligned.

    Examples
    --------
    >>> align_columns([["split", "n"], ["train", "50"]], numbers=True)
    ['split   n', 'train  50']
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    sides = ["<", *[">" if numbers else "<"] * (len(widths) - 1)]
    form = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return [form.format(*row).rstrip() for row in table]


def first_names(names: Sequence[str]) -> str:
    """Join the first three names: `a, b, c, …`."""
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)
