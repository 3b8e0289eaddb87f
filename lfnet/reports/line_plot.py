"""A figure of a table: one of its columns against others, a panel each, with a line for each value of a row key."""

from pathlib import Path
from typing import Any

from lfnet.drawing import GREY, add_texts, look, new_figure, save_figure, styled
from lfnet.reports.headlines import describe_table, of_comparisons
from lfnet.reports.scatter_plot import CONSTANT
from lfnet.tables.table import FigureSettings, Row, Section, Table

__all__ = ["draw_lines", "lines"]

Point = tuple[float, float, float]  # x, y, SD of y over seeds


def lines(section: Section, settings: FigureSettings, x: str) -> dict[str, list[Point]]:
    """The points of each line of a section's panel of `x`, in its order.

    A panel shows what x alone changes: rows in which every other x is the largest that the section has.
    """
    models = [row for row in section.rows if row.kind == "model"]
    largest = {other: max((_mean(row, other) for row in models), default=0.0) for other in settings.axes if other != x}
    found: dict[str, list[Point]] = {}
    for row in models:
        cell = row.cells.get(settings.y)
        if cell is None or cell.summary.mean is None:
            continue
        if all(_mean(row, other) == value for other, value in largest.items()):
            point = (_mean(row, x), cell.summary.mean, cell.summary.sd or 0.0)
            found.setdefault(row.identity[settings.by or ""], []).append(point)
    return {name: sorted(points) for name, points in found.items()}


def draw_lines(table: Table, settings: FigureSettings, folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg; bars are the SD over seeds, and the training median of whole data is a line."""
    paths = [Path(folder) / f"{table.name}.{ending}" for ending in ("png", "svg")]
    with styled("black"):
        figure = _draw(table, settings)
    figure.patch.set_alpha(1)
    for path in paths:
        save_figure(figure, path, personal=False)
    return paths


def _draw(table: Table, settings: FigureSettings) -> Any:
    """A line of panels for each section, which is a cohort of its own."""
    headings = {column.name: column.heading.rstrip(" ↑↓") for column in table.columns}
    sections = [section for section in table.sections if any(row.kind == "model" for row in section.rows)]
    figure = new_figure(4.2 * len(settings.axes), 3.8 * len(sections))
    panels = figure.subplots(len(sections), len(settings.axes), squeeze=False, sharey="row")
    handles: dict[str, Any] = {}
    bars = False
    for row, section in zip(panels, sections, strict=True):
        constant = [one.cells[settings.y].summary.mean for one in section.rows if one.label.startswith(CONSTANT)]
        for axis, x in zip(row, settings.axes, strict=True):
            shown = lines(section, settings, x)
            for name, points in shown.items():
                at_x, at_y, sd = zip(*points, strict=True)
                bars = bars or any(sd)
                style = look(list(handles).index(name) if name in handles else len(handles))
                handles[name] = axis.errorbar(
                    at_x, at_y, yerr=sd if any(sd) else None, markersize=4, linewidth=1, elinewidth=0.8, **style
                )
            if constant and constant[0] is not None:
                line = axis.axhline(constant[0], color=GREY, linewidth=0.8, linestyle="--")
            if settings.log:
                axis.set_xscale("log")
            values = sorted({point[0] for points in shown.values() for point in points})
            axis.set_xticks(values, [f"{value:g}" for value in values])
            axis.set_xticks([], minor=True)
            axis.set_xlabel(headings[x])
            axis.grid(alpha=0.3)
        row[0].set_ylabel(headings[settings.y])
        row[0].set_title(section.label, loc="left")
        if constant and constant[0] is not None:
            handles.setdefault(f"always the {CONSTANT}", line)
    blocks = [block for section in sections for block in section.evidence]
    xs = " and ".join(headings[x].lower() for x in settings.axes)
    foot = f"{describe_table(table)} {'Bars: ± SD over seeds.' if bars else 'One seed: no bars.'}"
    add_texts(figure, of_comparisons(blocks) or f"{table.title}: {headings[settings.y]} by {xs}.", foot, handles)
    return figure


def _mean(row: Row, column: str) -> float:
    cell = row.cells.get(column)
    return 0.0 if cell is None or cell.summary.mean is None else cell.summary.mean
