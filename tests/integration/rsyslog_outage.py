# SPDX-License-Identifier: MIT
"""Outages of the destination, of the spool, and of rsyslogd meanwhile: see rsyslog_outage.sh."""
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from journald import PATIENCE, TOOL, wait_for  # noqa: E402
from rsyslogd import (SHIPPED, SHIPPED_QUEUE, SHIPPED_RULESET, Destination, Rsyslogd, Sender, action, message,  # noqa: E402
                      quarantine, sanitized, status)
from tap import check, equal, note, run, skip  # noqa: E402

MAIN = 'main_queue(queue.timeoutShutdown="10000")'
# Whatever its type: what does not fit into an action's queue when rsyslogd stops is gone, and by default that is 1000 messages.
DISK = SHIPPED + ' queue.type="Disk" queue.filename="x" queue.size="100000" queue.timeoutShutdown="10000"'
STOP_SECONDS = PATIENCE if TOOL or sanitized() else 5
FEWER = 16 if TOOL else 1  # the tools of make analyze are slow by the message: fewer and larger ones, as many bytes
with open("/proc/sys/net/unix/max_dgram_qlen") as f:
    IN_SOCKET = int(f.read()) + 1  # datagrams that the kernel keeps


def bare(azure, state, more=""):
    """What somebody writes who reads one line of the manual (and has the state somewhere else)."""
    return f'action(type="omazuremonitor" endpoint="{azure.endpoint()}" state.directory="{state}" {more})\n'


def ended(azure):
    azure.end()


def silent(azure):
    azure.script("request * stall 10min\n")


def busy(azure):
    azure.script("request * status 503\n")


def back(azure):
    if azure.process is None:
        azure.start()
    azure.release()


class Outage:
    def __init__(self, out, rules=None, more=SHIPPED, head=MAIN, **others):
        self.azure = Destination(f"{out}/azure")
        self.state = f"{out}/state"
        self.r = Rsyslogd(f"{out}/rsyslogd", rules(self) if rules else action(self.azure, "x", self.state, more), head=head, **others)
        self.sent = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.r.close()
        self.azure.close()

    def send(self, n, pad=0, kind="tcp"):
        """n messages that rsyslogd has taken."""
        s = Sender(self.r, kind, pad * FEWER)
        s.send(n // FEWER)
        self.sent |= s.finish()

    def end(self, seconds=STOP_SECONDS):
        since = time.monotonic()
        code = self.r.end()
        took = time.monotonic() - since
        check(f"rsyslogd ends in order, in less than {seconds} s", code == 0 and took < seconds, code, took)
        equal("no sanitizer has anything to say", self.r.sanitizers_said(), [])
        return took

    def come_back(self):
        back(self.azure)
        if not self.r.running():
            self.r.start()

    def lost(self, keeps=True):
        """The messages that do not arrive, when everything is well again. One more is sent behind all others, if rsyslog `keeps`
        messages (and has one worker); otherwise there are no others any more but those in the spool."""
        self.come_back()
        if keeps:
            s = Sender(self.r)
            s.send(1)
            equal("what is sent now arrives", self.azure.wait_for_numbers(s.finish()), set())
        wait_for(lambda: status(self.state)["lag"]["records"] == 0, "the spool is empty")
        return self.sent - self.azure.numbers().keys()

    def check_nothing_lost(self):
        self.come_back()
        lost = self.azure.wait_for_numbers(self.sent)
        equal("nothing is lost", len(lost), 0, sorted(lost)[:5])
        equal("rsyslog has handed over nothing twice", self.azure.copies()[1], 0)

    def queue(self, name):
        """How many messages are in a queue of rsyslog's."""
        return self.r.statistics(name, "core.queue").get("size")


def stop_while_down(out):
    """A clean stop when the destination does not listen, does not answer, or refuses; started again, it is back."""
    for down in (ended, silent, busy):
        for what, more in (("a direct action", SHIPPED), ("the shipped drop-in", SHIPPED_QUEUE),
                           ("its queue with three workers", SHIPPED_QUEUE + ' queue.workerThreads="3"'),
                           ("a disk queue", DISK)):
            place = f"{out}/{down.__name__}-{what.replace(' ', '-')}"
            with Outage(place, more=more, ruleset=SHIPPED_RULESET if more == SHIPPED_QUEUE else "") as x:
                x.r.start()
                x.send(100)
                equal("a good start", x.azure.wait_for_numbers(x.sent), set())
                down(x.azure)
                x.send(5000)
                x.send(2000, kind="ptcp")  # it ends in the middle of their commits
                note(f"{what}, the destination is {down.__name__}: the stop took {x.end():.1f} s")
                x.check_nothing_lost()


def stop_under_load(out):
    """The same while messages keep coming: what a stop can lose is what rsyslogd has not read from its socket."""
    for what, more in (("a direct action", SHIPPED), ("a queue", SHIPPED_QUEUE)):
        with Outage(f"{out}/{what.replace(' ', '-')}", more=more) as x:
            x.r.start()
            ended(x.azure)
            s = Sender(x.r, "unix").start()
            wait_for(lambda s=s: s.sent >= 3000 // FEWER, "a load")
            # what has been taken goes into the spool first: as much as the machine has let through
            note(f"{what}: the stop took {x.end(PATIENCE):.1f} s")
            s.close()
            x.sent = s.numbers()
            lost = x.lost()
            check(f"of {s.sent} no more are lost than the socket holds, {IN_SOCKET}", len(lost) <= IN_SOCKET, sorted(lost)[:50])
            check("and these are the last ones", lost == {(s.id, n) for n in range(s.sent - len(lost) + 1, s.sent + 1)}, sorted(lost))


def bare_action(out):
    """What is lost by the one-line action, with rsyslog's defaults: measured, not promised."""
    for what, more in (("direct", ""), ("with a queue", 'queue.type="LinkedList"'),
                       ("with a disk queue", 'queue.type="Disk" queue.filename="x"')):
        place = f"{out}/{what.replace(' ', '-')}"
        with Outage(f"{place}-down", rules=lambda x, more=more: bare(x.azure, x.state, more), head="") as x:
            x.r.start()
            ended(x.azure)
            x.send(5000)
            x.end()
            note(f"{what}: a stop with the destination down loses {len(x.lost())} of {len(x.sent)}")
        with Outage(f"{place}-full", rules=lambda x, more=more: bare(x.azure, x.state, more + ' state.spool_max_bytes="4M"'), head="",
                    ruleset=SHIPPED_RULESET) as x:
            ended(x.azure)
            x.r.start()
            x.send(10000, pad=1000)
            wait_for(lambda x=x: x.r.said("the spool .* is full"), "the spool is full")
            wait_for(lambda x=x: x.queue("inputs") == 0, "rsyslog has nothing in its queue any more")
            note(f"{what}: a full spool loses {len(x.lost(keeps=False))} of {len(x.sent)}")


def full(out):
    """The spool's limit: rsyslog keeps its messages, nothing is lost, and they go when there is room."""
    for what, more in (("a direct action", SHIPPED), ("a queue", SHIPPED_QUEUE),
                       ("three workers", SHIPPED_QUEUE + ' queue.workerThreads="3"')):
        with Outage(f"{out}/{what.replace(' ', '-')}", more=more + ' state.spool_max_bytes="8M"', ruleset=SHIPPED_RULESET) as x:
            ended(x.azure)
            x.r.start()
            x.send(20000, pad=1000)
            wait_for(lambda x=x: x.r.said("the spool .* is full.*rsyslog keeps its messages"), f"{what}: it says that the spool is full")
            wait_for(lambda x=x: x.r.statistics("x").get("not_spooled", 0) > 0, "impstats shows messages that were not taken")
            size = sum(os.path.getsize(f"{x.state}/{n}") for n in ("spool.db", "spool.db-wal"))
            check(f"{what}: it is not much larger than allowed", size < 12 << 20, size)
            equal("it is said once", x.r.said("the spool .* is full"), 1)
            x.check_nothing_lost()
            wait_for(lambda x=x: x.r.said("takes messages again"), "it says that there is room")
            x.end()


def larger_than_the_spool(out):
    """A batch that the spool could never hold: its messages go one by one, and nothing is stuck."""
    with Outage(out, more=SHIPPED_QUEUE + ' state.spool_max_bytes="4M"', ruleset=SHIPPED_RULESET) as x:
        x.r.start()
        x.send(10000, pad=1000)
        x.check_nothing_lost()
        check("it did not fit, which is said", x.r.said("can never hold that"), x.r.lines)
        check("and then it did", x.r.said("takes messages again"), x.r.lines)
        x.end()


def full_at_the_end(out):
    """A stop while the spool is full: the spool's content is safe. What rsyslog holds is in its memory, and gone: measured.
    A queue on disk keeps it, but for the batch that is tried."""
    for what, more in (("a direct action", SHIPPED), ("a queue", SHIPPED_QUEUE),
                       ("a disk queue", DISK)):
        with Outage(f"{out}/{what.replace(' ', '-')}", more=more.replace('"10000"', '"1000"') + ' state.spool_max_bytes="4M"',
                    head="", ruleset=SHIPPED_RULESET.replace('"10000"', '"1000"')) as x:
            ended(x.azure)
            x.r.start()
            x.send(10000, pad=1000)
            wait_for(lambda x=x: x.r.said("the spool .* is full"), "it says that the spool is full")
            took = x.end(PATIENCE)
            lost = x.lost()
            check("what was in the spool is not lost", len(lost) < len(x.sent), len(lost))
            note(f"{what}: a stop with the spool full took {took:.1f} s and loses {len(lost)} of {len(x.sent)}")


def disk_full(out):
    """A file system that others fill: the same, by itself, when there is space again."""
    disk = f"{out}/disk"
    os.mkdir(disk)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "azmonlog-test", disk],
                                           stderr=subprocess.DEVNULL).returncode != 0:
        note("skipped: needs root to mount a small file system")
        return
    try:
        with Outage(out, rules=lambda x: action(x.azure, "x", f"{disk}/x", SHIPPED + ' state.spool_min_free_percent="0"'),
                    ruleset=SHIPPED_RULESET) as x:
            ended(x.azure)
            x.r.start()
            x.send(1000, pad=1000)
            wait_for(lambda: status(f"{disk}/x")["lag"]["records"] == len(x.sent), "they are in the spool")
            with open(f"{disk}/others", "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(b"x" * 65536)
                except OSError:
                    pass
            x.send(20000, pad=1500)
            wait_for(lambda: x.r.said("rsyslog keeps its messages"), "it says that there is no room")
            note(x.r.lines("rsyslog keeps its messages")[0])
            tries = x.r.statistics("x").get("not_spooled", 0)
            wait_for(lambda: x.r.statistics("x").get("not_spooled", 0) > tries, "it tries again")
            os.unlink(f"{disk}/others")
            wait_for(lambda: x.r.said("takes messages again"), "it goes on by itself")
            x.check_nothing_lost()
            equal("said once each", (x.r.said("rsyslog keeps its messages"), x.r.said("takes messages again")), (1, 1))
            x.end()
    finally:
        subprocess.run(["umount", disk], check=True)


def no_descriptors(out):
    """For a while there are no descriptors, not even for waiting on those that are open: it goes on by itself afterwards."""
    if TOOL == "tsan":
        skip("no descriptors", "ThreadSanitizer ends rsyslogd when it cannot open the file for what it reports of rsyslogd")
        return
    timeout = "20s" if TOOL else "2s"  # in which there are 8
    with Outage(out, more=SHIPPED + f' batch.max_export_batch_size="{96 // FEWER}" export.concurrency="8" export.timeout="{timeout}"') as x:
        x.azure.script("request * stall 10min\n")
        x.r.start()
        x.send(2000)
        wait_for(lambda: x.azure.stats()["in_flight"] >= 8, "requests on their way")
        old = resource.prlimit(x.r.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(x.r.pid, resource.RLIMIT_NOFILE, (3, old[1]))  # poll(2) takes no more than these, too
        wait_for(lambda: x.r.said("no memory or no descriptors|failed for good"), "it meets with that")
        time.sleep(2)  # it has tried again
        resource.prlimit(x.r.pid, resource.RLIMIT_NOFILE, old)
        x.azure.release()
        x.check_nothing_lost()
        wait_for(lambda: x.r.said("memory and descriptors again"), "it says that it is over")
        equal("it says so once, and that it is over", (x.r.said("no memory or no descriptors"), x.r.said("memory and descriptors again")),
              (1, 1))
        equal("no exporter has given up", x.r.said("failed for good"), 0)
        x.end()


def poison(out):
    """What is refused for itself goes into the quarantine of that action, and holds nothing back, here or there."""
    other = Destination(f"{out}/other")
    try:
        with Outage(out, rules=lambda x: action(x.azure, "x", x.state) + action(other, "y", f"{out}/y")) as x:
            x.azure.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
            x.r.start()
            x.send(1000)
            x.r.say(message("poison 1"), message("poison 2"))
            x.send(1000)
            equal("the good ones arrive", x.azure.wait_for_numbers(x.sent), set())
            wait_for(lambda: len(quarantine(x.state)) == 2, "the bad ones are in quarantine")
            equal("just these", sorted(quarantine(x.state)), ["poison 1", "poison 2"])
            equal("the other action has delivered them", other.wait_for_numbers(x.sent), set())
            equal("and quarantined nothing", quarantine(f"{out}/y"), [])
            wait_for(lambda: {"poison 1", "poison 2"} <= {b.get("body") for b in other.records()}, "the other one has them")
            x.end()
    finally:
        other.close()


def throttled(out):
    """429: it slows down as it is told to, and nothing is lost or quarantined."""
    with Outage(out) as x:
        x.azure.script('request 1-3 status 429 header "Retry-After: 1"\n')
        x.azure.ask("limit", b"20/1s")  # and then as much as Azure lets through
        x.r.start()
        for _ in range(10):
            x.send(500)
        equal("all arrive", x.azure.wait_for_numbers(x.sent), set())
        check("it says that it is throttled", status(x.state)["throttling"]["answers"] >= 3, status(x.state)["throttling"])
        equal("nothing is in quarantine", quarantine(x.state), [])
        x.end()


def signals_during_commits(out):
    """HUP again and again, and then SIGTERM, in the middle of commits."""
    rounds, few = (2, 20) if TOOL else (5, 200)
    for what, more in (("a direct action", SHIPPED), ("three workers", SHIPPED_QUEUE + ' queue.workerThreads="3"')):
        with Outage(f"{out}/{what.replace(' ', '-')}", more=more) as x:
            for nth in range(1, rounds + 1):
                x.r.start()
                senders = [Sender(x.r, "unix").start(), Sender(x.r, "tcp"), Sender(x.r, "ptcp")]
                for s in senders[1:] if not TOOL else ():  # as many as rsyslogd takes: under a tool it reads nothing else
                    s.start(0.002)
                for i in range(1, 6):
                    x.r.hup()
                    for s in senders[1:] if TOOL else ():
                        s.send(few)
                    wait_for(lambda x=x, i=i: min(s.sent for s in senders) >= few * i, "a load")
                for s in senders[1:]:
                    x.sent |= s.finish()
                wait_for(lambda x=x, nth=nth: x.r.said("read anew") >= nth, "a HUP to be heard")
                x.end()  # while datagrams still come
                senders[0].close()
                x.sent |= {(senders[0].id, n) for n in range(1, senders[0].sent - IN_SOCKET + 1)}
            check(f"{what}: HUPs were heard", x.r.said("read anew") >= rounds, x.r.lines("read anew"))
            x.check_nothing_lost()
            x.end()


run(stop_while_down, stop_under_load, bare_action, full, larger_than_the_spool, full_at_the_end, disk_full, no_descriptors, poison, throttled, signals_during_commits)
