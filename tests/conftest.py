"""Shared fixtures: the folder of real weights, video and signals, and a folder of finished jobs."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# No deadlines: how long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("lfnet", deadline=None)
hypothesis.settings.load_profile("lfnet")

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shared",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder of real weights, media and signals (default: `shared` next to the project, if it exists)",
    )


def _shared(config: pytest.Config) -> Path:
    return config.getoption("--shared") or ROOT.parent / "shared"


def pytest_report_header(config: pytest.Config) -> str:
    folder = _shared(config)
    found = (folder / "weights").is_dir()
    return f"real weights and media: {folder}" if found else f"real weights and media: none at {folder} (--shared DIR)"


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Path:
    """The folder of real weights, media and signals; the test is skipped, and counted, where it is absent."""
    folder = _shared(request.config)
    if not (folder / "weights").is_dir():
        pytest.skip(f"needs real weights and media: no folder {folder} (name it with `pytest tests --shared DIR`)")
    return folder


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes that run these tests: a job that one has finished there is skipped in the others."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "common"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of features and runs for tests that do not mind what others have run: finished jobs are skipped."""
    return tmp_path_factory.mktemp("shared_jobs")


@pytest.fixture(autouse=True)
def import_path_of_child_processes() -> Iterator[None]:
    """Let no test change where the Python processes of later tests look for modules, as lfnet's commands do."""
    os.environ.pop("PYTHONSAFEPATH", None)
    yield
    os.environ.pop("PYTHONSAFEPATH", None)


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    missing = [report for report in skipped if "needs real weights and media" in str(report.longrepr)]
    if missing:
        terminalreporter.write_line(
            f"{len(missing)} tests were skipped because {_shared(config)} is absent: "
            "name the folder with `pytest tests --shared DIR`"
        )
