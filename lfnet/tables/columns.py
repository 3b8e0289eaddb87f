"""Columns by name: where in a result a number lies, what it is called, and how several seeds' numbers become a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.predictions import LEVELS
from lfnet.evaluation.seeds import summarise
from lfnet.tables.collect import MISSING, Run
from lfnet.tables.numbers import DASH, amount, fixed, magnitude, span, spread
from lfnet.tables.table import Cell

__all__ = ["Column", "parse"]

_SPLITS = ("train", "dev", "test")
_ARROWS = {"lower": " ↓", "higher": " ↑", None: ""}

Values = dict[str, float | None]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    name: as the table's yaml writes it. heading: as print shows it. read(result): the number, None where it is
    undefined, MISSING where the result has none. show(values, runs): the text of one cell. metric: the metric's name
    for columns of metrics, None for the others, which reference rows leave empty. unit: for the foot of the table.
    """

    name: str
    heading: str
    read: Callable[[dict[str, Any]], Any]
    show: Callable[[Values, Sequence[Run]], str]
    metric: str | None = None

    def cell(self, runs: Sequence[Run]) -> Cell:
        """The cell of a row whose runs are these, one a seed."""
        return self.fill({run.folder: self.read(run.result) for run in runs}, runs)

    def fill(self, read: dict[str, Any], runs: Sequence[Run] = ()) -> Cell:
        """A cell of values read elsewhere; what is MISSING is left out."""
        values: Values = {folder: value for folder, value in read.items() if value is not MISSING}
        return Cell(self.show(values, runs) if values else DASH, values, summarise(values.values()))


def parse(name: str, level: str) -> Column:
    """The column called `name`; its metrics are those of `level` where the name does not say another.

    Known: SPLIT.METRIC and gap.METRIC (test − dev), each also with a level between (test.clip.mae); parameters,
    active_parameters, flops, bytes, support_vectors, fusion_parameters, fusion_flops, fusion_bytes, latency,
    frame_latency, energy, seconds, epochs, best_epoch, converged, dim, coverage; and optimism.METRIC, which is set
    across rows. Raises `LfnetError` for another.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    if name.startswith("optimism."):
        from lfnet.tables import optimism  # which is made of columns

        if found := optimism.column(name):
            return found
    parts = name.split(".")
    if len(parts) == 2:
        parts.insert(1, level)
    if len(parts) == 3 and parts[0] in (*_SPLITS, "gap") and parts[1] in LEVELS and parts[2] in METRICS:
        split, own_level, metric = parts
        return _metric(name, split, own_level, metric, "" if own_level == level else f" ({own_level}s)")
    raise LfnetError(
        f"table.columns has no column {name!r}. There are SPLIT.METRIC and gap.METRIC, with SPLIT one of "
        f"{', '.join(_SPLITS)} and METRIC one of {', '.join(METRICS)}; a level may stand between (test.clip.mae); and "
        f"{', '.join(_PLAIN)}."
    )


def _metric(name: str, split: str, level: str, metric: str, shown_level: str) -> Column:
    label, arrow = METRICS[metric].label, _ARROWS[METRICS[metric].better]

    def at(result: dict[str, Any], which: str) -> Any:
        return result.get("metrics", {}).get(which, {}).get(level, {}).get(metric, MISSING)

    def gap(result: dict[str, Any]) -> Any:
        dev, test = at(result, "dev"), at(result, "test")
        if dev is MISSING or test is MISSING:
            return MISSING
        return None if dev is None or test is None else test - dev

    is_gap = split == "gap"

    def show(values: Values, runs: Sequence[Run]) -> str:
        return spread(summarise(values.values()), sign=is_gap)

    heading = f"Gap {label}{shown_level}" if is_gap else f"{split.capitalize()} {label}{shown_level}{arrow}"
    return Column(name, heading, gap if is_gap else lambda result: at(result, split), show, metric)


def _plain(name: str, heading: str, path: str, show: Callable[[Values, Sequence[Run]], str]) -> Column:
    def read(result: dict[str, Any]) -> Any:
        value: Any = result
        for part in path.split("."):
            if not isinstance(value, dict) or value.get(part) is None:
                return MISSING
            value = value[part]
        return float(value)

    return Column(name, heading, read, show)


def _mean(shown: Callable[[float], str]) -> Callable[[Values, Sequence[Run]], str]:
    """The mean over seeds: of costs that hardly differ between them, or not at all."""

    def show(values: Values, runs: Sequence[Run]) -> str:
        mean = summarise(values.values()).mean
        return DASH if mean is None else shown(mean)

    return show


def _range(values: Values, runs: Sequence[Run]) -> str:
    return span([value for value in values.values() if value is not None])


def _epochs(values: Values, runs: Sequence[Run]) -> str:
    """9–12, and how many of the runs stopped before dev had stopped improving."""
    stopped_early = sum(run.result.get("training", {}).get("converged") is False for run in runs)
    some = "" if stopped_early == len(runs) else f" ({stopped_early} of {len(runs)})"
    return _range(values, runs) + (f", not converged{some}" if stopped_early else "")


def _converged(values: Values, runs: Sequence[Run]) -> str:
    yes = sum(value == 1 for value in values.values())
    return {0: "no", len(values): "yes"}.get(yes, f"{yes} of {len(values)}")


def _energy() -> Column:
    """Energy of one scoring; where no counter could be read the cell says so, and is not left empty."""

    def read(result: dict[str, Any]) -> Any:
        return result.get("cost", {}).get("energy_mj", MISSING)

    def show(values: Values, runs: Sequence[Run]) -> str:
        mean = summarise(values.values()).mean
        return "not measurable here" if mean is None else f"{mean:.3g}"

    return Column("energy", "Energy (mJ)", read, show)


def _frame_latency() -> Column:
    """A head's time for a frame of video: a window's, spread over the frames by which windows advance."""

    def read(result: dict[str, Any]) -> Any:
        latency, hop = result.get("cost", {}).get("latency_ms"), result["config"].get("protocol", {}).get("hop")
        return MISSING if latency is None or not hop or result.get("kind") != "head" else latency / hop

    return Column("frame_latency", "Head ms/frame", read, _mean(lambda value: f"{value:.2g}"))


_PLAIN = {
    column.name: column
    for column in (
        _plain("parameters", "Parameters", "cost.parameters", _range),
        _plain("active_parameters", "Active", "cost.active_parameters", _range),
        _plain("flops", "FLOPs", "cost.flops", _mean(magnitude)),
        _plain("bytes", "Bytes", "cost.bytes", _mean(magnitude)),
        _plain("support_vectors", "Support vectors", "cost.support_vectors", _range),
        _plain("fusion_parameters", "Fusion parameters", "cost.parts.fusion.parameters", _range),
        _plain("fusion_flops", "Fusion FLOPs", "cost.parts.fusion.flops", _mean(magnitude)),
        _plain("fusion_bytes", "Fusion bytes", "cost.parts.fusion.bytes", _mean(magnitude)),
        _plain("latency", "Latency (ms)", "cost.latency_ms", _mean(lambda value: f"{value:.3g}")),
        _frame_latency(),
        _energy(),
        _plain("seconds", "Seconds", "training.seconds", _mean(amount)),
        _plain("epochs", "Epochs", "training.epochs", _epochs),
        _plain("best_epoch", "Best epoch", "training.best_epoch", _range),
        _plain("converged", "Converged", "training.converged", _converged),
        _plain("dim", "D", "features.dim", _range),
        _plain("coverage", "Coverage", "features.coverage", _mean(lambda value: f"{fixed(100 * value, 0)} %")),
    )
}
