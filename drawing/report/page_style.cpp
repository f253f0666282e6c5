#include "drawing/report/html_report.h"

namespace bevgrad {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark; --paper:#f7f7f5; --card:#fff; --ink:#1d1f21; --faint:#63686e; --line:#d9dcdf; --accent:#0b6fa4; --good:#007a5a; --bad:#b3481e; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { --paper:#16181b; --card:#1f2226; --ink:#e8e9ea; --faint:#9aa0a6; --line:#363b41; --accent:#6cc0ef; --good:#4fd1a5; --bad:#f0a07a; } }
:root[data-theme=dark] { --paper:#16181b; --card:#1f2226; --ink:#e8e9ea; --faint:#9aa0a6; --line:#363b41; --accent:#6cc0ef; --good:#4fd1a5; --bad:#f0a07a; }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
header { display:flex; justify-content:space-between; align-items:center; padding:14px 24px; border-bottom:1px solid var(--line); }
h1 { font-size:20px; margin:0; } h2 { font-size:17px; margin:0 0 10px; } h3 { font-size:14px; margin:14px 0 6px; }
main { padding:18px 24px; display:grid; gap:18px; max-width:1500px; margin:auto; }
section { background:var(--card); border:1px solid var(--line); border-radius:8px; padding:16px 18px; min-width:0; }
button, select, input { font:inherit; color:var(--ink); background:var(--card); border:1px solid var(--line); border-radius:5px; padding:3px 8px; }
button { cursor:pointer; } button[aria-pressed=true] { border-color:var(--accent); color:var(--accent); }
.bar { display:flex; flex-wrap:wrap; gap:8px; align-items:center; margin-bottom:10px; } .bar label { color:var(--faint); font-size:13px; }
.scroll { overflow:auto; max-height:520px; border:1px solid var(--line); border-radius:5px; }
table { border-collapse:collapse; width:100%; font-size:13px; font-variant-numeric:tabular-nums; }
th { position:sticky; top:0; background:var(--card); text-align:left; white-space:nowrap; padding:0; border-bottom:2px solid var(--line); }
th:not(:has(button)) { padding:6px 9px; }
th button { border:0; background:none; padding:6px 9px; font-weight:600; width:100%; text-align:inherit; }
td { padding:4px 9px; border-bottom:1px solid var(--line); white-space:nowrap; } td.n, th.n { text-align:right; }
td.none { color:var(--faint); } .up { color:var(--good); } .down { color:var(--bad); }
.cards { display:flex; flex-wrap:wrap; gap:10px; } .card { border:1px solid var(--line); border-radius:6px; padding:8px 12px; }
.card b { display:block; font-size:19px; } .card span { color:var(--faint); font-size:12px; }
.note { color:var(--faint); font-size:13px; margin:6px 0; } pre { overflow:auto; max-height:380px; font-size:12px; background:var(--paper); padding:10px; border-radius:5px; }
svg { max-width:100%; height:auto; } svg text { fill:var(--faint); font-size:11px; } svg .axis { stroke:var(--line); }
.plots { display:flex; flex-wrap:wrap; gap:14px; } .plot { flex:1 1 420px; max-width:640px; }
.legend { display:flex; flex-wrap:wrap; gap:4px 12px; font-size:12px; } .legend i { display:inline-block; width:14px; height:3px; margin-right:5px; vertical-align:middle; }
.gallery { display:grid; grid-template-columns:repeat(auto-fill,minmax(420px,1fr)); gap:12px; } .gallery figure { margin:0; } .gallery img { width:100%; border:1px solid var(--line); border-radius:5px; cursor:zoom-in; }
.gallery img.large { position:fixed; inset:2vh 2vw; width:96vw; height:96vh; object-fit:contain; background:var(--paper); z-index:9; cursor:zoom-out; }
.gallery.maps { grid-template-columns:repeat(auto-fill,minmax(300px,1fr)); } .gallery.maps img { max-height:520px; object-fit:contain; background:#f7f7f5; }
figcaption { font-size:12px; color:var(--faint); }
td.heat { text-align:center; min-width:74px; }
)css";

}  // namespace bevgrad
