"""Measure the error of heads against the number of training recordings, one planted signal at a time, and the oracle's.

Trains heads on the cohort of the table `mechanisms` with more and fewer training recordings, then two of them with
512 features and with blocks of other lengths. Finished runs are not trained again: stop at any time, and start again.
The result, learning_curves.csv, has one line for each head and cohort: the mean test MAE of its seeds, the difference
from the oracle that sees the signal, the difference from the mean head, and 95 % intervals over people and training
seeds. learning_curves.png shows the differences from the oracle.

    python experiments/mechanisms/learning_curves.py          runs in ./lfnet_runs
"""

import csv
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from lfnet.cli.train import sweep
from lfnet.drawing import GREY, add_texts, look, new_figure, save_figure, styled
from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.evidence import compute_evidence
from lfnet.runs.collection import RunCollection, open_runs
from lfnet.runs.scores import recording_rows

SEEDS = (0, 1, 2)
SIZES = (50, 150, 1000)
SIGNALS = ("level", "tempo", "burst")
MEAN, NEW, SLOWEST, ORACLE = "mean_mlp", "patch_statistics", "mamba", "oracle_signal_median"
# All heads of one vector a frame: region_attention is made for the five vectors of encoder=visual_frames.
_GROUP = Path(__file__).parents[2] / "conf" / "head"
HEADS = (MEAN, *sorted({path.stem for path in _GROUP.glob("*.yaml")} - {MEAN, "region_attention"}))
_SHIFTS = (0.95, 1, 1.05)  # of the signals' points, which would cover each other
_FOOT = (
    "Simulated cohort: 300 test recordings of 164 to 171 people in no other split, means of 3 training seeds; "
    "bars: 95 % intervals over people and seeds."
)
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
    """Each cohort with the heads that are trained on it; what takes longest comes last."""
    for train in SIZES:
        for signal in SIGNALS:
            yield Case(signal, train), tuple(head for head in HEADS if train < 1000 or head != SLOWEST)
    for block in (8, 64):
        for signal in ("tempo", "burst"):  # a shifted mean has no blocks
            yield Case(signal, 1000, block=block), (MEAN, NEW)
    for train in (50, 1000):
        for signal in SIGNALS:
            yield Case(signal, train, features=512), (MEAN, NEW)
    for signal in SIGNALS:
        yield Case(signal, 1000), HEADS


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


def draw(found: list[dict[str, Any]], target: Path) -> None:
    """Draw each head's difference from the oracle against the number of training recordings."""
    with styled("#000000"):
        figure = new_figure(9, 7)
        figure.patch.set_alpha(1)  # an image of a page of any ground
        panels = figure.subplots(3, 3, sharex=True, sharey=True)
        legend: dict[str, Any] = {}
        for axes, head in zip(panels.flat, HEADS, strict=True):
            for number, signal in enumerate(SIGNALS):
                wanted = {"head": head, "signal": signal, "block": 16, "features": 64}
                own = sorted((line for line in found if wanted.items() <= line.items()), key=lambda line: line["train"])
                low, value, high = (
                    np.array([line[f"above_oracle{end}"] for line in own]) for end in ("_low", "", "_high")
                )
                places = [line["train"] * _SHIFTS[number] for line in own]
                bars = (value - low, high - value)
                legend[signal] = axes.errorbar(
                    places, value, bars, **look(number), markersize=4, linewidth=1, capsize=2
                )
            legend["1 point"] = axes.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
            axes.set(title=head, xscale="log", xticks=SIZES, xticklabels=[f"{size:,}" for size in SIZES])
            axes.minorticks_off()
        panels[-1, 1].set_xlabel("training recordings")
        panels[1, 0].set_ylabel("test MAE above that of the oracle (points)")
        add_texts(figure, headline(found), _FOOT, legend)
        save_figure(figure, target, personal=False)


def headline(found: list[dict[str, Any]]) -> str:
    """Name the heads that come within a point of the oracle on all signals with the most training recordings."""
    wanted = {"train": SIZES[-1], "block": 16, "features": 64}
    largest = {
        head: max(line["above_oracle"] for line in found if ({"head": head} | wanted).items() <= line.items())
        for head in HEADS
    }
    near = [head for head, gap in largest.items() if gap < 1]
    return (
        f"With {SIZES[-1]:,} recordings {len(near)} of {len(HEADS)} heads come within 1 point of the oracle's MAE "
        f"on each signal: {', '.join(near)}."
    )


def main() -> None:
    target = Path(__file__).with_name("learning_curves.csv")
    found: dict[tuple[Case, str], dict[str, Any]] = {}
    for case, heads in cases():
        started = time.process_time()
        for line in lines(case, heads, train(case, heads)):
            found.setdefault((case, line["head"]), line)
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(next(iter(found.values()))), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found.values())
        print(f"{case}: {time.process_time() - started:.0f} s of processor time", flush=True)
    draw(list(found.values()), target.with_suffix(".png"))
    print(f"written: {target}")


if __name__ == "__main__":
    main()
