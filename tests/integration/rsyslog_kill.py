# SPDX-License-Identifier: MIT
"""kill -9 of rsyslogd under load: see rsyslog_kill.sh."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rsyslogd import (SHIPPED, SHIPPED_QUEUE, SHIPPED_RULESET, Destination, Rsyslogd, Sender, action, number_of,  # noqa: E402
                      numbers_in_spool)
from tap import check, equal, note, run  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SEED = int(os.environ.get("SEED", "29"))
MANY = 20000  # messages in the spool: reading all of them after each kill takes its time
with open("/proc/sys/net/unix/max_dgram_qlen") as f:
    IN_SOCKET = int(f.read()) + 1  # datagrams that the kernel keeps


class Rounds:
    """rsyslogd is killed again and again, while senders send and the destination comes and goes."""

    def __init__(self, out, kinds, more, **others):
        self.azure = Destination(f"{out}/azure")
        self.state = f"{out}/state"
        self.r = Rsyslogd(f"{out}/rsyslogd", action(self.azure, "x", self.state, more), **others)
        self.kinds, self.dice = kinds, random.Random(f"{SEED} {out.rsplit('/', 1)[1]}")
        self.committed = set()  # the messages whose commit has returned, for certain
        self.tails = []         # of each sender and round: how many were sent behind the last one that is committed
        self.holes = 0          # messages before it that are not

    def disturb(self):
        """What may become of the destination."""
        self.dice.choice((self.azure.hold, self.azure.release, self.bounce, lambda: self.azure.script("request 1-5 stored-then-reset\n"),
                          lambda: self.azure.script("request * delay 100ms\n")))()

    def bounce(self):
        self.azure.end()
        time.sleep(self.dice.random() * 0.2)
        self.azure.start()

    def round(self):
        self.r.start()
        if len(self.committed) - len(self.azure.numbers()) > MANY:
            self.azure.release()
            equal("what has piled up arrives", self.azure.wait_for_numbers(self.committed), set())
        senders = [Sender(self.r, kind, pad=self.dice.choice((0, 50, 500))).start(pause) for kind, pause in self.kinds]
        for _ in range(self.dice.randint(0, 3)):
            time.sleep(self.dice.random() * 0.3)
            self.disturb()
        time.sleep(self.dice.random() * 0.5)
        self.r.kill()
        for s in senders:
            s.close()
        safe = numbers_in_spool(self.state) | set(self.azure.numbers())
        self.committed |= safe
        for s in senders:
            last = max((n for sender, n in safe if sender == s.id), default=0)
            self.tails.append((s.kind, s.sent - last))
            self.holes += last - sum(sender == s.id for sender, _ in safe)
        return senders

    def finish(self):
        """The last start: everything that was committed arrives."""
        self.azure.release()
        self.r.start()
        missing = self.azure.wait_for_numbers(self.committed)
        equal("every message whose commit has returned arrives", len(missing), 0, sorted(missing)[:5])
        again, twice = self.azure.copies()
        one_uid = {}
        for record in self.azure.records():
            one_uid.setdefault(record["uid"], set()).add(number_of(record["body"]))
        check("a uid is of one message", all(len(numbers) == 1 for numbers in one_uid.values()))
        note(f"{len(self.committed)} messages in {ROUNDS} rounds; {again} records came again with their uid; "
             f"{twice} messages were handed over twice by rsyslog")
        for kind in sorted({k for k, _ in self.tails}):
            tails = sorted(n for k, n in self.tails if k == kind)
            note(f"{kind}: behind the last committed one {tails[0]} to {tails[-1]} messages were on their way at a kill")
        self.r.check_clean(check)

    def close(self):
        self.r.close()
        self.azure.close()


def each_commits(out):
    """A direct main queue: each datagram is committed before the next one is read, so just those in the socket are lost."""
    x = Rounds(out, [("unix", 0.0)], SHIPPED, head='main_queue(queue.type="Direct")')
    try:
        for _ in range(ROUNDS):
            x.round()
        worst = max(n for _, n in x.tails)
        check(f"no more are lost than the socket holds, {IN_SOCKET}, and the one that is being committed", worst <= IN_SOCKET + 1,
              x.tails)
        equal("and none before those", x.holes, 0)
        x.finish()
    finally:
        x.close()


def direct_action(out):
    """The shipped action behind the main queue: all inputs at once."""
    x = Rounds(out, [("unix", 0.0002), ("tcp", 0.005), ("ptcp", 0.005)], SHIPPED, head='main_queue(queue.workerThreads="1")')
    try:
        for _ in range(ROUNDS):
            x.round()
        equal("what is lost stands at the end", x.holes, 0)
        x.finish()
    finally:
        x.close()


def with_a_queue(out):
    """The shipped drop-in, which waits up to a second for a batch to fill, with three workers."""
    x = Rounds(out, [("tcp", 0.005), ("ptcp", 0.005)], SHIPPED_QUEUE + ' queue.workerThreads="3" queue.workerThreadMinimumMessages="100"',
               ruleset=SHIPPED_RULESET)
    try:
        for _ in range(ROUNDS):
            x.round()
        note(f"{x.holes} messages were on their way with one worker while a later one was committed by another")
        x.finish()
    finally:
        x.close()


def disk_queue(out):
    """A disk queue before the action, checkpointed each time: rsyslog hands its batch over again, which is counted apart."""
    x = Rounds(out, [("unix", 0.0)], SHIPPED + ' queue.type="Disk" queue.filename="x" queue.checkpointInterval="1" '
                                               'queue.timeoutShutdown="10000"')
    try:
        for _ in range(ROUNDS):
            x.round()
        x.finish()
    finally:
        x.close()


def killed_at_start(out):
    """Kills right after the start, and while the first one is still sending what was there before."""
    x = Rounds(out, [("tcp", 0.0)], SHIPPED)
    try:
        x.azure.hold()
        x.round()
        for _ in range(ROUNDS):
            (x.azure.hold if x.dice.random() < 0.5 else x.azure.release)()
            x.r.start()
            time.sleep(x.dice.random() * 0.1)
            x.r.kill()
        x.finish()
    finally:
        x.close()


note(f"SEED={SEED} ROUNDS={ROUNDS}")
run(each_commits, direct_action, with_a_queue, disk_queue, killed_at_start)
