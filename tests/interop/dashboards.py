# SPDX-License-Identifier: MIT
"""The dashboards of packaging/azure: what others say of their queries and of their form, and what the queries find. See dashboards.

Rows are what azmonlog sends to the emulator, put into columns as Microsoft's reference of table OTelLogs has them. Two things are made up here: what
Azure adds (when a record arrived, what it bills), and the heartbeats of a fleet (docs/mapping.md says what is in them)."""
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
NUMBERS = {"int", "long", "real"}
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


def panel_of(p):
    return next(panel for panel in load("grafana.json")["panels"] if panel["title"] == p["title"])


def item_of(p):
    return next(item for item in load("workbook.json")["items"] if item["name"] == p["query"])


def grafana_query(panel):
    """As Grafana sends it: variables and macros are replaced."""
    text = panel["targets"][0]["azureLogAnalytics"]["query"]
    return text.replace("$__interval", "300000ms").replace("$price", str(PRICE))


def workbook_query(item):
    return item["content"]["query"].replace("{TimeRange:grain}", "5m").replace("{Price}", str(PRICE))


def all_queries():
    """name -> KQL, of whatever is to run in Azure."""
    queries = {f"grafana {p['title']}": grafana_query(panel_of(p)) for p in built.PANELS}
    queries |= {f"workbook {p['query']}": workbook_query(item_of(p)) for p in built.PANELS}
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
    wrong = {"a column": ("ServiceName", "Service_Name"), "a function": ("dcount(", "dcounts("),
             "a type": ("SeverityNumber >= 17", "SeverityText >= 17"), "a bracket": ('"])', '"]')}
    text = queries["grafana In this time"]
    told = ask_kusto({what: text.replace(part, instead, 1) for what, (part, instead) in wrong.items()})
    for what, (part, _) in wrong.items():
        fine &= check(f"... and {what} that is wrong would be told", part in text and told[what]["problems"] != [], told[what])
    proved(fine, f"Microsoft's Kusto parser: {len(queries)} queries of dashboards and alert rules, against the columns of OTelLogs")

    for p in built.PANELS:
        panel, item = panel_of(p), item_of(p)
        columns = said[f"grafana {p['title']}"]["columns"]
        equal(f"{p['title']}: Grafana's and the workbook's columns", columns, said[f"workbook {p['query']}"]["columns"])
        if panel["type"] == "timeseries":
            series = [p["series"]] if p["series"] else []
            names, kinds = list(columns), list(columns.values())
            first = 1 + len(series)
            check(f"{p['title']}: time, series, numbers", names[:first] == ["TimeGenerated"] + series and
                  kinds[:first] == ["datetime"] + ["string"] * len(series) and kinds[first:] and set(kinds[first:]) <= NUMBERS, columns)
        named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        named += [f["columnMatch"] for f in item["content"].get("gridSettings", {}).get("formatters", [])]
        equal(f"{p['title']}: columns that something is said of are there", set(named) - columns.keys(), set())
    for name, a in said.items():
        if name.startswith("alert"):
            check(f"{name}: one alert for each host and source, and no time by which Azure would split it",
                  {"Host": "string", "Source": "string"}.items() <= a["columns"].items() and "TimeGenerated" not in a["columns"], a)


# --- the form of what is deployed ---

def grafana_says(path, text=None):
    """Its exit code, and what is wrong."""
    ran = subprocess.run([f"{os.environ['grafana']}/check", path], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return ran.returncode, ran.stdout


def forms(_):
    """Grafana's and Microsoft's own types have every field, and nothing is left over"""
    rc, said = grafana_says(f"{FOLDER}/grafana.json")
    fine = check("Grafana's types take the dashboard, strictly", rc == 0, said)
    for what, change in {"field": lambda p: p.update(titel="x"), "type": lambda p: p.update(title=1),
                         "query": lambda p: p["targets"][0]["azureLogAnalytics"].update(kql="x"),
                         "option": lambda p: p["options"].update(legends=1)}.items():
        bad = load("grafana.json")
        change(bad["panels"][1])
        rc, said = grafana_says("/dev/stdin", json.dumps(bad))
        fine &= check(f"... and a wrong {what} would be told", rc == 1, said)
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
        fine &= check(f"{name}.bicep: pycep reads it", parsed["parameters"].keys() >= {"workspaceId", "location"} and "resources" in parsed, parsed)
    proved(fine, "azure-mgmt-monitor, azure-mgmt-applicationinsights: alert rules and workbook resource; pycep: their Bicep")


# --- what the queries find ---

HOUR, DAY = 3600, 86400
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
    append_entries(f"{out}/journal/old.journal", [{"MESSAGE": "old", "_HOSTNAME": "alpha"}], realtime=(now - 4 * DAY) * 10 ** 6,
                   boot="a" * 32)
    append_entries(f"{out}/journal/long.journal", [{"MESSAGE": "x" * 70000, "_HOSTNAME": "alpha"}], realtime=start, boot="d" * 32)
    append_entries(f"{out}/journal/hole.journal", [{"MESSAGE": f"hole {i}" + " z" * 200, "_HOSTNAME": "beta"} for i in range(300)],
                   realtime=start, boot="e" * 32)
    zero(f"{out}/journal/hole.journal", entry_objects(f"{out}/journal/hole.journal")[100], 8192)


def azure_row(record, copy):
    """What docs say that Azure makes of it. A record arrives 20 to 219 s after it was logged, by its uid, a copy 30 s later."""
    logged = int(record["time_unix_nano"]) / 1e9
    arrived = logged + 20 + int(record["uid"][:8], 36) % 200 + 30 * copy
    if "azmonlog.original_time" in record["attributes"]:  # Azure replaces such a time
        logged = arrived = logged + 4 * DAY - HOUR
    body = record.get("body", "")
    size = len(body) + len(json.dumps(record["attributes"])) + len(json.dumps(record["resource"]))
    return {"TimeGenerated": logged, "_IngestionTime": arrived, "Body": body, "SeverityNumber": record.get("severity_number"),
            "SeverityText": record.get("severity_text", ""), "Attributes": record["attributes"], "ResourceAttributes": record["resource"],
            "ServiceName": record["service"], "ScopeName": record["scope"], "ScopeVersion": record["scope_version"],
            "_BilledSize": float(size), "_IsBillable": "true"}


def heartbeat_row(host, at, arrived, state, lag, quarantined, started):
    status = {"source": "/var/log/journal", "state": state, "started": time_text(started), "behind.seconds": lag, "behind.records": lag * 10,
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
        rows.append(heartbeat_row("alpha", at, at + 60, "delivering", 0, 2, now - DAY))
        rows.append(heartbeat_row("beta", at, at + 60, "delivering", 3000 - 10 * minute, 7 if minute < 30 else 3, now - DAY))
        if 20 <= minute <= 90:
            rows.append(heartbeat_row("gamma", at, now - 300, "held", 60 * (90 - minute), 0, now - 9000))
        else:
            rows.append(heartbeat_row("gamma", at, at + 60, "delivering", 0, 0, now - 9000))
        if minute >= 60:
            rows.append(heartbeat_row("delta", at, at + 60, "delivering", 1, 0, now - DAY))
    return [copy for r in rows for copy in (r, r)]


def time_text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Workspace:
    """A table OTelLogs in DuckDB, which takes KQL by duckdb-kql. ingestion_time() is a column here, because that engine has none."""

    COLUMNS = {"TimeGenerated": "TIMESTAMPTZ", "_IngestionTime": "TIMESTAMPTZ", "Body": "VARCHAR", "SeverityNumber": "INTEGER",
               "SeverityText": "VARCHAR", "Attributes": "JSON", "ResourceAttributes": "JSON", "ServiceName": "VARCHAR", "ScopeName": "VARCHAR",
               "ScopeVersion": "VARCHAR", "_BilledSize": "DOUBLE", "_IsBillable": "VARCHAR"}

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


def count(rows, key):
    """Each log.record.uid once."""
    return collections.Counter(map(key, {r["Attributes"]["log.record.uid"]: r for r in rows}.values()))


def sums(rows, key, value):
    found = collections.Counter()
    for r in rows:
        found[r[key]] += r[value]
    return dict(found)


def export(out, now):
    """What azmonlog sends of the journal, as rows; the same as the emulator has it; the gaps."""
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
    return rows, received, gaps


def volumes(found, rows):
    total, = found["totals"]
    records, size = sum(count(rows, len).values()), sum(r["_BilledSize"] for r in rows)
    errors = count(rows, lambda r: (r["SeverityNumber"] or 0) >= 17)[True]
    fine = equal("totals: records, duplicates, errors", (total["Records"], total["Duplicates"], total["Errors"]),
                 (records, len(rows) - records, errors))
    fine &= equal("totals: hosts", total["Hosts"], len({r["ResourceAttributes"]["host.name"] for r in rows}))
    fine &= equal("totals: what is billed, and its cost", (round(total["Billed"]), round(total["Cost"] * 1e9)), (round(size), round(size * PRICE)))
    by_service, by_severity = (dict(count(rows, lambda r, c=c: r[c] or "none")) for c in ("ServiceName", "SeverityText"))
    fine &= equal("services: each record once", {r["Service"]: r["Records"] for r in found["services"]}, by_service)
    billed = sorted(sums(rows, "ServiceName", "_BilledSize").items(), key=lambda x: -x[1])
    fine &= equal("services: what is billed, copies and all, the most first", [(r["Service"], round(r["Billed"])) for r in found["services"]],
                  [(s, round(b)) for s, b in billed])
    for name, key, expected in (("services_over_time", "Service", by_service), ("severities_over_time", "Severity", by_severity)):
        fine &= equal(f"{name}: their sums", sums(found[name], key, "Records"), expected)
        times = [r["TimeGenerated"] for r in found[name]]
        fine &= check(f"{name}: in the order of time", times == sorted(times) and len(set(times)) > 50, times)
    return fine & equal("billed over time: the sum", round(sum(r["Bytes"] for r in found["billed_over_time"])), round(size))


def fleet(found, rows, received, gaps):
    late = found["latency"]
    fine = check("latency: within what was made up", all(20 <= r["Median"] <= r["P95"] <= r["P99"] for r in late) and
                 max(r["P99"] for r in late) > 3 * DAY, late[:3])
    hosts = {r["Host"]: r for r in found["hosts"]}
    fine &= equal("hosts: records", {h: r["Records"] for h, r in hosts.items()}, dict(count(rows, lambda r: r["ResourceAttributes"]["host.name"])))
    fine &= equal("hosts: gaps, and what they lost", (sum(r["Gaps"] for r in hosts.values()), sum(r["Lost"] or 0 for r in hosts.values())),
                  (len(gaps), sum(g.entries or 0 for g in gaps)))
    fine &= equal("hosts: truncated", sum(r["Truncated"] for r in hosts.values()),
                  len({r["uid"] for r in received if "azmonlog.truncated" in r["attributes"]}))
    fine &= check("hosts: delta is silent for the longest, an hour", list(hosts)[0] == "delta" and hosts["delta"]["Silent"] >= HOUR, hosts)
    fine &= equal("gaps: each once, with its number", sorted((r["Reason"], r["Entries"]) for r in found["gaps"]),
                  sorted((g.reason, g.entries) for g in gaps))
    exporters = {r["Host"]: r for r in found["exporters"]}
    fine &= equal("exporters: the newest heartbeat of each", {h: (r["State"], r["Lag"], r["Quarantined"]) for h, r in exporters.items()},
                  {"alpha": ("delivering", 0, 2), "beta": ("delivering", 2950, 7), "gamma": ("delivering", 0, 0), "delta": ("silent", 1, 0)})
    fine &= check("exporters: the oldest first", list(exporters)[0] == "delta" and exporters["delta"]["Age"] >= HOUR, exporters)
    for name, column, most in (("lag", "Lag", (0, 2950, 4200, 1)), ("quarantine", "Quarantined", (2, 7, 0, 0))):
        worst = {h: max(r[column] for r in found[name] if r["Host"] == h) for h in exporters}
        fine &= equal(f"{name}: the most of each host", worst, dict(zip(("alpha", "beta", "gamma", "delta"), most)))
    return fine


def results(out):
    """The queries find in azmonlog's records what was logged"""
    now = int(datetime.datetime.now(datetime.timezone.utc).timestamp())
    rows, received, gaps = export(out, now)
    rows += heartbeats(now)
    foreign = {**rows[0], "ScopeName": "an.application", "Attributes": {}}  # of somebody else's SDK: no log.record.uid
    w = Workspace(rows + [foreign, foreign])
    found = {p["query"]: w.query(grafana_query(panel_of(p))) for p in built.PANELS}
    same = {p["query"]: w.query(workbook_query(item_of(p))) for p in built.PANELS}
    fine = check("the workbook finds the same", all(len(found[n]) == len(same[n]) for n in found) and found["services"] == same["services"])
    fine &= volumes(found, rows) & fleet(found, rows, received, gaps)
    alerts = {name.removeprefix("alert "): {r["Host"] for r in w.query(within(query, name))}
              for name, query in all_queries().items() if name.startswith("alert")}
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
    with open(f"{out}/page.html", "w", encoding="utf-8") as f:
        f.write(dashboards_page.page(load("grafana.json"), {p["title"]: found[p["query"]] for p in built.PANELS}))
    chromium = shutil.which("chromium")
    if not chromium:
        skip("the dashboard as a picture", "chromium is not installed")
        return
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1600,2750",
               f"--user-data-dir={out}/chromium", f"file://{out}/page.html"]
    shot = os.path.join(os.environ["interop"], "dashboards.png")
    ran = subprocess.run(command + [f"--screenshot={shot}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check("Chromium makes a picture of it", ran.returncode == 0 and os.path.getsize(shot) > 50000, ran.stdout)
    dom = subprocess.run(command + ["--dump-dom"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    titles = [html.escape(p["title"]) for p in built.PANELS]
    check("no panel is empty", "No data" not in dom and "NaN" not in dom and all(t in dom for t in titles), dom[:2000])
    note(f"picture: {shot}")


run(kusto, forms, results)
