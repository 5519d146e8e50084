# SPDX-License-Identifier: MIT
"""A network of one's own for a test: nodes in namespaces, this process as the router between them, and partitions in which packets are
lost without a word. Needs root and iproute2. Nothing outlives the process: the namespaces are gone with it. Standard library only."""
import contextlib
import ctypes
import os
import socket
import subprocess
import threading

NEWNET = 0x40000000  # CLONE_NEWNET of <sched.h>
libc = ctypes.CDLL(None, use_errno=True)


class Here:
    """Where this process is: what programs get that are in no node."""
    address = "127.0.0.1"
    enter = None


HERE = Here()


def _do(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), f"{function.__name__}: {os.strerror(ctypes.get_errno())}")


def _ip(*words):
    done = subprocess.run(["ip", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(map(str, words))}: {done.stdout.strip()}")


class Network:
    """Made by the first thread of a process, before there are others: it moves into a namespace without anything. OSError where that
    cannot be had."""

    def __init__(self):
        _do(libc.unshare, NEWNET)
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.nodes, self.cuts = 0, {}
        _ip("link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
            f.write("1")

    def node(self, name=""):
        self.nodes += 1
        return Node(self, self.nodes, name)

    @contextlib.contextmanager
    def inside(self, node):
        _do(libc.setns, node.namespace, NEWNET)
        try:
            yield
        finally:
            _do(libc.setns, self.home, NEWNET)

    def cut(self, source, target):
        """From now on no packet comes from one node, or address, to the other; the other way they do."""
        pair = getattr(source, "address", source), getattr(target, "address", target)
        self.cuts[pair] = 1000 + len(self.cuts)  # the number of the rule
        _ip("rule", "add", "pref", self.cuts[pair], "from", pair[0], "to", pair[1], "blackhole")

    def part(self, one, other):
        """Neither way."""
        self.cut(one, other)
        self.cut(other, one)

    def mend(self):
        """All cuts."""
        for number in self.cuts.values():
            _ip("rule", "del", "pref", number)
        self.cuts = {}

    def lead(self, address, node):
        """Packets to `address` go to this node from now on, which has taken it by `take`."""
        _ip("route", "replace", f"{address}/32", "via", node.address)


class Node:
    """`enter` is for subprocess.Popen's preexec_fn."""

    def __init__(self, network, number, name):
        self.network, self.name = network, name
        self.address, self.router = f"10.77.{number}.2", f"10.77.{number}.1"
        _do(libc.unshare, NEWNET)
        try:
            self.namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
            _ip("link", "set", "lo", "up")
            _ip("link", "add", "eth0", "type", "veth", "peer", "name", f"to{number}", "netns", f"/proc/{os.getpid()}/fd/{network.home}")
            _ip("address", "add", f"{self.address}/30", "dev", "eth0")
            _ip("link", "set", "eth0", "up")
            _ip("route", "add", "default", "via", self.router)
        finally:
            _do(libc.setns, network.home, NEWNET)
        _ip("address", "add", f"{self.router}/30", "dev", f"to{number}")
        _ip("link", "set", f"to{number}", "up")

    def enter(self):
        _do(libc.setns, self.namespace, NEWNET)

    def take(self, address):
        """One more address, which several nodes may have: see Network.lead."""
        with self.network.inside(self):
            _ip("address", "add", f"{address}/32", "dev", "lo")

    def door(self, port):
        """What connects to 127.0.0.1:port in here comes out at 127.0.0.1:port of the router, where servers of tests are."""
        with self.network.inside(self):
            listener = socket.create_server(("127.0.0.1", port))
        let_through(listener, port)


def let_through(listener, port, gate=None):
    """Until the listener is closed, who connects to it is connected to 127.0.0.1:port; `gate`: an event, without which nothing gets there."""
    threading.Thread(target=_serve, args=(listener, port, gate), daemon=True).start()


def _serve(listener, port, gate):
    while True:
        try:
            inner, _ = listener.accept()
        except OSError:
            return  # closed
        try:
            outer = socket.create_connection(("127.0.0.1", port))
        except OSError:  # the server is down
            inner.close()
            continue
        for source, sink, way in ((inner, outer, gate), (outer, inner, None)):
            threading.Thread(target=_carry, args=(source, sink, way), daemon=True).start()


def _carry(source, sink, gate):
    with contextlib.suppress(OSError):
        while data := source.recv(16384):
            if gate:
                gate.wait()
            sink.sendall(data)
    for s in (source, sink):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)
