# SPDX-License-Identifier: MIT
"""A real journald of our own that can be killed, rotated, vacuumed, rolled back and rebooted, and what its files say.

For tests that run inside `JOURNALD_START=no with-journald`. Standard library only."""
import collections
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import uuid

TOOL = os.environ.get("AZMONLOG_TEST_TOOL")  # of make analyze: time and memory mean nothing under it
PATIENCE = 600 if TOOL else 60  # seconds: a limit for what must come to pass, never a measure
STALLED = PATIENCE // 3  # seconds without any record while there are some to come: they do not come any more
PROGRAM = "/lib/systemd/systemd-journald"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# One entry of one journal file. `text` is its MESSAGE, None if it has none; times in microseconds.
Entry = collections.namedtuple("Entry", "seqnum_id seqnum boot monotonic realtime text")

CURSOR = re.compile(rb"__CURSOR=s=([0-9a-f]+);i=([0-9a-f]+);b=([0-9a-f]+);m=([0-9a-f]+);t=([0-9a-f]+);")
TEXT = re.compile(rb"^MESSAGE=(.*)$", re.M)


def wait_for(condition, what, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


def read_file(path):
    """The entries of one journal file, as journalctl reads it alone: no other file can hide any of them."""
    out = subprocess.run(["journalctl", "-q", "--no-pager", "-o", "export", "--output-fields=MESSAGE", "--file", path],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE).stdout
    entries = []
    for block in out.split(b"\n\n"):
        c = CURSOR.search(block)
        if c:
            text = TEXT.search(block)
            entries.append(Entry(c[1].decode(), int(c[2], 16), c[3].decode(), int(c[4], 16), int(c[5], 16),
                                 text[1].decode(errors="replace") if text else None))
    return entries


def header(path):
    """(seqnum id, seqnum of the last entry) as the file's header has them; None if there is no header."""
    with open(path, "rb") as f:
        h = f.read(208)
    if len(h) < 208 or h[:8] != b"LPKSHHRH":
        return None
    return h[72:88].hex(), struct.unpack_from("<Q", h, 160)[0]


class Journald:
    def __init__(self, log):
        self.log = open(log, "ab")
        self.process = None
        self.machine = open("/etc/machine-id").read().strip()
        self.directory = f"/var/log/journal/{self.machine}"
        self.cache = {}

    # --- life ---

    def configure(self, **settings):
        with open("/run/systemd/journald.conf.d/test.conf", "w") as f:
            f.write("[Journal]\nRateLimitIntervalSec=0\nRateLimitBurst=0\nAudit=no\n")
            f.writelines(f"{k}={v}\n" for k, v in settings.items())

    def start(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: self.process.poll() is not None or os.path.exists("/run/systemd/journal/socket") and
                 subprocess.run(["journalctl", "--sync"], stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode == 0,
                 "journald to come up")
        if self.process.poll() is not None:
            raise RuntimeError(f"journald ended at once: {self.process.returncode}")

    def end(self, how=signal.SIGTERM):
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def begin_anew(self, volatile=False):
        """Ends it, and starts it with no journal; `volatile`: with no place on disk either."""
        self.end(signal.SIGKILL)
        for parent in ("/var/log/journal", "/run/log/journal"):
            shutil.rmtree(parent, ignore_errors=True)
        os.makedirs("/run/log/journal")
        for name in os.listdir("/run/systemd/journal"):
            if name.endswith("seqnum") or name == "flushed":
                os.unlink(f"/run/systemd/journal/{name}")
        if not volatile:
            os.makedirs(self.directory)
            open("/run/systemd/journal/flushed", "w").close()  # else it would stay volatile
        self.start()

    def new_boot(self):
        """What a reboot changes. To be called while journald is down."""
        with open("/run/boot_id", "w") as f:
            f.write(f"{uuid.uuid4()}\n")
        if not os.path.exists("/run/boot_id_mounted"):
            subprocess.run(["mount", "--bind", "/run/boot_id", BOOT_ID], check=True)
            open("/run/boot_id_mounted", "w").close()
        for name in os.listdir("/run/systemd/journal"):
            if name.endswith("seqnum"):
                os.unlink(f"/run/systemd/journal/{name}")

    # --- commands ---

    def journalctl(self, *arguments):
        subprocess.run(["journalctl", "-q", *arguments], stdout=self.log, stderr=self.log, timeout=PATIENCE, check=True)

    def sync(self):
        self.journalctl("--sync")

    def rotate(self):
        self.journalctl("--rotate")

    # --- files ---

    def files(self):
        found = []
        for parent in (self.directory, f"/run/log/journal/{self.machine}"):
            if os.path.isdir(parent):
                found += [f"{parent}/{n}" for n in sorted(os.listdir(parent)) if n.endswith((".journal", ".journal~"))]
        return found

    def archived(self):
        """Files that journald is done with."""
        return [f for f in self.files() if "@" in os.path.basename(f)]

    def entries_of(self, path):
        st = os.stat(path)
        key = (st.st_ino, st.st_size, st.st_mtime_ns)
        if "@" not in os.path.basename(path):
            return read_file(path)
        if key not in self.cache:  # an archived file does not change any more
            self.cache[key] = read_file(path)
        return self.cache[key]

    def unused_numbers(self):
        """Sequence numbers that journald took for entries that it then did not get into the file: it was killed between the two,
        or the file was full with them. To a reader they look like entries that are gone. [(number, time of the last entry)]"""
        found = []
        for path in self.archived():
            h, entries = header(path), self.entries_of(path)
            if h and entries and h[1] > max(e.seqnum for e in entries):
                found.append((h[1], entries[-1].realtime))
        return found

    def entries(self):
        """All entries of all files."""
        return [e for f in self.files() for e in self.entries_of(f)]

    def snapshot(self, place):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.directory, place)

    def restore(self, place):
        """Puts a snapshot back. To be called while journald is down."""
        for name in os.listdir(self.directory):
            os.unlink(f"{self.directory}/{name}")
        for name in os.listdir(place):
            shutil.copy2(f"{place}/{name}", self.directory)
