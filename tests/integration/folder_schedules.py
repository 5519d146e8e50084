#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One random schedule for [journal] directory=: a folder of several machines' files is written, rotated, truncated, overwritten and
deleted, while azmonlog is killed, ended and told to reload at random moments. The driver keeps the truth: which entries there
were, in which file, and which of them libsystemd can still read of that file alone. At the end

  - an entry that can be read has arrived;
  - an entry that damage has taken has arrived, or a gap record covers its time or names its file, if anything is left that could tell;
  - the gaps that are exact count at least the entries that they cover, and no gap is invented;
  - a message has one uid, and a uid one message.

Run by folder_schedules.sh. Prints the plan and what is wrong; exit code 1: something is wrong. Standard library only."""
import argparse
import collections
import json
import os
import random
import re
import signal
import struct
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from exporter import Exporter, covers, listens
from journal_files import ARCHIVED, NOON, SECOND, SEQNUM_ID, STATE, TAIL_SEQNUM, append_texts, entry_objects, poke, set_seqnums, zero
from journald import read_file, wait_for
from writers import number_of

Entry = collections.namedtuple("Entry", "writer n counter seqnum boot realtime")


class File:
    def __init__(self, path, series):
        self.path, self.series, self.entries = path, series, []
        self.damage = None    # what was done to it
        self.altered = False  # ... and it may give entries with other fields
        self.readable = None  # of a damaged one: which messages
        self.taken = set()    # by damage, and not surely checkpointed before: which messages a gap may be about
        self.named = None     # without a header nothing but its time tells whether it had been read: must it be named?


class Series:
    """The files of one writer, one after another: their numbers are of one counter, which others may share."""

    def __init__(self, writer, base, counter, seqnum_id, skew):
        self.writer, self.base, self.counter, self.seqnum_id, self.skew = writer, base, counter, seqnum_id, skew
        self.n, self.boots = 0, 0
        self.active = None
        self.reboot(0)

    def reboot(self, now):
        self.boot, self.booted = f"{self.counter * 64 + self.boots + 0x1000:032x}", now - SECOND
        self.boots += 1


class Schedule:
    def __init__(self, o):
        self.o, self.rnd = o, random.Random(o.seed)
        self.folder = f"{o.output}/journal"
        os.makedirs(self.folder)
        self.now = NOON
        self.lines, self.wrong = [], []
        self.files, self.series, self.counters = [], [], collections.Counter()
        rnd = self.rnd
        for i in range(rnd.choice((0, 1, 1, 2, 3))):
            self.add_series(f"{self.folder}/remote-{'abc'[i]}", i)
        if rnd.random() < 0.6 or not self.series:
            machine, shared = f"{self.folder}/{'c' * 32}", rnd.random() < 0.5
            first = self.add_series(f"{machine}/system", 10)
            if rnd.random() < 0.6:
                self.add_series(f"{machine}/user-1500", 10, first.seqnum_id if shared else None, first)
        self.pad = rnd.choice((0, 100, 100, 600))
        self.x = Exporter(o.azmonlog, o.emulator, o.output, directory=self.folder, batch=rnd.choice((20, 50, 200)), concurrency=rnd.choice((1, 4)))
        self.stats = collections.Counter()
        self.settled = set()  # messages that are checkpointed, for a run came to its end
        self.killed = False
        self.log_size = 0     # of azmonlog's log, when it was started last

    def add_series(self, base, counter, seqnum_id=None, like=None):
        s = Series(len(self.series), base, counter, seqnum_id or f"{self.rnd.getrandbits(128):032x}",
                   like.skew if like else self.rnd.choice((0, 0, 1000, -3 * SECOND, 3600 * SECOND, -40 * SECOND)))
        if like:
            s.boot = like.boot
        self.series.append(s)
        return s

    def say(self, text):
        self.lines.append(text)

    # --- writing ---

    def burst(self, only=None):
        """Some of the machines log, all from the same moment on."""
        rnd, most = self.rnd, self.rnd.choice((5, 60, 300))
        wanted, end, begin = {}, self.now, collections.defaultdict(lambda: self.now)
        for s in self.series:
            if only or rnd.random() < 0.7:
                n, step = rnd.randint(1, most) if not only else 3, rnd.choice((1, 1000, 20_000, 300_000))
                times = [begin[s.counter] + rnd.randint(0, 2000) + i * step for i in range(n)]
                times = [times[0] + i * step for i in range(n)]
                wanted[s] = times
                if self.x.process:  # see below
                    begin[s.counter] = times[-1] + 3000
                end = max(end, times[-1])
        self.say(f"burst {', '.join(f'{os.path.basename(s.base)}: {len(t)}' for s, t in wanted.items())}")
        numbers = collections.defaultdict(list)
        # Where journald has one counter for several files the numbers are changed afterwards, so nobody must look meanwhile.
        for _, _, s in sorted((0 if self.x.process else when, s.writer, s) for s, times in wanted.items() for when in times):
            self.counters[s.counter] += 1
            numbers[s].append(self.counters[s.counter])
        for s, times in wanted.items():
            self.write(s, times, numbers[s])
        self.now = end + SECOND

    def write(self, s, times, numbers):
        path = f"{s.base}.journal"
        texts = []
        for _ in times:
            s.n += 1
            texts.append(f"w{s.writer} {s.n} {self.rnd.getrandbits(4 * self.pad):x}" if self.pad else f"w{s.writer} {s.n}")
        if not s.active:
            s.active = File(path, s)
            self.files.append(s.active)
        step = times[1] - times[0] if len(times) > 1 else 1
        fresh = not os.path.exists(path)
        place = f"{self.o.output}/{os.path.basename(path)}" if fresh else path
        if not fresh:
            poke(place, TAIL_SEQNUM, struct.pack("<Q", numbers[0] - 1))
        append_texts(place, texts, times[0] + s.skew, times[0] - s.booted, s.boot, step)
        if fresh:
            poke(place, SEQNUM_ID, bytes.fromhex(s.seqnum_id))
        if fresh or numbers[-1] - numbers[0] >= len(numbers):
            set_seqnums(place, numbers)
        if fresh:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(place, path)
        for i, (when, seqnum) in enumerate(zip(times, numbers)):
            s.active.entries.append(Entry(s.writer, s.n - len(times) + 1 + i, s.counter, seqnum, s.boot, times[0] + i * step + s.skew))
        self.touch(path)

    def touch(self, path):
        os.utime(path, ns=(self.now * 1000, self.now * 1000))

    def rotate(self, s):
        if not s.active:
            return
        f, s.active = s.active, None
        e = f.entries[0]
        archived = f"{s.base}@{s.seqnum_id}-{e.seqnum:016x}-{e.realtime:016x}.journal"
        poke(f.path, STATE, bytes([ARCHIVED]))
        self.touch(f.path)
        os.rename(f.path, archived)
        f.path = archived
        self.say(f"rotate {os.path.basename(s.base)}")

    def reboot(self, s):
        """... of its machine"""
        s.reboot(self.now)
        for other in self.series:
            if other.counter == s.counter:
                other.boot, other.booted = s.boot, s.booted
        self.say(f"reboot {os.path.basename(s.base)}")

    # --- damage ---

    def hurt(self):
        rnd = self.rnd
        files = [f for f in self.files if f.damage != "delete" and f.entries]
        if not files:
            return
        unread = [f for f in files if any((e.writer, e.n) not in self.arrived for e in f.entries)]
        f = rnd.choice(unread if unread and rnd.random() < 0.8 else files)
        if f is f.series.active:
            self.rotate(f.series)
        how = rnd.choices(("truncate", "zero", "delete", "tail", "header", "scatter", "empty"), (5, 6, 3, 2, 1, 1, 1))[0]
        if how == "zero" and f.damage == "empty":
            return
        size = os.path.getsize(f.path)
        old = os.stat(f.path).st_mtime_ns
        self.say(f"{how} {os.path.basename(f.path)[:24]} of writer {f.series.writer}, n {f.entries[0].n}..{f.entries[-1].n}")
        if how == "truncate":
            os.truncate(f.path, int(size * rnd.random()))
        elif how == "empty":
            os.truncate(f.path, 0)
        elif how == "tail":
            os.truncate(f.path, max(0, size - rnd.choice((1, 4096, 8192))))
        elif how == "zero" and size > 4096:
            places = entry_objects(f.path) if not f.damage else []
            at = rnd.choice(places) if places and rnd.random() < 0.8 else rnd.randrange(272, size)
            zero(f.path, at, rnd.choice((64, 512, 4096, 65536)))
        elif how == "header" and size:
            zero(f.path, 0, 64)
        elif how == "scatter" and size > 4096:
            for _ in range(rnd.choice((1, 5, 50))):
                poke(f.path, rnd.randrange(272, size), bytes([rnd.randrange(256)]))
        elif how == "delete":
            os.unlink(f.path)
        f.damage = how if not f.damage or how in ("delete", "empty") else f"{f.damage}+{how}"
        f.altered |= how in ("zero", "scatter")
        f.readable = {} if how == "delete" else {number_of(e.text): e for e in read_file(f.path)}
        f.taken |= {(e.writer, e.n) for e in f.entries} - f.readable.keys() - self.settled
        if how != "delete":
            if rnd.random() < 0.5:
                self.touch(f.path)  # a power loss leaves the time as it was
            else:
                os.utime(f.path, ns=(old, old))
        self.stats[f"damage: {how}"] += 1
        self.say(f"    {len(f.readable)} of {len(f.entries)} are left")

    # --- azmonlog ---

    def look(self):
        self.arrived = self.x.numbers()

    def once(self):
        newest = max((e.realtime for f in self.files for e in f.entries), default=0)
        bare = [f for f in self.files if f.damage and f.damage != "delete" and f.named is None and not self.has_header(f)]
        self.note_log()
        code = self.x.once()
        self.look()
        self.say(f"run --once: {len(self.arrived)} messages have arrived, {len(self.x.gaps())} gaps")
        if code == 0:
            self.settled |= self.arrived.keys()
            for f in bare:
                f.named = os.stat(f.path).st_mtime_ns // 1000 > newest
        elif not self.libsystemd_aborted(code):
            self.wrong.append(f"run --once ends with {code}")

    @staticmethod
    def has_header(f):
        with open(f.path, "rb") as data:
            return data.read(8) == b"LPKSHHRH"

    def note_log(self):
        self.log_size = os.path.getsize(self.x.log.name)

    def partial(self):
        """It runs for a while and does not get far; the folder may change meanwhile."""
        rnd = self.rnd
        self.x.script(f"request 1-{rnd.randint(1, 8)} normal\nrequest * status 503\n" if rnd.random() < 0.7 else self.x.NORMAL)
        self.say("start")
        self.note_log()
        self.x.start()
        for _ in range(rnd.randint(1, 4)):
            time.sleep(rnd.choice((0, 0.02, 0.1, 0.3)))
            self.look()
            what = rnd.choices(("hup", "burst", "hurt", "rotate", "nothing", "release"), (3, 3, 3, 2, 2, 1))[0]
            if what == "hup":
                self.say("SIGHUP")
                if self.signal_ready():
                    self.x.process.send_signal(signal.SIGHUP)
            elif what == "burst":
                self.burst()
            elif what == "hurt":
                self.hurt()
            elif what == "rotate":
                self.rotate(rnd.choice(self.series))
            elif what == "release":
                self.x.release()
        how = rnd.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        if not self.x.running() and not self.libsystemd_aborted(self.x.process.returncode):
            self.wrong.append(f"azmonlog has ended by itself: {self.x.process.returncode}")
        self.killed |= how == signal.SIGKILL
        code = self.x.end(how)
        if code != (0 if how == signal.SIGTERM else -how) and not self.libsystemd_aborted(code):
            self.wrong.append(f"azmonlog ends with {code} on {how.name}")
        self.x.release()
        self.look()
        self.say(f"{how.name}: {len(self.arrived)} messages have arrived, {len(self.x.gaps())} gaps")

    def libsystemd_aborted(self, code):
        """libsystemd 252 has assertions that damaged files violate (generic_array_bisect). That is as good as a kill."""
        with open(self.x.log.name, "rb") as log:
            log.seek(self.log_size)
            last = log.read().splitlines()[-1:]
        aborted = code == -signal.SIGABRT and any(re.match(rb"Assertion '.*' failed at src/libsystemd/", line) for line in last)
        self.stats["libsystemd aborted"] += aborted
        self.killed |= aborted
        return aborted

    def signal_ready(self):
        wait_for(lambda: self.x.process.poll() is not None or listens(self.x.process.pid, signal.SIGHUP), "azmonlog listens to signals")
        return self.x.running()

    def run(self):
        rnd = self.rnd
        self.look()
        self.burst()
        for _ in range(rnd.randint(6, 16)):
            what = rnd.choices(("burst", "rotate", "reboot", "hurt", "once", "partial"), (5, 4, 1, 5, 2, 4))[0]
            if what in ("rotate", "reboot"):
                getattr(self, what)(rnd.choice(self.series))
            else:
                getattr(self, what)()
        if rnd.random() < 0.6:
            self.burst(only=True)  # numbers that tell what is missing
        self.once()
        n = len(self.x.received())
        self.once()
        if len(self.x.received()) > n:
            self.wrong.append(f"a run with nothing new sends {[r.get('body') for r in self.x.received()[n:]][:3]}")
        self.judge()

    # --- the verdict ---

    def judge(self):
        raw = {}
        for r in self.x.received():
            a = r.get("attributes") or {}
            if "azmonlog.gap.reason" in a:
                raw[r["uid"]] = (a.get("azmonlog.gap.file"), r.get("body"))
        gaps = self.x.gaps()
        for g in gaps:
            self.say(f"gap: {g.reason} {g.entries}{' about' if g.up_to else ''} from {g.from_usec} to {g.to_usec} {raw[g.uid][0] or ''}")
            self.stats[f"gaps: {g.reason}"] += 1
        times = {when for when, _ in self.x.entries()}
        lost, silent, unread = [], collections.defaultdict(list), collections.defaultdict(list)
        for f in self.files:
            for e in f.entries:
                if (e.writer, e.n) in self.arrived:
                    continue
                if e.realtime in times and f.damage:
                    continue  # without its text, perhaps
                lost.append((f, e))
        delivered = collections.defaultdict(list)
        for f in self.files:
            for e in f.entries:
                if (e.writer, e.n) in self.arrived:
                    delivered[e.counter].append(e.seqnum)
        for f, e in lost:
            can = f.readable is None or (e.writer, e.n) in f.readable
            told = [g for g in gaps if (g.from_usec or g.to_usec) and covers(g, e.realtime)]
            named = [g for g in gaps if raw[g.uid][0] and self.same(raw[g.uid][0], f)]
            numbers = delivered[e.counter]
            tellable = f.damage not in ("delete", "empty") and "header" not in (f.damage or "")
            tellable = tellable or f.named or numbers and min(numbers) < e.seqnum < max(numbers)
            if can:
                unread[f].append((e, bool(told or named)))
            elif not told and not named:
                silent[f].append((e, tellable))
        for f, found in unread.items():
            n = sum(t for _, t in found)
            self.stats["readable, not arrived, told"] += n
            if n < len(found):
                self.wrong.append(f"NOT READ: {len(found) - n} entries of {f.path} ({f.damage}) can be read, did not arrive, and are not told, such as "
                                  f"{[e for e, t in found if not t][0]}")
            elif not f.damage:
                self.wrong.append(f"NOT READ but told: {n} entries of {f.path}, which is whole, such as {found[0][0]}")
        for f, found in silent.items():
            n = sum(bool(t) for _, t in found)
            self.stats["lost, and nothing is left that could tell"] += len(found) - n
            if n:
                self.wrong.append(f"SILENT: {n} of {len(f.entries)} entries of {f.path} ({f.damage}) are lost and not told, such as {[e for e, t in found if t][0]}")
        # What was delivered and not yet checkpointed may be told as well; what was rolled back, even if that was all delivered.
        taken = [e for f in self.files for e in f.entries if (e.writer, e.n) in f.taken]
        gone = [e for f in self.files if f.damage for e in f.entries if (e.writer, e.n) not in f.readable]
        scattered = any("scatter" in (f.damage or "") for f in self.files)  # any number may be another one
        for g in gaps:
            about = gone if g.reason == "rolled_back" else taken
            if g.reason != "file" and not scattered and not any(covers(g, e.realtime) for e in about):
                self.wrong.append(f"FALSE: {g}")
        ends = collections.defaultdict(list)
        for g in gaps:
            ends[g.from_usec].append(g.entries or 0)
        # A gap that was told just before a kill may be told again, with another end.
        counted = sum(max(n) if self.killed else sum(n) for n in ends.values())
        exact = [g for g in gaps if g.reason in ("missing", "vacuumed") and g.entries and not g.up_to]
        covered = [e for f, e in lost if any(covers(g, e.realtime) for g in exact) and
                   not any(raw[g.uid][0] and self.same(raw[g.uid][0], f) for g in gaps) and
                   not any(covers(g, e.realtime) for g in gaps if g not in exact and (g.from_usec or g.to_usec)) and
                   min(delivered[e.counter], default=0) < e.seqnum < max(delivered[e.counter], default=0)]
        if len(covered) > sum(g.entries for g in exact):
            self.wrong.append(f"COUNT: {len(covered)} are covered by exact gaps, which count {sum(g.entries for g in exact)}")
        if counted > len(taken) and not scattered:
            self.wrong.append(f"TOO MANY: {counted} counted, {len(taken)} were taken")
        uids, messages = collections.defaultdict(set), collections.defaultdict(set)
        copies = 0
        for r in self.x.received():
            m = number_of(r.get("body"))
            if m:
                copies += 1
                uids[m].add(r["uid"])
                messages[r["uid"]].add(m)
        bad = {m: u for m, u in uids.items() if len(u) > 1}
        hurt = {(e.writer, e.n) for f in self.files if f.altered for e in f.entries}
        if bad.keys() - hurt:
            self.wrong.append(f"UIDS: {len(bad)} messages have several uids: {sorted(bad.items())[:2]}")
        elif bad:
            self.stats["damaged messages with several uids"] += len(bad)
        bad = {u: m for u, m in messages.items() if len(m) > 1}
        if bad:
            self.wrong.append(f"UIDS: {len(bad)} uids stand for several messages: {sorted(bad.items())[:2]}")
        self.stats.update(messages=sum(len(f.entries) for f in self.files), arrived=len(uids), copies=copies - len(uids), lost=len(lost))

    @staticmethod
    def same(named, f):
        return os.path.basename(named) == os.path.basename(f.path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--azmonlog", required=True)
    p.add_argument("--emulator", required=True)
    p.add_argument("--output", required=True)
    p.add_argument("--seed", type=int, required=True)
    o = p.parse_args()
    o.output = os.path.abspath(o.output)
    s = Schedule(o)
    try:
        s.run()
    except Exception:
        s.wrong.append(traceback.format_exc())
    finally:
        s.x.close()
    if s.wrong:
        print("\n".join(s.lines))
    for text in s.wrong:
        print(f"WRONG: {text}")
    with open(f"{o.output}/result.json", "w") as f:
        json.dump(dict(s.stats), f)
    return 1 if s.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
