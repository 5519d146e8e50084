# SPDX-License-Identifier: MIT
"""Forked workers log and end by three ways; who loses what. Prints TAP, and the table as docs/from-batch-processor.md has it, which
is left in interop/seed_problem.md of the build folder. Standard library only; what it measures comes from PyPI."""
import collections
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import tap
from journald import PATIENCE, wait_for

WORKERS, LINES, PAUSE = 4, 100, 0.003
HANGS = 30       # seconds after which a worker is said to hang, and is killed
ENDINGS = ("return", "os._exit", "SIGKILL")
LINE = re.compile(r"worker=\d+ line=\d+|parent")
AZMONLOG, EMULATOR = os.environ["AZMONLOG"], os.environ["EMULATOR"]
BUILD = os.environ["builddir"]
EXPORTER = "azure-monitor-opentelemetry-exporter"
IKEY = "00000000-0000-0000-0000-000000000000"

# One row of the table: whose SDK ("" for azmonlog), words, settings of forked_program.py
Row = collections.namedtuple("Row", "sdk words settings")
Run = collections.namedtuple("Run", "logged arrived copies requests microseconds hung")
PROGRAM = dict(way="otlp", processor="batch", made="child", used=False, delay=None, flush=False)


def rows_of(sdk):
    return [Row(sdk, *r) for r in (
        ("batch, made before the fork", PROGRAM | dict(made="parent")),
        ("the same, used before the fork, `schedule_delay_millis=100`", PROGRAM | dict(made="parent", used=True, delay=100)),
        ("the same, used before the fork, `force_flush()` in a `finally`", PROGRAM | dict(made="parent", used=True, flush=True)),
        ("batch, made in each worker", PROGRAM),
        ("the same, `schedule_delay_millis=500`", PROGRAM | dict(delay=500)),
        ("the same, `schedule_delay_millis=100`", PROGRAM | dict(delay=100)),
        ("the same, `schedule_delay_millis=10`", PROGRAM | dict(delay=10)),
        ("the same, `force_flush()` in a `finally`", PROGRAM | dict(flush=True)),
        ("`SimpleLogRecordProcessor`", PROGRAM | dict(processor="simple")))]


AZURE = [("batch, made in each worker", PROGRAM | dict(way="azure")),
         ("the same, `force_flush()` in a `finally`", PROGRAM | dict(way="azure", flush=True))]
OURS = [Row("", "by journald", PROGRAM | dict(way="journald", made="parent")),
        Row("", "by rsyslog", PROGRAM | dict(way="rsyslog", made="parent"))]


class Receiver:
    """An emulator that counts."""

    def __init__(self, out):
        self.process = subprocess.Popen([EMULATOR, "--port", "0", "--port-file", f"{out}/port", "--store", f"{out}/received"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(f"{out}/port"), "the emulator")
        self.url = f"http://127.0.0.1:{open(f'{out}/port').read().strip()}"

    def get(self, path, data=None):
        with urllib.request.urlopen(f"{self.url}/emulator/{path}", data, PATIENCE) as f:
            return f.read()

    def reset(self):
        self.get("reset", b"")

    def requests(self):
        return json.loads(self.get("stats"))["requests"]

    def lines(self):
        """The program's lines: text -> copies."""
        bodies = (json.loads(line).get("body") for line in self.get("records").splitlines())
        return collections.Counter(b for b in bodies if isinstance(b, str) and LINE.fullmatch(b))


class Azmonlog:
    """azmonlog with default settings, but for the moment where it begins."""

    def __init__(self, out, receiver):
        self.state = f"{out}/state"
        self.log = open(f"{out}/azmonlog.log", "wb")
        self.process = subprocess.Popen([AZMONLOG, "run", "--endpoint", f"{receiver.url}/v1/logs", "--state-directory", self.state,
                                         "--start", "oldest"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(self.flush, "azmonlog to answer")

    def flush(self):
        return subprocess.run([AZMONLOG, "flush", "--state-directory", self.state], stdout=self.log, stderr=self.log,
                              timeout=PATIENCE).returncode == 0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


class Rsyslog:
    """A private rsyslogd with the module, whose settings are the defaults."""

    def __init__(self, out, receiver):
        self.socket = f"{out}/log.socket"
        with open(f"{out}/rsyslog.conf", "w") as f:
            f.write(f'global(workDirectory="{out}")\n'
                    f'module(load="imuxsock" SysSock.Use="off")\n'
                    f'module(load="{BUILD}/.libs/omazuremonitor.so")\n'
                    f'input(type="imuxsock" Socket="{self.socket}" CreatePath="on" RateLimit.Interval="0")\n'
                    f'action(type="omazuremonitor" name="azure" endpoint="{receiver.url}/v1/logs" state.directory="{out}/rsyslog-state"'
                    f' action.resumeRetryCount="-1")\n')
        self.log = open(f"{out}/rsyslogd.log", "wb")
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", f"{out}/rsyslog.conf", "-i", f"{out}/rsyslogd.pid"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: os.path.exists(self.socket) or self.process.poll() is not None, "rsyslogd")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def version(interpreter, package):
    return subprocess.run([interpreter, "-c", "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))", package],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def settle(receiver, expected):
    """Until all have come, or none comes any more."""
    n, since = -1, time.monotonic()
    while time.monotonic() - since < (3 if expected else 0.3):
        now = sum(receiver.lines().values())
        if now >= expected > 0:
            return
        if now != n:
            n, since = now, time.monotonic()
        time.sleep(0.05)


def run(out, interpreter, row, ending, receiver, azmonlog=None, rsyslog=None):
    receiver.reset()
    settings = row.settings | dict(
        ending=ending, workers=WORKERS, lines=LINES, pause=PAUSE, patience=HANGS, url=f"{receiver.url}/v1/logs",
        connection=f"InstrumentationKey={IKEY};IngestionEndpoint={receiver.url}", examples=os.path.join(HERE, "../../examples/python"),
        socket=rsyslog and rsyslog.socket)
    ledger = f"{out}/ledger"
    with open(f"{out}/program.log", "ab") as log:
        code = subprocess.run([interpreter, "-B", f"{HERE}/forked_program.py", ledger, json.dumps(settings)], stdin=subprocess.DEVNULL,
                              stdout=log, stderr=log, timeout=4 * PATIENCE,
                              env=os.environ | {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}).returncode
    if code:
        raise RuntimeError(f"the program ended with {code}; see {out}/program.log: {open(f'{out}/program.log').read()[-2000:]}")
    said = json.load(open(ledger))
    os.unlink(ledger)
    if azmonlog:
        azmonlog.flush()
    settle(receiver, said["logged"] if not row.sdk else 0)
    lines = receiver.lines()
    return Run(arrived=len(lines), copies=sum(lines.values()) - len(lines), requests=receiver.requests(), **said)


def table(results):
    """Markdown: a line for each row, with the three endings side by side."""
    text = [f"| {WORKERS} workers log {LINES} lines each, and then | logged | arrived | **lost** | requests | µs a call: mean (median) |",
            "|---|---|---|---|---|---|"]
    sdk = None
    for row, runs in results:
        if row.sdk != sdk:
            sdk = row.sdk
            text.append(f"| *{sdk or 'azmonlog'}* | | | | | |")
        calls = [usec for r in runs for usec in r.microseconds]
        hung, copies = sum(r.hung for r in runs), sum(r.copies for r in runs)
        side = lambda values: " / ".join(map(str, values))
        text.append(f"| {row.words} | {runs[0].logged} | {side(r.arrived for r in runs)} | **{side(r.logged - r.arrived for r in runs)}**"
                    + (f" ({hung} workers hung)" if hung else "") + (f" ({copies} came twice)" if copies else "") +
                    f" | {side(r.requests for r in runs)} | {statistics.mean(calls):.0f} ({statistics.median(calls):.0f}) |")
    return "\n".join(text) + "\n"


def prove(results):
    """The lines for the table of make interop."""
    for sdk in dict.fromkeys(row.sdk for row, _ in results):
        lossless, losing = [], 0
        for row, runs in results:
            if row.sdk == sdk:
                if any(r.logged > r.arrived for r in runs):
                    losing += 1
                else:
                    lossless.append(f"{row.words} ({max(r.requests for r in runs)} requests)")
        tap.note(f"proved: {sdk or 'azmonlog'}: records are lost in {losing} of {losing + len(lossless)} ways"
                 + (f", none {'in' if sdk else ''} {', '.join(lossless)}".replace("  ", " ") if lossless else ""))


def main(out):
    results = []
    receiver = Receiver(out)
    try:
        old, new, azure = (os.environ[v] for v in ("sdk_1_25", "sdk_newest", "sdk_azure"))
        groups = [(old, rows_of(f"SDK {version(old, 'opentelemetry-sdk')}")), (new, rows_of(f"SDK {version(new, 'opentelemetry-sdk')}")),
                  (azure, [Row(f"{EXPORTER} {version(azure, EXPORTER)}", *r) for r in AZURE])]
        for interpreter, rows in groups:
            for row in rows:
                results.append((row, [run(out, interpreter, row, ending, receiver) for ending in ENDINGS]))
        for row in OURS:
            azmonlog = Azmonlog(out, receiver) if row.settings["way"] == "journald" else None
            rsyslog = Rsyslog(out, receiver) if row.settings["way"] == "rsyslog" else None
            try:
                results.append((row, [run(out, sys.executable, row, ending, receiver, azmonlog, rsyslog) for ending in ENDINGS]))
            finally:
                (azmonlog or rsyslog).end()
    finally:
        receiver.process.terminate()
        receiver.process.wait(PATIENCE)
    for row, runs in results:
        lost = {ending: r.logged - r.arrived for ending, r in zip(ENDINGS, runs)}
        what = f"{row.sdk}: {row.words}".removeprefix(": ")
        if not row.sdk:
            tap.equal(f"azmonlog, {what}: nothing is lost, however the workers end", lost, dict.fromkeys(ENDINGS, 0))
        elif row.settings["processor"] == "simple":
            tap.equal(f"{what}: loses nothing either, at the price of a request for each record", lost, dict.fromkeys(ENDINGS, 0))
        elif row.settings["flush"]:
            tap.check(f"{what}: records are lost when workers are killed", lost["SIGKILL"] and lost["os._exit"], lost)
        else:
            tap.check(f"{what}: the problem is reproduced, records are lost", sum(lost.values()) > 0, lost)
    text = table(results)
    with open(f"{BUILD}/interop/seed_problem.md", "w") as f:
        f.write(text)
    for line in text.splitlines():
        tap.note(line)
    prove(results)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
