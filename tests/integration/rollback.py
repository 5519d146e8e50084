# SPDX-License-Identifier: MIT
"""The journal loses its end, or begins anew: what comes after is not hidden, and nothing is reported that did not happen."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter, covers
from journald import Journald, wait_for
from tap import check, equal
from writers import write

journald = Journald(f"{sys.argv[1]}/journald.log")
journald.configure(SystemMaxFileSize="64M", SystemMaxUse="1G", SystemMaxFiles=1000)


def begin(out, **settings):
    journald.begin_anew()
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def in_journal():
    journald.sync()
    return {(e.realtime, e.text): e for e in journald.entries()}


def lose_power(out):
    """Back to the snapshot. What the disk never got; the machine boots again."""
    before = in_journal()
    journald.end(signal.SIGKILL)
    journald.restore(f"{out}/snapshot")
    journald.new_boot()
    journald.start()
    return before.keys() - in_journal().keys()


def copies(x):
    """Numbered messages that arrived more than once; all copies of one must have one uid."""
    uids = {}
    for r in x.received():
        if str(r.get("body")).startswith("w"):
            uids.setdefault(r["body"], set()).add(r["uid"])
    check("copies have the uid of the first one", all(len(u) == 1 for u in uids.values()))
    check("different messages have different uids", len(set().union(*uids.values())) == len(uids))
    return {m: n for m, n in x.numbers().items() if n > 1}


def power_loss_after_delivery(out):
    """What was delivered is rolled back; journald uses its sequence numbers again, fewer and then more of them."""
    for users in (), ((1, 1500), (3, 1501)):
        os.mkdir(f"{out}/{len(users)}")
        x = begin(f"{out}/{len(users)}")

        def write_all(first, n):
            write(first, n)
            for writer, uid in users:
                write(first, n // 2, writer, uid)

        everything = set()
        write_all(1, 1000)
        journald.sync()
        equal("the first run ends with 0", x.once(), 0)
        journald.snapshot(f"{x.out}/snapshot")
        write_all(1001, 1000)
        journald.sync()
        equal("the second run ends with 0", x.once(), 0)
        lost = lose_power(x.out)
        check("a power loss takes what was delivered", len(lost) >= 1000 and lost <= x.entries().keys())
        write_all(2001, 400)
        everything |= in_journal().keys()
        equal("the run after it ends with 0", x.once(), 0)
        write_all(2401, 1600)
        everything |= in_journal().keys()
        equal("the one after that, when the numbers are past the checkpoint's, too", x.once(), 0)
        check("no new entry is hidden", everything <= x.entries().keys(), lambda: sorted(everything - x.entries().keys())[:3])
        equal("it is said in one record, without a number", [(g.reason, g.entries) for g in x.gaps()], [("rolled_back", None)])
        check("its times are around what was taken", x.gaps() and all(covers(x.gaps()[0], t) for t, _ in lost), x.gaps())
        equal("what was surely delivered is not delivered again", copies(x), {})
        n = len(x.received())
        equal("a run with nothing new ends with 0", x.once(), 0)
        equal("and sends nothing", len(x.received()), n)
        x.close()


def power_loss_before_delivery(out):
    """What is rolled back was not read yet: as if it had never been, and nothing else is lost."""
    x = begin(out)
    write(1, 500)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    write(501, 500)
    journald.sync()
    journald.snapshot(f"{out}/snapshot")
    write(1001, 500)
    lost = lose_power(out)
    check("a power loss takes something", len(lost) >= 500)
    write(2001, 1000)
    everything = in_journal().keys()
    equal("the run after it ends with 0", x.once(), 0)
    check("everything that is there arrives", everything <= x.entries().keys())
    equal("nothing is reported: nothing that was read is gone", x.gaps(), [])
    equal("nothing arrives twice", copies(x), {})
    x.close()


def power_loss_in_the_middle(out):
    """The reader is killed in the middle of a backlog and the power goes, twice."""
    x = begin(out, batch=50, concurrency=2)
    everything, taken = set(), set()
    for turn in range(2):
        first = 10000 * turn
        write(first + 1, 1500)
        journald.sync()
        journald.snapshot(f"{out}/snapshot")
        everything |= in_journal().keys()
        write(first + 1501, 1500)
        write(first + 1, 300, 1, 1500)
        journald.sync()
        n = len(x.received())
        x.start()
        wait_for(lambda: len(x.received()) >= n + 2000, "more than the snapshot has")
        x.end(signal.SIGKILL)
        taken |= lose_power(out)
        write(first + 5001, 200)
        write(first + 5001, 100, 1, 1500)
        everything |= in_journal().keys()
    equal("the last run ends with 0", x.once(), 0)
    check("no entry that stayed is hidden", everything <= x.entries().keys(), lambda: sorted(everything - x.entries().keys())[:3])
    check("at least one record says it", any(g.reason == "rolled_back" for g in x.gaps()), x.gaps())
    equal("no other gap is reported", [g for g in x.gaps() if g.reason != "rolled_back"], [])
    tap.note(f"{len(copies(x))} messages arrived more than once, {len(taken)} were taken")
    x.close()


def vacuum_before_delivery(out):
    """The oldest files go away before anything that came after a turn was delivered. Only if no boot lies in between the number is
    known to be exact; after a power loss it is too small, for the numbers of what was lost are used again."""
    for turn in "nothing", "a reboot", "a power loss":
        folder = f"{out}/{turn.replace(' ', '-')}"
        os.mkdir(folder)
        x = begin(folder)
        write(1, 300)
        journald.sync()
        journald.snapshot(f"{folder}/snapshot")
        if turn == "a power loss":
            write(301, 700)
        journald.sync()
        equal(f"{turn}: the first run ends with 0", x.once(), 0)
        if turn == "a power loss":
            check(f"{turn}: it takes what was delivered", len(lose_power(folder)) >= 700)
        elif turn == "a reboot":
            journald.end()
            journald.new_boot()
            journald.start()
        write(1001, 2000)
        before = in_journal()
        journald.journalctl("--rotate", "--vacuum-files=1")
        write(3001, 10)
        lost = (before.keys() - in_journal().keys()) - x.entries().keys()
        equal(f"{turn}: the next run ends with 0", x.once(), 0)
        check(f"{turn}: what is still there arrives", in_journal().keys() <= x.entries().keys())
        gaps = x.gaps()
        equal(f"{turn}: one gap is reported, and as inexact but where no boot lies in it", [(g.reason, g.up_to) for g in gaps],
              [("vacuumed", turn != "nothing")])
        check(f"{turn}: its times are around what was lost", len(lost) >= 2000 and gaps and all(covers(gaps[0], t) for t, _ in lost), gaps)
        counted = gaps[0].entries if gaps else None
        tap.note(f"{turn}: {len(lost)} entries were lost, the record counts {counted}")
        if turn == "a power loss":
            check(f"{turn}: its number is too small", counted and counted <= len(lost) - 700, counted)
        else:
            equal(f"{turn}: its number is right", counted, len(lost))
        equal(f"{turn}: the log says what the record says", x.said(rf"{'' if turn == 'nothing' else 'about '}{counted} journal entries were lost"), 1)
        equal(f"{turn}: a run with nothing new ends with 0", x.once(), 0)
        equal(f"{turn}: and reports no gap again", x.gaps(), gaps)
        x.close()


def begun_anew(out):
    """Somebody deletes the whole journal."""
    x = begin(out)
    write(1, 2000)
    journald.sync()
    equal("the first run ends with 0", x.once(), 0)
    journald.begin_anew()
    write(3001, 100)
    everything = in_journal().keys()
    equal("the run after it ends with 0", x.once(), 0)
    check("the new journal arrives from its beginning", everything <= x.entries().keys())
    equal("it is said in one record, without a number", [(g.reason, g.entries) for g in x.gaps()], [("rolled_back", None)])
    write(3101, 100)
    everything = in_journal().keys()
    equal("the run after that ends with 0", x.once(), 0)
    check("what is new arrives", everything <= x.entries().keys())
    equal("nothing more is reported", len(x.gaps()), 1)
    equal("nothing arrives twice", x.copies(), {})
    x.close()


def reboot(out):
    """Boots and deaths of journald that lose nothing are no gaps, with journals of users in between."""
    x = begin(out)
    for turn in range(6):
        first = 1 + 200 * turn
        write(first, 200)
        write(first, 100, 1, 1500)
        if turn % 2:
            write(first, 50)  # the last one is the system's
        if turn in (1, 4):
            journald.sync()
            equal("a run in between ends with 0", x.once(), 0)
        journald.sync()
        journald.end(signal.SIGKILL if turn % 3 else signal.SIGTERM)
        if turn >= 3:
            journald.new_boot()
        journald.start()
    everything = in_journal().keys()
    equal("the last run ends with 0", x.once(), 0)
    check("everything arrives", everything <= x.entries().keys())
    equal("no gap is reported", x.gaps(), [])
    equal("nothing arrives twice", x.copies(), {})
    x.close()


try:
    tap.run(power_loss_after_delivery, power_loss_before_delivery, power_loss_in_the_middle, vacuum_before_delivery, begun_anew, reboot)
finally:
    journald.end(signal.SIGKILL)
