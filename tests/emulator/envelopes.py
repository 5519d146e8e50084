#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""envelopes.py DIRECTORY: bodies for the tests of /v2.1/track, one a file: NAME.json an array, NAME.lines one item a line, NAME.gz
packed, bad-NAME.json an item that is to be refused."""
import datetime
import gzip
import json
import sys

now = datetime.datetime.now(datetime.timezone.utc)


def time(**delta):
    return (now + datetime.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def envelope(base_type="MessageData", remove=(), data=None, **changes):
    """An item; None removes a key of the envelope, `remove` keys of baseData, and `data` replaces them."""
    base = {"ver": 2, "message": "hello", "severityLevel": 1, "properties": {"log.record.uid": "u1"}}
    if base_type == "ExceptionData":
        base = {"ver": 2, "severityLevel": "Error", "properties": {"log.record.uid": "e1"}, "measurements": {"m": 1.5},
                "exceptions": [{"typeName": "ValueError", "message": "bad", "hasFullStack": True, "stack": "at x"}]}
    base = {key: value for key, value in (base | (data or {})).items() if key not in remove}
    item = {"ver": 1, "name": "Microsoft.ApplicationInsights.Message", "time": time(),
            "iKey": "00000000-0000-0000-0000-000000000000", "sampleRate": 100,
            "tags": {"ai.cloud.role": "web", "ai.cloud.roleInstance": "h1", "ai.operation.id": "0af7651916cd43dd8448eb211c80319c",
                     "ai.operation.parentId": "b7ad6b7169203331"},
            "data": {"baseType": base_type, "baseData": base}} | changes
    return {key: value for key, value in item.items() if value is not None}


def numbered(count, text="hello"):
    return [envelope(data={"message": f"{text} {i}", "properties": {"log.record.uid": f"u{i}"}}) for i in range(count)]


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def exception(**changes):
    detail = {"typeName": "E", "message": "m", "hasFullStack": False} | changes
    return envelope("ExceptionData", data={"exceptions": [{k: v for k, v in detail.items() if v is not None}]})


good = {
    "one": envelope(),
    "exception": envelope("ExceptionData"),
    "oldest": envelope(time=time(hours=-47)),
    "newest": envelope(time=time(hours=23)),
    "seconds": envelope(time=now.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "longest": envelope(data={"message": "\u20ac" * 20000, "properties": {}}),
    "most-characters": envelope(data={"message": "x" * 32768}),
    "longest-property": envelope(data={"properties": {"k" * 150: "v" * 8192}}),
    "no-severity": envelope(remove=["severityLevel", "properties"]),
    "frames": exception(parsedStack=[{"level": 0, "method": "f", "assembly": "at f (x.js:1:2)", "fileName": "x.js", "line": 1}]),
    "nul": envelope(data={"message": "a\0b"}),
}
bad = {
    "ikey": envelope(iKey="11111111-0000-0000-0000-000000000000"),
    "no-ikey": envelope(iKey=None),
    "no-name": envelope(name=None),
    "empty-name": envelope(name=""),
    "no-time": envelope(time=None),
    "zone": envelope(time=now.strftime("%Y-%m-%dT%H:%M:%S+00:00")),
    "february": envelope(time="2026-02-30T00:00:00Z"),
    "old": envelope(time=time(hours=-49)),
    "future": envelope(time=time(hours=25)),
    "no-tags": envelope(tags=None),
    "tag": envelope(tags={"ai.cloud.role": 1}),
    "no-data": envelope(data=None) | {"data": 1},
    "base-type": envelope("EventData"),
    "unknown-key": envelope(extra=1),
    "ver": envelope(data={"ver": 1}),
    "no-message": envelope(remove=["message"]),
    "empty-message": envelope(data={"message": ""}),
    "long-message": envelope(data={"message": "x" * 32769}),
    "surrogates": envelope(data={"message": "\U0001f600" * 16385}),
    "severity": envelope(data={"severityLevel": 5}),
    "severity-name": envelope(data={"severityLevel": "Info"}),
    "number-property": envelope(data={"properties": {"k": 1}}),
    "long-key": envelope(data={"properties": {"k" * 151: "v"}}),
    "long-value": envelope(data={"properties": {"k": "v" * 8193}}),
    "unknown-field": envelope(data={"severity": 1}),
    "too-long": envelope(data={"properties": {f"k{i}": "v" * 8000 for i in range(9)}}),
    "no-exceptions": envelope("ExceptionData", data={"exceptions": []}),
    "no-type": exception(typeName=None),
    "no-exception-message": exception(message=""),
    "frame": exception(parsedStack=[{"level": "0", "method": "f"}]),
    "full-stack": exception(hasFullStack="yes"),
    "measurement": envelope("ExceptionData", data={"measurements": {"m": "1"}}),
    "number": 1,
}

directory = sys.argv[1]


def write(name, content):
    with open(f"{directory}/{name}", "wb") as file:
        file.write(content)


for name, item in good.items():
    write(f"{name}.json", dump([item]))
for name, item in bad.items():
    write(f"bad-{name}.json", dump([item]))
three = numbered(3)
write("three.json", dump(three))
write("three.lines", b"\n".join(map(dump, three)) + b"\n")
write("three.lines.gz", gzip.compress(b"\n".join(map(dump, three))))
write("spaced.json", json.dumps(three, indent=2).encode() + b"\n")
write("object.json", dump(three[0]))
write("mixed.json", dump([three[0], bad["ikey"], three[1], bad["old"]]))
write("colours.lines", b"\n".join(dump(item) for word in ("red", "green", "blue") for item in numbered(2, word)))
many = [dump(envelope(remove=["properties"], tags={}))] * 64001
write("most.gz", gzip.compress(b"\n".join(many[1:]), 1))
write("too-many.gz", gzip.compress(b"\n".join(many), 1))
write("too-large.gz", gzip.compress(b" " * (16 << 20) + dump(three), 1))
