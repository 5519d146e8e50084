# SPDX-License-Identifier: MIT
"""counts.py GAP...: the judge's verdict where ten messages were vacuumed and these gap records arrived: N or N,about, around them;
rolled_back, just before them. Exit code 1: not good. Standard library only."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from judge import Judge, Verdict
from ledger import VACUUM, Ledger

LOST, SECOND = 10, 1_800_000_000  # 2027-01-15T08:00:00Z


class Load:
    """One writer, whose messages were all lost."""
    writers = {1: (None, "native")}

    def total(self):
        return LOST

    def logged(self, writer):
        return LOST


judge, ledger = Judge([]), Ledger()
for n in range(1, LOST + 1):
    ledger.note((1, n), VACUUM, SECOND * 1_000_000 + n, "a.journal")
for i, what in enumerate(sys.argv[1:]):
    number, _, about = what.partition(",")
    attributes = {"azmonlog.gap.reason": "vacuumed", "azmonlog.gap.entries": int(number), "azmonlog.gap.from": "2027-01-15T08:00:00.000000Z",
                  "azmonlog.gap.to": "2027-01-15T08:00:01.000000Z"} if number.isdigit() else {
                      "azmonlog.gap.reason": number, "azmonlog.gap.from": "2027-01-15T07:00:00.000000Z", "azmonlog.gap.to": "2027-01-15T08:00:00.000000Z"}
    if about:
        attributes["azmonlog.gap.about"] = "true"
    judge.take(json.dumps({"uid": f"{i:032x}", "service": "azmonlog", "severity_text": "warning", "attributes": attributes}).encode())
verdict = Verdict(Load(), judge, ledger, {})
print(*verdict.findings(), sep="\n")
sys.exit(not verdict.good())
