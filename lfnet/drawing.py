"""Style of figures: one typeface, colours for the colour-blind, texts around the axes, and fonts for journals."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.files import atomic_path

__all__ = [
    "COLOURS",
    "GREY",
    "INK",
    "MAX_LOOKS",
    "add_texts",
    "look",
    "new_figure",
    "save_figure",
    "styled",
]

INK = "#123456"  # what is text or axis: a page replaces it by the colour of its own text
GREY = "#8a8a8a"
# Okabe and Ito (2008), "Color universal design"; their black is the ink, their yellow is darkened for white ground.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a89800")
_MARKERS = "os^DvP"  # six, with seven colours: the pairs repeat after 42
MAX_LOOKS = len(COLOURS) * len(_MARKERS)
_HEAD, _FOOT, _LEGEND = 10, 7.5, 8  # points
_LEADING, _MARGIN = 1.3, 0.08  # of lines; inches at the edges
_FONTS = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}  # TrueType, and text as text
_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}


@contextmanager
def styled(ink: str = INK) -> Iterator[None]:
    """Draw with the project's style; ink: the colour of text and axes."""
    from matplotlib import rc_context

    own: Any = {
        **_FONTS,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],  # the first one is part of matplotlib
        "font.size": 9,
        "text.parse_math": False,  # names of rows are no formulas
        "axes.facecolor": "none",  # as the ground of a page, light or dark
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "legend.frameon": False,
        "legend.fontsize": _LEGEND,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "axes.titlesize": 9,
        **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color"), ink),
        **dict.fromkeys(("xtick.color", "ytick.color"), ink),
    }
    with rc_context(own):
        yield


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib Figure on transparent ground, in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=_MARGIN))
    figure.patch.set_alpha(0)
    return figure


def look(number: int) -> dict[str, Any]:
    """Colour and marker of the line or row with this number; the pairs of the first 42 differ.

    Examples
    --------
    >>> look(0), look(8)
    ({'color': '#0072b2', 'marker': 'o'}, {'color': '#d55e00', 'marker': '^'})
    """
    return {"color": COLOURS[number % len(COLOURS)], "marker": _MARKERS[number % len(_MARKERS)]}


def add_texts(figure: Any, headline: str, foot: str, legend: Mapping[str, Any] | None = None) -> None:
    """Write what a figure shows above it; below it a legend, of whom it is, and `RESEARCH_ONLY`. The figure grows.

    legend: text → what is drawn so; in as many columns as fit.
    """
    width, height = figure.get_size_inches()
    room = width - 2 * _MARGIN
    above = _lines(headline, room, _HEAD, "bold")
    below = _lines(f"{foot} {RESEARCH_ONLY.partition(':')[0]}.".strip(), room, _FOOT)
    top, bottom = (
        len(lines) * size * _LEADING / 72 + 1.5 * _MARGIN for lines, size in ((above, _HEAD), (below, _FOOT))
    )
    columns, between = _columns(legend or {}, room)
    total = height + top + between + bottom
    figure.set_size_inches(width, total)
    figure.get_layout_engine().set(rect=(0, (bottom + between) / total, 1, height / total))
    if legend:
        place = (0, bottom / total, 1, between / total)
        figure.legend(
            list(legend.values()),
            list(legend),
            loc="center",
            bbox_to_anchor=place,
            bbox_transform=figure.transFigure,
            ncols=columns,
            columnspacing=1.2,
            borderpad=0,
        ).set_in_layout(False)
    left = _MARGIN / width
    top_text = {"va": "top", "fontsize": _HEAD, "weight": "bold", "linespacing": _LEADING}
    figure.text(left, 1 - _MARGIN / total, "\n".join(above), **top_text)
    figure.text(left, _MARGIN / total, "\n".join(below), va="bottom", fontsize=_FOOT, linespacing=_LEADING)


def _columns(legend: Mapping[str, Any], room: float) -> tuple[int, float]:
    """The columns of a legend in so many inches, and its height."""
    if not legend:
        return 0, 0.0
    widest = max(_width(text, _LEGEND) for text in legend) + 0.45
    columns = min(len(legend), max(1, int(room / widest)))
    return columns, -(-len(legend) // columns) * _LEGEND * 1.65 / 72 + 0.12


def save_figure(figure: Any, path: Path, *, personal: bool = True) -> None:
    """Write a figure, whole or not at all; the ending (png, pdf, svg) is the format.

    PNG has 200 dots an inch. PDF and SVG contain text as text, PDF in TrueType: journals reject matplotlib's default,
    Type 3.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    personal : bool
        As `lfnet.files.atomic_path` has it.
    """
    from matplotlib import rc_context

    ending = path.suffix[1:].lower()
    own: Any = {**_FONTS, "svg.hashsalt": path.stem}
    with rc_context(own), atomic_path(path, personal=personal) as temporary:
        figure.savefig(temporary, format=ending, dpi=200, metadata=_NO_DATE[ending])


def _lines(text: str, inches: float, size: float, weight: str = "normal") -> list[str]:
    """Break a text at spaces into lines of at most so many inches."""
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}", size, weight) <= inches:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _width(text: str, size: float, weight: str = "normal") -> float:
    """The width of a text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties("DejaVu Sans", size=size, weight=weight)
    return (
        float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72 * 1.02
    )  # hinted letters are wider
