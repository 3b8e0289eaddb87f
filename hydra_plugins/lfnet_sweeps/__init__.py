"""lfnet's sweeper and launcher, where Hydra looks for plugins. The work is in `lfnet.jobs`.

Hydra imports this module whenever it starts, so nothing heavy is imported before a sweep is launched.
"""

from collections.abc import Sequence
from dataclasses import replace

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

__all__ = ["LfnetLauncher", "LfnetSweeper"]


class LfnetSweeper(BasicSweeper):
    """Hydra's basic sweeper without its trial composition of every job: the launcher composes all before any runs."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Nothing: see the class."""

    def _parse_config(self) -> list[str]:
        """The table's own sweep, without settings that the chosen cohort does not have: people are shared, or signals
        planted, in the simulated cohort alone, and its tables are made of video, too. What is left out is said."""
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


class LfnetLauncher(Launcher):
    """Composes all jobs, skips the finished ones, and runs the others in turn or side by side (`conf/launcher`)."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's call before `launch`."""
        self._context = hydra_context
        self._task = task_function
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs. A failed one says so in its return value and does not raise."""
        from lfnet.jobs.compose import compose_jobs
        from lfnet.jobs.controls import control_overrides
        from lfnet.jobs.sweep import KeepsSweeps, run_sweep
        from lfnet.tables.build import check_node
        from lfnet.tables.controls import check_controls

        setup_globals()
        table = self._config.table
        controls = check_controls(table.get("controls"), table.get("rows") or (), "conf/table")
        jobs = compose_jobs(
            lambda overrides: self._context.config_loader.load_sweep_config(self._config, overrides),
            [*job_overrides, *control_overrides(job_overrides, controls)],
            initial_job_idx,
        )
        own = len(job_overrides)
        jobs = [*jobs[:own], *(replace(job, control=True) for job in jobs[own:])]
        if jobs[0].config["table"]["name"]:
            check_node(jobs[0].config["table"], "conf/table")  # not after an hour of jobs
        hydra = self._config.hydra
        params = [item for item in hydra.overrides.hydra if item.startswith("hydra.sweeper.params.")]
        folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
        options = [word for folder in folders for word in ("--config-dir", folder)]
        swept = run_sweep(jobs, given=[*hydra.overrides.task, *params], options=options)
        # Hydra's `main` returns nothing: the command that started the sweep hands in a task that keeps what came of it.
        if isinstance(self._task, KeepsSweeps):
            self._task.sweeps.append(swept)
        return [
            JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, _return_value=outcome)
            for job, outcome in zip(jobs, swept.outcomes, strict=True)
        ]


_PLACE = "hydra_plugins.lfnet_sweeps"
ConfigStore.instance().store(
    group="hydra/launcher", name="lfnet", node={"_target_": f"{_PLACE}.LfnetLauncher"}, provider="lfnet"
)
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="lfnet",
    node={"_target_": f"{_PLACE}.LfnetSweeper", "max_batch_size": None, "params": None},
    provider="lfnet",
)
