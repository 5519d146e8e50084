# SPDX-License-Identifier: MIT
"""Records, answers and clients that could exhaust memory: see security_exhausted.sh and SECURITY.md."""
import array
import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from exporter import Exporter  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import wait_for  # noqa: E402
from memory import MAX_KIB, Watched, check_bounded, not_its_own, rss_anon  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

MIB = 1 << 20
CONNECTIONS_MAX = 64  # AZM_CONTROL_CONNECTIONS_MAX


def exporter(out, **settings):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def field(name, value):
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def log_large(data):
    """An entry of any size, by the native protocol, as this user."""
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
        check_bounded(peak)
        equal("the end", x.end(), 0)
    finally:
        x.close()


def large_entries(out):
    """Messages of 48 MiB, a file each: the memory for one is given back. And a thousand fields of 70 kB."""
    if why := not_its_own():
        skip("what large entries cost", why)
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
        check(f"no more than two of the large fields at once, and {MAX_KIB} KiB", peak < MAX_KIB + 2 * size // 1024, peak)
        wait_for(lambda: rss_anon(x.process.pid) < MAX_KIB, f"no more than {MAX_KIB} KiB when they are read")
        equal("the end", x.end(), 0)
    finally:
        x.close()


def data_limit(out):
    """LimitDATA= of the service: a field that does not fit is reported as unreadable, and what comes after it arrives."""
    if why := not_its_own():
        skip("a limit of memory", why)
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
            check_bounded(peak)
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
                                        stderr=subprocess.DEVNULL).returncode < 3, "others are served again")
        peak = w.stop()
        note(f"RssAnon: at most {peak} KiB; {more} more than {fds} descriptors")
        check_bounded(peak)
        equal("the end", x.end(), 0)
    finally:
        for s in clients:
            s.close()
        x.close()


run(many_identities, large_entries, data_limit, endless_headers, flood_of_clients)
