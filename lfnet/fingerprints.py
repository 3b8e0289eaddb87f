"""Digests of values, files and code, by which equal work is recognised and done once."""

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.files import refuse_special
from lfnet.seals import SEAL, check_seal, write_sealed_json

__all__ = ["DigestCache", "code_digest", "digest", "file_digest", "source_digest"]


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON-like value, independent of the order of its keys.

    Any other value is a `TypeError`, so that no digest depends on a `repr`.

    Examples
    --------
    >>> digest({"a": 1, "b": [2, None]}) == digest({"b": [2, None], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes, read in chunks. A named pipe or a device is `Unreadable`."""
    refuse_special(path)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(names: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the code of Python modules and packages, without comments and docstrings.

    A package includes all modules in it. Only parent packages are imported.
    """
    return digest(
        {name: {place: _code_digest(file) for place, file in _files(name).items()} for name in sorted(set(names))}
    )


def code_digest(names: Iterable[str], within: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the code of modules and of the modules that they import.

    Comments and docstrings do not count. A module that no other one imports, such as a new head, does not change the
    digest of the others.

    Parameters
    ----------
    names : iterable of str
        Names of modules; names of anything else are ignored.
    within : iterable of str
        Packages in which imports are followed. The user's own modules (neither lfnet, nor installed, nor of the
        standard library) are followed too.
    """
    within = tuple(within)
    digests: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        origin = None if name in digests else _origin(name)
        if origin is None:
            continue
        digests[name] = _code_digest(origin)
        package = name if origin.name == "__init__.py" else name.rpartition(".")[0]
        used_names = (_absolute(used, package) for used in _imports(origin))
        waiting.extend(sorted(used for used in used_names if _inside(used, within) or _of_the_user(used)))
    return digest(digests)


def _origin(name: str) -> Path | None:
    """The source file of a module; None where `name` is no module (such as a class in one) or has no source."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _inside(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _absolute(used: str, package: str) -> str:
    """The absolute name of `used`, which may begin with dots, in a module of `package`."""
    name = used.lstrip(".")
    level = len(used) - len(name)
    if not level:
        return used
    base = package.split(".")[: len(package.split(".")) - (level - 1)]
    return ".".join([*base, name] if name else base)


@cache
def _of_the_user(name: str) -> bool:
    """Whether a module is neither of lfnet, nor installed, nor of the standard library."""
    top = name.partition(".")[0]
    if top == "lfnet" or top in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ModuleNotFoundError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or [])]
    return not any("site-packages" in place or "dist-packages" in place for place in places)


@cache
def _imports(path: Path) -> frozenset[str]:
    """Names of the modules that a source file imports, also in functions; relative names keep their dots."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            joint = "" if module.endswith(".") else "."
            names.update((module, *(f"{module}{joint}{alias.name}" for alias in node.names)))
    return frozenset(names)


@cache
def _files(name: str) -> dict[str, Path]:
    """The source files of a module or package, by their place in it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {name!r}")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return {origin.name: origin}
    return {file.relative_to(origin.parent).as_posix(): file for file in sorted(origin.parent.rglob("*.py"))}


@cache
def _code_digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


# Clocks of file systems are coarse: a file could change again with the same mtime just after it was read. A digest that
# was written so soon after the file's change is not believed. Both times are of file systems: clocks of nodes differ.
_FRESH_NS = 2_000_000_000


class DigestCache:
    """Cache of file digests, keyed by path, size and mtime.

    Each digest is a small file of its own, so that processes can share the folder, with a digest of itself, so that a
    damaged one is not believed. A file that is changed and gets its old mtime back is not noticed: the cache guards
    against damaged and confused files, not against manipulation.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache; None caches nothing. If it cannot be written, digests are computed each time.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else Path(folder)

    def file(self, path: Path) -> str:
        """Return the SHA-256 (hex) of a file's bytes. An unreadable file is an `OSError`."""
        path = Path(path)
        stat = path.stat()
        return self.of(
            (str(path.resolve()), stat.st_size, stat.st_mtime_ns), stat.st_mtime_ns, lambda: file_digest(path)
        )

    def of(self, stamp: Sequence[str | int], changed_ns: int, make: Callable[[], str]) -> str:
        """Return the cached digest of a stamp, or compute it with `make`.

        Parameters
        ----------
        stamp : sequence
            A path, then values that change when its content does (size, mtime).
        changed_ns : int
            Time of the last change, in nanoseconds since the epoch.
        make : callable
            Computes the digest.
        """
        if self._folder is None:
            return make()
        entry = self._folder / f"{digest(stamp[0])[:32]}.json"
        try:
            content = entry.read_bytes()
            known = json.loads(content)
            old_enough = entry.stat().st_mtime_ns - changed_ns > _FRESH_NS
            if old_enough and known["stamp"] == list(stamp) and check_seal(content, known[SEAL]):
                return str(known["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not cached yet, or broken and written again
        found = make()
        try:
            write_sealed_json(entry, {"stamp": list(stamp), "digest": found})
        except (LfnetError, OSError):
            pass  # a digest each time, nothing more
        return found
