# SPDX-License-Identifier: MIT
"""azmonlog and its destination for tests in Python: starting, killing, and what arrived. Standard library only."""
import collections
import contextlib
import datetime
import glob
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

from journald import PATIENCE, wait_for
from writers import number_of

# A record about entries that are gone. up_to: the number is not exact. from_usec, to_usec: None at the journal's ends. entries: None where it is unknown.
Gap = collections.namedtuple("Gap", "reason entries up_to from_usec to_usec uid")
REASONS = ("vacuumed", "rolled_back", "missing", "unreadable", "file")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EPOCH = datetime.datetime(1970, 1, 1)


def usec_of(text):
    if text is None:
        return None
    if not TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time in UTC with microseconds (RFC 3339)")
    return (datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ") - EPOCH) // datetime.timedelta(microseconds=1)


def gap_of(record):
    """The Gap that a stored record is about, or None. ValueError if it is one, but not as promised."""
    a = record["attributes"] if "attributes" in record else {}
    reason = a.get("azmonlog.gap.reason")
    if reason is None:
        return None
    if reason not in REASONS:
        raise ValueError(f"unknown reason {reason!r}")
    if record.get("service") != "azmonlog" or record.get("severity_text") != "warning":
        raise ValueError(f"a gap record of {record.get('service')!r}, severity {record.get('severity_text')!r}")
    if not record["uid"]:
        raise ValueError("a gap record without log.record.uid")
    entries, up_to = a.get("azmonlog.gap.entries"), a.get("azmonlog.gap.up_to")
    if entries is not None and (type(entries) is not int or entries <= 0):
        raise ValueError(f"azmonlog.gap.entries is {entries!r}")
    if up_to not in (None, "true", True) or up_to and entries is None:
        raise ValueError(f"azmonlog.gap.up_to is {up_to!r} of {entries!r}")
    gap = Gap(reason, entries, bool(up_to) or "azmonlog.gap.about" in a, usec_of(a.get("azmonlog.gap.from")), usec_of(a.get("azmonlog.gap.to")),
              record["uid"])
    if None not in gap[3:5] and gap.from_usec > gap.to_usec:
        raise ValueError(f"a gap that ends before it begins: {gap}")
    return gap


def covers(gap, usec):
    return (gap.from_usec is None or gap.from_usec <= usec) and (gap.to_usec is None or usec <= gap.to_usec)


def clusters(gaps):
    """[begin, end, entries] of gaps that overlap: they are counted together, for an entry is in one of them."""
    found = []
    for g in sorted(gaps, key=lambda g: g.from_usec or 0):
        end = g.to_usec or float("inf")
        if found and (g.from_usec or 0) <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
            found[-1][2] += g.entries
        else:
            found.append([g.from_usec or 0, end, g.entries])
    return found


def listens(pid, sig):
    """Does it take this signal from a signalfd? (What it blocks does not tell: valgrind blocks all, from the start.)"""
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(OSError), open(path) as f:
            mask = re.search(r"^sigmask:\s*([0-9a-f]+)", f.read(), re.M)
            if mask and int(mask[1], 16) & 1 << sig - 1:
                return True
    return False


class Exporter:
    """An emulator and an azmonlog that exports to it; files in the directory `out`. The destination answers a little late, so
    that a kill finds requests on their way."""

    NORMAL = "request * delay 10ms\n"

    def __init__(self, azmonlog, emulator, out, **settings):
        os.makedirs(out, exist_ok=True)
        self.azmonlog, self.out = azmonlog, out
        self.log = open(f"{out}/azmonlog.log", "ab")
        self.store, self.state = f"{out}/received", f"{out}/state"
        self.process = None
        self.records, self.offset = [], 0
        with open(f"{out}/script", "w") as f:
            f.write(self.NORMAL)
        self.emulator = subprocess.Popen(
            [emulator, "--port", "0", "--port-file", f"{out}/port", "--store", self.store, "--script", f"{out}/script"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: os.path.exists(f"{out}/port") or self.emulator.poll() is not None, "the emulator")
        self.url = f"http://127.0.0.1:{open(f'{out}/port').read().strip()}"
        self.configure(**settings)

    def configure(self, directory=None, batch=100, concurrency=4, start="oldest", path="/v1/logs", more=""):
        """`directory`: journal files instead of the machine's journal; `more`: lines at the end of the configuration."""
        with open(f"{self.out}/azmonlog.conf", "w") as f:
            f.write(f"[destination]\nendpoint={self.url}{path}\n"
                    f"[batch]\nschedule_delay=50ms\nmax_export_batch_size={batch}\n"
                    f"[export]\nconcurrency={concurrency}\nretry_initial_delay=20ms\nretry_max_delay=100ms\n"
                    f"hold_max_delay=100ms\nshutdown_timeout=500ms\n"
                    f"[journal]\nstart={start}\n" + (f"directory={directory}\n" if directory else "") +
                    f"[state]\ndirectory={self.state}\n{more}")

    # --- the destination ---

    def script(self, text):
        urllib.request.urlopen(f"{self.url}/emulator/script", text.encode(), PATIENCE).close()

    def hold(self):
        self.script("request * status 503\n")

    def release(self):
        self.script(self.NORMAL)

    def limit(self, limit):
        urllib.request.urlopen(f"{self.url}/emulator/limit", limit.encode(), PATIENCE).close()

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/emulator/stats", timeout=PATIENCE) as f:
            return json.load(f)

    # --- azmonlog ---

    def command(self):
        return [self.azmonlog, "run", "--config", f"{self.out}/azmonlog.conf"]

    def start(self):
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, how=signal.SIGTERM):
        """Returns the exit code; negative: the signal."""
        process, self.process = self.process, None
        if how == signal.SIGTERM:  # before it listens, the signal is its end, as of any program
            wait_for(lambda: process.poll() is not None or listens(process.pid, how), "azmonlog listens to signals")
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # if it was stopped
        return process.wait(PATIENCE)

    def wait_for_numbers(self, wanted):
        """Waits until these messages have arrived, all of which should; returns whether they have."""
        wanted = set(wanted)
        size, since = -1, time.monotonic()
        while time.monotonic() - since < PATIENCE:  # without any record
            if wanted <= self.numbers().keys():
                return True
            if len(self.records) != size:
                size, since = len(self.records), time.monotonic()
            time.sleep(0.02)
        return False

    def once(self):
        """Exports what there is; returns the exit code."""
        return subprocess.run(self.command() + ["--once"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                              timeout=PATIENCE).returncode

    def acknowledged_usec(self):
        """When the last entry that is checkpointed was received by journald; 0 if there is none."""
        try:
            text = open(f"{self.state}/cursor").read()
        except FileNotFoundError:
            return 0
        m = re.search(r"^cursor=.*;t=([0-9a-f]+);", text, re.M)
        return int(m[1], 16) if m else 0

    def quarantine(self):
        """The lines of the quarantine: [(body, what is said of it)]."""
        try:
            with open(f"{self.state}/quarantine.jsonl") as f:
                lines = [json.loads(line) for line in f.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []
        return [(line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"], line["azmonlog"])
                for line in lines]

    # --- what arrived ---

    def received(self):
        """All records so far, in the order in which they arrived, copies included."""
        if os.path.exists(self.store):
            with open(self.store, "rb") as f:
                f.seek(self.offset)
                data = f.read()
            data = data[:data.rfind(b"\n") + 1]
            self.offset += len(data)
            self.records += map(json.loads, data.splitlines())
        return self.records

    def gaps(self):
        """The gaps that were reported, each once however often its record was sent."""
        return list({g.uid: g for g in map(gap_of, self.received()) if g}.values())

    def entries(self):
        """What arrived: (receipt in microseconds, text) -> how many different entries of these. Two are possible: when a file is
        full in the middle of an entry, journald writes the entry into the next one as well. Gap records are no entries."""
        found = {(int(r["observed_time_unix_nano"]) // 1000, r.get("body"), r["uid"])
                 for r in self.received() if not gap_of(r)}
        return collections.Counter((when, text) for when, text, _ in found)

    def copies(self):
        """Records that arrived again: uid -> how often."""
        return {uid: n - 1 for uid, n in collections.Counter(r["uid"] for r in self.received()).items() if n > 1}

    def numbers(self):
        """How often each numbered message arrived: (writer, n) -> copies."""
        found = collections.Counter(number_of(r.get("body")) for r in self.received())
        del found[None]
        return found

    def said(self, words):
        """How many lines of azmonlog's log match."""
        with open(self.log.name, errors="replace") as f:
            return sum(bool(re.search(words, line)) for line in f)

    def close(self):
        for process in (self.process, self.emulator):
            if process and process.poll() is None:
                process.kill()
                process.wait()
