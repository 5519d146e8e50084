# SPDX-License-Identifier: MIT
"""A machine for tests: a folder with a Debian in it, booted by boot-system in namespaces of its own. Needs root.

Whatever ends the test ends the machine: its PID 1 dies with boot-system, and that with this process. Standard library only."""
import contextlib
import os
import signal
import subprocess
import time

from journald import wait_for

BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot-system")
PATIENCE = 180  # seconds: a limit for what must come to pass, never a measure
ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
               "DEBIAN_FRONTEND=noninteractive"]


def cgroups():
    """Where this process is in each hierarchy of control groups that systemd uses, and that is mounted here."""
    mounts = {}  # controllers, as /proc/self/cgroup names them -> where they are mounted
    with open("/proc/self/mounts") as f:
        for line in f:
            _, place, kind, options = line.split()[:4]
            if kind == "cgroup2":
                mounts[""] = place
            elif kind == "cgroup":
                for option in options.split(","):
                    mounts[option] = place
    with open("/proc/self/cgroup") as f:
        here = [line.rstrip("\n").split(":", 2) for line in f]
    used = {"", "name=systemd", "memory", "cpu", "cpuacct", "pids", "devices", "blkio"}
    return [mounts[names.split(",")[0]] + path.rstrip("/") for _, names, path in here
            if used.intersection(names.split(",")) and names.split(",")[0] in mounts]


class Machine:
    def __init__(self, root, log):
        """`root`: the folder; `log`: a file for what commands say on stderr."""
        self.root, self.log = root, open(log, "ab")
        self.process = self.pid = None
        self.cgroups = [f"{place}/azmonlog-test-{os.getpid()}" for place in cgroups()]

    # --- power ---

    def boot(self):
        """Returns when it is up, how: running, or degraded."""
        for place in self.cgroups:
            os.makedirs(place, exist_ok=True)

        def enter():
            for place in self.cgroups:
                with open(f"{place}/cgroup.procs", "w") as f:
                    f.write("0")

        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", BOOT, self.root], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, preexec_fn=enter)
        wait_for(lambda: self.process.poll() is not None or self._init(), "PID 1", PATIENCE)
        self.pid = self._init()
        wait_for(lambda: self.process.poll() is not None or os.path.exists(f"/proc/{self.pid}/root/run/systemd/private"), "systemd", PATIENCE)
        if self.process.poll() is not None:
            raise RuntimeError(f"the machine does not boot: {self.process.returncode}; {self.log.name} says more")
        return self.output("systemctl", "is-system-running", "--wait", check=False).strip()

    def _init(self):
        """The pid of its PID 1 here, or None."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
                for child in f.read().split():
                    with open(f"/proc/{child}/comm") as comm:
                        if comm.read().strip() in ("systemd", "init"):
                            return int(child)
        return None

    def _wait(self, how=None):
        ended = self.process.wait(PATIENCE)
        self.process = self.pid = None
        if how and ended != -how:
            raise RuntimeError(f"the machine ended by {ended}, not by {how!r}")

    def power_off(self):
        self.run("systemctl", "poweroff", "--no-block")
        self._wait(signal.SIGINT)

    def reboot(self):
        """As `boot`."""
        self.run("systemctl", "reboot", "--no-block")
        self._wait(signal.SIGHUP)
        return self.boot()

    def kill(self):
        """Everything in it at once."""
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def close(self):
        if self.process:
            self.process.kill()  # and its PID 1 with it
            self.process.wait()
            self.process = self.pid = None
        for place in self.cgroups:
            wait_for(lambda: self._empty(place), f"{place} to be empty")

    @staticmethod
    def _empty(place):
        for folder, _, _ in os.walk(place, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not os.path.exists(place)

    # --- what runs in it ---

    def command(self, *command):
        """`command` in the machine, as root; not under its service manager."""
        return ["nsenter", "--target", str(self.pid), "--all", *ENVIRONMENT, *command]

    def run(self, *command, check=True, timeout=PATIENCE, input=None):
        """Returns the subprocess.CompletedProcess, with output as text."""
        done = subprocess.run(self.command(*command), input=input, stdin=None if input else subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        self.log.write(f"$ {' '.join(command)}\n{done.stdout}".encode())
        self.log.flush()
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}")
        return done

    def output(self, *command, **options):
        return self.run(*command, **options).stdout

    def wait_for(self, what, *command, seconds=PATIENCE):
        """Until `command` ends with 0."""
        limit = time.monotonic() + seconds
        while (done := self.run(*command, check=False)).returncode:
            if time.monotonic() > limit:
                raise TimeoutError(f"waited {seconds} s in vain for {what}: {done.stdout[-2000:]}")
            time.sleep(0.1)
        return done.stdout

    def property(self, unit, name):
        """Of a unit, as systemctl show has it."""
        return self.output("systemctl", "show", "--value", "--property", name, unit).strip()

    def path(self, name):
        """A file of the machine, seen from here; not one below /run, /tmp or /dev."""
        return self.root + name
