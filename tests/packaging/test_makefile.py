"""The Makefile: its help page, one rule for all tables, and messages of a set-up that fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet.cli.configs import description, names

ROOT = Path(__file__).resolve().parents[2]
TABLES = [name for name in names("table") if name != "none"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    # An outer make hands its own flags down.
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**outer, **environment},
    )


def test_help_lists_every_target_and_every_table():
    done = make("help")
    assert done.returncode == 0 and done.stderr == ""
    for target in ("tables", "test", "test-long", "lint", "lock", "wheel", "clean"):
        assert f"\n  {target} " in done.stdout
    for name in TABLES:
        assert f"table-{name} " in done.stdout
        assert description("table", name) in done.stdout
    assert "table-none" not in done.stdout


def test_help_is_what_plain_make_shows():
    assert make().stdout == make("help").stdout


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_target(name):
    done = make("-n", f"table-{name}", "ARGS=seed=0")
    assert done.returncode == 0
    assert f".venv/bin/lfnet table {name} seed=0" in done.stdout


def test_a_new_yaml_is_a_new_target(copy):
    (copy / "conf" / "table" / "mine.yaml").write_text(
        "# A question of mine.\n# @package _global_\ntable: {name: mine}\n"
    )
    assert "table-mine" in make("help", cwd=copy).stdout
    assert ".venv/bin/lfnet table mine" in make("-n", "table-mine", cwd=copy).stdout


@pytest.mark.parametrize("arguments", [("-n",), ()])
@pytest.mark.parametrize("name", ["foo", "none"])
def test_an_unknown_table_is_reported(arguments, name, copy, machine):
    done = make(*arguments, f"table-{name}", cwd=copy, PATH=machine.path)
    assert done.returncode == 2
    assert f'there is no table "{name}": choose one of {" ".join(TABLES)}' in done.stderr
    assert not (copy / ".venv").exists()


def test_tables_makes_the_two_main_tables():
    planned = make("-n", "tables").stdout
    assert planned.index("lfnet table architectures") < planned.index("lfnet table patch_size")


def test_clean_keeps_data_runs_and_the_environment(copy):
    kept = [copy / name / "file" for name in ("lfnet_data", "lfnet_cache", "lfnet_runs", ".venv")]
    gone = [copy / name / "file" for name in ("dist", ".mypy_cache", ".pytest_cache", "lfnet/__pycache__")]
    for file in [*kept, *gone]:
        file.parent.mkdir(parents=True)
        file.touch()
    for folder in ("tests", "experiments"):
        (copy / folder).mkdir()
    assert make("clean", cwd=copy).returncode == 0
    assert all(file.exists() for file in kept)
    assert not any(file.exists() for file in gone)


@pytest.fixture
def copy(tmp_path) -> Path:
    """The files that make reads, in a folder (with a space in its name) without a .venv."""
    folder = tmp_path / "a clone"
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        folder.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tools", folder / "tools")
    shutil.copytree(ROOT / "conf", folder / "conf")
    return folder


@pytest.fixture
def machine(tmp_path):
    """A PATH of our own: the plain tools, and Pythons that are scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tools = (
        "awk cat chmod cmp cp dirname env expr grep head ls make mkdir mktemp mv printf rm sed sh sort tail touch uname"
    )
    for tool in tools.split():
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)

    def python(name: str, version: str, *, venv: bool = True) -> None:
        major_minor = version.rpartition(".")[0]
        lines = [
            "#!/bin/sh",
            'case "$2" in',
            f'  *python_version*) echo "{version}" ;;',
            f"  *sys.exit*) exit {0 if major_minor in ('3.11', '3.12', '3.13') else 1} ;;",
            f"  *ensurepip*) exit {0 if venv else 1} ;;",
            f'  *-venv*) echo "python{major_minor}-venv" ;;',
            '  *machine*) echo "Linux x86_64" ;;',
            "esac",
        ]
        (folder / name).write_text("\n".join(lines) + "\n")
        (folder / name).chmod(0o755)

    python.path = str(folder)
    return python


def test_no_python_at_all(copy, machine):
    done = make("setup", cwd=copy, PATH=machine.path)
    assert done.returncode == 2
    assert "error: lfnet needs Python 3.11, 3.12 or 3.13 (64 bit); found: none." in done.stderr
    assert not (copy / ".venv").exists()


def test_only_pythons_out_of_range(copy, machine):
    machine("python3", "3.9.18")
    done = make("setup", cwd=copy, PATH=machine.path)
    assert "found: python3 (3.9.18). Install one, or name it: make test PYTHON=" in done.stderr


def test_a_python_without_ensurepip_names_the_fix(copy, machine):
    machine("python3", "3.12.3", venv=False)
    done = make("setup", cwd=copy, PATH=machine.path)
    assert done.returncode == 2
    assert "python3 has no ensurepip" in done.stderr
    assert "apt install python3.12-venv (or python3-venv). Then run the same command again." in done.stderr
    assert not (copy / ".venv").exists()


def test_a_named_python_that_does_not_fit_is_an_error(copy, machine):
    machine("python3.12", "3.12.3")
    done = make("setup", "PYTHON=python2.7", cwd=copy, PATH=machine.path)
    assert "found: none" in done.stderr


@pytest.mark.slow
def test_without_a_network_the_message_is_one_line_and_an_unfinished_set_up_starts_again(copy):
    python = Path(getattr(sys, "_base_executable", sys.executable))
    if subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode:
        pytest.skip("this Python has no ensurepip (Debian: apt install python3-venv)")
    (copy / ".venv").mkdir()
    (copy / ".venv" / ".torn").touch()
    (copy / ".venv" / "half of something").touch()
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
    }
    done = make("setup", f"PYTHON={python}", cwd=copy, **nowhere)
    assert done.returncode == 2
    assert "The .venv is unfinished" in done.stderr
    assert not (copy / ".venv" / "half of something").exists()
    assert "the package index cannot be reached" in done.stderr
    assert done.stderr.count("\n") <= 4
    assert (copy / ".venv" / ".torn").exists(), "the next call starts afresh again"
    assert not (copy / ".venv" / ".ready").exists()
