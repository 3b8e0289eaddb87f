"""A figure of a table: one of its columns against another, a point a row, drawn by matplotlib."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from lfnet.drawing import COLOURS, GREY, add_texts, new_figure, save_figure, styled
from lfnet.reports.figure_data import mae_interval
from lfnet.reports.headlines import describe_table, of_comparisons
from lfnet.tables.formatting import DASH, magnitude
from lfnet.tables.table import FigureSettings, Row, Section, Table

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
_PUBLISHED = " (published)"


def points(table: Table, x: str, y: str, section: Section | None = None) -> list[Point]:
    """The rows that have a number in both columns; section: those of one section."""
    found = []
    for row in table.rows if section is None else section.rows:
        cells = [row.cells.get(name) for name in (x, y)]
        means = [cell.summary.mean if cell is not None else None for cell in cells]
        if means[0] is not None and means[1] is not None:
            found.append((_name(row, table), means[0], means[1], row.label.endswith(_PUBLISHED)))
    return found


@dataclass(frozen=True)
class _Panel:
    """Points of one cohort: rows of a section, or numbers that were published on one corpus."""

    title: str
    points: list[Point]
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # name → interval of y
    constant: float | None = None


def _panels(table: Table, x: str, y: str, log: bool) -> list[_Panel]:
    """A panel for each section, and one for each corpus of published rows: their errors do not compare."""
    found = []
    quoted: dict[str, dict[str, Point]] = {}
    for section in table.sections:
        shown = [point for point in points(table, x, y, section) if point[1] > 0 or not log]
        notes = {row.label: row.notes for row in section.rows if row.label.endswith(_PUBLISHED)}
        for point in shown:
            if point[3]:
                corpus = "; ".join(notes[point[0]]).partition(";")[0]
                title = f"published, on {corpus}" if corpus else "published"
                quoted.setdefault(title, {})[point[0]] = point
        own = [point for point in shown if not point[3]]
        if own:
            constant = [row.cells[y].summary.mean for row in section.rows if row.label == CONSTANT and y in row.cells]
            title = section.label or f"measured here, on {_cohort(table)}"
            found.append(_Panel(title, own, _ends(table, section, y), constant[0] if constant else None))
    return found + [_Panel(title, list(own.values())) for title, own in quoted.items()]


def _ends(table: Table, section: Section, y: str) -> dict[str, tuple[float, float]]:
    """The intervals over people of the models' MAE, of tables at the level of recordings."""
    split, _, metric = y.partition(".")
    if metric != "mae" or table.level != "recording":
        return {}
    found = {}
    for row in section.rows:
        if row.kind == "model" and (own := mae_interval(row.runs, split)) is not None:
            found[_name(row, table)] = own
    return found


def draw(table: Table, settings: FigureSettings, folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg of `table.figure`: y against x, x on a log axis with `log`.

    Each cohort has axes of its own: errors on two cohorts do not compare. Bars are 95 % intervals over people, a
    constant is a line.
    """
    x, y = settings.axes[0], settings.y
    panels = _panels(table, x, y, settings.log)
    paths = [Path(folder) / f"{table.name}.{ending}" for ending in ("png", "svg")]
    with styled("black"):
        figure = _draw(table, settings, panels)
    figure.patch.set_alpha(1)
    for path in paths:
        save_figure(figure, path, personal=False)
    return paths


def _draw(table: Table, settings: FigureSettings, panels: Sequence[_Panel]) -> Any:
    headings = {column.name: column.heading.rstrip(" ↑↓") for column in table.columns}
    x, y = headings[settings.axes[0]], headings[settings.y]
    heights = [4.6 if any(not point[3] for point in panel.points) else 2.4 for panel in panels] or [4.6]
    figure = new_figure(8, sum(heights))
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        published = all(point[3] for point in panel.points)
        style = {"facecolors": "none", "edgecolors": COLOURS[1]} if published else {"color": COLOURS[0]}
        axis.scatter([p[1] for p in panel.points], [p[2] for p in panel.points], s=40, **style)
        for name, at_x, _, _ in panel.points:
            if name in panel.ends:
                axis.plot([at_x] * 2, panel.ends[name], color=COLOURS[0], linewidth=1, alpha=0.4)
        if panel.constant is not None:
            axis.axhline(panel.constant, color=GREY, linewidth=0.8, linestyle="--")
            right = axis.get_yaxis_transform()
            axis.text(1.01, panel.constant, f"always the\n{CONSTANT}", transform=right, va="center", fontsize=8)
        if settings.log:
            _scale_log(axis, [point[1] for point in panel.points])
        axis.margins(0.08)
        axis.set(xlabel=x, ylabel=y, title=panel.title)
        axis.grid(alpha=0.3)
    blocks = [block for section in table.sections for block in section.evidence]
    bars = any(panel.ends for panel in panels)
    foot = describe_table(table) + (" Bars: 95 % intervals over people of these trained models." if bars else "")
    add_texts(figure, of_comparisons(blocks) or f"{table.title}: {y} against {x.lower()}.", foot)
    for axis, panel in zip(axes, panels, strict=False):
        write_names(axis, [(name.removesuffix(_PUBLISHED), at_x, at_y) for name, at_x, at_y, _ in panel.points])
    return figure


def _scale_log(axis: Any, values: Sequence[float]) -> None:
    """A logarithmic x axis whose ticks are 10 k, 1 M; where values are close, 20 k and 50 k too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    def label(value: float, _: int) -> str:
        mantissa, *prefix = magnitude(value).split(" ")
        return f"{float(mantissa.replace(',', '')):g} {''.join(prefix)}".strip() if value >= 1 else f"{value:g}"

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) < 30 * min(values) else (1,)))
    axis.xaxis.set_major_formatter(FuncFormatter(label))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _name(row: Row, table: Table) -> str:
    if row.kind == "reference":
        return row.label
    return ", ".join(text for text in table.names(row) if text not in ("", DASH))


def _cohort(table: Table) -> str:
    return dict(table.facts).get("Cohort", "this cohort")
