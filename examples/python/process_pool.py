#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Workers in a ProcessPoolExecutor log to the journal. usage: process_pool.py [ORDERS]"""
import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from journal_handler import JournalHandler
from shop import pack

logging.basicConfig(level=logging.INFO, handlers=[JournalHandler("shop-pool")], format="%(message)s")


def main():
    todo = set(range(1, 1 + int(sys.argv[1] if len(sys.argv) > 1 else 20)))
    while todo:
        with ProcessPoolExecutor(4) as pool:
            try:
                for order in pool.map(pack, sorted(todo)):
                    todo.discard(order)
            except BrokenProcessPool:  # a worker was killed, and the others of its pool with it
                logging.exception("a pool broke, %d orders are left", len(todo))


if __name__ == "__main__":
    main()
