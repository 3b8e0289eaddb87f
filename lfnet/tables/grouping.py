"""Group runs into sections and rows by the config keys that a table names; seeds are averaged within a row.

A row averages over seeds and over nothing else: whatever differs between two runs of one row and is not called `seed`
is an error, because an average over two patch sizes says nothing of either.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lfnet.data.protocol import PUBLISHED_TRAINING, QUICK_TRAINING
from lfnet.errors import LfnetError
from lfnet.runs.public_settings import is_public, public_value
from lfnet.runs.run import MISSING, Run, leaves
from lfnet.runs.sweep_record import Failure, Sweep
from lfnet.tables.formatting import DASH
from lfnet.tables.table import Key

__all__ = ["UNKNOWN", "Group", "groups", "keys", "section_keys", "seeds_of"]

UNKNOWN = "?"


@dataclass
class Group:
    """The runs and failures that are one row. identity: row or section key → text."""

    identity: dict[str, str]
    runs: list[Run]
    failures: list[Failure]

    @property
    def control(self) -> bool:
        """Whether the row is one of `table.controls`."""
        jobs: list[Run | Failure] = [*self.runs, *self.failures]
        return all(job.control for job in jobs)


def keys(names: Sequence[str]) -> tuple[Key, ...]:
    """Headings for config keys: `head.patch_size` is "Patch size", `cohort.signal.name` is "Signal"."""
    return tuple(Key(name, _heading(name, names)) for name in names)


def _heading(name: str, names: Sequence[str]) -> str:
    parts = name.split(".")
    if parts[-1] == "name" and len(parts) > 1:
        parts.pop()
    last = parts[-1]
    if sum(other.removesuffix(".name").split(".")[-1] == last for other in names) > 1:
        last = " ".join(parts)
    return last.replace("_", " ").capitalize()


def section_keys(sweep: Sweep, names: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of sections, without settings that only the simulated cohort has if the runs are of another one."""
    if not sweep.runs or any(run.result.cohort.simulated for run in sweep.runs):
        return names
    own = [name for name in names if name.startswith("cohort.")]
    absent = {name for name in own if all(run.setting(name) is MISSING for run in sweep.runs)}
    return tuple(name for name in names if name not in absent)


def groups(sweep: Sweep, names: Sequence[str], *, show_paths: bool = False) -> list[Group]:
    """The rows of a sweep in the order of its jobs. names: all section keys and row keys.

    Values of settings that may not leave the machine are numbered, unless `show_paths`.

    Raises `LfnetError` where no run knows a key and where runs of one row differ in more than their seeds.
    """
    texts = {name: _texts(name, sweep.runs) for name in names}
    found: dict[tuple[Any, ...], Group] = {}
    for number, run in enumerate(sweep.runs):
        identity = {name: texts[name][number] for name in names}
        found.setdefault((run.control, *identity.values()), Group(identity, [], [])).runs.append(run)
    for group in found.values():
        _check_one_thing(group, names)
    finished = list(found.values())
    for failure in sweep.failures:
        alike = [group for group in finished if _may_belong(failure, group, names)]
        if len(alike) == 1:
            alike[0].failures.append(failure)
            continue
        identity = {name: _guess(failure, name, finished) for name in names}
        found.setdefault((failure.control, *identity.values()), Group(identity, [], [])).failures.append(failure)
    place = {id(job): number for number, job in enumerate(sweep.jobs)}
    if not show_paths:
        _number_private(found.values())
    return sorted(found.values(), key=lambda group: min(place[id(job)] for job in (*group.runs, *group.failures)))


def _number_private(found: Collection[Group]) -> None:
    """Replace texts that may not leave the machine by their number: the first folder is "1".

    A name without a dot is a group, and its text the name of a yaml.
    """
    numbers: dict[str, dict[str, str]] = {}
    for group in found:
        for name, text in group.identity.items():
            named = "." in name and not is_public(name) and not re.fullmatch(r"[\d.e+-]+|yes|no|none", text)
            if text not in (DASH, UNKNOWN) and (named or public_value(text) != text):
                known = numbers.setdefault(name, {})
                group.identity[name] = known.setdefault(text, str(len(known) + 1))


def _texts(name: str, runs: Sequence[Run]) -> list[str]:
    values = [run.setting(name) for run in runs]
    # What the sweep varies and no run has does not apply to them: the head, where all of them are fusions.
    varied = any(word.lstrip("+").partition("=")[0] == name for run in runs for word in run.overrides)
    if runs and not varied and all(value is MISSING for value in values):
        raise LfnetError(
            f"table.rows or table.sections names {name!r}, which is neither a choice nor a setting of any run."
        )
    if name == "protocol":
        values = [_protocol_text(run, value) for run, value in zip(runs, values, strict=True)]
    dicts = [value for value in values if isinstance(value, dict)]
    return [_dict_text(value, dicts) if isinstance(value, dict) else _text(value) for value in values]


def _protocol_text(run: Run, protocol: Any) -> Any:
    """`published` only where training is as published too; "published, quick" under a faster trainer."""
    trainer = run.result.config.get("trainer")
    if protocol != "published" or not trainer:
        return protocol
    used = {name: value for name, value in leaves(trainer) if value not in (None, {})}
    other = {key for key, value in PUBLISHED_TRAINING.items() if used.get(key) != value}
    # A node of its own, such as trainer.pooling, has leaves below its name.
    other |= {key for key in PUBLISHED_TRAINING if any(name.startswith(f"{key}.") for name in used)}
    if not other:
        return protocol
    choice = run.result.choices.get("trainer", "")
    quick = choice.startswith("quick") and other <= QUICK_TRAINING
    return f"published, {choice if quick else 'other training'}"


def _text(value: Any) -> str:
    if value is MISSING:
        return DASH
    if isinstance(value, list):
        return " + ".join(_text(item) for item in value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _dict_text(value: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    """A node's name and those of its settings in which nodes of that name differ: "tempo, block 8"."""
    alike = [dict(leaves(other)) for other in others if other.get("name") == value.get("name")]
    parts = [str(value["name"])] if "name" in value else []
    for leaf, setting in leaves(value):
        if leaf != "name" and len({json.dumps(other.get(leaf)) for other in alike}) > 1:
            parts.append(f"{leaf.rpartition('.')[2].replace('_', ' ')} {_text(setting)}")
    return ", ".join(parts) or "the same"


def _differences(runs: Sequence[Run]) -> set[str]:
    """The settings in which runs differ, seeds left out."""
    settings = [dict(leaves(run.result.config)) for run in runs]
    names = set().union(*settings)
    differing = {name for name in names if len({json.dumps(one.get(name, "absent")) for one in settings}) > 1}
    return {name for name in differing if name.rpartition(".")[2] != "seed"}


def seeds_of(run: Run) -> tuple[tuple[str, Any], ...]:
    """The run's seed, and the settings called so: of the cohort's draw, of the folds, …"""
    named = ((name, value) for name, value in leaves(run.result.config) if name.rpartition(".")[2] == "seed")
    return (("seed", run.seed), *sorted(named))


def _check_one_thing(group: Group, names: Sequence[str]) -> None:
    row = ", ".join(f"{name}={group.identity[name]}" for name in names)
    differing = sorted(_differences(group.runs))
    if differing:
        raise LfnetError(
            f"the row {row} would average runs that differ in {', '.join(differing)} "
            f"({_folders(group.runs)}). Add what differs to table.rows or table.sections."
        )
    first: dict[tuple[tuple[str, Any], ...], Run] = {}
    for run in group.runs:
        twin = first.setdefault(seeds_of(run), run)
        if twin is not run:
            raise LfnetError(
                f"the row {row} has two runs with the same settings and seed, {twin.name} and {run.name}: code, "
                "cohort or features changed between them. Delete the older folder and run the table again."
            )


def _folders(runs: Iterable[Run]) -> str:
    return ", ".join(run.name for run in runs)


def _may_belong(failure: Failure, group: Group, names: Sequence[str]) -> bool:
    """Whether the overrides of a failed job agree with the row."""
    if failure.control != group.control:
        return False
    for name in names:
        value = failure.setting(name)
        if isinstance(value, dict):
            own = group.runs[0].setting(name)
            settings = dict(leaves(own)) if isinstance(own, dict) else {}
            if any(_text(settings.get(leaf, MISSING)) != _text(wanted) for leaf, wanted in value.items()):
                return False
        elif value is not MISSING and _text(value) != group.identity[name]:
            return False
    return True


def _guess(failure: Failure, name: str, finished: Sequence[Group]) -> str:
    value = failure.setting(name)
    if isinstance(value, dict):
        alike = {group.identity[name] for group in finished if _may_belong(failure, group, [name])}
        if len(alike) == 1:
            return alike.pop()
        name_first = sorted(value.items(), key=lambda item: item[0] != "name")
        return ", ".join(_text(wanted) if leaf == "name" else f"{leaf} {_text(wanted)}" for leaf, wanted in name_first)
    if value is not MISSING:
        return _text(value)
    texts = {group.identity[name] for group in finished}
    return texts.pop() if len(texts) == 1 else UNKNOWN
