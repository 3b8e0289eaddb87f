"""Forest plots: a metric of each row with its interval, and differences pooled over cohorts."""

from collections.abc import Mapping
from typing import Any

from lfnet.drawing import COLOURS, GREY, add_texts, new_figure
from lfnet.reports.figure_data import Part
from lfnet.reports.headlines import describe, of_comparisons, of_pooled
from lfnet.tables.formatting import fixed

__all__ = ["forest", "pooled"]

_CONSTANT = "train median"
_CHANCE = 0.5  # AUROC of scores that know nothing
_LINE = 0.22  # inches a row
# Kind of row → colour, marker, name in the foot.
_KINDS = {
    "model": (COLOURS[0], "o", "circles: models"),
    "control": (COLOURS[1], "s", "squares: controls"),
    "reference": (GREY, "D", "diamonds: references"),
}


def forest(part: Part) -> Any:
    """The main metric of every row and reference on test, with its interval."""
    lines = [] if part.intervals is None else part.intervals.data["rows"]
    metric, digits = ("auroc", 2) if part.binary else ("mae", 1)
    models = 0 if part.intervals is None else part.intervals.models
    shown = [
        (line["row"], _kind(part, line["row"], place < models), line["estimates"][metric])
        for place, line in enumerate(lines)
        if line["estimates"].get(metric, {}).get("value") is not None
    ]
    if not shown:
        return None
    places = _places([(name, kind) for name, kind, _ in shown])
    figure = new_figure(7.2, 0.75 + _LINE * (places[-1] + 1))
    axis = figure.subplots()
    for place, (_, kind, found) in zip(places, shown, strict=True):
        colour, marker, _ = _KINDS[kind]
        low, high = found.get("low", found["value"]), found.get("high", found["value"])
        axis.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot(found["value"], place, marker, color=colour, markersize=5)
        text = _number(found, digits)
        axis.text(1.02, place, text, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
    axis.set_yticks(places, [name for name, _, _ in shown])
    axis.set_ylim(places[-1] + 0.7, -0.7)
    axis.grid(axis="x", color=GREY, alpha=0.3)
    constant = [found["value"] for name, _, found in shown if name == _CONSTANT]
    where, what = (_CHANCE, "chance") if part.binary else (constant[0] if len(constant) == 1 else None, _CONSTANT)
    if where is not None:
        axis.axvline(where, color=GREY, linewidth=1, linestyle="--", zorder=0)
        axis.text(where, 1.0, what, transform=axis.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
    axis.set_xlabel("AUROC on test" if part.binary else f"MAE on test, {part.scale} points")
    level = next((found["level"] for _, _, found in shown if "level" in found), 0.95)
    bars = any("low" in found for _, _, found in shown)
    seeds = part.intervals is not None and part.intervals.data.get("estimand") == "architecture"
    foot = [describe(part), "Points: means over seeds."]
    if bars:
        foot.append(f"Bars: {100 * level:g} % intervals over people{' and seeds' if seeds else ''}.")
    kinds = dict.fromkeys(_KINDS[kind][2] for _, kind, _ in shown)
    text = "; ".join(kinds)
    foot += [f"{text[0].upper()}{text[1:]}."] if len(kinds) > 1 else []
    neutral = f"{'AUROC' if part.binary else 'MAE'} of each row on test"
    add_texts(
        figure,
        of_comparisons(part.compared) or neutral + ("." if bars else "; too few people for intervals."),
        " ".join(foot),
    )
    return figure


def _kind(part: Part, name: str, model: bool) -> str:
    return "model" if model else "control" if name in part.controls else "reference"


def _places(rows: list[tuple[str, str]]) -> list[float]:
    """The place of each row: a gap before another kind, and between groups of models that share their first name."""
    first = [name.partition(",")[0] for name, _ in rows]
    groups = [(kind, name) for (_, kind), name in zip(rows, first, strict=True)]
    grouped = len(set(groups)) < len(groups)
    places, at = [], 0.0
    for number, (_, kind) in enumerate(rows):
        if number:
            apart = 0.7 if kind != rows[number - 1][1] else 0.0
            if grouped and kind == "model" and not apart and first[number] != first[number - 1]:
                apart = 0.4
            at += 1 + apart
        places.append(at)
    return places


def _number(found: Mapping[str, Any], digits: int) -> str:
    text = fixed(found["value"], digits)
    return f"{text} [{fixed(found['low'], digits)}, {fixed(found['high'], digits)}]" if "low" in found else text


def pooled(part: Part) -> Any:
    """Each cohort's difference with its interval, the pooled one as a diamond, and the interval of a new cohort."""
    lines = [(block.data["pooled"], line) for block in part.pooled for line in block.data["rows"]]
    if not lines:
        return None
    heights = [len(line["cohorts"]) + 1.6 for _, line in lines]
    figure = new_figure(7.2, 0.7 + 0.24 * sum(heights) + 0.35 * len(lines))
    axes = figure.subplots(len(lines), 1, squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axis, (question, line) in zip(axes, lines, strict=True):
        cohorts, end = line["cohorts"], len(line["cohorts"])
        heaviest = max(one["weight"] for one in cohorts)
        for place, one in enumerate(cohorts):
            axis.plot([one.get("low", one["value"]), one.get("high", one["value"])], [place] * 2, color=GREY)
            axis.plot(one["value"], place, "s", color=COLOURS[0], markersize=3 + 4 * one["weight"] / heaviest)
        axis.plot([line["predicted_low"], line["predicted_high"]], [end] * 2, color=COLOURS[1], linewidth=1)
        diamond = [line["low"], line["effect"], line["high"], line["effect"]]
        axis.fill(diamond, [end, end - 0.3, end, end + 0.3], color=COLOURS[1])
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_yticks(range(end + 1), [*(one["cohort"] for one in cohorts), "pooled; line: a new cohort"])
        axis.invert_yaxis()
        axis.set_title(f"{line['row']}, {question}", loc="left")
    axes[-1].set_xlabel(f"difference in MAE, {part.scale} points (below 0: the row is better)")
    level = next((one["level"] for _, line in lines for one in line["cohorts"] if "level" in one), 0.95)
    foot = f"{describe(part)} Bars: {100 * level:g} % intervals over people; larger squares have more weight."
    foot += " Diamond: the pooled difference by random effects with its interval; line: where a new cohort is expected."
    add_texts(figure, of_pooled(part), foot)
    return figure
