# SPDX-License-Identifier: MIT
"""Answers that hurt: see odd_answers.sh."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import Azmonlog, Azure, make_certificates  # noqa: E402
from exporter import Exporter  # noqa: E402
from fake_proxy import FakeProxy  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import TOOL, wait_for  # noqa: E402
from memory import check_bounded, rss_anon  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

TEXTS = [f"good {i}" for i in range(400)]


def exporter(out, **settings):
    append_texts(f"{out}/journal/a.journal", TEXTS)
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", batch=50, **settings)


def uids_are_stable(x):
    return len({r["uid"] for r in x.received()}) == len({r["body"] for r in x.received()})


def all_arrived(x):
    return {r["body"] for r in x.received()} >= set(TEXTS)


def hurting(out):
    """Huge, endless, truncated, binary, slow and packed answers; a server that acknowledges and closes."""
    for fault, twice in [
            ("endless", True), ("truncated", True), ("gzip-bomb", True), ("garbage", True), ("trickle 20ms", True),
            ('garbage "HTTP/1.1 200 OK\\r\\nContent-Length: 99\\r\\n\\r\\n"', True),
            ('garbage "HTTP/1.1 999 Odd\\r\\nContent-Length: 0\\r\\n\\r\\n"', True),
            ("normal close-after", False), ("normal close-unsaid", False), ("stored-then-reset", True),
            ("status 503 padding 65536", False), ('status 429 header "Retry-After: -1"', False),
            ('status 503 header "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"', False),
            ('status 503 header "Retry-After: soon"', False),
            ('status 400 header "Content-Type: application/json" body "{\\"error\\":[[[[[[[1"', False),
            ('status 200 header "Content-Type: application/x-protobuf" body "\\xff\\xff\\xff\\xff"', None),
            ('status 503 body "\\x00\\x01\\x02"', False)]:
        note(fault)
        x = exporter(f"{out}/{re.sub('[^a-z0-9]', '', fault.lower())[:60]}")
        try:
            with open(f"{x.out}/azmonlog.conf") as f:
                config = f.read()
            with open(f"{x.out}/azmonlog.conf", "w") as f:
                f.write(config.replace("[export]\n", "[export]\ntimeout=2s\n"))
            x.script(f"request 1-6 {fault}\n")
            x.start()
            peak = 0
            since = time.monotonic()
            while time.monotonic() - since < 60 and not (all_arrived(x) or twice is None):
                peak = max(peak, rss_anon(x.process.pid))
                time.sleep(0.02)
            if twice is None:  # a 200 is an acknowledgement, whatever bytes come with it
                wait_for(lambda: x.stats()["requests"] >= 8, "eight requests")
                equal("the requests that were answered with 200 are not sent again", x.stats()["requests"], 8)
            else:
                check("all arrived", all_arrived(x), len(x.received()))
            check("copies have one uid", uids_are_stable(x))
            check_bounded(peak)
            equal("nothing is in quarantine", x.quarantine(), [])
            equal("the end", x.end(), 0)
        finally:
            x.close()


def certificates(out):
    subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/make_certs.sh"), out], check=True,
                   stdout=subprocess.DEVNULL)


class Receiver:
    """One more emulator, with TLS."""

    def __init__(self, out, certificate):
        os.makedirs(out)
        self.out = out
        self.process = subprocess.Popen(
            [os.environ["EMULATOR"], "--port", "0", "--port-file", f"{out}/port", "--store", f"{out}/received", "--requests",
             f"{out}/requests", "--tls-cert", f"{certificate}.pem", "--tls-key", f"{certificate}.key"],
            stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(f"{out}/port"), "the receiver")
        self.port = open(f"{out}/port").read().strip()
        self.url = f"https://127.0.0.1:{self.port}/v1/logs"

    def script(self, text):
        subprocess.run(["curl", "-sSfk", "--data-binary", text, f"https://127.0.0.1:{self.port}/emulator/script"],
                       check=True, stdout=subprocess.DEVNULL)

    def bodies(self):
        with open(f"{self.out}/received") as f:
            return {json.loads(line)["body"] for line in f.read().split("\n")[:-1]}

    def requests(self):
        with open(f"{self.out}/requests") as f:
            return [json.loads(line) for line in f.read().split("\n")[:-1]]

    def close(self):
        self.process.kill()
        self.process.wait()


def to_tls(x, url, ca):
    """Makes azmonlog send there, with a secret."""
    with open(f"{x.out}/azmonlog.conf", "a") as f:
        f.write(f"[destination]\nendpoint={url}\ntls_ca_file={ca}\n[export]\ntimeout=2s\n")
    secret = f"{x.out}/secret"
    with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        f.write("Authorization: Bearer hunter2\n")
    with open(f"{x.out}/azmonlog.conf", "a") as f:
        f.write(f"[destination]\nheaders_file={secret}\n")


def redirects(out):
    """307 and 308: followed by https only, five times at most, and never with credentials to another host."""
    certificates(out)
    home, other = Receiver(f"{out}/home", f"{out}/good"), Receiver(f"{out}/other", f"{out}/good")
    x = exporter(f"{out}/a")
    to_tls(x, home.url, f"{out}/ca.pem")
    try:
        for status in (307, 308):
            home.script(f'request * status {status} header "Location: {other.url}"')
            equal("ends", x.once(), 0)
            check("all arrived at the other host", other.bodies() == set(TEXTS), len(other.bodies()))
            check("without the credentials", not any(r.get("authorization") for r in other.requests()),
                  other.requests()[:1])
            subprocess.run(["rm", "-r", x.state], check=True)
        home.script('request 1-3 status 307 header "Location: /v1/logs?again"\n')
        equal("ends", x.once(), 0)
        check("to the same host it goes on with them", home.bodies() == set(TEXTS) and
              all(r.get("authorization") for r in home.requests()))
        for name, location, words in [("in circles", home.url, "redirects again and again"),
                                      ("to http", f"http://127.0.0.1:{other.port}/v1/logs", "final URL"),
                                      ("to nowhere", "", "final URL")]:
            note(name)
            subprocess.run(["rm", "-r", x.state], check=True)
            home.script(f'request * status 307 header "Location: {location}"' if location else "request * status 307")
            x.start()
            wait_for(lambda: x.said(f"held by.*{words}"), "it is held, and says why")
            before = len(home.requests())
            time.sleep(0.5)
            check("without a storm", len(home.requests()) - before < 200, len(home.requests()) - before)
            home.script("request * normal")
            wait_for(lambda: x.said("works again"), "it goes on")
            equal("the end", x.end() in (0, 1, 75), True)
            open(x.log.name, "w").close()
        equal("no secret was logged", x.said("hunter2"), 0)
    finally:
        x.close()
        home.close()
        other.close()


def tls_faults(out):
    """Expired, of another name: not sent, said what to do; with the right certificate it goes on by itself."""
    certificates(out)
    for name in ("expired", "early", "wrong-name", "untrusted"):
        note(name)
        bad = Receiver(f"{out}/{name}-receiver", f"{out}/{name}")
        x = exporter(f"{out}/{name}-x")
        to_tls(x, bad.url, f"{out}/ca.pem")
        try:
            x.start()
            wait_for(lambda: x.said("cannot deliver.*certificate"), "it says what is wrong")
            check("nothing was sent", not bad.requests())
        finally:
            equal("the end", x.end() in (0, 1, 75), True)
            x.close()
            bad.close()


def refused_by_proxy(out):
    """A proxy that does not let it through, also after a good start: held, with what to do; nothing is suspected."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", auth=False, files=out, certificate="good")
    proxy = FakeProxy(407)
    x = Azmonlog(f"{out}/x", f"endpoint={azure.url}/v1/logs\ntls_ca_file={out}/ca.pem\n", {"https_proxy": proxy.url})
    try:
        x.write(100)
        x.start()
        for status, remedy in ((407, "USER:PASSWORD"), (403, "rules"), (407, "USER:PASSWORD")):
            proxy.status = status
            wait_for(lambda: (x.status().get("error") or {}).get("reason", "").endswith(f"response {status}"), "status says why")
            s, asked = x.status(), proxy.asked
            check(f"{status}: held, with what to do", s["state"] == "held" and re.search(remedy, s["error"]["remedy"]), s)
            wait_for(lambda: proxy.asked > asked + 10, "it is tried again and again")
            proxy.status = 200
            wait_for(lambda: set(azure.bodies()) == set(x.texts), "when the proxy lets it through, all arrives")
            wait_for(lambda: x.status()["in_flight"]["batches"] == 0, "and is acknowledged, before the way is cut again")
            proxy.refuse(status)
            x.write(50)
        wait_for(lambda: x.status()["state"] == "held", "held again")
        proxy.status = 200
        wait_for(lambda: set(azure.bodies()) == set(x.texts), "all arrived")
        equal("each once", len(azure.bodies()), len(x.texts))
        equal("the end", x.end(), 0, x.logged)
        check("nothing is in quarantine", not os.path.exists(f"{x.state}/quarantine.jsonl"))
    finally:
        x.close()
        proxy.close()
        azure.close()


def throttled(out):
    """A limit of requests: obeyed after the first 429, so that there is no second episode; everything arrives."""
    texts = [f"good {i}" for i in range(400)]
    append_texts(f"{out}/journal/a.journal", texts)
    x = Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", batch=10)
    try:
        x.limit("36/60s" if TOOL else "36/2s")
        equal("ends", x.once(), 0)
        equal("all arrived, once", sorted(r["body"] for r in x.received()), sorted(texts))
        stats = x.stats()
        check("one episode: what was on its way at the same time", 1 <= stats["throttled_requests"] <= 4,
              stats["throttled_requests"])
    finally:
        x.close()


def certificate_change(out):
    """A certificate that is not trusted, then one that is: it goes on by itself. Handshakes that are reset are retried."""
    certificates(out)
    for kind in ("key", "pem"):
        os.link(f"{out}/expired.{kind}", f"{out}/server.{kind}")
    receiver = Receiver(f"{out}/receiver", f"{out}/server")
    x = exporter(f"{out}/x")
    to_tls(x, receiver.url, f"{out}/ca.pem")
    try:
        x.start()
        wait_for(lambda: x.said("cannot deliver.*certificate"), "it says what is wrong")
        for kind in ("key", "pem"):
            os.unlink(f"{out}/server.{kind}")
            os.link(f"{out}/good.{kind}", f"{out}/server.{kind}")
        receiver.process.send_signal(signal.SIGHUP)
        wait_for(lambda: receiver.bodies() == set(TEXTS), "all arrived")
        equal("the end", x.end(), 0)
        subprocess.run(["rm", "-r", x.state], check=True)
        open(f"{receiver.out}/received", "w").close()
        receiver.script("connection 2-6 reset")
        x.start()
        wait_for(lambda: receiver.bodies() == set(TEXTS), "all arrived again")
        equal("the end", x.end(), 0)
    finally:
        x.close()
        receiver.close()


run(throttled, certificate_change, hurting, redirects, tls_faults, refused_by_proxy)
