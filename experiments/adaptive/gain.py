"""Measure the gain from k labelled recordings of a person, on recordings never used to adapt.

Trains heads on a simulated cohort in which each person has five recordings and is in one split (finished runs are not
trained again), adapts them, and writes the errors against k, with intervals for new people, to gain.csv.

    python experiments/adaptive/gain.py            6 minutes of one core, runs in ./lfnet_runs
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from lfnet.cli.train import sweep
from lfnet.evaluation.personalisation import AS_PREDICTED, Gain, compute_gain, labels_alone, with_labels
from lfnet.runs.collection import RunCollection, open_runs

# 124 people with five recordings each: 60 train, 24 dev, 40 test.
COHORT = (
    "cohort.recordings={train:300,dev:120,test:200}",
    "cohort.people=124",
    "cohort.people_shared=0",
    "cohort.dim=128",
    "cohort.duration={min:6,max:30,median:10,spread:0.3}",
    "protocol.window=256",
    "protocol.hop=128",
    "trainer=quick",
)
HEADS, SEEDS, WITHIN = ("mean_mlp", "hybrid"), (0, 1, 2), (0.7, 0.3)
MAX_LABELS = 3


def runs() -> Iterator[tuple[float, str, RunCollection]]:
    """Correlation of a person's severities, head, and the runs of its seeds."""
    grid = [f"{key}={','.join(map(str, values))}" for key, values in (("head", HEADS), ("seed", SEEDS))]
    for within in WITHIN:
        swept = sweep(["-m", *COHORT, *grid, f"cohort.within_person={within}"])
        if swept.failed:
            raise SystemExit("a job failed: its folder's train.log says why")
        for head in HEADS:
            yield within, head, open_runs(swept.record).filter(model=head)


def gain_of(seeds: RunCollection, slope: bool) -> Gain:
    """What `lfnet adapt` prints for these runs."""
    frames = [run.predictions.at("recording").frame for run in seeds]
    return compute_gain(frames, seeds[0].trained_people, max_labels=MAX_LABELS, slope=slope)


def lines(within: float, head: str, gain: Gain, slope: bool) -> Iterator[dict[str, Any]]:
    """One line per row of the evidence."""
    names = [AS_PREDICTED, *map(with_labels, range(MAX_LABELS + 1))]
    if head == HEADS[0] and not slope:  # labels do not depend on the head
        names += map(labels_alone, range(MAX_LABELS + 1))
    for name in names:
        row = gain.evidence.rows[name]
        mae, gap = row.estimates["mae"], None if row.comparison is None else row.comparison.differences["mae"]
        yield {
            "within_person": within,
            "head": "none" if name.startswith("labels") else head,
            "slope": slope,
            "scores": name,
            "people": gain.evidence.people,
            "recordings": gain.evidence.recordings,
            "mae": mae.value,
            "mae_low": mae.interval and mae.interval.low,
            "mae_high": mae.interval and mae.interval.high,
            "pcc": row.estimates["pcc"].value,
            "gap": gap and gap.value,
            "gap_low": gap and gap.interval and gap.interval.low,
            "gap_high": gap and gap.interval and gap.interval.high,
            "verdict": row.comparison and row.comparison.verdict,
        }


def main() -> None:
    found = []
    for within, head, seeds in runs():
        for slope in (False, True):
            found += list(lines(within, head, gain_of(seeds, slope), slope))
    target = Path(__file__).with_name("gain.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        for line in found:
            shown = {key: f"{value:.4f}" if isinstance(value, float) else value for key, value in line.items()}
            writer.writerow({**shown, "within_person": line["within_person"]})
    print(f"written: {target}")


if __name__ == "__main__":
    main()
