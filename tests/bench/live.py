# SPDX-License-Identifier: MIT
"""azmonlog and rsyslogd with the module as they are all day: beside a real journald, following. For latency.py and idle.py, which run
inside `JOURNALD_START=no with-journald`."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, f"{HERE}/../lib"]
from bench import ENVIRONMENT, Emulator, wait_for  # noqa: E402
from journald import Journald  # noqa: E402
from rsyslog import Rsyslogd, module_action  # noqa: E402


def inside(program):
    """Runs `program`, this one, again beside a journald of its own, unless it does so already."""
    if "WITH_JOURNALD_INSIDE" not in os.environ:
        os.execvpe(f"{HERE}/../lib/with-journald", ["with-journald", sys.executable, "-B", program, *sys.argv[1:]],
                   {**os.environ, "JOURNALD_START": "no"})


class Journal:
    """azmonlog run, with the defaults."""
    name = "journald"

    def __init__(self, build, work, *options):
        self.journald = Journald(f"{work}/journald.log")
        self.journald.begin_anew()
        self.emulator = Emulator(os.environ.get("EMULATOR", f"{build}/azmonlog-emulator"), work, options=options)
        with open(f"{work}/bench.conf", "w"):
            pass  # instead of the machine's own
        self.state = f"{work}/state"
        self.log = open(f"{work}/log", "w")
        self.process = subprocess.Popen(
            [os.environ.get("AZMONLOG", f"{build}/azmonlog"), "run", "--config", f"{work}/bench.conf", "--start", "oldest", "--endpoint",
             f"{self.emulator.url}/v1/logs", "--state-directory", self.state],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=ENVIRONMENT)
        wait_for(lambda: os.path.exists(f"{self.state}/control") or self.process.poll() is not None, "azmonlog to start")

    def threads(self):
        return {"azmonlog", "azm-export"}

    def sender(self):
        """A function that takes one message, as sd_journal_send does."""
        import socket
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect("/run/systemd/journal/socket")
        return lambda text: s.send(b"MESSAGE=%s\nPRIORITY=6\nSYSLOG_IDENTIFIER=bench\n" % text.encode())

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.emulator.__exit__()
        self.journald.end()


class Syslog:
    """rsyslogd with the module, with the defaults."""
    name = "rsyslog"

    def __init__(self, build, work, *options):
        self.emulator = Emulator(os.environ.get("EMULATOR", f"{build}/azmonlog-emulator"), work, options=options)
        self.state = f"{work}/state"
        self.rsyslogd = Rsyslogd(work, module_action(work, f"{self.emulator.url}/v1/logs"), f'module(load="{build}/.libs/omazuremonitor.so")')
        self.process = self.rsyslogd.process

    def threads(self):
        return {"azm-pump", "azm-export"}

    def sender(self):
        import socket
        s = socket.create_connection(("127.0.0.1", int(open(f"{self.rsyslogd.work}/tcp").read())))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return lambda text: s.sendall(f"<14>1 - host0 bench - - - {text}\n".encode())

    def end(self):
        self.rsyslogd.end()
        self.emulator.__exit__()
