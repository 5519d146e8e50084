# SPDX-License-Identifier: MIT
"""Silent partitions, and kill -9 of everything on the way through Redis: see redis_faults.sh."""
import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import rsyslogd  # noqa: E402
from journald import wait_for  # noqa: E402
from network import Network  # noqa: E402
from redis_server import ALWAYS, Chain, Redis  # noqa: E402
from rsyslogd import SHIPPED, Rsyslogd, Sender, action  # noqa: E402
from tap import check, note, run, skip_all  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "0"))
SEED = os.environ.get("SEED", "1")
SERVICE = "10.77.255.1"  # where hosts and relays find Redis, whichever node it is on


class Edge:
    """rsyslogd with the module, which writes to the stream. Each message is on disk before it reads the next one."""

    def __init__(self, out, redis, node, more=""):
        self.out, self.state, self.node, self.sender = out, f"{out}/state", node, None
        self.r = Rsyslogd(out, action(redis.url(), "x", self.state, f'{SHIPPED} export.timeout="2s" {more}'),
                          head='main_queue(queue.type="Direct")')
        self.r.enter = node.enter

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.r.out}/statistics")  # of the process before
        self.r.start()
        self.sender = Sender(self.r, "unix")

    def log(self, n):
        return {(f"m{sender}", i) for sender, i in self.sender.send(n)}

    def end(self, how):
        """Before it is killed it has committed what it was sent: what it can lose before that is told in docs/delivery.md."""
        wait_for(lambda: self.r.statistics("x").get("spooled") == self.sender.sent, "rsyslogd to have committed everything")
        self.r.end(how)
        self.sender.close()

    def error(self):
        return rsyslogd.status(self.state).get("error")

    def close(self):
        if self.sender:
            self.sender.close()
        self.r.close()


class Fleet(Chain):
    """All of it in a network, at work."""

    def __init__(self, out, network, *settings, more=""):
        self.net = network
        super().__init__(out, *settings, node=self.node(SERVICE), service=SERVICE)
        self.dice = random.Random(f"{SEED} {out.rsplit('/', 1)[1]}")
        for _ in range(2):
            self.host(more, node=self.node())
            self.relay(node=self.node())
        self.hosts.append(self.add(Edge(f"{out}/rsyslogd", self.redis, self.node(), more and 'replicas="1"')))
        for r in self.relays:
            r.node.door(self.azure.port)
        self.lead(self.redis)
        self.azure.script("request * delay 100ms\n")  # so that a kill finds requests on their way
        self.start()

    def node(self, *addresses):
        node = self.net.node()
        for a in addresses:
            node.take(a)
        return node

    def lead(self, redis):
        """Hosts and relays find this one from now on."""
        self.redis = redis
        self.net.lead(SERVICE, redis.node)

    def work(self):
        self.log(self.dice.randrange(20, 60))
        time.sleep(self.dice.random() * 0.3)

    # --- faults; each returns when everything is as before, and with records on their way ---

    def kill(self, *what):
        """Hosts, relays, Redis: all at once, then they come again."""
        for a in what:
            a.end(signal.SIGKILL)
        for a in what:
            a.start()
        self.work()

    def part(self, *what, also=lambda: None):
        """No packets between these and Redis, neither way, until each has noticed; then `also` happens."""
        for a in what:
            self.net.part(a.node, SERVICE)
        self.notice(what)
        self.work()
        also()
        self.net.mend()
        self.work()

    def deafen(self, *what):
        """The same, but only what Redis says gets lost: it has done what they do not know of."""
        for a in what:
            self.net.cut(SERVICE, a.node)
        self.notice(what)
        self.net.mend()
        self.work()

    def notice(self, what):
        """The kernel would need a quarter of an hour for a connection on which something is on its way, and for ever for one on which
        nothing is (tcp_retries2)."""
        since = time.monotonic()
        self.work()
        for a in what:
            wait_for(a.error, f"{a.out} to notice that nothing arrives")
        note(f"noticed after at most {time.monotonic() - since:.1f} s")

    def end_in_order(self):
        """SIGTERM, `azmonlog check` and `azmonlog flush` while nothing comes through: nobody waits for it for ever."""
        code, text = self.hosts[0].run("check")
        check("azmonlog check says that nothing comes through", code != 0 and ("imeout" in text or "timed out" in text), code, text)
        code, text = self.hosts[0].run("flush", "--timeout", "1s")
        check("azmonlog flush gives up", code != 0, code, text)
        for a in self.hosts[:2] + self.relays:
            check(f"{os.path.basename(a.out)} ends in order while nothing comes through", a.end() == 0, a.said)
            a.start()

    def by_chance(self):
        """ROUNDS times something of all that."""
        for i in range(ROUNDS):
            some = self.dice.sample(self.hosts + self.relays, self.dice.randint(1, 5))
            kinds = {"kill": lambda: self.kill(*some), "kill with Redis": lambda: self.kill(self.redis, *some),
                     "part": lambda: self.part(*some), "deafen": lambda: self.deafen(*some),
                     "part and kill": lambda: self.part(*some, also=lambda: self.kill(*some)),
                     "part and kill Redis": lambda: self.part(*some, also=lambda: self.kill(self.redis))}
            kind = self.dice.choice(sorted(kinds))
            note(f"{i + 1}: {kind}, {[os.path.basename(a.out) for a in some]}")
            self.work()
            kinds[kind]()


def parted(out):
    """AOF always. Packets are lost without a word, both ways or one way; the parted are killed meanwhile, and Redis, too"""
    with Fleet(out, network, *ALWAYS) as f:
        hosts, relays = f.hosts, f.relays
        f.work()
        f.part(hosts[0], hosts[2], relays[0])
        f.arrived.missing(f.wanted)
        before = f.arrived.copies()
        f.deafen(hosts[1], hosts[2], relays[1])
        wait_for(lambda: f.arrived.look() or f.arrived.copies() > before, "what was stored, but not answered for, to come again")
        f.part(hosts[0], hosts[1], *relays, also=f.end_in_order)
        f.part(*hosts, *relays, also=lambda: f.kill(f.redis, *hosts, *relays))
        f.by_chance()
        f.all_arrived()


def everysec(out):
    """AOF everysec. kill -9 of everything, one after the other, and of all at once"""
    with Fleet(out, network, "appendonly yes", "appendfsync everysec") as f:
        for some in [[f.relays[0]], [f.hosts[2]], [f.redis], [f.hosts[0]], f.relays, [f.redis, *f.hosts, *f.relays]]:
            f.work()
            f.kill(*some)
        f.by_chance()
        f.all_arrived()


def replicated(out):
    """replicas=1, no AOF. The replica is parted and killed; then the master dies for good, and the replica takes its place"""
    with Fleet(out, network, more="replicas=1\n") as f:
        master, hosts = f.redis, f.hosts
        replica = f.add(Redis(f"{out}/replica", node=f.node(SERVICE), service=SERVICE))

        def follow(one, other):
            one.configure("repl-diskless-sync-delay 0", "repl-timeout 5", f"replicaof {other.node.address} {other.port}")
            one.start()

        def nothing_is_stored():
            f.work()
            for h in hosts:
                wait_for(h.error, "a host to say that there is no replica")

        nothing_is_stored()
        follow(replica, master)
        f.work()
        check("everything arrives when there is a replica", not f.arrived.missing(f.wanted))
        f.net.part(master.node, replica.node)
        nothing_is_stored()
        f.net.mend()
        check("and when it can be reached again", not f.arrived.missing(f.wanted))
        replica.end()
        nothing_is_stored()
        replica.start()
        check("and when it comes back from kill -9", not f.arrived.missing(f.wanted))
        for _ in range(1 + ROUNDS // 4):
            f.part(hosts[1], f.relays[0])
            f.work()
            wait_for(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), "the replica to be in step")
            f.work()
            master.end()
            replica.ask("REPLICAOF", "NO", "ONE")
            f.lead(replica)
            follow(master, replica)
            f.work()
            missing = f.arrived.missing(f.wanted)
            check("nothing is lost with the master", not missing, sorted(missing, key=str)[:20])
            master, replica = replica, master
        f.all_arrived()


try:
    network = Network()
except OSError as e:
    skip_all(f"no network of namespaces can be had: {e}")
cases = (parted, everysec, replicated)
wanted = os.environ.get("CASES", "").split()
run(*(c for c in cases if not wanted or c.__name__ in wanted))
