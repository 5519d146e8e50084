#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reports.py LOGS: what sanitizers and valgrind have left in this folder, a file for each process, those that a test has killed
too. Prints each finding once; the last line is "findings N suppressed N"."""
import collections
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import sanitizers  # noqa: E402

ERROR = re.compile(r"<error>.*?</error>", re.S)
FRAME = re.compile(r"<frame>.*?</frame>", re.S)
SUPPRESSED = re.compile(r"<suppcounts>.*?</suppcounts>", re.S)
MATCHED = re.compile(r"^\s+(\d+)\s+(?:\d+\s+)?\S+\s*$", re.M)  # "Suppressions used": count, bytes, template


def part(name, xml):
    found = re.search(rf"<{name}>(.*?)</{name}>", xml, re.S)
    return found[1] if found else ""


def valgrind(text):
    """(reports, how many are suppressed). rsyslogd without the module in the stack is rsyslogd's."""
    ours, suppressed = [], 0
    for error in ERROR.findall(text):
        frames = [f"    {part('fn', f) or '?'} {part('file', f)}:{part('line', f)} {part('obj', f)}" for f in FRAME.findall(error)]
        report = "\n".join([f"{part('kind', error)}: {part('what', error) or part('text', error)}", *frames])
        if re.search(r"<exe>\S*rsyslogd</exe>", text) and "omazuremonitor.so" not in report:
            suppressed += 1
        else:
            ours.append(report)
    for counts in SUPPRESSED.findall(text):
        suppressed += sum(int(n) for n in re.findall(r"<count>(\d+)</count>", counts))
    return ours, suppressed


def sanitizer(text):
    ours, others = sanitizers.judged(text)
    used = text.partition("Suppressions used:")[2]
    return ours, len(others) + sum(int(n) for n in MATCHED.findall(used))


def place(report):
    """Where and what, without addresses, numbers of processes and the like: the same finding twice is one."""
    return re.sub(r"0x[0-9a-f]+|\b\d[\d,]* bytes?|==\d+==|\b[TM]\d+\b|tid=\d+|pid=\d+|\(loss record.*?\)|loss record \d+ of \d+", "", report)


found, suppressed = collections.OrderedDict(), 0
for name in sorted(os.listdir(sys.argv[1])):
    with open(f"{sys.argv[1]}/{name}", errors="replace") as f:
        data = f.read()
    ours, others = valgrind(data) if data.startswith("<?xml") else sanitizer(data)
    suppressed += others
    for report in ours:
        found.setdefault(place(report), []).append((name, report))
for all_of_it in found.values():
    name, report = all_of_it[0]
    print(f"{name} ({len(all_of_it)} times): {report.strip()}\n")
print(f"findings {len(found)} suppressed {suppressed}")
