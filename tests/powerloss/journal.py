# SPDX-License-Identifier: MIT
"""azmonlog beside a real journald, power loss at any moment: see journal.sh."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import judge  # noqa: E402
import writers  # noqa: E402
from exporter import Exporter  # noqa: E402
from journald import Journald, wait_for  # noqa: E402
from tap import equal, run  # noqa: E402

POISON = 'request * containing "w3 " refuse 400 InvalidRecord "odd"\n'  # what writer 3 says


class Recorded(Exporter):
    def command(self):
        env = judge.recorded(self.state, f"{self.out}/log", outside=self.store)
        return ["env", *(f"{k}={v}" for k, v in env.items()), *super().command()]


class Scenario:
    """What is recorded: batches, a rotated journal, poison, an outage with a spool, kills."""

    program = "azmonlog"

    def __init__(self, out):
        self.out, self.written = out, set()
        self.journald = Journald(f"{out}/journald.log")
        self.journald.configure()
        self.journald.begin_anew()
        self.x = Recorded(os.environ["AZMONLOG"], os.environ["EMULATOR"], out)
        os.mkdir(self.x.state, 0o750)
        self.settings = {"batch": 10, "concurrency": 2, "more": "spool_after=600ms\nspool_max_bytes=4M\n"}
        self.x.configure(**self.settings)

    def write(self, n, writer=0, pad=40):
        first = 1 + sum(w == writer for w, _ in self.written)
        writers.write(first, n, writer, pad=pad)
        self.written |= {(writer, i) for i in range(first, first + n)}

    def arrives(self):
        if not self.x.wait_for_numbers({w for w in self.written if w[0] != 3}):
            raise TimeoutError("what was logged does not arrive")

    def end(self, how):
        """Ends it, and sees whether all was written down that it did."""
        self.x.end(how)
        missed = disk.reconcile(f"{self.out}/log", self.x.state)
        if how != signal.SIGKILL:
            equal("the recorder has seen everything", missed, [])

    def record(self):
        x = self.x
        x.start()
        for i in range(8):
            self.write(15)
            self.arrives()
        x.script("request 1-3 stored-then-reset\nrequest 4-6 status 503\n" + POISON)
        self.write(20)
        self.write(1, writer=3)
        self.write(30)
        self.journald.rotate()
        self.write(1, writer=3)
        self.arrives()
        wait_for(lambda: len(x.quarantine()) == 2, "the poison is in the quarantine")
        self.write(10)
        self.arrives()
        self.end(signal.SIGKILL)
        x.start()
        for i in range(2):
            x.hold()
            self.write(50)
            wait_for(lambda: os.path.exists(f"{x.state}/spool.db"), "the spool begins")
            for _ in range(12):
                self.write(25)
            last = self.journald.entries()[-1].realtime
            wait_for(lambda: x.acknowledged_usec() >= last, "all is in the spool")
            if i == 0:
                self.end(signal.SIGKILL)
                x.start()
                self.write(20)
            x.script(POISON)
            self.write(1, writer=3)
            self.write(20)
            self.arrives()
            wait_for(lambda: len(x.quarantine()) == 3 + i, "the poison is in the quarantine")
            wait_for(lambda: not os.path.exists(f"{x.state}/spool.db"), "the spool is gone")
            self.journald.rotate()
        self.write(40)
        self.arrives()
        self.end(signal.SIGTERM)

    def entries(self):
        self.journald.sync()
        return sorted((e.seqnum, e.text) for e in self.journald.entries() if writers.number_of(e.text))

    def restart(self, replay, _k, image, received, _promised, place):
        """azmonlog itself starts on an image: what is in the journal and had not arrived, arrives, with the uids that it had."""
        judge.write_image(image, f"{place}/state")
        x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], place)
        try:
            x.configure(**self.settings)
            code = x.once()
            again = {r.get("body"): r["uid"] for r in x.received()}
            wrong = [] if code == 0 else [f"azmonlog run --once ends with {code}"]
            kept = received | again.keys() | {t for t, _ in x.quarantine()}
            lost = [t for _, t in replay.entries if t not in kept]
            wrong += [f"{len(lost)} records are lost: {lost[:3]}"] if lost else []
            other = [t for t, uid in again.items() if replay.uids.get(t, uid) != uid]
            wrong += [f"{len(other)} records have another uid: {other[:3]}"] if other else []
            wrong += [f"a gap that is none: {g}" for g in x.gaps()]
            return wrong
        finally:
            x.close()

    def close(self):
        self.x.close()
        self.journald.end(signal.SIGKILL)


def every_moment(out):
    """Every state of the disk that a power loss can leave."""
    s = Scenario(out)
    try:
        s.record()
        replay = judge.Replay(out, f"{out}/log", s.x.store, entries=s.entries())
        judge.report(replay, s, ("cursor.tmp", ".", "quarantine.jsonl", "spool.db", "spool.db-new", "spool.db-wal"))
    finally:
        s.close()


run(every_moment)
