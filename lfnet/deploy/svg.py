"""Drawings of a page as SVG text: shapes with classes, whose colours the page's style sheet gives."""

from collections.abc import Iterable

from markupsafe import Markup

__all__ = ["Svg", "ticks"]


class Svg:
    """A drawing that scales with the page.

    Parameters
    ----------
    width, height : float
        Of its own unit; at full width one unit is about a pixel.
    label : str
        What is drawn, in words, for readers who do not see it.

    Examples
    --------
    >>> drawing = Svg(10, 4, "a < b")
    >>> drawing.text(0, 2.25, "a")
    >>> print(drawing.markup())
    <svg role="img" aria-label="a &lt; b" viewBox="0 0 10 4"><text x="0" y="2.2" text-anchor="start">a</text></svg>
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self._size, self._label = (width, height), label
        self._parts: list[Markup] = []

    def rect(self, x: float, y: float, width: float, height: float, kind: str, *, title: str = "") -> None:
        """Draw a rectangle; its title is shown under the pointer."""
        self._add("rect", {"x": x, "y": y, "width": max(0.0, width), "height": max(0.0, height), "class": kind}, title)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line."""
        self._add("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})

    def circle(self, x: float, y: float, radius: float, kind: str, *, title: str = "") -> None:
        """Draw a disc."""
        self._add("circle", {"cx": x, "cy": y, "r": radius, "class": kind}, title)

    def polyline(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        self._add("polyline", {"points": _points(points), "class": kind})

    def polygon(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Draw an area within points."""
        self._add("polygon", {"points": _points(points), "class": kind})

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Write a text whose baseline begins (start), ends (end) or has its middle at a place."""
        shown: dict[str, float | str] = {"x": x, "y": y, "text-anchor": anchor}
        if kind:
            shown["class"] = kind
        self._parts.append(Markup("<text{}>{}</text>").format(_attributes(shown), text))

    def image(self, x: float, y: float, width: float, height: float, href: str, title: str) -> None:
        """Show an image that is in the page, as a data: address."""
        self._add("image", {"x": x, "y": y, "width": width, "height": height, "href": href}, title)

    def markup(self) -> Markup:
        """Return the element."""
        width, height = (_number(value) for value in self._size)
        head = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">').format(self._label, width, height)
        return head + Markup("").join(self._parts) + Markup("</svg>")

    def _add(self, name: str, attributes: dict[str, float | str], title: str = "") -> None:
        inside = Markup("<title>{}</title>").format(title) if title else Markup("")
        self._parts.append(Markup("<{}{}>{}</{}>").format(Markup(name), _attributes(attributes), inside, Markup(name)))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from `low` to `high`.

    Examples
    --------
    >>> ticks(0, 63), ticks(-0.13, 0.21, 4)
    ([0.0, 20.0, 40.0, 60.0], [-0.1, 0.0, 0.1, 0.2])
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** _floor_log10(rough)
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = int(-(-low // step))
    found = []
    while first * step <= high + 1e-9 * step:
        found.append(round(first * step, 12))
        first += 1
    return found


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _attributes(values: dict[str, float | str]) -> Markup:
    pairs = (
        Markup(' {}="{}"').format(Markup(name), value if isinstance(value, str) else _number(value))
        for name, value in values.items()
    )
    return Markup("").join(pairs)


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
