"""A table as a picture: one of its columns against another, a point a row, drawn by matplotlib."""

from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.tables.grid import BANNER
from lfnet.tables.names import write_names
from lfnet.tables.table import Row, Table

__all__ = ["Point", "draw", "points"]

Point = tuple[str, float, float, bool]  # name, x, y, published
_CONSTANT = "train median"  # the reference that is drawn as a line


def points(table: Table, x: str, y: str) -> list[Point]:
    """The rows that have a number in both columns."""
    found = []
    for row in table.rows:
        cells = [row.cells.get(name) for name in (x, y)]
        means = [cell.summary.mean if cell is not None else None for cell in cells]
        if means[0] is not None and means[1] is not None:
            found.append((_name(row, table), means[0], means[1], row.label.endswith("(published)")))
    return found


def draw(table: Table, node: dict[str, Any], folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg of `table.picture` {x, y, log}: y against x, x on a log axis where `log` says so.

    What was measured here is filled, what was published is hollow, a constant is a line. Raises `LfnetError` for a
    column that is not shown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    headings = {column.name: column.heading.rstrip(" ↑↓") for column in table.columns}
    for axis in ("x", "y"):
        if node.get(axis) not in headings:
            raise LfnetError(f"table.picture.{axis}={node.get(axis)}: choose one of table.columns.")
    x, y = node["x"], node["y"]
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.add_subplot()
    shown = [point for point in points(table, x, y) if point[1] > 0 or not node.get("log")]
    for published, style in ((False, {"color": "#1b5e92"}), (True, {"facecolors": "none", "edgecolors": "#9a3412"})):
        some = [point for point in shown if point[3] is published]
        if some:
            label = "published, on AVEC2014" if published else f"measured here, on {_cohort(table)}"
            axes.scatter([p[1] for p in some], [p[2] for p in some], s=40, label=label, **style)  # type: ignore[arg-type]
    constant = [row.cells[y].summary.mean for row in table.rows if row.label == _CONSTANT and y in row.cells]
    if constant and constant[0] is not None:
        axes.axhline(constant[0], color="grey", linewidth=0.8, linestyle="--", label=f"always the {_CONSTANT}")
    if node.get("log"):
        axes.set_xscale("log")
    axes.margins(0.08)
    axes.set_xlabel(headings[x])
    axes.set_ylabel(headings[y])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    axes.set_title(table.title + (f"\n{BANNER}" if table.simulated else ""), fontsize=10)
    write_names(axes, [(name.removesuffix(" (published)"), at_x, at_y) for name, at_x, at_y, _ in shown])
    paths = []
    for suffix, canvas in (("png", FigureCanvasAgg), ("svg", FigureCanvasSVG)):
        path = Path(folder) / f"{table.name}.{suffix}"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            canvas(figure).print_figure(
                file, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None
            )
        paths.append(path)
    return paths


def _name(row: Row, table: Table) -> str:
    if row.kind == "reference":
        return row.label
    parts = [row.identity[key.name] for key in table.keys if key.name not in table.constants]
    return ", ".join(part for part in parts if part not in ("", "—"))


def _cohort(table: Table) -> str:
    return dict(table.facts).get("Cohort", "this cohort")
