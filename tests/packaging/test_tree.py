"""Rules for all committed files."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not name them either.
HOSTS = (
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "registry\\." + r"npmjs",
    r"deb\." + r"debian\.org",
    "npmjs" + r"\.com",
)
MACHINE = (r"/wo" + r"rk/\w", r"/ro" + r"ot/\w", r"/ho" + r"me/[a-z]+/", r"/Us" + r"ers/[A-Za-z]+/", r"/tm" + r"p/t/")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every committed text file."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    found = {}
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found


@pytest.mark.parametrize("pattern", [*HOSTS, *MACHINE])
def test_no_file_names_a_registry_host_or_a_path_of_one_machine(pattern, texts):
    named = [name for name, text in texts.items() if re.search(pattern, text)]
    assert named == []


def test_no_large_or_downloaded_file_is_committed(texts):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert [name for name in names if (ROOT / name).stat().st_size > 1_000_000] == []
    fetched = (".onnx", ".task", ".pt", ".pth", ".mp4", ".mov", ".avi", ".safetensors", ".zip", ".whl")
    assert [name for name in names if name.endswith(fetched)] == []


@pytest.mark.parametrize(
    "file", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda file: file.relative_to(ROOT).as_posix()
)
def test_every_yaml_of_conf_has_a_description(file):
    text = file.read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.startswith("#") and "@package" not in line]
    assert text.startswith("#") and comments and len(comments[0]) > 10
    yaml.safe_load(text)


def test_conf_has_yaml_files_only():
    # Hydra does not see .yml, and so would ignore it silently.
    others = [path for path in (ROOT / "conf").rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert others == []


def test_versions_agree():
    import tomllib

    import lfnet

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] == lfnet.__version__ == str(citation["version"])
    assert project["version"] in changes
    assert project["license"] == citation["license"]


def test_the_environment_is_read_nowhere():
    reading = re.compile(r"os\.(environ\.get|getenv|environ\[[^\]]+\](?!\s*=[^=]))|oc\.env")
    files = [*(ROOT / "lfnet").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]
    assert [str(file.relative_to(ROOT)) for file in files if reading.search(file.read_text(encoding="utf-8"))] == []
