# SPDX-License-Identifier: MIT
"""What the tests of examples/ share: a recipe's program runs as it is, beside a real journald; its workers are SIGKILLed while they
log, and at last the program itself; each line whose write had returned (written.c) has to arrive. Standard library only."""
import collections
import contextlib
import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

from exporter import Exporter
from journald import PATIENCE, wait_for
from tap import check, equal, skip

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../examples")
LINE = re.compile(r"order (\d+) step (\d+)")
PR_SET_CHILD_SUBREAPER = 36
KILLS = 3
MANY = "2000"  # orders: more than anybody packs before the program is killed
TRACEPARENT = f"00-{'5' * 31}a-{'6' * 15}b-01"


def parents():
    """pid -> parent, of all processes that run."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(pid)] = int(parent)
    return found


def below(*roots):
    """All descendants of these processes, but not themselves."""
    children = collections.defaultdict(list)
    for pid, parent in parents().items():
        children[parent].append(pid)
    found, todo = [], list(roots)
    while todo:
        new = children[todo.pop()]
        found += new
        todo += new
    return found


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def cc(out, source, *more):
    """Compiles as the head of an example says it is done."""
    target = f"{out}/{os.path.basename(source)[:-2]}"
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-Wall", "-Wextra", "-Werror", "-o", target, source, *more], check=True)
    return target


class Recipe:
    """An emulator and azmonlog (with `more` of a configuration) in `out`, and a file of the lines whose write has returned. A case ends with `judge` and `close`."""

    def __init__(self, out, more=""):
        self.out, self.written, self.kills = out, f"{out}/lines", 0
        self.since = time.time_ns()  # what is older is of another case
        open(self.written, "w").close()
        os.chmod(self.written, 0o666)  # workers may be of another user
        os.chmod(out, 0o755)
        os.chmod(os.path.dirname(out), 0o755)
        self.preload = cc(out, f"{HERE}/written.c", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-ldl")
        self.environment = {**os.environ, "LD_PRELOAD": self.preload, "WRITTEN": self.written, "PYTHONDONTWRITEBYTECODE": "1"}
        self.log = open(f"{out}/program.log", "ab")
        self.x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/x", more=more)
        self.x.start()
        self.ours = {os.getpid(), self.x.emulator.pid, self.x.process.pid}
        self.program = None
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # who loses his parent becomes ours

    def start(self, *command, at=None, env=None, watched=True):
        """`watched`: lines that it writes are noted."""
        environment = {**self.environment, **(env or {})}
        if not watched:
            del environment["LD_PRELOAD"]
        return subprocess.Popen(command, cwd=at or self.out, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def run(self, *command, **more):
        """To its end, which must be a good one."""
        code = self.start(*command, watched=False, **more).wait(PATIENCE)
        if code:
            raise RuntimeError(f"{command}: {code}; {self.said()}")

    def said(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()[-3000:]

    def lines(self):
        """(pid, text) of each line whose write has returned, in order."""
        with open(self.written) as f:
            return [(int(pid), text) for pid, _, text in (line.partition(" ") for line in f.read().split("\n")[:-1])]

    def wait_for_lines(self, more, of=None):
        """Until `more` further lines are written, by processes that are not in `of`."""
        of, begin = of or set(), len(self.lines())
        self.wait_for(lambda: sum(pid not in of for pid, _ in self.lines()[begin:]) >= more, f"{more} lines more")

    def wait_for(self, condition, what):
        wait_for(lambda: condition() or self.program and self.program.poll() is not None, what)
        if self.program and self.program.poll() is not None:
            raise RuntimeError(f"the program has ended: {self.program.returncode}; {self.said()}")

    def kill_workers(self, pid):
        """SIGKILL for a child of this process that has just written a line, some times; others, or a new one in its place, go on."""
        dead = set()
        for _ in range(KILLS):
            self.wait_for_lines(10, dead)
            workers = []
            self.wait_for(lambda: workers.extend(below(pid)) or workers, "workers")
            victim = next((writer for writer, _ in reversed(self.lines()) if writer in workers), workers[0])
            kill(victim)
            self.kills += 1
            dead.add(victim)
        self.wait_for_lines(10, dead)

    def kill_program(self):
        """SIGKILL in the middle for the program, and then for whom it leaves behind."""
        self.program.kill()
        self.kills += 1
        self.program.wait(PATIENCE)
        self.program = None
        self.kill_orphans()

    def kill_orphans(self):
        left = [pid for pid in below(os.getpid()) if pid not in self.ours]
        while left:
            for pid in left:
                kill(pid)
                self.kills += 1
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            left = [pid for pid in below(os.getpid()) if pid not in self.ours]

    def arrived(self):
        """Each of the program's lines that has arrived, once: [record]."""
        return list({r["uid"]: r for r in self.x.received() if int(r["observed_time_unix_nano"]) >= self.since and
                     isinstance(r.get("body"), str) and LINE.fullmatch(r["body"])}.values())

    def judge(self, service, severity="info", traces=None):
        """Nothing is lost. `traces`: "spans", one for each order, or "one" for all."""
        subprocess.run(["journalctl", "--sync"], check=True, timeout=PATIENCE)
        written = collections.Counter(text for _, text in self.lines())
        came = lambda: collections.Counter(r["body"] for r in self.arrived())
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not written - came(), "all lines to arrive")
        lost, unnoted = written - came(), came() - written
        check(f"{service}: {sum(written.values())} lines were written, {self.kills} processes were killed, and none is lost",
              sum(written.values()) > 10 * KILLS and not lost, f"{sum(lost.values())} of {sum(written.values())} are lost: {list(lost)[:5]}")
        check(f"{service}: no line is there that nobody wrote", sum(unnoted.values()) <= self.kills, unnoted)
        records = self.arrived()
        equal(f"{service}: service name and severity",
              collections.Counter((r["service"], r.get("severity_text")) for r in records).most_common(3), [((service, severity), len(records))])
        if traces == "spans":
            of = collections.defaultdict(set)  # an order that was taken up again has another one
            for r in records:
                of[r.get("trace_id"), r.get("span_id")].add(LINE.match(r["body"])[1])
            check(f"{service}: the lines of an order are in its span", None not in [i for ids in of for i in ids] and
                  all(len(orders) == 1 for orders in of.values()) and len(of) > KILLS, lambda: dict(list(of.items())[:5]))
        elif traces == "one":
            equal(f"{service}: the trace context", {(r.get("trace_id"), r.get("span_id")) for r in records}, {tuple(TRACEPARENT.split("-")[1:3])})

    def close(self):
        if self.program and self.program.poll() is None:
            self.program.kill()
            self.program.wait(PATIENCE)
        self.kill_orphans()
        self.x.close()
        self.log.close()


@contextlib.contextmanager
def recipe(out, more=""):
    r = Recipe(out, more)
    try:
        yield r
    finally:
        r.close()


def killed_in_the_middle(out, service, *command, env=None, traces=None, more=""):
    """The whole test of a program that is started by one command."""
    with recipe(out, more) as r:
        r.program = r.start(*command, env=env)
        r.kill_workers(r.program.pid)
        r.kill_program()
        r.judge(service, traces=traces)


def missing(what, *programs):
    """Says so, and returns True, if one of these is not installed."""
    absent = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if absent:
        skip(what, f"not installed: {', '.join(absent)}")
    return bool(absent)
