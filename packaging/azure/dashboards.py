# SPDX-License-Identifier: MIT
"""dashboards.py [FOLDER] (make update-dashboards): makes grafana.json and workbook.json of queries/*.kql, here or in FOLDER.

A query stands in one file, and both dashboards have it. It may use these names, which each of them defines in its own way:

    records, heartbeats   the tables in the files of that name
    grain                 the width of a point of a chart
    price                 of a gigabyte that is taken in

The time is left to the dashboards: both let a query see the time range that is chosen at the top. Standard library only."""
import json
import os
import re
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ("records", "heartbeats")

# What both show. `columns`: what there is to say of a column: a unit, or states. In a chart `series` is the column that names the
# lines (None: one line for each column of numbers).
PANELS = [
    {"query": "totals", "title": "In this time", "kind": "totals", "height": 4,
     "about": "Each record once, by its log.record.uid. Duplicates were sent more than once, and are billed each time. The cost "
              "is billed GB times the price above; it is empty without a price."},
    {"query": "services_over_time", "title": "Records by service", "kind": "counts", "series": "Service",
     "about": "The nine busiest services, and all others. Each record once; estimated (dcount), within about 1 %."},
    {"query": "severities_over_time", "title": "Records by severity", "kind": "counts", "series": "Severity",
     "about": "By syslog's names of severities. Each record once; estimated (dcount), within about 1 %."},
    {"query": "services", "title": "The noisiest services, and what they cost", "kind": "table",
     "about": "The 25 that most is billed for. Exact. Duplicates are billed, too; the cost is empty without a price."},
    {"query": "billed_over_time", "title": "Billed, by service", "kind": "counts", "series": "Service", "unit": "bytes",
     "about": "Bytes that Azure bills for, duplicates among them: of the nine services that cause most, and of all others."},
    {"query": "latency", "title": "Ingestion latency", "kind": "lines", "series": None, "unit": "seconds",
     "about": "From when a record was logged until it could be queried; of records that came late by their original time, for "
              "Azure replaces times that are older than two days."},
    {"query": "hosts", "title": "Hosts", "kind": "table",
     "about": "By the records themselves, so without heartbeats, too. Silent: seconds since the newest record was logged. Latency: "
              "the 95th percentile in seconds. Lost: journal entries that were gone before azmonlog could read them."},
    {"query": "exporters", "title": "Exporters", "kind": "table",
     "about": "The newest heartbeat of each azmonlog, by its age in seconds. An exporter that is held sends no heartbeat until it "
              "delivers again: it shows here by its age. Needs heartbeats."},
    {"query": "lag", "title": "Lag", "kind": "lines", "series": "Host", "unit": "seconds",
     "about": "How far behind the exporters are, of the nine hosts that were most. Needs heartbeats."},
    {"query": "quarantine", "title": "In quarantine", "kind": "lines", "series": "Host", "unit": "count",
     "about": "Records that Azure has refused and azmonlog keeps, of the nine hosts that have most. Needs heartbeats."},
    {"query": "gaps", "title": "What the journals lost", "kind": "table",
     "about": "Gaps: journal entries that were deleted or damaged before azmonlog could read them."},
]
UNITS = {"Billed": "bytes", "Silent": "seconds", "Latency": "seconds", "Age": "seconds", "Lag": "seconds", "Spooled": "bytes",
         "Cost": "number"}
STATES = {"delivering": "green", "stopping": "blue", "retrying": "yellow", "held": "red", "silent": "red"}
SEVERITIES = {"emerg|alert|crit": "dark-red", "err": "red", "warning": "orange", "notice": "blue", "info": "green", "debug": "light-blue",
              "none": "text"}


def query(name):
    with open(f"{HERE}/queries/{name}.kql", encoding="utf-8") as f:
        return f.read().rstrip("\n")


def complete(name, **definitions):
    """The query with what it uses in front of it."""
    text = query(name)
    first = [f"let {n} = {value};" for n, value in definitions.items() if re.search(rf"\b{n}\b", text)]
    first += [query(n) for n in SOURCES if re.search(rf"\b{n}\b", text)]
    return "\n".join(first + [text])


# --- Grafana ---

DATASOURCE = {"type": "grafana-azure-monitor-datasource", "uid": "${datasource}"}
GRAFANA_UNITS = {"seconds": "s", "bytes": "decbytes", "count": "short", "number": "none"}


def grafana_override(column, *properties):
    return {"matcher": {"id": "byName", "options": column}, "properties": [{"id": i, "value": v} for i, v in properties]}


def grafana_columns(p):
    overrides = [grafana_override(c, ("unit", GRAFANA_UNITS[u])) for c, u in UNITS.items() if re.search(rf"\b{c}\b", query(p["query"]))]
    if p["query"] == "exporters":
        states = {s: {"index": i, "color": c} for i, (s, c) in enumerate(STATES.items())}
        overrides.append(grafana_override("State", ("mappings", [{"type": "value", "options": states}]),
                                          ("custom.cellOptions", {"type": "color-background", "mode": "basic"})))
    return overrides


def grafana_lines(p):
    """Severities have their colours; a line's name contains its series, and what else is Grafana's affair."""
    return [{"matcher": {"id": "byRegexp", "options": rf"/\b({s})\b/"}, "properties": [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": c}}]} for s, c in SEVERITIES.items()] if p["series"] == "Severity" else []


def grafana_panel(p, number, place):
    panel = {"id": number, "title": p["title"], "description": p["about"], "datasource": DATASOURCE, "gridPos": place,
             "targets": [{"refId": "A", "datasource": DATASOURCE, "queryType": "Azure Log Analytics", "azureLogAnalytics": {
                 "query": complete(p["query"], grain="$__interval", price='todouble("$price")'),
                 "resultFormat": "time_series" if p["kind"] in ("counts", "lines") else "table",
                 "resources": ["$workspace"], "dashboardTime": True, "timeColumn": "TimeGenerated"}}]}
    if p["kind"] == "totals":
        panel |= {"type": "stat", "fieldConfig": {"defaults": {"unit": "short"}, "overrides": grafana_columns(p)},
                  "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False}, "graphMode": "none",
                              "colorMode": "none", "justifyMode": "auto", "textMode": "value_and_name", "orientation": "vertical",
                              "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"}}
    elif p["kind"] == "table":
        cells = {"align": "auto", "inspect": False, "filterable": True}
        panel |= {"type": "table", "fieldConfig": {"defaults": {"custom": cells}, "overrides": grafana_columns(p)},
                  "options": {"frameIndex": 0, "showHeader": True, "cellHeight": "sm"}}
    else:
        bars = p["kind"] == "counts"
        look = {"drawStyle": "bars" if bars else "line", "fillOpacity": 80 if bars else 0, "lineWidth": 0 if bars else 2,
                "stacking": {"mode": "normal" if bars else "none", "group": "A"}, "showPoints": "never"}
        defaults = {"unit": GRAFANA_UNITS[p.get("unit", "count")], "color": {"mode": "palette-classic-by-name"}, "custom": look}
        if p["query"] == "latency":  # seconds as a rule, and hours after an outage
            look["scaleDistribution"] = {"type": "log", "log": 10}
        else:
            defaults["min"] = 0
        if p["series"]:
            defaults["displayName"] = "${__field.labels.%s}" % p["series"]
        panel |= {"type": "timeseries", "fieldConfig": {"defaults": defaults, "overrides": grafana_lines(p)},
                  "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                              "tooltip": {"mode": "multi", "sort": "desc"}}}
    return panel


def places():
    """Tables and totals take a line, charts stand side by side."""
    x = y = below = 0
    for p in PANELS:
        width, height = (24, p.get("height", 8)) if p["kind"] in ("totals", "table") else (12, 8)
        if x + width > 24:
            x, y = 0, below
        yield {"x": x, "y": y, "w": width, "h": height}
        x, below = x + width, max(below, y + height)


def grafana_list(name, label, kind, **more):
    """A variable whose values Azure tells."""
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE, "refresh": 1, "sort": 1, "multi": False,
            "includeAll": False, "query": {"refId": name, "queryType": kind, **more}}


def grafana():
    return {
        "uid": "azmonlog", "title": "azmonlog", "tags": ["azmonlog", "logs"], "schemaVersion": 39, "timezone": "browser", "editable": True,
        "graphTooltip": 1, "refresh": "5m", "time": {"from": "now-6h", "to": "now"}, "annotations": {"list": []},
        "description": "Logs of azmonlog in Azure Monitor: volume and cost, latency, and the health of the exporters.",
        "templating": {"list": [
            {"type": "datasource", "name": "datasource", "label": "Data source", "query": DATASOURCE["type"], "refresh": 1, "multi": False,
             "includeAll": False},
            grafana_list("subscription", "Subscription", "Azure Subscriptions"),
            grafana_list("workspace", "Workspace", "Azure Workspaces", subscription="$subscription"),
            {"type": "textbox", "name": "price", "label": "Price of a GB", "query": "",
             "description": "What Azure bills in your region for a gigabyte that is taken in, in your currency"}]},
        "panels": [grafana_panel(p, i + 1, place) for i, (p, place) in enumerate(zip(PANELS, places()))],
    }


# --- Azure Workbook ---

WORKSPACES = "microsoft.operationalinsights/workspaces"
HOURS = (1, 6, 24, 72, 168, 720)
WORKBOOK_UNITS = {"seconds": 24, "bytes": 2, "count": 17, "number": 0}
WORKBOOK_ICONS = {"delivering": "success", "stopping": "info", "retrying": "2", "held": "4", "silent": "4"}


def workbook_parameter(name, label, kind, **more):
    return {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"azmonlog/workbook/{name}")), "version": "KqlParameterItem/1.0", "name": name,
            "label": label, "type": kind, **more}


def workbook_parameters():
    return {"type": 9, "name": "parameters", "content": {
        "version": "KqlParameterItem/1.0", "style": "pills", "queryType": 0, "resourceType": WORKSPACES, "parameters": [
            workbook_parameter("TimeRange", "Time", 4, isRequired=True, value={"durationMs": 6 * 3600000}, typeSettings={
                "selectableValues": [{"durationMs": h * 3600000} for h in HOURS], "allowCustom": True}),
            # value::1 is the first one; workbook.bicep puts the one it is deployed for there
            workbook_parameter("Workspace", "Workspace", 5, isRequired=True, queryType=1, crossComponentResources=["value::all"],
                               resourceType="microsoft.resourcegraph/resources", value="value::1",
                               query=f"where type =~ '{WORKSPACES}'\n| order by name asc\n| project id",
                               typeSettings={"additionalResourceOptions": ["value::1"]}),
            workbook_parameter("Price", "Price of a GB", 1, value="",
                               description="What Azure bills in your region for a gigabyte that is taken in, in your currency")]}}


def workbook_columns(p):
    formatters = [{"columnMatch": c, "formatter": 0, "numberFormat": {
        "unit": WORKBOOK_UNITS[u], "options": {"style": "decimal", "maximumFractionDigits": 4 if u == "number" else 1}}}
        for c, u in UNITS.items() if re.search(rf"\b{c}\b", query(p["query"]))]
    if p["query"] == "exporters":
        grid = [{"operator": "==", "thresholdValue": s, "representation": i, "text": "{0}{1}"} for s, i in WORKBOOK_ICONS.items()]
        grid.append({"operator": "Default", "representation": "unknown", "text": "{0}{1}"})
        formatters.append({"columnMatch": "State", "formatter": 18, "formatOptions": {"thresholdsOptions": "icons", "thresholdsGrid": grid}})
    return {"formatters": formatters, "rowLimit": 1000, "filter": p["kind"] == "table"}


def workbook_panel(p):
    content = {"version": "KqlItem/1.0", "query": complete(p["query"], grain="{TimeRange:grain}", price='todouble("{Price}")'),
               "size": 0, "title": p["title"], "noDataMessage": "Nothing of this kind in this time", "timeContextFromParameter": "TimeRange",
               "queryType": 0, "resourceType": WORKSPACES, "crossComponentResources": ["{Workspace}"]}
    whole = p["kind"] in ("totals", "table")
    if whole:
        content |= {"visualization": "table", "gridSettings": workbook_columns(p), "size": 4 if p["kind"] == "totals" else 0}
    else:
        content |= {"visualization": "areachart" if p["kind"] == "counts" else "linechart", "chartSettings": {
            "ySettings": {"min": 0, "numberFormatSettings": {"unit": WORKBOOK_UNITS[p.get("unit", "count")],
                                                             "options": {"style": "decimal", "maximumFractionDigits": 1}}}}}
    return {"type": 3, "name": p["query"], "customWidth": "100" if whole else "50", "content": content}


def workbook():
    about = "".join(f"- **{p['title']}**: {p['about']}\n" for p in PANELS)
    items = [workbook_parameters(), *map(workbook_panel, PANELS), {"type": 1, "name": "about", "content": {"json": about}}]
    return {"version": "Notebook/1.0", "items": items, "fallbackResourceIds": ["Azure Monitor"],
            "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json"}


def main(folder=HERE):
    for name, content in (("grafana.json", grafana()), ("workbook.json", workbook())):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
