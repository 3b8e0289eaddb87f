"use strict";
// Charts as inline SVG, in the colours of the page; each has a title, a description and its numbers as a table.
{
  const { element } = lfnet;
  const SVG = "http://www.w3.org/2000/svg";
  const node = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
    made.append(...children.filter(child => child != null));
    return made;
  };
  const text = (x, y, content, attributes = {}) => node("text", { x, y, ...attributes }, content);
  const minus = value => String(value).replace("-", "−");
  const number = (value, digits = 2) => value == null ? "—" : minus(value.toFixed(digits));

  const ticks = (low, high, most) => {
    const rough = (high - low) / Math.max(1, most) || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5, 10].find(one => one * power >= rough * 0.999) ?? 10);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(+at.toPrecision(12));
    return found;
  };
  const range = (values, pad = 0.05) => {
    const known = values.filter(value => value != null && isFinite(value));
    if (!known.length) return [0, 1];
    const low = Math.min(...known), high = Math.max(...known);
    const room = (high - low || Math.abs(high) || 1) * pad;
    return [low - room, high + room];
  };

  // Axes of a plot area: the group to draw in, and the scales.
  const axes = (em, { left, top, width, height, x, y, xLabel, yLabel, xTicks, whole = false }) => {
    const X = value => left + (value - x[0]) / (x[1] - x[0]) * width;
    const Y = value => top + height - (value - y[0]) / (y[1] - y[0]) * height;
    const group = node("g");
    for (const at of ticks(...y, height / (em * 2.6))) {
      group.append(node("line", { x1: left, x2: left + width, y1: Y(at), y2: Y(at), class: "grid" }));
      group.append(text(left - em * 0.5, Y(at) + em * 0.35, minus(at), { class: "end" }));
    }
    for (const at of xTicks ?? ticks(...x, width / (em * 4.5)).filter(at => !whole || Number.isInteger(at))) {
      group.append(node("line", { x1: X(at), x2: X(at), y1: top + height, y2: top + height + em * 0.3, class: "axis" }));
      group.append(text(X(at), top + height + em * 1.4, minus(at), { class: "middle" }));
    }
    group.append(node("line", { x1: left, x2: left + width, y1: top + height, y2: top + height, class: "axis" }));
    if (xLabel) group.append(text(left + width / 2, top + height + em * 2.9, xLabel, { class: "middle soft" }));
    if (yLabel) group.append(text(0, 0, yLabel, { class: "middle soft", transform: `translate(${em * 0.9} ${top + height / 2}) rotate(-90)` }));
    return { group, X, Y };
  };
  const points = (X, Y, x, y, attributes) => x.map((value, i) => y[i] == null ? null : node("circle", { cx: X(value), cy: Y(y[i]), ...attributes(i) })).filter(Boolean);

  // A figure that is drawn again when its place changes its width.
  lfnet.figure = chart => {
    const place = element("div", { class: "drawing" });
    const table = element("details", { class: "numbers" }, element("summary", {}, "Numbers as a table"));
    table.addEventListener("toggle", () => {
      if (!table.open || table.children.length > 1) return;
      const cells = (tag, row) => element("tr", {}, ...row.map(cell => element(tag, { class: typeof cell === "number" ? "number" : null }, typeof cell === "number" ? minus(cell) : cell)));
      table.append(element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": chart.title },
        element("table", {}, element("thead", {}, cells("th", chart.head)), element("tbody", {}, ...chart.rows.map(row => cells("td", row))))));
    });
    const draw = () => {
      const width = place.clientWidth;
      const em = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8;
      const { height, parts } = chart.draw(width, em);
      const label = `${chart.title}. ${chart.about}`;
      place.replaceChildren(node("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, "font-size": em }, ...parts));
    };
    lfnet.onWidth(place, draw);
    const note = chart.simulated ? " Simulated." : "";
    return element("figure", {}, element("figcaption", {}, element("strong", {}, chart.title), `${chart.about}${note}`), place, chart.controls ?? null, table);
  };

  // rows: {name, value, low, high, reference, median, open}. Names are above the bars where there is little room.
  lfnet.forest = (title, about, unit, rows, simulated) => ({
    title, about, simulated,
    head: ["Row", unit, "from", "to"],
    rows: rows.map(row => [row.name, row.value, row.low ?? "—", row.high ?? "—"]),
    draw(width, em) {
      const narrow = width < em * 42;
      const longest = Math.max(...rows.map(row => row.name.length), 4);
      const left = narrow ? em * 0.6 : Math.min(width * 0.42, em * (0.56 * longest + 1.5));
      const right = narrow ? em * 0.8 : em * 10.5;
      const step = em * (narrow ? 2.9 : 1.75);
      const height = step * rows.length + em * 4.2;
      const x = range(rows.flatMap(row => [row.value, row.low, row.high, row.median]));
      const inner = width - left - right;
      const { group, X } = axes(em, { left, top: em * 0.4, width: inner, height: step * rows.length, x, y: [0, 1], xLabel: unit });
      group.querySelectorAll(".grid, .end").forEach(one => one.remove());
      for (const at of ticks(...x, inner / (em * 4.5))) group.prepend(node("line", { x1: X(at), x2: X(at), y1: em * 0.4, y2: em * 0.4 + step * rows.length, class: "grid" }));
      const most = Math.max(4, Math.floor((narrow ? width : left) / (em * 0.54)));
      rows.forEach((row, place) => {
        const y = em * 0.4 + step * (place + (narrow ? 0.72 : 0.5));
        const colour = row.reference ? "var(--grey)" : "var(--one)";
        const line = node("g", { class: row.open ? "link" : null });
        line.append(node("title", {}, `${row.name}: ${number(row.value)}${row.low == null ? "" : ` [${number(row.low)}, ${number(row.high)}]`}`));
        if (row.open) line.append(node("rect", { x: 0, y: y - step * (narrow ? 0.7 : 0.5), width, height: step, fill: "transparent" }));
        const name = row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name;
        line.append(narrow ? text(left, y - em * 0.75, name) : text(left - em, y + em * 0.35, name, { class: "end" }));
        if (row.low != null) line.append(node("line", { x1: X(row.low), x2: X(row.high), y1: y, y2: y, stroke: colour, "stroke-width": em * 0.17 }));
        if (row.median != null) line.append(node("line", { x1: X(row.median), x2: X(row.median), y1: y - step * 0.3, y2: y + step * 0.3, stroke: "var(--two)", "stroke-width": em * 0.14 }));
        const side = em * 0.36;
        line.append(row.reference ? node("path", { d: `M${X(row.value)} ${y - side}l${side} ${side}l${-side} ${side}l${-side} ${-side}z`, fill: colour })
          : node("circle", { cx: X(row.value), cy: y, r: em * 0.34, fill: colour }));
        if (!narrow) line.append(text(width, y + em * 0.35, `${number(row.value)}${row.low == null ? "" : ` [${number(row.low)}, ${number(row.high)}]`}`, { class: "end" }));
        if (row.open) line.addEventListener("click", row.open);
        group.append(line);
      });
      return { height, parts: [group] };
    },
  });

  // curves: one or two of {name, curve}; a panel for each line, epochs below.
  lfnet.learningCurve = (curves, simulated) => {
    const names = [...new Set(curves.flatMap(one => one.curve.lines.map(line => line.name)))];
    const epochs = Math.max(...curves.flatMap(one => one.curve.lines.map(line => line.values.length)));
    const chosen = curves.filter(one => one.curve.best).map(one => curves.length > 1 ? `${one.name}: ${one.curve.best}` : one.curve.best);
    const colours = ["var(--one)", "var(--two)"];
    return {
      title: "Learning curve", simulated,
      about: `By epoch: ${names.join(" and ")}. ${curves.length > 1 ? "A: solid line; B: dashed. " : ""}${chosen.length ? `Epoch kept (ring): ${chosen.join("; ")}.` : ""}`,
      head: ["Epoch", ...curves.flatMap(one => one.curve.lines.map(line => curves.length > 1 ? `${line.name}, ${one.name}` : line.name))],
      rows: [...Array(epochs).keys()].map(i => [i + 1, ...curves.flatMap(one => one.curve.lines.map(line => line.values[i] ?? "—"))]),
      draw(width, em) {
        const each = em * 9.5, left = em * 4, parts = [];
        names.forEach((name, place) => {
          const lines = curves.map(one => one.curve.lines.find(line => line.name === name));
          const last = place === names.length - 1;
          const { group, X, Y } = axes(em, {
            left, top: em * 1.9 + place * (each + em * 2.4), width: width - left - em, height: each,
            x: [1, Math.max(2, epochs)], y: range(lines.flatMap(line => line?.values ?? [])), whole: true,
            xLabel: last ? "epoch" : null, xTicks: last ? undefined : [],
          });
          group.append(text(left, em * 1.1 + place * (each + em * 2.4), name, { class: "strong-text" }));
          lines.forEach((line, i) => {
            if (!line) return;
            const known = line.values.map((value, at) => value == null ? null : [X(at + 1), Y(value)]).filter(Boolean);
            group.append(node("polyline", { points: known.map(pair => pair.join()).join(" "), fill: "none", stroke: colours[i], "stroke-width": em * 0.15, "stroke-dasharray": i ? `${em * 0.5} ${em * 0.25}` : null }));
            if (known.length < 40) known.forEach(([cx, cy]) => group.append(node("circle", { cx, cy, r: em * 0.16, fill: colours[i] })));
            const best = curves[i].curve.best;
            if (best && line.values[best - 1] != null) group.append(node("circle", { cx: X(best), cy: Y(line.values[best - 1]), r: em * 0.45, fill: "none", stroke: colours[i], "stroke-width": em * 0.17 }));
          });
          parts.push(group);
        });
        const height = em * 1.9 + names.length * (each + em * 2.4) + em * 1.2;
        return { height, parts };
      },
    };
  };

  lfnet.scatter = (run, split) => {
    const { label, score, person } = run.splits[split], people = new Set(person).size;
    const unit = run.binary ? "" : `, ${run.scale.name} points`;
    return {
      title: "Predicted vs label", simulated: run.simulated,
      about: `${split}: ${label.length} recordings of ${people} people. ${run.binary ? "Dots are spread sideways around the labels 0 and 1." : "On the line score and label are equal."}`,
      head: ["Person", "Label", "Score"], rows: label.map((value, i) => [person[i], value, score[i]]),
      draw(width, em) {
        const left = em * 4.2, side = Math.min(width - left - em, em * 36), height = Math.min(side * 0.85, em * 20);
        const ends = run.binary ? [-0.15, 1.15] : range([run.scale.low, run.scale.high], 0.03);
        const y = range([...ends, ...score], 0);
        const { group, X, Y } = axes(em, { left, top: em * 0.6, width: side, height, x: ends, y, xLabel: `label${unit}`, yLabel: run.binary ? "predicted probability" : `score${unit}`, xTicks: run.binary ? [0, 1] : undefined });
        if (!run.binary) group.append(node("line", { x1: X(ends[0]), y1: Y(ends[0]), x2: X(ends[1]), y2: Y(ends[1]), class: "reference" }));
        const spread = run.binary ? i => ((i * 0.618) % 1 - 0.5) * 0.2 : () => 0;  // labels of 0 and 1 would lie on one another
        const dots = points(X, Y, label.map((value, i) => value + spread(i)), score, () => ({ r: em * 0.32, class: "dot" }));
        dots.forEach((dot, i) => dot.append(node("title", {}, `person ${person[i]}: label ${label[i]}, score ${number(score[i], 1)}`)));
        group.append(...dots);
        return { height: height + em * 4.2, parts: [group] };
      },
    };
  };

  lfnet.residuals = (run, split) => {
    const { label, score, person } = run.splits[split];
    const own = new Map();
    label.forEach((value, i) => own.set(person[i], [...(own.get(person[i]) ?? []), score[i] - value]));
    const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
    const people = [...own].map(([name, errors]) => ({ name, errors, mean: mean(errors) })).sort((a, b) => a.mean - b.mean || a.name - b.name);
    const several = people.some(one => one.errors.length > 1);
    const few = people.length < 10 ? ` n = ${people.length}: too few people to generalise from.` : "";
    return {
      title: "Error by person", simulated: run.simulated,
      about: `${split}: ${people.length} people in the order of their mean error, a dot a recording${several ? ", a bar their mean" : ""}. Numbers of people follow their labels: 1 has the lowest.${few}`,
      head: ["Person", "Recordings", "Mean error"], rows: people.map(one => [one.name, one.errors.length, +one.mean.toFixed(2)]),
      draw(width, em) {
        const left = em * 4.2, height = em * 17, inner = width - left - em;
        const { group, X, Y } = axes(em, { left, top: em * 0.6, width: inner, height, x: [0, people.length], y: range([0, ...people.flatMap(one => one.errors)]), xLabel: "people, by mean error", yLabel: run.binary ? "score − label" : `score − label, ${run.scale.name} points`, xTicks: [] });
        group.append(node("line", { x1: left, x2: left + inner, y1: Y(0), y2: Y(0), class: "reference" }));
        const half = Math.min(em * 0.6, inner / people.length * 0.42);
        people.forEach((one, place) => {
          const line = node("g", {}, node("title", {}, `person ${one.name}: mean error ${number(one.mean, 1)}, ${one.errors.length} recordings`));
          line.append(...points(X, Y, one.errors.map(() => place + 0.5), one.errors, () => ({ r: Math.min(em * 0.28, half * 0.9), class: "dot" })));
          if (several) line.append(node("line", { x1: X(place + 0.5) - half, x2: X(place + 0.5) + half, y1: Y(one.mean), y2: Y(one.mean), stroke: "var(--two)", "stroke-width": em * 0.17 }));
          group.append(line);
        });
        return { height: height + em * 3.8, parts: [group] };
      },
    };
  };
}
