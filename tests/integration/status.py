# SPDX-License-Identifier: MIT
import datetime
import os
import pty
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import status_form  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from states import CONDITIONS, EXIT_CODES, States  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, [0-9a-z. ]+ ago"
REASONS = {"behind": "503", "held": "403", "throttled": "429", "down": "no azmonlog is running here"}


def usec_of(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp() * 1e6


def row(text, name):
    """What stands behind this label."""
    found = re.search(rf"^{name:<14}(.*)$", text, re.M)
    return found and found.group(1)


def on_terminal(command, **environment):
    """What the command prints on a terminal of 80 columns, and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.system("stty cols 80 rows 24")
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", **environment})
    text = b""
    while True:
        try:
            more = os.read(fd, 65536)
        except OSError:  # the terminal has gone
            break
        if not more:
            break
        text += more
    os.close(fd)
    return text.decode().replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def conditions(out):
    """Each condition is in the first line, in the exit code and in the JSON, with since when and what to do."""
    s = States(out)
    try:
        for condition in CONDITIONS:
            if condition != "held":  # that comes of failing, which goes on: it counts from when that began
                since = time.time() * 1e6
            if condition != "well":
                s.become(condition)
            text, told = s.run(), s.run("--json")
            health = s.status()["health"]
            note(f"{condition}:\n" + re.sub("^", "# ", text.stdout, flags=re.M))
            word = condition if condition == "well" else condition.upper()
            check(f"{condition}: the first line says it, and since when",
                  re.fullmatch(rf"State         {word}(, last seen| since) {TIME}", text.stdout.split("\n", 1)[0]), text.stdout)
            equal(f"{condition}: exit code", (text.returncode, told.returncode), (EXIT_CODES[condition],) * 2, text.stderr, told.stderr)
            equal(f"{condition}: nothing is said elsewhere", (text.stderr, told.stderr), ("", ""))
            check(f"{condition}: plain text in a pipe", "\033" not in text.stdout)
            equal(f"{condition}: JSON", (health["condition"], told.stdout.count("\n")), (condition, 1))
            if condition == "well":
                equal("well: nothing to do", (health["reason"], health["remedy"]), (None, None))
            else:
                check(f"{condition}: the reason", REASONS[condition] in health["reason"] and row(text.stdout, "Reason") == health["reason"], health)
                check(f"{condition}: what to do", health["remedy"] and row(text.stdout, "What to do") == health["remedy"], health, text.stdout)
                check(f"{condition}: since when", since - 2e6 <= usec_of(health["since"]) <= time.time() * 1e6, since, health)
            if condition != "down":
                equal(f"{condition}: the JSON is as docs/status.md has it", status_form.complaints(s.status()), [])
                check(f"{condition}: the last answers", REASONS.get(condition, "HTTP 200") in row(text.stdout, "Answers"), text.stdout)
                check(f"{condition}: who logs", row(text.stdout, "Services").startswith("files: "), text.stdout)
            coloured, code = on_terminal(s.command())
            equal(f"{condition}: on a terminal: exit code", code, EXIT_CODES[condition])
            check(f"{condition}: the first line has a colour", re.match(r"State         \033\[[0-9;]+m" + word, coloured), repr(coloured[:200]))
            plain = re.sub(r"\033\[[0-9;]*m", "", coloured)
            wide = [line for line in plain.split("\n") if len(line) > 80 and not re.match("Position|Destination|Journal| {14}[^ ]*$", line)]
            equal(f"{condition}: lines are broken at its width", wide, [])
            for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
                check(f"{condition}: {name}={value}: none", "\033" not in on_terminal(s.command(), **{name: value})[0])
    finally:
        s.close()


def what_waits(out):
    """Records that have not arrived are counted, in the journal and in the spool, and how long they wait."""
    s = States(out)
    try:
        s.x.configure(directory=s.journal, more="spool_after=1s\n")
        s.x.process.send_signal(signal.SIGHUP)
        s.become("held")
        wait_for(lambda: s.status()["spool"]["active"], "the spool")
        now = s.status()
        equal("in the spool, not in the journal", (now["lag"]["records"], now["spool"]["records"], now["behind"]["records"]), (0, 5, 5))
        check("their age", 0.5 < now["behind"]["seconds"] < PATIENCE, now["behind"])
        check("as text", re.match(r"5 records, (\d+min )?\d+s behind", row(s.run().stdout, "Waiting")), s.run().stdout)
        equal("the end", s.x.end(), 0)
        now = s.status()
        equal("down: what it has left in the spool", (now["spool"]["records"], now["spool"]["active"]), (5, True))
        check("as text", row(s.run().stdout, "Spool").startswith("5 records, "), s.run().stdout)
        s.x.script(s.x.NORMAL)
        s.x.start()
        wait_for(lambda: s.condition() == "well" and s.status()["behind"]["records"] == 0, "all to arrive")
        equal("the end", s.x.end(), 0)
    finally:
        s.close()


def a_slow_destination(out):
    """Records that wait too long: behind, although nothing fails."""
    s = States(out)
    try:
        s.x.configure(directory=s.journal, more="[export]\ntimeout=10min\n")  # until then nothing fails
        s.x.end()
        s.x.start()
        wait_for(lambda: s.condition() == "well", "azmonlog to be well")
        s.x.script("request * delay 10min\n")
        now = time.time_ns() // 1000
        import journal_files
        journal_files.append(f"{s.journal}/a.journal", s.logged, 7, realtime=now - 60_000_000, monotonic=100_000_000)
        wait_for(lambda: s.condition() == "behind", "azmonlog to be behind")
        told = s.status()
        equal("nothing fails", (told["state"], told["error"], told["failures"]), ("delivering", None, 0))
        check("what waits", told["behind"]["records"] == 7 and told["behind"]["seconds"] > 59, told["behind"])
        check("since they were to be there", abs(usec_of(told["health"]["since"]) - (now - 30e6)) < 2e6, told["health"], now)
        check("what to do", told["health"]["remedy"], told["health"])
    finally:
        s.close()


def killed(out):
    """Down by SIGKILL: it was last seen when it last saved its position, and where it goes on is told."""
    s = States(out)
    try:
        cursor = s.status()["acknowledged"]["cursor"]
        s.x.end(signal.SIGKILL)
        told = s.run("--json")
        equal("exit code", told.returncode, 3)
        told = s.status()
        check("last seen", time.time() * 1e6 - usec_of(told["health"]["since"]) < PATIENCE * 1e6, told)
        equal("where it goes on", told["acknowledged"]["cursor"], cursor)
    finally:
        s.close()


def never_run(out):
    """Down, and it never was up: nothing is known."""
    config = f"{out}/conf"
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"[state]\ndirectory={out}/none\n")
    r = subprocess.run([os.environ["AZMONLOG"], "status", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=PATIENCE, check=False)
    equal("exit code", (r.returncode, r.stderr), (3, ""))
    equal("the first line", r.stdout.split("\n")[0], "State         DOWN")


def the_trend(out):
    """The control socket also tells what it was like before."""
    s = States(out)
    try:
        import json
        import socket

        def ask(message):
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(f"{s.x.state}/control")
                c.sendall(json.dumps(message).encode() + b"\n")
                return json.loads(c.makefile().readline())
        wait_for(lambda: ask({"command": "trend", "intervals": 3})["read"], "an interval to begin")
        t = ask({"command": "trend", "intervals": 3})
        equal("its members", sorted(t), ["behind", "delivered", "failures", "interval", "latency", "read", "requests"])
        check("all of one length", {len(v) for k, v in t.items() if k != "interval"} == {len(t["read"])}, t)
        equal("a number that is none", list(ask({"command": "trend", "intervals": -1})), ["error"])
    finally:
        s.close()


run(conditions, what_waits, a_slow_destination, killed, never_run, the_trend)
