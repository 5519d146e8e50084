#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A service with forked workers that only prints. usage: shop.py [ORDERS]

<N> in front of a line is its priority, 0 (emergency) to 7 (debug); journald takes it off. flush=True makes a write of each line:
without it (or PYTHONUNBUFFERED=1) Python keeps lines in a buffer of the process, and they die with it.
"""
import multiprocessing
import sys
import time


def log(priority, text):
    print("".join(f"<{priority}>{line}\n" for line in text.splitlines()), end="", flush=True)


def work(worker, orders):
    """Packs every fourth order."""
    for order in range(worker, orders + 1, 4):
        for step in range(1, 21):
            log(6, f"order {order} step {step}")
            time.sleep(0.005)


def main():
    orders = int(sys.argv[1] if len(sys.argv) > 1 else 20)
    workers = [multiprocessing.Process(target=work, args=(worker, orders)) for worker in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
