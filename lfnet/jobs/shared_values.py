"""Small values of a cohort in the cache, computed once for the jobs of all processes."""

import re
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.files import exists, make_folder
from lfnet.locks import lock, remove_unused
from lfnet.seals import read_sealed_json, write_sealed_json

__all__ = ["SharedValues"]

_OWN = re.compile(r"\.?[a-z]+-[0-9a-f]{20,}.*\.(json|lock|part)")


class SharedValues:
    """JSON-like values of a cohort (baselines, audit) that take seconds to compute.

    Each is a file in the cache, sealed by a digest of itself. Of several processes that ask for one at once, one
    computes it and the others wait. Where the file cannot be read or written, each process that needs the value
    computes it, and a warning says so.

    Parameters
    ----------
    cache : Path
        `paths.cache`.
    cohort : str
        The cohort's name.

    Attributes
    ----------
    folder : Path
        The files; they name recordings and people, and `lfnet forget` removes them all.

    Examples
    --------
    >>> import tempfile
    >>> cache = Path(tempfile.mkdtemp())
    >>> [SharedValues(cache, "mine").keep("square", "3", lambda made=made: made) for made in (9, 0)]
    [9, 9]
    """

    def __init__(self, cache: Path, cohort: str) -> None:
        self.folder = Path(cache) / "references" / cohort

    def keep(self, what: str, key: str, make: Callable[[], Any]) -> Any:
        """Return the value of `what` under `key`, a digest of everything that it depends on; compute it if need be."""
        path = self.folder / f"{what}-{key[:32]}.json"
        lock_file = self.folder / f".{path.stem}.lock"
        found = _read(path, key)
        if found is not None:
            remove_unused(lock_file)  # of a process that was killed when it had written the value
            return found
        with ExitStack() as stack:
            try:
                make_folder(self.folder)
                waited = stack.enter_context(lock(lock_file))
            except (LfnetError, OSError) as error:
                _warn(error)
                return make()
            found = _read(path, key) if waited else None
            if found is None:
                found = make()
                try:
                    write_sealed_json(path, {"key": key, "value": found})
                except (LfnetError, OSError) as error:
                    _warn(error)
        return found

    def files(self) -> list[Path]:
        """Return the files of all values, and those that a killed process left; not those of the user in the folder."""
        return sorted(path for path in self.folder.glob("*") if _OWN.fullmatch(path.name) and path.is_file())


def _read(path: Path, key: str) -> Any:
    """The value of a file; None where there is none, with a warning where it is damaged."""
    if not exists(path):
        return None
    try:
        content, whole = read_sealed_json(path)
    except LfnetError:
        whole = False
    if whole and content.get("key") == key:
        return content.get("value")
    warnings.warn(f"{path} is damaged: what it has is computed again.", LfnetWarning, stacklevel=3)
    return None


def _warn(error: Exception) -> None:
    reason = str(error).rstrip(".")
    warnings.warn(f"baselines and audit are not kept for other processes: {reason}.", LfnetWarning, stacklevel=3)
