#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program this project exists for: a forked ProcessPoolExecutor whose workers log and die.

Each worker logs LINES lines by one transport (journald's native socket, syslog, or standard output, which systemd-cat
connects to the journal; on demand rsyslogd's TCP port on this machine) and ends by one way (a normal return, os._exit,
SIGKILL right after the last line). It has no exporter, no flush and no thread. Standard library only.

What must arrive is written to the file LEDGER as JSON: for each worker, how many of its writes returned. It is also in
LEDGER.sent, 8 bytes for each worker, from the beginning on, so that whatever ends this program the count is there.

usage: systemd-cat -t demo-workers forked_workers.py LEDGER WORKERS LINES [PAUSE_SECONDS [FIRST_WORKER [TRANSPORT...]]]
"""
import json
import mmap
import multiprocessing
import os
import signal
import socket
import struct
import sys
import syslog
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

NAME = "demo-workers"
TRANSPORTS = ("native", "syslog", "stdout")
ENDINGS = ("return", "os._exit", "SIGKILL")
AT_ONCE = 6

sent = None  # shared memory: one 64-bit count for each worker
first = 0  # the number of the first worker


def opener(transport):
    if transport == "native":
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect("/run/systemd/journal/socket")
        return lambda text: s.send(f"MESSAGE={text}\nPRIORITY=6\nSYSLOG_IDENTIFIER={NAME}\n".encode())
    if transport == "syslog":
        syslog.openlog(NAME)
        return lambda text: syslog.syslog(syslog.LOG_INFO, text)
    if transport == "tcp":
        s = socket.create_connection(("127.0.0.1", 514))
        return lambda text: s.sendall(f"<14>1 - {socket.gethostname()} {NAME} {os.getpid()} - - {text}\n".encode())
    return lambda text: os.write(1, f"{text}\n".encode())


def work(worker, lines, pause, transports):
    transport = transports[worker % len(transports)]
    ending = ENDINGS[worker // 3 % 3]
    log = opener(transport)
    for i in range(lines):
        log(f"worker={worker} line={i} transport={transport} ending={ending}")
        struct.pack_into("Q", sent, 8 * (worker - first), i + 1)
        if pause:
            time.sleep(pause)
    if ending == "os._exit":
        os._exit(0)
    if ending == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)


def main():
    global sent, first
    ledger, workers, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0
    first = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    transports = sys.argv[6:] or TRANSPORTS
    with open(ledger + ".sent", "w+b") as f:
        f.truncate(8 * workers)
        sent = mmap.mmap(f.fileno(), 8 * workers)
    todo = list(range(first, first + workers))
    while todo:
        # A worker that is killed breaks its pool, as in real life: the rest goes into a new one.
        with ProcessPoolExecutor(AT_ONCE, mp_context=multiprocessing.get_context("fork")) as pool:
            futures = [pool.submit(work, w, lines, pause, transports) for w in todo[:AT_ONCE]]
            for f in futures:
                try:
                    f.result()
                except BrokenProcessPool:
                    pass
        del todo[:AT_ONCE]
    with open(ledger + ".tmp", "w") as f:
        json.dump([{"worker": w, "transport": transports[w % len(transports)], "ending": ENDINGS[w // 3 % 3],
                    "sent": struct.unpack_from("Q", sent, 8 * (w - first))[0]} for w in range(first, first + workers)], f)
    os.rename(ledger + ".tmp", ledger)


if __name__ == "__main__":
    main()
