"""Figure of a clip's pulse: trace, spectrum and quality of each segment, as in LightFusionNet's figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.pulse.segments import Segment
from lfnet.pulse.settings import PulseSettings

__all__ = ["check_figure_path", "draw_figure"]

_MAX_ROWS = 12  # segments of one figure
_KEPT, _DROPPED, _GREEN = "#1b7837", "#b2182b", "#a6dba0"
_ENDINGS = {".png", ".pdf", ".svg"}


def draw_figure(segments: Sequence[Segment], settings: PulseSettings, path: Path, title: str) -> None:
    """Draw a row for each segment with a pulse: green trace, pulse with its beats, spectrum with Q and SNR.

    Parameters
    ----------
    segments : sequence of Segment
        Segments of a clip; the first twelve with a pulse are drawn.
    settings : PulseSettings
        Settings that they were read with.
    path : Path
        File to write; its ending (png, pdf, svg) is the format.
    title : str
        Title of the figure.

    Raises
    ------
    LfnetError
        The ending is unknown, or no segment has a pulse.
    """
    check_figure_path(path)
    shown = [segment for segment in segments if segment.pulse is not None][:_MAX_ROWS]
    if not shown:
        raise LfnetError(f"{path} was not written: no segment has enough frames with a face.")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 1.5 + 2.3 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 3, squeeze=False, width_ratios=(1, 1, 0.9))
    for row, segment in zip(axes, shown, strict=True):
        colour = _KEPT if segment.kept else _DROPPED
        time = segment.start + np.arange(len(segment.pulse_N)) / segment.rate
        row[0].plot(time, 100 * segment.green_N, color="#4d9221", linewidth=0.8)
        row[0].set_ylabel(f"{segment.start:.0f}–{segment.start + segment.seconds:.0f} s\n% of the skin's colour")
        row[1].plot(time, 100 * segment.pulse_N, color=colour, linewidth=0.9)
        if segment.beats is not None:
            at = np.round(segment.beats.seconds * segment.rate).astype(int).clip(0, len(time) - 1)
            row[1].plot(time[at], 100 * segment.pulse_N[at], ".", color="black", markersize=4)
        for axis in row[:2]:
            axis.margins(x=0.01)
        assert segment.pulse is not None and segment.green is not None
        _spectra(row[2], segment, settings, colour)
    for column, name in zip(
        axes[0], ("green channel, unfiltered, inverted", f"pulse ({settings.method.upper()})", "power"), strict=True
    ):
        column.set_title(name, fontsize=10)
    for column, name in zip(axes[-1], ("seconds", "seconds", "beats per minute"), strict=True):
        column.set_xlabel(name)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], marker=".", color="black", linestyle="", markersize=4, label="beat (steepest upstroke)"),
        Line2D([], [], color=_GREEN, label="power of the green channel, relative to its peak"),
        Line2D([], [], color=_KEPT, label="power of the pulse, kept"),
        Line2D([], [], color=_DROPPED, label="dropped"),
        Patch(color="grey", alpha=0.15, linewidth=0, label="signal of the SNR: the peak and its second harmonic"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    left_out = f"; the first {_MAX_ROWS} segments" if len(segments) > _MAX_ROWS else ""
    figure.suptitle(f"{title}{left_out}\n{RESEARCH_ONLY}", fontsize=10)
    # Type 42: journals reject the default Type 3 fonts.
    with rc_context({"pdf.fonttype": 42}), atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=110)


def check_figure_path(path: Path) -> None:
    """Raise `LfnetError` where the ending is no format of figures."""
    if path.suffix.lower() not in _ENDINGS:
        raise LfnetError(f"{path}: give a file name that ends with {', '.join(sorted(_ENDINGS))}.")


def _spectra(axis, segment: Segment, settings: PulseSettings, colour: str) -> None:  # type: ignore[no-untyped-def]
    """Draw the power in the band, each spectrum relative to its peak, and the bands of the SNR's signal."""
    low, high = settings.band
    for found, style in ((segment.green, _GREEN), (segment.pulse, colour)):
        assert found is not None
        inside = (found.hertz >= low) & (found.hertz <= high)
        peak = found.power[inside].max()
        axis.plot(60 * found.hertz[inside], found.power[inside] / (peak if peak > 0 else 1), color=style)
    if np.isfinite(segment.heart_rate):
        for middle, half in ((segment.heart_rate, 6), (2 * segment.heart_rate, 12)):
            axis.axvspan(middle - half, middle + half, color="grey", alpha=0.15, linewidth=0)
    axis.set_xlim(60 * low, 60 * high)
    axis.set_yticks([])
    rate = f"{segment.heart_rate:.1f} bpm" if segment.kept else f"peak at {segment.heart_rate:.1f}/min"
    text = f"{segment.outcome}\n{rate}\nSNR {segment.snr:.1f} dB\nQ {segment.q:.2f}"
    axis.text(0.98, 0.95, text, transform=axis.transAxes, ha="right", va="top", fontsize=9, color=colour)
