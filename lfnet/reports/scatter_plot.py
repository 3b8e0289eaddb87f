"""A figure of a table: one of its columns against another, a point a row, drawn by matplotlib."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import Any

from lfnet.files import atomic_path
from lfnet.tables.formatting import DASH
from lfnet.tables.table import FigureSettings, Row, Table

__all__ = ["CONSTANT", "Point", "draw", "points", "write_names"]

_SIZE = 8  # of the letters, points
_RADIUS = 4.5  # of a point and the space around it, points
_NEAR = 6  # from a point's middle to its name, points
_DISTANCES = (_NEAR, 12, 20, 30, 42)  # what is farther than the first is joined to its point by a line
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))

Box = tuple[float, float, float, float]  # left, bottom, right, top


def write_names(axes: Any, named: Sequence[tuple[str, float, float]]) -> None:
    """Annotate matplotlib's `axes`: each (name, x, y) next to its point, as near as the others allow, and inside.

    Call it last: limits and layout must be final. Points are processed from left to right.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    unit = figure.dpi / 72  # pixels a point
    frame = axes.get_window_extent()
    spots = [tuple(axes.transData.transform(point[1:])) for point in named]
    round_ = _RADIUS * unit
    taken: list[Box] = [(x - round_, y - round_, x + round_, y + round_) for x, y in spots]
    for index in sorted(range(len(named)), key=lambda each: spots[each]):
        name, x, y = named[index]
        note = axes.annotate(name, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=_SIZE, va="bottom")
        size = note.get_window_extent()
        note.remove()
        others = taken[:index] + taken[index + 1 :]
        best = min(
            _places(spots[index], size.width, size.height, unit),
            key=lambda place: (_cost(place[2], others, frame), place[0]),
        )
        distance, (across, up), box = best
        taken.append(box)
        left, bottom = ((box[k] - spots[index][k]) / unit for k in (0, 1))
        line = {"arrowstyle": "-", "color": "grey", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        note = axes.annotate(
            name,
            (x, y),
            xytext=(left, bottom),
            textcoords="offset points",
            fontsize=_SIZE,
            va="bottom",
            # The line begins at the side of the name that looks at the point.
            arrowprops={**line, "relpos": (0.5 - across / 2, 0.5 - up / 2)} if distance > _NEAR else None,
        )
        note.set_in_layout(False)


def _places(spot: Any, width: float, height: float, unit: float) -> Iterator[tuple[int, tuple[int, int], Box]]:
    """Distance, direction and box of each place that a name may have around its point, the nearest first."""
    x, y = spot
    for distance, (across, up) in product(_DISTANCES, _DIRECTIONS):
        reach = distance * unit * (1 if 0 in (across, up) else 0.75)
        left = x + across * reach + (across - 1) * width / 2
        bottom = y + up * reach + (up - 1) * height / 2
        yield distance, (across, up), (left, bottom, left + width, bottom + height)


def _cost(box: Box, taken: Sequence[Box], frame: Any) -> float:
    """The area that a box shares with what is there, and that lies outside of the frame."""
    left, bottom, right, top = box
    shared = sum(
        max(0.0, min(right, other[2]) - max(left, other[0])) * max(0.0, min(top, other[3]) - max(bottom, other[1]))
        for other in taken
    )
    within = max(0.0, min(right, frame.x1) - max(left, frame.x0)) * max(0.0, min(top, frame.y1) - max(bottom, frame.y0))
    return round(shared + (right - left) * (top - bottom) - within, 3)


Point = tuple[str, float, float, bool]  # name, x, y, published
CONSTANT = "train median"  # the reference that is drawn as a line


def points(table: Table, x: str, y: str) -> list[Point]:
    """The rows that have a number in both columns."""
    found = []
    for row in table.rows:
        cells = [row.cells.get(name) for name in (x, y)]
        means = [cell.summary.mean if cell is not None else None for cell in cells]
        if means[0] is not None and means[1] is not None:
            found.append((_name(row, table), means[0], means[1], row.label.endswith("(published)")))
    return found


def draw(table: Table, settings: FigureSettings, folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg of `table.figure`: y against x, x on a log axis with `log`.

    What was measured here is filled, what was published is hollow, a constant is a line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    headings = {column.name: column.heading.rstrip(" ↑↓") for column in table.columns}
    x, y = settings.axes[0], settings.y
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.add_subplot()
    shown = [point for point in points(table, x, y) if point[1] > 0 or not settings.log]
    for published, style in ((False, {"color": "#1b5e92"}), (True, {"facecolors": "none", "edgecolors": "#9a3412"})):
        some = [point for point in shown if point[3] is published]
        if some:
            label = "published, on AVEC2014" if published else f"measured here, on {_cohort(table)}"
            axes.scatter([p[1] for p in some], [p[2] for p in some], s=40, label=label, **style)  # type: ignore[arg-type]
    constant = [row.cells[y].summary.mean for row in table.rows if row.label == CONSTANT and y in row.cells]
    if constant and constant[0] is not None:
        axes.axhline(constant[0], color="grey", linewidth=0.8, linestyle="--", label=f"always the {CONSTANT}")
    if settings.log:
        axes.set_xscale("log")
    axes.margins(0.08)
    axes.set_xlabel(headings[x])
    axes.set_ylabel(headings[y])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    axes.set_title("\n".join([table.title, *(fill(text, 90) for text in table.banners)]), fontsize=10)
    write_names(axes, [(name.removesuffix(" (published)"), at_x, at_y) for name, at_x, at_y, _ in shown])
    paths = []
    for suffix, canvas in (("png", FigureCanvasAgg), ("svg", FigureCanvasSVG)):
        path = Path(folder) / f"{table.name}.{suffix}"
        with atomic_path(path, personal=False) as temporary, temporary.open("wb") as file:
            canvas(figure).print_figure(
                file, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None
            )
        paths.append(path)
    return paths


def _name(row: Row, table: Table) -> str:
    if row.kind == "reference":
        return row.label
    return ", ".join(text for text in table.names(row) if text not in ("", DASH))


def _cohort(table: Table) -> str:
    return dict(table.facts).get("Cohort", "this cohort")
