# SPDX-License-Identifier: MIT
"""The dashboards of packaging/azure: what others say of their queries and of their form, and what the queries find. See dashboards.

Rows are what azmonlog sends to the emulator, put into columns as Microsoft's reference of table OTelLogs has them. Two things are made up here: what
Azure adds (when a record arrived, what it bills), and the heartbeats, which azmonlog does not send yet (docs/mapping.md says what they will be)."""
import collections
import datetime
import html
import json
import os
import shutil
import subprocess
import sys
import uuid

import duckdb_kql
import pycep
from azure.mgmt.applicationinsights.v2022_04_01 import models as insights_models
from azure.mgmt.monitor import models as monitor_models

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "../..")
sys.path[:0] = [f"{HERE}/../lib", f"{HERE}/../packaging", f"{SOURCE}/packaging/azure"]
import bicep  # noqa: E402
import dashboards as built  # noqa: E402
import dashboards_page  # noqa: E402
from exporter import Exporter  # noqa: E402
from journal_files import append_entries, entry_objects, zero  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402
from template import Place  # noqa: E402

FOLDER = f"{SOURCE}/packaging/azure"
WORKSPACE = "/subscriptions/s/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/w"
# Azure Monitor's reference, table OTelLogs, of 2026-07-27: all columns
OTELLOGS = {
    "dynamic": "Attributes Measurements ResourceAttributes",
    "real": "_BilledSize",
    "int": "DroppedAttributesCount ItemCount SeverityLevel SeverityNumber",
    "datetime": "TimeGenerated",
    "string": "Body ClientBrowser ClientCity ClientCountryOrRegion ClientIP ClientModel ClientOS ClientStateOrProvince ClientType "
              "DeploymentEnvironmentName EndUserId _IsBillable K8sContainerName K8sNamespaceName K8sPodName OperationName _ResourceId RoleName "
              "ScopeName ScopeVersion SDKVersion ServiceInstanceId ServiceName ServiceNamespace ServiceVersion SessionId SeverityText SourceSystem "
              "SpanId _SubscriptionId SyntheticSource TenantId TraceId Type UserAccountId UserId"}
NUMBERS = ("int", "long", "real")
PRICE = 2.5
AZURE = "/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-OTLP-Logs/otlp/v1/logs"


def proved(ok, text):
    if ok:
        print(f"# proved: {text}")


# --- what is looked at ---

def load(name):
    with open(f"{FOLDER}/{name}", encoding="utf-8") as f:
        return json.load(f)


def deployed(name, **parameters):
    return bicep.Deployment(bicep.File(f"{FOLDER}/{name}.bicep"), {"workspaceId": WORKSPACE, **parameters}, Place("s", "logs")).deploy()["resources"]


def grafana_query(panel):
    """As Grafana sends it: variables and macros are replaced."""
    text = panel["targets"][0]["azureLogAnalytics"]["query"]
    return text.replace("$__interval", "300000ms").replace("$price", str(PRICE))


def workbook_query(item):
    return item["content"]["query"].replace("{TimeRange:grain}", "5m").replace("{Price}", str(PRICE))


def all_queries():
    """name -> KQL, of whatever is to run in Azure."""
    queries = {f"grafana {p['title']}": grafana_query(p) for p in load("grafana.json")["panels"]}
    queries |= {f"workbook {i['name']}": workbook_query(i) for i in load("workbook.json")["items"] if i["type"] == 3}
    queries |= {f"alert {r['name'].removeprefix('azmonlog-')}": r["properties"]["criteria"]["allOf"][0]["query"] for r in deployed("alerts")}
    return queries


# --- Microsoft's Kusto parser ---

def ask_kusto(queries):
    schema = ", ".join(f"{c}: {kind}" for kind, columns in OTELLOGS.items() for c in columns.split())
    answer = subprocess.run(["node", f"{HERE}/dashboards_kusto.mjs", os.environ["kusto"]], stdout=subprocess.PIPE, check=True,
                            input=json.dumps({"tables": {"OTelLogs": f"({schema})"}, "queries": queries}).encode()).stdout
    return json.loads(answer)


def kusto(_):
    """Microsoft's parser knows every name and type in every query"""
    queries = all_queries()
    said = ask_kusto(queries)
    problems = [f"{name}: {p}" for name, a in said.items() for p in a["problems"]]
    fine = equal(f"{len(queries)} queries are without fault", problems, [])
    wrong = {"a column": ("ServiceName", "Service_Name"), "a function": ("dcount(", "dcounts("), "a type": ("SeverityNumber >= 17", "SeverityText >= 17"),
             "a bracket": ('"])', '"]')}
    text = queries["grafana In this time"]
    told = ask_kusto({what: text.replace(part, instead, 1) for what, (part, instead) in wrong.items()})
    for what, (part, _) in wrong.items():
        fine &= check(f"... and {what} that is wrong would be told", part in text and told[what]["problems"] != [], told[what])
    proved(fine, f"Microsoft's Kusto parser: {len(queries)} queries of dashboards and alert rules, against the columns of OTelLogs")

    shown = {p["title"]: p for p in built.PANELS}
    for panel in load("grafana.json")["panels"]:
        p, columns = shown[panel["title"]], said[f"grafana {panel['title']}"]["columns"]
        equal(f"{panel['title']}: Grafana's and the workbook's columns", columns, said[f"workbook {p['query']}"]["columns"])
        if panel["type"] == "timeseries":
            kinds = list(columns.values())
            first = ["datetime"] + (["string"] if p["series"] else [])
            check(f"{panel['title']}: time, series, numbers", list(columns)[0] == "TimeGenerated" and kinds[:len(first)] == first and
                  len(kinds) > len(first) and all(k in NUMBERS for k in kinds[len(first):]) and (not p["series"] or list(columns)[1] == p["series"]), columns)
        named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        item = next(i for i in load("workbook.json")["items"] if i["name"] == p["query"])
        named += [f["columnMatch"] for f in item["content"].get("gridSettings", {}).get("formatters", [])]
        equal(f"{panel['title']}: columns that something is said of are there", set(named) - columns.keys(), set())
    for name, a in said.items():
        if name.startswith("alert"):
            check(f"{name}: one alert for each host and source, and no time by which Azure would split it",
                  {"Host": "string", "Source": "string"}.items() <= a["columns"].items() and "TimeGenerated" not in a["columns"], a)


# --- the form of what is deployed ---

def forms(_):
    """Grafana's and Microsoft's own types have every field, and nothing is left over"""
    out = subprocess.run([f"{os.environ['grafana']}/check", f"{FOLDER}/grafana.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    fine = check("Grafana's types take the dashboard, strictly", out.returncode == 0, out.stdout)
    board = load("grafana.json")
    for what, change in {"field": lambda p: p.update(titel="x"), "type": lambda p: p.update(title=1),
                         "query": lambda p: p["targets"][0]["azureLogAnalytics"].update(kql="x"),
                         "option": lambda p: p["options"].update(legends=1)}.items():
        bad = json.loads(json.dumps(board))
        change(bad["panels"][1])
        answer = subprocess.run([f"{os.environ['grafana']}/check", "/dev/stdin"], input=json.dumps(bad), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        fine &= check(f"... and a wrong {what} would be told", answer.returncode != 0, answer.stdout)
    proved(fine, "Grafana's own types (foundation SDK): the dashboard, its panels, its queries for Azure Monitor")

    fine = True
    for kind, resources, model in (("alert rule", deployed("alerts", actionGroupIds=["/a"]), monitor_models.ScheduledQueryRuleResource),
                                   ("workbook", deployed("workbook"), insights_models.Workbook)):
        for r in resources:
            body = {k: v for k, v in r.items() if k not in ("type", "apiVersion", "name", "id", "dependsOn")}
            fine &= equal(f"{kind} {r['name']}: Microsoft's model has all of it", model.deserialize(body).serialize(), body)
    body = {"location": "x", "properties": {"descriptions": "x"}}
    fine &= check("... and would lose what it does not know", monitor_models.ScheduledQueryRuleResource.deserialize(body).serialize() != body)
    for name in ("alerts", "workbook"):
        with open(f"{FOLDER}/{name}.bicep", encoding="utf-8") as f:
            parsed = pycep.BicepParser().parse(text=f.read())
        fine &= check(f"{name}.bicep: pycep reads it", parsed["resources"] and parsed["parameters"].keys() >= {"workspaceId", "location"}, parsed.keys())
    proved(fine, "azure-mgmt-monitor, azure-mgmt-applicationinsights: alert rules and workbook resource; pycep: their Bicep")


# --- what the queries find ---

HOUR = 3600
SERVICES = {"web": 3, "worker": 4, "cron": 6}  # and the priority of most of what they log
HOSTS = ("alpha", "beta", "gamma")
LOGGED, SPAN = 900, 5 * HOUR


def journal(out, now):
    """Five hours of three services on three hosts; a file with a hole; an entry of four days ago; one that is too long."""
    entries = []
    for i in range(LOGGED):
        service = list(SERVICES)[i % 7 % 3]
        entries.append({"MESSAGE": f"{service} {i}" + " padding" * (40 if service == "worker" else 2), "_HOSTNAME": HOSTS[i % 5 % 3],
                        "_SYSTEMD_UNIT": f"{service}.service", "SYSLOG_IDENTIFIER": service, "PRIORITY": SERVICES[service] if i % 2 else 6})
    start = (now - SPAN - 600) * 10 ** 6
    append_entries(f"{out}/journal/a.journal", entries, realtime=start, step=SPAN * 10 ** 6 // LOGGED)
    append_entries(f"{out}/journal/old.journal", [{"MESSAGE": "old", "_HOSTNAME": "alpha"}], realtime=(now - 4 * 86400) * 10 ** 6, boot="a" * 32)
    append_entries(f"{out}/journal/long.journal", [{"MESSAGE": "x" * 70000, "_HOSTNAME": "alpha"}], realtime=start, boot="d" * 32)
    append_entries(f"{out}/journal/hole.journal", [{"MESSAGE": f"hole {i}" + " z" * 200, "_HOSTNAME": "beta"} for i in range(300)], realtime=start, boot="e" * 32)
    zero(f"{out}/journal/hole.journal", entry_objects(f"{out}/journal/hole.journal")[100], 8192)


def azure_row(record, copy):
    """What docs say that Azure makes of it. A record arrives 20 to 219 s after it was logged, by its uid, a copy 30 s later."""
    logged = int(record["time_unix_nano"]) / 1e9
    arrived = logged + 20 + int(record["uid"][:8], 16) % 200 + 30 * copy
    if "azmonlog.original_time" in record["attributes"]:  # Azure replaces such a time
        logged = arrived = logged + 4 * 86400 - HOUR
    body = record.get("body", "")
    size = len(body) + len(json.dumps(record["attributes"])) + len(json.dumps(record["resource"]))
    return {"TimeGenerated": logged, "_IngestionTime": arrived, "Body": body, "SeverityNumber": record.get("severity_number"),
            "SeverityText": record.get("severity_text", ""), "Attributes": record["attributes"], "ResourceAttributes": record["resource"],
            "ServiceName": record["service"], "ScopeName": record["scope"], "ScopeVersion": record["scope_version"],
            "_BilledSize": float(size), "_IsBillable": "true"}


def heartbeat_row(host, at, arrived, state, lag, quarantined, started):
    status = {"source": "/var/log/journal", "state": state, "started": time_text(started), "lag.seconds": lag, "lag.records": lag * 10,
              "read.records": int(at - started), "delivered.records": int(at - started) - lag, "quarantine.records": quarantined, "spool.bytes": 0}
    return {"TimeGenerated": at, "_IngestionTime": arrived, "Body": "", "SeverityNumber": 9, "SeverityText": "info",
            "Attributes": {"log.record.uid": uuid.uuid5(uuid.NAMESPACE_OID, f"{host} {at}").hex,
                           **{f"azmonlog.heartbeat.{k}": v for k, v in status.items()}},
            "ResourceAttributes": {"service.name": "azmonlog", "host.name": host}, "ServiceName": "azmonlog", "ScopeName": "azmonlog",
            "ScopeVersion": "0.1.0", "_BilledSize": 500.0, "_IsBillable": "true"}


def heartbeats(now):
    """Of alpha all is well; beta is behind, and its quarantine grows; gamma was held, and has just told; delta is silent for an hour. Each is
    there twice."""
    rows = []
    for minute in range(5, 300, 5):
        at = now - 60 * minute
        held = 20 <= minute <= 90
        rows.append(heartbeat_row("alpha", at, at + 60, "delivering", 0, 2, now - 86400))
        rows.append(heartbeat_row("beta", at, at + 60, "delivering", 3000 - 10 * minute, 7 if minute < 30 else 3, now - 86400))
        rows.append(heartbeat_row("gamma", at, now - 300 if held else at + 60, "held" if held else "delivering", 60 * (90 - minute) if held else 0, 0, now - 9000))
        if minute >= 60:
            rows.append(heartbeat_row("delta", at, at + 60, "delivering", 1, 0, now - 86400))
    return [copy for r in rows for copy in (r, r)]


def time_text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Workspace:
    """A table OTelLogs in DuckDB, which takes KQL by duckdb-kql. ingestion_time() is a column here, because that engine has none."""

    COLUMNS = {"TimeGenerated": "TIMESTAMPTZ", "_IngestionTime": "TIMESTAMPTZ", "Body": "VARCHAR", "SeverityNumber": "INTEGER", "SeverityText": "VARCHAR",
               "Attributes": "JSON", "ResourceAttributes": "JSON", "ServiceName": "VARCHAR", "ScopeName": "VARCHAR", "ScopeVersion": "VARCHAR",
               "_BilledSize": "DOUBLE", "_IsBillable": "VARCHAR"}

    def __init__(self, rows):
        self.con = duckdb_kql.connect()
        self.con.sql(f"CREATE TABLE OTelLogs ({', '.join(f'{c} {t}' for c, t in self.COLUMNS.items())})")
        self.con.executemany(f"INSERT INTO OTelLogs VALUES ({', '.join('?' * len(self.COLUMNS))})",
                             [[self.value(r[c], t) for c, t in self.COLUMNS.items()] for r in rows])

    @staticmethod
    def value(value, kind):
        return time_text(value) if kind == "TIMESTAMPTZ" else json.dumps(value) if kind == "JSON" else value

    def query(self, text):
        found = duckdb_kql.query(self.con, text.replace("ingestion_time()", "_IngestionTime"))
        return [dict(zip(found.columns, row)) for row in found.fetchall()]


def results(out):
    """The queries find in azmonlog's records what was logged"""
    now = int(datetime.datetime.now(datetime.timezone.utc).timestamp())
    journal(out, now)
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", path=AZURE)
    x.script("request 2 stored-then-reset\nrequest * normal\n")
    equal("azmonlog exports the journal", x.once(), 0)
    received, gaps, copies = x.received(), x.gaps(), x.copies()
    x.close()
    check("some were sent twice, and the hole is told", bool(copies and gaps), copies, gaps)
    seen, rows = collections.Counter(), []
    for r in received:
        rows.append(azure_row(r, seen[r["uid"]]))
        seen[r["uid"]] += 1
    foreign = {**rows[0], "ScopeName": "an.application", "Attributes": {}}  # of somebody else's SDK: no log.record.uid
    beats = heartbeats(now)
    w = Workspace(rows + beats + [foreign, foreign])
    panels = {p["query"]: next(g for g in load("grafana.json")["panels"] if g["title"] == p["title"]) for p in built.PANELS}
    found = {name: w.query(grafana_query(panel)) for name, panel in panels.items()}
    same = {i["name"]: w.query(workbook_query(i)) for i in load("workbook.json")["items"] if i["type"] == 3}
    fine = check("the workbook finds the same", all(len(found[n]) == len(same[n]) for n in found) and found["services"] == same["services"])

    def count(rows, key):
        n = collections.Counter()
        for r in {r["Attributes"]["log.record.uid"]: r for r in rows}.values():
            n[key(r)] += 1
        return n

    all_rows = rows + beats
    records = count(all_rows, lambda r: None)[None]
    total, = found["totals"]
    size = sum(r["_BilledSize"] for r in all_rows)
    fine &= equal("totals: records, duplicates, errors, hosts, what is billed, cost", [total["Records"], total["Duplicates"], total["Errors"], total["Hosts"],
                  round(total["Billed"]), round(total["Cost"] * 1e9)],
                  [records, len(all_rows) - records, count([r for r in all_rows if (r["SeverityNumber"] or 0) >= 17], lambda r: None)[None],
                   len({r["ResourceAttributes"]["host.name"] for r in all_rows}), round(size), round(size * PRICE)])
    by_service = count(all_rows, lambda r: r["ServiceName"])
    fine &= equal("services: each record once", {r["Service"]: r["Records"] for r in found["services"]}, dict(by_service))
    fine &= equal("services: what is billed, copies and all, the most first", [(r["Service"], round(r["Billed"])) for r in found["services"]],
                  sorted(((s, round(sum(r["_BilledSize"] for r in all_rows if r["ServiceName"] == s))) for s in by_service), key=lambda x: -x[1]))
    for name, key in (("services_over_time", "Service"), ("severities_over_time", "Severity")):
        n = collections.Counter()
        for r in found[name]:
            n[r[key]] += r["Records"]
        fine &= equal(f"{name}: their sums", dict(n), dict(count(all_rows, lambda r: r["ServiceName"] if key == "Service" else r["SeverityText"] or "none")))
        times = [r["TimeGenerated"] for r in found[name]]
        fine &= check(f"{name}: in the order of time", times == sorted(times) and len(set(times)) > 50)
    fine &= equal("billed over time: the sum", round(sum(r["Bytes"] for r in found["billed_over_time"])), round(size))
    fine &= check("latency: within what was made up", all(20 <= r["Median"] <= r["P95"] <= r["P99"] for r in found["latency"]) and
                  max(r["P99"] for r in found["latency"]) > 3 * 86400, found["latency"][:3])
    hosts = {r["Host"]: r for r in found["hosts"]}
    fine &= equal("hosts: records", {h: r["Records"] for h, r in hosts.items()}, dict(count(all_rows, lambda r: r["ResourceAttributes"]["host.name"])))
    gap_host = {r["host"] for r in received if "azmonlog.gap.reason" in r["attributes"]}
    fine &= equal("hosts: gaps and what they lost", sum(r["Gaps"] for r in hosts.values()), len(gaps), hosts)
    fine &= equal("hosts: entries lost", sum(r["Lost"] or 0 for h, r in hosts.items() if h in gap_host), sum(g.entries or 0 for g in gaps))
    fine &= equal("hosts: truncated", sum(r["Truncated"] for r in hosts.values()),
                  len({r["uid"] for r in received if "azmonlog.truncated" in r["attributes"]}))
    fine &= check("hosts: delta is silent for the longest, an hour", found["hosts"][0]["Host"] == "delta" and hosts["delta"]["Silent"] >= HOUR, found["hosts"])
    fine &= equal("gaps: each once, with its number", sorted((r["Reason"], r["Entries"]) for r in found["gaps"]), sorted((g.reason, g.entries) for g in gaps))
    exporters = {r["Host"]: r for r in found["exporters"]}
    fine &= equal("exporters: the newest heartbeat of each", {h: (r["State"], r["Lag"], r["Quarantined"]) for h, r in exporters.items()},
                  {"alpha": ("delivering", 0, 2), "beta": ("delivering", 2950, 7), "gamma": ("delivering", 0, 0), "delta": ("silent", 1, 0)})
    fine &= check("exporters: the oldest first", found["exporters"][0]["Host"] == "delta" and found["exporters"][0]["Age"] >= HOUR, found["exporters"])
    fine &= equal("lag: the worst of each host", {h: max(r["Lag"] for r in found["lag"] if r["Host"] == h) for h in exporters},
                  {"alpha": 0, "beta": 2950, "gamma": 4200, "delta": 1})
    fine &= equal("quarantine: the most of each host", {h: max(r["Quarantined"] for r in found["quarantine"] if r["Host"] == h) for h in exporters},
                  {"alpha": 2, "beta": 7, "gamma": 0, "delta": 0})
    alerts = {name.removeprefix("alert "): {r["Host"] for r in w.query(within(q, name))} for name, q in all_queries().items() if name.startswith("alert")}
    fine &= equal("alerts: whom they name", alerts, {"silent": {"delta"}, "lag": {"beta"}, "quarantine": {"beta"}, "held": {"gamma"}})
    proved(fine, "duckdb-kql: the queries find in records that azmonlog has sent (some twice) what was logged, each once")
    picture(out, found)


def within(query, name):
    """Azure lets an alert rule's query see so much of the past only."""
    rule, = (r for r in deployed("alerts") if r["name"].endswith(name.removeprefix("alert ")))
    span = {"P1D": "1d", "PT30M": "30m", "PT1H": "1h", "P2D": "2d"}[rule["properties"]["overrideQueryTimeRange"]]
    return query.replace("OTelLogs\n", f"OTelLogs\n| where TimeGenerated > ago({span})\n")


def picture(out, found):
    """The dashboard as a page in a real browser: a person looks at the picture, the test only that no panel is empty."""
    board = load("grafana.json")
    titles = {p["query"]: p["title"] for p in built.PANELS}
    with open(f"{out}/page.html", "w", encoding="utf-8") as f:
        f.write(dashboards_page.page(board, {titles[name]: rows for name, rows in found.items()}))
    chromium = shutil.which("chromium")
    if not chromium:
        skip("the dashboard as a picture", "chromium is not installed")
        return
    options = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={out}/chromium", "--window-size=1600,2750"]
    shot = os.path.join(os.environ["interop"], "dashboards.png")
    ran = subprocess.run(options + [f"--screenshot={shot}", f"file://{out}/page.html"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check("Chromium makes a picture of it", ran.returncode == 0 and os.path.getsize(shot) > 50000, ran.stdout)
    dom = subprocess.run(options + ["--dump-dom", f"file://{out}/page.html"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    check("no panel is empty", "No data" not in dom and "NaN" not in dom and all(html.escape(p["title"]) in dom for p in board["panels"]), dom[:2000])
    note(f"picture: {shot}")


run(kusto, forms, results)
