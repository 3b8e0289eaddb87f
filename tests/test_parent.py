"""A worker ends with the process that started it."""

import subprocess
import sys

import pytest

PARENT = """
import os, signal, subprocess, sys
worker = "import sys, time; from lfnet.parent import end_with_parent; end_with_parent(int(sys.argv[1])); "
worker += "print('working', flush=True); WORK; print('orphan', flush=True)"
process = subprocess.Popen([sys.executable, "-c", worker, str(os.getpid())], stdout=subprocess.PIPE)
print(process.stdout.readline().decode().strip(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


# The second holds the global lock all the time, as some libraries do.
@pytest.mark.parametrize("work", ["time.sleep(60)", "import ctypes; ctypes.PyDLL(None).sleep(60)"])
def test_a_worker_ends_when_its_parent_is_killed(work):
    if "ctypes" in work and sys.platform != "linux":
        pytest.skip("needs Linux")
    # The worker has the pipe of standard error open as long as it lives.
    code = PARENT.replace("WORK", work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "working\n" and done.stderr == ""


def test_a_worker_whose_parent_ended_while_it_started_does_no_work():
    code = "import os; from lfnet.parent import end_with_parent; "
    code += "end_with_parent(os.getpid()); print('orphan', flush=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
