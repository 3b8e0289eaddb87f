"""Columns of a table by name: where a result has the number, its heading, and its text over several seeds."""

from collections.abc import Callable, Sequence
from typing import Any

from lfnet.errors import LfnetError
from lfnet.evaluation.class_metrics import CLASS_METRICS, read_class_metric, split_name
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.predictions import LEVELS
from lfnet.evaluation.replicates import summarise
from lfnet.runs.result import Result
from lfnet.runs.run import MISSING, Run
from lfnet.tables.formatting import DASH, amount, fixed, magnitude, span, spread
from lfnet.tables.optimism import optimism_column
from lfnet.tables.table import Column, Values
from lfnet.tables.tuning import tuning_column

__all__ = ["lead_with_classes", "parse"]

_SPLITS = ("train", "dev", "test")
_LEAD = ("auroc", "brier", "sensitivity", "specificity")
_ARROWS = {"lower": " ↓", "higher": " ↑", None: ""}


def parse(name: str, level: str) -> Column:
    """Find a column by its name.

    Parameters
    ----------
    name : str
        SPLIT.METRIC or gap.METRIC (test − dev), each also with a level between (test.clip.mae), where METRIC may be one
        of classification (`lfnet.evaluation.class_metrics`): test.auroc, at a cut-off test.auroc_20, or spearman of
        heads that are tested on another cohort; parameters,
        active_parameters, flops, bytes, support_vectors, fusion_parameters, fusion_flops, fusion_bytes, latency,
        frame_latency, energy, seconds, epochs, best_epoch, reach, converged, train_people, clip_share, dim or coverage;
        optimism.METRIC, whose cells are filled by `fill_optimism`; or one of `lfnet.tables.tuning.tuning_column`:
        trials, select@N, …
    level : "window", "clip" or "recording"
        The level of metrics whose name contains none.

    Returns
    -------
    Column

    Raises
    ------
    LfnetError
        There is no such column.

    Examples
    --------
    >>> parse("test.mae", "recording").heading
    'Test MAE ↓'
    >>> parse("gap.clip.pcc", "recording").heading
    'Gap PCC (clips)'
    >>> parse("parameters", "recording").cell(runs[:2]).text  # runs: a RunCollection
    '1,354,881'
    """
    if name in _PLAIN:
        return _PLAIN[name]
    if found := optimism_column(name) or tuning_column(name, level):
        return found
    parts = name.split(".")
    if len(parts) == 2:
        parts.insert(1, level)
    if len(parts) == 3 and parts[0] in (*_SPLITS, "gap") and parts[1] in LEVELS:
        split, own_level, metric = parts
        shown_level = "" if own_level == level else f" ({own_level}s)"
        if metric == "spearman":
            return _metric(name, split, own_level, metric, "Spearman" + shown_level, _ARROWS["higher"])
        if metric in METRICS:
            label, better = METRICS[metric].label, METRICS[metric].better
            return _metric(name, split, own_level, metric, label + shown_level, _ARROWS[better])
        if named := split_name(metric):
            own, cut = CLASS_METRICS[named[0]], named[1].replace("_", ".")
            label = f"{own.label} ≥ {cut}" if cut else own.label
            return _metric(name, split, own_level, metric, label + shown_level, _ARROWS[own.better])
    raise LfnetError(
        f"table.columns has no column {name!r}. There are SPLIT.METRIC and gap.METRIC, with SPLIT one of "
        f"{', '.join(_SPLITS)} and METRIC one of {', '.join(METRICS)}; of labels with a cut-off or bands "
        f"{', '.join(CLASS_METRICS)}, and auroc_20 for the cut-off 20; with test_cohort also spearman; a level may "
        f"stand between (test.clip.mae); and {', '.join(_PLAIN)}; of tuned rows trials, best_trial, tuning_seconds, "
        "tuning_optimism, select@N and SPLIT.METRIC@N."
    )


def lead_with_classes(columns: Sequence[Column], level: str) -> tuple[Column, ...]:
    """Put AUROC and its kin first, as a table of binary labels has it; columns that name any stay as they are.

    Examples
    --------
    >>> [column.name for column in lead_with_classes([parse("test.mae", "recording")], "recording")]
    ['test.auroc', 'test.brier', 'test.sensitivity', 'test.specificity', 'test.mae']
    """
    if any(column.metric and split_name(column.metric) for column in columns):
        return tuple(columns)
    splits = [split for split in ("test", "dev") if any(column.name == f"{split}.mae" for column in columns)]
    lead = [parse(f"{split}.{metric}", level) for split in splits for metric in _LEAD]
    return (*lead, *columns)


def _metric(name: str, split: str, level: str, metric: str, label: str, arrow: str) -> Column:
    def at(result: Result, which: str) -> Any:
        values = result.metrics.get(which, {}).get(level, {})
        if metric in METRICS or metric == "spearman":
            return values.get(metric, MISSING)
        found = read_class_metric(values, metric, result.scale.whole)
        return MISSING if found is None else found[0]

    def gap(result: Result) -> Any:
        dev, test = at(result, "dev"), at(result, "test")
        if dev is MISSING or test is MISSING:
            return MISSING
        return None if dev is None or test is None else test - dev

    is_gap = split == "gap"

    def show(values: Values, runs: Sequence[Run]) -> str:
        return spread(summarise(values.values()), sign=is_gap)

    heading = f"Gap {label}" if is_gap else f"{split.capitalize()} {label}{arrow}"
    return Column(name, heading, gap if is_gap else lambda result: at(result, split), show, metric)


def _plain(name: str, heading: str, path: str, show: Callable[[Values, Sequence[Run]], str]) -> Column:
    def read(result: Result) -> Any:
        value: Any = result
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part)
            if value is None:
                return MISSING
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
    """The range of epochs, and how many runs stopped while dev still improved."""
    stopped_early = sum(run.result.training.converged is False for run in runs)
    some = "" if stopped_early == len(runs) else f" ({stopped_early} of {len(runs)})"
    return _range(values, runs) + (f", not converged{some}" if stopped_early else "")


def _converged(values: Values, runs: Sequence[Run]) -> str:
    yes = sum(value == 1 for value in values.values())
    return {0: "no", len(values): "yes"}.get(yes, f"{yes} of {len(values)}")


def _energy() -> Column:
    """Energy of one scoring; "not measurable here" without a readable counter."""

    def read(result: Result) -> Any:
        return MISSING if result.cost.latency_ms is None else result.cost.energy_mj

    def show(values: Values, runs: Sequence[Run]) -> str:
        mean = summarise(values.values()).mean
        return "not measurable here" if mean is None else f"{mean:.3g}"

    return Column("energy", "Energy (mJ)", read, show)


def _frame_latency() -> Column:
    """Latency of a head per frame of video: that of a window divided by the hop."""

    def read(result: Result) -> Any:
        latency, hop = result.cost.latency_ms, result.config.get("protocol", {}).get("hop")
        return MISSING if latency is None or not hop or result.kind != "head" else latency / hop

    return Column("frame_latency", "Head ms/frame", read, _mean(lambda value: f"{value:.2g}"))


def _clip_share() -> Column:
    """The share of each clip that was read, in %."""

    def read(result: Result) -> Any:
        return 100 * float((result.config.get("amount") or {}).get("clip_share", 1.0))

    return Column("clip_share", "Of each clip (%)", read, _range)


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
        _plain("reach", "Reach (frames)", "training.reach", _range),
        _plain("converged", "Converged", "training.converged", _converged),
        _plain("train_people", "Training people", "cohort.people.train", _range),
        _clip_share(),
        _plain("dim", "D", "features.dim", _range),
        _plain("coverage", "Coverage", "features.coverage", _mean(lambda value: f"{fixed(100 * value, 0)} %")),
    )
}
