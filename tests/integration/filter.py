# SPDX-License-Identifier: MIT
"""Rules that leave records out: see filter.sh."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from exporter import Exporter  # noqa: E402
from journal_files import NOON, append_entries  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, run  # noqa: E402

SECOND = 1_000_000


def exporter(out, rules, more="", **settings):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, more=f"[filter]\n{rules}\n{more}", **settings)


def printed(identifier, *lines, priority=None):
    """By a program whose standard output goes to the journal."""
    subprocess.run(["systemd-cat", "-t", identifier] + (["-p", priority] if priority else []),
                   input="".join(f"{line}\n" for line in lines).encode(), check=True)


def sync():
    subprocess.run(["journalctl", "--sync"], check=True)


def bodies(x):
    return [r.get("body") for r in x.received()]


def held_back(x):
    """What the rate limit told, each once however often its record was sent."""
    return list({r["uid"]: r["attributes"] for r in x.received() if "azmonlog.held_back.records" in r["attributes"]}.values())


def rules(out):
    """Fields of the record, and of the journal that are not sent; exclude= before include=."""
    printed("web", "GET /health 200", "GET /order 200", "POST /order 500")
    printed("db", "checkpoint", "vacuum", priority="debug")
    printed("mail", "sent to ann", "sent to bob")
    sync()
    uid = os.getuid()
    x = exporter(f"{out}/fields", "exclude=service.name=web && body^=GET /health\nexclude=body~ 5\\d\\d$\n"
                 "exclude=severity=debug && SYSLOG_IDENTIFIER=db\nexclude=_TRANSPORT=stdout && MESSAGE~bob$\n"
                 "include=syslog.identifier~^(web|db|mail)$")
    y = exporter(f"{out}/all", f"include=_UID={uid} && SYSLOG_IDENTIFIER=mail")
    z = exporter(f"{out}/none", f"include=_UID={uid + 1}")
    try:
        equal("it ends well", (x.once(), y.once(), z.once()), (0, 0, 0))
        equal("what is left", bodies(x), ["GET /order 200", "sent to ann"])
        equal("by a field that is not sent", bodies(y), ["sent to ann", "sent to bob"])
        check("which is not there", all("journald.uid" not in r["attributes"] for r in y.received()))
        equal("nothing is included", bodies(z), [])
        check("and the position is at the end", z.acknowledged_usec() >= x.acknowledged_usec() > 0)
        equal("the same in azmonlog cat", [json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"] for line in
                                           subprocess.run([x.azmonlog, "cat", "-c", f"{x.out}/azmonlog.conf"], stdout=subprocess.PIPE, check=True).stdout.splitlines()],
              ["GET /order 200", "sent to ann"])
    finally:
        for e in (x, y, z):
            e.close()


def joined(out):
    """Rules see a message of several lines as one, with the fields of its first entry."""
    trace = ["Traceback (most recent call last):", '  File "shop.py", line 1, in pay', "    1/0", "ZeroDivisionError: division by zero"]
    printed("pay", "before", *trace, "between", *trace[:3], "ValueError: secret", "after")
    sync()
    x = exporter(out, "exclude=body~(?s)^Traceback.*ValueError && _TRANSPORT=stdout\ninclude=syslog.identifier=pay && service.name~.",
                 more="[journal]\nmultiline=auto\n")
    try:
        equal("it ends well", x.once(), 0)
        equal("one is left out as a whole", bodies(x), ["before", "\n".join(trace), "between", "after"])
    finally:
        x.close()


def all_left_out(out):
    """A flood that is left out moves the position on while it lasts, and after a SIGKILL nothing of it is read again."""
    entries = [{"MESSAGE": f"noise {i}", "PRIORITY": 7} for i in range(30000)]
    append_entries(f"{out}/journal/a.journal", entries, step=10)
    x = exporter(out, "exclude=severity=debug", directory=f"{out}/journal")
    try:
        x.start()
        wait_for(lambda: x.acknowledged_usec() >= NOON + 10 * (len(entries) - 1), "the position at the end")
        equal("nothing is sent", x.received(), [])
        equal("it is killed", x.end(signal.SIGKILL), -signal.SIGKILL)
        append_entries(f"{out}/journal/a.journal", [{"MESSAGE": "signal"}], realtime=NOON + SECOND, monotonic=2 * SECOND)
        equal("and goes on", x.once(), 0)
        equal("with what is new", bodies(x), ["signal"])
    finally:
        x.close()


def reload(out):
    """SIGHUP takes other rules; bad ones are refused with their place, and nothing changes."""
    x = exporter(out, "exclude=body^=no", more="[journal]\nidentifiers=reload\n")
    try:
        x.start()
        printed("reload", "no 1", "yes 1")
        sync()
        wait_for(lambda: len(x.received()) >= 1, "the first record")
        x.configure(more="[filter]\nexclude=body~(\n[journal]\nidentifiers=reload\n")
        os.kill(x.process.pid, signal.SIGHUP)
        wait_for(lambda: x.said("stays as it was"), "the refusal")
        check("with its place", x.said(rf"{re.escape(out)}/azmonlog.conf:\d+: exclude: the pattern is wrong"), open(x.log.name).read())
        printed("reload", "no 2", "yes 2")
        sync()
        wait_for(lambda: len(x.received()) >= 2, "the second record")
        x.configure(more="[filter]\nexclude=body^=yes\n[journal]\nidentifiers=reload\n")
        os.kill(x.process.pid, signal.SIGHUP)
        wait_for(lambda: x.said("was read anew"), "the new rules")
        printed("reload", "yes 3", "no 3")
        sync()
        wait_for(lambda: len(x.received()) >= 3, "the third record")
        equal("each by the rules of its time", bodies(x), ["yes 1", "yes 2", "no 3"])
        equal("it ends well", x.end(), 0)
    finally:
        x.close()


def sampling(out):
    """A trace is kept whole, by another exporter just the same; other severities are all kept."""
    traces = [os.urandom(16).hex() for _ in range(400)]
    entries = [{"MESSAGE": f"{severity} {t}", "PRIORITY": severity, "TRACE_ID": t} for t in traces for severity in (6, 7, 4)]
    append_entries(f"{out}/journal/a.journal", entries)
    x = exporter(f"{out}/half", "sample=info,debug 50%", directory=f"{out}/journal")
    y = exporter(f"{out}/tenth", "sample=debug,info 0.1", directory=f"{out}/journal")
    try:
        equal("it ends well", (x.once(), y.once()), (0, 0))
        kept = {s: {b[2:] for b in bodies(x) if b[0] == s} for s in "674"}
        few = {s: {b[2:] for b in bodies(y) if b[0] == s} for s in "67"}
        equal("all warnings", kept["4"], set(traces))
        equal("whole traces", kept["6"], kept["7"])
        check("about a half", 100 < len(kept["6"]) < 300, len(kept["6"]))
        equal("those above the threshold", kept["6"], {t for t in traces if int(t[-14:], 16) >= 1 << 55})
        check("a smaller part is a part of it", few["6"] == few["7"] and few["6"] < kept["6"] and few["6"], few)
    finally:
        x.close()
        y.close()


def rate_limit(out):
    """A burst, then the rate, by the entries' own times; each interval is told; what is exempt is never held back."""
    flood = [{"MESSAGE": f"flood {i}", "SYSLOG_IDENTIFIER": "noisy", "PRIORITY": 2 if i == 500 else 6} for i in range(1000)]
    append_entries(f"{out}/journal/a.journal", flood, step=1000)  # 1000 a second
    append_entries(f"{out}/journal/a.journal", [{"MESSAGE": f"calm {i}", "SYSLOG_IDENTIFIER": "calm"} for i in range(200)],
                   realtime=NOON + 2 * SECOND, monotonic=3 * SECOND, step=SECOND)
    x = exporter(out, "rate_limit=10\nrate_burst=50\nrate_interval=30s", directory=f"{out}/journal", concurrency=1)
    try:
        equal("it ends well", x.once(), 0)
        noisy = [b for b in bodies(x) if b.startswith("flood")]
        equal("the first ones are a burst", noisy[:50], [f"flood {i}" for i in range(50)])
        check("the critical one is there", "flood 500" in noisy)
        check("then ten a second", 58 <= len(noisy) - 1 <= 61, len(noisy))
        equal("others are all there", sum(b.startswith("calm") for b in bodies(x)), 200)
        told = held_back(x)
        equal("it is told once", len(told), 1, told)
        equal("how many, of which", (told[0]["azmonlog.held_back.service"], told[0]["azmonlog.held_back.records"], told[0]["azmonlog.held_back.info"]),
              ("noisy", 1000 - len(noisy), 1000 - len(noisy)))
        record = next(r for r in x.received() if "azmonlog.held_back.records" in r["attributes"])
        equal("as azmonlog's own", (record["service"], record["severity_text"]), ("azmonlog", "warning"))
        check("between the others, when the interval is over", 0 < x.received().index(record) < len(x.received()) - 100)
    finally:
        x.close()


def shown(out):
    """What is left out stands in status, metrics and azmonlog cat --explain, by rule."""
    entries = [{"MESSAGE": f"{i}", "SYSLOG_IDENTIFIER": "web", "PRIORITY": i % 8} for i in range(800)]
    append_entries(f"{out}/journal/a.journal", entries)
    x = exporter(out, "exclude=body~^[0-9]$ && service.name=web\nsample=debug 0\nrate_limit=10\nrate_burst=100\nrate_exempt=alert",
                 more=f"[metrics]\ntextfile={out}/azmonlog.prom\n", directory=f"{out}/journal")
    ask = [x.azmonlog, "status", "--config", f"{out}/azmonlog.conf"]
    try:
        x.start()
        wait_for(lambda: x.acknowledged_usec() >= NOON + 799000 and held_back(x), "the end")
        # 0, 1 of each eight are exempt; the others with one digit are excluded, and all with 7 are sampled
        arrived = len([b for b in bodies(x) if b.isdigit()])
        limited = 800 - 10 - 99 - arrived
        status = json.loads(subprocess.run([*ask, "--json"], stdout=subprocess.PIPE, check=False).stdout)
        equal("status --json", [(r["kind"], r["rule"], r["times"], r["overflows"]) for r in status["rules"]],
              [("exclude", "body~^[0-9]$ && service.name=web", 10, 0), ("sample", "debug 0", 99, 0), ("rate_limit", "10", limited, 0)])
        equal("what is told is what is counted", sum(t["azmonlog.held_back.records"] for t in held_back(x)), limited)
        text = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=False).stdout
        check("status", f"Left out      10 by exclude=body~^[0-9]$ && service.name=web, 99 by sample=debug 0, {limited} by rate_limit=10\n" in text, text)
        equal("read is what goes on", status["read"]["records"], len({r["uid"] for r in x.received()}))
        wait_for(lambda: f'left_out_total{{kind="rate_limit"}} {limited}\n' in open(f"{out}/azmonlog.prom").read(), "the metrics")
        check("metrics", 'azmonlog_records_left_out_total{kind="exclude"} 10\n' in open(f"{out}/azmonlog.prom").read())
        equal("it ends well", x.end(), 0)
        cat = subprocess.run([x.azmonlog, "cat", "--explain", "-c", f"{out}/azmonlog.conf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        said = re.sub(r"(?m)^\w{26} ", "", cat.stderr).splitlines()
        equal("azmonlog cat --explain", (said.count("exclude body~^[0-9]$ && service.name=web: the record"), said.count("sample debug 0: the record"),
                                         said.count("rate_limit 10: the record")), (10, 99, limited))
        equal("and what would leave", len(cat.stdout.splitlines()), arrived + 1)
    finally:
        x.close()


def backfill(out):
    """A backfill goes by the same rules; what a rate limit held back is told before it ends; with other rules it is another one."""
    append_entries(f"{out}/journal/a.journal", [{"MESSAGE": f"{i}", "PRIORITY": 6 + i % 2} for i in range(1000)], step=1000)
    x = exporter(out, "exclude=severity=debug\nrate_limit=10\nrate_burst=100\nrate_interval=1h", directory=f"{out}/journal")
    command = [x.azmonlog, "backfill", "-c", f"{out}/azmonlog.conf", "--since", "2026-09-21T00:00:00Z", "--until", "2026-09-22T00:00:00Z"]

    def call(*more):
        return subprocess.run([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    try:
        dry = call("--dry-run")
        done = call()
        arrived = len([b for b in bodies(x) if b.isdigit()])
        check("it ends well", done.returncode == 0 and "all of it is exported" in done.stdout, done.stdout)
        equal("all that is left, or told", arrived + sum(t["azmonlog.held_back.records"] for t in held_back(x)), 500)
        check("the burst and the rate", 108 <= arrived <= 111, arrived)
        check("a dry run counts just these", re.search(rf"^Records +{arrived + 1}$", dry.stdout, re.M), dry.stdout)
        check("once", "all of it was exported before" in call().stdout)
        x.configure(directory=f"{out}/journal", more="[filter]\ninclude=severity=debug\n")
        equal("with other rules it is another one", call().returncode, 0)
        equal("and sends these", len([b for b in bodies(x) if b.isdigit()]), arrived + 500)
    finally:
        x.close()


def killed(out):
    """SIGKILL anywhere in a backlog: each entry has arrived or is told, just as without a kill."""
    n = 20000
    entries = [{"MESSAGE": f"{i}", "SYSLOG_IDENTIFIER": f"s{i % 3}"} for i in range(n)]
    append_entries(f"{out}/journal/a.journal", entries, step=3000)  # each service 111 a second for a minute
    settings = {"directory": f"{out}/journal", "batch": 100, "concurrency": 2}
    limit = "rate_limit=30\nrate_burst=60\nrate_interval=5s"
    x, whole = exporter(f"{out}/killed", limit, **settings), exporter(f"{out}/whole", limit, **settings)
    try:
        for _ in range(8):
            had = len(x.received())
            x.start()
            wait_for(lambda: len(x.received()) >= had + 300 or not x.running(), "some requests")  # noqa: B023
            x.end(signal.SIGKILL)
        equal("it ends well", (x.once(), whole.once()), (0, 0))

        def outcome(e):
            return ({b for b in bodies(e) if b.isdigit()}, {(t["azmonlog.held_back.service"], t["azmonlog.held_back.from"], t["azmonlog.held_back.to"],
                                                            t["azmonlog.held_back.records"]) for t in held_back(e)})

        arrived, told = outcome(x)
        check("some were killed on their way", len(x.copies()) > 0)
        equal("as many as there are", len(arrived) + sum(t[3] for t in told), n)
        check("the same as without a kill", (arrived, told) == outcome(whole), lambda: (told ^ outcome(whole)[1], len(arrived ^ outcome(whole)[0])))
        equal("one uid for each", len(held_back(x)), len(told))
        check("in several intervals", len(told) >= 30, len(told))
    finally:
        x.close()
        whole.close()


def quiet_again(out):
    """A real flood; when it is over and nothing more is logged, it is told by the clock."""
    x = exporter(out, "rate_limit=5\nrate_burst=10\nrate_interval=2s", more="[journal]\nidentifiers=burst\n")
    try:
        x.start()
        printed("burst", *(f"line {i}" for i in range(500)))
        sync()
        wait_for(lambda: held_back(x), "what was held back")
        lines = [b for b in bodies(x) if b.startswith("line")]
        equal("each line has arrived or is told", len(lines) + sum(t["azmonlog.held_back.records"] for t in held_back(x)), 500)
        equal("it ends well", x.end(), 0)
    finally:
        x.close()


def limit_taken_back(out):
    """What was held back is told also when the limit is gone at the next start."""
    now = time.time_ns() // 1000
    append_entries(f"{out}/journal/a.journal", [{"MESSAGE": f"line {i}"} for i in range(300)], realtime=now, step=100)
    x = exporter(out, "rate_limit=1\nrate_burst=100\nrate_interval=1h", directory=f"{out}/journal")
    try:
        x.start()
        wait_for(lambda: x.acknowledged_usec() >= now + 29900, "the end")
        equal("it is killed", x.end(signal.SIGKILL), -signal.SIGKILL)
        equal("a hundred", len(x.received()), 100)
        check("the rest is known", "limit_held=" in open(f"{x.state}/cursor").read())
        x.configure(directory=f"{out}/journal")
        equal("it ends well", x.once(), 0)
        equal("it is told", [t["azmonlog.held_back.records"] for t in held_back(x)], [200])
        equal("once", x.once(), 0)
        equal("and not again", len(x.received()), 101)
    finally:
        x.close()


run(rules, joined, all_left_out, reload, sampling, rate_limit, shown, backfill, killed, quiet_again, limit_taken_back)
