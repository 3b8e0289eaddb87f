"use strict";
// The list of all runs, the choice of two, and the forest plot of the runs shown.
{
  const { element, tables } = lfnet;
  const MOST = 40;  // bars of the forest plot
  const list = document.getElementById("list");
  const runs = lfnet.runs;

  // A table's forests, on its card.
  for (const place of document.querySelectorAll(".forests")) {
    for (const one of tables[place.dataset.table].forests) {
      place.append(lfnet.figure(lfnet.forest(one.title, one.about, one.unit, one.rows, one.simulated)));
    }
  }

  if (!runs) list.append(element("p", { class: "banner" }, "runs.js is not next to this page: copy the whole folder."));
  else if (!runs.keys.length) list.append(element("p", { class: "banner" }, "There is no finished run in this folder yet."));
  else {
    const { columns } = runs;
    const text = (run, column) => columns[column].texts[columns[column].at[run]];
    const naming = columns.map((column, place) => column.names && (column.name === "model" || column.texts.length > 1) ? place : -1).filter(place => place >= 0);
    lfnet.nameOf = run => naming.map(place => columns[place].name === "seed" ? `seed ${text(run, place)}` : text(run, place)).filter(part => part !== "—").join(", ");

    const errors = document.getElementById("errors");
    const drawErrors = shown => {
      const known = shown.shown.filter(run => runs.error[run] != null);
      const unit = known.length ? runs.of[known[0]] : "";
      const same = known.filter(run => runs.of[run] === unit);
      const drawn = same.slice(0, MOST);
      if (!drawn.length) { errors.replaceChildren(element("p", { class: "soft" }, "No run shown has labelled test recordings.")); return; }
      const few = drawn.some(run => runs.low[run] == null) ? " No interval: fewer than 10 people." : "";
      const rest = [same.length > drawn.length ? `the first ${drawn.length} of ${same.length}` : `${drawn.length} runs`, known.length > same.length ? `${known.length - same.length} more have another scale or metric: choose their table or cohort` : ""].filter(Boolean).join("; ");
      const rows = drawn.map(run => ({ name: lfnet.nameOf(run), value: runs.error[run], low: runs.low[run], high: runs.high[run], median: runs.median[run], open: () => { location.hash = `run=${runs.keys[run]}`; } }));
      const median = rows.some(row => row.median != null) ? " Upright mark: the training median." : "";
      const simulated = drawn.filter(run => runs.simulated[run]).length;
      errors.replaceChildren(lfnet.figure(lfnet.forest("Test error of each run, with its 95 % interval over people",
        `In the order of the list: ${rest}. These trained models on people drawn as those of test; the list is no comparison, which the tables make.${median}${few}`, unit, rows, simulated === drawn.length)));
      if (simulated && simulated < drawn.length) errors.firstChild.querySelector("figcaption").append(` ${simulated} of them are on simulated cohorts.`);
    };

    // Column 0 chooses runs, the last one has their names.
    const chosen = new Set();
    const made = new Map();
    const row = run => {
      if (made.has(run)) return made.get(run);
      const key = runs.keys[run];
      const box = element("input", { type: "checkbox", "aria-label": `compare ${lfnet.nameOf(run)}`, onchange: () => choose(run, box.checked) });
      box.checked = chosen.has(run);
      const cells = columns.map((column, place) => {
        const content = place === 0 ? element("a", { href: `#run=${key}`, class: "open", "aria-label": `open ${lfnet.nameOf(run)}` }, text(run, place)) : text(run, place);
        const prose = !column.values && text(run, place).length > 24 ? "prose" : null;
        return element("td", { class: column.values ? "number" : prose }, content);
      });
      const line = element("tr", { onclick: event => { if (!event.target.closest("a, input")) location.hash = `run=${key}`; } },
        element("td", { class: "tick" }, box), ...cells, element("td", {}, element("code", {}, key)));
      made.set(run, line);
      return line;
    };
    const heads = columns.map(column => element("th", { scope: "col", class: column.values ? "number" : null, "data-rank": column.rank }, element("button", { type: "button" }, column.heading)));
    list.append(element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Runs" }, element("table", {},
      element("thead", {}, element("tr", {}, element("th", { scope: "col", class: "tick" }, element("span", { class: "unseen" }, "Compare")), ...heads,
        element("th", { scope: "col", "data-rank": 3 }, element("button", { type: "button" }, "Folder")))), element("tbody"))));

    const scales = new Set(runs.of.map(of => of.replace("MAE on test, ", "")));
    const unit = scales.size > 1 ? "points of each run's scale, of probabilities in probability" : [...scales][0].includes("AUROC") ? "probability" : [...scales][0];
    list.before(element("p", { class: "soft" }, `MAE and RMSE are in ${unit}. Brackets: the 95 % interval over people. ↓ less is better, ↑ more is better.`));

    const last = columns.length + 1;
    const source = {
      count: runs.keys.length, row,
      text: (run, column) => column === last ? runs.keys[run] : text(run, column - 1),
      value: (run, column) => column === last ? runs.keys[run] : columns[column - 1].values ? columns[column - 1].values[run] ?? "" : text(run, column - 1),
    };
    const view = lfnet.list = new lfnet.Table(list, source, { tools: true, pageSize: 100, placeholder: "Filter: ldbm  seed=0  mae<7", onChange: shown => drawErrors(shown) });

    // Choices of the cohort, the model and the table; those with one value are left out.
    const picked = {};
    const pick = (name, heading, choices, keep) => {
      if (choices.length < 2) return null;
      const box = element("select", { "aria-label": heading, onchange: () => { picked[name] = box.value === "" ? null : keep(+box.value); view.page = 0; view.update(); } },
        element("option", { value: "" }, `${heading}: all`), ...choices.map((choice, place) => element("option", { value: place }, choice)));
      view.search.after(box);
      return box;
    };
    view.also = run => Object.values(picked).every(test => !test || test(run));
    for (const name of ["cohort", "model"]) {
      const column = columns.find(one => one.name === name);
      pick(name, column.heading, column.texts, value => run => column.at[run] === value);
    }
    const places = new Map(runs.keys.map((key, run) => [key, run]));
    const members = tables.map(table => new Set(table.runs.map(key => places.get(key))));
    const ofTable = pick("table", "Table", tables.map(table => table.name), value => run => members[value].has(run));
    for (const link of document.querySelectorAll("[data-runs-of]")) {
      link.addEventListener("click", () => { if (ofTable) { ofTable.value = link.dataset.runsOf; ofTable.dispatchEvent(new Event("change")); } });
    }

    // Arrow keys move through the rows, Space chooses.
    list.addEventListener("keydown", event => {
      const line = event.target.closest("tbody tr");
      if (!line) return;
      const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (step) { line[step]?.querySelector(event.target.matches("input") ? "input" : ".open").focus(); event.preventDefault(); }
      if (event.key === " " && event.target.matches(".open")) { line.querySelector("input").click(); event.preventDefault(); }
    });

    const bar = document.getElementById("selection");
    const choose = (run, on) => {
      if (on && chosen.size === 2) {
        const first = chosen.values().next().value;
        chosen.delete(first);
        if (made.has(first)) made.get(first).querySelector("input").checked = false;
      }
      if (on) chosen.add(run); else chosen.delete(run);
      made.forEach((line, place) => line.classList.toggle("chosen", chosen.has(place)));
      bar.hidden = !chosen.size;
      const names = [...chosen].map(lfnet.nameOf).join("  ·  ");
      const both = [...chosen].map(place => runs.keys[place]).join();
      bar.replaceChildren(element("span", {}, names),
        element("button", { type: "button", class: "quiet strong", disabled: chosen.size < 2, onclick: () => { location.hash = `compare=${both}`; } }, chosen.size < 2 ? "Choose another run" : "Compare"),
        element("button", { type: "button", class: "quiet", onclick: () => { [...chosen].forEach(place => { choose(place, false); made.get(place).querySelector("input").checked = false; }); } }, "Clear"));
    };

    lfnet.startPanel();
  }
}
