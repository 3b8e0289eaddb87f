"""Figures of a report, drawn with matplotlib: the same for the page, for PNG and for PDF."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lfnet.evaluation.calibration import calibration_bins
from lfnet.evaluation.class_metrics import CLASS_METRICS
from lfnet.evaluation.estimates import EvidenceSettings, too_few
from lfnet.evaluation.metrics import METRICS
from lfnet.reports.figure_data import Budget, Drawn, Part

__all__ = ["FIGURES", "INK", "draw"]

INK = "#123456"  # what is text or axis: the page replaces it by the colour of its own text
_GREY = "#8a8a8a"
# Okabe and Ito's colours, distinguishable for the colour-blind and readable on light and on dark ground.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a800", "#8a8a8a")
_ACROSS = 4
_MOST = 12  # rows of a figure of small multiples
_MIN_PEOPLE = EvidenceSettings().min_people


def draw(figure: str, part: Part, ink: str = INK) -> Any:
    """The matplotlib Figure called `figure` (of FIGURES) of one section; None where there is nothing to draw.

    ink: the colour of text and axes.
    """
    from matplotlib import rc_context

    style: Any = {
        "font.size": 9,
        "font.family": "sans-serif",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": ink,
        "axes.labelcolor": ink,
        "axes.titlesize": 9,
        "axes.titlecolor": ink,
        "text.color": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "legend.frameon": False,
    }
    with rc_context(style):
        return FIGURES[figure][1](part)


def _new(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def _forest(part: Part) -> Any:
    """Test MAE, of binary labels AUROC, of every row and reference with its interval."""
    lines = [] if part.intervals is None else part.intervals.data["rows"]
    metric = "auroc" if part.binary else "mae"
    shown = [(line["row"], line["estimates"][metric]) for line in lines if line["estimates"].get(metric)]
    shown = [(name, mae) for name, mae in shown if mae["value"] is not None]
    if not shown:
        return None
    models = 0 if part.intervals is None else part.intervals.models
    figure = _new(7.2, 0.9 + 0.26 * len(shown))
    axis = figure.subplots()
    for place, (_, mae) in enumerate(shown):
        colour = _COLOURS[0] if place < models else _GREY
        low, high = mae.get("low", mae["value"]), mae.get("high", mae["value"])
        axis.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot(mae["value"], place, "o" if place < models else "D", color=colour, markersize=5)
    axis.set_yticks(range(len(shown)), [name for name, _ in shown])
    axis.invert_yaxis()
    axis.grid(axis="x", color=_GREY, alpha=0.3)
    axis.set_xlabel("AUROC on test" if part.binary else f"MAE on test, {part.scale} points")
    return figure


def _reliability(part: Part) -> Any:
    """Of binary labels, the observed share of positives against the predicted one, in bins, with 95 % intervals."""
    if not part.binary:
        return None

    def panel(axis: Any, row: Drawn) -> None:
        axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
        bins = calibration_bins(row.label_N > 0.5, row.score_N, row.person_N)
        if not bins:
            people = len(set(row.person_N))
            text = "one probability" if people >= 2 * _MIN_PEOPLE else too_few(people)
            axis.text(0.5, 0.97, text, transform=axis.transAxes, ha="center", va="top")
            return
        predicted, observed, low, high = np.array([one[:4] for one in bins]).T
        error = np.maximum([observed - low, high - observed], 0)
        axis.errorbar(predicted, observed, yerr=error, fmt="o-", color=_COLOURS[0], markersize=4, linewidth=1)
        axis.set(xlim=(0, 1), ylim=(0, 1))

    return _multiples(part, panel, "predicted probability", "share of positives")


def _multiples(
    part: Part,
    panel: Callable[[Any, Any], None],
    x: str,
    y: str,
    rows: Sequence[Drawn | Budget] | None = None,
    *,
    share_y: bool = True,
) -> Any:
    """One panel for each row, of those with scores unless `rows` are given."""
    rows = ([row for row in part.rows if len(row.label_N)] if rows is None else rows)[:_MOST]
    side = 2.3
    if not rows:
        return None
    across = min(_ACROSS, len(rows))
    down = -(-len(rows) // across)
    figure = _new(0.5 + side * across, 0.5 + side * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=share_y).ravel()
    for axis, row in zip(axes, rows, strict=False):
        panel(axis, row)
        axis.set_title(row.name)
    for axis in axes[len(rows) :]:
        axis.set_visible(False)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    return figure


def _bands(axis: Any, part: Part) -> None:
    for number, (_, low, high) in enumerate(part.bands):
        if number % 2:
            axis.axvspan(low - 0.5, high + 0.5, color=_GREY, alpha=0.15, linewidth=0)


def _predicted(part: Part) -> Any:
    """Score against label, bands of severity shaded, the line of equality."""

    def panel(axis: Any, row: Drawn) -> None:
        _bands(axis, part)
        axis.plot([part.low, part.high], [part.low, part.high], color=_GREY, linewidth=0.8)
        axis.plot(row.label_N, row.score_N, "o", color=_COLOURS[0], alpha=0.6, markersize=3, markeredgewidth=0)

    return _multiples(part, panel, f"label, {part.scale} points", "score (mean over seeds)")


def _few(person_N: np.ndarray) -> bool:
    """Whether so few people support neither limits nor an error bar."""
    return len(set(person_N)) < _MIN_PEOPLE


def _agreement(part: Part) -> Any:
    """Bland and Altman (1986): the difference of score and label over their mean, with its mean ± 1.96 SD."""

    def panel(axis: Any, row: Drawn) -> None:
        apart = row.score_N - row.label_N
        axis.plot((row.score_N + row.label_N) / 2, apart, "o", color=_COLOURS[0], alpha=0.6, markersize=3, mew=0)
        axis.axhline(0, color=_GREY, linewidth=0.6)
        if _few(row.person_N):
            axis.text(0.5, 0.97, too_few(len(set(row.person_N))), transform=axis.transAxes, ha="center", va="top")
            return
        mean, sd = apart.mean(), apart.std(ddof=1)
        axis.axhline(mean, color=_COLOURS[1], linewidth=1)
        for limit in (mean - 1.96 * sd, mean + 1.96 * sd):
            axis.axhline(limit, color=_COLOURS[1], linewidth=0.8, linestyle="--")

    return _multiples(part, panel, f"mean of score and label, {part.scale} points", "score − label")


def _residuals(part: Part) -> Any:
    """Mean error in each band of severity: a model that has learnt nothing errs down a straight line."""
    rows = [row for row in part.rows if len(row.label_N)]
    if not rows or not part.bands:
        return None
    figure = _new(7.2, 3.0)
    axis = figure.subplots()
    width = 0.8 / len(rows)
    for number, row in enumerate(rows):
        for place, (_, low, high) in enumerate(part.bands):
            within = (row.label_N >= low) & (row.label_N <= high)
            own = (row.score_N - row.label_N)[within]
            if not len(own):
                continue
            at = place - 0.4 + width * (number + 0.5)
            colour = _COLOURS[number % len(_COLOURS)]
            error = None if _few(row.person_N[within]) else own.std(ddof=1) / np.sqrt(len(own))
            axis.errorbar(
                at, own.mean(), yerr=error, fmt="o", color=colour, markersize=4, label=row.name if place == 0 else None
            )
    counts = [((rows[0].label_N >= low) & (rows[0].label_N <= high)).sum() for _, low, high in part.bands]
    axis.set_xticks(
        range(len(part.bands)),
        [f"{name}\n{low:g}–{high:g}, n = {n}" for (name, low, high), n in zip(part.bands, counts, strict=True)],
    )
    axis.axhline(0, color=_GREY, linewidth=0.8)
    axis.set_ylabel(f"score − label, {part.scale} points")
    _legend(figure, axis)
    return figure


def _courses(part: Part) -> Any:
    """Dev MAE after each epoch of every run; the dot is the epoch that was kept.

    Protocols choose the epoch by windows or by recordings, whose errors do not compare: each has a scale of its own.
    """
    rows = [row for row in part.rows if row.courses]
    kinds = list(dict.fromkeys(row.courses[0].of for row in rows))

    def panel(axis: Any, row: Drawn) -> None:
        colour = _COLOURS[kinds.index(row.courses[0].of) % len(_COLOURS)]
        for course in row.courses:
            axis.plot(np.arange(1, len(course.mae_E) + 1), course.mae_E, color=colour, linewidth=1, alpha=0.8)
            if course.best and course.best <= len(course.mae_E):
                axis.plot(course.best, course.mae_E[course.best - 1], "o", color=colour, markersize=4)
        axis.grid(axis="y", color=_GREY, alpha=0.3)

    if len(kinds) == 1:
        return _multiples(part, panel, "epoch", f"MAE of {kinds[0]}, {part.scale} points", rows=rows)
    figure = _multiples(part, panel, "epoch", f"MAE, {part.scale} points", rows=rows, share_y=False)
    if figure is not None:
        shown = list(zip(figure.axes, rows, strict=False))
        for kind in kinds:
            own = [axis for axis, row in shown if row.courses[0].of == kind]
            low, high = min(axis.get_ylim()[0] for axis in own), max(axis.get_ylim()[1] for axis in own)
            for axis in own:
                axis.set_ylim(low, high)
                axis.set_ylabel(kind, fontsize=8)
    return figure


def _seeds(part: Part) -> Any:
    """Test MAE against dev MAE of every run: how much seeds differ, and whether dev predicts test."""
    rows = [(row, [seed for seed in row.seeds if None not in seed]) for row in part.rows]
    rows = [(row, seeds) for row, seeds in rows if seeds]
    if not rows:
        return None
    figure = _new(7.2, 3.6)
    axis = figure.subplots()
    for number, (row, seeds) in enumerate(rows):
        dev, test = np.array(seeds, float).T
        marker = "os^Dv"[number // len(_COLOURS) % 5]
        axis.plot(dev, test, marker, color=_COLOURS[number % len(_COLOURS)], markersize=5, alpha=0.8, label=row.name)
    axis.axline((axis.get_xlim()[0],) * 2, slope=1, color=_GREY, linewidth=0.8)
    axis.set_xlabel(f"dev MAE, {part.scale} points")
    axis.set_ylabel("test MAE")
    axis.grid(color=_GREY, alpha=0.3)
    _legend(figure, axis)
    return figure


def _coverage(part: Part) -> Any:
    """The share of test labels within their intervals against the intervals' level: below the diagonal they are too
    narrow.
    """
    rows = [row for row in part.rows if row.curves][:_MOST]
    if not rows:
        return None
    kinds = list(dict.fromkeys(curve.kind for row in rows for curve in row.curves))
    across = min(_ACROSS, len(rows))
    down = -(-len(rows) // across)
    figure = _new(2.2 + 2.3 * across, 0.5 + 2.3 * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, row in zip(axes, rows, strict=False):
        axis.plot([0.5, 1], [0.5, 1], color=_GREY, linewidth=0.8)
        for curve in row.curves:
            colour = _COLOURS[kinds.index(curve.kind) % len(_COLOURS)]
            axis.plot(curve.level_L, curve.coverage_L, ".-", color=colour, linewidth=1, label=curve.kind)
        axis.set_ylim(0, 1)
        axis.set_title(row.name)
    for axis in axes[len(rows) :]:
        axis.set_visible(False)
    figure.supxlabel("level of the interval", fontsize=9)
    figure.supylabel("share of labels within", fontsize=9)
    handles = {text: line for axis in axes for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside right upper", fontsize=8)
    return figure


def _budget(part: Part) -> Any:
    """The best so far after each trial of tuning: by the metric that chooses (dashed), and on test."""
    if not part.budgets:
        return None

    def panel(axis: Any, row: Budget) -> None:
        trials = np.arange(1, len(row.select_K) + 1)
        axis.step(trials, row.select_K, where="post", color=_COLOURS[0], linestyle="--", label="chooses")
        axis.step(trials, row.test_K, where="post", color=_COLOURS[1], label="test")
        axis.grid(axis="y", color=_GREY, alpha=0.3)

    metric = part.budgets[0].metric
    unit = "" if metric in ("pcc", "ccc", "auroc") else f", {part.scale} points"
    label = METRICS[metric].label if metric in METRICS else CLASS_METRICS[metric].label
    figure = _multiples(part, panel, "trials", f"{label}{unit}", rows=part.budgets)
    _legend(figure, figure.axes[0])
    return figure


def _legend(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)


def _pooled(part: Part) -> Any:
    """Each cohort's difference with its interval, the pooled one as a diamond, and the interval of a new cohort."""
    lines = [(block.data["pooled"], line) for block in part.pooled for line in block.data["rows"]]
    if not lines:
        return None
    heights = [len(line["cohorts"]) + 1.6 for _, line in lines]
    figure = _new(7.2, 0.7 + 0.24 * sum(heights) + 0.35 * len(lines))
    axes = figure.subplots(len(lines), 1, squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axis, (question, line) in zip(axes, lines, strict=True):
        cohorts, end = line["cohorts"], len(line["cohorts"])
        heaviest = max(one["weight"] for one in cohorts)
        for place, one in enumerate(cohorts):
            axis.plot([one.get("low", one["value"]), one.get("high", one["value"])], [place] * 2, color=_GREY)
            axis.plot(one["value"], place, "s", color=_COLOURS[0], markersize=3 + 4 * one["weight"] / heaviest)
        axis.plot([line["predicted_low"], line["predicted_high"]], [end] * 2, color=_COLOURS[1], linewidth=1)
        diamond = [line["low"], line["effect"], line["high"], line["effect"]]
        axis.fill(diamond, [end, end - 0.3, end, end + 0.3], color=_COLOURS[1])
        axis.axvline(0, color=_GREY, linewidth=0.8)
        axis.set_yticks(range(end + 1), [*(one["cohort"] for one in cohorts), "pooled; line: a new cohort"])
        axis.invert_yaxis()
        axis.set_title(f"{line['row']}, {question}", loc="left")
    axes[-1].set_xlabel(f"difference in MAE, {part.scale} points (below 0: the row is better)")
    return figure


Figures = dict[str, tuple[str, Callable[[Part], Any]]]

FIGURES: Figures = {
    "forest": ("Test MAE, of binary labels AUROC, with its interval", _forest),
    "pooled": ("Differences over cohorts", _pooled),
    "reliability": (
        "Reliability: observed against predicted shares of positives",
        _reliability,
    ),
    "predicted": ("Predicted against true", _predicted),
    "agreement": ("Bland-Altman: agreement of score and label", _agreement),
    "residuals": ("Error by band of severity", _residuals),
    "courses": ("Learning curves", _courses),
    "seeds": ("Seeds: test against dev", _seeds),
    "budget": ("Tuning: the best so far by number of trials", _budget),
    "coverage": ("Calibration: how often intervals contain the label", _coverage),
}
