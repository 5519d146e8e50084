#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hosts.py: what a record costs when the journals of many hosts lie in one folder, as systemd-journal-remote leaves them: the same
entries as those of one host, and as those of 10, 100 and 1000. See README.md. Standard library only."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bench
import make_journal


def ids(host):
    return [uuid.uuid5(uuid.NAMESPACE_OID, f"{what} {host}").hex.encode() for what in ("boot", "machine")]


def make_folder(entries, hosts, folder):
    """`entries` of make_journal.py, entry by entry those of another host; a file for each."""
    remote = next((r for r in bench.REMOTES if os.access(r, os.X_OK)), None)
    if not remote:
        sys.exit("hosts: systemd-journal-remote (a package of its own in most distributions) is not installed")
    whole = subprocess.run([sys.executable, "-B", f"{HERE}/make_journal.py", str(entries)], stdout=subprocess.PIPE, check=True).stdout
    begin = b"__REALTIME_TIMESTAMP="
    parts = [[] for _ in range(hosts)]
    for i, entry in enumerate(whole.split(b"\n" + begin)):
        parts[i % hosts].append((b"" if i == 0 else begin) + entry + b"\n")
    for host, own in enumerate(parts):
        boot, machine = ids(host)
        text = b"".join(own)
        for old, new in ((make_journal.BOOT.encode(), boot), (make_journal.MACHINE.encode(), machine), (b"_HOSTNAME=web-07", b"_HOSTNAME=web-%d" % host)):
            text = text.replace(old, new)
        subprocess.run([remote, "-o", f"{folder}/remote-web-{host}.journal", "-"], input=text, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default=".")
    p.add_argument("--entries", type=int, default=100000)
    p.add_argument("--hosts", type=int, nargs="*", default=[1, 10, 100, 1000])
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    build = os.path.abspath(a.build)
    azmonlog = os.environ.get("AZMONLOG", f"{build}/azmonlog")
    emulator = os.environ.get("EMULATOR", f"{build}/azmonlog-emulator")
    results = []
    os.makedirs(f"{build}/bench", exist_ok=True)
    print(f"{a.entries} entries, of so many hosts; least of {a.rounds} rounds; {bench.cpu_model()}, load {os.getloadavg()[0]:.1f}")
    print("hosts    CPU us/record   reader's   records/s   RssAnon MB   requests")
    for hosts in a.hosts:
        folder = tempfile.mkdtemp(prefix="hosts-", dir=f"{build}/bench")
        try:
            make_folder(a.entries, hosts, folder)
            bench.warm(folder)
            rounds = [bench.export(azmonlog, emulator, folder, a.entries) for _ in range(a.rounds)]
        finally:
            shutil.rmtree(folder)
        best = min(rounds, key=lambda r: r["cpu"]["whole"])
        results.append({"hosts": hosts, "entries": a.entries, "load": os.getloadavg()[0], "rounds": rounds})
        print(f"{hosts:5}    {best['cpu']['whole']:13.2f}   {best['cpu'].get('reader_thread', 0):8.2f}   {best['records_per_s']:9,.0f}   "
              f"{best['peak_rss_anon_bytes'] / bench.MB:10.1f}   {best['requests']:8}", flush=True)
    with open(f"{build}/bench/hosts.json", "w") as f:
        json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
