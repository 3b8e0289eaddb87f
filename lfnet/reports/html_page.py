"""HTML page of a table: one self-contained file that loads nothing, names no person, and can be printed."""

import io
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lfnet import RESEARCH_ONLY
from lfnet.drawing import save_figure
from lfnet.files import write_text
from lfnet.reports.figure_data import Part, parts
from lfnet.reports.figures import FIGURES, INK, draw
from lfnet.reports.grid import Grid, Line, evidence_grids, make_grid
from lfnet.runs.public_settings import HIDDEN, is_public, public_value
from lfnet.runs.run import leaves
from lfnet.tables.formatting import DASH
from lfnet.tables.public import public
from lfnet.tables.table import Row, Table

__all__ = ["page", "write_figures", "write_report"]

_MAX_LENGTH = 80  # of a setting's value
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


def page(table: Table, shown: Sequence[Part]) -> str:
    """Render the page. shown: `parts` of the table."""
    grid = make_grid(table)
    sections = [
        {
            "label": section.label,
            "lines": lines,
            "closing": section.closing,
            "evidence": evidence_grids(section.evidence),
        }
        for section, lines in zip(table.sections, grid.sections, strict=True)
    ]
    models = [row for row in table.rows if row.kind == "model"]
    return (
        _environment()
        .get_template("page.html")
        .render(
            table=table,
            research_only=RESEARCH_ONLY,
            layout=grid,
            sections=sections,
            parts=[
                {
                    "label": part.label,
                    "scale": part.scale,
                    "figures": list(_figures(part, n)),
                    "coverage": _coverage(part),
                }
                for n, part in enumerate(shown)
            ],
            differences=_differences(table, models),
            folders=[(", ".join(table.names(row)), row.run_names) for row in models],
        )
    )


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

    for name, (title, function) in FIGURES.items():
        figure = draw(name, part)
        if figure is None:
            continue
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
        }


def _without_unused_ids(svg: str) -> str:
    """Remove ids that nothing in the figure refers to: each figure has a "patch_1", and a page may have one."""
    used = set(re.findall(r"#([\w.-]+)", svg))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)


def _differences(table: Table, models: Sequence[Row]) -> dict[str, Any] | None:
    """The settings in which the rows differ, seeds apart; None where there are none."""
    settings = [dict(leaves(row.runs[0].result.config)) for row in models]
    keys = dict.fromkeys(key for own in settings for key in own if key.rpartition(".")[2] != "seed")
    apart = [key for key in keys if len({repr(own.get(key, DASH)) for own in settings}) > 1]
    if not apart:
        return None
    return {
        "headings": ["Setting", *(", ".join(table.names(row)) for row in models)],
        "rows": [(key, _shown(key, [own.get(key, DASH) for own in settings], table.show_paths)) for key in apart],
    }


def _shown(key: str, values: Sequence[Any], show_paths: bool) -> list[str]:
    """The values of a setting; numbered where they may not be handed on."""
    texts = [_short(value) for value in values]
    if show_paths or (is_public(key) and public_value(values) == list(values)):
        return texts
    numbers = {text: str(number) for number, text in enumerate(dict.fromkeys(texts), 1)}
    return [text if text == DASH else f"{HIDDEN} ({numbers[text]})" for text in texts]


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
