# SPDX-License-Identifier: MIT
"""The spool of the journal source: see spool.sh."""
import collections
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from exporter import Exporter  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

BATCH = 50
SETTINGS = "spool_after=300ms\n"


class Spooling:
    """An exporter of a growing journal file, which spools soon."""

    def __init__(self, out, more="", state=None, batch=BATCH, concurrency=4):
        self.out, self.texts, self.usec = out, [], 0
        self.journal = f"{out}/journal/a.journal"
        self.add(["good first"])
        self.x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out)
        if state:
            self.x.state = state
        self.db = f"{self.x.state}/spool.db"
        self.x.configure(directory=f"{out}/journal", batch=batch, concurrency=concurrency, more=SETTINGS + more)

    def add(self, texts):
        self.texts += texts
        append_texts(self.journal, texts, realtime=1_790_000_000_000_000 + self.usec, monotonic=1_000_000 + self.usec)
        self.usec += 1000 * len(texts) + 1000
        return texts

    def spooling(self):
        return os.path.exists(self.db)

    def status(self):
        out = subprocess.run([os.environ["AZMONLOG"], "status", "--json", "--config", f"{self.x.out}/azmonlog.conf"],
                             stdout=subprocess.PIPE, check=False).stdout
        return json.loads(out)

    def waits_in_spool(self, n):
        """Are so many records in the spool, and is all that was logged checkpointed?"""
        spool = self.status()["spool"]
        return spool["active"] and spool["records"] >= n

    def arrived(self):
        return {r.get("body") for r in self.records()}

    def records(self):
        """What arrived, without records about a journal that is gone."""
        return [r for r in self.x.received() if "azmonlog.gap.reason" not in r["attributes"]]

    def check_all_arrived(self, lost=()):
        wait_for(lambda: self.arrived() >= set(self.texts) - set(lost), "all arrived")
        equal("all that was logged arrived, and nothing else", self.arrived(), set(self.texts) - set(lost))
        uids = collections.defaultdict(set)
        for r in self.records():
            uids[r["body"]].add(r["uid"])
        check("copies have one uid", all(len(u) == 1 for u in uids.values()))

    def check_drained(self):
        wait_for(lambda: not self.spooling(), "the spool is gone")
        equal("the end", self.x.end(), 0)
        check("no file of the spool is left", not [f for f in os.listdir(self.x.state) if f.startswith("spool")],
              os.listdir(self.x.state))


def numbers(first, n, pad=0):
    return [f"good {i}" + (" " + random.Random(i).randbytes(pad // 2).hex() if pad else "") for i in range(first, first + n)]


def survives_the_journal(out):
    """What is in the spool survives kill -9 and the loss of the whole journal; order holds; then it is gone."""
    s = Spooling(out, concurrency=1)
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 1000))
        wait_for(s.spooling, "the spool begins")
        s.add(numbers(1000, 500))
        wait_for(lambda: s.waits_in_spool(1501), "all is in the spool")
        equal("nothing has arrived yet", x.received(), [])
        check("the checkpoint is at the end of the journal", x.acknowledged_usec() > 0)
        equal("the spool is private", {stat.S_IMODE(os.stat(f"{x.state}/{f}").st_mode) for f in os.listdir(x.state)
                                       if f.startswith("spool")}, {0o600})
        check("the log says where records are kept", x.said("kept in the spool"))
        x.end(signal.SIGKILL)
        shutil.rmtree(f"{out}/journal")
        os.mkdir(f"{out}/journal")
        x.start()
        wait_for(lambda: x.said("in the spool from before"), "the next one finds it")
        x.release()
        wait_for(lambda: len(s.arrived()) == 1501, "all arrived")
        order = [r["body"] for r in s.records()]
        batch_of = [(s.texts.index(t) - 1) // BATCH for t in dict.fromkeys(order)]
        check("in order, but for the two that are tried by turns while the destination fails",
              all(b >= max(batch_of[:i + 1]) - 2 for i, b in enumerate(batch_of)), batch_of)
        s.check_all_arrived()
        s.check_drained()
    finally:
        x.close()


def passes_through(out):
    """While the spool is being emptied new records go through it; afterwards they go directly."""
    s = Spooling(out)
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 2000))
        wait_for(s.spooling, "the spool begins")
        wait_for(lambda: s.waits_in_spool(2001), "all is in the spool")
        x.script("request * delay 100ms\n")
        for i in range(5):
            s.add(numbers(2000 + i * 100, 100))
            time.sleep(0.1)
        s.check_all_arrived()
        wait_for(lambda: not s.spooling(), "the spool is gone")
        s.add(numbers(5000, 100))
        s.check_all_arrived()
        equal("said once each", (x.said("kept in the spool"), x.said("spool is empty")), (1, 1))
        check("no duplicates", not x.copies(), x.copies())
        s.check_drained()
    finally:
        x.close()


def killed_at_any_moment(out):
    """kill -9 while spooling, feeding and draining, with a destination that comes and goes: nothing is lost."""
    seed = int(os.environ.get("SEED", "11"))
    note(f"SEED={seed}")
    dice = random.Random(seed)
    s = Spooling(out)
    x = s.x
    n = 0
    try:
        for _ in range(12):
            (x.hold if dice.random() < 0.6 else x.release)()
            x.start()
            for _ in range(dice.randint(1, 4)):
                k = dice.randint(1, 300)
                s.add(numbers(n, k))
                n += k
                time.sleep(dice.random() * 0.3)
                if dice.random() < 0.3:
                    dice.choice((x.hold, x.release))()
            time.sleep(dice.random() * 0.5)
            x.end(signal.SIGKILL)
        x.release()
        x.start()
        s.check_all_arrived()
        s.check_drained()
        note(f"{len(s.texts)} records, {sum(x.copies().values())} copies")
    finally:
        x.close()


def full(out):
    """The spool's limit: reading stops, which is said; nothing is lost, and it goes on when there is room."""
    s = Spooling(out, more="spool_max_bytes=4M\n", batch=20)
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 400, pad=30_000))
        wait_for(lambda: x.said("the spool .* is full"), "it says that the spool is full")
        status = s.status()["spool"]
        check("it is not larger than allowed", status["bytes"] <= 4 << 20 and
              sum(os.path.getsize(f"{x.state}/{f}") for f in ("spool.db", "spool.db-wal")) < 6 << 20, status)
        equal("the status says why", status["full"], "limit")
        x.release()
        s.check_all_arrived()
        s.check_drained()
    finally:
        x.close()


def on_a_small_disk(case):
    """The case gets an exporter with its state on a file system of 40 MB, a function by which somebody else fills that but for n
    bytes, and one that undoes it."""
    @functools.wraps(case)
    def run_it(out):
        disk = f"{out}/disk"
        os.mkdir(disk)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "azmonlog-test", disk],
                                               stderr=subprocess.DEVNULL).returncode != 0:
            skip(case.__name__, "needs root to mount a small file system")
            return

        def fill(n=0):
            with open(f"{disk}/hog", "wb", 0) as f:
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b"x" * 4096)
                f.truncate(f.tell() - n)
        s = Spooling(out, more="spool_min_free_percent=0\n", state=f"{disk}/state", batch=20)
        try:
            case(s, fill, lambda: os.unlink(f"{disk}/hog"))
        finally:
            s.x.close()
            subprocess.run(["umount", disk], check=True)
    return run_it


@on_a_small_disk
def disk_full(s, fill, release):
    """A full disk, in the middle of the spool's commits and of checkpoints: nothing is lost, and it recovers by itself."""
    x = s.x
    x.hold()
    x.start()
    s.add(numbers(0, 100, pad=30_000))
    wait_for(s.spooling, "the spool begins")
    fill()
    s.add(numbers(100, 600, pad=30_000))
    wait_for(lambda: x.said("the spool .*(full|disk)") or x.said("reading stops"), "it says that the disk is full")
    x.end(signal.SIGKILL)
    x.start()
    time.sleep(1)
    x.release()
    time.sleep(1)
    release()
    s.check_all_arrived()
    s.check_drained()


@on_a_small_disk
def emptied_on_a_full_disk(s, fill, _):
    """The disk stays full while the spool is emptied: it goes all the same, and its files with it."""
    x = s.x
    x.hold()
    x.start()
    s.add(numbers(0, 100, pad=30_000))
    wait_for(lambda: s.spooling() and s.waits_in_spool(101), "all is in the spool")
    fill(200_000)  # too little for one batch more, enough for what the acknowledgements write
    s.add(numbers(100, 100, pad=30_000))
    wait_for(lambda: x.said("reading stops"), "it says that the disk is full")
    x.release()
    s.check_all_arrived()
    s.check_drained()


@on_a_small_disk
def no_room_to_begin(s, fill, release):
    """The disk is full before the spool begins: nothing of it is left."""
    x = s.x
    x.start()
    wait_for(s.arrived, "a good start")
    fill()
    x.hold()
    s.add(numbers(0, 500))
    wait_for(lambda: x.said("until it works, reading stops"), "it says that there is no spool")
    x.release()
    s.check_all_arrived()
    release()  # so that the last checkpoint finds room
    s.check_drained()


def damaged(out):
    """A damaged spool is set aside and said; what can be read of it is delivered."""
    s = Spooling(out)
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 3000, pad=200))
        wait_for(lambda: s.spooling() and s.waits_in_spool(3001), "all is in the spool")
        equal("the end", x.end() in (0, 1, 75), True)
        size = os.path.getsize(s.db)
        with open(s.db, "r+b") as f:
            f.seek(size // 2)
            f.write(b"\xff" * 8192)
        shutil.rmtree(f"{out}/journal")
        os.mkdir(f"{out}/journal")
        x.start()
        x.release()  # at the latest when it comes to the place it is found
        wait_for(lambda: x.said("spool was damaged"), "it says that the spool is damaged")
        wait_for(lambda: not s.spooling(), "the spool is gone")
        missing = set(s.texts) - s.arrived()
        check("all but a few batches arrived", 0 < len(missing) <= 10 * BATCH and s.arrived() <= set(s.texts), len(missing))
        check("the damaged file is kept", [f for f in os.listdir(x.state) if ".corrupt-" in f], os.listdir(x.state))
        equal("the end", x.end(), 0)
    finally:
        x.close()


def poison_from_the_spool(out):
    """What is refused for itself is isolated when it comes out of the spool, too."""
    s = Spooling(out)
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 120) + ["poison 1"] + numbers(120, 400) + ["poison 2"] + numbers(520, 100))
        wait_for(lambda: s.spooling() and s.waits_in_spool(623), "all is in the spool")
        x.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
        s.check_all_arrived(lost=("poison 1", "poison 2"))
        wait_for(lambda: not s.spooling(), "the spool is gone")
        equal("just the bad ones are in quarantine", sorted(t for t, _ in x.quarantine()), ["poison 1", "poison 2"])
        equal("the end", x.end(), 0)
    finally:
        x.close()


def switched_off(out):
    """spool=no: reading stops when the window is full, and goes on."""
    s = Spooling(out, more="[journal]\nspool=no\n")
    x = s.x
    try:
        x.hold()
        x.start()
        s.add(numbers(0, 2000))
        wait_for(lambda: x.stats()["requests"] >= 20, "some tries")
        time.sleep(0.5)
        check("there is no spool", not s.spooling())
        x.release()
        s.check_all_arrived()
        equal("the end", x.end(), 0)
    finally:
        x.close()


run(survives_the_journal, passes_through, killed_at_any_moment, full, disk_full, emptied_on_a_full_disk, no_room_to_begin, damaged,
    poison_from_the_spool, switched_off)
