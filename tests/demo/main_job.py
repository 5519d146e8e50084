#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the main job under fire, and reports whether anything was lost.

Workers log to the journal and die (forked_workers.py); azmonlog exports to azmonlog-emulator, is SIGKILLed at random
moments and started again; the endpoint is down for a while. In the end every line whose write returned must have arrived,
duplicates only with equal log.record.uid, and all workers under one service name. Standard library only.

Run it inside tests/lib/with-journald (as root), or with --files, which replaces journald by journal files that
systemd-journal-remote makes. Exit code 0: nothing lost. The seed makes the schedule of kills.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVICE = "demo-workers"
LINE = re.compile(r"worker=(\d+) line=(\d+) transport=(\w+) ending=(\S+)$")
PATIENCE = 120  # seconds: a limit for what must come to pass, not a measure


class Job:
    def __init__(self, options):
        self.o = options
        self.random = random.Random(options.seed)
        self.out = os.path.abspath(options.output)
        self.received = os.path.join(self.out, "received.jsonl")
        self.ledger = os.path.join(self.out, "ledger.json")
        self.log = open(os.path.join(self.out, "log"), "ab")
        self.port = 0
        self.emulator = self.exporter = self.workers = None
        self.kills = self.outages = 0

    # --- processes ---

    def start(self, *command, **kw):
        return subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, **kw)

    def start_emulator(self):
        with open(os.path.join(self.out, "script"), "w") as f:
            f.write("request * delay 30ms\n")  # a distance, so that a kill finds requests on their way
        port_file = os.path.join(self.out, "port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        self.emulator = self.start(self.o.emulator, "--port", str(self.port), "--port-file", port_file,
                                   "--store", self.received, "--script", os.path.join(self.out, "script"))
        self.wait_for(lambda: os.path.exists(port_file) or self.emulator.poll() is not None, "the emulator")
        if self.emulator.poll() is not None:
            sys.exit(f"the emulator ended at once; see {self.log.name}")
        self.port = int(open(port_file).read())

    def start_exporter(self):
        self.exporter = self.start(self.o.azmonlog, "run", "--config", os.path.join(self.out, "azmonlog.conf"))

    def end(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
        return process.wait(PATIENCE)

    def wait_for(self, condition, what):
        limit = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > limit:
                sys.exit(f"gave up waiting for {what} after {PATIENCE} s; see {self.log.name}")
            time.sleep(0.02)

    # --- the job ---

    def configure(self):
        journal = f"directory={self.out}/journal\n" if self.o.files else ""
        with open(os.path.join(self.out, "azmonlog.conf"), "w") as f:
            f.write(f"[destination]\nendpoint=http://127.0.0.1:{self.port}/v1/logs\n\n"
                    # small batches, so that there are many moments to be killed in
                    "[batch]\nschedule_delay=100ms\nmax_export_batch_size=100\n\n"
                    "[export]\nretry_initial_delay=50ms\nretry_max_delay=500ms\n\n"
                    f"[journal]\nstart=oldest\n{journal}\n"
                    f"[state]\ndirectory={self.out}/state\n")

    def make_files(self):
        """A journal as journald would have left it, and the ledger of what is in it."""
        os.mkdir(f"{self.out}/journal")
        counts = collections.Counter()
        with subprocess.Popen(["/lib/systemd/systemd-journal-remote", "-o", f"{self.out}/journal/workers.journal", "-"],
                              stdin=subprocess.PIPE, stdout=self.log, stderr=self.log) as remote:
            now = int(time.time() * 1e6) - 60_000_000
            for i in range(self.o.workers * self.o.lines):
                worker, line = i % self.o.workers, i // self.o.workers
                remote.stdin.write(
                    (f"__REALTIME_TIMESTAMP={now + i}\n__MONOTONIC_TIMESTAMP={10**9 + i}\n_BOOT_ID={'b' * 32}\n"
                     f"_MACHINE_ID={'c' * 32}\n_HOSTNAME=demo\n_PID={1000 + worker}\n_TRANSPORT=journal\nPRIORITY=6\n"
                     f"SYSLOG_IDENTIFIER={SERVICE}\nMESSAGE=worker={worker} line={line} transport=file ending=none\n\n"
                     ).encode())
                counts[worker] += 1
            remote.stdin.close()
        if remote.returncode:
            sys.exit(f"systemd-journal-remote failed; see {self.log.name}")
        with open(self.ledger, "w") as f:
            json.dump([{"worker": w, "transport": "file", "ending": "none", "sent": n} for w, n in counts.items()], f)

    def batches_received(self):
        return os.path.getsize(self.received) if os.path.exists(self.received) else 0

    def under_fire(self):
        """Kills the exporter at random moments; takes the endpoint away in the middle."""
        outage = self.o.kills // 2
        for kill in range(self.o.kills):
            # Some progress, then a random moment soon after: reading, sending, waiting for the answer, checkpointing.
            before = self.batches_received()
            self.wait_for(lambda: self.batches_received() > before or self.finished_logging(), "records to arrive")
            time.sleep(self.random.uniform(0, 0.15))
            if kill == outage:
                self.end(self.emulator, signal.SIGKILL)
                time.sleep(self.random.uniform(0.3, 0.8))
                self.outages += 1
            self.end(self.exporter, signal.SIGKILL)
            self.kills += 1
            self.start_exporter()
            if kill == outage:
                time.sleep(self.random.uniform(0.3, 0.8))
                self.start_emulator()

    def finished_logging(self):
        return self.o.files or self.workers.poll() is not None

    def lines_received(self):
        seen = collections.defaultdict(list)
        others = 0
        with open(self.received) as f:
            for text in f:
                if not text.endswith("\n"):
                    break  # not all of the line is written yet
                record = json.loads(text)
                m = LINE.match(record.get("body", ""))
                if m:
                    seen[int(m[1]), int(m[2])].append((record["uid"], record["service"]))
                else:
                    others += 1
        return seen, others

    def run(self):
        for name in ("received.jsonl", "ledger.json", "port"):
            if os.path.exists(os.path.join(self.out, name)):
                os.unlink(os.path.join(self.out, name))
        for name in ("state", "journal"):
            shutil.rmtree(os.path.join(self.out, name), ignore_errors=True)
        if self.o.files:
            self.make_files()
        self.start_emulator()
        self.configure()
        self.start_exporter()
        if not self.o.files:
            self.workers = self.start("systemd-cat", "-t", SERVICE, sys.executable,
                                      os.path.join(HERE, "forked_workers.py"), self.ledger,
                                      str(self.o.workers), str(self.o.lines), str(self.o.pause))
        self.under_fire()
        if self.workers and self.workers.wait(PATIENCE) != 0:
            sys.exit(f"the workers' program failed; see {self.log.name}")
        ledger = json.load(open(self.ledger))
        expected = {(w["worker"], i) for w in ledger for i in range(w["sent"])}
        limit = time.monotonic() + PATIENCE
        while not expected <= self.lines_received()[0].keys() and time.monotonic() < limit:
            time.sleep(0.1)
        code = self.end(self.exporter)
        self.end(self.emulator)
        return self.report(ledger, expected, code)

    # --- the report ---

    def report(self, ledger, expected, exporter_code):
        seen, others = self.lines_received()
        lost = sorted(expected - seen.keys())
        # A worker may die between its write and its count: that one line more is no error.
        invented = [k for k in seen if k not in expected and
                    (k[0], k[1] - 1) not in expected and k[1] > 0]
        uids = [{uid for uid, _ in copies} for copies in seen.values()]
        duplicates = sum(len(copies) - 1 for copies in seen.values())
        unequal = sum(len(u) > 1 or None in u for u in uids)
        shared = sum(map(len, uids)) - len(set().union(*uids)) if uids else 0
        services = sorted({service for copies in seen.values() for _, service in copies})
        endings = collections.Counter(w["ending"] for w in ledger)
        deaths = "journal files: none died" if self.o.files else ", ".join(f"{n} by {e}" for e, n in sorted(endings.items()))
        print(f"workers               {len(ledger)} ({deaths})")
        print(f"lines logged          {len(expected)}")
        print(f"lines arrived         {len(expected) - len(lost)}")
        print(f"lines lost            {len(lost)}" + (f", the first: {lost[:5]}" if lost else ""))
        print(f"sent more than once   {duplicates} (each with the uid of its first copy: {'yes' if not unequal else 'NO'})")
        print(f"service names         {', '.join(services)}")
        print(f"azmonlog killed -9    {self.kills} times, endpoint down {self.outages} time(s)")
        print(f"other records         {others}")
        print(f"kept in               {self.out}")
        problems = {"lines lost": len(lost), "lines nobody logged": len(invented),
                    "copies with other uids": unequal, "different lines with one uid": shared,
                    "other service names": services != [SERVICE], "exit code of azmonlog": exporter_code,
                    "nothing was logged": not expected}
        for what, n in problems.items():
            if n:
                print(f"FAILED: {what}: {n} (seed {self.o.seed})")
        return 1 if any(problems.values()) else 0


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--azmonlog", required=True)
    p.add_argument("--emulator", required=True)
    p.add_argument("--output", required=True, help="directory for what was received, the ledger and the log")
    p.add_argument("--files", action="store_true", help="journal files instead of journald; needs no root")
    p.add_argument("--workers", type=int, default=36)
    p.add_argument("--lines", type=int, default=200, help="for each worker")
    p.add_argument("--pause", type=float, default=0.004, help="seconds between two lines of a worker")
    p.add_argument("--kills", type=int, default=6)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = p.parse_args()
    os.makedirs(options.output, exist_ok=True)
    job = Job(options)
    try:
        return job.run()
    finally:
        for process in (job.exporter, job.emulator, job.workers):
            if process and process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
