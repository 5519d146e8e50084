# SPDX-License-Identifier: MIT
"""Messages of several entries: see multiline.sh."""
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from exporter import Exporter  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

# Workers of one service, which share its standard output. Each line is a write of its own, as Python's are that print a traceback;
# every third worker dies in the middle of one. What is to arrive goes to the file argv[1]: what each worker had written when it ended.
WORKERS = r'''
import os, random, signal, sys, time, traceback

def fail(text, deep):
    if deep:
        fail(text, deep - 1)
    raise ValueError(text)

def work(worker, n):
    rnd = random.Random(worker)
    for i in range(n):
        try:
            try:
                fail(f"w{worker} {i}", rnd.randrange(4))
            except ValueError as e:
                if rnd.random() < 0.3:
                    raise RuntimeError(f"w{worker} {i} again")
                raise
        except Exception:
            lines = [line for line in traceback.format_exc().split("\n") if line]
        if rnd.random() < 0.3:
            lines = [f"w{worker} {i} is well"]
        dies = worker % 3 == 2 and i == n - 1
        for line in lines[:len(lines) // 2 + 1] if dies else lines:
            os.write(1, f"{line}\n".encode())
            os.write(told, f"{worker} {i} {line}\n".encode())
            if rnd.random() < 0.05:
                time.sleep(rnd.random() / 100)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
workers, n = int(sys.argv[2]), int(sys.argv[3])
for worker in range(workers):
    if os.fork() == 0:
        work(worker, n)
        os._exit(0)
for worker in range(workers):
    os.wait()
'''


def sync():
    subprocess.run(["journalctl", "--sync"], check=True, timeout=PATIENCE)


def printed(identifier, text):
    """By a program whose standard output goes to the journal."""
    subprocess.run(["systemd-cat", "-t", identifier], input=text.encode(), check=True, timeout=PATIENCE)
    sync()


def exporter(out, identifier, settings, **more):
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out,
                    more=f"[journal]\nidentifiers={identifier}\n{settings}", **more)


def bodies(x):
    """The text of each uid, and how often it came. Equal uids have equal texts."""
    found = collections.defaultdict(collections.Counter)
    for r in x.received():
        found[r["uid"]][r["body"]] += 1
    differing = [texts for texts in found.values() if len(texts) > 1]
    check("records with one uid are equal", not differing, differing[:3])
    return {uid: next(iter(texts)) for uid, texts in found.items()}


def written(path):
    """What was written: the messages, as they are to arrive."""
    messages = collections.defaultdict(list)
    with open(path, encoding="utf-8") as f:
        for line in f:
            worker, n, text = line.rstrip("\n").split(" ", 2)
            messages[int(worker), int(n)].append(text)
    return ["\n".join(lines) for lines in messages.values()]


def workers(out):
    """Forked workers print tracebacks at once, some die in the middle, and azmonlog dies all the time."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    note(f"SEED={seed}")
    rnd = random.Random(seed)
    # A worker may be kept waiting by the machine in the middle of a traceback.
    x = exporter(out, "shop", "multiline=python\nmultiline_timeout=1min\n", batch=20, concurrency=2)
    with open(f"{out}/workers.py", "w", encoding="utf-8") as f:
        f.write(WORKERS)
    program = subprocess.Popen(["systemd-cat", "-t", "shop", sys.executable, f.name, f"{out}/told", "9", "40"])
    kills = 0
    while program.poll() is None or kills < 8:
        x.start()
        n = len(x.received())
        limit = time.monotonic() + rnd.random()
        wait_for(lambda: time.monotonic() > limit or len(x.received()) > n + 40, "some records")
        x.end(signal.SIGKILL)
        kills += 1
    equal("the workers end", program.returncode, 0)
    sync()
    equal("the last run ends with 0", x.once(), 0)
    note(f"{kills} kills, {sum(x.copies().values())} copies")
    arrived, expected = collections.Counter(bodies(x).values()), collections.Counter(written(f"{out}/told"))
    equal("nothing is lost", sorted((expected - arrived).elements()), [])
    equal("each traceback is one record, and there is nothing else", sorted((arrived - expected).elements()), [])
    check("there are tracebacks, also chained ones", sum(m.count("Traceback") == 2 for m in expected) > 20, expected)
    check("of several workers at once", interleaved(), "no line of one came between two of another")
    x.close()


def interleaved():
    out = subprocess.run(["journalctl", "-t", "shop", "-o", "json", "--output-fields=_PID,MESSAGE"], stdout=subprocess.PIPE, check=True).stdout
    entries = [json.loads(line) for line in out.splitlines()]
    return any(a["MESSAGE"].startswith("Traceback") and a["_PID"] != b["_PID"] and b["MESSAGE"].startswith(" ")
               for a, b in zip(entries, entries[1:]))


def live(out):
    """A traceback arrives when nothing follows it, by itself."""
    x = exporter(out, "alone", "multiline=python\nmultiline_timeout=2s\n")  # a busy machine may stop journald between two lines
    x.start()
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: no'
    printed("alone", f"{trace}\n")
    wait_for(lambda: x.received(), "it")
    equal("as one record", [r["body"] for r in x.received()], [trace])
    equal("its status says so", status(x)["joined"], {"messages": 1, "entries": 3})
    equal("its end is a good one", x.end(), 0)
    x.close()


def status(x):
    r = subprocess.run([x.azmonlog, "status", "--json", "-c", f"{x.out}/azmonlog.conf"], stdout=subprocess.PIPE, timeout=PATIENCE)
    return json.loads(r.stdout)  # whether all is well is not asked


def held_back(out):
    """What waits for its next line comes with a flush, and with the end."""
    x = exporter(out, "held other", "multiline=python\nmultiline_timeout=1min\n")
    first, second = (f'Traceback (most recent call last):\n  File "a.py", line {n}, in f' for n in (1, 2))
    x.start()
    printed("held", f"{first}\n")
    wait_for(lambda: os.path.exists(f"{x.state}/control"), "azmonlog")
    subprocess.run([x.azmonlog, "flush", "-c", f"{out}/azmonlog.conf"], check=True, timeout=PATIENCE)
    equal("flush waits until it is delivered", [r["body"] for r in x.received()], [first])
    printed("held", f"{second}\n")
    printed("other", "what comes behind it\n")
    wait_for(lambda: len(x.received()) > 1, "what comes behind it")
    equal("which does not wait", x.received()[1]["body"], "what comes behind it")
    equal("its end is a good one", x.end(), 0)
    equal("and delivers what was held back", [r["body"] for r in x.received()[2:]], [second])
    printed("other", "more\n")
    equal("the next run goes on there", x.once(), 0)
    equal("nothing came twice", [r["body"] for r in x.received()[3:]], ["more"])
    x.close()


def long_lines(out):
    """A line of 200 KB arrives whole, as JSON is taken apart, and in parts where a body may not be so long."""
    rnd = random.Random(7)
    line = "".join(f"{rnd.getrandbits(64):016x} " for _ in range(12000)) + "the end"
    spoken = json.dumps({"level": "error", "message": "long", "data": line[:150000]})
    printed("long", f"before\n{line}\n{spoken}\nafter\n")
    whole = exporter(f"{out}/whole", "long", "multiline=pieces\nparse=json\nmax_body_bytes=256K\n")
    equal("it ends well", whole.once(), 0)
    equal("whole", [r["body"] for r in whole.received()], ["before", line, "long", "after"])
    equal("JSON", (whole.received()[2]["severity_text"], whole.received()[2]["attributes"]["data"]), ("err", line[:150000]))
    parts = exporter(f"{out}/parts", "long", "multiline=pieces\n")
    equal("it ends well", parts.once(), 0)
    numbers = [r["attributes"].get("azmonlog.part") for r in parts.received()]
    equal("in parts", numbers, [None] + list(range(1, 1 + (len(numbers) - 3) // 2 + 1)) + numbers[2 + (len(numbers) - 3) // 2:-1] + [None])
    equal("nothing is missing", "".join(r["body"] for r in parts.received()), f"before{line}{spoken}after")
    check("nothing is cut", all("azmonlog.truncated" not in r["attributes"] for r in parts.received()))
    equal("the uids are the same", {r["uid"] for r in whole.received()} - {r["uid"] for r in parts.received()}, set())
    off = exporter(f"{out}/off", "long", "")
    equal("without it each piece is a record", (off.once(), len(off.received())), (0, 2 + 5 + 4))
    for x in (whole, parts, off):
        x.close()


def other_commands(out):
    """cat and backfill join as run does; a reload begins to and stops."""
    trace = 'panic: no\n\tpanic: again\ngoroutine 1 [running]:\nmain.main()\n\t/srv/a.go:3 +0x1d'
    printed("cmd", f"{trace}\nwords\n")
    x = exporter(f"{out}/run", "cmd", "multiline=auto\n")
    equal("run ends well", x.once(), 0)
    expected = [(trace, x.received()[0]["uid"]), ("words", x.received()[1]["uid"])]
    cat = subprocess.run([x.azmonlog, "cat", "-c", f"{x.out}/azmonlog.conf"], stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout
    records = [json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0] for line in cat.splitlines()]
    equal("cat", [(r["body"]["stringValue"], next(a["value"]["stringValue"] for a in r["attributes"] if a["key"] == "log.record.uid"))
                  for r in records], expected)
    subprocess.run([x.azmonlog, "backfill", "-c", f"{x.out}/azmonlog.conf", "--since", "-1h", "--until", "now"],
                   check=True, timeout=PATIENCE, stderr=x.log)
    equal("backfill", [(r["body"], r["uid"]) for r in x.received()[2:]], expected)
    x.configure(more="[journal]\nidentifiers=cmd\n")
    x.start()
    wait_for(lambda: os.path.exists(f"{x.state}/control"), "azmonlog")
    for settings, n in (("multiline=go\nmultiline_timeout=1min\n", 1), ("", 5)):
        x.configure(more=f"[journal]\nidentifiers=cmd\n{settings}")
        before, reloads = len(x.received()), status(x)["config"]["reloads"]
        x.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status(x)["config"]["reloads"] > reloads, "the reload")
        printed("cmd", f"{trace}\nend {n}\n")
        wait_for(lambda: any(r["body"] == f"end {n}" for r in x.received()), "the last line")
        equal(f"{settings.split()[:1]}: so many records", len(x.received()) - before, n + 1)
    equal("its end is a good one", x.end(), 0)
    x.close()


run(workers, live, held_back, long_lines, other_commands)
