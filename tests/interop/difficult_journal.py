# SPDX-License-Identifier: MIT
"""A journal that is hard to export, as systemd-journal-remote makes it; and what docs/mapping.md promises of an entry, computed from
journalctl's JSON. Written from that page, not from azmonlog's source. Standard library only."""
import json
import random
import re
import struct
import subprocess

from otlp_json import any_value, key_values

REMOTE = "/lib/systemd/systemd-journal-remote"
NOON = 1_790_000_000_000_000
HOST, MACHINE, BOOT = "difficult-host", "c" * 32, "b" * 32
SEVERITY = {"0": (21, "emerg"), "1": (19, "alert"), "2": (18, "crit"), "3": (17, "err"), "4": (13, "warning"), "5": (10, "notice"),
            "6": (9, "info"), "7": (5, "debug")}
INVALID = (b"\xff", b"a\x80b", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf",
           b"\xf0\x9f\x98", b"\xf0\x28\x8c\xbc", b"\xf8\x88\x80\x80\x80", b"ok \xfe\xfe tail", b"\xe0\x80\x80", "é".encode("latin-1") + b"t\xe9")


# --- the journal ---

def entries():
    """Lists of (name, value): name text, value bytes."""
    def entry(*fields, message=b"difficult", priority=b"6", **more):
        out = [("MESSAGE", message)] if message is not None else []
        out += [("PRIORITY", priority)] if priority is not None else []
        return out + [(k, v) for k, v in more.items()] + list(fields)

    for p in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"99", b"-1", b"07", b" 6", b"6 ", b"", b"info", b"\xff", b"6\x00", None):
        yield entry(priority=p)
    for f in (*(str(i).encode() for i in range(24)), b"24", b"-1", b"daemon", b"", b"99999999999999999999", b"0x3", b"+4", b"9223372036854775807",
              b"9223372036854775808", b"-9223372036854775808"):
        yield entry(SYSLOG_FACILITY=f)
        yield entry(_PID=f, CODE_LINE=f)
    for text in (None, b"", b" ", b"\n", b"a\nb\n", b"\t", b"nul \x00 in it", b"\x00", b"\x00\x00", b"\x1b[31mred\x1b[0m", b"\r\n", b"\x7f",
                 "\ufeffbom".encode(), "\ufffd".encode(), "\uffff\ufdd0".encode(), "\U0001f600\U0010ffff".encode(), "e\u0301 \u202e rtl".encode(),
                 b"{\"a\": [1, 2]}", b"\"quoted\\\"", bytes(range(256)), bytes(range(255, -1, -1)), *INVALID):
        yield entry(message=text)
        yield entry(("VALUE", text or b""), message=b"as an attribute")
        yield entry(SYSLOG_IDENTIFIER=text or b"", _COMM=text or b"")
    for long in ("é" * 200, "x" + "é" * 200, "\U0001f600" * 70, "u" * 300):
        yield entry(SYSLOG_IDENTIFIER=long.encode())
    yield entry(_COMM=b"only-comm")
    for size in (65535, 65536, 65537, 70000, 300_000, 1_500_000):
        yield entry(message=b"m" * size)
        yield entry(("BIG", b"v" * size))
        yield entry(message=("é" * size)[:size].encode())
        yield entry(message=b"x" + ("\U0001f600" * (size // 4)).encode())
        yield entry(message=b"\xff" * size)
    yield entry(*((f"BIG_{i}", bytes([97 + i]) * 60_000) for i in range(9)))
    yield entry(*((f"BIG_{i}", bytes([97 + i]) * 60_000) for i in range(3)), message=b"m" * 65536)
    yield entry(*((f"FIELD_{i}", b"value %d" % i) for i in range(1000)))
    yield entry(*((f"{'N' * 60}{i:04}", b"x" * 300) for i in range(900)))
    yield entry(*(("MANY", b"value %d" % i) for i in range(500)))
    yield entry(("TWICE", b"b"), ("TWICE", b"a"), ("TWICE", b"b"))
    yield entry(("TWICE", b"text"), ("TWICE", b"\xff\x00"), ("TWICE", b""))
    yield entry(("MESSAGE", b"a second message"))
    yield entry(("PRIORITY", b"3"))
    yield entry(("SYSLOG_IDENTIFIER", b"one"), ("SYSLOG_IDENTIFIER", b"two"))
    yield entry(("_PID", b"1"), ("_PID", b"2"))
    yield entry(("CODE_LINE", b"1"), ("CODE_LINE", b"2"), ("CODE_LINE", b"x"))
    for trace, span, flags in ((b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b"01"), (b"0AF7651916CD43DD8448EB211C80319C", b"B7AD6B7169203331", b"00"),
                               (b"0" * 32, b"0" * 16, b"01"), (b"0af7", b"b7ad", b"1"), (b"0af7651916cd43dd8448eb211c80319c", None, None),
                               (None, b"b7ad6b7169203331", None), (b"z" * 32, b"z" * 16, b"zz"), (b"", b"", b""), (b"\xff" * 16, b"\xff" * 8, b"\xff"),
                               (b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b"ff")):
        yield entry(*((n, v) for n, v in (("TRACE_ID", trace), ("SPAN_ID", span), ("TRACE_FLAGS", flags)) if v is not None))
    yield entry(("TRACE_ID", b"0" * 31 + b"1"), ("TRACE_ID", b"0" * 31 + b"2"), ("SPAN_ID", b"b7ad6b7169203331"))
    for unit in (b"web.service", b"init.scope", b"session-2.scope", b"user@1000.service", b"a@b.service", b"x.socket", b""):
        yield entry(_SYSTEMD_UNIT=unit, SYSLOG_IDENTIFIER=b"ident", _COMM=b"comm", _PID=b"77")
    yield entry(_SYSTEMD_UNIT=b"user@1000.service", _SYSTEMD_USER_UNIT=b"mine.service", _PID=b"78")
    yield entry(_TRANSPORT=b"kernel", SYSLOG_IDENTIFIER=b"kernel")
    yield entry(OTEL_SERVICE_NAME=b"named", _SYSTEMD_UNIT=b"web.service")
    yield entry(OTEL_SERVICE_NAME=b"", _SYSTEMD_UNIT=b"web.service")
    yield entry(_SOURCE_REALTIME_TIMESTAMP=b"1789999999000001")
    for t in (b"0", b"-1", b"soon", b"", b"18446744073709551615", b"18446744073709551616", b"9223372036854775807"):
        yield entry(_SOURCE_REALTIME_TIMESTAMP=t)
    yield entry(SYSLOG_PID=b"12", _PID=b"12")
    yield entry(SYSLOG_PID=b"12", _PID=b"13", SYSLOG_MSGID=b"ID47", SYSLOG_TIMESTAMP=b"Nov 25 10:00:00 ", SYSLOG_RAW=b"<13>raw")
    yield entry(MESSAGE_ID=b"a596d6fe7bfa4994828e72309e95d61e", CODE_FILE=b"a.c", CODE_FUNC=b"main", EXCEPTION_TYPE=b"E", EXCEPTION_MESSAGE=b"m",
                EXCEPTION_STACKTRACE=b"at a\nat b")
    yield entry(_UID=b"0", _GID=b"0", _CMDLINE=b"a\x00b", _EXE=b"/bin/x", _BOOT_ID=BOOT.encode(), _SELINUX_CONTEXT=b"unconfined\n",
                _SYSTEMD_INVOCATION_ID=b"d" * 32, _CAP_EFFECTIVE=b"0", _STREAM_ID=b"1", _LINE_BREAK=b"eof")
    rnd = random.Random(7)
    for i in range(300):
        fields = []
        for _ in range(rnd.randrange(12)):
            name = rnd.choice(("A", "B", "LONG_NAME_" + "X" * rnd.randrange(54), "_EXE", "_CMDLINE", "CODE_FILE", "SYSLOG_IDENTIFIER", f"F{rnd.randrange(5)}"))
            kind = rnd.random()
            if kind < 0.3:
                value = rnd.randbytes(rnd.randrange(40))
            elif kind < 0.6:
                value = "".join(chr(rnd.choice((rnd.randrange(1, 128), rnd.randrange(0xa0, 0xd800), rnd.randrange(0xe000, 0x110000))))
                                for _ in range(rnd.randrange(20))).encode()
            else:
                value = b"plain %d" % rnd.randrange(10)
            fields.append((name, value))
        yield entry(*fields, message=b"random %d" % i, priority=str(rnd.randrange(8)).encode())


def export():
    """The journal in systemd's export format, and how many entries it has."""
    text, n = [], 0
    for n, fields in enumerate(entries(), 1):
        fields = [("__REALTIME_TIMESTAMP", str(NOON + n * 1000).encode()), ("__MONOTONIC_TIMESTAMP", str(10**9 + n).encode()),
                  ("_BOOT_ID", BOOT.encode()), ("_MACHINE_ID", MACHINE.encode()), ("_HOSTNAME", HOST.encode())] + [
                      f for f in fields if f[0] != "_BOOT_ID"]
        for name, value in fields:
            if name.startswith("__") or (value and re.fullmatch(rb"[\x20-\x7e]+", value)):
                text.append(name.encode() + b"=" + value + b"\n")
            else:
                text.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        text.append(b"\n")
    return b"".join(text), n


def make(path, prefix=()):
    """Writes the journal file; `prefix`: words in front of the command. Returns how many entries."""
    text, n = export()
    subprocess.run([*prefix, REMOTE, "-o", path, "-"], input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return n


def by_journalctl(directory, prefix=(), check=True):
    """[{name: [bytes, ...]}], as journalctl says."""
    out = subprocess.run([*prefix, "journalctl", "-q", "--no-pager", "-o", "json", "--all", "-D", directory], stdout=subprocess.PIPE, check=check).stdout
    found = []
    for line in out.splitlines():
        entry = {}
        for name, value in json.loads(line).items():
            several = isinstance(value, list) and not (value and all(isinstance(v, int) for v in value))
            entry[name] = [v.encode() if isinstance(v, str) else bytes(v) for v in (value if several else [value])]
        found.append(entry)
    add_service_names(found)
    return found


# --- the promise ---

OURS = {"SYSLOG_FACILITY": "syslog.facility", "SYSLOG_MSGID": "syslog.msgid", "CODE_FILE": "code.file.path",
        "CODE_LINE": "code.line.number", "CODE_FUNC": "code.function.name", "MESSAGE_ID": "journald.message_id", "EXCEPTION_TYPE": "exception.type",
        "EXCEPTION_MESSAGE": "exception.message", "EXCEPTION_STACKTRACE": "exception.stacktrace", "_PID": "process.pid",
        "SYSLOG_PID": "syslog.procid"}
NAMES = {"_COMM": "process.executable.name", "SYSLOG_IDENTIFIER": "syslog.identifier", "_SYSTEMD_UNIT": "systemd.unit", "_SYSTEMD_USER_UNIT": "systemd.user_unit"}
INTEGERS = {"_PID", "SYSLOG_FACILITY", "CODE_LINE"}
ELSEWHERE = {"MESSAGE", "PRIORITY", "TRACE_ID", "SPAN_ID", "TRACE_FLAGS", "_HOSTNAME", "_MACHINE_ID", "SYSLOG_TIMESTAMP", "SYSLOG_RAW", "OTEL_SERVICE_NAME",
             "_SOURCE_REALTIME_TIMESTAMP"}
LIMIT = 65536


def text(value):
    return value.decode("utf-8", "replace").replace("\0", "\ufffd")


def cut(value):
    """The text of a value as it may be sent, and whether it was cut."""
    whole = text(value).encode()
    if len(whole) <= LIMIT:
        return whole.decode(), False
    return whole[:LIMIT].decode("utf-8", "ignore"), True


def hexadecimal(value, digits):
    """The id, if it is one."""
    v = value.decode("latin-1")
    return v.lower() if re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", v) and (digits == 2 or v.strip("0")) else None


def number(value):
    """The integer that a value is, or None."""
    try:
        n = int(value) if re.fullmatch(rb"-?[0-9]+", value) else None
    except ValueError:
        return None
    return n if n is not None and -2**63 <= n < 2**63 else None


def expected(e, profile):
    """What docs/mapping.md promises of this entry; attributes: name -> sorted values."""
    r = {"truncated": False}
    received = int(e["__REALTIME_TIMESTAMP"][0])
    source = e.get("_SOURCE_REALTIME_TIMESTAMP", [b""])[0]
    usec = int(source) if re.fullmatch(rb"[0-9]+", source) and 0 < int(source) < 2**64 // 1000 else received
    r["time"], r["observed"] = usec * 1000, received * 1000
    attributes = {}
    priority = e.get("PRIORITY", [])
    r["severity"] = (None, None)
    if priority and priority[0].decode("latin-1") in SEVERITY:
        r["severity"] = SEVERITY[priority[0].decode()]
        priority = priority[1:]
    if priority:
        attributes["priority"] = priority
    r["body"] = e["MESSAGE"][0].removesuffix(b"\n") if "MESSAGE" in e else None
    if len(e.get("MESSAGE", [])) > 1:
        attributes["message"] = e["MESSAGE"][1:]
    for name, key, digits in (("TRACE_ID", "trace", 32), ("SPAN_ID", "span", 16), ("TRACE_FLAGS", "flags", 2)):
        values = e.get(name, [])
        r[key] = hexadecimal(values[0], digits) if values else None
        if rest := values[0 if r[key] is None else 1:]:
            attributes[name.lower()] = rest
    r["flags"] = int(r["flags"] or "0", 16)
    for name, values in e.items():
        if name.startswith("__") or name == "service" or name in ELSEWHERE or name == "SYSLOG_PID" and values == e.get("_PID"):
            continue
        if name in NAMES:
            if len(values[0]) > 255:
                attributes[NAMES[name]] = values[:1]
            if not (values := values[1:]):
                continue
        if name in OURS:
            attributes[OURS[name]] = [n if name in INTEGERS and len(values) == 1 and (n := number(v)) is not None else v for v in values]
        elif not name.startswith("_"):
            attributes[name.lower()] = values
        elif profile == "full":
            attributes["journald." + name[1:].lower()] = values
    r["attributes"] = attributes
    host = text(e["_HOSTNAME"][0])
    r["resource"] = {"host.name": host, "host.id": text(e["_MACHINE_ID"][0]), "os.type": "linux", "service.instance.id": host}
    r["resource"] |= {key: text(e[name][0]) for name, key in NAMES.items() if e.get(name, [b""])[0] and len(e[name][0]) <= 255}
    return r


def add_service_names(entries):
    """Notes in each entry, as its "service", what the page says; the entries are in their order."""
    units = {}  # boot and pid -> the service that was seen there last
    for e in entries:
        first = lambda name: e[name][0] if name in e and e[name][0] else None
        user, system = first("_SYSTEMD_USER_UNIT"), first("_SYSTEMD_UNIT")
        unit = user if user and (system or b"").startswith(b"user@") else system
        process = (first("_BOOT_ID"), first("_PID"))
        if unit and process[1]:
            units[process] = unit
        unit = unit or units.get(process)
        service = unit.removesuffix(b".service") if unit and unit.endswith(b".service") else None
        name = (first("OTEL_SERVICE_NAME") or (first("_TRANSPORT") == b"kernel" and b"kernel") or service or first("SYSLOG_IDENTIFIER")
                or first("_COMM") or unit or b"unknown_service")
        whole = name[:255].decode("utf-8", "ignore").encode()
        e["service"] = text(whole if len(name) > 255 and name.startswith(whole) and len(whole) > 251 else name[:255])


# --- the comparison ---

def shown(value, changed):
    """A value as it must be in the record; notes in `changed` that it was cut."""
    if isinstance(value, int):
        return value
    t, was_cut = cut(value)
    changed.append(was_cut)
    return t


def differences(e, got, profile):
    """What is not as docs/mapping.md promises: texts."""
    want = expected(e, profile)
    found = [f"{key}: {got[key]!r} instead of {want[key]!r}" for key in ("time", "observed", "severity", "trace", "span", "flags") if got[key] != want[key]]
    changed = []
    body = None if want["body"] is None else shown(want["body"], changed)
    if got["body"] != body:
        found.append(f"body: {got['body']!r:.80} instead of {body!r:.80}")
    a = dict(got["attributes"])
    uid = a.pop("log.record.uid", None)
    if not isinstance(uid, str) or not uid:
        found.append(f"log.record.uid: {uid!r}")
    marked = a.pop("azmonlog.truncated", None)
    missing = want["attributes"].keys() - a.keys()
    for name in a.keys() - want["attributes"].keys():
        found.append(f"an attribute that nobody sent: {name}={a[name]!r:.60}")
    key = lambda v: (isinstance(v, str), v)
    for name in a.keys() & want["attributes"].keys():
        values = [shown(v, changed) for v in want["attributes"][name]]
        have = a[name] if isinstance(a[name], list) else [a[name]]
        if isinstance(a[name], list) != (len(values) > 1) or sorted(have, key=key) != sorted(values, key=key):
            found.append(f"{name}: {a[name]!r:.80} instead of {values!r:.80}")
    if len(missing) != got["dropped"]:
        found.append(f"left out {sorted(missing)!r:.200}, but dropped_attributes_count is {got['dropped']}")
    if missing and sum(len(k) + len(v) for k, values in want["attributes"].items() for v in values if isinstance(v, bytes)) < 200_000:
        found.append(f"attributes are left out though they are small: {sorted(missing)!r:.200}")
    lost = any(changed) or bool(missing)
    if (marked in (True, "true")) != lost:
        found.append(f"azmonlog.truncated is {marked!r}, lost: {lost}")
    resource = dict(got["resource"])
    service = resource.pop("service.name", None)
    if service != e["service"]:
        found.append(f"service.name is {service!r} instead of {e['service']!r}")
    if resource != want["resource"]:
        found.append(f"resource: {resource!r}")
    if got["scope"][0] != "azmonlog" or not got["scope"][1]:
        found.append(f"scope: {got['scope']!r}")
    return found


# --- a receiver's JSON ---

NUMBERS = {f"SEVERITY_NUMBER_{name}{i or ''}": 1 + 4 * k + (i or 1) - 1
           for k, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")) for i in (None, 2, 3, 4)}


def records(requests, identifier):
    """Those of requests in JSON, in the form that differences() takes. `identifier`: text of an id -> its bytes."""
    for request in requests:
        if "error" in request:
            raise ValueError(f"the receiver could not decode a request: {request['error']}")
        for of_resource in request.get("resourceLogs", []):
            resource = key_values(of_resource["resource"]["attributes"])
            for of_scope in of_resource["scopeLogs"]:
                scope = of_scope.get("scope", {})
                for r in of_scope["logRecords"]:
                    keys = [a["key"] for a in r.get("attributes", [])]
                    if len(set(keys)) != len(keys):
                        raise ValueError(f"the same attribute twice in one record: {sorted(keys)}")
                    severity = NUMBERS.get(r.get("severityNumber"), r.get("severityNumber"))
                    yield {"time": int(r.get("timeUnixNano", 0)), "observed": int(r.get("observedTimeUnixNano", 0)),
                           "severity": (severity or None, r.get("severityText") or None), "body": any_value(r["body"]) if "body" in r else None,
                           "trace": identifier(r["traceId"]).hex() or None if r.get("traceId") else None,
                           "span": identifier(r["spanId"]).hex() or None if r.get("spanId") else None,
                           "flags": r.get("flags", 0), "dropped": r.get("droppedAttributesCount", 0), "resource": resource,
                           "scope": (scope.get("name"), scope.get("version")),
                           "attributes": key_values(r.get("attributes", []))}
