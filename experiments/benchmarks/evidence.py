"""Time of a table's evidence: intervals and verdicts of twenty rows from ten thousand resamples."""

import numpy as np

from experiments.benchmarks.measure import other_load, timed
from experiments.benchmarks.report import Row, Target, median

__all__ = ["evidence", "table"]


def table(rows: int, seeds: int, recordings: int = 50, people: int = 28) -> list:
    """Make rows of random scores on AVEC2014's test split: 50 recordings of 28 people."""
    from lfnet.evaluation.aligned_scores import RowScores

    random = np.random.default_rng(0)
    label = random.integers(0, 45, recordings).astype(float)
    ids = [f"r{i}" for i in range(recordings)]
    owner = [f"p{i % people}" for i in range(recordings)]
    return [
        RowScores(f"row {i}", ids, owner, label, label + random.normal(0, 8 + i / 4, (seeds, recordings)))
        for i in range(rows)
    ]


def evidence(quick: bool = False) -> list[Row]:
    """Time all metrics and comparisons of 20 rows, as trained models and as architectures of five seeds."""
    from lfnet.evaluation.evidence import EvidenceSettings, compute_evidence

    found = []
    for what, seeds in (("trained models, 3 seeds", 3), ("architectures, 5 seeds", 5)):
        rows = table(20, seeds)
        settings = EvidenceSettings(resamples=200 if quick else 10_000)
        times: list[float] = []
        load = other_load(
            lambda rows=rows, settings=settings, times=times: times.extend(
                timed(lambda: compute_evidence(rows, "row 0", settings, constant=12.0), min_seconds=0, max_calls=1)
                for _ in range(3)
            )
        )
        found.append(
            Row(
                "evidence",
                f"10,000 resamples of a 20-row table, {what}",
                median(times),
                "s",
                low=min(times),
                high=max(times),
                n=len(times),
                target=Target("max", 2.0),
                load=load,
                note="every metric's interval, and each row vs the first",
            )
        )
    return found
