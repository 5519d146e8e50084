# SPDX-License-Identifier: MIT
"""A broker of Apache Kafka for bench-relay, with the jars that make interop has fetched. Standard library only."""
import glob
import os
import socket
import subprocess

from bench import wait_for

TOPIC = "bench"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kafka:
    """On 127.0.0.1, without TLS; its topic has one partition."""

    name, whose, kept = "Kafka", "Kafka's", "disk"

    @staticmethod
    def missing(build):
        """Why it cannot be had; None if it can."""
        if not glob.glob(f"{build}/interop/java-KAFKA/jars/kafka_*.jar"):
            return "Kafka is not here; INTEROP_PARTS=tests/interop/kafka ./bootstrap interop fetches it"
        return None

    def __init__(self, work, build, settings):
        self.data, port, controller = f"{work}/kafka", free_port(), free_port()
        self.java = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-cp", f"{os.path.abspath(build)}/interop/java-KAFKA/jars/*",
                     "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info"]
        with open(f"{work}/server.properties", "w") as f:
            f.write("\n".join([
                "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@127.0.0.1:{controller}",
                f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}", "controller.listener.names=CONTROLLER",
                f"log.dirs={self.data}", "offsets.topic.replication.factor=1", "group.initial.rebalance.delay.ms=0", *settings]) + "\n")
        self.url = f"kafka://127.0.0.1:{port}/{TOPIC}"
        self.log = f"{work}/kafka.log"
        with open(self.log, "wb") as log:
            subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "-t", "YXptb25sb2ctYmVuY2gtMQ", "-c", f"{work}/server.properties"],
                           stdout=log, stderr=log, check=True)
            self.process = subprocess.Popen([*self.java, "kafka.Kafka", f"{work}/server.properties"], stdout=log, stderr=log)
        wait_for(lambda: b"Kafka Server started" in open(self.log, "rb").read() or self.process.poll() is not None, "Kafka", 300)

    def bytes(self):
        """Of its topic, on disk."""
        return sum(os.path.getsize(p) for p in glob.glob(f"{self.data}/{TOPIC}-*/*.log"))

    def cpu(self):
        """Seconds, its own start included."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def left(self):
        """A relay that ends by itself has read all of it; what is delivered is not removed."""
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
