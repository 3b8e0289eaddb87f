"""Measure the coverage of intervals and the rate of false alarms.

    make validate                                                      everything, with the record next to this file;
                                                                       goes on where it was stopped
    python experiments/validation/validate.py --cohorts 200            a quick check, printed only
    python experiments/validation/validate.py --parts alarms --write   one part of the record

Parts: coverage (intervals by every method), alarms (false alarms), ridge (end to end), training_sets (the corrected
resampled t), method (the results of the methods in use on one fixed cohort, which a test compares with the code).
"""

import argparse
import os
import time
from pathlib import Path

# One thread: the matrices are small, and the numbers should not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
from measures import PAIRS, alarms, coverage, difference_coverage
from population import HEADS
from record import PARTS, fixed_cohort, readme
from ridge import ridge_coverage
from training_sets import training_sets

HERE = Path(__file__).resolve().parent
SIZES = (50, 150, 500)
FILES = {part: f"{part}.csv" for part in PARTS} | {"alarms": "false_alarms.csv"}


def main():
    """Measure, print, and with --write write the csv files and README.md next to this file."""
    parser = argparse.ArgumentParser(description="Measure the coverage of intervals and the rate of false alarms.")
    parser.add_argument("--cohorts", type=int, default=2000, help="cohorts for each metric and n (default: 2000)")
    parser.add_argument("--ridge", type=int, default=100, help="simulated cohorts end to end (default: 100)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--write", action="store_true", help="write the record next to this script")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    unknown = set(parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    measure = {
        "method": lambda: fixed_cohort(),
        "alarms": lambda: _alarms(arguments.cohorts),
        "coverage": lambda: _coverage(arguments.cohorts),
        "ridge": lambda: ridge_coverage(arguments.ridge),
        "training_sets": lambda: training_sets(arguments.cohorts // 2),
    }
    for part in PARTS:
        if part not in parts:
            continue
        start, seconds = time.perf_counter(), time.process_time()
        table = pd.DataFrame(measure[part]())
        print(table.to_string(index=False, float_format="%.4g"))
        print(
            f"{part}: {time.process_time() - seconds:.0f} s of one core, {time.perf_counter() - start:.0f} s\n",
            flush=True,
        )
        if arguments.write:
            digits = "%.10g" if part == "method" else "%.4f"
            table.to_csv(HERE / FILES[part], index=False, float_format=digits, lineterminator="\n")
    if arguments.write and all((HERE / name).exists() for name in FILES.values()):
        (HERE / "README.md").write_text(readme(HERE), encoding="utf-8")


def _coverage(cohorts):
    """Divide the cohorts at each n among heads, and among pairs of heads; no two share people."""
    rows = []
    for recordings in SIZES:
        for joint in (False, True):
            share = -(-cohorts // len(HEADS))
            for number, head in enumerate(HEADS):
                rows += _timed(coverage, head, recordings, share, joint=joint, first=number * share)
            # Differences at larger n: only the methods in use.
            methods = {} if recordings == SIZES[0] else {"methods": ()}
            share = -(-cohorts // len(PAIRS))
            for number, pair in enumerate(PAIRS):
                more = {"joint": joint, "first": number * share, **methods}
                rows += _timed(difference_coverage, pair, recordings, share, **more)
    return rows


def _alarms(cohorts):
    return [row for recordings in SIZES for row in _timed(alarms, recordings, cohorts)]


def _timed(function, *arguments, **more):
    start = time.process_time()
    rows = function(*arguments, **more)
    words = " ".join(map(str, (*arguments, "architecture" if more.get("joint") else "")))
    print(f"{function.__name__} {words}: {time.process_time() - start:.0f} s", flush=True)
    return rows


if __name__ == "__main__":
    main()
