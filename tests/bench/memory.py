#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A backlog through azmonlog as a unit of a booted systemd, without a limit and under small MemoryMax=, with the journal in the page cache
(where its pages count for who has brought them there) and on disk. See README.md."""
import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, f"{HERE}/../lib"]
from bench import cpu_model, journal_of, save, warm  # noqa: E402
from machine import Machine  # noqa: E402

URL = "http://127.0.0.1:4318"


def evict(journal):
    """Out of the page cache with it: its pages then count for the unit that reads them."""
    os.sync()
    for name in os.listdir(journal):
        with open(f"{journal}/{name}", "rb") as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_ahead_kb(path):
    """How much the kernel reads around a page that is not there: it counts for whoever touched the page. None: not known."""
    device = os.stat(path).st_dev
    try:
        with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb") as f:
            return int(f.read())
    except FileNotFoundError:
        return None


def export(m, entries, limit):
    """azmonlog run --once in a unit with this MemoryMax=: its CPU and wall time, and what was delivered."""
    stats = ["python3", "-c", f"import urllib.request; print(urllib.request.urlopen('{URL}/emulator/stats').read().decode())"]
    m.run("systemctl", "restart", "emulator")
    m.wait_for("the emulator", *stats)
    m.run("rm", "-rf", "/srv/state")
    begin = time.monotonic()
    said = m.output("systemd-run", "--wait", "--pipe", "--quiet", "--collect", "-p", f"MemoryMax={limit}", "-p", "MemorySwapMax=0", "sh", "-c",
                    "/srv/azmonlog run --once --config /srv/bench.conf --start oldest --directory /srv/journal --state-directory /srv/state "
                    f"--endpoint {URL}/v1/logs && times", check=False, timeout=1800)
    wall = time.monotonic() - begin
    arrived = json.loads(m.output(*stats))
    cpu = re.search(r"^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$\Z", said.strip(), re.M)  # of the shell's children
    if not cpu or arrived["records"] != entries or arrived["duplicates"]:
        sys.exit(f"bench-memory: {arrived['records']} of {entries} records arrived under MemoryMax={limit}: {said}")
    user, system = (60 * int(cpu[i]) + float(cpu[i + 1]) for i in (1, 3))
    return {"seconds": wall, "cpu_s_per_million": (user + system) / entries * 1e6, "system_s_per_million": system / entries * 1e6,
            "records_per_s": entries / wall}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--entries", type=int, default=1000000)
    parser.add_argument("--root", required=True, help="a folder with a Debian that has azmonlog's libraries, such as build/roots/system-bookworm of check-system")
    parser.add_argument("--limits", type=lambda s: s.split(","), default=["infinity", "64M", "32M", "24M"])
    parser.add_argument("--json", help="where the result goes; default: bench/memory.json in the build folder")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    journal = journal_of(options.entries, f"{build}/bench")
    result = {"cpu": cpu_model(), "load_before": os.getloadavg()[0], "entries": options.entries, "limits": {},
              "read_ahead_kb": read_ahead_kb(journal)}
    with tempfile.TemporaryDirectory(prefix="bench-memory.", dir=f"{build}/bench") as work:
        root = f"{work}/root"
        subprocess.run(["cp", "-a", options.root, root], check=True)  # which knows device nodes
        shutil.copytree(journal, f"{root}/srv/journal", copy_function=os.link)
        for program in ("azmonlog", "azmonlog-emulator"):
            shutil.copy(f"{build}/{program}", f"{root}/srv/{program}")
        with open(f"{root}/srv/bench.conf", "w"):
            pass
        with open(f"{root}/etc/systemd/system/emulator.service", "w") as f:
            f.write("[Service]\nExecStart=/srv/azmonlog-emulator --fast --quiet --port 4318\n")
        m = Machine(root, f"{work}/log")
        try:
            m.boot()
            print(f"{options.entries} entries in a unit of a booted {re.match('[^ ]* [0-9]*', m.output('systemctl', '--version'))[0]}; "
                  f"{cpu_model()}, load {result['load_before']:.1f}; the disk reads ahead {result['read_ahead_kb']} KB")
            for limit, cold in itertools.product(options.limits, (False, True)):
                (evict if cold else warm)(f"{root}/srv/journal")
                r = export(m, options.entries, limit)
                result["limits"][f"{limit}, {'cold' if cold else 'warm'}"] = r
                print(f"MemoryMax={limit:10} journal {'on disk' if cold else 'in the page cache':18} {r['records_per_s']:9,.0f} records/s {r['cpu_s_per_million']:6.2f} CPU s per million, {r['system_s_per_million']:.2f} of it in the kernel", flush=True)
        finally:
            m.close()
    save(result, options.json or f"{build}/bench/memory.json")


if __name__ == "__main__":
    main()
