"""Peers that are packages: installed for the benchmark only, outside the project's environment."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.benchmarks.measure import Failed, command

__all__ = ["install_beside", "install_own"]


def install_own(folder: Path, packages: Sequence[str]) -> Path:
    """Make a virtual environment with packages, once; return its Python. Raises `Failed` where they cannot be had."""
    python = folder / "bin" / "python"
    if not python.exists():
        _install(folder, [sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-q", *packages])
    return python


def install_beside(folder: Path, packages: Sequence[str]) -> Path:
    """Install packages into a folder for Python's path, once, to use them with the project's own torch and NumPy.

    Raises `Failed` where they cannot be had.
    """
    if not folder.exists():
        _install(folder, [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, *packages])
    return folder


def _install(folder: Path, *commands: Sequence[str | Path]) -> None:
    try:
        for words in commands:
            command(words)
    except Failed:
        shutil.rmtree(folder, ignore_errors=True)
        raise
