# SPDX-License-Identifier: MIT
"""Processes that log numbered messages "w<writer> <n> <padding>" to journald, and do not lose count when it dies.

Each writes as another user or by another socket. A message whose send failed is sent again under the same number, so each
number gets into the journal at most once; how many got there only the journal can tell. Standard library only."""
import mmap
import os
import random
import re
import signal
import socket
import time

from journald import wait_for

NUMBERED = re.compile(r"w(\d+) (\d+)(?: |$)")
KINDS = ((0, "native"), (1500, "native"), (0, "syslog"), (1501, "native"))  # (uid, socket)
PAUSE, QUIT, FIRST = 0, 1, 2  # in the shared memory; then for each writer: target, done, busy


def number_of(text):
    """(writer, n) of a message, or None."""
    m = NUMBERED.match(text) if isinstance(text, str) else None
    return (int(m[1]), int(m[2])) if m else None


def datagram(kind, writer, n, padding):
    text = f"w{writer} {n} {padding}".rstrip()
    if kind == "syslog":
        return "/dev/log", f"<14>writer{writer}: {text}".encode()
    return "/run/systemd/journal/socket", f"MESSAGE={text}\nPRIORITY=6\nSYSLOG_IDENTIFIER=writer{writer}\n".encode()


class Writers:
    def __init__(self, seed=0, pad=200):
        """`pad`: the longest padding in bytes. It is random, so that compression does not make nothing of it."""
        self.shared = memoryview(mmap.mmap(-1, 8 * (FIRST + 3 * len(KINDS)))).cast("Q")
        self.pids = []
        for writer, (uid, kind) in enumerate(KINDS):
            pid = os.fork()
            if pid == 0:
                try:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    if uid:
                        os.setgroups([])
                        os.setgid(uid)
                        os.setuid(uid)
                    self._work(writer, kind, random.Random(f"{seed} {writer}"), pad)
                finally:
                    os._exit(0)
            self.pids.append(pid)

    def _work(self, writer, kind, rnd, pad):
        shared, place = self.shared, FIRST + 3 * writer
        parent = os.getppid()
        s = None
        while not shared[QUIT] and os.getppid() == parent:
            shared[place + 2] = 1  # busy: said before the pause is looked at, so that nobody can slip through
            n = shared[place + 1] + 1
            if shared[PAUSE] or n > shared[place]:
                shared[place + 2] = 0
                time.sleep(0.002)
                continue
            length = rnd.randrange(pad + 1) if rnd.random() < 0.5 else 0
            path, data = datagram(kind, writer, n, f"{rnd.getrandbits(4 * length + 4):x}"[:length])
            try:
                if s is None:
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    s.connect(path)
                s.send(data)
                shared[place + 1] = n
            except OSError:  # journald is down: the same number again when it is back
                if s is not None:
                    s.close()
                s = None
                shared[place + 2] = 0
                time.sleep(0.005)
            if n % 20 == 0:
                time.sleep(0.001)

    def write(self, writer, n):
        """`n` messages more; does not wait."""
        self.shared[FIRST + 3 * writer] += n

    def done(self, writer):
        return self.shared[FIRST + 3 * writer + 1]

    def total(self):
        return sum(map(self.done, range(len(KINDS))))

    def idle(self):
        return all(self.done(w) == self.shared[FIRST + 3 * w] for w in range(len(KINDS)))

    def wait(self):
        wait_for(self.idle, "the writers")

    def pause(self):
        self.shared[PAUSE] = 1
        wait_for(lambda: not any(self.shared[FIRST + 3 * w + 2] for w in range(len(KINDS))), "the writers to pause")

    def go_on(self):
        self.shared[PAUSE] = 0

    def close(self):
        self.shared[QUIT] = 1
        kill_all(self.pids)


def kill_all(pids):
    """Ends these children, and takes them from the list."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    pids.clear()


def numbers(first, n, writer=0):
    """The messages that `write` with these arguments sends, as `number_of` tells them."""
    return {(writer, i) for i in range(first, first + n)}


def write(first, n, writer=0, uid=0, pad=0):
    """Numbers first .. first+n-1 to a journald that is up, by the native socket; returns when they are sent."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.connect("/run/systemd/journal/socket")
                rnd = random.Random(first)
                for i in range(first, first + n):
                    s.send(datagram("native", writer, i, f"{rnd.getrandbits(4 * pad + 4):x}"[:pad])[1])
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the writer failed")
