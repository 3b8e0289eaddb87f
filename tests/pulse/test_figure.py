"""The figure of a clip's pulse: its finding, what is in it alone, and no name of the video."""

import re
from pathlib import Path

import pytest

from lfnet.pulse.figure import draw_figure
from lfnet.pulse.segments import Segment, read_segments
from tests.pulse.test_segments import NESTED, made
from tests.test_drawing import fonts


def segments(amplitude: float) -> list[Segment]:
    skin = made(72, 17, seed=3, amplitude=amplitude, motion=0.0 if amplitude else 0.005)
    return read_segments(skin.skin_TRC, skin.time_T, skin.valid_T, NESTED)


@pytest.mark.parametrize("amplitude", [0.006, 0.0])
def test_the_legend_lists_what_is_drawn_and_the_headline_what_was_found(tmp_path: Path, amplitude: float) -> None:
    found = segments(amplitude)
    path = tmp_path / "a_person.svg"
    draw_figure(found, NESTED, path)
    text = path.read_text()
    assert all(segment.kept == bool(amplitude) for segment in found)
    assert ("beat (steepest upstroke)" in text) == ("pulse, kept" in text) == bool(amplitude)
    assert ("pulse, dropped" in text) == ("No reliable pulse" in text) == (not amplitude)
    assert bool(re.search(r"Heart rate 7[12]\.\d beats per minute, SNR \d", text)) == bool(amplitude)
    assert "Research instrument, not a diagnosis." in text and "a_person" not in text


def test_a_pdf_has_truetype_fonts(tmp_path: Path) -> None:
    draw_figure(segments(0.006), NESTED, tmp_path / "a.pdf")
    assert fonts(tmp_path / "a.pdf") == {"TrueType"}
