#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One random schedule against a real journald: everything that the journal ever had arrives, or is accounted for.

The seed makes the plan: bursts of numbered messages, rotation, vacuum, deaths of journald and of azmonlog, a destination that is
away, reboots, power loss, deleted and truncated files. The driver keeps the truth: before and after it takes something away it
reads every journal file by itself, so it knows which messages were in the journal ("sent" does not count) and what became of
them. At the end

  - a message that was in the journal has arrived, or this driver took it away and a gap record covers its time (a power loss
    needs none), and the gaps that cover such messages count at least as many entries;
  - a gap record covers something that was taken away before it had surely been read;
  - a message has one uid, and a uid one message.

Run by schedules.sh inside `JOURNALD_START=no with-journald`. Prints the plan and what is wrong; writes OUTPUT/result.json. Exit
code 1: something is wrong. Standard library only."""
import argparse
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from exporter import Exporter, clusters, covers, gap_of
from journald import STALLED, Journald, wait_for
from writers import KINDS, Writers, number_of

COUNTED = ("vacuumed", "missing")  # reasons of gaps that are found by sequence numbers

# What became of an entry. `unread`: it is not certain that azmonlog had read it and would know that after any death.
Taken = collections.namedtuple("Taken", "how step unread")


# What a schedule begins with, in turns, so that any twenty have met all of it: (what, how entries are taken).
OPENINGS = (("overtake", "--vacuum-files"), ("power", None), ("overtake", "delete"), ("overtake", "truncate"), (None, None))


def plan_of(rnd, tight, opening, opening_take):
    """The steps, each (name, arguments...). The plan depends on the seed only; it keeps to what is possible in each state."""
    steps = []
    exporter, held = "up", False
    goal = rnd.randint(9, 15)

    def burst(large=False):
        most = 900 if large else 350
        counts = [rnd.randint(0, most) if rnd.random() < 0.75 else 0 for _ in KINDS]
        counts[0] += 30
        steps.append(("burst", counts, rnd.random() < 0.5))

    def take(how=None):
        """Takes old entries away."""
        how = how or rnd.choices(("--vacuum-files", "--vacuum-size", "delete", "truncate"), (8, 3, 6, 3))[0]
        if how == "--vacuum-files":
            steps.append(("vacuum", how, str(rnd.choice((1, 1, 2, 4)))))
        elif how == "--vacuum-size":
            steps.append(("vacuum", how, rnd.choice(("1M", "3M"))))
        elif how == "delete":
            steps.extend([("rotate",), ("delete", rnd.random())])
        else:
            steps.extend([("rotate",), ("truncate", rnd.random(), rnd.choice((0, 0.3, 0.6)))])

    burst()
    while len(steps) < goal:
        what, opening = opening, None
        what = what or rnd.choices(("burst", "rotate", "journald", "exporter", "away", "answers", "overtake", "reboot", "power", "take",
                            "pause"), (5, 2, 3, 3, 2, 1, 3, 1, 0 if tight else 2, 1, 1))[0]
        if what == "burst":
            burst()
        elif what == "rotate":
            steps.append(("rotate",))
        elif what == "journald":
            burst()
            steps.append(("journald_ends", rnd.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))))
        elif what == "exporter":
            if exporter == "down":
                steps.append(("start",))
                exporter = "up"
            else:
                steps.append(("exporter_ends", rnd.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))))
                exporter = "down"
                if rnd.random() < 0.6:
                    steps.append(("start",))
                    exporter = "up"
        elif what == "away":
            steps.append(("release",) if held else ("hold",))
            held = not held
        elif what == "answers" and not held:
            steps.append(("lose_answers", rnd.randint(1, 4)))
        elif what == "overtake":
            # Old entries go away before the reader has come to them: it is down, stopped, or waits for the destination.
            how = rnd.choice(("down", "stopped", "held"))
            if rnd.random() < 0.5 and exporter == "up" and not held:
                steps.append(("catch_up",))
            if how == "held" and not held:
                steps.append(("hold",))
                held = True
            elif how != "held" and exporter == "up":
                steps.append(("stop",) if how == "stopped" else ("exporter_ends", rnd.choice((signal.SIGKILL, signal.SIGTERM))))
                exporter = how
            burst(large=True)
            if rnd.random() < 0.3:
                steps.append(("journald_ends", signal.SIGKILL))
            take(opening_take)
            opening_take = None
            if rnd.random() < 0.7:
                burst()
            if exporter == "stopped" or exporter == "down" and rnd.random() < 0.8:
                steps.append(("go_on",) if exporter == "stopped" else ("start",))
                exporter = "up"
            if held and rnd.random() < 0.8:
                steps.append(("release",))
                held = False
        elif what == "reboot":
            steps.append(("reboot", rnd.choice((signal.SIGKILL, signal.SIGTERM))))
            exporter = "up"
        elif what == "power":
            steps.append(("snapshot",))
            burst(large=rnd.random() < 0.5)
            if rnd.random() < 0.3:
                steps.append(("rotate",))
            if exporter == "up" and not held and rnd.random() < 0.6:
                steps.append(("catch_up",))
            steps.append(("power_loss",))
            exporter = "up"
            burst()
        elif what == "take":
            take()
        elif what == "pause":
            steps.append(("pause", rnd.uniform(0.1, 0.4)))
    return steps


class Wrong(Exception):
    """The run cannot go on, and that is a finding."""


class Schedule:
    def __init__(self, options):
        self.o = options
        self.rnd = random.Random(options.seed)
        opening = OPENINGS[options.seed % len(OPENINGS)]
        self.tight = self.rnd.random() < 0.25 and opening[0] != "power"  # journald itself vacuums; what it takes then is not known in detail
        self.settings = {"SystemMaxFileSize": self.rnd.choice(("512K", "1M", "2M")),
                         "SystemMaxUse": "6M" if self.tight else "1G", "SystemMaxFiles": 1000}
        self.batch, self.concurrency = self.rnd.choice((20, 50, 200)), self.rnd.choice((1, 4))
        self.pad = self.rnd.choice((0, 200, 1500))
        self.plan = plan_of(self.rnd, self.tight, *opening)
        self.journald = Journald(f"{options.output}/journald.log")
        self.writers = Writers(options.seed, self.pad)
        self.exporter = None
        self.step = 0
        self.began = time.monotonic()
        self.lines, self.wrong = [], []
        self.ever = {}         # every entry that was seen in the journal: (seqnum id, seqnum, realtime) -> Entry
        self.numbered = {}     # message -> its keys in `ever`, see look
        self.taken = {}        # key -> Taken
        self.in_journal = set()
        self.damaged = False
        self.unused = set()    # (number, time): see Journald.unused_numbers
        self.stats = collections.Counter()

    def say(self, text):
        self.lines.append(f"{time.monotonic() - self.began:6.2f} {text}")

    # --- the truth ---

    def look(self):
        """What is in the journal now: key -> Entry."""
        now = {}
        for e in self.journald.entries():
            key = (e.seqnum_id, e.seqnum, e.realtime)
            now[key] = e
            message = number_of(e.text)
            if message:
                # Two entries are possible: journald writes one again, into the next file, if the first one gets full with it.
                keys = self.numbered.setdefault(message, set())
                keys.add(key)
                if len({k[2] for k in keys}) > 1:
                    self.wrong.append(f"driver: {message} is in the journal twice: {keys}")
        self.ever.update(now)
        if not self.damaged:
            self.unused.update(self.journald.unused_numbers())
        back = now.keys() & self.taken.keys()
        if back:
            self.wrong.append(f"driver: {len(back)} entries were taken away and have come back, {self.ever[min(back)]}")
        return now

    def arrived(self):
        return {m for m in (number_of(r.get("body")) for r in self.exporter.received()) if m}

    @contextlib.contextmanager
    def quiet(self):
        """Nothing is written and nothing is on its way to a file."""
        self.writers.pause()
        self.journald.sync()
        yield
        self.writers.go_on()

    def note_taken(self, before, how, arrived, acknowledged):
        now = self.look()
        gone = before.keys() - now.keys() - self.taken.keys()
        delivered = {k[0] for k, e in self.ever.items() if number_of(e.text) in arrived or e.realtime < acknowledged}
        if not delivered & {k[0] for k in now}:
            # Nobody can tell that this is the same journal.
            self.stats["nothing left of the sequence number ids that were read"] += 1
        for key in gone:
            e = self.ever[key]
            message = number_of(e.text)
            unread = e.realtime >= acknowledged or message is not None and message not in arrived
            self.taken[key] = Taken(how, self.step, unread)
        unread = [k for k in gone if self.taken[k].unread]
        self.stats[f"{how}: entries"] += len(gone)
        self.stats[f"{how}: unread entries"] += len(unread)
        if gone:
            self.say(f"   {how} took {len(gone)} entries, {len(unread)} of them perhaps unread")
        self.in_journal = set(now)
        return gone

    @contextlib.contextmanager
    def taking(self, how):
        """The block takes entries away; afterwards it is known which."""
        with self.quiet():
            before = self.look()
            # What vanished since the last look, journald took itself.
            vanished = self.in_journal - before.keys()
            if vanished and not self.tight:
                self.wrong.append(f"driver: {len(vanished)} entries vanished by themselves, {self.ever[min(vanished)]}")
            for key in vanished:
                self.taken[key] = Taken("journald", self.step, True)
            self.stats["journald: entries"] += len(vanished)
            arrived, acknowledged = self.arrived(), self.exporter.acknowledged_usec()
            yield
            self.note_taken(before, how, arrived, acknowledged)
            if how != "power" and self.has_snapshot():
                self.journald.snapshot(self.snapshot_place())  # an old one would bring back what was taken

    def snapshot_place(self):
        return f"{self.o.output}/snapshot"

    def has_snapshot(self):
        return os.path.exists(self.snapshot_place())

    # --- the steps ---

    def do_burst(self, counts, wait):
        for writer, n in enumerate(counts):
            self.writers.write(writer, n)
        if wait:
            self.writers.wait()

    def do_pause(self, seconds):
        time.sleep(seconds)

    def do_rotate(self):
        self.journald.rotate()

    def do_vacuum(self, option, value):
        with self.taking("vacuum"):
            self.journald.journalctl("--rotate", f"{option}={value}")

    def some_archived_file(self, where):
        files = self.journald.archived()
        return files[int(where * len(files))] if files else None

    def do_delete(self, where):
        with self.taking("delete"):
            path = self.some_archived_file(where)
            if path:
                os.unlink(path)

    def do_truncate(self, where, share):
        with self.taking("truncate"):
            path = self.some_archived_file(where)
            if path:
                self.damaged = True
                # A copy in its place: journald itself may have the file open for long, and would mend its length.
                shutil.copyfile(path, f"{path}.copy")
                os.truncate(f"{path}.copy", int(os.path.getsize(path) * share))
                os.rename(f"{path}.copy", path)
                self.stats["truncated files"] += 1

    def end_journald(self, how):
        self.stats[f"journald: {signal.Signals(how).name}"] += 1
        self.journald.end(how)

    def do_journald_ends(self, how):
        self.end_journald(how)
        self.journald.start()

    def do_start(self):
        self.exporter.start()

    def do_exporter_ends(self, how):
        if not self.exporter.running():
            raise Wrong(f"azmonlog has ended by itself ({self.exporter.process.returncode})")
        code = self.exporter.end(how)
        self.stats[f"azmonlog: {signal.Signals(how).name}"] += 1
        if code != (0 if how == signal.SIGTERM else -how):
            self.wrong.append(f"azmonlog ends with {code} on {signal.Signals(how).name}")

    def do_stop(self):
        self.exporter.process.send_signal(signal.SIGSTOP)

    def do_go_on(self):
        self.exporter.process.send_signal(signal.SIGCONT)

    def do_hold(self):
        self.exporter.hold()

    def do_release(self):
        self.exporter.release()

    def do_lose_answers(self, n):
        self.exporter.script(f"request 1-{n} stored-then-reset\n{Exporter.NORMAL}")

    def do_catch_up(self):
        """azmonlog has delivered what is there."""
        self.writers.wait()
        with self.quiet():
            self.wait_for_arrival()

    def wait_for_arrival(self):
        """Returns what does not arrive of what is in the journal."""
        messages = {m for m in (number_of(e.text) for e in self.look().values()) if m}
        size, since = -1, time.monotonic()
        while time.monotonic() - since < STALLED:
            missing = messages - self.arrived()
            if not missing:
                return missing
            if len(self.exporter.received()) != size:
                size, since = len(self.exporter.received()), time.monotonic()
            if not self.exporter.running():
                raise Wrong("azmonlog has ended by itself")
            time.sleep(0.02)
        self.say(f"   gave up waiting for {len(missing)} messages, such as {min(missing)}")
        return missing

    def do_snapshot(self):
        with self.quiet():
            self.journald.snapshot(self.snapshot_place())

    def do_power_loss(self):
        with self.taking("power"):
            if self.exporter.running():
                self.do_exporter_ends(signal.SIGKILL)
            acknowledged = self.exporter.acknowledged_usec()
            self.end_journald(signal.SIGKILL)
            self.journald.restore(self.snapshot_place())
            self.journald.new_boot()
            self.journald.start()
        if acknowledged and any(self.taken[k].step == self.step and k[2] == acknowledged for k in self.taken):
            self.stats["power losses that took the checkpoint's entry"] += 1
        self.stats["power losses"] += 1
        self.exporter.start()

    def do_reboot(self, how):
        with self.quiet():
            if self.exporter.running():
                self.do_exporter_ends(how)
            self.end_journald(signal.SIGTERM)
            self.journald.new_boot()
            self.journald.start()
        self.exporter.start()

    # --- the run ---

    def run(self):
        kind = "tight" if self.tight else "roomy"
        self.say(f"seed {self.o.seed}: {kind}, {self.settings}, padding up to {self.pad}, batches of {self.batch}, "
                 f"{self.concurrency} requests at a time")
        self.journald.configure(**self.settings)
        self.journald.begin_anew()
        self.exporter = Exporter(self.o.azmonlog, self.o.emulator, self.o.output, batch=self.batch,
                                 concurrency=self.concurrency)
        # Reading begins before there is anything to lose.
        self.exporter.start()
        wait_for(self.exporter.received, "the first record")
        for self.step, (name, *arguments) in enumerate(self.plan, 1):
            self.say(f"{self.step}. {name} {' '.join(map(str, arguments))}")
            getattr(self, f"do_{name}")(*arguments)
            time.sleep(self.rnd.uniform(0, 0.1))
        self.settle()
        self.judge()

    def settle(self):
        self.step += 1
        self.say("settle")
        self.exporter.release()
        if self.exporter.process is None:
            self.exporter.start()
        self.exporter.process.send_signal(signal.SIGCONT)
        for writer in range(len(KINDS)):
            self.writers.write(writer, 1)  # a last one into each file
        self.writers.wait()
        with self.taking("nothing"):
            self.wait_for_arrival()
        self.do_exporter_ends(signal.SIGTERM)
        # All is acknowledged: another start has nothing to say. It also shows what a running reader does not see at all.
        before = len(self.exporter.received())
        code = self.exporter.once()
        if code != 0:
            self.wrong.append(f"run --once ends with {code}")
        more = self.exporter.received()[before:]
        if more:
            self.wrong.append(f"a clean end left {len(more)} records to be sent by the next start, such as "
                              f"{more[0].get('body')!r}")

    # --- the verdict ---

    def judge(self):
        gaps = {}
        for r in self.exporter.received():
            try:
                gap = gap_of(r)
            except ValueError as e:
                self.wrong.append(f"a gap record is not as promised: {e}")
                continue
            if gap and gaps.setdefault(gap.uid, gap) != gap:
                self.wrong.append(f"two different gap records have the uid {gap.uid}")
        gaps = list(gaps.values())
        for g in gaps:
            self.stats[f"gaps: {g.reason}"] += 1
            self.say(f"   gap: {g.reason} {g.entries}{' at most' if g.up_to else ''} from {g.from_usec} to {g.to_usec}")
        self.judge_uids()
        self.judge_losses(gaps)
        self.judge_gaps(gaps)

    def judge_uids(self):
        uids, messages = collections.defaultdict(set), collections.defaultdict(set)
        copies = 0
        for r in self.exporter.received():
            m = number_of(r.get("body"))
            if not m:
                continue
            copies += 1
            uids[m].add(r["uid"])
            messages[r["uid"]].add(m)
            if m[1] > self.writers.done(m[0]):
                self.wrong.append(f"{m} arrived and was never written")
        self.stats["messages"] = len(self.numbered.keys() | uids.keys())
        self.stats["arrived"] = len(uids)
        self.stats["copies"] = copies - len(uids)
        bad = {m: u for m, u in uids.items() if len(u) > max(1, len(self.numbered.get(m, ()))) or None in u}
        if bad:
            self.wrong.append(f"{len(bad)} messages have several uids: {sorted(bad.items())[:2]}")
        bad = {u: m for u, m in messages.items() if len(m) > 1}
        if bad:
            self.wrong.append(f"{len(bad)} uids stand for several messages: {sorted(bad.items())[:2]}")

    def judge_losses(self, gaps):
        arrived = self.arrived()
        lost = {m: min(keys, key=lambda k: k in self.taken) for m, keys in self.numbered.items() if m not in arrived}
        by_how = collections.Counter(self.taken[k].how if k in self.taken else "still in the journal" for k in lost.values())
        self.stats["not arrived"] = len(lost)
        self.say(f"   {len(lost)} messages did not arrive: {dict(by_how)}")
        silent, exact, hidden = [], [], 0
        # systemd 252 goes on after the system journal's last number when it starts, and so uses numbers of users' entries again.
        # When one of the two is gone, its number alone does not tell.
        used = collections.Counter(k[1] for k in self.ever if k not in self.taken or self.taken[k].how != "power")
        self.used_again = any(n > 1 for n in used.values())
        for m, key in sorted(lost.items()):
            how = self.taken[key].how if key in self.taken else None
            if how is None or how == "nothing":
                silent.append((m, key))
            elif how != "power":
                # A gap without any time says little: it explains no more than a truncated file.
                covering = [g for g in gaps if covers(g, key[2]) and (g.from_usec or g.to_usec or how == "truncate")]
                if not covering and how != "vacuum" and self.used_again:
                    hidden += 1  # the driver's own damage: its number is no longer missing
                elif not covering:
                    silent.append((m, key))
                elif all(g.reason in COUNTED and g.entries and not g.up_to for g in covering):
                    exact.append(key)
        if hidden:
            self.say(f"   {hidden} of what the driver deleted or truncated shows nowhere: journald used numbers again")
        if silent:
            again = sum(used[key[1]] > 1 for _, key in silent)
            self.wrong.append(f"{len(silent)} messages are lost without an explanation ({again} of them with numbers that "
                              "journald used again): " + "; ".join(
                f"{m} number {key[1]:x} of {key[0][:6]} at {key[2]} ({self.taken[key].how if key in self.taken else 'in the journal'})"
                for m, key in silent[:3]))
        for begin, end, entries in clusters(g for g in gaps if g.reason in COUNTED and g.entries and not g.up_to):
            inside = sum(begin <= key[2] <= end and used[key[1]] == 1 for key in exact)
            if inside > entries:
                self.wrong.append(f"{inside} messages are lost from {begin} to {end}, but the gaps there count {entries}")

    def judge_gaps(self, gaps):
        total = self.writers.total() + sum(number_of(e.text) is None for e in self.ever.values()) + 1000
        may_be = [k[2] for k, t in self.taken.items() if t.unread and t.how != "power"]
        unused = []
        for number, after in sorted(self.unused):
            before = min((k[2] for k in self.ever if k[1] > number and k[2] >= after), default=after)
            self.say(f"   number {number} was used for no entry, from {after} to {before}")
            unused.append((after, before))
        for g in gaps:
            if g.entries and g.entries > total:
                self.wrong.append(f"an absurd gap: {g}; {total} entries were written at most")
            if g.up_to and self.used_again:
                continue  # "about": where numbers were used again, others seem to be missing
            if g.reason in COUNTED and not self.tight and not any(covers(g, t) for t in may_be) and not any(
                    (g.from_usec or 0) <= before and after <= (g.to_usec or after) for after, before in unused):
                self.wrong.append(f"a false gap, nothing unread was taken there: {g}")
            if g.reason == "rolled_back" and not self.tight and not self.stats["power losses"] and not self.stats[
                    "nothing left of the sequence number ids that were read"]:
                self.wrong.append(f"a false gap, nothing was rolled back: {g}")
            if g.reason in ("file", "unreadable") and not self.stats["truncated files"]:
                self.wrong.append(f"a false gap, no file was damaged: {g}")
        if self.stats["power losses that took the checkpoint's entry"] and not any(g.reason == "rolled_back" for g in gaps):
            self.wrong.append("a power loss took the entry of the checkpoint, and no gap record says so")
        # The sum must not run away either, as it would if one hole was counted for each file that shows it.
        counted = sum(g.entries or 0 for g in gaps if g.reason in COUNTED and not g.up_to)
        possible = sum(t.unread for t in self.taken.values()) + len(self.unused)
        self.stats["gap entries"] = counted
        self.stats["numbers without an entry"] = len(self.unused)
        self.stats["gap entries possible"] = possible
        if counted > possible and not self.tight:
            self.wrong.append(f"the gaps count {counted} entries, but {possible} at most were taken unread")

    def write_truth(self):
        """For whoever looks for the cause: all entries that were ever in the journal, by time, and what became of them."""
        arrived = self.exporter.entries().keys()
        ids = {}
        with open(f"{self.o.output}/truth", "w") as f:
            f.write("time seqnum-id number arrived taken(by, step, perhaps unread) text\n")
            for key, e in sorted(self.ever.items(), key=lambda item: item[0][::-1]):
                taken = self.taken.get(key)
                f.write(f"{e.realtime} {ids.setdefault(e.seqnum_id, len(ids))} {e.seqnum:5} "
                        f"{'arrived' if (e.realtime, e.text) in arrived else 'LOST   '} "
                        f"{'-' if taken is None else ','.join(map(str, taken))} {str(e.text)[:30]}\n")

    def close(self):
        self.writers.close()
        if self.exporter:
            self.exporter.close()
        self.journald.end(signal.SIGKILL)


def tail(path, n=15):
    try:
        return open(path, errors="replace").read().splitlines()[-n:]
    except FileNotFoundError:
        return []


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--azmonlog", required=True)
    p.add_argument("--emulator", required=True)
    p.add_argument("--output", required=True, help="directory for everything that the run leaves behind")
    p.add_argument("--seed", type=int, required=True)
    options = p.parse_args()
    options.output = os.path.abspath(options.output)
    os.makedirs(options.output, exist_ok=True)
    s = Schedule(options)
    try:
        s.run()
    except Exception as e:
        s.wrong.append(str(e) if isinstance(e, Wrong) else traceback.format_exc())
    finally:
        s.close()
    print("\n".join(s.lines))
    for text in s.wrong:
        print(f"WRONG: {text}")
    if s.wrong:
        if s.exporter:
            s.write_truth()
        print("\n".join(re.sub("^", "azmonlog.log: ", line) for line in tail(f"{options.output}/azmonlog.log")))
    with open(f"{options.output}/result.json", "w") as f:
        json.dump(dict(s.stats), f)
    return 1 if s.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
