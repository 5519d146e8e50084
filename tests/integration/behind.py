# SPDX-License-Identifier: MIT
"""A folder of several machines' files, of which one is ahead: what the others send is behind the position, where libsystemd never
looks again. It arrives, and what damage takes of it is told."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter, covers
from journal_files import ARCHIVED, NOON, SECOND, SEQNUM_ID, STATE, append, entry_objects, poke, set_seqnums, zero
from journald import read_file
from tap import check, equal
from writers import number_of

HOUR = 3600 * SECOND


def begin(out, **settings):
    os.makedirs(f"{out}/journal")
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", **settings)


def ahead(out, first, n):
    append(f"{out}/journal/ahead.journal", 90000 + first, n, NOON + HOUR + first * 1000, SECOND + first * 1000, "a" * 32)
    return numbers(90000 + first, n)


def late(out, first, n, name="late", pad=100):
    append(f"{out}/journal/{name}.journal", first, n, NOON + first * 1000, SECOND + first * 1000, pad=pad)
    return numbers(first, n)


def numbers(first, n):
    return {(0, i) for i in range(first, first + n)}


def time_of(number):
    return NOON + number * 1000


def begin_with_both(out):
    """100 entries of the machine that is ahead and of the one that is late are read."""
    x = begin(out)
    ahead(out, 1, 100)
    late(out, 1, 100)
    equal("the first run ends with 0", x.once(), 0)
    return x


def arrived_once(x, wanted):
    check("everything arrives", wanted <= x.numbers().keys(), lambda: f"{len(wanted - x.numbers().keys())} do not, {min(wanted - x.numbers().keys())}")
    equal("nothing arrives twice", x.copies(), {})
    equal("no gap is reported", x.gaps(), [])


def again(x):
    n = len(x.received())
    equal("a run with nothing new ends with 0", x.once(), 0)
    equal("and sends nothing", [r.get("body") for r in x.received()[n:]][:3], [])


def while_down(out):
    """A machine sends late, into the file that it has; then both go on."""
    x = begin(out)
    wanted = ahead(out, 1, 100) | late(out, 1, 100)
    equal("the first run ends with 0", x.once(), 0)
    for i in (1, 2):
        wanted |= late(out, 1 + 100 * i, 100)
        equal("a run after a machine sent late ends with 0", x.once(), 0)
        wanted |= late(out, 1051 + 100 * i, 20) | ahead(out, 1 + 100 * i, 100)
        equal("one after both went on, too", x.once(), 0)
    arrived_once(x, wanted)
    again(x)
    x.close()


def one_entry(out):
    """The very first entry is the only one for a while, and then the next one is, and is not sent again as if it were late."""
    x = begin(out)
    wanted = late(out, 1, 1)
    x.start()
    for number in (2, 3):
        check("it arrives", x.wait_for_numbers(wanted))
        wanted |= late(out, number, 1)
    check("so does the last one", x.wait_for_numbers(wanted))
    equal("it ends with 0", x.end(), 0)
    arrived_once(x, wanted)
    again(x)
    x.close()


def while_following(out):
    """The same under a running reader, which reads its configuration anew, and is killed."""
    x = begin(out)
    wanted = ahead(out, 1, 100) | late(out, 1, 100)
    x.start()
    check("what is there arrives", x.wait_for_numbers(wanted))
    wanted |= late(out, 101, 50)
    check("what comes late arrives", x.wait_for_numbers(wanted))
    x.process.send_signal(signal.SIGHUP)
    wanted |= late(out, 151, 50)
    check("and after a reload", x.wait_for_numbers(wanted))
    os.rename(f"{out}/journal/late.journal", f"{out}/journal/late@1.journal")
    append(f"{out}/journal/another.journal", 5001, 50, NOON, SECOND)
    wanted |= numbers(5001, 50) | ahead(out, 101, 20)
    check("and of a new file", x.wait_for_numbers(wanted))
    equal("it ends with 0", x.end(), 0)
    arrived_once(x, wanted)
    wanted |= late(out, 201, 50, "late@1")
    x.hold()
    x.start()
    x.end(signal.SIGKILL)
    x.release()
    equal("the run after a kill ends with 0", x.once(), 0)
    arrived_once(x, wanted)
    again(x)
    x.close()


def journald_beside(out):
    """The machine that is behind has a journald of before systemd 254: the system's file and a user's have one counter."""
    x = begin(out)
    machine, wanted = f"{'c' * 32}", ahead(out, 1, 100)
    for part in range(2):
        first = 1 + 200 * part
        for parity, name in enumerate(("system", "user-1500")):
            path = f"{out}/journal/{machine}/{name}.journal"
            append(path, first + 100 * parity, 100, time_of(first + parity), SECOND + (first + parity) * 1000, step=2000)
            wanted |= numbers(first + 100 * parity, 100)
            set_seqnums(path, [1 + 2 * i + parity for i in range(len(entry_objects(path)))])
        equal(f"run {part + 1} ends with 0", x.once(), 0)
        arrived_once(x, wanted)
    again(x)
    x.close()


def truncated(out):
    """The machine's file is cut off before it is read to its end: nothing of it can be read any more, and no number comes after
    it. Its time is that of its last entry, as a power loss leaves it."""
    for what, share in (("in the middle", 0.6), ("by a byte", None)):
        folder = f"{out}/{what.replace(' ', '-')}"
        os.mkdir(folder)
        x = begin(folder)
        ahead(folder, 1, 100)
        late(folder, 1, 100)
        equal(f"{what}: the first run ends with 0", x.once(), 0)
        late(folder, 101, 300)
        ahead(folder, 101, 100)
        path = f"{folder}/journal/late.journal"
        os.truncate(path, int(entry_objects(path)[-1] * share) if share else os.path.getsize(path) - 1)
        os.utime(path, ns=(time_of(400) * 1000,) * 2)
        equal(f"{what}: a run after the damage ends with 0", x.once(), 0)
        equal("one record names the file", [(g.reason, g.entries) for g in x.gaps()], [("file", None)])
        check("the log names it", x.said(r"late\.journal") > 0)
        again(x)
        x.close()


def truncated_when_read(out):
    """If all that was in it had been read, nothing is lost."""
    x = begin_with_both(out)
    os.truncate(f"{out}/journal/late.journal", os.path.getsize(f"{out}/journal/late.journal") // 2)
    ahead(out, 101, 100)
    equal("a run after the damage ends with 0", x.once(), 0)
    equal("no gap is reported", x.gaps(), [])
    x.close()


def zeroed_end(out):
    """The end of the machine's file is overwritten: the file says how many there were."""
    x = begin_with_both(out)
    late(out, 101, 300)
    path = f"{out}/journal/late.journal"
    zero(path, entry_objects(path)[320], 1 << 20)
    left = {e.realtime for e in read_file(path)}
    equal("a run after the damage ends with 0", x.once(), 0)
    lost = [i for i in range(1, 401) if time_of(i) not in {when for when, _ in x.entries()}]
    tap.note(f"{len(lost)} are lost, journalctl reads {len(left)} of 400: {[g[:5] for g in x.gaps()]}")
    check("what journalctl can read arrives", left <= {when for when, _ in x.entries()})
    check("something is lost", 400 in lost and len(lost) < 300, len(lost))
    equal("it is told, exactly", [(g.reason, g.entries, g.up_to) for g in x.gaps()], [("missing", len(lost), False)])
    check("with its times", all(covers(x.gaps()[0], time_of(i)) for i in lost), x.gaps())
    again(x)
    late(out, 401, 100, "late")
    equal("a run with more ends with 0", x.once(), 0)
    equal("and tells nothing again", len(x.gaps()), 1)
    x.close()


def zeroed_in_the_middle(out):
    """What is behind the damage arrives, what is in it is told."""
    x = begin_with_both(out)
    late(out, 101, 900)
    path = f"{out}/journal/late.journal"
    zero(path, entry_objects(path)[500], 20000)
    equal("a run after the damage ends with 0", x.once(), 0)
    arrived = {when for when, _ in x.entries()}
    lost = [i for i in range(1, 1001) if time_of(i) not in arrived]
    tap.note(f"{len(lost)} are lost: {[g[:5] for g in x.gaps()]}")
    check("what journalctl can read arrives", {e.realtime for e in read_file(path)} <= arrived)
    check("something is lost, and what is behind it is not", 0 < len(lost) < 200 and time_of(1000) in arrived, len(lost))
    equal("it is told, exactly", sum(g.entries for g in x.gaps()), len(lost))
    check("with its times", all(any(covers(g, time_of(i)) for g in x.gaps()) for i in lost), x.gaps())
    equal("nothing arrives twice", x.copies(), {})
    again(x)
    x.close()


def first_entry_of_the_first_file(out):
    """The folder was empty when reading began, and the first entry of what comes into it is overwritten: a handle that goes there
    again finds nothing, and the file's header tells."""
    x = begin(out)
    equal("a run with an empty folder ends with 0", x.once(), 0)
    path = f"{out}/journal/{'c' * 32}/system.journal"
    append(path, 1, 42)
    zero(path, entry_objects(path)[0], 64)
    equal("the run after the damage ends with 0", x.once(), 0)
    equal("what is left arrives", x.numbers().keys(), numbers(2, 41))
    equal("the first one is told", [(g.reason, g.entries, g.up_to) for g in x.gaps()], [("missing", 1, False)])
    check("with its time", covers(x.gaps()[0], time_of(0)), x.gaps())
    again(x)
    x.close()


def first_entry_of_two_files(out):
    """The same, where another file goes on: a handle that goes there again finds that one."""
    x = begin(out)
    path, following = (f"{out}/journal/{'c' * 32}/system{name}.journal" for name in ("@1", ""))
    append(path, 1, 4)
    append(following, 5, 42, time_of(5), SECOND + 5000)
    with open(path, "rb") as f:
        f.seek(SEQNUM_ID)
        poke(following, SEQNUM_ID, f.read(16))
    set_seqnums(following, range(5, 47))
    poke(path, STATE, bytes([ARCHIVED]))
    zero(path, entry_objects(path)[0], 64)
    equal("the first run ends with 0", x.once(), 0)
    equal("what is left arrives", x.numbers().keys(), numbers(2, 45))
    equal("the first one is told", [(g.reason, g.entries, g.up_to) for g in x.gaps()], [("missing", 1, False)])
    again(x)
    x.close()


def place_lost_at_the_end(out):
    """At the end of a damaged file libsystemd does not know any more where it is; nor can the file behind it be read."""
    x = begin(out, batch=50)
    path, behind = (f"{out}/journal/late@{i}.journal" for i in (1, 160))
    append(path, 1, 159, pad=100)
    append(behind, 1, 216, NOON + 160 * 1000, SECOND + 160 * 1000, pad=100)
    with open(path, "rb") as f:
        f.seek(SEQNUM_ID)
        seqnum_id = f.read(16)
    poke(behind, SEQNUM_ID, seqnum_id)
    set_seqnums(behind, range(160, 376))
    for name in (path, behind):
        poke(name, STATE, bytes([ARCHIVED]))
    zero(path, entry_objects(path)[62], 65536)
    os.truncate(behind, os.path.getsize(behind) - 4096)
    equal("the first run ends with 0", x.once(), 0)
    equal("what journalctl can read arrives", x.numbers().keys(), {number_of(e.text) for e in read_file(path)})
    equal("what is lost is told", sorted((g.reason, g.entries) for g in x.gaps()), [("file", None), ("missing", 159 - len(x.numbers()))])
    equal("nothing arrives twice", x.copies(), {})
    again(x)
    x.close()


def position_not_found_again(out):
    """The position is in a file that lets nobody go there. What was delivered of the others is not sent again."""
    x = begin(out, batch=50)
    late(out, 1, 53)
    path = f"{out}/journal/ahead.journal"
    append(path, 136, 2, NOON + HOUR, SECOND + HOUR, "a" * 32)
    zero(path, entry_objects(path)[0], 64)
    equal("the first run ends with 0", x.once(), 0)
    equal("what is left arrives", x.numbers().keys(), numbers(1, 53) | numbers(137, 1))
    equal("what is lost is told", [(g.reason, g.entries) for g in x.gaps()], [("missing", 1)])
    again(x)
    again(x)
    x.close()


tap.run(while_down, one_entry, while_following, journald_beside, truncated, truncated_when_read, zeroed_end, zeroed_in_the_middle,
        first_entry_of_the_first_file, first_entry_of_two_files, place_lost_at_the_end, position_not_found_again)
