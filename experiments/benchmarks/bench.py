"""Peers and project side by side, on equal work and equal results; what comes out is a Markdown file and a CSV.

usage: python -m experiments.benchmarks.bench [--only sweep,tools] [--quick] [--shared DIR] [--work DIR] [--out DIR]
"""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from experiments.benchmarks.ceiling import ceilings, commit, facts
from experiments.benchmarks.evidence import evidence
from experiments.benchmarks.extraction import extraction
from experiments.benchmarks.growth import growth
from experiments.benchmarks.measure import ROOT
from experiments.benchmarks.precision import precision
from experiments.benchmarks.pulse import pulse
from experiments.benchmarks.report import Row, csv_text, markdown
from experiments.benchmarks.sweep import QUICK, Sizes, sweep
from experiments.benchmarks.tools import tools

__all__ = ["main"]

STAGES = ("evidence", "tools", "sweep", "precision", "growth", "extraction", "pulse")
_SHARED = ("extraction", "pulse")


def main(argv: list[str]) -> int:
    """Run the chosen stages, print the result and write it beside this file."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(STAGES), help=f"of {', '.join(STAGES)}; the default is all")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that all runs, and no speed")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="folder of real weights and media")
    parser.add_argument(
        "--work", type=Path, help="folder for features, runs and videos; the default is a temporary one"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the result")
    options = parser.parse_args(argv)
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(STAGES):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}; choose of {', '.join(STAGES)}")
    with tempfile.TemporaryDirectory(prefix="lfnet-bench-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        rows, notes = _run(chosen, work, options)
    name = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{commit().rstrip('+')}"
    if chosen != list(STAGES):
        name += f"-{'-'.join(chosen)}"
    if options.quick:
        name += "-quick"
        notes.insert(0, "**Quick: small sizes, only to show that everything runs. No number here is a speed.**")
    told = markdown(f"Benchmark of {name}", facts() + notes_of_ceilings(options.quick), rows, notes)
    options.out.mkdir(parents=True, exist_ok=True)
    for ending, text in ((".md", told), (".csv", csv_text(rows))):
        (options.out / f"{name}{ending}").write_text(text, encoding="utf-8")
    print(told)
    print(f"written: {name}.md and .csv")
    return 0


def _run(chosen: list[str], work: Path, options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    notes: list[str] = []
    for stage in chosen:
        folder = work / stage
        folder.mkdir(parents=True, exist_ok=True)
        if stage in _SHARED and not (options.shared / "weights").is_dir():
            notes.append(f"{stage} was left out: it needs a folder of real weights and media (--shared DIR).")
            continue
        print(f"{stage} …", file=sys.stderr, flush=True)
        work_of: dict[str, Callable[[], list[Row]]] = {
            "evidence": lambda: evidence(options.quick),
            "tools": lambda folder=folder: tools(folder, options.quick),  # type: ignore[misc]
            "sweep": lambda folder=folder: sweep(  # type: ignore[misc]
                folder, QUICK if options.quick else Sizes(), ceilings(options.quick)
            ),
            "precision": lambda folder=folder: precision(folder, options.quick),  # type: ignore[misc]
            "growth": lambda folder=folder: growth(folder, options.out / "growth.png", options.quick),  # type: ignore[misc]
            "extraction": lambda folder=folder: extraction(folder, options.shared, options.quick),  # type: ignore[misc]
            "pulse": lambda folder=folder: pulse(folder, options.shared, options.quick),  # type: ignore[misc]
        }
        rows += work_of[stage]()
    return rows, notes


def notes_of_ceilings(quick: bool) -> list[tuple[str, str]]:
    """The measured ceilings, in words."""
    found = ceilings(quick)
    said = {
        "fp32": "PyTorch's own fp32",
        "fp32 exact": "fp32 as the project sets PyTorch up",
        "bf16": "bf16",
    }
    text = "; ".join(f"{said[name]} {rate / 1e12:.2f} TFLOP/s" for name, rate in found.items())
    return [("matrix products, all cores", text)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
