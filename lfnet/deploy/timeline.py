"""Chart of a clip over time: film of face meshes, effects of segments, attention, coverage, quality of the pulse."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from lfnet.deploy.clip_charts import digits_of
from lfnet.deploy.film import Still
from lfnet.deploy.svg import Svg, ticks
from lfnet.text import fixed
from lfnet.video.face_lines import face_lines

__all__ = ["timeline"]

_WIDTH, _LEFT, _RIGHT = 960.0, 92.0, 940.0
_BARS, _STRIP, _GAP = 150.0, 14.0, 12.0
_MARGIN = 0.08  # around the faces of a film, as a share of their size


class _Rows:
    """Rows of the chart, from top to bottom, over one axis of time."""

    def __init__(self, content: Mapping[str, Any], stills: Sequence[Still]) -> None:
        self.content, self.stills = content, stills
        self.segments = content["segments"]
        self.start, self.end = self.segments[0]["start_s"], self.segments[-1]["end_s"]
        self.box = (_RIGHT - _LEFT) / max(1, len(stills)) - 4
        self.y = 4.0

    def x(self, seconds: float) -> float:
        return _LEFT + (seconds - self.start) / (self.end - self.start) * (_RIGHT - _LEFT)

    def places(self) -> list[float]:
        """The left edge of each still; spread evenly, which they nearly are over time."""
        return [_LEFT + 2 + number * (self.box + 4) for number in range(len(self.stills))]


def timeline(content: Mapping[str, Any], stills: Sequence[Still]) -> Markup:
    """Draw the chart.

    Parameters
    ----------
    content : mapping
        Of an `Explanation`.
    stills : sequence of Still
        Frames of the film; those with an image are shown as such, too.
    """
    rows = _Rows(content, stills)
    shown = any(still.jpeg for still in stills)
    height = 4 + (rows.box + 26 if stills else 0) + (0.75 * rows.box + 8 if shown else 0)
    height += _BARS + _GAP + 46 + (_STRIP + _GAP) * (1 + bool(content["attention"]) + bool(content["pulse_segments"]))
    drawing = Svg(_WIDTH, height, _label(content))
    if stills:
        _film(drawing, rows)
    if shown:
        _images(drawing, rows)
    _effects(drawing, rows)
    if content["attention"]:
        _attention(drawing, rows)
    _coverage(drawing, rows)
    if content["pulse_segments"]:
        _quality(drawing, rows)
    for value in ticks(rows.start, rows.end, 8):
        drawing.line(rows.x(value), rows.y, rows.x(value), rows.y + 5, "axis")
        drawing.text(rows.x(value), rows.y + 20, f"{value:g} s", "soft", "middle")
    return drawing.markup()


def _label(content: Mapping[str, Any]) -> str:
    known = [one for one in content["segments"] if one["effect"] is not None]
    if not known:
        return "The clip over time; no segment has an effect of its own"
    top = max(known, key=lambda one: abs(one["effect"]))
    return (
        f"Effect of each of {len(content['segments'])} segments on the score; the largest is "
        f"{fixed(top['effect'], 2, sign=True)} from {top['start_s']:.1f} to {top['end_s']:.1f} s"
    )


def _film(drawing: Svg, rows: _Rows) -> None:
    """Line drawings of the meshes, all in one square around all of them, so that the head's movement is seen."""
    meshes = [still.landmarks_L2 for still in rows.stills if still.landmarks_L2 is not None]
    corner, side = np.zeros(2), 1.0
    if meshes:
        every = np.concatenate(meshes)
        low, high = every.min(axis=0), every.max(axis=0)
        side = float((high - low).max()) * (1 + 2 * _MARGIN)
        corner = (low + high - side) / 2
    for left, still in zip(rows.places(), rows.stills, strict=True):
        drawing.rect(left, rows.y, rows.box, rows.box, "frame")
        middle = left + rows.box / 2
        if still.landmarks_L2 is None:
            drawing.text(middle, rows.y + rows.box / 2 + 4, "no face", "soft", "middle")
        else:
            for line in face_lines(still.landmarks_L2):
                points = (line - corner) / side * rows.box + (left, rows.y)
                drawing.polyline(points.tolist(), "face")
        at = rows.x(min(max(still.time, rows.start), rows.end))
        drawing.polyline(
            [(middle, rows.y + rows.box), (middle, rows.y + rows.box + 6), (at, rows.y + rows.box + 18)], "lead"
        )
    rows.y += rows.box + 22


def _images(drawing: Svg, rows: _Rows) -> None:
    height = 0.75 * rows.box
    for left, still in zip(rows.places(), rows.stills, strict=True):
        if still.jpeg is not None:
            href = f"data:image/jpeg;base64,{base64.b64encode(still.jpeg).decode('ascii')}"
            drawing.image(left, rows.y, rows.box, height, href, f"frame at {still.time:.1f} s")
    rows.y += height + 8


def _effects(drawing: Svg, rows: _Rows) -> None:
    digits = digits_of(rows.content["scale"]) + 1
    largest = max((abs(one["effect"]) for one in rows.segments if one["effect"] is not None), default=0.0) or 1.0
    middle, half = rows.y + _BARS / 2, _BARS / 2 - 6
    for value, text in ((largest, "+"), (0.0, ""), (-largest, "")):
        y = middle - value / largest * half
        drawing.line(_LEFT, y, _RIGHT, y, "axis" if value == 0 else "grid")
        drawing.text(_LEFT - 8, y + 4, fixed(value, digits, sign=bool(text)), "soft", "end")
    drawing.text(0, middle - half / 2 - 4, "effect,")
    drawing.text(0, middle - half / 2 + 12, rows.content["unit"])
    for one in rows.segments:
        left, width = rows.x(one["start_s"]), rows.x(one["end_s"]) - rows.x(one["start_s"])
        span = f"{one['start_s']:.1f}–{one['end_s']:.1f} s"
        if one["effect"] is None:
            drawing.rect(left, middle - half, width, 2 * half, "unknown", title=f"{span}: no face, or not read")
            continue
        length = abs(one["effect"]) / largest * half
        kind = "bar up" if one["effect"] >= 0 else "bar down"
        title = f"{span}: {fixed(one['effect'], digits, sign=True)} {rows.content['unit']}"
        drawing.rect(left + 0.5, middle - length * (one["effect"] >= 0), width - 1, max(length, 0.6), kind, title=title)
    rows.y += _BARS + _GAP


def _attention(drawing: Svg, rows: _Rows) -> None:
    """Weight of each moment: the mean of the weights of the windows that contain it."""
    edges = [one["start_s"] for one in rows.segments] + [rows.end]
    weights = np.zeros(len(rows.segments))
    for window in rows.content["attention"]:
        inside = [window["start_s"] - 1e-6 <= edge < window["end_s"] - 1e-6 for edge in edges[:-1]]
        weights[inside] += window["weight"] / max(1, sum(inside))
    drawing.text(0, rows.y + 11, "attention")
    for one, weight in zip(rows.segments, weights / (weights.max() or 1.0), strict=True):
        left, width = rows.x(one["start_s"]), rows.x(one["end_s"]) - rows.x(one["start_s"])
        drawing.rect(left, rows.y + _STRIP * (1 - weight), width - 0.5, _STRIP * weight, "weight")
    rows.y += _STRIP + _GAP


def _coverage(drawing: Svg, rows: _Rows) -> None:
    drawing.text(0, rows.y + 11, "face found")
    for one in rows.segments:
        left, width = rows.x(one["start_s"]), rows.x(one["end_s"]) - rows.x(one["start_s"])
        share = one["frames_with_a_face"] / one["frames"] if one["frames"] else 0.0
        title = f"{one['start_s']:.1f}–{one['end_s']:.1f} s: a face in {100 * share:.0f} % of {one['frames']} frames"
        drawing.rect(left, rows.y, width, _STRIP, "frame", title=title)
        drawing.rect(left, rows.y + _STRIP * (1 - share), width, _STRIP * share, "found", title=title)
    rows.y += _STRIP + _GAP


def _quality(drawing: Svg, rows: _Rows) -> None:
    drawing.text(0, rows.y + 11, "pulse SNR")
    for one in rows.content["pulse_segments"]:
        left, right = rows.x(one["start_s"]), rows.x(min(one["end_s"], rows.end))
        kept = one["outcome"] == "kept"
        text = one["outcome"] if one["snr_db"] is None else f"{fixed(one['snr_db'], 1)} dB"
        title = f"{one['start_s']:.0f}–{one['end_s']:.0f} s: {one['outcome']}"
        drawing.rect(
            left + 0.5, rows.y, right - left - 1, _STRIP, "pulse kept" if kept else "pulse dropped", title=title
        )
        if right - left > 60:
            drawing.text((left + right) / 2, rows.y + 11, text, "small", "middle")
    rows.y += _STRIP + _GAP
