# SPDX-License-Identifier: MIT
"""Differences between what others send and what azmonlog sends, each with a judgement. Standard library only."""
import re

from tap import check, note


class Differences:
    """`judged`: rows (clients, cases, difference, why), all but the last regular expressions that have to match as a whole. The
    first row that matches counts; a difference that matches none is a failure, and so is a row that matches nothing any more."""

    def __init__(self, judged):
        self.judged, self.seen = judged, {}

    def add(self, client, case, differences):
        for d in differences:
            cases = self.seen.setdefault((client, d), [])
            if case not in cases:
                cases.append(case)

    def close(self):
        used = set()
        for (client, d), cases in sorted(self.seen.items()):
            why, without = set(), []
            for case in cases:
                row = next((r for r in self.judged if all(re.fullmatch(p, x, re.S) for p, x in zip(r, (client, case, d)))), None)
                if row:
                    used.add(row)
                    why.add(row[3])
                else:
                    without.append(case)
            where = ", ".join(cases[:4]) + (f" and {len(cases) - 4} more" if len(cases) > 4 else "")
            check(f"{client}, {where}: {d[:200]}: judged", not without, f"not judged in {without}")
            for text in sorted(why):
                note(f"difference: {client}: {d[:200]}: {text}")
        for row in self.judged:
            check(f"still seen: {row[2]}", row in used, f"no difference is judged by {row}")
