"use strict";
// Tables that are sorted and filtered, and whose columns can be hidden. Their rows are on the page, or made when shown.
const lfnet = {};

lfnet.element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child != null));
  return made;
};

// Call `change` when a place gets another width; in the next frame, since it may change widths itself.
lfnet.onWidth = (place, change) => {
  let width = 0;
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (place.clientWidth && place.clientWidth !== width) { width = place.clientWidth; change(); }
  })).observe(place);
};

lfnet.collator = new Intl.Collator("en", { numeric: true });

lfnet.rowsOfPage = table => {
  const rows = [...table.tBodies[0].rows];
  const cell = (row, column) => rows[row].cells[column];
  return {
    count: rows.length,
    text: (row, column) => cell(row, column).textContent,
    value: (row, column) => cell(row, column).dataset.value ?? cell(row, column).textContent,
    row: row => rows[row],
  };
};

// "ldbm -tcn seed=0 mae<7": each word must occur in the row, or its column must have the value.
lfnet.parseFilter = (text, names) => {
  const plain = name => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const problems = [];
  const tests = (text.match(/-?[^\s"]*"[^"]*"|\S+/g) ?? []).map(word => {
    const not = word.startsWith("-") && word.length > 1;
    const bare = (not ? word.slice(1) : word).replaceAll('"', "").toLowerCase();
    const found = bare.match(/^([^<>=]+)(<=|>=|=|<|>)(.*)$/);
    let test = (row, source) => source.all(row).includes(bare);
    if (found) {
      const [, name, sign, wanted] = found;
      const asked = plain(name);
      let column = names.findIndex(one => plain(one) === asked);
      if (column < 0) column = names.findIndex(one => one && plain(one).includes(asked));
      if (column < 0) problems.push(`no column is called “${name}”`);
      else if (sign === "=") test = (row, source) => source.text(row, column).toLowerCase() === wanted || (wanted !== "" && +source.value(row, column) === +wanted);
      else if (wanted === "" || isNaN(wanted)) problems.push(`“${wanted}” is no number`);
      else {
        const compare = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b }[sign];
        test = (row, source) => source.value(row, column) !== "" && compare(+source.value(row, column), +wanted);
      }
    }
    return (row, source) => test(row, source) !== not;
  });
  return { problems, keep: (row, source) => tests.every(test => test(row, source)) };
};

lfnet.Table = class {
  constructor(box, source, { tools = false, placeholder = "Filter rows", pageSize = Infinity, onChange = () => {} } = {}) {
    Object.assign(this, { box, source, pageSize, onChange, page: 0, sorted: null, chosen: false, hidden: new Set() });
    this.table = box.querySelector("table");
    this.wide = box.querySelector(".wide");
    this.heads = [...this.table.tHead.rows[0].cells];
    this.names = this.heads.map(head => head.querySelector("button") ? head.textContent : "");
    this.texts = [];
    source.all = row => (this.texts[row] ??= this.names.map((name, column) => name && source.text(row, column)).join(" ").toLowerCase());
    this.keep = () => true;
    this.also = () => true;  // a choice made outside of the table
    this.heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => this.sort(column)));
    this.hint = lfnet.element("p", { class: "hint", hidden: true }, "There are more columns: scroll sideways.");
    this.unprinted = lfnet.element("p", { class: "unprinted", hidden: true });
    box.append(this.hint, this.unprinted);
    if (tools) this.#addTools(placeholder);
    this.update();
    lfnet.onWidth(this.wide, () => this.fit());
    addEventListener("beforeprint", () => this.fit());
    addEventListener("afterprint", () => this.fit());
  }

  #addTools(placeholder) {
    const { element } = lfnet;
    this.search = element("input", {
      type: "search", placeholder, "aria-label": "Filter rows", spellcheck: "false",
      oninput: () => { this.page = 0; this.update(); },
    });
    this.status = element("output", { "aria-live": "polite" });
    this.summary = element("summary", {}, "Columns");
    this.boxes = this.names.map((name, column) => name && element("label", {}, element("input", {
      type: "checkbox", checked: true, onchange: event => this.#choose(column, event.target.checked),
    }), ` ${name}`));
    const all = element("button", { type: "button", class: "quiet", onclick: () => this.#chooseAll() }, "Show all");
    const fit = element("button", { type: "button", class: "quiet", onclick: () => { this.chosen = false; this.fit(); } }, "As many as fit");
    this.menu = element("details", { class: "menu" }, this.summary,
      element("div", { class: "list" }, element("div", { class: "choices" }, ...this.boxes.filter(Boolean)), element("p", {}, all, " ", fit)));
    this.menu.hidden = this.names.filter(Boolean).length < 5;
    this.menu.addEventListener("keydown", event => {
      if (event.key === "Escape") { this.menu.open = false; this.summary.focus(); event.stopPropagation(); }
    });
    document.addEventListener("click", event => { if (!this.menu.contains(event.target)) this.menu.open = false; });
    this.tools = element("div", { class: "tools" }, this.search, this.menu, this.status);
    this.pager = element("nav", { class: "pager", "aria-label": "Pages of the table", hidden: true });
    this.box.prepend(this.tools);
    this.box.append(this.pager);
  }

  #choose(column, shown) {
    this.chosen = true;
    if (shown) this.hidden.delete(column); else this.hidden.add(column);
    this.#hideColumns();
  }

  #chooseAll() {
    this.chosen = true;
    this.hidden.clear();
    this.#hideColumns();
  }

  // Sort by a column: up, down, and as it was.
  sort(column) {
    const before = this.sorted?.column === column ? this.sorted.up : null;
    this.sorted = before === false ? null : { column, up: before === null };
    this.heads.forEach((head, place) => {
      if (place === this.sorted?.column) head.setAttribute("aria-sort", this.sorted.up ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    this.page = 0;
    this.update();
  }

  // The numbers of the rows that are kept, in their order.
  rows() {
    const rows = [];
    for (let row = 0; row < this.source.count; row++) if (this.also(row) && this.keep(row, this.source)) rows.push(row);
    if (this.sorted) {
      const { column, up } = this.sorted;
      const values = new Map(rows.map(row => [row, this.source.value(row, column)]));
      rows.sort((a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const apart = isNaN(x) || isNaN(y) ? lfnet.collator.compare(x, y) : x - y;
        return up ? apart : -apart;
      });
    }
    return rows;
  }

  update() {
    const { problems, keep } = lfnet.parseFilter(this.search?.value ?? "", this.names);
    this.keep = keep;
    this.kept = this.rows();
    const pages = Math.max(1, Math.ceil(this.kept.length / this.pageSize));
    this.page = Math.min(this.page, pages - 1);
    const start = this.pageSize === Infinity ? 0 : this.page * this.pageSize;
    this.shown = this.kept.slice(start, start + this.pageSize);
    this.table.tBodies[0].replaceChildren(...this.shown.map(row => this.source.row(row)));
    this.#hideColumns();
    if (this.status) {
      const all = this.source.count.toLocaleString("en"), some = this.kept.length.toLocaleString("en");
      const count = this.kept.length === this.source.count ? `${all} rows` : `${some} of ${all} rows`;
      this.status.textContent = problems.length ? problems.join("; ") : count;
      this.search.setAttribute("aria-invalid", problems.length > 0);
      this.#page(start, pages);
    }
    this.onChange(this);
  }

  #page(start, pages) {
    this.pager.hidden = pages < 2;
    const step = (by, text) => lfnet.element("button", {
      type: "button", class: "quiet", disabled: this.page + by < 0 || this.page + by >= pages,
      onclick: () => { this.page += by; this.update(); this.pager.querySelector("button:not([disabled])").focus(); },
    }, text);
    this.pager.replaceChildren(step(-1, "Previous"), `${start + 1}–${start + this.shown.length} of ${this.kept.length}`, step(1, "Next"));
  }

  #hideColumns() {
    this.heads.forEach((head, column) => { head.hidden = this.hidden.has(column); });
    for (const row of this.table.tBodies[0].rows) {
      [...row.cells].forEach((cell, column) => { cell.hidden = this.hidden.has(column); });
    }
    if (this.boxes) {
      const named = this.names.filter(Boolean).length;
      this.boxes.forEach((label, column) => { if (label) label.firstChild.checked = !this.hidden.has(column); });
      this.summary.textContent = `Columns: ${this.hidden.size ? `${named - this.hidden.size} of ${named}` : `all ${named}`}`;
    }
    this.hint.hidden = this.wide.scrollWidth <= this.wide.clientWidth + 1;
    this.unprinted.hidden = !this.hidden.size;
    this.unprinted.textContent = `Columns left out: ${[...this.hidden].map(column => this.names[column]).join(", ")}.`;
  }

  // Hide the least important columns until the table is no wider than its place, unless its reader chose columns.
  fit() {
    const rank = column => +(this.heads[column].dataset.rank ?? 0);
    if (!this.chosen && this.tools) {
      this.hidden.clear();
      this.#hideColumns();
      const order = this.heads.map((_, column) => column).filter(rank).sort((a, b) => rank(b) - rank(a) || b - a);
      // A table that is too wide gives each column its least width, which does not depend on the other columns.
      const widths = this.heads.map(head => head.offsetWidth), room = this.wide.clientWidth + 1;
      for (let width = this.wide.scrollWidth; order.length && width > room; width -= widths[order.shift()]) this.hidden.add(order[0]);
      this.#hideColumns();
      while (order.length && this.wide.scrollWidth > room) {  // rounding
        this.hidden.add(order.shift());
        this.#hideColumns();
      }
    }
    this.#hideColumns();
  }
};

for (const box of document.querySelectorAll(".data")) {
  new lfnet.Table(box, lfnet.rowsOfPage(box.querySelector("table")), { tools: "tools" in box.dataset });
}
