"""LaTeX (booktabs) of a table: a file to \\input in a paper."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lfnet import RESEARCH_ONLY
from lfnet.reports.grid import Grid, Line, evidence_grids, make_grid, wrap
from lfnet.reports.latex_text import breakable, escape
from lfnet.reports.main_columns import narrower
from lfnet.tables.table import Table

__all__ = ["latex"]

_WIDTH = 95  # characters of a row: a line of text has some 80 in this size, and a tabular is reduced to it
_LINES = 44  # of one float with its caption and notes: a page of `article` has 57 in this size
_SMALL = 90  # characters of a line below the table
_HEADING, _CELL = 13, 26  # characters of a line of a heading and of a cell
_TOGETHER = 30  # floats that LaTeX can hold until it has placed them
_ABOVE = ("Cohort", "Scale", "Recordings", "Level")  # facts below the main table; the others are in the notes


def latex(table: Table) -> str:
    """Format a table as floats and notes; they need the packages of the first line.

    The main table, `tab:NAME`, has the main columns and the intervals of MAE. Each block of evidence is a table of its
    own, `tab:NAME-evidence-1` and so on. What is longer than a page is continued in a further one. The notes are plain
    paragraphs after the tables.
    """
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.name)
    floats = [*_main(table, label), *_evidence(table, label)]
    lines = [r"% \usepackage[T1]{fontenc}, \usepackage{booktabs} and \usepackage{graphicx} in the preamble."]
    for number, part in enumerate(floats):
        lines += [r"\clearpage"] if number and number % _TOGETHER == 0 else []
        lines += part
    return "\n".join([*lines, *_notes(table, label)]) + "\n"


def _main(table: Table, label: str) -> Iterator[list[str]]:
    """The floats of the main columns: those that fit the width of a line."""
    for narrow in narrower(table):
        grid = make_grid(narrow)
        if _characters(grid) <= _WIDTH:
            break
    labels = [section.label for section in table.sections]
    letters: dict[str, str] = {}
    caption = _sentences([table.title, table.question, *table.banners])
    above = _lines([caption, *(f"{name}: {text}" for name, text in table.audit), *table.warnings])
    for number, part in enumerate(_chunks(grid, above)):
        used: dict[str, str] = {}
        tabular = _tabular(part, labels, letters, used)
        first = number == 0
        below = [f"{name}: {text}." for name, text in table.facts if name in _ABOVE] if first else []
        below += [f"Warning: {text}" for text in table.warnings] if first else []
        yield _float(
            caption if first else f"{table.title} (continued).",
            f"tab:{label}" if first else "",
            [*(_box(table) if first else []), *tabular],
            [
                *(rf"\textsuperscript{{{letter}}}\,{breakable(note)}." for note, letter in used.items()),
                *map(breakable, below),
                escape(f"{RESEARCH_ONLY.partition(':')[0]}."),
            ],
        )


def _evidence(table: Table, label: str) -> Iterator[list[str]]:
    """The floats of the blocks of evidence."""
    number = 0
    for section in table.sections:
        for title, grid in evidence_grids(section.evidence):
            number += 1
            for place, part in enumerate(_chunks(grid)):
                caption = _sentences([section.label, title if place == 0 else f"{title} (continued)"])
                own = f"tab:{label}-evidence-{number}" if place == 0 else ""
                yield _float(caption, own, _tabular(part, [""]))


def _float(caption: str, label: str, content: Sequence[str], below: Sequence[str] = ()) -> list[str]:
    lines = [r"\begin{table}[htbp]", r"  \centering\footnotesize", rf"  \caption{{{breakable(caption)}}}"]
    lines += [rf"  \label{{{label}}}"] if label else []
    lines += [r"  \par\smallskip", *content]
    if below:
        lines += [r"  \par\smallskip", r"  \begin{minipage}{\linewidth}\scriptsize\raggedright"]
        lines += [*(f"    {text}" for text in below), r"  \end{minipage}"]
    return [*lines, r"\end{table}"]


def _lines(texts: Iterable[str]) -> int:
    """How many lines paragraphs take."""
    return sum(-(-len(text) // _SMALL) for text in texts)


def _chunks(grid: Grid, above: int = 0) -> Iterator[Grid]:
    """The grid in parts that fit a page with their notes; what has no rows is left out.

    above: lines of what else is in the first part.
    """
    frame = 10  # lines of caption, headings, rules, and the facts of the cohort
    parts: list[list[list[Line]]] = [[[] for _ in grid.sections]]
    height, notes = frame + above, set[str]()
    for number, rows in enumerate(grid.sections):
        for line in rows:
            shown = len(line.texts) - grid.notes
            own = max(len(wrap(text, _CELL)) for text in line.texts[:shown])
            note = set(line.texts[shown:])
            if height + own + _lines(note - notes) > _LINES and any(parts[-1]):
                parts.append([[] for _ in grid.sections])
                height, notes = frame, set()
            parts[-1][number].append(line)
            height += own + _lines(note - notes)
            notes |= note
    for part in parts:
        yield replace(grid, sections=tuple(map(tuple, part)))


def _characters(grid: Grid) -> int:
    """The characters of the longest row, with the space between columns."""
    shown = len(grid.headings) - grid.notes
    texts = [[wrap(heading, _HEADING) for heading in grid.headings[:shown]]]
    texts += [[wrap(text, _CELL) for text in line.texts[:shown]] for rows in grid.sections for line in rows]
    return sum(max(len(line) for cells in texts for line in cells[i]) + 3 for i in range(shown))


def _tabular(
    grid: Grid, labels: Sequence[str], letters: dict[str, str] | None = None, used: dict[str, str] | None = None
) -> list[str]:
    """A tabular, reduced to the width of a line.

    letters: collects the letter of each note of the whole table, used: of those of this tabular.
    """
    shown = len(grid.headings) - grid.notes
    alignment = "".join("r" if numeric else "l" for numeric in grid.numeric[:shown])
    headings = [
        _stack(text, right, "b", _HEADING) for text, right in zip(grid.headings[:shown], grid.numeric, strict=False)
    ]
    lines = [
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"    \toprule",
        f"    {' & '.join(headings)} " + r"\\",
    ]
    for label, rows in zip(labels, grid.sections, strict=True):
        if not rows:  # what is pooled over the other sections has no rows
            continue
        lines.append(r"    \midrule")
        if label:
            lines.append(rf"    \multicolumn{{{shown}}}{{@{{}}l}}{{\textbf{{{escape(label)}}}}} \\")
        for i, line in enumerate(rows):
            if i and line.kind == "reference" and rows[i - 1].kind != "reference":
                lines.append(r"    \addlinespace")
            lines.append(f"    {' & '.join(_texts(line, grid, letters, used))} " + r"\\")
    return [*lines, r"    \bottomrule", r"  \end{tabular}}"]


def _texts(line: Line, grid: Grid, letters: dict[str, str] | None, used: dict[str, str] | None) -> list[str]:
    """The cells of a row; its note becomes a letter after its name, the same letter for the same note."""
    shown = len(line.texts) - grid.notes
    texts = [_stack(text, right, "t", _CELL) for text, right in zip(line.texts[:shown], grid.numeric, strict=False)]
    if line.kind == "reference":
        texts[0] = rf"\emph{{{texts[0]}}}"
    if letters is not None and used is not None and grid.notes and (note := line.texts[-1]):
        used[note] = letters.setdefault(note, _letter(len(letters)))
        texts[0] += rf"\textsuperscript{{{used[note]}}}"
    return texts


def _box(table: Table) -> list[str]:
    """The lines of the audit in a frame above the table."""
    if not table.audit:
        return []
    fonts = {"Leak": "textbf", "Warning": "textbf"}
    lines = [
        rf"    \{fonts.get(label, 'textrm')}{{{escape(label)}}}: {breakable(text)}\par" for label, text in table.audit
    ]
    return [
        r"  \fbox{\begin{minipage}{\dimexpr\linewidth-2\fboxsep-2\fboxrule}\scriptsize\raggedright",
        r"    \textbf{Audit}\par",
        *lines,
        r"  \end{minipage}}",
        r"  \par\smallskip",
    ]


def _letter(number: int) -> str:
    """a … z, aa, ab, …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)


def _stack(text: str, right: bool, position: str, longest: int) -> str:
    """Break a text that is too long for its column into several lines of one cell."""
    # After the end of a row, a bracket would be read as an option.
    lines = [f"{{}}{escape(line)}" if line[:1] in ("[", "*") else escape(line) for line in wrap(text, longest)]
    if len(lines) == 1:
        return lines[0]
    inner = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{position}]{{@{{}}{'r' if right else 'l'}@{{}}}}{inner}\end{{tabular}}"


def _sentences(parts: Sequence[str]) -> str:
    return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)


def _notes(table: Table, label: str) -> list[str]:
    """What was found, the other facts, the foot and failures, as paragraphs that a page may break."""
    notes = []
    if table.findings:
        notes += [table.findings.head, *(f"{question}: {text}." for question, text in table.findings.lines)]
    notes += [f"{name}: {text}." for name, text in table.facts if name not in _ABOVE]
    for section in table.sections:
        lead = f"{section.label}. " if section.label and section.closing else ""
        notes += [lead + " ".join(section.closing)] if section.closing else []
    notes += [*table.foot, f"All columns are in {table.name}.md and {table.name}.csv."]
    notes += [f"No result: {' '.join(failure.overrides)}: {failure.reason}." for failure in table.failures]
    return [
        r"\par\bigskip",
        r"{\footnotesize\raggedright\setlength{\parindent}{0pt}",
        rf"  \textbf{{Notes to Table~\ref{{tab:{label}}}}}\par",
        *(rf"  {breakable(note)}\par" for note in notes),
        "}",
    ]
