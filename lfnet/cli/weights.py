"""`lfnet weights`: list and fetch networks' files, checked by sha256."""

import json
import sys
from pathlib import Path
from typing import Any

from lfnet.cli.arguments import command_parser
from lfnet.cli.configs import conf_of, names, paths
from lfnet.errors import LfnetError

__all__ = ["main", "state"]

EPILOG = """\
examples:
  lfnet weights list
  lfnet weights fetch face_landmarker mobileface
  lfnet weights fetch --all paths.cache=/big/cache

lfnet ships no weights: each file keeps its own licence, which is printed before a download. Some are for
non-commercial research only. Without a network connection, the message tells where to put each file.
"""


def main(argv: list[str]) -> int:
    """List or fetch weights."""
    parser = command_parser(
        "weights", "List the files of networks, or fetch them once; they are checked by sha256.", EPILOG
    )
    parser.add_argument("action", choices=("list", "fetch"), metavar="ACTION", help="list | fetch")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="weights to fetch, and settings such as paths.weights=DIR"
    )
    parser.add_argument("--all", action="store_true", help="fetch all weights")
    parser.add_argument("--json", action="store_true", help="list as JSON")
    options = parser.parse_intermixed_args(argv)
    wanted = [word for word in options.names if "=" not in word]
    cache = paths([word for word in options.names if "=" in word])["weights"]
    if options.action == "list":
        if wanted or options.all:
            parser.error("list takes no names")
        return _list(cache, as_json=options.json)
    if options.all == bool(wanted):
        parser.error("fetch takes the names of weights, or --all")
    return _fetch(names("weights") if options.all else wanted, cache)


def state(name: str, cache: Path) -> dict[str, Any]:
    """Return facts on the weights `name`; state is found (and checked), absent or wrong (see `detail`)."""
    from lfnet.weights.weights_file import WeightsMissing, load

    file = load(conf_of("weights", name), name)
    facts = {"name": name, "about": file.about, "size": file.size, "licence": file.licence}
    try:
        return {**facts, "state": "found", "detail": str(file.find(cache))}
    except WeightsMissing as error:
        return {**facts, "state": "absent", "detail": str(error)}
    except LfnetError as error:
        return {**facts, "state": "wrong", "detail": str(error)}


def _list(cache: Path, *, as_json: bool) -> int:
    states = [state(name, cache) for name in names("weights")]
    if as_json:
        print(json.dumps(states, indent=2))
        return 0
    width = max(len(row["name"]) for row in states)
    for row in states:
        size = f"{row['size'] / 1e6:.1f} MB" if row["size"] else "size unknown"
        print(f"{row['name']:<{width}}  {row['state']:<6}  {size:>9}  {row['licence']}: {row['about']}")
        if row["state"] == "wrong":
            print(f"{'':<{width}}  {row['detail']}")
    print(f"Folder: {cache}. Each file has its own licence.")
    return 0


def _fetch(wanted: list[str], cache: Path) -> int:
    from lfnet.weights.weights_file import load

    # all names are checked before anything is downloaded
    files = [load(conf_of("weights", name), name) for name in wanted]
    failed = []
    for file in files:
        try:
            print(f"{file.name}: {file.fetch(cache)}")
        except LfnetError as error:
            if len(files) == 1:
                raise
            failed.append(file.name)
            print(f"error: {error}", file=sys.stderr)
    if failed:
        raise LfnetError(f"{len(failed)} of {len(files)} weights cannot be fetched: {', '.join(failed)}.")
    return 0
