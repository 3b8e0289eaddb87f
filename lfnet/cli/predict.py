"""`lfnet predict`: score videos with a bundle; interval, coverage, pulse and latency. Imports no PyTorch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import add_threads, check_threads, command_parser
from lfnet.cli.own_code import add_trust, trusted
from lfnet.cli.video_settings import split_settings
from lfnet.text import plural

__all__ = ["REFUSED", "main"]

REFUSED = 3
DESCRIPTION = """\
Score videos with a bundle of `lfnet export`, without PyTorch. A video that the bundle was not made for (no face, too
short, another frame rate) is refused, with the reason. Videos stay on this machine."""
EPILOG = f"""\
examples:
  lfnet predict clip.mp4 --bundle my_bundle
  lfnet predict freeform.mp4 northwind.mp4 --bundle my_bundle --together    two clips of one recording: one score
  lfnet predict clip.mp4 --bundle my_bundle --json
  lfnet predict clip.avi --bundle my_bundle video.times=rebuild
  lfnet predict clip.mp4 --bundle my_bundle video.faces=2 video.person=left    of two faces, the left one

Settings are those of conf/video, instead of the bundle's.
exit status: 0 every video was scored; {REFUSED} some were refused; 2 a mistake (for instance, no bundle).

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet predict ARGV`; returns the exit status."""
    usage = "lfnet predict VIDEO [VIDEO ...] --bundle DIR [OPTIONS] [video.SETTING=VALUE ...]"
    parser = command_parser("predict", DESCRIPTION, EPILOG, usage=usage)
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="videos, or folders of images")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="what `lfnet export` wrote")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("--together", action="store_true", help="the videos are clips of one recording")
    parser.add_argument("--no-pulse", action="store_true", help="do not read the pulse, which takes time")
    parser.add_argument("--fps", type=float, metavar="N", help="frames per second of a folder of images")
    add_threads(parser)
    add_trust(parser)
    argv, settings = split_settings(argv, faces=True)
    options = parser.parse_args(argv)
    check_threads(options)
    from lfnet.deploy.bundle import Bundle
    from lfnet.deploy.scorer import Scorer
    from lfnet.deploy.scoring import score_text

    bundle = Bundle.open(options.bundle, trust=trusted(options))
    reports = []
    with Scorer.of(bundle, pulse=not options.no_pulse, threads=options.threads, video=settings) as scorer:
        for video in options.videos:
            reports.append(scorer.score(video, options.fps))
            if not options.json:
                _show(reports[-1])
    together = scorer.join(reports) if options.together else None
    if options.json:
        content: dict[str, Any] = {
            "bundle": str(options.bundle),
            "run": asdict(bundle.facts.run),
            "load_s": round(scorer.load_s, 3),
            "videos": reports,
            **({"together": together} if together else {}),
            "disclaimer": RESEARCH_ONLY,
        }
        print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        if together is not None:
            score = score_text(together, asdict(bundle.facts.scale))
            print(f"together, {together['videos']} of {plural(len(reports), 'video')}: {score}\n")
        for mark in bundle.facts.run.marks:
            print(f"warning: the model of this bundle: {mark}")
        if bundle.facts.run.simulated:
            print("The bundle was trained on a simulated cohort: its scores say nothing about any person.")
        print(RESEARCH_ONLY)
    return REFUSED if any(report["refused"] for report in reports) else 0


def _show(report: dict[str, Any]) -> None:
    from lfnet.deploy.scoring import score_text

    print(f"{report['video']}: {score_text(report, report.get('scale', {}))}")
    if report["score"] is not None and report.get("no_interval"):
        print(f"  no interval: {report['no_interval']}")
    if "frames" in report:
        print(
            f"  a face in {report['frames_with_a_face']} of {plural(report['frames'], 'frame')} "
            f"({100 * report['coverage']:.0f} %), {report['duration_s']:.1f} s"
        )
    for note in report.get("notes", []):
        print(f"  {note}")
    if pulse := report.get("pulse"):
        rate = pulse["heart_rate_bpm"]
        kept = f"{pulse['segments_kept']} of {plural(pulse['segments'], 'segment')}"
        print(f"  no pulse: {pulse['why_not']}" if rate is None else f"  pulse {rate:.1f} beats a minute ({kept})")
    latency = report["latency"]
    if latency["ms_per_frame"] is not None:
        stages = ", ".join(f"{name} {value:.2f}" for name, value in latency["stages_ms_per_frame"].items())
        print(f"  {latency['ms_per_frame']:.1f} ms per frame: {stages}")
    print()
