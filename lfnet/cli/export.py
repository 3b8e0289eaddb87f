"""`lfnet export`: write a finished run as a bundle that scores video without PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser, split_overrides
from lfnet.cli.configs import paths
from lfnet.cli.own_code import add_trust, trusted
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.deploy.bundle_json import Facts

__all__ = ["main"]

DESCRIPTION = """\
Write a bundle of a finished run: the head as ONNX, the networks of encoder and face landmarker, the settings, a
conformal interval and a model card. The exported head's scores are compared with PyTorch's; the export is refused if
they differ. Several runs that differ in their seed alone become one bundle, a deep ensemble: its score is the mean of
theirs, and its interval is wider where they disagree more."""
RUN_HELP = "a run's folder, or the first letters of its name in lfnet_runs; paths.runs=FOLDER: another folder"
EPILOG = f"""\
examples:
  lfnet export lfnet_runs/0123456789abcdef
  lfnet export 0123 --int8 --out my_bundle      calibrated on training windows
  lfnet export 0123 4567 89ab                   an ensemble, e.g. of the runs of `lfnet train -m seed=0,1,2`
  lfnet export 0123 --trust my_module.MyHead    a head of your own, from the current folder
  lfnet export 0123 --level 0.8                 the interval's level; refused if too few people are left for it
  lfnet export 0123 --group sex --group age=30,45,60      of the model card: groups, and where bands begin
  lfnet predict clip.mp4 --bundle my_bundle

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet export ARGV`; returns the exit status."""
    parser = command_parser("export", DESCRIPTION, EPILOG)
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the bundle's folder (lfnet_bundles/RUN-VARIANT)")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--int8", action="store_true", help="an 8-bit head; the encoder is not quantised")
    kinds.add_argument("--fp16", action="store_true", help="a head in half precision")
    parser.add_argument("--tolerance", type=float, metavar="POINTS", help="allowed difference of a window's score")
    parser.add_argument(
        "--level", type=float, metavar="SHARE", help="of the interval (.9, or .8 if too few people are left)"
    )
    parser.add_argument(
        "--min-frames", type=int, metavar="N", help="frames with a face needed (the shortest training clip's)"
    )
    parser.add_argument(
        "--group", action="append", metavar="NAME[=N,…]", help="a group of the model card (all that the run has)"
    )
    add_trust(parser)
    options = parser.parse_intermixed_args(argv)
    names, overrides = split_overrides(options.runs)
    if not names:
        raise LfnetError("name a run: its folder, or the first letters of its name.")
    for name, value in (("tolerance", options.tolerance), ("min-frames", options.min_frames)):
        if value is not None and not value > 0:
            raise LfnetError(f"--{name} {value:g}: give a number above 0.")
    from lfnet.deploy.export import export
    from lfnet.deploy.trained_head import TrainedHead

    variant = "int8" if options.int8 else "fp16" if options.fp16 else "fp32"
    run = TrainedHead.open(names, paths(overrides)["runs"], trust=trusted(options))
    joint = "".join(f"-{one.name[:4]}" for one in run.runs[1:])
    out = options.out or Path("lfnet_bundles") / f"{run.runs[0].name}{joint}-{variant}"
    facts = export(
        run,
        out,
        variant=variant,
        tolerance=options.tolerance,
        level=options.level,
        min_frames=options.min_frames,
        groups=None if options.group is None else dict(map(_group, options.group)),
    )
    _show(out, facts)
    return 0


def _group(word: str) -> tuple[str, list[float] | None]:
    """Name and bands of `age=30,45,60`; of `sex`, name and None."""
    name, equals, numbers = word.partition("=")
    try:
        return name, [float(number) for number in numbers.split(",")] if equals else None
    except ValueError:
        raise LfnetError(f"--group {word}: write NAME, or NAME=30,45 with rising numbers.") from None


def _show(out: Path, facts: "Facts") -> None:
    head, parity, interval = facts.head, facts.head.parity, facts.conformal
    print(f"exported: {out}")
    for name, file in facts.files.items():
        print(f"  {name:<32} {file.bytes:>12,} bytes")
    print(
        f"{head.variant} head vs PyTorch: at most {parity.real_max:.2g} points on {parity.real_windows} "
        f"real windows, {parity.random_max:.2g} on {parity.random_windows} random masked ones "
        f"({parity.tolerance:g} allowed)"
    )
    if interval is None:
        print(f"no interval: {facts.no_interval}")
    else:
        where = "" if interval.typical is None else f" where the members' spread is {interval.typical:.2f}"
        print(
            f"interval: ± {interval.half_width:.2f} points{where} at level {interval.level:g}, from n = {interval.n} "
            f"people in neither training nor selection (at most level {interval.reachable:.3f})"
        )
    if facts.encoder is None:
        print(f"no video stage: cohort {facts.run.cohort} has features and no video; the bundle scores files of them")
    print(RESEARCH_ONLY)
