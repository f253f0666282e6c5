"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const colors = ["#0072B2","#D55E00","#009E73","#CC79A7","#E69F00","#56B4E9","#882255","#999933","#44AA99","#AA4499","#777777"];
const dashes = ["", "6 3", "2 3", "8 3 2 3"];
document.getElementById("theme").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) k in e && k !== "list" ? e[k] = v : e.setAttribute(k, v);
  e.append(...children);
  return e;
}
function svg(tag, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}
// Names come from data and may have any length.
function short(text, most = 60) { const all = [...String(text)]; return all.length > most ? all.slice(0, most - 1).join("") + "…" : String(text); }
function section(title, id) {
  const s = el("section", {id}, el("h2", {}, title));
  main.append(s);
  return s;
}
function show(v) { return v === null ? "n/a" : typeof v === "number" ? (Number.isInteger(v) ? String(v) : v.toFixed(4)) : v; }
function signed(v, digits = 3) { return (v > 0 ? "+" : "") + v.toFixed(digits); }
function changed(v) { return v > 0 ? "up" : v < 0 ? "down" : ""; }
function chooser(label, options, onchange, value) {
  const s = el("select", {}, ...options.map(o => el("option", {value: o}, short(o))));
  if (value !== undefined && options.includes(value)) s.value = value;
  s.onchange = () => onchange(s.value);
  return [el("label", {}, label, " ", s), s];
}
const unique = list => [...new Set(list)];
const tableOf = (run, name) => run.tables.find(t => t.name === name);
const columnOf = (table, name) => table.columns.findIndex(c => c.name === name);
const figureOf = name => data.figures.find(f => f.name === name) ?? {name, title: name.replaceAll("_", " "), text: ""};
function image(number, text) {
  const picture = el("img", {src: data.pictures[number], alt: text, loading: "lazy"});
  picture.onclick = () => picture.classList.toggle("large");
  return el("figure", {}, picture, el("figcaption", {}, short(text, 120)));
}

// The history panels of a sample's picture one after another in one place: what stands still stays where it is.
function historySlider(number, {width: W, height: H, history: list}) {
  const view = el("div", {className: "view", role: "img"}), title = el("output");
  const range = el("input", {type: "range", min: 0, max: list.length - 1, step: 1, "aria-label": "history frame"});
  view.style.backgroundImage = `url(${data.pictures[number]})`;
  function show() {
    const {title: text, x, y, w, h} = list[range.value];
    view.style.maxWidth = 2 * w + "px";
    view.style.aspectRatio = `${w} / ${h}`;
    view.style.backgroundSize = `${100 * W / w}% ${100 * H / h}%`;
    view.style.backgroundPosition = `${100 * x / (W - w)}% ${100 * y / (H - h)}%`;
    title.textContent = text;
    view.setAttribute("aria-label", text);
  }
  range.value = 0;
  range.oninput = show;
  show();
  return el("div", {className: "history"}, el("label", {}, "history frame ", range, " ", title), view);
}

// A table that sorts by a click on its head and filters by its key columns and by text. Columns "group: name" stand
// under a common head.
function interactive(table, id) {
  const box = el("div", {id}), bar = el("div", {className: "bar"}), body = el("tbody"), count = el("span", {className: "note"});
  const filters = {};
  let order = null, descending = false, needle = "";
  table.columns.forEach((c, i) => {
    if (!c.key) return;
    const values = unique(table.rows.map(r => r[i]));
    if (values.length < 2 || values.length > 200) return;
    const preset = ["(all)", "all"].find(v => values.includes(v) && values.length > 2);
    const [label] = chooser(c.name, ["any", ...values], v => { filters[i] = v; draw(); }, preset && table.rows.length > 200 ? preset : "any");
    if (preset && table.rows.length > 200) filters[i] = preset;
    bar.append(label);
  });
  const search = el("input", {type: "search", placeholder: "search", "aria-label": "search in this table"});
  search.oninput = () => { needle = search.value.toLowerCase(); draw(); };
  bar.append(search, count);
  // Columns belong together where more than one begins with the same "group: ".
  const prefix = name => name.includes(": ") ? name.slice(0, name.indexOf(": ") + 2) : "";
  const groups = table.columns.map(c => c.key ? "" : prefix(c.name)).map((g, i, all) => g && all.filter(x => x === g).length > 1 ? g : "");
  const isGrouped = groups.some(g => g), isFirst = groups.map((g, i) => g !== "" && groups[i - 1] !== g);
  const head = el("tr", {}, ...table.columns.map((c, i) => {
    const b = el("button", {type: "button", title: c.name}, ...(groups[i] ? [el("span", {className: "prefix"}, groups[i]), short(c.name.slice(groups[i].length), 24)] : [short(c.name, 60)]));
    b.onclick = () => { descending = order === i ? !descending : !c.key; order = i; draw(); };
    return el("th", {className: (c.key ? "" : "n") + (isFirst[i] ? " first" : "")}, b);
  }));
  const heads = [head];
  if (isGrouped) {
    const above = el("tr");
    for (let i = 0; i < groups.length;) {
      let end = i + 1;
      while (end < groups.length && groups[end] === groups[i]) end++;
      above.append(el("th", {colSpan: end - i, className: groups[i] ? "group" : ""}, groups[i].slice(0, -2)));
      i = end;
    }
    heads.unshift(above);
  }
  function draw() {
    let rows = table.rows.filter(r => Object.entries(filters).every(([i, v]) => v === "any" || r[i] === v) &&
      (!needle || r.some(v => String(show(v)).toLowerCase().includes(needle))));
    if (order !== null) rows = rows.slice().sort((a, b) => {
      const x = a[order], y = b[order];
      if (x === null || y === null) return (x === null) - (y === null);
      const d = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, {numeric: true});
      return descending ? -d : d;
    });
    [...head.children].forEach((th, i) => th.setAttribute("aria-sort", i !== order ? "none" : descending ? "descending" : "ascending"));
    count.textContent = rows.length + " of " + table.rows.length + " rows" + (rows.length > 1000 ? ", the first 1000 shown" : "");
    body.replaceChildren(...rows.slice(0, 1000).map(r => el("tr", {}, ...r.map((v, i) => {
      const isChange = table.columns[i].name.endsWith("change");
      const change = isChange && typeof v === "number" && v !== 0;
      const text = change ? signed(v, isGrouped ? 3 : 4) : isGrouped && typeof v === "number" && !Number.isInteger(v) ? v.toFixed(3) : show(v);
      return el("td", {className: (table.columns[i].key ? "" : "n") + (v === null ? " none" : "") + (isChange ? " change " + changed(v) : "") + (isFirst[i] ? " first" : ""), ...(typeof v === "string" && v.length > 30 ? {title: v} : {})}, text);
    }))));
  }
  draw();
  box.append(bar, el("div", {className: "scroll" + (isGrouped ? " grouped" : "")}, el("table", {}, el("thead", {}, ...heads), body)));
  return box;
}

// Lines over two axes; a series is {name, color, dash, points: [[x, y], ...]}.
function plot(title, series, xName, yName, unit) {
  const w = 480, h = 300, left = 52, bottom = 38, top = 12, right = 12;
  const all = series.flatMap(s => s.points);
  const figure = el("div", {className: "plot"}, el("h3", {}, title));
  if (!all.length) { figure.append(el("p", {className: "note"}, "n/a")); return figure; }
  let [x0, x1] = unit ? [0, 1] : [Math.min(...all.map(p => p[0])), Math.max(...all.map(p => p[0]))];
  let [y0, y1] = unit ? [0, 1] : [Math.min(...all.map(p => p[1])), Math.max(...all.map(p => p[1]))];
  if (x1 === x0) x1 = x0 + 1;
  if (y1 === y0) { y1 += Math.abs(y0) || 1; }
  const X = x => left + (x - x0) / (x1 - x0) * (w - left - right), Y = y => h - bottom - (y - y0) / (y1 - y0) * (h - bottom - top);
  const image = svg("svg", {viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": title});
  for (let i = 0; i <= 4; i++) {
    const x = x0 + (x1 - x0) * i / 4, y = y0 + (y1 - y0) * i / 4;
    image.append(svg("line", {class: "axis", x1: left, x2: w - right, y1: Y(y), y2: Y(y)}), svg("line", {class: "axis", x1: X(x), x2: X(x), y1: top, y2: h - bottom}),
      svg("text", {x: left - 5, y: Y(y) + 4, "text-anchor": "end"}, +y.toPrecision(3)), svg("text", {x: X(x), y: h - bottom + 14, "text-anchor": "middle"}, +x.toPrecision(4)));
  }
  image.append(svg("text", {x: (w + left) / 2, y: h - 6, "text-anchor": "middle"}, xName), svg("text", {x: 12, y: h / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${h / 2})`}, yName));
  for (const s of series) {
    image.append(svg("polyline", {points: s.points.map(p => X(p[0]).toFixed(1) + "," + Y(p[1]).toFixed(1)).join(" "), fill: "none", stroke: s.color, "stroke-width": 1.8, "stroke-dasharray": s.dash || ""}));
    if (s.points.length < 40) for (const p of s.points) {
      const dot = svg("circle", {cx: X(p[0]), cy: Y(p[1]), r: 2.6, fill: s.color});
      dot.append(svg("title", {}, s.name + ": " + p.map(v => +v.toPrecision(4)).join(", ") + (p.note ? " " + p.note : "")));
      image.append(dot);
    }
  }
  figure.append(image, el("div", {className: "legend"}, ...series.map(s => el("span", {}, el("i", {style: "background:" + s.color}), short(s.name)))));
  return figure;
}

// ---- what it comes to: the first run against the others, and a drive of each beside its label ----
{
  const interval = (low, high, digits = 3) => low === null || high === null ? "" : ` (95 %: ${signed(low, digits)} to ${signed(high, digits)})`;
  const base = data.runs[0], figures = base.tables.find(t => t.name === "headline");
  const s = section("In short", "short");
  // On a narrow screen the columns from the 95 % on are left to the tables below.
  const rowsOf = (head, rows) => el("div", {className: "scroll brief"}, el("table", {}, el("thead", {}, el("tr", {}, ...head.map((h, i) => el("th", {className: i + 1 === head.length ? "text" : (i ? "n" : "") + (h === "p" || h === "to" || h.startsWith("95 %") ? " wide" : "")}, short(h, 28))))),
    el("tbody", {}, ...rows)));
  const tables = [];
  if (data.spread)
    s.append(rowsOf(["runs", "figure", "count", "mean", "deviation", "lowest", "highest", "what it is"], data.spread.rows.map(r => el("tr", {}, el("td", {}, short(r[0])), el("td", {}, figureOf(r[1]).title),
      el("td", {className: "n"}, String(r[2])), ...[3, 4, 5, 6].map(k => el("td", {className: "n" + (r[k] === null ? " none" : "")}, r[k] === null ? "n/a" : r[k].toFixed(3))), el("td", {className: "text"}, figureOf(r[1]).text)))));
  data.headlines.forEach((t, i) => {
    const lead = t.rows[0];
    if (!lead) return;
    const [name, before, after, change, low, high, p] = lead;
    s.append(el("p", {className: "lead"}, figureOf(name).title + ": " + before.toFixed(3) + " → ", el("b", {}, after.toFixed(3)), ", ",
      el("span", {className: changed(change)}, signed(change)), interval(low, high) + (p === null ? "" : p < 0.01 ? ", p < 0.01" : ", p " + p.toFixed(2))));
    s.append(el("p", {className: "note"}, short(base.name) + " → " + short(data.runs[i + 1].name) + (low === null ? ": not the same sequences, or too few for an interval." :
      ": the interval is that of the change over " + figures.rows[0][columnOf(figures, "sequences")] + " sequences, drawn anew in pairs.")));
    tables.push(el("h3", {}, short(base.name) + " → " + short(data.runs[i + 1].name)), rowsOf(["figure", base.name, data.runs[i + 1].name, "change", "95 % from", "to", "p", "what it is"], t.rows.map(r => el("tr", {}, el("td", {}, figureOf(r[0]).title), el("td", {className: "n"}, r[1].toFixed(3)),
      el("td", {className: "n"}, r[2].toFixed(3)), el("td", {className: "n change " + changed(r[3])}, signed(r[3])), ...[r[4], r[5]].map(v => el("td", {className: "n wide" + (v === null ? " none" : "")}, v === null ? "n/a" : signed(v))),
      el("td", {className: "n wide"}, r[6] === null ? "n/a" : r[6].toFixed(3)), el("td", {className: "text"}, figureOf(r[0]).text)))));
  });
  if (!data.spread && !data.headlines.length && figures)
    s.append(rowsOf(["figure", base.name, "95 % from", "to", "what it is"], figures.rows.map(r => el("tr", {}, el("td", {}, figureOf(r[0]).title),
      ...[1, 2, 3].map(k => el("td", {className: "n" + (k > 1 ? " wide" : "") + (r[k] === null ? " none" : "")}, r[k] === null ? "n/a" : r[k].toFixed(3))), el("td", {className: "text"}, figureOf(r[0]).text)))));
  // Runs that drew no drives stand in the tables alone.
  const drawn = data.runs.filter(r => r.drives.length);
  const drives = (drawn[0]?.drives ?? []).map(d => d.name).filter(name => drawn.every(r => r.drives.some(d => d.name === name)));
  if (drives.length) {
    const holder = el("div", {className: "gallery maps"});
    const draw = name => {
      const of = drawn.map(r => r.drives.find(d => d.name === name)), label = of.find(d => d.label !== null);
      holder.replaceChildren(...of.map((d, i) => image(d.predicted, short(drawn[i].name) + ", predicted")), ...(label ? [image(label.label, "label")] : []));
    };
    s.append(el("h3", {}, "One drive, laid together"), el("div", {className: "bar"}, chooser("drive", drives, draw)[0]), holder);
    draw(drives[0]);
  }
  s.append(...tables);
}
// ---- the runs at a glance ----
{
  const s = section("Runs", "runs"), base = data.runs[0];
  data.runs.forEach((run, n) => {
    s.append(el("h3", {}, short(run.name)), el("div", {className: "cards"},
      el("div", {className: "card"}, el("b", {}, String(run.frames)), el("span", {className: "what"}, "frames")),
      ...Object.entries(run.headline).map(([k, v]) => {
        const figure = figureOf(k), before = base.headline[k];
        const change = n > 0 && typeof before === "number" ? [el("span", {className: changed(v - before)}, signed(v - before, 4))] : [];
        return el("div", {className: "card"}, el("b", {}, v.toFixed(4)), ...change, el("span", {className: "what"}, figure.title), el("span", {className: "text"}, figure.text));
      })));
    if (n > 0) s.append(el("p", {className: "note"}, "Signed: against " + short(base.name) + "."));
    s.append(el("p", {className: "note"}, run.source), ...run.remarks.map(r => el("p", {className: "note"}, r)));
  });
}
// ---- comparison ----
if (data.comparisons.length) {
  const s = section("Side by side", "comparison");
  data.comparisons.forEach((t, i) => s.append(el("h3", {}, short(t.title, 160)), interactive(t, "comparison-" + i)));
}
// ---- ranges ----
{
  const withSeries = data.runs.filter(r => tableOf(r, "series"));
  if (withSeries.length) {
    const s = section("By range", "ranges"), bar = el("div", {className: "bar"}), grid = el("div");
    const first = tableOf(withSeries[0], "series");
    const values = n => unique(first.rows.map(r => r[columnOf(first, n)]));
    const state = {run: withSeries[0].name, set: values("val set")[0], conf: values("conf").at(-1), cells: "all", figure: "f1"};
    const add = (label, options, key) => bar.append(chooser(label, options, v => { state[key] = v; draw(); }, state[key])[0]);
    add("run", withSeries.map(r => r.name), "run"); add("val set", values("val set"), "set"); add("predicted from", values("conf"), "conf");
    add("cells", values("cells"), "cells"); add("figure", ["f1", "precision", "recall", "mean distance"], "figure");
    const nameOf = (task, name) => name === "Other" ? "any lane mark (Other)" : task + ": " + name;
    function draw() {
      const t = tableOf(withSeries.find(r => r.name === state.run), "series"), c = n => columnOf(t, n);
      const rows = t.rows.filter(r => r[c("val set")] === state.set && r[c("series")] === "(all)" && r[c("conf")] === state.conf && r[c("cells")] === state.cells);
      const ranges = unique(rows.map(r => r[c("range")])), classes = unique(rows.map(r => nameOf(r[c("task")], r[c("class")])));
      const at = {};
      for (const r of rows) at[nameOf(r[c("task")], r[c("class")]) + "|" + r[c("range")]] = r[c(state.figure)];
      const high = state.figure === "mean distance" ? 0.25 : 1;
      grid.replaceChildren(el("div", {className: "scroll"}, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "class"), ...ranges.map(r => el("th", {}, short(r))))),
        el("tbody", {}, ...classes.map(k => el("tr", {}, el("td", {title: k}, k), ...ranges.map(r => {
          const v = at[k + "|" + r], share = v == null ? 0 : Math.min(1, v / high);
          return el("td", {className: "heat" + (v == null ? " none" : ""), style: v == null ? "" : `background:rgba(0,114,178,${(0.06 + 0.6 * share).toFixed(3)})`}, show(v ?? null));
        })))))));
    }
    draw();
    s.append(bar, grid, el("p", {className: "note"}, "Darker is higher. n/a: the class does not occur there. \"predicted from\": the least probability of a predicted cell; \"any lane mark\" is any type against any type."));
  }
}
// ---- precision and recall ----
{
  const runs = data.runs.filter(r => tableOf(r, "curves"));
  if (runs.length) {
    const s = section("Precision and recall", "pr"), bar = el("div", {className: "bar"}), plots = el("div", {className: "plots"});
    const sets = unique(runs.flatMap(r => tableOf(r, "curves").rows.map(x => x[0])));
    let set = sets[0];
    bar.append(chooser("val set", sets, v => { set = v; draw(); })[0]);
    function draw() {
      plots.replaceChildren();
      for (const task of unique(runs.flatMap(r => tableOf(r, "curves").rows.map(x => x[1])))) for (const run of runs) {
        const t = tableOf(run, "curves"), c = n => columnOf(t, n);
        const names = unique(t.rows.filter(r => r[1] === task).map(r => r[2]));
        const series = names.map((name, i) => ({name, color: colors[i % colors.length], dash: dashes[Math.floor(i / colors.length)],
          points: t.rows.filter(r => r[0] === set && r[1] === task && r[2] === name && r[c("precision")] !== null && r[c("recall")] !== null)
            .map(r => Object.assign([r[c("recall")], r[c("precision")]], {note: "at " + r[3]}))})).filter(x => x.points.length);
        plots.append(plot(short(run.name) + ": " + task + " cells, by threshold", series, "recall", "precision", true));
      }
      for (const task of unique(runs.flatMap(r => (tableOf(r, "series")?.rows ?? []).map(x => x[2])))) {
        const series = runs.map((run, i) => {
          const t = tableOf(run, "series"), c = n => columnOf(t, n);
          return {name: run.name, color: colors[i % colors.length], points: (t?.rows ?? []).filter(r => r[0] === set && r[1] === "(all)" && r[2] === task && r[3] === (task === "lane" ? "Other" : "mean") &&
            r[4] === t.rows[0][4] && r[5] === "all" && r[c("precision")] !== null && r[c("recall")] !== null).map(r => Object.assign([r[c("recall")], r[c("precision")]], {note: "at " + r[6]}))};
        }).filter(x => x.points.length);
        if (series.length) plots.append(plot("Within 0.25 m: " + (task === "lane" ? "any lane mark" : task + ", mean"), series, "recall", "precision", true));
      }
    }
    draw();
    s.append(bar, plots);
  }
}
// ---- reliability ----
{
  const runs = data.runs.filter(r => tableOf(r, "reliability"));
  if (runs.length) {
    const s = section("What a probability is worth", "reliability"), plots = el("div", {className: "plots"});
    const tasks = unique(runs.flatMap(r => tableOf(r, "reliability").rows.map(x => x[0])));
    for (const task of tasks) {
      const series = runs.flatMap((run, i) => ["as predicted", "calibrated"].map((kind, k) => ({name: run.name + ", " + kind, color: colors[i % colors.length], dash: k ? "" : "6 3",
        points: tableOf(run, "reliability").rows.filter(r => r[0] === task && r[1] === kind && r[3] !== null && r[4] !== null).map(r => Object.assign([r[3], r[4]], {note: r[5] + " cells"}))}))).filter(x => x.points.length);
      plots.append(plot(task + " cells", [...series, {name: "exactly what it says", color: "#777777", dash: "2 3", points: [[0, 0], [1, 1]]}], "probability", "share that is true", true));
    }
    s.append(plots, el("p", {className: "note"}, "Calibrated: with the temperature and bias of table \"calibration\", each sequence with those of the others."));
  }
}
// ---- inputs that are wrong ----
{
  const runs = data.runs.filter(r => tableOf(r, "perturb"));
  if (runs.length) {
    const s = section("With inputs that are wrong", "perturb"), plots = el("div", {className: "plots"});
    const rows = runs.flatMap(run => tableOf(run, "perturb").rows.map(r => ({run: run.name, input: r[0], amount: r[1], unit: r[2], figure: r[3], plain: r[4], wrong: r[5]})));
    for (const figure of unique(rows.map(r => r.figure))) for (const run of runs) {
      const curves = unique(rows.filter(r => r.unit).map(r => r.input)).map((input, i) => {
        const mine = rows.filter(r => r.run === run.name && r.figure === figure && r.input === input);
        return {color: colors[i % colors.length], name: input + (mine.length ? " (" + mine[0].unit + ")" : ""), points: mine.length ? [[0, mine[0].plain], ...mine.map(r => [r.amount, r.wrong])] : []};
      }).filter(x => x.points.length);
      if (curves.length) plots.append(plot(figure + (runs.length > 1 ? ", " + run.name : ""), curves, "amount", short(figure, 40), false));
    }
    s.append(plots);
  }
}
// ---- learning curves ----
{
  const tags = unique(data.runs.flatMap(r => Object.keys(r.curves))).sort();
  if (tags.length) {
    const s = section("Learning curves", "curves"), plots = el("div", {className: "plots"});
    for (const tag of tags) plots.append(plot(short(tag), data.runs.map((r, i) => ({name: r.name, color: colors[i % colors.length],
      points: (r.curves[tag]?.steps ?? []).map((x, k) => [x, r.curves[tag].values[k]]).filter(p => p[1] !== null)})).filter(x => x.points.length), "step", short(tag, 40), false));
    s.append(plots);
  }
}
// ---- samples ----
data.runs.forEach((run, n) => {
  if (!run.samples.length) return;
  const s = section("Samples: " + short(run.name), "samples-" + n);
  for (const kind of ["worst", "best"]) {
    const list = run.samples.filter(x => x.kind === kind);
    if (!list.length) continue;
    s.append(el("h3", {}, kind === "worst" ? "Worst" : "Best"), el("div", {className: "gallery"}, ...list.map(x => {
      const caption = `${x.val_set} / ${x.key}, mean IoU ${x.value.toFixed(4)}`;
      if (x.picture === null) return el("figure", {}, el("figcaption", {}, short(caption, 120)));
      const figure = image(x.picture, caption);
      const panels = x.history?.history;
      if (Array.isArray(panels) && panels.length > 1 && panels.every(p => p?.w > 0 && p.h > 0)) figure.append(historySlider(x.picture, x.history));
      return figure;
    })));
  }
});
// ---- drives ----
data.runs.forEach((run, n) => {
  if (!run.drives.length) return;
  const s = section("Drives: " + short(run.name), "drives-" + n);
  for (const d of run.drives) {
    s.append(el("h3", {}, short(d.name)), el("div", {className: "gallery maps"}, image(d.predicted, "predicted, laid together"),
      ...(d.label === null ? [] : [image(d.label, "label")])));
    if (d.animation) s.append(el("p", {className: "note"}, el("a", {href: d.animation.split("/").map(encodeURIComponent).join("/")}, "the drive as an animation"), " (a file of its own: " + short(d.animation, 120) + ")"));
  }
});
// ---- all tables ----
data.runs.forEach((run, n) => {
  const s = section("Tables: " + short(run.name), "tables-" + n), bar = el("div", {className: "bar", role: "group"}), holder = el("div");
  run.tables.forEach((t, i) => {
    const b = el("button", {type: "button"}, t.name.replaceAll("_", " "));
    b.onclick = () => {
      [...bar.children].forEach(x => x.setAttribute("aria-pressed", x === b));
      holder.replaceChildren(el("p", {className: "note"}, t.title), interactive(t, `table-${n}-${t.name}`));
    };
    bar.append(b);
    if (i === 0) b.onclick();
  });
  s.append(bar, holder);
});
// ---- what was run ----
{
  const s = section("What was run", "config");
  s.append(el("p", {className: "note"}, "bevgrad " + data.version));
  for (const run of data.runs) {
    s.append(el("h3", {}, short(run.name)), el("p", {className: "note"}, run.source));
    if (run.config) s.append(el("details", {}, el("summary", {}, "Config"), el("pre", {}, run.config)));
    if (run.log) s.append(el("details", {}, el("summary", {}, "Log"), el("pre", {}, run.log)));
  }
}
