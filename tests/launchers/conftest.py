"""An empty queue for each test."""

import pytest

from lfnet.launchers import queue
from tests.launchers import stub


@pytest.fixture
def engine(monkeypatch):
    """The queue of `stub.StubQueue`; waiting takes no time."""
    fresh = stub.StubEngine()
    monkeypatch.setattr(stub, "ENGINE", fresh)
    monkeypatch.setattr(queue, "_engine", lambda name: fresh)
    monkeypatch.setattr(queue, "_PATIENCE", 0.0)
    monkeypatch.setattr(queue.time, "sleep", lambda seconds: None)
    return fresh
