"""Records of removals: the intention while a removal runs, and afterwards a digest of whom it removed.

`lfnet forget` writes the record before it changes anything. While it is unfinished, jobs on the cohort are refused, so
that none of them takes a half-changed run for a damaged one and trains the person's rows again.
"""

import shlex
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.identity import normal_id
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.fingerprints import digest
from lfnet.seals import SEAL, read_sealed_json, write_sealed_json
from lfnet.text import first_names

__all__ = ["REMOVALS", "Removal", "check_removals"]

REMOVALS = "removals"  # the folder below `paths.runs`


@dataclass(frozen=True)
class Removal:
    """The removal of one person from what lfnet keeps of a cohort.

    Attributes
    ----------
    cohort : str
        The cohort's name.
    person : str
        Digest of the cohort's name and the person's id.
    words : tuple of str
        Arguments of the `lfnet forget` that finishes it; empty once it is finished.
    clips, files, names : tuple of str
        While it is unfinished: the person's clips, the files of these, and what texts must not contain.

    Examples
    --------
    >>> first, second = (Removal.start("study", person, ["P017", "--yes"]) for person in ("P017", "p17"))
    >>> first.person == second.person
    True
    """

    cohort: str
    person: str
    words: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        cohort: str,
        person: str,
        words: Iterable[str],
        *,
        clips: Iterable[str] = (),
        files: Iterable[Path] = (),
        names: Iterable[str] = (),
    ) -> "Removal":
        """A removal that is to be done."""
        texts = (words, clips, map(str, files), names)
        return cls(cohort, _digest(cohort, person), *(tuple(part) for part in texts))

    @classmethod
    def find(cls, runs: Path, cohort: str, person: str) -> "Removal | None":
        """The record of an earlier removal of this person, finished or not. A damaged one is an `LfnetError`."""
        path = cls(cohort, _digest(cohort, person)).path(runs)
        return _read(path) if path.is_file() else None

    def path(self, runs: Path) -> Path:
        """The file of the record."""
        return Path(runs) / REMOVALS / f"{self.person[:16]}.json"

    def write(self, runs: Path) -> None:
        """Write the record."""
        write_sealed_json(self.path(runs), asdict(self))

    def finish(self, runs: Path) -> None:
        """Write that the removal is done: no id is left in the record."""
        Removal(self.cohort, self.person).write(runs)


def check_removals(cohort: Cohort, runs: Path) -> None:
    """Refuse a cohort of which a removal is unfinished; warn of people who were removed and are in the cohort still.

    Raises
    ------
    LfnetError
        A removal is unfinished, or a record is damaged.
    """
    removals = [removal for removal in _read_all(runs) if removal.cohort == cohort.name]
    for removal in removals:
        if removal.words:
            raise LfnetError(
                f"a removal from cohort {cohort.name} was interrupted, or runs now. Finish it with "
                f"`{shlex.join(['lfnet', 'forget', *removal.words])}`, then run this command again."
            )
    removed = {removal.person for removal in removals}
    again = sorted(person for person in {*cohort.clips["person_id"]} if _digest(cohort.name, person) in removed)
    if again:
        warnings.warn(
            f"`lfnet forget` removed {first_names(again)}, and cohort {cohort.name} still names them: their features "
            "and scores are made again. Remove their rows from the cohort and their videos, which lfnet does not "
            f"change; or delete {Path(runs) / REMOVALS} if they may be used.",
            LfnetWarning,
            stacklevel=2,
        )


def _digest(cohort: str, person: str) -> str:
    return digest([cohort, normal_id(person)])


def _read_all(runs: Path) -> Iterator[Removal]:
    return map(_read, sorted((Path(runs) / REMOVALS).glob("*.json")))


def _read(path: Path) -> Removal:
    content, whole = read_sealed_json(path)
    try:
        if whole:
            return TypeAdapter(Removal).validate_python({key: value for key, value in content.items() if key != SEAL})
    except ValidationError:
        pass
    raise LfnetError(
        f"{path} is damaged: it says whom `lfnet forget` removed. Give that command again, or delete the file."
    )
