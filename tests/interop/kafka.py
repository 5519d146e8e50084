# SPDX-License-Identifier: MIT
"""Through Apache Kafka: see kafka."""
import contextlib
import os
import signal
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lib"]
import rsyslogd  # noqa: E402
from azure import make_certificates, write_secret  # noqa: E402
from journald import wait_for  # noqa: E402
from kafka_brokers import CONNECTION_STRING, GROUP, HOST_PASSWORD, MECHANISM, PATIENT, SCRAM_WELL, SMALL, TOPIC, Brokers  # noqa: E402
from redis_server import Arrived, Host, Relay  # noqa: E402
from rsyslogd import Destination, Rsyslogd, Sender, action  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402


class World:
    """The brokers, and who may come to them; made by the first case that is run."""

    made = None

    def __init__(self, out):
        self.out = out
        os.makedirs(out)
        make_certificates(out)
        self.ca, self.other_ca = f"{out}/ca.pem", f"{out}/untrusted.pem"
        self.host_password = write_secret(f"{out}/host-password", f"{HOST_PASSWORD}\n")
        self.relay_password = write_secret(f"{out}/connection-string", f"{CONNECTION_STRING}\n")
        self.kafka = Brokers(out, out)
        # As in docs/delivery.md
        self.kafka.tool("AclCommand", "--add", "--allow-principal", "User:host", "--producer", "--idempotent",
                        "--topic", TOPIC, "--topic", SMALL)
        self.kafka.tool("AclCommand", "--add", "--allow-principal", "User:$ConnectionString", "--consumer",
                        "--topic", TOPIC, "--topic", SMALL, "--group", GROUP)

    @classmethod
    def get(cls):
        if not cls.made:
            cls.made = cls(f"{sys.argv[1]}/world")
        return cls.made

    def host_lines(self, password=None, ca=None, mechanism=MECHANISM):
        return f"sasl_mechanism={mechanism}\npassword_file={password or self.host_password}\ntls_ca_file={ca or self.ca}\n"

    def host(self, out, name, more="", user="host", topic=TOPIC, kind=Host):
        return kind(out, name, None, self.host_lines() + more, url=self.kafka.url(user, topic))

    def relay(self, out, azure, more="claim_after=6s", topic=TOPIC):
        return Relay(out, None, azure, f"{more}\npassword_file={self.relay_password}\ntls_ca_file={self.ca}\n",
                     url=self.kafka.url("$ConnectionString", topic))


class JournaldHost(Host):
    """Reads the journald of this test, to which forked processes log."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.configuration = self.configuration.replace(f"directory={self.out}/journal\n", "")
        self.configure()

    def log(self, n):
        pids = []
        for first in range(self.n, self.n + n, 50):  # each dies when it has said its part
            pid = os.fork()
            if pid == 0:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                    s.connect("/run/systemd/journal/socket")
                    for i in range(first, min(first + 50, self.n + n)):
                        s.send(f"MESSAGE=w{self.name} {i} {i * 2654435761 % 2**32:08x}\nPRIORITY=6\n".encode())
                os._exit(0)
            pids.append(pid)
        if any(os.waitpid(pid, 0)[1] for pid in pids):
            raise RuntimeError("a process that was to log has failed")
        self.n += n
        return {(self.name, self.n - n + i) for i in range(n)}


def done(host):
    """All that it has read is in Kafka."""
    host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "the host to be done")


def joined(relay):
    """The first one waits for brokers that have just started to make their topic of offsets, and to have heard of topic and ACLs: if one
    has not yet, librdkafka looks again after 30 s."""
    wait_for(lambda: (relay.status().get("stream") or {}).get("lag") is not None, "the relay to be in the group", PATIENT)


def all_arrived(arrived, wanted, kafka):
    """What has not: none, or it does not come any more."""
    def there():
        arrived.look()
        return wanted <= arrived.found.keys()
    with contextlib.suppress(TimeoutError):
        wait_for(there, "everything to arrive", PATIENT)
    missing = wanted - arrived.found.keys()
    check(f"all {len(wanted)} records have arrived", not missing,
          lambda: f"{len(missing)} are missing: {sorted(missing, key=str)[:20]}\n{kafka.said()}")
    equal("no record has come under two uids", arrived.several(), {})


def killed(out):
    """SIGKILL of relays, hosts, rsyslogd and brokers, of one, two and all at once, and a broker's disk"""
    world = World.get()
    kafka, azure = world.kafka, Destination(f"{out}/azure")
    hosts = [world.host(f"{out}/host0", 0, kind=JournaldHost), world.host(f"{out}/host1", 1), world.host(f"{out}/host2", 2)]
    relays = [world.relay(f"{out}/relay{i}", azure) for i in range(2)]
    arrived, wanted = Arrived(azure), set()
    everybody = [azure, *hosts, *relays]
    r = sender = None
    if rsyslogd.is_there():
        # A queue in memory would die with rsyslogd: without one, what a sender has got rid of is in the spool.
        r = Rsyslogd(f"{out}/rsyslogd", action(
            kafka.url("host"), "x", f"{out}/state", f'password_file="{world.host_password}" sasl_mechanism="{MECHANISM}" '
            f'tls_ca_file="{world.ca}" export.timeout="2s"'), head='main_queue(queue.type="Direct")')
        everybody.append(r)
    else:
        skip("rsyslogd takes part", "omazuremonitor.so or rsyslogd is not there")

    def log():
        nonlocal sender
        for h in hosts:
            wanted.update(h.log(300))
        if r:
            sender = Sender(r)
            sender.send(300)
            wanted.update((f"m{sender.id}", n) for _, n in sender.finish())

    def again(a):
        a.end(signal.SIGKILL)
        a.start()

    def kill(*dead):
        for b in dead:
            b.kill()

    try:
        for a in relays:
            a.start()
            joined(a)
        writers = [*hosts, *([r] if r else [])]
        for a in writers:
            a.start()
        log()
        again(relays[0])
        log()
        again(hosts[1])
        again(hosts[0])
        if r:
            log()
            r.kill()
            r.start()
        log()
        first, second, third = kafka.brokers
        kill(first)
        log()
        for h in hosts:
            done(h)
        note("one broker is dead, and all that was logged meanwhile is in Kafka")
        first.lose_messages()
        kafka.start(first)
        log()
        again(relays[1])
        for h in hosts:
            done(h)
        kill(second, third)
        log()
        s = hosts[1].wait_for_status(lambda s: s["error"], "a host to say that Kafka takes nothing")
        check("two of three brokers are dead: hosts wait, and say so", "Kafka: " in s["error"]["reason"], s["error"])
        kafka.start(second, third)
        log()
        for h in hosts:
            done(h)
        kill(*kafka.brokers)
        log()
        kafka.start(*kafka.brokers)
        log()
        all_arrived(arrived, wanted, kafka)
        for a in writers:  # then no copy is written any more
            equal("it ends in order", a.end(), 0)
        # Each relay knows only of the partitions that it has just now: Kafka itself is asked.
        wait_for(lambda: kafka.lag()[1] == 0, "the group to have read all", PATIENT)
        for a in relays:
            equal("a relay ends in order", a.end(), 0)
        stored, lag = kafka.lag()
        equal(f"kafka-consumer-groups.sh: of {stored} messages none is left", (stored > 0, lag), (True, 0))
        note(f"{len(arrived.found)} records in {stored} messages, {arrived.copies()} copies with the uid of the first")
        note(f"proved: Apache Kafka 4.1: {len(arrived.found)} records of journald, of journal files and of rsyslogd arrive by three "
             f"brokers and two relays through SIGKILL of a relay, a host, rsyslogd, one, two and all brokers, and the loss of a "
             f"broker's disk; {arrived.copies()} copies, all with the uid of the first")
    finally:
        for a in everybody:
            a.close()


def refused(out):
    """What Kafka refuses is said, with what to do, and nothing is lost meanwhile"""
    world = World.get()
    kafka, azure = world.kafka, Destination(f"{out}/azure")
    password = write_secret(f"{out}/password", "wrong\n")
    host = Host(f"{out}/host", 5, None, world.host_lines(password), url=kafka.url("host"))
    relay = world.relay(f"{out}/relay", azure, "claim_after=3s")
    arrived = Arrived(azure)

    def said(a, words, remedy):
        code, text = a.run("check")
        return check(f"azmonlog check says: {words}", code and words in text and remedy in text, code, text)

    try:
        host.start()
        wanted = host.log(100)
        s = host.wait_for_status(lambda s: s["error"], "the host to say what is wrong")
        check("a wrong password is said", "uthentication" in s["error"]["reason"] and "password_file=" in s["error"]["remedy"], s["error"])
        said(host, "uthentication", "password_file=")
        write_secret(password, f"{HOST_PASSWORD}\n")
        done(host)
        check("a password that is right now is read, and no password is in a log", "secret" not in host.said(), host.said())
        code, text = host.run("check")
        equal("azmonlog check is content with the narrowest ACLs", code, 0, text)
        code, text = relay.run("check")
        check("and a relay's", code == 0 and "messages" in text, code, text)
        relay.start()
        s = relay.wait_for_status(lambda s: s["stream"] and s["stream"]["error"], "the relay to say what is wrong")
        check("a claim_after= that brokers do not allow is said", "claim_after=" in (s["stream"]["remedy"] or ""), s["stream"])
        relay.end()
        relay.configure("[relay]\nclaim_after=6s")
        relay.start()
        all_arrived(arrived, wanted, kafka)
        relay.end()
        said(world.host(f"{out}/stranger", 6, user="stranger"), "authoriz", "ACLs")
        said(world.host(f"{out}/nowhere", 6, topic="no-such-topic"), "opic", "topic")
        said(Host(f"{out}/untrusting", 6, None, world.host_lines(ca=world.other_ca), url=kafka.url("host")),
             "certificate", "tls_ca_file=")
        if not SCRAM_WELL:
            said(Host(f"{out}/scram", 6, None, world.host_lines(mechanism="SCRAM-SHA-512"), url=kafka.url("host")),
                 "SCRAM-SHA-512", "librdkafka 2.6.1")
        note(f"proved: Apache Kafka 4.1: TLS, {'SCRAM-SHA-512' if SCRAM_WELL else 'PLAIN'} and PLAIN as $ConnectionString, the ACLs of docs/delivery.md; wrong "
             "password, certificate, ACL, topic and session timeout are each said with what to do")
    finally:
        for a in (host, relay, azure):
            a.close()


def too_large(out):
    """A topic that takes only small messages: a request is split until it fits"""
    world = World.get()
    kafka, azure = world.kafka, Destination(f"{out}/azure")
    kafka.tool("TopicCommand", "--create", "--topic", SMALL, "--partitions", 1, "--replication-factor", 3,
               "--config", "max.message.bytes=6000")
    host = world.host(f"{out}/host", 7, topic=SMALL, more="[export]\ncompression=none\n")
    relay = world.relay(f"{out}/relay", azure, topic=SMALL)
    arrived = Arrived(azure)
    try:
        wanted = host.log(10)
        host.start()
        done(host)  # such small ones are taken: then one that is not is too large, and not the topic wrong
        wanted |= host.log(300)
        done(host)
        relay.start()
        all_arrived(arrived, wanted, kafka)
        equal("nothing twice", arrived.copies(), 0)
        note("proved: Apache Kafka 4.1: what max.message.bytes refuses is split until it fits")
    finally:
        for a in (host, relay, azure):
            a.close()


if __name__ == "__main__":
    cases = (killed, refused, too_large)
    chosen = os.environ.get("CASES", "").split()
    try:
        run(*(c for c in cases if not chosen or c.__name__ in chosen))
    finally:
        if World.made:
            World.made.kafka.close()
