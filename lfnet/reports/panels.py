"""Small multiples: one panel for each row of a table."""

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any

from lfnet.drawing import new_figure
from lfnet.reports.figure_data import Budget, Drawn

__all__ = ["MAX_PANELS", "draw_panels", "left_out", "new_panels"]

MAX_PANELS = 24
_ACROSS = 4
_WIDTH = 7.2  # inches: the text of a page in two columns


def new_panels(
    rows: Sequence[Drawn | Budget], x: str, y: str, *, share_x: bool = True, share_y: bool = True
) -> tuple[Any, list[Any]]:
    """A figure with a titled panel for each of the first 24 rows, labelled at the left and at the bottom."""
    rows = rows[:MAX_PANELS]
    down = -(-len(rows) // _ACROSS)
    across = -(-len(rows) // down)
    side = min(2.6, (_WIDTH - 0.4) / across)
    figure = new_figure(0.4 + side * across, 0.4 + side * 0.95 * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=share_x, sharey=share_y).ravel()
    for place, (axis, row) in enumerate(zip(axes, rows, strict=False)):
        axis.set_title(fill(row.name, int(13 * side)), fontsize=7.5)
        if place % across == 0:
            axis.set_ylabel(y, fontsize=8)
        if place + across >= len(rows):
            axis.set_xlabel(x, fontsize=8)
            axis.tick_params(labelbottom=True)
    for axis in axes[len(rows) :]:
        axis.set_visible(False)
    return figure, list(axes[: len(rows)])


def draw_panels(
    rows: Sequence[Drawn | Budget],
    panel: Callable[[Any, Any], None],
    x: str,
    y: str,
    *,
    share_x: bool = True,
    share_y: bool = True,
) -> Any:
    """Draw each row's panel; None without rows."""
    if not rows:
        return None
    figure, axes = new_panels(rows, x, y, share_x=share_x, share_y=share_y)
    for axis, row in zip(axes, rows, strict=False):
        panel(axis, row)
    return figure


def left_out(rows: Sequence[Any]) -> str:
    """What the foot says where there are more rows than panels."""
    return f" The first {MAX_PANELS} of {len(rows)} rows." if len(rows) > MAX_PANELS else ""
