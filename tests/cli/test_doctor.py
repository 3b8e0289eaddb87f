"""`lfnet doctor`: names problems with their fixes, and fails only then."""

import json
import sys
from types import SimpleNamespace

import pytest

from lfnet.cli import doctor
from lfnet.cli.configs import names
from lfnet.cli.main import main


@pytest.fixture
def quick(monkeypatch):
    """Leaves out what takes seconds and depends on the machine: torch, and importing cv2 and mediapipe."""
    monkeypatch.setattr(doctor, "_torch", lambda: iter(()))
    monkeypatch.setattr(doctor, "_cv2", lambda: iter(()))


def report(capsys, *arguments):
    status = main(["doctor", "--json", *arguments])
    printed = json.loads(capsys.readouterr().out)
    assert printed["ok"] == (status == 0)
    return status, {check["topic"]: check for check in printed["checks"]}


def test_a_sound_machine_passes(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, checks = report(capsys)
    assert status == 0
    for topic in ("python", "lfnet", "settings", "packages", "cores", "memory"):
        assert checks[topic]["status"] == "ok"
    assert "torch 2." in checks["packages"]["detail"]
    assert checks["paths.runs"]["detail"].startswith(str(tmp_path))
    assert all(checks[f"weights {name}"]["status"] == "note" for name in names("weights"))
    assert not list(tmp_path.iterdir()), "looking leaves nothing behind"


def test_torch_and_the_video_libraries_are_checked(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    _, checks = report(capsys)
    assert checks["gpu"]["detail"]
    assert checks["cv2"]["status"] == "ok"
    assert "libraries" in checks


def test_says_whether_attention_is_compiled(quick, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    _, checks = report(capsys)
    assert checks["numba"]["status"] == "ok"
    monkeypatch.setitem(sys.modules, "numba", None)  # an import then raises ImportError
    status, checks = report(capsys)
    assert status == 0 and checks["numba"]["status"] == "note" and "lfnet[fast]" in checks["numba"]["fix"]


def test_text_marks_problems_and_their_fixes(quick, tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mobileface.onnx").write_bytes(b"not a network")
    assert main(["doctor", f"paths.cache={tmp_path}"]) == 1
    printed = capsys.readouterr().out
    assert "PROBLEM  weights mobileface" in printed
    assert "lfnet weights fetch mobileface" in printed
    assert printed.endswith("1 problem.\n")


def test_no_library_sends_anything_by_itself(quick, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    _, checks = report(capsys)
    found = {topic.partition(" ")[2]: check for topic, check in checks.items() if topic.startswith("telemetry")}
    assert found.keys() >= {"huggingface_hub", "mediapipe", "onnxruntime", "wandb"}
    assert found["onnxruntime"]["detail"] == "off: ORT_DISABLE_TELEMETRY=1"
    if sys.platform == "linux":
        assert all(check["status"] == "ok" for check in found.values()), found
        assert "cannot open sockets" in found["mediapipe"]["detail"]

    monkeypatch.setattr("lfnet.offline.can_deny_sockets", lambda: False)
    check = report(capsys)[1]["telemetry mediapipe"]
    assert check["status"] == "note" and check["fix"].startswith("Keep video.runtime=litert, which does not load it")


def test_telemetry_is_searched_in_the_installed_version(monkeypatch, tmp_path):
    package = tmp_path / "onnxruntime"
    (package / "capi").mkdir(parents=True)
    library = package / "capi" / "onnxruntime_pybind11_state.so"
    spec = SimpleNamespace(origin=str(package / "__init__.py"))
    monkeypatch.setattr(doctor, "find_spec", lambda name: spec if name == "onnxruntime" else None)
    for content, status in (
        (b"nothing", "ok"),
        (b"https://mobile.events.data.microsoft.com and ORT_DISABLE_TELEMETRY", "ok"),
        (b"https://mobile.events.data.microsoft.com", "problem"),
    ):
        library.write_bytes(content)
        (check,) = doctor._telemetry()
        assert check.status == status, content


def test_two_providers_of_cv2_are_a_problem(monkeypatch):
    both = [SimpleNamespace(metadata={"Name": name}) for name in ("opencv-python", "numpy", "opencv-contrib-python")]
    monkeypatch.setattr(doctor.metadata, "distributions", lambda: both)
    monkeypatch.setattr(doctor, "_loads", lambda library: False)
    first = next(doctor._cv2())
    assert first.status == "problem"
    assert "pip uninstall opencv-contrib-python opencv-python" in first.fix


def test_missing_system_libraries_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor, "_loads", lambda library: library == "libglib-2.0.so.0")
    checks = {check.topic: check for check in doctor._cv2()}
    assert checks["libraries"].status == "problem"
    assert "apt-get install libgl1 libegl1 libgles2." in checks["libraries"].fix
    assert "libglib" not in checks["libraries"].fix


def test_without_litert_mediapipe_finds_faces(monkeypatch):
    monkeypatch.setattr(doctor, "has_litert", lambda: False)
    monkeypatch.setattr(doctor, "_loads", lambda library: True)
    monkeypatch.setattr(doctor.subprocess, "run", lambda command, **_: SimpleNamespace(returncode=0))
    checks = {check.topic: check for check in doctor._cv2()}
    assert checks["ai-edge-litert"].status == "note" and "MediaPipe finds faces" in checks["ai-edge-litert"].detail
    assert checks["libraries"].detail == "cv2, mediapipe can be imported"


def test_a_library_that_is_not_there_does_not_load():
    assert not doctor._loads("libno_such_library_of_ours.so.1")


def test_a_place_that_is_a_file_is_a_problem(quick, tmp_path, capsys):
    (tmp_path / "runs").touch()
    status, checks = report(capsys, f"paths.runs={tmp_path / 'runs'}")
    assert status == 1
    assert checks["paths.runs"]["status"] == "problem"
    assert "paths.runs=FOLDER" in checks["paths.runs"]["fix"]


def test_a_place_that_cannot_be_written_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.os, "access", lambda folder, mode: False)
    checks = list(doctor._paths({"runs": tmp_path, "data": tmp_path}))
    assert [check.status for check in checks] == ["problem", "ok"], "data are only read"


def test_other_settings_are_refused(capsys):
    assert main(["doctor", "head=ldbm"]) == 2
    assert "`head=ldbm` is no setting of this command" in capsys.readouterr().err
