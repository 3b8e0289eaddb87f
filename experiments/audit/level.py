"""Measure the level of the audit: the minimum adjusted p-value of each of many clean manifests.

Without a leak it should be at most alpha in a share alpha of cohorts, or in fewer: Holm's procedure allows for
dependent tests. `false_flags.py` writes the result to README.md.

    python experiments/audit/level.py --cohorts 300
"""

import argparse
from pathlib import Path

import pandas as pd
from false_flags import FILMING, HERE, clean

from lfnet.audit.audit import find_leaks
from lfnet.audit.settings import AuditSettings

FIRST = 1000


def main() -> None:
    """Audit clean manifests, print, and write level.csv next to this file."""
    parser = argparse.ArgumentParser(description="Measure the level of the audit's tests.")
    parser.add_argument("--cohorts", type=int, default=300, help="clean cohorts (default: 300)")
    rows = []
    for seed in range(FIRST, FIRST + parser.parse_args().cohorts):
        report = find_leaks(clean(seed), settings=AuditSettings(resamples=1999))
        tests = [test for finding in report.findings if finding.name not in FILMING for test in finding.tests]
        rows.append({"seed": seed, "tests": len(tests), "min_p": min(test.adjusted for test in tests)})
    table = pd.DataFrame(rows)
    table.to_csv(Path(HERE) / "level.csv", index=False, float_format="%.4f", lineterminator="\n")
    for alpha in (0.01, 0.05, 0.1, 0.2):
        print(f"{alpha:g}: {(table['min_p'] <= alpha).mean():.3f}")


if __name__ == "__main__":
    main()
