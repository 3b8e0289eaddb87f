"""The scripts of experiments/validation, imported as they import each other."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "validation"


@pytest.fixture(scope="session")
def scripts():
    """A function of a script's name that gives the module."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def population(scripts):
    return scripts("population")


@pytest.fixture(scope="session")
def measures(scripts):
    return scripts("measures")
