# SPDX-License-Identifier: MIT
"""What recorder.c has written down, and what a power loss may leave of it on disk. Standard library only.

The rules are POSIX's, not those of a kind file system: what was written to a file is there for certain when fsync(2) of the file
has returned, and a name when fsync(2) of the directory has. Before that everything is possible: each write may be on disk or not,
in any order, also in parts of a sector; a file may have its new length and zeros in it; what happened to names may be there or
not, whatever became of the files."""
import collections
import os
import struct

SECTOR, PAGE = 512, 4096
OPENED, WRITTEN, TRUNCATED, EXTENDED, SYNCED, DIR_SYNCED, RENAMED, LINKED, UNLINKED, MARKED = range(1, 11)
CREATED, EMPTIED = 1, 2  # the size of OPENED
HEADER = struct.Struct("<6I3Q")
UNINTERESTING = ("lock", "-ballast", "control")  # names that end so: nothing reads what stands in them

Entry = collections.namedtuple("Entry", "operation file pid names data at size outside")


def read_log(path):
    return parse_log(path)[0]


def parse_log(path):
    """All entries, and where the last one ends: a kill may have cut one off."""
    with open(path, "rb") as f:
        log = f.read()
    entries, end = [], 0
    while end + HEADER.size <= len(log):
        operation, file, pid, *lengths, at, size, outside = HEADER.unpack_from(log, end)
        i = end + HEADER.size
        parts = []
        for n in lengths:
            parts.append(log[i:i + n])
            i += n
        if i > len(log):
            break
        end = i
        entries.extend(in_pages(Entry(operation, file, pid, (parts[0].decode(), parts[1].decode()), parts[2], at, size, outside)))
    return entries, end


def in_pages(e):
    """A write of several pages as one of each: a kernel takes them one after the other, and writes them back in any order."""
    end = e.at + len(e.data)
    if e.operation != WRITTEN or len(e.data) <= PAGE:
        return [e]
    cuts = [e.at, *range((e.at // PAGE + 1) * PAGE, end, PAGE), end]
    return [e._replace(at=a, data=e.data[a - e.at:b - e.at]) for a, b in zip(cuts, cuts[1:])]


def pack(operation, file=0, names=("", ""), data=b"", at=0, size=0):
    """An entry that no process has written (pid 0)."""
    a, b = (n.encode() for n in names)
    return HEADER.pack(operation, file, 0, len(a), len(b), len(data), at, size, 0) + a + b + data


class File:
    """One file, whatever its names are. `pending`: what was done to it since it was flushed last."""

    def __init__(self, number):
        self.number, self.durable, self.version, self.pending = number, b"", 0, []

    def flush(self):
        if self.pending:
            self.durable, self.pending = self.content(range(len(self.pending))), []
            self.version += 1

    def content(self, plan):
        """With these of the pending changes: their indexes, or (index, part, full length) for a part of a write."""
        data = bytearray(self.durable)
        for step in plan:
            index, part, full = (step, None, False) if isinstance(step, int) else step
            what, at, new = self.pending[index]
            if what == TRUNCATED:
                del data[at:]
                data.extend(bytes(at - len(data)))
            elif what == EXTENDED:
                data.extend(bytes(max(0, at - len(data))))
            elif part is None:
                data.extend(bytes(max(0, at - len(data))))
                data[at:at + len(new)] = new
            else:
                write_part(data, at, new, part, full)
        return bytes(data)


def sectors(at, length):
    """Where a write of this length meets the sectors of the disk: [(from, to)], in the file."""
    cuts = [at, *range((at // SECTOR + 1) * SECTOR, at + length, SECTOR), at + length]
    return list(zip(cuts, cuts[1:]))


PARTS = {"nothing": lambda i, n: False, "first": lambda i, n: i == 0, "middle": lambda i, n: i == n // 2,
         "last": lambda i, n: i == n - 1, "not first": lambda i, n: i != 0, "not middle": lambda i, n: i != n // 2,
         "not last": lambda i, n: i != n - 1}


def write_part(data, at, new, part, full):
    """Only some sectors of a write; `full`: the file is as long as if all had been written, with zeros there."""
    parts = sectors(at, len(new))
    if full:
        data.extend(bytes(max(0, at + len(new) - len(data))))
    for i, (a, b) in enumerate(parts):
        if PARTS[part](i, len(parts)):
            data.extend(bytes(max(0, a - len(data))))
            data[a:b] = new[a - at:b - at]


def some(n, most):
    """At most so many of the numbers below n, the ends among them."""
    return list(range(n)) if n <= most else sorted({i * (n - 1) // (most - 1) for i in range(most)})


class Disk:
    """The directory after some of the entries. `without`: a name whose fsync does nothing ("." is the directory's)."""

    def __init__(self, without=None):
        self.without = without
        self.files, self.opened = 0, {}  # (pid, number of the opening) -> File
        self.names, self.durable_names, self.pending_names = {}, {}, []

    def name_of(self, file):
        return next((n for n, f in self.names.items() if f is file), None)

    def do(self, e):
        if e.names[0].endswith(UNINTERESTING):
            return
        file = self.opened.get((e.pid, e.file))
        if e.operation == OPENED:
            file = self.names.get(e.names[0])
            if file is None:
                self.files += 1
                file = File(self.files)
                self.change_name(e.names[0], file)
            elif e.size == EMPTIED:
                file.pending.append((TRUNCATED, 0, b""))
            self.opened[e.pid, e.file] = file
        elif e.operation in (RENAMED, LINKED):
            file = self.names[e.names[0]]
            self.change_name(e.names[1], file, e.names[0] if e.operation == RENAMED else None)
        elif e.operation == UNLINKED:
            self.change_name(None, self.names[e.names[0]], e.names[0])
        elif e.operation == DIR_SYNCED:
            if self.without != ".":
                self.durable_names, self.pending_names = dict(self.names), []
        elif file is None:
            pass  # uninteresting, or a mark
        elif e.operation == SYNCED:
            if self.without is None or self.name_of(file) != self.without:
                file.flush()
        elif e.operation == WRITTEN:
            file.pending.append((WRITTEN, e.at, e.data))
        elif e.operation in (TRUNCATED, EXTENDED):
            file.pending.append((e.operation, e.size, b""))

    def change_name(self, to, file, gone=None):
        self.pending_names.append((to, file, gone))
        apply_name(self.names, to, file, gone)

    def current(self):
        """{name: content}, as programs see it: nothing is lost."""
        return {n: f.content(range(len(f.pending))) for n, f in self.names.items()}

    # --- after a power loss ---

    def durable(self):
        """The image with nothing but what was flushed."""
        return {n: (f, ()) for n, f in self.durable_names.items()}

    def images(self):
        """What may be on disk now: (what it is, {name: (file, plan)}). Bounded: either the files or the names vary, the others
        being all as they were flushed or all as they were last."""
        names = list(self.variants_of_names())
        oldest, newest = names[0][1], names[-1][1]
        for what, mapping in names:
            yield f"{what}, files as flushed", {n: (f, ()) for n, f in mapping.items()}
            yield f"{what}, files as written", {n: (f, tuple(range(len(f.pending)))) for n, f in mapping.items()}
        for where, mapping in (("no names", oldest), ("all names", newest)):
            for f in {f.number: f for f in mapping.values() if f.pending}.values():
                for what, plan in variants_of_file(f):
                    name = next(n for n, other in mapping.items() if other is f)
                    for others in ("flushed", "written"):
                        yield (f"{where}, {name}: {what}, others as {others}",
                               {n: (g, plan if g is f else () if others == "flushed" else tuple(range(len(g.pending))))
                                for n, g in mapping.items()})

    def variants_of_names(self):
        """Every prefix of the changes since the directory was flushed; all but one; only the last."""
        changes = self.pending_names
        n = len(changes)
        plans = [("no names" if k == 0 else f"{k} of {n} names", range(k)) for k in some(n, 8)]
        plans += [(f"all names but change {k + 1} of {n}", [i for i in range(n) if i != k]) for k in some(n - 1, 6)]
        plans += [("only the last name", [n - 1])] if n > 1 else []
        for what, plan in [*plans, ("all names", range(n))]:
            mapping = dict(self.durable_names)
            for i in plan:
                apply_name(mapping, *changes[i])
            yield what, mapping


def apply_name(names, to, file, gone):
    if gone is not None and names.get(gone) is file:
        del names[gone]
    if to is not None:
        names[to] = file


def variants_of_file(f):
    """What may have become of the pending changes of one file: (what it is, plan)."""
    n = len(f.pending)
    last = n - 1
    yield "only the last write", (last,)
    for i in some(last, 3):
        yield f"all but write {i + 1} of {n}", tuple(k for k in range(n) if k != i)
    lengths = tuple(k if f.pending[k][0] != WRITTEN else (k, "nothing", True) for k in range(n))
    yield "its length, and zeros", lengths
    what, at, data = f.pending[last]
    if what == WRITTEN:
        before = tuple(range(last))
        for part in PARTS if len(sectors(at, len(data))) > 1 else ("nothing",):
            for full in (False, True):
                length = "at full length" if full else "cut"
                yield f"the last write torn, {part}, {length}", (*before, (last, part, full))
                yield f"only the last write, torn, {part}, {length}", ((last, part, full),)


def reconcile(log, directory):
    """Writes down what a killed process has done and could not write down any more, which is one call of each thread; returns the
    names that are concerned. After an orderly end there must be none: the recorder sees everything."""
    entries, end = parse_log(log)
    os.truncate(log, end)
    disk = Disk()
    for e in entries:
        disk.do(e)
    recorded, found = disk.current(), {}
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        if not name.endswith(UNINTERESTING) and os.path.isfile(path):
            with open(path, "rb") as f:
                found[name] = f.read()
    missed = [n for n in sorted(recorded.keys() | found.keys()) if recorded.get(n) != found.get(n)]
    with open(log, "ab") as f:
        for gone in recorded.keys() - found.keys():
            to = next((n for n in missed if found.get(n) == recorded[gone]), None)
            f.write(pack(RENAMED, names=(gone, to)) if to else pack(UNLINKED, names=(gone, "")))
            if to:
                recorded[to] = recorded[gone]
        for i, name in enumerate(n for n in found if found[n] != recorded.get(n)):
            f.write(pack(OPENED, i, (name, ""), size=0 if name in recorded else CREATED))
            for entry in differences(recorded.get(name, b""), found[name]):
                f.write(pack(entry[0], i, **entry[1]))
    return missed


def differences(old, new):
    """The changes that make the one content of the other."""
    if len(new) < len(old):
        yield TRUNCATED, {"size": len(new)}
    old, at = old[:len(new)], 0
    while at < len(new):
        if old[at:at + SECTOR] != new[at:at + SECTOR]:
            first = at
            while at < len(new) and old[at:at + SECTOR] != new[at:at + SECTOR]:
                at += SECTOR
            yield WRITTEN, {"at": first, "data": new[first:at]}
        else:
            at += SECTOR
