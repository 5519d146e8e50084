# SPDX-License-Identifier: MIT
"""What a program can say of itself: see security_forged.sh and SECURITY.md."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import rsyslogd  # noqa: E402
from exporter import Exporter  # noqa: E402
from journald import wait_for  # noqa: E402
from stranger import STRANGER, as_stranger, run_as_stranger  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

NATIVE = '''
import array, fcntl, os, socket, sys, time
data = sys.stdin.buffer.read()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect("/run/systemd/journal/socket")
    s.send(data)
    print(os.getpid(), flush=True)
    time.sleep(0.5)  # journald looks for what is known of a living process
'''


def log_as_stranger(data):
    """By the journal's native protocol; returns the pid of the sender."""
    r = subprocess.run(as_stranger(sys.executable, "-c", NATIVE),
                       input=data, stdout=subprocess.PIPE, check=True)
    return int(r.stdout)


def forged_in_the_journal(out):
    """A program says that it is another one, on another machine, at another time: what journald knows is not overwritten."""
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/x",
                 more="[journal]\nfields=full\n[resource]\ndeployment.environment=production\nteam=ours\n")
    forged = b"\n".join([
        b"MESSAGE=forged", b"_SYSTEMD_UNIT=sshd.service", b"_SYSTEMD_INVOCATION_ID=00112233445566778899aabbccddeeff", b"_PID=1",
        b"_UID=0", b"_COMM=sshd", b"_EXE=/usr/sbin/sshd", b"_HOSTNAME=evil", b"_MACHINE_ID=00112233445566778899aabbccddeeff",
        b"_BOOT_ID=00112233445566778899aabbccddeeff", b"_TRANSPORT=driver", b"_SOURCE_REALTIME_TIMESTAMP=1", b"__CURSOR=x",
        b"__REALTIME_TIMESTAMP=1", b"host.name=evil", b"HOST_NAME=evil", b"service.instance.id=evil", b"log.record.uid=evil",
        b"LOG_RECORD_UID=evil", b"azmonlog.gap.reason=vacuumed", b"AZMONLOG_GAP_REASON=vacuumed", b"journald.uid=0", b"JOURNALD_UID=0",
        b"MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e", b"N_DROPPED=999", b"DEPLOYMENT_ENVIRONMENT=test", b"TEAM=theirs",
        b"SYSLOG_IDENTIFIER=azmonlog", b"PRIORITY=6", b""])
    try:
        before = time.time_ns()
        pid = log_as_stranger(forged)
        log_as_stranger(b"MESSAGE=honest\n")
        run_as_stranger("logger", "--id=1", "-t", "kernel", "by syslog")
        subprocess.run(["journalctl", "-q", "--sync"], check=True, timeout=60)
        x.start()
        bodies = lambda: {r.get("body"): r for r in x.received()}  # noqa: E731
        wait_for(lambda: {"forged", "honest", "by syslog"} <= bodies().keys(), "all arrived")
        r, honest, syslog = [bodies()[b] for b in ("forged", "honest", "by syslog")]
        a = r["attributes"]
        note(json.dumps(r))
        equal("the process", a.get("process.pid"), pid)
        equal("its user", (a.get("journald.uid"), syslog["attributes"].get("journald.uid")), (str(STRANGER),) * 2)
        check("its name", r["resource"].get("process.executable.name") not in ("sshd", None), r)
        check("its unit", r["resource"].get("systemd.unit") != "sshd.service" and "sshd" not in r["resource"]["service.name"], r)
        check("and they are the resource's only", not {"process.executable.name", "systemd.unit"} & a.keys(), r)
        equal("how it came", (a.get("journald.transport"), syslog["attributes"].get("journald.transport")), ("journal", "syslog"))
        check("whatever it calls itself, it is not the kernel", syslog["attributes"]["process.pid"] != 1, syslog)
        equal("the machine", {k: r["resource"].get(k) for k in ("host.name", "host.id", "service.instance.id", "os.type")},
              {k: honest["resource"].get(k) for k in ("host.name", "host.id", "service.instance.id", "os.type")})
        equal("what the configuration says of it", (r["resource"].get("deployment.environment"), r["resource"].get("team")),
              ("production", "ours"))
        check("the time", abs(int(r["time_unix_nano"]) - before) < 600e9, r)
        check("the uid", re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", r["uid"]) and r["uid"] != honest["uid"], r)
        check("no name with a dot is of the program's choice",
              not {"host.name", "service.instance.id", "log.record.uid_", "azmonlog.gap.reason"} & a.keys() and
              a.get("log.record.uid", r["uid"]) == r["uid"], a)
        equal("it keeps its own fields under its own names", [a.get(k) for k in ("host_name", "log_record_uid", "team", "journald_uid")],
              ["evil", "evil", "theirs", "0"])
        s = json.loads(subprocess.run([x.azmonlog, "status", "--json", "--config", f"{x.out}/azmonlog.conf"], stdout=subprocess.PIPE,
                                      check=False).stdout)
        check("no loss is counted on its word", "999" not in json.dumps(s["losses"]), s["losses"])
        equal("the end", x.end(), 0)
    finally:
        x.close()


def forged_by_syslog(out):
    """The same through rsyslog: structured data, and JSON that rsyslog parses."""
    if not rsyslogd.is_there():
        skip("what is said through rsyslog", "omazuremonitor.so is not built, or rsyslogd is not installed")
        return
    azure = rsyslogd.Destination(f"{out}/azure")
    head = ('module(load="mmjsonparse")\n'
            'template(name="all" type="subtree" subtree="$!")\n'
            'template(name="meta" type="string" string="- %fromhost-ip% %inputname%")\n')
    more = rsyslogd.SHIPPED + ' attributes.template="all" resource="deployment.environment=production"'
    rules = ('action(type="mmjsonparse")\n' + rsyslogd.action(azure, "x", f"{out}/x", more + ' meta.template="meta"') +
             rsyslogd.action(azure, "without", f"{out}/without", more))
    said = {"log.record.uid": "evil", "azmonlog.truncated": True, "azmonlog": {"gap": {"reason": "vacuumed"}}, "host.name": "evil",
            "service.instance.id": "evil", "deployment.environment": "test", "client.address": "192.0.2.66", "syslog.input": "evil",
            "client": {"address": "192.0.2.66"}, "syslog": {"malformed": "evil", "facility": 9}, "mine": 1}
    data = '[log.record uid="evil"][azmonlog gap.reason="vacuumed"][host name="evil"]'
    r = rsyslogd.Rsyslogd(f"{out}/rsyslogd", rules, head=head)
    try:
        r.start()
        r.say(rsyslogd.message("@cee: " + json.dumps(said), data=data, procid="77"))
        wait_for(lambda: len(azure.records()) == 2, "it arrives twice")
        records = sorted(azure.records(), key=lambda x: "client.address" not in x["attributes"])
        for record, client in zip(records, ("127.0.0.1", None)):
            a = record["attributes"]
            note(json.dumps(record))
            equal("where it came from, or nothing", (a.get("client.address"), "syslog.input" in a), (client, client is not None))
            check("the uid", re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", record["uid"]) and a.get("log.record.uid", record["uid"]) == record["uid"], a)
            equal("the resource is of the message's header and the configuration", record["resource"],
                  {"service.name": "app", "service.instance.id": "web1", "host.name": "web1", "deployment.environment": "production"})
            check("nothing in azmonlog's own name", not [k for k in a if k.startswith("azmonlog.")] and "syslog.malformed" not in a, a)
            equal("facility and pid as in the header", (a.get("syslog.facility"), a.get("process.pid")), (1, 77))
            equal("its own word", a.get("mine"), 1)
            check("what was left out is counted", a.get("syslog.dropped_attributes", 0) >= 6, a)
        r.check_clean(check)
    finally:
        r.close()
        azure.close()


run(forged_in_the_journal, forged_by_syslog)
