"""The style of figures: distinct lines, texts around the axes, and files that journals accept."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from lfnet.drawing import COLOURS, MAX_LOOKS, add_texts, look, new_figure, save_figure, styled

LONG = "A headline with so many words that it needs more than one line of the figure, whatever its typeface is."


def drawn(lines: int = 3) -> object:
    """A figure with a panel, a legend, a headline and a foot."""
    with styled("black"):
        figure = new_figure(5, 2)
        axis = figure.subplots()
        axis.set_xlabel("x")
        handles = {f"a long name {n}": axis.plot([0, 1], [n, n + 1], **look(n))[0] for n in range(lines)}
        add_texts(figure, LONG, f"Simulated cohort. {LONG}", handles)
    return figure


def test_rows_have_distinct_looks() -> None:
    looks = [tuple(look(number).values()) for number in range(MAX_LOOKS)]
    assert len(set(looks)) == MAX_LOOKS >= 24
    assert len(set(COLOURS)) == len(COLOURS)
    for one, other in pairwise(looks):
        assert one[0] != other[0] and one[1] != other[1], "neighbours differ in colour and in marker"


def fonts(pdf: Path) -> set[str]:
    """The types of a PDF's fonts, by pdffonts or, without it, by the font dictionaries."""
    if shutil.which("pdffonts"):
        lines = subprocess.run(["pdffonts", pdf], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
        return {"Type 3" if "Type 3" in line else "TrueType" for line in lines}
    found = re.findall(rb"/Subtype /(Type3|Type42|CIDFontType2|TrueType)", pdf.read_bytes())
    return {"Type 3" if name == b"Type3" else "TrueType" for name in found}


def test_a_pdf_has_truetype_fonts(tmp_path: Path) -> None:
    save_figure(drawn(), tmp_path / "a.pdf")
    assert fonts(tmp_path / "a.pdf") == {"TrueType"}


def test_an_svg_has_its_text_as_text_and_no_ground(tmp_path: Path) -> None:
    save_figure(drawn(), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "Simulated cohort." in text and "a long name 2" in text
    assert "#ffffff" not in text.lower(), "neither the figure nor its axes are white on a dark page"


@pytest.mark.parametrize("lines", [0, 1, 24])
def test_texts_and_legend_lie_outside_the_axes_and_inside_the_figure(lines: int) -> None:
    figure = drawn(lines)
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    (axis,) = figure.axes
    inner = axis.get_tightbbox(renderer)
    around = [text.get_window_extent() for text in figure.texts]
    around += [legend.get_window_extent() for legend in figure.legends]
    assert len(around) == 2 + bool(lines)
    for number, box in enumerate(around):
        assert not box.overlaps(inner)
        assert not any(box.overlaps(other) for other in around[:number])
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1
    assert inner.height > 1.2 * figure.dpi, "the figure grows instead of its axes shrinking"


def test_names_with_dollars_are_no_formulas(tmp_path: Path) -> None:
    with styled():
        figure = new_figure(4, 2)
        figure.subplots().set_title("costs $5 or $x_$")
    save_figure(figure, tmp_path / "a.svg")
    assert "costs $5 or $x_$" in (tmp_path / "a.svg").read_text()
