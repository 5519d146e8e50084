# SPDX-License-Identifier: MIT
"""Without memory for a while: see rsyslog_memory.sh."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from journald import wait_for  # noqa: E402
from rsyslogd import Destination, Rsyslogd, action, message, status  # noqa: E402
from tap import check, equal, run  # noqa: E402

SHIM = f"{os.environ['builddir']}/tests/integration/.libs/no_memory.so"


def for_a_while(out):
    file = f"{out}/no-memory"
    azure = Destination(f"{out}/azure")
    r = Rsyslogd(f"{out}/rsyslogd", action(azure, "x", f"{out}/state"))
    r.environment = {"LD_PRELOAD": SHIM, "NO_MEMORY": file}

    def bodies():
        return sorted(record.get("body") for record in azure.records())

    def said():
        with open(f"{out}/rsyslogd/internal", errors="replace") as f:
            return [line for line in f if "again, after a failure" in line]

    r.start()
    try:
        r.say(message("before"))
        wait_for(lambda: bodies() == ["before"], "the first message")
        open(file, "w").close()
        r.say(*(message(f"meanwhile {i}") for i in range(20)))
        wait_for(lambda: not os.path.exists(f"{out}/state/control"), "the thread to fail")
        r.say(message("and later"))
        os.unlink(file)
        wait_for(said, "the thread to begin anew")
        check("it says why", "out of memory" in said()[0], said())
        wanted = sorted(["before", "and later", *(f"meanwhile {i}" for i in range(20))])
        wait_for(lambda: len(set(bodies())) == len(wanted), "all messages")
        equal("all that was logged has arrived", sorted(set(bodies())), wanted)
        equal("under one uid each", len({record["uid"] for record in azure.records()}), len(wanted))
        equal("it said so once", len(said()), 1)
        check("it can be asked again", status(f"{out}/state")["health"]["condition"] == "well", status(f"{out}/state"))
        wait_for(lambda: r.statistics("x").get("exported") == len(azure.records()), "impstats to count on")
        equal("it ends in good order", r.end(), 0)
    finally:
        r.close()
        azure.close()


run(for_a_while)
