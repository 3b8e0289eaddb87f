"""Charts of the page of a clip: score, deletion test, parts of the face, pulse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from lfnet.deploy.svg import Svg, ticks
from lfnet.pulse.segments import Segment
from lfnet.text import fixed

__all__ = ["deletion_chart", "digits_of", "parts_chart", "pulse_chart", "score_chart"]

_WIDTH = 480.0
_MAX_PULSE_POINTS = 900


def digits_of(scale: Mapping[str, Any]) -> int:
    """Decimals of a score: one, or two of a probability."""
    return 1 if scale["max"] > 1 else 2


def score_chart(content: Mapping[str, Any]) -> Markup:
    """Draw the scale with the score, its interval, and the constants."""
    scale, score, interval = content["scale"], content["score"], content.get("interval")
    digits, constants = digits_of(scale), content["constants"] or {}
    low, high = min(scale["min"], score), max(scale["max"], score)
    left, right, y = 20.0, _WIDTH - 20, 46.0

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    drawing = Svg(_WIDTH, 70 + 18 * len(constants), f"Score {score:.{digits}f} on {scale['name']}")
    drawing.line(left, y, right, y, "axis")
    for value in ticks(scale["min"], scale["max"], 6):
        drawing.line(x(value), y - 4, x(value), y + 4, "axis")
        drawing.text(x(value), y + 18, f"{value:g}", "soft", "middle")
    if interval:
        title = f"{100 * interval['level']:g} % interval {interval['low']:.{digits}f} to {interval['high']:.{digits}f}"
        drawing.rect(x(interval["low"]), y - 7, x(interval["high"]) - x(interval["low"]), 14, "range", title=title)
    for number, (name, value) in enumerate(constants.items()):
        base, place = y + 36 + 18 * number, x(min(max(value, low), high))
        drawing.line(place, y - 9, place, base - 4, "constant")
        end = place > _WIDTH / 2
        text = f"training {name} {value:.{digits}f}"
        drawing.text(place - 5 if end else place + 5, base, text, "", "end" if end else "start")
    drawing.circle(x(score), y, 7, "score", title=f"score {score:.{digits}f}")
    anchor = "start" if x(score) < 80 else "end" if x(score) > _WIDTH - 80 else "middle"
    drawing.text(x(score), y - 18, f"score {score:.{digits}f}", "strong", anchor)
    return drawing.markup()


def deletion_chart(content: Mapping[str, Any]) -> Markup:
    """Draw the score against the share of segments removed, in both orders of the effects and in random ones."""
    test, scale, digits = content["deletion"], content["scale"], digits_of(content["scale"])
    names = ("raising_first", "lowering_first", "random_low", "random_high")
    low, high = min(min(test[name]) for name in names), max(max(test[name]) for name in names)
    margin = 0.08 * (high - low) or 10.0**-digits
    low, high = low - margin, high + margin
    left, right, top, bottom = 56.0, _WIDTH - 14, 28.0, 268.0

    def x(share: float) -> float:
        return left + share * (right - left)

    def y(score: float) -> float:
        return bottom - (score - low) / (high - low) * (bottom - top)

    drawing = Svg(
        _WIDTH, 312, "Score against the share of segments removed, in the order of effects and in random orders"
    )
    for value in ticks(low, high, 5):
        drawing.line(left, y(value), right, y(value), "grid")
        drawing.text(left - 6, y(value) + 4, f"{value:.{max(digits, _decimals(high - low))}f}", "soft", "end")
    drawing.text(0, 14, f"score, {scale['name']}{' points' if scale['max'] > 1 else ''}", "soft")
    for percent in (0, 25, 50, 75, 100):
        drawing.text(x(percent / 100), bottom + 18, f"{percent}", "soft", "middle")
    drawing.text((left + right) / 2, bottom + 36, "% of the segments removed", "soft", "middle")
    shares = test["share_removed"]

    def curve(name: str) -> list[tuple[float, float]]:
        return [(x(share), y(value)) for share, value in zip(shares, test[name], strict=True)]

    drawing.polygon([*curve("random_low"), *reversed(curve("random_high"))], "band")
    drawing.polyline(curve("random_mean"), "mean")
    for name, kind in (("raising_first", "curve up"), ("lowering_first", "curve down")):
        drawing.polyline(curve(name), kind)
        for place, height in curve(name):
            drawing.circle(place, height, 2.5, kind.replace("curve", "bar"))
    if 0 < (share := test["share_below_the_minimum_of_frames"]) < shares[-1]:
        drawing.line(x(share), top, x(share), bottom, "constant")
        side, anchor = (-6, "end") if share > 0.5 else (6, "start")
        drawing.text(x(share) + side, top + 10, "fewer frames than the model accepts", "soft", anchor)
    return drawing.markup()


def parts_chart(content: Mapping[str, Any]) -> Markup:
    """Draw a bar for the effect of each part of the face."""
    effects = content["parts"]["effects"]
    digits = digits_of(content["scale"]) + 1
    largest = max((abs(value) for value in effects.values() if value is not None), default=0) or 1.0
    height, left, right = 28.0, 170.0, _WIDTH - 70
    middle = (left + right) / 2
    drawing = Svg(_WIDTH, height * len(effects) + 8, "Effect of each part of the face on the score")
    drawing.line(middle, 0, middle, height * len(effects) + 4, "axis")
    for number, (name, value) in enumerate(effects.items()):
        y = 4 + height * number
        drawing.text(left - 66, y + 18, name.replace("_", " "), "", "end")
        if value is None:
            drawing.text(middle + 8, y + 18, "undefined", "soft")
            continue
        length = abs(value) / largest * (right - left) / 2
        drawing.rect(middle - length * (value < 0), y + 4, length, height - 10, _kind(value))
        place = middle + np.copysign(length + 6, value)
        drawing.text(place, y + 18, fixed(value, digits, sign=True), "", "start" if value >= 0 else "end")
    return drawing.markup()


def pulse_chart(segment: Segment) -> Markup:
    """Draw the pulse of one segment with its beats."""
    time = segment.start + np.arange(len(segment.pulse_N)) / segment.rate
    left, right, top, bottom = 10.0, 950.0, 6.0, 74.0
    high = float(np.abs(segment.pulse_N).max()) or 1.0

    def x(seconds: float) -> float:
        return left + (seconds - segment.start) / segment.seconds * (right - left)

    def y(value: float) -> float:
        return (top + bottom) / 2 - value / high * (bottom - top) / 2

    drawing = Svg(960, 98, f"Pulse from {segment.start:.0f} to {segment.start + segment.seconds:.0f} s")
    step = -(-len(time) // _MAX_PULSE_POINTS)
    kind = "curve kept" if segment.kept else "curve dropped"
    drawing.polyline(((x(at), y(value)) for at, value in zip(time[::step], segment.pulse_N[::step], strict=True)), kind)
    if segment.beats is not None:
        for seconds in segment.beats.seconds:
            place = min(len(time) - 1, max(0, round(seconds * segment.rate)))
            drawing.circle(x(time[place]), y(segment.pulse_N[place]), 2.6, "beat")
    for value in ticks(segment.start, segment.start + segment.seconds, 8):
        drawing.line(x(value), bottom + 2, x(value), bottom + 7, "axis")
        drawing.text(x(value), bottom + 20, f"{value:g} s", "soft", "middle")
    return drawing.markup()


def _kind(value: float) -> str:
    return "bar up" if value >= 0 else "bar down"


def _decimals(span: float) -> int:
    """Decimals that tell ticks of a span apart."""
    return max(0, 1 - int(np.floor(np.log10(span / 5)))) if span > 0 else 2
