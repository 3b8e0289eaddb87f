"""HTML page of a table: one self-contained file that loads nothing, names no person, and can be printed."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lfnet import RESEARCH_ONLY
from lfnet.drawing import save_figure
from lfnet.files import write_text
from lfnet.reports.figure_data import Part, parts
from lfnet.reports.figures import FIGURES, INK, draw, title_of
from lfnet.reports.grid import Grid, Line, evidence_grids, make_grid
from lfnet.reports.run_list import rank_of
from lfnet.reports.shown_settings import settings_apart, settings_of, shown_values
from lfnet.tables.formatting import DASH
from lfnet.tables.public import public
from lfnet.tables.table import Row, Table

__all__ = ["page", "render", "write_figures", "write_report"]

_BROAD = 8  # inches from which a figure has the whole width of the page
_PIXELS = 96  # of a page per inch: at fewer a figure's texts are too small to read
_COVERAGE_LEVELS = (0.8, 0.9)  # those that bundles use


def write_report(table: Table, folder: Path, with_figures: bool = False) -> list[Path]:
    """Write NAME.html into `folder`, and with `with_figures` NAME/FIGURE.png and .pdf; return their paths."""
    table = public(table)
    shown = parts(table)
    path = Path(folder) / f"{table.name}.html"
    write_text(path, page(table, shown), personal=False)
    return [path, *(write_figures(shown, Path(folder) / table.name) if with_figures else [])]


def write_figures(shown: Sequence[Part], folder: Path) -> list[Path]:
    """Write every figure of every section as PNG (200 dpi, white background) and PDF (text as text)."""
    written = []
    for number, part in enumerate(shown):
        for name in FIGURES:
            figure = draw(name, part, ink="black")
            if figure is None:
                continue
            figure.patch.set_alpha(1)
            own = f"{name}_{number + 1}" if len(shown) > 1 else name
            for ending in ("png", "pdf"):
                path = folder / f"{own}.{ending}"
                save_figure(figure, path, personal=False)
                written.append(path)
    return written


def page(table: Table, shown: Sequence[Part], home: str | None = None) -> str:
    """Render the page. shown: `parts` of the table; home: where all tables and runs are listed, None: nowhere."""
    layout, marks, notes = _notes_below(make_grid(table))
    sections = [
        {"label": section.label, "lines": lines, "marks": own, "closing": section.closing}
        for section, lines, own in zip(table.sections, layout.sections, marks, strict=True)
    ]
    evidence = [
        (section.label, title, block) for section in table.sections for title, block in evidence_grids(section.evidence)
    ]
    drawn = [
        {"label": part.label, "scale": part.scale, "figures": list(_figures(part, n)), "coverage": _coverage(part)}
        for n, part in enumerate(shown)
    ]
    scales = {part.scale for part in shown if not part.binary}
    models = [row for row in table.rows if row.kind == "model"]
    contents = [("table", "Table"), ("figures", "Figures"), ("evidence", "Intervals and comparisons")]
    contents += [("setup", "Cohort and settings"), ("reading", "How to read it"), ("repeat", "Reproduce it")]
    absent = {"figures": not drawn, "evidence": not evidence}
    return render(
        "table.html",
        table=table,
        home=home,
        unit=scales.pop() if len(scales) == 1 else None,
        layout=layout,
        ranks=_ranks(table, layout),
        sections=sections,
        notes=notes,
        evidence=evidence,
        parts=drawn,
        contents=[entry for entry in contents if not absent.get(entry[0])],
        differences=_differences(table, models),
        folders=[(", ".join(table.names(row)), _folders(row)) for row in models],
    )


def render(template: str, own_files: bool = False, **values: Any) -> str:
    """Fill a template; every page says that it is a research instrument.

    own_files: whether the page loads scripts from its own folder.
    """
    return _environment().get_template(template).render(research_only=RESEARCH_ONLY, own_files=own_files, **values)


def _folders(row: Row) -> list[str]:
    """The folders of a row's runs, those of each fold."""
    return [name for joined in row.run_names for name in joined.split("+")]


def _notes_below(grid: Grid) -> tuple[Grid, list[list[int]], list[str]]:
    """Move the last column, of notes, below the table: the grid without it, each line's number, and the notes."""
    if not grid.notes:
        return grid, [[0] * len(lines) for lines in grid.sections], []
    notes = list(dict.fromkeys(line.texts[-1] for lines in grid.sections for line in lines if line.texts[-1]))
    place = {"": 0, **{text: number for number, text in enumerate(notes, 1)}}
    marks = [[place[line.texts[-1]] for line in lines] for lines in grid.sections]
    sections = tuple(tuple(replace(line, texts=line.texts[:-1]) for line in lines) for lines in grid.sections)
    less = replace(grid, headings=grid.headings[:-1], numeric=grid.numeric[:-1], sections=sections, notes=False)
    return less, marks, notes


def _ranks(table: Table, grid: Grid) -> list[int]:
    """How early each column of the grid is hidden where the page is narrow."""
    columns = [rank_of(column) for column in table.columns]
    return [0] * (len(grid.headings) - len(columns)) + columns


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lfnet.reports"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["sort_value"] = _sort_value
    return environment


def _sort_value(text: str) -> str:
    """The key by which a cell is sorted: its first number, with its prefix; "" sorts last; else the text."""
    if text in ("", DASH) or text.startswith("undefined"):
        return ""
    if text.startswith("< ."):
        return "0"
    found = re.match(r"([+−]?[\d,]*\.?\d+)(?: ([kMGTP])\b)?", text)
    if not found:
        return text
    power = "kMGTP".find(found[2]) + 1 if found[2] else 0
    return repr(float(found[1].replace(",", "").replace("−", "-")) * 1000.0**power)


def _coverage(part: Part) -> Grid | None:
    """Coverage and mean width of every kind of interval, at the levels that bundles use; None without intervals."""
    headings = ["Row", "Interval", "Measured on"]
    headings += [f"{what}, {100 * at:g} %" for at in _COVERAGE_LEVELS for what in ("Coverage", "Width")]
    lines = []
    for row in part.rows:
        for curve in row.curves:
            on = f"{curve.n} recordings"
            if curve.calibrated:
                on = f"{curve.n} people, {curve.calibrated} of them calibrating (up to {100 * curve.reachable:.0f} %)"
            texts = [row.name, curve.kind, on]
            for level in _COVERAGE_LEVELS:
                found = curve.at(level)
                texts += ["out of reach", DASH] if found is None else [f"{100 * found[0]:.0f} %", f"{found[1]:.1f}"]
            lines.append(Line("model", tuple(texts)))
    return Grid(tuple(headings), 3, (False,) * 3 + (True,) * 4, (tuple(lines),)) if lines else None


def _figures(part: Part, number: int) -> Iterator[dict[str, Any]]:
    """The figures of a section as SVG, in the colour of the page's text."""
    from matplotlib import rc_context

    for name, (_, function) in FIGURES.items():
        figure = draw(name, part)
        if figure is None:
            continue
        title = title_of(name, part)
        for axis in figure.axes:  # the page's own ground, light or dark
            axis.patch.set_alpha(0)
        text = io.StringIO()
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{name}{number}"}):  # ids that no other figure has
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        svg = text.getvalue()
        svg = _without_unused_ids(svg[svg.index("<svg") :].replace(INK, "currentColor"))
        label = Markup('<svg role="img" aria-label="{}" ').format(title)
        caption = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        yield {
            "name": f"{name}-{number}",
            "title": title,
            "caption": caption,
            "svg": Markup(svg.replace("<svg ", label, 1)),
            "broad": bool(figure.get_figwidth() > _BROAD),
            "pixels": round(_PIXELS * figure.get_figwidth()),
        }


def _without_unused_ids(svg: str) -> str:
    """Remove ids that nothing in the figure refers to: each figure has a "patch_1", and a page may have one."""
    used = set(re.findall(r"#([\w.-]+)", svg))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)


def _differences(table: Table, models: Sequence[Row]) -> dict[str, Any] | None:
    """The settings in which the rows differ, seeds apart; None where there are none."""
    settings = [settings_of(row.runs[0]) for row in models]
    apart = settings_apart(settings)
    if not apart:
        return None
    return {
        "headings": ["Setting", *(", ".join(table.names(row)) for row in models)],
        "rows": [(key, shown_values(key, [own.get(key, DASH) for own in settings], table.show_paths)) for key in apart],
    }
