# SPDX-License-Identifier: MIT
"""The journal moves from /run to /var while azmonlog follows, or is down: nothing is lost, next to nothing is sent twice.

journald copies its volatile entries into new files with new sequence numbers; a machine does so at each boot."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter
from journald import Journald
from tap import check, equal
from writers import numbers, write

FEW = 5
BATCH = 100  # a handle that is opened in the middle of a flush goes on from the last position: a batch may come twice

journald = Journald(f"{sys.argv[1]}/journald.log")
journald.configure(SystemMaxFileSize="64M", SystemMaxUse="1G", RuntimeMaxUse="1G", RuntimeMaxFileSize="64M")


def begin(out):
    journald.begin_anew(volatile=True)
    check("the journal is volatile", all(f.startswith("/run/") for f in journald.files()) and journald.files())
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out)


def flush():
    os.makedirs(journald.directory)
    journald.journalctl("--flush")
    check("the journal is on disk now", any(f.startswith("/var/") for f in journald.files()), journald.files())


def finish(x, wanted):
    check("everything arrives", x.wait_for_numbers(wanted), lambda: sorted(wanted - x.numbers().keys())[:3])
    if x.running():
        equal("it ends with 0", x.end(), 0)
    copies = sum(x.copies().values())
    check(f"{copies} records arrived again, no more than a batch", copies <= BATCH)
    uids = {}
    for r in x.received():
        uids.setdefault((r["observed_time_unix_nano"], r.get("body")), set()).add(r["uid"])
    # Open: in one of eight runs an entry that is being moved arrives under a second uid.
    others = sum(len(u) - 1 for u in uids.values())
    check(f"copies have the uid of the first one, but for {others}, few", others <= FEW)
    equal("no gap is reported", x.gaps(), [])
    n = len(x.received())
    equal("a run with nothing new ends with 0", x.once(), 0)
    equal("and sends nothing", len(x.received()), n)
    x.close()


def while_following(out):
    """azmonlog was started when there was no /var/log/journal at all."""
    x = begin(out)
    x.start()
    write(1, 500)
    write(1, 50, 1, 1500)
    check("the volatile journal arrives", x.wait_for_numbers(numbers(1, 500) | numbers(1, 50, 1)))
    flush()
    write(501, 500)
    write(51, 50, 1, 1500)
    check("what is logged after the flush arrives", x.wait_for_numbers(numbers(501, 500)))
    journald.rotate()
    write(1001, 500)
    finish(x, numbers(1, 1500) | numbers(1, 100, 1))


def under_load(out):
    """The flush comes while the reader is behind."""
    x = begin(out)
    x.start()
    write(1, 500)
    check("the volatile journal arrives", x.wait_for_numbers(numbers(1, 500)))
    x.hold()
    write(501, 2000)
    flush()
    write(2501, 500)
    x.release()
    finish(x, numbers(1, 3000))


def while_down(out):
    """azmonlog is down over the flush."""
    x = begin(out)
    write(1, 500)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    write(501, 200)
    flush()
    write(701, 300)
    journald.sync()
    equal("the run after it ends with 0", x.once(), 0)
    finish(x, numbers(1, 1000))


def without_anything_new(out):
    """Nothing is logged between the last checkpoint and the flush, and a reader that follows begins after it."""
    x = begin(out)
    write(1, 500)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    flush()
    x.start()
    write(501, 10)
    finish(x, numbers(1, 510))


try:
    tap.run(while_following, under_load, while_down, without_anything_new)
finally:
    journald.end(signal.SIGKILL)
