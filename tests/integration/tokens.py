# SPDX-License-Identifier: MIT
"""Tokens that end, are refused, do not come, and must not be seen: see tokens.sh."""
import collections
import contextlib
import glob
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import (APP_OBJECT, DCR, MACHINE_OBJECT, PATH, SECRET, TENANT, Azmonlog, Azure, make_certificates,  # noqa: E402
                   write_secret)
from journald import TOOL, wait_for  # noqa: E402
from memory import check_bounded, rss_anon  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

IMDS = "auth=imds\n"
ALL_WELL = "# no rule\n"


def azmonlog(out, azure, lines, **options):
    """It has 20 records to begin with."""
    x = Azmonlog(f"{out}/x", azure.destinations()["dce= and dcr="] + lines, azure.environment(), **options)
    x.write(20)
    return x


def write_for(x, seconds, azure=None, until=None):
    """Goes on logging."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not (until and until()):
        x.write(20)
        time.sleep(0.1)


def check_arrived(x, azure, copies=False):
    """All that was logged has arrived; with `copies` some of it perhaps again, with its uid."""
    wait_for(lambda: set(azure.bodies()) >= set(x.texts), "all arrived")
    equal("the end", x.end(), 0, x.logged)
    if copies:
        uids = collections.defaultdict(set)
        for r in azure.records():
            uids[r["body"]].add(r["uid"])
        equal("all arrived, and nothing else", set(uids), set(x.texts))
        check("a copy has the uid of the first one", all(len(u) == 1 for u in uids.values()))
    else:
        equal("all arrived, each once", sorted(azure.bodies()), sorted(x.texts))
    equal("nothing is in quarantine", glob.glob(f"{x.state}/quarantine.jsonl"), [])


def check_shows_no_secret(x, secrets=("eyJ", "planted")):
    """Neither by what it says nor by what it keeps."""
    shown = {"the log": x.logged(), "status": x.run("status").stdout, "status --json": x.run("status", "--json").stdout,
             "cat": x.run("cat", "-n", "100").stdout}
    if x.process:
        for name in ("cmdline", "comm"):
            with open(f"/proc/{x.process.pid}/{name}") as f:
                shown[name] = f.read()
    for path in glob.glob(f"{x.state}/*"):
        if os.path.isfile(path):
            with open(path, errors="replace") as f:
                shown[path] = f.read()
    check("no token and no secret is shown", not [(n, s) for n, text in shown.items() for s in secrets if s in text],
          [(n, s) for n, text in shown.items() for s in secrets if s in text])


def token_status(x):
    return x.status().get("token") or {}


def refreshed(out):
    """A token lives for seconds: it is renewed in time, by one request each, and no request meets an old one."""
    make_certificates(out)
    life = 60 if TOOL else 6  # a tool lets few requests go in a time
    azure = Azure(f"{out}/azure", "--token-lifetime", f"{life}s", files=out)
    x = azmonlog(out, azure, azure.application() + f"auth=client_certificate\nclient_certificate_file={out}/client.pem\n")
    try:
        x.start()
        since = time.monotonic()
        write_for(x, 5 * life, until=lambda: token_status(x).get("acquired", 0) >= 4)
        seconds = time.monotonic() - since
        check("it was renewed", token_status(x)["acquired"] >= 4, x.status())
        equal("it says whose it is", token_status(x)["object_id"], APP_OBJECT)
        check_shows_no_secret(x, ("eyJ", "PRIVATE KEY"))
        check_arrived(x, azure)
        asked, requests = len(azure.identity()), azure.requests()
        check("at half its life, and not for each request", asked <= 2 + seconds / (life / 2) and len(requests) >= 3 * asked,
              f"{asked} in {seconds:.1f} s, {len(requests)} requests")
        equal("no request was refused", [r for r in requests if r["status"] != 204], [])
    finally:
        x.close()
        azure.close()


def refresh_fails(out):
    """While a token is valid it does not matter that there is no other one; status says so all the same."""
    azure = Azure(f"{out}/azure", "--token-lifetime", "10s")
    x = azmonlog(out, azure, IMDS)
    try:
        x.start()
        wait_for(lambda: token_status(x).get("acquired") == 1, "the first token")
        azure.script("identity * status 503\n")
        wait_for(lambda: token_status(x).get("error"), "the refresh fails")
        s = x.status()
        check("status says why", "HTTP 503" in s["token"]["error"], s)
        check("which is no failure of delivery", s["state"] == "delivering" and s["error"] is None, s)
        texts = x.write(20)
        wait_for(lambda: set(azure.bodies()) >= set(texts), "records arrive with the token there is")
        azure.script(ALL_WELL)
        wait_for(lambda: token_status(x).get("acquired", 0) >= 2 and not token_status(x)["error"], "it is renewed")
        x.write(20)
        check_arrived(x, azure)
        equal("the trouble is logged once", x.said("cannot refresh the token.*goes on with the one there is"), 1, x.logged)
    finally:
        x.close()
        azure.close()


def refused(out):
    """401 in the middle of it, to four requests at once: one new token, and they are sent again."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, IMDS)
    try:
        azure.script('request 2-5 delay 2s refuse 401 InvalidToken "The token is not valid any more"\n')
        x.start()
        write_for(x, 4)
        wait_for(lambda: set(azure.bodies()) >= set(x.texts), "all arrived")
        wait_for(lambda: sum(r["status"] == 401 for r in azure.requests()) >= 4, "they are noted")
        equal("four were refused", sum(r["status"] == 401 for r in azure.requests()), 4)
        equal("there was one more token", token_status(x)["acquired"], 2)
        equal("of which the endpoint knows", len(azure.identity()), 2)
        check_arrived(x, azure)
        equal("it never was a failure of delivery", x.said("held|cannot deliver"), 0, x.logged)
    finally:
        x.close()
        azure.close()


def wrong_audience(out):
    """A token for another audience: held, since the next one is no better, and mended in the file."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, IMDS + "audience=https://management.azure.com\n")
    try:
        x.start()
        wait_for(lambda: x.status().get("state") == "held", "the wrong audience holds")
        for _ in range(20):  # and not just for a moment
            s = x.status()
            if not s["error"] or "401 (InvalidAudience)" not in s["error"]["reason"]:
                break
            time.sleep(0.05)
        check("it is held, with the answer", s["state"] == "held" and "401 (InvalidAudience)" in s["error"]["reason"], s)
        check("and what to do: audience=, azmonlog check", "audience=" in s["error"]["remedy"] and
              "azmonlog check" in s["error"]["remedy"], s["error"])
        check("without a storm", len(azure.identity()) <= 3 and len(azure.requests()) <= 20,
              f"{len(azure.identity())}, {len(azure.requests())}")
        x.configure(azure.destinations()["dce= and dcr="] + IMDS)
        x.reload()
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def unknown_audience(out):
    """An audience that the identity endpoint does not know: held for want of a token, and mended in the file."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, azure.client_secret() + "audience=https://monitor.azure.example\n")
    try:
        x.start()
        wait_for(lambda: x.status().get("state") == "held", "it is held")
        error = x.status()["error"]
        check("by the lack of a token, for this reason",
              "no token" in error["reason"] and "AADSTS500011" in error["reason"] and "audience" in error["reason"], error)
        check("and what to do", "audience=" in error["remedy"], error)
        equal("nothing was sent", azure.requests(), [])
        x.configure(azure.destinations()["dce= and dcr="] + azure.client_secret())
        x.reload()
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def no_role_yet(out):
    """403 for a while, as long as the role is missing: held, with the command that gives it."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, IMDS)
    try:
        azure.script('request * refuse 403 OperationFailed "The authentication token provided does not have access"\n')
        x.start()
        x.write(200)
        wait_for(lambda: x.status().get("state") == "held", "it is held")
        remedy = x.status()["error"]["remedy"]
        check("the remedy gives the role, for this identity and this rule", "az role assignment create" in remedy and
              DCR in remedy and MACHINE_OBJECT in remedy, remedy)
        check("the log says so, too", x.said(f"delivery is held.*az role assignment create.*{MACHINE_OBJECT}"), x.logged)
        wait_for(lambda: azure.stats()["requests"] >= 8, "it tries again")
        equal("nothing has arrived", azure.records(), [])
        equal("another token would not help", len(azure.identity()), 1)
        azure.script(ALL_WELL)
        x.write(50)
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def nobody_there(out):
    """The identity endpoint is down from the start, and comes later."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, IMDS)
    try:
        azure.end()
        x.start()
        wait_for(lambda: x.status().get("state") == "retrying", "it is retrying")
        error = x.status()["error"]
        check("for want of a token", "no token: no answer from the identity endpoint" in error["reason"], error)
        check("which may be no Azure machine at all", "is this an Azure virtual machine" in error["remedy"], error)
        azure.start()
        wait_for(lambda: x.said("there is a token again"), "there is one")
        check_arrived(x, azure)
    finally:
        x.close()
        azure.close()


def rotated(out):
    """The secret changes, the old one is invalid at once: the next token is asked for with what the file has then."""
    azure = Azure(f"{out}/azure", "--token-lifetime", "6s")
    x = azmonlog(out, azure, azure.client_secret())
    try:
        x.start()
        wait_for(lambda: token_status(x).get("acquired"), "a token")
        acquired = token_status(x)["acquired"]
        wait_for(lambda: token_status(x)["acquired"] > acquired, "another one, and then there are three seconds")
        azure.end()
        azure.secret = "planted-second ?#"
        write_secret(f"{out}/azure/secret", azure.secret)
        azure.start()
        acquired = token_status(x)["acquired"]
        write_for(x, 30, until=lambda: token_status(x)["acquired"] >= acquired + 2)
        equal("no signal was needed", x.status()["config"]["reloads"], 0)
        check_shows_no_secret(x)
        check_arrived(x, azure, copies=True)  # who restarts may lose an answer
        equal("it was never refused", x.said("AADSTS"), 0, x.logged)
    finally:
        x.close()
        azure.close()


def wrong_secret_mended(out):
    """Whoever has put the right secret into the file says so by a reload, and need not wait for the next try."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, azure.client_secret())
    try:
        write_secret(f"{out}/azure/secret", "planted-wrong")
        x.start()
        wait_for(lambda: x.status().get("state") == "held", "it is held")
        s = x.status()
        check("for this reason", "AADSTS7000215" in s["error"]["reason"] and "secret is wrong" in s["error"]["reason"], s)
        check("with what to do", "client_secret_file=" in s["error"]["remedy"], s)
        check_shows_no_secret(x)
        write_secret(f"{out}/azure/secret", SECRET)
        since = time.monotonic()
        x.reload()
        check_arrived(x, azure)
        check("at once, and not at the next try after a minute", time.monotonic() - since < 50)
    finally:
        x.close()
        azure.close()


def odd_identity_answers(out):
    """Garbage, huge, endless, cut and slow answers: a reason that names them, little memory, and it goes on by itself."""
    faults = [("garbage", "no answer"), ("endless", "answers more than"), ("gzip-bomb", "no JSON object|answers more than"),
              ("truncated", "no answer.*transfer closed"),
              ("stall 60s", "no answer.*time"), ("trickle 500ms", "no answer.*time"), ("reset", "no answer"),
              ("close", "no answer"), ("status 503 padding 100000", "answers more than"),
              ('status 200 body "<html>log in</html>"', "no JSON object"), ('status 200 body "{}"', "no access_token"),
              ('status 200 body "{\\"access_token\\":\\"a b\\"}"', "access_token that is none"),
              (f"status 200 body-file {out}/huge", "answers more than"),
              ("status 429", "HTTP 429"), ("status 410", "HTTP 410"), ("status 404", "HTTP 404")]
    with open(f"{out}/huge", "w") as f:
        f.write('{"access_token":"' + "x" * 5_000_000 + '"}')
    running = []
    try:
        for i, (fault, words) in enumerate(faults):
            azure = Azure(f"{out}/{i}/azure")
            x = azmonlog(f"{out}/{i}", azure, IMDS)
            running.append((fault, words, azure, x))
            azure.script(f"identity 1 {fault}\n")
            x.start()
        peaks = collections.Counter()

        def watch():
            for fault, _, _, x in running:
                peaks[fault] = max(peaks[fault], rss_anon(x.process.pid))
            return all(len(azure.records()) >= 20 for _, _, azure, _ in running)
        try:
            wait_for(watch, "all have arrived everywhere")
        except TimeoutError:
            check("all have arrived everywhere", False, [(f, x.logged()) for f, _, a, x in running if not a.records()])
        for fault, words, azure, x in running:
            note(fault)
            check("the reason is clear", x.said(f"no token: .*({words})"), x.logged())
            check_bounded(peaks[fault])
            equal("nobody is asked more often than needed", len(azure.identity()), 2)
            check_arrived(x, azure)
    finally:
        for _, _, azure, x in running:
            x.close()
            azure.close()


def killed(out):
    """kill -9 at any moment, with tokens of seconds, refusals and failures on both sides: nothing is lost."""
    dice = random.Random(int(os.environ.get("SEED", "5")))
    azure = Azure(f"{out}/azure", "--token-lifetime", "3s")
    x = azmonlog(out, azure, azure.client_secret())
    scripts = [ALL_WELL, "identity * status 503\n", "identity * delay 300ms\n", 'request 3 refuse 401 InvalidToken "x"\n',
               'request * refuse 403 OperationFailed "x"\n', "request * stored-then-reset\n", "identity * reset\n",
               "request * delay 200ms\nidentity * endless\n"]
    try:
        for _ in range(24):
            azure.script(dice.choice(scripts))
            x.start()
            write_for(x, dice.uniform(0.1, 0.8))
            equal("killed", x.end(signal.SIGKILL), -signal.SIGKILL)
            check_shows_no_secret(x)
        azure.script(ALL_WELL)
        x.start()
        check_arrived(x, azure, copies=True)
    finally:
        x.close()
        azure.close()


def not_dumped(out):
    """The pages that hold the token stay out of core dumps (VmFlags: dd)."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure, azure.client_secret())
    try:
        x.start()
        wait_for(lambda: len(azure.records()) == 20, "all arrived")
        found = set()
        with open(f"/proc/{x.process.pid}/smaps") as smaps, open(f"/proc/{x.process.pid}/mem", "rb", 0) as memory:
            for m in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) rw.*?^VmFlags:([^\n]*)$", smaps.read(), re.M | re.S):
                begin, end = int(m[1], 16), int(m[2], 16)
                memory.seek(begin)
                with contextlib.suppress(OSError):  # pages of ThreadSanitizer's that cannot be read
                    if b"Authorization: Bearer eyJ" in memory.read(min(end - begin, 1 << 24)):
                        found.add("dd" in m[3].split())
        check("there is a mapping with the token, and it is not dumped", True in found, found)
        equal("the end", x.end(), 0)
    finally:
        x.close()
        azure.close()


def redirected(out):
    """A token goes along a redirect within the same origin, and never to another host; neither does the secret."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out, certificate="good")
    foreign = Azure(f"{out}/foreign", files=out, certificate="good", auth=False)
    ca = f"tls_ca_file={out}/ca.pem\n"
    x = azmonlog(out, azure, azure.client_secret() + ca)
    try:
        azure.script(f'request 1-3 status 307 header "Location: {PATH}?again"\n')
        equal("ends", x.once(), 0, x.logged)
        equal("to the same origin", sorted(azure.bodies()), sorted(x.texts))
        check("the token goes along", all(r["authorization"] for r in azure.requests()), azure.requests)
        for status in (307, 308):
            azure.script(f'request * status {status} header "Location: {foreign.url}{PATH}"\n')
            texts = x.write(20)
            equal("ends", x.once(), 0, x.logged)
            check(f"{status} to another one is followed", set(foreign.bodies()) >= set(texts), x.logged)
        check("without the token", foreign.requests() and not any(r["authorization"] for r in foreign.requests()),
              foreign.requests)
        azure.script(f'identity * status 307 header "Location: {foreign.url}/{TENANT}/oauth2/v2.0/token"\n')
        x.write(20)
        x.start()
        wait_for(lambda: x.status().get("error"), "an identity endpoint that redirects is not followed")
        check("it says so", "307" in x.status()["error"]["reason"], x.status())
        equal("nobody else has seen the secret", foreign.identity(), [])
    finally:
        x.close()
        azure.close()
        foreign.close()


run(refreshed, refresh_fails, refused, wrong_audience, unknown_audience, no_role_yet, nobody_there, rotated, wrong_secret_mended,
    odd_identity_answers, killed, not_dumped, redirected)
