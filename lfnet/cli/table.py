"""`lfnet table`: run the jobs of a table that are not finished, and show the table."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lfnet.cli.hydra_command import SUBMIT, check_own_settings, has_option, run_hydra
from lfnet.cli.own_code import own_yamls, take_config_dir
from lfnet.cli.train import run_one, sweep
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.tables.table import Table

__all__ = ["find_sweep_files", "find_sweep_outputs", "make_table", "table"]

_OWN_OPTIONS = ("--full", "--render", "--show-paths")

TABLE_HELP = """\
usage: lfnet table NAME [OVERRIDES] [--full] [--render] [--show-paths] [--submit]

Run the jobs of conf/table/NAME.yaml that are not finished yet, then print what was found and the main columns, and
write the whole table as Markdown, CSV and LaTeX. Overrides reach every job. --full prints all columns, intervals, tests
and the audit too. --render makes the table again from what is there and runs nothing. The files name no person, clip,
recording, file or folder: of settings that may name some, such as cohort.root, they show `…`, and reasons of failed
jobs are left out. --show-paths shows both. --submit (with launcher=slurm) returns when the jobs are in the queue; later
the same command without it shows what is there.

examples:
  lfnet table architectures
  lfnet table architectures --render --full                  everything about a table that has been run
  lfnet table architectures trainer=full                     the protocol at full size
  lfnet table architectures --config-dir my_conf head=mine,mean_mlp          your own my_conf/head/mine.yaml
  lfnet table architectures cohort=avec2014 cohort.root=/data/AVEC2014 encoder=webface
  lfnet table patch_size seed=0,1,2,3,4 launcher.jobs=1
  lfnet table architectures force=true                       train again what is finished
  lfnet table architectures launcher=slurm --submit          then: lfnet jobs architectures

`lfnet list tables` shows the tables there are.
"""


def make_table(name: str, overrides: Sequence[str] = (), *, render: bool = False) -> "Table":
    """Run the jobs of a table that are not finished, and build the table.

    Parameters
    ----------
    name : str
        One of `lfnet list tables`.
    overrides : sequence of str
        Settings as on the command line; they reach every job.
    render : bool
        Build the table from what is there, and run nothing.

    Returns
    -------
    Table
        With `to_frame()`; `rows` and `sections` contain the runs of each number. Jobs that failed are in `failures`.

    Raises
    ------
    LfnetError
        A setting is wrong, or nothing was run before where `render` is true.

    Examples
    --------
    >>> import lfnet
    >>> folder = record.parent.parent  # such as lfnet_runs, where `lfnet table architectures` wrote its runs
    >>> table = lfnet.make_table("architectures", [f"paths.runs={folder}"], render=True)
    >>> table.to_frame()[["head", "protocol", "n_runs"]].head(2)
           head protocol  n_runs
    0      ldbm   masked       2
    1  mean_mlp   masked       2
    """
    from lfnet.tables.build import build

    if render:
        record, runs, _ = find_sweep_outputs(name, list(overrides))
    else:
        swept = sweep(["-m", f"table={name}", *overrides])
        record, runs = swept.record, swept.runs
    return replace(build(record, runs), name=record.stem)


def table(argv: list[str]) -> int:
    """`lfnet table NAME OVERRIDES`: a table's jobs, then the table. Returns 1 where a job failed."""
    if not argv or argv[0] in ("-h", "--help"):
        print(TABLE_HELP, end="")
        return 0 if argv else 2
    if argv[0].startswith("-") or "=" in argv[0]:
        words = " ".join(argv)
        raise LfnetError(f"the table's name comes first: lfnet table NAME {words}. `lfnet list tables` shows them.")
    if not re.fullmatch(r"\w[\w-]*", argv[0]):
        raise LfnetError(f"{argv[0]!r} is no name of a table. `lfnet list tables` shows them.")
    if argv[0] == "none":
        raise LfnetError("`none` is no table, but jobs started by hand. `lfnet list tables` shows the tables.")
    if other := [word for word in argv[1:] if word.startswith(("table=", "+table="))]:
        raise LfnetError(f"the table is named once: lfnet table {argv[0]}, without {other[0]}.")
    if other := [word for word in argv[1:] if re.match(r"hydra/sweeper=(?!lfnet$)", word)]:
        raise LfnetError(
            f"{other[0]} searches, and a table has the jobs that its yaml names: use `lfnet train -m` with this "
            "sweeper, or tune=N."
        )
    name, overrides = argv[0], [word for word in argv[1:] if word not in (*_OWN_OPTIONS, SUBMIT)]
    if "--render" in argv:
        record, runs, tables = find_sweep_outputs(name, overrides)
        status = 0
    else:
        many = [] if has_option(overrides) else ["-m"]
        submit = [SUBMIT] if SUBMIT in argv else []
        found = run_hydra("train", [*many, f"table={name}", *overrides, *submit], run_one)
        if not found:  # --cfg, --info and the like print and run nothing
            return 0
        if submit:
            return int(found[-1].failed)
        record, runs, tables = found[-1].record, found[-1].runs, found[-1].tables
        status = int(found[-1].failed)
    from lfnet.reports.terminal import terminal
    from lfnet.reports.write import write
    from lfnet.tables.build import build

    # Overridden variants of a table stand side by side: the files have the record's name.
    built = replace(build(record, runs, show_paths="--show-paths" in argv), name=record.stem)
    written = write(built, tables)
    print()
    print(terminal(built, full="--full" in argv))
    for path in written:
        print(f"written: {path}")
    return status


def find_sweep_outputs(name: str, overrides: list[str]) -> tuple[Path, Path, Path]:
    """The record and the runs of an earlier call with these overrides, and where its table goes."""
    record, runs, tables = find_sweep_files(name, overrides)
    if not record.is_file():
        command = shlex.join(["lfnet", "table", name, *_given(take_config_dir(overrides)[0])])
        raise LfnetError(f"the table has not been run: {record} does not exist. Run `{command}` first.")
    return record, runs, tables


def _given(overrides: list[str]) -> list[str]:
    """The overrides as the record of a sweep was named by them."""
    return sorted((word for word in overrides if not word.startswith("-")), key=lambda word: word.startswith("hydra."))


def find_sweep_files(name: str, overrides: list[str]) -> tuple[Path, Path, Path]:
    """As `find_sweep_outputs`, whether the files exist or not; `none` stands for a sweep without a table."""
    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.runs.sweep_record import sweep_name

    overrides, folder = take_config_dir(overrides)
    if unknown := [word for word in overrides if has_option([word]) and word not in ("-m", "--multirun")]:
        raise LfnetError(f"{unknown[0]} is no option of this command: see its --help.")
    where = [word for word in overrides if word.startswith("paths.")]
    with own_yamls(folder):
        check_own_settings()
        paths = plain(compose("train", [f"table={name}", *where]))["paths"]
    runs = Path(paths["runs"])
    stem = sweep_name(None if name == "none" else name, _given(overrides))
    return runs / "sweeps" / f"{stem}.json", runs, Path(paths["tables"])
