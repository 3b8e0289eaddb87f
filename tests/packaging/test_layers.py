"""The order of packages: a package imports only from packages above it in the list."""

import ast
from pathlib import Path

import lfnet

PACKAGE = Path(lfnet.__file__).parent

# Top-level modules (errors, files, fingerprints, config) are below all packages.
LAYERS = (
    "weights",
    "pulse",
    "heads",
    "cohorts",
    "video",
    "audio",
    "encoders",
    "features",
    "simulation",
    "data",
    "evaluation",
    "fusion",
    "audit",
    "runs",
    "launchers",
    "training",
    "tuning",
    "jobs",
    "tables",
    "reports",
    "deploy",
    "cli",
    "testing",
)
GROUND = -1


def floor(module: str) -> int:
    """Index of a dotted name's package in the list; GROUND for lfnet itself and its top-level modules."""
    parts = module.split(".")
    return LAYERS.index(parts[1]) if len(parts) > 1 and parts[1] in LAYERS else GROUND


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


def test_every_folder_is_a_known_package():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(LAYERS), f"not in the list: {sorted(folders - set(LAYERS))}"


def imports_below(file: Path) -> set[str]:
    """The modules that a file imports although their packages are below its own."""
    parts = file.relative_to(PACKAGE).parts
    package = "cli" if parts == ("__main__.py",) else parts[0]
    here = LAYERS.index(package) if package in LAYERS else GROUND
    return {name for name in imports(file) if floor(name) > here}


def test_imports_follow_the_order():
    files = sorted(PACKAGE.rglob("*.py"))
    assert {file.relative_to(PACKAGE).as_posix(): found for file in files if (found := imports_below(file))} == {}


def test_the_reader_of_imports_sees_all_kinds(tmp_path, monkeypatch):
    package = tmp_path / "data"
    package.mkdir()
    file = package / "odd.py"
    file.write_text(
        "import lfnet.cli.main\nfrom lfnet import heads\nfrom ..cli import train\nfrom . import windows\n"
        "def f():\n    from lfnet.tables.build import build\n    import os\n"
    )
    monkeypatch.setattr("tests.packaging.test_layers.PACKAGE", tmp_path)
    wanted = {"lfnet.cli.main", "lfnet.heads", "lfnet.cli.train", "lfnet.data.windows", "lfnet.tables.build.build"}
    assert imports(file) == wanted
