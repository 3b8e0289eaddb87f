"""Mapped files: read-only views, and what a process says when another program shortens a file that it reads."""

import signal
import subprocess
import sys

import pytest

from lfnet.features import mapped_file
from lfnet.features.mapped_file import map_file

_READ = """
import os, sys
from pathlib import Path
from lfnet.features.mapped_file import map_file

{before}
memories = [map_file(Path(path)) for path in sys.argv[1:3]]
os.replace(sys.argv[3], sys.argv[2])  # another, shorter file in its place: what is mapped stays as it is
gone = map_file(Path(sys.argv[1]))
del gone
os.truncate(sys.argv[1], 10)
print(memories[1].sum(), flush=True)
print(memories[0].sum(), flush=True)
"""


@pytest.mark.parametrize("before", ["", "import faulthandler; faulthandler.enable()"])
def test_a_file_that_is_shortened_is_named_before_the_process_ends(tmp_path, before):
    paths = [tmp_path / name for name in ("cut", "replaced", "new")]
    for path, size in zip(paths, (100_000, 100_000, 50_000), strict=True):
        path.write_bytes(b"\1" * size)
    code = _READ.format(before=before)
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGBUS and done.stdout == "100000\n"
    named = [line for line in done.stderr.splitlines() if "when it was opened" in line]
    assert len(named) == 1 and named[0].startswith(
        f"{paths[0]} had 100000 bytes when it was opened and has 10 now, since another program shortened it."
    )
    assert ("Fatal Python error: Bus error" in done.stderr) == bool(before), "the former handler comes next"


def test_a_map_that_is_no_longer_used_is_forgotten(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    memory = map_file(path)
    view = memory[1:]
    del memory
    assert [name for name, _ in mapped_file._maps.values()].count(path) == 1
    assert view.tolist() == [98, 99] and not view.flags.writeable
    del view
    assert path not in [name for name, _ in mapped_file._maps.values()]
