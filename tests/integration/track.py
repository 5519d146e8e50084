# SPDX-License-Identifier: MIT
"""Application Insights: see track.sh."""
import collections
import datetime
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import NOBODY, Azmonlog, Azure, make_certificates, read_lines  # noqa: E402
from journal_files import append_entries  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

ALL_WELL = "# no rule\n"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: bad'
DAY = 86400


def azmonlog(out, azure, lines="", **options):
    return Azmonlog(f"{out}/x", azure.destinations()["connection_string="] + lines, azure.environment(), **options)


def log(x, entries, ago=0):
    """Entries of any fields, `ago` seconds old."""
    append_entries(f"{x.journal}/a.journal", entries, x.usec - ago * 1_000_000, 1_000_000 + len(x.texts) * 1000)
    x.usec += 1000 * len(entries) + 1000
    x.texts += [e["MESSAGE"] for e in entries]


def check_arrived(x, azure, texts=None, copies=False):
    """Just these (else all that was logged), each once; with `copies` perhaps again, with its uid."""
    texts = x.texts if texts is None else texts
    wait_for(lambda: set(azure.bodies()) >= set(texts), "all arrived")
    if x.process:
        equal("the end", x.end(), 0, x.logged)
    if copies:
        uids = collections.defaultdict(set)
        for r in azure.records():
            uids[r["body"]].add(r["uid"])
        equal("all arrived, and nothing else", set(uids), set(texts))
        check("a copy has the uid of the first one", all(len(u) == 1 for u in uids.values()))
    else:
        equal("all arrived, each once", sorted(azure.bodies()), sorted(texts))


def quarantine(x):
    return [(line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"], line["azmonlog"])
            for line in read_lines(f"{x.state}/quarantine.jsonl")]


def usec_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6


def what_arrives(out):
    """A record is a trace, with role, instance, severity and operation; one with an exception is an exception."""
    azure = Azure(f"{out}/azure", auth=False)
    x = azmonlog(out, azure)
    try:
        log(x, [{"MESSAGE": f"of priority {p}", "PRIORITY": p} for p in range(8)])
        log(x, [{"MESSAGE": "within a trace", "TRACE_ID": TRACE, "SPAN_ID": SPAN, "SYSLOG_IDENTIFIER": "shop", "ORDER": 7},
                {"MESSAGE": "it failed", "PRIORITY": 3, "EXCEPTION_TYPE": "ValueError", "EXCEPTION_MESSAGE": "bad",
                 "EXCEPTION_STACKTRACE": STACK, "TRACE_ID": TRACE, "SPAN_ID": SPAN}])
        equal("ends", x.once(), 0, x.logged)
        check_arrived(x, azure, x.texts[:-1] + ["bad"])
        items = {r["body"]: r for r in azure.records()}
        equal("severities", [items[f"of priority {p}"]["severity_level"] for p in range(8)], [4, 3, 3, 3, 2, 1, 1, 0])
        trace = items["within a trace"]
        equal("a trace", (trace["base_type"], trace["name"]),
              ("MessageData", "Microsoft.ApplicationInsights.Message"))
        equal("role and instance", (trace["role"], trace["instance"]), ("shop", "files"))
        equal("operation and parent", (trace["operation_id"], trace["parent_id"]), (TRACE, SPAN))
        equal("without a trace there is no operation", [r for r in items.values() if r.get("operation_id") not in (TRACE, None)], [])
        equal("what the program said of itself", trace["properties"].get("order"), "7")
        check("the uid", len(trace["properties"]["log.record.uid"]) == 26, trace)
        failed = items["bad"]
        equal("an exception", failed["base_type"], "ExceptionData")
        e = failed["exceptions"][0]
        equal("its type, message and stack", (e["typeName"], e["message"], e.get("stack")), ("ValueError", "bad", STACK))
        equal("severity, operation, the record's own message",
              (failed["severity_level"], failed["operation_id"], failed["properties"].get("message")), (3, TRACE, "it failed"))
        check("without a token", not any(r["authorization"] for r in azure.requests()))
    finally:
        x.close()
        azure.close()


def refused_items(out):
    """206: the refused items go into quarantine with the server's words, the others arrive once."""
    azure = Azure(f"{out}/azure", auth=False)
    x = azmonlog(out, azure)
    try:
        azure.script('request * items 400 "poison" "Field \'x\' is odd"\n')
        log(x, [{"MESSAGE": f"poison {i}" if i % 7 == 3 else f"good {i}"} for i in range(100)])
        x.start()
        good = [t for t in x.texts if t.startswith("good")]
        check_arrived(x, azure, good)
        equal("the others are in quarantine", sorted(t for t, _ in quarantine(x)), sorted(set(x.texts) - set(good)))
        check("with status and words", all(n["status"] == 400 and n["message"] == "Field 'x' is odd" and n["reason"] == "refused"
                                           for _, n in quarantine(x)), quarantine(x)[:1])
        r = x.run("quarantine", "list")
        check("quarantine list shows them", "Field 'x' is odd" in r.stdout and "14 records" in r.stdout, r.stdout)
        check("one request for each batch was enough", azure.stats()["requests"] <= 5 + 3, azure.stats())
        azure.script(ALL_WELL)
        r = x.run("quarantine", "resend", "--all")
        equal("they can be sent again", r.returncode, 0, r.stdout)
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def items_to_repeat(out):
    """Items that the server could not take just now arrive later, and only they are sent again."""
    azure = Azure(f"{out}/azure", auth=False)
    try:
        for status in (408, 429, 500, 503):
            note(status)
            azure.reset()
            azure.script(f'request 1-3 items {status} "later" "busy"\n')
            x = azmonlog(f"{out}/{status}", azure)
            later = range(0, 60, 3) # scattered: they come again in one request
            log(x, [{"MESSAGE": f"later {i}" if i in later else f"good {i}"} for i in range(60)])
            x.start()
            check_arrived(x, azure)
            equal("nothing is in quarantine", quarantine(x), [])
    finally:
        x.close()
        azure.close()


def quota(out):
    """The daily quota is used up, of a request or of items in it: held, status says so, and nothing is lost."""
    azure = Azure(f"{out}/azure", auth=False)
    try:
        for name, script in [("request", 'request * status 439 body "{\\"itemsReceived\\":1,\\"itemsAccepted\\":0,\\"errors\\":[]}"\n'),
                             ("402", "request * status 402\n"),
                             ("items", 'request * items 439 "over" "Daily quota exceeded"\n'),
                             ("everything", 'request * items 439 "o" "Daily quota exceeded"\n')]:
            note(name)
            azure.reset()
            azure.script(script)
            x = azmonlog(f"{out}/{name}", azure)
            log(x, [{"MESSAGE": f"over {i}" if i % 2 else f"good {i}"} for i in range(60)])
            x.start()
            wait_for(lambda: x.status().get("state") == "held", "it is held")
            s = x.status()
            check("status says why, and what to do", "quota" in s["error"]["remedy"], s["error"])
            azure.script(ALL_WELL)
            check_arrived(x, azure)
            equal("nothing is in quarantine", quarantine(x), [])
    finally:
        x.close()
        azure.close()


def unknown_key(out):
    """An instrumentation key that the server does not know refuses every record: held, and nothing goes into quarantine."""
    azure = Azure(f"{out}/azure", auth=False)
    x = Azmonlog(f"{out}/x", f"connection_string={azure.connection_string(NOBODY)}\n", azure.environment())
    try:
        x.write(60)
        x.start()
        wait_for(lambda: x.status().get("state") == "held", "it is held")
        s = x.status()
        check("and says what to look at", "instrumentation key" in s["error"]["remedy"], s["error"])
        equal("nothing is in quarantine", quarantine(x), [])
        x.configure(azure.destinations()["connection_string="])
        x.reload()
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def redirected(out):
    """307 and 308 to a host with a name of Azure's: followed with the token, and remembered, until it is gone."""
    make_certificates(out)
    for status in (307, 308):
        for entra in (False, True):
            note(f"{status}, {'with' if entra else 'without'} a token")
            base = f"{out}/{status}{entra}"
            home = Azure(f"{base}/home", files=out, certificate="good", auth=entra)
            os.makedirs(f"{base}/region")
            os.link(f"{base}/home/token-key", f"{base}/region/token-key")
            region = Azure(f"{base}/region", files=out, certificate="good", auth=entra)
            x = azmonlog(base, home, f"tls_ca_file={out}/ca.pem\ningest_suffix=0.0.1\n" + ("auth=imds\n" if entra else ""))
            try:
                home.script(f'request * status {status} header "Location: {region.url}/v2.1/track"\n')
                x.write(20)
                x.start()
                wait_for(lambda: len(region.records()) == 20, "the first ones have arrived there")
                for _ in range(10):
                    x.write(40)
                    time.sleep(0.05)
                wait_for(lambda: set(region.bodies()) >= set(x.texts), "all arrived there")
                equal("each once", sorted(region.bodies()), sorted(x.texts))
                requests = len(home.requests())
                check("home was asked at the beginning only", requests <= 4 < len(region.requests()), requests)
                check("the token went along" if entra else "there was no token",
                      all(r["authorization"] == entra for r in region.requests()))
                region.end()
                home.script(ALL_WELL)
                more = x.write(40)
                wait_for(lambda: set(home.bodies()) >= set(more), "when it is gone, home takes them")
                equal("all arrived, each once", sorted(region.bodies() + home.bodies()), sorted(x.texts))
                equal("the end", x.end(), 0, x.logged)
            finally:
                x.close()
                home.close()
                region.close()


def old_entries(out):
    """What is older than 48 hours would be refused, or get another time silently: it says when it happened."""
    for destination in ("connection_string=", "dce= and dcr="):
        note(destination)
        azure = Azure(f"{out}/{destination[0]}/azure", auth=False)
        x = Azmonlog(f"{out}/{destination[0]}/x", azure.destinations()[destination], azure.environment())
        try:
            usec = x.usec - 3 * DAY * 1_000_000
            append_entries(f"{x.journal}/a.journal", [{"MESSAGE": "old"}], usec)
            append_entries(f"{x.journal}/a.journal", [{"MESSAGE": "recent"}], x.usec, 2_000_000)
            x.texts = ["old", "recent"]
            equal("ends", x.once(), 0, x.logged)
            check_arrived(x, azure)
            old, recent = (next(r for r in azure.records() if r["body"] == text) for text in x.texts)
            said = [r.get("properties" if destination[0] == "c" else "attributes").get("azmonlog.original_time") for r in (old, recent)]
            check("the old one has its time beside it", said[0] and abs(usec_of(said[0]) - usec) < 2, f"{said[0]}, {usec}")
            equal("the recent one does not need that", said[1], None)
            equal("its time is its own", int(recent["time_unix_nano"]) // 1_000_000, x.usec // 1000)
            if destination[0] == "c":  # Azure's OTLP endpoint replaces the time by itself
                check("it arrives with the time of sending", abs(int(old["time_unix_nano"]) / 1000 - time.time_ns() / 1000) < 60e6,
                      json.dumps(old))
        finally:
            x.close()
            azure.close()


def killed(out):
    """kill -9 in the middle of all that: everything arrives, or is in quarantine; a copy has its uid."""
    dice = random.Random(int(os.environ.get("SEED", "5")))
    azure = Azure(f"{out}/azure", auth=False)
    x = azmonlog(out, azure)
    scripts = [ALL_WELL, 'request * items 500 "7" "busy"\n', 'request * items 439 "3" "quota"\n', "request * delay 100ms\n",
               "request * stored-then-reset\n", "request * status 503\n", "request * truncated\n"]
    poison = 'request * items 400 "poison" "odd"\n'  # the first rule that matches decides: it comes alone
    n = 0
    try:
        for _ in range(20):
            azure.script(dice.choice(scripts + [poison] * 3))
            log(x, [{"MESSAGE": f"{'poison' if i % 10 == 5 else 'good'} {i}"} for i in range(n, n + 40)], ago=dice.choice((0, 3 * DAY)))
            n += 40
            x.start()
            time.sleep(dice.uniform(0.05, 0.5))
            equal("killed", x.end(signal.SIGKILL), -signal.SIGKILL)
        azure.script(ALL_WELL)
        x.start()
        wait_for(lambda: set(azure.bodies()) | {t for t, _ in quarantine(x)} >= set(x.texts), "all is there")
        equal("the end", x.end(), 0, x.logged)
        kept = {t for t, _ in quarantine(x)}
        equal("all arrived or is in quarantine, and nothing else", set(azure.bodies()) | kept, set(x.texts))
        check("where there is only poison", all(t.startswith("poison") for t in kept), kept)
        uids = collections.defaultdict(set)
        for r in azure.records():
            uids[r["body"]].add(r["uid"])
        check("a copy has the uid of the first one", all(len(u) == 1 for u in uids.values()))
    finally:
        x.close()
        azure.close()


run(what_arrives, refused_items, items_to_repeat, quota, unknown_key, redirected, old_entries, killed)
