"""Measure how often the audit flags how people were filmed without cause, and how often it finds a planted confound.

Every cohort has all numbers (`cohort.filming`), drawn per person and session. Clean ones are of two sizes, and in every
second one people are in two splits, as in AVEC2014. Rows that filming_level.csv and filming_planted.csv hold already
are not computed again: delete the files to do so.

    python experiments/audit/filming.py --cohorts 1000 --planted 30      (3 minutes of one core)
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from false_flags import HERE, clean, share

from lfnet.audit.audit import filming_of
from lfnet.audit.filming_checks import filming_checks
from lfnet.audit.finding import Finding
from lfnet.audit.settings import AuditSettings
from lfnet.cohorts.cohort import Cohort

FIRST = 20_000
SIZES = {"84 people": (), "34 people": ("cohort.recordings={train:20,dev:20,test:20}",)}
LEVEL, PLANTED_CSV, PAGE = HERE / "filming_level.csv", HERE / "filming_planted.csv", HERE / "filming.md"


def filmed(seed: int, leak: str = "", *overrides: str) -> Cohort:
    """Simulate a cohort with all numbers of filming; `leak` as in cohort.filming."""
    return clean(seed, f"cohort.filming={{leak:{{{leak}}},moves:0.0}}", *overrides)


def findings(cohort: Cohort, resamples: int = 999) -> dict[str, Finding]:
    """The findings on filming, by name; with fewer permutations than by default, which the level does not depend on."""
    settings = AuditSettings(resamples=resamples)
    table = cohort.recordings()
    checks = filming_checks(filming_of(cohort, None, {}), table, settings)
    return {found.name: found for check in checks if (found := check.conclude((), settings.alpha))}


def column(cohort: Cohort, name: str, values: Any) -> Cohort:
    """The cohort with a column of its manifest replaced."""
    assert cohort.about is not None
    cohort.about[name] = values
    return cohort


def fps_is_label(seed: int, *overrides: str) -> Cohort:
    """Plant a camera of 25 frames a second for every label of 14 or more."""
    cohort = filmed(seed, "", *overrides)
    return column(cohort, "fps", [25 if label >= 14 else 30 for label in cohort.clips["label"]])


def session_is_label(seed: int) -> Cohort:
    """Plant a second session for every label of 14 or more."""
    cohort = filmed(seed)
    return column(cohort, "session", [2 if label >= 14 else 1 for label in cohort.clips["label"]])


def test_filmed_otherwise(seed: int) -> Cohort:
    """Plant another frame rate in the test split."""
    cohort = filmed(seed)
    return column(cohort, "fps", [25 if split == "test" else 30 for split in cohort.clips["split"]])


# Each confound: the finding and the number that must be flagged, and a function of the seed.
PLANTED: dict[str, tuple[str, str, Callable[[int], Cohort]]] = {
    "frame rate 25 where the label is 14 or more, else 30": ("filming", "fps", fps_is_label),
    "the same with 34 people": ("filming", "fps", lambda seed: fps_is_label(seed, *SIZES["34 people"])),
    "session 2 where the label is 14 or more, else 1": ("filming", "session", session_is_label),
    "test filmed at 25 frames a second, the rest at 30": ("filming_splits", "fps", test_filmed_otherwise),
    **{
        f"{name}, correlation {leak} with severity": (
            "demographics" if name == "sex" else "filming",
            name,
            lambda seed, name=name, leak=leak: filmed(seed, f"{name}:{leak}"),  # type: ignore[misc]
        )
        for name in ("face_size", "resolution", "folder", "date", "sex")
        for leak in (0.5, 0.7)[: 2 if name == "face_size" else 1]
    },
}


def level_rows(cohorts: int) -> Iterator[list[Any]]:
    """One row a clean cohort: size, seed, number of tests, smallest adjusted p-value, names of flagged findings."""
    done = _done(LEVEL, 2)
    for size, overrides in SIZES.items():
        for seed in range(FIRST, FIRST + (cohorts if not overrides else cohorts // 5)):
            if (size, str(seed)) not in done:
                found = findings(filmed(seed, "", f"cohort.people_shared={seed % 2}", *overrides))
                tests = [test.adjusted for finding in found.values() for test in finding.tests]
                flagged = " ".join(name for name, finding in found.items() if finding.flagged)
                yield [size, seed, len(tests), f"{min(tests):.4f}", flagged]


def planted_rows(cohorts: int) -> Iterator[list[Any]]:
    """One row a planted cohort: confound, seed, whether it is flagged and its number named."""
    done = _done(PLANTED_CSV, 2)
    for name, (finding, number, plant) in PLANTED.items():
        for seed in range(FIRST, FIRST + cohorts):
            if (name, str(seed)) not in done:
                found = findings(plant(seed))[finding]
                own = [test.adjusted for test in found.tests if test.name == number]
                yield [name, seed, found.flagged and min(own) <= AuditSettings().filming_alpha]


def _done(path: Path, keys: int) -> set[tuple[str, ...]]:
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return {tuple(row[:keys]) for row in csv.reader(file)}


def _append(path: Path, header: list[str], rows: Iterator[list[Any]]) -> None:
    for row in rows:
        new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, row] if new else [row])


def page(level: pd.DataFrame, planted: pd.DataFrame) -> str:
    """The page of both tables."""
    rows = []
    for size, own in level.groupby("size", sort=False):
        rows.append(f"| {size}, {own['tests'].median():.0f} tests | {share(own['flagged'] != '')} |")
    found = [f"| {name} | {share(own['found'])} |" for name, own in planted.groupby("confound", sort=False)]
    return f"""# False alarms and power of the audit of filming

**Question:** how many clean cohorts does the audit flag for how people were filmed, and which confounds does it find?

**Hypothesis:** 5 % of clean cohorts at most; nine of ten cohorts whose frame rate is the label.

**Result** of `python experiments/audit/filming.py` (`conf/audit/default.yaml` with 999 permutations; intervals: 95 %,
Clopper and Pearson; every cohort in `filming_level.csv` and `filming_planted.csv`). A flag is a leak or a warning:

| clean cohorts, in every second one people are in two splits | flagged |
|---|---|
{chr(10).join(rows)}

Planted confounds, in cohorts of 84 people and 150 recordings unless stated. A confound is found where its finding is
flagged and its own number is among those named. A correlation is that of the number on its normal scale; resolution,
folder and sex are then cut into two values.

| confound | found |
|---|---|
{chr(10).join(found)}

**Limits:** the numbers are Gaussian or have two values, and each confound was planted alone. Confounds that change
during a clip, and combinations of numbers of which none goes with the label by itself, are not searched for.
"""


def main() -> None:
    """Audit what is missing in the csv files, and write filming.md."""
    parser = argparse.ArgumentParser(description="Measure false alarms and power of the audit of filming.")
    parser.add_argument(
        "--cohorts",
        type=int,
        default=1000,
        help="clean cohorts of AVEC2014's size, and a fifth as many small ones (default: 1000)",
    )
    parser.add_argument("--planted", type=int, default=30, help="cohorts for each confound (default: 30)")
    arguments = parser.parse_args()
    _append(LEVEL, ["size", "seed", "tests", "min_p", "flagged"], level_rows(arguments.cohorts))
    _append(PLANTED_CSV, ["confound", "seed", "found"], planted_rows(arguments.planted))
    PAGE.write_text(page(pd.read_csv(LEVEL, keep_default_na=False), pd.read_csv(PLANTED_CSV)), encoding="utf-8")


if __name__ == "__main__":
    main()
