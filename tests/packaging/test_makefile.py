"""The Makefile: its help page, one rule for all tables, and messages of a set-up that fails."""

import os
import re
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
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements.cpu.lock"):
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
    tools = "awk cat chmod cmp cp dirname env expr grep head ls make mkdir mktemp mv printf rm sed sh sort tail touch"
    for tool in tools.split():
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    script(folder / "uname", "echo Linux")

    def python(name: str, version: str, *, venv: bool = True) -> None:
        major_minor = version.rpartition(".")[0]
        script(
            folder / name,
            'case "$2" in',
            f'  *python_version*) echo "{version}" ;;',
            f"  *sys.exit*) exit {0 if major_minor in ('3.11', '3.12', '3.13', '3.14') else 1} ;;",
            f"  *ensurepip*) exit {0 if venv else 1} ;;",
            f'  *-venv*) echo "python{major_minor}-venv" ;;',
            '  *machine*) echo "Linux x86_64" ;;',
            '  venv) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;',
            '  pip) printf "%s\\n" "pip $*" >>calls; cat "$(dirname "$0")/../uv.txt" >>calls 2>/dev/null',
            '       cp "$(dirname "$0")/../rest.txt" . 2>/dev/null; cp ../bin/uv .venv/bin/uv ;;',
            "esac",
            "exit 0",
        )

    lines = ('echo "uv $*" >>calls', "cat .venv/torch.txt >>calls", 'echo "$UV_SAYS"', 'exit "${UV_ENDS:-0}"')
    script(folder / "uv", *lines)
    python.path = str(folder)
    return python


def script(file: Path, *lines: str) -> None:
    file.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    file.chmod(0o755)


def pinned(file: Path) -> dict[str, str]:
    """Versions of the packages that a file of requirements names."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE))


OFFER = "No NVIDIA device is seen: `make setup CPU=1` takes PyTorch's CPU build"
needs_no_gpu = pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has an NVIDIA device")


@needs_no_gpu
def test_without_a_device_the_cpu_build_is_offered_once_and_the_whole_lock_is_installed(copy, machine):
    machine("python3", "3.12.3")
    done = make("setup", cwd=copy, PATH=machine.path)
    assert done.returncode == 0 and OFFER in done.stderr, done.stderr
    assert pinned(copy / "rest.txt") == pinned(copy / "requirements.lock")
    assert "uv pip" not in (copy / "calls").read_text()
    (copy / "requirements.lock").write_text((copy / "requirements.lock").read_text() + "# changed\n")
    again = make("setup", cwd=copy, PATH=machine.path)
    assert "has changed" in again.stderr and OFFER not in again.stderr


@pytest.mark.parametrize("given", ["a device", "CPU=0", "macOS"])
def test_the_cpu_build_is_not_offered(given, copy, machine):
    machine("python3", "3.12.3")
    if given == "a device":
        script(Path(machine.path) / "nvidia-smi", "exit 0")
    if given == "macOS":
        script(Path(machine.path) / "uname", "echo Darwin")
    done = make("setup", *([given] if given == "CPU=0" else []), cwd=copy, PATH=machine.path)
    assert done.returncode == 0 and "Set-up done" in done.stderr and OFFER not in done.stderr


def test_the_cpu_build_comes_by_uv_and_everything_else_from_the_one_lock(copy, machine):
    machine("python3", "3.12.3")
    done = make("setup", "CPU=1", cwd=copy, PATH=machine.path)
    assert done.returncode == 0 and "about 0.7 GB to download" in done.stderr and OFFER not in done.stderr
    calls, lock = (copy / "calls").read_text(), pinned(copy / "requirements.lock")
    assert re.search(r"--require-hashes -r .venv/uv.txt\nuv==\S+ \\\n +--hash", calls)
    assert re.search(r"^uv pip install .* --torch-backend=cpu --no-deps .*-r .venv/torch.txt$", calls, re.MULTILINE)
    assert f"\ntorch=={lock['torch']}+cpu" in calls and f"\ntorchvision=={lock['torchvision']}+cpu" in calls
    rest = pinned(copy / "rest.txt")
    missing = set(lock) - set(rest)
    assert rest.items() <= lock.items() and {"torch", "torchvision", "triton"} < missing
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in missing)
    assert "torchmetrics" in rest


def test_the_choice_of_a_build_stays_until_the_other_is_named(copy, machine):
    machine("python3", "3.12.3")
    make("setup", "CPU=1", cwd=copy, PATH=machine.path)
    (copy / "calls").unlink()
    assert make("setup", cwd=copy, PATH=machine.path).stderr == ""
    (copy / "requirements.lock").write_text((copy / "requirements.lock").read_text() + "# changed\n")
    assert "has changed" in make("setup", cwd=copy, PATH=machine.path).stderr
    assert "--torch-backend=cpu" in (copy / "calls").read_text()
    (copy / "calls").unlink()
    other = make("setup", "CPU=0", cwd=copy, PATH=machine.path)
    assert "Making .venv again, with the other build of PyTorch." in other.stderr
    assert "uv pip" not in (copy / "calls").read_text()
    assert pinned(copy / "rest.txt") == pinned(copy / "requirements.lock")


def test_a_killed_set_up_of_the_cpu_build_starts_again_with_it(copy, machine):
    machine("python3", "3.12.3")
    failed = make("setup", "CPU=1", cwd=copy, PATH=machine.path, UV_ENDS="1", UV_SAYS="error: Failed to fetch: x")
    assert failed.returncode == 2
    assert "error: PyTorch's own index cannot be reached" in failed.stderr and "make setup CPU=0" in failed.stderr
    assert (copy / ".venv" / ".torn").exists()
    assert "about 0.7 GB" in make("setup", cwd=copy, PATH=machine.path).stderr


@pytest.mark.parametrize("hashes", [True, False])
def test_hashes_of_the_cpu_build_are_checked_where_they_are_locked(hashes, copy, machine):
    machine("python3", "3.12.3")
    lock = copy / "requirements.cpu.lock"
    uv = lock.read_text()[lock.read_text().index("\nuv==") :]
    end = f" \\\n    --hash=sha256:{'0' * 64}\n" if hashes else "\n"
    lock.write_text(f"torch==2.99.0+cpu{end}torchvision==0.99.0+cpu{end}{uv}")
    done = make("setup", "CPU=1", cwd=copy, PATH=machine.path)
    call = next(line for line in (copy / "calls").read_text().splitlines() if line.startswith("uv pip"))
    assert ("--require-hashes" in call) == hashes
    assert ("no hashes" in done.stderr) == (not hashes)


def test_macos_has_one_build(copy, machine):
    machine("python3", "3.12.3")
    script(Path(machine.path) / "uname", "echo Darwin")
    assert make("setup", "CPU=1", cwd=copy, PATH=machine.path).returncode == 0
    assert pinned(copy / "rest.txt") == pinned(copy / "requirements.lock")
    assert "uv pip" not in (copy / "calls").read_text()


def test_another_value_of_cpu_is_refused(copy, machine):
    machine("python3", "3.12.3")
    done = make("setup", "CPU=yes", cwd=copy, PATH=machine.path)
    assert done.returncode == 2 and "error: CPU=yes: choose 1 (PyTorch's CPU build) or 0" in done.stderr
    assert not (copy / ".venv").exists()


def test_no_python_at_all(copy, machine):
    done = make("setup", cwd=copy, PATH=machine.path)
    assert done.returncode == 2
    assert "error: lfnet needs Python 3.11, 3.12, 3.13 or 3.14 (64 bit); found: none." in done.stderr
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
    done = make("setup", "CPU=0", f"PYTHON={python}", cwd=copy, **nowhere)
    assert done.returncode == 2
    assert "The .venv is unfinished" in done.stderr
    assert not (copy / ".venv" / "half of something").exists()
    assert "the package index cannot be reached" in done.stderr
    assert done.stderr.count("\n") <= 4
    assert (copy / ".venv" / ".torn").exists(), "the next call starts afresh again"
    assert not (copy / ".venv" / ".ready").exists()
