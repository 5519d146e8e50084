# SPDX-License-Identifier: MIT
"""A logging.Handler that writes to journald's socket: one send for each record, after which it is safe from the death of its
program. No thread, no buffer, nothing to flush, and nothing to do after a fork. Standard library of Python 3.9 only; where
OpenTelemetry is installed, a record has the ids of the span in which it was logged.

    import logging
    from journal_handler import JournalHandler
    logging.basicConfig(level=logging.INFO, handlers=[JournalHandler()], format="%(message)s")
    logging.info("order %d", 7, extra={"ORDER_ID": 7})     # journalctl ORDER_ID=7
"""
import errno
import fcntl
import logging
import os
import re
import socket
import sys
import traceback

try:
    from opentelemetry.trace import get_current_span
except ImportError:  # a program without traces
    get_current_span = None

SOCKET = "/run/systemd/journal/socket"
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")  # of a field that journald takes from a program


def priority(level):
    """syslog's, from logging's."""
    return next((p for limit, p in ((50, 2), (40, 3), (30, 4), (20, 6)) if level >= limit), 7)


def trace_context():
    """Of the span that is current in this thread or task."""
    context = get_current_span().get_span_context() if get_current_span else None
    if context is None or not context.is_valid:
        return {}
    return {"TRACE_ID": f"{context.trace_id:032x}", "SPAN_ID": f"{context.span_id:016x}", "TRACE_FLAGS": f"{context.trace_flags:02x}"}


def field(name, value):
    if not isinstance(value, bytes):
        value = str(value).encode("utf-8", "backslashreplace")
    if b"\n" in value:
        return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


class JournalHandler(logging.Handler):
    """`identifier`: SYSLOG_IDENTIFIER, by default the program's name. `fields`: for every record, such as
    OTEL_SERVICE_NAME="shop". What is given to a logger as extra= and has a name in capital letters becomes a field."""

    def __init__(self, identifier=None, **fields):
        super().__init__()
        identifier = identifier or os.path.basename(sys.argv[0]) or "python"
        self.fixed = b"".join(field(k, v) for k, v in {"SYSLOG_IDENTIFIER": identifier, **fields}.items())
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # shared by forked children, which is fine

    def emit(self, record):
        try:
            self.send(self.datagram(record))
        except Exception:
            self.handleError(record)

    def datagram(self, record):
        fields = {"MESSAGE": record.getMessage() if self.formatter is None else self.format(record),
                  "PRIORITY": priority(record.levelno), "LOGGER": record.name, "CODE_FILE": record.pathname,
                  "CODE_LINE": record.lineno, "CODE_FUNC": record.funcName, **trace_context()}
        if record.exc_info and record.exc_info[0]:
            fields |= {"EXCEPTION_TYPE": record.exc_info[0].__name__, "EXCEPTION_MESSAGE": record.exc_info[1],
                       "EXCEPTION_STACKTRACE": "".join(traceback.format_exception(*record.exc_info))}
        fields |= {name: value for name, value in record.__dict__.items() if NAME.fullmatch(name)}
        return self.fixed + b"".join(field(k, v) for k, v in fields.items())

    def send(self, data):
        try:
            self.socket.sendto(data, SOCKET)
        except OSError as e:
            if e.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            # too large for a datagram: journald takes a sealed file in its place
            fd = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                with open(fd, "wb", closefd=False) as f:
                    f.write(data)
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
                self.socket.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))], 0, SOCKET)
            finally:
                os.close(fd)
