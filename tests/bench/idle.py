#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What azmonlog, and the module in rsyslogd, cost when nothing is logged. See README.md."""
import argparse
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import MB, cpu_model, save, wait_for  # noqa: E402
from live import Journal, Syslog, inside  # noqa: E402


def look(side):
    """thread -> (microseconds of CPU, times that it went to sleep), of our threads; and the files of the state."""
    threads, files = {}, {}
    for task in os.listdir(f"/proc/{side.process.pid}/task"):
        base = f"/proc/{side.process.pid}/task/{task}"
        with open(f"{base}/comm") as name, open(f"{base}/schedstat") as cpu, open(f"{base}/status") as status:
            switches = next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
            threads[name.read().strip()] = int(cpu.read().split()[0]) / 1000, switches
    for folder, _, names in os.walk(side.state):
        for name in names:
            st = os.stat(f"{folder}/{name}")
            files[name] = st.st_ino, st.st_size, st.st_mtime_ns
    return {k: v for k, v in threads.items() if k in side.threads()}, files


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon")) * 1024


def measure(kind, build, seconds, settle):
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work:
        side = kind(build, work, "--fast")
        try:
            side.sender()("the last line for some time")
            wait_for(lambda: side.emulator.stats()["records"] >= 1, "the line to arrive")
            time.sleep(settle)
            before, files = look(side)
            time.sleep(seconds)
            after, files_after = look(side)
            rss = anonymous_bytes(side.process.pid)
        finally:
            side.end()
    usec = sum(after[t][0] - before[t][0] for t in after)
    return {"seconds": seconds, "cpu_percent": usec / seconds / 1e4, "rss_anon_bytes": rss,
            "wakeups_per_s": {t: (after[t][1] - before[t][1]) / seconds for t in after},
            "files_written": sorted(name for name in files_after if files_after[name] != files.get(name))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=15, help="seconds before: a connection is closed, what is tidied up now and then is")
    parser.add_argument("--json", help="where the result goes; default: bench/idle.json in the build folder")
    options = parser.parse_args()
    inside(os.path.abspath(__file__))
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    result = {"cpu": cpu_model(), "load_before": os.getloadavg()[0]}
    print(f"{options.seconds:.0f} s without a line; {cpu_model()}, load {result['load_before']:.1f}")
    for kind in (Journal, Syslog):
        r = result[kind.name] = measure(kind, build, options.seconds, options.settle)
        print(f"{kind.name:10} {r['cpu_percent']:.4f} % of a core, RssAnon {r['rss_anon_bytes'] / MB:.1f} MB{' of rsyslogd' if kind is Syslog else ''}, "
              f"wake-ups a second: {', '.join(f'{t} {n:.2f}' for t, n in r['wakeups_per_s'].items())}; "
              f"files written: {', '.join(r['files_written']) or 'none'}", flush=True)
    save(result, options.json or f"{build}/bench/idle.json")


if __name__ == "__main__":
    main()
