"""Figure of a result: how many times as fast the project is, with the range of the pairs."""

from collections.abc import Sequence
from pathlib import Path

from experiments.benchmarks.report import Row

__all__ = ["plot"]


def plot(rows: Sequence[Row], out: Path) -> bool:
    """Plot all ratios, by stage, on a logarithmic axis; without any ratio nothing is written and False returned."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row.ratio is not None]
    if not rows:
        return False
    figure, axes = plt.subplots(figsize=(10, 1 + 0.24 * len(rows)), layout="constrained")
    stages = list(dict.fromkeys(row.stage for row in rows))
    for place, row in enumerate(reversed(rows)):
        color = f"C{stages.index(row.stage) % 10}"
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], "-", color=color, linewidth=2, alpha=0.5)
        axes.plot(row.ratio, place, "o", color=color, markersize=5)
        if row.target is not None:
            axes.plot(row.target.value, place, "|", color="0.2", markersize=11)
    axes.axvline(1, color="0.7", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row.stage}: {row.what}"[:90] for row in reversed(rows)], fontsize=7)
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if min(r.ratio for r in rows) / 2 < tick]  # type: ignore[type-var, operator]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("times as fast as the peer: median and range of the pairs; | is the target")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=130)
    plt.close(figure)
    return True
