"""Commands in processes of their own: two of them at once, or one that a signal ends, each compared with one alone.

Processes are forked from this one, which has imported what they need, so that a signal falls into a command's work and
not into its imports.
"""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lfnet.cli.main import main
from tests.faults.campaign import differences, files_of
from tests.faults.commands import SWEEP, Command, make_commands, plant_own_files
from tests.faults.points import run_forked

__all__ = ["PATIENCE", "Campaign", "Running"]

PATIENCE = 5.0  # seconds until the last process of a command that was ended must be gone
_LONG_AGO = 1_700_000_000


def _parallel_sweep() -> int:
    return main([word for word in SWEEP if not word.startswith("launcher=")] + ["launcher=joblib", "launcher.jobs=2"])


@dataclass
class Running:
    """A command that was started, the leader of its session. Its output goes to the files `out` and `err`."""

    process: int
    out: Path
    err: Path

    def send(self, number: int) -> None:
        """Send a signal to the process itself."""
        os.kill(self.process, number)

    def wait(self) -> int:
        """Wait for its end; returns the exit status, or minus the number of a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def text(self) -> str:
        """What it printed."""
        return self.out.read_text() + self.err.read_text()

    def left_processes(self) -> list[str]:
        """The processes of its session that are alive `PATIENCE` seconds from now; empty as soon as there are none."""
        end = time.monotonic() + PATIENCE
        while (left := self._alive()) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def _alive(self) -> list[str]:
        command = ["ps", "-eo", "sid=,stat=,pid=,args="]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        words = [line.split(maxsplit=3) for line in lines]
        return [" ".join(rest) for session, state, *rest in words if session == str(self.process) and state[0] != "Z"]

    def end(self) -> None:
        """Kill all that is left of it."""
        for line in self._alive():
            os.kill(int(line.split()[0]), signal.SIGKILL)


class Campaign:
    """One command in a folder that is the same for each run: some files contain its path."""

    def __init__(self, name: str, folder: Path, shared: Path) -> None:
        commands = {command.name: command for command in make_commands(shared)}
        commands["sweep in workers"] = Command("sweep in workers", _parallel_sweep, commands["sweep"].before)
        self.command = commands[name]
        self.folder, self._start, self._outputs = folder / "work", folder / "start", folder / "outputs"
        self._outputs.mkdir(parents=True)
        self.folder.mkdir()
        for step in self.command.before:
            if (ended := run_forked(step, self.folder)).status != 0:
                raise RuntimeError(f"{name}: the step before it failed:\n{ended.out}{ended.err}")
        plant_own_files(self.folder)
        for path in self.folder.rglob("*"):  # digests of files that changed a moment ago are not kept
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        shutil.copytree(self.folder, self._start)
        ended = run_forked(self.command.run, self.folder)
        if ended.status != 0:
            raise RuntimeError(f"{name} fails undisturbed: {ended.status}\n{ended.out}{ended.err}")
        for module in ended.modules:  # so that forked processes need not import them
            importlib.import_module(module)
        self.reset()
        begun = time.monotonic()
        assert self.start().wait() == 0
        self.seconds = time.monotonic() - begun
        self.files = files_of(self.folder)

    def reset(self) -> None:
        """Make the folder as it is before the command."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._start, self.folder)

    def difference(self) -> str | None:
        """How the folder differs from that of one undisturbed run; None where it does not."""
        return differences(self.files, files_of(self.folder))

    def start(self) -> Running:
        """Start the command in the folder."""
        out, err = (self._outputs / name for name in (f"{time.monotonic_ns()}.out", f"{time.monotonic_ns()}.err"))
        sys.stdout.flush()
        sys.stderr.flush()
        ready, begun = os.pipe()
        child = os.fork()
        if child == 0:
            self._run(out, err, begun)
        os.close(begun)
        os.read(ready, 1)
        os.close(ready)
        return Running(child, out, err)

    def _run(self, out: Path, err: Path, begun: int) -> None:
        status = 99
        try:
            os.setsid()
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
            os.chdir(self.folder)
            # The streams of the test runner are none of files.
            sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
            os.write(begun, b"x")
            os.close(begun)
            status = self.command.run()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
