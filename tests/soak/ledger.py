# SPDX-License-Identifier: MIT
"""What was lost before azmonlog could have it, message by message, as those write it down who take it away.
Standard library only."""
import collections
import threading

POWER, JOURNALD, RSYSLOGD, RATE_LIMIT = "power loss", "journald killed", "rsyslogd killed", "over journald's rate limit"
# Taken out of the journal, perhaps unread: a gap record has to tell.
VACUUM, DELETED, TRUNCATED, ZEROED = "vacuumed", "file deleted", "file truncated", "file damaged"
TOLD = (VACUUM, DELETED, TRUNCATED, ZEROED)
DAMAGED = (TRUNCATED, ZEROED)  # what can still be read of these, nobody knows for certain

# `when`: when journald received it, in microseconds; None where no gap record is needed. `file`: which it was in.
Loss = collections.namedtuple("Loss", "cause when file", defaults=(None, None))


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.messages = {}  # (writer, n) -> Loss
        self.ranges = []    # (writer, first, last, Loss)
        self.dropped = 0    # what journald says it has dropped, see RATE_LIMIT
        self.others = 0     # entries without a number that were taken, perhaps unread, and numbers used for no entry

    def note(self, message, *loss):
        with self.lock:
            self.messages.setdefault(message, Loss(*loss))

    def note_range(self, writer, first, last, cause):
        if first <= last:
            with self.lock:
                self.ranges.append((writer, first, last, Loss(cause)))

    def note_others(self, n):
        with self.lock:
            self.others += n

    def find(self, message):
        """What may have become of this message: [Loss]"""
        found = [self.messages[message]] if message in self.messages else []
        writer, n = message
        return found + [loss for w, first, last, loss in self.ranges if w == writer and first <= n <= last]
