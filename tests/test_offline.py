"""Threads without sockets: only they, and those of the landmarker, have no network."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from lfnet import offline
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.video.backends import missing
from lfnet.video.mesh import FaceMesh
from lfnet.video.settings import VideoSettings

linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")


def open_socket(family: int = socket.AF_INET) -> str:
    try:
        socket.socket(family).close()
    except PermissionError:
        return "denied"
    return "opened"


@linux
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_the_thread_and_those_that_it_starts_open_no_socket(family):
    def both() -> list[str]:
        found = []
        child = threading.Thread(target=lambda: found.append(open_socket(family)))
        child.start()
        child.join()
        return [open_socket(family), *found]

    assert offline.can_deny_sockets()
    assert offline.call_offline(both) == ["denied", "denied"]
    assert both() == ["opened", "opened"], "the rest of the process keeps its network"


@linux
def test_the_rest_of_a_process_with_a_landmarker_keeps_its_network(shared):
    """As do programs that it starts afterwards."""
    if said := missing():
        pytest.skip("; ".join(said))
    model, settings = shared / "weights" / "face_landmarker.task", VideoSettings(runtime="mediapipe")
    with FaceMesh(model, settings), socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection({server.getsockname()!r})"
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
        server.accept()[0].close()


def test_results_and_errors_of_the_function_are_passed_on(monkeypatch):
    monkeypatch.setattr(offline, "_deny_sockets", lambda: True)
    assert offline.call_offline(int, "11", base=2) == 3
    with pytest.raises(LfnetError, match="no model"):
        offline.call_offline(_fail)


def _fail() -> None:
    raise LfnetError("no model")


def test_a_system_that_cannot_do_it_is_named(monkeypatch):
    monkeypatch.setattr(offline.platform, "machine", lambda: "riscv64")
    assert not offline.can_deny_sockets()
    with pytest.warns(LfnetWarning, match=r"cannot keep MediaPipe from sending usage statistics to Google"):
        assert offline.call_offline(int) == 0
