# SPDX-License-Identifier: MIT
"""Journal files without journald: made by systemd-journal-remote with any times, and damaged. Standard library only."""
import os
import struct
import subprocess

REMOTE = "/lib/systemd/systemd-journal-remote"
NOON = 1_790_000_000_000_000  # a time in microseconds: 2026-09-21
SECOND = 1_000_000


def append(path, first, n, realtime=NOON, monotonic=SECOND, boot="b" * 32, step=1000, pad=0):
    """Entries "w0 <first>" .. at the end of a file, which is made if need be; `step` microseconds apart, by both clocks.
    `path` must end in .journal. Returns the texts."""
    texts = [f"w0 {i}" + (f" {i * 2654435761 % 2**32:08x}" * (pad // 9)) for i in range(first, first + n)]
    return append_texts(path, texts, realtime, monotonic, boot, step)


def append_texts(path, texts, realtime=NOON, monotonic=SECOND, boot="b" * 32, step=1000):
    """The same with any texts of one line each."""
    data = "".join(
        f"__REALTIME_TIMESTAMP={realtime + k * step}\n__MONOTONIC_TIMESTAMP={monotonic + k * step}\n_BOOT_ID={boot}\n"
        f"_MACHINE_ID={'c' * 32}\n_HOSTNAME=files\n_TRANSPORT=journal\n_PID=1\nPRIORITY=6\nSYSLOG_IDENTIFIER=files\n"
        f"MESSAGE={text}\n\n" for k, text in enumerate(texts))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run([REMOTE, "-o", path, "-"], input=data.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True)
    return texts


def append_entries(path, entries, realtime=NOON, monotonic=SECOND, boot="b" * 32, step=1000):
    """The same with any fields: each entry is a dict of them, which replaces or adds to the usual ones."""
    data = bytearray()
    for k, entry in enumerate(entries):
        fields = {"__REALTIME_TIMESTAMP": realtime + k * step, "__MONOTONIC_TIMESTAMP": monotonic + k * step, "_BOOT_ID": boot,
                  "_MACHINE_ID": "c" * 32, "_HOSTNAME": "files", "_TRANSPORT": "journal", "_PID": 1, "PRIORITY": 6,
                  "SYSLOG_IDENTIFIER": "files", **entry}
        for name, value in fields.items():
            name, value = name.encode(), str(value).encode()
            data += b"%s\n%s%s\n" % (name, struct.pack("<Q", len(value)), value) if b"\n" in value else b"%s=%s\n" % (name, value)
        data += b"\n"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run([REMOTE, "-o", path, "-"], input=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def entry_objects(path):
    """The offsets of the file's ENTRY objects, in their order in the file."""
    data = open(path, "rb").read()
    header_size, arena_size = struct.unpack_from("<QQ", data, 88)
    tail, = struct.unpack_from("<Q", data, 136)  # the last object
    found, at = [], header_size
    while at <= tail and at + 16 <= len(data):
        kind, size = data[at], struct.unpack_from("<Q", data, at + 8)[0]
        if kind == 3:
            found.append(at)
        at += (size + 7) & ~7 if size else 8
    return found


def poke(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def set_seqnum(path, entry, seqnum):
    """Another sequence number for the ENTRY object at this offset."""
    poke(path, entry + 16, struct.pack("<Q", seqnum))


STATE, SEQNUM_ID, TAIL_SEQNUM, HEAD_SEQNUM = 16, 72, 160, 168  # in a file's header
ARCHIVED = 2


def set_seqnums(path, seqnums):
    """Other sequence numbers for the last entries, and in the header."""
    entries = entry_objects(path)
    for entry, seqnum in zip(entries[-len(seqnums):], seqnums):
        set_seqnum(path, entry, seqnum)
    poke(path, TAIL_SEQNUM, struct.pack("<Q", seqnums[-1]))
    if len(entries) == len(seqnums):
        poke(path, HEAD_SEQNUM, struct.pack("<Q", seqnums[0]))


def cut_out(path, offset, length):
    """Everything behind the cut is at the wrong place; zeros at the end, because libsystemd takes no file that is too short."""
    with open(path, "r+b") as f:
        data = f.read()
        f.seek(0)
        f.write(data[:offset] + data[offset + length:] + bytes(length))


def zero(path, offset, length):
    poke(path, offset, bytes(min(length, os.path.getsize(path) - offset)))
