"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const two = data.files.length === 2;
const make = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const bytes = (count) => {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return (count / size).toFixed(2) + " " + unit;
  }
  return count + " B";
};
const describe = (value) => (value.dtype ? value.dtype + " [" + value.shape.join(",") + "]" : value.text);

// Names are cut at their dots; a branch adds up what is below it.
const root = { children: new Map(), rows: 0, values: 0, bytes: 0, changed: 0 };
for (const row of data.rows) {
  const parts = row.name.split(".");
  let at = root;
  parts.forEach((part, level) => {
    for (let node = at; node; node = null) {
      node.rows += 1;
      const some = row.a || row.b;
      if (some.dtype) {
        node.values += some.shape.reduce((product, size) => product * size, 1);
        node.bytes += some.bytes;
      }
      node.changed += row.changed ? 1 : 0;
    }
    if (!at.children.has(part)) at.children.set(part, { children: new Map(), rows: 0, values: 0, bytes: 0, changed: 0 });
    at = at.children.get(part);
    if (level === parts.length - 1) at.row = row;
  });
}

const search = document.getElementById("search");
const only = document.getElementById("changed");
const matches = (row) =>
  row.name.toLowerCase().includes(search.value.toLowerCase()) && (!only || !only.checked || row.changed);
const any = (node) => (node.row && matches(node.row)) || [...node.children.values()].some(any);

let chosen = null;
const leaf = (label, row) => {
  const line = make("div", label, "leaf");
  const kind = !two ? "note" : row.a && row.b ? (row.changed ? "note other" : "note") : "note only";
  let text = row.a ? describe(row.a) : "only in B: " + describe(row.b);
  if (two && row.a && !row.b) text = "only in A: " + text;
  if (two && row.a && row.b && row.changed && describe(row.a) !== describe(row.b)) text += " | " + describe(row.b);
  line.append(make("span", text, kind));
  line.onclick = () => {
    if (chosen) chosen.classList.remove("chosen");
    chosen = line;
    line.classList.add("chosen");
    show(row);
  };
  return line;
};
const fill = (parent, node, open) => {
  for (const [label, child] of node.children) {
    if (!any(child)) continue;
    if (child.row && matches(child.row)) parent.append(leaf(label, child.row));
    if (child.children.size === 0) continue;
    const branch = make("details");
    const title = make("summary", label);
    let note = child.rows + " entries, " + child.values.toLocaleString("en") + " values, " + bytes(child.bytes);
    if (two && child.changed) note += ", " + child.changed + " differ";
    title.append(make("span", note, "note"));
    branch.append(title);
    let filled = false;
    const open_branch = () => {
      if (filled) return;
      filled = true;
      fill(branch, child, open);
    };
    branch.addEventListener("toggle", () => branch.open && open_branch());
    if (open || node.children.size === 1) {
      branch.open = true;
      open_branch();
    }
    parent.append(branch);
  }
};

const histogram = (row) => {
  const sides = [["a", row.a], ["b", row.b]].filter(([, side]) => side && side.bins);
  if (sides.length === 0) return null;
  const low = Math.min(...sides.map(([, side]) => side.min));
  const high = Math.max(...sides.map(([, side]) => side.max));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 1000 300");
  svg.setAttribute("preserveAspectRatio", "none");
  const width = high > low ? 1000 / (high - low) : 0;
  for (const [kind, side] of sides) {
    // Heights are densities, so that two ranges compare.
    const step = (side.max - side.min) / side.bins.length || 1;
    const top = Math.max(...sides.map(([, s]) => Math.max(...s.bins) / ((s.max - s.min) / s.bins.length || 1)));
    side.bins.forEach((count, i) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const height = (300 * count) / step / top;
      bar.setAttribute("x", width ? (side.min + i * step - low) * width : 480);
      bar.setAttribute("width", width ? Math.max(step * width, 0.5) : 40);
      bar.setAttribute("y", 300 - height);
      bar.setAttribute("height", height);
      bar.setAttribute("class", kind);
      svg.append(bar);
    });
  }
  const box = make("div");
  box.append(svg, make("div", low.toPrecision(6) + " ... " + high.toPrecision(6), "note"));
  return box;
};
const show = (row) => {
  const detail = document.getElementById("detail");
  detail.replaceChildren(make("h3", row.name));
  const table = make("table");
  const line = (title, value) => {
    const tr = make("tr");
    tr.append(make("th", title), ...(two ? ["a", "b"] : ["a"]).map((side) => make("td", row[side] ? value(row[side]) : "-")));
    table.append(tr);
  };
  if (two) line("", (side) => (side === row.a ? "A" : "B"));
  const number = (key) => (side) => (side[key] === undefined ? "-" : Number(side[key].toPrecision(6)));
  line("what", describe);
  if ((row.a || row.b).dtype) {
    line("bytes", (side) => bytes(side.bytes));
    for (const key of ["min", "max", "mean", "std", "zero", "nan", "infinite"]) line(key, number(key));
  }
  detail.append(table);
  if (row.difference) {
    const differences = make("table");
    for (const [title, value] of Object.entries(row.difference)) {
      const tr = make("tr");
      tr.append(make("th", title), make("td", value));
      differences.append(tr);
    }
    detail.append(make("h4", "A against B"), differences);
  }
  const picture = histogram(row);
  if (picture) detail.append(picture);
};

const draw = () => {
  const tree = document.getElementById("tree");
  tree.replaceChildren();
  fill(tree, root, search.value !== "" || (only && only.checked));
};
search.oninput = draw;
if (only) only.onchange = draw;
draw();
