"""Measure the error of heads against the number of training recordings, one planted signal at a time, and the oracle's.

Trains heads on the cohort of the table `mechanisms` with more and fewer training recordings, then with 512 features and
with blocks of other lengths. Finished runs are not trained again: stop at any time, and start again. The result,
learning_curves.csv, has one line for each head and cohort: the mean test MAE of its seeds, the difference from the
oracle that sees the signal, the difference from the mean head, and 95 % intervals over people and training seeds.

    python experiments/mechanisms/learning_curves.py          runs in ./lfnet_runs
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from lfnet.cli.train import sweep
from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.evidence import compute_evidence
from lfnet.runs.collection import RunCollection, open_runs
from lfnet.runs.scores import recording_rows

SEEDS = (0, 1, 2)
SIGNALS = ("level", "tempo", "burst")
MEAN, NEW, ORACLE = "mean_mlp", "patch_statistics", "oracle_signal_median"
EVIDENCE = EvidenceSettings(estimand="architecture", min_seeds=len(SEEDS))
# The table's cohort: no person in two splits, clips of one window of 256 frames. Its seed is none of those, 0 to 2, on
# which the design of patch_statistics was chosen.
COHORT = (
    "trainer=quick",
    "cohort.seed=3",
    "cohort.people_shared=0",
    "cohort.duration={min:8.5,max:8.6,median:8.55,spread:0}",
    "protocol.window=256",
    "protocol.hop=256",
)


@dataclass(frozen=True)
class Case:
    """A cohort: its signal, frames of a block, features of a frame and training recordings."""

    signal: str
    train: int
    block: int = 16
    features: int = 64


def cases() -> Iterator[tuple[Case, tuple[str, ...]]]:
    """Each cohort with the heads that are trained on it."""
    for train in (50, 1000, 150):
        for signal in SIGNALS:
            yield Case(signal, train), (MEAN, "attention_mil", "ldbm", NEW)
    for block in (8, 64):
        for signal in ("tempo", "burst"):  # a shifted mean has no blocks
            yield Case(signal, 1000, block=block), (MEAN, NEW)
    for train in (50, 1000):
        for signal in SIGNALS:
            yield Case(signal, train, features=512), (MEAN, NEW)


def train(case: Case, heads: tuple[str, ...]) -> RunCollection:
    """Return the finished runs of a case, a run for each head and seed."""
    swept = sweep(
        [
            "-m",
            *COHORT,
            f"cohort.signal.name={case.signal}",
            f"cohort.signal.block={case.block}",
            f"cohort.dim={case.features}",
            f"cohort.recordings={{train:{case.train},dev:50,test:300}}",
            f"head={','.join(heads)}",
            f"seed={','.join(map(str, SEEDS))}",
        ]
    )
    if swept.failed:
        raise SystemExit("a job failed: its folder's train.log says why")
    return open_runs(swept.record)


def lines(case: Case, heads: tuple[str, ...], runs: RunCollection) -> Iterator[dict[str, Any]]:
    """One line for the oracle and for each head."""
    known = recording_rows(runs[0].baselines[ORACLE].frame, "test")
    ids, people = known["recording_id"].tolist(), known["person_id"].tolist()
    oracle = RowScores("oracle", ids, people, known["label"], [known["score"]], deterministic=True)
    rows = [oracle, *(runs.filter(model=head).row_scores(head) for head in heads)]
    against = {name: compute_evidence(rows, name, EVIDENCE) for name in ("oracle", MEAN)}
    for row in rows:
        found = against["oracle"].rows[row.name]
        line = {**asdict(case), "head": row.name, "people": against[MEAN].people, "seeds": found.seeds}
        line |= numbers("mae", found.estimates["mae"])
        for reference, name in (("oracle", "above_oracle"), (MEAN, "above_mean_head")):
            gap = against[reference].rows[row.name].comparison
            line |= numbers(name, None if gap is None else gap.differences["mae"])
        yield line


def numbers(name: str, found: Any) -> dict[str, float | None]:
    """A value and the ends of its interval, rounded; None where there is nothing to compare with."""
    ends = None if found is None else found.interval
    values = (found and found.value, ends and ends.low, ends and ends.high)
    columns = (name, f"{name}_low", f"{name}_high")
    return {key: None if value is None else round(value, 3) for key, value in zip(columns, values, strict=True)}


def main() -> None:
    target = Path(__file__).with_name("learning_curves.csv")
    found: list[dict[str, Any]] = []
    for case, heads in cases():
        found += lines(case, heads, train(case, heads))
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
    print(f"written: {target}")


if __name__ == "__main__":
    main()
