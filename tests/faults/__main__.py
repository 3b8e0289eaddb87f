"""Run the campaign of faults: `python -m tests.faults [--tenth] [--only COMMAND ...] [--log FILE]`.

Cases whose verdict is in the log already are not run again. Exit status 1 where a case failed.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.faults.campaign import KINDS, Worker, cases_of, tenth
from tests.faults.commands import make_commands

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--tenth", action="store_true", help="a tenth of the cases where a file changes, always the same"
    )
    parser.add_argument("--only", nargs="+", metavar="COMMAND", help="these commands")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, metavar="KIND", default=KINDS, help=", ".join(KINDS))
    parser.add_argument("--log", type=Path, metavar="FILE", help="verdicts; a campaign that was stopped goes on")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="processes")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", metavar="DIR", help="weights and media")
    options = parser.parse_args()
    possible = [command for command in make_commands(options.shared) if command.possible()]
    names = [command.name for command in possible if command.in_tenth or not options.tenth]
    if unknown := set(options.only or ()) - set(names):
        parser.error(f"no command {', '.join(sorted(unknown))} here; there are {', '.join(names)}")
    names = options.only or names
    with tempfile.TemporaryDirectory(prefix="lfnet_faults_") as folder:
        log = options.log or Path(folder) / "log.jsonl"
        parts = 1 if options.tenth else options.jobs
        tasks = [(name, part, parts, options, Path(folder), log) for part in range(parts) for name in names]
        # Python's modules that commands need are imported once: forked processes have them.
        import lfnet.jobs.job  # noqa: F401

        begun = time.monotonic()
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            pool.map(_run_part, tasks, chunksize=1)
        verdicts = _read(log)
    wanted = [verdict for verdict in verdicts if verdict["command"] in names]
    failed = [verdict for verdict in wanted if verdict["problem"]]
    _print_table(names, wanted)
    print(f"{len(wanted)} cases in {time.monotonic() - begun:.0f} s, {len(failed)} failed")
    return int(bool(failed))


_worker: Worker | None = None  # of this process of the pool


def _run_part(task: tuple[str, int, int, argparse.Namespace, Path, Path]) -> None:
    global _worker
    name, part, parts, options, folder, log = task
    if _worker is None:
        _worker = Worker(folder / f"worker_{os.getpid()}", make_commands(options.shared))
    known = {(verdict["command"], verdict["kind"], verdict["at"]) for verdict in _read(log)}
    cases = cases_of(_worker.undisturbed(name), name, options.tenth)
    cases = [case for case in (tenth(cases) if options.tenth else cases) if case.fault.kind in options.kinds]
    begun, failed = time.monotonic(), 0
    for case in cases[part::parts]:
        if (name, case.fault.kind, case.fault.at) in known:
            continue
        verdict = _worker.check(case)
        if verdict.problem:
            failed += 1
            print(f"FAILED {name}, {case.fault.kind} at {case.fault.at}: {verdict.problem}\n", flush=True)
        line = {"command": name, **asdict(case.fault), "end": verdict.end, "problem": verdict.problem}
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    seconds = time.monotonic() - begun
    print(f"{name} {part + 1}/{parts}: {len(cases[part::parts])} cases, {failed} failed, {seconds:.0f} s", flush=True)


def _read(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def _print_table(names: list[str], verdicts: list[dict]) -> None:
    """Cases by command and kind of fault, as failed/all, and how the disturbed runs ended."""
    numbers, failures = Counter(), Counter()
    for verdict in verdicts:
        numbers[verdict["command"], verdict["kind"]] += 1
        failures[verdict["command"], verdict["kind"]] += bool(verdict["problem"])
    print("failed/all".ljust(18) + "".join(f"{kind:>8}" for kind in KINDS) + "  ends")
    for name in names:
        cells = "".join(f"{f'{failures[name, kind]}/{numbers[name, kind]}':>8}" for kind in KINDS)
        ends = Counter(verdict["end"] for verdict in verdicts if verdict["command"] == name)
        print(name.ljust(18) + cells + "  " + ", ".join(f"{end} {number}" for end, number in ends.most_common()))


if __name__ == "__main__":
    sys.exit(main())
