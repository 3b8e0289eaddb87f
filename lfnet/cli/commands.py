"""The commands of `lfnet`, by name."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["COMMANDS", "Command"]


@dataclass(frozen=True)
class Command:
    """A command; `target` is the "module:function" that takes its arguments and returns the exit status."""

    name: str
    target: str
    summary: str

    def load(self) -> Callable[[list[str]], int]:
        module, _, function = self.target.partition(":")
        run: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
        return run


COMMANDS = {
    command.name: command
    for command in (
        Command("train", "lfnet.cli.train:train", "fit one head with one seed, or with -m many"),
        Command("table", "lfnet.cli.table:table", "run a table's jobs, skip the finished ones, and print the table"),
        Command("jobs", "lfnet.cli.jobs:main", "list the jobs of a sweep that are in the queue of a cluster"),
        Command("cancel", "lfnet.cli.jobs:cancel", "end the jobs of a sweep that are in the queue of a cluster"),
        Command("runs", "lfnet.cli.runs:main", "list, filter and compare runs, of a folder or of a table"),
        Command("report", "lfnet.cli.report:main", "make a page and figures of a table that has been run"),
        Command("view", "lfnet.cli.view:main", "show all runs and tables of a folder in the browser"),
        Command(
            "dashboard", "lfnet.cli.dashboard:main", "make or update the W&B dashboard of a table that has been run"
        ),
        Command("extract", "lfnet.cli.extract:extract", "turn videos into feature vectors, once"),
        Command("demo", "lfnet.cli.demo:main", "take one clip of a face from video to a score"),
        Command("pulse", "lfnet.cli.pulse:main", "read the heart rate and its variability from a video of a face"),
        Command("cohort", "lfnet.cli.cohort:main", "draft a manifest for a folder of videos; make splits by person"),
        Command("audit", "lfnet.cli.audit:main", "check a cohort, its splits and its features for leaks"),
        Command("forget", "lfnet.cli.forget:main", "list or remove what is kept of one person of a cohort"),
        Command("evidence", "lfnet.cli.evidence:main", "give intervals and verdicts for the scores of any tool"),
        Command("adapt", "lfnet.cli.adapt:main", "measure a run's gain from k labelled recordings of a person"),
        Command("export", "lfnet.cli.export:main", "write a run as a bundle that scores video without PyTorch"),
        Command("predict", "lfnet.cli.predict:main", "score videos with a bundle, each with its interval"),
        Command("explain", "lfnet.cli.explain:main", "make a page that explains the score of one clip"),
        Command("bench", "lfnet.cli.bench:main", "measure parameters, time and memory of a bundle's stages"),
        Command("power", "lfnet.cli.power:main", "compute what differences n recordings could detect"),
        Command("list", "lfnet.cli.listing:main", "list what can be chosen: heads, encoders, cohorts, tables and more"),
        Command("doctor", "lfnet.cli.doctor:main", "check this machine: versions, libraries, weights, paths"),
        Command("weights", "lfnet.cli.weights:main", "fetch networks' files and check them"),
        Command("cite", "lfnet.cli.cite:main", "print BibTeX entries of lfnet and of the systems that it rebuilds"),
    )
}
