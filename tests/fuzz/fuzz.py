#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the fuzz targets one after the other, an equal share of the time each, and prints a table (see README.md)."""

import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def seconds(text):
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text)
    if not match or (match[2] or "s") not in UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, such as 60s, 25min or 1h")
    return int(match[1]) * UNITS[match[2] or "s"]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Target:
    def __init__(self, name, source, build):
        self.name = name
        self.log = build / f"{name}.log"
        self.corpus = build / "corpus" / name
        self.findings = build / "findings" / name
        self.program = build / name
        self.dictionary = source / "dict" / f"{name}.dict"
        self.inputs = [source / kind / name for kind in ("seeds", "regressions") if (source / kind / name).is_dir()]
        for directory in self.corpus, self.findings:
            directory.mkdir(parents=True, exist_ok=True)
        if not self.program.is_symlink():
            self.program.symlink_to("libfuzzer")

    def run(self, share):
        """Returns True if it has found nothing."""
        command = [self.program, self.corpus, *self.inputs, f"-max_total_time={share}", "-timeout=60", "-max_len=8192",
                   "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={self.findings}/"]
        if self.dictionary.exists():
            command.append(f"-dict={self.dictionary}")
        before = cpu_seconds()
        with tempfile.TemporaryDirectory(prefix="azmonlog-fuzz-", dir=in_memory()) as tmp, open(self.log, "wb") as log:
            self.status = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                         env={**os.environ, "TMPDIR": tmp}, check=False).returncode
        self.cpu = cpu_seconds() - before
        self.read_log()
        return self.status == 0

    def read_log(self):
        text = self.log.read_text(errors="replace")
        executions = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", text, re.M) or re.findall(r"^#(\d+)\s", text, re.M)
        edges = re.findall(r"\bcov: (\d+)", text)
        self.executions = int(executions[-1]) if executions else 0
        self.edges = int(edges[-1]) if edges else 0
        self.artifacts = [pathlib.Path(p) for p in re.findall(r"Test unit written to (\S+)", text)
                          if not pathlib.Path(p).name.startswith("slow-unit-")]

    def row(self):
        return [self.name, f"{self.cpu:.0f}", f"{self.executions}", f"{self.edges}", f"{len(os.listdir(self.corpus))}",
                f"{len(self.artifacts) or int(self.status != 0)}"]


def in_memory():
    """Spools and checkpoints flush to the disk all the time: where there is none of it, a thousand times more is tried."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def print_table(targets):
    rows = [["target", "CPU s", "executions", "edges", "corpus", "findings"], *(t.row() for t in targets)]
    rows.append(["all", f"{sum(t.cpu for t in targets):.0f}", f"{sum(t.executions for t in targets)}", "",
                 f"{sum(int(t.row()[4]) for t in targets)}", f"{sum(int(t.row()[5]) for t in targets)}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]).rstrip())


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--source", type=pathlib.Path, required=True)
    p.add_argument("--build", type=pathlib.Path, required=True)
    p.add_argument("--time", type=seconds, required=True)
    p.add_argument("targets", nargs="*")
    o = p.parse_args()

    known = sorted(d.name for d in (o.source / "seeds").iterdir() if d.is_dir())
    if not set(o.targets) <= set(known):
        p.error(f"known targets: {' '.join(known)}")
    targets = [Target(name, o.source, o.build) for name in o.targets or known]
    share = max(1, o.time // len(targets))
    print(f"{len(targets)} targets, {share} s each", flush=True)
    failed = [t for t in targets if not t.run(share)]
    print_table(targets)
    for t in failed:
        print(f"{t.name}: {' '.join(map(str, t.artifacts)) or f'exit {t.status}'} ({t.log} says more)", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
