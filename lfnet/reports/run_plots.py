"""Figures of runs: learning curves, seeds, budgets of tuning, and coverage of intervals."""

from typing import Any

import numpy as np

from lfnet.drawing import COLOURS, GREY, add_texts, look, new_figure
from lfnet.evaluation.class_metrics import CLASS_METRICS
from lfnet.evaluation.metrics import METRICS
from lfnet.reports.figure_data import Budget, Drawn, Part
from lfnet.reports.headlines import describe, few
from lfnet.reports.panels import draw_panels, left_out
from lfnet.tables.formatting import fixed
from lfnet.text import plural

__all__ = ["budget", "courses", "coverage", "seeds"]

_SAID = 0.9  # the level whose coverage the headline gives
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def courses(part: Part) -> Any:
    """Dev MAE after each epoch of every run; the dot is the epoch that was kept.

    Protocols choose the epoch by windows or by recordings, whose errors do not compare: each has a scale of its own.
    """
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in part.rows if row.courses]
    kinds = list(dict.fromkeys(row.courses[0].of for row in rows))

    def panel(axis: Any, row: Drawn) -> None:
        colour = COLOURS[kinds.index(row.courses[0].of) % len(COLOURS)]
        for course in row.courses:
            axis.plot(np.arange(1, len(course.mae_E) + 1), course.mae_E, color=colour, linewidth=0.8)
            if course.best and course.best <= len(course.mae_E):
                axis.plot(course.best, course.mae_E[course.best - 1], "o", color=colour, markersize=4)
        axis.grid(axis="y", color=GREY, alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))

    one = len(kinds) == 1
    figure = draw_panels(rows, panel, "epoch", f"MAE of {kinds[0]}" if one else "", share_y=one)
    if figure is None:
        return None
    if not one:
        shown = [(axis, row.courses[0].of) for axis, row in zip(figure.axes, rows, strict=False)]
        for kind in kinds:
            own = [axis for axis, of in shown if of == kind]
            low, high = min(axis.get_ylim()[0] for axis in own), max(axis.get_ylim()[1] for axis in own)
            for axis in own:
                axis.set_ylim(low, high)
                axis.set_ylabel(f"MAE of {kind}", fontsize=8)
    known = [course.converged for row in rows for course in row.courses if course.converged is not None]
    headline = "Dev MAE after each epoch."
    if known:
        headline = f"Dev MAE had stopped improving in {sum(known)} of {plural(len(known), 'run')} when training ended."
    foot = f"{describe(part, [])} {part.scale} points; a line a seed; dot: the epoch that is kept.".strip()
    if not one:
        foot += f" Errors of {' and of '.join(kinds)} do not compare: each has a scale of its own."
    add_texts(figure, headline, foot + left_out(rows))
    return figure


def seeds(part: Part) -> Any:
    """Test MAE against dev MAE of every run: how much seeds differ, and whether dev predicts test."""
    rows = [(row, [seed for seed in row.seeds if None not in seed]) for row in part.rows]
    rows = [(row, seeds) for row, seeds in rows if seeds]
    if not rows:
        return None
    figure = new_figure(7.2, 3.8)
    axis = figure.subplots()
    handles, spans = {}, {}
    for number, (row, found) in enumerate(rows):
        dev, test = np.array(found, float).T
        (handles[row.name],) = axis.plot(dev, test, **look(number), linestyle="", markersize=5, alpha=0.8)
        spans[row.name] = test.max() - test.min()
    axis.axline((axis.get_xlim()[0],) * 2, slope=1, color=GREY, linewidth=0.8)
    axis.set_xlabel(f"dev MAE, {part.scale} points")
    axis.set_ylabel(f"test MAE, {part.scale} points")
    axis.grid(color=GREY, alpha=0.3)
    widest = max(spans, key=lambda name: spans[name])
    headline = "Test MAE against dev MAE."
    if any(len(found) > 1 for _, found in rows):
        headline = f"Between seeds of one row, test MAE differs by up to {fixed(spans[widest], 1)} points ({widest})."
    foot = f"{describe(part, [row for row, _ in rows])} A point a run; line: test MAE = dev MAE."
    add_texts(figure, headline, foot, handles)
    return figure


def coverage(part: Part) -> Any:
    """The share of test labels within their intervals against the intervals' level: below the diagonal they are too
    narrow.
    """
    rows = [row for row in part.rows if row.curves]
    kinds = list(dict.fromkeys(curve.kind for row in rows for curve in row.curves))
    handles = {}

    def panel(axis: Any, row: Drawn) -> None:
        axis.plot([0.5, 1], [0.5, 1], color=GREY, linewidth=0.8)
        for curve in row.curves:
            number = kinds.index(curve.kind)
            # Curves that coincide: each is smaller than the one below it, which stays visible.
            style = {
                **look(number),
                "linestyle": _DASHES[number % len(_DASHES)],
                "linewidth": max(0.8, 2.2 - 0.4 * number),
            }
            style |= {
                "markersize": max(2.0, 6.5 - 1.3 * number),
                "markerfacecolor": "none" if number % 2 == 0 else None,
            }
            (handles[curve.kind],) = axis.plot(curve.level_L, curve.coverage_L, **style)
        axis.set_ylim(0, 1.03)

    figure = draw_panels(rows, panel, "level of the interval", "share of labels within")
    if figure is None:
        return None
    said = []
    for kind in kinds if not any(few(row.person_N) for row in rows) else ():
        found = [curve.at(_SAID) for row in rows for curve in row.curves if curve.kind == kind]
        shares = [100 * one[0] for one in found if one is not None]
        if shares:
            low, high = fixed(min(shares), 0), fixed(max(shares), 0)
            said.append(f"{kind}: {low} %" if low == high else f"{kind}: {low}–{high} %")
    headline = (
        f"Labels within intervals of {100 * _SAID:g} %: {'; '.join(said)}."
        if said
        else "Share of labels within intervals, by their level."
    )
    foot = f"{describe(part, rows)} Diagonal: as many as the level says; below it intervals are too narrow."
    conformal = any("conformal" in kind for kind in kinds)
    foot += " Conformal intervals reach their level by construction: rows differ in the width." * conformal
    add_texts(figure, headline, foot + left_out(rows), {kind: handles[kind] for kind in kinds if kind in handles})
    return figure


def budget(part: Part) -> Any:
    """The best so far after each trial of tuning: by the metric that chooses (dashed), and on test."""
    if not part.budgets:
        return None
    handles = {}

    def panel(axis: Any, row: Budget) -> None:
        trials = np.arange(1, len(row.select_K) + 1)
        (handles["by which it chooses"],) = axis.step(
            trials, row.select_K, where="post", color=COLOURS[0], linestyle="--"
        )
        (handles["test"],) = axis.step(trials, row.test_K, where="post", color=COLOURS[1])
        axis.grid(axis="y", color=GREY, alpha=0.3)

    metric = part.budgets[0].metric
    unit = "" if metric in ("pcc", "ccc", "auroc") else ", points"
    label = METRICS[metric].label if metric in METRICS else CLASS_METRICS[metric].label
    figure = draw_panels(part.budgets, panel, "trials", f"{label}{unit}")
    foot = f"{describe(part)} {part.scale}; means over seeds, without intervals.{left_out(part.budgets)}"
    add_texts(figure, f"The best {label} so far by the number of trials of tuning.", foot, handles)
    return figure
