# SPDX-License-Identifier: MIT
"""Replays a recording: makes what each possible power loss leaves, lets azmonlog's own code recover it (recover.c), and judges
what it has found. Standard library only."""
import collections
import gzip
import hashlib
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from disk import DIR_SYNCED, MARKED, SYNCED, Disk, read_log  # noqa: E402
from rsyslogd import inner, preloaded, sanitized  # noqa: E402
from tap import check, equal, note  # noqa: E402

RECOVER = f"{os.environ['builddir']}/tests/powerloss/recover"
RECORDER = f"{os.environ['builddir']}/tests/powerloss/.libs/recorder.so"
ALL = os.environ.get("POWERLOSS") == "all"
LIMIT = None if ALL else 500   # images of a recording that are judged
RESTARTS = 60 if ALL else 4     # images on which the real program starts
SEED = int(os.environ.get("SEED", "8"))
SEQNUM = re.compile(rb"^cursor=.*?;i=([0-9a-f]+);", re.M)

# What the recovery has found. checkpoint: a sequence number, 0: there is none; rows: the records in the spool
Found = collections.namedtuple("Found", "wrong damaged checkpoint quarantined spool_id acknowledged last rows")
Record = collections.namedtuple("Record", "uid text")


WORDS = ("", "open", "write", "truncate", "extend", "sync", "sync of the directory", "rename", "link", "unlink", "mark")
FLUSHED = "nothing but what was flushed"


def contents(image):
    return {n: f.content(plan) for n, (f, plan) in image.items()}


def write_image(image, directory):
    os.makedirs(directory)
    for name, data in image.items():
        with open(f"{directory}/{name}", "wb") as f:
            f.write(data)


def recorded(directory, log, **more):
    """The environment for a program that is to be recorded."""
    env = {"LD_PRELOAD": RECORDER, "POWERLOSS_DIR": directory, "POWERLOSS_LOG": log,
           **{f"POWERLOSS_{k.upper()}": v for k, v in more.items()}}
    if sanitized():
        env["LD_PRELOAD"] = f"{preloaded()} {RECORDER}"
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return env


class Recovery:
    """recover.c, and what it said of each image; equal images are asked about once."""

    def __init__(self, out):
        # many small files, which need not outlive anything
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else out
        self.out, self.count, self.found, self.parsed = tempfile.mkdtemp(prefix="azmonlog-powerloss.", dir=memory), 0, {}, {}
        self.log = open(f"{out}/recover.log", "ab")
        self.process = subprocess.Popen([RECOVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def of(self, image):
        """image: {name: content}"""
        digest = hashlib.blake2b(digest_size=16)
        for name, data in sorted(image.items()):
            digest.update(b"%s %d\n" % (name.encode(), len(data)))
            digest.update(data)
        key = digest.digest()
        if key not in self.found:
            self.count += 1
            directory = f"{self.out}/{self.count}"
            write_image(image, directory)
            self.process.stdin.write(directory.encode() + b"\n")
            self.process.stdin.flush()
            self.found[key] = self.read(directory)
            shutil.rmtree(directory)
        return self.found[key]

    def read(self, directory):
        wrong, damaged, checkpoint, spool, rows, ended = [], [], 0, ("", 0, 0), {}, False
        while not ended:
            line = self.process.stdout.readline()
            what, *words = line.decode(errors="replace").rstrip("\n").split(" ")
            if what == "checkpoint":
                text = self.process.stdout.read(int(words[1]))
                if int(words[0]) > 0:
                    checkpoint = int(SEQNUM.search(text)[1], 16) if SEQNUM.search(text) else 0
                elif words[0] != "0":
                    wrong.append(line)
            elif what == "row":
                for r in self.records(self.process.stdout.read(int(words[2]))):
                    rows[r.text] = r.uid
            elif what == "position":
                spool = (words[0], int(words[1]), int(words[2]))
            elif what in ("quarantine", "spool", "works"):
                if words[:2] == ["0", "1"] and what == "spool":
                    damaged = [f"the spool is damaged: {' '.join(words[2:])}"]
                elif words[:2] != ["0", "0"]:
                    wrong.append(line)
            elif what == "end":
                ended = True
                if words[0] != "0":
                    wrong.append(line)
            else:
                raise RuntimeError(f"recover has ended: {line}")
        return Found([w.decode(errors="replace").strip() for w in wrong], damaged, checkpoint, self.quarantined(directory), *spool, rows)

    def records(self, row):
        """What is in a row of the spool."""
        if row not in self.parsed:
            request = gzip.decompress(row) if row[:2] == b"\x1f\x8b" else row
            self.parsed[row] = [Record(next(inner(a, 2, 1)[0].decode() for a in inner(r, 6) if inner(a, 1) == [b"log.record.uid"]),
                                       inner(r, 5, 1)[0].decode()) for r in inner(request, 1, 2, 2)]
        return self.parsed[row]

    def quarantined(self, directory):
        try:
            with open(f"{directory}/quarantine.jsonl", "rb") as f:
                lines = f.read().split(b"\n")
        except FileNotFoundError:
            return {}
        found = {}
        for line in lines[:-1]:
            if line not in self.parsed:
                try:
                    record = json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
                    uid = next(a["value"]["stringValue"] for a in record["attributes"] if a["key"] == "log.record.uid")
                    self.parsed[line] = Record(uid, record["body"]["stringValue"])
                except (ValueError, KeyError):  # zeros, where data was to be
                    self.parsed[line] = None
            if self.parsed[line]:
                found[self.parsed[line].text] = self.parsed[line].uid
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.out)


class Store:
    """What the destination had got when its file had so many bytes."""

    def __init__(self, path):
        self.records, self.ends, at = [], [], 0
        with open(path, "rb") as f:
            for line in f.read().splitlines(keepends=True):
                at += len(line)
                r = json.loads(line)
                self.records.append(Record(r["uid"], r.get("body")))
                self.ends.append(at)


class Replay:
    """One recording. `entries`: [(sequence number, text)] of the journal, in order; else the lines in the marks are promised.
    `damaged_from`: the entry from which on the spool may need a repair, of which nothing is lost."""

    def __init__(self, out, log, store, entries=None, damaged_from=math.inf):
        self.log, self.store, self.entries = read_log(log), Store(store), entries
        self.damaged_from, self.recovery = damaged_from, Recovery(out)
        self.uids = {}     # text -> the only one
        self.floors = []   # by entry: what was certain then
        self.prepare()

    def images(self, without=None):
        """(index of the entry, key, what it is, {name: (file, plan)}), each once, but the one with nothing but what was flushed
        behind each entry; `without`: see Disk. The files change as this goes on."""
        disk, seen = Disk(without), set()
        for k, e in enumerate(self.log):
            if e.operation == MARKED:
                continue
            disk.do(e)
            for what, image in [(FLUSHED, disk.durable()), *disk.images()]:
                key = frozenset((n, f.number, f.version, plan) for n, (f, plan) in image.items())
                if key not in seen or what == FLUSHED:
                    seen.add(key)
                    yield k, key, what, image

    def moments(self):
        """By entry, in order: what had arrived then, and what was promised before the next one; the sets grow."""
        received, n, promised, line = set(), 0, set(), b""
        for k, e in enumerate(self.log):
            while n < len(self.store.ends) and self.store.ends[n] <= e.outside:
                received.add(self.store.records[n].text)
                n += 1
            for later in itertools.takewhile(lambda x: x.operation == MARKED, self.log[k + 1:k + 1000]):
                if e.operation == MARKED:
                    break  # seen from the entry before them
                *lines, line = (line + later.data).split(b"\n")
                promised.update(x.decode() for x in lines)
            yield received, promised

    def chosen(self, choose, without=None):
        """(index of the entry, key, what it is, {name: (file, plan)}, received, promised) of those images that are chosen."""
        moments, at = self.moments(), -1
        for k, key, what, image in self.images(without):
            if choose(what):
                while at < k:
                    received, promised = next(moments)
                    at += 1
                yield k, key, what, image, received, promised

    def find_floors(self):
        """What was on disk for certain at each entry, as the program must believe: nothing may ever go back behind that."""
        disk, checkpoint, spools = Disk(), 0, {}
        found = None
        for e in self.log:
            if e.operation != MARKED:
                disk.do(e)
            if found is None or e.operation in (SYNCED, DIR_SYNCED):
                found = self.recovery.of(contents(disk.durable()))
                checkpoint = max(checkpoint, found.checkpoint)
                if found.spool_id:
                    a, b = spools.get(found.spool_id, (0, 0))
                    spools = {**spools, found.spool_id: (max(a, found.acknowledged), max(b, found.last))}
            self.floors.append((checkpoint, spools))

    def judge(self, k, found, received, promised):
        """What is wrong with what was found after a power loss behind entry k: words."""
        checkpoint, spools = self.floors[k]
        yield from found.wrong
        yield from found.damaged if k < self.damaged_from else ()
        if found.checkpoint < checkpoint:
            yield f"the checkpoint has gone back from {checkpoint} to {found.checkpoint}"
        if found.spool_id in spools:
            acknowledged, last = spools[found.spool_id]
            if found.acknowledged < acknowledged or found.last < last:
                yield (f"the spool has gone back from {acknowledged} of {last} to {found.acknowledged} of {found.last}")
        kept = received | found.rows.keys() | found.quarantined.keys()
        if self.entries is not None:
            lost = [text for number, text in self.entries if number <= found.checkpoint and text not in kept]
        else:
            lost = sorted(promised - kept)
        if lost:
            yield f"{len(lost)} records are lost: {[text[:40] for text in lost[:3]]}"
        for records in (found.rows, found.quarantined):
            for text, uid in records.items():
                if self.uids.setdefault(text, uid) != uid:
                    yield f"{text!r} has another uid than before"

    def prepare(self):
        for r in self.store.records:
            self.uids.setdefault(r.text, r.uid)
        self.find_floors()

    def count(self, without=None):
        """How many images there are to choose from; others are judged in any case."""
        return sum(what != FLUSHED for _, _, what, _ in self.images(without))

    def run(self, without=None, limit=None, stop=False):
        """Judges the images, about `limit` of them (None: all) and those with nothing but what was flushed; `stop`: until one is
        wrong. Returns [(entry, image, words)] of those that are wrong, and how many were judged."""
        share = 1.0 if limit is None else min(1.0, limit / self.count(without))
        dice, cache, wrong, tried = random.Random(SEED), {}, [], 0
        for k, key, what, image, received, promised in self.chosen(lambda w: w == FLUSHED or dice.random() < share, without):
            if key not in cache:
                cache[key] = self.recovery.of(contents(image))
                tried += 1
            words = list(self.judge(k, cache[key], received, promised))
            if words:
                wrong.append((k, what, words))
                if stop:
                    break
        return wrong, tried

    def describe(self, wrong):
        for k, what, words in wrong[:10]:
            e = self.log[k]
            yield f"behind entry {k} ({WORDS[e.operation]} {e.names[0]} +{len(e.data)} at {e.at}; {what}): {'; '.join(words)}"


def report(replay, scenario, flushes):
    """Replays a recording, starts the real program on some images, and takes one kind of fsync away after the other."""
    try:
        since = time.monotonic()
        wrong, tried = replay.run(limit=LIMIT)
        possible = len({key for _, key, _, _ in replay.images()})
        note(f"{sum(e.operation != MARKED for e in replay.log)} operations recorded; {tried} of {possible} images tried in "
             f"{time.monotonic() - since:.1f} s, {replay.recovery.count} of them different; {len(wrong)} failures")
        sound = equal("no power loss loses, damages or takes back anything", len(wrong), 0, "\n".join(replay.describe(wrong)))
        restarts(replay, scenario)
        for name in flushes if sound else ():
            wrong, tried = replay.run(without=name, limit=LIMIT, stop=True)
            check(f"a missing fsync of {'the directory' if name == '.' else name} is found", wrong, f"{tried} images, none is wrong")
            if wrong:
                note(f"by image {tried}, {next(replay.describe(wrong))}")
    finally:
        replay.recovery.close()


def restarts(replay, scenario):
    """The real program starts on images from the whole of the recording."""
    total = replay.count()
    numbers = iter(sorted(random.Random(SEED).sample(range(total), min(total, RESTARTS))))
    wanted, counter, wrong, n = next(numbers), itertools.count(), [], 0

    def choose(what):
        return what != FLUSHED and next(counter) == wanted

    for k, _, what, image, received, promised in replay.chosen(choose):
        n += 1
        words = scenario.restart(replay, k, contents(image), received, promised, f"{scenario.out}/restart-{n}")
        if words:
            wrong.append((k, what, words))
        wanted = next(numbers, None)
        if wanted is None:
            break
    equal(f"{scenario.program} itself goes on from {n} of them", len(wrong), 0, "\n".join(replay.describe(wrong)))
