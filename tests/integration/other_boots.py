# SPDX-License-Identifier: MIT
"""Files whose entries sort before what has been read (another boot with an earlier clock, another machine's journal), and a clock
that jumps back inside a file: everything arrives, once."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter
from journal_files import NOON, SECOND, append, append_entries
from journald import BOOT_ID, wait_for
from tap import check, equal

DAY = 86400 * SECOND


def begin(out, **settings):
    os.mkdir(f"{out}/journal")
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", **settings)


def add(out, name, *arguments, **how):
    """A file that is there at once, as a copied one is."""
    texts = append(f"{out}/{name}.journal", *arguments, **how)
    os.rename(f"{out}/{name}.journal", f"{out}/journal/{name}.journal")
    return texts


def numbers(first, n):
    return {(0, i) for i in range(first, first + n)}


def arrived_once(x, wanted):
    check("everything arrives", wanted <= x.numbers().keys(), lambda: sorted(wanted - x.numbers().keys())[:3])
    equal("nothing arrives twice", x.copies(), {})


def while_down(out):
    """Files with earlier clocks appear while azmonlog is down."""
    x = begin(out)
    add(out, "first", 1, 300)
    equal("the first run ends with 0", x.once(), 0)
    add(out, "yesterday", 1001, 200, realtime=NOON - DAY, boot="a" * 32)
    equal("after a file of another boot, a day earlier, a run ends with 0", x.once(), 0)
    arrived_once(x, numbers(1, 300) | numbers(1001, 200))
    add(out, "same", 2001, 100, realtime=NOON + 500, monotonic=SECOND + 500)
    equal("after a file of the same boot and time a run ends with 0", x.once(), 0)
    arrived_once(x, numbers(1, 300) | numbers(1001, 200) | numbers(2001, 100))
    add(out, "earliest", 3001, 100, realtime=NOON - 400 * DAY, boot="d" * 32)
    equal("after one more a run ends with 0", x.once(), 0)
    arrived_once(x, numbers(1, 300) | numbers(1001, 200) | numbers(2001, 100) | numbers(3001, 100))
    n = len(x.received())
    equal("a run with nothing new ends with 0", x.once(), 0)
    equal("and sends nothing", len(x.received()), n)
    equal("no gap is reported", x.gaps(), [])
    x.close()


def while_following(out):
    """They appear while it runs. (That one of them grows later, as in folders of systemd-journal-remote, is another matter.)"""
    x = begin(out)
    add(out, "first", 1, 300)
    x.start()
    check("the first file arrives", x.wait_for_numbers(numbers(1, 300)))
    add(out, "yesterday", 1001, 200, realtime=NOON - DAY, boot="a" * 32)
    check("a file of another boot, a day earlier, arrives", x.wait_for_numbers(numbers(1001, 200)))
    append(f"{out}/journal/slow.journal", 2001, 100, realtime=NOON - 2 * DAY, boot="d" * 32)  # made where it is read
    check("one that is made in place, too", x.wait_for_numbers(numbers(2001, 100)))
    append(f"{out}/journal/first.journal", 301, 100, realtime=NOON + 60 * SECOND, monotonic=61 * SECOND)
    check("more in the first file arrives", x.wait_for_numbers(numbers(301, 100)))
    equal("it ends with 0", x.end(), 0)
    arrived_once(x, numbers(1, 400) | numbers(1001, 200) | numbers(2001, 100))
    n = len(x.received())
    equal("a run with nothing new ends with 0", x.once(), 0)
    equal("and sends nothing", len(x.received()), n)
    equal("no gap is reported", x.gaps(), [])
    x.close()


def in_a_backlog(out):
    """One appears while a backlog is read, and azmonlog is killed before it has got far."""
    x = begin(out, batch=20, concurrency=1)
    add(out, "first", 1, 3000)
    x.script("request 1-20 normal\nrequest * status 503\n")
    x.start()
    wait_for(lambda: len(x.received()) >= 400, "the first requests")
    add(out, "yesterday", 5001, 200, realtime=NOON - DAY, boot="a" * 32)
    x.script("request 1-20 normal\nrequest * status 503\n")
    wait_for(lambda: len(x.received()) >= 800, "some more")
    x.end(signal.SIGKILL)
    x.release()
    equal("the next run ends with 0", x.once(), 0)
    wanted = numbers(1, 3000) | numbers(5001, 200)
    check("everything arrives", wanted <= x.numbers().keys(), lambda: sorted(wanted - x.numbers().keys())[:3])
    check("at most what was on its way arrives twice", sum(n - 1 for n in x.numbers().values()) <= 40)
    equal("no gap is reported", x.gaps(), [])
    x.close()


def clock_jumps_back(out):
    """Inside one file: the monotonic clock goes on, the real one jumps back by 11 days, and forward again."""
    x = begin(out)
    path = f"{out}/journal/a.journal"
    # (real time, monotonic) of pieces of 50; a run after each begins in the middle of the file
    pieces = ((0, 0), (1, 1), (-11 * DAY, 2 * SECOND), (-11 * DAY + SECOND, 3 * SECOND), (4 * SECOND, 4 * SECOND))
    for i, (real, monotonic) in enumerate(pieces):
        append(path, 1 + 50 * i, 50, realtime=NOON + real + i * SECOND, monotonic=(i + 1) * SECOND + monotonic)
        before = len(x.received())
        equal(f"run {i + 1} ends with 0", x.once(), 0)
        equal("it sends what is new, no more and no less", sorted(r["body"] for r in x.received()[before:]),
              sorted(f"w0 {n}" for n in range(1 + 50 * i, 51 + 50 * i)))
    equal("no gap is reported", x.gaps(), [])
    x.close()


def clock_behind_in_two_files(out):
    """The second boot's clock is a day behind; the system's and a user's file have entries of both boots. The user's last one in
    the first boot comes before the system's last one, or after it."""
    for shift in (-500, 500):
        folder = f"{out}/{shift}"
        os.mkdir(folder)
        x = begin(folder)
        for first, boot, when, by in ((1, "a" * 32, NOON, shift), (101, "d" * 32, NOON - DAY, 500)):
            append(f"{folder}/journal/system.journal", first, 100, realtime=when, boot=boot)
            append(f"{folder}/journal/user-1.journal", 1000 + first, 100, realtime=when + by, monotonic=SECOND + by, boot=boot)
        equal("a run ends with 0", x.once(), 0)
        arrived_once(x, numbers(1, 200) | numbers(1001, 200))
        equal("no gap is reported", x.gaps(), [])
        x.close()


def clock_jumps_back_under_fire(out):
    """The same file, read at one go, and by a reader that is killed all the time."""
    x = begin(out, batch=20, concurrency=1)
    path = f"{out}/journal/a.journal"
    for i, real in enumerate((0, -11 * DAY, 20 * SECOND)):
        append(path, 1 + 200 * i, 200, realtime=NOON + real, monotonic=SECOND + 10 * i * SECOND)
    for kill in range(6):
        x.script("request 1-5 normal\nrequest * status 503\n")
        n = len(x.received())
        x.start()
        wait_for(lambda: len(x.received()) >= n + 80, "some requests")
        x.end(signal.SIGKILL)
    x.release()
    equal("the last run ends with 0", x.once(), 0)
    wanted = numbers(1, 600)
    check("everything arrives", wanted <= x.numbers().keys(), lambda: sorted(wanted - x.numbers().keys())[:3])
    check("at most what was on its way arrives twice", sum(n - 1 for n in x.numbers().values()) <= 6 * 40)
    equal("no gap is reported", x.gaps(), [])
    x.close()


def in_small_batches(out):
    """Boots with clocks that were behind, in one file and others, beside a user's: where a handle begins decides in which order it gives
    them, and nothing of that is damage."""
    minute = 60 * SECOND
    for what, shift in (("in the same moments", 0), ("in between", SECOND // 4)):
        place = f"{out}/{shift}"
        os.mkdir(place)
        x = begin(place, batch=100)
        a = f"{place}/journal/a.journal"
        append(a, 1, 50, NOON - minute, step=SECOND)
        for second in range(60):
            append_entries(a, [{"MESSAGE": f"w1 {11 * second + k}"} for k in range(11)], NOON + second * SECOND, (100 + second) * SECOND, step=0)
        append(a, 2001, 100, NOON - 20 * minute, boot="d" * 32, step=5 * SECOND)
        append(a, 2101, 100, NOON + 40 * SECOND, 600 * SECOND, boot="d" * 32, step=SECOND)
        append(f"{place}/journal/ahead.journal", 3001, 50, NOON + 30 * DAY, boot="e" * 32)
        append(f"{place}/journal/behind.journal", 4001, 50, NOON - 30 * DAY, boot="f" * 32)
        append(f"{place}/journal/user-1500.journal", 5001, 300, NOON - 30 * SECOND + shift, 70 * SECOND + shift, step=SECOND // 2)
        equal(f"{what}: a run ends with 0", x.once(), 0)
        arrived_once(x, numbers(1, 50) | {(1, i) for i in range(660)} | numbers(2001, 200) | numbers(3001, 50) | numbers(4001, 50) | numbers(5001, 300))
        equal("no gap is reported", x.gaps(), [])
        x.close()


def beside_the_running_boot(out):
    """A folder of several machines' files, of which this one's comes up late: only of the machine's own journal nothing but the
    running boot could follow."""
    with open(BOOT_ID) as f:
        boot = f.read().strip().replace("-", "")
    now = time.time_ns() // 1000 - 3600 * SECOND
    x = begin(out)
    add(out, "remote", 1, 100, realtime=now)
    equal("the first run ends with 0", x.once(), 0)
    add(out, "own", 1001, 100, realtime=now - 60 * SECOND, boot=boot)
    append(f"{out}/journal/remote.journal", 101, 100, realtime=now + SECOND, monotonic=2 * SECOND)
    equal("a run with a late file of the running boot, and more of the other machine, ends with 0", x.once(), 0)
    arrived_once(x, numbers(1, 200) | numbers(1001, 100))
    append(f"{out}/journal/remote.journal", 201, 100, realtime=now + 2 * SECOND, monotonic=3 * SECOND)
    equal("a third run ends with 0", x.once(), 0)
    arrived_once(x, numbers(1, 300) | numbers(1001, 100))
    equal("no gap is reported", x.gaps(), [])
    x.close()


tap.run(while_down, while_following, in_a_backlog, clock_behind_in_two_files, clock_jumps_back, clock_jumps_back_under_fire,
        in_small_batches, beside_the_running_boot)
