"""Names beside the points of a picture, where they cover neither each other nor a point."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

__all__ = ["write_names"]

_SIZE = 8  # of the letters, points
_RADIUS = 4.5  # of a point and the space around it, points
_NEAR = 6  # from a point's middle to its name, points
_DISTANCES = (_NEAR, 12, 20, 30, 42)  # what is farther than the first is joined to its point by a line
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))

Box = tuple[float, float, float, float]  # left, bottom, right, top


def write_names(axes: Any, named: Sequence[tuple[str, float, float]]) -> None:
    """Annotate matplotlib's `axes`: each (name, x, y) beside its point, as near as the others allow, and inside.

    To be called when all else is drawn, for limits and layout must stand. Points are served from left to right.
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
