# SPDX-License-Identifier: MIT
"""New journal files while no descriptor is left: see descriptors.sh."""
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter
from journald import Journald, wait_for
from tap import check, equal
from writers import write

journald = Journald(f"{sys.argv[1]}/journald.log")
journald.configure(SystemMaxFileSize="16M", SystemMaxUse="1G")


def files_come_and_are_archived(out):
    """What is in them is not passed over: reading ends with a reason, and another start gives everything."""
    journald.begin_anew()
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # it waits for a descriptor, for ever
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out)
    try:
        write(1, 200)
        x.start()
        check("reading goes on", x.wait_for_numbers({(0, n) for n in range(1, 201)}))
        pid, old = x.process.pid, resource.prlimit(x.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, old[1]))
        for part in range(3):
            journald.rotate()
            write(201 + 100 * part, 100)
        journald.rotate()
        wait_for(lambda: not x.running(), "azmonlog to end")
        equal("the exit code", x.process.returncode, 1)
        check("it says why", x.said("may be files that cannot be opened.*LimitNOFILE=.*Too many open files"),
              lambda: open(x.log.name).read())
        write(501, 100)
        x.start()
        check("all arrives", x.wait_for_numbers({(0, n) for n in range(1, 601)}))
        equal("it ends with 0", x.end(), 0)
        equal("no gap is reported", x.gaps(), [])
    finally:
        x.close()


try:
    tap.run(files_come_and_are_archived)
finally:
    journald.end(signal.SIGKILL)
