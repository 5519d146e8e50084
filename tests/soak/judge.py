# SPDX-License-Identifier: MIT
"""What has arrived, read as it comes with eight bytes of memory for each message; and the verdict. Standard library only."""
import array
import collections
import json
import os
import re
import threading

from exporter import clusters, covers, gap_of
from ledger import DAMAGED, RATE_LIMIT, TOLD
from load import LIMITED, POISON
from otlp_json import any_value, key_values

# A line of the emulator's store with a numbered message. Anything else is looked at more closely.
LINE = re.compile(rb'\{"request":\d+,"uid":"([^"]+)",.*?"body":"s(\d+) (\d+) ')
KEPT = re.compile(rb'"stringValue":\s*"s(\d+) (\d+) ([^"]{0,8})')
REASON = re.compile(rb'"reason":\s*"(\w+)"')
SUPPRESSED = re.compile(r"Suppressed (\d+) messages from soak-limited\.service")
CHUNK = 1 << 22
EXAMPLES = 20
MOST = 100_000_000


class Stores:
    """The files of a destination, one for each of its lives, in their order; each is read once."""

    def __init__(self, out):
        self.out, self.life, self.offset, self.rest = out, 1, 0, b""

    def path(self, life):
        return f"{self.out}/received.{life}"

    def lines(self):
        """The whole lines that there are since the last call."""
        while True:
            # The next one is there: this one does not grow any more. To be asked before it is read to its end.
            last = not os.path.exists(self.path(self.life + 1))
            try:
                with open(self.path(self.life), "rb") as f:
                    f.seek(self.offset)
                    while True:
                        data = f.read(CHUNK)
                        if not data:
                            break
                        self.offset += len(data)
                        lines = (self.rest + data).split(b"\n")
                        self.rest = lines.pop()
                        yield from lines
            except FileNotFoundError:
                pass
            if last:
                return
            # A line without an end was not acknowledged: the destination was killed.
            self.life, self.offset, self.rest = self.life + 1, 0, b""


class Judge:
    """`sabotage` proves that it finds what it is for: "withhold" hides a message from it, "forge" shows it one once more with
    another uid."""

    def __init__(self, outs, sabotage=None):
        self.lock = threading.Lock()
        self.stores = [Stores(out) for out in outs]
        self.sabotage, self.victim = sabotage, None
        self.uids = collections.defaultdict(lambda: array.array("q", [0]))  # writer -> for each number a hash of its uid, or 0
        self.records = self.received = self.copies = self.others = 0
        self.other_uids = {}     # (message, hash of another uid with which it arrived) -> line; however often that one arrived
        self.gaps, self.wrong = {}, []
        self.textless = set()    # when journald received what arrived without a number, in microseconds
        self.gap_files = {}      # uid of a gap record -> the file it names
        self.suppressed = {}     # uid -> N

    def catch_up(self):
        with self.lock:
            for stores in self.stores:
                for line in stores.lines():
                    self.take(line)

    def take(self, line):
        self.records += 1
        m = LINE.match(line)
        if not m:
            self.take_other(json.loads(line))
            return
        writer, n = int(m[2]), int(m[3])
        if n > MOST:
            self.wrong.append(f"an absurd number arrived: {line[:300]!r}")
            return
        uid = hash(m[1]) or 1
        if self.sabotage and self.received > 100:
            if self.victim is None:
                self.victim = (writer, n)
                uid += self.sabotage == "forge"
            if self.sabotage == "withhold" and self.victim == (writer, n):
                return
        self.note(writer, n, uid, line)
        if self.sabotage == "forge" and self.victim == (writer, n):
            self.note(writer, n, hash(m[1]) or 1, line)

    def note(self, writer, n, uid, line):
        uids = self.uids[writer]
        if n >= len(uids):
            uids.frombytes(bytes(8 * max(1024, n - len(uids) + 1)))
        if not uids[n]:
            uids[n] = uid
            self.received += 1
        elif uids[n] == uid:
            self.copies += 1
        else:
            self.other_uids.setdefault(((writer, n), uid), line)

    def take_other(self, record):
        self.others += 1
        try:
            gap = gap_of(record)
        except ValueError as e:
            self.wrong.append(f"a gap record is not as promised: {e}")
            return
        if gap:
            self.gap_files[gap.uid] = record["attributes"].get("azmonlog.gap.file")
            if self.gaps.setdefault(gap.uid, gap) != gap:
                self.wrong.append(f"two different gap records have the uid {gap.uid}")
            return
        self.textless.add(int(record.get("observed_time_unix_nano", 0)) // 1000)
        m = SUPPRESSED.match(str(record.get("body")))
        if m:
            self.suppressed[record["uid"]] = int(m[1])

    def has(self, message):
        uids = self.uids[message[0]]
        return message[1] < len(uids) and uids[message[1]] != 0

    def missing(self, writer, first, last):
        """Those of these numbers that have not arrived."""
        uids = self.uids[writer]
        return [n for n in range(first, last + 1) if n >= len(uids) or not uids[n]]

    def shared_uids(self):
        """How many uids stand for several messages."""
        parts = [array.array("q") for _ in range(64)]
        for uids in self.uids.values():
            for uid in uids:
                if uid:
                    parts[uid & 63].append(uid)
        found = 0
        for part in parts:
            last = None
            for uid in sorted(part):
                found += uid == last
                last = uid
        return found


def quarantine_of(path):
    """What a quarantine keeps: the numbered messages {message: reason}; those that nobody could have refused for themselves; and
    the other records, as the emulator's store has them: a request that succeeds in part takes gap records with it, too."""
    found, strange, others = {}, [], []
    try:
        with open(path, "rb") as f:
            for line in f:
                if not line.endswith(b"\n"):
                    break  # the rest comes yet
                reason = REASON.search(line)[1].decode()
                m = KEPT.search(line)
                if not m:
                    others.append(stored_form(json.loads(line)))
                    continue
                message = (int(m[1]), int(m[2]))
                found[message] = reason
                if reason != "partial" and not m[3].decode(errors="replace").startswith(POISON):
                    strange.append(f"{message} is in quarantine as {reason}, which it has not deserved")
    except FileNotFoundError:
        pass
    return found, strange, others


def stored_form(line):
    """A line of the quarantine, which is OTLP/JSON, as a line of the emulator's store."""
    (of_resource,) = line["resourceLogs"]
    (record,) = of_resource["scopeLogs"][0]["logRecords"]
    resource, own = key_values(of_resource["resource"]["attributes"]), key_values(record["attributes"])
    return {"uid": own["log.record.uid"], "service": resource.get("service.name"), "severity_text": record.get("severityText"),
            "observed_time_unix_nano": record.get("observedTimeUnixNano", 0), "body": any_value(record.get("body")),
            "attributes": own}


class Verdict:
    """What became of everything that was logged. `quarantined`: {message: reason}."""

    def __init__(self, load, judge, ledger, quarantined):
        self.judge, self.ledger = judge, ledger
        self.logged = load.total()
        self.lost = collections.Counter()  # by cause
        self.unexplained, self.wrong = [], list(judge.wrong)
        self.quarantined = 0
        self.notes = []  # for whoever looks closer
        gaps = list(judge.gaps.values())
        told = []
        limited = []
        for writer, (_, kind) in load.writers.items():
            for n in judge.missing(writer, 1, load.logged(writer)):
                message = (writer, n)
                if message in quarantined:
                    self.quarantined += 1
                    continue
                losses = ledger.find(message)
                if not losses and kind == LIMITED:
                    limited.append(message)
                    continue
                for loss in losses:
                    if loss.cause not in TOLD:
                        self.lost[loss.cause] += 1
                        break
                    if loss.cause in DAMAGED and loss.when in judge.textless:
                        self.lost[f"{loss.cause}, arrived without its text"] += 1
                        break
                    if self.is_told(loss, gaps):
                        self.lost[f"{loss.cause}, told by a gap record"] += 1
                        told.append(loss)
                        break
                else:
                    self.unexplained.append((message, "; ".join(f"{x.cause}, but no gap record covers {x.when} of {x.file}" for x in losses)
                                             or "in no ledger"))
        self.judge_limited(limited, ledger.dropped)
        self.judge_counts(gaps, told)
        self.judge_uids()
        for writer, uids in judge.uids.items():
            beyond = [n for n in range(load.logged(writer) + 1, len(uids)) if uids[n]] if writer in load.writers else [0]
            if beyond:
                self.wrong.append(f"{len(beyond)} messages of writer {writer} arrived that nobody has logged, such as {beyond[0]}")

    def is_told(self, loss, gaps):
        """A gap record without any time is about a file that it names."""
        return any(covers(g, loss.when) and (g.from_usec or g.to_usec or self.judge.gap_files[g.uid] == loss.file) for g in gaps)

    def judge_limited(self, missing, dropped):
        """journald's own count has to be that of those missing, to one."""
        told = sum(self.judge.suppressed.values())
        self.lost[f"{RATE_LIMIT}, told by journald"] += min(len(missing), told)
        if len(missing) > told:
            self.unexplained += [(m, f"journald says that it dropped {told}") for m in missing[told:]]
        elif told != len(missing):
            self.wrong.append(f"journald's messages about its rate limit count {told}, but {len(missing)} are missing")
        if dropped != told:
            self.wrong.append(f"journald has logged {dropped} dropped messages, but what arrived says {told}")

    def judge_counts(self, gaps, told):
        """The numbers in gap records: no less than what is missing there, but where a record says that its number is not exact; and no
        more than what was taken."""
        counted = [g for g in gaps if g.entries and g.reason in ("vacuumed", "missing")]
        self.notes += [f"{g.reason}: {g.entries} entries{', not exact' if g.up_to else ''}, from {g.from_usec} to {g.to_usec}" for g in gaps]
        self.gap_entries = sum(g.entries for g in counted)
        self.gap_records = collections.Counter(g.reason for g in gaps)
        uncounted = [g for g in gaps if g not in counted]
        for begin, end, entries in clusters(counted):
            inside = sum(begin <= x.when <= end and not self.is_told(x, uncounted) for x in told)
            self.notes.append(f"gap records from {begin} to {end} count {entries} entries, and {inside} messages are lost there")
            exact = not any(g.up_to for g in counted if begin <= (g.from_usec or 0) <= end)
            if inside > entries and exact:
                self.wrong.append(f"{inside} messages are lost from {begin} to {end}, but the gap records there count {entries}")
        most = len(told) + self.ledger.others
        if self.gap_entries > most:
            self.wrong.append(f"the gap records count {self.gap_entries} entries, but no more than {most} can have been lost")

    def judge_uids(self):
        # Of a damaged entry another uid is no wonder: its fields are others.
        other_uids = [(message, line) for (message, _), line in self.judge.other_uids.items()]
        self.changed = [x for x in other_uids if any(loss.cause in DAMAGED for loss in self.ledger.find(x[0]))]
        self.other_uids = [x for x in other_uids if x not in self.changed]
        shared = self.judge.shared_uids()
        if shared:
            self.wrong.append(f"{shared} uids stand for several messages")

    def good(self):
        return not self.unexplained and not self.other_uids and not self.wrong

    def rows(self):
        """The table: (what, figure)."""
        yield "records logged", self.logged
        yield "received", self.judge.received
        yield "quarantined", self.quarantined
        for cause, n in sorted(self.lost.items()):
            if n:
                yield f"lost before azmonlog: {cause}", n
        yield "UNEXPLAINED", len(self.unexplained)
        yield "duplicates with the same uid (removable)", self.judge.copies
        yield "DUPLICATES WITH ANOTHER UID", len(self.other_uids)
        if self.changed:
            yield "damaged entries that came again, changed", len(self.changed)
        yield "other records (journald's own, gap records)", self.judge.others
        for reason, n in sorted(self.gap_records.items()):
            yield f"gap records: {reason}", n
        yield "entries counted by gap records", self.gap_entries

    def findings(self):
        yield from self.wrong
        for message, why in self.unexplained[:EXAMPLES]:
            yield f"unexplained: {message}: {why}"
        for message, line in self.other_uids[:EXAMPLES]:
            yield f"arrived again with another uid: {message}: {line[:300].decode(errors='replace')}"
