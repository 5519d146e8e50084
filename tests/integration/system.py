# SPDX-License-Identifier: MIT
"""The cases of system.sh. All of them happen to one machine, one after the other. Standard library only."""
import collections
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../demo")]
from azure import APP, APP_OBJECT, DCR, SECRET, TENANT, read_lines
from forked_workers import TRANSPORTS
from journald import wait_for
from machine import PATIENCE, Machine
from main_job import LINE
from screen import ENDED, Screen, missing as no_screen
from tap import check, equal, note, run, skip

WORK, RELEASE = sys.argv[1], os.environ["release"]
NEW, OLD = os.environ["new"], os.environ["old"]
CONF, DROP_IN = "/etc/azmonlog/azmonlog.conf", "/etc/azmonlog/azmonlog.conf.d/test.conf"
RSYSLOG = "/etc/rsyslog.d/60-azuremonitor.conf"
STATE, SPOOL = "/var/lib/azmonlog", "/var/spool/azmonlog/network"
SECRET_FILE = "/etc/credstore/azmonlog.client-secret"
OVERRIDE = "/etc/systemd/system/azmonlog.service.d/override.conf"  # as systemctl edit names it
METRICS, TEXTFILE_FOLDER = "http://127.0.0.1:9469", "/var/lib/prometheus/node-exporter"
URL = "http://127.0.0.1:4318"
PACKAGES = ["azmonlog", "rsyslog-azuremonitor", "azmonlog-emulator"]
# what changes by itself, and the bookkeeping of apt and dpkg
VOLATILE = re.compile(r"/(dev|proc|run|sys|tmp|srv|root|var/(log|tmp|cache|lib/(apt|dpkg|systemd/(random-seed|timers|catalog)|rsyslog|logrotate|private)))(/|$)"
                      r"|/etc/(ld\.so\.cache|\.pwd\.lock|(passwd|group|shadow|gshadow)-)$")
EMULATOR = """[Service]
ExecStart=/usr/bin/azmonlog-emulator --store /srv/received --requests /srv/requests --auth --identities /srv/identities --identity-log /srv/tokens --token-key /srv/token-key --script /srv/script
"""

m = Machine(os.environ["machine"], f"{WORK}/machine.log")


# --- what is logged, and what arrives ---

class Workers:
    """The forked workers of the demonstration in the machine, in a unit of their own; they log and die beside the test."""
    everybody = []

    def __init__(self, transports=TRANSPORTS, workers=18, lines=60, pause=0.02):
        self.first, self.workers, self.journald = 18 * len(self.everybody), workers, transports == TRANSPORTS
        self.unit, self.ledger = f"workers-{self.first}", f"/srv/ledger-{self.first}"
        self.everybody.append(self)
        m.run("systemd-run", "--quiet", "--collect", f"--unit={self.unit}", "--property=SyslogIdentifier=demo-workers", "python3",
              "-B", "/srv/forked_workers.py", self.ledger, str(workers), str(lines), str(pause), str(self.first), *transports)

    def logged(self):
        """(worker, line) of each write that has returned; who died between the write and the count has written one more."""
        try:
            with open(m.path(self.ledger) + ".sent", "rb") as f:
                counts = struct.unpack(f"{self.workers}Q", f.read())
        except FileNotFoundError:
            return set()
        return {(self.first + w, i) for w, n in enumerate(counts) for i in range(n)}

    def wait(self):
        """Until they have all died."""
        wait_for(lambda: m.property(self.unit, "ActiveState") in ("inactive", "failed"), self.unit, PATIENCE)
        if not os.path.exists(m.path(self.ledger)):
            raise RuntimeError(f"{self.unit} did not come to its end")
        return self


def arrived():
    """(worker, line) -> the uids under which it arrived, copies included."""
    found = collections.defaultdict(list)
    for record in read_lines(m.path("/srv/received")):
        line = LINE.match(record.get("body") or "")
        if line:
            found[int(line[1]), int(line[2])].append(record["uid"])
    return found


def check_arrived(when):
    """What was logged to journald is there when azmonlog flush returns; what rsyslogd has taken comes soon."""
    flushed = m.run("azmonlog", "flush", "--timeout", "2min", check=False)
    equal(f"{when}: azmonlog flush ends with 0", flushed.returncode, 0, flushed.stdout)
    there = arrived()
    journald = set().union(*(w.logged() for w in Workers.everybody if w.journald))
    missing = sorted(journald - there.keys())
    check(f"{when}: nothing of the {len(journald)} lines that journald got is lost", not missing, f"{len(missing)} are", missing[:10])
    rsyslog = set().union(*(w.logged() for w in Workers.everybody if not w.journald))
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: rsyslog <= arrived().keys(), "rsyslogd's records", PATIENCE)
    missing = sorted(rsyslog - arrived().keys())
    check(f"{when}: nothing of the {len(rsyslog)} lines that rsyslogd got is lost", not missing, f"{len(missing)} are", missing[:10])


def status(*options):
    """What a running azmonlog says of itself; {} if it does not."""
    r = m.run("azmonlog", "status", "--json", *options, check=False)
    return json.loads(r.stdout) if r.returncode < 3 else {}


def spooled(*options):
    return status(*options).get("spool", {}).get("records", 0)


# --- the machine ---

def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(m.path(path)), exist_ok=True)
    with open(os.open(m.path(path), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w") as f:
        f.write(text)


def read(path):
    with open(m.path(path)) as f:
        return f.read()


def edit(path, changes):
    """As a person does in an editor, each in the first line of its kind ([metrics] has a dce=, too); returns how many lines were
    changed."""
    lines = read(path).split("\n")
    for old, new in changes.items():
        at = next((i for i, line in enumerate(lines) if re.match(old, line)), None)
        if at is not None:
            lines[at] = new
    changed = sum(a != b for a, b in zip(lines, read(path).split("\n")))
    write(path, "\n".join(lines))
    return changed


def listing():
    """Path -> kind, owner, mode and, below /etc, content of what is installed."""
    found = {}
    for folder, folders, files in os.walk(m.root):
        here = folder[len(m.root):]
        folders[:] = [f for f in folders if not VOLATILE.match(f"{here}/{f}")]
        for name in folders + files:
            path = f"{here}/{name}"
            if VOLATILE.match(path):
                continue
            s = os.lstat(m.path(path))
            what = ""
            if stat.S_ISLNK(s.st_mode):
                what = os.readlink(m.path(path))
            elif stat.S_ISREG(s.st_mode) and here.startswith("/etc"):
                with open(m.path(path), "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            found[path] = (stat.filemode(s.st_mode), s.st_uid, s.st_gid, what)
    return found


def check_listing(what, before):
    after = listing()
    check(what, before == after, *(f"is left: {p} {after[p]}" for p in sorted(after.keys() - before.keys())),
          *(f"is missing: {p}" for p in sorted(before.keys() - after.keys())),
          *(f"differs: {p} {before[p]} {after[p]}" for p in sorted(before.keys() & after.keys()) if before[p] != after[p]))


def check_gone(said):
    """After `apt-get remove`, which said this."""
    equal("the service is gone, and its process", (m.property("azmonlog", "LoadState"), m.property("azmonlog", "ActiveState"),
          m.run("pgrep", "-x", "azmonlog", check=False).stdout), ("not-found", "inactive", ""), said)


def packages(folder):
    """The files of the packages, as the machine sees them."""
    return sorted(f"/srv/{folder}/{os.path.basename(p)}" for p in glob.glob(m.path(f"/srv/{folder}/*.deb")))


def install(folder):
    return m.output("apt-get", "install", "-y", "-q", "-o", "Dpkg::Options::=--force-confold", *packages(folder))


def start_emulator():
    m.run("systemctl", "start", "emulator")
    m.wait_for("the emulator", "bash", "-c", "</dev/tcp/127.0.0.1/4318")


def requests_on_their_way():
    return json.loads(m.output("python3", "-c", f"import urllib.request as r; print(r.urlopen('{URL}/emulator/stats').read().decode())"))["in_flight"]


def ask_metrics(path):
    """Status and text; 0 if nobody answers."""
    said = m.output("curl", "--silent", "--write-out", "%{http_code}", METRICS + path, check=False)
    return int(said[-3:]), said[:-3]


def check_exposure(when):
    said = m.output("systemd-analyze", "security", "--no-pager", "azmonlog", check=False).splitlines()[-1]
    level = re.search(r"exposure level for azmonlog.service: ([\d.]+)", said)
    check(f"{when}: systemd-analyze security finds an exposure of 1.5 or less", level and float(level[1]) <= 1.5, said)
    note(f"figure: {RELEASE}: {when}: {said}")


def active(unit):
    return m.property(unit, "ActiveState") == "active"


def main_pid(unit):
    return int(m.property(unit, "MainPID"))


# --- the cases ---

def boots():
    """The machine, before anything is installed."""
    for folder, source in (("new", NEW), ("old", OLD)):
        os.makedirs(m.path(f"/srv/{folder}"))
        for path in glob.glob(f"{source}/*.deb"):
            shutil.copy(path, m.path(f"/srv/{folder}"))
    shutil.copy(os.path.join(HERE, "../demo/forked_workers.py"), m.path("/srv"))
    write("/srv/identities", json.dumps({"applications": [{"tenant": TENANT, "client_id": APP, "object_id": APP_OBJECT, "secret": SECRET}]}))
    write("/srv/script", "request * delay 900ms\n")  # a distance, so that a SIGKILL finds requests on their way
    write("/srv/token-key", "k" * 32, 0o600)
    write("/etc/systemd/system/emulator.service", EMULATOR)
    equal("it boots", m.boot(), "running", lambda: m.output("systemctl", "--failed", "--no-pager"))
    note(f"figure: {RELEASE}: {m.output('sh', '-c', '. /etc/os-release; echo $PRETTY_NAME').strip()}, {m.output('systemctl', '--version').splitlines()[0]}, "
         f"{' '.join(m.output('rsyslogd', '-v').split()[:2])}")
    global before
    before = listing()


def new_user():
    """The way of README: install, three lines, check, enable, see records."""
    begin = time.monotonic()
    times = []

    def step(name, *command):
        since = time.monotonic()
        r = m.run(*command, check=False)
        times.append(f"{name} {time.monotonic() - since:.1f} s")
        equal(f"{name}: ends with 0", r.returncode, 0, r.stdout)
        return r.stdout

    said = step("apt install", "apt-get", "install", "-y", "-q", *packages("new"))
    check("the packages say what to do next", "systemctl enable --now azmonlog" in said, said)
    equal("the service is neither started nor enabled", (m.property("azmonlog", "ActiveState"), m.property("azmonlog", "UnitFileState")),
          ("inactive", "disabled"))
    check_exposure("as installed")
    m.run("systemd-run", "--quiet", "--unit=walk", "azmonlog-emulator", "--store", "/srv/walk")
    m.wait_for("the emulator", "bash", "-c", "</dev/tcp/127.0.0.1/4318")
    equal("three lines are to be edited", edit(CONF, {r"#dce=": f"dce={URL}", r"#dcr=": f"dcr={DCR}", r"#auth=": "auth=none"}), 3)
    step("azmonlog check", "azmonlog", "check")
    step("systemctl enable --now azmonlog", "systemctl", "enable", "--now", "azmonlog")
    step("logger", "logger", "-t", "walk", "the first record")
    wait_for(lambda: any(r.get("body") == "the first record" for r in read_lines(m.path("/srv/walk"))), "the record", PATIENCE)
    check("azmonlog status: well", step("azmonlog status", "azmonlog", "status").startswith("State         well since "))
    note(f"figure: {RELEASE}: a new user's way took {time.monotonic() - begin:.1f} s: {', '.join(times)}")

    begin = time.monotonic()
    shutil.copy(m.path("/usr/share/doc/rsyslog-azuremonitor/examples/60-azuremonitor.conf.example"), m.path(RSYSLOG))
    said = step("rsyslogd -N1", "rsyslogd", "-N1")
    check("rsyslogd has nothing to say against the drop-in", len(said.splitlines()) == 2, said)
    step("systemctl restart rsyslog", "systemctl", "restart", "rsyslog")
    step("logger by TCP", "logger", "--tcp", "--server", "127.0.0.1", "--port", "514", "--rfc5424", "-t", "walk", "the first by rsyslog")
    wait_for(lambda: any(r.get("body") == "the first by rsyslog" for r in read_lines(m.path("/srv/walk"))), "rsyslog's record", PATIENCE)
    check("azmonlog status shows the action", "network" in step("azmonlog status", "azmonlog", "status"))
    note(f"figure: {RELEASE}: and for rsyslog {time.monotonic() - begin:.1f} s")
    print(re.sub("^", "# ", m.output("azmonlog", "status"), flags=re.M))

    m.run("systemctl", "stop", "walk")
    os.unlink(m.path(RSYSLOG))
    m.run("systemctl", "restart", "rsyslog")
    said = m.output("apt-get", "purge", "-y", "-q", *PACKAGES)
    check_gone(said)
    check_listing("purge leaves nothing behind", before)


def configure(secret_file):
    write(DROP_IN, f"[destination]\nauth=client_secret\nauthority={URL}\ntenant_id={TENANT}\nclient_id={APP}\n"
                   f"client_secret_file={secret_file}\n[export]\nretry_max_delay=2s\n[state]\nspool_after=1s\n")


def previous_version():
    """The packages that were there before, configured for Azure, with a secret."""
    install("old")
    edit(CONF, {r"#dce=": f"dce={URL}", r"#dcr=": f"dcr={DCR}"})
    write("/etc/azmonlog/secret", SECRET, 0o640)
    m.run("chgrp", "azmonlog", "/etc/azmonlog/secret")
    configure("/etc/azmonlog/secret")
    shutil.copy(m.path("/usr/share/doc/rsyslog-azuremonitor/examples/60-azuremonitor.conf.example"), m.path(RSYSLOG))
    start_emulator()
    m.run("systemctl", "enable", "--now", "azmonlog")
    m.run("systemctl", "restart", "rsyslog")
    Workers().wait()
    Workers(["tcp"]).wait()
    check_arrived("the previous version")


def upgrade():
    """During an outage, with records in both spools, and while programs log."""
    m.run("systemctl", "stop", "emulator")
    Workers().wait()
    tcp = Workers(["tcp"]).wait()
    wait_for(lambda: spooled() > 0, "azmonlog to spool", PATIENCE)
    wait_for(lambda: spooled("--state-directory", SPOOL) >= len(tcp.logged()), "rsyslog's spool", PATIENCE)
    pid, rsyslogd, kept = main_pid("azmonlog"), main_pid("rsyslog"), spooled()
    old = m.output("dpkg-query", "--show", "--showformat", "${Version}", "azmonlog")
    w = Workers()
    install("new")
    new = m.output("dpkg-query", "--show", "--showformat", "${Version}", "azmonlog")
    check(f"apt upgrades {old} to {new}", m.run("dpkg", "--compare-versions", old, "lt", new, check=False).returncode == 0)
    w.wait()
    wait_for(status, "azmonlog to answer", PATIENCE)
    check("the service has been restarted, and runs", active("azmonlog") and main_pid("azmonlog") != pid)
    wait_for(lambda: main_pid("rsyslog") not in (0, rsyslogd), "rsyslogd to be restarted", PATIENCE)
    check("so has rsyslogd, which has the new module", active("rsyslog"))
    check("the spool is kept", spooled() >= kept, spooled(), kept)
    wait_for(lambda: status("--state-directory", SPOOL), "the action to answer", PATIENCE)
    check("that of rsyslog, too", spooled("--state-directory", SPOOL) >= len(tcp.logged()), spooled("--state-directory", SPOOL), len(tcp.logged()))
    equal("the configuration is kept", (m.property("azmonlog", "UnitFileState"), f"dce={URL}" in read(CONF)), ("enabled", True))
    start_emulator()
    check_arrived("upgrade")


def hardened():
    """What the unit promises holds in the process."""
    pid = main_pid("azmonlog")
    process = dict(line.split(":", 1) for line in m.output("cat", f"/proc/{pid}/status").splitlines())
    equal("no capability, no new privileges, a filter of system calls", (process["CapEff"].strip(), process["CapBnd"].strip(),
          process["NoNewPrivs"].strip(), process["Seccomp"].strip()), ("0" * 16, "0" * 16, "1", "2"))
    equal("it runs as azmonlog", m.output("id", "-un", process["Uid"].split()[0]).strip(), "azmonlog")
    equal("no core files", re.search(r"Max core file size +(\S+) +(\S+)", m.output("cat", f"/proc/{pid}/limits")).groups(), ("0", "0"))
    inside = ["nsenter", "--target", str(pid), "--mount", "--"]
    equal("it cannot write below /usr and /etc", [m.run(*inside, "touch", f"{d}/x", check=False).returncode for d in ("/usr", "/etc")], [1, 1])
    equal("its state is its own", oct(os.stat(m.path(STATE)).st_mode & 0o7777), "0o750")
    limit = int(m.property("azmonlog", "MemoryMax"))
    group = m.property("azmonlog", "ControlGroup")
    for path in (f"/sys/fs/cgroup/memory{group}/memory.limit_in_bytes", f"/sys/fs/cgroup{group}/memory.max"):
        if m.run("test", "-e", path, check=False).returncode == 0:
            equal("the kernel has its memory limit", int(m.output("cat", path)), limit)
            break
    else:
        skip("the kernel has its memory limit", "no memory controller for the machine's cgroups here")
    os.unlink(m.path("/etc/azmonlog/secret"))
    write(SECRET_FILE, SECRET, 0o600)
    os.chmod(m.path(os.path.dirname(SECRET_FILE)), 0o700)
    configure(os.path.basename(SECRET_FILE))
    tokens = len(read_lines(m.path("/srv/tokens")))
    m.run("systemctl", "restart", "azmonlog")
    m.run("azmonlog", "flush", "--timeout", "1min")
    check("systemd hands the secret over, for which there is a token", len(read_lines(m.path("/srv/tokens"))) > tokens)
    cursor = status()["acknowledged"]["cursor"]
    m.run("logger", "-t", "walk", "after the cursor")
    behind = m.output("journalctl", "--output=cat", f"--after-cursor={cursor}")
    check("journalctl goes on after the cursor of azmonlog status", "after the cursor" in behind and not re.search(LINE.pattern, behind, re.M), behind)


def metrics():
    """As docs/metrics.md says: HTTP for this host, a file for Debian's node_exporter, heartbeats. They stay on."""
    write("/etc/azmonlog/azmonlog.conf.d/metrics.conf",
          f"[metrics]\nlisten=127.0.0.1:9469\ntextfile={TEXTFILE_FOLDER}/azmonlog.prom\nheartbeat=5min\n")
    m.run("systemctl", "restart", "azmonlog")
    equal("/healthz, as soon as the service is up", ask_metrics("/healthz"), (200, "alive\n"))
    wait_for(lambda: ask_metrics("/readyz") == (200, "well\n"), "/readyz: well", PATIENCE)
    code, text = ask_metrics("/metrics")
    check("/metrics", code == 200 and re.search(r"^azmonlog_records_read_total [1-9]", text, re.M), code, text)
    m.wait_for("the complaint about the folder", "journalctl", "--quiet", "--boot", "--unit=azmonlog",
               f"--grep=textfile=: cannot write {TEXTFILE_FOLDER}/azmonlog.prom: Read-only file system")
    check("a folder that the service may not write into is said, and records go on", active("azmonlog"))

    write(OVERRIDE, f"[Service]\nReadWritePaths=-{TEXTFILE_FOLDER}\n")
    m.run("setfacl", "-m", "u:azmonlog:rwx", TEXTFILE_FOLDER)
    m.run("systemctl", "daemon-reload")
    m.run("systemctl", "restart", "azmonlog")

    def exported(sample):
        """Waits until node_exporter has this line."""
        m.wait_for(f"node_exporter to have {sample}", "sh", "-c", 'curl --silent 127.0.0.1:9100/metrics | grep -q "^$1"', "sh", sample)
        check(f"node_exporter has {sample}", True)

    exported("azmonlog_records_read_total [1-9]")
    exported('azmonlog_condition{condition="well"} 1')
    exported("node_textfile_scrape_error 0")
    check_exposure("with listen= and textfile=")
    wait_for(lambda: any(r.get("event_name") == "azmonlog.heartbeat" for r in read_lines(m.path("/srv/received"))), "a heartbeat", PATIENCE)
    m.run("systemctl", "stop", "emulator")
    m.run("logger", "-t", "walk", "while the destination is away")
    wait_for(lambda: ask_metrics("/readyz") == (503, "behind\n"), "/readyz: behind", PATIENCE)
    equal("azmonlog status: behind", m.run("azmonlog", "status", check=False).returncode, 1)
    exported('azmonlog_condition{condition="behind"} 1')
    equal("/healthz knows of no trouble", ask_metrics("/healthz"), (200, "alive\n"))
    start_emulator()
    wait_for(lambda: ask_metrics("/readyz") == (200, "well\n"), "/readyz: well again", PATIENCE)
    m.run("systemctl", "stop", "azmonlog")
    equal("stopped: nobody answers", ask_metrics("/healthz"), (0, ""))
    equal("... azmonlog status: down", m.run("azmonlog", "status", check=False).returncode, 3)
    equal("... and the file is gone", os.listdir(m.path(TEXTFILE_FOLDER)), [])
    m.run("mv", TEXTFILE_FOLDER, f"{TEXTFILE_FOLDER}.away")
    m.run("systemctl", "start", "azmonlog")
    check("it starts where node_exporter's folder is not there", active("azmonlog"))
    m.run("mv", f"{TEXTFILE_FOLDER}.away", TEXTFILE_FOLDER)
    m.run("systemctl", "restart", "azmonlog")


SHOP = """import os
print("GET /health 200")
print("login password=hunter2 for ORD-4711", flush=True)
def pack(worker):
    raise RuntimeError(f"worker {worker}: no room for ORD-47{worker}")
workers = 4
for worker in range(workers):
    if os.fork() == 0:
        pack(worker)
for _ in range(workers):
    os.wait()
"""
SHOP_CONF = r"""[unit "shop"]
multiline=auto
[journal]
multiline_timeout=1min
[filter]
exclude=service.name=shop && body~^GET /health\b
[redact]
rules=password
pattern=order: \bORD-\K\d+
"""


def check_shop(when):
    """A service whose forked workers fail with a stack trace, all at once, under [unit], [filter] and [redact]."""
    seen = len(read_lines(m.path("/srv/received")))
    m.run("systemd-run", "--quiet", "--wait", "--collect", "--unit=shop", "python3", "/srv/shop.py")
    m.run("azmonlog", "flush", "--timeout", "1min")
    bodies = sorted(r["body"] for r in read_lines(m.path("/srv/received"))[seen:] if r["service"] == "shop")
    failed = re.compile(r'Traceback \(most recent call last\):\n(?: .*\n)*  File "/srv/shop.py", line \d+, in pack\n(?: .*\n)*'
                        r"RuntimeError: worker (\d): no room for ORD-\[redacted:order\]")
    workers = [f and f[1] for f in map(failed.fullmatch, bodies[:-1])]
    check(f"{when}: a stack trace is one record, nothing secret is in any, and what is not wanted is not there",
          workers == ["0", "1", "2", "3"] and bodies[-1] == "login password=[redacted:password] for ORD-[redacted:order]", *bodies)


def makes_code():
    """Has azmonlog memory that is neither of a file nor the kernel's, and can be run?"""
    mapped = [line.split(maxsplit=5) for line in m.output("cat", f"/proc/{main_pid('azmonlog')}/maps").splitlines()]
    return any("x" in fields[1] and len(fields) < 6 for fields in mapped)


def processing():
    """[unit], [filter] and [redact] of the packaged service, whose sandbox lets it make no code; and with the drop-in that does. They stay on."""
    write("/srv/shop.py", SHOP)
    write("/etc/azmonlog/azmonlog.conf.d/shop.conf", SHOP_CONF)
    m.run("systemctl", "reload", "azmonlog")
    wait_for(lambda: status()["config"]["reloads"] == 1, "the reload", PATIENCE)
    check_shop("as installed")
    check("patterns are interpreted", not makes_code())
    text = m.output("azmonlog", "status")
    check("azmonlog status tells what was done", re.search(r"^Left out +1 by exclude=service.name=shop && body~\^GET /health\\b$", text, re.M) and
          re.search(r"^Redacted +\d+ password, 9 order$", text, re.M), text)
    code = f"{os.path.dirname(OVERRIDE)}/code.conf"
    write(code, "[Service]\nMemoryDenyWriteExecute=no\n")
    m.run("systemctl", "daemon-reload")
    m.run("systemctl", "restart", "azmonlog")
    check_shop("with MemoryDenyWriteExecute=no")
    check("patterns are compiled", makes_code())
    os.unlink(m.path(code))
    m.run("systemctl", "daemon-reload")
    m.run("systemctl", "restart", "azmonlog")


def at_hand():
    """What an administrator has of the packages: manual, completion, the live screen."""
    for page in ("azmonlog", "azmonlog.conf", "azmonlog.service", "omazuremonitor", "azmonlog-emulator"):
        said = m.output("sh", "-c", 'man --warnings "$1" 2>&1 >/dev/null || echo "man ended with $?"', "sh", page, check=False)
        equal(f"man {page}", said, "")
    equal("zsh finds its completion", m.output("zsh", "-fc", "autoload -Uz compinit; compinit -D; print -r -- $_comps[azmonlog]"), "_azmonlog\n")
    if no_screen():
        skip("completion in bash, and the live screen", no_screen())
        return

    def screen(terminal, *command):
        """In a terminal of the machine's own, of this type."""
        out = f"{WORK}/{command[0]}-{terminal}"
        os.mkdir(out)
        return Screen(out, m.command("env", f"TERM={terminal}", "script", "--quiet", "--return", "--command", " ".join(command), "/dev/null"))

    s = screen("tmux-256color", "bash", "--login")
    try:
        s.comes(r"[#$] *$")
        s.keys("azmonlog qu", "Tab", "sh", "Tab", "--f", "Tab")
        check("TAB in bash", s.comes("azmonlog quarantine show --f"), lambda: "\n".join(s.lines()))
    finally:
        s.close()
    for terminal in ("tmux-256color", "xterm-256color", "linux", "vt100"):
        s = screen(terminal, "azmonlog", "status", "--watch")
        try:
            check(f"azmonlog status --watch, TERM={terminal}", s.comes("^well since ", 0) and s.comes("^Delivered ") and s.comes("q quits"),
                  lambda: "\n".join(s.lines()))
            s.keys("Tab")
            check("TAB: rsyslog's action", s.comes(r"\[network well\]", 1), lambda: "\n".join(s.lines()))
            s.keys("q")
            check("q", s.comes(f"^{ENDED} 0$"), lambda: "\n".join(s.lines()))
        finally:
            s.close()
    s = screen("nonsense", "azmonlog", "status", "--watch")
    try:
        check("an unknown terminal is said", s.comes(r"cannot place text on this\s+terminal \(TERM=nonsense\)"), lambda: "\n".join(s.lines()))
    finally:
        s.close()


def instance():
    """azmonlog@.service for a journal namespace."""
    write("/etc/azmonlog/test.conf", f"[destination]\nendpoint={URL}/v1/logs\n[journal]\nnamespace=test\nstart=oldest\n")
    m.run("systemd-run", "--quiet", "--wait", "--collect", "--property=LogNamespace=test", "sh", "-c", "seq -f 'in a namespace %g' 200")
    m.run("systemctl", "enable", "--now", "azmonlog@test")
    wanted = {f"in a namespace {i}" for i in range(1, 201)}
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: wanted <= {r.get("body") for r in read_lines(m.path("/srv/received"))}, "the namespace", PATIENCE)
    missing = wanted - {r.get("body") for r in read_lines(m.path("/srv/received"))}
    check("azmonlog@test delivers the journal of its namespace", not missing, f"{len(missing)} are missing",
          lambda: m.output("journalctl", "--output=cat", "--unit=azmonlog@test", check=False))
    equal("and answers", status("--state-directory", f"{STATE}/test").get("state"), "delivering")


def restarts():
    """Restarts and SIGKILL of azmonlog, restarts of rsyslogd and journald, while programs log."""
    w = Workers(lines=300)
    for _ in range(3):
        m.run("systemctl", "restart", "azmonlog")
    count = int(m.property("azmonlog", "NRestarts"))
    for _ in range(3):
        pid = main_pid("azmonlog")
        wait_for(lambda: requests_on_their_way() > 0, "a request", PATIENCE)
        m.run("systemctl", "kill", "-s", "KILL", "azmonlog")
        wait_for(lambda: active("azmonlog") and main_pid("azmonlog") not in (0, pid), "the service to come back", PATIENCE)
    equal("systemd has restarted it after each SIGKILL", int(m.property("azmonlog", "NRestarts")) - count, 3)
    m.run("systemctl", "restart", "systemd-journald")
    w.wait()
    Workers(["tcp"]).wait()
    check_arrived("restarts")
    m.run("systemctl", "restart", "rsyslog")
    Workers(["tcp"]).wait()
    check_arrived("a restart of rsyslogd")


def watchdog():
    """azmonlog hangs."""
    pid, count = main_pid("azmonlog"), int(m.property("azmonlog", "NRestarts"))
    w = Workers()
    m.run("kill", "-STOP", str(pid))
    wait_for(lambda: active("azmonlog") and main_pid("azmonlog") not in (0, pid), "the watchdog", PATIENCE)
    equal("the watchdog has ended it, and systemd started it anew", int(m.property("azmonlog", "NRestarts")) - count, 1)
    said = m.output("journalctl", "--output=cat", "--unit=azmonlog", "--grep=atchdog", check=False)
    check("the journal says so", "Watchdog timeout" in said, said)
    note(f"WatchdogUSec={m.property('azmonlog', 'WatchdogUSec')}: {said.splitlines()[0] if said else ''}")
    w.wait()
    check_arrived("the watchdog")


def disk_full():
    """The file system with the state is full during an outage, then there is room again."""
    m.run("systemctl", "stop", "azmonlog")
    m.run("cp", "-a", STATE, "/srv/state")
    m.run("mount", "-t", "tmpfs", "-o", "size=32m,mode=750", "tmpfs", STATE)
    m.run("cp", "-aT", "/srv/state", STATE)
    m.run("systemctl", "start", "azmonlog")
    m.run("systemctl", "stop", "emulator")
    m.run("sh", "-c", f"cat /dev/zero >{STATE}/rubbish", check=False)
    Workers().wait()
    wait_for(lambda: status().get("state") == "retrying" and status()["lag"]["records"], "azmonlog to wait", PATIENCE)
    m.run("systemctl", "restart", "azmonlog")
    check("it starts although the disk is full", active("azmonlog"))
    m.run("rm", f"{STATE}/rubbish")
    start_emulator()
    check_arrived("a full disk")
    m.run("systemctl", "stop", "azmonlog")
    m.run("rm", "-r", "/srv/state")
    m.run("cp", "-a", STATE, "/srv/state")
    m.run("umount", STATE)
    m.run("cp", "-aT", "/srv/state", STATE)
    m.run("systemctl", "start", "azmonlog")


def reboots():
    """During an outage, while programs log; then a power-off, then the plug is pulled."""
    m.run("systemctl", "stop", "emulator")
    tcp = Workers(["tcp"]).wait()
    wait_for(lambda: spooled("--state-directory", SPOOL) >= len(tcp.logged()), "rsyslog's spool", PATIENCE)
    w = Workers(lines=1000)
    wait_for(lambda: spooled() > 0 and len(w.logged()) > 500, "azmonlog to spool", PATIENCE)
    boot = m.output("cat", "/proc/sys/kernel/random/boot_id")
    equal("it boots again", m.reboot(), "running", lambda: m.output("systemctl", "--failed", "--no-pager"))
    check("this is another boot", m.output("cat", "/proc/sys/kernel/random/boot_id") != boot)
    note(f"{len(w.logged())} lines were logged when the reboot ended the workers")
    check("the service is up", active("azmonlog"))
    Workers().wait()
    start_emulator()
    check_arrived("a reboot")
    m.power_off()
    equal("it boots after a power-off", m.boot(), "running")
    start_emulator()
    Workers().wait()
    check_arrived("a power-off")
    Workers().wait()
    tcp = Workers(["tcp"]).wait()
    m.run("journalctl", "--sync")
    wait_for(lambda: tcp.logged() <= arrived().keys(), "rsyslog's records", PATIENCE)
    m.kill()
    equal("it boots after everything was killed at once", m.boot(), "running")
    start_emulator()
    check_arrived("everything was killed")


def removed():
    """Remove keeps the state: what was logged meanwhile arrives when the packages are back. Purge leaves nothing."""
    said = m.output("apt-get", "remove", "-y", "-q", "azmonlog", "rsyslog-azuremonitor")
    check_gone(said)
    check("its state and its configuration are kept", os.path.exists(m.path(f"{STATE}/cursor")) and os.path.exists(m.path(CONF)))
    m.run("systemctl", "restart", "rsyslog")
    check("rsyslogd runs without the module", active("rsyslog"))
    Workers().wait()
    install("new")
    m.run("systemctl", "enable", "--now", "azmonlog")
    m.run("systemctl", "restart", "rsyslog")
    Workers(["tcp"]).wait()
    check_arrived("remove and install again")
    journald = sum(len(w.logged()) for w in Workers.everybody if w.journald)
    check("it went on where it had been", status()["read"]["records"] < journald / 2, status()["read"], journald)

    there = arrived()
    copies = sum(len(uids) - 1 for uids in there.values())
    check("copies have the uid of the first", all(len(set(uids)) == 1 for uids in there.values()))
    check("no uid is of two lines", len({u for uids in there.values() for u in uids}) == len(there))
    logged = set().union(*(w.logged() for w in Workers.everybody))
    note(f"figure: {RELEASE}: {len(logged)} lines logged, {len(logged - there.keys())} lost, {copies} arrived twice or more, each with the uid of its first copy")
    losses = status()["losses"]
    check("no loss of the journal was reported", not any(losses.values()), losses)

    m.run("systemctl", "stop", "emulator")
    os.unlink(m.path(RSYSLOG))  # the administrator's own, as is the next one
    os.unlink(m.path(SECRET_FILE))
    if "/etc/credstore" not in before:
        os.rmdir(m.path("/etc/credstore"))
    m.run("apt-get", "purge", "-y", "-q", *PACKAGES)
    shutil.rmtree(m.path(os.path.dirname(OVERRIDE)))
    m.run("setfacl", "-b", TEXTFILE_FOLDER)
    m.run("systemctl", "restart", "rsyslog")
    check_listing("purge leaves nothing behind", before)
    equal("no unit has failed", m.output("systemctl", "is-system-running", check=False).strip(), "running",
          lambda: m.output("systemctl", "--failed", "--no-pager"))
    m.power_off()


def everything(out):
    """What fails in a way that nobody thought of is the end of the rest, too."""
    for case in (boots, new_user, previous_version, upgrade, hardened, metrics, processing, at_hand, instance, restarts, watchdog, disk_full, reboots, removed):
        note(f"--- {case.__name__}: {case.__doc__.splitlines()[0]}")
        since = time.monotonic()
        case()
        note(f"took {time.monotonic() - since:.0f} s")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    run(everything)
finally:
    m.close()
