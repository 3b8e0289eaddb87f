"""`lfnet report`: HTML page, figures and TRIPOD+AI checklist of a table that has been run."""

from dataclasses import replace

from lfnet.errors import LfnetError

__all__ = ["main"]

HELP = """\
usage: lfnet report NAME [OVERRIDES] [--figures] [--tripod] [--full] [--show-paths]

Write one self-contained HTML page for a table that has been run: the table with intervals and verdicts, the audit,
figures (intervals, predicted against true, Bland-Altman, errors by band, learning curves, seeds, how often conformal
intervals and those of dropout and ensembles contain the label), the settings in which rows differ, and the command that
repeats it. It needs no network, shows no score by name, and trains nothing. OVERRIDES are those that the table was run
with. What was found and the main columns are printed; --full prints everything. --figures: every figure as PNG and PDF
too. --tripod: also the TRIPOD+AI checklist (27 items) as Markdown, filled from the runs, which names what is left to
state. Page and checklist name no person, clip, recording, file or folder; of settings that may name some, such as
cohort.root, they show `…`, and reasons of failed jobs are left out. --show-paths shows both.

examples:
  lfnet report architectures
  lfnet report architectures --figures
  lfnet report architectures --tripod
  lfnet report patch_size seed=0,1,2,3,4
"""

_OPTIONS = ("--figures", "--tripod", "--full", "--show-paths")


def main(argv: list[str]) -> int:
    """`lfnet report NAME OVERRIDES`. Returns 0, or 2 without a name."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    if argv[0].startswith("-") or "=" in argv[0]:
        raise LfnetError(f"the table's name comes first: lfnet report NAME {' '.join(argv)}.")
    if "--pictures" in argv:
        raise LfnetError("--pictures is now --figures.")
    name, overrides = argv[0], [word for word in argv[1:] if word not in _OPTIONS]
    from lfnet.cli.table import find_sweep_outputs
    from lfnet.reports.html_page import write_report
    from lfnet.reports.terminal import terminal
    from lfnet.tables.build import build

    record, runs, tables = find_sweep_outputs(name, overrides)
    table = replace(build(record, runs, show_paths="--show-paths" in argv), name=record.stem)
    written = write_report(table, tables, "--figures" in argv)
    print(terminal(table, full="--full" in argv))
    if "--tripod" in argv:
        from lfnet.reports.tripod import summary, write_tripod

        path, entries = write_tripod(table, tables)
        written.append(path)
        print(f"{summary(entries)}\n")
    for path in written:
        print(f"written: {path}")
    return 0
