#include "drawing/report/html_report.h"

namespace bevgrad {

const char* const kReportScript = R"js(
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
function section(title, id) {
  const s = el("section", {id}, el("h2", {}, title));
  main.append(s);
  return s;
}
function show(v) { return v === null ? "n/a" : typeof v === "number" ? (Number.isInteger(v) ? String(v) : v.toFixed(4)) : v; }
function chooser(label, options, onchange, value) {
  const s = el("select", {}, ...options.map(o => el("option", {value: o}, o)));
  if (value !== undefined && options.includes(value)) s.value = value;
  s.onchange = () => onchange(s.value);
  return [el("label", {}, label, " ", s), s];
}
const unique = list => [...new Set(list)];
const tableOf = (run, name) => run.tables.find(t => t.name === name);

// A table that sorts by a click on its head and filters by its key columns and by text.
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
  const search = el("input", {type: "search", placeholder: "search"});
  search.oninput = () => { needle = search.value.toLowerCase(); draw(); };
  bar.append(search, count);
  const head = el("tr", {}, ...table.columns.map((c, i) => {
    const b = el("button", {type: "button"}, c.name);
    b.onclick = () => { descending = order === i ? !descending : !c.key; order = i; draw(); };
    return el("th", {className: c.key ? "" : "n"}, b);
  }));
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
      const change = table.columns[i].name.endsWith("change") && typeof v === "number" && v !== 0;
      return el("td", {className: (table.columns[i].key ? "" : "n") + (v === null ? " none" : "") + (change ? v > 0 ? " up" : " down" : "")},
        (change && v > 0 ? "+" : "") + show(v));
    }))));
  }
  draw();
  box.append(bar, el("div", {className: "scroll"}, el("table", {}, el("thead", {}, head), body)));
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
  figure.append(image, el("div", {className: "legend"}, ...series.map(s => el("span", {}, el("i", {style: "background:" + s.color}), s.name))));
  return figure;
}

// ---- summary ----
{
  const s = section("Runs", "runs");
  data.runs.forEach(run => {
    s.append(el("h3", {}, run.name), el("div", {className: "cards"},
      el("div", {className: "card"}, el("b", {}, String(run.frames)), el("span", {}, "frames")),
      ...Object.entries(run.headline).map(([k, v]) => el("div", {className: "card"}, el("b", {}, v.toFixed(4)), el("span", {}, k.replaceAll("_", " "))))));
    s.append(el("p", {className: "note"}, run.source), ...run.remarks.map(r => el("p", {className: "note"}, r)));
  });
}
// ---- comparison ----
if (data.comparisons.length) {
  const s = section("Side by side", "comparison");
  data.comparisons.forEach((t, i) => s.append(el("h3", {}, t.title), interactive(t, "comparison-" + i)));
}
// ---- ranges ----
{
  const withSeries = data.runs.filter(r => tableOf(r, "series"));
  if (withSeries.length) {
    const s = section("By range", "ranges"), bar = el("div", {className: "bar"}), grid = el("div");
    const first = tableOf(withSeries[0], "series"), column = (t, n) => t.columns.findIndex(c => c.name === n);
    const values = n => unique(first.rows.map(r => r[column(first, n)]));
    const state = {run: withSeries[0].name, set: values("val set")[0], conf: values("conf").at(-1), cells: "all", figure: "f1"};
    const add = (label, options, key) => bar.append(chooser(label, options, v => { state[key] = v; draw(); }, state[key])[0]);
    add("run", withSeries.map(r => r.name), "run"); add("val set", values("val set"), "set"); add("conf", values("conf"), "conf");
    add("cells", values("cells"), "cells"); add("figure", ["f1", "precision", "recall", "mean distance"], "figure");
    function draw() {
      const t = tableOf(withSeries.find(r => r.name === state.run), "series"), c = n => column(t, n);
      const rows = t.rows.filter(r => r[c("val set")] === state.set && r[c("series")] === "(all)" && r[c("conf")] === state.conf && r[c("cells")] === state.cells);
      const ranges = unique(rows.map(r => r[c("range")])), classes = unique(rows.map(r => r[c("task")] + ": " + r[c("class")]));
      const at = {};
      for (const r of rows) at[r[c("task")] + ": " + r[c("class")] + "|" + r[c("range")]] = r[c(state.figure)];
      const high = state.figure === "mean distance" ? 0.25 : 1;
      grid.replaceChildren(el("div", {className: "scroll"}, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "class"), ...ranges.map(r => el("th", {}, r)))),
        el("tbody", {}, ...classes.map(k => el("tr", {}, el("td", {}, k), ...ranges.map(r => {
          const v = at[k + "|" + r], share = v == null ? 0 : Math.min(1, v / high);
          return el("td", {className: "heat" + (v == null ? " none" : ""), style: v == null ? "" : `background:rgba(0,114,178,${(0.06 + 0.6 * share).toFixed(3)})`}, show(v ?? null));
        })))))));
    }
    draw();
    s.append(bar, grid, el("p", {className: "note"}, "Darker is higher. n/a: the class does not occur there."));
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
        const t = tableOf(run, "curves"), c = n => t.columns.findIndex(x => x.name === n);
        const names = unique(t.rows.filter(r => r[1] === task).map(r => r[2]));
        const series = names.map((name, i) => ({name, color: colors[i % colors.length], dash: dashes[Math.floor(i / colors.length)],
          points: t.rows.filter(r => r[0] === set && r[1] === task && r[2] === name && r[c("precision")] !== null && r[c("recall")] !== null)
            .map(r => Object.assign([r[c("recall")], r[c("precision")]], {note: "at " + r[3]}))})).filter(x => x.points.length);
        plots.append(plot(run.name + ": " + task + " cells, by threshold", series, "recall", "precision", true));
      }
      for (const task of unique(runs.flatMap(r => (tableOf(r, "series")?.rows ?? []).map(x => x[2])))) {
        const series = runs.map((run, i) => {
          const t = tableOf(run, "series"), c = n => t.columns.findIndex(x => x.name === n);
          return {name: run.name, color: colors[i % colors.length], points: t.rows.filter(r => r[0] === set && r[1] === "(all)" && r[2] === task && r[3] === (task === "lane" ? "Other" : "mean") &&
            r[4] === t.rows[0][4] && r[5] === "all" && r[c("precision")] !== null && r[c("recall")] !== null).map(r => Object.assign([r[c("recall")], r[c("precision")]], {note: "at " + r[6]}))};
        }).filter(x => x.points.length);
        if (series.length) plots.append(plot("Series evaluation: " + (task === "lane" ? "any lane mark" : task + ", mean"), series, "recall", "precision", true));
      }
    }
    draw();
    s.append(bar, plots);
  }
}
// ---- learning curves ----
{
  const tags = unique(data.runs.flatMap(r => Object.keys(r.curves))).sort();
  if (tags.length) {
    const s = section("Learning curves", "curves"), plots = el("div", {className: "plots"});
    for (const tag of tags) plots.append(plot(tag, data.runs.map((r, i) => ({name: r.name, color: colors[i % colors.length],
      points: (r.curves[tag]?.steps ?? []).map((x, k) => [x, r.curves[tag].values[k]]).filter(p => p[1] !== null)})).filter(x => x.points.length), "step", tag, false));
    s.append(plots);
  }
}
// ---- samples ----
data.runs.forEach(run => {
  if (!run.samples.length) return;
  const s = section("Samples: " + run.name, "samples-" + run.name);
  for (const kind of ["worst", "best"]) {
    const list = run.samples.filter(x => x.kind === kind);
    if (!list.length) continue;
    s.append(el("h3", {}, kind === "worst" ? "Worst" : "Best"), el("div", {className: "gallery"}, ...list.map(x => {
      const caption = el("figcaption", {}, `${x.val_set} / ${x.key}, mean IoU ${x.value.toFixed(4)}`);
      if (!x.picture) return el("figure", {}, caption);
      const image = el("img", {src: x.picture, alt: x.key, loading: "lazy"});
      image.onclick = () => image.classList.toggle("large");
      return el("figure", {}, image, caption);
    })));
  }
});
// ---- drives ----
data.runs.forEach((run, n) => {
  if (!run.drives.length) return;
  const s = section("Drives: " + run.name, "drives-" + n);
  for (const d of run.drives) {
    const picture = (source, text) => {
      const image = el("img", {src: source, alt: text, loading: "lazy"});
      image.onclick = () => image.classList.toggle("large");
      return el("figure", {}, image, el("figcaption", {}, text));
    };
    s.append(el("h3", {}, d.name), el("div", {className: "gallery maps"}, picture(d.predicted, "predicted, laid together"),
      ...(d.label ? [picture(d.label, "label")] : [])));
    if (d.animation) s.append(el("p", {className: "note"}, "animated: " + d.animation));
  }
});
// ---- all tables ----
data.runs.forEach((run, n) => {
  const s = section("Tables: " + run.name, "tables-" + n), bar = el("div", {className: "bar", role: "group"}), holder = el("div");
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
    s.append(el("h3", {}, run.name), el("p", {className: "note"}, run.source));
    if (run.config) s.append(el("details", {}, el("summary", {}, "Config"), el("pre", {}, run.config)));
    if (run.log) s.append(el("details", {}, el("summary", {}, "Log"), el("pre", {}, run.log)));
  }
}
)js";

}  // namespace bevgrad
