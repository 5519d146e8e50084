# SPDX-License-Identifier: MIT
"""Records that the destination does not take, and destinations that take nothing: see poison.sh."""
import collections
import math
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from exporter import Exporter  # noqa: E402
from journal_files import append_texts  # noqa: E402
from journald import TOOL, wait_for  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

AZURE = "/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-OTLP-Logs/otlp/v1/logs"
BATCH = 64
REFUSE = 'request * containing "poison" refuse 400 InvalidRecord "odd record"\n'


def exporter(out, texts, **settings):
    """An exporter of a journal with these texts."""
    append_texts(f"{out}/journal/a.journal", texts)
    return Exporter(os.environ["AZMONLOG"], os.environ["EMULATOR"], out, directory=f"{out}/journal", **settings)


def texts_with(n, poisoned, word="poison"):
    return [f"{word} {i}" if i in poisoned else f"good {i}" for i in range(n)]


def bodies(x):
    return [r.get("body") for r in x.received()]


def check_good(x, good, copies=0):
    """They arrived; a record may come again as a probe, with its uid, a few times."""
    equal("the good ones arrived, and nothing else", set(bodies(x)), set(good))
    again = x.copies()
    if TOOL:
        copies *= 10  # the longer it takes, the more probes
    check(f"each once, but {copies} times at most a probe of the same uid",
          len(x.received()) - len(good) == sum(again.values()) <= copies, again)


def check_outcome(x, texts, reason, status=None, copies=0):
    """Everything good arrived once, and just the poison is in quarantine."""
    good = [t for t in texts if t.startswith("good")]
    bad = [t for t in texts if not t.startswith("good")]
    check_good(x, good, copies)
    kept = x.quarantine()
    equal("just the bad ones are in quarantine", sorted(text for text, _ in kept), sorted(bad))
    check("with the reason, the uid and a time", all(n["reason"] == reason and len(n["uid"]) == 26 and n["time"]
                                                     for _, n in kept), kept[:1])
    if status:
        check("and the server's status and words",
              all(n["status"] == status and n["message"] == "odd record" for _, n in kept), kept[:1])


def positions(out):
    """Poison in every position of a batch: just it is quarantined, in O(k log n) requests."""
    n = 8 * BATCH
    dice = random.Random(7)
    for name, poisoned in [
            ("first", {0}), ("last of a batch", {BATCH - 1}), ("last of all", {n - 1}), ("second", {1}),
            ("two neighbours", {70, 71}), ("one in each batch", {3, 67, 130, 255}),
            ("a whole batch", set(range(BATCH, 2 * BATCH))), ("every second", set(range(0, BATCH, 2))),
            ("the whole last batch", set(range(n - BATCH, n))), ("anywhere", set(dice.sample(range(n), 9)))]:
        for path in ("/v1/logs", AZURE):
            note(f"{name}, {path[:20]}")
            texts = texts_with(n, poisoned)
            x = exporter(f"{out}/{name.replace(' ', '-')}{len(path)}", texts, batch=BATCH, path=path)
            try:
                x.script(REFUSE)
                equal("ends", x.once(), 0)
                check_outcome(x, texts, "refused", 400, copies=3)
                requests, bound = x.stats()["requests"], n // BATCH + 3 + len(poisoned) * (2 * math.ceil(math.log2(BATCH)) + 3)
                check(f"needs no more than {bound} requests", requests <= bound, requests)
                if path == AZURE:
                    check("the server's code and request id are kept",
                          all(k["code"] == "InvalidRecord" and k["request_id"] for _, k in x.quarantine()))
                order = collections.defaultdict(list)
                for body in dict.fromkeys(bodies(x)):  # a probe is a copy
                    number = int(body.split()[1])
                    order[number // BATCH].append(number)
                check("the good ones of a batch keep their order", all(v == sorted(v) for v in order.values()), order)
            finally:
                x.close()


def hold_then_release(out, script, words, before=""):
    """The destination refuses everything for a while: nothing is quarantined, and all arrives in the end."""
    texts = texts_with(10 * BATCH, ())
    x = exporter(out, texts, batch=BATCH)
    try:
        x.script(before + script)
        x.start()
        wait_for(lambda: x.stats()["requests"] >= 40, "forty requests")
        equal("nothing is in quarantine", x.quarantine(), [])
        check("it says that it holds", x.said(f"held by .*{words}"))
        x.release()
        wait_for(lambda: len(set(bodies(x))) == len(texts), "all arrived")
        equal("the end", x.end(), 0)
        equal("nothing is in quarantine", x.quarantine(), [])
        check_good(x, texts, copies=1)
    finally:
        x.close()


def wrong_proxy_400(out):
    """A proxy answers 400 to everything, from the beginning."""
    hold_then_release(out, 'request * refuse 400 Bad "no"\n', "HTTP 400")


def wrong_proxy_later(out):
    """A proxy answers 400 to everything after a good start."""
    hold_then_release(out, 'request * refuse 400 Bad "no"\n', "HTTP 400", "request 1-3 normal\n")


def wrong_proxy_twice(out):
    """A proxy that answers 400 to everything comes and goes: the record that serves as a probe proves nothing by that."""
    x = exporter(out, ["good first"], batch=BATCH)
    texts = ["good first"]
    try:
        x.start()
        wait_for(lambda: bodies(x), "the first one arrived")
        for spell in (1, 2):
            x.script('request * refuse 400 Bad "no"\n')
            texts += append_texts(f"{out}/journal/a.journal", [f"good {spell}.{i}" for i in range(30)],
                                  realtime=1_790_000_000_000_000 + spell * 10**6, monotonic=10**6 + spell * 10**6)
            wait_for(lambda: x.stats()["requests"] >= 60 * spell, "sixty requests")
            x.release()
            wait_for(lambda: len(set(bodies(x))) + len(x.quarantine()) == len(texts), "all are through")
            equal("nothing is in quarantine", x.quarantine(), [])
        equal("the end", x.end(), 0)
    finally:
        x.close()


def wrong_proxy_403(out):
    """The same with 403."""
    hold_then_release(out, 'request * refuse 403 Forbidden "no"\n', "HTTP 403", "request 1-2 normal\n")


def wrong_proxy_413(out):
    """A proxy finds everything too large."""
    hold_then_release(out, 'request * refuse 413 TooLarge "no"\n', "HTTP 413", "request 1-2 normal\n")


def only_poison(out):
    """Where every record is refused nobody can know why: held, until another one is taken."""
    texts = texts_with(5, range(5))
    x = exporter(out, texts, batch=BATCH)
    try:
        x.script(REFUSE)
        x.start()
        wait_for(lambda: x.stats()["requests"] >= 12, "twelve requests")
        equal("nothing is in quarantine", x.quarantine(), [])
        texts += append_texts(f"{out}/journal/a.journal", ["good 1"], realtime=1_790_000_100_000_000,
                              monotonic=100_000_000)
        wait_for(lambda: len(x.quarantine()) == 5, "the bad ones are in quarantine")
        wait_for(lambda: bodies(x), "the good one arrived")
        equal("the end", x.end(), 0)
        check_outcome(x, texts, "refused", 400, copies=3)
    finally:
        x.close()


def suspects(out):
    """A record that breaks the server, by 500, by a reset or by hanging up, is found and does not keep others back."""
    for fault in ("status 500", "status 502", "reset", "close"):
        for concurrency in (1, 4):
            note(f"{fault}, {concurrency} at once")
            poisoned = {5, 200, 201}
            texts = texts_with(30 * BATCH, poisoned)
            x = exporter(f"{out}/{fault.replace(' ', '')}{concurrency}", texts, batch=BATCH, concurrency=concurrency)
            try:
                x.script(f'request * containing "poison" {fault}\n')
                equal("ends", x.once(), 0)
                check_outcome(x, texts, "suspect", copies=40)
            finally:
                x.close()


def suspects_at_the_start(out):
    """The same in every batch of the window, when nothing has been taken yet."""
    texts = texts_with(600, range(7, 400, 20))
    x = exporter(out, texts, batch=20)
    try:
        x.script('request * containing "poison" status 500\n')
        equal("ends", x.once(), 0)
        check_outcome(x, texts, "suspect", copies=150)
    finally:
        x.close()


def sizes(out):
    """413 at a size: split by bytes; a record that is too large alone is sent truncated."""
    giant = "giant " + "x" * 40_000
    texts = texts_with(600, ()) + [giant] + [f"good {i}" for i in range(600, 640)]
    x = exporter(out, texts, batch=8192)
    try:
        x.script('request * bytes 20001- refuse 413 ContentLengthLimitExceeded "too long"\n')
        equal("ends", x.once(), 0)
        equal("all of the small ones arrived, once", collections.Counter(b for b in bodies(x) if b.startswith("good")),
              collections.Counter(t for t in texts if t.startswith("good")))
        cut = [r for r in x.received() if r["body"].startswith("giant")]
        equal("the giant arrived, once", len(cut), 1)
        check("truncated, which it says", giant.startswith(cut[0]["body"]) and len(cut[0]["body"]) < 20_000 and
              cut[0]["attributes"].get("azmonlog.truncated") is True, cut[0]["attributes"])
        equal("nothing is in quarantine", x.quarantine(), [])
        equal("the log says it", x.said("too large for the server; it is sent truncated"), 1)
    finally:
        x.close()


def too_large_when_cut(out):
    """A record that is too large even when truncated goes into quarantine, as it was."""
    giant = "giant " + "x" * 40_000
    texts = texts_with(300, ()) + [giant]
    x = exporter(out, texts, batch=8192)
    try:
        x.script('request * bytes 4001- refuse 413 ContentLengthLimitExceeded "odd record"\n')
        equal("ends", x.once(), 0)
        check_outcome(x, texts, "too_large", 413, copies=3)
    finally:
        x.close()


def partial_success(out):
    """The server takes a request but for some records: acknowledged, never sent again, a copy kept."""
    texts = texts_with(3 * BATCH, {10, 20, 100})
    x = exporter(out, texts, batch=BATCH)
    try:
        x.script('request * reject-records "poison" "odd record"\n')
        equal("ends", x.once(), 0)
        equal("the good ones arrived, each once", collections.Counter(bodies(x)),
              collections.Counter(t for t in texts if t.startswith("good")))
        equal("three requests were made", x.stats()["requests"], 3)
        kept = x.quarantine()
        equal("copies of both requests are kept", sorted(t for t, _ in kept), sorted(texts[:2 * BATCH]))
        equal("with how many of how many", {(n["rejected"], n["of"]) for _, n in kept} if "rejected" in kept[0][1] else kept[0],
              {(2, BATCH), (1, BATCH)})
    finally:
        x.close()


def quarantine_full(out):
    """No room in the quarantine: held, nothing is dropped; with room it goes on by itself."""
    texts = [t + " " + "".join(chr(97 + (i * j) % 23) for j in range(60_000)) if t.startswith("poison") else t
             for i, t in enumerate(texts_with(200, range(0, 60, 2)))]
    x = exporter(out, texts, batch=20, more="quarantine_max_bytes=1M\n")
    try:
        x.script(REFUSE)
        x.start()
        wait_for(lambda: x.said("held by .*quarantine"), "it says that the quarantine is full")
        check("what to do", x.said("quarantine_max_bytes="))
        size = os.path.getsize(f"{x.state}/quarantine.jsonl")
        check("it is not larger than allowed", size <= 1 << 20, size)
        kept = x.quarantine()
        os.rename(f"{x.state}/quarantine.jsonl", f"{x.state}/moved")
        wait_for(lambda: len(set(bodies(x))) == 170, "all good ones arrived")
        wait_for(lambda: len(kept) + len(x.quarantine()) >= 30, "all bad ones are kept")
        equal("the end", x.end(), 0)
        equal("just the bad ones", sorted(t for t, _ in kept + x.quarantine()),
              sorted(t for t in texts if t.startswith("poison")))
    finally:
        x.close()


def credentials(out):
    """401: headers_file= is read anew; with other credentials everything goes on at once."""
    texts = texts_with(3 * BATCH, ())
    secret = f"{out}/secret"
    with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        f.write("Authorization: Bearer old\n")
    x = exporter(out, texts, batch=BATCH, more=f"[destination]\nheaders_file={secret}\n")
    try:
        x.script("request * status 401\n")
        x.start()
        wait_for(lambda: x.said("held by .*401"), "the same credentials once more: held")
        with open(secret, "w") as f:
            f.write("Authorization: Bearer new\n")
        wait_for(lambda: x.said("others were read"), "it has read the new ones")
        x.script("request 1 status 401\n")
        wait_for(lambda: len(set(bodies(x))) == len(texts), "all arrived")
        equal("the end", x.end(), 0)
        equal("no secret is in the log", x.said("Bearer|old|new$"), 0)
        equal("nothing is in quarantine", x.quarantine(), [])
    finally:
        x.close()


run(positions, wrong_proxy_400, wrong_proxy_later, wrong_proxy_twice, wrong_proxy_403, wrong_proxy_413, only_poison,
    suspects, suspects_at_the_start, sizes, too_large_when_cut, partial_success, quarantine_full, credentials)
