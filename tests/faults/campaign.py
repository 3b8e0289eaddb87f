"""A campaign of faults: each command, disturbed at each of its points in each way, is run again and must end alike.

A case: the command runs in a fresh copy of its starting folder and is disturbed once; then it runs again, undisturbed.
Files that differ from those of a run without a fault, files that are left over or lost, tracebacks, hanging and
processes that stay behind are failures. Files and a folder of the user lie in every folder.
"""

import contextlib
import importlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.faults.commands import Command, plant_own_files
from tests.faults.points import ERRNOS, Ended, Fault, run_forked

__all__ = ["KINDS", "Case", "Undisturbed", "Verdict", "Worker", "cases_of", "differences", "files_of", "tenth"]

KINDS = ("die", *ERRNOS, "limit")
_OF_FILE = r'^  "sha256": "[0-9a-f]{64}"'  # the digest of the file itself, with its times
# Times and dates, by the name of a file or of its folder: two undisturbed runs differ in them.
_VARYING = {
    "result.json": (
        r'"(?:seconds[a-z_]*|latency_ms|energy_mj)": [0-9.e-]+',
        r'"(?:created|finished|started|made)": "[^"]*"',
        r'"trials\.json": "[0-9a-f]{64}"',
        _OF_FILE,
    ),
    "trials.json": (r'"seconds": [0-9.e-]+', _OF_FILE),
    "resources.json": (r": [0-9.]+",),  # the peak of memory
    "bundle.json": (r'"made": "[^"]*"', _OF_FILE, r'"MODEL_CARD\.md": \{\s*"sha256": "[0-9a-f]{64}"'),
    "MODEL_CARD.md": (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC",),
    "train.log": (r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d\d\d",),
    "digests": (r"\b\d{19}\b", _OF_FILE),  # the time when the digested file changed
}
_LONG_AGO = 1_700_000_000
# Files that a command goes on without: a failure to write them, or to remove a lock, may be passed over.
_OPTIONAL = re.compile(r"(^|/)(digests|health|references|thumbnails-[^/]*)(/|$)|\.lock$")
# Baselines and audits that jobs share: a run that is finished without them makes them no more.
_SHARED = re.compile(r"(^|/)references/[^/]*/[^/]*\.(json|lock)$")
_CHANGES = re.compile(r"(open|os\.(rename|remove|rmdir|write|sendfile|copy_file_range|fsync|truncate|ftruncate)) ")


class Case(NamedTuple):
    """A command and its fault."""

    command: str
    fault: Fault


@dataclass(frozen=True)
class Verdict:
    """How a case ended. problem: None where everything is right. end: in a word, how the disturbed command ended."""

    case: Case
    end: str
    problem: str | None


class Undisturbed(NamedTuple):
    """What an undisturbed run does, in one worker's folder."""

    start: Path
    ended: Ended
    again: Ended
    files: dict[str, bytes]


class Worker:
    """Runs cases in a folder of its own: paths are part of some files, so that they must not change between runs."""

    def __init__(self, folder: Path, commands: Sequence[Command]) -> None:
        self._folder = folder / "work"
        self._starts = folder / "starts"
        self._commands = {command.name: command for command in commands}
        self._known: dict[str, Undisturbed] = {}

    def undisturbed(self, name: str) -> Undisturbed:
        """Return an undisturbed run of a command; two of them must be alike."""
        if name not in self._known:
            command, start = self._commands[name], self._starts / name.replace(" ", "_")
            self._empty()
            for step in command.before:
                if (ended := run_forked(step, self._folder)).status != 0:
                    raise RuntimeError(f"{name}: the step before it failed:\n{ended.out}{ended.err}")
            plant_own_files(self._folder)
            for path in self._folder.rglob("*"):  # digests of files that changed a moment ago are not kept
                os.utime(path, (_LONG_AGO, _LONG_AGO))
            _copy(self._folder, start)
            ended, files = self._run(command, start)
            again = run_forked(command.run, self._folder)
            if ended.status != 0:
                raise RuntimeError(f"{name} fails without a fault: {ended.status}\n{ended.out}{ended.err}")
            if lost := [file for file, data in files_of(start).items() if _is_own(file) and files.get(file) != data]:
                raise RuntimeError(f"{name}: files of the user are lost or changed: {', '.join(lost)}")
            if difference := differences(files, files_of(self._folder)):
                raise RuntimeError(f"{name}: the second run changes files: {difference}")
            _, files_of_other = self._run(command, start)
            if files_of_other != files:
                raise RuntimeError(f"{name}: two undisturbed runs differ: {differences(files, files_of_other)}")
            for module in again.modules + ended.modules:  # so that forked processes need not import them
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
            self._known[name] = Undisturbed(start, ended, again, files)
        return self._known[name]

    def _run(self, command: Command, start: Path, fault: Fault | None = None) -> tuple[Ended, dict[str, bytes]]:
        self._empty()
        _copy(start, self._folder)
        ended = run_forked(command.run, self._folder, fault)
        return ended, files_of(self._folder)

    def _empty(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)

    def check(self, case: Case) -> Verdict:
        """Run a case and judge it."""
        known, command = self.undisturbed(case.command), self._commands[case.command]
        first, files = self._run(command, known.start, case.fault)
        end, problem = _judge(case, known, first, files)
        if problem is None and files != known.files:
            again = run_forked(command.run, self._folder)
            problem = _judge_again(known, again, files_of(self._folder))
        if problem is not None:
            where = "" if case.fault.kind == "limit" else known.ended.points[case.fault.at]
            problem = f"{where}\n{problem}"
        return Verdict(case, end, problem)


def _judge(case: Case, known: Undisturbed, ended: Ended, files: dict[str, bytes]) -> tuple[str, str | None]:
    """How the disturbed run ended, and what is wrong about it."""
    if ended.status is None:
        return "hangs", "the command hangs, or leaves a process behind"
    if lost := [name for name, data in known.files.items() if _is_own(name) and files.get(name) != data]:
        return "loses files", f"files of the user are lost or changed: {', '.join(lost)}"
    if case.fault.kind == "die":
        # An operation more or less is one of imports or of caches.
        return ("killed", None) if ended.status in (-9, 0) else ("ends", f"exit status {ended.status}: {ended.err}")
    if "Traceback" in ended.err or ended.status not in (0, 1, 2):
        return "traceback", f"exit status {ended.status}: {ended.err[-3000:]}"
    if ended.status == 0:
        needed = {name: data for name, data in known.files.items() if not _OPTIONAL.search(name)}
        found = {name: data for name, data in files.items() if not _OPTIONAL.search(name)}
        difference = differences(needed, found)
        return "goes on", difference and f"exit status 0, but {difference}"
    if ended.status == 1:  # a job of a sweep failed, which its line says
        failed = re.search(r"^(\[ *\d+/\d+\] failed|cannot start|.*could not be read)", ended.out, re.MULTILINE)
        return "job failed", None if failed else f"exit status 1 without a failed job: {ended.out}{ended.err}"
    messages = len(re.findall("^error: ", ended.err, re.MULTILINE))
    return "message", None if messages == 1 else f"{messages} messages: {ended.err}"


def _judge_again(known: Undisturbed, ended: Ended, files: dict[str, bytes]) -> str | None:
    """What is wrong about the run after the disturbed one."""
    needed, found = (
        {name: data for name, data in one.items() if not _SHARED.search(name)} for one in (known.files, files)
    )
    difference = differences(needed, found)
    if ended.status is None:
        return "the second run hangs"
    if ended.status != 0 and (ended.status, ended.err) != (known.again.status, known.again.err):
        return f"the second run ends with {ended.status}: {ended.out[-500:]}{ended.err[-3000:]}"
    return difference and f"after the second run, {difference}"


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> str | None:
    parts = [f"missing {name}" for name in expected.keys() - found.keys()]
    parts += [f"left over {name}" for name in found.keys() - expected.keys()]
    for name in sorted(expected.keys() & found.keys()):
        if expected[name] != found[name]:
            before, after = expected[name].decode(errors="replace"), found[name].decode(errors="replace")
            at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
            near = slice(max(0, at - 60), at + 60)
            parts.append(f"other bytes in {name}: {before[near]!r} became {after[near]!r}")
    return "; ".join(sorted(parts)) or None


def files_of(folder: Path) -> dict[str, bytes]:
    """The files and folders below a folder by relative path, without times that differ between any two runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            found[f"{name}/"] = b""
            continue
        data = path.read_bytes()
        for pattern in _VARYING.get(path.name) or _VARYING.get(path.parent.name, ()):
            data = re.sub(pattern.encode(), b"VARYING", data, flags=re.MULTILINE)
        found[name] = data
    return found


def _is_own(name: str) -> bool:
    return "/my notes.txt" in name or "/my folder/" in name


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def cases_of(known: Undisturbed, name: str, changes_only: bool = False) -> list[Case]:
    """Every point of a command with every kind of fault. changes_only: where it writes, renames or removes a file."""
    points = [at for at, point in enumerate(known.ended.points) if not changes_only or _CHANGES.match(point)]
    cases = [Case(name, Fault(kind, at)) for at in points for kind in KINDS[:-1]]
    # No file grows beyond half of the size that one of them has.
    sizes = sorted({len(data) // 2 for file, data in known.files.items() if data and not _is_own(file)})
    return cases + [Case(name, Fault("limit", size)) for size in sizes]


def tenth(cases: Sequence[Case]) -> list[Case]:
    """A tenth of a command's cases, always the same, with every kind of fault."""
    chosen = []
    for number, kind in enumerate(KINDS):
        of_kind = [case for case in cases if case.fault.kind == kind]
        chosen += of_kind[3 * number % min(10, len(of_kind) or 1) :: 10]
    return chosen
