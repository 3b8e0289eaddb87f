"""What tests of whole jobs share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of features and runs for tests that do not mind what others have run: finished jobs are skipped."""
    return tmp_path_factory.mktemp("shared_jobs")
