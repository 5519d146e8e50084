#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the module costs rsyslogd: RFC 5424 messages over imptcp (a) discarded, (b) through omazuremonitor to the emulator, (c) the
bytes that its spool takes, appended to a file with an fdatasync for each batch of rsyslog's. See README.md."""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import ENVIRONMENT, MB, PATIENCE, Emulator, Watch, cpu_model, save, summary, wait_for

END = "end of the bench"
COMMIT = 1024  # messages: a main queue's batch
TICKS = os.sysconf("SC_CLK_TCK")


def messages(n):
    """One byte string with n messages of about 300 bytes, a line each, as a busy host has them."""
    out = []
    for i in range(n):
        out.append(f"<{8 * (i % 24) + i % 8}>1 2026-11-25T10:{i // 60 % 60:02}:{i % 60:02}.{i % 1000000:06}Z host{i % 50} "
                   f"service-{i % 20} {1000 + i % 977} ID{i % 7} [request@32473 id=\"{i * 2654435761 % 2**32:08x}\" user=\"u{i % 1000}\"] "
                   f"GET /api/v1/items/{i % 9973}?page={i % 17} HTTP/1.1 200 {i * 7919 % 100000} bytes in {i % 300} ms, cache miss\n")
    out[-1] = f"<13>1 2026-11-25T10:00:00Z host0 bench - - - {END}\n"
    return "".join(out).encode()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Rsyslogd:
    """A private stock rsyslogd; `action` is what becomes of each message."""

    def __init__(self, work, action, module=""):
        self.work = work
        with open(f"{work}/rsyslog.conf", "w") as f:
            f.write(f'''global(workDirectory="{work}" processInternalMessages="on")
module(load="imptcp")
module(load="impstats" interval="1" log.syslog="off" log.file="{work}/stats" format="json")
{module}
ruleset(name="in" queue.type="LinkedList" queue.size="20000" queue.dequeueBatchSize="{COMMIT}" queue.timeoutShutdown="10000") {{
  {action}
  if $msg contains "{END}" then action(type="omfile" file="{work}/end") # behind the action, in the same batch
}}
input(type="imptcp" port="0" listenPortFileName="{work}/tcp" address="127.0.0.1" ruleset="in")
action(type="omfile" file="{work}/internal")
''')
        self.log = open(f"{work}/log", "w+")
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", f"{work}/rsyslog.conf", "-i", f"{work}/pid"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=ENVIRONMENT)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(f"{work}/tcp") and open(f"{work}/tcp").read().strip(),
                 "rsyslogd to listen")
        if self.process.poll() is not None:
            sys.exit(f"bench: rsyslogd ended at once: {open(f'{work}/log').read()}")
        self.watch = Watch(self.process.pid)
        self.watch.start()

    def send(self, data):
        with socket.create_connection(("127.0.0.1", int(open(f"{self.work}/tcp").read()))) as s:
            s.sendall(data)

    def counters(self):
        """The last value of every counter: name of the object -> counter -> value."""
        found = {}
        if not os.path.exists(f"{self.work}/stats"):
            return found
        for line in open(f"{self.work}/stats"):
            try:
                line = json.loads(line[line.index("{"):])
            except ValueError:
                continue  # not all of it is written yet
            found[line["name"]] = line
        return found

    def taken(self):
        """Has the action taken the last message?"""
        return os.path.exists(f"{self.work}/end")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        self.watch.over.set()
        self.watch.join()
        return usage.ru_utime + usage.ru_stime


def run(data, n, work, action, done, module=""):
    """Seconds until all is taken by the action, and until it is done; CPU seconds; largest RssAnon."""
    r = Rsyslogd(work, action, module)
    idle = cpu_seconds(r.process.pid)
    begin = time.monotonic()
    r.send(data)
    until = begin + PATIENCE
    while not r.taken():
        if time.monotonic() > until:
            sys.exit(f"bench: not all of the messages were taken; see {work}")
        time.sleep(0.01)
    taken = time.monotonic() - begin
    while not done():
        if time.monotonic() > until:
            sys.exit(f"bench: waited in vain for the messages to arrive; see {work}")
        time.sleep(0.05)
    whole = time.monotonic() - begin
    ours = r.counters().get("bench", {})
    cpu = r.end() - idle
    return {"taken_s": taken, "whole_s": whole, "cpu_s": cpu, "peak_rss_anon_bytes": r.watch.peak_bytes,
            "threads_cpu_s": {k: v / 1e6 for k, v in r.watch.thread_usec.items()}, "counters": ours}


def written_bytes(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def append_bare(total, n, work):
    """The least that durable commits of so many bytes cost: write and fdatasync of each commit's part."""
    piece = os.urandom(max(total * COMMIT // n, 1))
    begin = time.monotonic()
    with open(f"{work}/bare", "wb", buffering=0) as f:
        for _ in range(0, n, COMMIT):
            f.write(piece)
            os.fdatasync(f.fileno())
    seconds = time.monotonic() - begin
    os.unlink(f"{work}/bare")
    return seconds


def module_action(work, url):
    return (f'action(type="omazuremonitor" name="bench" endpoint="{url}" state.directory="{work}/state"\n'
            f'         state.spool_max_bytes="8G" action.resumeRetryCount="-1")')


def measure_round(build, data, n):
    module = f'module(load="{build}/.libs/omazuremonitor.so")'
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work:
        discarded = run(data, n, work, "", lambda: True)
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work, \
            Emulator(os.environ.get("EMULATOR", f"{build}/azmonlog-emulator"), work) as emulator:
        action = module_action(work, f"{emulator.url}/v1/logs")
        exported = run(data, n, work, action, lambda: emulator.stats()["records"] >= n, module)
        stats = emulator.stats()
        if stats["records"] != n or stats.get("duplicates", 0):
            sys.exit(f"bench: {stats['records']} of {n} records arrived, {stats.get('duplicates')} of them twice")
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work:
        down = run(data, n, work, module_action(work, "http://127.0.0.1:9/v1/logs"), lambda: True, module)
        down["spool_bytes"] = written_bytes(f"{work}/state")
        bare = append_bare(stats["bytes"], n, work)
    return {"discarded": discarded, "exported": exported, "down": down, "bare_s": bare, "requests": stats["requests"],
            "bytes": stats["bytes"], "bytes_wire": stats["bytes_wire"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="where the result goes; default: bench/rsyslog.json in the build folder")
    options = parser.parse_args()
    build, n = os.path.abspath(options.build), options.messages
    os.makedirs(f"{build}/bench", exist_ok=True)
    data = messages(n)
    rounds = [measure_round(build, data, n) for _ in range(options.rounds)]

    def median(get):
        return statistics.median(map(get, rounds))

    million = 1e6 / n
    load = os.getloadavg()[0]
    print(f"{n} messages of {len(data) / n:.0f} bytes over imptcp, {options.rounds} rounds, medians; {cpu_model()}, {os.cpu_count()} cores, load {load:.1f}")
    print(f"{'':34}{'messages/s':>12}{'CPU s per million':>20}{'RssAnon MB':>12}")
    rows = (("(a) discarded", "discarded"), ("(b) through the module, delivered", "exported"), ("    destination down, spooled", "down"))
    for name, key in rows:
        print(f"{name:34}{n / median(lambda r: r[key]['taken_s']):12.0f}{median(lambda r: r[key]['cpu_s']) * million:20.2f}"
              f"{median(lambda r: r[key]['peak_rss_anon_bytes']) / MB:12.1f}")
    print(f"{'(c) bare append and fdatasync':34}{n / median(lambda r: r['bare_s']):12.0f}")
    over = median(lambda r: r["exported"]["cpu_s"] - r["discarded"]["cpu_s"]) * million
    print(f"over (a): {over:.2f} CPU s per million messages; of (c)'s rate: {median(lambda r: r['bare_s'] / r['exported']['taken_s']):.2f}, "
          f"destination down {median(lambda r: r['bare_s'] / r['down']['taken_s']):.2f}")
    print(f"delivered {n / median(lambda r: r['exported']['whole_s']):.0f} messages/s to the end; spool {median(lambda r: r['down']['spool_bytes']) / len(data):.2f} "
          f"bytes a byte of message; {median(lambda r: r['bytes']) / MB:.1f} MB before gzip, {median(lambda r: r['bytes_wire']) / MB:.1f} on the wire, "
          f"{median(lambda r: r['requests']):.0f} requests")
    threads = sorted({t for r in rounds for t in r["exported"]["threads_cpu_s"]})
    print("threads of (b), CPU s per million: " + ", ".join(
        f"{t} {median(lambda r, t=t: r['exported']['threads_cpu_s'].get(t, 0)) * million:.2f}" for t in threads))
    save({"messages": n, "message_bytes": len(data) / n, "load": load, "over_discarded": summary(
        [(r["exported"]["cpu_s"] - r["discarded"]["cpu_s"]) * million for r in rounds]), "rounds": rounds},
         options.json or f"{build}/bench/rsyslog.json")


if __name__ == "__main__":
    main()
