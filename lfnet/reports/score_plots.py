"""Figures of scores and labels: one against the other, agreement, errors by band, and reliability."""

from typing import Any

import numpy as np

from lfnet.drawing import COLOURS, GREY, add_texts, look, new_figure
from lfnet.evaluation.calibration import calibration_bins
from lfnet.evaluation.estimates import Estimate, too_few
from lfnet.evaluation.mean_error import mean_error
from lfnet.reports.figure_data import Drawn, Part
from lfnet.reports.headlines import MIN_PEOPLE, describe, few, of_bands, of_correlations, of_differences
from lfnet.reports.panels import draw_panels, left_out

__all__ = ["agreement", "predicted", "reliability", "residuals"]

_POINT = {"marker": "o", "linestyle": "", "color": COLOURS[0], "alpha": 0.8, "markersize": 3, "markeredgewidth": 0}
_EACH = "95 % intervals over people, each by itself"


def _scored(part: Part) -> list[Drawn]:
    return [row for row in part.rows if len(row.label_N)]


def predicted(part: Part) -> Any:
    """Score against label, bands of severity shaded, the line of equality."""
    rows = _scored(part)

    def panel(axis: Any, row: Drawn) -> None:
        for number, (_, low, high) in enumerate(part.bands):
            if number % 2:
                axis.axvspan(low - 0.5, high + 0.5, color=GREY, alpha=0.15, linewidth=0)
        axis.plot([part.low, part.high], [part.low, part.high], color=GREY, linewidth=0.8)
        axis.plot(row.label_N, row.score_N, **_POINT)

    figure = draw_panels(rows, panel, "label, points", "score, points")
    if figure is None:
        return None
    foot = f"{describe(part)} {part.scale}; score: the mean over seeds; line: score = label."
    if part.bands:
        bands = ", ".join(f"{name} {low:g}–{high:g}" for name, low, high in part.bands)
        foot += f" Every other band is shaded: {bands}."
    add_texts(figure, of_correlations(part) or "Score against label of each recording.", foot + left_out(rows))
    return figure


def agreement(part: Part) -> Any:
    """Bland and Altman (1986): the difference of score and label over their mean, with its mean ± 1.96 SD."""
    rows = _scored(part)
    found = [mean_error(row.score_N - row.label_N, row.person_N, min_people=MIN_PEOPLE) for row in rows]

    def panel(axis: Any, row: Drawn) -> None:
        apart = row.score_N - row.label_N
        axis.plot((row.score_N + row.label_N) / 2, apart, **_POINT)
        axis.axhline(0, color=GREY, linewidth=0.6)
        if few(row.person_N):
            _write(axis, too_few(len(set(row.person_N.tolist()))))
            return
        mean, sd = apart.mean(), apart.std(ddof=1)
        axis.axhline(mean, color=COLOURS[1], linewidth=1)
        for limit in (mean - 1.96 * sd, mean + 1.96 * sd):
            axis.axhline(limit, color=COLOURS[1], linewidth=0.8, linestyle="--")

    figure = draw_panels(rows, panel, "mean of both, points", "score − label, points")
    if figure is None:
        return None
    foot = f"{describe(part)} {part.scale}; score: the mean over seeds. Lines: mean difference ± 1.96 SD (limits of "
    foot += f"agreement); the headline counts {_EACH}."
    add_texts(figure, of_differences(found) or "Differences of score and label.", foot + left_out(rows))
    return figure


def residuals(part: Part) -> Any:
    """Mean error in each band of severity: a model that has learnt nothing errs down a straight line."""
    rows = _scored(part)
    if not rows or not part.bands:
        return None
    figure = new_figure(7.2, 3.2 if len(rows) <= 12 else 4.2)
    axis = figure.subplots()
    width = 0.8 / len(rows)
    found: list[dict[str, Estimate]] = []
    handles = {}
    for number, row in enumerate(rows):
        found.append({})
        style = {**look(number), "linestyle": "", "markersize": 4 if len(rows) > 8 else 5}
        handles[row.name] = axis.plot([], [], **style)[0]
        for place, (name, low, high) in enumerate(part.bands):
            within = (row.label_N >= low) & (row.label_N <= high)
            own = mean_error((row.score_N - row.label_N)[within], row.person_N[within], min_people=MIN_PEOPLE)
            found[-1][name] = own
            if own.value is None:
                continue
            at = place - 0.4 + width * (number + 0.5)
            ends = own.interval
            error = None if ends is None else [[own.value - ends.low], [ends.high - own.value]]
            axis.errorbar(at, own.value, yerr=error, elinewidth=1, **style)
    counts = [((rows[0].label_N >= low) & (rows[0].label_N <= high)).sum() for _, low, high in part.bands]
    axis.set_xticks(
        range(len(part.bands)),
        [f"{name}\n{low:g}–{high:g}, n = {n}" for (name, low, high), n in zip(part.bands, counts, strict=True)],
    )
    axis.set_xlim(-0.5, len(part.bands) - 0.5)
    for edge in range(1, len(part.bands)):
        axis.axvline(edge - 0.5, color=GREY, linewidth=0.5, alpha=0.5)
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_ylabel(f"score − label, {part.scale} points")
    foot = (
        f"{describe(part)} Score: the mean over seeds; n: recordings. Bars: {_EACH}; none for fewer than {MIN_PEOPLE} "
    )
    add_texts(
        figure, of_bands(part, found) or "Mean error in each band of severity.", foot + "people in a band.", handles
    )
    return figure


def reliability(part: Part) -> Any:
    """Of binary labels, the observed share of positives against the predicted one, in bins, with 95 % intervals."""
    rows = _scored(part)
    if not part.binary or not rows:
        return None
    found = [calibration_bins(row.label_N > 0.5, row.score_N, row.person_N) for row in rows]
    of = dict(zip([id(row) for row in rows], found, strict=True))

    def panel(axis: Any, row: Drawn) -> None:
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        bins = of[id(row)]
        if not bins:
            people = len(set(row.person_N.tolist()))
            _write(axis, "one probability" if people >= 2 * MIN_PEOPLE else too_few(people))
            return
        predicted, observed, low, high = np.array([one[:4] for one in bins]).T
        error = np.maximum([observed - low, high - observed], 0)
        axis.errorbar(predicted, observed, yerr=error, fmt="o-", color=COLOURS[0], markersize=4, linewidth=1)
        axis.set(xlim=(0, 1), ylim=(0, 1))

    figure = draw_panels(rows, panel, "predicted probability", "share of positives")
    measured = [bins for bins in found if bins]
    off = sum(any(not one.low <= one.predicted <= one.high for one in bins) for bins in measured)
    headline = "Share of positives against the predicted probability."
    if measured:
        headline = f"In {off} of {len(measured)} rows some bin's interval does not include the predicted probability."
    foot = f"{describe(part)} Probability: the mean over seeds. Bars: {_EACH}, of bins of equal size; line: both agree."
    add_texts(figure, headline, foot + left_out(rows))
    return figure


def _write(axis: Any, text: str) -> None:
    axis.text(0.5, 0.97, text, transform=axis.transAxes, ha="center", va="top", fontsize=8)
