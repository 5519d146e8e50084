# SPDX-License-Identifier: MIT
"""azmonlog check: see check.sh."""
import base64
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import (APP, APP_OBJECT, DCR, HEADER, MACHINE_OBJECT, NOBODY, PATH, TENANT, Azmonlog, Azure,  # noqa: E402
                   credentials, make_certificates, write_secret)
from fake_proxy import FakeProxy  # noqa: E402
from journald import wait_for  # noqa: E402
from ports import free_port  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

IMDS = "auth=imds\n"
STEPS = {"configuration": 78, "journal": 10, "position": 11, "dns": 12, "proxy": 13, "tcp": 14, "tls": 15, "credential": 16,
         "token": 17, "permission": 18, "send": 19}
LINE = re.compile(r"^(✔|✘|ok|FAIL|-) +([a-z]+) ")
RESULTS = {"✔": "ok", "ok": "ok", "✘": "failed", "FAIL": "failed", "-": "skipped"}


def run_check(x, *options, **env):
    """The exit code, the steps of --json, and the text, which must tell of the same steps."""
    x.env.update(env)
    answer = x.run("check", "--json", *options)
    text = x.run("check", *options)
    try:
        said = json.loads(answer.stdout)
    except ValueError:
        check("--json is JSON", False, answer.stdout)
        raise
    steps = [(s["step"], s["result"]) for s in said["steps"]]
    shown = [(m[2], RESULTS[m[1]]) for m in map(LINE.match, text.stdout.splitlines()) if m]
    if (shown, text.returncode, said["exit_code"], said["ok"]) != (steps, answer.returncode, answer.returncode,
                                                                  answer.returncode == 0):
        check("the text tells the same as --json", False, answer.stdout, text.stdout)
    return said, text.stdout


def check_failure(what, x, step, words, remedy, *options, **env):
    """It fails at this step, with its exit code, for this reason, and with this remedy (None: there need not be one)."""
    said, text = run_check(x, *options, **env)
    failed = [s for s in said["steps"] if s["result"] == "failed"]
    first = failed[0] if failed else {"step": "none of them"}
    check(f"{what}: {STEPS[step]} {step}", said["exit_code"] == STEPS[step] and first["step"] == step and
          re.search(words, first["detail"]) and (remedy is None or re.search(remedy, first["remedy"] or "")), text)
    return said


def azmonlog(out, lines, azure=None, **options):
    shutil.rmtree(f"{out}/x", ignore_errors=True)
    x = Azmonlog(f"{out}/x", lines, azure.environment() if azure else {"AZMONLOG_TEST_IMDS_URL": "http://127.0.0.1:1"}, **options)
    x.write(20)
    return x


def jwt(**claims):
    """One that nobody has signed."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"sub": "s", "aud": "api://AzureADTokenExchange", **claims}, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)


def all_well(out):
    """Each destination: no step fails; --send sends one record, which the printed query finds."""
    make_certificates(out)
    for scheme, certificate in (("http", None), ("https", "good")):
        azure = Azure(f"{out}/{scheme}", files=out, certificate=certificate)
        ca = f"tls_ca_file={out}/ca.pem\n" if certificate else ""
        try:
            for name, lines in {**azure.destinations(), "plain OTLP": f"endpoint={azure.url}/v1/logs\n"}.items():
                note(f"{name} by {scheme}")
                x = azmonlog(out, lines + ca + ("" if name == "plain OTLP" else IMDS), azure)
                said, text = run_check(x)
                equal("all is well", said["exit_code"], 0, text)
                wanted = (["configuration", "journal", "position", "dns", "tcp"] + (["tls"] if certificate else []) +
                          ["credential", "token", "permission"])
                equal("the steps", [s["step"] for s in said["steps"]], wanted, text)
                equal("nothing has arrived", azure.records(), [])
                check("the identity", name == "plain OTLP" or MACHINE_OBJECT in text, text)
                r = x.run("check", "--send")
                equal("--send", r.returncode, 0, r.stdout)
                wait_for(azure.records, "the record arrives")
                records = azure.records()
                equal("one record has arrived", len(records), 1)
                check("the query has its uid" if name != "plain OTLP" else "its uid is told", records[0]["uid"] in r.stdout and
                      (name == "plain OTLP") == ("ago(1h)" not in r.stdout), r.stdout)
                said, text = run_check(x, "--send")
                check("--json has the query, too", name == "plain OTLP" or "ago(1h)" in said["query"], said)
                azure.reset()
                check("no token is shown", "eyJ" not in text + json.dumps(said))
        finally:
            azure.close()


def every_identity(out):
    """Each kind of identity passes, and check says which one it is and which ones it passed over."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out)
    try:
        for c in credentials(azure):
            x = azmonlog(out, azure.destinations()["dce= and dcr="] + c.lines, azure)
            said, text = run_check(x, **c.env)
            equal(c.name, said["exit_code"], 0, text)
            check("no secret is shown", not re.search("eyJ|planted", text + json.dumps(said)), text)
        x = azmonlog(out, azure.destinations()["dce= and dcr="] + "auth=default\n", azure)
        said, text = run_check(x)
        detail = next(s["detail"] for s in said["steps"] if s["step"] == "credential")
        check("what auth=default passed over, and why", all(w in detail for w in (
            "client secret", "client certificate", "workload identity", "App Service", "Azure Arc", "$AZURE_CLIENT_SECRET",
            "IDENTITY_ENDPOINT", "himds")), detail)
        os.mkdir(f"{azure.out}/arc/bin")
        with open(f"{azure.out}/arc/bin/himds", "w"):
            pass
        said, text = run_check(x)
        check("where the Arc agent is installed, it is asked",
              "managed identity of Azure Arc, by http://localhost:40342/" in text and "himdsd" in text, text)
    finally:
        azure.close()


def configuration(out):
    """What is wrong in the file."""
    for what, lines, words in [
            ("a key with a typing error", "endpiont=http://127.0.0.1:1/v1/logs\n", r"azmonlog.conf:2: .*endpiont"),
            ("no destination", "", "no destination: set endpoint="),
            ("an id of a rule that is none", "dce=https://a.example\ndcr=dcr-123\n", "dcr"),
            ("the rule without its endpoint", f"dcr={DCR}\n", "dcr= needs dce="),
            ("a file of authorities that is not there", f"dce=https://a.example\ndcr={DCR}\ntls_ca_file={out}/none\n",
             "tls_ca_file: cannot read .*No such file"),
            ("two destinations", f"dce=https://a.example\ndcr={DCR}\nconnection_string=InstrumentationKey={NOBODY}\n",
             "connection_string"),
            ("a connection string that is none", "connection_string=nonsense\n", "connection string.*KEY=VALUE"),
            ("a token over plain http", f"endpoint=http://a.example{PATH}\nauth=imds\n", "plain http"),
            ("an unknown kind of identity", f"dce=https://a.example\ndcr={DCR}\nauth=managed\n", "managed_identity")]:
        check_failure(what, azmonlog(out, lines), "configuration", words, r"azmonlog.conf\(5\)" if "typing" in what else None)


def connection(out):
    """What is in the way to the destination."""
    make_certificates(out)
    closed = f"https://127.0.0.1:{free_port()}"
    rest = f"\ndcr={DCR}\n{IMDS}"
    check_failure("an unknown host", azmonlog(out, f"dce=https://nowhere.invalid{rest}"), "dns", "nowhere.invalid", "getent hosts")
    check_failure("a closed port", azmonlog(out, f"dce={closed}{rest}"), "tcp", "[Cc]onnect", "firewall")
    check_failure("a proxy that is not there", azmonlog(out, f"dce=https://logs.example{rest}"), "proxy", "", "check the proxy",
                  https_proxy=closed.replace("https", "http"))
    check_failure("a proxy of no known name", azmonlog(out, f"dce=https://logs.example{rest}"), "proxy", "nowhere.invalid",
                  "https_proxy", https_proxy="http://nowhere.invalid:3128")
    plain = Azure(f"{out}/plain")
    try:
        check_failure("https to a port that speaks http", azmonlog(out, f"dce={plain.url.replace('http', 'https')}{rest}"), "tls", "",
                      "is it an https server")
        check_failure("a proxy that is none", azmonlog(out, f"dce=https://logs.example{rest}", plain), "proxy", "", "check the proxy",
                      https_proxy=plain.url)
    finally:
        plain.close()
    for status, remedy in [(407, "USER:PASSWORD"), (403, "have its rules changed"), (503, "does not reach")]:
        proxy = FakeProxy(status)
        check_failure(f"a proxy that answers {status}", azmonlog(out, f"dce=https://logs.example{rest}"), "proxy", str(status), remedy,
                      https_proxy=proxy.url)
        proxy.close()
    for certificate, remedy in [("wrong-name", "the certificate's"), ("expired", "clock"), ("early", "clock"),
                                ("untrusted", "tls_ca_file=")]:
        azure = Azure(f"{out}/{certificate}", files=out, certificate=certificate)
        try:
            check_failure(f"a certificate: {certificate}",
                          azmonlog(out, azure.destinations()["dce= and dcr="] + f"tls_ca_file={out}/ca.pem\n{IMDS}", azure), "tls",
                          "certificate|SSL", remedy)
        finally:
            azure.close()
    azure = Azure(f"{out}/good", files=out, certificate="good")
    try:
        lines = azure.destinations()["dce= and dcr="]
        check_failure("an authority of one's own that is not named", azmonlog(out, lines + IMDS, azure), "tls", "certificate",
                      "tls_ca_file=")
        check_failure("http to a port that speaks https",
                      azmonlog(out, f"endpoint={azure.url.replace('https', 'http')}{PATH}\nauth=none\n", azure), "permission", "",
                      "https")
    finally:
        azure.close()


def identity(out):
    """What is wrong with who it is."""
    make_certificates(out)
    azure = Azure(f"{out}/azure", files=out)
    to = azure.destinations()["dce= and dcr="]
    secret = f"auth=client_secret\nclient_secret_file={write_secret(f'{out}/secret', azure.secret)}\n"
    app = azure.application()

    def fails(what, lines, step, words, remedy, **env):
        check_failure(what, azmonlog(out, to + lines, azure), step, words, remedy, **env)

    try:
        fails("no client id", f"authority={azure.url}\ntenant_id={TENANT}\n{secret}", "credential", "client_id=", None)
        fails("a client id that is none", app.replace(APP, "azmonlog") + secret, "credential", "client_id=", None)
        fails("no secret", app + "auth=client_secret\n", "credential", "client_secret_file=", None)
        fails("App Service that is none", "auth=app_service\n", "credential", "IDENTITY_ENDPOINT", None)
        fails("two names of one identity", f"{IMDS}client_id={APP}\nobject_id={APP_OBJECT}\n", "credential", "at most one", None)
        fails("another client id", app.replace(APP, NOBODY) + secret, "token", "AADSTS700016", "client_id=")
        fails("another tenant", app.replace(TENANT, NOBODY) + secret, "token", "AADSTS90002", "tenant_id=")
        fails("a secret's file that is not there", f"{app}auth=client_secret\nclient_secret_file={out}/none\n", "token",
              "No such file", "client_secret_file=")
        write_secret(f"{out}/open", azure.secret, 0o644)
        fails("a secret that everybody can read", f"{app}auth=client_secret\nclient_secret_file={out}/open\n", "token",
              "everybody can read.*0600", "client_secret_file=")
        write_secret(f"{out}/wrong", "wrong")
        proxy = FakeProxy(407)
        fails("a proxy that wants a password, on the way to Entra only", app.replace(f"authority={azure.url}", "authority=https://login.invalid") +
              secret, "token", "407", "USER:PASSWORD", https_proxy=proxy.url, no_proxy="127.0.0.1")
        proxy.close()
        fails("another secret", f"{app}auth=client_secret\nclient_secret_file={out}/wrong\n", "token", "AADSTS7000215",
              "az ad app credential reset")
        fails("a bare name where there are no credentials", f"{app}auth=client_secret\nclient_secret_file=secret\n", "token",
              "LoadCredential=", "client_secret_file=")
        shutil.copy(f"{out}/client-cert.pem", f"{out}/bare.pem")
        os.chmod(f"{out}/bare.pem", 0o600)
        fails("a certificate without its key", f"{app}auth=client_certificate\nclient_certificate_file={out}/bare.pem\n", "token",
              "bare.pem", "key")
        write_secret(f"{out}/other.pem", open(f"{out}/good.key").read() + open(f"{out}/good.pem").read())
        fails("a key that is not RSA", f"{app}auth=client_certificate\nclient_certificate_file={out}/other.pem\n", "token",
              "other.pem", "RSA")
        fails("a token of a pod that is not there", f"{app}auth=workload_identity\nfederated_token_file={out}/none\n", "token",
              "No such file", "federated_token_file=|pod|label")
        for what, text, words in [("what is no token of a pod", "no.token.ofapod", "AADSTS50027"),
                                  ("a token of another cluster", jwt(iss="https://other"), "AADSTS70021")]:
            write_secret(f"{out}/federated", text)
            fails(what, f"{app}auth=workload_identity\nfederated_token_file={out}/federated\n", "token", words, "federated")
        fails("no such identity on the machine", f"{IMDS}client_id={NOBODY}\n", "token", "HTTP 400", "az vm identity assign")
        fails("another header of App Service", "auth=app_service\n", "token", "HTTP 401", "IDENTITY_HEADER",
              IDENTITY_ENDPOINT=f"{azure.url}/msi/token", IDENTITY_HEADER=HEADER + "x")
        fails("another login host", f"authority=http://127.0.0.1:{free_port()}\ntenant_id={TENANT}\nclient_id={APP}\n{secret}", "token",
              "no answer", "authority=")
        fails("no Azure machine", IMDS, "token", "no answer", "is this an Azure virtual machine",
              AZMONLOG_TEST_IMDS_URL=f"http://127.0.0.1:{free_port()}")
        fails("an audience that nobody knows", f"{IMDS}audience=https://monitor.example\n", "token", "HTTP 400|AADSTS500011",
              "audience=")
    finally:
        azure.close()


def permission(out):
    """The destination does not let it in, or does not take the record."""
    azure = Azure(f"{out}/azure")
    to = azure.destinations()
    x = azmonlog(out, to["dce= and dcr="] + IMDS, azure)
    try:
        azure.script('request * refuse 403 OperationFailed "The authentication token provided does not have access"\n')
        said = check_failure("no role", x, "permission", r"403 \(OperationFailed\).*does not have access.*x-ms-request-id",
                             "az role assignment create")
        remedy = next(s["remedy"] for s in said["steps"] if s["step"] == "permission")
        check("the remedy has the ids of the identity and of the rule", MACHINE_OBJECT in remedy and DCR in remedy, remedy)
        azure.script('request * refuse 404 ResourceNotFound "No such rule"\n')
        check_failure("a rule that is not there", x, "permission", "404", "az monitor data-collection rule list")
        azure.script('request * refuse 400 InvalidStream "no such stream"\n')
        check_failure("another stream", x, "permission", "InvalidStream", "Microsoft-OTLP-Logs")
        azure.script('request 2 refuse 400 InvalidRecord "odd\\x1b[1m"\nrequest 4 refuse 400 InvalidRecord "odd\\x1b[1m"\n')
        check_failure("a record that is not taken", x, "send", r"400.*: odd \[1m", None, "--send")
        azure.script("# no rule\n")
        check_failure("another audience", azmonlog(out, to["dce= and dcr="] + IMDS + "audience=https://management.azure.com\n", azure),
                      "permission", r"401 \(InvalidAudience\)", "audience=")
        check_failure("no token", azmonlog(out, to["dce= and dcr="] + "auth=none\n", azure), "permission", r"401 \(MissingToken\)", "auth=")
        check_failure("another instrumentation key",
                      azmonlog(out, f"connection_string={azure.connection_string(NOBODY)}\n{IMDS}", azure), "send",
                      "Invalid instrumentation key", "instrumentation key", "--send")
        check_failure("no OTLP receiver", azmonlog(out, f"endpoint={azure.url}/logs\n", azure), "permission", "404", "endpoint=")
        azure.script('request * refuse 403 OperationFailed "no role"\n')
        check_failure("no role at Application Insights", azmonlog(out, to["connection_string="] + IMDS, azure),
                      "permission", "403", f"az role assignment create --assignee-object-id {MACHINE_OBJECT}.*Application Insights")
    finally:
        azure.close()


def as_nobody(x, *options):
    r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *x.command("check", "--json", *options)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=x.env, timeout=60)
    return r.returncode, [s for s in json.loads(r.stdout)["steps"] if s["result"] == "failed"]


def this_machine(out):
    """The journal, and the state directory."""
    azure = Azure(f"{out}/azure")
    x = azmonlog(out, azure.destinations()["dce= and dcr="] + IMDS, azure)
    try:
        equal("a first run", x.once(), 0, x.logged)
        said, text = run_check(x)
        check("not running: where it stands", re.search(r"not running.*acknowledged up to 20\d\d-", text), text)
        x.start()
        wait_for(lambda: x.status().get("state") == "delivering", "it runs")
        x.write(10)
        wait_for(lambda: len(azure.records()) == 30, "all arrived")
        said, text = run_check(x)
        equal("beside a running one all is well", said["exit_code"], 0, text)
        check("it has its pid and position", re.search(rf"azmonlog runs \(pid {x.process.pid}\) and is delivering; acknowledged: "
                                                       r"what was received up to 20\d\d-", text), text)
        azure.script("request * status 403\n")
        x.write(10)
        wait_for(lambda: x.status().get("state") == "held", "it is held")
        said, text = run_check(x)
        check("that it is held", re.search(rf"pid {x.process.pid}\) and is held", text), text)
        azure.script("# no rule\n")
        wait_for(lambda: len(azure.records()) == 40, "all arrived")
        equal("the running one was not disturbed", x.end(), 0)
        equal("nothing came twice", len({r["uid"] for r in azure.records()}), 40)

        with open(f"{x.state}/cursor", "a") as f:
            f.write("nonsense\n")
        check_failure("a damaged checkpoint", x, "position", "", "sets it aside")
        shutil.rmtree(x.state)
        with open(x.state, "w"):
            pass
        check_failure("a file in the state directory's place", x, "position", "", r"\[state\] directory=")
        os.unlink(x.state)
        os.rename(x.journal, f"{out}/elsewhere")
        check_failure("a journal directory that is not there", x, "journal", "", None)
        os.rename(f"{out}/elsewhere", x.journal)

        nobody = {**x.env}
        if os.getuid() != 0 or subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *x.command("--version")],
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=nobody).returncode != 0:
            note("cannot become another user here; the rest is left out")
            return
        os.chmod(x.conf, 0o644)
        os.mkdir(x.state, 0o755)
        os.chmod(x.journal, 0o700)
        code, failed = as_nobody(x)
        check("a journal that one may not read: 10 journal", code == 10 and failed[0]["step"] == "journal" and
              "change its permissions" in failed[0]["detail"], f"{code} {failed}")
        equal("it goes on to the next step: a state directory that one may not write into",
              [s["step"] for s in failed], ["journal", "position"])
        check("with what to do", "[state] directory=" in failed[1]["remedy"], failed)
        os.chmod(x.journal, 0o755)
        for name in os.listdir(x.journal):
            os.chmod(f"{x.journal}/{name}", 0o644)
        code, failed = as_nobody(x)
        check("the state directory alone: 11 position", code == 11 and [s["step"] for s in failed] == ["position"], f"{code} {failed}")
        os.chown(x.state, 65534, 65534)
        equal("then all is well", as_nobody(x), (0, []))
        x.env.update(next(c for c in credentials(azure) if c.kind == "arc").env)
        x.configure(azure.destinations()["dce= and dcr="] + "auth=arc\n")
        os.chmod(x.conf, 0o644)
        code, failed = as_nobody(x)
        check("Arc's keys that one may not read: 17 token, and the group", code == 17 and "himds" in failed[0]["remedy"],
              f"{code} {failed}")
    finally:
        x.close()
        azure.close()


run(all_well, every_identity, configuration, connection, identity, permission, this_machine)
