# SPDX-License-Identifier: MIT
"""What another local user can read and change: see security_private.sh and SECURITY.md."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import rsyslogd  # noqa: E402
from azure import Azmonlog, Azure  # noqa: E402
from exporter import Exporter  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import wait_for  # noqa: E402
from stranger import STRANGER, as_stranger, run_as_stranger  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

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
    r = run_as_stranger(sys.executable, "-c", TRY, *paths)
    return json.loads(r.stdout)


def exporter(out, **settings):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def files_of(directory):
    return sorted(f"{directory}/{name}" for name in os.listdir(directory))


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
            r = run_as_stranger(x.azmonlog, *command, "--state-directory", x.state)
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
    if not rsyslogd.is_there():
        skip("what rsyslog's module makes", "omazuremonitor.so is not built, or rsyslogd is not installed")
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
        equal("the other user makes it", run_as_stranger("mkdir", "-m", "700", x.state).returncode, 0)
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
    squatter = subprocess.Popen(as_stranger(
        sys.executable, "-c", f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); time.sleep(600)"))
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
    secrets_in_memory)
