# SPDX-License-Identifier: MIT
"""Memory of a process' own (RssAnon), and the bound on it that SECURITY.md has. Standard library only."""
import contextlib
import os
import re
import subprocess
import threading
import time

from journald import TOOL
from tap import check, skip

MAX_KIB = 40_000  # what no record and no answer makes azmonlog keep


def rss_anon(pid):
    """In KiB."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


def not_its_own():
    """Why nothing can be said about azmonlog's memory, or None. Sanitizers keep what was freed, and need an address space
    without limits."""
    if TOOL:
        return f"most of it is of {TOOL}"
    if b"libasan" in subprocess.run(["ldd", os.environ["AZMONLOG"]], stdout=subprocess.PIPE, check=True).stdout:
        return "azmonlog is built with AddressSanitizer"
    return None


def check_bounded(peak, *diagnostics, most=MAX_KIB):
    if why := not_its_own():
        skip(f"no more than {most} KiB", why)
    else:
        check(f"no more than {most} KiB", peak < most, peak, *diagnostics)


class Watched:
    """The most that a process has had of memory of its own."""

    def __init__(self, pid):
        self.pid, self.peak, self.stopped = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError, TypeError):  # it has ended
                self.peak = max(self.peak, rss_anon(self.pid))
            time.sleep(0.005)

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self.peak
