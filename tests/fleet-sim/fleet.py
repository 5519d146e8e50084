# SPDX-License-Identifier: MIT
"""A fleet of hosts with azmonlog, and Azure's data collection rules, in simulated time: the model of README.md. Standard
library only."""
import heapq
import random
from collections import deque

from pace import MINUTE, SECOND, Pace

# src/config/config.c: the defaults of [batch] and [export]
MAX_EXPORT_BATCH_SIZE = 8192
MAX_REQUEST_BYTES = 1_000_000
CONCURRENCY = 4
SPOOL_AFTER = 60 * SECOND  # [state] spool_after=
# facts/azure.md 1.4
RULE_REQUESTS, RULE_BYTES = 12_000, 2_000_000_000
# docs/performance.md: a record before compression; what a request has besides
RECORD_BYTES, REQUEST_BYTES = 395, 300
LATENCY = 50_000  # of an answer


class Rule:
    """A data collection rule: so many requests and bytes in each minute of its clock; 429 with the rest of the minute as
    Retry-After."""

    def __init__(self, limit=RULE_REQUESTS):
        self.limit, self.minute, self.requests, self.bytes = limit, -1, 0, 0

    def take(self, now, size):
        """(status, Retry-After in microseconds)"""
        minute = now // MINUTE
        if minute != self.minute:
            self.minute, self.requests, self.bytes = minute, 0, 0
        if self.requests >= self.limit or self.bytes + size > RULE_BYTES:
            left = (minute + 1) * MINUTE - now
            return 429, -(-left // SECOND) * SECOND
        self.requests += 1
        self.bytes += size
        return 204, 0


class Batch:
    __slots__ = ("records", "sending", "rows")

    def __init__(self, records, rows=0):
        self.records, self.rows, self.sending = records, rows, False


class Host:
    """src/pipeline/pipeline.c, outbox.c and src/export/exporter_*.c, as far as they decide when a request goes out."""

    def __init__(self, fleet, rule, gap, first):
        self.fleet, self.rule = fleet, rule
        self.gap, self.first = gap, first  # from one record to the next, and when the first one comes
        self.taken = 0                     # records that are in a batch, or were
        self.open = self.due = self.spooling = False
        self.first_batch = True
        self.exporter = []                 # batches that are not finished, in order
        self.rows = deque()                # of the spool, not yet fed: records of each
        self.in_flight = 0
        self.failing_since = None
        self.wake_at = None
        self.pace = fleet.new_pace(fleet.random, CONCURRENCY)

    def written(self, now):
        return (now - self.first) // self.gap + 1 if now >= self.first else 0

    # --- pipeline.c ---

    def read(self, now):
        """Records wait: a batch is opened, or its timer set for when there will be one."""
        if self.open:
            return
        at = max(now, self.first + self.taken * self.gap)  # of its first record
        delay = max(self.fleet.schedule_delay, self.pace.batch_delay)
        if self.first_batch:
            delay = self.pace.up_to(delay)
            self.first_batch = False
        full = self.first + (self.taken + self.fleet.batch_records - 1) * self.gap
        self.open, self.due = True, False
        self.fleet.at(max(at, min(at + delay, full)), self.seal, self)

    def has_room(self):
        return self.spooling or len(self.exporter) < max(CONCURRENCY, 2)

    def seal(self, now):
        if not self.has_room():
            self.due = True
            return
        n = min(self.written(now) - self.taken, self.fleet.batch_records)
        self.taken += n
        self.open = self.due = False
        if self.spooling:
            self.rows.append(n)
            self.feed(now)
        else:
            self.exporter.append(Batch(n))
        self.read(now)
        self.send(now)

    # --- outbox.c ---

    def feed(self, now):
        while self.rows and len(self.exporter) < max(CONCURRENCY, 2):
            n, rows = self.rows.popleft(), 1
            while self.fleet.merge_rows and self.rows and n + self.rows[0] <= self.fleet.batch_records:
                n, rows = n + self.rows.popleft(), rows + 1
            self.exporter.append(Batch(n, rows))

    def begin_spooling(self, now):
        if not self.spooling and self.failing_since is not None and now >= self.failing_since + SPOOL_AFTER and self.exporter:
            self.spooling = True
            if self.due:
                self.seal(now)

    # --- exporter_send.c, exporter_thread.c ---

    def send(self, now):
        while self.in_flight < self.pace.window:
            batch = next((b for b in self.exporter if not b.sending), None)
            if batch is None:
                return
            wait = self.pace.wait(now)
            if wait > 0:
                if self.wake_at is None or self.wake_at > now + wait or self.wake_at <= now:
                    self.wake_at = now + wait
                    self.fleet.at(self.wake_at, self.wake, self)
                return
            batch.sending = True
            self.in_flight += 1
            self.pace.sent(now)
            self.fleet.request(now, self, batch)

    def wake(self, now):
        if self.wake_at == now:
            self.wake_at = None
        self.begin_spooling(now)
        self.send(now)

    def answer(self, now, sent, batch, status, retry_after):
        self.in_flight -= 1
        batch.sending = False
        if status == 204:
            self.exporter.remove(batch)
            self.fleet.delivered += batch.records
            self.pace.success(sent, now)
            if self.pace.failures == 0:
                self.failing_since = None
        else:
            if status == 429:
                self.pace.throttled(sent, now, retry_after)
            else:
                self.pace.failure(sent, now)
            if self.failing_since is None:
                self.failing_since = now
                self.fleet.at(now + SPOOL_AFTER, self.wake, self)
        self.begin_spooling(now)
        if self.spooling:
            self.feed(now)
            if not self.exporter and not self.rows:
                self.spooling = False
        if self.due and self.has_room():
            self.seal(now)
        self.send(now)


class Fleet:
    """Hosts, rules, and a table of what happened in each minute."""

    def __init__(self, hosts, rules=1, records_per_sec=1.0, schedule_delay=SECOND, outage=(0, 0), merge_rows=True,
                 pace=Pace, rule_requests=RULE_REQUESTS, seed=1):
        """`merge_rows`: whether a request has several of the spool's rows, which it had not always."""
        dice = random.Random(seed)
        self.random = lambda: dice.getrandbits(64)
        self.schedule_delay, self.outage, self.merge_rows = schedule_delay, outage, merge_rows
        self.batch_records = min(MAX_EXPORT_BATCH_SIZE, (MAX_REQUEST_BYTES - REQUEST_BYTES) // RECORD_BYTES)
        self.events, self.number = [], 0
        self.rules = [Rule(rule_requests) for _ in range(rules)]
        self.delivered, self.new_pace = 0, pace
        self.minutes, self.seconds, self.accepted_bytes = [], {}, 0
        gap = round(SECOND / records_per_sec)
        self.rate = hosts * records_per_sec
        self.hosts = [Host(self, self.rules[i % rules], gap, dice.randrange(gap)) for i in range(hosts)]
        for h in self.hosts:
            h.read(0)

    def at(self, when, call, host):
        self.number += 1
        heapq.heappush(self.events, (when, self.number, call, None))

    def request(self, now, host, batch):
        self.count("requests", now)
        self.seconds[now // SECOND] = self.seconds.get(now // SECOND, 0) + 1
        size = batch.records * RECORD_BYTES + REQUEST_BYTES
        if self.outage[0] <= now < self.outage[1]:
            status, retry_after = 0, 0
            self.count("unreachable", now)
        else:
            status, retry_after = host.rule.take(now, size)
            self.count("throttled" if status == 429 else "accepted", now)
        self.number += 1
        heapq.heappush(self.events, (now + LATENCY, self.number, host.answer, (now, batch, status, retry_after)))

    def minute(self, now):
        while len(self.minutes) <= now // MINUTE:
            self.minutes.append({"requests": 0, "accepted": 0, "throttled": 0, "unreachable": 0, "peak_per_second": 0, "waiting": 0})
        return self.minutes[now // MINUTE]

    def count(self, what, now):
        self.minute(now)[what] += 1

    def waiting(self, now):
        return sum(h.written(now) for h in self.hosts) - self.delivered

    def run(self, until, enough=None):
        """To `until`; `enough(fleet, now)`, asked at each minute's end, may end it earlier. Returns the minutes."""
        next_minute = MINUTE
        while self.events:
            now = self.events[0][0]
            if now >= next_minute:
                m = self.minute(next_minute - 1)
                m["waiting"] = self.waiting(next_minute)
                m["peak_per_second"] = max((self.seconds.pop(s) for s in list(self.seconds) if s < next_minute // SECOND), default=0)
                if next_minute >= until or enough and enough(self, next_minute):
                    break
                next_minute += MINUTE
                continue
            now, _, call, more = heapq.heappop(self.events)
            call(now, *more) if more else call(now)
        return self.minutes
