"""The control jobs of a table: every row again where there is nothing to learn, or nothing left to see."""

from collections.abc import Sequence

from lfnet.errors import LfnetError

__all__ = ["control_overrides", "override_parts"]


def control_overrides(jobs: Sequence[Sequence[str]], controls: Sequence[str]) -> list[list[str]]:
    """The jobs that `table.controls` adds to a sweep.

    jobs: the overrides of each job. controls: one or several overrides each ("protocol=shuffled head.patch_size=8").
    Every job of the sweep's first seed comes again with each control's values in place of its own; what would be one
    job twice, or is a job already, is left out.
    Raises `LfnetError` for a control that sets nothing.
    """
    first = next((override_parts(word)[1] for job in jobs for word in job if override_parts(word)[0] == "seed"), None)
    known = {tuple(job) for job in jobs}
    added = []
    for control in controls:
        words = {override_parts(word)[0]: word for word in str(control).split()}
        changes = {key: override_parts(word)[1] for key, word in words.items()}
        if not changes or "" in changes.values():
            raise LfnetError(f"table.controls holds {control!r}: give overrides such as protocol=shuffled.")
        for job in jobs:
            own = dict(map(override_parts, job))
            if own.get("seed") != first:
                continue
            changed = [
                f"{word.partition('=')[0]}={changes.get(override_parts(word)[0], override_parts(word)[1])}"
                for word in job
            ]
            changed += [word for key, word in words.items() if key not in own]
            if tuple(changed) not in known:
                known.add(tuple(changed))
                added.append(changed)
    return added


def override_parts(word: str) -> tuple[str, str]:
    """Key, without Hydra's marks, and value of an override."""
    key, _, value = word.partition("=")
    return key.lstrip("+~"), value
