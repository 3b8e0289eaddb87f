"""Large sizes: a finished sweep of 10,000 jobs, the audit of 100,000 clips, the evidence of many people."""

import json
import sys
from pathlib import Path

from experiments.benchmarks.measure import command
from experiments.benchmarks.report import Row, Target

__all__ = ["scale"]

_STAGES = "experiments.scale.stages"
_MARK = "measured "  # begins a line of its results


def scale(folder: Path, quick: bool = False) -> list[Row]:
    """Measure them in processor seconds, which other load affects little."""
    jobs, clips, people = (20, 100, 50) if quick else (10_000, 100_000, 1_344)
    sweep = [_stage("sweep", jobs, folder / "jobs") for _ in range(2)][1]
    audit = _stage("write_store", clips, folder / "clips")
    words = [sys.executable, "-m", "experiments.benchmarks.work", "evidence", str(people)]
    used = command(words)
    result = json.loads(used.out.strip().splitlines()[-1])
    finished = sweep["find that all jobs are finished"]["seconds"]
    checked = audit["audit of a manifest without its files"]["seconds"]
    return [
        Row("scale", f"find that a sweep of {jobs:,} jobs is finished", finished, "s", target=Target("max", 60.0)),
        Row("scale", f"audit of a manifest of {clips:,} clips", checked, "s", target=Target("max", 60.0)),
        Row(
            "scale",
            f"evidence of 4 rows of {people:,} people: memory above that of its inputs",
            result["memory_mb"],
            "MB",
            target=Target("max", 100.0),
            note=f"{result['seconds']:.1f} s, {result['resamples']:,} resamples",
        ),
    ]


def _stage(stage: str, size: int, folder: Path) -> dict[str, dict]:
    """Run a measurement of `experiments.scale`; its results by what was measured."""
    used = command([sys.executable, "-m", _STAGES, stage, str(size), str(folder)])
    lines = [line.removeprefix(_MARK) for line in used.out.splitlines() if line.startswith(_MARK)]
    return {row["what"]: row for row in map(json.loads, lines)}
