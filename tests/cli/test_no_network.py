"""Commands on video of people open no connection, and give the same results without a network.

Native code bypasses patched sockets of Python, so system calls are traced.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet import TELEMETRY_OFF
from tests.real.clips import cut, landmarker
from tests.real.conftest import libraries  # noqa: F401  a fixture

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.usefixtures("libraries")]

# Runs commands of lfnet, given as JSON, one after the other, and prints what they printed. "{run}" is the trained run.
CHILD = """
import contextlib, io, json, sys
from pathlib import Path
from lfnet.cli.main import main
printed = []
for words in json.loads(sys.argv[1]):
    runs = [str(path.parent) for path in Path("lfnet_runs").glob("*/result.json")]
    with contextlib.redirect_stdout(io.StringIO()) as text:
        status = main([runs[0] if word == "{run}" else word for word in words])
    assert status in (0, 3), (words, status)  # 3: no pulse in a short clip
    printed.append(text.getvalue())
print(json.dumps(printed))
"""
CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'AF_INET6?,.*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
LOOPBACK = ("127.0.0.1", "::1")


def working(*wrappers: list[str]) -> list[str]:
    """The first of these that can run a command; else the test is skipped, or fails in continuous integration."""
    for wrapper in wrappers:
        if shutil.which(wrapper[0]) and subprocess.run([*wrapper, "true"], capture_output=True).returncode == 0:
            return wrapper
    reason = f"needs {' or '.join(' '.join(wrapper) for wrapper in wrappers)}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def addresses(trace: str) -> set[str]:
    """The internet addresses in a trace of connecting and sending, those of this machine left out."""
    return {address for address in ADDRESS.findall(trace) if address not in LOOPBACK}


def run(wrapper: list[str], folder: Path, *commands: list[str]) -> list[str]:
    """What these commands print, run in `folder` by one process under `wrapper` with a home of its own."""
    environment = {**os.environ, "HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    for name in (*TELEMETRY_OFF, "XDG_CACHE_HOME"):
        environment.pop(name, None)
    command = [*wrapper, sys.executable, "-c", CHILD, json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def make_study(folder: Path, shared: Path) -> Path:
    """A folder with four clips of 0.6 s, their manifest and the weights of an encoder."""
    rows = ["path,person_id,split,label"]
    for number, split in enumerate(("train", "train", "dev", "test")):
        cut(shared / "media" / "single_face.mp4", folder / "clips" / f"{number}.mp4", 0.6 * number, 0.6)
        rows.append(f"{number}.mp4,person_{number},{split},{10 * number}")
    (folder / "clips" / "manifest.csv").write_text("\n".join(rows) + "\n")
    cut(shared / "media" / "WolfgangLanger_Pexels.mp4", folder / "pulse.mp4", 0.0, 7.2)
    (folder / "home").mkdir()
    (folder / "weights").mkdir()
    shutil.copy(shared / "weights" / "expression_7.onnx", folder / "weights" / "expression.onnx")
    return folder


def test_no_command_connects_and_none_needs_a_network(shared, tmp_path):
    trace = tmp_path / "trace"
    strace = working(["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace)])
    offline = working(["unshare", "-rn"], ["unshare", "-n"])
    model = str(shared / "weights" / "face_landmarker.task")
    cohort = ["cohort=folder", "cohort.root=clips", landmarker(shared), "paths.weights=weights"]
    quick = ["protocol.window=12", "protocol.hop=6", "trainer.max_epochs=1", "trainer.stop_on_collapse=false"]
    extract = ["extract", *cohort, "encoder=[blendshapes,expression]", "encoder.stride=6"]
    predict = ["predict", "clips/3.mp4", "--bundle", "bundle", "--json", "--threads", "1"]
    pulse = ["pulse", "pulse.mp4", "--landmarker", model, "--json", "--every", "30", "pulse.segment=7"]
    others = (
        ["train", *cohort, "encoder=blendshapes", "head=mean_mlp", *quick, "logger=wandb", "seed=0"],
        ["export", "{run}", "--out", "bundle", "--min-frames", "12"],
        ["demo", str(shared / "media" / "single_face.mp4"), "--landmarker", model],
    )

    one, two = make_study(tmp_path / "one", shared), make_study(tmp_path / "two", shared)
    _, *_, pulse_1, predict_1 = run(strace, one, extract, *others, pulse, predict)
    assert addresses(trace.read_text()) == set()
    assert not (one / "home" / ".cache" / "Microsoft").exists()
    assert list((one / "lfnet_runs" / "wandb").glob("offline-run-*")), "W&B took part"

    shutil.copytree(one / "bundle", two / "bundle")
    _, pulse_2, predict_2 = run(offline, two, extract, pulse, predict)
    assert pulse_1 == pulse_2
    (video_1,), (video_2,) = (json.loads(printed)["videos"] for printed in (predict_1, predict_2))
    assert {**video_1, "latency": None} == {**video_2, "latency": None}
    files = sorted(path.relative_to(two) for path in (two / "lfnet_cache" / "features").rglob("*.safetensors"))
    assert len(files) == 8
    assert [file for file in files if (one / file).read_bytes() != (two / file).read_bytes()] == []


def test_connections_in_a_trace_are_found():
    question = (
        '71 connect(6, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = 0\n'
        "72 connect(7, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "
        '"2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH\n'
        '73 connect(7, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        '74 connect(7, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT\n'
    )
    assert addresses(question) == {"10.0.0.2", "2001:db8::1"}
