# SPDX-License-Identifier: MIT
"""The program of seed_problem.py: forked ProcessPoolExecutors whose workers log by Python's logging and end.

usage: forked_program.py LEDGER SETTINGS     SETTINGS is JSON: way, made, ending, workers, lines, pause, url, delay, connection
It runs in any virtual environment. LEDGER: {"logged": calls that returned, "microseconds": those of each call in a worker, less
those of a call to a logger whose handler does nothing, "hung": workers that had to be killed}, written when all have ended."""
import json
import logging
import mmap
import os
import signal
import struct
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

ledger, s = sys.argv[1], json.loads(sys.argv[2])
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.propagate = False
# For each worker, and the parent: calls that returned, nanoseconds of a bare call, nanoseconds of each.
ROW = 8 * (2 + s["lines"])
shared = mmap.mmap(-1, ROW * (s["workers"] + 1))
provider = None


def opentelemetry():
    """As the SDK's own documentation has it."""
    global provider
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    provider = LoggerProvider(resource=Resource.create({"service.name": "program"}))
    if s["way"] == "azure":
        from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
        exporter = AzureMonitorLogExporter(connection_string=s["connection"])
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        exporter = OTLPLogExporter(endpoint=s["url"])
    if s["processor"] == "simple":
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    else:
        delay = {} if s["delay"] is None else {"schedule_delay_millis": s["delay"]}
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter, **delay))
    log.addHandler(LoggingHandler(level=logging.INFO, logger_provider=provider))


def setup():
    if s["way"] == "journald":
        sys.path.insert(0, s["examples"])
        from journal_handler import JournalHandler
        log.addHandler(JournalHandler("program"))
    elif s["way"] == "rsyslog":
        from logging.handlers import SysLogHandler
        handler = SysLogHandler(s["socket"])
        handler.ident = "program: "
        log.addHandler(handler)
    else:
        opentelemetry()


def line(place, text):
    begin = time.perf_counter_ns()
    log.info(text)
    took = time.perf_counter_ns() - begin
    n, = struct.unpack_from("Q", shared, ROW * place)
    struct.pack_into("Q", shared, ROW * place + 16 + 8 * n, took)
    struct.pack_into("Q", shared, ROW * place, n + 1)


def bare_call():
    """Nanoseconds of a call that goes nowhere."""
    nowhere = logging.getLogger("nowhere")
    nowhere.setLevel(logging.INFO)
    nowhere.propagate = False
    nowhere.addHandler(logging.NullHandler())
    begin = time.perf_counter_ns()
    for _ in range(200):
        nowhere.info("worker=0 line=0")
    return (time.perf_counter_ns() - begin) // 200


def work(worker):
    struct.pack_into("Q", shared, ROW * worker + 8, bare_call())
    try:
        for i in range(s["lines"]):
            line(worker, f"worker={worker} line={i}")
            time.sleep(s["pause"])
        if s["ending"] == "os._exit":
            os._exit(0)
        if s["ending"] == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
    finally:
        if s["flush"]:
            provider.force_flush()


def main():
    if s["made"] == "parent":
        setup()
        line(s["workers"], "parent")
        if s["used"]:  # as in a parent that has been running for a while
            provider.force_flush()
    # One pool for each worker, at the same time: the first worker that is killed would take the others of its pool with it.
    pools = [ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=setup if s["made"] == "child" else None)
             for _ in range(s["workers"])]
    futures = [pool.submit(work, w) for w, pool in enumerate(pools)]
    hung = 0
    for f, pool in zip(futures, pools):
        try:
            f.result(s["patience"])
        except BrokenProcessPool:
            pass
        except TimeoutError:
            hung += 1
            for p in list(pool._processes.values()):
                p.kill()
    for pool in pools:
        pool.shutdown()
    rows = [struct.unpack_from(f"{2 + s['lines']}Q", shared, ROW * w) for w in range(s["workers"] + 1)]
    with open(ledger, "w") as f:
        json.dump({"logged": sum(r[0] for r in rows), "hung": hung,
                   "microseconds": [(took - r[1]) / 1000 for r in rows[:-1] for took in r[2:2 + r[0]]]}, f)



main()
