"""Columns of tuned rows: trials, their cost, the budget curve, and the optimism of tuning.

`test.mae@5` is the test MAE of the settings that dev would have chosen after five trials. Test was opened when the last
trial had ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lfnet.evaluation.class_metrics import SELECTION
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.predictions import LEVELS
from lfnet.evaluation.replicates import summarise
from lfnet.runs.result import Result
from lfnet.runs.run import MISSING, Run
from lfnet.tables.formatting import amount, span, spread
from lfnet.tables.optimism import LEVEL, mean_over_runs
from lfnet.tables.table import Column, Values

__all__ = ["budget_curve", "tuning_column", "tuning_meanings"]

_SELECT, _OPTIMISM = "select", "tuning_optimism"
_SPLITS = ("dev", "test")


def tuning_column(name: str, level: str) -> Column | None:
    """The column called `name`; None for a name of another kind.

    Parameters
    ----------
    name : str
        trials, best_trial, tuning_seconds, tuning_optimism; or, after N trials, select@N (the metric that chooses) and
        SPLIT.METRIC@N with SPLIT dev or test.
    level : "window", "clip" or "recording"
        The level of SPLIT.METRIC.

    Examples
    --------
    >>> tuning_column("test.mae@5", "recording").heading
    'Test MAE @5'
    >>> tuning_column("test.mae", "recording") is None
    True
    """
    if name in _PLAIN:
        return _PLAIN[name]
    what, at, number = name.partition("@")
    if not at or not number.isascii() or not number.isdigit() or int(number) < 1:
        return None
    trials = int(number)
    if what == _SELECT:
        return _budget(name, f"Select @{trials}", trials, lambda point: point["value"])
    split, _, metric = what.partition(".")
    if split not in _SPLITS or metric not in METRICS or level not in LEVELS:
        return None

    def read(point: dict[str, Any]) -> Any:
        return point["metrics"].get(split, {}).get(level, {}).get(metric, MISSING)

    return _budget(name, f"{split.capitalize()} {METRICS[metric].label} @{trials}", trials, read)


def _budget(name: str, heading: str, trials: int, value: Any) -> Column:
    def read(result: Result) -> Any:
        tuning = result.tuning
        if tuning is None or tuning["trials"] < trials:
            return MISSING
        return value([point for point in tuning["curve"] if point["trial"] <= trials][-1])

    def show(values: Values, runs: Sequence[Run]) -> str:
        return spread(summarise(values.values()))

    return Column(name, heading, read, show)


def _of_tuning(name: str, heading: str, show: Any) -> Column:
    def read(result: Result) -> Any:
        return MISSING if result.tuning is None else float(result.tuning[name.removeprefix("tuning_")])

    return Column(name, heading, read, show)


def _range(values: Values, runs: Sequence[Run]) -> str:
    return span([value for value in values.values() if value is not None])


def _mean(values: Values, runs: Sequence[Run]) -> str:
    return amount(summarise(values.values()).mean or 0.0)


def _trials(values: Values, runs: Sequence[Run]) -> str:
    """The trials of a run, and how many of all runs failed or collapsed."""
    tuned = [run.result.tuning for run in runs if run.result.tuning is not None]
    total = sum(tuning["trials"] for tuning in tuned)
    counts = {name: sum(tuning[name] for tuning in tuned) for name in ("failed", "collapsed")}
    faults = [f"{count} {name}" for name, count in counts.items() if count]
    text = _range(values, runs)
    return f"{text} (of {total}: {', '.join(faults)})" if faults else text


def _on_test(point: Mapping[str, Any], select: Mapping[str, str]) -> Any:
    """The metric that chooses, on test, of a point of the budget curve; None where it is undefined."""
    return point["metrics"].get("test", {}).get(select["level"], {}).get(select["metric"])


def _optimism(result: Result) -> Any:
    """How much more tuning improved the metric that chooses than the same metric on test; in its own units."""
    tuning = result.tuning
    if tuning is None:
        return MISSING
    select, first, last = tuning["select"], tuning["curve"][0], tuning["curve"][-1]
    sign = 1 if SELECTION[select["metric"]] == "lower" else -1
    values = (first["value"], last["value"], _on_test(first, select), _on_test(last, select))
    if any(value is None for value in values):
        return None
    return sign * ((values[0] - values[1]) - (values[2] - values[3]))


def _interval(values: Values, runs: Sequence[Run]) -> str:
    return mean_over_runs([value for value in values.values() if value is not None])


_PLAIN = {
    column.name: column
    for column in (
        _of_tuning("trials", "Trials", _trials),
        _of_tuning("best_trial", "Best trial", _range),
        _of_tuning("tuning_seconds", "Tuning s", _mean),
        Column(_OPTIMISM, f"Optimism of tuning [{100 * LEVEL:g} %]", _optimism, _interval),
    )
}


def tuning_meanings(names: set[str]) -> Iterator[str]:
    """Yield what the columns among `names` mean, for the foot of a table."""
    if "trials" in names:
        yield (
            "Trials: fits with other settings, the first with the settings as given; dev chose the best. Failed and "
            "collapsed ones count."
        )
    if "tuning_seconds" in names:
        yield "Tuning s: all trials of a run, and the last fit of the settings that were chosen."
    if any("@" in name for name in names):
        yield (
            "@N: of the settings that led after N trials; Select is the metric that chooses, on the labels that the "
            "protocol chooses by. Test was opened after the last trial."
        )
    if _OPTIMISM in names:
        yield (
            "Optimism of tuning: by how much more tuning improved the metric that chooses than the same metric on "
            f"test, from the first trial to the chosen one, with Student's {100 * LEVEL:g} % interval over the row's "
            "runs."
        )


def budget_curve(result: Result) -> list[tuple[int, float | None, float | None]]:
    """(trial, metric that chooses, the same metric on test) of each trial that led; none without tuning.

    Examples
    --------
    >>> budget_curve(runs[0].result)  # runs: a RunCollection
    []
    """
    tuning = result.tuning
    if tuning is None:
        return []
    return [(point["trial"], point["value"], _on_test(point, tuning["select"])) for point in tuning["curve"]]
