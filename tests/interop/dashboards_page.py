# SPDX-License-Identifier: MIT
"""The Grafana dashboard as one page of HTML, without Grafana: its panels where they are, with the units and colours they ask for, and what their
queries have found. Standard library only."""
import datetime
import html
import math
import re

COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#96d98d", "#c0d8ff"]
NAMED = {"green": "#1a7f4b", "blue": "#1f60c4", "yellow": "#b58105", "red": "#c4162a", "dark-red": "#7a0c1b", "orange": "#ff780a",
         "light-blue": "#8ab8ff", "text": "#ccccdc"}
STYLE = """body{background:#111217;color:#ccccdc;font:13px sans-serif;margin:12px}h1{font-size:18px}
.board{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:32px;gap:8px}
.panel{background:#181b1f;border:1px solid #2a2d33;padding:6px 10px;overflow:hidden}
h2{font-size:14px;margin:0 0 6px}table{border-collapse:collapse;width:100%}th{text-align:left;color:#6e9fff;font-weight:500}
td,th{padding:2px 10px 2px 0;border-bottom:1px solid #2a2d33;white-space:nowrap;max-width:420px;overflow:hidden;text-overflow:ellipsis}
.tiles{display:flex;gap:8px}.tile{flex:1;text-align:center}.tile b{display:block;font-size:24px;font-weight:500}
.legend span{margin-right:14px;font-size:12px}i{display:inline-block;width:12px;height:4px;margin-right:5px}"""


def scaled(value, units, step):
    for unit in units[:-1]:
        if abs(value) < step:
            break
        value, units = value / step, units[1:]
    return f"{value:.4g} {units[0]}".strip()


def text(value, unit="short"):
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, str):
        return html.escape(value)
    if unit == "s":
        for name, seconds in (("day", 86400), ("hour", 3600), ("min", 60)):
            if value >= seconds:
                return f"{value / seconds:.3g} {name}"
        return f"{value:.3g} s"
    if unit == "decbytes":
        return scaled(value, ["B", "kB", "MB", "GB", "TB"], 1000)
    return f"{value:.4g}" if unit == "none" else scaled(value, ["", "K", "Mil", "Bil"], 1000)


def overrides(panel, column):
    return {p["id"]: p["value"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == column for p in o["properties"]}


def cell(panel, column, value):
    o = overrides(panel, column)
    for mapping in o.get("mappings", []):
        if value in mapping["options"]:
            return f"<td style='background:{NAMED[mapping['options'][value]['color']]}'>{html.escape(value)}</td>"
    return f"<td>{text(value, o.get('unit', 'short'))}</td>"


def table(panel, rows):
    head = "".join(f"<th>{html.escape(c)}</th>" for c in rows[0])
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{''.join(cell(panel, c, v) for c, v in r.items())}</tr>" for r in rows) + "</table>"


def tiles(panel, rows):
    return "<div class=tiles>" + "".join(f"<div class=tile>{c}<b>{text(v, overrides(panel, c).get('unit', 'short'))}</b></div>"
                                         for c, v in rows[0].items()) + "</div>"


def series(rows):
    """name -> {time: value}: of a column of texts, or one for each column of numbers, as Grafana does it."""
    found = {}
    for r in rows:
        time, *rest = r.items()
        names = [v for _, v in rest if isinstance(v, str)]
        for column, value in rest:
            if not isinstance(value, str):
                found.setdefault(names[0] if names else column, {})[time[1].timestamp()] = value
    return found


def colour_of(panel, name):
    for o in panel["fieldConfig"]["overrides"]:
        if o["matcher"]["id"] == "byRegexp" and re.search(o["matcher"]["options"].strip("/"), name):
            return NAMED[o["properties"][0]["value"]["fixedColor"]]
    return None


def chart(panel, rows):
    lines, defaults = series(rows), panel["fieldConfig"]["defaults"]
    bars = defaults["custom"]["drawStyle"] == "bars"
    newest = max(t for points in lines.values() for t in points)
    times = sorted({t for points in lines.values() for t in points if t > newest - 6 * 3600})
    begin, width, height = times[0], 860, 200
    step = min((b - a for a, b in zip(times, times[1:])), default=300)
    tops = [sum(p.get(t, 0) for p in lines.values()) if bars else max(p.get(t, 0) for p in lines.values()) for t in times]
    log = defaults["custom"].get("scaleDistribution", {}).get("type") == "log"
    low, top = (math.log10(min(v for p in lines.values() for v in p.values())), math.log10(max(tops))) if log else (0, max(*tops, 1e-9))
    marks = [low + (top - low) * k / 4 for k in range(5)]

    def x(t):
        return 70 + (t - begin) / (times[-1] - begin + step) * width

    def y(v):
        return height - ((math.log10(v) if log else v) - low) / (top - low) * (height - 10)
    shapes = []
    for mark in (10 ** m if log else m for m in marks):
        shapes.append(f"<line x1=70 x2={70 + width} y1={y(mark):.0f} y2={y(mark):.0f} stroke=#2a2d33 />"
                      f"<text x=64 y={y(mark) + 4:.0f} text-anchor=end fill=#8e8ea0 font-size=11>{text(mark, defaults['unit'])}</text>")
    base = dict.fromkeys(times, 0.0)
    colours = {name: colour_of(panel, name) or c for name, c in zip(lines, COLOURS)}
    for (name, points), colour in zip(lines.items(), colours.values()):
        points = {t: v for t, v in points.items() if t in base}
        if bars:
            for t, v in points.items():
                below, base[t] = base[t], base[t] + v
                shapes.append(f"<rect x={x(t):.1f} width={x(begin + step) - 71:.1f} y={y(base[t]):.1f} "
                              f"height={y(below) - y(base[t]):.1f} fill={colour} />")
        else:
            path = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in sorted(points.items()))
            shapes.append(f"<polyline points='{path}' fill=none stroke={colour} stroke-width=2 />")
    for t in times[::max(1, len(times) // 8)]:
        clock = datetime.datetime.fromtimestamp(t, datetime.timezone.utc)
        shapes.append(f"<text x={x(t):.0f} y={height + 16} fill=#8e8ea0 font-size=11>{clock:%H:%M}</text>")
    legend = "".join(f"<span><i style='background:{c}'></i>{html.escape(n)}</span>" for n, c in colours.items())
    return f"<svg viewBox='0 0 {width + 80} {height + 22}' width=100%>{''.join(shapes)}</svg><div class=legend>{legend}</div>"


def page(board, found):
    """`found`: title of a panel -> rows, each a dict."""
    make = {"stat": tiles, "table": table, "timeseries": chart}
    panels = []
    for p in board["panels"]:
        g, rows = p["gridPos"], found[p["title"]]
        place = f"grid-column:{g['x'] + 1}/span {g['w']};grid-row:{g['y'] + 1}/span {g['h']}"
        about = html.escape(p["description"], quote=True)
        content = make[p["type"]](p, rows) if rows else "No data"
        panels.append(f"<div class=panel style='{place}' title='{about}'><h2>{html.escape(p['title'])}</h2>{content}</div>")
    head = f"<!doctype html><meta charset=utf-8><title>{board['title']}</title><style>{STYLE}</style>"
    return f"{head}<h1>{board['title']}</h1><div class=board>{''.join(panels)}</div>"
