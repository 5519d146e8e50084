# SPDX-License-Identifier: MIT
"""src/export/pace.c in Python, line by line and in its integers: test_pace_model.sh drives both with the same times and
the same random numbers, and they must agree in everything. Standard library only."""
SECOND = 1_000_000
MINUTE = 60 * SECOND
BUCKETS = 12                    # AZM_PACE_BUCKETS
BUCKET = MINUTE // BUCKETS      # BUCKET_USEC
BATCH_DELAY_FIRST = 2 * SECOND  # BATCH_DELAY_FIRST_USEC
BATCH_DELAY_MAX = 10 * SECOND   # BATCH_DELAY_MAX_USEC
RETRY_AFTER_JITTER = 10 * SECOND  # RETRY_AFTER_JITTER_USEC
PER_MINUTE_MIN = 12
PER_MINUTE_MAX = 6000


class Pace:
    __slots__ = ("random", "window_max", "initial", "retry_max", "hold_max", "window", "failures", "not_before", "failed",
                 "window_limit", "interval", "passed_per_min", "batch_delay", "slowed", "ease_at", "last_sent", "passed", "bucket")

    def __init__(self, random, window=4, initial=SECOND, retry_max=30 * SECOND, hold_max=300 * SECOND):
        """`random`: gives 64 random bits. The defaults are those of [export]."""
        self.random = random
        self.window_max = self.window = self.window_limit = window
        self.initial, self.retry_max, self.hold_max = initial, retry_max, hold_max
        self.failures = self.not_before = self.failed = self.interval = self.passed_per_min = self.batch_delay = 0
        self.slowed = self.ease_at = self.last_sent = self.bucket = 0
        self.passed = [0] * BUCKETS

    def up_to(self, limit):
        """azm_random_up_to"""
        return self.random() % (limit + 1)

    def sent(self, now):
        self.last_sent = now

    # --- what passes ---

    def turn_buckets(self, now):
        now //= BUCKET
        for _ in range(BUCKETS):
            if self.bucket >= now:
                break
            self.bucket += 1
            self.passed[self.bucket % BUCKETS] = 0
        self.bucket = max(self.bucket, now)

    def slow_down(self, now):
        self.turn_buckets(now)
        rate = sum(self.passed)
        if self.interval > 0:
            rate = min(rate, MINUTE // self.interval) if rate > 0 else MINUTE // self.interval
        if rate == 0:
            return
        self.passed_per_min = max(rate, PER_MINUTE_MIN)
        self.interval = MINUTE // (self.passed_per_min // 2)

    def ease(self):
        self.window_limit = min(self.window_limit + 1, self.window_max)
        self.batch_delay = self.batch_delay // 2 if self.batch_delay > BATCH_DELAY_FIRST else 0
        if self.interval > 0:
            rate = MINUTE // self.interval
            rate = rate + max(self.passed_per_min // 10, 1) if rate < self.passed_per_min else rate * 2
            self.interval = MINUTE // rate if rate < PER_MINUTE_MAX else 0

    def success(self, sent, now):
        self.turn_buckets(now)
        self.passed[self.bucket % BUCKETS] += 1
        if self.failures > 0:
            if sent < self.failed:
                return
            self.failures = 0
        else:
            self.window = min(self.window * 2, self.window_limit)
        while 0 < self.ease_at <= now:
            self.ease()
            if self.window_limit == self.window_max and self.interval == 0 and self.batch_delay == 0:
                self.ease_at = 0
                break
            self.ease_at += MINUTE

    # --- what does not ---

    def backoff_limit(self, hold):
        most, limit = self.hold_max if hold else self.retry_max, self.initial
        for _ in range(1, self.failures):
            if limit >= most:
                break
            limit *= 2
        return min(limit, most)

    def failure(self, sent, now, hold=False, retry_after=0):
        if self.failures == 0 or sent >= self.failed:
            self.failures += 1
            self.failed = now
            self.window = 1
            self.not_before = max(self.not_before, now + self.up_to(self.backoff_limit(hold)))
        if retry_after > 0:
            self.not_before = max(self.not_before, now + retry_after + self.up_to(min(retry_after, RETRY_AFTER_JITTER)))

    def throttled(self, sent, now, retry_after=0):
        if self.slowed == 0 or now >= self.slowed + MINUTE:
            self.slowed = now
            self.window_limit = max(self.window_limit // 2, 1)
            self.slow_down(now)
            self.batch_delay = min(self.batch_delay * 2, BATCH_DELAY_MAX) if self.batch_delay > 0 else BATCH_DELAY_FIRST
        self.failure(sent, now, False, retry_after)
        self.ease_at = max(now, self.not_before) + MINUTE

    def wait(self, now):
        at = max(self.not_before, self.last_sent + self.interval) if self.interval > 0 else self.not_before
        return max(at - now, 0)

    def state(self):
        """As pace_trace.c prints it."""
        return (self.window, self.failures, self.not_before, self.failed, self.window_limit, self.interval, self.passed_per_min,
                self.batch_delay, self.slowed, self.ease_at, self.last_sent, *self.passed, self.bucket)
