# SPDX-License-Identifier: MIT
"""Syslog messages that are hard to export, and what docs/mapping.md promises of one, computed from what rsyslogd's own omfile writes
of it. Written from that page and RFC 5424, not from azmonlog's source. Standard library only."""
import calendar
import json
import re
import time

from difficult_journal import INVALID, SEVERITY, cut, hexadecimal, text

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
META = "%timegenerated:::date-unixtimestamp%.%timegenerated:::date-subseconds% %fromhost-ip% %inputname%"
RFC5424 = "<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA% %msg%"
HEAD = f'''
module(load="mmjsonparse")
template(name="meta" type="string" string="{META}")
template(name="json" type="string" string="%$!%")
template(name="oracle" type="string" string="{META}\\t%$!%\\t{RFC5424}\\n")
'''
NEVER_THEIRS = {"client.address", "syslog.input", "syslog.malformed", "syslog.dropped_attributes", "log.record.uid", ""}


# --- the messages ---

def messages():
    def message(msg=b"difficult", pri=14, when="2026-11-25T12:00:00.123456Z", host="web1", app="app", procid="-", msgid="-", data="-"):
        data = data.encode() if isinstance(data, str) else data
        return f"<{pri}>1 {when} {host} {app} {procid} {msgid} ".encode() + data + b" " + msg

    for pri in (*range(0, 192, 7), 191, 0, 7):
        yield message(b"priority", pri)
    for when in ("1970-01-01T00:00:01Z", "2026-11-25T12:00:00+01:00", "2026-02-28T23:59:59.9Z", "2099-12-31T23:59:59.999999-11:30", "-"):
        yield message(b"at a time", when=when)
    for host, app in (("-", "-"), ("h" * 200, "a" * 48), ("192.0.2.1", "a/b"), ("2001:db8::1", "a.b-c_d"), ("Zürich".encode().decode(), "naïve")):
        yield message(b"host and program", host=host, app=app)
    for procid in ("0", "1", "812", "007", "-1", "99999999999999999999", "abc", "12a", "4294967296"):
        yield message(b"procid", procid=procid, msgid="ID" + procid)
    for body in (b"", b" ", b"  two blanks", b"\xef\xbb\xbfwith a mark", b"tab\there", b"nul \x00 in it", b"\x1b[31mred\x1b[0m", b"line\nbreak", b"\\n \"q\" %msg%",
                 b"<13>not a priority", b"[not data]", b"\xf0\x9f\x98\x80 \xe2\x80\xae rtl", bytes(range(1, 256)), b"x" * 60_000, ("é" * 25_000).encode(), b"\xff" * 20_000,
                 *INVALID):
        yield message(body)
    for data in ('[a]', '[a b="c"]', '[a b=""]', '[a b="c" b="d" b="e"]', '[a b="1"][a b="2"]', '[a@32473 x="\\"q\\"" y="\\\\" z="\\]" w="\\n"]', '[msgid][procid][facility]',
                 '[malformed][pri][timestamp][attributes]', '[input][dropped_attributes]',
                 f'[opentelemetry trace_id="{TRACE}" span_id="{SPAN}" trace_flags="01"]', f'[opentelemetry trace_id="{TRACE.upper()}"]',
                 f'[opentelemetry trace_id="{"0" * 32}" span_id="short"]', f'[opentelemetry traceparent="00-{TRACE}-{SPAN}-01"]', '[é x="1"]', '[a é="ü"]',
                 "".join(f'[e{i} p="{i}"]' for i in range(100)), "[many " + " ".join(f'p{i}="{i}"' for i in range(200)) + "]",
                 "[more " + " ".join(f'p{i}="{i}"' for i in range(300)) + "]"):
        yield message(b"data", msgid="M", procid="7", data=data)
    for value in INVALID:
        yield message(b"odd data", data=b'[a b="' + value.replace(b'"', b"") + b'"]')
    for fields in ({"n": 5, "big": 2**63 - 1, "low": -2**63, "real": 0.5, "yes": True, "no": False, "nothing": None, "list": ["a", 1, None, True, [1, {"x": "y"}], {}],
                    "in": {"side": "x", "deep": {"er": 1}}, "empty": {}, "none": [], "": "no name"},
                   {"trace_id": TRACE, "span_id": SPAN, "trace_flags": "01"}, {"traceId": TRACE, "spanId": SPAN}, {"traceparent": f"00-{TRACE}-{SPAN}-01"},
                   {"trace_id": "none"}, {"log.record.uid": "mine", "syslog.facility": 99, "azmonlog.truncated": True, "process": {"pid": 1}, "x": "y"},
                   {"host.name": "forged", "service.name": "forged"}, {"body": "of mine", "severity": "none"}, {"text": "quote \" back \\ ü 😀 \u0001"}):
        yield message(b"@cee: " + json.dumps(fields, ensure_ascii=False).encode())
    for line in (b"<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed", b"<13>no header at all", b"no priority either", b"<999>1 - - - - - - too high",
                 b"<14>2 2026-11-25T12:00:00Z h a - - - version two", b"<14>1 2026-13-45T99:00:00Z h a - - - no such day", b"<14>1 ", b"<14>", b"<>x", b"<14>1 - - - - - [open",
                 b"<14>1 - - - - - [a b=c] no quotes", b"<14>1 - - - - - [a b=\"c\"]no blank", b"<14>1 2026-11-25T12:00:00Z h a p m [a b=\"c\" msg"):
        yield line


# --- the promise ---

LINE = re.compile(rb"(\d+)\.(\d+) (\S*) (\S*)\t(.*?)\t(.*)", re.S)
MESSAGE = re.compile(rb"<([^>]*)>1 (\S+) (\S*) (\S*) (\S*) (\S*) (.*)", re.S)
WHEN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|([+-])(\d\d):(\d\d))")
NAME = rb'[!#-<>-\\^-~]+'
ELEMENT = re.compile(rb"\[(" + NAME + rb")((?: +" + NAME + rb'="(?:[^"\\\]]|\\.)*")*) *\]', re.S)
PARAMETER = re.compile(rb" +(" + NAME + rb')="((?:[^"\\\]]|\\.)*)"', re.S)


def nanoseconds(when):
    """Of a TIMESTAMP, or None."""
    m = WHEN.fullmatch(when)
    if not m:
        return None
    try:
        t = calendar.timegm(time.strptime(m[1], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    if m[4]:
        t -= (1 if m[4] == "+" else -1) * (int(m[5]) * 3600 + int(m[6]) * 60)
    return (t * 10**6 + int((m[2] or "0").ljust(6, "0"))) * 1000


def structured_data(rest):
    """((element, name or None, value), ...) and what is behind the blank; None if it cannot be read."""
    if rest[:1] == b"-":
        return [], rest[2:]
    found, at = [], 0
    while m := ELEMENT.match(rest, at):
        parameters = PARAMETER.findall(m[2])
        found += [(m[1], name, re.sub(rb'\\(["\\\]])', rb"\1", value)) for name, value in parameters] or [(m[1], None, b"")]
        at = m.end()
    return (found, rest[at + 1:]) if at and rest[at:at + 1] in (b" ", b"") else None


def of_json(value, name=""):
    """(name, value) of each attribute, in the order of the JSON; an array is a list of texts."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from of_json(v, f"{name}.{k}" if name else k)
    elif isinstance(value, list):
        yield name, [as_text(v) for v in value]
    elif value is not None:
        yield name, value if type(value) is int and -2**63 <= value < 2**63 else as_text(value)


def as_text(v):
    if isinstance(v, str):
        return v
    return json.dumps(v, separators=(",", ":"), ensure_ascii=False)


def expected(line):
    """What docs/mapping.md promises of a line that omfile has written with template oracle."""
    m = LINE.fullmatch(line)
    if not m:
        raise ValueError(f"rsyslogd has written {line[:200]!r}")
    seconds, fraction, address, inputname, fields, whole = m.groups()
    received = (int(seconds) * 10**6 + int(fraction)) * 1000
    r = {"time": received, "observed": received, "severity": (None, None), "trace": None, "span": None, "flags": 0, "dropped": 0,
         "resource": {"service.name": "unknown_service"}}
    ours, theirs, arrays, refused = {}, {}, set(), 0  # ours: name -> value; theirs: name -> values

    def put(name, value):
        nonlocal refused
        if name in NEVER_THEIRS or name in ours or name.startswith("azmonlog."):
            refused += 1
        elif isinstance(value, list):
            arrays.add(name)
            theirs.setdefault(name, []).extend(value)
        else:
            theirs.setdefault(name, []).append(value)

    if address:
        ours["client.address"] = address
    if inputname:
        ours["syslog.input"] = inputname
    header = MESSAGE.fullmatch(whole)
    if header:
        of_header(r, ours, header[1], *(None if f in (b"-", b"") else f for f in header.groups()[1:6]))
        read = structured_data(header[7])
        data, body = read or ([], header[7])
        used = trace_context(r, {name.decode("latin-1"): value for element, name, value in data if element == b"opentelemetry" and name})
        for element, name, value in data:
            if element != b"opentelemetry" or not name or name.decode("latin-1") not in used:
                put(".".join(["syslog", text(element)] + ([text(name)] if name is not None else [])), text(value))
    else:
        read, body = None, whole
    if read is None or "syslog.pri" in ours:
        ours["syslog.malformed"] = "true"
    top = json.loads(text(fields), parse_float=str) if fields else {}
    used = trace_context(r, {k: v.encode("utf-8", "replace") for k, v in top.items() if isinstance(v, str)}) if r["trace"] is None else ()
    for name, value in of_json({k: v for k, v in top.items() if k not in used}):
        put(name, value)
    if body.startswith(b" ") and read is not None:
        body = body[1:]
    body = body.removeprefix(b"\xef\xbb\xbf")
    r["body"], was_cut = cut(body) if body else (None, False)
    kept = dict(list(theirs.items())[:256])
    if dropped := refused + sum(len(v) for k, v in theirs.items() if k not in kept):
        ours["syslog.dropped_attributes"] = dropped
    if was_cut:
        ours["azmonlog.truncated"] = "true"
    r["attributes"] = {k: text(v) if isinstance(v, bytes) else v for k, v in ours.items()}
    r["attributes"].update({k: v if len(v) > 1 or k in arrays else v[0] for k, v in kept.items()})
    return r


def of_header(r, ours, pri, when, host, app, procid, msgid):
    """What is none is None."""
    if re.fullmatch(rb"\d{1,3}", pri) and int(pri) < 192:
        r["severity"] = SEVERITY[str(int(pri) & 7)]
        ours["syslog.facility"] = int(pri) >> 3
    else:
        ours["syslog.pri"] = pri
    at = nanoseconds(when.decode("latin-1")) if when else None
    if at is not None:
        r["time"] = at
    elif when:
        ours["syslog.timestamp"] = when
    if procid:
        ours["syslog.procid"] = procid
        if re.fullmatch(rb"\d+", procid) and int(procid) < 2**63:
            ours["process.pid"] = int(procid)
    if msgid:
        ours["syslog.msgid"] = msgid
    if app:
        r["resource"]["service.name"] = text(app)
    if host:
        r["resource"].update({"host.name": text(host), "service.instance.id": text(host)})


NAMES = {"trace": ("trace_id", "traceId"), "span": ("span_id", "spanId"), "flags": ("trace_flags", "traceFlags")}


def trace_context(r, ids):
    """Takes it from these; returns the names of those that were taken."""
    used = set()
    m = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", ids.get("traceparent", b""))
    if m:
        r["trace"], r["span"], r["flags"] = m[1].decode(), m[2].decode(), int(m[3], 16)
        used.add("traceparent")
    for key, digits in (("trace", 32), ("span", 16), ("flags", 2)):
        for name in NAMES[key]:
            if name in ids and (v := hexadecimal(ids[name], digits)) is not None and not r[key]:
                r[key] = v if key != "flags" else int(v, 16)
                used.add(name)
    return used


def canonical(record):
    """A text by which equal records are equal; without the uid."""
    a = {k: v for k, v in record["attributes"].items() if k != "log.record.uid"}
    return json.dumps({**record, "severity": list(record["severity"]), "attributes": a, "scope": None}, sort_keys=True)
