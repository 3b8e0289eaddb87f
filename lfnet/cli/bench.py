"""`lfnet bench`: measure the cost of each stage of a run or bundle on this machine."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import add_threads, check_threads, command_parser
from lfnet.cli.configs import paths
from lfnet.cli.own_code import add_trust, trusted
from lfnet.errors import LfnetError
from lfnet.extras import require

__all__ = ["main"]

DESCRIPTION = """\
Measure each stage of a bundle (landmarker, encoder, head) in a process of its own: parameters, FLOPs, bytes, time per
frame, peak memory. A run is exported first, into a temporary folder."""
EPILOG = f"""\
examples:
  lfnet bench my_bundle
  lfnet bench my_bundle --video clip.mp4     with all stages of a real video
  lfnet bench 0123456789abcdef --threads 1 --json

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet bench ARGV`; returns the exit status."""
    parser = command_parser("bench", DESCRIPTION, EPILOG)
    parser.add_argument(
        "what", metavar="RUN|BUNDLE", help="a bundle's folder, a run's folder, or the first letters of its name"
    )
    parser.add_argument("--video", type=Path, metavar="FILE", help="a video to score, without its pulse")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("overrides", nargs="*", metavar="paths.NAME=FOLDER", help="another folder of runs")
    add_trust(parser)
    options = parser.parse_intermixed_args(argv)
    check_threads(options)
    if options.video is not None and not options.video.exists():
        raise LfnetError(f"--video {options.video} does not exist.")
    require("deploy", "onnx", use="lfnet bench")
    runs = paths(options.overrides)["runs"]
    from lfnet.deploy.bundle import Bundle
    from lfnet.deploy.replace import bundle_folder

    trust = trusted(options)
    if bundle_folder(Path(options.what)) is not None:
        found = _measure(Bundle.open(Path(options.what), trust=trust), options)
    else:
        from lfnet.deploy.export import export
        from lfnet.deploy.trained_head import TrainedHead

        run = TrainedHead.open([options.what], runs, trust=trust)
        with TemporaryDirectory(prefix="lfnet_bench_") as folder:
            export(run, Path(folder) / "bundle")
            found = _measure(Bundle.open(Path(folder) / "bundle", trust=trust), options)
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(found)
    return 0


def _measure(bundle: Any, options: argparse.Namespace) -> dict[str, Any]:
    from lfnet.deploy.stage_cost import measure_stages

    found: dict[str, Any] = {
        "stages": measure_stages(bundle, threads=options.threads, trust=options.trust),
        "video": None,
        "joules_per_video_minute": None,
    }
    if options.video is not None:
        from lfnet.deploy.scorer import Scorer
        from lfnet.jobs.latency import EnergyMeter

        with Scorer.of(bundle, pulse=False, threads=options.threads) as scorer:
            meter = EnergyMeter()
            found["video"] = scorer.score(options.video)
            joules = meter.joules()
        if joules is not None and (seconds := found["video"].get("duration_s")):
            found["joules_per_video_minute"] = round(60 * joules / seconds, 2)
    return {**found, "disclaimer": RESEARCH_ONLY}


def _show(found: dict[str, Any]) -> None:
    form = "{:<11} {:<26} {:>12} {:>14} {:>12} {:>10} {:>10}"
    print(form.format("stage", "", "parameters", "FLOPs/frame", "bytes", "ms/frame", "peak MiB"))
    for row in found["stages"]:
        print(
            form.format(
                row["stage"],
                row["name"],
                *("–" if row[key] is None else f"{row[key]:,}" for key in ("parameters", "flops_per_frame", "bytes")),
                f"{row['ms_per_frame']:.3f}",
                f"{row['peak_mib']:.1f}",
            )
        )
    sums = [sum(row[key] or 0 for row in found["stages"]) for key in ("bytes", "ms_per_frame")]
    print(form.format("all", "", "", "", f"{sums[0]:,}", f"{sums[1]:.3f}", ""))
    print("–: unknown for a MediaPipe task file. The landmarker is timed on an image without a face.")
    if (busy := max(row["load"] for row in found["stages"])) > 1:
        print(f"The machine was busy ({busy:g} processes per core): times are too long.")
    if (video := found["video"]) is not None:
        if video["refused"]:
            print(f"{video['video']}: refused: {video['refused']}")
        if video["latency"]["ms_per_frame"] is not None:
            stages = ", ".join(f"{name} {value:.2f}" for name, value in video["latency"]["stages_ms_per_frame"].items())
            print(f"{video['video']}: {video['latency']['ms_per_frame']:.1f} ms per decoded frame: {stages}")
        joules = found["joules_per_video_minute"]
        drawn = "unknown, no RAPL counter can be read" if joules is None else f"{joules:.1f} J, with all else that ran"
        print(f"energy per minute of video: {drawn}")
    print(RESEARCH_ONLY)
