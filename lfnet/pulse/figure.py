"""Figure of a clip's pulse: trace, spectrum and quality of each segment, as in LightFusionNet's figure."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.drawing import COLOURS, GREY, add_texts, new_figure, save_figure, styled
from lfnet.errors import LfnetError
from lfnet.pulse.segments import OUTCOMES, Segment
from lfnet.pulse.settings import PulseSettings
from lfnet.text import plural

__all__ = ["check_figure_path", "draw_figure"]

_MAX_ROWS = 12  # segments of one figure
_KEPT, _DROPPED, _GREEN = COLOURS[0], COLOURS[1], COLOURS[2]
_ENDINGS = {".png", ".pdf", ".svg"}


def draw_figure(segments: Sequence[Segment], settings: PulseSettings, path: Path) -> None:
    """Draw a row for each segment with a pulse: green trace, pulse with its beats, spectrum with Q and SNR.

    The figure does not name the video: a file may have a person's name.

    Parameters
    ----------
    segments : sequence of Segment
        Segments of a clip; the first twelve with a pulse are drawn.
    settings : PulseSettings
        Settings that they were read with.
    path : Path
        File to write; its ending (png, pdf, svg) is the format.

    Raises
    ------
    LfnetError
        The ending is unknown, or no segment has a pulse.
    """
    check_figure_path(path)
    shown = [segment for segment in segments if segment.pulse is not None][:_MAX_ROWS]
    if not shown:
        raise LfnetError(f"{path} was not written: no segment has enough frames with a face.")
    with styled("black"):
        figure, drawn = _draw(shown, settings)
        left_out = f" The first {_MAX_ROWS} of {len(segments)} segments." if len(segments) > _MAX_ROWS else ""
        foot = (
            f"Segments of {settings.segment:g} s, pulse by {settings.method.upper()}; bpm: beats per minute.{left_out}"
        )
        add_texts(figure, _headline(segments), foot, drawn)
    figure.patch.set_alpha(1)
    save_figure(figure, path)


def _headline(segments: Sequence[Segment]) -> str:
    kept = [segment for segment in segments if segment.kept]
    if not kept:
        reasons = "; ".join(OUTCOMES[name] for name in Counter(segment.outcome for segment in segments))
        return f"No reliable pulse: {reasons}."
    rate, snr = (float(np.median([getattr(segment, name) for segment in kept])) for name in ("heart_rate", "snr"))
    of = f"median of {len(kept)} of {plural(len(segments), 'segment')}"
    return f"Heart rate {rate:.1f} beats per minute, SNR {snr:.1f} dB ({of})."


def _draw(shown: Sequence[Segment], settings: PulseSettings) -> tuple[Any, dict[str, Any]]:
    """The figure, and what its legend lists: text → artist, of what is drawn alone."""
    figure = new_figure(11, 0.4 + 1.8 * len(shown))
    axes = figure.subplots(len(shown), 3, squeeze=False, width_ratios=(1, 1, 0.8))
    drawn: dict[str, Any] = {}
    for row, segment in zip(axes, shown, strict=True):
        colour = _KEPT if segment.kept else _DROPPED
        time = segment.start + np.arange(len(segment.pulse_N)) / segment.rate
        row[0].plot(time, 100 * segment.green_N, color=_GREEN, linewidth=0.8)
        row[0].set_ylabel(f"{segment.start:.0f}–{segment.start + segment.seconds:.0f} s\n% of the skin's colour")
        (line,) = row[1].plot(time, 100 * segment.pulse_N, color=colour, linewidth=0.9)
        drawn.setdefault("pulse, kept" if segment.kept else "pulse, dropped", line)
        if segment.beats is not None and len(segment.beats.seconds):
            at = np.round(segment.beats.seconds * segment.rate).astype(int).clip(0, len(time) - 1)
            (dots,) = row[1].plot(time[at], 100 * segment.pulse_N[at], ".", color="black", markersize=4)
            drawn.setdefault("beat (steepest upstroke)", dots)
        for axis in row[:2]:
            axis.margins(x=0.01)
        drawn |= {
            name: artist for name, artist in _spectra(row[2], segment, settings, colour).items() if name not in drawn
        }
    titles = ("green channel, unfiltered, inverted", f"pulse ({settings.method.upper()})", "power, each of its peak")
    for column, name in zip(axes[0], titles, strict=True):
        column.set_title(name)
    for column, name in zip(axes[-1], ("seconds", "seconds", "beats per minute"), strict=True):
        column.set_xlabel(name)
    return figure, drawn


def check_figure_path(path: Path) -> None:
    """Raise `LfnetError` where the ending is no format of figures."""
    if path.suffix.lower() not in _ENDINGS:
        raise LfnetError(f"{path}: give a file name that ends with {', '.join(sorted(_ENDINGS))}.")


def _spectra(axis: Any, segment: Segment, settings: PulseSettings, colour: str) -> dict[str, Any]:
    """Draw the power in the band, each spectrum relative to its peak, and the bands of the SNR's signal."""
    low, high = settings.band
    drawn: dict[str, Any] = {}
    for found, style in ((segment.green, _GREEN), (segment.pulse, colour)):
        assert found is not None
        inside = (found.hertz >= low) & (found.hertz <= high)
        peak = found.power[inside].max()
        (line,) = axis.plot(60 * found.hertz[inside], found.power[inside] / (peak if peak > 0 else 1), color=style)
        if style == _GREEN:
            drawn["green channel"] = line
    if np.isfinite(segment.heart_rate):
        for middle, half in ((segment.heart_rate, 6), (2 * segment.heart_rate, 12)):
            band = axis.axvspan(middle - half, middle + half, color=GREY, alpha=0.2, linewidth=0)
        drawn["signal of the SNR: the peak and its second harmonic"] = band
    axis.set_xlim(60 * low, 60 * high)
    axis.set_yticks([])
    rate = f"{segment.heart_rate:.1f} bpm" if segment.kept else f"peak at {segment.heart_rate:.1f}/min"
    text = f"{segment.outcome}\n{rate}\nSNR {segment.snr:.1f} dB\nQ {segment.q:.2f}"
    axis.text(1.03, 0.95, text, transform=axis.transAxes, va="top", fontsize=8, color=colour)
    return drawn
