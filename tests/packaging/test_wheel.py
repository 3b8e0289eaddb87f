"""The wheel: its contents, and commands from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """The wheel, installed into its own folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def installed(site: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # The wheel comes before the path of an editable install.
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


def test_it_contains_all_files_of_the_package_its_plugin_and_every_yaml(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    yamls = {f"lfnet/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    files = {
        path.relative_to(ROOT).as_posix()
        for package in ("lfnet", "hydra_plugins")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"lfnet/py.typed", "lfnet/reports/templates/table.html"} <= files
    assert yamls | files <= inside
    others = {name for name in inside if not name.startswith(("lfnet/", "hydra_plugins/", "lfnet-"))}
    assert others == set()
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_the_installed_package_runs(site, tmp_path):
    code = "import lfnet; from lfnet.cli.configs import conf_dir; print(lfnet.__file__); print(conf_dir())"
    package, conf = installed(site, tmp_path, "-c", code).stdout.split()
    assert Path(package) == site / "lfnet" / "__init__.py"
    assert Path(conf) == site / "lfnet" / "conf"


def test_help_and_settings_from_another_folder(site, tmp_path):
    script = str(site / "bin" / "lfnet")
    done = installed(site, tmp_path, script, "--help")
    assert done.returncode == 0 and "usage: lfnet" in done.stdout
    done = installed(site, tmp_path, script, "train", "head=ldbm", "seed=3", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "patch_size:" in done.stdout and "\nseed: 3\n" in done.stdout
    assert not list(tmp_path.iterdir()), "showing settings writes nothing"
