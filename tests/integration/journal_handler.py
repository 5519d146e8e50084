# SPDX-License-Identifier: MIT
"""The cases of journal_handler.sh. Standard library only."""
import json
import logging
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("../lib", "../../examples/python")]
import subprocess
import types
import tap
import journal_handler
from journal_handler import JournalHandler

log = logging.getLogger("shop")
log.setLevel(logging.DEBUG)
log.propagate = False


def entry(identifier):
    """The only entry of this identifier."""
    subprocess.run(["journalctl", "--sync"], check=True)
    out = subprocess.run(["journalctl", "-q", "-o", "json", "--all", "-t", identifier], stdout=subprocess.PIPE, check=True).stdout
    entries = [json.loads(line) for line in out.splitlines()]
    return entries[0] if len(entries) == 1 else {"entries": len(entries)}


def logged(identifier, level, text, *args, fields=None, **kw):
    """What journald has of this call."""
    handler = JournalHandler(identifier, **(fields or {}))
    log.addHandler(handler)
    try:
        log.log(level, text, *args, **kw)
    finally:
        log.removeHandler(handler)
    return entry(identifier)


def fields(out):
    """What a record says, and what it is given."""
    e = logged("one", logging.WARNING, "order %d\nsecond line", 7, extra={"ORDER_ID": 7, "small": 1},
               fields={"OTEL_SERVICE_NAME": "web"})
    tap.equal("message, arguments and a second line", e.get("MESSAGE"), "order 7\nsecond line")
    tap.equal("priority, logger, service name", [e.get(k) for k in ("PRIORITY", "LOGGER", "OTEL_SERVICE_NAME")], ["4", "shop", "web"])
    tap.equal("where in the source", [os.path.basename(e.get("CODE_FILE", "")), e.get("CODE_FUNC")], ["journal_handler.py", "logged"])
    tap.equal("extra= in capital letters, and no other", [e.get("ORDER_ID"), e.get("SMALL")], ["7", None])
    tap.equal("no trace context", [name for name in e if name.startswith(("TRACE_", "SPAN_"))], [])


def trace_context(out):
    """Inside of a span, and outside of one. (With OpenTelemetry's own API: make interop INTEROP_PARTS=tests/interop/frameworks)"""
    before = journal_handler.get_current_span
    names = ("TRACE_ID", "SPAN_ID", "TRACE_FLAGS")
    try:
        for identifier, valid, expected in (("six", True, ["0" * 31 + "a", "0" * 15 + "b", "01"]), ("seven", False, [None] * 3)):
            context = types.SimpleNamespace(is_valid=valid, trace_id=10, span_id=11, trace_flags=1)
            journal_handler.get_current_span = lambda context=context: types.SimpleNamespace(get_span_context=lambda: context)
            e = logged(identifier, logging.INFO, "packed")
            tap.equal(f"valid: {valid}", [e.get(name) for name in names], expected)
    finally:
        journal_handler.get_current_span = before


def exception(out):
    """logger.exception"""
    try:
        raise ValueError("no such order")
    except ValueError:
        e = logged("two", logging.ERROR, "failed", exc_info=True)
    tap.equal("type and message", [e.get("EXCEPTION_TYPE"), e.get("EXCEPTION_MESSAGE"), e.get("PRIORITY")], ["ValueError", "no such order", "3"])
    tap.check("stack", "raise ValueError" in e.get("EXCEPTION_STACKTRACE", ""), e)


def large(out):
    """More than a datagram takes."""
    text = "x" * 3_000_000
    tap.check("3 MB come whole", logged("three", logging.INFO, text).get("MESSAGE") == text)
    tap.equal("and the next line after it", logged("four", logging.DEBUG, "small").get("PRIORITY"), "7")


def odd_text(out):
    """Text that is no UTF-8."""
    tap.equal("a lone surrogate", logged("five", logging.CRITICAL, "a\ud800b").get("MESSAGE"), "a\\ud800b")


tap.run(fields, trace_context, exception, large, odd_text)
