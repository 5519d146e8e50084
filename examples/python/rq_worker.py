#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Jobs of rq, and rq's own log, log to the journal.

    rq_worker.py                                                       Queue("orders").enqueue("shop.pack", ORDER) packs it

rq forks a process for each job. What is set up before is there in all of them.
"""
import logging
import os

from redis import Redis
from rq import Queue, Worker

from journal_handler import JournalHandler

logging.basicConfig(level=logging.INFO, handlers=[JournalHandler("shop-rq")], format="%(message)s")

if __name__ == "__main__":
    connection = Redis.from_url(os.environ.get("BROKER", "redis://"))
    Worker([Queue("orders", connection=connection)], connection=connection).work()
