"""The house's order: a room imports only from rooms above it."""

import ast
from pathlib import Path

import pytest

import lfnet

PACKAGE = Path(lfnet.__file__).parent

# Top-level files are the ground that all rooms stand on.
ROOMS = (
    "weights",
    "cohorts",
    "video",
    "encoders",
    "pulse",
    "features",
    "simulation",
    "data",
    "heads",
    "evaluation",
    "fusion",
    "audit",
    "training",
    "sweeps",
    "tables",
    "deploy",
    "cli",
    "testing",
)
GROUND = -1


def floor(module: str) -> int:
    """How far down the list a dotted name under lfnet lies; the ground for lfnet itself and its top-level files."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else GROUND


def imports(file: Path) -> set[str]:
    """The lfnet modules that a file imports anywhere, also inside functions."""
    module = ("lfnet", *file.relative_to(PACKAGE).with_suffix("").parts)
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module[: len(module) - node.level]) if node.level else ""
            origin = ".".join(part for part in (base, node.module or "") if part)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] == "lfnet"}


def test_every_folder_is_a_known_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(ROOMS), f"not in the house's list: {sorted(folders - set(ROOMS))}"


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_point_upwards(file):
    parts = file.relative_to(PACKAGE).parts
    here = ROOMS.index(parts[0]) if len(parts) > 1 else GROUND
    below = {name for name in imports(file) if floor(name) > here}
    assert not below, f"{file.relative_to(PACKAGE)} imports from rooms below its own: {sorted(below)}"


def test_the_reader_of_imports_sees_all_kinds(tmp_path, monkeypatch):
    room = tmp_path / "data"
    room.mkdir()
    file = room / "odd.py"
    file.write_text(
        "import lfnet.cli.main\nfrom lfnet import heads\nfrom ..cli import jobs\nfrom . import windows\n"
        "def f():\n    from lfnet.tables.build import build\n    import os\n"
    )
    monkeypatch.setattr("tests.packaging.test_rooms.PACKAGE", tmp_path)
    wanted = {"lfnet.cli.main", "lfnet.heads", "lfnet.cli.jobs", "lfnet.data.windows", "lfnet.tables.build.build"}
    assert imports(file) == wanted
