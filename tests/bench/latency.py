#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a line takes from its writing to the destination that stores it, at several rates. See README.md."""
import argparse
import collections
import datetime
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import cpu_model, save, wait_for  # noqa: E402
from live import Journal, Syslog, inside  # noqa: E402

DELAY_MS = 1000  # the default of schedule_delay
LIMITS_MS = {"journald": 350, "rsyslog": 50}  # beyond the delay, for the p99
TICK = 0.01  # seconds


def send(say, rate, seconds):
    """So many messages a second, each with the time at which it is written; returns how many."""
    begin, n = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        while n < now * rate:
            say(f"written {time.time_ns()}")
            n += 1
        time.sleep(TICK)
    return n


def stored_ms(work):
    """Of each message: milliseconds until the request with it was there."""
    times, found = {}, []
    with open(f"{work}/requests") as f:
        for line in f:
            r = json.loads(line)
            times[r["request"]] = datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp() * 1000
    with open(f"{work}/received") as f:
        for line in f:
            r = json.loads(line)
            if str(r.get("body", "")).startswith("written "):
                found.append(times[r["request"]] - int(r["body"].split()[1]) / 1e6)
    return sorted(found)


def measure(kind, build, rate, seconds):
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work:
        side = kind(build, work, "--store", f"{work}/received", "--requests", f"{work}/requests")
        try:
            before = side.emulator.stats()["records"]
            n = send(side.sender(), rate, seconds)
            wait_for(lambda: side.emulator.stats()["records"] >= before + n, "all messages to arrive")
        finally:
            side.end()
        ms = stored_ms(work)
    if len(ms) != n:
        sys.exit(f"bench-latency: {len(ms)} of {n} messages arrived")
    at = {f"p{q:g}_ms": ms[min(int(n * q / 100), n - 1)] for q in (50, 90, 99, 99.9)}
    return {"records": n, "records_per_s": n / seconds, **at, "max_ms": ms[-1], "limit_p99_ms": DELAY_MS + LIMITS_MS[kind.name],
            "curve_ms": [ms[min(n * i // 100, n - 1)] for i in range(101)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--rates", type=lambda s: [int(r) for r in s.split(",")], default=[100, 1000, 10000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", help="where the result goes; default: bench/latency.json in the build folder")
    options = parser.parse_args()
    inside(os.path.abspath(__file__))
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    result = {"cpu": cpu_model(), "cpus": os.cpu_count(), "load_before": os.getloadavg()[0], "rates": collections.defaultdict(dict)}
    print(f"from writing to storing, ms; schedule_delay {DELAY_MS} ms; {cpu_model()}, {os.cpu_count()} cores, load {result['load_before']:.1f}")
    print(f"{'':12}{'wanted/s':>9}{'sent/s':>9}{'p50':>9}{'p90':>9}{'p99':>9}{'p99.9':>9}{'most':>9}{'p99 may be':>12}")
    for kind in (Journal, Syslog):
        for rate in options.rates:
            r = result["rates"][kind.name][rate] = measure(kind, build, rate, options.seconds)
            print(f"{kind.name:12}{rate:9}{r['records_per_s']:9.0f}{r['p50_ms']:9.0f}{r['p90_ms']:9.0f}{r['p99_ms']:9.0f}{r['p99.9_ms']:9.0f}"
                  f"{r['max_ms']:9.0f}{r['limit_p99_ms']:12}", flush=True)
    save(result, options.json or f"{build}/bench/latency.json")


if __name__ == "__main__":
    main()
