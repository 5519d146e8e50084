# SPDX-License-Identifier: MIT
"""Through Kafka: see kafka_streams.sh."""
import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import kafka_mock  # noqa: E402
import rsyslogd  # noqa: E402
from azure import write_secret  # noqa: E402
from journald import wait_for  # noqa: E402
from kafka_mock import Kafka, TOPIC  # noqa: E402
from redis_server import Arrived, Host, Relay  # noqa: E402
from rsyslogd import Destination, Rsyslogd, Sender, action  # noqa: E402
from tap import check, equal, note, run, skip  # noqa: E402

CLAIM = 8  # seconds: [relay] claim_after=, longer than brokers are away
rnd = random.Random(int(os.environ.get("SEED", "1")))


@contextlib.contextmanager
def closing(*things):
    with contextlib.ExitStack() as stack:
        for t in things:
            stack.callback(t.close)
        yield things


def all_arrived(arrived, wanted, kafka=None):
    missing = arrived.missing(wanted)
    check(f"all {len(wanted)} records have arrived", not missing, f"{len(missing)} are missing: {sorted(missing, key=str)[:20]}")
    equal("no record has come under two uids", arrived.several(), {})
    if kafka:
        check("what is delivered is committed", kafka.drained())
    note(f"{len(arrived.found)} records, {arrived.copies()} copies with the uid of the first")


def joined(relay):
    relay.wait_for_status(lambda s: (s.get("stream") or {}).get("lag") is not None, "the relay to be in the group")


def carried(out):
    """Three hosts and rsyslogd -> Kafka -> two relays, in peace"""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    hosts = [Host(f"{out}/host{i}", i, kafka) for i in range(3)]
    relays = [Relay(f"{out}/relay{i}", kafka, azure) for i in range(2)]
    arrived, wanted = Arrived(azure), set()
    with closing(azure, *hosts, *relays, kafka):
        for a in relays:
            a.start()
        for a in relays:
            joined(a)
        for a in hosts:
            a.start()
        for _ in range(5):
            for h in hosts:
                wanted |= h.log(200)
        if rsyslogd.is_there():
            r = Rsyslogd(f"{out}/rsyslogd", action(kafka.url(), "x", f"{out}/state"))
            with closing(r):
                r.start()
                s = Sender(r)
                s.send(500)
                wanted |= {(f"m{s.id}", n) for _, n in s.finish()}
                all_arrived(arrived, wanted, kafka)
        else:
            skip("records of rsyslogd arrive by the same way", "omazuremonitor.so or rsyslogd is not there")
            all_arrived(arrived, wanted, kafka)
        equal("no copies in peace", arrived.copies(), 0)
        equal("each record still says which host it is of", [arrived.hosts[i] for i in range(3)],
              [{f"host{i}"} for i in range(3)])
        stand = kafka.stand()
        check("what one host sends is in one partition", sum(end > 0 for _, _, end in stand.values()) <= 4, stand)
        s = relays[0].wait_for_status(lambda s: s["stream"] and s["stream"]["lag"] == 0, "the lag to be 0")
        equal("the relay's status knows the stream", (s["journal"], s["stream"]["pending"], s["stream"]["consumers"]),
              (kafka.url(), None, None))
        for a in hosts + relays:
            equal("it ends in order", a.end(), 0)


def killed(out):
    """kill -9 of relays and of hosts; brokers down and up; errors of the brokers: nothing is lost"""
    for attempt in range(5):
        kafka = Kafka()
        try:
            os.mkdir(f"{out}/{attempt}")
            return kill_and_refuse(f"{out}/{attempt}", kafka)
        except (TimeoutError, RuntimeError):
            if kafka.process.poll() != -signal.SIGABRT:
                raise
            note("librdkafka's mock cluster has aborted, as it does when a member asks again while it sorts the group: once more")
    raise RuntimeError("librdkafka's mock cluster aborts each time")


def kill_and_refuse(out, kafka):
    azure = Destination(f"{out}/azure")
    hosts = [Host(f"{out}/host{i}", i, kafka) for i in range(3)]
    relays = [Relay(f"{out}/relay{i}", kafka, azure, f"claim_after={CLAIM}s") for i in range(2)]
    arrived, wanted = Arrived(azure), set()
    with closing(azure, *hosts, *relays, kafka):
        azure.script("request * delay 20ms\n")
        for a in relays:
            a.start()
            joined(a)
        for a in hosts:
            a.start()

        def kill(a):
            a.end(signal.SIGKILL)
            a.start()

        # A relay that is started after the group has missed the dead one: the mock aborts when a member asks again while it sorts
        # the group, which Kafka does not.
        def kill_relays(*dead):
            for a in dead:
                a.end(signal.SIGKILL)
            time.sleep(2 * CLAIM)
            for a in dead:
                a.start()
                joined(a)

        def bounce(broker):
            kafka.down(broker)
            time.sleep(3)  # longer than the timeout of azmonlog, which is 2 s here
            kafka.up(broker)

        def refuse():
            kafka.errors(kafka_mock.PRODUCE, *[kafka_mock.NOT_LEADER, kafka_mock.NOT_ENOUGH_REPLICAS] * 5)
            kafka.errors(kafka_mock.OFFSET_COMMIT, *[16, 27, 22] * 2)  # NOT_COORDINATOR, REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION
            kafka.errors(kafka_mock.FETCH, *[kafka_mock.NOT_LEADER] * 5)

        faults = [lambda: kill_relays(relays[0]), lambda: bounce(-1), lambda: kill(hosts[0]), refuse, lambda: bounce(1),
                  lambda: kill_relays(relays[1]), lambda: kafka.errors(kafka_mock.PRODUCE, *[kafka_mock.OUT_OF_ORDER_SEQUENCE] * 3),
                  lambda: kill_relays(*relays), lambda: bounce(2), lambda: kill(hosts[1])]
        for fault in faults:
            for h in hosts:
                wanted |= h.log(rnd.randrange(100, 400))
            time.sleep(rnd.random() * 0.3)
            fault()
            for a in relays:
                joined(a)
        all_arrived(arrived, wanted, kafka)


def dead(out):
    """A relay that dies for good: another one takes over what it had. One that is only slow keeps it."""
    kafka, azure, wall = Kafka(partitions=2), Destination(f"{out}/azure"), Destination(f"{out}/wall")
    host = Host(f"{out}/host", 0, kafka)
    first, second = Relay(f"{out}/first", kafka, wall), Relay(f"{out}/second", kafka, azure)
    arrived = Arrived(azure)
    with closing(azure, wall, host, first, second, kafka):
        wall.script("request * status 503\n")
        first.start()
        joined(first)
        host.start()
        wanted = host.log(1000)
        first.wait_for_status(lambda s: s["stream"]["unacknowledged"] > 0, "the first relay to take something")
        time.sleep(8)  # more than twice claim_after=
        s = first.status()
        check("a relay that cannot deliver but lives keeps what it has taken", s["stream"]["unacknowledged"] > 0 and not s["stream"]["error"],
              s["stream"])
        equal("and nothing is committed", sum(c for _, c, _ in kafka.stand().values()), 0)
        first.end(signal.SIGKILL)
        second.start()
        all_arrived(arrived, wanted, kafka)


def outage(out):
    """Azure is away: the stream grows, not the relay; then everything arrives"""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    host, relay = Host(f"{out}/host", 0, kafka), Relay(f"{out}/relay", kafka, azure)
    arrived, wanted = Arrived(azure), set()
    with closing(azure, host, relay, kafka):
        azure.hold()
        relay.start()
        joined(relay)
        host.start()
        for _ in range(10):
            wanted |= host.log(1000)
        wait_for(lambda: kafka.stored() >= 100, "everything to be in the stream")
        s = relay.wait_for_status(lambda s: s["stream"] and s["stream"]["lag"], "the relay to say how far it is behind")
        check("the relay has taken no more than its window", s["stream"]["unacknowledged"] < 50 and s["stream"]["lag"] > 20, s["stream"])
        s = relay.wait_for_status(lambda s: s["health"]["condition"] != "well", "status to say that it is behind")
        azure.release()
        all_arrived(arrived, wanted, kafka)


def come_and_go(out):
    """Relays join and leave in order, again and again: partitions move, and nothing is lost"""
    kafka, azure = Kafka(partitions=6), Destination(f"{out}/azure")
    hosts = [Host(f"{out}/host{i}", i, kafka) for i in range(3)]
    relays = [Relay(f"{out}/relay{i}", kafka, azure) for i in range(3)]
    arrived, wanted = Arrived(azure), set()
    with closing(azure, *hosts, *relays, kafka):
        relays[0].start()
        for h in hosts:
            h.start()
        for i in (1, 2, 0, 1):
            for h in hosts:
                wanted |= h.log(300)
            if relays[i].running():
                equal("a relay leaves in order", relays[i].end(), 0)
            else:
                relays[i].start()
                joined(relays[i])
        for h in hosts:
            wanted |= h.log(300)
        all_arrived(arrived, wanted, kafka)


def refused(out):
    """What the brokers refuse is said, with what to do, and mended while it runs; what is too large is split"""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    host, relay = Host(f"{out}/host", 0, kafka), Relay(f"{out}/relay", kafka, azure)
    arrived = Arrived(azure)
    with closing(azure, host, relay, kafka):
        host.start()
        wanted = host.log(10)
        host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "the host to be done")

        def held(a, words, remedy):
            s = a.wait_for_status(lambda s: words in (s["health"]["reason"] or ""), words)
            check(f"{words}: held, with what to do", s["health"]["condition"] == "held" and remedy in (s["health"]["remedy"] or ""), s["health"])

        kafka.errors(kafka_mock.PRODUCE, *[kafka_mock.TOPIC_AUTHORIZATION_FAILED] * 1000)
        wanted |= host.log(10)
        held(host, "Topic authorization failed", "docs/delivery.md")
        kafka.ask("clear", kafka_mock.PRODUCE)
        host.wait_for_status(lambda s: not s["error"] and s["lag"]["records"] == 0, "it to go on")
        failures = host.status()["failures"]
        kafka.errors(kafka_mock.PRODUCE, kafka_mock.MSG_SIZE_TOO_LARGE)
        before = kafka.stored()
        wanted |= host.log(100)
        host.wait_for_status(lambda s: s["lag"]["records"] == 0 and s["in_flight"]["batches"] == 0, "the host to be done")
        check("what is too large comes in two halves", kafka.stored() >= before + 2, before, kafka.stored(), failures)
        kafka.errors(kafka_mock.JOIN_GROUP, *[kafka_mock.GROUP_AUTHORIZATION_FAILED] * 1000)
        relay.start()
        held(relay, "Group authorization failed", "docs/delivery.md")
        kafka.ask("clear", kafka_mock.JOIN_GROUP)
        all_arrived(arrived, wanted, kafka)
        kafka.down()
        wanted |= host.log(10)
        s = host.wait_for_status(lambda s: s["error"], "the host to say that no broker is there")
        check("a broker that is away is no fault of the data", "Kafka: " in s["error"]["reason"], s["error"])
        s = relay.wait_for_status(lambda s: s["stream"]["error"], "the relay, too")
        check("the relay says so, too", "Kafka: " in s["stream"]["error"], s["stream"])
        code, text = host.run("check")
        check("azmonlog check says it", code == 14 and "efused" in text, code, text)
        kafka.up()
        all_arrived(arrived, wanted, kafka)
        relay.wait_for_status(lambda s: not s["stream"]["error"], "the relay to be well again")


def checked(out):
    """azmonlog check of a host and of a relay"""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    host, relay = Host(f"{out}/host", 0, kafka), Relay(f"{out}/relay", kafka, azure)
    with closing(azure, host, relay, kafka):
        host.log(1)
        code, text = host.run("check", "--send")
        check("azmonlog check --send stores a record", code == 0 and "one record is stored" in text, code, text)
        equal("one, and nothing else", kafka.stored(), 1)
        code, text = relay.run("check")
        check("azmonlog check of a relay looks at the stream", code == 0 and f"{kafka.url()}: 1 messages" in text, code, text)
        equal("and changes nothing", kafka.lag(), 1)
        host.configuration = host.configuration.replace(f"/{TOPIC}\n", "/other\n")
        kafka.ask("topic_error", "other", kafka_mock.UNKNOWN_TOPIC)
        host.configure("[export]\ntimeout=20s")  # librdkafka looks for it for half of that
        code, text = host.run("check")
        check("a topic that is not there is said", code != 0 and "create the topic" in text, code, text)
        for more, words in (("replicas=1", "replicas= is for Redis"), ("sasl_mechanism=GSSAPI", "is none of PLAIN")):
            host.configure(f"[destination]\n{more}")
            code, text = host.run("check")
            check(f"{more}: a clear word", code != 0 and words in text, code, text)


def guarded(out):
    """A password that cannot be read is said, and none gets into a log"""
    kafka = Kafka()
    password = write_secret(f"{out}/password", "planted-secret\n")
    url = kafka.url().replace("kafka://", "kafka://$ConnectionString@")
    host = Host(f"{out}/host", 0, kafka, f"password_file={password}\n", url=url)
    with closing(host, kafka):
        host.log(1)
        os.chmod(password, 0o644)
        code, text = host.run("check")
        check("a password that others may read is refused", code != 0 and "password" in text, code, text)
        os.chmod(password, 0o600)
        host.start()
        host.wait_for_status(lambda s: s["error"], "the mock to refuse to speak of users")
        said = host.said() + str(host.status())
        check("no password gets into a log or a status", "planted" not in said, said)


def patient(out):
    """A host and a relay that wait for longer than librdkafka may wait for an answer: timeout=, claim_after="""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    host = Host(f"{out}/host", 0, kafka, "[export]\ntimeout=10min\n")
    relay = Relay(f"{out}/relay", kafka, azure, "claim_after=10min")
    with closing(azure, host, relay, kafka):
        host.start()
        relay.start()
        all_arrived(Arrived(azure), host.log(100), kafka)


def strange(out):
    """Messages that are none of ours, and some that the topic has dropped: said, counted, and not in the way"""
    kafka, azure = Kafka(partitions=1), Destination(f"{out}/azure")
    host, relay = Host(f"{out}/host", 0, kafka), Relay(f"{out}/relay", kafka, azure)
    arrived = Arrived(azure)
    with closing(azure, host, relay, kafka):
        for words in (["a"], ["x", "v=2", "n=1", "encoding=otlp"], ["no-gzip", "v=1", "n=1", "encoding=otlp.gz"],
                      ["damaged", "v=1", "n=1", "encoding=otlp"], ["x", "v=1", "n=-3", "encoding=otlp"],
                      ["x", "v=1", "n=1", "encoding=json"]):
            kafka.ask("put", TOPIC, 0, *words)
        host.start()
        relay.start()
        wanted = host.log(300)
        all_arrived(arrived, wanted, kafka)
        s = relay.wait_for_status(lambda s: s["losses"]["unreadable"] >= 6, "the strange ones to be counted")
        equal("six are counted", s["losses"]["unreadable"], 6, relay.said())
        check("they are said", "none of azmonlog's" in relay.said() and "damaged" in relay.said(), relay.said())
        relay.end()
        stood = kafka.stand()[0][1]
        kafka.ask("fill", TOPIC, 0, 8_000_000)  # the mock keeps 5 MB
        begin, _, _ = kafka.stand()[0]
        wanted |= host.log(10)
        relay.start()
        all_arrived(arrived, wanted, kafka)
        check("the topic has dropped something", begin > stood, begin, stood)
        wait_for(lambda: f"{begin - stood} messages in" in relay.said(), f"the relay to say that {begin - stood} are lost")
        check("what was dropped before it was delivered is said to be lost", "gone: deleted before they were delivered" in relay.said(),
              relay.said())


def once(out):
    """azmonlog run --once of a relay ends when the stream is empty"""
    kafka, azure = Kafka(), Destination(f"{out}/azure")
    host, relay = Host(f"{out}/host", 0, kafka), Relay(f"{out}/relay", kafka, azure)
    arrived = Arrived(azure)
    with closing(azure, host, relay, kafka):
        wanted = host.log(1000)
        equal("the host is done", host.run("run", "--once")[0], 0)
        equal("the relay, too", relay.run("run", "--once")[0], 0)
        arrived.look()
        equal("all have arrived by then", wanted - arrived.found.keys(), set())
        equal("and are committed", kafka.lag(), 0)
        kafka.down()
        code, text = relay.run("run", "--once")
        check("without Kafka it fails, and says why", code != 0 and "cannot be read" in text, code, text)


if __name__ == "__main__":
    cases = (carried, killed, dead, outage, come_and_go, refused, checked, guarded, patient, strange, once)
    wanted = os.environ.get("CASES", "").split()
    run(*(c for c in cases if not wanted or c.__name__ in wanted))
