# SPDX-License-Identifier: MIT
"""The bodies of the tests: OTLP written by hand, so that nothing of the emulator's own code is used to test it.

    otlp.py make FOLDER                      writes them there as files
    otlp.py hammer PORT PATH THREADS REQUESTS   posts from parallel keep-alive connections
"""
import gzip, http.client, struct, sys, threading, zlib

def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])

def number(field, n):     return varint(field << 3) + varint(n)
def fixed64(field, n):    return varint(field << 3 | 1) + struct.pack("<Q", n)
def fixed32(field, n):    return varint(field << 3 | 5) + struct.pack("<I", n)
def double(field, x):     return varint(field << 3 | 1) + struct.pack("<d", x)
def data(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content

def string(s):            return data(1, s)                          # an AnyValue, as the next four
def integer(n):           return number(3, n & (1 << 64) - 1)
def array(*values):       return data(5, b"".join(data(1, v) for v in values))
def kvlist(**pairs):      return data(6, b"".join(data(1, key_value(k, v)) for k, v in pairs.items()))
def key_value(key, value): return data(1, key) + data(2, value)

def record(body, uid=None, time=1753000000123456789, more=b""):
    out = fixed64(1, time) + number(2, 9) + data(3, "info") + data(5, string(body))
    if uid:
        out += data(6, key_value("log.record.uid", string(uid)))
    return out + more

def request(*records, service="web"):
    resource = data(1, key_value("service.name", string(service))) + data(1, key_value("host.name", string("h1")))
    scope = data(1, data(1, "azmonlog")) + b"".join(data(2, r) for r in records)
    return data(1, data(1, resource) + data(2, scope))

def point(value=None, time=1753000060000000000, start=1753000000000000000, more=b""):
    """Of a counter or gauge; `value`: encoded."""
    return fixed64(2, start) + (fixed64(3, time) if time else b"") + (value if value is not None else fixed64(6, 7)) + more

def counter(*points, name="azmonlog.records.read", temporality=2):
    return (data(1, name) + data(2, "what it is") + data(3, "{record}") +
            data(7, b"".join(data(1, p) for p in points) + number(2, temporality) + number(3, 1)))

def gauge(*points, name="azmonlog.behind"):
    return data(1, name) + data(3, "s") + data(5, b"".join(data(1, p) for p in points))

def histogram(counts, bounds, count=None, more=b""):
    packed = lambda form, values: b"".join(struct.pack(form, v) for v in values)
    return data(1, "azmonlog.request.duration") + data(3, "s") + data(9, data(1,
        fixed64(2, 1753000000000000000) + fixed64(3, 1753000060000000000) + fixed64(4, sum(counts) if count is None else count) +
        double(5, 1.5) + data(6, packed("<Q", counts)) + data(7, packed("<d", bounds)) + more) + number(2, 2))

def metrics(*list, service="web"):
    resource = data(1, key_value("service.name", string(service)))
    return data(1, data(1, resource) + data(2, data(1, data(1, "azmonlog") + data(2, "1.0")) + b"".join(data(2, m) for m in list)))

def nested(depth):
    value = string("x")
    for _ in range(depth):
        value = array(value)
    return request(record("deep", more=data(6, key_value("k", value))))

def make(folder):
    def put(name, content):
        open(folder + "/" + name, "wb").write(content)
    one = request(record("hello", "u1"))
    limit = 1048576
    filler = limit - len(request(record("", "u1")))
    exact = request(record("x" * (filler - 12), "u1"))
    exact = request(record("x" * (filler - 12 + limit - len(exact)), "u1"))
    assert len(exact) == limit
    put("one", one)
    put("three", request(record("a", "t1"), record("b", "t2"), record("c", "t3"), service="db"))
    put("poison", request(record("a", "p1"), record("this is the \0poison", "p2"), service="db"))
    put("mixed", request(*[record("bad" if i in (1, 4) else "good", "m%d" % i) for i in range(5)]) +
                 request(record("good", "m5"), record("bad", "m6"), service="db"))
    put("empty", b"")
    put("no-records", request())
    put("exact", exact)
    put("too-long", exact + b"\0")
    put("one.gz", gzip.compress(one))
    put("exact.gz", gzip.compress(exact))
    put("too-long.gz", gzip.compress(exact + b"\0"))
    put("bomb.gz", gzip.compress(b"\0" * (200 << 20)))
    put("cut.gz", gzip.compress(one)[:-1])
    put("trailing.gz", gzip.compress(one) + b"x")
    put("zlib.gz", zlib.compress(one))
    put("garbage", b"this is not protobuf")
    put("cut", one[:-1])
    put("wrong-type", data(1, data(1, b"") + number(2, 5)))
    put("deep-99", nested(45))
    put("deep", nested(60))
    put("abyss", nested(20000))
    put("bad-body", request(record(b"\xff\xfe", "u1")))
    put("bad-surrogate", request(record(b"\xed\xa0\x80", "u1")))
    put("bad-key", request(record("ok"), record("ok", more=data(6, key_value(b"k\xc0\xaf", string("v"))))))
    put("bad-service", request(record("ok"), service=b"\x80"))
    put("twice", request(record("ok", "u1", more=data(6, key_value("log.record.uid", string("u2"))))))
    put("no-time", request(record("ok", time=0)))
    put("trace-15", request(record("ok", more=data(9, b"t" * 15))))
    put("span-9", request(record("ok", more=data(10, b"s" * 9))))
    put("everything", request(record("zero \0 one \u20ac", "u-every", more=
        fixed64(11, 1753000000999999999) + number(7, 2) + fixed32(8, 1) +
        data(9, bytes(range(16))) + data(10, bytes(range(8))) +
        data(6, key_value("int", integer(-5))) + data(6, key_value("yes", number(2, 1))) +
        data(6, key_value("half", double(4, 0.5))) + data(6, key_value("nan", double(4, float("nan")))) +
        data(6, key_value("list", array(string("a"), integer(1)))) +
        data(6, key_value("map", kvlist(k=string("v")))) +
        data(6, key_value("bytes", data(7, b"\0\1\2\3"))) + data(6, key_value("nothing", b"")))))

def make_metrics(folder):
    def put(name, *list):
        open(folder + "/metrics-" + name, "wb").write(metrics(*list))
    attribute = data(7, key_value("service", string("\u20ac")))
    put("all", counter(point(more=attribute), point(fixed64(6, 8))), gauge(point(double(4, 0.5))), histogram([1, 0, 2], [0.1, 1.0]))
    put("none")
    put("no-value", counter(point(b"")))
    put("no-time", gauge(point(time=0)))
    put("backwards", counter(point(time=1)))
    put("no-name", counter(point(), name=""))
    put("no-data", data(1, "x"))
    put("no-temporality", counter(point(), temporality=0))
    put("nan", gauge(point(double(4, float("nan")))))
    put("twice", counter(point(more=attribute + attribute)))
    put("buckets", histogram([1, 2], [0.1, 1.0]))
    put("bounds", histogram([1, 0, 2], [1.0, 0.1]))
    put("count", histogram([1, 0, 2], [0.1, 1.0], count=4))
    put("bad-name", counter(point(), name=b"\xff"))

def hammer(port, path, threads, requests):
    """Posts from parallel keep-alive connections; every tenth uid is a duplicate."""
    bad = []
    def run(t):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for r in range(requests):
            uids = ["%d.%d.%d" % (t, r, i) for i in range(9)] + ["%d.%d.0" % (t, r)]
            body = request(*[record("line " * 20, uid) for uid in uids], service="s%d" % t)
            connection.request("POST", path, gzip.compress(body, 1), {
                "Content-Type": "application/x-protobuf", "Content-Encoding": "gzip", "User-Agent": "hammer"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 204:
                bad.append(answer.status)
    workers = [threading.Thread(target=run, args=(t,)) for t in range(threads)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    print("bad answers: %s" % bad if bad else "all accepted")

if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
        make_metrics(sys.argv[2])
    else:
        hammer(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
