# SPDX-License-Identifier: MIT
"""Ports of this machine for servers of a test's own. Standard library only."""
import socket


def free_port(family=socket.AF_INET):
    """One that nobody listened at just now, on the loopback address."""
    with socket.socket(family) as s:
        s.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return s.getsockname()[1]
