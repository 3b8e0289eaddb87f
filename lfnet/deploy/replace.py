"""Replace the bundle in a folder as a whole, without a change to other files of the folder.

The new bundle is written into a temporary folder inside, `.lfnet-export-xxxxxxxx`. Renaming this to `.lfnet-new`
replaces the old bundle: from then on readers use `.lfnet-new` (`bundle_folder`), while its files are copied one by one
to their places. An export that is killed before the renaming leaves the old bundle, one that is killed later the new
one, and the next export removes temporary files.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.files import writing_in
from lfnet.locks import acquire
from lfnet.seals import SEAL, read_sealed_json

__all__ = ["BUNDLE", "CARD", "bundle_folder", "listed", "replaced"]

BUNDLE, CARD = "bundle.json", "MODEL_CARD.md"
_NEW, _PREFIX = ".lfnet-new", ".lfnet-export-"
_TEMPORARY = re.compile(re.escape(_PREFIX) + "[a-z0-9_]{8}")  # as `mkdtemp` names them


def bundle_folder(folder: Path) -> Path | None:
    """Return the folder with the files of the bundle in `folder`, or None where `folder` contains no bundle."""
    return next((place for place in (folder / _NEW, folder) if (place / BUNDLE).is_file()), None)


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the files listed in bundle.json: name → facts. Raises `LfnetError` for anything but bare names."""
    path = folder / BUNDLE
    facts, whole = read_sealed_json(path)
    if isinstance(facts, dict) and SEAL in facts and not whole:
        raise LfnetError(
            f"{path} is damaged: its SHA-256 is not the one that it contains. Copy the bundle again, or export the run "
            "again, to another folder."
        )
    files = facts.get("files") if isinstance(facts, dict) else None
    if not isinstance(files, dict) or not all(isinstance(value, dict) for value in files.values()):
        raise LfnetError(f"{path} lists no files: export the run again, to another folder.")
    for name in files:
        if Path(name).name != name or name in ("", "..", BUNDLE) or "\\" in name or "\0" in name:
            raise LfnetError(f"{path} lists {name!r}, which is not the name of a file in a bundle.")
    return files


@contextlib.contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """Yield an empty folder; the bundle that the `with` block writes there replaces the one in `out`.

    Only files that the old bundle lists are replaced or removed. One export to a folder runs at a time; a second one
    waits. After an error in the block, `out` is unchanged.

    Raises
    ------
    LfnetError
        `out` contains other files and no bundle, or a file of the user has a name that the new bundle uses.
    """
    with _locked(out), writing_in(out):
        _clean_up(out)
        if bundle_folder(out) is None and any(out.iterdir()):
            raise LfnetError(f"{out} is not empty and no bundle: name another folder with --out.")
        if bundle_folder(out) is not None:
            listed(out)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
        try:
            yield folder
            _check_conflicts(folder, out)
            _flush(folder)
            folder.rename(out / _NEW)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _install(out)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Lock the folder `out`; if it is new and stays empty, remove it at the end."""
    if out.exists() and not out.is_dir():
        raise LfnetError(f"{out} is not a folder: name another one with --out.")
    new = not out.exists()
    handle = _lock(out)
    try:
        yield
    finally:
        if new:
            with contextlib.suppress(OSError):  # not empty
                out.rmdir()
        os.close(handle)


def _lock(out: Path) -> int:
    while True:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY)
        try:
            acquire(handle, f"waiting for another export to {out}")
        except OSError:
            return handle  # a file system without locks
        except BaseException:  # Ctrl-C while it waits
            os.close(handle)
            raise
        # The previous export may have removed the folder while this one waited.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), out.stat()):
                return handle
        os.close(handle)


def _clean_up(out: Path) -> None:
    """Finish or remove what killed exports left in `out`."""
    if (out / _NEW / BUNDLE).is_file():
        _install(out)
    for folder in [path for path in out.iterdir() if _TEMPORARY.fullmatch(path.name) and path.is_dir()]:
        shutil.rmtree(folder)


def _check_conflicts(folder: Path, out: Path) -> None:
    own = {*listed(out), BUNDLE, CARD} if (out / BUNDLE).is_file() else set()
    for name in {*listed(folder), BUNDLE, CARD}:
        if (out / name).is_dir() or (name not in own and os.path.lexists(out / name)):
            raise LfnetError(f"{out / name} is not a file of the bundle there: move it, or name another --out.")


def _flush(folder: Path) -> None:
    """Flush the folder's files to the disk."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _install(out: Path) -> None:
    """Copy the files of `.lfnet-new` to their places. It can be killed at any point and called again."""
    new = out / _NEW
    names = {**listed(new), CARD: {}}
    gone = set(listed(out)) - set(names) if (out / BUNDLE).is_file() else set()
    copies = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
    for name in (*names, BUNDLE):
        shutil.copyfile(new / name, copies / name)
    _flush(copies)
    for name in names:
        (copies / name).replace(out / name)
    for name in gone:
        if not (out / name).is_dir():  # a folder of that name is not the bundle's
            (out / name).unlink(missing_ok=True)
    # Last: until here the list of the old bundle's files is needed.
    (copies / BUNDLE).replace(out / BUNDLE)
    new.rename(copies / _NEW)
    shutil.rmtree(copies)
