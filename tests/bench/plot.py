#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plots of docs/performance.md, by gnuplot, of what bench.py, rsyslog.py and latency.py have left. See README.md."""
import argparse
import json
import statistics
import subprocess

# CPU seconds per million, measured in November 2026 on a machine of the same kind (docs/performance.md says how)
JOURNAL_PEERS = [("Fluent Bit, no output", 15.3), ("Fluent Bit, OTLP", 28.6), ("Fluent Bit, OTLP, gzip", 39.5), ("rsyslog imjournal, OTLP", 82)]
SYSLOG_PEERS = [("rsyslog's omotel", 9.8), ("rsyslog's omotel, gzip", 14.6), ("Fluent Bit, gzip", 18.8), ("omotel, disk queue", 22.4)]
STAGES = {"bare": "libsystemd", "read": "fields into a record", "encode": "OTLP, batch", "gzip": "gzip", "whole": "sending, positions"}
SVG = "set terminal svg size 860,%d font 'sans-serif,13' background 'white'\nset output '%s'\n"


def gnuplot(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def bars(rows, title, columns):
    """A stack of boxes for each row, one color for a column: a plot of a multiplot."""
    data = "\n".join(f'"{name}" '.replace(", ", r"\n") + " ".join(f"{v:.3f}" for v in values) for name, values in rows)
    plots = [f"$d using {i + 2}{'' if i else ':xtic(1)'} title '{column}'" for i, column in enumerate(columns)]
    return (f"$d << EOD\n{data}\nEOD\nset title '{title}'\nset style data histograms\nset style histogram rowstacked\n"
            "set style fill solid 0.85 border -1\nset boxwidth 0.6\nset bmargin 4\nset ylabel 'CPU seconds per million'\nset grid ytics\nset yrange [0:*]\n"
            f"set key left top\nplot {', '.join(plots)}\n")


def plot_cpu(journal, rsyslog, output):
    cpu, before, stack = journal["cpu_usec_per_record"], 0, []
    for stage in STAGES:
        stack.append(cpu[stage]["median"] - before)
        before = cpu[stage]["median"]
    nothing = [0] * len(stack)
    rows = [("azmonlog, gzip", [0, *stack])] + [(name, [v, *nothing]) for name, v in JOURNAL_PEERS]
    million = 1e6 / rsyslog["messages"]
    discarded, ours = (statistics.median(r[k]["cpu_s"] for r in rsyslog["rounds"]) * million for k in ("discarded", "exported"))
    messages = [("all discarded", [discarded, 0, 0]), ("azmonlog, gzip, disk", [discarded, ours - discarded, 0])]
    messages += [(name, [0, 0, v]) for name, v in SYSLOG_PEERS]
    gnuplot(SVG % (860, f"{output}/performance-cpu.svg") + "set multiplot layout 2,1\n" +
            bars(rows, "A journal of a million entries", ["others", *STAGES.values()]) +
            bars(messages, "A million syslog messages over TCP", ["rsyslogd itself", "the module", "others, rsyslogd included"]) + "unset multiplot\n")


def plot_latency(result, output):
    blocks, plots = [], []
    for side, rates in result["rates"].items():
        for rate, r in rates.items():
            name = f"${side}{rate}"
            blocks.append(f"{name} << EOD\n" + "\n".join(f"{ms:.1f} {i}" for i, ms in enumerate(r["curve_ms"])) + "\nEOD\n")
            plots.append(f"{name} using 1:2 with lines lw 2 dt {1 if side == 'journald' else 2} title '{side}, {int(rate):,}/s'")
    gnuplot(SVG % (420, f"{output}/performance-latency.svg") + "".join(blocks) +
            "set title 'From writing a line to its storing, schedule\\_delay 1 s'\nset xlabel 'ms'\nset ylabel '% of the lines'\nset grid\n"
            f"set key outside right\nset xrange [0:*]\nset yrange [0:100]\nplot {', '.join(plots)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", default="bench", help="the folder with result.json, rsyslog.json and latency.json")
    parser.add_argument("--output", default=".")
    options = parser.parse_args()

    def load(name):
        with open(f"{options.results}/{name}.json") as f:
            return json.load(f)

    plot_cpu(load("result"), load("rsyslog"), options.output)
    plot_latency(load("latency"), options.output)


if __name__ == "__main__":
    main()
