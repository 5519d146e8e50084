# SPDX-License-Identifier: MIT
"""Every identity at every destination: see identities.sh."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import APP_OBJECT, Azmonlog, Azure, MACHINE_OBJECT, PATH, USER_OBJECT, credentials, make_certificates  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

RECORDS = 50


def export(out, azure, lines, env):
    """A fresh azmonlog exports the journal once: its exit code and itself."""
    azure.reset()
    shutil.rmtree(out, ignore_errors=True)
    x = Azmonlog(out, lines, {**azure.environment(), **env})
    texts = x.write(RECORDS)
    return x, texts, x.once()


def check_export(what, azure, x, texts, code, credential):
    """One check for all of it: there are many exports."""
    wrong, identity, requests = [], azure.identity(), azure.requests()
    issued = [r for r in identity if r.get("credential")]
    if code != 0:
        wrong.append(f"exit code {code}: {x.logged()}")
    if sorted(azure.bodies()) != sorted(texts):
        wrong.append(f"{len(azure.bodies())} records arrived of {len(texts)}")
    if [r["credential"] for r in issued] != [credential.kind]:
        wrong.append(f"one token by {credential.kind}, but {identity}")
    if any(r.get(key) != value for r in issued for key, value in credential.asked.items()):
        wrong.append(f"asked for {credential.asked}, but {identity}")
    if {r["token"] for r in requests} != {r["token"] for r in issued} or any(r["status"] > 299 for r in requests):
        wrong.append(f"requests without this token: {requests}")
    check(what, not wrong, "\n".join(wrong))


def every_identity(out):
    """Plain http, which is allowed within this machine only: every credential at every destination."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out)
    try:
        for credential in credentials(azure):
            for name, lines in azure.destinations().items():
                check_export(f"{credential.name}, {name}", azure,
                             *export(f"{out}/x", azure, lines + credential.lines, credential.env), credential)
    finally:
        azure.close()


def over_tls(out):
    """https to both, with an authority of one's own: the same credentials, but for Arc, whose agent speaks plain http."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out, certificate="good")
    ca = f"tls_ca_file={out}/ca.pem\n"
    try:
        for i, credential in enumerate(credentials(azure)):
            if credential.kind != "arc":
                name, lines = list(azure.destinations().items())[i % 3]
                check_export(f"{credential.name}, {name}, by https", azure,
                             *export(f"{out}/x", azure, lines + ca + credential.lines, credential.env), credential)
        imds = credentials(azure)[0]
        for name in ("endpoint=", "dce= and dcr="):
            check_export(f"an https {name} of Azure needs no auth=", azure,
                         *export(f"{out}/x", azure, azure.destinations()[name] + ca, {}), imds)
    finally:
        azure.close()


def whose_token(out):
    """The token is of the identity that was named: status says whose."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out)
    try:
        objects = {"imds": MACHINE_OBJECT, "arc": MACHINE_OBJECT, "app-service": MACHINE_OBJECT}
        for credential in credentials(azure)[:13]:
            by_user = credential.asked and credential.kind in objects
            r = Azmonlog(f"{out}/x", azure.destinations()["endpoint="] + credential.lines,
                         {**azure.environment(), **credential.env}).run("check")
            check(f"azmonlog check tells whose token it is: {credential.name}",
                  (USER_OBJECT if by_user else objects.get(credential.kind, APP_OBJECT)) in r.stdout, r.stdout)
    finally:
        azure.close()


def no_identity_needed(out):
    """Without auth= plain http, an instrumentation key, or a header of one's own goes without a token."""
    azure = Azure(f"{out}/azure", auth=False)
    try:
        for name, lines in {**azure.destinations(),
                            "a header": azure.destinations()["endpoint="] + "header=Authorization: Bearer mine\n"}.items():
            x, texts, code = export(f"{out}/x", azure, lines, {})
            equal(f"{name} without auth= ends well", code, 0, x.logged)
            equal("all arrived", sorted(azure.bodies()), sorted(texts))
            equal("nobody was asked for a token", azure.identity(), [])
    finally:
        azure.close()


def not_in_the_open(out):
    """A token does not travel over plain http to another machine, nor beside a header of one's own."""
    for lines, words in [
            (f"endpoint=http://logs.example{PATH}\nauth=imds\n", "must not travel over plain http"),
            ("endpoint=https://logs.example/v1/logs\nheader=Authorization: Bearer mine\nauth=imds\n", "contradict"),
            ("endpoint=https://logs.example/v1/logs\nauth=client_secret\ntenant_id=t\nauthority=http://login.example\n",
             "is not https")]:
        x = Azmonlog(f"{out}/x", lines, {"AZMONLOG_TEST_IMDS_URL": "http://127.0.0.1:1"})
        note(lines.splitlines()[0])
        equal("it does not start", x.once(), 78)
        check("and says why", x.said(words), x.logged)
        os.unlink(x.log)


run(every_identity, over_tls, whose_token, no_identity_needed, not_in_the_open)
