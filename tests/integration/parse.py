# SPDX-License-Identifier: MIT
"""Lines of JSON and logfmt: see parse.sh."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from exporter import Exporter  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, run  # noqa: E402

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def printed(identifier, *lines):
    """By a program whose standard output goes to the journal."""
    subprocess.run(["systemd-cat", "-t", identifier], input="".join(f"{line}\n" for line in lines).encode(), check=True)
    subprocess.run(["journalctl", "--sync"], check=True)


def records(out, parse, identifier, n, more=""):
    """What arrives of this identifier: n records, in the order of their lines."""
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, more=f"[journal]\nparse={parse}\nidentifiers={identifier}\n{more}")
    try:
        equal("it ends well", x.once(), 0)
        wait_for(lambda: len(x.received()) >= n, f"{n} records")
        equal("as many records as lines", len(x.received()), n)
        return x.received()
    finally:
        x.close()


def sent(record):
    """Attributes that the line gave."""
    own = ("log.record.uid", "process.pid", "syslog.identifier", "syslog.facility")
    return {k: v for k, v in record["attributes"].items() if k not in own}


def json_lines(out):
    """Message, severity, time, trace context and attributes; a line that is none passes as it is."""
    printed("shop", json.dumps({"time": "2026-11-26T03:13:11.829152Z", "level": "error", "msg": "order lost", "order": {"id": 7, "tags": ["a", "b"]},
                                "trace_id": TRACE, "span_id": SPAN}),
            "Traceback (most recent call last):", '{"level":"warn","msg":"cut off', '{"level":"warn"}')
    lost, plain, cut, silent = records(f"{out}/json", "json", "shop", 4)
    equal("the message is the body", lost["body"], "order lost")
    equal("severity", (lost["severity_number"], lost["severity_text"]), (17, "err"))
    equal("time", lost["time_unix_nano"], "1795662791829152000")
    check("when journald had it", int(lost["observed_time_unix_nano"]) != int(lost["time_unix_nano"]), lost)
    equal("trace context", (lost["trace_id"], lost["span_id"]), (TRACE, SPAN))
    equal("attributes", sent(lost), {"order.id": 7, "order.tags": ["a", "b"]})
    equal("others are as they were", [(r["body"], r["severity_text"], sent(r)) for r in (plain, cut, silent)],
          [("Traceback (most recent call last):", "info", {}), ('{"level":"warn","msg":"cut off', "info", {}), ('{"level":"warn"}', "info", {})])
    as_it_is = records(f"{out}/plain", "plain", "shop", 4)
    equal("without parse= all are", as_it_is[0]["body"][:20], '{"time": "2026-11-26')
    equal("and the uids are the same", [r["uid"] for r in as_it_is], [r["uid"] for r in (lost, plain, cut, silent)])


def logfmt_lines(out):
    """The same, and both in turn."""
    printed("web", 'ts=2026-11-26T03:13:11Z level=warning msg="slow \\"disk\\"" path=/a size=10', "plain words", '{"msg":"x","n":1}')
    slow, plain, other = records(f"{out}/auto", "auto", "web", 3)
    equal("logfmt", (slow["body"], slow["severity_text"], sent(slow)), ('slow "disk"', "warning", {"path": "/a", "size": "10"}))
    equal("plain", plain["body"], "plain words")
    equal("JSON", (other["body"], sent(other)), ("x", {"n": 1}))


def wrong(out):
    """A bad setting is refused with its place."""
    with open(f"{out}.conf", "w") as f:
        f.write('[destination]\nendpoint=http://127.0.0.1:9/v1/logs\n[unit "web"]\nparse=xml\n')
    r = subprocess.run([os.environ["AZMONLOG"], "cat", "-c", f.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check("exit code", r.returncode == 78, r)
    check("words", f"{f.name}:4: parse: 'xml' is none of plain, json, logfmt, auto" in r.stdout, r.stdout)


run(json_lines, logfmt_lines, wrong)
