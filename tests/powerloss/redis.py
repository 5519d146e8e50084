# SPDX-License-Identifier: MIT
"""What a power loss takes of what Redis has answered for: see redis.sh."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from disk import EXTENDED, OPENED, SYNCED, TRUNCATED, WRITTEN, Disk, read_log  # noqa: E402
from journald import wait_for  # noqa: E402
from judge import recorded  # noqa: E402
from redis_server import Chain, Redis, Relay  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

FOLDER, INCREMENT = "appendonlydir", "appendonly.aof.1.incr.aof"


def flushed(log, without=None):
    """What of Redis' log is on disk for certain."""
    disk = Disk(without)
    for e in read_log(log):
        if e.operation in (WRITTEN, TRUNCATED, EXTENDED, SYNCED) or e.operation == OPENED and e.names[0] == INCREMENT:
            disk.do(e)
    return disk.names[INCREMENT].content(())


class Loss:
    """A host writes to Redis, until both lose their power at once."""

    def __init__(self, out, appendfsync):
        self.out, self.log, folder = out, f"{out}/recording", f"{out}/redis/data/{FOLDER}"
        os.makedirs(folder)
        self.chain = Chain(out, "appendonly yes", f"appendfsync {appendfsync}", environment=recorded(folder, self.log))

    def __enter__(self):
        try:
            self.lose()
        except BaseException:
            self.chain.close()
            raise
        return self

    def lose(self):
        host = self.chain.host("[export]\nconcurrency=1\n[batch]\nmax_export_batch_size=20\n")
        host.start()
        self.chain.log(100)
        host.wait_for_status(lambda s: s["delivered"]["records"] == 100, "the first ones to be answered for")
        increment = f"{self.chain.redis.out}/data/{FOLDER}/{INCREMENT}"
        wait_for(lambda: len(flushed(self.log)) == os.path.getsize(increment), "these to be on disk")
        self.chain.log(20_000)
        s = host.wait_for_status(lambda s: s["delivered"]["records"] > 1000, "Redis to have answered for many")
        self.chain.redis.end()
        self.answered = s["delivered"]["records"]
        self.size = os.path.getsize(increment)

    def __exit__(self, *_):
        self.chain.close()

    def lost(self, name, without=None):
        """The numbers that a Redis which starts on what was flushed does not have."""
        left = Redis(f"{self.out}/{name}", "appendonly yes")
        shutil.rmtree(f"{left.out}/data")
        shutil.copytree(f"{self.chain.redis.out}/data", f"{left.out}/data")
        data = flushed(self.log, without)
        with open(f"{left.out}/data/{FOLDER}/{INCREMENT}", "wb") as f:
            f.write(data)
        self.chain.add(left).start()
        self.chain.arrived.found.clear()
        relay = Relay(f"{self.out}/relay-{name}", left, self.chain.azure)
        equal(f"{name}: a relay delivers what is there", relay.run("run", "--once")[0], 0)
        self.chain.arrived.look()
        left.end()
        missing = sorted({n for _, n in self.chain.wanted if n < self.answered} - {n for _, n in self.chain.arrived.found})
        note(f"{name}: of {self.size} bytes of Redis' log {len(data)} were flushed; it had answered for {self.answered} records, {len(missing)} of them are lost")
        return missing


def always(out):
    """appendfsync always"""
    with Loss(out, "always") as loss:
        equal("nothing is lost that Redis has answered for", loss.lost("always"), [])
        check("it would be seen if Redis did not flush", len(loss.lost("unflushed", INCREMENT)) > 0)


def everysec(out):
    """appendfsync everysec"""
    with Loss(out, "everysec") as loss:
        missing = loss.lost("everysec")
        equal("what is lost are the last ones", missing, list(range(loss.answered - len(missing), loss.answered)))
        check("and not all", len(missing) < loss.answered, len(missing))


run(always, everysec)
