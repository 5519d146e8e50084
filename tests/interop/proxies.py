# SPDX-License-Identifier: MIT
"""Servers of others between azmonlog and its destination: see proxies."""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lib"]
from azure import Azmonlog, Azure, make_certificates, read_lines, run_quietly  # noqa: E402
from journald import wait_for  # noqa: E402
from ports import free_port  # noqa: E402
from servers import Haproxy, Nginx, Squid  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

BATCH, CONCURRENT = 20, 4


class Way:
    """A destination, azmonlog, and what stands between them."""

    def __init__(self, out, path="/v1/logs"):
        make_certificates(out)
        self.out, self.path = out, path
        self.azure = Azure(f"{out}/azure", auth=False)
        self.closed, self.x = [], None

    def put(self, server):
        self.closed.append(server)
        return server

    def azmonlog(self, url, lines="", env=None, more=""):
        self.x = Azmonlog(f"{self.out}/x", f"endpoint={url}{self.path}\ntls_ca_file={self.out}/ca.pem\n{lines}",
                          {**self.azure.environment(), **(env or {})}, more)
        return self.x

    def copies(self):
        return sum(n - 1 for n in collections.Counter(self.azure.bodies()).values())

    def good_start(self):
        """Waits until all has arrived, and azmonlog has its answers."""
        wait_for(lambda: set(self.azure.bodies()) == set(self.x.texts), "a good start")
        wait_for(lambda: self.x.status().get("delivered", {}).get("records") == len(self.x.texts), "a good start is acknowledged")

    def all_there(self, what, most_copies=0):
        """Everything that was logged arrives; at most so many records twice, each copy with the uid of the first."""
        try:
            wait_for(lambda: set(self.azure.bodies()) >= set(self.x.texts), f"{what}: all arrived")
        except TimeoutError as e:
            missing = sorted(set(self.x.texts) - set(self.azure.bodies()))
            kept = [line.get("azmonlog") for line in read_lines(f"{self.x.state}/quarantine.jsonl")]
            raise TimeoutError(f"{e}; missing {len(missing)}: {missing[:5]}; quarantine {len(kept)}: {kept[:1]}; {self.x.status()}") from e
        if self.x.process:
            equal(f"{what}: the end", self.x.end(), 0, self.x.logged)
        equal(f"{what}: nothing is lost, nothing is foreign", set(self.azure.bodies()), set(self.x.texts))
        check(f"{what}: at most {most_copies} copies", self.copies() <= most_copies, self.copies())
        uids = collections.defaultdict(set)
        for r in self.azure.records():
            uids[r["body"]].add(r["uid"])
        check(f"{what}: a copy has the uid of the first one", all(len(u) == 1 for u in uids.values()))
        check(f"{what}: nothing is in quarantine", not os.path.exists(f"{self.x.state}/quarantine.jsonl"))

    def state(self, what, state, words, remedy=None):
        """azmonlog status comes to say this state, for this reason, with this remedy."""
        def said():
            s = self.x.status()
            e = s.get("error") or {}
            return s.get("state") == state and re.search(words, e.get("reason") or "") and \
                (remedy is None or re.search(remedy, e.get("remedy") or ""))
        try:
            wait_for(said, what, 30)
        except TimeoutError:
            check(f"{what}: status says {state}, {words}", False, lambda: json.dumps(self.x.status(), indent=1), self.x.logged())
            return
        check(f"{what}: status says {state}, {words}" + (f", {remedy}" if remedy else ""), True)

    def checks(self, what, code, words):
        """azmonlog check fails at this step (0: none) and says so."""
        r = self.x.run("check", "--send")
        return check(f"{what}: azmonlog check --send ends with {code} and says {words!r}", r.returncode == code and
                     re.search(words, r.stdout, re.S), r.returncode, r.stdout)

    def close(self):
        if self.x:
            self.x.close()
        for server in reversed(self.closed):
            server.close()
        self.azure.close()


def certificates_of_clients(out):
    """A CA of clients: client.pem from it, foreign.pem not."""
    for name in ("client-ca", "foreign"):
        run_quietly("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout",
                    f"{out}/{name}.key", "-out", f"{out}/{name}.pem")
    run_quietly("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=azmonlog", "-keyout", f"{out}/ours.key",
                "-out", f"{out}/ours.csr")
    run_quietly("openssl", "x509", "-req", "-days", "2", "-in", f"{out}/ours.csr", "-CA", f"{out}/client-ca.pem", "-CAkey",
                f"{out}/client-ca.key", "-CAcreateserial", "-out", f"{out}/ours.pem")


def few_requests_a_connection(out):
    """https, HTTP/2 on, and a connection that ends after a few requests: each record once."""
    for name, kind, lines in (("nginx", Nginx, "keepalive_requests 3;"), ("nginx, idle ends", Nginx, "keepalive_timeout 1ms;"),
                              ("haproxy", Haproxy, "option httpclose"), ("haproxy, idle ends", Haproxy, "timeout http-keep-alive 1ms")):
        note(name)
        way = Way(f"{out}/{name.split()[0].strip(chr(44))}{len(name)}")
        try:
            server = way.put(kind(f"{way.out}/server", way.out, way.azure.url, lines))
            x = way.azmonlog(server.url)
            x.write(600)
            x.start()
            for _ in range(10):  # and now and then, so that connections are idle
                time.sleep(0.05)
                x.write(20)
            way.all_there(name)
            way.checks(name, 0, "one record is accepted")
            h2 = subprocess.run(["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", server.url],
                                stdout=subprocess.PIPE, text=True, check=True).stdout
            equal(f"{name}: HTTP/2 is on", h2, "2")
        finally:
            way.close()
    note("proved: nginx 1.22, haproxy 2.6: https with HTTP/2 offered, connections that end after few requests or when idle: each record once")


def too_large(out):
    """client_max_body_size: nginx's own 413, a web page. After a good start requests are split; from the beginning it is held."""
    way = Way(out)

    def limit(n):
        """Until all workers know it: what one of the old ones still takes would prove that the destination takes records."""
        nginx.configure(f"client_max_body_size {n};")
        nginx.reload()
        post = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "x" * (n + 50), nginx.url]
        wait_for(lambda: all(subprocess.run(post, stdout=subprocess.PIPE, text=True).stdout == "413" for _ in range(8)), "the limit")

    try:
        nginx = way.put(Nginx(f"{out}/nginx", out, way.azure.url))
        x = way.azmonlog(nginx.url)
        with open(x.conf) as f:
            conf = f.read().replace("[export]\n", "[export]\ncompression=none\n")
        with open(x.conf, "w") as f:
            f.write(conf)
        x.write(20)
        x.start()
        way.good_start()
        limit(1000)
        x.write(200)
        way.all_there("a limit after a good start")
        check("there were answers 413, and smaller requests", 413 in nginx.answers(), nginx.answers())
        limit(100)  # nothing fits
        os.unlink(x.log)
        x.write(40)
        x.start()
        way.state("a limit that nothing fits in", "held", "413", "max_request_bytes")
        way.checks("a limit that nothing fits in", 19, "413")
        nginx.configure("")
        nginx.reload()
        way.all_there("when the limit is gone")
        note("proved: nginx: its own 413 after a good start: split, nothing lost, nothing in quarantine; nothing fits: held, told")
    finally:
        way.close()


def backend_down(out):
    """502, 503 and 504 of the proxy's own: retrying, told, and all arrives when the destination is back."""
    for kind, down, slow in ((Nginx, "502", "504"), (Haproxy, "503", "504")):
        name = kind.__name__.lower()
        note(name)
        way = Way(f"{out}/{name}")
        try:
            server = way.put(kind(f"{way.out}/server", way.out, way.azure.url, "proxy_read_timeout 1s;") if kind is Nginx else
                             kind(f"{way.out}/server", way.out, way.azure.url, timeout="1s"))
            x = way.azmonlog(server.url)
            x.write(40)
            x.start()
            way.good_start()
            way.azure.end()
            time.sleep(0.8)  # haproxy's look at it
            x.write(100)
            way.state(f"{name}, the destination is down", "retrying", f"HTTP {down}")
            way.checks(f"{name}, the destination is down", 18, f"HTTP {down}")
            way.azure.start()
            way.all_there(f"{name}, the destination was down")
            way.azure.reset()
            x.texts.clear()
            x.start()
            way.azure.script("request * delay 3s\n")
            x.write(100)
            way.state(f"{name}, the destination is slow", "retrying", f"HTTP {slow}")
            way.azure.script("# all is well\n")
            wait_for(lambda: set(way.azure.bodies()) >= set(x.texts) and way.azure.stats()["in_flight"] == 0, "it has stored all")
            late = sum(r["records"] for r in way.azure.requests() if r.get("fault"))  # stored when nobody listened any more
            way.all_there(f"{name}, the destination was slow", late)
            check(f"{name}: what was stored late comes twice", way.copies() > 0, way.copies())
            note(f"{name}: {way.copies()} copies")
        finally:
            way.close()
    note("proved: nginx 502 and 504, haproxy 503 and 504 of their own: retrying, told by status and check, nothing lost; copies after a "
         "504 only, by uid")


def slow_start(out):
    """Nobody listens yet, then a proxy whose destination is not there yet, then all is there."""
    for kind in (Nginx, Haproxy):
        name = kind.__name__.lower()
        way = Way(f"{out}/{name}")
        try:
            port = free_port()
            way.azure.end()
            x = way.azmonlog(f"https://127.0.0.1:{port}")
            x.write(100)
            x.start()
            way.state(f"{name} is not there", "retrying", "[Cc]onnect", "server runs")
            way.checks(f"{name} is not there", 14, "[Cc]onnect")
            way.put(kind(f"{way.out}/server", way.out, way.azure.url, port=port))
            way.state(f"{name} is there, its destination is not", "retrying", "HTTP 50[23]")
            way.azure.start()
            way.all_there(f"{name}: a slow start")
        finally:
            way.close()
    note("proved: nginx, haproxy: a slow start (refused, 502/503, well): each record once")


def reloads(out):
    """Reloads while records flow end connections in an orderly way: each record once. A kill costs copies of what was on its way."""
    for kind in (Nginx, Haproxy):
        name = kind.__name__.lower()
        way = Way(f"{out}/{name}")
        try:
            server = way.put(kind(f"{way.out}/server", way.out, way.azure.url))
            way.azure.script("request * delay 20ms\n")
            x = way.azmonlog(server.url)
            x.start()
            for _ in range(8):
                x.write(200)
                server.reload()
                time.sleep(0.3)
            way.all_there(f"{name}: reloaded 8 times")
            x.start()
            for i in range(4):
                x.write(200)
                time.sleep(0.1)
                server.end(signal.SIGKILL)
                time.sleep(0.3)
                server.start()
            way.all_there(f"{name}: killed 4 times", 4 * CONCURRENT * BATCH)
            note(f"{name}: {way.copies()} copies after 4 kills")
        finally:
            way.close()
    note("proved: nginx, haproxy: 8 reloads while records flow: each record once; 4 times kill -9: copies of what was on its way at most")


def forward_proxy(out):
    """squid: with the right password all arrives; a wrong one, none, and a refused CONNECT are held, with what to do."""
    with open("/proc/self/uid_map") as f:
        if f.read().split()[2] == "1":
            note("proved: squid: not run: it is a user of its own, for which root is needed")
            return
    way = Way(out)
    try:
        open_port, shut_port = (way.put(Nginx(f"{out}/nginx{i}", out, way.azure.url)) for i in range(2))
        squid = way.put(Squid(f"{out}/squid", [open_port.port]))
        at = f"127.0.0.1:{squid.port}"

        def by(who, destination):
            x = way.azmonlog(destination.url, env={"https_proxy": f"http://{who}{at}"})
            x.write(40)
            return x

        for what, who, destination, words, remedy in (
                ("no password", "", open_port, "407", "proxy.*USER:PASSWORD"),
                ("a wrong password", "user:wrong@", open_port, "407", "proxy.*USER:PASSWORD"),
                ("a port that is not let through", "user:pass%20word@", shut_port, "403", "proxy.*rules")):
            x = by(who, destination)
            way.checks(what, 13, f"✘ +proxy .*{words}[^✘]*{remedy}")
            x.start()
            way.state(what, "held", words, remedy)
            check(f"{what}: no password is said", "word" not in re.sub("PASSWORD|password", "", x.logged() + x.run("status").stdout))
            equal(f"{what}: nothing went through", way.azure.bodies(), [])
            x.end()
            shutil.rmtree(x.out)
        x = by("user:pass%20word@", open_port)
        way.checks("the right password", 0, "lets us through")
        way.azure.reset()
        x.start()
        wait_for(lambda: set(way.azure.bodies()) == set(x.texts), "the right password: all arrives")
        squid.end()
        x.write(100)
        open_port.end(signal.SIGKILL)  # the tunnels that are there end with squid; be sure of it
        open_port.start()
        way.state("squid is gone", "retrying", "[Cc]onnect")
        way.checks("squid is gone", 13, "✘ +proxy .*[Cc]onnect[^✘]*check the proxy")
        squid.start()
        way.all_there("squid is back", CONCURRENT * BATCH)
        check("all of it by CONNECT through squid", {m for s, m in squid.passed() if "200" in s} == {"CONNECT"}, squid.passed)
        note("proved: squid 5.7: right password: delivered; none, wrong (407), refused CONNECT (403): held, remedy names the proxy, check: 13 proxy; "
             "squid away: retrying, then all there")
    finally:
        way.close()


def mutual_tls(out):
    """Servers that want a certificate of the client: the right one, none, a foreign one, one with another's key."""
    for name, kind, bind in (("nginx", Nginx, None), ("haproxy", Haproxy, ""), ("haproxy, TLS 1.2", Haproxy, " ssl-max-ver TLSv1.2")):
        note(name)
        way = Way(f"{out}/{name.replace(', TLS ', '-')}")
        certificates_of_clients(way.out)
        try:
            server = way.put(
                Nginx(f"{way.out}/server", way.out, way.azure.url,
                      f"ssl_client_certificate {way.out}/client-ca.pem; ssl_verify_client on;") if kind is Nginx else
                Haproxy(f"{way.out}/server", way.out, way.azure.url, bind=f"ca-file {way.out}/client-ca.pem verify required{bind}"))
            if kind is Nginx:
                none = foreign = ("held", "HTTP 400 with a web page", "tls_cert_file", 18, "certificate")
            elif bind:
                none = ("retrying", "alert handshake failure", "tls_cert_file", 15, "tls_cert_file")
                foreign = ("held", "alert unknown ca", "tls_cert_file", 15, "tls_cert_file")
            else:
                none = ("held", "alert certificate required", "tls_cert_file", 18, "tls_cert_file")
                foreign = ("held", "alert unknown ca", "tls_cert_file", 18, "tls_cert_file")
            mine = f"tls_cert_file={way.out}/ours.pem\ntls_key_file={way.out}/ours.key\n"
            for what, lines, (state, words, remedy, code, said) in (
                    ("no certificate", "", none),
                    ("a foreign certificate", mine.replace("ours", "foreign"), foreign),
                    ("another's key", mine.replace("ours.key", "foreign.key"),
                     ("held", "private key", "tls_key_file=", 15, "tls_key_file="))):
                x = way.azmonlog(server.url, lines)
                x.write(40)
                way.checks(f"{name}, {what}", code, said)
                x.start()
                way.state(f"{name}, {what}", state, words, remedy)
                equal(f"{name}, {what}: nothing went through", way.azure.bodies(), [])
                x.end()
                shutil.rmtree(x.out)
            x = way.azmonlog(server.url, mine)
            x.write(100)
            x.start()
            way.all_there(f"{name}, the right certificate")
            way.checks(f"{name}, the right certificate", 0, "one record is accepted")
        finally:
            way.close()
    note("proved: nginx, haproxy (TLS 1.2, 1.3): client certificates: right: delivered; none, foreign, another's key: not delivered, "
         "status and check (15 tls, 18 permission) name tls_cert_file=")


run(few_requests_a_connection, too_large, backend_down, slow_start, reloads, forward_proxy, mutual_tls)
