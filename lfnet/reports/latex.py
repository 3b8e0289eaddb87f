"""A table as LaTeX (booktabs): a file to \\input in a paper."""

import re

from lfnet.reports.grid import Grid, Line, make_grid, wrap
from lfnet.tables.table import BANNER, Table

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
    """`text` as LaTeX prints it; `code` between backticks is set in typewriter."""
    pieces = re.split(r"`([^`]*)`", text)
    shown = [_SPECIAL_PATTERN.sub(lambda found: _SPECIAL[found[0]], piece) for piece in pieces]
    return "".join(rf"\texttt{{{piece}}}" if i % 2 else piece for i, piece in enumerate(shown))


def latex(table: Table) -> str:
    """The table as a float with caption, label `tab:NAME` and notes; it asks for booktabs and graphicx."""
    grid = make_grid(table)
    shown = len(grid.headings) - grid.notes
    alignment = "".join("r" if numeric else "l" for numeric in grid.numeric[:shown])
    headings = [_stack(text, right, "b") for text, right in zip(grid.headings[:shown], grid.numeric, strict=False)]
    lines = [
        r"% \usepackage[T1]{fontenc}, \usepackage{booktabs} and \usepackage{graphicx} in the preamble.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(_caption(table))}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', table.name)}}}",
        r"  \par\smallskip",
        *_box(table),
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"    \toprule",
        f"    {' & '.join(headings)} " + r"\\",
    ]
    notes: dict[str, str] = {}
    for section, rows in zip(table.sections, grid.sections, strict=True):
        lines.append(r"    \midrule")
        if section.label:
            lines.append(rf"    \multicolumn{{{shown}}}{{@{{}}l}}{{\textbf{{{escape(section.label)}}}}} \\")
        for i, line in enumerate(rows):
            if i and line.kind == "reference" and rows[i - 1].kind != "reference":
                lines.append(r"    \addlinespace")
            lines.append(f"    {' & '.join(_texts(line, grid, notes))} " + r"\\")
    lines += [r"    \bottomrule", r"  \end{tabular}}", *_evidence(table)]
    lines += [
        r"  \par\medskip",
        r"  \begin{minipage}{\linewidth}\footnotesize",
    ]
    lines += [rf"    \textsuperscript{{{letter}}}\,{escape(note)}." for note, letter in notes.items()]
    lines += [f"    {escape(line)}" for line in _notes(table)]
    lines += [r"  \end{minipage}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _texts(line: Line, grid: Grid, notes: dict[str, str]) -> list[str]:
    """A row's cells; its note becomes a letter behind its name, the same letter for the same note."""
    texts = [
        escape(text) if i < grid.names else _stack(text, right, "t")
        for i, (text, right) in enumerate(zip(line.texts, grid.numeric, strict=True))
    ]
    if line.kind == "reference":
        texts[0] = rf"\emph{{{texts[0]}}}"
    if grid.notes:
        texts.pop()
        if line.texts[-1]:
            letter = notes.setdefault(line.texts[-1], _letter(len(notes)))
            texts[0] += rf"\textsuperscript{{{letter}}}"
    return texts


def _box(table: Table) -> list[str]:
    """The audit's lines in a frame above the table."""
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


def _evidence(table: Table) -> list[str]:
    """The blocks of evidence, each a small table of its own below."""
    lines: list[str] = []
    for section in table.sections:
        for block in section.evidence:
            title = f"{section.label}. {block.title}" if section.label else block.title
            right = [i > 0 and heading != "Verdict" for i, heading in enumerate(block.headings)]
            rows = [
                [
                    rf"\emph{{{escape(texts[0])}}}" if number >= block.models else escape(texts[0]),
                    *map(escape, texts[1:]),
                ]
                for number, texts in enumerate(block.rows)
            ]
            headings = [_stack(text, side, "b") for text, side in zip(block.headings, right, strict=True)]
            lines += [
                rf"  \par\medskip \textbf{{{escape(title)}}}\par\smallskip",
                r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
                rf"  \begin{{tabular}}{{@{{}}{''.join('r' if side else 'l' for side in right)}@{{}}}}",
                r"    \toprule",
                f"    {' & '.join(headings)} " + r"\\",
                r"    \midrule",
                *(f"    {' & '.join(texts)} " + r"\\" for texts in rows),
                r"    \bottomrule",
                r"  \end{tabular}}",
            ]
    return lines


def _letter(number: int) -> str:
    """a … z, aa, ab, …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)


def _stack(text: str, right: bool, position: str) -> str:
    """A text too long for its column as several lines in one cell."""
    lines = [escape(line) for line in wrap(text)]
    if len(lines) == 1:
        return lines[0]
    inner = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{position}]{{@{{}}{'r' if right else 'l'}@{{}}}}{inner}\end{{tabular}}"


def _caption(table: Table) -> str:
    """Title and question, each ending as a sentence does."""
    parts = [table.title, table.question, BANNER if table.simulated else ""]
    return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)


def _notes(table: Table) -> list[str]:
    notes = [f"{name}: {text}." for name, text in table.facts]
    notes += [f"Warning: {text}" for text in table.warnings]
    for section in table.sections:
        lead = f"{section.label}. " if section.label and section.closing else ""
        notes += [lead + " ".join(section.closing)] if section.closing else []
    notes += table.foot
    return notes + [f"No result: {' '.join(failure.overrides)}: {failure.reason}." for failure in table.failures]
