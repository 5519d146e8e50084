# SPDX-License-Identifier: MIT
"""An azmonlog that is well, behind, throttled, held or down, for real: the destination does what makes it so. Standard library only."""
import json
import os
import subprocess
import time

import journal_files
from exporter import Exporter
from journald import PATIENCE, wait_for

SECOND = 1_000_000
# condition -> what the destination does
SCRIPTS = {
    "well": Exporter.NORMAL,
    "behind": "request * status 503\n",
    "held": "request * status 403\n",
    "throttled": "request * status 429\n",
}
EXIT_CODES = {"well": 0, "behind": 1, "throttled": 1, "held": 2, "down": 3}
# After a 429 it takes minutes until nothing is slowed down any more: that is the last one.
CONDITIONS = ("well", "behind", "held", "throttled", "down")


class States:
    """Files in `out`, journal files as the source: no journald, no root."""

    def __init__(self, out):
        self.journal, self.logged = f"{out}/journal", 0
        self.x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/x", directory=self.journal)
        self.config = f"{out}/x/azmonlog.conf"
        self.log(20)
        self.x.start()
        wait_for(lambda: self.condition() == "well" and self.status()["delivered"]["records"] == 20, "azmonlog to be well")

    def log(self, n):
        """So many lines, now."""
        now = time.time_ns() // 1000
        journal_files.append(f"{self.journal}/a.journal", self.logged, n, realtime=now - n * 1000, monotonic=(self.logged + 1) * SECOND)
        self.logged += n

    def command(self, *options):
        return [os.environ["AZMONLOG"], "status", "--config", self.config, *options]

    def run(self, *options):
        """The finished process, with its output as text."""
        return subprocess.run(self.command(*options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=PATIENCE, check=False)

    def status(self):
        return json.loads(self.run("--json").stdout)

    def condition(self):
        return self.status()["health"]["condition"]

    def become(self, condition):
        """From the one before it in CONDITIONS."""
        if condition == "down":
            self.x.end()
        else:
            self.x.script(SCRIPTS[condition])
            self.log(5)
        wait_for(lambda: self.condition() == condition, f"azmonlog to be {condition}")

    def close(self):
        self.x.close()
