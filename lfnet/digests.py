"""Fingerprints: short names of contents, so that the same work is recognised and never done twice."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["digest", "file_digest", "source_digest"]


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


@cache
def _module_digests(name: str) -> dict[str, str]:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {name!r}")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return {origin.name: _code_digest(origin)}
    return {file.relative_to(origin.parent).as_posix(): _code_digest(file) for file in sorted(origin.parent.rglob("*.py"))}


def _code_digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()
