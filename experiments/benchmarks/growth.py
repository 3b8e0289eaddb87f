"""Growth of time and memory with recordings, frames, seeds and heads."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.benchmarks.measure import command
from experiments.benchmarks.report import Row, Target

__all__ = ["Line", "growth", "line", "plot"]

_STEPS = (1, 2, 4, 8)
_HEADS = ("mean_mlp", "ldbm", "attention_mil", "tcn", "hybrid", "transformer", "mamba_gru", "mamba")


@dataclass(frozen=True)
class Line:
    """What grows, its sizes as multiples, and the cost of each size."""

    what: str
    size: list[float]
    seconds: list[float]
    memory_mb: list[float]

    @property
    def r2(self) -> float:
        """Share of the variance of seconds that a straight line explains."""
        return line(self.size, self.seconds)[2]


def line(size: list[float], cost: list[float]) -> tuple[float, float, float]:
    """Fit a straight line: slope, intercept and r²."""
    slope, intercept = np.polyfit(size, cost, 1)
    rest = np.asarray(cost) - (slope * np.asarray(size) + intercept)
    whole = float(np.var(cost))
    return float(slope), float(intercept), 1.0 - float(np.var(rest)) / whole if whole else 1.0


def growth(folder: Path, out: Path, quick: bool = False) -> list[Row]:
    """Measure growth, and plot it to `out`. Times are processor seconds, which other load affects little."""
    steps = _STEPS[:3] if quick else _STEPS
    size = 5 if quick else 40
    lines = []
    for what, settings in (
        ("recordings", [[f"cohort.recordings={{train:{size * k},dev:4,test:4}}"] for k in steps]),
        ("frames of a clip", [[f"cohort.duration={{min:{8 * k},max:{8 * k},median:{8 * k},spread:0}}"] for k in steps]),
    ):
        lines.append(_line(folder, what, list(steps), settings, ["head=ldbm", "seed=0"], size))
    seeds = [[f"seed=range(0,{k})"] for k in steps]
    lines.append(_line(folder, "seeds", list(steps), seeds, ["head=ldbm"], size))
    # Heads differ: the target is only that together they cost the sum of what they cost one by one.
    heads = _HEADS[: 2 if quick else None]
    each = [_cost(folder, [f"head={name}", "seed=0"], size) for name in heads]
    start = _cost(folder, [f"head={heads[0]}", "seed=0"], size, done=True)[0]
    counts = [k for k in steps if k <= len(heads)]
    parts = [start + sum(seconds - start for seconds, _ in each[:k]) for k in counts]
    joined = [_cost(folder, [f"head={','.join(heads[:k])}", "seed=0"], size) if k > 1 else each[0] for k in counts]
    together = joined[-1]
    plot(lines, out, (counts, parts, [seconds for seconds, _ in joined]))
    rows = [
        Row(
            "growth",
            f"{one.what}, ×{steps[0]} to ×{steps[-1]}: r² of a straight line through processor seconds",
            one.r2,
            "",
            target=Target("min", 0.98),
            note=f"{', '.join(f'{s:.1f} s' for s in one.seconds)}; "
            f"peak {', '.join(f'{m / 1000:.2f} GB' for m in one.memory_mb)}",
        )
        for one in lines
    ]
    rows.append(
        Row(
            "growth",
            f"{len(heads)} heads in one sweep: processor seconds, of those of one sweep each",
            together[0] / parts[-1],
            "",
            target=Target("max", 1.1),
            note=f"peak {together[1] / 1000:.2f} GB; the largest alone {max(m for _, m in each) / 1000:.2f} GB",
        )
    )
    return rows


def _line(folder: Path, what: str, steps: list[int], settings: list[list[str]], others: list[str], size: int) -> Line:
    costs = [_cost(folder, [*others, *own], size) for own in settings]
    return Line(what, [float(k) for k in steps], [seconds for seconds, _ in costs], [memory for _, memory in costs])


def _cost(folder: Path, own: list[str], size: int, done: bool = False) -> tuple[float, float]:
    """Measure processor seconds and peak MB of a sweep in one process; done: of a sweep that is finished."""
    where = folder / "growth"
    if not done:
        shutil.rmtree(where, ignore_errors=True)
    common = {
        "cohort.recordings": f"{{train:{size},dev:4,test:4}}",
        "cohort.duration": "{min:16,max:16,median:16,spread:0}",
        "cohort.dim": "512",
        "protocol.window": "256",
        "protocol.hop": "256",
        "trainer.max_epochs": "10",
        "trainer.patience": "10",
    }
    given = {word.partition("=")[0] for word in own}
    words = [f"{name}={value}" for name, value in common.items() if name not in given]
    words += [f"paths.{name}={where / name}" for name in ("cache", "runs", "data")]
    used = command([sys.executable, "-m", "lfnet.cli.main", "train", "-m", *own, *words, "launcher.jobs=1"])
    return used.cpu, used.peak_mb


def plot(lines: list[Line], out: Path, heads: tuple[list[int], list[float], list[float]]) -> None:
    """Plot processor time and peak memory over size, with fitted lines; heads together and one by one.

    heads: how many, the seconds of a sweep of each summed up, and those of one sweep of all.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right, last) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for one in lines:
        (drawn,) = left.plot(one.size, one.seconds, "o", label=f"{one.what} (r² {one.r2:.3f})")
        slope, intercept, _ = line(one.size, one.seconds)
        ends = np.array([min(one.size), max(one.size)])
        left.plot(ends, slope * ends + intercept, "-", color=drawn.get_color(), linewidth=1)
        right.plot(one.size, np.array(one.memory_mb) / 1000, "o-", color=drawn.get_color(), label=one.what)
    for axes, label in ((left, "processor time (s)"), (right, "peak memory (GB)")):
        axes.set(xlabel="times as many", ylabel=label, ylim=(0, 1.05 * axes.get_ylim()[1]))
        axes.set_xticks(lines[0].size)
    left.legend(frameon=False, fontsize=8)
    counts, parts, joined = heads
    end = 1.15 * max(*parts, *joined)
    last.plot([0, end], [0, end], "-", color="0.7", linewidth=1)
    last.plot(parts, joined, "o", color="C3")
    for count, x, y in zip(counts, parts, joined, strict=True):
        label = f"{count} head{'s' * (count > 1)}"
        last.annotate(label, (x, y), xytext=(6, -10), textcoords="offset points", fontsize=8)
    last.set(xlabel="one by one (s)", ylabel="in one sweep (s)", xlim=(0, end), ylim=(0, end))
    last.set_title("processor time of heads; line: the same", fontsize=9)
    for axes in (left, right, last):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=130)
    plt.close(figure)
