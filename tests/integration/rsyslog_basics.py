# SPDX-License-Identifier: MIT
"""omazuremonitor.so in the stock rsyslogd: see rsyslog_basics.sh."""
import json
import os
import pwd
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import write_secret  # noqa: E402
from journald import wait_for  # noqa: E402
from rsyslogd import (SHIPPED, Destination, Rsyslogd, Sender, action, azmonlog, message,  # noqa: E402
                      quarantine, status)
from tap import check, equal, note, run  # noqa: E402

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
META = ('template(name="meta" type="string" string="%timegenerated:::date-unixtimestamp%.%timegenerated:::date-subseconds% '
        '%fromhost-ip% %inputname%")')


class Setup:
    """One destination and one rsyslogd with `rules`, to which {action} is an action that goes there."""

    def __init__(self, out, rules="{action}", more=SHIPPED, **others):
        self.azure = Destination(f"{out}/azure")
        self.state = f"{out}/state"
        self.r = Rsyslogd(f"{out}/rsyslogd", rules.replace("{action}", action(self.azure, "x", self.state, more)), **others)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.r.close()
        self.azure.close()

    def arrive(self, *messages, kind="tcp"):
        """Sends messages one after the other, so that they arrive in this order; returns their records."""
        found = []
        for m in messages:
            n = len(self.azure.records()) + 1
            self.r.say(m, kind=kind)
            wait_for(lambda n=n: len(self.azure.records()) >= n, "the message arrives")
            found.append(self.azure.records()[-1])
        equal("as many records as messages", len(self.azure.records()), n)
        return found


def without_uid(record):
    return {k: v for k, v in record["attributes"].items() if k != "log.record.uid"}


def kinds_of_messages(out):
    """A message of each kind, and what its record has."""
    with Setup(out) as s:
        s.r.start()
        full, bare, old, traced, parent, broken = s.arrive(
            message("it is full", pri=27, app="df", procid="812", msgid="ID47",
                    data='[disk@32473 name="/var" free="1 \\"%\\""][origin ip="192.0.2.1"]'),
            message("bare", pri=191, host="-", app="-", time="-"),
            "<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed",
            message("in a trace", data=f'[opentelemetry trace_id="{TRACE}" span_id="{SPAN}" trace_flags="01"]'),
            message("of a parent", data=f'[opentelemetry traceparent="00-{TRACE}-{SPAN}-01"]'),
            message("latin1 ", app="odd").encode() + b"\xe4\xff end")
        equal("the body", full["body"], "it is full")
        equal("the time to the microsecond", full["time_unix_nano"], "1795608000123456000")
        check("when it was received", int(full["observed_time_unix_nano"]) > int(full["time_unix_nano"]), full)
        equal("severity from the priority", (full["severity_number"], full["severity_text"]), (17, "err"))
        equal("facility, procid, msgid and structured data", without_uid(full),
              {"syslog.facility": 3, "process.pid": 812, "syslog.procid": "812", "syslog.msgid": "ID47",
               "syslog.disk@32473.name": "/var", "syslog.disk@32473.free": '1 "%"', "syslog.origin.ip": "192.0.2.1"})
        equal("program and host are the resource", full["resource"],
              {"service.name": "df", "service.instance.id": "web1", "host.name": "web1"})
        check("each has a uid", len({r["uid"] for r in s.azure.records()}) == 6, s.azure.records())
        equal("a message without anything", (bare["body"], bare["severity_text"], without_uid(bare)["syslog.facility"]),
              ("bare", "debug", 23))
        equal("RFC 3164", (old["body"], old["severity_text"], old["resource"]["service.name"], old["host"], without_uid(old)),
              ("'su root' failed", "crit", "su", "mymachine",
               {"syslog.facility": 4, "process.pid": 77, "syslog.procid": "77"}))
        for r in (traced, parent):
            equal("trace context", (r.get("trace_id"), r.get("span_id"), r.get("flags"), without_uid(r)),
                  (TRACE, SPAN, 1, {"syslog.facility": 1}))
        equal("invalid UTF-8 is repaired", broken["body"], "latin1 \ufffd\ufffd end")
        for kind in ("ptcp", "unix"):
            equal(f"the same by {kind}", s.arrive(message("it is full", pri=27, app="df"), kind=kind)[0]["body"], "it is full")
        s.r.check_clean(check)


def templates(out):
    """template= is the body, meta.template= says when and from whom, attributes.template= has a JSON object; resource=."""
    head = META + '''
module(load="mmjsonparse")
template(name="upper" type="string" string="%msg:::uppercase%")
template(name="json" type="list" option.jsonf="on") {
  property(outname="size" name="rawmsg-after-pri" format="jsonf" onEmpty="null")
  constant(outname="fixed" value="yes" format="jsonf")
  constant(outname="trace_id" value="''' + TRACE + '''" format="jsonf")
}
template(name="all" type="subtree" subtree="$!")
template(name="own" type="subtree" subtree="$!body")
'''
    more = SHIPPED + ' resource=["service.name=shop", "deployment.environment=test"]'
    azures = {n: Destination(f"{out}/azure-{n}") for n in ("plain", "json", "parsed", "subtree")}
    rules = (action(azures["plain"], "plain", f"{out}/plain", more + ' template="upper" meta.template="meta"') +
             action(azures["json"], "json", f"{out}/json", SHIPPED + ' attributes.template="json"') +
             'action(type="mmjsonparse")\nif $parsesuccess == "OK" then {\n' +
             action(azures["parsed"], "parsed", f"{out}/parsed", SHIPPED + ' attributes.template="all"') +
             action(azures["subtree"], "subtree", f"{out}/subtree", SHIPPED + ' template="own"') + "}\n")
    r = Rsyslogd(f"{out}/rsyslogd", rules, head=head)
    sent = {"n": 5, "big": 2 ** 53 + 1, "real": 0.5, "yes": True, "nothing": None, "list": ["a", 1], "in": {"side": "x"},
            "traceId": TRACE, "body": {"text": "mine"}}
    try:
        r.start()
        r.say(message('@cee: ' + json.dumps(sent), app="app"))
        for a in azures.values():
            wait_for(a.records, "the message arrives")
        plain, from_list, parsed, subtree = [azures[n].records()[0] for n in azures]
        equal("template=", plain["body"], ("@cee: " + json.dumps(sent)).upper())
        equal("meta.template=", {k: v for k, v in without_uid(plain).items() if k != "syslog.facility"},
              {"client.address": "127.0.0.1", "syslog.input": "imtcp"})
        check("when it was received, to the microsecond", int(plain["observed_time_unix_nano"]) % 10**9 != 0, plain)
        equal("resource=; what the program calls itself is kept", plain["resource"],
              {"service.name": "shop", "deployment.environment": "test", "service.instance.id": "web1", "host.name": "web1",
               "syslog.identifier": "app"})
        equal("attributes.template= with a list template", without_uid(from_list).get("fixed"), "yes")
        equal("a trace id in it is the record's", from_list.get("trace_id"), TRACE)
        equal("attributes.template= with mmjsonparse", {k: v for k, v in without_uid(parsed).items() if k != "syslog.facility"},
              {"n": 5, "big": 2 ** 53 + 1, "real": "0.5", "yes": "true", "list": ["a", "1"], "in.side": "x", "body.text": "mine"})
        equal("its traceId, too", parsed.get("trace_id"), TRACE)
        equal("a subtree template", json.loads(subtree["body"]), {"text": "mine"})
        r.check_clean(check)
    finally:
        r.close()
        for a in azures.values():
            a.close()


def redaction(out):
    """What is secret is not even in the spool, by whichever way the message had it."""
    secrets = ("hunter2", "4111111111111111", "bob@example.com", "ORD-77", "s3cr3t")
    rules = 'set $!note = "to bob@example.com";\nset $!db!password = "s3cr3t";\n{action}'
    more = SHIPPED + r' parse="auto" redact.rules=["password", "card, mail"] redact.pattern=["order: \\bORD-\\d+"] attributes.template="json"'
    with Setup(out, rules, more, head='template(name="json" type="subtree" subtree="$!")') as s:
        s.azure.hold()
        s.r.start()
        s.r.say(message("login password=hunter2 for ORD-77", data='[x@1 card="4111111111111111"]'),
                message(json.dumps({"msg": "sent", "password": "hunter2", "to": ["bob@example.com"]})))
        wait_for(lambda: status(s.state).get("spool", {}).get("records") == 2, "both are in the spool")
        found = [(name, secret) for name in os.listdir(s.state) if os.path.isfile(f"{s.state}/{name}")
                 for secret in secrets if secret.encode() in open(f"{s.state}/{name}", "rb").read()]
        equal("no secret is in any file of the action", found, [])
        s.azure.release()
        wait_for(lambda: len(s.azure.records()) >= 2, "both arrive")
        first, second = sorted(s.azure.records(), key=lambda r: r["body"])
        equal("the body", first["body"], "login password=[redacted:password] for [redacted:order]")
        equal("structured data", first["attributes"]["syslog.x@1.card"], "[redacted:card]")
        equal("JSON of a template", [first["attributes"][k] for k in ("note", "db.password")], ["to [redacted:mail]", "[redacted:password]"])
        equal("a line of JSON", [second["body"], second["attributes"]["password"], second["attributes"]["to"]],
              ["sent", "[redacted:password]", ["[redacted:mail]"]])
        wait_for(lambda: s.r.statistics("x").get("redacted") == 9, "impstats counts the places")
        equal("status by rule", {r["rule"]: r["times"] for r in status(s.state)["rules"]}, {"password": 4, "card": 1, "mail": 3, "order": 1})
        s.r.check_clean(check)


def two_destinations(out):
    """Two actions: each has its state, and one that is down does not keep the other back."""
    azures = [Destination(f"{out}/azure-{i}") for i in (1, 2)]
    r = Rsyslogd(f"{out}/rsyslogd", "".join(action(a, f"to-{i}", f"{out}/state/{i}") for i, a in enumerate(azures, 1)))
    try:
        os.mkdir(f"{out}/state")
        azures[1].hold()
        r.start()
        s = Sender(r)
        s.send(500)
        wanted = s.finish()
        equal("the first one gets everything", azures[0].wait_for_numbers(wanted), set())
        wait_for(lambda: status(f"{out}/state/2")["lag"]["records"] == 500, "all of it waits for the second one")
        equal("nothing waits for the first one", status(f"{out}/state/1")["lag"]["records"], 0)
        azures[1].release()
        equal("then the second one gets everything, too", azures[1].wait_for_numbers(wanted), set())
        equal("each once", [a.copies()[1] for a in azures], [0, 0])
        equal("of different uids", len({x["uid"] for a in azures for x in a.records()}), 1000)
        r.check_clean(check)
    finally:
        r.close()
        for a in azures:
            a.close()


def three_workers(out):
    """queue.workerThreads=3: workers commit at the same time."""
    with Setup(out, more=SHIPPED + ' queue.type="LinkedList" queue.timeoutShutdown="10000" queue.dequeueBatchSize="100" '
                                   'queue.workerThreads="3" queue.workerThreadMinimumMessages="50"') as s:
        s.r.start()
        senders = [Sender(s.r, kind) for kind in ("tcp", "ptcp", "tcp")]
        for x in senders:
            x.start()
        wait_for(lambda: min(x.sent for x in senders) >= 3000 and s.r.workers("x") == 3,
                 "three workers at work")
        wanted = set().union(*(x.finish() for x in senders))
        equal("all arrived", s.azure.wait_for_numbers(wanted), set())
        equal("each once", s.azure.copies(), (0, 0))
        equal("each with a uid of its own", len({x["uid"] for x in s.azure.records()}), len(wanted))
        note(f"{len(wanted)} messages in {s.azure.stats()['requests']} requests")
        s.r.check_clean(check)


def many_names(out):
    """A relay: a transaction with more hosts and programs than anybody could count on."""
    with Setup(out, more=SHIPPED + ' queue.type="LinkedList" queue.timeoutShutdown="10000" queue.dequeueBatchSize="1024" '
                                   'queue.minDequeueBatchSize="1000" queue.minDequeueBatchSize.timeout="5000"') as s:
        s.r.start()
        n = 2500
        s.r.say(*(message(f"line {i}", host=f"host{i}", app=f"app{i}") for i in range(n)))
        wait_for(lambda: len(s.azure.records()) >= n, "all messages arrive")
        equal("each once, of its own host and program",
              sorted((r["resource"]["host.name"], r["resource"]["service.name"], r["body"]) for r in s.azure.records()),
              sorted((f"host{i}", f"app{i}", f"line {i}") for i in range(n)))
        equal("none was refused meanwhile", s.r.said("suspended"), 0)
        s.r.check_clean(check)


def a_daemon(out):
    """Without -n rsyslogd forks when its configuration is read, and closes what was open: the module has opened nothing."""
    with Setup(out) as s:
        s.r.start(daemon=True)
        equal("a message arrives", s.arrive(message("hello"))[0]["body"], "hello")
        equal("it can be asked", status(s.state)["pid"], s.r.pid)
        s.r.check_clean(check)


def as_nobody(out):
    """$PrivDropToUser: the state directory is made, and used, by that user; also as a daemon."""
    if os.geteuid() != 0:
        note("skipped: needs root to drop privileges")
        return
    nobody = pwd.getpwnam("nobody")
    for daemon in (False, True):
        note("as a daemon" if daemon else "in the foreground")
        place = f"{out}/{'daemon' if daemon else 'foreground'}"
        with Setup(place) as s:
            for path in (s.r.out, f"{s.r.out}/work", f"{place}/spool"):
                os.makedirs(path, exist_ok=True)
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            s.state = f"{place}/spool/x"
            s.r.configure(action(s.azure, "x", s.state), head="$PrivDropToUser nobody\n$PrivDropToGroup nogroup\n")
            subprocess.run(["chmod", "-R", "go+rX", place], check=True)
            for path in (sys.argv[1], out):  # mktemp -d made one that only root may enter
                os.chmod(path, 0o711)
            s.r.start(daemon)
            equal("it is nobody", os.stat(f"/proc/{s.r.pid}").st_uid, nobody.pw_uid)
            equal("a message arrives", s.arrive(message("hello"))[0]["body"], "hello")
            equal("what it keeps is nobody's", {os.stat(f"{s.state}/{f}").st_uid for f in os.listdir(s.state)}, {nobody.pw_uid})
            check("and private", not os.stat(f"{s.state}/spool.db").st_mode & 0o077, oct(os.stat(f"{s.state}/spool.db").st_mode))
            s.r.check_clean(check)


def rotated_credentials(out):
    """HUP: headers_file= is read anew."""
    secret = write_secret(f"{out}/secret", "Authorization: Bearer the-old-one\nX-Tenant: a\n")
    with Setup(out, more=f'{SHIPPED} headers_file="{secret}"') as s:
        s.r.start()
        s.arrive(message("before"))
        write_secret(secret, "Authorization: Bearer the-new-one\nX-Tenant: a\n")
        s.r.hup()
        wait_for(lambda: status(s.state)["config"]["reloads"] == 1, "it is read anew")
        s.arrive(message("after"))
        wait_for(lambda: len({x["token"] for x in s.azure.requests()}) >= 2, "requests with both are noted")
        tokens = [x["token"] for x in s.azure.requests()]
        check("the new credential goes", None not in tokens and len(set(tokens)) == 2, s.azure.requests())
        wait_for(lambda: s.r.said("read anew"), "the log says so")
        equal("no secret is in the log", s.r.said("the-old-one|the-new-one"), 0)
        write_secret(secret, "no header\n")
        s.r.hup()
        wait_for(lambda: status(s.state)["config"]["last_reload_error"], "a bad one is noticed")
        s.arrive(message("as before"))
        equal("and the old one goes on", s.azure.requests()[-1]["token"], tokens[1])
        s.r.check_clean(check)


def refused_credentials(out):
    """401: headers_file= is read anew without HUP, too."""
    secret = write_secret(f"{out}/secret", "Authorization: Bearer old\n")
    with Setup(out, more=f'{SHIPPED} headers_file="{secret}"') as s:
        s.azure.script("request * status 401\n")
        s.r.start()
        s.r.say(message("held"))
        wait_for(lambda: status(s.state)["state"] == "held", "it is held")
        write_secret(secret, "Authorization: Bearer new\n")
        wait_for(lambda: len({x["token"] for x in s.azure.requests()}) == 2, "the new one goes")
        s.azure.release()
        wait_for(s.azure.records, "the message arrives")
        s.r.check_clean(check)


def asked(out):
    """azmonlog status, flush and quarantine with --state-directory."""
    with Setup(out) as s:
        s.azure.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
        s.r.configure(action(s.azure, "x", s.state).replace('schedule_delay="100ms"', 'schedule_delay="1h"'))
        s.r.start()
        for text in ("good 1", "poison", "good 2"):
            s.r.say(message(text, app=text.split()[0]))
        wait_for(lambda: status(s.state)["lag"]["records"] == 3, "they are in the spool")
        equal("nothing goes for an hour", s.azure.records(), [])
        r = azmonlog("flush", "--timeout", "60s", "--state-directory", s.state)
        equal("flush succeeds", r.returncode, 0, r.stdout)
        equal("when it ends the good ones have arrived", sorted(x["body"] for x in s.azure.records()), ["good 1", "good 2"])
        now = status(s.state)
        equal("status", (now["state"], now["pid"], now["lag"]["records"], now["quarantine"]["records"]),
              ("delivering", s.r.pid, 0, 1), now)
        r = azmonlog("status", "--state-directory", s.state)
        check("status for people names the destination", r.returncode == 0 and s.azure.endpoint() in r.stdout, r.stdout)
        r = azmonlog("quarantine", "list", "--state-directory", s.state)
        check("quarantine list", r.returncode == 0 and "refused" in r.stdout and "odd" in r.stdout, r.stdout)
        equal("what is in it", quarantine(s.state), ["poison"])
        mode = os.stat(f"{s.state}/quarantine.jsonl").st_mode
        equal("the group may read it", stat.S_IMODE(mode), 0o640)
        s.r.check_clean(check)
        r = azmonlog("status", "--state-directory", s.state)
        check("nobody answers when rsyslogd has ended", r.returncode != 0, r.stdout)


def counters(out):
    """impstats: what was handed over, put on disk, sent."""
    with Setup(out) as s:
        s.azure.script('request 1 status 503\nrequest * containing "poison" refuse 400 InvalidRecord "odd"\n')
        s.r.start()
        x = Sender(s.r)
        x.send(400)
        wanted = x.finish()
        s.azure.wait_for_numbers(wanted)
        s.r.say(message("poison"))
        s.r.say(message("good"))

        def settled():
            c = s.r.statistics("x")
            return c if c and c["exported"] + c["quarantined"] == 402 and c["backlog"] == 0 else None

        wait_for(settled, "the counters")
        c = settled()
        note(c)
        equal("messages handed over, on disk, not taken", (c["submitted"], c["spooled"], c["not_spooled"]), (402, 402, 0))
        equal("exported and quarantined", (c["exported"], c["quarantined"]), (401, 1))
        wait_for(lambda: s.azure.stats()["requests"] >= c["requests"], "the destination has counted them all")
        equal("requests are as many as the destination has seen", c["requests"], s.azure.stats()["requests"])
        check("one was tried again", c["retries"] >= 1, c)
        check("bytes", c["bytes.sent"] > 402, c)
        equal("it is not held", c["held"], 0)
        core = s.r.statistics("x", "core.action")
        equal("rsyslog's own", (core.get("processed"), core.get("failed"), core.get("suspended")), (402, 0, 0), core)
        s.azure.script("request * status 403\n")
        s.r.say(message("held"))
        wait_for(lambda: s.r.statistics("x")["held"] == 1 and s.r.statistics("x")["backlog"] == 1, "held, and a backlog of one")
        s.r.check_clean(check)


def idle_end(out):
    """SIGTERM while nothing is to be done, and before anything was."""
    with Setup(out) as s:
        s.r.start()
        s.r.check_clean(check)
        s.r.start()
        s.arrive(message("hello"))
        s.r.check_clean(check)
        s.r.start()
        equal("no record comes again", (s.r.end(), len(s.azure.records())), (0, 1))


def without_a_spool(out):
    """The state directory cannot be made: rsyslog keeps its messages, says so, and they go when it can be."""
    with Setup(out, ruleset='queue.type="LinkedList" queue.timeoutShutdown="10000"') as s:
        with open(s.state, "w"):
            pass  # a file in its place
        s.r.start()
        x = Sender(s.r)
        x.send(100)
        wanted = x.finish()
        wait_for(lambda: s.r.said(re.escape(s.state) + ".*rsyslog keeps its messages"), "it says so")
        os.unlink(s.state)
        equal("all arrived", s.azure.wait_for_numbers(wanted), set())
        equal("each once", s.azure.copies(), (0, 0))
        wait_for(lambda: s.r.said("takes messages again"), "it says that, too")
        s.r.check_clean(check)


def heartbeats(out):
    """An action that beats, also without messages; what it says is of rsyslogd's own host, and no row of the spool waits for it."""
    with Setup(out, more=SHIPPED + ' metrics.heartbeat="300ms"') as s:
        s.r.start()
        wait_for(lambda: len(s.azure.records()) >= 3, "three heartbeats")
        s.r.say(message("it is full"))
        wait_for(lambda: any(r["body"] == "it is full" for r in s.azure.records()), "the message")
        wait_for(lambda: status(s.state)["lag"]["records"] == 0, "its acknowledgement")
        known = len(s.azure.records())
        wait_for(lambda: len(s.azure.records()) >= known + 2, "two more heartbeats")
        told = status(s.state)
        s.r.check_clean(check)
        beats = [r for r in s.azure.records() if r.get("event_name") == "azmonlog.heartbeat"]
        equal("one message", len(s.azure.records()) - len(beats), 1)
        equal("and one was read", (told["read"]["records"], told["spool"]["records"]), (1, 0))
        equal("of azmonlog on this host", (beats[0]["service"], beats[0]["host"]), ("azmonlog", os.uname().nodename))
        equal("of this action", {r["attributes"]["azmonlog.heartbeat.source"] for r in beats}, {s.state})
        equal("states", [r["attributes"]["azmonlog.heartbeat.state"] for r in beats], ["delivering"] * (len(beats) - 1) + ["stopping"])


def lines_of_json(out):
    """parse=: a message that is JSON or logfmt is taken apart; what rsyslog knows goes before what it says."""
    with Setup(out, more=SHIPPED + ' parse="auto"') as s:
        s.r.start()
        taken, logfmt, plain = s.arrive(
            message(json.dumps({"level": "warn", "msg": "slow", "traceId": TRACE, "http": {"status": 200}, "syslog.procid": "1"}), procid="812"),
            message('level=error msg="no disk" path=/var'), message("it is full"))
        equal("the message of JSON is the body", (taken["body"], taken["severity_text"], taken["trace_id"]), ("slow", "warning", TRACE))
        equal("its members are attributes", [taken["attributes"].get(k) for k in ("http.status", "syslog.procid")], [200, "812"])
        equal("logfmt", [logfmt["body"], logfmt["severity_text"], logfmt["attributes"].get("path")], ["no disk", "err", "/var"])
        equal("plain", plain["body"], "it is full")
        s.r.check_clean(check)


run(kinds_of_messages, lines_of_json, templates, redaction, two_destinations, three_workers, many_names, a_daemon, as_nobody, rotated_credentials, refused_credentials,
    asked, counters, heartbeats, idle_end, without_a_spool)
