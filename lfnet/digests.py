"""Fingerprints: short names of contents, so that the same work is recognised and never done twice."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["code_digest", "digest", "file_digest", "source_digest"]


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
    return digest({name: _module_digests(name) for name in sorted(set(names))})


def code_digest(names: Iterable[str], within: Iterable[str]) -> str:
    """SHA-256 (hex) of the modules `names` and of all they import, as far as it lies in the packages `within`.

    So a new head does not change the digest of the others, and a change in what a head uses changes the head's.
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
        inside = (used for used in _imports(origin) if any(used == w or used.startswith(f"{w}.") for w in within))
        waiting.extend(sorted(inside))
    return digest(digests)


def _origin(name: str) -> Path | None:
    """The source file of a module; None where `name` is no module (a class of one, say) or has no source."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def _imports(path: Path) -> frozenset[str]:
    """Names of the modules that a source file imports, absolute imports only, in functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
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
