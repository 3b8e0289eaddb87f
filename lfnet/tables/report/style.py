"""The page's own style and its only script: sorting. Both stand in the page, which asks no network for anything."""

__all__ = ["CSS", "SCRIPT"]

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
