"""`lfnet bench`: what each stage of a run's or a bundle's way from frame to score costs on this machine."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.configs import paths
from lfnet.cli.own_code import add_trust, trusted
from lfnet.errors import LfnetError

__all__ = ["main"]

DESCRIPTION = """\
Measure each stage of a bundle (landmarker, encoder, head) in a process of its own: parameters, FLOPs, bytes, time a
frame, peak memory. A run is exported first, into a folder that goes again."""
EPILOG = f"""\
examples:
  lfnet bench my_bundle
  lfnet bench my_bundle --video clip.mp4     with the whole way of a real video, stage by stage
  lfnet bench 0123456789abcdef --threads 1 --json

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet bench ARGV`; returns the exit status. Raises `LfnetError` where there is neither run nor bundle."""
    parser = argparse.ArgumentParser(
        prog="lfnet bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="RUN|BUNDLE", help="a bundle's folder, a run's folder, or how its name begins")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a video to take the whole way, with no pulse")
    parser.add_argument("--threads", type=int, metavar="N", help="of the networks (as many as onnxruntime likes)")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("overrides", nargs="*", metavar="paths.NAME=FOLDER", help="where runs are")
    add_trust(parser)
    options = parser.parse_intermixed_args(argv)
    if options.threads is not None and options.threads < 1:
        raise LfnetError(f"--threads {options.threads}: give 1 or more.")
    from lfnet.deploy.bundle import Bundle
    from lfnet.deploy.replace import bundle_folder

    trust = trusted(options)
    if bundle_folder(Path(options.what)) is not None:
        told = _told(Bundle.open(Path(options.what), trust=trust), options)
    else:
        from lfnet.deploy.export import export, open_run

        run = open_run(options.what, paths(options.overrides)["runs"], trust=trust)
        with TemporaryDirectory(prefix="lfnet_bench_") as folder:
            export(run, Path(folder) / "bundle")
            told = _told(Bundle.open(Path(folder) / "bundle", trust=trust), options)
    if options.json:
        print(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(told)
    return 0


def _told(bundle: Any, options: argparse.Namespace) -> dict[str, Any]:
    from lfnet.deploy.bench import bench

    told: dict[str, Any] = {"stages": bench(bundle, threads=options.threads, trust=options.trust), "video": None}
    if options.video is not None:
        from lfnet.deploy.score import Scorer

        with Scorer(bundle, pulse=False, threads=options.threads) as scorer:
            told["video"] = scorer.score(options.video)
    return {**told, "disclaimer": RESEARCH_ONLY}


def _show(told: dict[str, Any]) -> None:
    form = "{:<11} {:<26} {:>12} {:>14} {:>12} {:>10} {:>10}"
    print(form.format("stage", "", "parameters", "FLOPs/frame", "bytes", "ms/frame", "peak MiB"))
    for row in told["stages"]:
        print(
            form.format(
                row["stage"],
                row["name"],
                *("–" if row[key] is None else f"{row[key]:,}" for key in ("parameters", "flops_per_frame", "bytes")),
                f"{row['ms_per_frame']:.3f}",
                f"{row['peak_mib']:.1f}",
            )
        )
    sums = [sum(row[key] or 0 for row in told["stages"]) for key in ("bytes", "ms_per_frame")]
    print(form.format("all", "", "", "", f"{sums[0]:,}", f"{sums[1]:.3f}", ""))
    print("–: a MediaPipe task file does not say. The landmarker is timed on a picture without a face.")
    if (busy := max(row["load"] for row in told["stages"])) > 1:
        print(f"The machine was busy ({busy:g} processes a core): an idle one takes less time.")
    if (video := told["video"]) is not None:
        if video["refused"]:
            print(f"{video['video']}: refused: {video['refused']}")
        if video["latency"]["ms_per_frame"] is not None:
            stages = ", ".join(f"{name} {value:.2f}" for name, value in video["latency"]["stages_ms_per_frame"].items())
            print(f"{video['video']}: {video['latency']['ms_per_frame']:.1f} ms a decoded frame: {stages}")
    print(RESEARCH_ONLY)
