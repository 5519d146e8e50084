#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a relay costs: a journal goes into a stream in Redis, or a topic of Kafka, and from there by one relay, and by two, to the emulator. See README.md."""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from bench import ENVIRONMENT, Emulator, journal_of, wait_for, warm
from kafka_engine import Kafka

STREAM = "bench"


class Redis:
    name, whose, kept = "Redis", "Redis'", "memory"

    @staticmethod
    def missing(_):
        """Why it cannot be had; None if it can."""
        if not shutil.which("redis-server") or not shutil.which("redis-cli"):
            return "redis-server is not installed (Debian's redis-server, Fedora's redis)"
        return None

    def __init__(self, work, _, settings):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", work, "--save", "", *settings],
                                        stdout=subprocess.DEVNULL)
        wait_for(lambda: self.ask("PING") == "PONG" or self.process.poll() is not None, "Redis")
        self.url = f"redis://127.0.0.1:{self.port}/{STREAM}"

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True).stdout.strip()

    def bytes(self):
        return int(next(line for line in self.ask("INFO", "memory").splitlines() if line.startswith("used_memory:"))[12:])

    def cpu(self):
        """Seconds, those of its threads and children (which rewrite its log) included."""
        found = dict(line.split(":") for line in self.ask("INFO", "cpu").splitlines() if ":" in line)
        return sum(float(found[f"used_cpu_{kind}"]) for kind in ("user", "sys", "user_children", "sys_children"))

    def left(self):
        return int(self.ask("XLEN", STREAM))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def start(azmonlog, work, name, text):
    os.makedirs(f"{work}/{name}")
    with open(f"{work}/{name}/conf", "w") as f:
        f.write(f"[state]\ndirectory={work}/{name}/state\n{text}")
    return subprocess.Popen([azmonlog, "run", "--once", "--config", f"{work}/{name}/conf"], env=ENVIRONMENT, stderr=subprocess.DEVNULL)


def finish(processes):
    """CPU seconds of all of them."""
    cpu = 0.0
    for p in processes:
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            sys.exit(f"bench: azmonlog ended with {p.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
    return cpu


def measure(azmonlog, emulator, journal, entries, relays, gzip, begin):
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work, begin(work) as engine, Emulator(emulator, work) as destination:
        empty, before = engine.bytes(), engine.cpu()
        since = time.monotonic()
        host = start(azmonlog, work, "host", f"[export]\ncompression={'gzip' if gzip else 'none'}\n[destination]\nendpoint={engine.url}\n"
                                             f"[journal]\ndirectory={journal}\nstart=oldest\n")
        host_cpu = finish([host])
        stored = time.monotonic() - since
        memory = engine.bytes() - empty
        since = time.monotonic()
        cpu = finish([start(azmonlog, work, f"relay{i}", f"[destination]\nendpoint={destination.url}/v1/logs\n[relay]\nfrom={engine.url}\n")
                      for i in range(relays)])
        took = time.monotonic() - since
        stats = destination.stats()
        if stats["records"] != entries or stats["duplicates"] or engine.left():
            sys.exit(f"bench: {stats['records']} of {entries} records arrived, {stats['duplicates']} of them twice")
        return {"host_cpu": host_cpu / entries * 1e6, "host_seconds": stored, "cpu": cpu / entries * 1e6, "seconds": took,
                "engine_cpu": (engine.cpu() - before) / entries * 1e6, "memory": memory / entries}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--entries", type=int, default=1000000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--engine", choices=("redis", "kafka"), default="redis")
    p.add_argument("--settings", default="", help="options of redis-server, such as '--appendonly yes --appendfsync always'; settings of Kafka")
    p.add_argument("--json")
    o = p.parse_args()
    engine = {"redis": Redis, "kafka": Kafka}[o.engine]
    if engine.missing(o.build):
        sys.exit(f"bench: {engine.missing(o.build)}")
    os.makedirs(f"{o.build}/bench", exist_ok=True)
    azmonlog = os.path.abspath(os.environ.get("AZMONLOG") or f"{o.build}/azmonlog")
    emulator = os.path.abspath(os.environ.get("EMULATOR") or f"{o.build}/azmonlog-emulator")
    journal = os.path.abspath(journal_of(o.entries, f"{o.build}/bench"))
    warm(journal)
    variants = [("gzip in the stream", 1, True), ("gzip in the stream, two relays", 2, True), ("no gzip in the stream", 1, False)]
    if engine is Kafka:
        del variants[1]  # all of one host is in one partition, which one relay reads
    found = {name: [] for name, _, _ in variants}
    for _ in range(o.rounds):
        for name, relays, gzip in variants:
            found[name].append(measure(azmonlog, emulator, journal, o.entries, relays, gzip,
                                       lambda work: engine(work, o.build, o.settings.split())))
    print(f"{o.entries} records, {o.rounds} rounds; CPU: the least of them, and their median\n")
    print(f"| from {engine.name} to the emulator, gzip there | relays' CPU, us a record | hosts' CPU, us a record | {engine.whose} CPU, us a record "
          f"| records/s | hosts' records/s | {engine.whose} {engine.kept}, bytes a record |")
    print("|---|---|---|---|---|---|---|")
    for name, rounds in found.items():
        cpu = [r["cpu"] for r in rounds]
        print(f"| {name} | {min(cpu):.2f} ({statistics.median(cpu):.2f}) | {min(r['host_cpu'] for r in rounds):.2f} | "
              f"{min(r['engine_cpu'] for r in rounds):.2f} | {o.entries / min(r['seconds'] for r in rounds):,.0f} | "
              f"{o.entries / min(r['host_seconds'] for r in rounds):,.0f} | {rounds[0]['memory']:.0f} |")
    with open(o.json or f"{o.build}/bench/relay-{o.engine}.json", "w") as f:
        json.dump({"entries": o.entries, "variants": found}, f)


if __name__ == "__main__":
    main()
