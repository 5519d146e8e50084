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


def few_are_left(out):
    """Enough for libsystemd's folders, perhaps, and not for its files, when the configuration is read anew: reading goes on, or ends with a
    reason."""
    journald.begin_anew()
    x, n = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out), 0

    def words():
        with open(x.log.name) as f:
            return f.read()

    try:
        for few in range(10):
            journald.rotate()
            if not x.running():
                x.start()
            write(n + 1, 20)
            x.wait_for_numbers({(0, i) for i in range(1, n + 21)})
            pid, old, before = x.process.pid, resource.prlimit(x.process.pid, resource.RLIMIT_NOFILE), len(words())
            used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, ([fd for fd in range(1024) if fd not in used][few], old[1]))
            x.process.send_signal(signal.SIGHUP)
            wait_for(lambda: not x.running() or "the configuration" in words()[before:], "azmonlog to read it")  # noqa: B023
            if x.running():
                resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
            write(n + 21, 20)
            n += 40
            check(f"{few} descriptors are left: reading goes on, or it says why not",
                  "may be files that cannot be opened" in words()[before:] and not x.running() or x.wait_for_numbers({(0, i) for i in range(1, n + 1)}),
                  lambda: words()[before:])  # noqa: B023
        equal("no gap is reported", x.gaps(), [])
    finally:
        x.close()


try:
    tap.run(files_come_and_are_archived, few_are_left)
finally:
    journald.end(signal.SIGKILL)
