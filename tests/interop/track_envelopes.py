# SPDX-License-Identifier: MIT
"""Envelopes of Microsoft's exporters beside azmonlog's: see track_envelopes."""
import datetime
import gzip
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lib"]
from azure import IKEY, Azmonlog, Azure, make_certificates  # noqa: E402
from journal_files import append_entries  # noqa: E402
from journald import PATIENCE  # noqa: E402
from judged import Differences  # noqa: E402
from recorder import Recorder  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: bad'
RESOURCE = "service.namespace=web,service.name=shop,service.instance.id=i-1,service.version=1.2,host.name=files,deployment.environment=test"
SEVERITIES = {0: (21, "emerg"), 1: (19, "alert"), 2: (18, "crit"), 3: (17, "err"), 4: (13, "warning"), 5: (10, "notice"),
              6: (9, "info"), 7: (5, "debug"), None: (0, "")}


def record(case, body, priority=6, trace=False, **attributes):
    severity, text = SEVERITIES[priority]
    r = {"case": case, "body": body, "priority": priority, "severity": severity, "severity_text": text,
         "attributes": {"case": case, **attributes}}
    if trace:
        r.update(trace_id=TRACE, span_id=SPAN)
    return r


def records():
    found = [record(f"priority {p}", f"of priority {p}", p) for p in range(8)]
    found += [
        record("no priority", "of none", None),
        record("trace", "within a trace", trace=True),
        record("attributes", "with attributes", order="7", customer="Jo \U0001f600 \"q\" \\ / \u00e9\u2028", empty=""),
        record("no body", ""),
        record("lines", "  two\nlines\t "),
        record("long body", "x" * 40000),
        record("long value", "with a long value", value="v" * 9000),
        record("exception", "it failed", 3, trace=True, **{"exception.type": "ValueError", "exception.message": "bad",
                                                           "exception.stacktrace": STACK}),
        record("exception, node's stack", "it failed", 3, **{
            "exception.type": "TypeError", "exception.message": "bad",
            "exception.stacktrace": "TypeError: bad\n    at f (/srv/x.js:7:3)\n    at g (/srv/x.js:9:1)"}),
        record("exception, no stack", "it failed", 3, **{"exception.type": "ValueError", "exception.message": "bad"}),
        record("exception, no body", "", 3, **{"exception.type": "ValueError", "exception.message": "bad",
                                               "exception.stacktrace": STACK}),
    ]
    return found


def entry_of(r):
    """The same as a journal entry."""
    e = {"MESSAGE": r["body"], **{k.upper().replace(".", "_"): v for k, v in r["attributes"].items()}}
    e["PRIORITY"] = "" if r["priority"] is None else r["priority"]
    if "trace_id" in r:
        e.update(TRACE_ID=TRACE, SPAN_ID=SPAN)
    return e


def envelopes(requests):
    """By their case: the envelopes in these requests."""
    found = {}
    for r in requests:
        body = gzip.decompress(r.body) if r.header("content-encoding") == "gzip" else r.body
        text = body.decode()
        items = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n") if line]
        for e in items:
            case = e["data"]["baseData"].get("properties", {}).get("case")
            if case:
                found[case] = e
    return found


EMPTY = ["Field 'MessageData.message' is required but missing or empty"]


def refused(requests):
    """What the emulator says of those that are traces or exceptions; it takes no metrics."""
    said = [e["message"] for r in requests for e in json.loads(r.answer)["errors"]]
    return [m for m in said if "must be MessageData or ExceptionData, not 'MetricData'" not in m]


def flat(value, path=""):
    """Path -> value of all that is not an object or an array."""
    if isinstance(value, dict):
        return {k: v for key, x in value.items() for k, v in flat(x, f"{path}.{key}" if path else key).items()}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in flat(x, f"{path}[{i}]").items()}
    return {path: value}


def short(value):
    return repr(value) if len(repr(value)) < 60 else f"{repr(value)[:20]}... ({len(value)} long)"


TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d+)Z")


def compare(ours, theirs):
    """The differences, as texts: +: theirs only, -: ours only."""
    a, b = flat(ours), flat(theirs)
    found = [f"+{k}: {short(b[k])}" for k in b.keys() - a.keys()] + [f"-{k}" for k in a.keys() - b.keys()]
    for k in a.keys() & b.keys():
        if k == "time":
            x, y = TIME.fullmatch(a[k]), TIME.fullmatch(b[k])
            if not x or not y:
                found.append(f"time: {b[k]} for {a[k]}")
            elif len(x[2]) != len(y[2]):
                found.append(f"time: {len(y[2])} digits of a second for {len(x[2])}")
        elif k == "tags.ai.internal.sdkVersion":
            found += [] if re.fullmatch(r"[a-z_0-9.]+:[a-z0-9.:_-]+", b[k]) else [f"{k}: {b[k]}"]
        elif a[k] != b[k]:
            found.append(f"{k}: {short(b[k])} for {short(a[k])}")
    return found


P, X = r"data\.baseData\.properties\.", r"data\.baseData\."
PYTHON, NODE = "python", "node.*"  # node: by OpenTelemetry's logger; node's client: by trackTrace and trackException
JUDGED = [
    (".*", ".*", f"-{P}(log.record.uid|severity_text|azmonlog.truncated)",
     "azmonlog's own: theirs have no uid, lose the name of the severity, and do not say what was cut"),
    (".*", ".*", f"-{P}(process.pid|syslog.identifier)", "what only journald knows"),
    (".*", ".*", f"-{P}(host.name|host.id|os.type|deployment.environment)",
     "theirs leave what else the resource has to a metric of its own (_OTELRESOURCE_), or out; azmonlog has it with each record"),
    (".*", "no priority", f"-{P}priority", "a PRIORITY that is none is kept; their records never had it"),
    (PYTHON, "no priority", f"{X}severityLevel: 0 for 1", "no document says; information is what a usual filter shows"),
    ("node", "no priority", f"-{X}severityLevel", "no document says; information is what a usual filter shows"),
    (NODE, ".*", f"{X}severityLevel: '(Verbose|Information|Warning|Error|Critical)' for [0-4]", "name or number: both are in the schema"),
    (".*", ".*", r"time: [36] digits of a second for 7", "as precise as it is: Azure keeps 100 ns"),
    (PYTHON, ".*", r"-(sampleRate|ver)", "optional: what is meant without them is 100 and 1"),
    (PYTHON, ".*", r"\+tags\.ai\.device\.(id|locale|type): .*", "of the process that exports; azmonlog has records of others"),
    (PYTHON, ".*", r"\+tags\.ai\.operation\.(id|parentId): '0+'", "zeros for no trace; azmonlog leaves them out"),
    (PYTHON, ".*", r"tags\.ai\.internal\.nodeName: 'i-1' for 'files'",
     "Python repeats the instance; the tag is the name of the node, host.name"),
    (NODE, ".*", r"-tags\.ai\.internal\.nodeName", "optional; node has none"),
    (PYTHON, ".*", rf"\+{P}logger_name: 'interop'", "the logger in the program; journald has none"),
    (PYTHON, "lines", f"{X}message: 'two.*", "Python strips blanks at the ends; azmonlog keeps them"),
    ("node's client", "no body", f"{X}message: '' for 'n/a'", "node's trackTrace sends no message, which Azure refuses"),
    (PYTHON, "exception.*", rf"{X}exceptions\[0\]\.message: 'it failed' for 'bad'|-{P}message",
     "Python takes the body and loses exception.message; azmonlog has both, the body as the property message"),
    (NODE, "exception.*", f"-{P}message", "node loses the body; azmonlog has it as the property message"),
    (PYTHON, "exception, no stack", rf"\+{X}exceptions\[0\]\.stack: 'None'", "a slip of Python's: the text None"),
    ("node", "exception, no stack", "no envelope at all", "node drops exceptions without a stack; azmonlog sends them"),
    ("node's client", "exception.*", rf"\+{X}exceptions\[0\]\.parsedStack\[\d\]\..*|-{X}exceptions\[0\]\.stack|"
     rf"{X}exceptions\[0\]\.hasFullStack: False for True", "the stack in parts, which only JavaScript's have; azmonlog sends it as text"),
]


def send(command, env):
    r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180,
                       env={**os.environ, **env})
    return r.stdout if r.returncode else ""


def all_three(out):
    """The same records by azmonlog, by the exporter for Python, by applicationinsights for node in two ways."""
    azure = Azure(f"{out}/azure", auth=False)
    make_certificates(out)
    recorder = Recorder(azure.url, (f"{out}/good.pem", f"{out}/good.key"))  # applicationinsights makes https of http
    # nobody's telemetry about itself
    quiet = {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true", "APPLICATIONINSIGHTS_STATSBEAT_DISABLED": "true",
             "APPLICATION_INSIGHTS_NO_STATSBEAT": "true", "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
             "REQUESTS_CA_BUNDLE": f"{out}/ca.pem", "NODE_EXTRA_CA_CERTS": f"{out}/ca.pem", "AZMONLOG_TEST_IMDS_URL": azure.url, "OTEL_RESOURCE_ATTRIBUTES": RESOURCE}
    connection = f"InstrumentationKey={IKEY};IngestionEndpoint={recorder.url}/"
    wanted = records()
    x = Azmonlog(f"{out}/x", f"connection_string={connection}\ntls_ca_file={out}/ca.pem\n", quiet)
    differences = Differences(JUDGED)
    try:
        append_entries(f"{x.journal}/a.journal", [entry_of(r) for r in wanted], x.usec)
        for i, r in enumerate(wanted):
            r["time"] = (x.usec + 1000 * i) * 1000
        with open(f"{out}/records", "w") as f:
            json.dump(wanted, f)
        x.start("--once")
        equal("azmonlog sends them", x.process.wait(PATIENCE), 0, x.logged)
        ours = envelopes(recorder.take())
        equal("all of them", sorted(ours), sorted(r["case"] for r in wanted))
        clients = {"python": [os.environ["track_python"], f"{HERE}/track_envelopes_sdk.py", connection, f"{out}/records"],
                   "node": ["node", f"{HERE}/track_envelopes_sdk.mjs", connection, f"{out}/records", "logger"],
                   "node's client": ["node", f"{HERE}/track_envelopes_sdk.mjs", connection, f"{out}/records", "client"]}
        for client, command in clients.items():
            azure.reset()
            equal(f"{client} sends them", send(command, quiet), "")
            requests = [r for r in recorder.take() if r.path == "/v2.1/track"]
            theirs = envelopes(requests)
            for case in ours.keys() - theirs.keys():
                differences.add(client, case, ["no envelope at all"])
            equal(f"the emulator takes all of {client}'s but empty messages", refused(requests), EMPTY if client == "node's client" else [])
            for case in theirs.keys() & ours.keys():
                differences.add(client, case, compare(ours[case], theirs[case]))
            equal("and stores them", len(azure.records()), len(theirs) - (client == "node's client"))
        for r in wanted:
            at = datetime.datetime.fromisoformat(ours[r["case"]]["time"][:26]).replace(tzinfo=datetime.timezone.utc)
            if abs(at.timestamp() - r["time"] / 1e9) > 2e-6:
                check(f"{r['case']}: the time", False, ours[r["case"]]["time"], r["time"])
        differences.close()
        note(f"proved: azure-monitor-opentelemetry-exporter 1.0.0b58 (Python): {len(wanted)} records compared key by key, the emulator takes its envelopes")
        note("proved: applicationinsights 3.16.0 (node; logger, trackTrace, trackException): the same")
    finally:
        x.close()
        recorder.close()
        azure.close()


run(all_three)
