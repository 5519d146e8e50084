# SPDX-License-Identifier: MIT
"""The cases of journals. The files are written by systemd-journal-remote and systemd-journald of Debian 11 and 13 in their own
folders, and read by azmonlog with the libsystemd of this machine. Standard library only."""
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
import difficult_journal
import tap
from exporter import Exporter, covers
from journal_files import entry_objects, poke, zero
from journald import PATIENCE, wait_for

AZMONLOG, EMULATOR = os.environ["AZMONLOG"], os.environ["EMULATOR"]
ROOTS = {name: f"{os.environ['roots']}/journals-{suite}" for name, suite in (("systemd 247", "bullseye"), ("systemd 257", "trixie"))}
INCOMPATIBLE = {1: "XZ", 2: "LZ4", 4: "keyed hash", 8: "ZSTD", 16: "compact"}
# whose, environment, the flags that the file must have
VARIANTS = [("systemd 247", {}, {"LZ4"}), ("systemd 247", {"SYSTEMD_JOURNAL_KEYED_HASH": "1"}, {"LZ4", "keyed hash"})] + [
    ("systemd 257", {"SYSTEMD_JOURNAL_COMPRESS": c, "SYSTEMD_JOURNAL_COMPACT": compact},
     {"keyed hash"} | ({c} if c != "NONE" else set()) | ({"compact"} if compact == "1" else set()))
    for c in ("LZ4", "XZ", "ZSTD", "NONE") for compact in "01"]
PER_FILE, FILES = 1000, 3


def flags(path):
    """(names of the incompatible flags, is it sealed) of a file's header."""
    with open(path, "rb") as f:
        compatible, incompatible = struct.unpack("<II", f.read(16)[8:])
    return {name for bit, name in INCOMPATIBLE.items() if incompatible & bit}, bool(compatible & 1)


def by_azmonlog(out, directory):
    with open(f"{out}/cat.conf", "w") as f:
        f.write(f"[journal]\ndirectory={directory}\nfields=full\n")
    lines = subprocess.run([AZMONLOG, "cat", "--config", f"{out}/cat.conf"], stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout
    return difficult_journal.records(map(json.loads, lines.splitlines()), bytes.fromhex)


def compare(what, out, directory, entries):
    """azmonlog against that version's own journalctl, field by field; and what arrives by azmonlog run."""
    got = {}
    for r in by_azmonlog(out, directory):
        got.setdefault(r["observed"], []).append(r)
    wrong = []
    for e in entries:
        at = int(e["__REALTIME_TIMESTAMP"][0]) * 1000
        found = [difficult_journal.differences(e, r, "full") for r in got.get(at, [])]
        if [] not in found:
            wrong.append(f"entry at {at}: {min(found, key=len) if found else 'is missing'}")
    tap.check(f"{what}: every field of every entry is as journalctl of that version has it", not wrong, "\n".join(wrong[:20]), len(wrong))
    x = Exporter(AZMONLOG, EMULATOR, out, directory=directory)
    try:
        tap.equal(f"{what}: azmonlog run ends with 0", x.once(), 0)
        arrived = {r["uid"] for r in x.received()}
        tap.equal(f"{what}: all entries arrive, and no gap is reported", (len(arrived), x.gaps()), (len(entries), []))
    finally:
        x.close()
    if not wrong:
        tap.note(f"proved: files of {what}: {len(entries)} of {len(entries)} entries, each field as that version's journalctl has it")


def difficult(out):
    """A difficult journal in every kind of file."""
    for i, (whose, environment, wanted) in enumerate(VARIANTS):
        root, here = ROOTS[whose], f"/tmp/azmonlog-{i}"
        folder = root + here
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        try:
            chroot = ["chroot", root, "env", *(f"{k}={v}" for k, v in environment.items())]
            made = difficult_journal.make(f"{here}/difficult.journal", chroot)
            entries = difficult_journal.by_journalctl(here, chroot)
            kinds = [flags(f"{folder}/{name}") for name in os.listdir(folder)]
            what = f"{whose}, {', '.join(sorted(wanted))}"
            tap.check(f"{what}: the files are of that kind", set.union(*(k[0] for k in kinds)) == wanted, kinds)
            tap.equal(f"{what}: that version's journalctl has all entries", len(entries), made)
            os.mkdir(f"{out}/{i}")
            compare(what, f"{out}/{i}", folder, entries)
        finally:
            shutil.rmtree(folder)


class Journald:
    """journald of another version, in its own folder; sealed."""

    def __init__(self, whose, log):
        self.root, self.log = ROOTS[whose], open(log, "ab")
        for place in ("run", "dev", "var/log"):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{self.root}/{place}"], check=True)
        subprocess.run(["mount", "--rbind", "/sys", f"{self.root}/sys"], check=True)
        for device in ("null", "zero", "full", "random", "urandom"):  # no kmsg
            open(f"{self.root}/dev/{device}", "w").close()
            subprocess.run(["mount", "--bind", f"/dev/{device}", f"{self.root}/dev/{device}"], check=True)
        self.machine = "d" * 32
        with open(f"{self.root}/etc/machine-id", "w") as f:
            f.write(self.machine + "\n")
        self.directory = f"{self.root}/var/log/journal/{self.machine}"
        for place in (self.directory, f"{self.root}/run/systemd/journal", f"{self.root}/run/log/journal", f"{self.root}/etc/systemd/journald.conf.d"):
            os.makedirs(place, exist_ok=True)
        open(f"{self.root}/run/systemd/journal/flushed", "w").close()
        with open(f"{self.root}/etc/systemd/journald.conf.d/test.conf", "w") as f:
            f.write("[Journal]\nStorage=persistent\nSeal=yes\nRateLimitIntervalSec=0\nRateLimitBurst=0\nAudit=no\n")
        since = time.monotonic()
        self.key = self.chroot("journalctl", "--setup-keys", "--interval=1s", "--force").stdout.decode().strip()
        tap.note(f"{whose}: its sealing keys took {time.monotonic() - since:.0f} s")
        self.process = subprocess.Popen(["chroot", self.root, "/lib/systemd/systemd-journald"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(f"{self.root}/run/systemd/journal/socket") and
                 self.chroot("journalctl", "--sync").returncode == 0, "journald")

    def chroot(self, *command):
        return subprocess.run(["chroot", self.root, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, timeout=5 * PATIENCE)

    def write(self, first, n):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(f"{self.root}/run/systemd/journal/socket")
            rnd = random.Random(first)
            for i in range(first, first + n):
                s.send(f"MESSAGE=n={i} {rnd.getrandbits(400):x} {'words ' * rnd.choice((0, 0, 20, 400, 4000))}\nPRIORITY={i % 8}\n".encode() +
                       b"SYSLOG_IDENTIFIER=writer\nBINARY\n" + struct.pack("<Q", 40) + rnd.randbytes(40) + b"\n")
                if i % 400 == 0:
                    time.sleep(1.1)  # for another seal

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.unlink(f"{self.root}/etc/systemd/journald.conf.d/test.conf")
        for place in ("var/log", "sys", "dev", "run"):
            subprocess.run(["umount", "--recursive", "--lazy", f"{self.root}/{place}"], check=True)


def sealed(out):
    """Live journalds with sealing keys, rotated; then the file in the middle is damaged."""
    for whose in ROOTS:
        folder = f"{out}/{whose.replace(' ', '-')}"
        os.mkdir(folder)
        j = Journald(whose, f"{folder}/journald.log")
        try:
            for i in range(FILES):
                j.write(1 + i * PER_FILE, PER_FILE)
                j.chroot("journalctl", "--sync")
                if i < FILES - 1:
                    j.chroot("journalctl", "--rotate")
            j.end()
            entries = difficult_journal.by_journalctl(f"/var/log/journal/{j.machine}", ["chroot", j.root])
            files = sorted(os.listdir(j.directory))
            journals = [f for f in files if f.endswith(".journal")]
            tap.check(f"{whose}: journald has sealed its files", journals and all(flags(f"{j.directory}/{f}")[1] for f in journals), files)
            verified = j.chroot("journalctl", "--verify", f"--verify-key={j.key}", "-D", f"/var/log/journal/{j.machine}")
            tap.equal(f"{whose}: journalctl of that version verifies the seals", verified.returncode, 0)
            shutil.copytree(j.directory, f"{folder}/journal", ignore=lambda d, names: [n for n in names if not n.endswith(".journal")])
        finally:
            j.close()
        ours = sum(b"writer" in e.get("SYSLOG_IDENTIFIER", []) for e in entries)
        tap.equal(f"{whose}: everything is in the journal", ours, PER_FILE * FILES)
        kind = ", ".join(sorted(flags(f"{folder}/journal/{journals[0]}")[0]))
        compare(f"{whose}, journald, sealed, {kind}", folder, f"{folder}/journal", entries)
        damage(whose, folder, entries)


def damage(whose, folder, entries):
    """What is missing is in gaps, by time and by number."""
    places = [(int(e["__REALTIME_TIMESTAMP"][0]), difficult_journal.text(e["MESSAGE"][0])) for e in entries]
    for name, hurt in (("truncated to 60 %", lambda path, size: os.truncate(path, size * 6 // 10)),
                       ("64 KiB of zeros in the middle", lambda path, size: zero(path, entry_objects(path)[PER_FILE // 2], 65536)),
                       ("200 random bytes", lambda path, size: scatter(path)),
                       ("without its header", lambda path, size: zero(path, 0, 64)),
                       ("empty", lambda path, size: os.truncate(path, 0)),
                       ("deleted", lambda path, size: os.unlink(path))):
        out = f"{folder}/{name.replace(' ', '-').replace('%', 'percent')}"
        os.mkdir(out)
        shutil.copytree(f"{folder}/journal", f"{out}/journal")
        middle = sorted((f for f in os.listdir(f"{out}/journal") if "@" in f), key=lambda f: int(f.split("-")[1], 16))[1]
        path = f"{out}/journal/{middle}"
        hurt(path, os.path.getsize(path))
        x = Exporter(AZMONLOG, EMULATOR, out, directory=f"{out}/journal")
        try:
            what = f"{whose}, the middle one of {FILES} files {name}"
            tap.equal(f"{what}: azmonlog run ends with 0", x.once(), 0)
            # Damage may alter an entry: it has arrived if its time has, or its number.
            times, texts = {when for when, _ in x.entries()}, {text for _, text in x.entries() if text and text.startswith("n=")}
            lost = [when for when, text in places if when not in times and text not in texts]
            altered = sum((when, text) not in x.entries() for when, text in places) - len(lost)
            gaps = x.gaps()
            named = [g for g in gaps if g.reason == "file"]
            counted = sum(g.entries or 0 for g in gaps)
            ok = tap.check(f"{what}: every entry that did not arrive lies in a gap", all(any(covers(g, t) for g in gaps) for t in lost),
                           f"{len(lost)} lost", [g[:5] for g in gaps])
            ok &= tap.check(f"{what}: the gaps count them", counted == len(lost) or named and counted in (0, len(lost)) or
                            name == "200 random bytes" and len(lost) <= counted <= 2 * len(entries), f"{len(lost)} lost, {counted} counted", [g[:5] for g in gaps])
            readable = len(difficult_journal.by_journalctl(f"{out}/journal", check=False))
            ok &= tap.check(f"{what}: azmonlog gets as much out of it as this machine's journalctl", len(places) - len(lost) >= readable,
                            f"{len(places) - len(lost)} of {len(places)} entries, journalctl {readable}")
            # Of the other files nothing may be lost.
            whole = places[:PER_FILE // 2] + places[-PER_FILE // 2:]
            ok &= tap.check(f"{what}: the other files arrive", set(whole) <= x.entries().keys())
            if ok:
                tap.note(f"proved: {what}: {len(entries) - len(lost)} of {len(entries)} entries arrive, {len(lost)} are reported as lost "
                         f"({', '.join(sorted({g.reason for g in gaps})) or 'none'})" + (f", {altered} arrive altered" if altered else ""))
            else:  # journald does not write the same files again
                kept = f"{os.environ['builddir']}/interop/journals.kept"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(out, kept, ignore=lambda d, names: [n for n in names if n == "control"])
                tap.note(f"kept: {kept}")
        finally:
            x.close()


def scatter(path):
    rnd, places = random.Random(3), entry_objects(path)
    for _ in range(200):
        poke(path, rnd.choice(places) + rnd.randrange(400), bytes([rnd.randrange(256)]))


tap.run(difficult, sealed)
