# SPDX-License-Identifier: MIT
"""The cases of receivers: the OpenTelemetry Collector, Elastic's mockotlpserver, the official protobuf classes. Standard library only."""
import base64
import collections
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
import difficult_journal
import difficult_syslog
import rsyslogd
import tap
from journald import PATIENCE, wait_for

AZMONLOG = os.environ["AZMONLOG"]
TOKEN = "open-sesame"
journal, entries, uids = None, [], {}  # set by the first case; uids: time of receipt -> uid


class Receiver:
    """A program that decodes; requests() is what it has got, in JSON."""
    compression = "gzip"
    identifier = staticmethod(base64.b64decode)

    def __init__(self, out, *command):
        os.makedirs(out, exist_ok=True)
        self.out, self.store = out, f"{out}/requests"
        open(self.store, "w").close()
        self.log = open(f"{out}/log", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def port(self):
        wait_for(lambda: os.path.exists(f"{self.out}/port") or self.process.poll() is not None, "the receiver")
        return int(open(f"{self.out}/port").read())

    def url(self, signal="logs"):
        return f"http://127.0.0.1:{self.port()}/v1/{signal}"

    def requests(self):
        with open(self.store, errors="surrogateescape") as f:
            return [json.loads(line) for line in f.read().split("\n")[:-1]]

    def wait(self, wanted=None):
        """Until it has written down everything: Elastic's answers first."""
        limit = time.monotonic() + PATIENCE
        wanted = len(entries) if wanted is None else wanted
        while time.monotonic() < limit and sum(1 for _ in difficult_journal.records(self.requests(), self.identifier)) < wanted:
            time.sleep(0.2)

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Official(Receiver):
    def __init__(self, out):
        super().__init__(out, os.environ["official"], "-B", f"{HERE}/official_receiver.py", f"{out}/port", f"{out}/requests")


class Elastic(Receiver):
    compression = "none"  # it does not know gzip

    def __init__(self, out):
        super().__init__(out, "node", f"{HERE}/elastic_receiver.js", f"{os.environ['elastic']}/node_modules", f"{out}/port", f"{out}/requests")


class Collector(Receiver):
    """Sends what it has decoded on, as OTLP/JSON, to a server of ours. `receivers`: YAML; `exporter`: its name in that version."""
    identifier = staticmethod(bytes.fromhex)

    def __init__(self, out, receiver, settings, program=os.environ["collector"], exporter="otlp_http", extensions="", signals=("logs",)):
        os.makedirs(out, exist_ok=True)
        store, writing = f"{out}/requests", threading.Lock()

        class Sink(http.server.BaseHTTPRequestHandler):
            protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with writing, open(store, "ab") as f:
                    f.write(body.replace(b"\n", b"") + b"\n")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=self.sink.serve_forever, daemon=True).start()
        with open(f"{out}/collector.yaml", "w") as f:
            f.write(f"""
receivers: {{{receiver}: {settings}}}
exporters:
  {exporter}: {{endpoint: "http://127.0.0.1:{self.sink.server_port}", encoding: json, compression: none, sending_queue: {{enabled: false}}}}
{'extensions: {' + extensions + '}' if extensions else ''}
service:
  extensions: [{extensions.split(":")[0]}]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{{', '.join(f"{s}: {{receivers: [{receiver}], exporters: [{exporter}]}}" for s in signals)}}}
""")
        super().__init__(out, program, "--config", f"{out}/collector.yaml")

    def end(self):
        super().end()
        self.sink.shutdown()


class CollectorOtlp(Collector):
    """Takes OTLP over HTTP; with `token` only from who has it."""

    def __init__(self, out, token=None):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.free = s.getsockname()[1]
        auth = ", auth: {authenticator: bearertokenauth}" if token else ""
        super().__init__(out, "otlp", f'{{protocols: {{http: {{endpoint: "127.0.0.1:{self.free}"{auth}}}}}}}',
                         extensions=f'bearertokenauth: {{token: "{token}"}}' if token else "", signals=("logs", "metrics"))
        wait_for(self.listens, "the Collector")

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(open(f"{self.out}/log").read()[-2000:])
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.free)) == 0

    def port(self):
        return self.free


class CollectorFile(Collector):
    """Reads a file."""

    def __init__(self, out, file):
        super().__init__(out, "otlpjsonfile", f'{{include: ["{file}"], start_at: beginning, max_log_size: 16MiB}}', os.environ["otlpjsonfile"], "otlphttp")


def azmonlog(out, receiver, profile, *more):
    """The command line that sends the journal."""
    with open(f"{out}/azmonlog.conf", "w") as f:
        f.write(f"[destination]\nendpoint={receiver.url()}\n[export]\ncompression={receiver.compression}\nretry_initial_delay=50ms\n"
                f"retry_max_delay=200ms\nhold_max_delay=200ms\n[journal]\nstart=oldest\ndirectory={journal}\nfields={profile}\n"
                f"[state]\ndirectory={out}/state\n")
    command = [AZMONLOG, "run", "--config", f"{out}/azmonlog.conf", *more]
    if "--once" not in more:
        return command
    return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=open(f"{out}/azmonlog.log", "ab"), timeout=3 * PATIENCE).returncode


def compare(what, requests, profile, identifier):
    """Every entry against the records, by its time of receipt, which is no other's."""
    got = {}
    twice = 0
    for r in difficult_journal.records(requests, identifier):
        twice += r["observed"] in got
        got[r["observed"]] = r
    tap.equal(f"{what}: a record for each entry, and no other", (len(got), twice), (len(entries), 0))
    wrong = []
    for e in entries:
        at = int(e["__REALTIME_TIMESTAMP"][0]) * 1000
        if at in got:
            wrong += [f"entry {(at // 1000 - difficult_journal.NOON) // 1000}: {d}" for d in difficult_journal.differences(e, got[at], profile)]
            uid = got[at]["attributes"].get("log.record.uid")
            if uids.setdefault(at, uid) != uid:
                wrong.append(f"entry at {at}: another uid than before")
    if tap.check(f"{what}: every field as docs/mapping.md has it", not wrong and len(got) == len(entries), "\n".join(wrong[:40]), f"{len(wrong)} differences"):
        tap.note(f"proved: {what}: {len(got)} of {len(entries)} records of a difficult journal decoded, each field as journalctl has it")
    tap.equal(f"{what}: no two records with one uid", len(set(uids.values())), len(uids))


def the_journal(out):
    """Binary values, invalid UTF-8, NUL, large and many fields, and what journalctl says of them."""
    global journal
    journal = f"{out}/journal"
    os.mkdir(journal)
    made = difficult_journal.make(f"{journal}/difficult.journal")
    entries.extend(difficult_journal.by_journalctl(journal))
    tap.equal("journalctl has all entries", len(entries), made)


def send_syslog(out, kind, what):
    """The stock rsyslogd sends difficult messages by its module; its own omfile says what they are."""
    receiver = kind(f"{out}/syslog")
    sent = list(difficult_syslog.messages())
    rules = ('action(type="mmjsonparse")\nif $parsesuccess != "OK" then {\n  unset $!msg;\n}\n'
             f'action(type="omfile" file="{out}/oracle" template="oracle")\n' +
             rsyslogd.action(receiver.url(), "x", f"{out}/syslog-state", rsyslogd.SHIPPED + f' export.compression="{receiver.compression}"'
                             ' meta.template="meta" attributes.template="json"'))
    r = rsyslogd.Rsyslogd(f"{out}/rsyslogd", rules, head=difficult_syslog.HEAD)
    try:
        r.start()
        r.say(*sent)
        receiver.wait(len(sent))
        tap.equal(f"{what}, from rsyslog: rsyslogd ends in order", r.end(), 0, r.output)
        with open(f"{out}/oracle", "rb") as f:
            wanted = [difficult_syslog.expected(line) for line in f.read().split(b"\n")[:-1]]
        got = list(difficult_journal.records(receiver.requests(), receiver.identifier))
    finally:
        r.close()
        receiver.end()
    tap.equal(f"{what}, from rsyslog: a record for each message", (len(got), len(wanted)), (len(sent), len(sent)))
    tap.equal(f"{what}, from rsyslog: each has a uid of its own", len({x["attributes"].get("log.record.uid") for x in got}), len(sent))
    count = lambda xs: collections.Counter(map(difficult_syslog.canonical, xs))
    missing, more = count(wanted) - count(got), count(got) - count(wanted)
    if tap.check(f"{what}, from rsyslog: every record as docs/mapping.md has it", not missing and not more,
                 "\n".join([f"wanted {x}" for x in sorted(missing)][:40]), "\n".join([f"got    {x}" for x in sorted(more)][:40])):
        tap.note(f"proved: {what}: {len(got)} of {len(sent)} difficult syslog messages by the stock rsyslogd and omazuremonitor.so decoded, "
                 "each field as docs/mapping.md has it of what omfile wrote")


def send(out, kind, what):
    send_syslog(out, kind, what)
    for profile in ("standard", "full"):
        os.mkdir(f"{out}/{profile}")
        receiver = kind(f"{out}/{profile}")
        try:
            tap.equal(f"{what}, fields={profile}: azmonlog is content", azmonlog(f"{out}/{profile}", receiver, profile, "--once"), 0,
                      lambda: open(f"{out}/{profile}/azmonlog.log").read())
            receiver.wait()
            compare(f"{what}, fields={profile}", receiver.requests(), profile, receiver.identifier)
        finally:
            receiver.end()


def official(out):
    """The official protobuf classes of PyPI."""
    send(out, Official, "opentelemetry-proto (PyPI)")


def elastic(out):
    """Elastic's @elastic/mockotlpserver."""
    send(out, Elastic, "@elastic/mockotlpserver (npm)")


def collector(out):
    """The OpenTelemetry Collector."""
    send(out, CollectorOtlp, "OpenTelemetry Collector")


def collector_json(out):
    """What azmonlog cat prints, read back by the Collector: as OTLP/JSON over HTTP, and from the file."""
    receiver = CollectorOtlp(out)
    try:
        with open(f"{out}/cat", "wb") as f:
            azmonlog(out, receiver, "full")
            subprocess.run([AZMONLOG, "cat", "--config", f"{out}/azmonlog.conf"], stdout=f, check=True, timeout=PATIENCE)
        refused = []
        with open(f"{out}/cat", "rb") as f:
            for line in f:
                try:
                    urllib.request.urlopen(urllib.request.Request(receiver.url(), line, {"Content-Type": "application/json"}), timeout=PATIENCE).close()
                except urllib.error.HTTPError as e:
                    refused.append(f"{e.code} {e.read()[:200]}")
        tap.equal("the Collector takes every line of azmonlog cat as OTLP/JSON", refused[:5], [])
        receiver.wait()
        compare("azmonlog cat, read by the Collector's otlp receiver", receiver.requests(), "full", receiver.identifier)
    finally:
        receiver.end()
    receiver = CollectorFile(f"{out}/file", f"{out}/cat")
    try:
        receiver.wait()
        compare("azmonlog cat, read by the Collector's otlpjsonfile receiver", receiver.requests(), "full", receiver.identifier)
    finally:
        receiver.end()


def points(requests):
    """What the last request with metrics says: (name, attributes) -> its metric and point."""
    found = {}
    for group in [r for r in requests if "resourceMetrics" in r][-1]["resourceMetrics"]:
        for scope in group["scopeMetrics"]:
            for m in scope["metrics"]:
                for p in m[kind_of(m)]["dataPoints"]:
                    key = m["name"], tuple((a["key"], a["value"]["stringValue"]) for a in p.get("attributes", []))
                    assert key not in found, key
                    found[key] = m, p
    return found


def kind_of(metric):
    return next(k for k in ("gauge", "sum", "histogram") if k in metric)


def escape(label):
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(point):
    """JSON leaves out what is zero, and writes 64 bits as text."""
    return float(point.get("asInt", point.get("asDouble", 0)))


def send_metrics(out, kind, what):
    """The metrics of azmonlog, beside what it says of them to Prometheus."""
    os.mkdir(f"{out}/metrics")
    receiver = kind(f"{out}/metrics")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = azmonlog(f"{out}/metrics", receiver, "standard")
    with open(f"{out}/metrics/azmonlog.conf", "a") as f:
        f.write(f"[metrics]\nendpoint={receiver.url('metrics')}\ninterval=1s\nlisten=127.0.0.1:{port}\n")

    def scrape():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as r:
            lines = r.read().decode().split("\n")[:-1]
        kinds = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
        return kinds, dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def delivered():
        return any("resourceMetrics" in r for r in receiver.requests()) and number(
            points(receiver.requests()).get(("azmonlog.records.delivered", ()), (None, {}))[1]) == len(entries)

    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=open(f"{out}/metrics/azmonlog.log", "ab"))
    try:
        wait_for(delivered, "the metrics to say that all is delivered")
        time.sleep(1.1)  # figures are at most a second old over HTTP
        kinds, values = scrape()
        got, wrong = points(receiver.requests()), []
        names = set()
        for (name, attributes), (m, p) in got.items():
            prometheus = name.replace(".", "_")
            unit = {"s": "_seconds", "By": "_bytes"}.get(m.get("unit"), "")
            prometheus += "" if prometheus.endswith(unit) else unit
            prometheus += "_total" if "sum" in m else ""
            names.add(prometheus)
            kind_wanted = {"sum": "counter"}.get(kind_of(m), kind_of(m))
            data = m[kind_of(m)]
            if kinds.get(prometheus) != kind_wanted:
                wrong.append(f"{name}: {kind_wanted}, and {kinds.get(prometheus)} for Prometheus")
            if "gauge" not in m and str(data.get("aggregationTemporality")) not in ("2", "AGGREGATION_TEMPORALITY_CUMULATIVE"):
                wrong.append(f"{name}: {data}")
            if "sum" in m and data.get("isMonotonic") is not True:
                wrong.append(f"{name}: not monotonic")
            if "sum" in m:
                labels = "".join(f'{k}="{escape(v)}"' for k, v in attributes)
                value = values.get(prometheus + (f"{{{labels}}}" if labels else ""))
                if value is None or float(value) != number(p):
                    wrong.append(f"{name} {attributes}: {number(p)}, and {value} for Prometheus")
            if "histogram" in m and (int(p["count"]) != int(values[f"{prometheus}_count"]) or
                                     sum(map(int, p["bucketCounts"])) != int(p["count"]) or
                                     len(p["bucketCounts"]) != len(p["explicitBounds"]) + 1):
                wrong.append(f"{name}: {p}")
        tap.equal(f"{what}: each metric that Prometheus gets", names, set(kinds))
        if tap.check(f"{what}: with the same kind, value and name", not wrong, "\n".join(wrong)):
            tap.note(f"proved: {what}: {len(names)} metrics of azmonlog decoded, each counter as Prometheus has it")
    finally:
        process.terminate()
        tap.equal(f"{what}: azmonlog ends in order", process.wait(PATIENCE), 0)
        receiver.end()


def metrics(out):
    """The metrics of azmonlog, by OTLP."""
    for name, kind, what in (("official", Official, "opentelemetry-proto (PyPI)"), ("collector", CollectorOtlp, "OpenTelemetry Collector")):
        os.mkdir(f"{out}/{name}")
        send_metrics(f"{out}/{name}", kind, f"{what}, metrics")


def bearer(out):
    """A token that the Collector checks."""
    receiver = CollectorOtlp(out, TOKEN)
    headers = f"{out}/headers"

    def give(token):
        with open(os.open(headers + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(f"Authorization: Bearer {token}\n")
        os.rename(headers + ".new", headers)

    give("wrong")
    command = azmonlog(out, receiver, "standard")
    with open(f"{out}/azmonlog.conf", "a") as f:
        f.write(f"[destination]\nheaders_file={headers}\n")
    log = open(f"{out}/azmonlog.log", "ab")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
    try:
        status = lambda: json.loads(subprocess.run([AZMONLOG, "status", "--json", "--config", f"{out}/azmonlog.conf"], stdout=subprocess.PIPE,
                                                   stderr=log, timeout=PATIENCE).stdout or b"{}")
        said = lambda: open(log.name).read()
        wait_for(lambda: "401" in said(), "azmonlog to say 401")
        time.sleep(1)
        tap.check("a wrong token: 401 is said, and azmonlog goes on", process.poll() is None, said)
        tap.equal("nothing has arrived, nothing is in quarantine", (receiver.requests(), os.path.exists(f"{out}/state/quarantine.jsonl")), ([], False), status)
        give(TOKEN)
        receiver.wait()
        compare("OpenTelemetry Collector with bearertokenauth, after the right token", receiver.requests(), "standard", receiver.identifier)
        tap.note("proved: OpenTelemetry Collector: a wrong bearer token is 401, and holds; the right one in headers_file= delivers without a restart")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        receiver.end()


tap.run(the_journal, official, elastic, collector, collector_json, metrics, bearer)
