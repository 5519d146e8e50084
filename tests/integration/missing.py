# SPDX-License-Identifier: MIT
"""Damaged journal files: libsystemd returns no error for them, so sequence numbers must tell what is missing, and a file that
gives nothing at all is named. Absurd numbers from damage must not become absurd counts."""
import collections
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter, covers
from journal_files import NOON, SECOND, SEQNUM_ID, append, append_texts, cut_out, entry_objects, poke, set_seqnum, set_seqnums, zero
from journald import BOOT_ID, read_file, wait_for
from tap import check, equal
from writers import number_of

N = 4000
BOOT_ID_OFFSET = 40  # of an ENTRY object


def begin(out, **settings):
    os.makedirs(f"{out}/journal")
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", **settings)


def numbers(first, n):
    return {(0, i) for i in range(first, first + n)}


def time_of(number):
    """When `append` with its defaults says that this message was received."""
    return NOON + (number - 1) * 1000


def good_file(out):
    """Beside the damaged one, of another boot and later: it must not suffer."""
    append(f"{out}/journal/good.journal", 90001, 100, realtime=NOON + 3600 * SECOND, boot="a" * 32)
    return numbers(90001, 100)


def lost_is_reported(x, good, reasons=("missing", "unreadable", "file"), until=N):
    """What did not arrive is in gaps, by time and by number; `until`: as far as numbers can tell. An entry may arrive without its
    message, if just that is damaged."""
    times = {when for when, _ in x.entries()}
    lost = [i for _, i in sorted(numbers(1, N)) if time_of(i) not in times]
    stripped = len(numbers(1, N) - x.numbers().keys()) - len(lost)
    tap.note(f"{len(lost)} of {N} entries did not arrive, {stripped} without their message: {[g[:5] for g in x.gaps()]}")
    check("the good file arrives whole", good <= x.numbers().keys())
    check("the gaps have the right reasons", x.gaps() and all(g.reason in reasons for g in x.gaps()), x.gaps())
    counted = sum(g.entries or 0 for g in x.gaps())
    check("no gap is absurd", counted <= N + 100, x.gaps())
    told = [i for i in lost if i <= until]
    named = [g for g in x.gaps() if g.reason == "file"]
    check("every entry that did not arrive lies in a gap",
          named or all(any(covers(g, time_of(i)) for g in x.gaps()) for i in told), x.gaps())
    if lost and not named:
        check("the gaps count at least as many", counted >= len(told), x.gaps())
    return lost


def readable(path):
    """What libsystemd gives of a file: an entry whose number is too large hides the later ones in it, from everybody."""
    return {number_of(e.text) for e in read_file(path)}


def again(x):
    """Reports it once."""
    n = len(x.received())
    equal("a run with nothing new ends with 0", x.once(), 0)
    equal("and sends nothing", [r.get("body") for r in x.received()[n:]][:5], [])


def zeroed(out):
    """64 KiB of zeros in the middle."""
    x = begin(out)
    append(f"{out}/journal/a.journal", 1, N, pad=100)
    good = good_file(out)
    entries = entry_objects(f"{out}/journal/a.journal")
    zero(f"{out}/journal/a.journal", entries[N // 2], 65536)
    equal("the run ends with 0", x.once(), 0)
    lost = lost_is_reported(x, good)
    check("something is lost, and much is not", 0 < len(lost) < N - 100, len(lost))
    equal("the number is exact", sum(g.entries or 0 for g in x.gaps() if not g.up_to), len(lost))
    again(x)
    x.close()


def interleave(out, hole_step, first=1, n=1000, seconds=0):
    """Files of two machines of the same time: one of many entries in an hour, and the one that is to be damaged."""
    start = NOON + seconds * SECOND
    texts = [f"w1 {i}" for i in range(first, first + n)]
    append_texts(f"{out}/journal/other.journal", texts, realtime=start, monotonic=(1 + seconds) * SECOND, boot="a" * 32, step=3600 * SECOND // n)
    append(f"{out}/journal/holed.journal", first, n, realtime=start, monotonic=(1 + seconds) * SECOND, step=hole_step, pad=400)


def loss_is_told(x, times):
    """Of the damaged file's entries, by their times, those that did not arrive are told, exactly; the other machine's arrived."""
    lost = len(set(times) - {when for when, text in x.entries() if not (text or "").startswith("w1 ")})
    tap.note(f"{lost} of {len(times)} entries did not arrive: {[g[:5] for g in x.gaps()]}")
    check("something is lost, and something is not", 0 < lost < len(times) - 100, lost)
    check("the other machine's arrive", {(1, i) for i in range(1, len(times) + 1)} <= x.numbers().keys())
    equal("all that is lost is told, exactly", sum(g.entries or 0 for g in x.gaps()), lost)
    check("as missing", all(g.reason == "missing" and not g.up_to for g in x.gaps()), x.gaps())


def zeroed_beside_another_machine(out):
    """The entries of several machines have numbers of their own. What is missing of one may be spread over many batches in which
    there is much of another."""
    for step in (1000, 300 * 1000, 3 * SECOND, 10 * SECOND):
        folder = f"{out}/{step}"
        os.mkdir(folder)
        x = begin(folder)
        path = f"{folder}/journal/holed.journal"
        interleave(folder, step)
        zero(path, entry_objects(path)[500], 65536)
        equal(f"{step} us: the run ends with 0", x.once(), 0)
        check("what journalctl can read arrives", {e.realtime for e in read_file(path)} <= {when for when, _ in x.entries()})
        loss_is_told(x, [NOON + i * step for i in range(1000)])
        again(x)
        x.close()


def missing_between_two_runs(out):
    """The same where the hole begins with what was read last of its machine, in the run before; the other one came further."""
    x = begin(out)
    path = f"{out}/journal/holed.journal"
    interleave(out, 2 * SECOND, n=500)
    equal("the first run ends with 0", x.once(), 0)
    equal("it finds no gap", x.gaps(), [])
    interleave(out, 2 * SECOND, first=501, n=500, seconds=3600)
    set_seqnums(path, range(601, 1101))  # as if a hundred had been in a file that is gone
    equal("the second run ends with 0", x.once(), 0)
    check("everything arrives", {(w, i) for w in range(2) for i in range(1, 1001)} <= x.numbers().keys())
    equal("what is missing is told", [(g.reason, g.entries, g.up_to) for g in x.gaps()], [("missing", 100, False)])
    check("with its times", x.gaps() and x.gaps()[0][3:5] == (NOON + 499 * 2 * SECOND, NOON + 3600 * SECOND), x.gaps())
    again(x)
    x.close()


def several_counters(out):
    """Nothing is missing in sound files: neither where machines have a counter each, nor where a journald of before systemd 254
    has one for the system's file and a user's, beside them. What is missing of the latter is found, too."""
    x = begin(out)
    folder, n = f"{out}/journal", 600
    machine = f"{folder}/{'c' * 32}"
    counter = {"system": 1, "user-1500": 1}
    for part in range(2):
        start, up = NOON + part * 1200 * SECOND, (1 + part * 1200) * SECOND
        append_texts(f"{machine}/system.journal", [f"w0 {i} {'z' * 200}" for i in range(part * n + 1, (part + 1) * n + 1)], start, up, step=2 * SECOND)
        append_texts(f"{machine}/user-1500.journal", [f"w1 {i}" for i in range(part * n + 1, (part + 1) * n + 1)],
                     start + SECOND, up + SECOND, step=2 * SECOND)
        append_texts(f"{folder}/remote-a.journal", [f"w2 {i}" for i in range(part * n + 1, (part + 1) * n + 1)], start, up, "a" * 32, 2 * SECOND)
        append_texts(f"{folder}/remote-b.journal", [f"w3 {i}" for i in range(part * n + 1, (part + 1) * n + 1)], start, up, "d" * 32, 1000)
        for parity, name in enumerate(counter):
            path = f"{machine}/{name}.journal"
            set_seqnums(path, [1 + 2 * i + parity for i in range(len(entry_objects(path)))])
        equal(f"run {part + 1} ends with 0", x.once(), 0)
        check("everything arrives", {(w, i) for w in range(4) for i in range(1, (part + 1) * n + 1)} <= x.numbers().keys())
        equal("there is no gap", x.gaps(), [])
        equal("nothing arrived twice", x.copies(), {})
    x.close()
    y = begin(f"{out}/again")
    os.rmdir(f"{out}/again/journal")
    os.rename(folder, f"{out}/again/journal")
    path = f"{out}/again/journal/{'c' * 32}/system.journal"
    zero(path, entry_objects(path)[n], 65536)
    lost = 2 * n - len(readable(path))
    equal("a run after damage ends with 0", y.once(), 0)
    tap.note(f"{lost} of the system's entries are lost: {len(y.gaps())} gaps")
    check("the others arrive", {(w, i) for w in range(1, 4) for i in range(1, 2 * n + 1)} <= y.numbers().keys())
    check("what is lost is told", lost > 100 and sum(g.entries or 0 for g in y.gaps()) == lost, y.gaps()[:20])
    y.close()


def zeroed_behind_the_reader(out):
    """What has been read may be damaged as it likes."""
    x = begin(out)
    path = f"{out}/journal/a.journal"
    append(path, 1, N, pad=100)
    good = good_file(out)
    equal("the run ends with 0", x.once(), 0)
    check("everything arrives", numbers(1, N) | good <= x.numbers().keys())
    zero(path, entry_objects(path)[N // 4], 65536)
    equal("a run after the damage ends with 0", x.once(), 0)
    append(f"{out}/journal/good.journal", 90101, 100, realtime=NOON + 3700 * SECOND, monotonic=101 * SECOND, boot="a" * 32)
    equal("one with something new, too", x.once(), 0)
    check("the new entries arrive", numbers(90101, 100) <= x.numbers().keys())
    equal("no gap is reported", x.gaps(), [])
    x.close()


def zeroed_from_a_boot_id_on(out):
    """In files of the running boot, which are read with care: a damaged entry there may seem to be of another boot. What comes
    behind it is not lost."""
    with open(BOOT_ID) as f:
        boot = f.read().strip().replace("-", "")
    now, monotonic = time.time_ns() // 1000, time.monotonic_ns() // 1000 + 3600 * SECOND  # young, however long this takes
    x = begin(out)
    path = f"{out}/journal/a.journal"
    for name, first in ("before", 80001), ("a", 1), ("good", 90001):
        append(f"{out}/journal/{name}.journal", first, 1000, realtime=now, monotonic=monotonic, boot=boot, pad=100)
        now, monotonic = now + 1000 * 1000, monotonic + 1000 * 1000
    zero(path, entry_objects(path)[500] + BOOT_ID_OFFSET + 8, 65536)
    equal("the run ends with 0", x.once(), 0)
    wanted = {m for m in readable(path) if m}
    tap.note(f"journalctl reads {len(wanted)} of the 1000 of the damaged file; {[g[:5] for g in x.gaps()]}")
    check("something is lost, behind which there is more", 501 < len(wanted) < 1000 and max(wanted)[1] == 1000)
    check("what journalctl can read arrives", wanted <= x.numbers().keys(), lambda: sorted(wanted - x.numbers().keys())[:3])
    check("and the other files", numbers(80001, 1000) | numbers(90001, 1000) <= x.numbers().keys())
    again(x)
    x.close()


def deleted_under_the_reader(out):
    """A file in the middle, which is being read or is to be read next, and the configuration is read anew: what comes again has the
    uid that it had, and what is gone is told."""
    for requests in (2, 7, 11):
        folder = f"{out}/{requests}"
        os.mkdir(folder)
        x = begin(folder, batch=50, concurrency=1)
        for part in range(3):
            path = f"{folder}/journal/a@{part}.journal"
            append(path, 1 + 300 * part, 300, realtime=time_of(1 + 300 * part), monotonic=SECOND + 300 * part * 1000, pad=100)
            if part == 0:
                with open(path, "rb") as f:
                    f.seek(SEQNUM_ID)
                    seqnum_id = f.read(16)
            poke(path, SEQNUM_ID, seqnum_id)
            set_seqnums(path, range(1 + 300 * part, 301 + 300 * part))
        x.script(f"request 1-{requests} normal\nrequest * status 503\n")
        x.start()
        wait_for(lambda: len(x.received()) >= 50 * requests, "the first requests")
        os.unlink(f"{folder}/journal/a@1.journal")
        x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: x.said("the configuration was read anew"), "the reload")
        x.release()
        check(f"{requests} requests: the last file arrives", x.wait_for_numbers(numbers(601, 300)))
        equal("it ends with 0", x.end(), 0)
        uids = collections.defaultdict(set)
        for r in x.received():
            uids[r.get("body")].add(r["uid"])
        check("each message has one uid", all(len(u) == 1 for u in uids.values()))
        lost = numbers(1, 900) - x.numbers().keys()
        tap.note(f"{len(lost)} are lost, {len(x.copies())} came again: {[g[:5] for g in x.gaps()]}")
        check("only of the deleted file something is lost", lost <= numbers(301, 300), sorted(lost)[:3])
        equal("it is told, exactly", sum(g.entries or 0 for g in x.gaps()), len(lost))
        check("with its times", all(any(covers(g, time_of(i)) for g in x.gaps()) for _, i in lost), x.gaps())
        x.close()


def cut(out):
    """The middle is cut out, so that everything after it is at the wrong place."""
    x = begin(out)
    path = f"{out}/journal/a.journal"
    append(path, 1, N, pad=100)
    good = good_file(out)
    entries = entry_objects(path)
    cut_out(path, entries[N // 3], entries[N // 2] - entries[N // 3])
    equal("the run ends with 0", x.once(), 0)
    # Of what is lost at the file's end there is no later number that could tell.
    last = max(i for i in range(1, N + 1) if time_of(i) in {when for when, _ in x.entries()})
    lost = lost_is_reported(x, good, until=last)
    check("something is lost, and something is not", N // 6 - 1 <= len(lost) < N // 2, len(lost))
    again(x)
    x.close()


def truncated(out):
    """Cut off at 60 %: libsystemd does not even open it."""
    x = begin(out)
    path = f"{out}/journal/a.journal"
    append(path, 1, N, pad=100)
    good = good_file(out)
    os.truncate(path, int(entry_objects(path)[-1] * 0.6))
    equal("the run ends with 0", x.once(), 0)
    lost = lost_is_reported(x, good)
    equal("all of it is lost", len(lost), N)
    equal("one record says that a file cannot be read", [(g.reason, g.entries) for g in x.gaps()], [("file", None)])
    check("the log names the file", x.said(r"a\.journal") > 0)
    again(x)
    append(f"{out}/journal/good.journal", 90101, 100, realtime=NOON + 3700 * SECOND, monotonic=101 * SECOND, boot="a" * 32)
    equal("a run with something new ends with 0", x.once(), 0)
    check("it arrives", numbers(90101, 100) <= x.numbers().keys())
    equal("and nothing is reported again", len(x.gaps()), 1)
    x.close()


def truncated_while_down(out):
    """The file that was being read, in the middle of it."""
    x = begin(out)
    path = f"{out}/journal/a.journal"
    append(path, 1, N // 4, pad=100)
    equal("the first run ends with 0", x.once(), 0)
    append(path, N // 4 + 1, N - N // 4, realtime=time_of(N // 4 + 1), monotonic=SECOND + N // 4 * 1000, pad=100)
    good = good_file(out)
    os.truncate(path, int(entry_objects(path)[-1] * 0.6))
    equal("the run after it ends with 0", x.once(), 0)
    lost = lost_is_reported(x, good, ("file", "missing", "rolled_back"))
    equal("what was not read is lost", len(lost), N - N // 4)
    again(x)
    x.close()


def absurd_numbers(out):
    """Damage makes sequence numbers of nearly nothing and of nearly everything."""
    for name, where, seqnum in (("huge in the middle", N // 2, 1 << 60), ("huge at the end", N - 1, 1 << 60),
                                ("all ones", N // 2, 2**64 - 1), ("somewhat large", N // 2, N + 10**6), ("one", N // 2, 1),
                                ("zero", N // 2, 0), ("a little too large", N // 2, N // 2 + 50)):
        folder = f"{out}/{name.replace(' ', '-')}"
        os.mkdir(folder)
        x = begin(folder)
        path = f"{folder}/journal/a.journal"
        append(path, 1, N)
        set_seqnum(path, entry_objects(path)[where], seqnum)
        good = good_file(folder)
        equal(f"{name}: the run ends with 0", x.once(), 0)
        check(f"{name}: what journalctl can read arrives", readable(path) | good <= x.numbers().keys(),
              lambda: sorted((readable(path) | good) - x.numbers().keys())[:5])
        append(path, N + 1, 100, realtime=NOON + 2 * 3600 * SECOND, monotonic=7200 * SECOND)
        append(f"{folder}/journal/good.journal", 90101, 100, realtime=NOON + 3700 * SECOND, monotonic=101 * SECOND,
               boot="a" * 32)
        equal(f"{name}: a run with more entries ends with 0", x.once(), 0)
        check(f"{name}: they arrive, as far as journalctl can read them",
              readable(path) | numbers(90101, 100) <= x.numbers().keys(),
              lambda: sorted((readable(path) | numbers(90101, 100)) - x.numbers().keys())[:5])
        n = len(x.received())
        equal(f"{name}: a run with nothing new ends with 0", x.once(), 0)
        check(f"{name}: at most a few are sent twice", len(x.received()) - n <= 5 and
              sum(k - 1 for k in x.numbers().values()) <= 5, len(x.received()) - n)
        counted = sum(g.entries or 0 for g in x.gaps())
        check(f"{name}: the gaps are not absurd", counted <= N, x.gaps())
        tap.note(f"{name}: journalctl reads {len(readable(path))} of {N + 100}; {[g[:5] for g in x.gaps()]}")
        x.close()


tap.run(zeroed, zeroed_beside_another_machine, missing_between_two_runs, several_counters, zeroed_behind_the_reader, zeroed_from_a_boot_id_on, deleted_under_the_reader, cut, truncated, truncated_while_down, absurd_numbers)
