# SPDX-License-Identifier: MIT
"""What may be wrong with the destination: context managers that last as long as their block. Standard library only."""
import collections
import contextlib
import os
import signal
import time

from hosts import Wrong, cpu_seconds
from journald import wait_for

# `states`: what the status has to say while it lasts; none where some requests succeed. `where`: the groups that can have it.
Fault = collections.namedtuple("Fault", "name during states where")
RETRYING, HELD, EITHER = ("retrying",), ("held",), ("retrying", "held")
WELL = "# no rule\n"
BOTH = ("journal", "rsyslog")
HELD_CPU_PERCENT, HELD_SECONDS = 1.0, 3


def scripted(text, then=None):
    @contextlib.contextmanager
    def during(host):
        host.destination.script(text)
        yield
        host.destination.script(WELL)
        if then:
            then(host)
    return during


def mended(host):
    """A refused token is asked for again after half a minute; who has mended it says so."""
    if host.group == "journal":
        host.reload()


def forget(host):
    """After 429 requests keep an interval for minutes; more is written here meanwhile than that, by far, lets through."""
    host.restart(signal.SIGTERM)


@contextlib.contextmanager
def nothing(host):
    yield


@contextlib.contextmanager
def limited(host):
    host.destination.ask("limit", b"5/1s")
    yield
    host.destination.ask("limit", b"none")
    forget(host)


@contextlib.contextmanager
def down(host):
    host.destination.end()
    yield
    host.destination.start()


@contextlib.contextmanager
def killed(host):
    host.destination.kill()
    yield
    host.destination.start()


@contextlib.contextmanager
def frozen(host):
    """The kernel takes connections and requests, and nobody answers."""
    host.destination.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        host.destination.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def slow_reading(host):
    host.destination.script("connection * slow-read 1ms\n")
    host.destination.renew()
    yield
    host.destination.script(WELL)
    host.destination.renew()


@contextlib.contextmanager
def no_handshake(host):
    host.destination.script("connection * reset\n")
    host.destination.renew()
    yield
    # No connection gets through to bring a script that would mend it.
    host.destination.end()
    host.destination.start()


def certificate(name):
    @contextlib.contextmanager
    def during(host):
        host.destination.show(name)
        host.destination.renew()
        yield
        host.destination.show("good")
        host.destination.renew()
    return during


@contextlib.contextmanager
def no_name(host):
    """A new process, because a name is remembered for a while."""
    host.names.set(host.name, False)
    host.restart(signal.SIGTERM)
    yield
    host.names.set(host.name, True)


@contextlib.contextmanager
def no_token(host):
    host.tokens.script("identity * status 503\n")
    host.restart(signal.SIGKILL)
    yield
    host.tokens.script(WELL)
    mended(host)


@contextlib.contextmanager
def held_and_measured(host):
    """When nothing is left to be read, what is held needs next to no CPU; and the status says how much waits."""
    host.destination.script('request * refuse 403 Forbidden "no"\n')
    host.wait_for_state("held")
    host.load.pause(host.group)
    seen = [None, None]

    def at_rest():
        s = host.status()
        now = s["read"]["records"], s["spool"]["records"], s["spool"]["bytes"]
        still = now == seen[0] and (s["spool"]["active"] or not host.spools_soon)
        if not still:
            seen[:] = now, time.monotonic()
        return still and time.monotonic() - seen[1] > 1
    wait_for(at_rest, "nothing more is read")
    last = {}

    def told():
        """What rsyslogd has yet to hand over comes in the end, however slow the machine is."""
        last.update(waiting=host.waiting(), status=host.status())
        lag, spool = last["status"]["lag"]["records"], last["status"]["spool"]["records"]
        return lag is None or lag + (spool if host.group == "journal" else 0) >= last["waiting"]
    try:
        wait_for(told, "the status to say how much waits")
    except TimeoutError:
        raise Wrong(f"{host.group}: held, {last['waiting']} messages wait, but the status says: {last['status']}") from None
    before, since = cpu_seconds(host.pid), time.monotonic()
    time.sleep(HELD_SECONDS)
    percent = 100 * (cpu_seconds(host.pid) - before) / (time.monotonic() - since)
    host.held.append(percent)
    if percent >= HELD_CPU_PERCENT:
        raise Wrong(f"{host.group}: held, it takes {percent:.2f} % of a CPU")
    host.load.go_on(host.group)
    yield
    host.destination.script(WELL)


FAULTS = [Fault(*f) for f in [
    ("none", nothing, None, BOTH),
    ("none again", nothing, None, BOTH),
    ("503 to all", scripted("request * status 503\n"), RETRYING, BOTH),
    ("429 with Retry-After", scripted('request 1-6 status 429 header "Retry-After: 1"\n', forget), None, BOTH),
    ("429 over a limit", limited, None, BOTH),
    ("500 to all", scripted("request * status 500\n"), RETRYING, BOTH),
    ("502 now and then", scripted("request 2-3 status 502\nrequest 6 status 504\n"), None, BOTH),
    ("401", scripted('request * refuse 401 InvalidToken "no"\n', mended), EITHER, BOTH),
    ("403", scripted('request * refuse 403 Forbidden "no"\n'), HELD, BOTH),
    ("404", scripted('request * refuse 404 ResourceNotFound "no"\n'), HELD, BOTH),
    ("400 to all", scripted('request * refuse 400 Bad "no"\n'), EITHER, BOTH),
    ("413 above 20,000 bytes", scripted('request * bytes 20001- refuse 413 ContentLengthLimitExceeded "no"\n'), None, BOTH),
    ("partial success", scripted("request 1-3 records 1-400 partial-success 1 \"one too many\"\n"), None, BOTH),
    ("some rejected", scripted('request * records 1-400 reject-records "poison4" "odd"\n'), None, BOTH),
    ("poison, refused", scripted('request * containing "poison4" refuse 400 InvalidRecord "odd"\n'), None, BOTH),
    ("poison, breaks the server", scripted('request * containing "poison5" status 500\n'), None, BOTH),
    ("poison, resets", scripted('request * containing "poison5" reset\n'), None, BOTH),
    ("resets", scripted("request * reset\n"), RETRYING, BOTH),
    ("closes", scripted("request * close\n"), RETRYING, BOTH),
    ("stalls", scripted("request * stall 1min\n"), RETRYING, BOTH),
    ("slow answers", scripted("request * delay 300ms\n"), None, BOTH),
    ("slow reading", slow_reading, None, BOTH),
    ("answers lost", scripted("request 1-5 stored-then-reset\n"), None, BOTH),
    ("answers cut off", scripted("request 1-3 truncated\n"), None, BOTH),
    ("answers without end", scripted("request 1-2 endless\n"), None, BOTH),
    ("no HTTP", scripted("request * garbage\n"), EITHER, BOTH),
    ("down", down, RETRYING, BOTH),
    ("killed", killed, RETRYING, BOTH),
    ("frozen", frozen, RETRYING, BOTH),
    ("handshakes reset", no_handshake, EITHER, BOTH),
    ("certificate renewed", certificate("renewed"), None, BOTH),
    ("certificate expired", certificate("expired"), EITHER, BOTH),
    ("certificate untrusted", certificate("untrusted"), EITHER, BOTH),
    ("certificate of another", certificate("wrong-name"), EITHER, BOTH),
    ("name unknown", no_name, EITHER, BOTH),
    ("no token", no_token, EITHER, ("journal",)),
    ("held, CPU measured", held_and_measured, HELD, BOTH),
]]
NEEDS_ROOT = ("name unknown",)


def faults_of(group):
    return [f for f in FAULTS if group in f.where and (f.name not in NEEDS_ROOT or os.geteuid() == 0)]
