# SPDX-License-Identifier: MIT
"""rsyslogd with omazuremonitor, power loss at any moment: see rsyslog.sh."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import judge  # noqa: E402
from journald import wait_for  # noqa: E402
from rsyslogd import Destination, Rsyslogd, Sender, action, number_of, quarantine, status  # noqa: E402
from tap import check, equal, run  # noqa: E402

MORE = 'state.spool_max_bytes="4M" batch.max_export_batch_size="20" action.resumeRetryCount="-1" action.resumeInterval="1"'
# rsyslog commits the actions of a batch in their order: what stands in this one's file has been taken by the one before
TEMPLATE = 'template(name="promised" type="string" string="%msg%\\n")'
PROMISED = 'action(type="omfile" file="{}" template="promised")\n'


class Scenario:
    """What is recorded: commits of one message and of many, an outage, retries, poison, a stop, a kill, a repair."""

    program = "rsyslogd"

    def __init__(self, out):
        self.out, self.sent = out, set()
        self.state, self.promised = f"{out}/state", f"{out}/promised"
        os.mkdir(self.state, 0o750)
        open(self.promised, "w").close()
        self.azure = Destination(f"{out}/azure")
        self.r = Rsyslogd(f"{out}/rsyslogd", action(self.azure, "x", self.state, MORE) + PROMISED.format(self.promised),
                          head=TEMPLATE)
        self.r.environment = judge.recorded(self.state, f"{out}/log", marks=self.promised, outside=f"{out}/azure/received")

    def send(self, n, kind="tcp", pad=200):
        s = Sender(self.r, kind, pad)
        s.send(n)
        numbers = s.finish()
        self.sent |= numbers
        wait_for(lambda: numbers <= self.numbers(), "rsyslogd has handed over all")

    def numbers(self):
        with open(self.promised) as f:
            return set(map(number_of, f.read().split("\n")[:-1]))

    def arrives(self):
        equal("all arrives", self.azure.wait_for_numbers(self.sent), set())

    def end(self, how):
        """Ends it, and sees whether all was written down that it did."""
        self.r.end(how)
        missed = disk.reconcile(f"{self.out}/log", self.state)
        if how != signal.SIGKILL:
            equal("the recorder has seen everything", missed, [])

    def record(self):
        r, azure = self.r.start(), self.azure
        for _ in range(4):
            self.send(3, kind="unix")
            self.send(30)
        self.arrives()
        azure.script('request 1-3 stored-then-reset\nrequest 4-8 status 503\n'
                     'request * containing "poison" refuse 400 InvalidRecord "odd"\n')
        self.send(60)
        r.say("<14>1 2026-11-25T12:00:00Z web1 app - - - poison 1")
        self.send(60)
        self.arrives()
        wait_for(lambda: len(quarantine(self.state)) == 1, "the poison is in the quarantine")
        azure.hold()
        for _ in range(4):
            self.send(10, kind="unix")
            self.send(100)
        self.end(signal.SIGKILL)
        r.start()
        self.send(5, kind="unix")
        self.end(signal.SIGTERM)
        r.start()
        azure.release()
        self.arrives()
        for _ in range(6):
            self.send(8, kind="unix", pad=2000)
            self.arrives()
        wait_for(lambda: status(self.state)["spool"]["records"] == 0, "the spool is empty")
        azure.hold()
        self.send(100)
        self.end(signal.SIGTERM)
        self.damage()
        r.start()
        wait_for(lambda: r.said("the spool was damaged.* 0 are lost"), "the spool is repaired")
        azure.release()
        self.arrives()
        check("nothing was refused, so that what stands in the file was taken", not r.said("rsyslog keeps its messages"))
        self.end(signal.SIGTERM)

    def damage(self):
        """The first page of the spool, in which there are no rows, has become zeros."""
        zeros = bytes(4096)
        with open(f"{self.state}/spool.db", "r+b") as f:
            f.write(zeros)
        self.damaged_from = len(disk.read_log(f"{self.out}/log"))
        with open(f"{self.out}/log", "ab") as f:
            f.write(disk.pack(disk.OPENED, 1, ("spool.db", "")) + disk.pack(disk.WRITTEN, 1, data=zeros) + disk.pack(disk.SYNCED, 1))

    def restart(self, replay, k, image, received, promised, place):
        """rsyslogd itself starts on an image: all that was promised and had not arrived, arrives."""
        judge.write_image(image, f"{place}/state")
        azure = Destination(f"{place}/azure")
        r = Rsyslogd(f"{place}/rsyslogd", action(azure, "x", f"{place}/state", MORE))
        try:
            r.start()
            there = {number_of(t) for t in received}
            wanted = {number_of(t) for t in promised} - there - {number_of(t) for t in quarantine(f"{place}/state")} - {None}
            missing = azure.wait_for_numbers(wanted)
            wrong = [f"{len(missing)} messages are lost: {sorted(missing)[:3]}"] if missing else []
            return wrong + [f"it says: {line}" for line in r.lines("damaged") if k < replay.damaged_from]
        finally:
            r.close()
            azure.close()

    def close(self):
        self.r.close()
        self.azure.close()


def every_moment(out):
    """Every state of the disk that a power loss can leave."""
    s = Scenario(out)
    try:
        s.record()
        replay = judge.Replay(out, f"{out}/log", f"{out}/azure/received", damaged_from=s.damaged_from)
        judge.report(replay, s, (".", "quarantine.jsonl", "spool.db", "spool.db-new", "spool.db-wal"))
    finally:
        s.close()


run(every_moment)
