"""lfnet's sweeper and launcher, where Hydra looks for plugins. The work is in `lfnet.jobs`.

Hydra imports this module whenever it starts, so nothing heavy is imported before a sweep is launched.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lfnet.errors import LfnetError

if TYPE_CHECKING:
    import lfnet.launchers.launcher
    from lfnet.runs.run import Outcome
    from lfnet.runs.sweep_record import Swept

__all__ = ["LfnetLauncher", "LfnetSweeper"]


class LfnetSweeper(BasicSweeper):
    """Hydra's basic sweeper in one batch, without its trial composition of every job and without its files.

    The launcher composes and validates all jobs before anything is written.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's call before `sweep`."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Hand all combinations of the table's own sweep and of the arguments to the launcher."""
        assert self.launcher is not None and self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        for override in overrides:
            _check_values(override)
        (jobs,) = self.split_arguments(overrides, None)
        if isinstance(self.launcher, LfnetLauncher):
            return [self.launcher.launch(jobs, initial_job_idx=0)]
        from lfnet.launchers.foreign import Foreign

        _sweep(self.hydra_context, self._task, self.config, jobs, launcher=Foreign(self.launcher))
        return []

    def _parse_config(self) -> list[str]:
        """The table's own sweep, without settings that the chosen cohort does not have: people are shared, or signals
        planted, in the simulated cohort alone, and its tables are made of video, too. What is left out is printed."""
        kept = []
        for word in super()._parse_config():
            node, names = self.config, word.partition("=")[0].split(".")
            for name in names if names[0] == "cohort" else ():
                if not isinstance(node, DictConfig) or name not in node:
                    print(f"this cohort has no setting {'.'.join(names)}: the table does not vary it")
                    break
                node = node[name]
            else:
                kept.append(word)
        return kept


def _check_values(override: Override) -> None:
    """Raise `LfnetError` for a sweep over an interval, which has no end of values."""
    if override.is_sweep_override() and not override.is_discrete_sweep():
        key = override.get_key_element()
        raise LfnetError(
            f"{override.input_line}: give the values themselves, as in {key}=VALUE,VALUE; only a search could draw "
            "from an interval."
        )


class LfnetLauncher(Launcher):
    """Composes all jobs, skips the finished ones, and runs the others by `conf/launcher`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's call before `launch`."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs. Sweepers of others get the metric that chooses of each, and the error of one that failed."""
        swept = _sweep(self._context, self._task, self._config, job_overrides, initial_job_idx)
        if self._config.hydra.sweeper["_target_"] == _SWEEPER:  # which reads no values
            return []
        outcomes = swept.outcomes[: len(job_overrides)]  # controls answer another question
        return [_returned(list(own), swept.runs, end) for own, end in zip(job_overrides, outcomes, strict=True)]


def _sweep(
    context: HydraContext,
    task: Any,  # `lfnet.cli.hydra_command` gives it a session and takes the sweeps
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first: int = 0,
    launcher: "lfnet.launchers.launcher.Launcher | None" = None,
) -> "Swept":
    from lfnet.text import plural

    # Before anything that takes time: libraries, settings, labels and features.
    table, runs = (OmegaConf.select(config, key) for key in ("table.name", "paths.runs"))
    name = f"table {table}: " if table else ""
    print(f"{name}{plural(len(job_overrides), 'job')} to look at; runs are in {runs}", flush=True)
    from lfnet.jobs.compose import compose_jobs
    from lfnet.jobs.controls import control_overrides
    from lfnet.jobs.settings import read_settings
    from lfnet.jobs.sweep import run_sweep
    from lfnet.tables.settings import read_table

    setup_globals()

    def load(overrides: list[str]) -> DictConfig:
        return context.config_loader.load_sweep_config(config, overrides)

    if not job_overrides:
        raise LfnetError("the sweep has no job: one of its patterns (`glob`) matches nothing.")
    jobs = compose_jobs(load, job_overrides, first)
    one = jobs[0].config
    read_settings(one, task.session, checks=[read_table])
    controls = control_overrides(job_overrides, read_table(one).controls or ())
    jobs += [replace(job, control=True) for job in compose_jobs(load, controls, len(jobs))]
    hydra = config.hydra
    params = [item for item in hydra.overrides.hydra if item.startswith("hydra.sweeper.params.")]
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    options = [word for folder in folders for word in ("--config-dir", folder)]
    given = [*hydra.overrides.task, *params]
    swept = run_sweep(jobs, given, task.session, options, launcher, submit=task.submit)
    task.sweeps.append(swept)
    return swept


def _returned(overrides: list[str], runs: Path, outcome: "Outcome") -> JobReturn:
    from lfnet.runs.run import Run

    if outcome.status in ("failed", "interrupted", "pending"):
        return JobReturn(overrides=overrides, status=JobStatus.FAILED, _return_value=LfnetError(str(outcome.error)))
    value = Run(runs / outcome.run).result.selection_value
    return JobReturn(
        overrides=overrides, status=JobStatus.COMPLETED, _return_value=float("nan") if value is None else value
    )


_PLACE = "hydra_plugins.lfnet_sweeps"
_SWEEPER = f"{_PLACE}.LfnetSweeper"
ConfigStore.instance().store(
    group="hydra/launcher", name="lfnet", node={"_target_": f"{_PLACE}.LfnetLauncher"}, provider="lfnet"
)
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="lfnet",
    node={"_target_": _SWEEPER, "params": None},
    provider="lfnet",
)
