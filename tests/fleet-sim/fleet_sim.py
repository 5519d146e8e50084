# SPDX-License-Identifier: MIT
"""fleet_sim.py: what a fleet does to Azure when it starts, when it is throttled and when an outage ends, by the model of
README.md. Prints tables, and JSON to a file. Standard library only.

    fleet_sim.py [--json FILE] [--plot FOLDER] [--hosts N] [SCENARIO...]
"""
import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fleet import CONCURRENCY, RECORD_BYTES, RULE_BYTES, RULE_REQUESTS, Fleet
from pace import MINUTE, SECOND

# name: (what it shows, hosts to a rule, schedule_delay, records a second and host, outage in minutes)
SCENARIOS = {
    "quiet": ("half of what a rule takes: 1,000 hosts to a rule, a request in 10 s", 1000, 10, 1.0, 0),
    "outage-10m": ("the same, and 10 minutes without a destination", 1000, 10, 1.0, 10),
    "outage-1h": ("the same, and an hour", 1000, 10, 1.0, 60),
    "outage-busy": ("the same with 30 records a second each, 10 minutes: bytes are the limit", 1000, 10, 30.0, 10),
    "full": ("nearly all of what a rule takes: 2,000 hosts to a rule, 10 minutes", 2000, 10, 1.0, 10),
    "defaults": ("100 hosts to a rule with the default of a request in 1 s, 10 minutes", 100, 1, 1.0, 10),
    "one-rule": ("all hosts to one rule, a request in 60 s, an hour", 10000, 60, 1.0, 60),
    "too-many": ("all hosts to one rule with the default of a request in 1 s", 10000, 1, 1.0, 0),
}
BEFORE = 5  # minutes before the outage


def simulate(name, hosts, seed):
    words, per_rule, delay, rate, outage = SCENARIOS[name]
    rules = max(1, hosts // per_rule)
    begin, end = BEFORE * MINUTE, (BEFORE + outage) * MINUTE
    fleet = Fleet(hosts, rules, rate, delay * SECOND, (begin, end) if outage else (0, 0), seed=seed)
    usual = []

    def enough(fleet, now):
        """So few wait as before the outage, twice in a row."""
        if now == begin:
            usual.append(fleet.waiting(now))
        if not outage:
            return now >= 15 * MINUTE
        return now > end + MINUTE and all(m["waiting"] <= 1.2 * usual[0] + hosts for m in fleet.minutes[-2:])

    since = time.process_time()
    minutes = fleet.run(end + 240 * MINUTE, enough)
    drained = next((i + 1 for i, m in enumerate(minutes) if i >= BEFORE + outage and m["waiting"] <= 1.2 * usual[0] + hosts), None)
    return {
        "scenario": name, "words": words, "hosts": hosts, "rules": rules, "schedule_delay": delay, "records_per_second_and_host": rate,
        "outage_minutes": outage, "minutes": minutes, "cpu_seconds": round(time.process_time() - since, 1),
        "usual_waiting": usual[0] if usual else None,
        "drained_after_minutes": drained - BEFORE - outage if outage and drained else None,
        "peak_per_second": max(m["peak_per_second"] for m in minutes),
        "requests_per_minute_and_rule": max(m["requests"] for m in minutes) // rules,
        "throttled": sum(m["throttled"] for m in minutes), "accepted": sum(m["accepted"] for m in minutes),
    }


def interesting(r):
    """The minutes to print: those at the edges of what happens, and some of those between."""
    n, end = len(r["minutes"]), BEFORE + r["outage_minutes"]
    wanted = {0, 1, 2, 4, n - 1}
    if r["outage_minutes"]:
        wanted |= {BEFORE, BEFORE + 1, BEFORE + 5, end - 1} | {end + i for i in (0, 1, 2, 3, 5, 10, 20, 40, 80, 160)}
    else:
        wanted |= set(range(0, n, 3))
    return sorted(i for i in wanted if i < n)


def show(r):
    print(f"\n{r['scenario']}: {r['words']}")
    print(f"  {r['hosts']:,} hosts, {r['rules']} rules, schedule_delay {r['schedule_delay']} s, "
          f"{r['records_per_second_and_host']:g} records/s and host; outage {r['outage_minutes']} min")
    print("  minute  requests  accepted       429  no answer  a rule's  most in a second  records waiting")
    for i in interesting(r):
        m = r["minutes"][i]
        print(f"  {i + 1 - BEFORE if r['outage_minutes'] else i + 1:6} {m['requests']:9,} {m['accepted']:9,} {m['throttled']:9,} {m['unreachable']:10,}"
              f" {m['requests'] // r['rules']:9,} {m['peak_per_second']:17,} {m['waiting']:16,}")
    if r["outage_minutes"]:
        print(f"  drained {r['drained_after_minutes']} min after the outage; of the answers since the start {r['throttled']:,} were 429 "
              f"and {r['accepted']:,} acknowledged")


def plot(results, folder):
    """A plot for each outage, where gnuplot is there."""
    import shutil
    import subprocess
    if not shutil.which("gnuplot"):
        print("\nno plots: gnuplot is not there (Debian's gnuplot-nox)")
        return
    for r in results:
        data = "\n".join(f"{i + 1} {m['requests']} {m['accepted']} {m['waiting']}" for i, m in enumerate(r["minutes"]))
        script = (f"set terminal svg size 720,360; set output '{folder}/{r['scenario']}.svg'; set xlabel 'minute'; "
                  f"set ylabel 'requests a minute'; set y2label 'records waiting'; set y2tics; set ytics nomirror; set key outside top\n"
                  f"$d << E\n{data}\nE\nplot $d using 1:2 with lines title 'requests', $d using 1:3 with lines title 'accepted', "
                  f"$d using 1:4 axes x1y2 with lines title 'records waiting'\n")
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--json", help="where the figures go to")
    p.add_argument("--plot", help="a folder for plots")
    p.add_argument("--hosts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], default=[])
    a = p.parse_args()
    print(f"A rule takes {RULE_REQUESTS:,} requests and {RULE_BYTES // 10**9} GB a minute; a record has {RECORD_BYTES} bytes, a host up to "
          f"{CONCURRENCY} requests at a time. Minutes of an outage are counted from its begin.")
    results = []
    for name in a.scenario or SCENARIOS:
        results.append(simulate(name, a.hosts, a.seed))
        show(results[-1])
        sys.stdout.flush()
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)
    if a.plot:
        plot(results, a.plot)


if __name__ == "__main__":
    main()
