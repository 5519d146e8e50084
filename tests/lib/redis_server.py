# SPDX-License-Identifier: MIT
"""A real redis-server for a test, hosts that write to a stream in it, and relays that carry the stream on. Standard library only."""
import collections
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from exporter import listens
from journal_files import append_texts
from journald import PATIENCE, STALLED, wait_for
from network import HERE, let_through
from ports import free_port
from rsyslogd import Destination
from tap import check, equal, note

AZMONLOG = os.environ.get("AZMONLOG") or os.path.join(os.environ.get("builddir", "build"), "azmonlog")
STREAM = "azmonlog:logs"
ALWAYS = ("appendonly yes", "appendfsync always")


def is_there():
    return shutil.which("redis-server") is not None and shutil.which("redis-cli") is not None


class Redis:
    """A server with its data in `out`, on 127.0.0.1 or in a node of a network, where it also listens on `service`; `settings` are lines of
    redis.conf. It may be ended and started again."""

    def __init__(self, out, *settings, tls=None, node=HERE, service="", environment=None):
        os.makedirs(f"{out}/data", exist_ok=True)
        self.out, self.tls, self.node, self.service, self.process = out, tls, node, service, None
        self.environment = {**os.environ, **(environment or {})}
        self.port = free_port() if node is HERE else 6379
        self.configure(*settings)

    def configure(self, *settings):
        lines = [f"bind {self.node.address} {self.service}", f"dir {self.out}/data", 'save ""', "daemonize no", *settings]
        if self.node is not HERE:
            lines.append("protected-mode no")
        if self.tls:
            lines += ["port 0", f"tls-port {self.port}", f"tls-cert-file {self.tls}/good.pem", f"tls-key-file {self.tls}/good.key",
                      f"tls-ca-cert-file {self.tls}/ca.pem", "tls-auth-clients no"]
        else:
            lines.append(f"port {self.port}")
        with open(f"{self.out}/redis.conf", "w") as f:
            f.write("\n".join(lines) + "\n")

    def start(self):
        with open(f"{self.out}/log", "ab") as log:
            self.process = subprocess.Popen(["redis-server", f"{self.out}/redis.conf"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment, preexec_fn=self.node.enter)
        wait_for(lambda: self.process.poll() is not None or "PONG" in self.ask("PING") or "NOAUTH" in self.ask("PING"),
                 "Redis to come up")
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server ended at once; see {self.out}/log")
        return self

    def url(self, stream=STREAM, user=""):
        return f"redis{'s' if self.tls else ''}://{user + '@' if user else ''}{self.service or self.node.address}:{self.port}/{stream}"

    def ask(self, *words):
        """What redis-cli prints."""
        tls = ["--tls", "--cacert", f"{self.tls}/ca.pem"] if self.tls else []
        done = subprocess.run(["redis-cli", "-h", self.node.address, "-p", str(self.port), *tls, *map(str, words)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def number(self, *words):
        return int(self.ask(*words))

    def pending(self, group="azmonlog"):
        return int(self.ask("XPENDING", STREAM, group).split()[0])

    def send(self, how):
        self.process.send_signal(how)

    def end(self, how=signal.SIGKILL):
        process, self.process = self.process, None
        if process:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
            process.wait(PATIENCE)

    close = end


class Narrow:
    """A way to Redis on which, while it is shut, nothing gets on towards Redis."""

    def __init__(self, redis):
        self.redis, self.open = redis, threading.Event()
        self.open.set()
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)  # inherited by the connections
        self.server.bind(("127.0.0.1", 0))
        self.server.listen()
        self.port = self.server.getsockname()[1]
        let_through(self.server, self.redis.port, self.open)

    def url(self, *arguments, **keywords):
        return self.redis.url(*arguments, **keywords).replace(f":{self.redis.port}/", f":{self.port}/")

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.open.set()


class Azmonlog:
    """An azmonlog run with a configuration of its own, in `out`."""

    def __init__(self, out, configuration, node=HERE):
        os.makedirs(out, exist_ok=True)
        self.out, self.node, self.process = out, node, None
        self.configuration = configuration
        self.configure()

    def configure(self, more=""):
        with open(f"{self.out}/azmonlog.conf", "w") as f:
            f.write("[export]\nretry_initial_delay=20ms\nretry_max_delay=100ms\nhold_max_delay=100ms\nshutdown_timeout=2s\ntimeout=2s\n"
                    f"[batch]\nschedule_delay=50ms\nmax_export_batch_size=100\n[state]\ndirectory={self.out}/state\n"
                    f"{self.configuration}\n{more}\n")
        os.chmod(f"{self.out}/azmonlog.conf", 0o600)

    def run(self, command, *arguments):
        done = subprocess.run([AZMONLOG, command, "--config", f"{self.out}/azmonlog.conf", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
                              preexec_fn=self.node.enter)
        return done.returncode, done.stdout

    def start(self):
        with open(f"{self.out}/log", "ab") as log:
            self.process = subprocess.Popen([AZMONLOG, "run", "--config", f"{self.out}/azmonlog.conf"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, preexec_fn=self.node.enter)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, how=signal.SIGTERM):
        """Returns the exit code; negative: the signal."""
        process, self.process = self.process, None
        if not process:
            return 0
        if how == signal.SIGTERM:  # before it listens, the signal is its end, as of any program
            wait_for(lambda: process.poll() is not None or listens(process.pid, how), "azmonlog listens to signals")
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        return process.wait(PATIENCE)

    def status(self):
        _, text = self.run("status", "--json")
        try:
            return json.loads(text)
        except ValueError:
            return {}

    def wait_for_status(self, condition, what):
        def fits():
            s = self.status()
            return "version" in s and condition(s)  # it is not before it listens
        wait_for(fits, f"{what}; last: {self.status()}")
        return self.status()

    def said(self):
        with open(f"{self.out}/log", errors="replace") as f:
            return f.read()

    def close(self):
        if self.running():
            self.process.kill()
            self.process.wait(PATIENCE)


class Host(Azmonlog):
    """Writes what is appended to its journal to the stream."""

    def __init__(self, out, name, redis, more="", url=None, node=HERE):
        self.name, self.n = name, 0
        os.makedirs(f"{out}/journal", exist_ok=True)
        super().__init__(out, f"[journal]\ndirectory={out}/journal\nstart=oldest\n[resource]\nhost.name=host{name}\n"
                              f"[destination]\nendpoint={url or redis.url()}\n{more}", node)

    def log(self, n, padding=""):
        """Returns the numbers: (host, n)."""
        texts = [f"w{self.name} {self.n + i} {(self.n + i) * 2654435761 % 2**32:08x}{padding}" for i in range(n)]
        append_texts(f"{self.out}/journal/a.journal", texts, realtime=1_790_000_000_000_000 + self.n * 1000,
                     monotonic=1_000_000 + self.n * 1000)
        self.n += n
        return {(self.name, self.n - n + i) for i in range(n)}

    def error(self):
        """Why nothing is stored just now, or None."""
        return self.status().get("error")


class Relay(Azmonlog):
    def __init__(self, out, redis, azure, more="", url=None, node=HERE):
        super().__init__(out, f"[destination]\nendpoint={azure.url}/v1/logs\n[relay]\nfrom={url or redis.url()}\nclaim_after=3s\n{more}", node)

    def error(self):
        """Why nothing can be read just now, or None."""
        return (self.status().get("stream") or {}).get("error")


class Arrived:
    """What has come to the destination (rsyslogd.Destination): numbered messages of hosts."""

    def __init__(self, azure):
        self.azure, self.offset = azure, 0
        self.uids = collections.Counter()
        self.found = collections.defaultdict(set)
        self.hosts = collections.defaultdict(set)

    def look(self):
        try:
            with open(f"{self.azure.out}/received", "rb") as f:
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            return
        data = data[:data.rfind(b"\n") + 1]
        self.offset += len(data)
        for line in data.splitlines():
            record = json.loads(line)
            words = (record.get("body") or "").split()
            self.uids[record["uid"]] += 1
            if len(words) > 1 and words[0][0] in "wm" and words[0][1:].isdigit() and words[1].isdigit():
                number = (int(words[0][1:]) if words[0][0] == "w" else words[0], int(words[1]))
                self.found[number].add(record["uid"])
                self.hosts[number[0]].add(record.get("host"))

    def missing(self, wanted):
        """Waits until these have arrived; returns those that have not."""
        wanted = set(wanted)
        size, since = -1, time.monotonic()
        while time.monotonic() - since < STALLED:
            self.look()
            wanted -= self.found.keys()
            if not wanted:
                break
            if sum(self.uids.values()) != size:
                size, since = sum(self.uids.values()), time.monotonic()
            time.sleep(0.05)
        return wanted

    def copies(self):
        return sum(n - 1 for n in self.uids.values())

    def several(self):
        """Messages that have come under more than one uid."""
        return {n: u for n, u in self.found.items() if len(u) > 1}


class Chain(contextlib.ExitStack):
    """Hosts -> Redis, which runs -> relays -> a destination; hosts and relays are made one by one, and not started."""

    def __init__(self, out, *settings, **how):
        super().__init__()
        self.out, self.hosts, self.relays = out, [], []
        self.wanted = set()  # all that was logged
        self.redis, self.azure = Redis(f"{out}/redis", *settings, **how), Destination(f"{out}/azure")
        self.arrived = Arrived(self.azure)
        self.add(self.azure)
        self.add(self.redis).start()

    def add(self, what):
        self.callback(what.close)
        return what

    def host(self, more="", **how):
        self.hosts.append(self.add(Host(f"{self.out}/host{len(self.hosts)}", len(self.hosts), self.redis, more, **how)))
        return self.hosts[-1]

    def relay(self, more="", azure=None, redis=None, **how):
        self.relays.append(self.add(Relay(f"{self.out}/relay{len(self.relays)}", redis or self.redis, azure or self.azure, more, **how)))
        return self.relays[-1]

    def start(self):
        for a in self.hosts + self.relays:
            a.start()

    def log(self, n, *more):
        """On each host."""
        for h in self.hosts:
            self.wanted |= h.log(n, *more)

    def drained(self, redis=None):
        """Everything in the stream is acknowledged, and gone from it."""
        redis = redis or self.redis
        wait_for(lambda: redis.ask("XLEN", STREAM) == "0" and redis.pending() == 0, "the stream to become empty")
        return True

    def all_arrived(self, redis=None):
        missing = self.arrived.missing(self.wanted)
        check(f"all {len(self.wanted)} records have arrived", not missing, f"{len(missing)} are missing: {sorted(missing, key=str)[:20]}")
        equal("no record has come under two uids", self.arrived.several(), {})
        check("what is delivered does not stay in Redis", self.drained(redis))
        note(f"{len(self.arrived.found)} records, {self.arrived.copies()} copies with the uid of the first")
