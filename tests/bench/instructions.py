#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many instructions a record costs by stage, counted by callgrind, which knows no noise: compared with what instructions.json
says. A stage that takes 5 % more (or 5 % less: then --update, so that it stays so) is an error. See README.md."""
import argparse
import glob
import json
import os
import platform
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from bench import ENVIRONMENT, journal_of, save  # noqa: E402
from rsyslog import messages  # noqa: E402

BASELINE = f"{HERE}/instructions.json"
RECORDS = 10000
TOLERANCE = 0.05
# Each stage includes those before; what is libsystemd's alone is shown, not judged.
CHAINS = {"journal": ("bare", "read", "encode", "gzip"), "multiline": ("bare", "read", "encode", "gzip"), "messages": ("parse", "encode", "spool", "deliver")}
NOT_OURS = {("journal", "bare"), ("multiline", "bare")}


def surroundings():
    """What the numbers depend on besides our code: who compiled it, whose code it calls."""
    def said(*command):
        r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return r.stdout.strip()

    compiler = said(os.environ.get("CC", "cc"), "-dumpfullversion", "-dumpversion")
    return f"{platform.machine()}, cc {compiler}, libsystemd {said('pkg-config', '--modversion', 'libsystemd')}, " \
           f"SQLite {said('pkg-config', '--modversion', 'sqlite3')}"


def count(program, *arguments):
    """Instructions between begin and end of each stage, in their order."""
    with tempfile.TemporaryDirectory(prefix="azmonlog-callgrind.") as work:
        r = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={work}/out", "--dump-before=stage_begin",
                            "--dump-after=stage_end", program, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if r.returncode:
            sys.exit(f"bench-check: {program}: {r.stderr}")
        found = []
        for path in sorted(glob.glob(f"{work}/out.*"), key=lambda p: int(p.rpartition(".")[2])):
            with open(path) as f:
                text = f.read()
            if re.search(r"^desc: Trigger: --dump-after=stage_end", text, re.M):
                found.append(int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1]))
    return found, json.loads(r.stdout)


def measure(build):
    """chain -> stage -> instructions a record, the stage alone."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="azmonlog-callgrind.") as work:
        with open(f"{work}/messages", "wb") as f:
            f.write(messages(RECORDS))
        os.mkdir(f"{work}/spool")
        journal = journal_of(RECORDS, f"{build}/bench")
        for chain, command in (("journal", ("stages", journal)), ("multiline", ("stages", journal, "auto")),
                               ("messages", ("message_stages", f"{work}/messages", f"{work}/spool"))):
            totals, said = count(f"{build}/tests/bench/{command[0]}", *command[1:])
            if len(totals) != len(CHAINS[chain]) or (chain != "multiline" and {*said["records"]} != {RECORDS}):
                sys.exit(f"bench-check: {command[0]} has counted {totals} for {said}")
            before = [0, *totals]
            figures[chain] = {stage: round((totals[i] - before[i]) / RECORDS) for i, stage in enumerate(CHAINS[chain])}
    return figures


def compare(figures, baseline):
    """Prints both; returns the stages that have changed."""
    changed = []
    for chain, stages in figures.items():
        print(f"{chain + ', instructions a record':<34}{'now':>9}{'baseline':>10}{'change':>9}")
        for stage, now in [*stages.items(), ("together", sum(stages.values()))]:
            was = baseline[chain][stage] if stage != "together" else sum(baseline[chain].values())
            change = now / was - 1
            judged = stage != "together" and (chain, stage) not in NOT_OURS
            wrong = judged and abs(change) > TOLERANCE
            if wrong:
                changed.append(f"{chain}/{stage} {change:+.1%}")
            print(f"  {stage:<32}{now:>9,}{was:>10,}{change:>+9.1%}{'  <--' if wrong else ''}")
    return changed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--update", action="store_true", help="what is measured becomes the baseline for these surroundings")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    where = surroundings()
    with open(BASELINE) as f:
        baselines = json.load(f)
    if where not in baselines and not options.update:
        print(f"there is no baseline for {where}; known: {'; '.join(baselines)}. --update makes one of the unchanged sources, to "
              "compare the changed ones with")
        sys.exit(77)
    figures = measure(build)
    changed = compare(figures, baselines.get(where, figures))
    print(where)
    if options.update:
        baselines[where] = figures
        save(baselines, BASELINE)
    elif changed:
        sys.exit(f"bench-check: more than 5 % from the baseline: {', '.join(changed)}")


if __name__ == "__main__":
    main()
