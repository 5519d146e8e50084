# SPDX-License-Identifier: MIT
"""Metrics that are sent by OTLP: see metrics_otlp.sh."""
import os
import re
import shutil
import signal
import sys
import time
import urllib.request
from contextlib import closing, contextmanager

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import DCR, Azmonlog, Azure, read_lines  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from ports import free_port  # noqa: E402
from tap import check, equal, run  # noqa: E402

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/metrics.md")
LINE = re.compile(r"([a-z_]+(?:\{[^}]*\})?) (\S+)")
UNITS = {"s": "_seconds", "By": "_bytes"}
PATH = f"/dataCollectionRules/{DCR}/streams/Custom-Metrics-Otel/otlp/v1/metrics"


class Receiver(Azure):
    """Of metrics alone, so that its faults are theirs. `like`: another one, whose tokens it takes."""

    def __init__(self, out, like=None, **options):
        os.makedirs(out)
        self.metrics = f"{out}/metrics"
        if like:
            shutil.copy(f"{like.out}/token-key", f"{out}/token-key")
        super().__init__(out, "--metrics", self.metrics, **options)

    def sets(self):
        """What has arrived: the points of each request, in order."""
        found = {}
        for point in read_lines(self.metrics):
            found.setdefault(point["request"], []).append(point)
        return list(found.values())


def measured(points):
    """When, in seconds."""
    times = {int(p["time_unix_nano"]) for p in points}
    assert len(times) == 1, times
    return times.pop() / 1e9


def value(points, name, **attributes):
    found = [p["value"] for p in points if p["name"] == name and p["attributes"] == attributes]
    return found[0] if len(found) == 1 else None


def prometheus(points):
    """The same in Prometheus' names, as OpenTelemetry's specification makes them: name and labels -> value."""
    found = {}
    for p in points:
        name = p["name"].replace(".", "_")
        unit = UNITS.get(p["unit"], "")
        name += "" if name.endswith(unit) else unit
        labels = "".join(f'{k}="{v}"' for k, v in p["attributes"].items())
        if p["kind"] == "histogram":
            total = 0
            for bound, n in zip([f"{b:g}" for b in p["explicit_bounds"]] + ["+Inf"], p["bucket_counts"]):
                total += n
                found[f'{name}_bucket{{le="{bound}"}}'] = total
            found.update({f"{name}_sum": p["sum"], f"{name}_count": p["count"]})
        else:
            found[name + ("_total" if p["kind"] == "sum" else "") + (f"{{{labels}}}" if labels else "")] = p["value"]
    return found


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as r:
        return {m[1]: float(m[2]) for m in map(LINE.fullmatch, r.read().decode().splitlines()) if m}


def section(receiver, more="interval=1s\n"):
    return f"[metrics]\nendpoint={receiver.url}/v1/metrics\n{more}"


@contextmanager
def exporting(out, more="interval=1s\n"):
    """To a receiver of records and one of metrics, neither of which wants to know who that is."""
    with closing(Azure(f"{out}/azure", auth=False)) as azure, closing(Receiver(f"{out}/receiver", auth=False)) as receiver, \
            closing(Azmonlog(f"{out}/x", f"endpoint={azure.url}/v1/logs\n", more=section(receiver, more))) as x:
        yield azure, receiver, x


@contextmanager
def exporting_to_azure(out, like=False, destination="", more=""):
    """With tokens; `like`: the receiver of metrics takes those of the other one. `destination`, `more`: of the configuration."""
    with closing(Azure(f"{out}/azure")) as azure, closing(Receiver(f"{out}/receiver", azure if like else None)) as receiver:
        lines = azure.destinations()["dce= and dcr="] + azure.client_secret() + destination
        metrics = f"[metrics]\ndce={receiver.url}\ninterval=1s\n{more}"
        with closing(Azmonlog(f"{out}/x", lines, azure.environment(), metrics)) as x:
            yield azure, receiver, x


def arrived(azure, x):
    wait_for(lambda: len(azure.bodies()) >= len(x.texts), "the records")
    return sorted(azure.bodies()) == sorted(x.texts)


def the_same_figures(out):
    """What arrives is what /metrics says, metric by metric."""
    port = free_port()
    with exporting(out, f"listen=127.0.0.1:{port}\ninterval=1s\n") as (azure, receiver, x):
        x.write(200)
        x.start()
        check("the records arrive", arrived(azure, x))

        def quiet():
            """A set that was measured between two scrapes."""
            before, since = scrape(port), time.time()
            wait_for(lambda: receiver.sets() and measured(receiver.sets()[-1]) > since, "metrics")
            points = receiver.sets()[-1]
            time.sleep(1.1)  # figures are at most a second old there
            quiet.found = before, prometheus(points), scrape(port)
            return before == quiet.found[2]

        wait_for(quiet, "figures that do not change any more")
        before, sent, _ = quiet.found
        equal("the same metrics", sent.keys(), before.keys())
        wrong = {k: (v, sent.get(k)) for k, v in before.items() if abs(v - sent.get(k, -1)) > 1e-9 * abs(v)}
        equal("with the same values", wrong, {})
        equal("of all records", sent["azmonlog_records_delivered_total"], 200)
        points = receiver.sets()[-1]
        with open(DOC, encoding="utf-8") as f:
            listed = set(re.findall(r"^\| `azmonlog_\w+` \| `([\w.]+)` \| *`?([^`| ]*)`? *\| (\w+) ", f.read(), re.M))
        equal("docs/metrics.md lists them, with unit and kind", {(p["name"], p["unit"], {"sum": "counter"}.get(p["kind"], p["kind"]))
                                                                 for p in points} - listed, set())
        equal("counters are cumulative and only grow", {(p["temporality"], p["monotonic"]) for p in points if p["kind"] == "sum"},
              {("cumulative", True)})
        begun = {p["start_time_unix_nano"] for p in points if p["kind"] != "gauge"}
        started = value(points, "azmonlog.start_time")
        check("they begin with the process, or it is not known when", begun - {"0"} and
              all(abs(int(t) / 1e9 - started) < 0.001 for t in begun - {"0"}), begun, started)
        request = [r for r in receiver.requests() if r["path"] == "/v1/metrics"][-1]
        check("they were compressed", request["bytes_wire"] < request["bytes"], request)
        equal("without credentials", (request["authorization"], request["client_request_id"]), (False, None))
        status = x.status()["metrics"]
        equal("status says where they go", (status["destination"], status["error"]), (f"{receiver.url}/v1/metrics", None))
        equal("the end", x.end(), 0, x.logged)
        equal("nothing was said about metrics", x.said("metrics (to|go)"), 0, x.logged)


def to_azure(out):
    """dce=, the rule and the identity of the logs: a token goes along; headers do not go from one to the other."""
    with exporting_to_azure(out, True, "header=X-Of-Logs: 1\n", "header=X-Of-Metrics: 1\nheartbeat=1h\n") as (azure, receiver, x):
        x.write(20)
        x.start()
        wait_for(lambda: len(receiver.sets()) > 1 and len(azure.bodies()) > 20, "metrics and records")
        requests = [r for r in receiver.requests() if r["status"] < 300]
        equal("where they go", {r["path"] for r in requests}, {PATH})
        check("with a token, and an id", all(r["token"] and r["client_request_id"] for r in requests), requests)
        equal("their headers", {tuple(r["headers"]) for r in requests}, {("x-ms-client-request-id", "X-Of-Metrics")})
        equal("and those of records", {tuple(r["headers"]) for r in azure.requests()}, {("x-ms-client-request-id", "X-Of-Logs")})
        heartbeat = next(r for r in azure.records() if r.get("event_name") == "azmonlog.heartbeat")
        resource = dict(receiver.sets()[0][0]["resource"])
        equal("about which journal they are", resource.pop("azmonlog.source"), x.journal)
        equal("and else of whom our own records are", resource, heartbeat["resource"])
        r = x.run("check")
        check("azmonlog check asks there, too", r.returncode == 0 and re.search(
            rf" metrics .*{re.escape(receiver.url + PATH)} lets us in", r.stdout), r.stdout)
        receiver.script('request * refuse 403 OperationFailed "no role"\n')
        r = x.run("check")
        check("and says what is in the way", r.returncode == 20 and re.search(
            r" metrics .*HTTP 403 \(OperationFailed\): no role[^\n]*\n *what to do: the identity lacks its role", r.stdout), r.stdout)
        equal("the end", x.end(), 0, x.logged)
        check("no token and no secret is shown", not re.search("eyJ|planted", x.logged()), x.logged)


# what the receiver does -> what status says
TROUBLE = {
    "request * status 503\n": "HTTP 503",
    'request * refuse 403 OperationFailed "no role"\n': r"HTTP 403 \(OperationFailed\)",
    'request * refuse 400 InvalidStream "x"\n': r"HTTP 400 \(InvalidStream\)",
    'request * refuse 400 Other "x"\n': r"HTTP 400 \(Other\)",
    "request * status 500 body \"<html>\" header \"Content-Type: text/html\"\n": "HTTP 500",
    "request * reset\n": "reset|[Rr]ecv|[Ee]mpty",
    "request * stall 60min\n": "[Tt]imed? ?out",
    "request * partial-success 3 \"why\"\n": "3 of \\d+ data points are rejected",
    "request * status 200 header \"Content-Type: text/html\" body \"<title>log in</title>\"\n": "HTTP 200 with a web page",
    "request * status 307 header \"Location: https://127.0.0.1:1/\"\n": "onnect",
}


def receivers_that_fail(out):
    """Whatever it does: records go on as ever, it is said once, status tells, and metrics are not queued up."""
    with exporting_to_azure(out, like=True, more="[export]\ntimeout=1s\n") as (azure, receiver, x):
        def there():
            """All records; where an answer takes longer than the timeout some come once more."""
            return sorted({r["uid"]: r["body"] for r in azure.records()}.values()) == sorted(x.texts)

        x.write(20)
        x.start()
        wait_for(lambda: receiver.sets(), "metrics")
        for n, (script, error) in enumerate(TROUBLE.items(), 1):
            receiver.script(script)
            wait_for(lambda: (x.status()["metrics"]["error"] or "") != "", f"{script!r} to be seen")
            seen = x.status()["metrics"]
            check(f"{script.strip()}: status says it", re.search(error, seen["error"]) and seen["since"], seen)
            begin, failures, requests = time.time(), seen["failures"], seen["requests"]
            x.write(40)
            wait_for(there, "the records that are logged meanwhile")
            equal("and all is well", x.status()["health"]["condition"], "well", x.status)
            # some intervals pass in which nothing is taken
            wait_for(lambda: time.time() > begin + 2.5 and x.status()["metrics"]["requests"] > requests, "further attempts")
            stored, release = len(receiver.sets()), time.time()
            receiver.script("request * normal\n")
            wait_for(lambda: x.status()["metrics"]["error"] is None, "it to be over")
            wait_for(lambda: len(receiver.sets()) > stored + 1, "metrics")
            late = [s for s in receiver.sets()[stored:] if begin < measured(s) < release]
            check("of what was measured meanwhile not more came than was on its way or waited", len(late) <= 2, late)
            equal("it was said once", (x.said("cannot send metrics to"), x.said("metrics go to .* again")), (n, n), x.logged)
            check("failures are counted, but what is taken in part is none",
                  (x.status()["metrics"]["failures"] > failures) != ("partial" in script), x.status)
        times = [measured(s) for s in receiver.sets()]
        equal("each set came once, and in order", times, sorted(set(times)))
        equal("the end", x.end(), 0, x.logged)
        check("all records arrived, under one uid each", there(), azure.bodies)


def a_wrong_token(out):
    """A receiver that takes none of our tokens: it does not take them from the logs, either."""
    with exporting_to_azure(out) as (azure, receiver, x):  # each has a key of its own
        x.write(20)
        x.start()
        wait_for(lambda: (x.status().get("metrics") or {}).get("failures", 0) > 0, "a refusal")
        for _ in range(5):
            x.write(20)
            check("records arrive", arrived(azure, x))
        told = x.status()
        equal("status says what is wrong", told["metrics"]["error"], "HTTP 401 (InvalidToken)")
        check("and what to do", told["metrics"]["remedy"].startswith("the endpoint does not accept the token"), told["metrics"])
        equal("the token of the logs is the first one", (told["token"]["acquired"], told["token"]["error"]), (1, None))
        equal("no request with records was refused", {r["status"] for r in azure.requests()}, {204})
        equal("nothing was taken", receiver.sets(), [])
        check("for people, too", re.search(r"^Metrics +to .*NOT TAKEN since", x.run("status").stdout, re.M), x.run("status").stdout)
        equal("it was said once", x.said("cannot send metrics to"), 1, x.logged)
        equal("the end", x.end(), 0, x.logged)


def retry_after(out):
    """An hour is an hour, also for newer metrics; a reload begins anew."""
    with exporting(out) as (azure, receiver, x):
        x.write(20)
        receiver.script('request 1 status 429 header "Retry-After: 3600"\n')
        x.start()
        wait_for(lambda: x.status().get("metrics", {}).get("error") == "HTTP 429", "the 429")
        time.sleep(3)
        equal("it is left alone", (receiver.stats()["requests"], receiver.sets()), (1, []))
        x.reload()
        wait_for(lambda: receiver.sets(), "metrics")
        check("after a reload it is asked again", True)
        equal("the end", x.end(), 0, x.logged)


def a_kill(out):
    """A new process is a new beginning of all sums."""
    with exporting(out) as (azure, receiver, x):
        x.write(30)
        x.start()
        wait_for(lambda: receiver.sets() and value(receiver.sets()[-1], "azmonlog.records.delivered") == 30, "30 delivered")
        x.end(signal.SIGKILL)
        killed, sets = time.time(), len(receiver.sets())
        before = receiver.sets()[-1]
        x.write(5)
        x.start()
        wait_for(lambda: len(receiver.sets()) > sets and value(receiver.sets()[-1], "azmonlog.records.delivered") == 5, "5 delivered")
        after = receiver.sets()[-1]

        def begun(points):
            return {int(p["start_time_unix_nano"]) / 1e9 for p in points if p["name"] == "azmonlog.records.delivered"}

        check("the sums have a new start time", begun(before) != begun(after) and min(begun(after)) >= killed - 0.1,
              begun(before), killed, begun(after))
        equal("it is the same source", before[0]["resource"], after[0]["resource"])
        equal("the end", x.end(), 0, x.logged)


def the_end(out):
    """The last figures are sent at the end, but nobody waits long for that."""
    with exporting(out, "interval=1h\n") as (azure, receiver, x):
        x.write(20)
        x.start()
        wait_for(lambda: receiver.sets(), "the first metrics")
        x.write(30)
        check("the records arrive", arrived(azure, x))
        equal("the end", x.end(), 0, x.logged)
        equal("all records are in the last figures", (len(receiver.sets()), value(receiver.sets()[-1], "azmonlog.records.delivered")), (2, 50))
        receiver.script("request * stall 60min\n")
        x.start()
        wait_for(lambda: receiver.stats()["in_flight"] > 0, "a request that is not answered")
        x.write(10)
        check("records arrive", arrived(azure, x))
        since = time.monotonic()
        equal("the end", x.end(), 0, x.logged)
        check("comes soon", time.monotonic() - since < PATIENCE / 2, time.monotonic() - since)
        receiver.script("request * normal\n")
        sets = len(receiver.sets())
        x.write(10)
        equal("run --once", x.once(), 0, x.logged)
        equal("sends none", len(receiver.sets()), sets)


def reloads(out):
    """Where they go to changes by a reload; what is wrong changes nothing."""
    with exporting(out) as (azure, receiver, x), closing(Receiver(f"{out}/other", auth=False)) as other:
        lines = f"endpoint={azure.url}/v1/logs\n"
        x.configure(lines)
        x.write(20)
        x.start()
        wait_for(lambda: x.status(), "azmonlog")
        equal("nobody asked for them", (x.status()["metrics"], receiver.sets()), (None, []))
        x.configure(lines, section(receiver))
        x.reload()
        wait_for(lambda: receiver.sets(), "metrics")
        x.configure(lines, section(other))
        x.reload()
        wait_for(lambda: len(other.sets()) > 1, "metrics elsewhere")
        equal("the sums go on", {p["start_time_unix_nano"] for s in receiver.sets()[:1] for p in s},
              {p["start_time_unix_nano"] for s in other.sets()[:1] for p in s})
        x.configure(lines + "auth=client_secret\n", f"[metrics]\nendpoint=http://192.0.2.1{PATH}\n")
        x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: x.status()["config"]["last_reload_error"], "the reload")
        check("a token over plain http is refused", "plain http" in x.status()["config"]["last_reload_error"], x.status()["config"])
        sets = len(other.sets())
        wait_for(lambda: len(other.sets()) > sets, "metrics go on")
        x.configure(lines)
        x.reload()
        equal("nobody wants them any more", x.status()["metrics"], None)
        wait_for(lambda: other.stats()["in_flight"] == 0, "the end of what was on its way")
        sets = len(receiver.sets()) + len(other.sets())
        time.sleep(2.5)
        equal("none come", len(receiver.sets()) + len(other.sets()), sets)
        equal("the end", x.end(), 0, x.logged)


run(the_same_figures, to_azure, receivers_that_fail, a_wrong_token, retry_after, a_kill, the_end, reloads)
