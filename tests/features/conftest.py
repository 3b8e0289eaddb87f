"""What the tests of extraction share."""

import pytest

from lfnet.video.backends import missing


@pytest.fixture(scope="session")
def libraries() -> None:
    """OpenCV and MediaPipe load; else the test is skipped, and says what to install."""
    if said := missing():
        pytest.skip("; ".join(said))
