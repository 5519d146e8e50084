# SPDX-License-Identifier: MIT
"""[destination] with a list of several places: see places.sh."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from exporter import Exporter
from journal_files import append
from journald import PATIENCE, wait_for
from tap import check, equal, run

RULES = [f"dcr-{i:032x}" for i in range(3)]


class Fleet:
    """Three destinations, and an azmonlog that may be on any host."""

    def __init__(self, out, n=3):
        os.makedirs(f"{out}/journal")
        self.places = [Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], f"{out}/place{i}") for i in range(n)]
        self.urls = [f"{p.url}/v1/logs" for p in self.places]
        self.out, self.written = out, 0

    def write(self, n):
        append(f"{self.out}/journal/host.journal", self.written + 1, n, 1_790_000_000_000_000 + self.written * 1000, 10**6 + self.written * 1000)
        self.written += n

    def configuration(self, host, destination=None):
        path = f"{self.out}/{host}.conf"
        with open(path, "w") as f:
            f.write(f"[destination]\n{destination or 'endpoint=' + ' '.join(self.urls)}\n[batch]\nschedule_delay=50ms\n"
                    f"[export]\nretry_initial_delay=20ms\nretry_max_delay=100ms\n[resource]\nhost.name={host}\n"
                    f"[journal]\nstart=oldest\ndirectory={self.out}/journal\n[state]\ndirectory={self.out}/state-{host}\n")
        return path

    def azmonlog(self, *arguments):
        return subprocess.run([os.environ["AZMONLOG"], *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=PATIENCE)

    def check(self, host, **settings):
        """(exit code, the URL of this host, the steps)"""
        done = self.azmonlog("check", "--json", "--config", self.configuration(host, **settings))
        steps = json.loads(done.stdout)["steps"]
        own = next(s["detail"] for s in steps if s["step"] == "configuration")
        return done.returncode, own.split()[own.split().index("to") + 1].rstrip(","), steps

    def close(self):
        for p in self.places:
            p.close()


def each_host_has_one(out):
    """Twelve hosts: all three are used; each host sends where check says, and all of it there."""
    f = Fleet(out)
    try:
        f.write(20)
        hosts = [f"host-{i}" for i in range(12)]
        chosen = {}
        for h in hosts:
            code, chosen[h], _ = f.check(h)
            equal(f"{h}: check is content", code, 0)
        equal("all are used", set(chosen.values()), set(f.urls))
        for h in hosts[:6]:
            before = [len(p.received()) for p in f.places]
            equal(f"{h}: a run ends with 0", f.azmonlog("run", "--once", "--config", f.configuration(h)).returncode, 0)
            equal(f"{h}: all its records are at the place that check has named",
                  [len(p.received()) - n for p, n in zip(f.places, before)], [20 if u == chosen[h] else 0 for u in f.urls])
        code, again, _ = f.check("host-0", destination="endpoint=" + " ".join(reversed(f.urls)))
        equal("another order is the same", again, chosen["host-0"])
    finally:
        f.close()


def check_looks_at_all(out):
    """A place that does not answer is found on a host that does not send there; and running does not depend on it."""
    f = Fleet(out)
    try:
        f.write(5)
        _, own, _ = f.check("host-0")
        down = next(p for p, u in zip(f.places, f.urls) if u != own)
        down_url = f"{down.url}/v1/logs"
        _, _, steps = f.check("host-0")
        equal("the others are looked at, too", {s["destination"] for s in steps} - {None}, set(f.urls) - {own})
        down.close()
        code, _, steps = f.check("host-0")
        equal("the exit code is that of a connection", code, 14)
        equal("the step says which", [s["destination"] for s in steps if s["result"] == "failed"], [down_url])
        text = f.azmonlog("check", "--config", f.configuration("host-0")).stdout
        check("the text names it", f"Other hosts send to {down_url}, number " in text, text)
        equal("this host's records arrive", f.azmonlog("run", "--once", "--config", f.configuration("host-0")).returncode, 0)
    finally:
        f.close()


def no_failing_over(out):
    """While the place of this host is down its records wait; they arrive there and nowhere else. A place that is taken out of the
    list moves the host: nothing is lost by that."""
    f = Fleet(out)
    try:
        f.write(10)
        _, own, _ = f.check("host-1")
        x = f.places[f.urls.index(own)]
        x.hold()
        log = open(f"{out}/log", "ab")
        p = subprocess.Popen([os.environ["AZMONLOG"], "run", "--config", f.configuration("host-1")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(lambda: x.stats()["requests"] > 3, "it tries again and again")
            status = json.loads(f.azmonlog("status", "--json", "--config", f.configuration("host-1")).stdout)
            status = status[0] if isinstance(status, list) else status
            check("status names it", own in json.dumps(status), status)
            equal("nothing arrives elsewhere", [len(q.received()) for q in f.places], [0, 0, 0])
            x.release()
            check("all arrives there", x.wait_for_numbers({(0, i) for i in range(1, 11)}))
            others = [u for u in f.urls if u != own]
            x.hold()
            f.write(10)
            wait_for(lambda: x.stats()["requests"] > 6, "more is on its way")
            f.configuration("host-1", destination="endpoint=" + " ".join(others))
            p.send_signal(signal.SIGHUP)
            wanted = {(0, i) for i in range(11, 21)}
            wait_for(lambda: wanted <= set().union(*(q.numbers().keys() for q in f.places if q is not x)), "the rest arrives at another one")
            equal("all at one of them", sorted(len(q.received()) for q in f.places), [0, 10, 10])
        finally:
            p.terminate()
            p.wait(PATIENCE)
    finally:
        f.close()


def rules_of_one_endpoint(out):
    """dcr= may list several, too; metrics go to the same rule."""
    f = Fleet(out, 1)
    try:
        destination = f"dce={f.places[0].url}\ndcr={' '.join(RULES)}\nauth=none"
        chosen = {f"host-{i}": f.check(f"host-{i}", destination=destination)[1] for i in range(12)}
        equal("each host has one of them", set(chosen.values()),
              {f"{f.places[0].url}/dataCollectionRules/{r}/streams/Microsoft-OTLP-Logs/otlp/v1/logs" for r in RULES})
    finally:
        f.close()


def mistakes(out):
    """They are told with file and line."""
    f = Fleet(out, 1)
    try:
        for destination, words in ((f"endpoint={f.urls[0]} {f.urls[0]}", "numbers 1 and 2 of them are the same"),
                                   (f"endpoint={f.urls[0]} ftp://h/x", "'ftp://h/x' is not an http or https URL"),
                                   (f"dce={f.places[0].url}\ndcr={RULES[0]} dcr-1", "'dcr-1' is not the immutable id"),
                                   (f"endpoint={f.urls[0]} \\\n  http://h", "'http://h' has no path")):
            path = f.configuration("host-0", destination=destination)
            done = f.azmonlog("run", "--once", "--config", path)
            equal(f"{words}: it does not start", done.returncode, 78)
            line = 3 if destination.startswith("dce") else 2
            check("it says why and where", f"{path}:{line}: " in done.stdout and words in done.stdout, done.stdout)
        path = f.configuration("host-0", destination=f"endpoint={f.urls[0]} \\\n  http://127.0.0.2/v1/logs")
        equal("a list may go on in the next line", f.azmonlog("run", "--once", "--config", path).returncode, 0)
    finally:
        f.close()


run(each_host_has_one, check_looks_at_all, no_failing_over, rules_of_one_endpoint, mistakes)
