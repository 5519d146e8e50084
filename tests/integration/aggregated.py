# SPDX-License-Identifier: MIT
"""Many machines' journals in one folder, as a real systemd-journal-remote collects them over HTTP: see aggregated.sh."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from exporter import Exporter
from journal_files import NOON, REMOTE, SECOND
from journald import PATIENCE, wait_for
from tap import check, equal, note, run
from writers import number_of

DAY = 24 * 3600 * SECOND
# One process id is another service on each machine.
ROLES = ("web", "worker", "db", "mail", "cache")


class Machine:
    """A host far away. Two of them may have one machine id, as clones of one disk have."""

    def __init__(self, number, machine_id=None):
        self.number, self.name = number, f"edge-{number}"
        self.machine_id = machine_id or f"{0xc0ffee00 + number:032x}"
        self.boot_id = uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex  # as evenly spread as the kernel's, which are random
        self.address = f"127.0.1.{number + 1}"  # systemd-journal-remote names its file for it
        self.written = 0

    def role(self, n):
        """The service of entry n."""
        return ROLES[(self.number + n % 5) % 5]

    def entries(self, n, at=NOON):
        """The next n entries in the journal's export format, one in a millisecond. Each fifth one has lost its unit, as those of
        processes that die at once do."""
        out = []
        for i in range(self.written + 1, self.written + n + 1):
            role = self.role(i)
            out.append(f"__REALTIME_TIMESTAMP={at + i * 1000}\n__MONOTONIC_TIMESTAMP={SECOND + i * 1000}\n_BOOT_ID={self.boot_id}\n"
                       f"_MACHINE_ID={self.machine_id}\n_HOSTNAME={self.name}\n_TRANSPORT=journal\n_PID={100 + i % 5}\nPRIORITY=6\n"
                       + (f"_SYSTEMD_UNIT={role}.service\n_COMM={role}\n" if i % 25 < 20 else "") +
                       f"SYSLOG_IDENTIFIER=python3\nMESSAGE=w{self.number} {i}\n\n")
        self.written += n
        return "".join(out).encode()

    def numbers(self):
        return {(self.number, i) for i in range(1, self.written + 1)}


class Collector:
    """systemd-journal-remote, with a file for each sender."""

    def __init__(self, out):
        self.folder, self.log = f"{out}/journal", open(f"{out}/journal-remote.log", "ab")
        os.makedirs(self.folder, exist_ok=True)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        os.set_inheritable(listener.fileno(), True)
        # the socket as systemd would hand it over, so that the port is known and nobody else's
        self.process = subprocess.Popen(
            ["bash", "-c", f'[ {listener.fileno()} = 3 ] || {{ exec 3<&{listener.fileno()} {listener.fileno()}<&-; }}; LISTEN_PID=$$ LISTEN_FDS=1 '
             f'exec {REMOTE} --listen-http=-3 --split-mode=host -o "$0"', self.folder],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False)
        listener.close()

    def send(self, machine, n, at=NOON):
        """As systemd-journal-upload does: one POST, from the machine's own address."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, PATIENCE, source_address=(machine.address, 0))
        c.request("POST", "/upload", machine.entries(n, at), {"Content-Type": "application/vnd.fdo.journal"})
        answer = c.getresponse()
        answer.read()
        c.close()
        if answer.status not in (200, 202):
            raise RuntimeError(f"systemd-journal-remote has answered {answer.status}")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


def begin(out, **settings):
    collector = Collector(out)
    return collector, Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=collector.folder, **settings)


def wanted(machines):
    return set().union(*(m.numbers() for m in machines))


def check_identities(x, machines, services=True):
    """Each record has the host and the service of the machine that wrote it. After a restart the first ones of processes that are
    dead by then may go without the service: what was known of them is gone."""
    of, wrong, lost_unit = {m.number: m for m in machines}, [], 0
    for r in x.received():
        number, i = number_of(r["body"])
        m, resource = of[number], r["resource"]
        lost_unit += "systemd.unit" not in resource
        got = tuple(resource.get(k) for k in ("host.name", "host.id", "service.instance.id", "service.name"))
        if got[:3] != (m.name, m.machine_id, m.name) or services and got[3] != m.role(i):
            wrong.append((number, i, got))
    equal("each record has its own host's name and id, and its service", wrong[:3], [])
    check("also those without a unit, by the process of that host", lost_unit > 0)


def each_its_own(out):
    """Five machines, two of them clones: the same process ids, and even the same times and texts but for the number."""
    machines = [Machine(i) for i in range(4)]
    machines.append(Machine(4, machines[0].machine_id))
    collector, x = begin(out)
    try:
        for round in range(4):
            for m in machines:
                collector.send(m, 100)
        equal("a file for each", len([n for n in os.listdir(collector.folder) if n.endswith(".journal")]), 5)
        equal("a run ends with 0", x.once(), 0)
        check("everything has arrived", x.wait_for_numbers(wanted(machines)))
        equal("nothing arrives twice", x.copies(), {})
        equal("each has a uid of its own", len({r["uid"] for r in x.received()}), len(wanted(machines)))
        equal("no gap is reported", x.gaps(), [])
        check_identities(x, machines)
    finally:
        collector.close()
        x.close()


def a_single_entry_first(out):
    """The first entry of all is alone of its machine for long: what was read of it is known nevertheless."""
    first, other = machines = [Machine(0), Machine(1)]
    collector, x = begin(out)
    try:
        collector.send(first, 1)
        collector.send(other, 3000, NOON + SECOND)
        collector.send(first, 10, NOON + 10 * SECOND)
        equal("a run ends with 0", x.once(), 0)
        check("everything has arrived", x.wait_for_numbers(wanted(machines)))
        equal("nothing arrives twice", x.copies(), {})
        equal("no gap is reported", x.gaps(), [])
    finally:
        collector.close()
        x.close()


def away_for_a_day(out):
    """A machine sends the day that it was away when the others are a day ahead, while azmonlog runs and is killed."""
    machines = [Machine(i) for i in range(5)]
    late = machines[2]
    collector, x = begin(out)
    try:
        for m in machines:
            collector.send(m, 50)
        x.start()
        check("what is there arrives", x.wait_for_numbers(wanted(machines)))
        for m in machines:
            if m is not late:
                collector.send(m, 50, NOON + DAY)
        check("what the others send a day later arrives", x.wait_for_numbers(wanted(machines)))
        collector.send(late, 1000)
        check("the day that was missing arrives", x.wait_for_numbers(wanted(machines)))
        check_identities(x, machines)
        for i in range(5):
            x.hold()
            collector.send(late, 200, NOON + i * SECOND)
            collector.send(machines[0], 20, NOON + DAY + i * SECOND)
            wait_for(lambda: x.process.poll() is None, "azmonlog runs")
            x.end(signal.SIGKILL)
            x.release()
            x.start()
        check("and all of it, kill by kill", x.wait_for_numbers(wanted(machines)))
        equal("it ends with 0", x.end(), 0)
        equal("no gap is reported", x.gaps(), [])
        equal("uids tell copies from others", len({r["uid"] for r in x.received()}), len(wanted(machines)))
        check_identities(x, machines, services=False)
        n = len(x.received())
        equal("a run with nothing new ends with 0", x.once(), 0)
        equal("and sends nothing", len(x.received()), n)
    finally:
        collector.close()
        x.close()


def backlog_of_one(out):
    """One machine, and then another, sends a large backlog late: what the others write goes in between, not after it."""
    machines = [Machine(i) for i in range(4)]
    a, b, live, ahead = machines
    backlog = 120000
    collector, x = begin(out, batch=1000)
    try:
        for m in machines:
            collector.send(m, 20, NOON + (DAY if m is ahead else 0))
        x.start()
        check("what is there arrives", x.wait_for_numbers(wanted(machines)))
        x.process.send_signal(signal.SIGSTOP)  # all of it is there when it looks
        collector.send(a, backlog)
        collector.send(b, 500)
        collector.send(live, 20, NOON + DAY)
        collector.send(ahead, 20, NOON + DAY)
        x.process.send_signal(signal.SIGCONT)
        check("everything arrives", x.wait_for_numbers(wanted(machines)))
        equal("it ends with 0", x.end(), 0)
        place = {}
        for i, r in enumerate(x.received()):
            place.setdefault(number_of(r["body"]), i)
        end = place[(a.number, a.written)]
        for m, words in ((b, "the other late one's"), (live, "a live one's"), (ahead, "the one's that is ahead")):
            ahead_of_end = end - max(place[(m.number, i)] for i in range(21, m.written + 1))
            note(f"{words} last record comes {ahead_of_end} records before the end of the backlog")
            check(f"{words} records do not wait for the end of the backlog", ahead_of_end > backlog // 3)
        equal("nothing arrives twice", x.copies(), {})
        equal("no gap is reported", x.gaps(), [])
    finally:
        collector.close()
        x.close()


def folders_as_shards(out):
    """Two collectors with a folder each, and an azmonlog for each: nothing is common, nothing is missing."""
    machines = [Machine(i) for i in range(4)]
    shards = []
    try:
        for k in range(2):
            os.makedirs(f"{out}/{k}")
            shards.append(begin(f"{out}/{k}"))
        for m in machines:
            shards[m.number % 2][0].send(m, 200)
        for k, (_, x) in enumerate(shards):
            equal(f"run {k} ends with 0", x.once(), 0)
            equal(f"shard {k} has its machines, and no others", set(x.numbers()), wanted(m for m in machines if m.number % 2 == k))
            check_identities(x, machines)
    finally:
        for collector, x in shards:
            collector.close()
            x.close()


def matches_as_shards(out):
    """One folder, and [journal] match= for each machine."""
    machines = [Machine(i) for i in range(4)]
    collector = Collector(out)
    exporters = []
    try:
        for m in machines:
            collector.send(m, 200)
        for k in range(2):
            own = [m for m in machines if m.number % 2 == k]
            x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/{k}", directory=collector.folder,
                         more="[journal]\n" + "".join(f"match=_MACHINE_ID={m.machine_id}\n" for m in own))
            exporters.append(x)
            equal(f"run {k} ends with 0", x.once(), 0)
            equal(f"shard {k} has its machines, and no others", set(x.numbers()), wanted(own))
    finally:
        collector.close()
        for x in exporters:
            x.close()


run(each_its_own, a_single_entry_first, away_for_a_day, backlog_of_one, folders_as_shards, matches_as_shards)
