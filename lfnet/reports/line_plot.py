"""A figure of a table: one of its columns against others, a panel each, with a line for each value of a row key."""

from pathlib import Path
from textwrap import fill
from typing import Any

from lfnet.files import atomic_path
from lfnet.reports.scatter_plot import CONSTANT
from lfnet.tables.table import FigureSettings, Row, Table

__all__ = ["draw_lines", "lines"]

Point = tuple[float, float, float]  # x, y, SD of y over seeds


def lines(table: Table, settings: FigureSettings, x: str) -> dict[str, list[Point]]:
    """The points of each line of the panel of `x`, in its order.

    A panel shows what x alone changes: rows in which every other x is the largest that the table has.
    """
    models = [row for row in table.rows if row.kind == "model"]
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    headings = {column.name: column.heading.rstrip(" ↑↓") for column in table.columns}
    figure = Figure(figsize=(4.6 * len(settings.axes), 4.6), layout="constrained")
    panels = figure.subplots(1, len(settings.axes), squeeze=False, sharey=True).ravel()
    constant = [row.cells[settings.y].summary.mean for row in table.rows if row.label.startswith(CONSTANT)]
    for axis, x in zip(panels, settings.axes, strict=True):
        shown = lines(table, settings, x)
        for name, points in shown.items():
            at_x, at_y, sd = zip(*points, strict=True)
            axis.errorbar(at_x, at_y, yerr=sd if any(sd) else None, marker="o", markersize=4, label=name)
        if constant and constant[0] is not None:
            axis.axhline(constant[0], color="grey", linewidth=0.8, linestyle="--", label=f"always the {CONSTANT}")
        if settings.log:
            axis.set_xscale("log")
        values = sorted({point[0] for points in shown.values() for point in points})
        axis.set_xticks(values, [f"{value:g}" for value in values])
        axis.set_xticks([], minor=True)
        axis.set_xlabel(headings[x])
        axis.grid(alpha=0.3)
    panels[0].set_ylabel(headings[settings.y])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle("\n".join([table.title, *(fill(text, 90) for text in table.banners)]), fontsize=10)
    paths = []
    canvases: tuple[tuple[str, Any], ...] = (("png", FigureCanvasAgg), ("svg", FigureCanvasSVG))
    for suffix, canvas in canvases:
        path = Path(folder) / f"{table.name}.{suffix}"
        with atomic_path(path, personal=False) as temporary, temporary.open("wb") as file:
            metadata = {"Date": None} if suffix == "svg" else None
            canvas(figure).print_figure(file, format=suffix, dpi=150, metadata=metadata)
        paths.append(path)
    return paths


def _mean(row: Row, column: str) -> float:
    cell = row.cells.get(column)
    return 0.0 if cell is None or cell.summary.mean is None else cell.summary.mean
