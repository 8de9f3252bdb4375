"""The frame of the report page: its style, and the places for the title, the plotting library and the body."""

from __future__ import annotations

from string import Template

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1f2328; --soft: #656d76; --line: #d8dee4; --card: #fff; --page: #f6f8fa;
        --blue: #3b82f6; --amber: #f59e0b; --green: #10b981; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #8d96a0; --line: #30363d; --card: #161b22; --page: #0d1117; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--page); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: auto; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .8rem; font-size: 1.1rem; }
h3 { margin: 0; font-size: .9rem; color: var(--soft); }
header p, .note, small { color: var(--soft); }
.note { margin: .6rem 0 0; font-size: .87rem; }
.gains { padding: .8rem 1rem .8rem 2rem; margin: 1rem 0; border-left: 4px solid var(--blue); background: var(--card);
         border-radius: 6px; }
section { margin: 1rem 0; padding: 1.1rem 1.3rem; background: var(--card); border: 1px solid var(--line);
          border-radius: 10px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .7rem; text-align: left; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; vertical-align: bottom; }
th small { display: block; font-weight: 400; }
tbody tr:last-child td { border-bottom: 0; }
th.n, td.n { text-align: right; white-space: nowrap; }
th.over { text-align: center; border-bottom: 2px solid var(--line); color: var(--ink); }
td.n small { display: block; font-size: .78rem; line-height: 1.2; }
td.n b { font-weight: 700; }
td.num { font-size: .84rem; }
td.none { color: var(--soft); }
td.small { color: var(--soft); font-size: .84rem; text-align: left; }
tr.chance td { color: var(--soft); }
tr[class] td:first-child::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .5em;
                            border-radius: 50%; background: var(--soft); }
tr.pretrained td:first-child::before { background: var(--blue); }
tr.untrained td:first-child::before { background: var(--amber); }
tr.statistics td:first-child::before { background: var(--green); }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .2rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { padding: .8rem; overflow-x: auto; background: var(--page); border-radius: 6px; font-size: .82rem; }
code { font-size: .88em; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); margin: .5rem 0; }
details h3 { margin: .8rem 0 .2rem; }
a { color: var(--blue); }
.gauge { display: inline-block; width: 90px; height: .55em; margin-right: .6em; border-radius: 4px;
         background: var(--line); overflow: hidden; }
.gauge i { display: block; height: 100%; background: var(--blue); }
.grid > * { min-width: 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: .5rem; }
</style>
<script>$plotly</script>
</head>
<body><main>
$body
</main></body>
</html>
""")
