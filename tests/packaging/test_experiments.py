"""Scripts of experiments: each imports names that exist."""

import ast
import importlib

import pytest

from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "experiments").rglob("*.py"))


def imported(text: str) -> list[tuple[str, str]]:
    """(module, name) of each import from lfnet or experiments, those inside functions too; name "" for a module."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(module, name) for module, name in found if module.split(".")[0] in ("lfnet", "experiments")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_exist(script):
    for module, name in imported(script.read_text(encoding="utf-8")):
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")


def test_imports_are_found():
    assert imported("import lfnet.a\ndef f():\n    from lfnet.b import c, d\nimport os\n") == [
        ("lfnet.a", ""),
        ("lfnet.b", "c"),
        ("lfnet.b", "d"),
    ]
