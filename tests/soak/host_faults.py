# SPDX-License-Identifier: MIT
"""What may happen to the programs, to the journal and to the machine, whatever the destination does meanwhile.
Standard library only."""
import contextlib
import os
import resource
import shutil
import signal
import struct
import subprocess
import time

from hosts import Wrong
from journald import read_file, wait_for
from judge import SUPPRESSED
from ledger import DAMAGED, DELETED, JOURNALD, POWER, TRUNCATED, VACUUM, ZEROED
from load import LIMITED, NATIVE, NUMBERED, SYSLOG

UNIT = "soak-limited.service"
SUPPRESSED_ID = "a596d6fe7bfa4994828e72309e95d61e"
BURST, INTERVAL = 100, 2  # of that unit: so many messages in so many seconds


class Faults:
    """Methods are faults; what they leave to chance is up to `dice`, new ones for each. `dwell`: the longest that one lasts, if
    nothing else says so."""

    def __init__(self, host, dwell):
        self.host, self.longest, self.dice = host, dwell, None

    def dwell(self):
        time.sleep(self.dice.uniform(0.1, self.longest))

    def stop(self):
        """SIGSTOP and SIGCONT"""
        os.kill(self.host.pid, signal.SIGSTOP)
        self.dwell()
        os.kill(self.host.pid, signal.SIGCONT)

    def disk_full(self):
        """Others fill the disk of state and spool."""
        self.host.frail = True
        self.host.disk.fill()
        self.dwell()
        self.host.keep_alive()
        self.host.disk.release()

    def descriptors(self):
        """Not one more can be had, while there are new files and connections."""
        host = self.host
        host.frail = True
        old = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
        used = set(map(int, os.listdir(f"/proc/{host.pid}/fd")))
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), old[1]))
        self.want_descriptors()
        self.dwell()
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, old)

    def want_descriptors(self):
        if self.host.destination.process:
            self.host.destination.renew()

    def kill(self):
        """kill -9"""
        self.host.restart(signal.SIGKILL)

    def terminate(self):
        """SIGTERM"""
        self.host.restart(signal.SIGTERM)

    def hup(self):
        """SIGHUP"""
        os.kill(self.host.pid, signal.SIGHUP)


class JournalFaults(Faults):
    def hup(self):
        """SIGHUP, with another configuration."""
        self.host.reload()

    # --- journald ---

    def journald_killed(self):
        """kill -9 under load. Its sockets are held, so what it was just writing is all that can be lost."""
        host = self.host
        with host.quiet():  # what was logged before is in the journal, or was taken from it since
            before, since = host.load.snapshot(host.group), time.time_ns() // 1000
        self.dwell()
        host.journald.end(signal.SIGKILL)
        last = host.load.snapshot(host.group)
        host.journald.start()
        with host.quiet():
            there = {message_of(e) for path in host.journald.files() if tail_usec(path) >= since for e in read_file(path)}
        host.judge.catch_up()  # it may have delivered even that which journald had not yet finished
        lost = [(w, n) for w in host.load.of(host.group, NATIVE, SYSLOG) for n in range(before[w] + 1, last[w] + 1)
                if (w, n) not in there and not host.judge.has((w, n))]
        if len(lost) > 1:
            raise Wrong(f"driver: journald's death took {len(lost)} messages, {sorted(lost)[:5]}")
        for message in lost:
            host.ledger.note(message, JOURNALD)
        host.ledger.note_others(2)  # a number that is used for no entry, in each of its files

    def journald_restarted(self):
        self.host.journald.end(signal.SIGTERM)
        self.host.journald.start()

    def rotated(self):
        self.host.journald.rotate()
        self.dwell()
        self.host.journald.rotate()

    # --- entries are taken ---

    @contextlib.contextmanager
    def behind(self):
        """The reader is behind when the block begins."""
        how = self.dice.choice(("stopped", "down", "running"))
        if how == "stopped":
            os.kill(self.host.pid, signal.SIGSTOP)
        elif how == "down":
            self.host.end_azmonlog(self.dice.choice((signal.SIGKILL, signal.SIGTERM)))
        self.dwell()
        yield
        if how == "stopped":
            os.kill(self.host.pid, signal.SIGCONT)
        elif how == "down":
            self.host.start_azmonlog()

    @contextlib.contextmanager
    def taking(self, cause):
        """The block takes files that are not written any more, or damages those that it adds to the list that it gets;
        afterwards it is known what was in them."""
        host = self.host
        copies = f"{host.work}/taken"
        os.makedirs(copies)
        acknowledged = host.acknowledged_usec()
        before = host.journald.archived()
        for i, path in enumerate(before):
            if tail_usec(path) >= acknowledged:
                copy_file(path, f"{copies}/{i}.journal")
        damaged = []
        yield damaged
        taken = 0
        for i, path in enumerate(before):
            copy = f"{copies}/{i}.journal"
            if os.path.exists(copy) and (path in damaged or not os.path.exists(path)):
                for e in read_file(copy):
                    taken += 1
                    message = message_of(e)
                    if message:
                        host.ledger.note(message, cause, e.realtime, path)
                    else:
                        host.ledger.note_others(1)
                    if cause in DAMAGED:
                        host.ledger.note_others(1)
        shutil.rmtree(copies)
        host.say(f"{cause}: {taken} entries that were not acknowledged yet")

    def vacuum(self):
        """The oldest files go away, read or not."""
        with self.behind():
            self.host.journald.rotate()
            self.dwell()
            self.host.journald.rotate()
            with self.taking(VACUUM):
                self.host.journald.journalctl(f"--vacuum-files={self.dice.choice((1, 1, 2))}")

    def vacuum_below(self):
        """What has been delivered goes away."""
        host = self.host
        host.journald.rotate()
        host.load.pause(host.group)
        wait_for(lambda: (host.keep_alive() or host.drained()), "everything is delivered")
        with self.taking(VACUUM):
            host.journald.journalctl("--vacuum-files=1")
        host.load.go_on(host.group)

    def some_file(self):
        """An archived one, if possible with entries that are not acknowledged."""
        host = self.host
        files = host.journald.archived()
        unread = [f for f in files if tail_usec(f) >= host.acknowledged_usec()]
        return self.dice.choice(unread or files)

    def deleted(self):
        with self.behind():
            self.host.journald.rotate()
            with self.taking(DELETED):
                os.unlink(self.some_file())

    def truncated(self):
        with self.behind():
            self.host.journald.rotate()
            with self.taking(TRUNCATED) as damaged:
                path = self.some_file()
                damaged.append(path)
                share = self.dice.choice((0, 0.3, 0.6, 0.9))
                self.damage(path, lambda p: os.truncate(p, int(os.path.getsize(p) * share)))

    def zeroed(self):
        """Blocks of a file are lost."""
        with self.behind():
            self.host.journald.rotate()
            with self.taking(ZEROED) as damaged:
                path = self.some_file()
                damaged.append(path)
                places = [self.dice.random() for _ in range(self.dice.randint(1, 4))]
                length = self.dice.choice((4096, 65536))

                def zero(p):
                    with open(p, "r+b") as f:
                        size = os.path.getsize(p)
                        for place in places:
                            f.seek(max(4096, int(place * (size - length))) & ~4095)
                            f.write(bytes(length))
                self.damage(path, zero)

    def damage(self, path, how):
        """In place, under whoever reads it; unless journald still has it open, which would mend its length."""
        pid = self.host.journald.process.pid
        opened = [os.path.realpath(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        if path not in opened:
            how(path)
            return
        shutil.copyfile(path, f"{path}.copy")
        how(f"{path}.copy")
        os.rename(f"{path}.copy", path)

    # --- the machine ---

    def power_loss(self):
        """The disk never got what was written last; everything dies at once, and boots again."""
        host = self.host
        snapshot = f"{host.work}/snapshot"
        with host.quiet():
            before = host.load.snapshot(host.group)
            host.journald.snapshot(snapshot)
        self.dwell()
        if self.dice.random() < 0.3:
            host.journald.rotate()
        self.dwell()
        host.load.pause(host.group)
        host.end_azmonlog(signal.SIGKILL)
        host.journald.end(signal.SIGKILL)
        host.journald.open_sockets()
        for w, n in host.load.snapshot(host.group).items():
            host.ledger.note_range(w, before[w] + 1, n, POWER)
        host.journald.restore(snapshot)
        host.journald.new_boot()
        host.journald.start()
        shutil.rmtree(snapshot)
        host.ledger.note_others(2)
        host.load.go_on(host.group)
        host.start_azmonlog()

    def reboot(self):
        host = self.host
        with host.quiet():
            host.end_azmonlog(self.dice.choice((signal.SIGTERM, signal.SIGKILL)))
            host.journald.end(signal.SIGTERM)
            host.journald.new_boot()
            host.journald.start()
        host.start_azmonlog()

    def memory(self):
        """It starts with little memory, and a backlog; sometimes it has too little to begin with."""
        host = self.host
        host.end_azmonlog(signal.SIGKILL)
        self.dwell()
        host.frail = True
        host.start_azmonlog(memory=int(2 ** self.dice.uniform(22, 26)))
        self.dwell()
        host.keep_alive()
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(host.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def want_descriptors(self):
        super().want_descriptors()
        for _ in range(self.dice.randint(1, 3)):
            self.dwell()
            self.host.journald.rotate()

    # --- journald's rate limit ---

    def rate_limit(self):
        """A unit logs more than it may; journald says how much it has dropped when the unit logs again after a while."""
        host = self.host
        writer = host.load.of(host.group, LIMITED)[0]
        first, since = host.load.logged(writer) + 1, time.time()
        host.load.tell(writer, self.dice.randint(10 * BURST, 20 * BURST))  # journald allows a multiple, by its free space
        time.sleep(INTERVAL + 0.5)
        host.load.tell(writer, 1)
        host.journald.sync()
        out = subprocess.run(["journalctl", "-q", "-o", "cat", "--no-pager", f"--since=@{since:.6f}", f"MESSAGE_ID={SUPPRESSED_ID}"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        found = [int(n) for n in SUPPRESSED.findall(out)]  # several, where the messages take longer than an interval
        if not found:
            raise Wrong(f"driver: journald does not say what it dropped of {first} to {host.load.logged(writer)}: {out!r}")
        host.ledger.dropped += sum(found)

        def told():
            host.keep_alive()
            host.judge.catch_up()
            return (sum(host.judge.suppressed.values()) == host.ledger.dropped and
                    len(host.judge.missing(writer, 1, host.load.logged(writer))) <= host.ledger.dropped)
        wait_for(told, f"journald's messages about {found} dropped ones to arrive")


def message_of(entry):
    m = NUMBERED.match(entry.text.encode()) if entry.text else None
    return (int(m[1]), int(m[2])) if m else None


def copy_file(path, copy):
    """journald may still be cutting off what a file that it has just archived does not need: again, then."""
    while True:
        before = os.stat(path)
        shutil.copyfile(path, copy)
        after = os.stat(path)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break


def tail_usec(path):
    """When the last entry of a file was received; a file that does not say so may have anything."""
    try:
        with open(path, "rb") as f:
            h = f.read(208)
    except FileNotFoundError:
        return 0
    return struct.unpack_from("<Q", h, 192)[0] if len(h) == 208 and h[:8] == b"LPKSHHRH" else 1 << 63


# name -> (method, whether it needs a destination that is well)
JOURNAL = {
    "azmonlog: SIGKILL": ("kill", False), "azmonlog: SIGTERM": ("terminate", False), "azmonlog: SIGSTOP": ("stop", False),
    "azmonlog: SIGHUP": ("hup", False), "azmonlog: no memory": ("memory", False), "azmonlog: no descriptors": ("descriptors", False),
    "azmonlog: disk full": ("disk_full", False),
    "journald: SIGKILL": ("journald_killed", False), "journald: restart": ("journald_restarted", False),
    "journal: rotation": ("rotated", False), "journal: vacuum": ("vacuum", False),
    "journal: vacuum of what is delivered": ("vacuum_below", True), "journal: file deleted": ("deleted", False),
    "journal: file truncated": ("truncated", False), "journal: file damaged": ("zeroed", False),
    "journal: rate limit": ("rate_limit", True),
    "machine: power loss": ("power_loss", False), "machine: reboot": ("reboot", False),
}
RSYSLOG = {
    "rsyslogd: SIGKILL": ("kill", False), "rsyslogd: SIGTERM": ("terminate", False), "rsyslogd: SIGSTOP": ("stop", False),
    "rsyslogd: SIGHUP": ("hup", False), "rsyslogd: no descriptors": ("descriptors", False),
    "rsyslogd: disk full": ("disk_full", False),
}
NEEDS_DISK = ("azmonlog: disk full", "rsyslogd: disk full")
