# SPDX-License-Identifier: MIT
"""librdkafka's mock cluster for a test: kafka_mock.c says what it can do. Standard library only."""
import contextlib
import os
import subprocess

from journald import PATIENCE, wait_for

MOCK = os.path.join(os.environ.get("builddir", "build"), "tests/lib/kafka_mock")
TOPIC = "azmonlog-logs"
GROUP = "azmonlog"

# Kinds of requests, and errors, as Kafka's protocol numbers them
PRODUCE, FETCH, OFFSET_COMMIT, JOIN_GROUP, INIT_PRODUCER_ID = 0, 1, 8, 11, 22
MSG_SIZE_TOO_LARGE, NOT_LEADER, NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED = 10, 6, 19, 29
GROUP_AUTHORIZATION_FAILED, UNKNOWN_TOPIC, OUT_OF_ORDER_SEQUENCE = 30, 3, 45


def is_there():
    return os.access(MOCK, os.X_OK)


class Kafka:
    """Brokers 1, 2, ... on 127.0.0.1, with one topic."""

    def __init__(self, brokers=2, partitions=4):
        self.process = subprocess.Popen([MOCK, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.servers = self.process.stdout.readline().strip()
        self.ask("topic", TOPIC, partitions)

    def url(self, stream=TOPIC):
        return f"kafka://{self.servers}/{stream}"

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"kafka_mock has ended: {self.process.wait(PATIENCE)}") from None
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"kafka_mock {words}: {answer}")
        return answer[3:]

    def down(self, broker=-1):
        self.ask("down", broker)

    def up(self, broker=-1):
        self.ask("up", broker)

    def errors(self, api, *codes):
        self.ask("errors", api, *codes)

    def stand(self, group=GROUP):
        """{partition: (begin, committed, end)}"""
        numbers = [[int(n) for n in p.split(":")] for p in self.ask("stand", TOPIC, group).split()]
        return {p[0]: tuple(p[1:]) for p in numbers}

    def lag(self, group=GROUP):
        return sum(end - max(committed, begin) for begin, committed, end in self.stand(group).values())

    def stored(self):
        return sum(end for _, _, end in self.stand().values())

    def drained(self):
        """The group has acknowledged everything."""
        wait_for(lambda: self.lag() == 0, "the group to have acknowledged everything")
        return True

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
