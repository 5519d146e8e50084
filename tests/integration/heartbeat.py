# SPDX-License-Identifier: MIT
"""Heartbeats: see heartbeat.sh."""
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import journal_files  # noqa: E402
from exporter import Exporter, usec_of  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from states import SECOND, States  # noqa: E402
from tap import check, equal, run  # noqa: E402

INTERVAL = 0.3


class Beating(States):
    """With heartbeats every INTERVAL."""

    def __init__(self, out, more=""):
        self.journal, self.logged = f"{out}/journal", 0
        self.x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/x", directory=self.journal,
                          more=f"{more}[metrics]\nheartbeat={INTERVAL * 1000:.0f}ms\n")
        self.config = f"{out}/x/azmonlog.conf"
        self.log(20)

    def beats(self):
        """In the order in which they arrived."""
        return [r for r in self.x.received() if r.get("event_name") == "azmonlog.heartbeat"]

    def texts(self):
        return [r["body"] for r in self.x.received() if r.get("event_name") != "azmonlog.heartbeat"]

    def wait_for_beats(self, n):
        """So many more."""
        wanted = len(self.beats()) + n
        wait_for(lambda: len(self.beats()) >= wanted, f"{n} heartbeats")

    def position(self):
        """What the file says, and when it was written."""
        with open(f"{self.x.state}/cursor", "rb") as f:
            return f.read(), os.stat(f.fileno()).st_mtime_ns, os.stat(f.fileno()).st_ino


def when(beat):
    return int(beat["time_unix_nano"]) / 1e9


def without_uid(beat):
    return {k: v for k, v in beat["attributes"].items() if k != "log.record.uid"}


def what_it_says(out):
    """One at the start, one each interval, one at the end; nothing else moves."""
    s = Beating(out)
    try:
        since = time.time()
        s.x.start()
        wait_for(lambda: len(s.texts()) == 20 and s.status()["lag"]["records"] == 0, "the records")
        s.wait_for_beats(2)
        before = s.position()
        s.wait_for_beats(3)
        equal("the position stays as it is, and its file", s.position(), before)
        told = s.status()
        equal("none of them is read", told["read"]["records"], 20)
        beats = s.beats()
        check("the first one at the start", since - 1 <= when(beats[0]) <= since + PATIENCE and without_uid(beats[0])["azmonlog.heartbeat.read.records"] <= 20,
              beats[0])
        steps = [b - a for a, b in zip(map(when, beats), map(when, beats[1:]))]
        check("not more often than each interval", min(steps) > INTERVAL / 2, steps)
        check("each has a uid of its own", len({r["uid"] for r in beats}) == len(beats) and all(re.fullmatch("[0-9A-Z]{26}", r["uid"]) for r in beats), beats)
        last = beats[-1]
        equal("severity", (last["severity_text"], last["severity_number"]), ("info", 9))
        equal("of azmonlog on this host", (last["service"], last["resource"]["host.name"]), ("azmonlog", socket.gethostname()))
        equal("time and observed time are when it was made", last["time_unix_nano"], last["observed_time_unix_nano"])
        a = without_uid(last)
        started = usec_of(a.pop("azmonlog.heartbeat.started"))
        check("when the process was started", (since - 1) * 1e6 <= started <= when(beats[0]) * 1e6, started, since)
        delivered = a.pop("azmonlog.heartbeat.delivered.records")
        check("what is delivered: all, and the heartbeats before", 20 < delivered < 20 + len(beats), delivered)
        equal("attributes", a, {f"azmonlog.heartbeat.{k}": v for k, v in {
            "state": "delivering", "source": s.journal, "behind.seconds": 0, "behind.records": 0, "read.records": 20,
            "quarantine.records": 0, "spool.bytes": 0}.items()})
        equal("body", last["body"], f"heartbeat: delivering, 0 s behind; 20 records read, {delivered} delivered, 0 in quarantine")
        equal("the end", s.x.end(), 0)
        equal("the last one says so", without_uid(s.beats()[-1])["azmonlog.heartbeat.state"], "stopping")
        equal("what was logged arrived once", (len(s.texts()), s.x.copies()), (20, {}))
    finally:
        s.close()


def the_last_one(out):
    """It does not wait for one that is still in a batch, or on its way."""
    s = Beating(out, more="[batch]\nschedule_delay=1h\nmax_export_batch_size=1000\n")
    try:
        s.x.hold()
        s.x.start()
        wait_for(lambda: s.x.running() and (s.status() or {}).get("read", {}).get("records") == 20, "it has read")
        time.sleep(2 * INTERVAL)  # a heartbeat is due
        s.x.release()
        equal("the end", s.x.end(), 0)
        states = [without_uid(b)["azmonlog.heartbeat.state"] for b in s.beats()]
        check("the one that waited, and the last one", len(states) == 2 and states[-1] == "stopping", states)
    finally:
        s.close()


def none_by_itself(out):
    """Without heartbeat= there is none; nor with run --once."""
    s = Beating(out)
    try:
        equal("run --once", s.x.once(), 0)
        equal("only what was logged", (len(s.texts()), s.beats()), (20, []))
        s.x.configure(directory=s.journal)
        s.x.start()
        s.log(5)
        wait_for(lambda: len(s.texts()) == 25, "more records")
        time.sleep(2 * INTERVAL)
        equal("the end", s.x.end(), 0)
        equal("still none", s.beats(), [])
    finally:
        s.close()


def one_waits(out, more=""):
    """While nothing is acknowledged there is one that waits, and the next one comes as soon as it has arrived."""
    s = Beating(out, more)
    try:
        s.x.start()
        wait_for(lambda: len(s.texts()) == 20, "the records")
        s.wait_for_beats(1)
        s.x.script("request * status 403\n")
        s.log(5)
        wait_for(lambda: s.condition() == "held", "azmonlog to be held")
        if more:
            wait_for(lambda: s.status()["spool"]["active"], "the spool")
        since, known = time.time(), len(s.beats())
        time.sleep(4 * INTERVAL)
        equal("none arrives meanwhile", len(s.beats()), known)
        check("records and one heartbeat wait, not more", s.status()["in_flight"]["batches"] <= 6, s.status())
        until = time.time()
        s.x.script(s.x.NORMAL)
        wait_for(lambda: len(s.texts()) == 25, "the records")
        s.wait_for_beats(2)
        wait_for(lambda: when(s.beats()[-1]) > until, "a heartbeat of afterwards")
        made = [b for b in s.beats()[known:] if when(b) < until]
        check("at most one of the outage", len(made) <= 1, made)
        check("which was made when it began", all(when(b) < since + INTERVAL * 2 for b in made), made, since)
        equal("the end", s.x.end(), 0)
        equal("what was logged arrived once", (sorted(s.texts()) == sorted(set(s.texts())), len(s.texts())), (True, 25))
    finally:
        s.close()


def one_waits_in_the_spool(out):
    """The same, when everything goes through the spool."""
    one_waits(out, more="spool_after=300ms\n")


def killed(out):
    """A kill between heartbeats: what they carried along is acknowledged, and goes on where it was."""
    s = Beating(out)
    try:
        for n in range(1, 6):
            s.x.start()
            wait_for(lambda n=n: len(s.texts()) == 20 * n and s.status()["lag"]["records"] == 0, "the records")
            s.wait_for_beats(1)
            before = s.position()[0]
            s.x.end(signal.SIGKILL)
            equal(f"kill {n}: the position is that of the last record", s.position()[0], before)
            s.log(20)
        s.x.start()
        wait_for(lambda: len(s.texts()) == 120, "the last records")
        equal("the end", s.x.end(), 0)
        equal("each once", (len(s.texts()), s.x.copies()), (120, {}))
    finally:
        s.close()


def reloaded(out):
    """heartbeat= can change while azmonlog runs."""
    s = Beating(out)
    try:
        s.x.configure(directory=s.journal)
        s.x.start()
        wait_for(lambda: len(s.texts()) == 20, "the records")
        equal("none", s.beats(), [])
        s.x.configure(directory=s.journal, more="[metrics]\nheartbeat=200ms\n")
        s.x.process.send_signal(signal.SIGHUP)
        s.wait_for_beats(2)
        s.x.configure(directory=s.journal)
        s.x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.status()["config"]["reloads"] == 2, "the reload")
        journal_files.append(f"{s.journal}/b.journal", s.logged, 1, realtime=time.time_ns() // 1000, monotonic=(s.logged + 1) * SECOND)
        wait_for(lambda: len(s.texts()) == 21, "a record of afterwards")
        known = len(s.beats())
        time.sleep(3 * INTERVAL)
        equal("no more", len(s.beats()), known)
        equal("the end", s.x.end(), 0)
    finally:
        s.close()


run(what_it_says, the_last_one, none_by_itself, one_waits, one_waits_in_the_spool, killed, reloaded)
