#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""packaging/azure: are the dashboards those that dashboards.py makes of the queries, and sound in themselves; do the queries count a record
once; what alerts.bicep and workbook.bicep deploy, on paper (template.py).

There is no schema of a workbook but in Microsoft's repository (Application-Insights-Workbooks, schema/workbook.json); what it demands of the
items used here is written down here. `make interop` asks the others' parsers and schemas."""
import importlib.util
import json
import os
import re
import shutil
import sys
import uuid

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../lib")]
import bicep
import tap
from template import Place, Problem

source = os.path.join(here, "../..")
FOLDER = f"{source}/packaging/azure"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/azmonlog-workspace"
ACTIONS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ops/providers/Microsoft.Insights/actionGroups/pager"
RULES = {  # what each is to look at: how often, how far back, how bad
    "silent": ("PT5M", "P1D", 1), "lag": ("PT15M", "PT30M", 2), "quarantine": ("PT15M", "PT1H", 2), "held": ("PT15M", "P2D", 3)}


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def builder(folder):
    spec = importlib.util.spec_from_file_location("dashboards", f"{folder}/dashboards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_queries(folder, made):
    """Each is used, once; none counts a record twice; nothing that Azure's or Grafana's tools would trip over."""
    found = []
    names = {f.removesuffix(".kql") for f in os.listdir(f"{folder}/queries")}
    shown = [p["query"] for p in made.PANELS]
    used = set(shown) | set(made.SOURCES) | {f"alert_{r}" for r in RULES}
    if names != used or len(set(shown)) != len(shown):
        found.append(f"queries {names ^ used} are missing or not used, or {shown} has one twice")
    for name in sorted(names):
        text = read(f"{folder}/queries/{name}.kql")
        if not text.endswith("\n") or "\n\n" in text or "//" in text or re.search(r"[{}$'\t]|\blast\b", text):
            found.append(f"{name}: a comment, an empty line, or what a dashboard would take for its own")
        if "OTelLogs" in text and 'where ScopeName == "azmonlog"' not in text:
            found.append(f"{name}: not only azmonlog's records, of which alone it is known that they have a log.record.uid")
        once = re.search(r"by Uid$", text, re.M)
        for count in re.finditer(r"(\w+) = (?:count|countif|sum)\(", text):
            if count[1] not in ("Copies", "Rows", "Bytes") and not (once and once.end() < count.start()):
                found.append(f"{name}: {count[1]} counts records that were sent twice twice")
    return found


def of_grafana(board):
    found = []
    variables = {v["name"] for v in board["templating"]["list"]}
    used = {a or b for a, b in re.findall(r"\$\{(\w+)[}:]|\$(\w+)", json.dumps(board))} - {"__interval", "__field"}
    if variables != used:
        found.append(f"variables {variables ^ used} are not defined or not used")
    ids = [p["id"] for p in board["panels"]]
    if len(set(ids)) != len(ids):
        found.append(f"panels {ids}")
    cells = {}
    for p in board["panels"]:
        g = p["gridPos"]
        if not (0 <= g["x"] and g["x"] + g["w"] <= 24 and g["h"] > 0):
            found.append(f"{p['title']} does not fit")
        for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
            if cells.setdefault(cell, p["title"]) != p["title"]:
                found.append(f"{p['title']} lies on {cells[cell]}")
                break
    width, height = 24, max(y for _, y in cells) + 1
    if len(cells) != width * height:
        found.append("there is a hole between the panels")
    return found


def of_workbook(book):
    found = []

    def want(what, ok):
        if not ok:
            found.append(what)

    want("version, items", book["version"] == "Notebook/1.0" and isinstance(book["items"], list))
    names = [i["name"] for i in book["items"]]
    want(f"names {names}", len(set(names)) == len(names))
    parameters = [p for i in book["items"] if i["type"] == 9 for p in i["content"]["parameters"]]
    known = {p["name"]: p["type"] for p in parameters}
    want(f"parameters {known}", known == {"TimeRange": 4, "Workspace": 5, "Price": 1})
    want("ids of parameters", len({uuid.UUID(p["id"]) for p in parameters}) == len(parameters))
    for i in book["items"]:
        c = i["content"]
        if i["type"] == 1:
            want(f"{i['name']}: text", isinstance(c["json"], str))
        elif i["type"] == 9:
            want(f"{i['name']}: version", c["version"] == "KqlParameterItem/1.0")
        elif i["type"] == 3:
            refers = set(re.findall(r"\{(\w+)[:}]", json.dumps([c["query"], c["crossComponentResources"]])))
            want(f"{i['name']}: {refers}", refers <= known.keys())
            want(f"{i['name']}: time", known.get(c["timeContextFromParameter"]) == 4)
            want(f"{i['name']}: version, type", (c["version"], c["queryType"], c["resourceType"]) ==
                 ("KqlItem/1.0", 0, "microsoft.operationalinsights/workspaces"))
            want(f"{i['name']}: workspace", c["crossComponentResources"] == ["{Workspace}"])
            want(f"{i['name']}: visualization", c["visualization"] in ("table", "areachart", "linechart"))
            want(f"{i['name']}: width", i["customWidth"] in ("50", "100"))
        else:
            found.append(f"{i['name']}: type {i['type']}")
    return found


def deploy(folder, name, **parameters):
    return bicep.Deployment(bicep.File(f"{folder}/{name}.bicep"), parameters, Place(SUBSCRIPTION, "logs")).deploy()


def of_alerts(folder):
    found = []
    made = deploy(folder, "alerts", workspaceId=WORKSPACE, actionGroupIds=[ACTIONS], silenceMinutes=30, lagSeconds=600, namePrefix="logs",
                  tags={"owner": "ops"})["resources"]
    if [r["name"] for r in made] != [f"logs-{r}" for r in RULES]:
        return [f"rules {[r['name'] for r in made]}"]
    heartbeats = read(f"{folder}/queries/heartbeats.kql")
    first = {"silent": "let silence = 30m;\n", "lag": "let most = 600;\n"}
    for rule, (name, (every, back, severity)) in zip(made, RULES.items()):
        p = rule["properties"]
        condition, = p["criteria"]["allOf"]
        every_one = {"operator": "Include", "values": ["*"]}
        wanted = {
            "type": "Microsoft.Insights/scheduledQueryRules", "apiVersion": "2023-12-01", "location": "westeurope", "kind": "LogAlert",
            "tags": {"owner": "ops"}, "scopes": [WORKSPACE], "evaluationFrequency": every, "overrideQueryTimeRange": back,
            "windowSize": "PT15M", "severity": severity, "enabled": True, "autoMitigate": True, "skipQueryValidation": True,
            "actions": {"actionGroups": [ACTIONS]}, "timeAggregation": "Count", "operator": "GreaterThan", "threshold": 0,
            "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
            "dimensions": [{"name": "Host", **every_one}, {"name": "Source", **every_one}],
            "query": first.get(name, "") + heartbeats + "\n" + read(f"{folder}/queries/alert_{name}.kql")}
        is_so = {**rule, **p, **condition}
        found += [f"{name}: {k} is {is_so.get(k)!r}, not {v!r}" for k, v in wanted.items() if is_so.get(k) != v]
        if not p["displayName"].startswith("azmonlog: ") or not p["description"].endswith("."):
            found.append(f"{name}: {p['displayName']}, {p['description']}")
    return found


def of_deployed_workbook(folder, book):
    made, = deploy(folder, "workbook", workspaceId=WORKSPACE)["resources"]
    p, deployed = made["properties"], json.loads(made["properties"]["serializedData"])
    uuid.UUID(made["name"])
    next(q for q in book["items"][0]["content"]["parameters"] if q["name"] == "Workspace")["value"] = WORKSPACE
    found = [] if deployed == book else ["the deployed workbook differs in more than the workspace"]
    is_so = (made["type"], made["apiVersion"], made["kind"], p["category"], p["sourceId"], p["displayName"])
    wanted = ("Microsoft.Insights/workbooks", "2022-04-01", "shared", "workbook", WORKSPACE, "azmonlog")
    return found + ([f"{is_so}"] if is_so != wanted else [])


def problems(folder):
    try:
        made = builder(folder)
        board, book = json.loads(read(f"{folder}/grafana.json")), json.loads(read(f"{folder}/workbook.json"))
        found = of_queries(folder, made)
        for name, kept, content in (("grafana", board, made.grafana()), ("workbook", book, made.workbook())):
            if kept != content or read(f"{folder}/{name}.json") != json.dumps(content, indent=2) + "\n":
                found.append(f"{name}.json is not what dashboards.py makes: make update-dashboards")
        return found + of_grafana(board) + of_workbook(book) + of_alerts(folder) + of_deployed_workbook(folder, book)
    except (Problem, KeyError, ValueError, IndexError, TypeError, AttributeError, OSError) as e:
        return [f"{type(e).__name__}: {e}"]


# file, a part of it, what the part becomes; of a .py or .kql the dashboards are made anew
MUTATIONS = [
    ("grafana.json", "Records by service", "Records of a service"),
    ("workbook.json", '"value::1"', '"value::2"'),
    ("queries/totals.kql", "Copies = count()", "Records = count()"),
    ("queries/services.kql", " by Uid\n", "\n"),
    ("queries/services.kql", "records\n", "// records\nrecords\n"),
    ("queries/gaps.kql", " by Uid\n", " by Host\n| summarize Records = count() by Uid\n"),
    ("queries/records.kql", 'where ScopeName == "azmonlog"', 'where ScopeName != ""'),
    ("queries/heartbeats.kql", "ScopeName ==", "ScopeName !="),
    ("dashboards.py", '{"query": "lag",', '{"query": "alert_lag",'),
    ("dashboards.py", '"kind": "counts", "series": "Service"', '"kind": "table", "series": "Service"'),
    ("dashboards.py", "width, height = (24,", "width, height = (25,"),
    ("dashboards.py", '"id": number', '"id": 7'),
    ("dashboards.py", "x, y = 0, below", "x, y = 0, y"),
    ("dashboards.py", '"resources": ["$workspace"]', '"resources": ["$place"]'),
    ("dashboards.py", 'todouble("{Price}")', 'todouble("{Cost}")'),
    ("dashboards.py", '"timeContextFromParameter": "TimeRange"', '"timeContextFromParameter": "Price"'),
    ("dashboards.py", '"crossComponentResources": ["{Workspace}"]', '"crossComponentResources": []'),
    ("dashboards.py", '"name": p["query"], "customWidth"', '"name": p["kind"], "customWidth"'),
    ("dashboards.py", '"azmonlog/workbook/{name}"', '"azmonlog/workbook"'),
    ("alerts.bicep", "2023-12-01", "2018-04-16"),
    ("alerts.bicep", "'let silence = ${silenceMinutes}m;\\n", "'let silence = 20m;\\n"),
    ("alerts.bicep", "alert_lag.kql", "alert_held.kql"),
    ("alerts.bicep", "alert_lag.kql", "alert_late.kql"),
    ("alerts.bicep", "looksBack: 'P1D'", "looksBack: 'PT15M'"),
    ("alerts.bicep", "name: 'Source'", "name: 'State'"),
    ("alerts.bicep", "operator: 'GreaterThan'", "operator: 'LessThan'"),
    ("alerts.bicep", "actionGroups: actionGroupIds", "actionGroups: []"),
    ("alerts.bicep", "autoMitigate: true", "autoMitigate: false"),
    ("workbook.bicep", "'\"value\": \"value::1\"'", "'value::1'"),
    ("workbook.bicep", "sourceId: workspaceId", "sourceId: 'azure monitor'"),
    ("workbook.bicep", "loadTextContent('workbook.json')", "loadTextContent('grafana.json')"),
]


def copy(folder):
    """Of what is copied nothing is read-only, whatever it is in the tarball."""
    os.makedirs(f"{folder}/queries")
    for path, _, names in os.walk(FOLDER):
        for name in names if path in (FOLDER, f"{FOLDER}/queries") else []:
            shutil.copyfile(f"{path}/{name}", f"{folder}{path.removeprefix(FOLDER)}/{name}")


def dashboards(_):
    """what is kept in packaging/azure"""
    found = problems(FOLDER)
    tap.check("queries, dashboards and alert rules are right", not found, "\n".join(found))


def mutations(out):
    """each of the things that could go wrong is noticed"""
    missed = []
    for i, (name, part, instead) in enumerate(MUTATIONS):
        folder = f"{out}/{i}"
        copy(folder)
        text = read(f"{folder}/{name}")
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text.replace(part, instead, 1))
        if part not in text:
            missed.append(f"{name} has no {part!r}")
        elif name.endswith((".py", ".kql")):
            try:
                builder(folder).main(folder)
            except OSError:
                continue  # noticed
        if not problems(folder):
            missed.append(f"{name}: {part!r} -> {instead!r}")
    tap.check(f"{len(MUTATIONS)} mutations are noticed", not missed, "\n".join(missed))


def names(_):
    """the attributes that queries ask for are those that azmonlog sends, or of heartbeats those that docs/mapping.md promises"""
    asked, sent = set(), set()
    for name in os.listdir(f"{FOLDER}/queries"):
        asked |= set(re.findall(r'Attributes\["(azmonlog\.[\w.]+)"\]', read(f"{FOLDER}/queries/{name}")))
    for path, _, files in os.walk(f"{source}/src"):
        for name in files if path.endswith(("/source", "/encode")) else []:
            sent |= set(re.findall(r'"(azmonlog\.[\w.]+)"', read(f"{path}/{name}")))
    section = read(f"{source}/docs/mapping.md").split("### Heartbeats\n")[1].split("\n## ")[0]
    promised = {f"azmonlog.heartbeat{n}" for row in re.findall(r"^\|(.*?)\|", section, re.M) for n in re.findall(r"`(\.[\w.]+)`", row)}
    heartbeat = {a for a in asked if a.startswith("azmonlog.heartbeat.")}
    tap.equal("heartbeats are asked for all that is promised, and for nothing else", heartbeat ^ promised, set())
    tap.equal("records are asked for what they have", asked - heartbeat - sent, set())
    tap.check("there is something to ask for", len(heartbeat) > 5 and len(asked - heartbeat) > 5, asked)


tap.run(dashboards, mutations, names)
