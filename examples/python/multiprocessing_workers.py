#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes of multiprocessing log to the journal. usage: multiprocessing_workers.py [ORDERS]"""
import logging
import multiprocessing
import multiprocessing.connection
import sys

from journal_handler import JournalHandler
from shop import pack

# Here, and not under "if __name__", so that it is also done by workers that are not forked ("spawn", "forkserver").
logging.basicConfig(level=logging.INFO, handlers=[JournalHandler("shop-multiprocessing")], format="%(message)s")


def main():
    todo = list(range(1, 1 + int(sys.argv[1] if len(sys.argv) > 1 else 20)))
    running = {}
    while todo or running:
        while todo and len(running) < 4:
            worker = multiprocessing.Process(target=pack, args=(todo.pop(0),))
            worker.start()
            running[worker.sentinel] = worker
        for sentinel in multiprocessing.connection.wait(running):
            worker = running.pop(sentinel)
            worker.join()
            if worker.exitcode:
                logging.error("process %d ended with %d", worker.pid, worker.exitcode)


if __name__ == "__main__":
    main()
