"""HTML page of an explained clip: one self-contained file that loads nothing and names no person, file or folder."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

import lfnet
from lfnet.deploy.clip_charts import deletion_chart, digits_of, parts_chart, pulse_chart, score_chart
from lfnet.deploy.explanation import MADE_BY, Explanation
from lfnet.deploy.scoring import score_text
from lfnet.deploy.timeline import timeline
from lfnet.errors import LfnetError
from lfnet.files import write_json, write_text
from lfnet.text import fixed, plural

__all__ = ["check_out", "clip_page", "deletion_verdict", "largest_effect", "write_explanation"]

_TITLE = "A clip explained · lfnet"
_HEAD = 4096  # bytes in which a file of `lfnet explain` says what it is
_MAX_PULSE = 6  # segments whose pulse is drawn


def check_out(path: Path) -> None:
    """Raise `LfnetError` where `write_explanation` would replace a file that it did not write."""
    for place, sign in ((path, _TITLE), (path.with_suffix(".json"), MADE_BY)):
        if place.exists() and (not place.is_file() or not _begins_with(place, sign)):
            raise LfnetError(f"{place} was not written by `lfnet explain`: move it, or give another name by --out.")


def write_explanation(explanation: Explanation, path: Path) -> list[Path]:
    """Write the page to `path`, and its numbers as JSON next to it, both as personal files; return both paths."""
    check_out(path)
    numbers = path.with_suffix(".json")
    write_text(path, clip_page(explanation))
    write_json(numbers, explanation.content)
    return [path, numbers]


def _begins_with(path: Path, sign: str) -> bool:
    with path.open("rb") as file:
        return sign.encode() in file.read(_HEAD)


def clip_page(explanation: Explanation) -> str:
    """Render the page of a clip."""
    content, pulse = explanation.content, [one for one in explanation.pulse if len(one.pulse_N)]
    charts: dict[str, Any] = {
        "score": score_chart(content),
        "time": timeline(content, explanation.stills),
        "deletion": deletion_chart(content) if content["deletion"] else "",
        "parts": parts_chart(content) if "effects" in content["parts"] else "",
        "pulse": [(_pulse_title(one), pulse_chart(one)) for one in pulse[:_MAX_PULSE]],
    }
    left_out = len(pulse) - _MAX_PULSE
    return (
        _environment()
        .get_template("clip.html")
        .render(
            title=_TITLE,
            content=content,
            charts=charts,
            research_only=lfnet.RESEARCH_ONLY,
            own_files=False,
            shows_face=any(still.jpeg for still in explanation.stills),
            lead=_lead(content),
            warnings=[*content["notes"], *content["model"]["marks"]],
            score=score_text(content, content["scale"]),
            constants=_constants(content),
            facts=list(_facts(content)),
            largest=largest_effect(content),
            verdict=deletion_verdict(content),
            time_caption=_time_caption(explanation),
            parts=_parts(content),
            pulse=_pulse(content),
            more_pulse=f"{plural(left_out, 'segment')} more are not drawn." if left_out > 0 else "",
            method=list(_method(content)),
        )
    )


def largest_effect(content: dict[str, Any]) -> str:
    """Say which segment has the largest effect."""
    known = [one for one in content["segments"] if one["effect"] is not None]
    if not known:
        return "No segment has an effect of its own: the model reads one segment with a face."
    one = max(known, key=lambda segment: abs(segment["effect"]))
    digits = digits_of(content["scale"]) + 1
    if float(f"{abs(one['effect']):.{digits}f}") == 0:
        return "No segment by itself changes the score."
    text = f"The largest effect is that of {one['start_s']:.1f} to {one['end_s']:.1f} s: "
    text += f"{fixed(one['effect'], digits, sign=True)} {content['unit']}"
    if interval := content.get("interval"):
        text += f", where the score's interval is {interval['high'] - interval['low']:.1f} wide"
    return f"{text}."


def deletion_verdict(content: dict[str, Any]) -> str:
    """Say whether the order of the effects changes the score more than random orders do; "" without a test."""
    test = content["deletion"]
    if test is None:
        return ""
    if test["flat"]:
        return "The score does not change whatever is removed: there is nothing to explain."
    digits, found, orders = digits_of(content["scale"]) + 1, test["random_orders_as_far_apart"], test["random_orders"]
    low, high = (fixed(value, digits, sign=True) for value in test["random_gap_95"])
    verdict = "the effects order the segments better than chance"
    if not test["beats_random"]:
        verdict = f"whether {verdict} cannot be told"
    return (
        "Removing first what raises the score most, and first what lowers it most, gives scores that are "
        f"{fixed(test['gap'], digits)} {content['unit']} apart on average. For random orders and their reverses it "
        f"is 0 (95 % range {low} to {high}), and {found} of {orders} are as far apart: {verdict}."
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("lfnet.reports"), jinja2.PackageLoader("lfnet.deploy")]),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["signed"] = lambda value: "–" if value is None else fixed(value, 3, sign=True)
    return environment


def _lead(content: dict[str, Any]) -> str:
    model = content["model"]
    reads = f"vectors of {model['encoder']}" if model["encoder"] else "ready features"
    return (
        f"What the score of the model {model['name']} ({model['head']} on {reads}, cohort {model['cohort']}) depends "
        "on in this clip: each part is hidden from the model, and the score is computed again."
    )


def _constants(content: dict[str, Any]) -> str:
    constants = content["constants"]
    if constants is None:
        return "The bundle does not hold the mean and median of the training labels: export the run again to see them."
    digits = digits_of(content["scale"])
    return (
        "A model that sees nothing would give each clip the mean of the training labels, "
        f"{constants['mean']:.{digits}f}, or their median, {constants['median']:.{digits}f}."
    )


def _facts(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "Coverage",
        f"a face in {content['frames_with_a_face']:,} of {plural(content['frames'], 'frame')} "
        f"({100 * content['coverage']:.0f} %)",
    )
    yield "Duration", f"{content['duration_s']:.1f} s"
    yield "Windows", f"{content['windows']}, scores {_range(content)}"
    if pulse := content.get("pulse"):
        kept = f"{pulse['segments_kept']} of {plural(pulse['segments'], 'segment')} usable"
        yield "Pulse", kept if pulse["segments"] else pulse["why_not"]


def _range(content: dict[str, Any]) -> str:
    scores, digits = content["windows_score"], digits_of(content["scale"])
    low, high = f"{min(scores):.{digits}f}", f"{max(scores):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _time_caption(explanation: Explanation) -> str:
    parts = []
    if explanation.stills:
        parts.append(
            "Film: the mesh of the face at evenly spaced times, in one frame around all of them; lines lead to their "
            "times."
        )
    else:
        parts.append("Without a film: the clip is a file of features.")
    parts.append("Grey bars: no face, or not read by the model.")
    if explanation.content["attention"]:
        parts.append(
            "Attention: weight of each window in the pooling, which is no effect: a window with a large weight may "
            "have a score near the others'."
        )
    return " ".join(parts)


def _parts(content: dict[str, Any]) -> str:
    effects = content["parts"].get("effects")
    if not effects:
        return ""
    name, value = max(effects.items(), key=lambda item: abs(item[1] or 0.0))
    digits = digits_of(content["scale"]) + 1
    return (
        "By how much the score falls if the numbers of a part take their means over the training clips. The largest "
        f"effect: {name.replace('_', ' ')}, {fixed(value or 0.0, digits, sign=True)} {content['unit']}. Parts move "
        "together, so that effects do not add up."
    )


def _pulse(content: dict[str, Any]) -> str:
    pulse = content.get("pulse")
    if pulse is None:
        return "Not read: the clip is no video, the bundle has no settings of a pulse, or --no-pulse was given."
    if pulse["heart_rate_bpm"] is None:
        return f"No reliable pulse: {pulse['why_not']}."
    kept = f"{pulse['segments_kept']} of {plural(pulse['segments'], 'segment')}"
    return (
        f"{pulse['heart_rate_bpm']:.1f} beats per minute, SNR {fixed(pulse['snr_db'], 1)} dB ({kept}), read from the "
        "skin's colour. The model's score is computed without it."
    )


def _pulse_title(segment: Any) -> str:
    rate = f"{segment.heart_rate:.1f} beats per minute" if segment.kept else segment.outcome
    return (
        f"{segment.start:.0f}–{segment.start + segment.seconds:.0f} s: {rate}, SNR {fixed(segment.snr, 1)} dB, "
        f"Q {segment.q:.2f}"
    )


def _method(content: dict[str, Any]) -> Iterator[str]:
    seconds = content["segments"][0]["end_s"] - content["segments"][0]["start_s"]
    yield (
        f"Segments of {seconds:.2g} s. {content['hidden']} Windows of which too little is left are left out, as the "
        "protocol does. A large effect means that the model's score depends on these frames; it does not mean that "
        "they show depression. Where other frames of a window show the same as the hidden ones, nothing changes: a "
        "segment without an effect may still matter."
    )
    if content["attention"] is None:
        yield "Attention: the bundle's network returns scores and no attention weights, so that none are shown."
    runs = ", ".join(content["model"]["runs"])
    yield f"Run {runs}; lfnet {lfnet.__version__}. The numbers of this page are in the JSON file next to it."
