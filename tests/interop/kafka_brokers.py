# SPDX-License-Identifier: MIT
"""Brokers of Apache Kafka on 127.0.0.1, each of them a controller, too (KRaft). Standard library only.

Those who may do everything come without TLS and without a name, by a listener of the brokers' own; hosts and relays by SASL_SSL: a
host by SCRAM (by PLAIN where librdkafka cannot, see kafka_error.c), a relay as one comes to Event Hubs, by PLAIN as
$ConnectionString. They may do what ACLs allow."""
import ctypes
import os
import shutil
import signal
import subprocess

from azure import write_secret
from journald import PATIENCE, wait_for
from ports import free_port

TOPIC, SMALL, GROUP = "azmonlog-logs", "azmonlog-small", "azmonlog"
CLUSTER = "YXptb25sb2ctaW50ZXJvcA"
HOST_PASSWORD = "host-secret"
CONNECTION_STRING = "Endpoint=sb://azmonlog.servicebus.windows.net/;SharedAccessKeyName=relay;SharedAccessKey=c2VjcmV0"
SCRAM_WELL = ctypes.CDLL("librdkafka.so.1").rd_kafka_version() >= 0x020601ff
MECHANISM = "SCRAM-SHA-512" if SCRAM_WELL else "PLAIN"
# What a test needs of a JVM: to start soon
LOGGER = "-Dorg.slf4j.simpleLogger"
JAVA = ("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"{LOGGER}.defaultLogLevel=warn",
        f"{LOGGER}.log.kafka.server.KafkaRaftServer=info", f"{LOGGER}.showDateTime=true", "-cp", os.environ.get("KAFKA", ""))
PATIENT = 5 * PATIENCE  # a JVM on a busy machine


class Broker:
    def __init__(self, out, number, certificates):
        self.out, self.number, self.certificates = out, number, certificates
        self.internal, self.clients, self.controller = free_port(), free_port(), free_port()
        self.process, self.ups = None, 0
        os.makedirs(out)

    def configure(self, voters):
        with open(f"{self.certificates}/good.key") as key, open(f"{self.certificates}/good.pem") as certificate:
            write_secret(f"{self.out}/keystore.pem", key.read() + certificate.read())
        plain = f'user_$ConnectionString="{CONNECTION_STRING}" user_host="{HOST_PASSWORD}" user_stranger="{HOST_PASSWORD}"'
        settings = {
            "process.roles": "broker,controller", "node.id": self.number, "controller.quorum.voters": voters,
            "listeners": f"INTERNAL://127.0.0.1:{self.internal},CLIENTS://127.0.0.1:{self.clients},"
                         f"CONTROLLER://127.0.0.1:{self.controller}",
            "listener.security.protocol.map": "INTERNAL:PLAINTEXT,CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INTERNAL", "controller.listener.names": "CONTROLLER",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS",
            "listener.name.clients.ssl.keystore.type": "PEM",
            "listener.name.clients.ssl.keystore.location": f"{self.out}/keystore.pem",
            "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.clients.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "listener.name.clients.plain.sasl.jaas.config":
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {plain};",
            "log.dirs": f"{self.out}/data", "default.replication.factor": 3, "min.insync.replicas": 2,
            "offsets.topic.replication.factor": 3, "offsets.topic.num.partitions": 4, "auto.create.topics.enable": "false",
            "log.cleaner.dedupe.buffer.size": 20_000_000,
            # A broker that is dead is missed soon, and the group begins at once.
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500, "group.initial.rebalance.delay.ms": 0,
        }
        with open(f"{self.out}/server.properties", "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in settings.items())

    def format(self):
        """Returns a process that does it."""
        with open(f"{self.out}/format.log", "wb") as log:
            return subprocess.Popen([*JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", f"{self.out}/server.properties",
                                     "--add-scram", f"SCRAM-SHA-512=[name=host,password={HOST_PASSWORD}]",
                                     "--add-scram", f"SCRAM-SHA-512=[name=stranger,password={HOST_PASSWORD}]"],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        with open(f"{self.out}/log", "ab") as log:
            self.process = subprocess.Popen([*JAVA, "kafka.Kafka", f"{self.out}/server.properties"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def said(self):
        with open(f"{self.out}/log", errors="replace") as f:
            return f.read()

    def wait_until_up(self):
        self.ups += 1
        wait_for(lambda: self.process.poll() is not None or self.said().count("Kafka Server started") == self.ups,
                 f"broker {self.number} to come up", PATIENT)
        if self.process.poll() is not None:
            raise RuntimeError(f"broker {self.number} ended: {self.said()[-3000:]}")

    def kill(self):
        process, self.process = self.process, None
        if process:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)

    def lose_messages(self):
        """As from a disk that is another one."""
        for name in os.listdir(f"{self.out}/data"):
            if name.startswith(TOPIC):
                shutil.rmtree(f"{self.out}/data/{name}")


class Brokers:
    def __init__(self, out, certificates, n=3):
        self.brokers = [Broker(f"{out}/broker{i}", i, certificates) for i in range(1, n + 1)]
        voters = ",".join(f"{b.number}@127.0.0.1:{b.controller}" for b in self.brokers)
        for b in self.brokers:
            b.configure(voters)
        for b, process in [(b, b.format()) for b in self.brokers]:
            if process.wait(PATIENT):
                with open(f"{b.out}/format.log") as f:
                    raise RuntimeError(f"StorageTool: {f.read()}")
        self.start(*self.brokers)
        self.tool("TopicCommand", "--create", "--topic", TOPIC, "--partitions", 4, "--replication-factor", 3)

    def start(self, *brokers):
        for b in brokers:
            b.start()
        for b in brokers:
            b.wait_until_up()

    def url(self, user, topic=TOPIC):
        return f"kafkas://{user}@{','.join(f'127.0.0.1:{b.clients}' for b in self.brokers)}/{topic}"

    def tool(self, name, *words):
        """What one of Kafka's command line tools prints."""
        servers = ",".join(f"127.0.0.1:{b.internal}" for b in self.brokers)
        done = subprocess.run([*JAVA, f"org.apache.kafka.tools.{name}", "--bootstrap-server", servers, *map(str, words)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENT)
        if done.returncode:
            raise RuntimeError(f"{name} {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def lag(self):
        """(messages, those of them that the group has not committed), as kafka-consumer-groups.sh says it."""
        lines = [line.split() for line in self.tool("consumer.group.ConsumerGroupCommand", "--describe", "--group", GROUP).splitlines()]
        rows = [line for line in lines if line[:1] == [GROUP] and line[1] == TOPIC]
        return sum(int(r[4]) for r in rows), sum(int(r[4]) - int(r[3]) if r[3] != "-" else int(r[4]) for r in rows)

    def said(self):
        return "".join(b.said()[-3000:] for b in self.brokers)

    def close(self):
        for b in self.brokers:
            b.kill()
