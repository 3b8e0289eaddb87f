"""`make fuzz`: damaged files for every reader, and damaged files, options and settings for every command.

A case passes if it ends with a result or with one message. It fails on any other exception, after 20 s, beyond 2 GB, or
where it ends the process. Its number decides what is damaged and how: `--case NAME:NUMBER` repeats it.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from lfnet.testing.isolated import Outcome, run_cases
from tests.fuzz.targets import Target, found

__all__ = ["main", "run_target"]

KEPT = Path(__file__).with_name("kept.txt")


def run_target(target: Target, cases: list[int], seconds: float = 20.0) -> list[Outcome]:
    """Run cases of one target."""
    with TemporaryDirectory(prefix=f"lfnet-fuzz-{target.name}-") as place:
        made, folder = Path(place) / "valid", Path(place) / "case"
        made.mkdir()
        folder.mkdir()
        valid = target.make(made)

        def run(case: int) -> str:
            return target.run(valid, folder, Random(f"{target.name}:{case}"))

        return list(run_cases(run, cases, seconds=seconds))


def kept() -> dict[str, list[int]]:
    """Cases that failed once, by target; every campaign repeats them."""
    cases: dict[str, list[int]] = {}
    for line in KEPT.read_text().split():
        name, _, number = line.partition(":")
        cases.setdefault(name, []).append(int(number))
    return cases


def main(argv: list[str] | None = None) -> int:
    """Run a campaign; returns 1 where a case failed."""
    targets = found()
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="cases of all targets together (10000)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first case of each target (0)")
    parser.add_argument("--only", metavar="NAME,NAME", help=f"of {', '.join(targets)}")
    parser.add_argument("--case", metavar="NAME:NUMBER", help="one case")
    options = parser.parse_args(argv)
    if options.case:
        name, _, number = options.case.partition(":")
        plan = {name: [int(number)]}
    else:
        chosen = options.only.split(",") if options.only else list(targets)
        total = sum(targets[name].share for name in chosen)
        repeated = kept()
        plan = {}
        for name in chosen:
            count = max(1, round(options.cases * targets[name].share / total))
            plan[name] = [*repeated.get(name, []), *range(options.first, options.first + count)]
    failures = 0
    for name, cases in plan.items():
        started = time.monotonic()
        outcomes = run_target(targets[name], cases)
        failed = [outcome for outcome in outcomes if outcome.rule]
        failures += len(failed)
        ends = ", ".join(
            f"{count} {text}" for text, count in Counter(o.text for o in outcomes if not o.rule).most_common()
        )
        print(
            f"{name}: {len(cases)} cases, {len(failed)} failed ({ends}; {time.monotonic() - started:.0f} s)", flush=True
        )
        for text, numbers in _alike(failed).items():
            print(f"  {name}:{numbers[0]} ({len(numbers)} alike): {text}", flush=True)
    print(f"{sum(map(len, plan.values()))} cases, {failures} failed")
    return int(failures > 0)


def _alike(failed: list[Outcome]) -> dict[str, list[int]]:
    """Failures of one kind at one place, by the text of the first."""
    kinds: dict[str, str] = {}
    cases: dict[str, list[int]] = {}
    for outcome in failed:
        kind = f"{outcome.text.partition(':')[0]} {outcome.text.rpartition('(')[2]}" if outcome.rule == "error" else ""
        if outcome.text.startswith("AssertionError: traceback"):
            kind = outcome.text.partition(" at ")[2].partition(" of `")[0]
        text = kinds.setdefault(f"{outcome.rule} {kind}", f"{outcome.rule}: {outcome.text}")
        cases.setdefault(text, []).append(outcome.case)
    return cases


if __name__ == "__main__":
    sys.exit(main())
