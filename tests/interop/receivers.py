# SPDX-License-Identifier: MIT
"""The cases of receivers: the OpenTelemetry Collector, Elastic's mockotlpserver, the official protobuf classes. Standard library only."""
import base64
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

    def url(self):
        return f"http://127.0.0.1:{self.port()}/v1/logs"

    def requests(self):
        with open(self.store, errors="surrogateescape") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def wait(self):
        """Until it has written down everything: Elastic's answers first."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and sum(1 for _ in difficult_journal.records(self.requests(), self.identifier)) < len(entries):
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
    """Sends what it has decoded on, as OTLP/JSON."""
    identifier = staticmethod(bytes.fromhex)

    def __init__(self, out, token=None):
        os.makedirs(out, exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.free = s.getsockname()[1]
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
extensions:
  bearertokenauth: {{token: "{TOKEN}"}}
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{self.free}
{'        auth: {authenticator: bearertokenauth}' if token else ''}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:{self.sink.server_port}
    encoding: json
    compression: none
    sending_queue: {{enabled: false}}
service:
  extensions: [bearertokenauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [otlp], exporters: [otlp_http]}}
""")
        super().__init__(out, os.environ["COLLECTOR"], "--config", f"{out}/collector.yaml")
        wait_for(self.listens, "the Collector")

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(open(f"{self.out}/log").read()[-2000:])
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.free)) == 0

    def port(self):
        return self.free

    def end(self):
        super().end()
        self.sink.shutdown()


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
    if tap.check(f"{what}: every field as docs/mapping.md has it", not wrong, "\n".join(wrong[:40]), f"{len(wrong)} differences"):
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


def send(out, kind, what):
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
    send(out, Collector, "OpenTelemetry Collector")


def collector_json(out):
    """What azmonlog cat prints, read back by the Collector."""
    receiver = Collector(out)
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
        compare("azmonlog cat, read by the Collector", receiver.requests(), "full", receiver.identifier)
    finally:
        receiver.end()
    tap.skip("the Collector's otlpjsonfile receiver", "Go's module proxy does not have this module; the otlp receiver just used decodes JSON with the same pdata module")


def bearer(out):
    """A token that the Collector checks."""
    receiver = Collector(out, TOKEN)
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


tap.run(the_journal, official, elastic, collector, collector_json, bearer)
