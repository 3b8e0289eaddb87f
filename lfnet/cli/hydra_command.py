"""Run a command of lfnet through Hydra's `main`, with the overrides as typed."""

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lfnet.cli.configs import conf_dir, groups
from lfnet.cli.hydra_errors import explain, hint
from lfnet.cli.own_code import append_current_folder, config_dir, own_yamls, take_config_dir
from lfnet.errors import LfnetError
from lfnet.files import refuse_special

if TYPE_CHECKING:
    from lfnet.jobs.session import Session
    from lfnet.runs.sweep_record import Swept

__all__ = ["SUBMIT", "HydraTask", "check_own_settings", "has_option", "run_hydra"]

SUBMIT = "--submit"
_MAX_SETTINGS = 1_000_000  # bytes; a larger yaml in the folder is data of something else


def check_own_settings() -> None:
    """Refuse yamls of --config-dir on which Hydra would hang: named pipes, and thousands of levels of nesting."""
    folder = config_dir()
    if folder is None:
        return
    from yaml import YAMLError  # type: ignore[import-untyped]

    from lfnet.config import check_nesting

    for pattern in ("*.yaml", "*/*.yaml", "*/*/*.yaml"):
        for path in folder.glob(pattern):
            refuse_special(path)
            with contextlib.suppress(OSError, UnicodeDecodeError, YAMLError):  # reported where Hydra reads it
                if path.stat().st_size < _MAX_SETTINGS:
                    check_nesting(path, path.read_text(encoding="utf-8"))


def _refuse_unknown_groups(name: str, words: Sequence[str]) -> None:
    """Refuse an added setting (+foo=1) of a group that lfnet does not read, since it would change nothing."""
    yamls = [conf_dir() / f"{one}.yaml" for one in (name, "base")]
    known = {key for path in yamls for key in re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)}
    known |= {group.partition("/")[0] for group in groups()}
    for word in words:
        group = re.match(r"\+{1,2}(\w+)", word)
        if group and group[1] not in known:
            near = hint(group[1], known)
            raise LfnetError(
                f"there is no setting `{group[1]}`.{near} Add --cfg job to the command to see every setting."
            )


def has_option(words: list[str]) -> bool:
    """Whether there is an option, such as --cfg, that changes what Hydra does."""
    return any(word.startswith("-") for word in words)


def _is_override(word: str) -> bool:
    """Hydra's parser wants all overrides in one row; options, and their values, may stand before them."""
    return word.startswith("~") or ("=" in word and not word.startswith("-"))


class HydraTask:
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


def run_hydra(name: str, argv: list[str], function: Callable[[Any, "Session"], float | None]) -> "list[Swept]":
    """Run Hydra's `main` on conf/NAME.yaml, with its errors left to `lfnet.cli.main`; returns the sweeps it ran."""
    argv, folder = take_config_dir(argv)  # of a caller in Python; the command line has taken it already
    with own_yamls(folder):
        return _run_hydra(name, argv, function)


def _run_hydra(name: str, argv: list[str], function: Callable[[Any, "Session"], float | None]) -> "list[Swept]":
    import hydra

    # Hydra prints errors itself and exits, unless told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    append_current_folder()
    check_own_settings()
    _refuse_unknown_groups(name, argv)
    submit, argv = SUBMIT in argv, [word for word in argv if word != SUBMIT]
    if submit and not {"-m", "--multirun"} & set(argv):
        raise LfnetError(f"{SUBMIT} leaves the jobs of a sweep in a queue: give it to `lfnet table` or `train -m`.")
    others = [word for word in argv if re.match(r"hydra/(sweeper|launcher)=(?!lfnet$)", word)]
    if submit and others:
        raise LfnetError(f"{others[0]} waits for its jobs, and {SUBMIT} does not: leave out one of the two.")
    own = config_dir()
    options = [] if own is None else ["--config-dir", str(own)]
    task = HydraTask(function, submit)
    before = sys.argv
    sys.argv = [f"lfnet {name}", *options, *sorted(argv, key=_is_override)]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=name)(task)()
    finally:
        sys.argv = before
    if task.mistake is not None:
        raise task.mistake
    return task.sweeps
