"""`lfnet runs`: list, filter, sort and compare the runs of a folder."""

import csv
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser, split_overrides
from lfnet.cli.configs import paths
from lfnet.cli.hydra_errors import hint
from lfnet.cli.run_comparison import compare_runs
from lfnet.errors import LfnetError
from lfnet.text import align_columns, plural, spreadsheet_cell

if TYPE_CHECKING:
    import pandas as pd

    from lfnet.runs.collection import RunCollection

__all__ = ["main"]

DESCRIPTION = """\
List the runs of a folder, the newest last: name, head, cohort, seed, MAE of dev and test, state and date, and the
options in which they differ, as many as the terminal is wide. Filters are settings, such as head=ldbm,tcn seed=0 or
head.patch_size=8, and state=finished|running|interrupted|failed|stopped. Wherever a command takes a RUN, the first
letters of its name are enough. --compare shows the metrics of runs next to each other, and the settings in which they
differ. Settings that may name a file or a folder show `…`, unless --show-paths is given."""
EPILOG = f"""\
examples:
  lfnet runs                                         those in lfnet_runs
  lfnet runs architectures head=ldbm --sort test.mae       of a table that has been run, the lowest error first
  lfnet runs /data/lfnet_runs state=failed
  lfnet runs --compare 0123 4567
  lfnet runs --csv > runs.csv                        all metrics, costs, and settings in which runs differ

{RESEARCH_ONLY}
"""
_STATES = ("finished", "running", "interrupted", "failed", "stopped")
_GROUPS = ("fusion", "protocol", "encoder", "loss", "pooling", "pretrain", "splits", "amount", "filming", "trainer")
_NONE = "-"


def main(argv: list[str]) -> int:
    """Run `lfnet runs ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = command_parser("runs", DESCRIPTION, EPILOG)
    parser.add_argument(
        "words", nargs="*", metavar="FOLDER|TABLE|FILTER", help="a folder of runs, a table's name; NAME=VALUE filters"
    )
    parser.add_argument("--sort", metavar="COLUMN", help="test.mae, dev.pcc, seed, date, …; the lowest value first")
    parser.add_argument("--reverse", action="store_true", help="the highest value first")
    parser.add_argument("--compare", nargs="+", metavar="RUN", help="two runs or more, by the first letters")
    parser.add_argument("--csv", action="store_true", help="print everything as CSV")
    parser.add_argument("--show-paths", action="store_true", help="show settings that may name files or folders")
    options = parser.parse_intermixed_args(argv)
    words, overrides = split_overrides(options.words)
    filters = [word for word in words if "=" in word]
    named = [word for word in words if "=" not in word]
    if len(named) > 1:
        raise LfnetError(f"give one folder or table: {named[0]} or {named[1]}.")
    runs = paths(overrides)["runs"]
    place = _place(named[0], runs) if named else runs
    if options.compare:
        if filters or options.sort or options.reverse:
            raise LfnetError("--compare takes runs alone, without filters and --sort.")
        folder = place if place.is_dir() else runs
        rows = compare_runs(options.compare, folder, show_paths=options.show_paths)
        if options.csv:
            _write_csv(rows.facts + rows.differences)
        else:
            print(rows.text())
        return 0
    table = _sorted(_table(place, filters, show_paths=options.show_paths), options.sort, options.reverse)
    if options.csv:
        _write_csv([[*table.columns], *table.map(_exact).to_numpy().tolist()])
    elif table.empty:
        print(f"no run{' fits the filters' * bool(filters)} in {place}")
    else:
        _print(table)
    return 0


def _place(word: str, runs: Path) -> Path:
    """The folder or record that a word names: a path, or a table that has been run."""
    record = runs / "sweeps" / f"{word}.json"
    if Path(word).exists() or not record.is_file():
        return Path(word)
    return record


def _table(place: Path, filters: Sequence[str], *, show_paths: bool) -> "pd.DataFrame":
    """All runs as `RunCollection.to_frame` has them, with state and date; runs without a result where all are asked."""
    import pandas as pd

    from lfnet.runs.collection import open_runs
    from lfnet.runs.public_settings import public_cohort, public_setting
    from lfnet.runs.run import RESULT, leaves
    from lfnet.runs.unfinished import list_unfinished

    states = [word for word in filters if word.startswith("state=")]
    rest = [word for word in filters if word not in states]
    wanted = {state for word in states for state in word.partition("=")[2].split(",")}
    if unknown := wanted - set(_STATES):
        raise LfnetError(f"state={unknown.pop()}: give some of {', '.join(_STATES)}.")
    found = _filtered(open_runs(place), rest)
    frame = found.to_frame()
    frame["cohort"] = [run.result.cohort.name if show_paths else public_cohort(run.result) for run in found]
    settings = {key for run in found for key in dict(leaves(run.result.config))}
    for key in [] if show_paths else settings.intersection(frame.columns):
        frame[key] = [public_setting(key, value) for value in frame[key]]
    frame["scale"] = [run.result.scale.name for run in found]
    frame["simulated"] = [run.result.cohort.simulated for run in found]
    files = [run.folder / RESULT for run in found]
    frame["state"] = "finished"
    frame["date"] = [_date(file.stat().st_mtime) if file.exists() else "" for file in files]
    if place.is_dir() and not rest:
        others = [
            {
                "run": one.folder.name,
                "model": _head(str((one.config.get("head") or {}).get("_target_", ""))),
                "seed": one.config.get("seed"),
                "state": one.state,
                "date": _date(one.changed),
            }
            for one in list_unfinished(place)
        ]
        frame = pd.concat([frame, pd.DataFrame(others)], ignore_index=True) if others else frame
    return frame[frame["state"].isin(wanted)] if wanted and len(frame) else frame


def _head(target: str) -> str:
    """The name of a head by its class: lfnet's own are named by their module, as finished runs are."""
    module, _, name = target.rpartition(".")
    return module.rpartition(".")[2] if module.startswith("lfnet.heads.") else name


def _filtered(runs: "RunCollection", filters: Sequence[str]) -> "RunCollection":
    from lfnet.runs.run import leaves

    for word in filters:
        key, _, text = word.partition("=")
        values = [value for part in text.split(",") for value in (part, _value(part))]
        known = {name for run in runs for name in (*run.result.choices, *dict(leaves(run.result.config)))}
        if len(runs) and key not in known | {"name", "kind", "model", "seed"}:
            raise LfnetError(f"no run has a setting {key}.{hint(key, known)}")
        runs = runs.filter(**{key: values})
    return runs


def _value(text: str) -> Any:
    """A number, true, false or null of a filter; else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}.get(text, text)


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""


def _sorted(table: "pd.DataFrame", column: str | None, reverse: bool) -> "pd.DataFrame":
    column = column or "date"
    if table.empty:
        return table
    if column not in table:
        raise LfnetError(f"no run has a column {column}.{hint(column, map(str, table.columns))} --csv prints them all.")
    try:
        return table.sort_values(column, ascending=not reverse, kind="stable", na_position="last")
    except TypeError:  # settings of several types
        return table.sort_values(column, ascending=not reverse, kind="stable", key=lambda own: own.map(str))


def _print(table: "pd.DataFrame") -> None:
    """The main columns, and the options in which runs differ, as far as the terminal is wide."""
    metric, title = ("auroc", "AUROC") if "test.auroc" in table and "test.mae" not in table else ("mae", "MAE")
    columns = {
        "run": table["run"],
        "head": table["model"],
        "cohort": table.get("cohort"),
        "seed": table["seed"].map(lambda seed: _NONE if _empty(seed) else f"{int(seed)}"),
        **{f"{split} {title}": table.get(f"{split}.{metric}") for split in ("dev", "test")},
        "state": table["state"],
        "date": table["date"],
    }
    columns |= {key: table[key] for key in _GROUPS if key in table and key not in columns}
    rows = [[*columns]]
    for place in range(len(table)):
        rows.append([_NONE if own is None else _shown(own.iloc[place]) for own in columns.values()])
    width = shutil.get_terminal_size((100, 24)).columns
    kept = len(rows[0])
    while kept > 8 and len(max(align_columns([row[:kept] for row in rows]), key=len)) > width:
        kept -= 1
    print("\n".join(align_columns([row[:kept] for row in rows])))
    counts = table["state"].value_counts()
    print(", ".join(f"{counts[state]:,} {state}" for state in _STATES if state in counts))
    if scales := ", ".join(table["scale"].dropna().unique()):
        print(f"{title}: of recordings" + (f", in points of {scales}" if metric == "mae" else f", on {scales}"))
    simulated = table["simulated"].dropna().astype(bool)
    if simulated.all() and len(simulated):
        print("All cohorts are simulated.")
    elif simulated.any():
        print(f"{plural(int(simulated.sum()), 'run')} on a simulated cohort.")
    print(RESEARCH_ONLY)


def _empty(value: Any) -> bool:
    return value is None or value != value  # NaN


def _shown(value: Any) -> str:
    return _NONE if _empty(value) else f"{value:.2f}" if isinstance(value, float) else str(value)


def _exact(value: Any) -> str:
    return "" if _empty(value) else str(value)


def _write_csv(rows: Sequence[Sequence[Any]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([spreadsheet_cell(str(cell)) for cell in row] for row in rows)
