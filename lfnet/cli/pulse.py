"""`lfnet pulse`: heart rate, signal quality and pulse-rate variability of one video, with a figure."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser
from lfnet.cli.configs import compose
from lfnet.config import instantiate, plain
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.files import personal_files, user_path
from lfnet.text import plural

__all__ = ["main"]

REFUSED = 3
_EVERY, _MAX_EVERY = 5, 30  # frames between two face detections; all frames between them are held in memory
DESCRIPTION = """\
Read the pulse from a video of a face: skin colour follows the blood volume. The first use downloads the face landmarker
(3.8 MB). The video stays on this machine."""
EPILOG = f"""\
examples:
  lfnet pulse clip.mp4 --figure pulse.png
  lfnet pulse clip.mp4 --json
  lfnet pulse clip.mp4 pulse=published                   as published: green channel, quality Q, all features
  lfnet pulse clip.mp4 pulse.method=chrom pulse.segment=30
  lfnet pulse clip.mp4 --every 1                         the face in every frame, at half the speed
  lfnet pulse frames/ --fps 30                           a folder of images

Settings are those of conf/pulse, conf/video and conf/encoder/skin.yaml (encoder.skin.dark=10). Features for which the
segments are too short, or whose measured error is above half of the value (pulse.max_error), are withheld.
exit status: 0 a pulse was found; {REFUSED} no segment has a reliable pulse (the report gives the reason and no rate);
2 no face, too short, or not readable.

{RESEARCH_ONLY}
"""
_GROUPS = ("pulse", "video", "paths", "encoder.skin")
_ERROR = "± is the error that {:.0%} or more of made pulses with such an SNR and value keep to."
_UNITS = {
    **dict.fromkeys(("MeanHR", "SDHR", "MinHR", "MaxHR"), "1/min"),
    **dict.fromkeys(("MeanNN", "MedianNN", "SDNN", "SDSD", "RMSSD", "MadNN", "IQRNN", "TINN", "SD1", "SD2"), "ms"),
    **dict.fromkeys(("pNN20", "pNN50", "Amplitude"), "%"),
    **dict.fromkeys(("VLF", "LF", "HF", "TP"), "ms²"),
    **dict.fromkeys(("RiseTime", "Width"), "s"),
    "SNR": "dB",
}


def main(argv: list[str]) -> int:
    """Run `lfnet pulse ARGV` and return the exit status. Raises `LfnetError` where no pulse can be computed."""
    if any(word.partition("=")[0] == "--picture" for word in argv):
        raise LfnetError("--picture is now --figure: give --figure FILE.")
    parser = command_parser(
        "pulse",
        DESCRIPTION,
        EPILOG,
        usage="lfnet pulse VIDEO [--json] [--figure FILE] [--landmarker FILE] [--fps N] [--every N] "
        "[GROUP.SETTING=VALUE ...]",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="20 s or more of a close, well-lit and still face")
    parser.add_argument("overrides", nargs="*", metavar="SETTING", help="such as pulse.method=chrom")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw trace, spectrum and quality (png, pdf, svg)")
    parser.add_argument("--landmarker", type=Path, metavar="FILE", help="your own copy of the face landmarker")
    parser.add_argument("--fps", type=float, metavar="N", help="frames per second of a folder of images")
    parser.add_argument(
        "--every",
        type=int,
        default=_EVERY,
        metavar="N",
        help=f"find the face in every Nth frame and interpolate between (default {_EVERY}); 1: a face that moves much",
    )
    options = parser.parse_intermixed_args(argv)
    require("video", use="lfnet pulse")
    from lfnet.pulse.figure import check_figure_path, draw_figure

    if not 1 <= options.every <= _MAX_EVERY:
        raise LfnetError(f"--every {options.every}: give a number of frames from 1 to {_MAX_EVERY}.")
    if options.figure is not None:
        check_figure_path(options.figure)
    config = _config(options.overrides)
    if options.landmarker is not None:
        config["video"]["landmarker"]["path"] = str(options.landmarker)
    report, segments, settings = _read(options.video, options.fps, options.every, config)
    if options.json:
        print(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(report)
        print(RESEARCH_ONLY)
    if options.figure is not None:
        try:
            with personal_files(config["paths"].get("mode", "private")):
                draw_figure(segments, settings, options.figure)
        except LfnetError as error:  # the report is valid without it
            print(f"no figure: {error}", file=sys.stderr)
        else:
            if not options.json:
                print(f"figure: {options.figure}")
    return 0 if report["heart_rate_bpm"] is not None else REFUSED


def _config(overrides: list[str]) -> dict[str, Any]:
    chosen = {"pulse": "nested", "video": "default", "paths": "default", "encoder": "skin"}
    others = []
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals or not f"{name.lstrip('+~')}.".startswith(tuple(f"{group}." for group in _GROUPS)):
            raise LfnetError(
                f"`{override}` is no setting of this command: give GROUP=NAME or GROUP.SETTING=VALUE of "
                f"{', '.join(_GROUPS)}."
            )
        if name in chosen:
            chosen[name] = value
        else:
            others.append(override)
    composed: dict[str, Any] = plain(compose(None, [*(f"+{k}={v}" for k, v in chosen.items()), *others]))
    return composed


def _read(video: Path, fps: float | None, every: int, config: dict[str, Any]) -> tuple[dict[str, Any], list[Any], Any]:
    from lfnet.features.consumers import FrameConsumer
    from lfnet.features.video_pass import run_pass
    from lfnet.pulse.errors import COVERAGE
    from lfnet.pulse.segments import OUTCOMES, read_segments
    from lfnet.video.decode import frames
    from lfnet.video.mesh import FaceMesh
    from lfnet.video.probe import probe
    from lfnet.video.survey import survey

    settings, reading = instantiate(config["pulse"], "pulse"), instantiate(config["video"], "video")
    vectors = FrameConsumer(instantiate(config["encoder"]["skin"], "encoder.skin"))
    surveyed = None if video.is_dir() else survey(video, reading.times, reading.damaged)
    media = probe(video, fps, reading.times, reading.damaged, surveyed)
    notes: list[str] = []
    model = reading.find_landmarker(user_path(config["paths"]["weights"]))
    with FaceMesh(model, reading, blendshapes=False) as mesh:
        decoded = frames(video, fps=fps, damaged=reading.damaged, times=reading.times, surveyed=surveyed, notes=notes)
        checks = reading.check_every is not None
        (passed,) = run_pass(decoded, mesh, [vectors], every=every, check_people=checks)
    clip = vectors.clip(passed, {})
    if not clip.valid.any():
        raise LfnetError(
            f"{video}: no face in any of {plural(len(clip.valid), 'frame')}. Give a clip with a visible face."
        )
    try:
        segments = read_segments(clip.features, clip.time, clip.valid, settings)
    except LfnetError as error:
        raise LfnetError(f"{video}: {error}") from error
    if not segments:
        seconds = float(clip.time[-1] - clip.time[0] + np.median(np.diff(clip.time))) if len(clip.time) > 1 else 0.0
        raise LfnetError(
            f"{video} is too short: {seconds:.1f} s, and a pulse is read from segments of {settings.segment:g} s. "
            f"{settings.advice(seconds)}"
        )
    kept = [segment for segment in segments if segment.kept]
    outcomes = Counter(segment.outcome for segment in segments)
    report = {
        "heart_rate_bpm": _median([segment.heart_rate for segment in kept]),
        "video": str(video),
        "outcome": OUTCOMES["kept"] if kept else "; ".join(OUTCOMES[name] for name in outcomes),
        "snr_db": _median([segment.snr for segment in kept or segments]),
        "quality": _median([segment.q for segment in kept or segments]),
        "duration_s": round(media.duration, 3),
        "frames": len(clip.valid),
        "frames_with_a_face": int(clip.valid.sum()),
        "face_found_every": every,
        "fps": round(media.fps, 3),
        "segments": len(segments),
        "segments_kept": len(kept),
        "dropped": {name: count for name, count in outcomes.items() if name != "kept"},
        "notes": [*notes, *passed.notes()],
        "settings": settings.recipe(),
        "prv": _features(kept, settings),
        "prv_note": _ERROR.format(COVERAGE),
        "each": [_one(segment) for segment in segments],
        "disclaimer": RESEARCH_ONLY,
    }
    return report, segments, settings


def _features(kept: list[Any], settings: Any) -> dict[str, Any]:
    """Return medians over the segments; invalid features have a value only with `pulse.invalid=keep`."""
    if not kept:
        return {}
    found = {}
    for name in kept[0].values:
        used = [segment for segment in kept if segment.valid[name] or settings.invalid == "keep"]
        valid = sum(segment.valid[name] for segment in kept)
        entry: dict[str, Any] = {
            "value": _median([segment.values[name] for segment in used]),
            "unit": _UNITS.get(name, ""),
            "valid": valid > 0,
        }
        if name in kept[0].errors:
            entry["error"] = _median([segment.errors[name] for segment in used])
        if 0 < valid < len(kept):
            entry["segments"] = valid
        if not valid and any(name in segment.withheld for segment in kept):
            entry["withheld"] = _reason(name, kept, settings)
        elif not valid:
            entry["needs"] = _needs(name, settings)
        found[name] = entry
    return found


def _reason(name: str, kept: list[Any], settings: Any) -> str:
    from lfnet.pulse.errors import follows

    root = follows(name)
    error = np.median([segment.errors[root] for segment in kept])
    return f"error of {root} {error:.0f} ms, above {settings.max_error:.0%} of it"


def _needs(name: str, settings: Any) -> str:
    if name in settings.min_seconds and settings.min_seconds[name] > settings.segment:
        return f"{settings.min_seconds[name]:g} s"
    if name in settings.min_intervals:
        return f"{settings.min_intervals[name]} intervals"
    return "more, or more regular, beats"


def _one(segment: Any) -> dict[str, Any]:
    return {
        "start_s": round(segment.start, 3),
        "heart_rate_bpm": _rounded(segment.heart_rate) if segment.kept else None,
        "outcome": segment.outcome,
        "peak_bpm": _rounded(segment.heart_rate),
        "peak_bpm_of_regions": [_rounded(each) for each in segment.region_rates],
        "snr_db": _rounded(segment.snr),
        "quality": _rounded(segment.q),
        "beats": 0 if segment.beats is None else len(segment.beats.peaks),
        "beats_corrected": 0 if segment.beats is None else int(segment.beats.corrected),
    }


def _median(values: list[float]) -> float | None:
    finite = [value for value in values if np.isfinite(value)]
    return _rounded(float(np.median(finite))) if finite else None


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _show(report: dict[str, Any]) -> None:
    print(
        f"{report['video']}: {report['duration_s']:.1f} s, {report['fps']:.4g} frames per second, a face in "
        f"{report['frames_with_a_face']} of {plural(report['frames'], 'frame')}"
    )
    for note in report["notes"]:
        print(f"  {note}")
    settings = report["settings"]
    rate, kept, total = report["heart_rate_bpm"], report["segments_kept"], report["segments"]
    if rate is None:
        print(f"no reliable pulse: {report['outcome']}")
    else:
        decibels, method = report["snr_db"], settings["method"].upper()
        of = f"{kept} of {plural(total, 'segment')}"
        print(f"heart rate {rate:.1f} beats per minute, SNR {decibels:.1f} dB ({method}, {of})")
    print(f"\n  {'segment':>12}  {'outcome':<14}  {'peak/min':>8}  {'SNR dB':>6}  {'Q':>5}  beats")
    for each in report["each"]:
        span = f"{each['start_s']:.0f}–{each['start_s'] + settings['segment']:.0f} s"
        peak, decibels = (_text(each[key], 1) for key in ("peak_bpm", "snr_db"))
        q = _text(each["quality"], 2)
        print(f"  {span:>12}  {each['outcome']:<14}  {peak:>8}  {decibels:>6}  {q:>5}  {each['beats']}")
    if report["prv"]:
        print("\n  pulse-rate variability (PRV, not HRV), median of the segments")
        for name, entry in report["prv"].items():
            error = "" if entry.get("error") is None else f"± {entry['error']:.3g}"
            if "needs" in entry:
                state = f"not valid: needs {entry['needs']}"
            elif "withheld" in entry:
                state = f"withheld: {entry['withheld']}"
            else:
                state = f"of {entry['segments']} of {plural(kept, 'segment')}" if "segments" in entry else ""
            print(f"  {name:<16} {_text(entry['value'], 3):>12} {error:<8} {entry['unit']:<6} {state}".rstrip())
        print(f"  {report['prv_note']}")
    print()


def _text(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
