"""`lfnet power`: the differences between two heads that n recordings could detect."""

import re
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.text import align_columns

__all__ = ["main"]

HELP = """\
usage: lfnet power [TABLE] [OVERRIDES]

Compute the smallest difference in MAE and PCC between two heads that n recordings can detect, and the n that published
claims would need. Spread and correlation of errors are measured on the runs of a table (default: architectures), which
must have been run; nothing is trained. Settings are in conf/power.yaml.

examples:
  lfnet power
  lfnet power architectures 'sizes=[50,100,200]' power=0.9
  lfnet power architectures trainer=full                     the runs of this variant of the table
"""
_OWN = ("key", "split", "sizes", "alpha", "power", "margin", "claims", "paths")


def main(argv: list[str]) -> int:
    """Run `lfnet power ARGV`; returns the exit status. Raises `LfnetError` where the table was not run."""
    if argv and argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    table = argv[0] if argv and "=" not in argv[0] else "architectures"
    overrides = argv[1:] if argv and "=" not in argv[0] else list(argv)
    if strange := [word for word in overrides if "=" not in word]:
        raise LfnetError(f"{strange[0]!r} is not a setting: give NAME=VALUE. See `lfnet power --help`.")
    own = [word for word in overrides if word.lstrip("+").split("=")[0].split(".")[0] in _OWN]
    of_the_table = [word for word in overrides if word not in own]
    from lfnet.cli.configs import compose, names
    from lfnet.config import plain, read
    from lfnet.runs.sweep_record import sweep_name
    from lfnet.tables.power import PowerSettings, measure_power, write_power

    if table not in names("table"):
        known = [name for name in names("table") if name != "none"]
        raise LfnetError(f"there is no table {table!r}. There are: {', '.join(known)}.")
    settings = plain(compose("power", own))
    paths = {name: Path(folder) for name, folder in settings.pop("paths").items()}
    options = read(PowerSettings, settings, "")
    runs = paths["runs"]
    name = sweep_name(table, of_the_table)
    record = runs / "sweeps" / f"{name}.json"
    if not record.is_file():
        words = " ".join(["lfnet table", table, *of_the_table])
        raise LfnetError(f"the table has no runs: {record} does not exist. Run `{words}` first.")
    found = measure_power(record, runs, options)
    written = write_power(found, paths["tables"], name.replace(table, f"power_{table}", 1))
    print(_plain(found.text()))
    for path in written:
        print(f"written: {path}")
    return 0


def _plain(markdown: str) -> str:
    """The text of a Markdown page for a terminal: aligned columns, headings without #."""
    lines: list[str] = []
    table: list[list[str]] = []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]
            if any(cell.strip("-: ") for cell in cells):
                table.append(cells)
            continue
        lines += align_columns(table, numbers=True) if table else []
        table = []
        lines.append(re.sub(r"^#+ ", "", line).replace("**", ""))
    return "\n".join(lines).rstrip()
