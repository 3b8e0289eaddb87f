"""requirements.lock: exact, hashed, without addresses, complete for pyproject.toml; and no unused dependency."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CPU_LOCK = (ROOT / "requirements.cpu.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [
    requirement
    for name, lines in PROJECT["optional-dependencies"].items()
    for requirement in map(Requirement, lines)
    if name not in ("dev", "docs") and requirement.name != "lfnet"
]
DEV = [
    requirement for requirement in map(Requirement, PROJECT["optional-dependencies"]["dev"]) if not requirement.extras
]

# The name that is imported, where it is not the package's own.
MODULES = {
    "hydra-core": "hydra",
    "onnxruntime-gpu": "onnxruntime",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "xgboost-cpu": "xgboost",
}


# Extras that the tests do without: Ray has 80 MB, and 300 MB installed; onnxruntime-gpu replaces onnxruntime; and
# openSMILE's licence is not free.
NOT_LOCKED = {"onnxruntime-gpu", "opensmile", "ray"}

# Asked for by a room that is still to come.
COMING: dict[str, str] = {}


def blocks(lock: str = LOCK) -> dict[str, list[str]]:
    """The lock's requirements: each first line, and its hashes."""
    found: dict[str, list[str]] = {}
    first = ""
    for line in lock.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            first = line.rstrip("\\ ")
            found[first] = []
        else:
            found[first].append(line.strip().rstrip("\\ "))
    return found


def pins() -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(first).name): Requirement(first) for first in blocks()}


def test_every_requirement_is_pinned_and_hashed():
    for first, hashes in blocks().items():
        assert [specifier.operator for specifier in Requirement(first).specifier] == ["=="], first
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text) for text in hashes), first


@pytest.mark.parametrize("lock", [LOCK, CPU_LOCK], ids=["default", "cpu"])
def test_no_address_and_no_option(lock):
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)


def test_the_cpu_lock_has_the_same_versions_of_torch_and_the_uv_that_fetches_them():
    own = {Requirement(first).name: str(Requirement(first).specifier) for first in blocks(CPU_LOCK)}
    uv = own.pop("uv")
    assert own == {name: f"{pins()[name].specifier}+cpu" for name in ("torch", "torchvision")}
    assert uv.startswith("==") and "uv" not in pins()


def test_the_cpu_lock_has_hashes_of_uv_and_of_both_or_none_of_torchs_packages():
    hashes = {Requirement(first).name: found for first, found in blocks(CPU_LOCK).items()}
    assert hashes["uv"] and bool(hashes["torch"]) == bool(hashes["torchvision"])
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text) for found in hashes.values() for text in found)


def test_the_header_names_the_command_that_makes_it():
    assert "`make lock`" in LOCK.splitlines()[1]
    options = LOCK.splitlines()[2].partition("pyproject.toml ")[2]
    assert options and options in (ROOT / "tools" / "lock").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "requirement", [one for one in (*DIRECT, *EXTRAS, *DEV) if one.name not in NOT_LOCKED], ids=str
)
def test_requirements_of_pyproject_are_locked_within_their_bounds(requirement):
    pin = pins()[canonicalize_name(requirement.name)]
    version = next(iter(pin.specifier)).version
    assert requirement.specifier.contains(version, prereleases=True)


def test_torch_is_recent_enough():
    bounds = {requirement.name: str(requirement.specifier) for requirement in DIRECT}
    assert bounds["torch"] == ">=2.11"


def test_one_package_provides_cv2():
    assert [name for name in pins() if name.startswith("opencv")] == ["opencv-contrib-python"]


@cache
def imported() -> frozenset[str]:
    """The top-level names that lfnet's code and its yamls' `_target_`s use."""
    found = set()
    for file in [*(ROOT / "lfnet").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
    return frozenset(found)


@pytest.mark.parametrize("requirement", [*DIRECT, *EXTRAS], ids=lambda requirement: requirement.name)
def test_every_dependency_is_used(requirement):
    module = MODULES.get(requirement.name, requirement.name.replace("-", "_"))
    if requirement.name in COMING:
        assert module not in imported(), f"{requirement.name} has come: take it off the list of what is coming"
    else:
        assert module in imported(), f"{requirement.name} is asked for and never imported"


def test_every_import_is_a_requirement():
    import sys

    known = {MODULES.get(requirement.name, requirement.name.replace("-", "_")) for requirement in [*DIRECT, *EXTRAS]}
    # mediapipe brings the one cv2; omegaconf brings yaml.
    known |= {"lfnet", "hydra_plugins", "cv2", "yaml"}
    assert imported() - known - set(sys.stdlib_module_names) == set()
