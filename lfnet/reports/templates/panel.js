"use strict";
// The panel over the list: one run, or two runs compared. It is in the address, so that "back" closes it.
{
  const { element } = lfnet;
  const panel = document.getElementById("panel");
  const runs = lfnet.runs;
  const waiting = {};

  lfnet.run = (key, content) => { lfnet.details[key] = content; };
  const load = key => waiting[key] ??= new Promise((done, failed) => {
    document.head.append(element("script", { src: `runs/${key}.js`, onload: () => done(lfnet.details[key]), onerror: () => failed(new Error(`runs/${key}.js is not next to this page: copy the whole folder.`)) }));
  });

  const settingsOf = run => [...Object.entries(runs.same), ...Object.entries(runs.apart).map(([key, one]) => [key, one.texts[one.at[run]]])].filter(([, value]) => value !== "—").sort(([a], [b]) => a < b ? -1 : 1);
  const grid = (headings, lines, label, tools = false) => {
    const numeric = headings.map((_, place) => place > 0 && lines.every(line => /^([+−]?\d|—|undefined|n = )/.test(line[place])));
    const kind = place => numeric[place] ? "number" : null;
    const cell = (value, place) => element(place ? "td" : "th", { scope: place ? null : "row", class: kind(place), "data-value": value.replace("−", "-") }, tools && !place ? element("code", {}, value) : value);
    const box = element("div", { class: "data" }, element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, element("table", {},
      element("thead", {}, element("tr", {}, ...headings.map((heading, place) => element("th", { scope: "col", class: kind(place) }, heading ? element("button", { type: "button" }, heading) : "")))),
      element("tbody", {}, ...lines.map(line => element("tr", {}, ...line.map(cell)))))));
    new lfnet.Table(box, lfnet.rowsOfPage(box.querySelector("table")), { tools, placeholder: "Filter settings" });
    return box;
  };
  const head = (title, about, moves = []) => element("header", {},
    element("div", {}, element("h2", { id: "panel-title", tabindex: "-1" }, title), element("p", { class: "soft" }, about)),
    element("div", { class: "moves" }, ...moves, element("button", { type: "button", class: "quiet", onclick: close }, "Close")));
  const banner = simulated => simulated ? element("p", { class: "banner" }, "Simulated: the truth is known, and no person stands behind it.") : null;

  // The error in one sentence.
  const result = run => {
    if (runs.error[run] == null) return null;
    const [of, ...unit] = runs.of[run].split(", "), show = value => value.toFixed(2);
    const ends = runs.low[run] == null ? " (fewer than 10 people: no interval)" : ` [${show(runs.low[run])}, ${show(runs.high[run])}]`;
    const median = runs.median[run] == null ? "" : ` The training median, which sees no face, has ${show(runs.median[run])}.`;
    return element("p", { class: "result" }, element("strong", {}, `${of}: ${show(runs.error[run])}${ends}`), `${unit.length ? ` ${unit.join(", ")}` : ""}, with the 95 % interval over people.${median}`);
  };

  const audit = found => {
    const words = { leak: "Leak", warning: "Warning", clear: "Clear", "not checked": "Not checked" };
    if (!found.audit.length) return element("p", { class: "soft" }, "The cohort of this run was not audited: lfnet audit.");
    return element("ul", { class: "audit" }, ...found.audit.map(([status, title, said]) => element("li", {},
      element("span", { class: status === "leak" || status === "warning" ? "loud" : "calm" }, words[status]), ` (${title}): ${said}`)));
  };

  const scores = found => {
    const splits = Object.keys(found.splits);
    if (!splits.length) return [element("p", { class: "soft" }, "There are no scores of labelled recordings in this run's folder.")];
    const place = element("div", { class: "figures" });
    const show = split => place.replaceChildren(lfnet.figure(lfnet.scatter(found, split)), lfnet.figure(lfnet.residuals(found, split)));
    const choice = splits.length > 1 ? element("label", { class: "split" }, "Recordings of ", element("select", { onchange: event => show(event.target.value) }, ...splits.map(split => element("option", {}, split)))) : null;
    show(splits[0]);
    return [choice, place];
  };

  const showRun = (run, found) => {
    const key = runs.keys[run], order = lfnet.list.kept, at = order.indexOf(run);
    const move = (by, label) => element("button", { type: "button", class: "quiet", "data-move": by, disabled: at < 0 || order[at + by] === undefined, onclick: () => location.replace(`#run=${runs.keys[order[at + by]]}`) }, label);
    const members = lfnet.tables.filter(table => table.runs.includes(key));
    return [
      head(lfnet.nameOf(run), element("span", {}, "run ", element("code", {}, key), ...members.flatMap(table => [" · in ", element("a", { href: table.link }, table.title)])), [move(-1, "Previous"), move(1, "Next")]),
      banner(found.simulated), element("p", { class: "only" }, lfnet.researchOnly),
      result(run),
      found.warnings.length ? element("section", { class: "box" }, element("span", { class: "loud" }, "Warnings"), element("ul", {}, ...found.warnings.map(text => element("li", {}, text)))) : null,
      grid(found.metrics.headings, found.metrics.lines, "Metrics"),
      ...scores(found),
      element("div", { class: "figures" }, found.curve ? lfnet.figure(lfnet.learningCurve([{ name: "", curve: found.curve }], found.simulated)) : element("p", { class: "soft" }, "This model has no learning curve: it is not trained in epochs, or its curve is not in the folder."),
        element("section", {}, element("h3", {}, "Audit of the cohort"), audit(found))),
      element("h3", {}, "Settings"), grid(["Setting", "Value"], settingsOf(run), "Settings", true),
    ];
  };

  const showBoth = ([a, b], [one, two]) => {
    const names = [lfnet.nameOf(a), lfnet.nameOf(b)];
    const apart = Object.entries(runs.apart).map(([key, own]) => [key, own.texts[own.at[a]], own.texts[own.at[b]]]).filter(([, x, y]) => x !== y);
    const seeds = runs.columns.find(column => column.name === "seed");
    const [s, t] = [a, b].map(run => seeds.texts[seeds.at[run]]);
    if (s !== t) apart.unshift(["seed", s, t]);
    const lines = {};
    [one, two].forEach((found, place) => found.metrics.lines.filter(line => line[0] in found.splits).forEach(line => { (lines[line[0]] ??= [null, null])[place] = line; }));
    const headings = one.metrics.headings.slice(1);
    const measured = headings.join() === two.metrics.headings.slice(1).join()
      ? Object.entries(lines).flatMap(([title, [x, y]]) => headings.map((heading, i) => [`${heading}, ${title}`, x?.[i + 1] ?? "—", y?.[i + 1] ?? "—"])) : [];
    const curves = [one, two].map((found, place) => ({ name: names[place], curve: found.curve })).filter(each => each.curve);
    return [
      head("Two runs compared", `A: ${names[0]}. B: ${names[1]}.`),
      banner(one.simulated || two.simulated), element("p", { class: "only" }, lfnet.researchOnly),
      element("h3", {}, `Settings that differ: ${apart.length}`),
      apart.length ? grid(["Setting", "A", "B"], apart, "Settings that differ") : element("p", {}, "All recorded settings are the same."),
      element("h3", {}, "Metrics"), element("p", { class: "soft" }, "Numbers side by side are no test: lfnet table and lfnet evidence compare models, with intervals."),
      measured.length ? grid(["Metric", "A", "B"], measured, "Metrics") : element("p", {}, "The runs have different metrics."),
      curves.length ? element("div", { class: "figures" }, lfnet.figure(lfnet.learningCurve(curves.map((each, place) => ({ ...each, name: "AB"[names.indexOf(each.name)] ?? "AB"[place] })), one.simulated && two.simulated))) : null,
    ];
  };

  let opener = null;
  const close = () => { if (location.hash.match(/^#(run|compare)=/)) history.pushState(null, "", location.pathname + location.search); hide(); };
  const hide = () => { if (panel.open) panel.close(); if (opener?.isConnected) opener.focus(); opener = null; };
  const show = parts => {
    if (!panel.open) { opener = document.activeElement; panel.showModal(); }
    panel.replaceChildren(...parts.filter(part => part != null));
    panel.scrollTop = 0;
    panel.querySelector("#panel-title").focus({ preventScroll: true });
  };

  const follow = async () => {
    const [, what, names] = decodeURIComponent(location.hash).match(/^#(run|compare)=([\w,]+)$/) ?? [];
    if (!what) return hide();
    const asked = names.split(","), places = asked.map(key => runs.keys.indexOf(key));
    if (places.includes(-1) || asked.length !== (what === "run" ? 1 : 2)) return show([head("No such run", `There is no run ${names} in this folder.`)]);
    const now = location.hash;
    try {
      const found = await Promise.all(asked.map(load));
      if (location.hash === now) show(what === "run" ? showRun(places[0], found[0]) : showBoth(places, found));
    } catch (error) {
      asked.forEach(key => delete waiting[key]);
      show([head("The run cannot be shown", error.message)]);
    }
  };

  lfnet.startPanel = () => {
    panel.addEventListener("cancel", event => { event.preventDefault(); close(); });
    panel.addEventListener("click", event => { if (event.target === panel) close(); });
    panel.addEventListener("keydown", event => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by && !event.target.closest("input, select, .wide, summary")) panel.querySelector(`[data-move="${by}"]`)?.click();
    });
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    follow();
  };
}
