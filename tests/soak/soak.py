#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Everything that we know to go wrong, thrown at azmonlog and at rsyslogd with the module, while forked writers log; and a table of
what became of each record. See README.md. Run by soak.sh. Standard library only."""
import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lib"]
import endpoint_faults  # noqa: E402
import host_faults  # noqa: E402
import memory  # noqa: E402
from azure import make_certificates  # noqa: E402
from journald import TOOL, wait_for  # noqa: E402
from hosts import JournalHost, Names, RsyslogHost, Wrong, make_rsyslogd  # noqa: E402
from judge import Judge, Verdict  # noqa: E402
from ledger import Ledger  # noqa: E402
from load import LIMITED, Load  # noqa: E402
from schedule import Schedule  # noqa: E402

RSS_KIB = {"journal": 96 << 10, "rsyslog": 192 << 10}  # RssAnon: of azmonlog; of rsyslogd with its queues and the module
STALLED = 900 if TOOL else 90  # seconds in which nothing more arrives: it does not come any more
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}
CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


def seconds_of(text):
    number = text.rstrip("minsh")
    return float(number) * UNITS[text[len(number):] or "s"]


class LimitedUnit:
    """A unit, as journald sees it: a control group of that name, and what the service manager says about its rate limit."""

    def __init__(self):
        root = next((c for c in CGROUPS if os.path.exists(f"{c}/cgroup.procs")), None)
        self.path = f"{root}/system.slice/{host_faults.UNIT}" if root else None
        self.why = None
        try:
            os.makedirs(self.path, exist_ok=True)
            os.makedirs("/run/systemd/units", exist_ok=True)
            for name, value in (("interval", host_faults.INTERVAL * 1_000_000), ("burst", host_faults.BURST)):
                os.symlink(str(value), f"/run/systemd/units/log-rate-limit-{name}:{host_faults.UNIT}")
        except (OSError, TypeError) as e:
            self.path, self.why = None, f"cannot make a control group: {e}"

    def enter(self, kind):
        if kind == LIMITED and self.path:
            with open(f"{self.path}/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def close(self):
        for path in (self.path, os.path.dirname(self.path)) if self.path else ():
            with contextlib.suppress(OSError):  # the slice may be the machine's
                os.rmdir(path)


class Soak:
    def __init__(self, options):
        self.o, self.work = options, options.work
        self.began = time.monotonic()
        self.log = open(f"{self.work}/log", "a", buffering=1)
        self.lock = threading.Lock()
        self.findings, self.left_out = [], dict(options.left_out)
        self.thrown = {g: collections.Counter() for g in options.groups}
        self.over = threading.Event()
        self.logging_seconds, self.settled = None, False
        self.hosts, self.unit = {}, None
        if why := memory.not_its_own():
            self.left_out["bound on memory"] = why
        os.makedirs(f"{self.work}/certificates")
        make_certificates(f"{self.work}/certificates")
        self.make_hosts()

    def say(self, group, text):
        with self.lock:
            self.log.write(f"{time.monotonic() - self.began:8.2f} {group}: {text}\n")
            if self.o.verbose:
                print(f"{time.monotonic() - self.began:8.2f} {group}: {text}", flush=True)

    def find(self, text):
        self.say("FINDING", text)
        self.findings.append(text)

    def make_hosts(self):
        o = self.o
        rsyslogd = make_rsyslogd(f"{self.work}/rsyslogd") if "rsyslog" in o.groups else None
        if "journal" in o.groups:
            self.unit = LimitedUnit()
            if self.unit.why:
                self.left_out["journal: rate limit"] = self.unit.why
        # before there are threads
        self.load = Load(o.seed, o.groups, o.rate, rsyslogd, self.unit.enter if self.unit else None)
        self.ledger = Ledger()
        self.judge = Judge([f"{self.work}/{g}/azure" for g in o.groups], o.sabotage)
        names = Names(self.work) if os.geteuid() == 0 and "journal" in o.groups else None
        for group in o.groups:
            others = (self.load, self.judge, self.ledger, names, lambda text, g=group: self.say(g, text))
            where = f"{self.work}/{group}"
            self.hosts[group] = (JournalHost(where, *others, certificates=f"{self.work}/certificates") if group == "journal" else
                                 RsyslogHost(where, rsyslogd, *others, certificates=f"{self.work}/certificates"))

    # --- while it runs ---

    def schedule(self, group):
        inner = host_faults.JOURNAL if group == "journal" else host_faults.RSYSLOG
        outer = {f.name: f for f in endpoint_faults.FAULTS if group in f.where}
        host = self.hosts[group]
        if not host.names:
            self.left_out.setdefault("name unknown", "needs a mount namespace")
        if not host.disk.own:
            self.left_out.update({k: "needs root to mount a small file system" for k in host_faults.NEEDS_DISK if k in inner})

        def wanted(name):
            return name not in self.left_out and (self.o.only is None or name in self.o.only)
        inner = {k: v for k, v in inner.items() if wanted(k)}
        outer = {k: v for k, v in outer.items() if wanted(k)} or {"none": outer["none"]}
        return Schedule(self.o.seed, group, outer, inner), outer

    def run_group(self, group):
        host = self.hosts[group]
        try:
            schedule, outer = self.schedule(group)
            faults = (host_faults.JournalFaults if group == "journal" else host_faults.Faults)(host, self.o.dwell)
            while not (self.over.is_set() or time.monotonic() - self.began > self.o.seconds and schedule.complete()):
                self.episode(host, faults, schedule, *schedule.next(), outer)
        except Exception as e:
            self.find(f"{group}: {e}" if isinstance(e, (Wrong, TimeoutError)) else f"{group}: {traceback.format_exc()}")
            self.over.set()

    def episode(self, host, faults, schedule, name, during, after, outer):
        fault = outer[name]
        self.say(host.group, f"{name}; meanwhile {during or '-'}; then {after or '-'}")
        with fault.during(host):
            if not name.startswith("none"):
                self.thrown[host.group][name] += 1
            if fault.states:
                host.wait_for_state(*fault.states)
            for inner in during:
                self.throw(host, faults, schedule, inner)
            faults.dice = schedule.dice_for(name)
            faults.dwell()
            if fault.states:
                host.wait_for_state(*fault.states)
        host.wait_for_state("delivering")
        host.frail = False
        for inner in after:
            self.throw(host, faults, schedule, inner)
        host.keep_alive()

    def throw(self, host, faults, schedule, name):
        self.say(host.group, f"   {name}")
        host.keep_alive()
        faults.dice = schedule.dice_for(name)
        getattr(faults, schedule.kinds[name][0])()
        self.thrown[host.group][name] += 1

    def watch(self):
        """Memory, and what has arrived."""
        while not self.over.is_set():
            for group, host in self.hosts.items():
                host.measure()
                if host.rss_kib > RSS_KIB[group] and "bound on memory" not in self.left_out:
                    self.find(f"{group}: RssAnon is {host.rss_kib} KiB, more than {RSS_KIB[group]}")
                    self.over.set()
            self.judge.catch_up()
            time.sleep(0.2)

    # --- the end ---

    def settle(self):
        """Everything is well again; returns when all has arrived, or nothing more does."""
        for host in self.hosts.values():
            host.keep_alive()
            host.wait_for_state("delivering")
            self.load.pause(host.group)
            if host.group == "journal":
                host.journald.sync()
        arrived, since = -1, time.monotonic()
        while not all(h.drained() for h in self.hosts.values()):
            self.judge.catch_up()
            for host in self.hosts.values():
                host.keep_alive()
            if self.judge.records != arrived:
                arrived, since = self.judge.records, time.monotonic()
            if time.monotonic() - since > STALLED:
                raise Wrong(f"after {STALLED} s without a record this is still to be delivered: "
                            f"{[h.status() for h in self.hosts.values() if not h.drained()]}")
            time.sleep(0.2)
        for host in reversed(self.hosts.values()):  # rsyslogd's queue may still deliver; azmonlog has to show that nothing is left
            host.finish()
        self.settled = True

    def run(self):
        for host in self.hosts.values():
            host.start()
        for group in self.hosts:
            self.load.go_on(group)
        if "journal" in self.hosts:  # what is deleted before azmonlog has a position at all, nobody can miss
            wait_for(self.hosts["journal"].acknowledged_usec, "the first acknowledgement")
        threads = [threading.Thread(target=self.run_group, args=(group,)) for group in self.hosts]
        watch = threading.Thread(target=self.watch)
        for t in (*threads, watch):
            t.start()
        try:
            for t in threads:
                t.join()
            self.logging_seconds = time.monotonic() - self.began
            if not self.findings:
                self.settle()
        except (Wrong, TimeoutError) as e:
            self.find(str(e))
        finally:
            self.over.set()
            watch.join()
        self.judge.catch_up()
        quarantined = {}
        for host in self.hosts.values():
            host.account_cpu()
            found, strange, others = host.quarantine()
            quarantined.update(found)
            for record in others:
                self.judge.take_other(record)
            for text in strange:
                self.find(f"{host.group}: {text}")
        return Verdict(self.load, self.judge, self.ledger, quarantined)

    def close(self):
        self.over.set()
        self.load.close()
        for host in self.hosts.values():
            host.close()
        if self.unit:
            self.unit.close()

    # --- the table ---

    def rows(self, verdict):
        """The table: (what, figure)."""
        yield from verdict.rows()
        yield "", ""
        yield "records a second, while logging", f"{verdict.logged / self.logging_seconds:,.0f}"
        yield "seconds, of them logging", f"{time.monotonic() - self.began:,.0f}, {self.logging_seconds:,.0f}"
        for group, host in self.hosts.items():
            name = {"journal": "azmonlog", "rsyslog": "rsyslogd with the module"}[group]
            yield f"{name}: CPU seconds", f"{host.cpu:,.1f}"
            yield f"{name}: largest RssAnon, KiB (bound {RSS_KIB[group]:,})", host.rss_kib
            if host.held:
                yield (f"{name}: CPU while held, worst of {len(host.held)} (bound {endpoint_faults.HELD_CPU_PERCENT:g} %)",
                       f"{max(host.held):.2f} %")
            if host.ends:
                yield f"{name}: ended by itself, denied memory, descriptors or disk", host.ends
        yield "", ""
        yield "faults", sum(map(sum, (c.values() for c in self.thrown.values())))
        counts = list(self.thrown.values())
        for kind in sorted({kind for c in counts for kind in c}, key=lambda k: (":" in k, k)):
            both = [c[kind] for c in counts if kind in c]
            yield f"   {kind}", both[0] if len(both) == 1 else " + ".join(map(str, both))

    def print_table(self, verdict):
        for what, figure in self.rows(verdict):
            print(f"{what:75} {figure:>12,}" if isinstance(figure, int) else f"{what:75} {figure:>12}".rstrip())
        for what, why in sorted(self.left_out.items()):
            print(f"LEFT OUT: {what}: {why}")


def options_of(arguments):
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--duration", required=True, help="such as 60s or 30m; longer if not every kind of fault has come by then")
    p.add_argument("--seed", type=int, default=random.randrange(1, 100_000))
    p.add_argument("--only", action="append", metavar="FAULT", help="only this one and others so named")
    p.add_argument("--rate", type=float, help="a factor for the writers' rates")
    p.add_argument("--verbose", action="store_true", help="say what happens while it happens")
    p.add_argument("--keep", action="store_true", help="keep the work folder, even if all is well")
    p.add_argument("--sabotage", choices=("withhold", "forge"), help="deceive the judge, who has to find it")
    p.add_argument("--without", nargs=2, action="append", default=[], metavar=("GROUP", "WHY"), help="leave out journal or rsyslog")
    o = p.parse_args(arguments)
    o.seconds = seconds_of(o.duration)
    o.dwell = min(max(o.seconds / 120, 0.5), 5)
    o.rate = o.rate or (0.02 if TOOL else 0.5 if o.seconds <= 120 else 1.0)  # a tool is slow by the record
    o.left_out = {f"the whole part {group}": why for group, why in o.without}
    o.groups = [g for g in ("journal", "rsyslog") if g not in dict(o.without)]
    return o


def main():
    o = options_of(sys.argv[1:])
    again = f"make soak SOAK={o.duration} SEED={o.seed}"
    print(f"soak: {again}", flush=True)
    if not o.groups:
        print(f"soak: nothing can run here: {o.left_out}")
        return 77
    o.work = tempfile.mkdtemp(prefix="azmonlog-soak.")
    os.chmod(o.work, 0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    soak = Soak(o)
    try:
        verdict = soak.run()
    finally:
        soak.close()
    for text in verdict.notes:
        soak.say("verdict", text)
    soak.print_table(verdict)
    bad = soak.findings + (list(verdict.findings()) if soak.settled else ["it did not come to its end: not all has arrived"])
    for text in bad:
        print(f"FINDING: {text}")
    if bad or not verdict.good():
        print(f"soak: FAILED; everything is in {o.work}; again: {again}")
        return 1
    if o.keep:
        print(f"soak: everything is in {o.work}")
    else:
        shutil.rmtree(o.work)
    print("soak: every record is accounted for")
    return 0


if __name__ == "__main__":
    sys.exit(main())
