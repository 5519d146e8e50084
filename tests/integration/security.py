# SPDX-License-Identifier: MIT
"""A hostile local user and a hostile server: see security.sh and SECURITY.md."""
import array
import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import rsyslogd  # noqa: E402
from azure import Azmonlog, Azure  # noqa: E402
from exporter import Exporter  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import wait_for  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

STRANGER = 1500
MEMORY_MAX_KIB = 40_000  # as in odd_answers.py and tokens.py: what no record and no answer makes azmonlog keep
MIB = 1 << 20
CONNECTIONS_MAX = 64  # AZM_CONTROL_CONNECTIONS_MAX


def as_stranger(*command, **options):
    return subprocess.run(["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **options)


TRY = '''
import json, os, socket, sys
found = []
for path in sys.argv[1:]:
    for how, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY), ("truncate", os.O_WRONLY | os.O_TRUNC)):
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK))
            found.append([how, path])
        except OSError:
            pass
    for how, f in (("remove", os.unlink), ("replace", lambda p: os.rename("/dev/shm/stranger", p)),
                   ("add", lambda p: os.close(os.open(os.path.join(os.path.dirname(p), "stranger"), os.O_CREAT | os.O_WRONLY))),
                   ("chmod", lambda p: os.chmod(p, 0o777))):
        try:
            f(path)
            found.append([how, path])
        except OSError:
            pass
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        found.append(["connect", path])
    except OSError:
        pass
print(json.dumps(found))
'''


def try_everything(paths):
    """What a stranger can do with these files: [[how, path]]."""
    r = as_stranger(sys.executable, "-c", TRY, *paths)
    return json.loads(r.stdout)


def rss_anon(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


def sanitized():
    """Sanitizers keep what was freed, and need an address space without limits."""
    return b"libasan" in subprocess.run(["ldd", os.environ["AZMONLOG"]], stdout=subprocess.PIPE, check=True).stdout


def has_module(what):
    """Is there an rsyslogd that can load it? If not, what would be tried is skipped."""
    if rsyslogd.RSYSLOGD and os.path.exists(rsyslogd.MODULE):
        return True
    skip(what, "omazuremonitor.so is not built, or rsyslogd is not installed")
    return False


def check_memory(peak):
    if sanitized():
        skip(f"no more than {MEMORY_MAX_KIB} KiB", "azmonlog is built with AddressSanitizer")
    else:
        check(f"no more than {MEMORY_MAX_KIB} KiB", peak < MEMORY_MAX_KIB, peak)


class Watched:
    """The most that a process has had of memory of its own."""

    def __init__(self, pid):
        self.pid, self.peak, self.stopped = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError, TypeError):  # it has ended
                self.peak = max(self.peak, rss_anon(self.pid))
            time.sleep(0.005)

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self.peak


def exporter(out, **settings):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def files_of(directory):
    return sorted(f"{directory}/{name}" for name in os.listdir(directory))


# --- files ---

def private_files(out):
    """umask 0, and a state directory that everybody may enter, as systemd makes it: no file of it is for others."""
    append_texts(f"{out}/journal/a.journal", [f"good {i}" for i in range(50)] + ["poison"] + [f"more {i}" for i in range(50)])
    old = os.umask(0)
    x = exporter(f"{out}/x", directory=f"{out}/journal", batch=20, more="spool_after=0\n[batch]\nmax_request_bytes=100000\n")
    try:
        os.mkdir(x.state, 0o755)
        with open(os.open(f"{out}/secret", os.O_CREAT | os.O_WRONLY, 0o640), "w") as f:
            f.write("secret")
        x.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
        x.start()
        wait_for(lambda: x.quarantine(), "the poison is in quarantine")
        x.hold()
        append_texts(f"{out}/journal/a.journal", [f"spooled {i}" for i in range(50)], 1_790_000_001_000_000, 2_000_000)
        wait_for(lambda: os.path.exists(f"{x.state}/spool.db-wal"), "there is a spool")
        wait_for(lambda: os.path.exists(f"{x.state}/control"), "it listens")
        files = files_of(x.state)
        note(" ".join(os.path.basename(f) for f in files))
        check("all kinds of files are there", {"control", "cursor", "lock", "quarantine.jsonl", "quarantine.lock", "spool.db",
                                               "spool.db-wal", "spool.db-lock"} <= {os.path.basename(f) for f in files}, files)
        modes = {f: oct(os.lstat(f).st_mode & 0o7777) for f in files}
        check("none of them is for others", not [f for f in files if os.lstat(f).st_mode & 0o007], modes)
        pid = x.process.pid
        process = [f"/proc/{pid}/{name}" for name in ("environ", "mem", "maps", "stack", "auxv", "fd/0", "fd/1", "cwd", "io")]
        with open("/dev/shm/stranger", "w"):
            pass
        os.chown("/dev/shm/stranger", STRANGER, STRANGER)
        equal("another user can do nothing with them, with the process, nor with a credential of mode 0640",
              try_everything(files + process + [f"{out}/secret"]), [])
        os.mkdir(f"{out}/open")
        with open(f"{out}/open/file", "w"):
            pass
        check("what would have been seen", {how for how, _ in try_everything([f"{out}/open/file"])} >= {"read", "write", "remove", "add"})
        for command in (["status"], ["flush"], ["quarantine", "list"], ["quarantine", "purge", "--all"]):
            r = as_stranger(x.azmonlog, *command, "--state-directory", x.state)
            check(f"nor with azmonlog {' '.join(command)}", r.returncode not in (0, -11) and "poison" not in r.stdout, r)
        equal("the poison is still there", len(x.quarantine()), 1)
        x.release()
        equal("the end", x.end(), 0)
        shutil.rmtree(x.state)
        x.script("")
        equal("a directory of its own", x.once(), 0)
        equal("is of mode 0750", oct(os.stat(x.state).st_mode & 0o7777), oct(0o750))
    finally:
        os.umask(old)
        x.close()


def files_of_the_module(out):
    """The same of omazuremonitor.so in rsyslogd with $umask 0000."""
    if not has_module("what rsyslog's module makes"):
        return
    azure = rsyslogd.Destination(f"{out}/azure")
    state = f"{out}/state"
    r = rsyslogd.Rsyslogd(f"{out}/rsyslogd", rsyslogd.action(azure, "x", state), head="$umask 0000")
    try:
        os.mkdir(state, 0o755)
        azure.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
        r.start()
        r.say(*[rsyslogd.message(t) for t in ("good 1", "poison", "good 2")])
        wait_for(lambda: rsyslogd.quarantine(state), "the poison is in quarantine")
        files = files_of(state)
        note(" ".join(os.path.basename(f) for f in files))
        check("none of them is for others", not [f for f in files if os.lstat(f).st_mode & 0o007],
              {f: oct(os.lstat(f).st_mode) for f in files})
        equal("another user can do nothing with them", try_everything(files), [])
        r.check_clean(check)
    finally:
        r.close()
        azure.close()


def somebody_elses_directory(out):
    """A state directory that another user has made where everybody may: refused before anything is in it."""
    append_texts(f"{out}/journal/a.journal", ["good 1"])
    os.mkdir(f"{out}/tmp")
    os.chmod(f"{out}/tmp", 0o1777)
    x = exporter(f"{out}/x", directory=f"{out}/journal")
    x.state = f"{out}/tmp/state"
    x.configure(directory=f"{out}/journal")
    try:
        equal("the other user makes it", as_stranger("mkdir", "-m", "700", x.state).returncode, 0)
        check("run refuses it", x.once() != 0 and x.said(f"{x.state} belongs to another user .uid {STRANGER}"), open(x.log.name).read())
        r = subprocess.run([x.azmonlog, "quarantine", "purge", "--all", "--state-directory", x.state], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        check("so does quarantine purge", r.returncode != 0 and "belongs to another user" in r.stdout, r)
        equal("nothing is in it", os.listdir(x.state), [])
        os.chown(x.state, 0, 0)
        os.chmod(x.state, 0o777)
        check("one that everybody may write into is refused, too", x.once() != 0 and x.said("everybody may write into"))
        os.chmod(x.state, 0o755)
        equal("then it is not", x.once(), 0)
    finally:
        x.close()


def links_in_the_directory(out):
    """root uses the directory of a service whose user has put links there: no other file is touched or given away."""
    append_texts(f"{out}/journal/a.journal", [f"good {i}" for i in range(30)] + ["poison"])
    x = exporter(f"{out}/x", directory=f"{out}/journal", batch=10)
    x.script('request * containing "poison" refuse 400 InvalidRecord "odd"\n')
    precious = f"{out}/precious"
    try:
        for make in (os.symlink, os.link):
            for name in ("lock", "cursor", "cursor.tmp", "quarantine.lock", "quarantine.jsonl", "spool.db", "spool.db-lock", "control"):
                shutil.rmtree(x.state, ignore_errors=True)
                os.mkdir(x.state)
                os.chown(x.state, STRANGER, STRANGER)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(precious)
                with open(os.open(precious, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
                    f.write("precious\n")
                make(precious, f"{x.state}/{name}")
                before = os.stat(precious)
                x.start()
                limit = time.monotonic() + 3
                while x.running() and time.monotonic() < limit and not (
                        x.said("cannot|held") or b"poison" in open(f"{x.state}/quarantine.jsonl", "rb").read()
                        if os.path.exists(f"{x.state}/quarantine.jsonl") else x.said("cannot|held")):
                    time.sleep(0.02)
                open(x.log.name, "w").close()
                code = x.process.poll()
                x.process.kill()
                x.process.wait()
                after = os.stat(precious)
                check(f"{make.__name__} as {name} ({'runs' if code is None else f'exit code {code}'})",
                      open(precious).read() == "precious\n" and (before.st_uid, before.st_mode) == (after.st_uid, after.st_mode),
                      (open(precious).read(), before, after))
    finally:
        x.close()


def somebody_elses_socket(out):
    """The path of the control socket is taken by another user who listens: azmonlog does not end him, nor share with him."""
    append_texts(f"{out}/journal/a.journal", ["good 1"])
    os.mkdir(f"{out}/run")
    os.chmod(f"{out}/run", 0o1777)
    path = f"{out}/run/control"
    x = exporter(f"{out}/x", directory=f"{out}/journal", more=f"control={path}\n")
    squatter = subprocess.Popen(["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", sys.executable, "-c",
                                 f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); time.sleep(600)"])
    try:
        wait_for(lambda: os.path.exists(path), "he listens")
        x.start()
        wait_for(lambda: x.said("another process listens on the control socket"), "it says so")
        equal("he still has it", os.stat(path).st_uid, STRANGER)
        x.process.kill()
        x.process.wait()
        squatter.kill()
        squatter.wait()
        x.start()
        wait_for(lambda: os.path.exists(path) and os.stat(path).st_uid == 0, "when he has gone, it takes the path")
        equal("which is not for others then", oct(os.stat(path).st_mode & 0o777), oct(0o660))
        equal("the end", x.end(), 0)
    finally:
        squatter.kill()
        squatter.wait()
        x.close()


# --- what a program says ---

NATIVE = '''
import array, fcntl, os, socket, sys, time
data = sys.stdin.buffer.read()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect("/run/systemd/journal/socket")
    s.send(data)
    print(os.getpid(), flush=True)
    time.sleep(0.5)  # journald looks for what is known of a living process
'''


def log_as_stranger(data):
    """By the journal's native protocol; returns the pid of the sender."""
    r = subprocess.run(["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", sys.executable, "-c", NATIVE],
                       input=data, stdout=subprocess.PIPE, check=True)
    return int(r.stdout)


def field(name, value):
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def log_large(data):
    """The same, of any size, as this user."""
    fd = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
        fcntl.fcntl(fd, 1033, 0xf)  # F_ADD_SEALS, all
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect("/run/systemd/journal/socket")
            s.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())])
    finally:
        os.close(fd)


def journalctl(*words):
    subprocess.run(["journalctl", "-q", *words], check=True, timeout=60)


def forged_in_the_journal(out):
    """A program says that it is another one, on another machine, at another time: what journald knows is not overwritten."""
    x = exporter(f"{out}/x", more="[journal]\nfields=full\n[resource]\ndeployment.environment=production\nteam=ours\n")
    forged = b"\n".join([
        b"MESSAGE=forged", b"_SYSTEMD_UNIT=sshd.service", b"_SYSTEMD_INVOCATION_ID=00112233445566778899aabbccddeeff", b"_PID=1",
        b"_UID=0", b"_COMM=sshd", b"_EXE=/usr/sbin/sshd", b"_HOSTNAME=evil", b"_MACHINE_ID=00112233445566778899aabbccddeeff",
        b"_BOOT_ID=00112233445566778899aabbccddeeff", b"_TRANSPORT=driver", b"_SOURCE_REALTIME_TIMESTAMP=1", b"__CURSOR=x",
        b"__REALTIME_TIMESTAMP=1", b"host.name=evil", b"HOST_NAME=evil", b"service.instance.id=evil", b"log.record.uid=evil",
        b"LOG_RECORD_UID=evil", b"azmonlog.gap.reason=vacuumed", b"AZMONLOG_GAP_REASON=vacuumed", b"journald.uid=0", b"JOURNALD_UID=0",
        b"MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e", b"N_DROPPED=999", b"DEPLOYMENT_ENVIRONMENT=test", b"TEAM=theirs",
        b"SYSLOG_IDENTIFIER=azmonlog", b"PRIORITY=6", b""])
    try:
        before = time.time_ns()
        pid = log_as_stranger(forged)
        log_as_stranger(b"MESSAGE=honest\n")
        as_stranger("logger", "--id=1", "-t", "kernel", "by syslog")
        journalctl("--sync")
        x.start()
        bodies = lambda: {r.get("body"): r for r in x.received()}  # noqa: E731
        wait_for(lambda: {"forged", "honest", "by syslog"} <= bodies().keys(), "all arrived")
        r, honest, syslog = [bodies()[b] for b in ("forged", "honest", "by syslog")]
        a = r["attributes"]
        note(json.dumps(r))
        equal("the process", a.get("process.pid"), pid)
        equal("its user", (a.get("journald.uid"), syslog["attributes"].get("journald.uid")), (str(STRANGER),) * 2)
        check("its name", a.get("process.executable.name") not in ("sshd", None), a)
        check("its unit", a.get("systemd.unit") != "sshd.service" and "sshd" not in r["resource"]["service.name"], r)
        equal("how it came", (a.get("journald.transport"), syslog["attributes"].get("journald.transport")), ("journal", "syslog"))
        check("whatever it calls itself, it is not the kernel", syslog["attributes"]["process.pid"] != 1, syslog)
        equal("the machine", {k: r["resource"].get(k) for k in ("host.name", "host.id", "service.instance.id", "os.type")},
              {k: honest["resource"].get(k) for k in ("host.name", "host.id", "service.instance.id", "os.type")})
        equal("what the configuration says of it", (r["resource"].get("deployment.environment"), r["resource"].get("team")),
              ("production", "ours"))
        check("the time", abs(int(r["time_unix_nano"]) - before) < 600e9, r)
        check("the uid", re.fullmatch("[0-9a-f]{32}", r["uid"]) and r["uid"] != honest["uid"], r)
        check("no name with a dot is of the program's choice",
              not {"host.name", "service.instance.id", "log.record.uid_", "azmonlog.gap.reason"} & a.keys() and
              a.get("log.record.uid", r["uid"]) == r["uid"], a)
        equal("it keeps its own fields under its own names", [a.get(k) for k in ("host_name", "log_record_uid", "team", "journald_uid")],
              ["evil", "evil", "theirs", "0"])
        s = json.loads(subprocess.run([x.azmonlog, "status", "--json", "--config", f"{x.out}/azmonlog.conf"], stdout=subprocess.PIPE,
                                      check=True).stdout)
        check("no loss is counted on its word", "999" not in json.dumps(s["losses"]), s["losses"])
        equal("the end", x.end(), 0)
    finally:
        x.close()


def forged_by_syslog(out):
    """The same through rsyslog: structured data, and JSON that rsyslog parses."""
    if not has_module("what is said through rsyslog"):
        return
    azure = rsyslogd.Destination(f"{out}/azure")
    head = ('module(load="mmjsonparse")\n'
            'template(name="all" type="subtree" subtree="$!")\n'
            'template(name="meta" type="string" string="- %fromhost-ip% %inputname%")\n')
    more = rsyslogd.SHIPPED + ' attributes.template="all" resource="deployment.environment=production"'
    rules = ('action(type="mmjsonparse")\n' + rsyslogd.action(azure, "x", f"{out}/x", more + ' meta.template="meta"') +
             rsyslogd.action(azure, "without", f"{out}/without", more))
    said = {"log.record.uid": "evil", "azmonlog.truncated": True, "azmonlog": {"gap": {"reason": "vacuumed"}}, "host.name": "evil",
            "service.instance.id": "evil", "deployment.environment": "test", "client.address": "192.0.2.66", "syslog.input": "evil",
            "client": {"address": "192.0.2.66"}, "syslog": {"malformed": "evil", "facility": 9}, "mine": 1}
    data = '[log.record uid="evil"][azmonlog gap.reason="vacuumed"][host name="evil"]'
    r = rsyslogd.Rsyslogd(f"{out}/rsyslogd", rules, head=head)
    try:
        r.start()
        r.say(rsyslogd.message("@cee: " + json.dumps(said), data=data, procid="77"))
        wait_for(lambda: len(azure.records()) == 2, "it arrives twice")
        records = sorted(azure.records(), key=lambda x: "client.address" not in x["attributes"])
        for record, client in zip(records, ("127.0.0.1", None)):
            a = record["attributes"]
            note(json.dumps(record))
            equal("where it came from, or nothing", (a.get("client.address"), "syslog.input" in a), (client, client is not None))
            check("the uid", re.fullmatch("[0-9a-f]{32}", record["uid"]) and a.get("log.record.uid", record["uid"]) == record["uid"], a)
            equal("the resource is of the message's header and the configuration", record["resource"],
                  {"service.name": "app", "service.instance.id": "web1", "host.name": "web1", "deployment.environment": "production"})
            check("nothing in azmonlog's own name", not [k for k in a if k.startswith("azmonlog.")] and "syslog.malformed" not in a, a)
            equal("facility and pid as in the header", (a.get("syslog.facility"), a.get("process.pid")), (1, 77))
            equal("its own word", a.get("mine"), 1)
            check("what was left out is counted", a.get("syslog.dropped_attributes", 0) >= 6, a)
        r.check_clean(check)
    finally:
        r.close()
        azure.close()


# --- memory ---

def large_entries(out):
    """Messages of 48 MiB, a file each: the memory for one is given back. And a thousand fields of 70 kB."""
    if sanitized():
        skip("what large entries cost", "azmonlog is built with AddressSanitizer")
        return
    size = 48 * MIB
    for _ in range(6):
        log_large(field(b"MESSAGE", b"x" * size))
        journalctl("--rotate")
    for _ in range(2):
        log_large(b"MESSAGE=many\n" + b"".join(field(b"F%d" % k, os.urandom(35_000).hex().encode()) for k in range(1000)))
    log_large(b"MESSAGE=the end\n")
    journalctl("--sync")
    x = exporter(f"{out}/x")
    try:
        x.start()
        w = Watched(x.process.pid)
        wait_for(lambda: "the end" in {r.get("body") for r in x.received()}, "all arrived", 300)
        peak = w.stop()
        note(f"RssAnon: at most {peak} KiB, at the end {rss_anon(x.process.pid)} KiB")
        bodies = [r.get("body", "") for r in x.received()]
        equal("the large ones arrived, cut", sum(len(b) == 65536 and set(b) == {"x"} for b in bodies), 6)
        many = [r for r in x.received() if r.get("body") == "many"]
        check("those with many fields, too, and say so", len(many) == 2 and all(
            r["attributes"].get("azmonlog.truncated") and "process.pid" in r["attributes"] for r in many), [str(r)[:300] for r in many])
        check(f"no more than two of the large fields at once, and {MEMORY_MAX_KIB} KiB", peak < MEMORY_MAX_KIB + 2 * size // 1024, peak)
        wait_for(lambda: rss_anon(x.process.pid) < MEMORY_MAX_KIB, f"no more than {MEMORY_MAX_KIB} KiB when they are read")
        equal("the end", x.end(), 0)
    finally:
        x.close()


def data_limit(out):
    """LimitDATA= of the service: a field that does not fit is reported as unreadable, and what comes after it arrives."""
    if sanitized():
        skip("a limit of memory", "azmonlog is built with AddressSanitizer")
        return
    log_large(b"MESSAGE=before\n")
    log_large(field(b"MESSAGE", b"z" * (256 * MIB)))
    log_large(b"MESSAGE=after\n")
    journalctl("--sync")
    x = exporter(f"{out}/x")
    plain = x.command
    x.command = lambda: ["prlimit", f"--data={160 * MIB}", *plain()]
    try:
        x.start()
        w = Watched(x.process.pid)
        wait_for(lambda: {"before", "after"} <= {r.get("body") for r in x.received()}, "what comes after it arrives", 120)
        peak = w.stop()
        note(f"RssAnon: at most {peak} KiB")
        check("within the limit", peak < 160 * 1024, peak)
        gaps = [r["attributes"]["azmonlog.gap.reason"] for r in x.received() if "azmonlog.gap.reason" in r["attributes"]]
        large = [r for r in x.received() if set(r.get("body") or "-") == {"z"}]
        equal("it is reported, and not sent", (gaps, len(large)), (["unreadable"], 0))
        equal("the end", x.end(), 0)
    finally:
        x.close()


def many_identities(out):
    """Five thousand programs, none like the other."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect("/run/systemd/journal/socket")
        for i in range(5000):
            s.send(b"MESSAGE=%d\nSYSLOG_IDENTIFIER=%s%d\nOTEL_SERVICE_NAME=%s%d\n" % (i, b"i" * 300, i, b"s" * 300, i))
    journalctl("--sync")
    x = exporter(f"{out}/x", batch=2000)
    try:
        x.start()
        w = Watched(x.process.pid)
        wait_for(lambda: len({r.get("body") for r in x.received()} & {str(i) for i in range(5000)}) == 5000, "all arrived", 120)
        peak = w.stop()
        note(f"RssAnon: at most {peak} KiB")
        check_memory(peak)
        equal("the end", x.end(), 0)
    finally:
        x.close()


class HostileServer:
    """Answers its first requests with bytes without end, the others as it should."""

    def __init__(self, begin, again, hostile=4):
        self.begin, self.again, self.left, self.answered, self.sent = begin, again, hostile, 0, 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1/logs"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listening.accept()[0],), daemon=True).start()

    def serve(self, s):
        with contextlib.suppress(OSError), s, s.makefile("rb") as f:
            while True:
                length = 0
                for line in iter(f.readline, b"\r\n"):
                    if not line:
                        return
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                f.read(length)
                if self.left > 0:
                    self.left -= 1
                    s.sendall(self.begin)
                    while True:
                        s.sendall(self.again)
                        self.sent += len(self.again)
                self.answered += 1
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self.listening.close()


def endless_headers(out):
    """Headers, informational answers, one header line, a redirect without end (bodies: odd_answers.py; tokens: tokens.py)."""
    lines = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(60))
    for name, begin, again in [("headers", b"HTTP/1.1 200 OK\r\n", lines),
                               ("informational answers", b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 1000),
                               ("a header line", b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536),
                               ("a location", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://", b"y" * 65536)]:
        note(name)
        place = f"{out}/{name.replace(' ', '-')}"
        append_texts(f"{place}/journal/a.journal", [f"good {i}" for i in range(100)])
        server = HostileServer(begin, again)
        x = exporter(f"{place}/x", directory=f"{place}/journal", batch=50, concurrency=2, more=f"[destination]\nendpoint={server.url}\n")
        try:
            x.start()
            w = Watched(x.process.pid)
            wait_for(lambda: server.answered >= 2, "it goes on when the server answers", 120)
            peak = w.stop()
            note(f"RssAnon: at most {peak} KiB; {server.sent} bytes were sent")
            check_memory(peak)
            check("an answer is left long before its time is up", server.sent < 64 * MIB, server.sent)
            equal("the end", x.end(), 0)
        finally:
            x.close()
            server.close()


def flood_of_clients(out):
    """400 connections to the control socket, silent, endless, and deaf: bounded, delivery goes on, and then others are served."""
    append_texts(f"{out}/journal/a.journal", ["good 1"])
    x = exporter(f"{out}/x", directory=f"{out}/journal")
    clients = []
    try:
        x.start()
        wait_for(lambda: os.path.exists(f"{x.state}/control") and x.received(), "it runs")
        w, fds = Watched(x.process.pid), len(os.listdir(f"/proc/{x.process.pid}/fd"))
        for i in range(400):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            with contextlib.suppress(OSError):  # the queue is full, or we are shut out
                s.connect(f"{x.state}/control")
                s.send((b"{" * 60000, b'{"command":"status"}\n' * 2000, b"")[i % 3])
            clients.append(s)
        append_texts(f"{out}/journal/a.journal", ["good 2"], 1_790_000_001_000_000, 2_000_000)
        wait_for(lambda: "good 2" in {r.get("body") for r in x.received()}, "delivery goes on")
        more = len(os.listdir(f"/proc/{x.process.pid}/fd")) - fds
        check("a few descriptors more", more <= CONNECTIONS_MAX + 8, (fds, more), lambda: subprocess.run(["ls", "-l", f"/proc/{x.process.pid}/fd"],
              stdout=subprocess.PIPE, text=True).stdout)
        for s in clients:
            s.close()
        wait_for(lambda: subprocess.run([x.azmonlog, "status", "--config", f"{x.out}/azmonlog.conf"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL).returncode == 0, "others are served again")
        peak = w.stop()
        note(f"RssAnon: at most {peak} KiB; {more} more than {fds} descriptors")
        check_memory(peak)
        equal("the end", x.end(), 0)
    finally:
        for s in clients:
            s.close()
        x.close()


# --- secrets ---

def dumped(pid, *secrets):
    """How often each is in the memory that a core dump would have: what may be read and is not marked MADV_DONTDUMP."""
    found = dict.fromkeys(secrets, 0)
    with open(f"/proc/{pid}/smaps") as smaps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for m in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) (r.)..*?^VmFlags:([^\n]*)$", smaps.read(), re.M | re.S):
            begin, end = int(m[1], 16), int(m[2], 16)
            if "dd" in m[4].split() or m[3] != "rw":
                continue
            with contextlib.suppress(OSError):
                memory.seek(begin)
                data = memory.read(end - begin)
                for s in secrets:
                    found[s] += data.count(s.encode())
    return found


def secrets_in_memory(out):
    """A secret from a file, a token, a header from a file: what a core dump, the environment and the command line have of it."""
    azure = Azure(f"{out}/azure")
    x = Azmonlog(f"{out}/x", azure.destinations()["dce= and dcr="] + azure.client_secret(), azure.environment())
    try:
        x.write(20)
        x.start()
        wait_for(lambda: len(azure.records()) == 20, "all arrived")
        found = dumped(x.process.pid, azure.secret, "eyJ")
        note(f"in what would be dumped: the secret {found[azure.secret]} times, tokens or their parts {found['eyJ']} times")
        for name in ("environ", "cmdline", "comm"):
            with open(f"/proc/{x.process.pid}/{name}") as f:
                text = f.read()
            check(f"{name} has neither", azure.secret not in text and "eyJ" not in text)
        equal("the secret from a file is not in a core dump", found[azure.secret], 0)
        limit = subprocess.run(["prlimit", f"--pid={x.process.pid}", "--core", "--noheadings", "--output=SOFT"], stdout=subprocess.PIPE,
                               text=True, check=True).stdout.strip()
        note(f"libcurl's copies of the token are why the service has LimitCORE=0 (here: {limit})")
        equal("the end", x.end(), 0)
    finally:
        x.close()
        azure.close()


run(private_files, files_of_the_module, somebody_elses_directory, links_in_the_directory, somebody_elses_socket,
    forged_in_the_journal, forged_by_syslog, many_identities, large_entries, data_limit, endless_headers, flood_of_clients,
    secrets_in_memory)
