# SPDX-License-Identifier: MIT
"""The stock rsyslogd with omazuremonitor.so, private to a test: its configuration, its life, what it says; senders of numbered
messages, and what has become of these. Standard library only."""
import collections
import contextlib
import ctypes
import fcntl
import functools
import glob
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import termios
import threading
import time

import sanitizers
from azure import Azure
from journald import PATIENCE, STALLED, wait_for

MODULE = os.path.join(os.environ.get("builddir", "build"), ".libs/omazuremonitor.so")
RSYSLOGD = os.environ.get("RSYSLOGD") or shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
NUMBERED = re.compile(r"m(\d+) (\d+) ")
PR_SET_CHILD_SUBREAPER = 36


def is_there():
    """Is there an rsyslogd, and the module for it?"""
    return RSYSLOGD is not None and os.path.exists(MODULE)


def shipped(part):
    """What the shipped drop-in says in "ruleset(" or "action(" about queues and tries. A test has no time for its wait before the
    next try."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/rsyslog/60-azuremonitor.conf.example")) as f:
        text = "".join(line for line in f if not line.lstrip().startswith("#"))
    found = re.findall(r'(?:action|queue)\.[\w.]+="[^"]*"', text[text.index(part):].split(")", 1)[0])
    return re.sub(r'(action\.resumeInterval)="\d+"', r'\1="1"', " ".join(found))


SHIPPED_RULESET, SHIPPED_QUEUE = shipped("ruleset("), shipped("action(")
SHIPPED = " ".join(re.findall(r"action\.\S+", SHIPPED_QUEUE))  # a direct action


@functools.lru_cache
def preloaded():
    """The libraries that a module built with sanitizers needs to be there first."""
    found = subprocess.run(["ldd", MODULE], stdout=subprocess.PIPE, text=True, check=True).stdout
    return " ".join(re.findall(r"=> (\S*/lib[atu]b?san\.so\S*)", found))


def sanitized():
    return bool(preloaded())


# --- the destination ---

class Destination(Azure):
    """An emulator that wants no token. It may be ended and started again: the port and what it has got stay."""

    def __init__(self, out, *options):
        os.makedirs(out, exist_ok=True)
        self.seen, self.offset = [], 0
        self.uids = collections.Counter()             # of every record
        self.found = collections.defaultdict(set)     # of numbered messages: (sender, n) -> uids
        super().__init__(out, *options, auth=False)

    def endpoint(self):
        return f"{self.url}/v1/logs"

    def hold(self):
        self.script("request * status 503\n")

    def release(self):
        self.script("")

    def records(self):
        """All so far, in the order in which they arrived, copies included."""
        try:
            with open(f"{self.out}/received", "rb") as f:
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            return self.seen
        data = data[:data.rfind(b"\n") + 1]
        self.offset += len(data)
        for line in data.splitlines():
            record = json.loads(line)
            self.seen.append(record)
            self.uids[record["uid"]] += 1
            number = number_of(record.get("body"))
            if number:
                self.found[number].add(record["uid"])
        return self.seen

    def numbers(self):
        """The numbered messages that have arrived: (sender, n) -> the uids under which they have."""
        self.records()
        return self.found

    def wait_for_numbers(self, wanted):
        """Waits until these messages have arrived; returns those that have not."""
        wanted = set(wanted)
        size, since = -1, time.monotonic()
        while time.monotonic() - since < STALLED:
            wanted -= self.numbers().keys()
            if not wanted:
                break
            if len(self.seen) != size:
                size, since = len(self.seen), time.monotonic()
            time.sleep(0.05)
        return wanted

    def copies(self):
        """(how many records came again with the uid that they had, how many messages have come with several uids)"""
        several = sum(len(u) > 1 for u in self.numbers().values())
        return sum(n - 1 for n in self.uids.values()), several


# --- rsyslogd ---

def action(destination, name, state, more=SHIPPED):
    """An action that sends soon, and tries again soon. `destination`: or its URL."""
    endpoint = destination if isinstance(destination, str) else destination.endpoint()
    return (f'action(type="omazuremonitor" name="{name}" endpoint="{endpoint}" state.directory="{state}"\n'
            f'       batch.schedule_delay="100ms" export.retry_initial_delay="20ms" export.retry_max_delay="100ms"\n'
            f'       export.hold_max_delay="100ms" {more})\n')


class Rsyslogd:
    """Files in `out`. Inputs (TCP by imtcp, by imptcp, a datagram socket) go to `rules`, text with actions, in a ruleset of
    their own, as packages set it up; `ruleset` are its parameters, for a queue of its own. What rsyslogd says of itself goes
    into a file. `head`: the first lines. (format="json" of impstats 8.2302 writes one byte behind its buffer where a line
    has just 128 bytes, which AddressSanitizer does not survive; "cee" does not.)"""

    def __init__(self, out, rules, head="", ruleset="", globals=""):
        os.makedirs(f"{out}/work", exist_ok=True)
        self.out, self.process, self.pid = out, None, None
        self.conf, self.socket = f"{out}/rsyslog.conf", f"{out}/log"
        self.environment = {}
        self.enter = None  # preexec_fn: of a node of a network
        self.configure(rules, head, ruleset, globals)

    def configure(self, rules, head="", ruleset="", globals=""):
        with open(self.conf, "w") as f:
            f.write(f'''global(workDirectory="{self.out}/work" processInternalMessages="on" maxMessageSize="64k" {globals})
{head}
module(load="imtcp")
module(load="imptcp")
module(load="imuxsock" SysSock.Use="off")
module(load="impstats" interval="1" format="cee" log.syslog="off" log.file="{self.out}/statistics")
module(load="{MODULE}")
if $inputname == "rsyslogd" then {{
  action(type="omfile" file="{self.out}/internal" template="RSYSLOG_FileFormat")
  stop
}}
ruleset(name="inputs" {ruleset}) {{
{rules}}}
input(type="imtcp" port="0" listenPortFileName="{self.out}/tcp-port" address="127.0.0.1" ruleset="inputs")
input(type="imptcp" port="0" listenPortFileName="{self.out}/ptcp-port" address="127.0.0.1" ruleset="inputs")
input(type="imuxsock" socket="{self.socket}" ratelimit.interval="0" useSpecialParser="off" parseHostname="on"
      ignoreTimestamp="off" ruleset="inputs")
''')

    def command(self, *options):
        return [RSYSLOGD, "-f", self.conf, "-i", f"{self.out}/pid", *options]

    def environ(self):
        env = {**os.environ, **self.environment}
        if sanitized():
            env["LD_PRELOAD"] = f"{preloaded()} {env.get('LD_PRELOAD', '')}".strip()
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + f":detect_leaks=1:suppressions={sanitizers.SUPPRESSIONS}/asan"
            # LeakSanitizer of gcc 12 crashes when it looks at the threads' own data of a program that loads modules; what only
            # these point to, it then calls leaked.
            env["LSAN_OPTIONS"] = env.get("LSAN_OPTIONS", "") + f":exitcode=0:use_tls=0:suppressions={sanitizers.SUPPRESSIONS}/lsan"
            env["TSAN_OPTIONS"] = env.get("TSAN_OPTIONS", "") + ":exitcode=0:report_signal_unsafe=0"
            env["UBSAN_OPTIONS"] = env.get("UBSAN_OPTIONS", "") + ":print_stacktrace=1"
        return env

    def check(self):
        """rsyslogd -N1: (exit code, what it says)."""
        r = subprocess.run(self.command("-N1"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", env=self.environ(), timeout=PATIENCE)
        return r.returncode, r.stdout

    def start(self, daemon=False):
        """Returns when it takes messages. `daemon`: as without -n, it forks and ends its parent."""
        place = tempfile.mkdtemp(prefix="azmonlog-notify.")  # the path of a socket must be short
        for name in ("tcp-port", "ptcp-port", "pid"):
            if os.path.exists(f"{self.out}/{name}"):
                os.unlink(f"{self.out}/{name}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(f"{self.out}/rsyslogd.out", "ab") as log:
            try:
                ready.bind(f"{place}/ready")
                os.chmod(place, 0o711)
                os.chmod(f"{place}/ready", 0o666)  # whatever user it becomes
                ready.settimeout(0.2)
                if daemon:
                    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # so that its end can be waited for
                self.process = subprocess.Popen(self.command(*([] if daemon else ["-n"])), stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, env={**self.environ(), "NOTIFY_SOCKET": f"{place}/ready"},
                                                preexec_fn=self.enter)
                self.pid = self.process.pid
                self._wait_until_ready(ready, daemon)
            finally:
                shutil.rmtree(place)
        if daemon:
            wait_for(lambda: os.path.exists(f"{self.out}/pid") and open(f"{self.out}/pid").read().strip(), "the pid file")
            self.pid = int(open(f"{self.out}/pid").read())
            self.process.wait(PATIENCE)
            self.process = None
        return self

    def _wait_until_ready(self, ready, daemon):
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                if b"READY=1" in ready.recv(4096):
                    return
            except socket.timeout:
                if self.process.poll() is not None and not daemon:
                    break
        raise RuntimeError(f"rsyslogd does not start: {open(f'{self.out}/rsyslogd.out', errors='replace').read()}")

    def running(self):
        return self.pid is not None and (self.process is None or self.process.poll() is None)

    def workers(self, name):
        """How many threads work on the queue of the action of this name."""
        found = []
        for path in glob.glob(f"/proc/{self.pid}/task/*/comm"):
            with contextlib.suppress(OSError), open(path) as f:
                found.append(f.read().strip())
        return sum(bool(re.match(f"rs:{name}( queue)?:", comm)) for comm in found)

    def hup(self):
        os.kill(self.pid, signal.SIGHUP)

    def end(self, how=signal.SIGTERM):
        """Returns the exit code (negative: the signal) when it has ended."""
        os.kill(self.pid, how)
        pid, self.pid = self.pid, None
        if self.process:
            process, self.process = self.process, None
            return process.wait(PATIENCE)
        found = []

        def ended():
            found[:] = os.waitpid(pid, os.WNOHANG)
            return found[0] == pid

        wait_for(ended, "the daemon's end")
        return os.waitstatus_to_exitcode(found[1])

    def kill(self):
        return self.end(signal.SIGKILL)

    def close(self):
        if self.running():
            self.kill()

    # --- what it says ---

    def output(self):
        """What stands on its standard output and error, sanitizers' reports among it."""
        with open(f"{self.out}/rsyslogd.out", errors="replace") as f:
            return f.read()

    def sanitizers_said(self):
        """What sanitizers say about the module. In `make analyze` it is in their files."""
        return sanitizers.judged(self.output())[0]

    def said(self, words):
        """How many lines of its own messages match. They come through its main queue, so not before what that waits for."""
        return len(self.lines(words))

    def lines(self, words=""):
        try:
            with open(f"{self.out}/internal", errors="replace") as f:
                return [line.rstrip("\n") for line in f if re.search(words, line)]
        except FileNotFoundError:
            return []

    def statistics(self, name, origin="omazuremonitor"):
        """The newest counters of this name, {} before there are any."""
        newest = {}
        try:
            with open(f"{self.out}/statistics", errors="replace") as f:
                for line in f.read().split("\n")[:-1]:
                    counters = json.loads(line[line.index("{"):])
                    if counters["name"] == name and counters["origin"] == origin:
                        newest = counters
        except FileNotFoundError:
            pass
        return newest

    # --- the way in ---

    def port(self, kind):
        with open(f"{self.out}/{kind}-port") as f:
            return int(f.read())

    def say(self, *messages, kind="tcp"):
        """Sends messages as they are and returns when they are taken."""
        s = Sender(self, kind)
        for m in messages:
            s.put(m if isinstance(m, bytes) else m.encode())
        s.finish()

    def check_clean(self, check):
        """Ends it, and nothing was wrong with it."""
        code = self.end()
        check("rsyslogd ends in order", code == 0, code, self.output)
        if sanitized():
            check("the sanitizers have nothing to say", not self.sanitizers_said(), lambda: "\n".join(self.sanitizers_said()))


def number_of(text):
    """(sender, n) of a message, or None."""
    m = NUMBERED.match(text) if isinstance(text, str) else None
    return (int(m[1]), int(m[2])) if m else None


def message(text, pri=14, time="2026-11-25T12:00:00.123456Z", host="web1", app="app", procid="-", msgid="-", data="-"):
    """RFC 5424"""
    return f"<{pri}>1 {time} {host} {app} {procid} {msgid} {data} {text}"


class Sender:
    """Sends messages by one connection ("tcp", "ptcp": framed by their length) or datagrams ("unix"). Numbers count from 1;
    `sent`: the last one that a system call has taken. The kernel may still have it: `taken` is of rsyslogd."""

    count = 0

    def __init__(self, rsyslogd, kind="tcp", pad=0):
        Sender.count += 1
        self.id, self.kind, self.sent, self.pad = Sender.count, kind, 0, pad
        self.thread, self.stopped = None, threading.Event()
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.connect(rsyslogd.socket)
        else:
            self.socket = socket.create_connection(("127.0.0.1", rsyslogd.port(kind)), PATIENCE)

    def put(self, data):
        if self.kind != "unix":
            data = b"%d %s" % (len(data), data)
        self.socket.sendall(data)

    def text(self, n):
        padding = (f"{n:x}" * (self.pad // len(f"{n:x}") + 1))[:self.pad] if self.pad else "."
        return f"m{self.id} {n} {padding}"

    def send(self, n):
        """n more, which may wait until rsyslogd reads; returns their numbers."""
        first = self.sent + 1
        while n > 0:
            k = 1 if self.kind == "unix" else min(n, 100)
            frames = []
            for i in range(self.sent + 1, self.sent + 1 + k):
                m = message(self.text(i)).encode()
                frames.append(m if self.kind == "unix" else b"%d %s" % (len(m), m))
            self.socket.sendall(b"".join(frames))
            self.sent += k
            n -= k
        return {(self.id, i) for i in range(first, self.sent + 1)}

    def numbers(self):
        """All that were sent."""
        return {(self.id, i) for i in range(1, self.sent + 1)}

    def start(self, pause=0.0):
        """Sends on and on, until `stop` or the end of rsyslogd."""
        def work():
            try:
                while not self.stopped.is_set():
                    self.send(1 if self.kind == "unix" else 20)
                    if pause:
                        time.sleep(pause)
            except OSError:
                pass  # it has ended
        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        """After the end of rsyslogd, too."""
        self.stopped.set()
        if self.thread:
            self.thread.join(PATIENCE)
        return self

    def close(self):
        self.stop()
        self.socket.close()

    def waiting(self):
        """Bytes that rsyslogd has certainly not read: only for datagrams."""
        return struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4))[0]

    def finish(self):
        """Returns when rsyslogd has taken everything: it has read the end of the connection, or the last datagram."""
        self.stop()
        if self.kind == "unix":
            wait_for(lambda: self.waiting() == 0, "rsyslogd reads its socket")
        else:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(PATIENCE)
            while self.socket.recv(4096):
                pass
        self.socket.close()
        return self.numbers()


# --- what an action has on disk, and says ---

def fields(data):
    """The fields of a protobuf message that have a length: (number, bytes)."""
    i = 0

    def varint():
        nonlocal i
        value = shift = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while i < len(data):
        key = varint()
        if key & 7 == 2:
            n = varint()
            yield key >> 3, data[i:i + n]
            i += n
        elif key & 7 == 0:
            varint()
        else:
            i += {1: 8, 5: 4}[key & 7]


def inner(data, *path):
    """The fields at this path of numbers."""
    if not path:
        return [data]
    return [x for number, value in fields(data) if number == path[0] for x in inner(value, *path[1:])]


def in_spool(state):
    """The texts in an action's spool, whose rsyslogd has ended; nothing is changed. What is acknowledged may be among them."""
    if not os.path.exists(f"{state}/spool.db"):
        return []
    with tempfile.TemporaryDirectory(prefix="azmonlog-spool.") as copy:
        for path in glob.glob(f"{state}/spool.db") + glob.glob(f"{state}/spool.db-wal"):
            shutil.copy(path, copy)
        db = sqlite3.connect(f"file:{copy}/spool.db?mode=ro", uri=True)
        try:
            rows = [row for (row,) in db.execute("SELECT data FROM row ORDER BY id")]
        finally:
            db.close()
    return [text.decode(errors="replace") for row in rows for text in inner(row, 1, 2, 2, 5, 1)]


def numbers_in_spool(state):
    return set(filter(None, map(number_of, in_spool(state))))


def azmonlog(*words):
    """A command of azmonlog: the finished process, with its output as text."""
    return subprocess.run([os.environ["AZMONLOG"], *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)


def status(state):
    """What an action says of itself, {} where it does not listen."""
    r = azmonlog("status", "--json", "--state-directory", state)
    return json.loads(r.stdout) if r.returncode < 3 else {}


def quarantine(state):
    """The texts in an action's quarantine."""
    try:
        with open(f"{state}/quarantine.jsonl") as f:
            lines = [json.loads(line) for line in f.read().split("\n")[:-1]]
    except FileNotFoundError:
        return []
    return [line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"] for line in lines]
