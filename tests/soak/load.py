# SPDX-License-Identifier: MIT
"""Forked writers of numbered messages "s<writer> <n> <text>", at rates and sizes that change, to journald and to rsyslogd.

`logged(writer)` is the last number that a system call has taken. A writer of journald sends a number again if its send failed, so
each one is in the socket exactly once. One of rsyslogd's by TCP cannot know what a broken connection has carried: it counts those
numbers as logged and goes on behind them. Standard library only."""
import fcntl
import mmap
import os
import random
import re
import select
import signal
import socket
import struct
import termios
import time

from journald import wait_for
from writers import kill_all

NUMBERED = re.compile(rb"s(\d+) (\d+) ")
POISON = ("poison4", "poison5")  # what the destination may refuse, or break by
POISONED = 1 / 250
NATIVE, SYSLOG, LIMITED, TCP, DATAGRAM = "native", "syslog", "limited", "tcp", "datagram"
# A writer's number is its place here. The limited one is in a unit of its own and writes only what it is told to.
KINDS = {"journal": (NATIVE, NATIVE, NATIVE, SYSLOG, LIMITED), "rsyslog": (TCP, TCP, DATAGRAM)}
RATES = (0, 100, 600, 1200, 3000)  # messages a second
TICK = 0.02
QUIT, FACTOR, PAUSE = 0, 1, {"journal": 2, "rsyslog": 3}
FIRST, FIELDS = 4, 3  # in the shared memory, for each writer: done, which pause it rests in, how many more it is told to write
PADDING = "".join(random.Random(1).choices("0123456789abcdef ", k=1 << 17))  # which gzip does not make nothing of


class Load:
    """`rsyslogd`: who says where its inputs are, see lib/rsyslogd.py; `prepare`: called in each writer with its kind."""

    def __init__(self, seed, groups, factor=1.0, rsyslogd=None, prepare=None):
        kinds = [(group, kind) for group in ("journal", "rsyslog") for kind in KINDS[group]]
        self.shared = memoryview(mmap.mmap(-1, 8 * (FIRST + FIELDS * len(kinds)))).cast("Q")
        self.shared[FACTOR] = int(factor * 1000)
        self.seed, self.rsyslogd = seed, rsyslogd
        self.writers, self.pids = {}, []  # writer -> (group, kind)
        self.pauses = 1
        for group in KINDS:
            self.shared[PAUSE[group]] = self.pauses
        for writer, (group, kind) in enumerate(kinds):
            if group not in groups:
                continue
            self.writers[writer] = (group, kind)
            pid = os.fork()
            if pid == 0:
                try:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    if prepare:
                        prepare(kind)
                    Writer(self, writer, group, kind, random.Random(f"{seed} {writer}")).work()
                except BrokenPipeError:
                    pass
                finally:
                    os._exit(0)
            self.pids.append(pid)

    def of(self, group, *kinds):
        return [w for w, (g, kind) in self.writers.items() if g == group and (not kinds or kind in kinds)]

    def logged(self, writer):
        return self.shared[FIRST + FIELDS * writer]

    def snapshot(self, group):
        return {w: self.logged(w) for w in self.of(group)}

    def total(self):
        return sum(map(self.logged, self.writers))

    def tell(self, writer, n):
        """n messages of a writer of kind LIMITED; returns when they are sent."""
        place = FIRST + FIELDS * writer
        self.shared[place + 2] += n
        wait_for(lambda: self.shared[place + 2] == 0, "the limited writer")

    def pause(self, group):
        """Returns when nobody is in the middle of a message. What was sent to rsyslogd it has read then, or it has ended."""
        self.pauses += 1
        pause = self.shared[PAUSE[group]] = self.pauses
        rests = [FIRST + FIELDS * w + 1 for w in self.of(group)]
        wait_for(lambda: all(self.shared[place] == pause for place in rests), f"the writers of {group} to pause")

    def go_on(self, group):
        self.shared[PAUSE[group]] = 0

    def close(self):
        self.shared[QUIT] = 1
        kill_all(self.pids)


class Writer:
    def __init__(self, load, writer, group, kind, dice):
        self.shared, self.place, self.paused = load.shared, FIRST + FIELDS * writer, PAUSE[group]
        self.rsyslogd, self.writer, self.kind, self.dice = load.rsyslogd, writer, kind, dice
        self.socket = None
        self.ready = time.monotonic()

    # --- what it says ---

    def text(self, n):
        dice = self.dice.random()
        length = int(120 * dice / 0.7) if dice < 0.7 else int(2000 * (dice - 0.7)) if dice < 0.95 else int(
            60000 * (dice - 0.95)) if dice < 0.9985 else self.dice.randrange(3000, 30000)
        start = self.dice.randrange(len(PADDING) - length)
        poison = f"{self.dice.choice(POISON)} " if self.dice.random() < POISONED and self.kind != LIMITED else ""
        return f"s{self.writer} {n} {poison}{PADDING[start:start + length]}".rstrip(" ") + " ."

    def message(self, n):
        text = self.text(n)
        if self.kind == SYSLOG:
            return f"<14>soak{self.writer}: {text}".encode()
        if self.kind in (TCP, DATAGRAM):
            data = f"<14>1 2026-11-25T12:00:00.123456Z web1 soak{self.writer} - - - {text}".encode()
            return b"%d %s" % (len(data), data) if self.kind == TCP else data
        return f"MESSAGE={text}\nPRIORITY=6\nSYSLOG_IDENTIFIER=soak{self.writer}\n".encode()

    # --- how it gets there ---

    def connect(self):
        if self.kind == TCP:
            self.socket = socket.create_connection(("127.0.0.1", self.rsyslogd.port("ptcp")), 5)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.connect(self.rsyslogd.socket if self.kind == DATAGRAM else
                                "/dev/log" if self.kind == SYSLOG else "/run/systemd/journal/socket")
        self.socket.setblocking(False)

    def disconnect(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def wait_writable(self):
        select.select([], [self.socket], [], 0.05)

    def send_datagram(self):
        """One number; False: not sent, to be tried again."""
        try:
            if not self.socket:
                self.connect()
            self.socket.send(self.message(self.shared[self.place] + 1))
        except BlockingIOError:
            self.wait_writable()
            return False
        except OSError:  # the other end is not there
            self.disconnect()
            time.sleep(0.01)
            return False
        self.shared[self.place] += 1
        return True

    def send_stream(self, n):
        """n numbers: counted before, because nobody knows what a broken connection has carried."""
        try:
            if not self.socket:
                self.connect()
        except (OSError, ValueError):  # ValueError: rsyslogd has not written its port yet
            time.sleep(0.02)
            return
        first = self.shared[self.place] + 1
        data = memoryview(b"".join(map(self.message, range(first, first + n))))
        self.shared[self.place] += n
        try:
            while data:
                try:
                    data = data[self.socket.send(data):]
                except BlockingIOError:
                    self.wait_writable()
        except OSError:
            self.disconnect()

    def finish(self):
        """Returns when rsyslogd has read all, or has ended."""
        if not self.socket:
            return
        try:
            if self.kind == TCP:
                self.socket.shutdown(socket.SHUT_WR)
                self.socket.settimeout(None)
                while self.socket.recv(4096):
                    pass
                self.disconnect()
            elif self.kind == DATAGRAM:
                while struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4))[0] > 0:
                    self.socket.getpeername()  # an error: there is nobody any more
                    time.sleep(0.002)
        except OSError:
            self.disconnect()

    # --- its day ---

    def work(self):
        parent = os.getppid()
        phase, rate = 0, 0
        while not self.shared[QUIT] and os.getppid() == parent:
            pause = self.shared[self.paused]
            if self.kind == LIMITED:
                n = min(self.shared[self.place + 2], 50)
            elif pause:
                n = 0
                self.finish()
            else:
                now = time.monotonic()
                if now > phase:
                    phase, rate = now + self.dice.uniform(0.2, 2), self.dice.choice(RATES) * self.shared[FACTOR] / 1000
                n = rate * TICK
                n = int(n) + (self.dice.random() < n % 1)
            if n and self.kind == TCP:
                self.send_stream(n)
            while n and self.kind != TCP and (self.kind == LIMITED or not self.shared[self.paused]) and not self.shared[QUIT]:
                if self.send_datagram():
                    n -= 1
                    if self.kind == LIMITED:
                        self.shared[self.place + 2] -= 1
            self.shared[self.place + 1] = pause
            self.ready = max(self.ready + TICK, time.monotonic() - TICK)
            time.sleep(max(0.001, self.ready - time.monotonic()))
