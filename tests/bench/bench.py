#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What azmonlog costs: a journal is exported to the emulator, beside a loop that only reads it. See README.md."""
import argparse
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
REMOTES = ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote")
PATIENCE = 600  # seconds for one export, which takes a few
SAMPLE = 0.01  # seconds between two looks at /proc
MB = 1e6
STAGES = {"bare": "libsystemd (the bare loop)", "read": "fields into a record", "encode": "record into OTLP into a batch",
          "gzip": "batch into a gzipped request"}  # as in stages.c, in order; each includes those before
VARIANTS = {"gzip, TLS": (True, True), "no gzip": (False, False), "no gzip, TLS": (False, True)}  # besides gzip without TLS
# azmonlog's surroundings must not change what is measured
ENVIRONMENT = {k: v for k, v in os.environ.items()
               if not re.match(r"OTEL_|AZURE_|APPLICATIONINSIGHTS_|NOTIFY_SOCKET$|WATCHDOG_|INVOCATION_ID$|.*_proxy$", k, re.I)}


def journal_of(entries, folder):
    """The directory with this journal, made anew if the generator has changed since."""
    generator = f"{HERE}/make_journal.py"
    with open(generator, "rb") as f:
        version = hashlib.sha256(f.read()).hexdigest()[:12]
    wanted = f"{folder}/journal-{entries}-{version}"
    if os.path.isdir(wanted):
        return wanted
    for old in glob.glob(f"{folder}/journal-{entries}-*"):
        shutil.rmtree(old)
    remote = next((r for r in REMOTES if os.access(r, os.X_OK)), None)
    if not remote:
        sys.exit("bench: systemd-journal-remote (a package of its own in most distributions) is not installed")
    print(f"making a journal of {entries} entries in {wanted}", flush=True)
    making = tempfile.mkdtemp(prefix="making-", dir=folder)
    try:
        with subprocess.Popen([sys.executable, "-B", generator, str(entries)], stdout=subprocess.PIPE) as text:
            made = subprocess.run([remote, "-o", f"{making}/bench.journal", "-"], stdin=text.stdout, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE)
        if text.returncode or made.returncode:
            sys.exit(f"bench: cannot make the journal: {made.stderr.decode()}")
        os.rename(making, wanted)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return wanted


def warm(journal):
    """Into the page cache with it. Returns its size and number of files."""
    files = glob.glob(f"{journal}/*.journal")
    for name in files:
        with open(name, "rb") as f:
            while f.read(1 << 20):
                pass
    return sum(map(os.path.getsize, files)), len(files)


def wait_for(condition, what, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"bench: waited in vain for {what}")
        time.sleep(0.01)


class Emulator:
    """The destination. It counts what arrives; where it can, without looking closely. `tls`: a folder of make_certs.sh."""

    def __init__(self, program, work, tls=None, options=("--fast",)):
        self.tls = tls
        certificate = ["--tls-cert", f"{tls}/good.pem", "--tls-key", f"{tls}/good.key"] if tls else []
        port = f"{work}/port"
        self.process = subprocess.Popen([program, "--quiet", "--port", "0", "--port-file", port, *certificate, *options])
        wait_for(lambda: os.path.exists(port) or self.process.poll() is not None, "the emulator")
        with open(port) as f:
            self.url = f"http{'s' if tls else ''}://127.0.0.1:{f.read().strip()}"

    def stats(self):
        trust = ssl.create_default_context(cafile=f"{self.tls}/ca.pem") if self.tls else None
        with urllib.request.urlopen(f"{self.url}/emulator/stats", timeout=PATIENCE, context=trust) as answer:
            return json.load(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Watch(threading.Thread):
    """Looks at a process until it ends: its largest RssAnon, and how much CPU time its threads have had."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak_bytes, self.thread_usec, self.over = pid, 0, {}, threading.Event()

    def look(self):
        with open(f"/proc/{self.pid}/status") as f:
            anonymous = re.search(r"^RssAnon:\s*(\d+) kB", f.read(), re.M)
        if anonymous:
            self.peak_bytes = max(self.peak_bytes, int(anonymous[1]) * 1024)
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/comm") as name, open(f"/proc/{self.pid}/task/{task}/schedstat") as cpu:
                self.thread_usec[name.read().strip()] = int(cpu.read().split()[0]) / 1000

    def run(self):
        while not self.over.is_set():
            try:
                self.look()
            except (FileNotFoundError, ProcessLookupError):  # a thread, or all of it, has just ended
                pass
            time.sleep(SAMPLE)


def make_certificates(folder):
    if not os.path.exists(f"{folder}/good.pem"):
        subprocess.run([f"{HERE}/../lib/make_certs.sh", folder], check=True)
    return folder


def export(azmonlog, emulator, journal, entries, gzip=True, tls=None):
    """The whole program, once. Returns its figures, CPU in microseconds per record."""
    with tempfile.TemporaryDirectory(prefix="azmonlog-bench.") as work, Emulator(emulator, work, tls) as destination:
        with open(f"{work}/bench.conf", "w") as f:  # instead of the machine's own
            f.write(f"[export]\ncompression={'gzip' if gzip else 'none'}\n")
            f.write(f"[destination]\ntls_ca_file={tls}/ca.pem\n" if tls else "")
        with open(f"{work}/log", "w+") as log:
            start = time.monotonic()
            process = subprocess.Popen(
                [azmonlog, "run", "--once", "--config", f"{work}/bench.conf", "--start", "oldest", "--directory", journal,
                 "--endpoint", f"{destination.url}/v1/logs", "--state-directory", f"{work}/state"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT)
            watch = Watch(process.pid)
            watch.start()
            too_long = threading.Timer(PATIENCE, process.kill)
            too_long.start()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            too_long.cancel()
            watch.over.set()
            watch.join()
            log.seek(0)
            said = log.read()
        stats = destination.stats()
    if process.returncode != 0 or stats["records"] != entries or stats.get("duplicates", 0) != 0:
        sys.exit(f"bench: azmonlog ended with {process.returncode}, {stats['records']} of {entries} records arrived:\n{said}")
    cpu = {"whole": (usage.ru_utime + usage.ru_stime) * 1e6 / entries, "system": usage.ru_stime * 1e6 / entries}
    exporter = watch.thread_usec.get("azm-export")
    if exporter:
        cpu["exporter_thread"] = exporter / entries
        cpu["reader_thread"] = cpu["whole"] - cpu["exporter_thread"]
    return {"cpu": cpu, "records_per_s": entries / seconds, "peak_rss_anon_bytes": watch.peak_bytes, "records": stats["records"],
            "requests": stats["requests"], "bytes": stats["bytes"], "bytes_wire": stats["bytes_wire"]}


def measure_stages(stages, journal, entries):
    """CPU microseconds per record up to the end of each stage, and how many fields an entry has."""
    ran = json.loads(subprocess.run([stages, journal], env=ENVIRONMENT, stdout=subprocess.PIPE, check=True).stdout)
    if {ran["entries"], *ran["records"]} != {entries}:
        sys.exit(f"bench: the stages have seen {ran['entries']} entries, {ran['records']} records, not {entries}")
    return {name: usec / entries for name, usec in ran["cpu_usec"].items()}, ran["fields"] / entries


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


def measure(build, journal, entries, rounds):
    """Alternately the stages and the whole program, so that what else the machine does meets both."""
    azmonlog = os.environ.get("AZMONLOG", f"{build}/azmonlog")
    emulator = os.environ.get("EMULATOR", f"{build}/azmonlog-emulator")
    for program in (azmonlog, emulator):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench: {program} is not there (the emulator needs libmicrohttpd)")
    wholes, stages, others = [], [], {name: [] for name in VARIANTS}
    tls = make_certificates(f"{build}/bench/certificates")
    for _ in range(rounds):
        upto, fields = measure_stages(f"{build}/tests/bench/stages", journal, entries)
        stages.append(upto)
        wholes.append(export(azmonlog, emulator, journal, entries))
        for name, (gzip, secure) in VARIANTS.items():
            others[name].append(export(azmonlog, emulator, journal, entries, gzip, tls if secure else None))
    cpu = {k: summary([s[k] for s in stages]) for k in STAGES}
    cpu.update((k, summary([w["cpu"][k] for w in wholes])) for k in wholes[0]["cpu"])
    result = {"fields_per_entry": fields, "cpu_usec_per_record": cpu}
    for key in ("records_per_s", "peak_rss_anon_bytes", "records", "requests", "bytes", "bytes_wire"):
        result[key] = summary([w[key] for w in wholes])
    ratio = result["ratio_to_bare_loop"] = summary([w["cpu"]["whole"] / s["bare"] for w, s in zip(wholes, stages)])
    ratio["of_least"] = cpu["whole"]["min"] / cpu["bare"]["min"]
    result["reader_of_bare_read_and_encode"] = summary([s["encode"] / w["cpu"]["reader_thread"] for w, s in zip(wholes, stages)])
    result["variants"] = {name: {"cpu_usec_per_record": summary([w["cpu"]["whole"] for w in ws]),
                                 "records_per_s": summary([w["records_per_s"] for w in ws]),
                                 "peak_rss_anon_bytes": summary([w["peak_rss_anon_bytes"] for w in ws]),
                                 "bytes_wire": summary([w["bytes_wire"] for w in ws])} for name, ws in others.items()}
    return result


def save(value, path):
    with open(path, "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def cpu_model():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return found[1] if found else platform.machine()


def show(r):
    def row(what, s, scale=1.0, digits=2, remark=""):
        median, low, high = (f"{s[k] / scale:,.{digits}f}" for k in ("median", "min", "max"))
        print(f"  {what:<40}{median:>10}  {low:>10} ..{high:>10}  {remark}".rstrip())

    cpu, ratio, n = r["cpu_usec_per_record"], r["ratio_to_bare_loop"], r["entries"]
    print(f"\n{n} entries of {r['fields_per_entry']:.1f} fields, {r['journal_bytes'] / MB:.0f} MB in {r['journal_files']} files, in the page cache")
    print(f"{r['cpus']} x {r['cpu']}; load average {r['load_before']:.2f} before, {r['load_after']:.2f} after; {r['rounds']} rounds")
    print(f"\n{'the whole program, azmonlog run --once':<42}{'median':>10}  {'least':>10}  {'most':>12}")
    row("records/s (the emulator takes part)", r["records_per_s"], digits=0)
    row("CPU per record, us", cpu["whole"])
    row("  of it in the kernel", cpu["system"])
    if "exporter_thread" in cpu:
        row("  of it the reader's thread", cpu["reader_thread"])
        row("  of it the exporter's thread", cpu["exporter_thread"])
    row("peak RssAnon, MB", r["peak_rss_anon_bytes"], MB, 1)
    row("requests", r["requests"], digits=0)
    row("before gzip, MB", r["bytes"], MB, 1, f"{r['bytes']['median'] / n:.0f} bytes a record")
    row("on the wire, MB", r["bytes_wire"], MB, 1,
        f"{r['bytes_wire']['median'] / n:.0f} bytes a record; {r['bytes']['median'] / r['bytes_wire']['median']:.1f} : 1")
    print("beside the bare loop, sd_journal_next + SD_JOURNAL_FOREACH_DATA")
    row("its CPU per entry, us", cpu["bare"])
    row("azmonlog / bare loop, round by round", ratio, remark=f"least / least: {ratio['of_least']:.2f}")
    row("a bare read and encode / the reader's thread", r["reader_of_bare_read_and_encode"])
    print(f"{'CPU by stage, us per record':<42}{'of medians':>10}  {'of leasts':>10}")
    before = {"median": 0, "min": 0}
    for stage, what in (STAGES | {"whole": "sending, and all else"}).items():
        print(f"  {what:<40}" + "  ".join(f"{cpu[stage][k] - before[k]:10.2f}" for k in ("median", "min")))
        before = cpu[stage]
    print(f"{'the whole program otherwise, medians':<42}{'CPU, us':>10}{'records/s':>12}{'RssAnon MB':>12}{'wire MB':>9}")
    for name, v in r["variants"].items():
        print(f"  {name:<40}{v['cpu_usec_per_record']['median']:10.2f}{v['records_per_s']['median']:12,.0f}"
              f"{v['peak_rss_anon_bytes']['median'] / MB:12.1f}{v['bytes_wire']['median'] / MB:9.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".", help="the build folder")
    parser.add_argument("--entries", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="where the result goes; default: bench/result.json in the build folder")
    options = parser.parse_args()
    if options.entries < 1 or options.rounds < 1:
        parser.error("at least one entry and one round")
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    journal = journal_of(options.entries, f"{build}/bench")
    size, files = warm(journal)
    result = {"entries": options.entries, "rounds": options.rounds, "journal_bytes": size, "journal_files": files,
              "cpu": cpu_model(), "cpus": os.cpu_count(), "load_before": os.getloadavg()[0]}
    result.update(measure(build, journal, options.entries, options.rounds))
    result["load_after"] = os.getloadavg()[0]
    show(result)
    path = options.json or f"{build}/bench/result.json"
    save(result, path)
    print(f"\nall of it in {path}")


if __name__ == "__main__":
    main()
