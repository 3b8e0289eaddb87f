"""The comparisons that `table.evidence.against` asks for: which rows are compared with which reference."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lfnet.evaluation.evidence import RowScores
from lfnet.tables.grouping import Group, keys
from lfnet.tables.reference_rows import label
from lfnet.tables.reference_scores import ReferenceScores
from lfnet.tables.settings import TableEvidence

__all__ = ["Pairing", "pairings", "worded"]


@dataclass(frozen=True)
class Pairing:
    """Rows compared with one reference. mean: the reference as means, where it gives medians too (an oracle)."""

    reference: RowScores
    rows: tuple[RowScores, ...]
    mean: RowScores | None = None


def pairings(
    node: TableEvidence,
    against: str,
    models: Sequence[tuple[Group, RowScores]],
    given: Sequence[ReferenceScores],
) -> tuple[str, tuple[Pairing, ...]]:
    """Find what is compared with one entry of `table.evidence.against`.

    Returns
    -------
    question : str
        Such as "vs mean_mlp".
    pairings : tuple of Pairing
        Empty where no run has the reference, or nothing else is there.
    """
    if "=" not in against:
        own = [one for one in given if one.name == against]
        follows = own[0].key if own else None
        question = f"vs {label(against)}" + (
            "" if follows is None else f" of the same {keys([follows])[0].heading.lower()}"
        )
        found = [Pairing(one.scores, tuple(row for group, row in models if one.is_of(group)), one.means) for one in own]
        return question, tuple(found)
    key, _, value = against.partition("=")
    parts: dict[tuple[str, ...], list[tuple[Group, RowScores]]] = {}
    for group, row in models:
        rest = tuple(text for name, text in group.identity.items() if name != key)
        parts.setdefault(rest, []).append((group, row))
    others = node.only.get(against)
    found = []
    for members in parts.values():
        base = [row for group, row in members if group.identity[key] == value]
        rows = tuple(
            row
            for group, row in members
            if group.identity[key] != value and (others is None or group.identity[key] in others)
        )
        if base and rows:
            found.append(Pairing(base[0], rows))
    return f"vs {worded(key, value)}" + (", in the same row otherwise" if len(parts) > 1 else ""), tuple(found)


def worded(key: str, text: str) -> str:
    """A row key's text, with the key's name where it is only a number: "patch size 8"."""
    return f"{keys([key])[0].heading.lower()} {text}" if re.fullmatch(r"[\d.]+", text) else text
