"""Benchmark the project and its peers on equal work; write a Markdown file, a CSV and figures.

usage: python -m experiments.benchmarks.bench [--only sweep,tools] [--quick] [--shared DIR] [--work DIR] [--out DIR]

Each stage is written as soon as it is measured, into one result of the commit. A stage that is there already is not
measured again, unless --only names it: then its rows are replaced. One that fails or is killed leaves the others as
they are.
"""

import argparse
import datetime
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from experiments.benchmarks.ceiling import ceilings, commit, device, facts
from experiments.benchmarks.evidence import evidence
from experiments.benchmarks.extraction import descriptor, memory, passes
from experiments.benchmarks.figure import plot
from experiments.benchmarks.gpu import gpu
from experiments.benchmarks.growth import growth
from experiments.benchmarks.measure import ROOT, SETTINGS
from experiments.benchmarks.parts import decoding, network
from experiments.benchmarks.precision import precision
from experiments.benchmarks.pulse import pulse
from experiments.benchmarks.report import MACHINE, Row, csv_text, markdown, merged, read_rows
from experiments.benchmarks.scale import scale
from experiments.benchmarks.since import since
from experiments.benchmarks.sweep import QUICK, Sizes, sweep
from experiments.benchmarks.table import tables
from experiments.benchmarks.tools import tools

__all__ = ["STAGES", "main", "write"]

STAGES = (
    *("evidence", "tools", "tables", "sweep", "precision", "decoding", "network", "descriptor", "extraction"),
    *("memory", "pulse", "since", "growth", "scale", "gpu"),
)
_SHARED = ("decoding", "network", "descriptor", "extraction", "memory", "pulse")
_QUICK = "**Quick: small sizes, to check that everything runs. The times mean nothing.**"
_CEILINGS = {
    "fp32": "matrix products, PyTorch's default fp32, all cores",
    "fp32 exact": "the same in fp32 with the project's settings of PyTorch",
    "bf16": "the same in bf16",
}


def main(argv: list[str]) -> int:
    """Run the chosen stages, print the result and write it next to this file. Returns 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"stages, of {', '.join(STAGES)} (default: those that have no result yet)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to check that everything runs")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="folder of real weights and media")
    parser.add_argument("--work", type=Path, help="folder for features, runs and videos (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the result")
    options = parser.parse_args(argv)
    chosen = options.only.split(",") if options.only else list(STAGES)
    if unknown := set(chosen) - set(STAGES):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}; choose from {', '.join(STAGES)}")
    name = _name(options.out, options.quick)
    if options.quick:
        SETTINGS["OMP_NUM_THREADS"] = "1"  # times mean nothing; other work on the machine goes on
    if not options.only and (done := _measured(options.out / f"{name}.csv") & set(chosen)):
        print(f"measured already: {', '.join(stage for stage in STAGES if stage in done)} (--only measures again)")
        chosen = [stage for stage in chosen if stage not in done]
    roof = ceilings(options.quick)
    machine = [Row(MACHINE, what, note=note) for what, note in facts()]
    machine += [Row(MACHINE, what, roof[kind] / 1e12, "TFLOP/s") for kind, what in _CEILINGS.items()]
    write(options.out, name, machine, options.quick)
    failed = []
    with tempfile.TemporaryDirectory(prefix="lfnet-bench-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        for stage in (stage for stage in STAGES if stage in chosen):
            if stage in _SHARED and not (options.shared / "weights").is_dir():
                print(f"{stage} is left out: it needs a folder of real weights and media (--shared DIR).")
                continue
            print(f"{stage} …", file=sys.stderr, flush=True)
            try:
                rows = _run(stage, work / stage, options, name)
            except Exception:
                traceback.print_exc()
                failed.append(stage)
                continue
            write(options.out, name, rows, options.quick)
    print((options.out / f"{name}.md").read_text(encoding="utf-8"))
    print(f"written: {name}.md and .csv")
    if failed:
        print(f"failed, and not in the result: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(stage: str, folder: Path, options: argparse.Namespace, name: str) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    quick, shared = options.quick, options.shared
    figure = options.out / f"{name}-growth.png"
    work: dict[str, Callable[[], list[Row]]] = {
        "evidence": lambda: evidence(quick),
        "tools": lambda: tools(folder, quick),
        "tables": lambda: tables(folder, quick),
        "sweep": lambda: sweep(folder, QUICK if quick else Sizes(), quick),
        "precision": lambda: precision(folder, quick),
        "decoding": lambda: decoding(folder, shared, quick),
        "network": lambda: network(folder, shared, quick),
        "descriptor": lambda: descriptor(folder, shared, pairs=1 if quick else 5),
        "extraction": lambda: passes(folder, shared, quick),
        "memory": lambda: memory(folder, shared, minutes=1.0 if quick else 30.0),
        "pulse": lambda: pulse(folder, shared, quick),
        "since": lambda: since(folder, shared, QUICK if quick else Sizes(), quick),
        "scale": lambda: scale(folder, quick),
        "growth": lambda: growth(folder, figure, quick),
        "gpu": lambda: gpu(folder, quick),
    }
    return work[stage]()


def write(out: Path, name: str, rows: list[Row], quick: bool = False) -> None:
    """Write rows into the result `name` in the folder `out`, replacing the same stages of this device."""
    out.mkdir(parents=True, exist_ok=True)
    file, now = out / f"{name}.csv", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}"
    old = read_rows(file.read_text(encoding="utf-8")) if file.exists() else []
    new = [replace(row, device=device(), on=now) for row in rows]
    together = merged(old, new, STAGES)
    notes = [_QUICK] if quick else []
    if plot(together, out / f"{name}-ratios.png"):
        notes.append(f"![times as fast as each peer]({name}-ratios.png)")
    if (out / f"{name}-growth.png").exists():
        notes.append(f"![time and memory vs size]({name}-growth.png)")
    file.write_text(csv_text(together), encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(f"Benchmark of {name}", together, notes), encoding="utf-8")


def _measured(file: Path) -> set[str]:
    """Return the stages that a result has of this device."""
    rows = read_rows(file.read_text(encoding="utf-8")) if file.exists() else []
    return {row.stage for row in rows if row.device == device()}


def _name(out: Path, quick: bool) -> str:
    """Name the result of this commit: its existing name, or one with today's date."""
    own, end = commit().rstrip("+"), "-quick" * quick
    for file in sorted(out.glob(f"*-{own}{end}.csv")):
        return file.stem
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{own}{end}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
