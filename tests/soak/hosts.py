# SPDX-License-Identifier: MIT
"""What is put to the test: journald with azmonlog, and rsyslogd with the module, each with a destination of its own.
Standard library only."""
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from azure import PATH, Azure, run_quietly
from exporter import listens
from journald import PATIENCE, PROGRAM, TOOL, Journald, wait_for
from judge import quarantine_of
from ledger import RSYSLOGD
from load import DATAGRAM, NATIVE, NUMBERED, SYSLOG, TCP
from rsyslogd import SHIPPED, Rsyslogd

DOMAIN = "emulator.test"  # of the destinations' certificates
SPOOL_BYTES, DISK_BYTES = 64 << 20, 192 << 20
SO_PASSCRED, SO_TIMESTAMP = 16, 29
# While the destination fails one attempt a second is made, or somewhat more.
DELAYS = {"retry_initial_delay": "200ms", "retry_max_delay": "1s", "hold_max_delay": "1s", "timeout": "60s" if TOOL else "3s"}
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS)


class Wrong(Exception):
    """A finding after which there is no going on."""


class Disk:
    """A directory, where possible a file system of its own that can be filled."""

    def __init__(self, path):
        os.makedirs(path)
        self.path, self.hog = path, f"{path}/hog"
        self.own = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "azmonlog-soak", path], stderr=subprocess.DEVNULL).returncode == 0

    def fill(self):
        with open(self.hog, "wb", 0) as f, contextlib.suppress(OSError):
            while f.write(bytes(1 << 16)):
                pass
        with open(self.hog, "ab", 0) as f, contextlib.suppress(OSError):
            while f.write(bytes(512)):
                pass

    def release(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.hog)

    def close(self):
        """What is on it stays to be looked at, in a folder beside it."""
        if self.own:
            shutil.copytree(self.path, f"{self.path}.kept", ignore=shutil.ignore_patterns("hog", "control"))  # a file of nothing, a socket
            subprocess.run(["umount", "--lazy", self.path], check=False)


class Names:
    """Those of the destinations, which can be made to fail: in this mount namespace /etc/hosts and the resolver are ours."""

    def __init__(self, work):
        self.path, self.known, self.lock = f"{work}/hosts", set(), threading.Lock()
        for name, text in (("hosts", ""), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
                           ("nsswitch.conf", "hosts: files dns\n")):
            with open(f"{work}/{name}", "w") as f:
                f.write(text)
            if os.path.exists(f"/etc/{name}"):
                run_quietly("mount", "--bind", f"{work}/{name}", os.path.realpath(f"/etc/{name}"))

    def set(self, name, known):
        with self.lock:
            (self.known.add if known else self.known.discard)(name)
            with open(self.path, "r+") as f:  # in place: this file is what the mount shows
                f.write("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *sorted(self.known))))
                f.truncate()


class Destination(Azure):
    """With https and a certificate that changes; the store is a new file in each life. `tokens`: it wants them."""

    def __init__(self, out, certificates, tokens=False):
        os.makedirs(out, exist_ok=True)
        self.out, self.life, self.certificates = out, 0, certificates
        self.show("good")
        super().__init__(out, auth=tokens)

    def start(self):
        self.life += 1
        self.options = [o for o in self.options if o == "--auth"] + [
            "--tls-cert", f"{self.out}/tls.pem", "--tls-key", f"{self.out}/tls.key", "--store", f"{self.out}/received.{self.life}"]
        self.scheme = "https"
        super().start()

    def show(self, name):
        """Another certificate, which is not looked at before a SIGHUP."""
        for kind in ("pem", "key"):
            shutil.copy(f"{self.certificates}/{name}.{kind}", f"{self.out}/tls.{kind}.new")
            os.rename(f"{self.out}/tls.{kind}.new", f"{self.out}/tls.{kind}")

    def renew(self):
        """Closes all connections."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None



class Tokens(Azure):
    """Gives the tokens that `destination` takes."""

    def __init__(self, out, destination):
        os.makedirs(out, exist_ok=True)
        shutil.copy(f"{destination.out}/token-key", f"{out}/token-key")
        super().__init__(out, "--token-lifetime", "60s", auth=True)


def rss_anon_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next((int(line.split()[1]) for line in f if line.startswith("RssAnon:")), 0)


def cpu_seconds(pid):
    """To the nanosecond, of all its threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


class Host:
    """What both have in common: something that delivers, which may be killed, and a status that it has to tell the truth in."""

    group = pid = destination = disk = state = None

    def __init__(self, work, load, judge, ledger, names, say):
        self.names, self.name = names, f"{self.group}.{DOMAIN}" if names else "127.0.0.1"
        if names:
            names.set(self.name, True)
        self.work, self.load, self.judge, self.ledger, self.say = work, load, judge, ledger, say
        self.spools_soon = False  # while the destination fails more is read again after a while, which begins the spool
        self.frail = False     # denied memory, descriptors or disk: then azmonlog may end by itself
        self.ends = 0          # that it has ended by itself where that is allowed
        self.cpu = 0.0         # of lives that are over
        self.rss_kib = 0       # the largest RssAnon that was seen
        self.held = []         # CPU of a second, while it was held

    def url(self):
        return f"https://{self.name}:{self.destination.port}"

    def command(self, *words):
        return subprocess.run([os.environ["AZMONLOG"], *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)

    def status(self):
        """What it says of itself, {} where it does not listen."""
        r = self.command("status", "--json", "--state-directory", self.state)
        try:
            return json.loads(r.stdout) if r.returncode < 3 else {}
        except ValueError:
            raise Wrong(f"{self.group}: the status is no JSON: {r.stdout!r}") from None

    def wait_for_state(self, *states, seconds=PATIENCE):
        """The status has to come to say so."""
        last = {}

        def said():
            self.keep_alive()
            last.clear()
            last.update(self.status())
            return last.get("state") in states
        try:
            wait_for(said, f"state {states}", seconds)
        except TimeoutError:
            raise Wrong(f"{self.group}: after {seconds} s the status does not say {' or '.join(states)}, but {last}") from None
        if (last["state"] == "delivering") != (last["error"] is None):
            raise Wrong(f"{self.group}: state and error contradict each other: {last}")
        return last

    def waiting(self):
        """How many messages have not arrived, for no other reason than that they wait."""
        self.judge.catch_up()
        kept = self.quarantine()[0]
        writers = self.load.of(self.group, NATIVE, SYSLOG, TCP, DATAGRAM)
        missing = ((w, n) for w in writers for n in self.judge.missing(w, 1, self.load.logged(w)))
        return sum(m not in kept and not self.ledger.find(m) for m in missing)

    def measure(self):
        """Takes a look at its memory; called by the watch."""
        with contextlib.suppress(OSError, TypeError):
            self.rss_kib = max(self.rss_kib, rss_anon_kib(self.pid))

    def account_cpu(self):
        """To be called before its end."""
        with contextlib.suppress(OSError, TypeError):
            self.cpu += cpu_seconds(self.pid)

    def quarantine(self):
        return quarantine_of(f"{self.state}/quarantine.jsonl")


# --- journald and azmonlog ---

class HeldJournald(Journald):
    """Its sockets are held by somebody else, as PID 1 does: what is in them survives its death."""

    def __init__(self, log):
        super().__init__(log)
        self.sockets = []

    def open_sockets(self):
        for s in self.sockets:
            s.close()
        self.sockets = []
        for name, kind in (("socket", socket.SOCK_DGRAM), ("stdout", socket.SOCK_STREAM), ("dev-log", socket.SOCK_DGRAM)):
            path = f"/run/systemd/journal/{name}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            s = socket.socket(socket.AF_UNIX, kind)
            s.bind(path)
            os.chmod(path, 0o666)
            s.setsockopt(socket.SOL_SOCKET, SO_PASSCRED, 1)
            if kind == socket.SOCK_DGRAM:
                s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
            else:
                s.listen(64)
            self.sockets.append(s)

    def start(self):
        if not self.sockets:
            self.open_sockets()
        fds = [s.fileno() for s in self.sockets]
        into = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(fds))
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {into}; export LISTEN_PID=$$ LISTEN_FDS={len(fds)}; exec {PROGRAM}"],
            pass_fds=fds, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: self.process.poll() is not None or
                 subprocess.run(["journalctl", "--sync"], stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode == 0,
                 "journald to come up")
        if self.process.poll() is not None:
            raise RuntimeError(f"journald ended at once: {self.process.returncode}")


class JournalHost(Host):
    group = "journal"

    def __init__(self, work, *others, certificates):
        super().__init__(work, *others)
        os.makedirs(work)
        self.disk = Disk(f"{work}/disk")
        self.state, self.conf = f"{self.disk.path}/state", f"{work}/azmonlog.conf"
        self.journald = HeldJournald(f"{work}/journald.log")
        self.destination = Destination(f"{work}/azure", certificates, tokens=True)
        self.tokens = Tokens(f"{work}/tokens", self.destination)
        self.certificates, self.process = certificates, None
        self.lives = 0

    def start(self):
        self.journald.configure(SystemMaxFileSize="16M", SystemMaxUse="3G", SystemMaxFiles=1000)
        self.journald.begin_anew()
        self.start_azmonlog()

    def configure(self):
        """Another configuration for each life."""
        self.lives += 1
        d = random.Random(f"{self.load.seed} {self.lives}")
        text = (f"[destination]\nendpoint={self.url()}{PATH}\nauth=imds\ntls_ca_file={self.certificates}/ca.pem\n"
                f"[batch]\nschedule_delay=100ms\nmax_export_batch_size={d.choice((100, 500, 2000))}\n"
                f"max_request_bytes={d.choice((200_000, 1_000_000))}\n"
                f"[export]\nconcurrency={d.choice((1, 4, 8))}\nshutdown_timeout=1s\n"
                + "".join(f"{k}={v}\n" for k, v in DELAYS.items()) +
                f"[journal]\nstart=oldest\n[state]\ndirectory={self.state}\nspool_after={d.choice(('300ms', '2s', '60s'))}\n"
                f"spool_max_bytes={SPOOL_BYTES}\nspool_min_free_percent=0\n")
        self.spools_soon = "spool_after=60s" not in text
        with open(self.conf, "w") as f:
            f.write(text)

    def start_azmonlog(self, memory=None):
        """`memory`: no more bytes than these."""
        self.configure()

        def limit():
            if memory:
                resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.RLIM_INFINITY))
        with open(f"{self.work}/azmonlog.log", "ab") as log:
            self.process = subprocess.Popen([os.environ["AZMONLOG"], "run", "--config", self.conf], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **self.tokens.environment()},
                                            preexec_fn=limit)
        self.pid = self.process.pid

    def keep_alive(self):
        """What the service manager does. It may end by itself only when it is denied memory, descriptors or disk."""
        if self.process is None or self.process.poll() is None:
            return
        code = self.process.returncode
        if -code in CRASHES or not self.frail:
            raise Wrong(f"azmonlog has ended by itself with {code}")
        self.ends += 1
        self.say(f"azmonlog ended by itself with {code} and is started again")
        time.sleep(0.1)
        self.start_azmonlog()

    def end_azmonlog(self, how=signal.SIGTERM):
        self.keep_alive()
        if how == signal.SIGTERM:  # before it listens, the signal is its end, as of any program
            wait_for(lambda: self.process.poll() is not None or listens(self.pid, how), "azmonlog listens to signals")
            self.keep_alive()
        self.account_cpu()
        process, self.process, self.pid = self.process, None, None
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        code = process.wait(PATIENCE)
        if code != (0 if how == signal.SIGTERM else -how):
            raise Wrong(f"azmonlog ends with {code} on {how.name}")

    def restart(self, how):
        self.end_azmonlog(how)
        self.start_azmonlog()

    def reload(self):
        wait_for(lambda: self.keep_alive() or self.status(), "azmonlog listens")
        self.configure()
        self.process.send_signal(signal.SIGHUP)

    def acknowledged_usec(self):
        """When journald received the last entry that is checkpointed; 0 if there is none."""
        try:
            with open(f"{self.state}/cursor") as f:
                m = re.search(r"^cursor=.*;t=([0-9a-f]+);", f.read(), re.M)
        except FileNotFoundError:
            return 0
        return int(m[1], 16) if m else 0

    @contextlib.contextmanager
    def quiet(self):
        """All that was logged is in the journal, and nothing is logged."""
        self.load.pause(self.group)
        self.journald.sync()
        yield
        self.load.go_on(self.group)

    def drained(self):
        s = self.status()
        return s.get("state") == "delivering" and s["lag"]["records"] == 0 and not s["spool"]["active"]

    def finish(self):
        """A clean end leaves nothing to be done."""
        self.end_azmonlog()
        self.judge.catch_up()
        before = self.judge.records
        r = subprocess.run([os.environ["AZMONLOG"], "run", "--once", "--config", self.conf], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
                           env={**os.environ, **self.tokens.environment()})
        self.judge.catch_up()
        if r.returncode or self.judge.records != before:
            raise Wrong(f"a clean end left {self.judge.records - before} records to the next start, which ended with "
                        f"{r.returncode}: {r.stdout[-500:]}")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.journald.end(signal.SIGKILL)
        self.destination.close()
        self.tokens.close()
        self.disk.close()


# --- rsyslogd and the module ---

class RsyslogHost(Host):
    group = "rsyslog"
    # As the shipped drop-in has it, but queues that are soon full.
    RULESET = 'queue.type="LinkedList" queue.size="4000" queue.dequeueBatchSize="512" queue.timeoutShutdown="20000" ' \
              'queue.timeoutActionCompletion="20000" queue.timeoutEnqueue="120000"'
    QUEUE = 'queue.type="LinkedList" queue.size="8000" queue.dequeueBatchSize="2000" queue.minDequeueBatchSize="500" ' \
            'queue.minDequeueBatchSize.timeout="500" queue.timeoutShutdown="20000" queue.timeoutActionCompletion="20000" ' \
            'queue.timeoutEnqueue="120000"'

    def __init__(self, work, rsyslogd, *others, certificates):
        super().__init__(work, *others)
        self.disk = Disk(f"{work}/disk")
        self.state = f"{self.disk.path}/soak"
        self.destination = Destination(f"{work}/azure", certificates)
        self.r = rsyslogd
        delays = " ".join(f'export.{k}="{v}"' for k, v in DELAYS.items())
        self.r.configure(f'action(type="omazuremonitor" name="soak" endpoint="{self.url()}/v1/logs" '
                         f'tls_ca_file="{certificates}/ca.pem" state.directory="{self.state}"\n'
                         f'state.spool_max_bytes="{SPOOL_BYTES}" state.spool_min_free_percent="0" batch.schedule_delay="100ms" batch.max_export_batch_size="500" '
                         f'{delays} {SHIPPED} {self.QUEUE})\n', ruleset=self.RULESET)
        self.first = {}

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.r.out}/statistics")
        self.first = {w: n + 1 for w, n in self.load.snapshot(self.group).items()}
        self.r.start()
        self.pid = self.r.pid

    def keep_alive(self):
        if self.r.pid is not None and not self.r.running():
            raise Wrong(f"rsyslogd has ended by itself with {self.r.process.returncode}")

    def spooled(self):
        """The numbered messages that are in the spool of an rsyslogd that has ended; what is acknowledged may be among them."""
        if not os.path.exists(f"{self.state}/spool.db"):
            return set()
        copy = f"{self.work}/spool-copy"
        shutil.rmtree(copy, ignore_errors=True)
        os.mkdir(copy)
        for name in ("spool.db", "spool.db-wal"):
            if os.path.exists(f"{self.state}/{name}"):
                shutil.copy(f"{self.state}/{name}", copy)
        db = sqlite3.connect(f"file:{copy}/spool.db", uri=True)
        try:
            return {(int(w), int(n)) for (row,) in db.execute("SELECT data FROM row") for w, n in NUMBERED.findall(row)}
        finally:
            db.close()
            shutil.rmtree(copy)

    def kill(self):
        """kill -9, under load. What is lost with it is what it had not committed: the end of what each writer has sent."""
        self.keep_alive()
        committed = self.r.statistics("soak").get("spooled", 0)
        self.account_cpu()
        self.pid = None
        self.r.kill()
        self.load.pause(self.group)  # they have noticed
        self.judge.catch_up()
        safe, kept = self.spooled(), self.quarantine()[0]
        lost = sent = 0
        for w, first in self.first.items():
            last = self.load.logged(w)
            missing = [n for n in self.judge.missing(w, first, last) if (w, n) not in safe and (w, n) not in kept]
            if missing and missing != list(range(missing[0], last + 1)):
                raise Wrong(f"kill -9 of rsyslogd: of writer {w} {len(missing)} messages are lost, which are not just the last "
                            f"ones: {missing[:5]} .. {missing[-5:]}, of {first} .. {last}")
            for n in missing:
                self.ledger.note((w, n), RSYSLOGD)
            lost, sent = lost + len(missing), sent + last - first + 1
        if sent - lost < committed:
            raise Wrong(f"kill -9 of rsyslogd: it had committed {committed} messages, but only {sent - lost} are safe")
        self.say(f"kill -9 took {lost} of {sent} messages, {committed} of them are known to have been committed")
        self.load.go_on(self.group)

    def terminate(self):
        """In order, with queues that are not empty: nothing is lost."""
        self.keep_alive()
        self.load.pause(self.group)
        self.account_cpu()
        self.pid = None
        code = self.r.end()
        if code:
            raise Wrong(f"rsyslogd ends with {code} on SIGTERM")
        self.load.go_on(self.group)

    def restart(self, how):
        if how == signal.SIGKILL:
            self.kill()
        else:
            self.terminate()
        self.start()

    def drained(self):
        s = self.status()
        return s.get("state") == "delivering" and s["lag"]["records"] == 0 and s["spool"]["records"] == 0

    def finish(self):
        """What came last may still have been in rsyslog's queue: the end puts that into the spool, and the next life delivers it."""
        self.terminate()
        self.load.pause(self.group)
        self.judge.catch_up()
        if not all(map(self.judge.has, self.spooled())):
            self.start()
            wait_for(lambda: self.keep_alive() or self.drained(), "what the last end has put into the spool is delivered")
            self.terminate()
            self.load.pause(self.group)

    def close(self):
        self.r.close()
        self.destination.close()
        self.disk.close()


def make_rsyslogd(out):
    return Rsyslogd(out, "")
