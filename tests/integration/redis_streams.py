# SPDX-License-Identifier: MIT
"""Through Redis: see redis_streams.sh."""
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import rsyslogd  # noqa: E402
from azure import make_certificates, write_secret  # noqa: E402
from journald import PATIENCE, wait_for  # noqa: E402
from memory import MAX_KIB, Watched, check_bounded  # noqa: E402
from ports import free_port  # noqa: E402
from redis_server import ALWAYS, STREAM, Chain, Narrow, Redis  # noqa: E402
from rsyslogd import Destination, Rsyslogd, Sender, action  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

# what docs/delivery.md says that they need
HOST, RELAY = ["+xadd", "+wait"], "+xgroup|create +xreadgroup +xack +xautoclaim +xclaim +xinfo|groups +xpending +xtrim \
+eval +xinfo|consumers +xgroup|delconsumer".split()
SECRET = "planted-secret:@/%+ ?"
rnd = random.Random(int(os.environ.get("SEED", "1")))


def carried(out):
    """Two hosts and rsyslogd -> Redis -> two relays, in peace"""
    with Chain(out, *ALWAYS) as c:
        hosts, relays = [c.host() for _ in range(2)], [c.relay() for _ in range(2)]
        c.start()
        for _ in range(5):
            c.log(200)
        if rsyslogd.is_there():
            r = c.add(Rsyslogd(f"{out}/rsyslogd", action(c.redis.url(), "x", f"{out}/state")))
            r.start()
            s = Sender(r)
            s.send(500)
            c.wanted |= {(f"m{s.id}", n) for _, n in s.finish()}
            c.all_arrived()
            r.close()
        else:
            skip("records of rsyslogd arrive by the same way", "omazuremonitor.so or rsyslogd is not there")
            c.all_arrived()
        equal("no copies in peace", c.arrived.copies(), 0)
        equal("each record still says which host it is of", [c.arrived.hosts[i] for i in range(2)], [{"host0"}, {"host1"}])
        s = relays[0].wait_for_status(lambda s: s["stream"] and s["stream"]["consumers"] == 2 and s["stream"]["pending"] == 0,
                                      "both relays to be known, and all to be acknowledged")
        equal("the relay's status knows the stream", (s["journal"], s["stream"]["pending"], s["stream"]["lag"], s["stream"]["claimed"]),
              (c.redis.url(), 0, 0, 0))
        _, text = relays[0].run("status")
        check("and says so in words", "\nStream " in text and "0 messages not taken yet, 0 taken and not acknowledged" in text, text)
        _, text = hosts[0].run("status")
        check("the host's says that records are stored", c.redis.url() in text and "stored" in text, text)
        for a in hosts + relays:
            equal("it ends in order", a.end(), 0)


def killed(out):
    """kill -9 of relays, of a host, of Redis (AOF always); Redis that stands still: nothing is lost"""
    with Chain(out, *ALWAYS) as c:
        hosts, relays = [c.host() for _ in range(3)], [c.relay() for _ in range(2)]
        c.azure.script("request * delay 200ms\n")  # so that a kill finds requests on their way
        c.start()

        def kill(a):
            a.end(signal.SIGKILL)
            a.start()

        def kill_redis():
            c.redis.end()
            c.redis.start()

        def stop_redis():
            c.redis.send(signal.SIGSTOP)
            time.sleep(3)  # longer than the timeout of azmonlog, which is 2 s here
            c.redis.send(signal.SIGCONT)

        faults = [lambda: kill(relays[0]), kill_redis, lambda: kill(hosts[0]), lambda: kill(relays[1]), stop_redis, kill_redis,
                  lambda: (kill(relays[0]), kill(relays[1])), lambda: kill(hosts[1])]
        for fault in faults:
            c.log(rnd.randrange(100, 400))
            time.sleep(rnd.random() * 0.3)
            fault()
        c.all_arrived()


def dead(out):
    """A relay that dies for good: another one takes over what it had. One that is only slow keeps it."""
    with Chain(out, *ALWAYS) as c:
        wall, redis = c.add(Destination(f"{out}/wall")), c.redis
        host, first, second = c.host(), c.relay(azure=wall), c.relay()
        wall.hold()
        first.start()
        host.start()
        c.log(1000)
        wait_for(lambda: redis.ask("XLEN", STREAM) != "0" and redis.pending() > 0, "the first relay to take something")
        wait_for(lambda: redis.ask("XINFO", "GROUPS", STREAM).split()[-1] == "0" or redis.pending() >= 4, "it to have its hands full")
        second.start()
        had = redis.pending()
        time.sleep(8)  # more than twice claim_after=
        check("a relay that cannot deliver but lives keeps what it has taken", redis.pending() > 0 and
              second.status()["stream"]["claimed"] == 0, redis.ask("XPENDING", STREAM, "azmonlog"), second.status()["stream"])
        first.end(signal.SIGKILL)
        c.all_arrived()
        s = second.status()["stream"]
        check("another one takes over what it has left", s["claimed"] > 0, s, had)


def consumers(redis):
    """Who is in the group, and how much each of them has pending."""
    words = redis.ask("XINFO", "CONSUMERS", STREAM, "azmonlog").split()
    return {words[i + 1]: int(words[i + 3]) for i, w in enumerate(words) if w == "name"}


def gone(out):
    """Relays that do not come back are taken off the group; one that was only silent for long is in it again"""
    with Chain(out) as c:
        redis, host, relays = c.redis, c.host(), [c.relay("claim_after=1s\n") for _ in range(3)]
        dead, silent, living = relays
        may = ("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all")
        redis.ask(*may, "-eval")
        c.start()
        c.log(200)
        wait_for(lambda: len(consumers(redis)) == 3, "all relays to be in the group")
        dead.end(signal.SIGKILL)
        silent.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: "stay in the list" in living.said(), "the living one to say what it may not")
        seen = subprocess.Popen(["redis-cli", "-p", str(redis.port), "MONITOR"], stdout=subprocess.PIPE, text=True)
        redis.ask(*may)
        living.wait_for_status(lambda s: s["stream"] and s["stream"]["consumers"] == 1, "the others to be off the group")
        left = consumers(redis)
        check("the one that lives is left", len(left) == 1 and "relay2" in list(left)[0], left)
        check("it says so", "taken off the group" in living.said(), living.said())
        silent.process.send_signal(signal.SIGCONT)
        living.end(signal.SIGKILL)
        c.log(200)
        c.all_arrived()
        check("the one that was silent goes on", any("relay1" in name for name in consumers(redis)), consumers(redis))
        for a in c.hosts + c.relays:
            a.end()
        script = next(shlex.split(line)[4] for line in seen.stdout if '"EVAL"' in line)
        seen.kill()
        seen.wait()
        removed_meanwhile(redis, script)


def removed_meanwhile(redis, script):
    """What a relay does with messages, while the same script takes it off the group whenever it has nothing pending"""
    cli = ["redis-cli", "-p", str(redis.port)]
    redis.ask("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")

    def removals():
        return int(re.search(r"cmdstat_xgroup\|delconsumer:calls=(\d+)", redis.ask("INFO", "commandstats")).group(1))

    def talk(*words):
        return subprocess.run(cli, input="\n".join(words), stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout.splitlines()

    before, rounds, lost = removals(), 0, 0
    remover = subprocess.Popen([*cli, "-r", "-1", "EVAL", script, "1", "s", "g", "-1"], stdout=subprocess.DEVNULL)
    while rounds < 100 and removals() < before + 100:
        ids = [f"{rounds * 200 + i}-1" for i in range(1, 201)]
        talk(*(f"XADD s {i} a b" for i in ids))
        said = talk(*(f"XREADGROUP GROUP g relay COUNT 1 STREAMS s >\nXACK s g {i}" for i in ids))
        lost += 200 - said.count("1")
        rounds += 1
    remover.kill()
    remover.wait()
    check("a relay was taken off again and again between its messages", removals() >= before + 100, removals(), before, rounds)
    equal("whatever it was given was still pending when it acknowledged it", lost, 0)
    redis.ask("EVAL", script, 1, "s", "g", -1)
    redis.ask("XGROUP", "CREATECONSUMER", "s", "g", "waiter")
    waiter = subprocess.Popen([*cli, "XREADGROUP", "GROUP", "g", "waiter", "BLOCK", "0", "STREAMS", "s", ">"], stdout=subprocess.DEVNULL)
    wait_for(lambda: "cmd=xreadgroup" in redis.ask("CLIENT", "LIST"), "another one to wait for messages")
    equal("who waits for messages is taken off as well", redis.ask("EVAL", script, 1, "s", "g", -1), "1")
    redis.ask("XADD", "s", "*", "a", "b")
    equal("it gets the next one", waiter.wait(PATIENCE), 0)
    equal("and has it pending, as if nothing had been", redis.ask("XPENDING", "s", "g").split()[0], "1")


def outage(out):
    """Azure is away: the stream grows, not the relay; then everything arrives"""
    with Chain(out, *ALWAYS) as c:
        c.host()
        relay = c.relay()
        c.azure.hold()
        c.start()
        for _ in range(10):
            c.log(1000)
        wait_for(lambda: c.redis.number("XLEN", STREAM) >= 100, "everything to be in the stream")
        s = relay.wait_for_status(lambda s: s["stream"] and (s["stream"]["lag"] or 0) > 20, "the relay to say how far it is behind")
        check("the relay has taken no more than its window", s["stream"]["unacknowledged"] < 50 and s["stream"]["lag"] > 20, s["stream"])
        check("status says that it is behind", s["health"]["condition"] != "well", s["health"])
        c.azure.release()
        c.all_arrived()


def everysec(out):
    """AOF everysec, and kill -9 of Redis under load: what that can lose"""
    with Chain(out, "appendonly yes", "appendfsync everysec") as c:
        host, relay = c.host(), c.relay()
        host.start()
        for _ in range(3):
            for _ in range(4):
                c.log(500)
            host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "the host to be done")
            c.redis.end()
            c.redis.start()
        relay.start()
        missing = c.arrived.missing(c.wanted)
        note(f"of {len(c.wanted)} records acknowledged up to the moment of three kills, {len(missing)} were lost")
        equal("a process that dies loses nothing that Redis has answered for: the kernel has it", len(missing), 0)


def replicas(out):
    """replicas=1: stored is what the replica has, too; it takes over when the master dies"""
    with Chain(out) as c:
        master = c.redis
        replica = c.add(Redis(f"{out}/replica", f"replicaof 127.0.0.1 {master.port}", "repl-diskless-sync-delay 0"))
        # the time for WAIT is half of this; XADD must not be late behind it, however busy the machine is
        host, relay = c.host("replicas=1\n[export]\ntimeout=6s"), c.relay(redis=replica)
        host.start()
        c.log(1000)  # more than a window
        s = host.wait_for_status(lambda s: s["error"], "the host to say that there is no replica")
        check("it says so, and what to do", "0 of 1 replicas" in s["error"]["reason"] and "replicas" in (s["error"]["remedy"] or ""),
              s["error"])
        failures = s["failures"]
        host.wait_for_status(lambda s: s["failures"] >= failures + 4, "it to try again")
        n = master.number("XLEN", STREAM)
        check("what is stored on the master is not stored there again and again", n <= 4, n)
        replica.start()
        wait_for(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), "the replica to be in step")
        c.log(2000)
        host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0 and not s["error"],
                             "everything to be on both")
        master.end()
        replica.ask("REPLICAOF", "NO", "ONE")
        relay.start()
        c.all_arrived(replica)
        equal("without copies", c.arrived.copies(), 0)


def guarded(out):
    """TLS, a user of its own, its password in a file; what is in the way is said, and mended while it runs"""
    make_certificates(f"{out}/certificates")
    tls = f"{out}/certificates"
    password = write_secret(f"{out}/password", SECRET + "\n")
    keys = f"password_file={password}\ntls_ca_file={tls}/ca.pem\n"
    with Chain(out, tls=tls) as c:
        redis = c.redis
        host, relay = c.host(keys, url=redis.url(user="host")), c.relay(keys, url=redis.url(user="relay"))
        redis.ask("ACL", "SETUSER", "relay", "on", f">{SECRET}", f"~{STREAM}", *RELAY)
        host.start()
        c.log(10)

        def held(words, remedy):
            s = host.wait_for_status(lambda s: s["error"] and words in s["error"]["reason"], words)
            check(f"{words}: held, with what to do", s["health"]["condition"] == "held" and remedy in s["error"]["remedy"], s["error"])

        held("WRONGPASS", "password_file")
        code, text = host.run("check")
        check("azmonlog check says it, too", code == 18 and "WRONGPASS" in text, code, text)
        redis.ask("ACL", "SETUSER", "host", "on", f">{SECRET}", f"~{STREAM}", "+ping")
        held("NOPERM", "docs/delivery.md")
        redis.ask("ACL", "SETUSER", "host", *HOST)
        c.log(10)
        relay.start()
        c.all_arrived()
        equal("what is refused is not stored as somebody else's, and comes once", c.arrived.copies(), 0)
        code, text = host.run("check", "--send")
        check("azmonlog check --send stores a record", code == 0 and "one record is stored" in text and "TLS" not in text.split("tls")[0],
              code, text)
        code, text = relay.run("check")
        check("azmonlog check of a relay looks at the stream", code == 0 and redis.url() in text, code, text)
        redis.ask("ACL", "SETUSER", "host", "resetpass", ">another")
        redis.ask("CLIENT", "KILL", "USER", "host")
        c.log(10)
        held("WRONGPASS", "password_file")
        write_secret(password, "another\n")
        redis.ask("ACL", "SETUSER", "relay", ">another")
        c.log(10)
        c.all_arrived()
        redis.ask("SET", "plain", "x")
        said = host.said() + relay.said() + str(host.status()) + str(relay.status())
        check("no password gets into a log or a status", SECRET not in said and "planted" not in said, said)
        host.end()
        host.configuration = host.configuration.replace(f"{STREAM}\n", "plain\n")
        host.configure()
        redis.ask("ACL", "SETUSER", "host", "~plain")
        host.start()
        c.log(10)
        held("WRONGTYPE", "is no stream")
        redis.ask("DEL", "plain")
        host.wait_for_status(lambda s: not s["error"] and s["lag"]["records"] == 0, "it to go on when the key is gone")
        other = c.host(f"password_file={password}\n", url=redis.url(user="host"))
        other.log(1)
        code, text = other.run("check")
        check("a certificate that is not trusted is said to be one", code == 15 and "certificate" in text, code, text)


def unacknowledged(out):
    """A relay that may not acknowledge: it stops reading, says so, and goes on when it may"""
    with Chain(out) as c:
        redis, host = c.redis, c.host("[batch]\nmax_export_batch_size=1\n")
        may = ("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all")
        redis.ask(*may, "-xack")
        relay = c.relay()
        code, text = relay.run("check")
        check("azmonlog check says it before", code != 0 and "'xack'" in text and "docs/delivery.md" in text, code, text)
        host.start()
        c.log(3000)
        host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "all to be stored")
        relay.start()

        def refused():
            found = re.search(r"cmdstat_xack:.*rejected_calls=(\d+)", redis.ask("INFO", "commandstats"))
            return int(found.group(1)) if found else 0

        def refused_again(times):
            before = refused()
            wait_for(lambda: refused() >= before + times, "it to try again")

        refused_again(2)
        n = redis.pending()
        refused_again(3)
        equal("it reads no more than it had", redis.pending(), n)
        s = relay.status()
        error = s["stream"]["error"] or ""
        check("it says so, and what to do", "'xack'" in error and "docs/delivery.md" in str(s["health"]) and
              s["health"]["condition"] == "held", error, s["health"])
        check("also in its log", relay.said().count("'xack'") == 1, relay.said())
        redis.ask(*may)
        c.all_arrived()
        equal("without copies", c.arrived.copies(), 0)
        relay.wait_for_status(lambda s: s["stream"] and not s["stream"]["error"], "it to be well")


def narrow(out):
    """TLS, and a way to Redis that does not take at once what is sent: requests queue up behind the one that is half written"""
    make_certificates(f"{out}/certificates")
    ca = f"tls_ca_file={out}/certificates/ca.pem\n"
    with Chain(out, tls=f"{out}/certificates") as c:
        way = c.add(Narrow(c.redis))
        host = c.host(ca + "[export]\ncompression=none\nconcurrency=8\ntimeout=60s\n[batch]\nmax_export_batch_size=1000\n", url=way.url())
        relay = c.relay(ca)
        host.start()
        c.log(5000, " " + "x" * 3000)
        host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "the window to be open")
        way.open.clear()
        c.log(10_000, " " + "x" * 3000)
        host.wait_for_status(lambda s: s["in_flight"]["batches"] >= 8, "requests to queue up")
        way.open.set()
        relay.start()
        c.all_arrived()
        equal("without a failure", host.status()["failures"], 0, host.said())
        equal("and without copies", c.arrived.copies(), 0)


def full(out):
    """Redis without memory, and one that is a replica: hosts wait, and lose nothing"""
    with Chain(out, "maxmemory-policy noeviction") as c:
        redis, host, relay = c.redis, c.host(), c.relay()
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        host.start()
        c.log(500)
        s = host.wait_for_status(lambda s: s["error"] and "OOM" in s["error"]["reason"], "OOM")
        check("OOM: it says what to do", "maxmemory" in s["error"]["remedy"], s["error"])
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        redis.ask("REPLICAOF", "127.0.0.1", "1")
        s = host.wait_for_status(lambda s: not s["error"] or "READONLY" in s["error"]["reason"], "READONLY, or all is stored")
        c.log(500)
        s = host.wait_for_status(lambda s: s["error"] and "READONLY" in s["error"]["reason"], "READONLY")
        check("READONLY: it says what to do", s["health"]["condition"] == "held" and "master" in s["error"]["remedy"], s["error"])
        redis.ask("REPLICAOF", "NO", "ONE")
        relay.start()
        c.all_arrived()


def cluster(out):
    """A cluster: the stream is found on the node that has it, also when it moves"""
    buses = [free_port() for _ in range(2)]
    with Chain(out, "cluster-enabled yes", f"cluster-port {buses[0]}") as c:
        nodes = [c.redis, c.add(Redis(f"{out}/other", "cluster-enabled yes", f"cluster-port {buses[1]}")).start()]
        slot = nodes[0].number("CLUSTER", "KEYSLOT", STREAM)
        nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, buses[1])
        nodes[1].ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: all("cluster_state:ok" in n.ask("CLUSTER", "INFO") for n in nodes), "the cluster to be up")
        host, relay = c.host(), c.relay()
        c.start()
        c.log(500)
        missing = c.arrived.missing(c.wanted)
        check("a node that does not have the stream leads to the one that has", not missing, len(missing))
        equal("without a failure", host.status()["failures"], 0, host.said(), host.status()["answers"])
        c.drained(nodes[1])
        ids = [n.ask("CLUSTER", "MYID") for n in nodes]
        nodes[0].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[1])
        nodes[1].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[0])
        nodes[1].ask("MIGRATE", "127.0.0.1", nodes[0].port, STREAM, 0, 5000)
        c.log(500)
        missing = c.arrived.missing(c.wanted)
        check("it goes on while the slot is on its way (ASK)", not missing, len(missing), host.said(), relay.said())
        for n in nodes:
            n.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[0])
        c.log(500)
        c.all_arrived()


def strange(out):
    """Entries that are none of ours, and some that were deleted behind our back: said, counted, and not in the way"""
    with Chain(out) as c:
        redis, host, relay = c.redis, c.host(), c.relay()
        for fields in (["a", "b"], ["v", "2", "n", "1", "otlp", "x"], ["v", "1", "n", "1", "otlp.gz", "no gzip"],
                       ["v", "1", "n", "1", "otlp", "\x0a\x05ab"], ["v", "1", "n", "3", "otlp", ""]):
            redis.ask("XADD", STREAM, "*", *fields)
        host.start()
        c.log(300)
        wait_for(lambda: redis.number("XLEN", STREAM) > 5, "the host's records to be in the stream")
        c.azure.hold()
        relay.start()
        wait_for(lambda: redis.ask("XINFO", "GROUPS", STREAM).startswith("name") and redis.pending() > 5, "the relay to take them")
        relay.end(signal.SIGKILL)
        c.azure.release()
        first = redis.ask("XRANGE", STREAM, "-", "+", "COUNT", "1").split()[0]
        redis.ask("XDEL", STREAM, first)
        before = relay.said()
        relay.start()
        c.all_arrived()
        s = relay.wait_for_status(lambda s: s["losses"]["unreadable"] >= 5, "the strange ones to be counted")
        equal("five are counted", s["losses"]["unreadable"], 5, relay.said())
        for _ in range(50):
            redis.ask("XADD", STREAM, "*", "a", "b")
        relay.wait_for_status(lambda s: s["losses"]["unreadable"] >= 55, "more of them to be counted")
        relay.end()
        said = [int(n) for n in re.findall(r"(\d+) messages? in \S+ (?:is|are) none of azmonlog's", relay.said()[len(before):])]
        check("whoever writes such things does not fill the log", len(said) < 10, said)
        equal("but all are told in the end", sum(said), 52, relay.said())
        check("they are said", "none of azmonlog's" in relay.said() and "damaged" in relay.said() and "is lost" in relay.said(), relay.said())


def bombs(out):
    """Small messages that unpack to more than any host makes: told, and not in the way; memory stays bounded"""
    with Chain(out) as c:
        redis, host, relay = c.redis, c.host(), c.relay()
        for mib in (63, 65, 300, 300):
            z = zlib.compressobj(9, zlib.DEFLATED, 31)
            bomb = b"".join(z.compress(bytes(2**20)) for _ in range(mib)) + z.flush()
            subprocess.run(["redis-cli", "-p", str(redis.port), "-x", "XADD", STREAM, "*", "v", "1", "n", "1", "otlp.gz"], input=bomb,
                           stdout=subprocess.DEVNULL, check=True)
        redis.ask("XADD", STREAM, "*", "v", "1", "n", "1", "otlp", "x")
        host.start()
        c.log(300)
        relay.start()
        watched = Watched(relay.process.pid)
        c.all_arrived()
        equal("the five that are not azmonlog's are counted", relay.status()["losses"]["unreadable"], 5, relay.said())
        check_bounded(watched.stop(), relay.said(), most=MAX_KIB + 64 * 1024)
        relay.end()
        said = [int(n) for n in re.findall(r"(\d+) messages? in \S+ (?:is|are) larger", relay.said())]
        equal("those that are too large are said to be that", sum(said), 3, relay.said())


def once(out):
    """azmonlog run --once of a relay ends when the stream is empty"""
    with Chain(out) as c:
        redis, host, relay = c.redis, c.host(), c.relay()
        c.log(1000)
        equal("the host is done", host.run("run", "--once")[0], 0)
        equal("the relay, too", relay.run("run", "--once")[0], 0)
        c.arrived.look()
        equal("all have arrived by then", c.wanted - c.arrived.found.keys(), set())
        equal("and are removed", redis.number("XLEN", STREAM), 0)
        for section in ("[redact]\nrules=all", "[filter]\nexclude=body=x"):
            relay.configure(section)
            code, text = relay.run("run", "--once")
            check(f"what a relay would not do is refused: {section.split()[0]}", code == 78 and "carries records on as they are" in text, code, text)
        relay.configure()
        redis.end()
        code, text = relay.run("run", "--once")
        check("without Redis it fails, and says why", code != 0 and "cannot read from" in text, code, text)


if __name__ == "__main__":
    cases = (carried, killed, dead, gone, outage, everysec, replicas, guarded, unacknowledged, narrow, full, cluster, strange, bombs, once)
    wanted = os.environ.get("CASES", "").split()
    run(*(c for c in cases if not wanted or c.__name__ in wanted))
