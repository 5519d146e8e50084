# SPDX-License-Identifier: MIT
"""Redaction, from the journal to the destination: see redact.sh."""
import ctypes
import errno
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from exporter import Exporter  # noqa: E402
from journal_files import NOON, append_entries  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, run, skip  # noqa: E402

REFUSE = 'request * containing "poison" refuse 400 InvalidRecord "odd record"\n'
SECRETS = ("hunter2", "4111 1111", "4111111111111111", "alice@example.com", "MIIEvQIB", "eyJhbGciOiJIUzI1NiJ9", "ORD-77")
ENTRIES = [
    {"MESSAGE": "nothing secret"},
    {"MESSAGE": "login password=hunter2 ok", "USER_MAIL": "alice@example.com", "CARD": "4111111111111111"},
    {"MESSAGE": "paid with 4111 1111 1111 1111 for ORD-77"},
    {"MESSAGE": "-----BEGIN PRIVATE KEY-----\nMIIEvQIB\n-----END PRIVATE KEY-----\n"},
    {"MESSAGE": json.dumps({"msg": "sent", "n": 4111111111111111, "auth": {"password": "hunter2"}, "to": ["x", "alice@example.com"],
                            "alice@example.com": 1})},
    {"MESSAGE": "poison with Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc"},
]
RULES = "[redact]\nrules=all\npattern=order: ORD-\\d+\n"


def exporter(out, journal, more=""):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=journal, batch=2, more=f"[journal]\nparse=auto\n{more}")


def found_in(directory):
    """Which secrets stand in files below it: [(path, secret)]."""
    found = []
    for place, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    data = f.read()
                found += [(path, s) for s in SECRETS if s.encode() in data]
    return found


def cat(x, *options, before=None):
    return subprocess.run([x.azmonlog, "cat", "--config", f"{x.out}/azmonlog.conf", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, preexec_fn=before)


def status(x, *options):
    return subprocess.run([x.azmonlog, "status", "--config", f"{x.out}/azmonlog.conf", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False).stdout


def counts(x):
    told = status(x, "--json")
    return {r["rule"]: r["times"] for r in json.loads(told)["rules"]} if told else {}


def nothing_leaves(out):
    """Destination, quarantine and spool: none of them sees a secret, and uids are those of the entries as they were."""
    append_entries(f"{out}/journal/a.journal", ENTRIES)
    plain, x = exporter(f"{out}/plain", f"{out}/journal"), exporter(f"{out}/redacted", f"{out}/journal", RULES + "[state]\nspool_after=300ms\n")
    try:
        equal("without [redact] it ends well", plain.once(), 0)
        check("and all of them leave", {s for _, s in found_in(f"{out}/plain")} == set(SECRETS), found_in(f"{out}/plain"))
        x.hold()
        x.start()
        wait_for(lambda: os.path.exists(f"{x.state}/spool.db"), "the spool")
        wait_for(lambda: json.loads(status(x, "--json") or '{"spool": {"records": 0}}')["spool"]["records"] == len(ENTRIES), "all of it is spooled")
        equal("no secret is in the spool", found_in(x.out), [])
        x.script(REFUSE)
        wait_for(x.quarantine, "the poison is in quarantine")
        equal("redacted, too", [body for body, _ in x.quarantine()], ["poison with Bearer [redacted:authorization]"])
        wait_for(lambda: len({r["uid"] for r in x.received()}) == len(ENTRIES) - 1, "the others arrive")
        by_uid = {r["uid"]: r for r in x.received()}
        equal("uids are those without redaction", by_uid.keys() | {n["uid"] for _, n in x.quarantine()}, {r["uid"] for r in plain.received()})
        ordered = sorted(by_uid.values(), key=lambda r: int(r["time_unix_nano"]))
        equal("the bodies", [r["body"] for r in ordered],
              ["nothing secret", "login password=[redacted:password] ok", "paid with [redacted:card] for [redacted:order]",
               "[redacted:private_key]", "sent"])
        equal("attributes of fields", [ordered[1]["attributes"][k] for k in ("user_mail", "card")], ["[redacted:mail]", "[redacted:card]"])
        equal("and of a line", {k: v for k, v in ordered[4]["attributes"].items() if k[:4] in ("n", "auth", "to", "[red")},
              {"n": "[redacted:card]", "auth.password": "[redacted:password]", "to": ["x", "[redacted:mail]"], "[redacted:mail]": 1})
        equal("each rule has counted", counts(x), {"private_key": 1, "authorization": 1, "jwt": 1, "connection_string": 0, "password": 2,
                                                   "cloud_key": 0, "card": 3, "mail": 3, "order": 1})
        check("status says so", "\nRedacted      1 private_key, 1 authorization, 1 jwt, 2 password, 3 card, 3 mail, 1 order\n" in status(x),
              status(x))
        equal("the end", x.end(), 0)
        equal("no secret is anywhere", found_in(x.out), [])
    finally:
        plain.close()
        x.close()


def forbid_making_code():
    """As MemoryDenyWriteExecute= of systemd does: PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN. Of Linux 6.3 and later."""
    if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) < 0:
        os._exit(99 if ctypes.get_errno() == errno.EINVAL else 98)


def explained(out):
    """azmonlog cat shows what would leave, and with --explain why; also where patterns cannot be compiled to code."""
    append_entries(f"{out}/journal/a.journal", ENTRIES)
    x = exporter(out, f"{out}/journal", RULES)
    try:
        r = cat(x)
        check("cat", r.returncode == 0 and len(r.stdout.splitlines()) == len(ENTRIES) and not r.stderr, r)
        check("prints no secret", not any(s in r.stdout for s in SECRETS), r.stdout)
        e = cat(x, "--explain")
        equal("--explain prints the same", e.stdout, r.stdout)
        check("and no secret beside it", not any(s in e.stderr for s in SECRETS), e.stderr)
        uids = [json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"][0]["value"]["stringValue"]
                for line in r.stdout.splitlines()]
        equal("which rule did what, where", e.stderr.splitlines(), [
            f"{uids[1]} redact password: the body",
            f"{uids[1]} redact mail: attribute user_mail",
            f"{uids[1]} redact card: attribute card",
            f"{uids[2]} redact card: the body",
            f"{uids[2]} redact order: the body",
            f"{uids[3]} redact private_key: the body",
            f"{uids[4]} redact card: attribute n",
            f"{uids[4]} redact password: attribute auth.password",
            f"{uids[4]} redact mail: attribute to",
            f"{uids[4]} redact mail: the name of attribute [redacted:mail]",
            f"{uids[5]} redact authorization: the body",
            f"{uids[5]} redact jwt: the body",
        ])
        i = cat(x, "--explain", before=forbid_making_code)
        if i.returncode == 99:
            skip("interpreted patterns", "Linux 6.3 and later forbid a process to make code by prctl(2)")
        else:
            equal("interpreted patterns find the same", (i.returncode, i.stdout, i.stderr), (0, e.stdout, e.stderr))
    finally:
        x.close()


def reloaded(out):
    """A reload makes a rule effective for what is read from then on; its counts go on over the next one."""
    append_entries(f"{out}/journal/a.journal", ENTRIES[:2])
    x = exporter(out, f"{out}/journal")

    def reload(more, reloads):
        x.configure(directory=f"{out}/journal", more=more)
        x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: json.loads(status(x, "--json"))["config"]["reloads"] == reloads, "the reload")

    try:
        x.start()
        wait_for(lambda: len(x.received()) == 2, "the first ones")
        check("without a rule", "hunter2" in x.received()[1]["body"], x.received())
        equal("no rules are told of", counts(x), {})
        reload("[redact]\nrules=password mail\n", 1)
        append_entries(f"{out}/journal/a.journal", ENTRIES[1:2], realtime=NOON + 1_000_000, monotonic=2_000_000)
        wait_for(lambda: len(x.received()) == 3, "another one")
        equal("with it", x.received()[2]["body"], "login password=[redacted:password] ok")
        equal("counted", counts(x), {"password": 1, "mail": 1})
        reload("[redact]\nrules=mail\n", 2)
        equal("still counted", counts(x), {"mail": 1})
        x.configure(directory=f"{out}/journal", more="[redact]\nrules=mail\npattern=x: (\n")
        x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: json.loads(status(x, "--json"))["config"]["last_reload_error"], "the reload that fails")
        check("a pattern that is wrong is told with its place, and the rules stay", x.said(
            r"azmonlog\.conf:\d+: pattern: x: the pattern is wrong behind character 1, which is the end of '\('") == 1 and counts(x) == {"mail": 1})
        equal("the end", x.end(), 0)
    finally:
        x.close()


def past(out):
    """A backfill goes by the same rules."""
    append_entries(f"{out}/journal/a.journal", ENTRIES)
    x = exporter(out, f"{out}/journal", RULES)
    try:
        done = subprocess.run([x.azmonlog, "backfill", "--config", f"{x.out}/azmonlog.conf", "--since", f"@{NOON // 1_000_000 - 1}", "--until",
                               f"@{NOON // 1_000_000 + 10}"], stdin=subprocess.DEVNULL, stdout=x.log, stderr=x.log, check=False)
        equal("it ends well", done.returncode, 0)
        equal("all of it arrives", len(x.received()), len(ENTRIES))
        check("and nothing secret", not any(s in json.dumps(r) for r in x.received() for s in SECRETS), x.received())
        equal("nor is it in the state directory", found_in(x.state), [])
    finally:
        x.close()


def too_much(out):
    """A pattern that would take for ever: the text goes as a whole, is counted, told of once, and nothing waits for it."""
    append_entries(f"{out}/journal/a.journal", [{"MESSAGE": "a" * 5000}, {"MESSAGE": "a" * 6000}, {"MESSAGE": "fine"}])
    x = exporter(out, f"{out}/journal", "[redact]\npattern=bad: (a|aa)+$(?<!a)\n")
    try:
        x.start()
        wait_for(lambda: len(x.received()) == 3, "the records")
        equal("the bodies", [r["body"] for r in x.received()], ["[redacted:bad]", "[redacted:bad]", "fine"])
        equal("told once", x.said("to look for bad in a text of 5000 bytes would have taken too much"), 1)
        equal("and not again", x.said("would have taken too much"), 1)
        equal("counted", json.loads(status(x, "--json"))["rules"], [{"kind": "redact", "rule": "bad", "times": 2, "overflows": 2}])
        check("status says so", "Redacted      2 bad; 2 texts as a whole, because a pattern would have taken too much" in status(x), status(x))
        equal("the end", x.end(), 0)
        check("cat explains it", "redact bad: the body, as a whole, because it would have taken too much" in cat(x, "--explain").stderr)
    finally:
        x.close()


def wrong(out):
    """Mistakes are told with the place in the file, and what there is."""
    for lines, words in {
            "rules=mail cards": "4: rules: there is no rule 'cards'; known are: all, private_key, authorization,",
            "rules=mail\npattern=x: [a-": "5: pattern: x: the pattern is wrong behind character 3, which is the end of '[a-': missing terminating ]",
            "pattern=ORD-\\d+": "4: pattern: a pattern is written as NAME: PATTERN",
            "pattern=card: \\d": "4: pattern: card is a ready rule, which rules= switches on"}.items():
        with open(f"{out}.conf", "w") as f:
            f.write(f"[destination]\nendpoint=http://127.0.0.1:9/v1/logs\n[redact]\n{lines}\n")
        r = subprocess.run([os.environ["AZMONLOG"], "cat", "-n", "0", "-c", f.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        check(lines.replace("\n", " "), r.returncode == 78 and f"{f.name}:{words}" in r.stdout, r)


run(nothing_leaves, explained, reloaded, past, too_much, wrong)
