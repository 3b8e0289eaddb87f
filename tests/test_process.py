"""A process that ends quickly: its exit status, and what was registered for the exit and printed before."""

import gc
import subprocess
import sys

from lfnet.process import collect_seldom

CODE = """
import atexit
from lfnet.process import end_quickly

class Freed:
    def __del__(self):
        print("freed")

kept = Freed()
status = end_quickly()
atexit.register(print, "registered")
print("printed")
"""


def test_what_was_registered_for_the_exit_is_called_and_nothing_is_freed():
    done = subprocess.run([sys.executable, "-c", f"{CODE}\nstatus.append(3)"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "printed\nregistered\n", "")


def test_without_a_status_python_ends_as_usual():
    done = subprocess.run([sys.executable, "-c", f"{CODE}\nraise SystemExit(4)"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (4, "printed\nregistered\nfreed\n", "")


def test_garbage_is_still_collected():
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_threshold() == (10_000, *before[1:])
    finally:
        gc.set_threshold(*before)
