"""Fingerprints: short names of contents, so that the same work is recognised and never done twice."""

import ast
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.files import write_json
from lfnet.once import once

__all__ = ["DigestCache", "code_digest", "digest", "file_digest", "source_digest"]


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-like value, independent of the order of its keys.

    Raises `TypeError` for what JSON cannot hold: a fingerprint must not depend on a `repr`.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(names: Iterable[str]) -> str:
    """SHA-256 (hex) of what the Python modules and packages `names` do: their code without comments and docstrings.

    A package counts with all modules below it. Nothing is imported but parent packages.
    """
    names = tuple(sorted(set(names)))
    return once(("source", names), lambda: digest({name: _module_digests(name) for name in names}))


def code_digest(names: Iterable[str], within: Iterable[str], without: Iterable[str] = ()) -> str:
    """SHA-256 (hex) of the modules `names` and of all they import, as far as it lies in the packages `within`.

    The modules `without`, and what they alone import, do not count. So a new head does not change the digest of the
    others, and a change in what a head uses changes the head's. What is neither lfnet nor installed nor Python's own is
    the user's code, and always followed.
    """
    names, within, without = tuple(names), tuple(within), tuple(without)
    return once(("code", names, within, without), lambda: _digest_code(names, within, without))


def _digest_code(names: tuple[str, ...], within: tuple[str, ...], without: tuple[str, ...]) -> str:
    digests: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        origin = None if name in digests or _inside(name, without) else _origin(name)
        if origin is None:
            continue
        digests[name] = _code_digest(origin)
        package = name if origin.name == "__init__.py" else name.rpartition(".")[0]
        used_names = (_absolute(used, package) for used in _imports(origin))
        waiting.extend(sorted(used for used in used_names if _inside(used, within) or _of_the_user(used)))
    return digest(digests)


def _origin(name: str) -> Path | None:
    """The source file of a module; None where `name` is no module (a class of one, say) or has no source."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _inside(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _absolute(used: str, package: str) -> str:
    """The full name of what a module of `package` calls `used`, which may begin with dots."""
    name = used.lstrip(".")
    level = len(used) - len(name)
    if not level:
        return used
    base = package.split(".")[: len(package.split(".")) - (level - 1)]
    return ".".join([*base, name] if name else base)


@cache
def _of_the_user(name: str) -> bool:
    """Whether a module is neither lfnet's, nor installed, nor Python's own."""
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
    """Names of the modules that a source file imports, in functions too; a relative one keeps its dots."""
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
def _module_digests(name: str) -> dict[str, str]:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {name!r}")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return {origin.name: _code_digest(origin)}
    files = sorted(origin.parent.rglob("*.py"))
    return {file.relative_to(origin.parent).as_posix(): _code_digest(file) for file in files}


@cache
def _code_digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str:
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


# A file changed again within the clock's own step would show the same time: what changed just now is not remembered.
_FRESH_NS = 2_000_000_000


class DigestCache:
    """Digests noted in a folder, one small file each, so that two processes never write the same half of one.

    folder: None remembers nothing. A folder that cannot be written costs a hash each time, nothing more. Whoever
    changes a file and sets its time back on purpose is believed: this guards against broken and mixed-up files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else Path(folder)

    def file(self, path: Path) -> str:
        """SHA-256 (hex) of a file's bytes. Raises `OSError` where it cannot be read."""
        path = Path(path)
        stat = path.stat()
        return self.of(
            (str(path.resolve()), stat.st_size, stat.st_mtime_ns), stat.st_mtime_ns, lambda: file_digest(path)
        )

    def of(self, stamp: Sequence[str | int], changed_ns: int, make: Callable[[], str]) -> str:
        """What `make` returned when the stamp was last the same, else what it returns now.

        stamp: a path, then what tells that nothing behind it has changed. changed_ns: when it last did.
        """
        if self._folder is None:
            return make()
        note = self._folder / f"{digest(stamp[0])[:32]}.json"
        try:
            known = json.loads(note.read_text(encoding="utf-8"))
            if known["stamp"] == list(stamp) and isinstance(known["digest"], str):
                return known["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not noted yet, or a broken note: it is written anew
        found = make()
        if time.time_ns() - changed_ns > _FRESH_NS:
            try:
                write_json(note, {"stamp": list(stamp), "digest": found})
            except LfnetError:
                pass
        return found
