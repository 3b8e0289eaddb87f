"""State of the user's own jobs in Slurm: one call of `squeue` for all, and of `sacct` where accounting is on."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.launchers.queue import Engine, Entry
from lfnet.runs.submissions import Submission

__all__ = ["SlurmEngine", "call", "configuration"]

_TIMEOUT = 120.0  # seconds that a controller under load may take
# Columns of fixed width: names of jobs of others, and reasons, may contain any separator.
_COLUMNS = {
    "ArrayJobID": 16,
    "ArrayTaskID": 12,
    "Name": 32,
    "State": 24,
    "exit_code": 12,
    "NodeList": 64,
    "SubmitTime": 24,
    "StartTime": 24,
    "Reason": 96,
}
_QUEUED = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "CONFIGURING", "RESV_DEL_HOLD")
_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
)
# What Slurm writes into a job's log, where it remembers no state: without accounting it forgets jobs after minutes.
_IN_LOG = (
    ("oom-kill", "OUT_OF_MEMORY"),
    ("oom_kill", "OUT_OF_MEMORY"),
    ("DUE TO TIME LIMIT", "TIMEOUT"),
    ("DUE TO NODE FAILURE", "NODE_FAIL"),
    ("DUE TO PREEMPTION", "PREEMPTED"),
    (": Killed", "KILLED"),
    ("CANCELLED AT", "CANCELLED"),
)
_USUAL = ("", "None", "Resources", "Priority", "BeginTime", "JobArrayTaskLimit")  # reasons to wait
_TAIL = 4096  # bytes of a log that are read


class SlurmEngine(Engine):
    """Slurm's commands, as found on PATH."""

    def look(self, submissions: Sequence[Submission]) -> dict[tuple[str, int], Entry]:
        """See `Engine.look`."""
        _check_cluster(submissions)
        names = {one.name for one in submissions}
        fields = ",".join(f"{name}:{width}" for name, width in _COLUMNS.items())
        command = ["squeue", "--noheader", "--array", "--states=all", f"--user={_user()}"]
        found = {}
        for line in call([*command, f"--name={','.join(sorted(names))}", f"--Format={fields}"]).splitlines():
            row, start = {}, 0
            for name, width in _COLUMNS.items():
                row[name] = line[start : start + width].strip()
                start += width
            if row["Name"] in names:
                found[row["Name"], _place(row["ArrayTaskID"])] = _entry(row)
        forgotten = [
            one
            for one in submissions
            if any((one.name, place) not in found and one.outcome(place) is None for place in range(len(one.tasks)))
        ]
        return {**(_accounted(forgotten) if forgotten else {}), **found}

    def cancel(self, submissions: Sequence[Submission], *, waiting: bool = False) -> None:
        """See `Engine.cancel`."""
        _check_cluster(submissions)
        which = [f"--user={_user()}", *(["--state=PENDING"] if waiting else [])]
        for one in submissions:
            call(["scancel", *which, f"--name={one.name}"])

    def log(self, submission: Submission, place: int) -> Path | None:
        """See `Engine.log`."""
        pattern = "[0-9]*_0_log.out" if len(submission.tasks) == 1 else f"[0-9]*_{place}_0_log.out"
        return next(iter(sorted(submission.folder.glob(pattern))), None)

    def pickles(self, submission: Submission, place: int) -> list[Path]:
        """See `Engine.pickles`."""
        task = "" if len(submission.tasks) == 1 else f"_{place}"
        patterns = (f"[0-9]*{task}_submitted.pkl", f"[0-9]*{task}_0_result.pkl")
        return [path for pattern in patterns for path in submission.folder.glob(pattern)]

    def explain(self, submission: Submission, place: int, entry: Entry | None) -> str:
        """See `Engine.explain`."""
        log = self.log(submission, place)
        told = "" if log is None else _tail(log)
        state = entry.state if entry is not None else ""
        if state in ("", "COMPLETED", "FAILED"):
            state = next((word for sign, word in _IN_LOG if sign in told), state)
        memory = submission.tasks[place].memory
        more = f"it had asked for {memory:.1f} GB; give launcher.memory={max(1, round(2 * memory))}"
        if state == "OUT_OF_MEMORY":
            return f"it took more memory than it may: {more}"
        if state == "KILLED":
            return f"its process was killed, probably out of memory: {more}"
        if state in ("TIMEOUT", "DEADLINE"):
            minutes = submission.minutes
            return f"it reached its time limit of {minutes} minutes; give launcher.time={2 * minutes}"
        if state in ("NODE_FAIL", "BOOT_FAIL"):
            return f"its node {entry.node if entry else ''} failed".replace("  ", " ")
        if state == "CANCELLED":
            return "it was cancelled"
        if state == "PREEMPTED":
            return "it was preempted"
        if state:
            reason = f", {entry.reason}" if entry and entry.reason else ""
            return f"it ended without a result (Slurm: {state}{reason})"
        return "Slurm does not know it any more, and it left no result"


def call(command: Sequence[str]) -> str:
    """Run a command of Slurm and return what it prints.

    Raises
    ------
    LfnetError
        It is not on PATH, fails, or does not answer.
    """
    if shutil.which(command[0]) is None:
        raise LfnetError(f"{command[0]} is not on PATH: run this on a machine where Slurm's commands are.")
    try:
        # Times as seconds since 1970: those of text have no time zone.
        environment = {**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, env=environment)
    except subprocess.TimeoutExpired:
        raise LfnetError(f"{command[0]} did not answer within {_TIMEOUT:.0f} s.") from None
    if ended.returncode:
        reason = " ".join(ended.stderr.split()) or f"exit status {ended.returncode}"
        raise LfnetError(f"Slurm does not answer: {reason}.")
    return ended.stdout


@cache
def configuration() -> dict[str, str]:
    """Return the settings of this cluster, asked for once in a process."""
    pairs = (line.partition("=") for line in call(["scontrol", "show", "config"]).splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _check_cluster(submissions: Sequence[Submission]) -> None:
    for one in submissions:
        if one.cluster and one.cluster != (here := configuration().get("ClusterName", "")):
            raise LfnetError(f"jobs of cluster {one.cluster} are known there only, and this is cluster {here}.")


def _user() -> str:
    """The user of this process, whatever the environment says."""
    return pwd.getpwuid(os.getuid()).pw_name


def _place(text: str) -> int:
    """The place in an array; a job that is none has one task."""
    return int(text) if text.isdecimal() else 0


def _entry(row: dict[str, str]) -> Entry:
    task = row["ArrayTaskID"]
    state = row["State"].split()[0].rstrip("+")  # sacct: CANCELLED by 1000
    status = "queued" if state in _QUEUED else "ended" if state in _ENDED else "running"
    since = row["StartTime" if status == "running" else "SubmitTime"]
    with contextlib.suppress(ValueError):
        if int(row["exit_code"]) & 0x7F == 9 or int(row["exit_code"]) >> 8 == 137:  # as wait(2) and shells say it
            state = "KILLED" if state == "FAILED" else state
    return Entry(
        job=f"{row['ArrayJobID']}_{task}" if task.isdecimal() else row["ArrayJobID"],
        status=status,  # type: ignore[arg-type]
        state=state,
        node=row["NodeList"],
        seconds=time.time() - int(since) if since.isdecimal() else 0.0,
        reason="" if row["Reason"] in _USUAL else row["Reason"],
    )


def _accounted(submissions: Sequence[Submission]) -> dict[tuple[str, int], Entry]:
    """What the accounting database knows of the tasks; nothing where there is none, which is no fault."""
    fields = ["JobID", "JobName", "State", "NodeList", "Submit", "Start"]
    first = min(one.submitted for one in submissions) - 86_400  # clocks differ
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(first))
    names = ",".join(sorted(one.name for one in submissions))
    options = ["--allocations", "--noheader", "--parsable2", f"--name={names}", f"--starttime={began}"]
    found = {}
    with contextlib.suppress(LfnetError):
        for line in call(["sacct", *options, f"--format={','.join(fields)}"]).splitlines():
            job, name, state, nodes, submitted, started = line.split("|")[:6]
            array, _, task = job.partition("_")
            if task and not task.isdecimal():  # tasks that have not started: squeue knows them
                continue
            row = {"ArrayJobID": array, "ArrayTaskID": task, "State": state, "exit_code": "", "NodeList": nodes}
            found[name, _place(task)] = _entry({**row, "SubmitTime": submitted, "StartTime": started, "Reason": ""})
    return found


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
