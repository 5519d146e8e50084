# SPDX-License-Identifier: MIT
"""The cases of examples.sh. Standard library only."""
import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from recipes import EXAMPLES, MANY, TRACEPARENT, cc, killed_in_the_middle, missing  # noqa: E402
from tap import run  # noqa: E402


def process_pool(out):
    """Python's ProcessPoolExecutor"""
    killed_in_the_middle(out, "shop-pool", sys.executable, f"{EXAMPLES}/python/process_pool.py", MANY)


def multiprocessing_workers(out):
    """Python's multiprocessing"""
    killed_in_the_middle(out, "shop-multiprocessing", sys.executable, f"{EXAMPLES}/python/multiprocessing_workers.py", MANY)


def only_prints(out):
    """A service that only prints"""
    killed_in_the_middle(out, "shop-stdout", "systemd-cat", "-t", "shop-stdout", sys.executable, f"{EXAMPLES}/stdout/shop.py", MANY)


def prints_json(out):
    """A service that prints lines of JSON"""
    killed_in_the_middle(out, "shop-json", "systemd-cat", "-t", "shop-json", sys.executable, f"{EXAMPLES}/stdout/json_lines.py", MANY,
                         env={"TRACEPARENT": TRACEPARENT}, traces="one", more="[journal]\nparse=json\n")


def c_journal(out):
    """C: sd_journal_send"""
    if not missing("C: sd_journal_send", "pkg-config"):
        libsystemd = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd"], stdout=subprocess.PIPE, text=True, check=True).stdout
        killed_in_the_middle(out, "shop-c", cc(out, f"{EXAMPLES}/c/journal.c", *shlex.split(libsystemd)), MANY,
                             env={"TRACEPARENT": TRACEPARENT}, traces="one")


def c_syslog(out):
    """C: syslog(3)"""
    killed_in_the_middle(out, "shop-syslog", cc(out, f"{EXAMPLES}/c/syslog.c"), MANY)


def shell_fields(out):
    """logger --journald"""
    if not missing("logger --journald", "logger"):
        killed_in_the_middle(out, "shop-logger", f"{EXAMPLES}/shell/fields.sh", MANY, env={"TRACEPARENT": TRACEPARENT}, traces="one")


def shell_lines(out):
    """systemd-cat"""
    # dash, because what other shells print by stdio cannot be seen by written.c
    if not missing("systemd-cat", "dash"):
        killed_in_the_middle(out, "shop-shell", "systemd-cat", "-t", "shop-shell", "dash", f"{EXAMPLES}/shell/lines.sh", MANY)


run(process_pool, multiprocessing_workers, only_prints, prints_json, c_journal, c_syslog, shell_fields, shell_lines)
