# SPDX-License-Identifier: MIT
"""Metrics: see metrics.sh."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from exporter import Exporter  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from ports import free_port  # noqa: E402
from states import CONDITIONS, States  # noqa: E402
from tap import check, equal, run, skip  # noqa: E402

LINE = re.compile(r'([a-z_]+)((?:\{[^}]*\})?) (\S+)')
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/metrics.md")


class Measured(States):
    """With metrics at `port`, and in the file `textfile`."""

    def __init__(self, out, listen=None, textfile=None):
        self.port = free_port()
        self.journal, self.logged = f"{out}/journal", 0
        more = "[metrics]\n" + (f"listen={listen or f'127.0.0.1:{self.port}'}\n" if listen != "" else "")
        self.x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/x", directory=self.journal,
                          more=more + (f"textfile={textfile}\n" if textfile else ""))
        self.config = f"{out}/x/azmonlog.conf"
        self.log(20)
        self.x.start()
        wait_for(lambda: self.condition() == "well" and self.status()["delivered"]["records"] == 20, "azmonlog to be well")

    def ask(self, path, method="GET", accept=None, host="127.0.0.1", body=None):
        """Status, type and text."""
        c = http.client.HTTPConnection(host, self.port, timeout=PATIENCE)
        try:
            c.request(method, path, body=body, headers={"Accept": accept} if accept else {})
            r = c.getresponse()
            return r.status, r.headers["Content-Type"], r.read().decode()
        finally:
            c.close()

    def values(self):
        """name and labels -> value, as text."""
        return values_of(self.ask("/metrics")[2])


def values_of(text):
    return {m[1] + m[2]: m[3] for line in text.splitlines() if not line.startswith("#") for m in [LINE.fullmatch(line)]}


def lint(what, text):
    if not shutil.which("promtool"):
        skip(what, "promtool (Debian: prometheus) is not installed")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=PATIENCE, check=False)
    equal(what, (done.returncode, done.stdout), (0, ""))


def what_is_told(out):
    """The figures are those of status --json, in both formats, as docs/metrics.md lists them."""
    s = Measured(out)
    try:
        code, kind, text = s.ask("/metrics")
        equal("Prometheus' text format", (code, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        lint("promtool has nothing to say about it", text)
        code, kind, other = s.ask("/metrics", accept=OPENMETRICS)
        equal("OpenMetrics", (code, kind, other[-6:]), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8", "# EOF\n"))
        equal("the same values are in both", values_of(text).keys(), values_of(other).keys())
        wait_for(lambda: s.values()["azmonlog_lag_records"] == "0", "the position")
        v, told = s.values(), s.status()
        for name, value in {
                "records_read_total": told["read"]["records"], "records_delivered_total": told["delivered"]["records"],
                "requests_total": told["delivered"]["requests"], "sent_bytes_total": told["delivered"]["bytes"],
                "requests_failed_total": 0, "behind_records": 0, "behind_seconds": 0, "quarantine_records": 0,
                "quarantine_max_bytes": told["quarantine"]["max_bytes"], "spool_active": 0, "requests_allowed_max": 4,
                "request_duration_seconds_count": told["latency"]["answers"], 'request_duration_seconds_bucket{le="+Inf"}': told["latency"]["answers"],
                'service_records_total{service="files"}': 20, 'condition{condition="well"}': 1, 'condition{condition="held"}': 0,
                f'build_info{{version="{told["version"]}"}}': 1, "config_reload_failed": 0}.items():
            equal(name, v.get(f"azmonlog_{name}"), str(value))
        check("when it was started", abs(float(v["azmonlog_start_time_seconds"]) - time.time()) < PATIENCE, v)
        with open(DOC, encoding="utf-8") as f:
            listed = set(re.findall(r"^\| `(azmonlog_\w+)`", f.read(), re.M))
        told = {re.sub("_(bucket|sum|count)$", "", re.sub(r"\{.*", "", k)) for k in v}
        equal("docs/metrics.md lists all of them", told - listed, set())
        equal("and more only where there is a token, a spool, a rule or a stream", listed - told,
              {"azmonlog_stream_lag", "azmonlog_stream_pending", "azmonlog_stream_claimed_total", "azmonlog_records_left_out_total", "azmonlog_filter_undecided_total", "azmonlog_redacted_total", "azmonlog_redact_overflows_total", "azmonlog_spool_max_bytes", "azmonlog_token_expiry_timestamp_seconds", "azmonlog_tokens_acquired_total", "azmonlog_token_failed"})
        equal("HEAD", s.ask("/metrics", "HEAD")[::2], (200, ""))
        equal("POST", s.ask("/metrics", "POST", body="x" * 100_000)[0], 405)
        equal("elsewhere", s.ask("/")[0], 404)
        equal("the end", s.x.end(), 0)
    finally:
        s.close()


def conditions(out):
    """/readyz says how it is; /healthz that it lives."""
    s = Measured(out)
    try:
        for condition in CONDITIONS:
            if condition == "down":
                continue
            if condition != "well":
                s.become(condition)
            expected = (200 if condition == "well" else 503, condition + "\n")
            wait_for(lambda: s.ask("/readyz")[::2] == expected, f"/readyz: {expected}")
            check(f"{condition}: /readyz {expected[0]}", True)
            equal(f"{condition}: /healthz", s.ask("/healthz")[::2], (200, "alive\n"))
            wait_for(lambda: s.values()[f'azmonlog_condition{{condition="{condition}"}}'] == "1", "the metric")
        check("failed requests are counted", int(s.values()["azmonlog_requests_failed_total"]) > 0)
        lint("promtool has nothing to say about it", s.ask("/metrics")[2])
        s.become("down")
        try:
            s.ask("/healthz")
            check("down: nobody answers", False)
        except ConnectionRefusedError:
            check("down: nobody answers", True)
    finally:
        s.close()


def a_stuck_loop(out):
    """The main thread does not go on: /healthz says so, after a while, and that it goes on again."""
    s = Measured(out)
    try:
        equal("well", s.ask("/healthz")[0], 200)
        gdb = shutil.which("gdb")
        if not gdb or os.environ.get("AZMONLOG_TEST_TOOL") == "memcheck":
            skip("a main thread that does not move", "a program under valgrind calls nothing for gdb" if gdb else "gdb is not installed")
            return
        # The thread is held in a call that does not return until the debugger goes.
        with open(f"{out}/gdb.out", "wb") as log, \
                subprocess.Popen([gdb, "-q", "-nx", "-p", str(s.x.process.pid), "-ex", "thread 1",
                                  "-ex", "call (int)sleep(12)", "-ex", "detach", "-ex", "quit"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log):
            wait_for(lambda: s.ask("/healthz")[::2] == (503, "stuck\n"), "/healthz: stuck")
            check("/healthz says that it is stuck", True)
        wait_for(lambda: s.ask("/healthz")[0] == 200, "/healthz: 200")
        check("and that it lives again", True)
        equal("the end", s.x.end(), 0)
    finally:
        s.close()


def clients_that_do_harm(out):
    """Clients that send nothing, or half of something, or read nothing: records go on, and the others are answered again."""
    s = Measured(out)
    idle = []
    try:
        for n in range(40):
            c = socket.create_connection(("127.0.0.1", s.port), PATIENCE)
            idle.append(c)
            try:
                c.sendall((b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50, b"\0\xff" * 30000)[n % 4])
            except OSError:  # it was dropped already
                pass
        since = time.monotonic()
        s.log(500)
        wait_for(lambda: s.status()["delivered"]["records"] >= 520, "the records")
        equal("well", s.condition(), "well")

        def answered():
            try:
                return s.ask("/healthz")[0] == 200
            except OSError:
                return False

        wait_for(answered, "an answer for others")
        check("soon", time.monotonic() - since < PATIENCE)
        descriptors = len(os.listdir(f"/proc/{s.x.process.pid}/fd"))
        check("not more connections than it wants", descriptors < 60, descriptors)
        equal("the end, with clients that hang on", s.x.end(), 0)
    finally:
        for c in idle:
            c.close()
        s.close()


def a_real_prometheus(out):
    """It scrapes, and answers what was read, how fast answers came, and whether all is well."""
    if not shutil.which("prometheus"):
        skip("a real Prometheus", "prometheus is not installed")
        return
    s = Measured(out)
    port = free_port()
    with open(f"{out}/prometheus.yml", "w", encoding="utf-8") as f:
        f.write(f"scrape_configs:\n- job_name: azmonlog\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.1:{s.port}']\n")
    log = open(f"{out}/prometheus.log", "wb")
    prometheus = subprocess.Popen(["prometheus", f"--config.file={out}/prometheus.yml", f"--storage.tsdb.path={out}/data",
                                   f"--web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def query(what):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": what}), timeout=PATIENCE) as r:
                result = json.load(r)["data"]["result"]
        except OSError:
            return None
        return float(result[0]["value"][1]) if len(result) == 1 else None

    try:
        for what, value in (("up", 1), ("azmonlog_records_read_total", 20), ('azmonlog_condition{condition="well"}', 1),
                            ("histogram_quantile(1, azmonlog_request_duration_seconds_bucket) > bool 0", 1),
                            ('azmonlog_service_records_total{service="files"}', 20)):
            wait_for(lambda what=what, value=value: query(what) == value or prometheus.poll() is not None, f"{what} to be {value}")
            equal(what, query(what), value)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/metadata", timeout=PATIENCE) as r:
            kinds = json.load(r)["data"]
        equal("it knows kind and unit", [(k["type"], k["unit"]) for k in kinds["azmonlog_behind_seconds"]], [("gauge", "seconds")])
        equal("a counter", [k["type"] for k in kinds["azmonlog_records_read"]], ["counter"])
        s.become("behind")
        wait_for(lambda: query('azmonlog_condition{condition="behind"}') == 1, "Prometheus to see it")
        check("it sees that azmonlog is behind", True)
        equal("the end", s.x.end(), 0)
        wait_for(lambda: query("up") == 0, "Prometheus to see that it is down")
        check("it sees that azmonlog is down", True)
    finally:
        prometheus.kill()
        prometheus.wait()
        log.close()
        s.close()


def for_node_exporter(out):
    """The file is there at once, whole, for everybody to read; and gone at the end."""
    path = f"{out}/node-exporter/azmonlog.prom"
    os.mkdir(os.path.dirname(path))
    before = os.umask(0o077)
    try:
        s = Measured(out, listen="", textfile=path)
    finally:
        os.umask(before)
    try:
        wait_for(lambda: os.path.exists(path), "the file")
        equal("everybody may read it", stat.S_IMODE(os.stat(path).st_mode), 0o644)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        lint("promtool has nothing to say about it", text)
        check("all is in it", "azmonlog_records_read_total" in text and text.endswith("\n") and "# EOF" not in text, text)
        s.log(30)
        inode = os.stat(path).st_ino
        wait_for(lambda: values_of(open(path, encoding="utf-8").read())["azmonlog_records_read_total"] == "50", "the next one")
        check("it is another file, which has taken its place", os.stat(path).st_ino != inode)
        equal("nothing else is there", os.listdir(os.path.dirname(path)), ["azmonlog.prom"])
        equal("the end", s.x.end(), 0)
        equal("it is gone", os.listdir(os.path.dirname(path)), [])
    finally:
        s.close()


def trouble(out):
    """A port that is taken and a folder that is not there are said, and records go on; ::1; nothing for run --once."""
    taken = socket.create_server(("127.0.0.1", 0))
    s = Measured(out, listen=f"127.0.0.1:{taken.getsockname()[1]}", textfile=f"{out}/nowhere/azmonlog.prom")
    try:
        wait_for(lambda: s.x.said(r"listen=: cannot listen on 127\.0\.0\.1:\d+: Address already in use"), "the port's complaint")
        wait_for(lambda: s.x.said(r"textfile=: cannot write .*/nowhere/azmonlog.prom: No such file"), "the file's complaint")
        equal("well", s.condition(), "well")
        equal("the end", s.x.end(), 0)
        equal("run --once opens none", (s.x.once(), s.x.said("listen=: cannot listen")), (0, 1))
    finally:
        taken.close()
        s.close()
    try:
        port = free_port(socket.AF_INET6)
    except OSError as e:
        skip("::1", f"no IPv6 here: {e}")
        return
    os.mkdir(f"{out}/6")
    s = Measured(f"{out}/6", listen=f"[::1]:{port}")
    try:
        s.port = port
        equal("::1", s.ask("/healthz", host="::1")[0], 200)
        s.x.configure(directory=s.journal, more="[metrics]\nlisten=127.0.0.1:1\n")
        s.x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.status()["config"]["last_reload_error"], "the reload")
        check("listen= cannot change", "[metrics] listen= cannot change" in s.status()["config"]["last_reload_error"], s.status()["config"])
        equal("the end", s.x.end(), 0)
    finally:
        s.close()


run(what_is_told, conditions, a_stuck_loop, clients_that_do_harm, a_real_prometheus, for_node_exporter, trouble)
