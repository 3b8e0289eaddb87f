"""`lfnet train`, `table` and `extract`: Hydra's commands."""

import contextlib
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.configs import conf_dir
from lfnet.cli.hydra_errors import explain, hint
from lfnet.cli.own_code import append_current_folder
from lfnet.errors import LfnetError
from lfnet.files import refuse_special

if TYPE_CHECKING:
    from lfnet.cohorts.cohort import Cohort
    from lfnet.features.store import Readable
    from lfnet.jobs.session import Session
    from lfnet.runs.sweep_record import Swept
    from lfnet.tables.table import Table

__all__ = ["extract", "find_sweep_files", "find_sweep_outputs", "make_table", "sweep", "table", "train"]

_OWN_OPTIONS = ("--full", "--render", "--show-paths")
_SUBMIT = "--submit"
_MAX_SETTINGS = 1_000_000  # bytes; a larger yaml in the folder is data of something else

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
  lfnet table architectures cohort=avec2014 cohort.root=/data/AVEC2014 encoder=webface
  lfnet table patch_size seed=0,1,2,3,4 launcher.jobs=1
  lfnet table architectures force=true                       train again what is finished
  lfnet table architectures launcher=slurm --submit          then: lfnet jobs architectures

`lfnet list tables` shows the tables there are.
"""


def train(argv: list[str]) -> int:
    """`lfnet train OVERRIDES`: one job, or with -m many. Returns 1 where a job failed."""
    tables = [word for word in argv if word.startswith(("table=", "+table=")) and not word.endswith("=none")]
    # Without -m, Hydra would blame a comma for every other mistake.
    many = ["-m"] if tables and not _has_option([word for word in argv if word != _SUBMIT]) else []
    return int(any(swept.failed for swept in _hydra("train", [*many, *argv], _one_job)))


def sweep(argv: list[str]) -> "Swept":
    """Run `lfnet train ARGV` with -m, for other programs; returns the record and the outcomes.

    Raises `LfnetError` where ARGV runs no sweep, and as the command does.
    """
    found = _hydra("train", argv, _one_job)
    if not found:
        raise LfnetError(f"no sweep was run by {' '.join(argv)}: give -m and what to vary.")
    return found[-1]


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
    name, overrides = argv[0], [word for word in argv[1:] if word not in (*_OWN_OPTIONS, _SUBMIT)]
    if "--render" in argv:
        record, runs, tables = find_sweep_outputs(name, overrides)
        status = 0
    else:
        many = [] if _has_option(overrides) else ["-m"]
        submit = [_SUBMIT] if _SUBMIT in argv else []
        found = _hydra("train", [*many, f"table={name}", *overrides, *submit], _one_job)
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


def extract(argv: list[str]) -> int:
    """`lfnet extract OVERRIDES`: features of all clips."""
    _hydra("extract", argv, _extract)
    return 0


def _one_job(config: Any, session: "Session") -> float:
    """Run one job and print what it found; returns the metric that chooses, which Hydra's sweepers minimise."""
    from hydra.core.hydra_config import HydraConfig

    from lfnet.cli.run_text import run_lines
    from lfnet.jobs.job import run
    from lfnet.jobs.planned import Job
    from lfnet.jobs.settings import read_settings
    from lfnet.runs.run import Run
    from lfnet.tables.settings import read_table

    job = Job.of([], config, dict(HydraConfig.get().runtime.choices))
    # A single job makes no table: rows and columns may be empty, but no setting may be wrong.
    read_settings(job.config, session, checks=[lambda all: read_table({"table": {**all["table"], "name": None}})])
    outcome = run(job.config, job.choices, session)
    folder = Path(job.config["paths"]["runs"]) / outcome.run
    result = Run.open(folder).result
    print(f"{outcome.status}: {folder}")
    for line in run_lines(result, folder):
        print(line)
    value = result.selection_value
    return math.nan if value is None else value


def _extract(config: Any, session: "Session") -> None:
    from lfnet.config import plain
    from lfnet.features.extract import Incomplete
    from lfnet.files import personal_files
    from lfnet.jobs.inputs import prepare_streams
    from lfnet.jobs.queued import check_launcher
    from lfnet.jobs.settings import read_extraction

    settings, session.launcher = read_extraction(plain(config), session)
    check_launcher(session.launcher, submit=False, fail_fast=False)
    with personal_files(settings.paths.mode):
        try:
            inputs = prepare_streams(settings, session)
        except Incomplete as error:
            _print_features(error.cohort, error.stores)
            raise
        _print_features(inputs.cohort, inputs.stores)


def _print_features(cohort: "Cohort", stores: "Mapping[str, Readable]") -> None:
    from lfnet.features.health import Health
    from lfnet.features.summary import check_clips, describe_features

    for stream, store in stores.items():
        print(f"vectors of cohort {cohort.name}, stream {stream}: {store.folder}")
    checks = check_clips(stores, cohort.clips["clip_id"], Health())
    for line in describe_features(checks, list(stores)):
        print(line)


def find_sweep_outputs(name: str, overrides: list[str]) -> tuple[Path, Path, Path]:
    """The record and the runs of an earlier call with these overrides, and where its table goes."""
    record, runs, tables = find_sweep_files(name, overrides)
    if not record.is_file():
        command = shlex.join(["lfnet", "table", name, *_given(overrides)])
        raise LfnetError(f"the table has not been run: {record} does not exist. Run `{command}` first.")
    return record, runs, tables


def _given(overrides: list[str]) -> list[str]:
    """The overrides as the record of a sweep was named by them."""
    return sorted(_without_config_dir(overrides)[0], key=lambda word: word.startswith("hydra."))


def find_sweep_files(name: str, overrides: list[str]) -> tuple[Path, Path, Path]:
    """As `find_sweep_outputs`, whether the files exist or not; `none` stands for a sweep without a table."""
    from lfnet.cli.configs import compose
    from lfnet.config import plain
    from lfnet.runs.sweep_record import sweep_name

    given, folder = _without_config_dir(overrides)
    if unknown := [word for word in overrides if _has_option([word]) and word not in ("-m", "--multirun")]:
        raise LfnetError(f"{unknown[0]} is no option of this command: see its --help.")
    _check_own_settings(overrides)
    where = [word for word in given if word.startswith("paths.")]
    searched = [] if folder is None else [f"hydra.searchpath=[file://{Path(folder).absolute()}]"]
    paths = plain(compose("train", [f"table={name}", *where, *searched]))["paths"]
    runs = Path(paths["runs"])
    stem = sweep_name(None if name == "none" else name, _given(overrides))
    return runs / "sweeps" / f"{stem}.json", runs, Path(paths["tables"])


def _without_config_dir(words: list[str]) -> tuple[list[str], str | None]:
    """The overrides among `words`, and the folder of `--config-dir`."""
    given: list[str] = []
    folder = None
    rest = iter(words)
    for word in rest:
        if word in ("--config-dir", "-cd"):
            folder = next(rest, None)
        elif word.startswith("--config-dir="):
            folder = word.partition("=")[2]
        elif not word.startswith("-"):
            given.append(word)
    return given, folder


def _check_own_settings(words: list[str]) -> None:
    """Refuse yamls of a --config-dir on which Hydra would hang: named pipes, and thousands of levels of nesting."""
    _, folder = _without_config_dir(words)
    if folder is None:
        return
    from yaml import YAMLError  # type: ignore[import-untyped]

    from lfnet.config import check_nesting

    for pattern in ("*.yaml", "*/*.yaml", "*/*/*.yaml"):
        for path in Path(folder).glob(pattern):
            refuse_special(path)
            with contextlib.suppress(OSError, UnicodeDecodeError, YAMLError):  # reported where Hydra reads it
                if path.stat().st_size < _MAX_SETTINGS:
                    check_nesting(path, path.read_text(encoding="utf-8"))


def _refuse_unknown_groups(name: str, words: Sequence[str]) -> None:
    """Refuse an added setting (+foo=1) of a group that lfnet does not read, since it would change nothing."""
    given, folder = _without_config_dir(list(words))
    yamls = [conf_dir() / f"{one}.yaml" for one in (name, "base")]
    known = {key for path in yamls for key in re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)}
    for root in (conf_dir(), *([] if folder is None else [Path(folder)])):
        known |= {path.name for path in root.glob("*/")}
    for word in given:
        group = re.match(r"\+{1,2}(\w+)", word)
        if group and group[1] not in known:
            near = hint(group[1], known)
            raise LfnetError(
                f"there is no setting `{group[1]}`.{near} Add --cfg job to the command to see every setting."
            )


def _has_option(words: list[str]) -> bool:
    """Whether there is an option other than --config-dir, such as --cfg, that changes what Hydra does."""
    return any(word.startswith("-") and word.partition("=")[0] not in ("--config-dir", "-cd") for word in words)


def _is_override(word: str) -> bool:
    """Hydra's parser wants all overrides in one row; options, and their values, may stand before them."""
    return word.startswith("~") or ("=" in word and not word.startswith("-"))


class _Task:
    """The function that Hydra calls with each config; it keeps what Hydra's `main` does not return.

    Attributes
    ----------
    submit : bool
        Whether a sweep is left when its jobs are in the queue.
    session : Session
        What the jobs of this command share.
    sweeps : list of Swept
        `LfnetLauncher` appends the sweeps that it ran.
    mistake : LfnetError, OSError or None
        Raised inside Hydra, it would be announced as "Error executing job".
    """

    def __init__(self, function: Callable[[Any, "Session"], float | None], submit: bool = False) -> None:
        from lfnet.jobs.session import Session

        self._function = function
        self.submit = submit
        self.session = Session()
        self.sweeps: list[Swept] = []
        self.mistake: LfnetError | OSError | None = None

    def __call__(self, config: Any) -> float | None:
        try:
            return self._function(config, self.session)
        except (LfnetError, OSError) as error:
            mistake = error
        except Exception as error:
            if (message := explain(error)) is None:
                raise
            mistake = LfnetError(message)
        if _one_of_many():
            raise mistake  # for the launcher of the job, often in another process
        self.mistake = mistake
        return math.nan


def _one_of_many() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _hydra(name: str, argv: list[str], function: Callable[[Any, "Session"], float | None]) -> "list[Swept]":
    """Run Hydra's `main` on conf/NAME.yaml, with its errors left to `lfnet.cli.main`; returns the sweeps it ran."""
    import hydra

    # Hydra prints errors itself and exits, unless told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    append_current_folder()
    _check_own_settings(argv)
    _refuse_unknown_groups(name, argv)
    submit, argv = _SUBMIT in argv, [word for word in argv if word != _SUBMIT]
    if submit and not {"-m", "--multirun"} & set(argv):
        raise LfnetError(f"{_SUBMIT} leaves the jobs of a sweep in a queue: give it to `lfnet table` or `train -m`.")
    others = [word for word in argv if re.match(r"hydra/(sweeper|launcher)=(?!lfnet$)", word)]
    if submit and others:
        raise LfnetError(f"{others[0]} waits for its jobs, and {_SUBMIT} does not: leave out one of the two.")
    task = _Task(function, submit)
    before = sys.argv
    sys.argv = [f"lfnet {name}", *sorted(argv, key=_is_override)]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=name)(task)()
    finally:
        sys.argv = before
    if task.mistake is not None:
        raise task.mistake
    return task.sweeps
