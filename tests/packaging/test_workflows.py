"""Workflows of GitHub: they parse, and call make targets and scripts that exist, on Pythons that are supported."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def jobs(file: Path) -> dict[str, dict]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]


def steps(file: Path) -> Iterator[dict]:
    for job in jobs(file).values():
        yield from job.get("steps", ())


def commands(file: Path) -> str:
    return "\n".join(step["run"] for step in steps(file) if "run" in step)


def test_tests_lint_docs_wheel_and_release_have_a_workflow():
    assert [file.stem for file in FILES] == ["docs", "lint", "release", "tests", "wheel"]
    everything = "\n".join(commands(file) for file in FILES)
    assert {"setup", "lint", "docs", "test", "wheel"} <= set(re.findall(r"\bmake ([a-z-]+)", everything))
    assert ".ci/run" in everything


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_workflow_calls_exists(file):
    assert set(re.findall(r"\bmake ([a-z-]+)", commands(file))) <= TARGETS
    for script in re.findall(r"^\S*/run$", commands(file), re.MULTILINE):
        assert os.access(ROOT / script, os.X_OK)
    for job in jobs(file).values():
        if used := job.get("uses"):
            assert (ROOT / used).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_may_read_only_and_release_alone_has_an_identity(file):
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    own = {name: job["permissions"] for name, job in jobs(file).items() if "permissions" in job}
    assert own == ({"publish": {"id-token": "write"}} if file.stem == "release" else {})


def test_the_oldest_and_newest_python_and_macos_are_tested():
    matrix = jobs(ROOT / ".github" / "workflows" / "tests.yml")["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = [f"3.{minor}" for minor in range(8, 30) if f"3.{minor}" in SpecifierSet(project["requires-python"])]
    classified = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert classified == supported
    assert len(matrix["python"]) == 3 and {supported[0], supported[-1]} <= set(matrix["python"]) <= set(supported)
    assert [one["os"] for one in matrix["include"]] == ["macos-15"]
