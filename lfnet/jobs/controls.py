"""Control jobs of a table: the same models on shuffled frames or permuted labels."""

from collections.abc import Sequence

from lfnet.errors import LfnetError

__all__ = ["control_overrides", "override_parts"]


def control_overrides(jobs: Sequence[Sequence[str]], controls: Sequence[str]) -> list[list[str]]:
    """Return the overrides of the jobs that `table.controls` adds to a sweep.

    Every job of the sweep is repeated with each control's values in place of its own, so that a control has the seeds
    of its model and is compared with it seed by seed. Duplicates are left out.

    Parameters
    ----------
    jobs : sequence of sequences of str
        The overrides of each job.
    controls : sequence of str
        One or several overrides each.

    Raises
    ------
    LfnetError
        A control sets nothing.

    Examples
    --------
    >>> control_overrides([["head=ldbm", "seed=0"], ["head=ldbm", "seed=1"]], ["protocol=shuffled"])
    [['head=ldbm', 'seed=0', 'protocol=shuffled'], ['head=ldbm', 'seed=1', 'protocol=shuffled']]
    """
    known = {tuple(job) for job in jobs}
    added = []
    for control in controls:
        words = {override_parts(word)[0]: word for word in str(control).split()}
        changes = {key: override_parts(word)[1] for key, word in words.items()}
        if not changes or "" in changes.values():
            raise LfnetError(f"table.controls holds {control!r}: give overrides such as protocol=shuffled.")
        for job in jobs:
            own = dict(map(override_parts, job))
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
    """Return the key, without Hydra's prefixes, and the value of an override."""
    key, _, value = word.partition("=")
    return key.lstrip("+~"), value
