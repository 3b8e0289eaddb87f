"""What the tests of whole paths share."""

import pytest

from lfnet.video.backends import missing


@pytest.fixture(scope="session")
def libraries() -> None:
    """OpenCV and MediaPipe load; else the test is skipped, and says what to install."""
    if said := missing():
        pytest.skip("; ".join(said))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder as the current one: where a person types."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
