#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_export.py N [FIRST]: N journal entries as systemd-journal-remote takes them, on standard output.

Deterministic. Entry i says "entry i"; a few services, one per second going back from a fixed time. Standard library only."""
import sys

if len(sys.argv) < 2 or not sys.argv[1].isdigit():
    sys.exit(__doc__)
n = int(sys.argv[1])
first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
out = sys.stdout.buffer
for i in range(first, first + n):
    service = ("web", "worker", "cron")[i % 3]
    out.write((f"__REALTIME_TIMESTAMP={1790000000000000 + i * 1000000}\n__MONOTONIC_TIMESTAMP={1000000 + i * 1000000}\n"
               f"_BOOT_ID={'b' * 32}\n_MACHINE_ID={'c' * 32}\n_HOSTNAME=export-host\n_TRANSPORT=journal\n"
               f"_PID={100 + i % 7}\n_UID=0\n_COMM={service}\n_SYSTEMD_UNIT={service}.service\n"
               f"SYSLOG_IDENTIFIER={service}\nPRIORITY={i % 8}\nMESSAGE=entry {i} of service {service}\n\n").encode())
