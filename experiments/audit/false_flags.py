"""Measure how often the audit flags a cohort without a leak, and how often it finds a planted leak.

Clean cohorts are simulated without shared people; everything else is drawn again for each seed, and the signal's
mechanism changes from seed to seed. Each is audited twice: as a bare manifest of AVEC2014's size, and with features (of
fewer dimensions and shorter clips, so that 500 take minutes; fewer dimensions make chance similarity larger).

    python experiments/audit/false_flags.py --cohorts 500 --write
    python experiments/audit/false_flags.py --cohorts 20                 (only printed)
"""

import argparse
import datetime
import os
import shlex
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from scipy import stats

from lfnet.audit.audit import Report, find_leaks
from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate, plain
from lfnet.features.clip_summaries import ClipSummaries, summarise_clips

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf"
SIGNALS = ("mixture", "none", "level", "tempo", "burst")
SMALL = ("cohort.dim=64", "cohort.duration={min:3,max:60,median:5,spread:0.6}")
GOAL = 0.01
FILMING = ("filming", "filming_splits", "demographics")


def clean(seed: int, *overrides: str) -> Cohort:
    """Simulate a cohort without shared people; the signal's mechanism follows from the seed."""
    settings = deepcopy(_settings(("cohort.people_shared=0", *overrides)))
    settings |= {"seed": seed, "signal": settings["signal"] | {"name": SIGNALS[seed % len(SIGNALS)]}}
    cohort: Cohort = instantiate(settings)
    return cohort


@cache
def _settings(overrides: tuple[str, ...]) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings: dict[str, Any] = plain(compose("cohort/simulated", overrides=list(overrides)).cohort)
    return settings


def features(cohort: Cohort) -> ClipSummaries:
    """Summarise the cohort's features."""
    assert cohort.own is not None
    return summarise_clips(cohort.own.clip, cohort.clips["clip_id"])


def flags(report: Report) -> list[str]:
    """Names of the flagged findings, without those on filming: they have a level of their own (filming.py)."""
    return [finding.name for finding in report.findings if finding.flagged and finding.name not in FILMING]


def confounded(seed: int, strength: float) -> Report:
    """Plant a confound: durations correlate with severity."""
    return find_leaks(clean(seed, f"cohort.duration_leak={strength}"))


def lost_with_severity(seed: int) -> Report:
    """Plant a confound: frames are lost with severity (rank correlation about .45)."""
    cohort = clean(seed, *SMALL)
    random = np.random.default_rng([seed, 1])
    labels = cohort.clips["label"].to_numpy()
    lost = stats.norm.cdf(stats.zscore(labels) * 0.5 + random.standard_normal(len(labels)) * 0.85)
    return find_leaks(cohort, replace(features(cohort), coverage_N=1 - 0.2 * lost))


def copied(seed: int) -> Report:
    """Plant a copy: a clip of train in test, as another person, shifted by a second and re-encoded (noise)."""
    cohort = clean(seed, *SMALL)
    own: Any = cohort.own
    random = np.random.default_rng([seed, 2])
    frames = cohort.clips.set_index("clip_id")["n_frames"]
    source = random.choice([clip for clip in cohort.in_split("train")["clip_id"] if frames[clip] >= 120])
    target = random.choice(cohort.in_split("test")["clip_id"])

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if clip_id != target:
            return own.clip(clip_id)
        x_TD, valid_T, time_T = own.clip(source)
        noise = random.standard_normal(x_TD.shape).astype(np.float32)
        noise *= 0.3 * np.nanstd(x_TD - np.nanmean(x_TD, axis=0))
        return (x_TD + noise)[30:], valid_T[30:], time_T[30:] - time_T[30]

    return find_leaks(cohort, summarise_clips(read, cohort.clips["clip_id"]))


# Each leak: what is planted, the finding that must report it, and a function of the seed.
PLANTED: dict[str, tuple[str, Callable[[int], Report]]] = {
    "every third person with several recordings in two splits": (
        "people",
        lambda seed: find_leaks(clean(seed, "cohort.people_shared=0.33")),
    ),
    "duration, correlation .3 with severity": ("duration", lambda seed: confounded(seed, 0.3)),
    "duration, correlation .5 with severity": ("duration", lambda seed: confounded(seed, 0.5)),
    "lost frames, rank correlation about .45 with the label": ("coverage", lost_with_severity),
    "a copied clip, shifted by a second, noise of .3 SD": ("copies", copied),
}


def main() -> None:
    """Audit, print, and with --write write cohorts.csv, planted.csv and README.md next to this file."""
    parser = argparse.ArgumentParser(description="Measure the audit's false alarms and power.")
    parser.add_argument("--cohorts", type=int, default=20, help="clean cohorts (default: 20)")
    parser.add_argument("--planted", type=int, default=None, help="cohorts for each leak (default: a tenth)")
    parser.add_argument("--write", action="store_true", help="write the csv files and README.md next to this script")
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.cohorts):
        small = clean(seed, *SMALL)
        bare, full = flags(find_leaks(clean(seed))), flags(find_leaks(small, features(small)))
        rows.append({"seed": seed, "manifest": " ".join(bare), "features": " ".join(full)})
        if (seed + 1) % 50 == 0:
            print(f"{seed + 1} cohorts: {_rates(pd.DataFrame(rows))}", flush=True)
    table = pd.DataFrame(rows)
    found = []
    for name, (finding, plant) in PLANTED.items():
        for seed in range(arguments.planted or max(1, arguments.cohorts // 10)):
            found.append({"leak": name, "seed": seed, "found": finding in flags(plant(10_000 + seed))})
    planted = pd.DataFrame(found)
    print(_rates(table), _found(planted), sep="\n")
    if arguments.write:
        table.to_csv(HERE / "cohorts.csv", index=False, lineterminator="\n")
        planted.to_csv(HERE / "planted.csv", index=False, lineterminator="\n")
        page = HERE / "README.md"
        _, repeat, commands = page.read_text(encoding="utf-8").partition("\n## Repeat\n")
        page.write_text(_readme(table, planted, sys.argv[1:]) + repeat + commands, encoding="utf-8")


def share(flagged: pd.Series) -> str:
    """4 of 500 = 0.8 % [0.2 %, 2.0 %], with Clopper and Pearson's interval."""
    count, n = int(flagged.sum()), len(flagged)
    low, high = stats.binomtest(count, n).proportion_ci(method="exact")
    return f"{count} of {n} = {100 * count / n:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %]"


def _rates(table: pd.DataFrame) -> str:
    return "; ".join(f"{kind}: {share(table[kind] != '')}" for kind in ("manifest", "features"))


def _found(planted: pd.DataFrame) -> str:
    return "\n".join(f"{name}: {share(rows['found'])}" for name, rows in planted.groupby("leak", sort=False))


def _readme(table: pd.DataFrame, planted: pd.DataFrame, arguments: list[str]) -> str:
    reached = all((table[kind] != "").mean() <= GOAL for kind in ("manifest", "features"))
    lines = "\n".join(f"| {name} | {share(rows['found'])} |" for name, rows in planted.groupby("leak", sort=False))
    which = ", ".join(
        f"seed {seed} ({kind}: {row[kind]})" for seed, row in table.iterrows() for kind in row.index[1:] if row[kind]
    )
    return f"""# False alarms and power of the audit

**Question:** how many of 500 simulated cohorts without a leak does `lfnet audit` flag?

**Hypothesis:** at most 1 %.

**Result**, measured {datetime.date.today().isoformat()} by
`python experiments/audit/false_flags.py {shlex.join(arguments)}`
(`conf/audit/default.yaml`; intervals: 95 %, Clopper and Pearson; every cohort in `cohorts.csv`):

| clean cohorts | flagged |
|---|---|
| bare manifest, 150 recordings | {share(table["manifest"] != "")} |
| with features (64-D, median 5 s) | {share(table["features"] != "")} |

The hypothesis {"holds" if reached else "is WRONG"}. Flagged: {which or "none"}.

Leaks planted into clean cohorts and found by their check (`planted.csv`):

| leak | found |
|---|---|
{lines}
{_level()}
Findings on how people were filmed have a level of 5 % of their own: `filming.md`.
"""


def _level() -> str:
    """The result of level.py, where it was run."""
    if not (HERE / "level.csv").is_file():
        return ""
    smallest = pd.read_csv(HERE / "level.csv")["min_p"]
    shares = ", ".join(f"at most {alpha:g} in {100 * (smallest <= alpha).mean():.1f} %" for alpha in (0.05, 0.1, 0.2))
    return f"""
Level of the tests (`level.py`, `level.csv`): on {len(smallest)} further clean manifests the minimum adjusted p-value
was {shares}.
"""


if __name__ == "__main__":
    main()
