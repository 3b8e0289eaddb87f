"""`lfnet list`: list the choices of each group in conf/."""

import json
import re
import shutil
import sys
import textwrap
from typing import Any

from lfnet.cli.arguments import command_parser
from lfnet.cli.configs import compose, conf_of, description, groups, names
from lfnet.cli.hydra_errors import hint
from lfnet.errors import LfnetError

__all__ = ["KINDS", "main", "rows"]

KINDS = {
    "heads": "head",
    "encoders": "encoder",
    "cohorts": "cohort",
    "features": "features",
    "scales": "scale",
    "tables": "table",
    "weights": "weights",
    "protocols": "protocol",
    "splits": "splits",
}
FEATURES = 512
FRAMES = 512
_MIN_WIDTH = 30  # characters of the column `about`

EPILOG = """\
examples:
  lfnet list                     all kinds and groups, with their choices
  lfnet list heads               parameters and FLOPs at 512 features and 512 frames
  lfnet list encoders            width, parameters and FLOPs of a vector
  lfnet list features            sets of columns of feature tables
  lfnet list scales              questionnaires, their ranges and bands
  lfnet list loss                any other group of conf/
  lfnet list tables --json       for a program
Your own yamls in conf/head, conf/encoder, conf/cohort, …, and those of --config-dir, are listed too.
"""


def main(argv: list[str]) -> int:
    """Print the choices of one kind."""
    parser = command_parser("list", "List the choices of a kind, with the first line of each yaml.", EPILOG)
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"{' | '.join(KINDS)}, or a group of conf/")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_intermixed_args(argv)
    if options.kind is None:
        overview = {**KINDS, **{group: group for group in groups() if group not in KINDS.values()}}
        found = [{"name": kind, "about": ", ".join(_choices(group))} for kind, group in overview.items()]
        print(json.dumps(found, indent=2) if options.json else _text("", found))
        return 0
    found = rows(options.kind)
    if options.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        print(_text(_group(options.kind), found))
    return 0


def rows(kind: str) -> list[dict[str, Any]]:
    """Return the choices of a kind (a key of `KINDS`, or a group), one dict each: name, about, facts of the kind.

    Raises `LfnetError` where there is no such kind.
    """
    group = _group(kind)
    if group not in (known := [*KINDS.values(), *groups()]):
        raise LfnetError(
            f"there is no kind {kind}.{hint(kind, {*KINDS, *known})} Kinds: {', '.join(KINDS)}; `lfnet list` shows all."
        )
    facts = {"head": _head, "encoder": _encoder, "table": _table, "weights": _weights}.get(group, _no_facts)
    return [{"name": name, "about": description(group, name), **facts(name)} for name in _choices(group)]


def _group(kind: str) -> str:
    """The group of a kind: `heads` and `head`, `launchers` and `launcher`."""
    single = kind.removesuffix("s")
    return KINDS.get(kind, single if kind not in groups() and single in groups() else kind)


def _choices(group: str) -> list[str]:
    return [name for name in names(group) if (group, name) != ("table", "none")]


def _no_facts(name: str) -> dict[str, Any]:
    return {}


def _head(name: str) -> dict[str, Any]:
    """Measure a new head. One that cannot be built is listed with the reason."""
    from lfnet.config import instantiate, plain
    from lfnet.heads.cost import measure
    from lfnet.tuning.space import separate

    try:
        node = separate(plain(compose(None, [f"+head={name}"])))["head"]
        head = instantiate(node, n_features=FEATURES)
        cost = measure(head, FRAMES, FEATURES)
    except Exception as error:
        from lfnet.cli.hydra_errors import explain

        return {"parameters": None, "active_parameters": None, "flops": None, "error": explain(error) or str(error)}
    return {"parameters": cost.parameters, "active_parameters": cost.active_parameters, "flops": cost.flops}


def _encoder(name: str) -> dict[str, Any]:
    """Return an encoder's width and, if its network can be measured without weights, the cost of a vector."""
    from lfnet.config import instantiate, plain
    from lfnet.encoders.encoder import per_segment
    from lfnet.encoders.sound_encoder import hears

    facts: dict[str, Any] = {"dim": None, "vector": None, "parameters": None, "flops": None}
    try:
        for node in plain(compose("base", [f"encoder={name}"]))["encoder"].values():
            if isinstance(node, dict) and "_target_" in node:
                encoder = instantiate(node)
                of = "window" if hears(encoder) else "segment" if per_segment(encoder) else "frame"
                facts |= {"dim": encoder.dim, "vector": of}
                if measure := getattr(encoder, "cost", None):
                    cost = measure()
                    facts |= {"parameters": cost.parameters, "flops": cost.flops}
    except Exception as error:
        from lfnet.cli.hydra_errors import explain

        return {**facts, "error": explain(error) or str(error)}
    return facts


def _table(name: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    node = OmegaConf.load(conf_of("table", name) / "table" / f"{name}.yaml")
    return {fact: OmegaConf.select(node, f"table.{fact}") for fact in ("title", "question")}


def _weights(name: str) -> dict[str, Any]:
    from lfnet.weights.weights_file import load

    file = load(conf_of("weights", name), name)
    return {"file": file.file, "size": file.size, "licence": file.licence}


def _text(group: str, found: list[dict[str, Any]]) -> str:
    columns: dict[str, list[str]] = {"name": [row["name"] for row in found]}
    if group == "head":
        for fact in ("parameters", "active_parameters", "flops"):
            title = {"active_parameters": "active", "flops": "FLOPs"}.get(fact, fact)
            columns[title] = ["-" if row[fact] is None else f"{row[fact]:,}" for row in found]
    elif group == "encoder":
        for fact, title in (("dim", "D"), ("vector", "per"), ("parameters", "parameters"), ("flops", "FLOPs")):
            cells = ["-" if row[fact] is None else row[fact] for row in found]
            columns[title] = [cell if isinstance(cell, str) else f"{cell:,}" for cell in cells]
    elif group == "weights":
        columns["size"] = ["-" if row["size"] is None else f"{row['size'] / 1e6:.1f} MB" for row in found]
        columns["licence"] = [str(row["licence"]) for row in found]
    about = [row.get("error") or row.get("question") or row["about"] for row in found]
    lines = []
    widths = {title: max(len(title), *map(len, cells)) for title, cells in columns.items()}
    lines.append("  ".join(title.ljust(width) for title, width in widths.items()) + "  about")
    for index, text in enumerate(about):
        cells = [_align(columns[title][index], width) for title, width in widths.items()]
        lines += _wrapped("  ".join([*cells, ""]), str(text))
    if group == "head":
        lines.append(f"For {FEATURES} features and {FRAMES} frames; active: parameters that get a gradient.")
    if group == "encoder":
        lines.append("FLOPs: measured for one vector, 2 for each multiply-add. -: unknown without the network's file.")
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> list[str]:
    """A row, whose last column is broken to the width of a terminal; one line elsewhere, for grep and the like."""
    width = shutil.get_terminal_size().columns - len(start)
    if not sys.stdout.isatty() or width < _MIN_WIDTH:
        return [start + text]
    first, *more = textwrap.wrap(text, width) or [""]
    return [start + first, *(" " * len(start) + line for line in more)]


def _align(cell: str, width: int) -> str:
    """Align numbers right and words left."""
    return cell.rjust(width) if re.fullmatch(r"[\d,.]+( MB)?|-", cell) else cell.ljust(width)
