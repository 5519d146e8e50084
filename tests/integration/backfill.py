# SPDX-License-Identifier: MIT
"""azmonlog backfill: see backfill.sh."""
import collections
import datetime
import fcntl
import os
import pty
import random
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from exporter import Exporter, listens
from journal_files import NOON, SECOND, append, append_entries
from journald import PATIENCE, Journald, read_file, wait_for
from tap import check, equal
from writers import Writers, write

DAY, HOUR, MINUTE = 86400 * SECOND, 3600 * SECOND, 60 * SECOND
LEFT_OUT = r"have (\d+) more entries of that time than libsystemd gives"
AZURE_PATH = "/dataCollectionRules/dcr-" + "0" * 32 + "/streams/Microsoft-OTLP-Logs/otlp/v1/logs"

journald = Journald(f"{sys.argv[1]}/journald.log")
journald.configure(SystemMaxFileSize="1M", SystemMaxUse="1G", SystemMaxFiles=10000)


def at(usec):
    """As an option takes it."""
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=usec)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now():
    return time.time_ns() // 1000


class Backfill(Exporter):
    """An Exporter whose azmonlog is a backfill. The service beside it is another Exporter, with the same state directory."""

    def begin(self, since, until, *more):
        self.process = subprocess.Popen(self.line(since, until, *more), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def line(self, since, until, *more):
        return [self.azmonlog, "backfill", "--config", f"{self.out}/azmonlog.conf", "--since", at(since) if type(since) is int else since,
                "--until", at(until) if type(until) is int else until, *more]

    def call(self, since, until, *more):
        """Runs it to its end: (exit code, standard output, messages)."""
        done = subprocess.run(self.line(since, until, *more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.log.write(done.stderr.encode())
        self.log.flush()
        return done.returncode, done.stdout, done.stderr

    def states(self):
        """Its state directories."""
        try:
            return sorted(os.listdir(f"{self.state}/backfill"))
        except FileNotFoundError:
            return []

    def position(self):
        """How many entries of its only stretch are checkpointed."""
        m = re.search(r"^past=(\d+) ", open(f"{self.state}/backfill/{self.states()[0]}/cursor").read(), re.M)
        return int(m[1])

    def forget(self):
        shutil.rmtree(f"{self.state}/backfill", ignore_errors=True)


def begin(out, **settings):
    os.makedirs(f"{out}/journal", exist_ok=True)
    settings.setdefault("directory", f"{out}/journal")
    return Backfill(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, **settings)


def begin_journald(out, **settings):
    journald.begin_anew()
    return begin(out, directory=None, **settings)


def in_stretch(entries, since, until):
    """(time, text) -> how many, of the entries that are in the stretch: what journalctl reads of each file alone tells."""
    return collections.Counter((e.realtime, e.text) for e in entries if since <= e.realtime < until)


def difference(got, wanted):
    return f"missing {list((wanted - got).items())[:3]} (of {sum((wanted - got).values())}), " \
           f"too many {list((got - wanted).items())[:3]} (of {sum((got - wanted).values())})"


def arrived_exactly(x, what, wanted):
    check(f"{what}: just what was received then arrives, {sum(wanted.values())} entries", x.entries() == wanted,
          lambda: difference(x.entries(), wanted))
    equal(f"{what}: nothing arrives twice", x.copies(), {})
    equal(f"{what}: no gap is reported", x.gaps(), [])


# --- what is in a stretch ---

def boundaries(out):
    """The first moment is in it, the last one is not; entries of one time, several boots, clocks that were behind."""
    a = f"{out}/journal/a.journal"
    append(a, 1, 50, NOON - MINUTE, SECOND, step=SECOND)
    for second in range(60):  # eleven at a time
        append_entries(a, [{"MESSAGE": f"w1 {11 * second + k}"} for k in range(11)], NOON + second * SECOND, 100 * SECOND + second * SECOND, step=0)
    # the next boot goes on in the same file, and its clock is 20 minutes behind, then is set
    append(a, 2001, 100, NOON - 20 * MINUTE, SECOND, boot="d" * 32, step=5 * SECOND)
    append(a, 2101, 100, NOON + 40 * SECOND, 600 * SECOND, boot="d" * 32, step=SECOND)
    # a boot whose clock was days ahead, in a file of its own; and one that was days behind
    append(f"{out}/journal/ahead.journal", 3001, 50, NOON + 30 * DAY, SECOND, boot="e" * 32)
    append(f"{out}/journal/behind.journal", 4001, 50, NOON - 30 * DAY, SECOND, boot="f" * 32)
    # a user's, in the same minutes as the first (of entries with one time in two files libsystemd passes over some)
    append(f"{out}/journal/user-1500.journal", 5001, 300, NOON - 30 * SECOND + SECOND // 4, 70 * SECOND + SECOND // 4, step=SECOND // 2)
    entries = [e for n in sorted(os.listdir(f"{out}/journal")) for e in read_file(f"{out}/journal/{n}")]
    for i, (what, since, until) in enumerate((
            ("from one time to another", NOON + 10 * SECOND, NOON + 20 * SECOND),
            ("a single time", NOON + 30 * SECOND, NOON + 30 * SECOND + 1),
            ("a microsecond later", NOON + 30 * SECOND + 1, NOON + 31 * SECOND + 1),
            ("over two boots", NOON - 30 * SECOND, NOON + 75 * SECOND),
            ("where the clock was behind", NOON - 15 * MINUTE, NOON - 14 * MINUTE),
            ("a month behind", NOON - 31 * DAY, NOON - 29 * DAY),
            ("a month ahead, to its last entry", NOON + 30 * DAY + 10, NOON + 30 * DAY + 49000),
            ("everything", 1, NOON + 60 * DAY))):
        x = begin(f"{out}/{i}", directory=f"{out}/journal")
        wanted = in_stretch(entries, since, until)
        check(f"{what}: there is something in it", wanted)
        code, _, said = x.call(since, until)
        equal(f"{what}: it ends with 0", code, 0, said)
        arrived_exactly(x, what, wanted)
        x.close()
    x = begin(out)
    code, _, said = x.call(NOON - 10 * DAY, NOON - 9 * DAY)
    equal("where there is nothing it ends with 0", code, 0)
    check("and says so", "there is nothing in the journal" in said, said)
    code, _, said = x.call(NOON - 400 * DAY, NOON - 29 * DAY)
    check("where the journal does not reach back that is told", f"the oldest entry of the journal is from {at(NOON - 30 * DAY)}" in said, said)
    x.close()


def write_boots(directory, rnd):
    """Some boots of a machine, each in several files, with clocks that were wrong for a while: how libsystemd orders that
    depends on where it began. Journald begins another file when a clock goes back."""
    true, number, generation = NOON, 0, 0
    for boot in "bdef"[:rnd.randint(2, 4)]:
        true += rnd.randint(1, 900) * SECOND
        monotonic = rnd.randint(1, 20) * SECOND
        error = rnd.choice((0, 0, rnd.randint(-1700, 1700) * SECOND))
        n = rnd.randint(5, 80)
        set_at = rnd.choice((n, n // 2))
        files = collections.defaultdict(list)
        for i in range(n):
            if i == set_at:
                generation += error > 0
                error = 0
            step = rnd.choice((0, 1, 1000, SECOND // 2, SECOND, 5 * SECOND))
            true, monotonic, number = true + step, monotonic + step, number + 1
            files["system" if rnd.random() < 0.75 else "user-1000", generation].append(
                {"__REALTIME_TIMESTAMP": true + error, "__MONOTONIC_TIMESTAMP": monotonic, "MESSAGE": f"w0 {number}"})
        for (name, g), entries in files.items():
            append_entries(f"{directory}/{name}{g}.journal", entries, boot=boot * 32)


def clocks_that_jump(out):
    """Everything that was counted is read, also by the one that goes on after another was killed."""
    for seed in os.environ.get("SEED", "2 7 11 34").split():
        rnd = random.Random(int(seed))
        x = begin(f"{out}/{seed}", batch=3, concurrency=1)
        write_boots(f"{x.out}/journal", rnd)
        entries = [e for n in sorted(os.listdir(f"{x.out}/journal")) for e in read_file(f"{x.out}/journal/{n}")]
        different = []
        for _ in range(12):
            since = rnd.choice(entries).realtime + rnd.choice((0, 1, -1))
            until = since + rnd.choice((1, SECOND, 30 * SECOND, 600 * SECOND))
            wanted = sum(in_stretch(entries, since, until).values())
            _, text, said = x.call(since, until, "--dry-run")
            read, left_out = re.search(r"^Records +(\d+)$", text, re.M), re.search(LEFT_OUT, said)
            if wanted != sum(int(m[1]) for m in (read, left_out) if m):
                different.append((since - NOON, until - NOON, wanted, text, said))
        equal(f"seed {seed}: just what is in a stretch would be sent, or is told, for each of 12", different, [])
        since, until = NOON, NOON + HOUR
        wanted = in_stretch(entries, since, until)
        said_before = os.path.getsize(x.log.name)
        for part in (0.2, 0.4, 0.6, 0.8):
            x.begin(since, until)
            wait_for(lambda: len(x.entries()) >= part * len(wanted) or not x.running(), "some records")  # noqa: B023
            x.process.kill()
            x.process.wait()
        code, _, said = x.call(since, until)
        equal(f"seed {seed}: killed four times it ends with 0", code, 0, said)
        missing, left_out = set(wanted) - set(x.entries()), re.search(LEFT_OUT, open(x.log.name).read()[said_before:])
        equal(f"seed {seed}: everything arrives, {len(wanted)} entries, but for what it said", len(missing), int(left_out[1]) if left_out else 0,
              sorted(missing)[:5])
        check(f"seed {seed}: nothing but that", not set(x.entries()) - set(wanted))
        x.configure(directory="")  # --file stands instead
        for name in sorted(os.listdir(f"{x.out}/journal")) if left_out else ():
            equal(f"seed {seed}: {name} alone: 0", x.call(since, until, "--file", f"{x.out}/journal/{name}")[0], 0)
        equal(f"seed {seed}: in the end everything is there", set(x.entries()), set(wanted))
        equal(f"seed {seed}: no gap is reported", x.gaps(), [])
        x.close()


def options(out):
    """What makes no sense is refused with 64; times as journalctl takes them."""
    x = begin(out)
    append(f"{out}/journal/a.journal", 1, 10, now() - 3 * HOUR, SECOND)
    for what, arguments, words in (
            ("no times", [], "needs both"), ("no end", ["--since", "-1h"], "needs both"),
            ("no time", ["--since", "then", "--until", "now"], "is not a time"),
            ("an end in the future", ["--since", "-1h", "--until", at(now() + HOUR)], "is in the future"),
            ("an end before the beginning", ["--since", "-1h", "--until", "-2h"], "is not before"),
            ("an empty stretch", ["--since", "@1790000000", "--until", "@1790000000"], "is not before"),
            ("an argument", ["--since", "-2h", "--until", "-1h", "x"], "takes no argument"),
            ("an unknown option", ["--since", "-2h", "--until", "-1h", "--start", "now"], "unrecognized option")):
        done = subprocess.run([x.azmonlog, "backfill", "-c", f"{out}/azmonlog.conf", *arguments], capture_output=True, text=True,
                              timeout=PATIENCE)
        equal(f"{what}: 64", done.returncode, 64, done.stderr)
        check(f"{what}: it says why", words in done.stderr, done.stderr)
    for since in ("-4h", "4h ago", at(now() - 4 * HOUR), "@%d" % (now() // SECOND - 4 * 3600), "yesterday",
                  time.strftime("%Y-%m-%d %H:%M", time.localtime(now() // SECOND - 4 * 3600))):
        x.forget()
        code, text, said = x.call(since, "-1h", "--dry-run")
        check(f"--since {since!r} is understood", code == 0 and re.search(r"^Records +10$", text, re.M), text, said)
    equal("a dry run leaves nothing behind", x.states(), [])
    x.close()


# --- beside the service ---

def beside_the_service(out):
    """The service and its writers go on; the same entries arrive with the same uid and all else the same."""
    service = begin_journald(f"{out}/service")
    x = begin(f"{out}/backfill", directory=None)
    x.state = service.state
    x.configure()
    writers = Writers(7)
    try:
        service.start()
        for w in range(4):
            writers.write(w, 400)
        writers.wait()
        since = now()
        for w in range(4):
            writers.write(w, 300)
        writers.wait()
        journald.rotate()
        for w in range(4):
            writers.write(w, 300)
        writers.wait()
        journald.sync()  # an entry's time is that at which journald has taken it
        until = now()
        for w in range(4):
            writers.write(w, 100000)  # a flood, all the while
        x.begin(since, until)
        equal("a backfill ends with 0", x.process.wait(PATIENCE), 0, lambda: open(x.log.name).read())
        writers.pause()
        journald.sync()
        wanted = in_stretch(journald.entries(), since, until)
        check("there is much in the stretch", sum(wanted.values()) >= 2400)
        arrived_exactly(x, "beside a flood", wanted)
        everything = {(w, n) for w in range(4) for n in range(1, writers.done(w) + 1)}
        check("the service delivers everything", service.wait_for_numbers(everything),
              lambda: sorted(everything - service.numbers().keys())[:20])
        equal("the service ends with 0", service.end(), 0)
        equal("it has sent nothing twice", service.copies(), {})
        equal("and reports no gap", service.gaps(), [])
        by_service = {r["uid"]: r for r in service.received()}
        strip = lambda r: {k: v for k, v in r.items() if k != "request"}  # noqa: E731
        others = [r for r in x.received() if strip(by_service.get(r["uid"], {})) != strip(r)]
        equal("each record is the service's, uid, attributes and all", others[:2], [])
        position = open(f"{service.state}/cursor").read()
        x.forget()
        equal("once more, with the service down: 0", x.call(since, until)[0], 0)
        equal("its position stays where it was", open(f"{service.state}/cursor").read(), position)
        equal("all of it arrived once more", set(x.copies().values()), {1})
        n = len(service.received())
        equal("a run of the service after that ends with 0", service.once(), 0)
        equal("it sends nothing again and reports no gap", (len(service.copies()), service.gaps()), (0, []), len(service.received()) - n)
    finally:
        writers.close()
        service.close()
        x.close()


def of_a_unit(out):
    """--unit: only that, with the uid that it has without."""
    x = begin(out)
    append_entries(f"{out}/journal/a.journal",
                   [{"MESSAGE": f"w0 {i // 4}", "_SYSTEMD_UNIT": f"{('web', 'db')[i % 2]}.service"} for i in range(400)], step=100)
    equal("of everything", x.call(NOON, NOON + HOUR)[0], 0)
    everything = {r["uid"]: r["service"] for r in x.received()}
    equal("of one unit", x.call(NOON + 4000, NOON + 8000, "--unit", "web")[0], 0)
    again = x.received()[400:]
    equal("only its entries", ({r["service"] for r in again}, len(again)), ({"web"}, 20))
    check("with the uids that they had", all(everything.get(r["uid"]) == "web" for r in again))
    equal("of the other", x.call(NOON + 4000, NOON + 8000, "-u", "db")[0], 0)
    equal("arrives as well", [r["service"] for r in x.received()[420:]], ["db"] * 20)
    equal("each has a checkpoint of its own", len(x.states()), 3)
    x.close()


# --- interrupted ---

def killed(out):
    """SIGKILL at many points: nothing is lost, and what arrives twice has the uid of its first copy."""
    x = begin(out, batch=20, concurrency=3)
    rnd = random.Random(11)
    for part in range(4):
        append(f"{out}/journal/{part}.journal", 1 + 1000 * part, 1000, NOON + part * 1000 * 1000, SECOND + part * 1000 * 1000, pad=60)
    since, until = NOON + 100 * 1000, NOON + 3900 * 1000
    kills, resumed = 0, 0
    for _ in range(200):
        seen = len(x.received())
        x.begin(since, until)
        enough = seen + rnd.choice((0, 1, 60, 150, 300))
        wait_for(lambda: len(x.received()) >= enough or not x.running(), "some records")
        if rnd.random() < 0.3:
            time.sleep(rnd.random() * 0.05)
        if x.running():
            x.process.kill()
        if x.process.wait(PATIENCE) == 0:
            break
        kills += 1
    tap.note(f"{kills} kills, {len(x.received())} records for {len(x.numbers())} entries")
    resumed = x.said("were exported before; going on behind these")
    check("it was killed many times", kills >= 8, kills)
    check("it went on where it was", resumed >= 5, resumed)
    equal("everything of the stretch arrives, and nothing else", sorted(x.numbers()), [(0, n) for n in range(101, 3901)])
    uids = collections.defaultdict(set)
    for r in x.received():
        uids[r["body"]].add(r["uid"])
    check("a copy has the uid of the first one", all(len(u) == 1 for u in uids.values()))
    equal("no gap is reported", x.gaps(), [])
    n = len(x.received())
    code, _, said = x.call(since, until)
    equal("another call ends with 0", code, 0)
    check("says that all of it was exported", "all of it was exported before (finished=" in said, said)
    equal("and sends nothing", len(x.received()), n)
    equal("all of it had one checkpoint", len(x.states()), 1)
    x.close()


def stopped(out):
    """SIGTERM, SIGINT and SIGHUP end it in order, it says how to go on, and what it says does that, for relative times too."""
    x = begin(out, batch=20, concurrency=1)
    begins = now() - HOUR
    append(f"{out}/journal/a b.journal", 1, 2000, begins, SECOND)
    command = None
    for how in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        seen = len(x.received())
        if command is None:
            x.begin("-2h", "-30min", "--priority", "6")
        else:
            x.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=x.log, stderr=x.log)
        wait_for(lambda: len(x.received()) >= seen + 200, "some records")
        check(f"{how.name}: it takes it in order", listens(x.process.pid, how))
        x.process.send_signal(how)
        equal(f"{how.name}: exit code 75", x.process.wait(PATIENCE), 75)
        said = re.findall(r"not all of it is exported; this goes on with the rest: azmonlog (backfill .*)", open(x.log.name).read())
        command = [x.azmonlog, *shlex.split(said[-1])]
    equal("each time it was the same stretch", len(set(said)), 1)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    equal("at last it ends with 0", done.returncode, 0, done.stderr)
    equal("everything has arrived", len(x.numbers()), 2000)
    equal("once, for it ended in order", x.copies(), {})
    equal("all of it had one checkpoint", len(x.states()), 1)
    x.close()


def one_at_a_time(out):
    """A second one of the same stretch is refused; another stretch, or another destination, goes."""
    x = begin(out)
    append(f"{out}/journal/a.journal", 1, 100)
    x.hold()
    x.begin(NOON, NOON + HOUR)
    wait_for(lambda: x.said("cannot deliver"), "it to be held")
    code, _, said = x.call(NOON, NOON + HOUR)
    equal("the same once more: refused", code, 1)
    check("by whom", f"is in use by another azmonlog (pid {x.process.pid})" in said, said)
    equal("a dry run goes", x.call(NOON, NOON + HOUR, "--dry-run")[0], 0)
    x.release()
    equal("it delivers when the destination is back", x.process.wait(PATIENCE), 0)
    equal("all of it", len(x.received()), 100)
    equal("another stretch", x.call(NOON, NOON + 50 * 1000)[0], 0)
    equal("arrives", len(x.received()), 150)
    equal("another destination", x.call(NOON, NOON + HOUR, "--endpoint", x.url + AZURE_PATH)[0], 0)
    equal("gets all of it", len(x.received()), 250)
    equal("three checkpoints", len(x.states()), 3)
    x.process = None
    x.close()


def refused_records(out):
    """What the destination refuses goes into the quarantine of the backfill, and the message leads there."""
    x = begin(out, batch=10)
    append(f"{out}/journal/a.journal", 1, 100)
    x.script('request * containing "w0 77" refuse 400 InvalidRecord "odd"\n')
    code, _, said = x.call(NOON, NOON + HOUR)
    equal("it ends with 0", code, 0, said)
    equal("all others arrive", len(x.numbers()), 99)
    m = re.search(r"1 record was refused; azmonlog (quarantine list --state-directory (\S+)) shows", said)
    check("it says where the one is", m, said)
    check("and said so when that was refused", f"went into quarantine (HTTP 400); azmonlog {m[1]} shows it" in said, said)
    listed = subprocess.run([x.azmonlog, *m[1].split()], capture_output=True, text=True, timeout=PATIENCE)
    check("which lists it", "1 record, " in listed.stdout, listed.stdout, listed.stderr)
    equal("the service's quarantine has nothing", x.quarantine(), [])
    x.close()


# --- entries that go meanwhile ---

def vacuumed(out, name, files=1, after=3000):
    """What is taken away before it was read is told, and nothing that is no part of the stretch."""
    x = begin_journald(out, batch=20, concurrency=1)
    write(1, 500, pad=200)
    since = now()
    write(501, 3000, pad=300)
    until = now()
    write(3501, after, pad=300)
    journald.sync()
    wanted = in_stretch(journald.entries(), since, until)
    x.script("request 5- status 503\n")
    x.begin(since, until)
    wait_for(lambda: x.said("cannot deliver") and x.position() == 80, "it to be held, behind what was acknowledged")
    if name == "down":
        x.process.kill()
        x.process.wait()
    journald.rotate()
    unused = len(journald.unused_numbers())
    journald.journalctl(f"--vacuum-files={files}")
    write(9001, 10)
    journald.sync()
    left = in_stretch(journald.entries(), since, until)
    x.release()
    if name == "down":
        equal(f"{name}: it goes on and ends with 0", x.call(since, until)[0], 0)
    else:
        equal(f"{name}: it ends with 0", x.process.wait(PATIENCE), 0)
    got = x.entries()
    lost = sum((wanted - got).values())
    check(f"{name}: nothing but what was received then", not got - wanted, lambda: difference(got, wanted))
    check(f"{name}: what is left arrives", not left - got)
    check(f"{name}: something was lost", lost > 500, lost)
    tap.note(f"{name}: {lost} lost, {sum(left.values())} left, {[g[:5] for g in x.gaps()]}")
    check(f"{name}: told once", [g.reason for g in x.gaps()] == ["vacuumed"], x.gaps())
    # numbers that journald wasted are not to be told from entries
    check(f"{name}: with the number", x.gaps() and lost <= x.gaps()[0].entries <= lost + unused, x.gaps(), lost, unused)
    check(f"{name}: in times of the stretch", x.gaps() and x.gaps()[0].from_usec >= since - SECOND and x.gaps()[0].to_usec < until, x.gaps(), (since, until))
    check(f"{name}: and at the end that it is less", x.said(rf"but that is {lost} entries fewer than it had at first"), lambda: open(x.log.name).read())
    equal(f"{name}: another call has nothing to do", x.call(since, until)[0], 0)
    equal(f"{name}: and tells no gap again", len(x.gaps()), 1)
    x.process = None
    x.close()


def vacuumed_under_it(out):
    """Held, when all of the rest is taken away, and what came later, too."""
    vacuumed(out, "held")


def vacuumed_while_down(out):
    """Killed, and when it comes back the rest is gone."""
    vacuumed(out, "down")


def vacuumed_in_part(out):
    """Held, when the oldest files are taken away."""
    vacuumed(out, "in part", files=3, after=100)


# --- what it says ---

def figures(text):
    """(records, requests, bytes before compression, bytes on the wire) of a dry run."""
    m = re.search(r"^Records +(\d+)\nRequests +(\d+)\nBytes +(\d+) before compression, (\d+) on the wire\n", text, re.M)
    return tuple(map(int, m.groups())) if m else None


def dry_run(out):
    """It says just what is then sent, whatever the destination and the limits are; nothing is sent, nothing is kept."""
    begins = now() - 50 * HOUR  # two hours of this are older than 48 hours
    for name, settings, lines in (("OTLP", {}, ""), ("few records in a request", {"batch": 7}, ""),
                                  ("few bytes in a request", {"batch": 500}, "[batch]\nmax_request_bytes=65536\n"),
                                  ("no compression", {"batch": 1000}, "[export]\ncompression=none\n"),
                                  ("Azure", {"path": AZURE_PATH}, ""),
                                  ("Application Insights", {}, "connection_string")):
        x = begin(f"{out}/{name.replace(' ', '-')}", **settings)
        with open(f"{x.out}/azmonlog.conf", "a") as f:
            f.write(lines if "=" in lines else "")
        if lines == "connection_string":
            text = open(f"{x.out}/azmonlog.conf").read().replace(
                f"endpoint={x.url}/v1/logs", f"connection_string=InstrumentationKey={'0' * 8}-0000-0000-0000-{'0' * 12};IngestionEndpoint={x.url}/")
            open(f"{x.out}/azmonlog.conf", "w").write(text.replace("[batch]", "[batch]\nmax_request_bytes=65536"))
        append(f"{x.out}/journal/a.journal", 1, 1000, begins, SECOND, step=10 * SECOND, pad=500)
        code, text, said = x.call("-60h", at(begins + 9000 * SECOND), "--dry-run")
        equal(f"{name}: a dry run ends with 0", code, 0, said)
        equal(f"{name}: it sends nothing, and asks for nothing", (x.stats()["requests"], x.stats()["records"]), (0, 0))
        equal(f"{name}: it keeps nothing", os.path.exists(x.state), False)
        promised = figures(text)
        check(f"{name}: its figures can be read", promised, text)
        equal(f"{name}: it ends with 0", x.call("-60h", at(begins + 9000 * SECOND))[0], 0)
        stats = x.stats()
        equal(f"{name}: just that is sent", promised[:3], (stats["records"], stats["requests"], stats["bytes"]), text)
        # the time of sending stands in each old item for Application Insights, and its digits compress better or worse
        slack = promised[0] if name == "Application Insights" else 0
        check(f"{name}: in so many bytes on the wire", abs(promised[3] - stats["bytes_wire"]) <= slack, promised[3], stats["bytes_wire"])
        equal(f"{name}: of 900 records", promised[0], 900)
        billed = re.search(r"^Azure bills +about ([\d.]+) GB \((\d+) bytes\)$", text, re.M)
        check(f"{name}: it says what Azure would bill, in GB of 10^9 bytes", billed and abs(float(billed[1]) - int(billed[2]) / 1e9) < 1e-6, text)
        azure = name in ("Azure", "Application Insights")
        warned = "older than 48 hours" in said
        equal(f"{name}: it warns of Azure's 48 hours where that counts", warned, azure, said)
        old = re.search(r"^Time +(\d+) records are so old that Azure replaces the time", text, re.M)
        equal(f"{name}: and says how many records it is about", bool(old), azure, text)
        if azure:
            told = sum("azmonlog.original_time" in (r.get("attributes") or r.get("properties") or {}) for r in x.received())
            check(f"{name}: just those carry their own time", abs(int(old[1]) - told) <= 1 and told > 700, old[1], told)
        x.close()


class Terminal:
    """A process on a terminal of its own, and what it wrote there."""

    def __init__(self, command, columns, lines):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execv(command[0], command)
        os.set_blocking(self.fd, False)
        self.data, self.ended = b"", False

    def read(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return self.data.decode()
        except OSError:  # the other end is closed
            data = b""
        self.ended |= not data
        self.data += data
        return self.data.decode()

    def wait(self):
        wait_for(lambda: self.read() is None or self.ended, "the end of the terminal")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def on_a_terminal(out):
    """A bar that fits the width, with records, rate and time left, and what it waits for; messages stay readable above it."""
    for columns, lines in ((80, 24), (200, 50)):
        x = begin(f"{out}/{columns}", batch=20, concurrency=1)
        append(f"{x.out}/journal/a.journal", 1, 3000)
        # Held in the middle, so that the bar has been seen there.
        x.script("request 1-50 delay 20ms\nrequest 51- status 503\n")
        t = Terminal(x.line(NOON, NOON + HOUR), columns, lines)
        bar = re.compile(r"\[#*\.*\] (\d+) %  (\d+) of 3000 records  (\d+)/s")
        try:
            wait_for(lambda: re.search(bar.pattern + "  waiting: HTTP 503", t.read()), "it to say that it waits")
        except TimeoutError:
            tap.note(repr(t.read()[-500:]))
        check(f"{columns} columns: it waits, and says for what", re.search(bar.pattern + "  waiting: HTTP 503", t.read()))
        x.release()
        equal(f"{columns} columns: it ends with 0", t.wait(), 0)
        text = t.read()
        drawn = [s for s in re.split(r"\r|\n", text) if bar.search(s)]
        check(f"{columns} columns: a bar is drawn", len(drawn) > 1, repr(text[-1000:]))
        widths = {len(s.replace("\x1b[K", "")) for s in drawn}
        equal(f"{columns} columns: it is as wide as the terminal, but for the columns where ^C appears", widths, {columns - 3})
        counts = [int(bar.search(s)[2]) for s in drawn]
        equal(f"{columns} columns: it never goes back", counts, sorted(counts))
        check(f"{columns} columns: at the end only messages are left", re.search(r"\r\x1b\[K(\r\x1b\[K)?azmonlog: 3000 records delivered", text), repr(text[-600:]))
        messages = [s for s in re.split(r"\r\n", re.sub(r"\r[^\r\n]*\x1b\[K", "", text)) if s]
        check(f"{columns} columns: every message begins a line", all(s.startswith("azmonlog: ") for s in messages), messages)
        equal(f"{columns} columns: everything has arrived", len(x.numbers()), 3000)
        x.close()


def in_a_log(out):
    """No terminal: no control characters, and a line once a minute."""
    x = begin(out, batch=20, concurrency=1)
    append(f"{out}/journal/a.journal", 1, 1000)
    x.script("request 11- status 503\n")
    began = time.monotonic()
    x.begin(NOON, NOON + HOUR)
    wait_for(lambda: x.said(r"\d+ %  \d+ of 1000 records"), "a line of progress", PATIENCE + 60)
    check("after a minute", time.monotonic() - began >= 59)
    check("it tells how far it is and what it waits for", x.said(r"^azmonlog: 20 %  200 of 1000 records  \d+/s  waiting: HTTP 503"),
          lambda: open(x.log.name).read())
    x.release()
    equal("it ends with 0", x.process.wait(PATIENCE), 0)
    check("without control characters", not re.search(rb"[\x00-\x09\x0b-\x1f]", open(x.log.name, "rb").read()))
    equal("everything has arrived", len(x.numbers()), 1000)
    x.process = None
    x.close()


try:
    tap.run(boundaries, clocks_that_jump, options, of_a_unit, killed, stopped, one_at_a_time, refused_records, dry_run, on_a_terminal, in_a_log,
            beside_the_service, vacuumed_under_it, vacuumed_while_down, vacuumed_in_part)
finally:
    journald.end(signal.SIGKILL)
