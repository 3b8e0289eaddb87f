"""One self-contained HTML page for a table: no network, nobody named; light and dark; for screen, phone and paper."""

import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.files import atomic_path, write_text
from lfnet.reports.figure_data import Part, parts
from lfnet.reports.figures import FIGURES, INK, draw
from lfnet.reports.grid import make_grid
from lfnet.runs.run import leaves
from lfnet.tables.formatting import DASH
from lfnet.tables.table import BANNER, Block, Table

__all__ = ["CSS", "SCRIPT", "page", "pictures", "write_report"]

CSS = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b1b; --soft: #5c5c5c; --line: #d4d4d4; --panel: #f5f5f3;
  --warn: #8a3b00; --accent: #0a5a92; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --ink: #e6e6e6; --soft: #a3a3a3; --line: #3a3d41;
  --panel: #1f2226; --warn: #ffb27a; --accent: #7cc4f2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; max-width: 60rem; }
.lead { color: var(--soft); font-size: 1.05rem; }
.banner { display: inline-block; border: 1px solid currentColor; border-radius: .3rem; padding: .1rem .6rem;
  margin: .4rem 0; }
.only { border-left: 4px solid var(--accent); padding-left: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .8rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
.audit, .warnings { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem 1rem;
  margin: 1rem 0; }
.audit ul, .warnings ul { margin: .3rem 0; padding-left: 1.2rem; }
.loud { color: var(--warn); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
td:not(.number) { min-width: 6.5rem; } td:last-child:not(.number) { min-width: 26rem; }
td:first-child { white-space: nowrap; }
tr.reference { color: var(--soft); font-style: italic; }
.number { text-align: right; white-space: nowrap; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--accent); }
th[aria-sort=ascending] button::after { content: " \\25B2"; font-size: .7em; }
th[aria-sort=descending] button::after { content: " \\25BC"; font-size: .7em; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; }
pre { background: var(--panel); padding: .6rem .8rem; overflow-x: auto; border-radius: .3rem; }
.notes { color: var(--soft); font-size: .86rem; }
@media (max-width: 40rem) { body { padding: 1rem .7rem 3rem; } dl { grid-template-columns: 1fr; }
  dt { margin-top: .3rem; } }
@media print { body { max-width: none; font-size: 10pt; } .wide { overflow: visible; } th button::after { content: ""; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } table { font-size: 7.5pt; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.querySelectorAll("th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.tHead.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[column].dataset.value;
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const apart = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return up ? apart : -apart;
      };
      const body = table.tBodies[0];
      [...body.rows].sort(order).forEach(row => body.append(row));
    });
  });
}
"""


_LOUD = ("Leak", "Warning")
_LONGEST = 80
_HELD = ("Coverage", "Width")
_HELD_HOW = (
    "Conformal: score ± the error that calibration people stay below, of people in neither training nor dev, one "
    "recording each; halves of them calibrate and are tried in turn, so that it holds by construction and its width is "
    "what tells rows apart. Conformal, by the spread: the same for the ensemble of a row's seeds, wider where they "
    "disagree. Dropout, ensemble: score ± z · SD of the passes' or members' scores, which nothing calibrates. Width: "
    "the mean, cut to the scale."
)


def write_report(table: Table, folder: Path, with_pictures: bool = False) -> list[Path]:
    """Write NAME.html into `folder`, and with_pictures NAME/FIGURE.png and .pdf; their paths."""
    shown = parts(table)
    path = Path(folder) / f"{table.name}.html"
    write_text(path, page(table, shown))
    return [path, *(pictures(shown, Path(folder) / table.name) if with_pictures else [])]


def pictures(shown: Sequence[Part], folder: Path) -> list[Path]:
    """Every figure of every section as PNG (200 dpi, white ground) and PDF (text as text), for a paper."""
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
                with atomic_path(path) as temporary:
                    metadata = {"CreationDate": None} if ending == "pdf" else {}
                    figure.savefig(temporary, format=ending, dpi=200, metadata=metadata)
                written.append(path)
    return written


def page(table: Table, shown: Sequence[Part]) -> str:
    """The page's text. shown: what `parts` read of the table's runs."""
    body = [*_head(table), *_tables(table)]
    for number, part in enumerate(shown):
        figures = [_figure(name, part, number) for name in FIGURES]
        heading = f"Pictures: {part.label}" if part.label else "Pictures"
        body += [f"<h2>{escape(heading)}</h2>", *filter(None, figures), *_held(part)]
    body += [*_differences(table), *_again(table)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{escape(table.title)} · lfnet</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _head(table: Table) -> Iterable[str]:
    yield f"<h1>{escape(table.title)}</h1>"
    if table.question:
        yield f'<p class="lead">{escape(table.question)}</p>'
    if table.simulated:
        yield f'<p class="banner">{escape(BANNER)}</p>'
    yield f'<p class="only">{escape(RESEARCH_ONLY)}</p>'
    yield "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in table.facts) + "</dl>"
    if table.warnings:
        lines = "".join(f"<li>{escape(text)}</li>" for text in table.warnings)
        yield f'<section class="warnings"><span class="loud">Warnings</span><ul>{lines}</ul></section>'
    if table.audit:
        lines = "".join(
            f'<li><span class="{"loud" if label in _LOUD else "calm"}">{escape(label)}</span>: {escape(text)}</li>'
            for label, text in table.audit
        )
        yield f'<section class="audit"><strong>Audit</strong><ul>{lines}</ul></section>'


def _tables(table: Table) -> Iterable[str]:
    grid = make_grid(table)
    yield "<h2>Table</h2>"
    for section, lines in zip(table.sections, grid.sections, strict=True):
        if section.label:
            yield f"<h3>{escape(section.label)}</h3>"
        rows = [(line.kind, line.texts) for line in lines]
        yield _html_table(grid.headings, rows, grid.numeric)
        yield from (f"<p>{escape(text)}</p>" for text in section.closing)
        for block in section.evidence:
            yield f"<h3>{escape(block.title)}</h3>"
            yield _block(block)
    if table.failures:
        yield "<h3>Jobs without a result</h3><ul>"
        yield from (
            f"<li><code>{escape(' '.join(item.overrides))}</code>: {escape(item.reason)}</li>"
            for item in table.failures
        )
        yield "</ul>"
    yield '<ul class="notes">' + "".join(f"<li>{escape(text)}</li>" for text in table.foot) + "</ul>"


def _block(block: Block) -> str:
    rows = [("model" if number < block.models else "reference", texts) for number, texts in enumerate(block.rows)]
    return _html_table(block.headings, rows, [i > 0 and name != "Verdict" for i, name in enumerate(block.headings)])


def _html_table(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], numeric: Sequence[bool]) -> str:
    head = "".join(
        f'<th scope="col"{" class=number" if right else ""}><button type="button">{escape(text)}</button></th>'
        for text, right in zip(headings, numeric, strict=True)
    )
    body = "".join(
        f'<tr class="{kind}">'
        + "".join(
            f'<td{" class=number" if right else ""} data-value="{escape(_value(text))}">{escape(text)}</td>'
            for text, right in zip(texts, numeric, strict=True)
        )
        + "</tr>"
        for kind, texts in rows
    )
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _value(text: str) -> str:
    """What a cell is sorted by: its first number, prefixes counted in; "" sorts last; else the text."""
    if text in ("", DASH) or text.startswith("undefined"):
        return ""
    if text.startswith("< ."):
        return "0"
    found = re.match(r"([+−]?[\d,]*\.?\d+)(?: ([kMGTP])\b)?", text)
    if not found:
        return text
    power = "kMGTP".find(found[2]) + 1 if found[2] else 0
    return repr(float(found[1].replace(",", "").replace("−", "-")) * 1000.0**power)


def _held(part: Part) -> Iterable[str]:
    """Coverage and mean width of every kind of interval, at the levels that bundles use."""
    levels = (0.8, 0.9)
    headings = ["Row", "Interval", "Measured on", *(f"{what}, {100 * at:g} %" for at in levels for what in _HELD)]
    rows = []
    for row in part.rows:
        for curve in row.curves:
            on = f"{curve.n} recordings"
            if curve.calibrated:
                on = f"{curve.n} people, {curve.calibrated} of them calibrating (up to {100 * curve.reachable:.0f} %)"
            texts = [row.name, curve.kind, on]
            for level in levels:
                held = curve.at(level)
                texts += ["out of reach", DASH] if held is None else [f"{100 * held[0]:.0f} %", f"{held[1]:.1f}"]
            rows.append(("model", texts))
    if rows:
        yield f"<h3>How often intervals hold, and how wide they are ({escape(part.scale)} points)</h3>"
        yield _html_table(headings, rows, [False] * 3 + [True] * 4)
        yield f"<p>{escape(_HELD_HOW)}</p>"


def _figure(name: str, part: Part, number: int) -> str:
    figure = draw(name, part)
    if figure is None:
        return ""
    from matplotlib import rc_context

    title = FIGURES[name][0]
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{name}{number}"}):  # ids that no other figure has
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = _without_idle_ids(svg[svg.index("<svg") :].replace(INK, "currentColor"))
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    caption = f"<strong>{escape(title)}.</strong> {escape(_said(name))}"
    return f'<figure id="{name}-{number}">{svg}<figcaption>{caption}</figcaption></figure>'


def _without_idle_ids(svg: str) -> str:
    """The picture without the ids that nothing in it refers to: every picture has a "patch_1", a page may have one."""
    used = set(re.findall(r"#([\w.-]+)", svg))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)


def _said(name: str) -> str:
    lines = (FIGURES[name][1].__doc__ or "").split("\n\n")[0].split()
    return " ".join(lines)


def _differences(table: Table) -> Iterable[str]:
    """The settings in which the rows differ, seeds apart."""
    rows = [row for row in table.rows if row.kind == "model"]
    settings = [dict(leaves(row.runs[0].result.config)) for row in rows]
    keys = dict.fromkeys(key for own in settings for key in own if key.rpartition(".")[2] != "seed")
    apart = [key for key in keys if len({repr(own.get(key, DASH)) for own in settings}) > 1]
    if not apart:
        return
    yield "<h2>Settings in which the rows differ</h2>"
    names = [", ".join(text for key, text in row.identity.items() if key not in table.constants) for row in rows]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("Setting", *names))
    body = "".join(
        f"<tr><td><code>{escape(key)}</code></td>"
        + "".join(f"<td>{escape(_short(own.get(key, DASH)))}</td>" for own in settings)
        + "</tr>"
        for key in apart
    )
    yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _again(table: Table) -> Iterable[str]:
    yield "<h2>Make it again</h2>"
    if table.command:
        yield f"<pre>{escape(table.command)}</pre>"
    yield "<p>Finished jobs are recognised by their fingerprints; a second call trains nothing.</p>"
    yield "<h3>Run folders</h3><ul class=notes>"
    for row in table.rows:
        if row.kind == "model":
            name = ", ".join(text for key, text in row.identity.items() if key not in table.constants)
            yield f"<li>{escape(name)}: {', '.join(f'<code>{escape(run)}</code>' for run in row.run_names)}</li>"
    yield "</ul>"
