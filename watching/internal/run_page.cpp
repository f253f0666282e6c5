#include "internal/run_page.h"

namespace bevgrad {

const char* const kRunPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>bevgrad</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 1.5em; max-width: 75em; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: .2em .8em .2em 0; text-align: left }
tr.run { cursor: pointer } tr.chosen { font-weight: bold }
#curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(20em, 1fr)); gap: 1em }
svg { width: 100%; height: 8em; border: 1px solid #ccc } polyline { fill: none; stroke: #06c; stroke-width: 1.5 }
#pictures img { max-width: 22em; margin: .3em } .note { color: #777 } .warning { color: #a40 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #111 } svg { border-color: #444 } polyline { stroke: #6bf } }
</style></head><body>
<h1>Trainings</h1><p class="note" id="state">asking ...</p>
<table><thead><tr><th>run<th>state<th>step<th>left<th>loss<th>rate<th>memory<th>ranks<th>best</tr></thead>
<tbody id="runs"></tbody></table>
<h2 id="name"></h2><p id="report"></p><div id="warnings"></div><div id="curves"></div><div id="pictures"></div>
<script>
"use strict";
let chosen = null, shownPictures = "";
const byId = (id) => document.getElementById(id);
const short = (x) => x == null ? "" : Number(x).toPrecision(4);
function time(seconds) {
  if (seconds == null) return "";
  const s = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  return (s >= 3600 ? Math.floor(s / 3600) + ":" : "") + pad(Math.floor(s / 60) % 60) + ":" + pad(s % 60);
}
function add(parent, tag, text) {
  const element = document.createElement(tag);
  if (text != null) element.textContent = text;
  parent.appendChild(element);
  return element;
}
function curve(points) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const x0 = Math.min(...xs), y0 = Math.min(...ys), dx = Math.max(...xs) - x0 || 1, dy = Math.max(...ys) - y0 || 1;
  const line = document.createElementNS(svg.namespaceURI, "polyline");
  line.setAttribute("points", points.map((p) => (100 * (p[0] - x0) / dx) + "," + (38 - 36 * (p[1] - y0) / dy)).join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.appendChild(line);
  return svg;
}
async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}
function showRuns(runs) {
  const body = byId("runs");
  body.replaceChildren();
  for (const run of runs) {
    const row = add(body, "tr");
    row.className = run.run === chosen ? "run chosen" : "run";
    const step = run.total > 0 ? run.step + " of " + run.total : String(run.step);
    const best = run.best == null ? "" : run.metric + " " + short(run.best) + " at " + run.best_step;
    for (const text of [run.run, run.state, step, time(run.seconds_left), short(run.loss), short(run.rate) + "/s",
                        short(run.memory_gb) + " GB", run.ranks, best]) add(row, "td", text);
    row.onclick = () => { chosen = run.run; shownPictures = ""; refresh(); };
  }
}
function showRun(run) {
  byId("name").textContent = run.run;
  const query = "run=" + encodeURIComponent(run.run);
  byId("report").replaceChildren();
  if (run.has_report) add(byId("report"), "a", "report of the newest validation").href = "/report?" + query;
  byId("warnings").replaceChildren();
  for (const text of run.warnings) add(byId("warnings"), "div", text).className = "warning";
  byId("curves").replaceChildren();
  for (const [name, points] of Object.entries(run.curves)) {
    const box = add(byId("curves"), "div");
    add(box, "div", name + "  " + short(points[points.length - 1][1]));
    box.appendChild(curve(points));
  }
  if (shownPictures === run.pictures.join("\n")) return;
  shownPictures = run.pictures.join("\n");
  byId("pictures").replaceChildren();
  run.pictures.forEach((name, number) => {
    const picture = add(byId("pictures"), "img");
    picture.src = "/picture?" + query + "&number=" + number + "&name=" + encodeURIComponent(name);
    picture.alt = picture.title = name;
  });
}
async function refresh() {
  try {
    const runs = await ask("/runs.json");
    if (chosen == null && runs.length > 0) chosen = runs[0].run;
    showRuns(runs);
    if (chosen != null) showRun(await ask("/run.json?run=" + encodeURIComponent(chosen)));
    byId("state").textContent = runs.length + " training(s), as of " + new Date().toLocaleTimeString();
  } catch (error) {
    byId("state").textContent = String(error.message || error);
  }
}
// The token is in a cookie now: it need not stay in the address.
history.replaceState(null, "", "/");
refresh();
setInterval(refresh, 3000);
</script></body></html>
)html";

}  // namespace bevgrad
