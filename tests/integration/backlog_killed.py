# SPDX-License-Identifier: MIT
"""SIGKILL while a backlog is delivered as fast as it goes: a position then waits for others before it is saved, but not for more than
may be on their way at once. With one request at a time that is exact: a copy is sent of the one on its way and of the one before."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter
from journal_files import append
from journald import wait_for
from tap import check, equal

ENTRIES, BATCH, KILLS = 20000, 20, 10


def killed(out):
    os.mkdir(f"{out}/journal")
    append(f"{out}/journal/a.journal", 1, ENTRIES)
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", batch=BATCH, concurrency=1)
    copies = 0
    for run in range(KILLS + 1):
        n = len(x.received())
        if run < KILLS:
            x.start()
            wait_for(lambda n=n: len(x.received()) >= min(n + 400, ENTRIES), "some requests")
            x.end(signal.SIGKILL)
        else:
            equal("the last run ends with 0", x.once(), 0)
        before, copies = copies, sum(n - 1 for n in x.numbers().values())
        check(f"run {run + 1}: of no more than two requests a copy is sent", copies - before <= 2 * BATCH, copies - before)
    check("everything arrives", {(0, i) for i in range(1, ENTRIES + 1)} <= x.numbers().keys())
    check("copies have one uid", len({r["uid"] for r in x.received()}) == ENTRIES)
    x.close()


tap.run(killed)
