# SPDX-License-Identifier: MIT
"""What the workers of these examples have to do: pack orders, and say so. In a program of yours, this is your code."""
import contextlib
import logging
import time

try:
    from opentelemetry import trace
    span = trace.get_tracer("shop").start_as_current_span
except ImportError:
    span = contextlib.nullcontext

log = logging.getLogger(__name__)


def pack(order, steps=20):
    with span("pack"):
        for step in range(1, steps + 1):
            log.info("order %d step %d", order, step)
            time.sleep(0.005)
    return order
