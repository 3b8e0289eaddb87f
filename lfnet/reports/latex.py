"""LaTeX (booktabs) of a table: a file to \\input in a paper."""

import re
from collections.abc import Sequence

from lfnet.reports.grid import Grid, Line, evidence_grids, make_grid, wrap
from lfnet.tables.table import Table

__all__ = ["escape", "latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "'": r"'",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "σ": r"$\sigma$",
    "λ": r"$\lambda$",
}
_SPECIAL_PATTERN = re.compile("|".join(re.escape(character) for character in _SPECIAL))


def escape(text: str) -> str:
    """Escape a text for LaTeX; `code` between backticks is set in typewriter."""
    pieces = re.split(r"`([^`]*)`", text)
    shown = [_SPECIAL_PATTERN.sub(lambda found: _SPECIAL[found[0]], piece) for piece in pieces]
    return "".join(rf"\texttt{{{piece}}}" if i % 2 else piece for i, piece in enumerate(shown))


def latex(table: Table) -> str:
    """Format a table as a float with caption, label `tab:NAME` and notes; needs booktabs and graphicx."""
    notes: dict[str, str] = {}
    lines = [
        r"% \usepackage[T1]{fontenc}, \usepackage{booktabs} and \usepackage{graphicx} in the preamble.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(_caption(table))}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', table.name)}}}",
        r"  \par\smallskip",
        *_box(table),
        *_tabular(make_grid(table), [section.label for section in table.sections], notes),
    ]
    for section in table.sections:
        for title, grid in evidence_grids(section.evidence):
            heading = f"{section.label}. {title}" if section.label else title
            lines.append(rf"  \par\medskip \textbf{{{escape(heading)}}}\par\smallskip")
            lines += _tabular(grid)
    lines += [
        r"  \par\medskip",
        r"  \begin{minipage}{\linewidth}\footnotesize",
    ]
    lines += [rf"    \textsuperscript{{{letter}}}\,{escape(note)}." for note, letter in notes.items()]
    lines += [f"    {escape(line)}" for line in _notes(table)]
    lines += [r"  \end{minipage}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid, labels: Sequence[str] = ("",), notes: dict[str, str] | None = None) -> list[str]:
    """A tabular, reduced to the width of a line.

    notes: collects the letter of each note; None for a table of evidence, whose cells are not broken into lines.
    """
    shown = len(grid.headings) - grid.notes
    alignment = "".join("r" if numeric else "l" for numeric in grid.numeric[:shown])
    headings = [_stack(text, right, "b") for text, right in zip(grid.headings[:shown], grid.numeric, strict=False)]
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
            if notes is not None and i and line.kind == "reference" and rows[i - 1].kind != "reference":
                lines.append(r"    \addlinespace")
            lines.append(f"    {' & '.join(_texts(line, grid, notes))} " + r"\\")
    return [*lines, r"    \bottomrule", r"  \end{tabular}}"]


def _texts(line: Line, grid: Grid, notes: dict[str, str] | None) -> list[str]:
    """The cells of a row; its note becomes a letter after its name, the same letter for the same note."""
    texts = [
        escape(text) if i < grid.names or notes is None else _stack(text, right, "t")
        for i, (text, right) in enumerate(zip(line.texts, grid.numeric, strict=True))
    ]
    if line.kind == "reference":
        texts[0] = rf"\emph{{{texts[0]}}}"
    if notes is not None and grid.notes:
        texts.pop()
        if line.texts[-1]:
            letter = notes.setdefault(line.texts[-1], _letter(len(notes)))
            texts[0] += rf"\textsuperscript{{{letter}}}"
    return texts


def _box(table: Table) -> list[str]:
    """The lines of the audit in a frame above the table."""
    if not table.audit:
        return []
    fonts = {"Leak": "textbf", "Warning": "textbf"}
    lines = [
        rf"    \{fonts.get(label, 'textrm')}{{{escape(label)}}}: {escape(text)}\par" for label, text in table.audit
    ]
    return [
        r"  \fbox{\begin{minipage}{0.97\linewidth}\footnotesize",
        r"    \textbf{Audit}\par",
        *lines,
        r"  \end{minipage}}",
        r"  \par\smallskip",
    ]


def _letter(number: int) -> str:
    """a … z, aa, ab, …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)


def _stack(text: str, right: bool, position: str) -> str:
    """Break a text that is too long for its column into several lines of one cell."""
    lines = [escape(line) for line in wrap(text)]
    if len(lines) == 1:
        return lines[0]
    inner = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{position}]{{@{{}}{'r' if right else 'l'}@{{}}}}{inner}\end{{tabular}}"


def _caption(table: Table) -> str:
    """Title and question as sentences."""
    parts = [table.title, table.question, *table.banners]
    return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)


def _notes(table: Table) -> list[str]:
    notes = [f"{name}: {text}." for name, text in table.facts]
    notes += [f"Warning: {text}" for text in table.warnings]
    for section in table.sections:
        lead = f"{section.label}. " if section.label and section.closing else ""
        notes += [lead + " ".join(section.closing)] if section.closing else []
    notes += table.foot
    return notes + [f"No result: {' '.join(failure.overrides)}: {failure.reason}." for failure in table.failures]
