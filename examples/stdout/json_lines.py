#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A service with forked workers that prints lines of JSON, with the trace context that $TRACEPARENT has. usage: json_lines.py [ORDERS]

azmonlog takes them apart with, in its configuration (docs/mapping.md has the names):

    [unit "shop"]
    parse=json
"""
import json
import multiprocessing
import os
import sys
import time

traceparent = os.environ.get("TRACEPARENT")


def log(level, message, **attributes):
    line = {"time": time.time(), "level": level, "message": message, **attributes}
    if traceparent:
        line["traceparent"] = traceparent
    print(json.dumps(line) + "\n", end="", flush=True)


def work(worker, orders):
    """Packs every fourth order."""
    for order in range(worker, orders + 1, 4):
        for step in range(1, 21):
            log("info", f"order {order} step {step}", order=order)
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
