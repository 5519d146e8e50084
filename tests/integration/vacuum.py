# SPDX-License-Identifier: MIT
"""Rotation, vacuum and deleted files: what goes away unread is counted, exactly and once; what does not is not."""
import collections
import glob
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter, covers
from journald import Journald, wait_for
from tap import check, equal
from writers import numbers, write

journald = Journald(f"{sys.argv[1]}/journald.log")
unused = 0  # sequence numbers that stood for no entry when something was taken last
journald.configure(SystemMaxFileSize="1M", SystemMaxUse="1G", SystemMaxFiles=1000)


def begin(out, **settings):
    journald.begin_anew()
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def in_journal():
    journald.sync()
    return collections.Counter((e.realtime, e.text) for e in journald.entries())


def take(*arguments):
    """Runs journalctl with these arguments; what is gone after it."""
    global unused
    before = in_journal()
    unused = len(journald.unused_numbers())
    journald.journalctl(*arguments)
    return before - in_journal()


def gap_is_exact(x, taken, reason="vacuumed", beside=2):
    """One gap record, about just those of the taken entries that did not arrive. `beside`: its times may be around so many that did."""
    gone = taken - x.entries()
    lost = sum(gone.values())
    tap.note(f"{sum(taken.values())} entries were taken, {lost} of them unread: {[g[:5] for g in x.gaps()]}")
    check("something was lost", lost > 100)
    # numbers that journald wasted (one in a hundred times there is one) are not to be told from entries
    if unused and len(x.gaps()) == 1 and lost < (x.gaps()[0].entries or 0) <= lost + unused:
        tap.note(f"{unused} numbers were used for no entry")
        lost = x.gaps()[0].entries
    # (before systemd 254 it is called "about", for want of a way to know)
    equal("the gap is reported once, with the exact number", [(g.reason, g.entries) for g in x.gaps()], [(reason, lost)])
    check("its times are around every entry that is missing",
          x.gaps() and all(covers(x.gaps()[0], when) for when, _ in gone), x.gaps())
    # A gap that spans the whole journal would cover anything. These entries are beside it.
    kept = [when for when, _ in x.entries()]
    check("and not around those that arrived",
          x.gaps() and sum(covers(x.gaps()[0], when) for when in kept) <= beside, x.gaps())
    equal("the log says it once", x.said(rf"\b{lost} (journal )?entr"), 1, lambda: open(x.log.name).read())


def while_down(out):
    """Vacuum while azmonlog is down."""
    x = begin(out)
    write(1, 500, pad=100)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    write(501, 2500, pad=300)
    taken = take("--rotate", "--vacuum-files=1")
    write(3001, 10)
    journald.sync()
    equal("the next one ends with 0", x.once(), 0)
    check("what is still there arrives", numbers(3001, 10) <= x.numbers().keys())
    gap_is_exact(x, taken)
    equal("a run after that ends with 0", x.once(), 0)
    equal("and reports no gap again", len(x.gaps()), 1)
    equal("nothing arrived twice", x.copies(), {})
    x.close()


def while_down_with_users(out):
    """The same with journals of users: their files have sequence number ids of their own and share the counter."""
    x = begin(out)
    for part in range(5):
        write(1 + 100 * part, 100, pad=100)
        write(1 + 100 * part, 100, writer=1, uid=1500)
        write(1 + 100 * part, 100, writer=3, uid=1501)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    equal("there is no gap between files", x.gaps(), [])
    for part in range(10):
        write(501 + 100 * part, 100, pad=300)
        write(501 + 100 * part, 100, writer=1, uid=1500)
        write(501 + 100 * part, 100, writer=3, uid=1501)
    taken = take("--rotate", "--vacuum-files=1")
    for writer, uid in (0, 0), (1, 1500), (3, 1501):
        write(1501, 10, writer, uid)
    journald.sync()
    equal("the next one ends with 0", x.once(), 0)
    check("what is still there arrives",
          numbers(1501, 10) | numbers(1501, 10, 1) | numbers(1501, 10, 3) <= x.numbers().keys())
    gap_is_exact(x, taken)
    x.close()


def under_the_reader(out, stop, go_on, name):
    x = begin(out, batch=20, concurrency=1)
    write(1, 200, pad=100)
    journald.sync()
    x.start()
    check("the reader is at work", x.wait_for_numbers(numbers(1, 200)))
    stop(x)
    write(201, 3000, pad=300)
    taken = take("--rotate", "--vacuum-files=1")
    write(3201, 10)
    go_on(x)
    check(f"{name}: what is still there arrives", x.wait_for_numbers(numbers(3201, 10)))
    equal(f"{name}: the reader ends with 0", x.end(), 0)
    gap_is_exact(x, taken)
    equal(f"{name}: a run after that ends with 0", x.once(), 0)
    equal(f"{name}: and reports no gap again", len(x.gaps()), 1)
    x.close()


def while_held(out):
    """Vacuum overtakes the running reader, which waits for the destination."""
    under_the_reader(out, lambda x: x.hold(), lambda x: x.release(), "held")


def while_stopped(out):
    """Vacuum overtakes a reader that does not get to run."""
    under_the_reader(out, lambda x: x.process.send_signal(signal.SIGSTOP), lambda x: x.process.send_signal(signal.SIGCONT),
                     "stopped")


def while_stopped_and_reloaded(out):
    """It takes the reader's current entry away, and the configuration is read anew before another one is read."""
    x = begin(out, batch=20, concurrency=1)
    x.hold()
    x.start()
    write(1, 3000, pad=300)
    journald.sync()
    wait_for(lambda: x.said("cannot deliver"), "the reader to wait")
    x.script("request 1-3 delay 1ms\nrequest * status 503\n")  # it reads a little more, and stops wherever that is
    check("it has gone on", x.wait_for_numbers(numbers(1, 40)))
    failed = x.stats()["requests"]
    wait_for(lambda: x.stats()["requests"] > failed + 1, "the reader to wait again")
    x.process.send_signal(signal.SIGSTOP)
    taken = take("--rotate", "--vacuum-files=1")
    write(3001, 10)
    x.process.send_signal(signal.SIGHUP)
    x.process.send_signal(signal.SIGCONT)
    wait_for(lambda: x.said("configuration was read anew"), "the reload")
    x.release()
    check("what is still there arrives", x.wait_for_numbers(numbers(3001, 10)))
    equal("the reader ends with 0", x.end(), 0)
    gap_is_exact(x, taken, beside=64)  # what it had read since it last looked where it is: three batches and a record
    x.close()


def read_before(out):
    """Vacuum of what has been read loses nothing, whether azmonlog is up or down."""
    x = begin(out)
    x.start()
    for part in range(3):
        write(1 + 1000 * part, 1000, pad=200)
        check("everything arrives", x.wait_for_numbers(numbers(1, 1000 * (part + 1))))
        if part == 1:
            # A checkpoint follows the answers; a clean end waits for it.
            equal("it ends with 0", x.end(), 0)
        check("the vacuum takes something", sum(take("--rotate", "--vacuum-files=1").values()) > 500)
        if part == 1:
            x.start()
    equal("it ends with 0", x.end(), 0)
    equal("no gap is reported", x.gaps(), [])
    equal("nothing arrived twice", x.copies(), {})
    x.close()


def file_deleted(out):
    """A file in the middle is deleted by hand while azmonlog is down."""
    global unused
    x = begin(out)
    write(1, 200)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    for part in range(4):
        write(201 + 500 * part, 500)
        journald.rotate()
    before = in_journal()
    unused = len(journald.unused_numbers())
    # the one in the middle of the four
    victim = next(f for f in journald.archived() if any(e.text == "w0 1000" for e in journald.entries_of(f)))
    os.unlink(victim)
    taken = before - in_journal()
    equal("the next run ends with 0", x.once(), 0)
    check("everything else arrives", not before - taken - x.entries())
    gap_is_exact(x, taken, "missing")
    x.close()


def rotation(out):
    """Rotation while azmonlog follows: nothing is lost, doubled or reported."""
    x = begin(out)
    x.start()
    for part in range(12):
        write(1 + 200 * part, 200, pad=100)
        write(1 + 50 * part, 50, writer=1, uid=1500)
        journald.rotate()
    everything = numbers(1, 2400) | numbers(1, 600, 1)
    check("everything arrives", x.wait_for_numbers(everything))
    check("there are many files", len(journald.files()) > 24, journald.files())
    equal("it ends with 0", x.end(), 0)
    equal("no gap is reported", x.gaps(), [])
    equal("nothing arrived twice", x.copies(), {})
    check("and nothing is missing", not in_journal() - x.entries())
    x.close()


def descriptors(out):
    """Deleted files are let go, so that their space is free: by an idle reader, and by one that waits for the destination."""
    def deleted():
        found = []
        for fd in glob.glob(f"/proc/{x.process.pid}/fd/*"):
            try:
                found.append(os.readlink(fd))
            except FileNotFoundError:
                pass
        return [f for f in found if ".journal" in f and f.endswith(" (deleted)")]

    def all_let_go(what):
        try:
            wait_for(lambda: not deleted(), "descriptors to be closed")
        except TimeoutError:
            pass
        equal(f"{what}: no deleted file is held open", deleted(), [])

    x = begin(out, batch=20, concurrency=1)
    x.start()
    write(1, 3000, pad=300)
    check("everything arrives", x.wait_for_numbers(numbers(1, 3000)))
    check("some files are deleted", sum(take("--rotate", "--vacuum-files=1").values()) > 1000)
    all_let_go("idle")
    x.hold()
    write(3001, 3000, pad=300)
    wait_for(lambda: x.said("cannot deliver"), "the reader to wait")
    check("some files are deleted", sum(take("--rotate", "--vacuum-files=1").values()) > 1000)
    all_let_go("held")
    x.release()
    x.close()


def again_and_again(out):
    """Ten starts with nothing new."""
    x = begin(out)
    write(1, 300)
    write(1, 100, writer=1, uid=1500)
    journald.rotate()
    write(301, 100)
    journald.end(signal.SIGKILL)  # its file is renamed, and the counter goes on after the system's last entry
    journald.start()
    write(101, 100, writer=1, uid=1500)
    write(401, 100)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    check("everything arrives", not in_journal() - x.entries())
    n = len(x.received())
    for _ in range(5):
        equal("another run ends with 0", x.once(), 0)
    for how in (signal.SIGTERM, signal.SIGKILL) * 3:
        starts = x.said("going on after the checkpoint")
        x.start()
        wait_for(lambda: x.said("going on after the checkpoint") > starts, "the reader")
        time.sleep(0.3)  # nothing to wait for: it has nothing to do
        x.end(how)
    equal("nothing was sent again", len(x.received()), n)
    equal("no gap is reported", x.gaps(), [])
    x.close()


try:
    tap.run(while_down, while_down_with_users, while_held, while_stopped, while_stopped_and_reloaded, read_before, file_deleted, rotation, descriptors,
            again_and_again)
finally:
    journald.end(signal.SIGKILL)
