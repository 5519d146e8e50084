# SPDX-License-Identifier: MIT
"""Azure and azmonlog for tests in Python: an emulator that wants tokens, whom it gives them to, every credential and every
destination of azmonlog.conf(5). Standard library only."""
import collections
import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.request

from exporter import listens
from journal_files import append_texts
from journald import PATIENCE, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
TENANT = "11111111-1111-1111-1111-111111111111"
APP = "22222222-2222-2222-2222-222222222222"
APP_OBJECT = "33333333-3333-3333-3333-333333333333"
MACHINE, MACHINE_OBJECT = "44444444-4444-4444-4444-444444444444", "66666666-6666-6666-6666-666666666666"
USER, USER_OBJECT = "55555555-5555-5555-5555-555555555555", "77777777-7777-7777-7777-777777777777"
USER_RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/azmonlog"
NOBODY = "99999999-9999-9999-9999-999999999999"
IKEY = "00000000-0000-0000-0000-000000000000"
DCR = "dcr-0123456789abcdef0123456789abcdef"
PATH = f"/dataCollectionRules/{DCR}/streams/Microsoft-OTLP-Logs/otlp/v1/logs"
SECRET = "planted-secret +&=%/~Q8~"  # what has to be escaped in a form
FEDERATED = "planted.federated.token"
HEADER = "planted-identity-header"


def write_secret(path, text, mode=0o600):
    """A file as who rotates secrets replaces it: at once."""
    with open(os.open(f"{path}.new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w") as f:
        f.write(text)
    os.chmod(f"{path}.new", mode)  # whatever the umask is
    os.rename(f"{path}.new", path)
    return path


def run_quietly(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(out):
    """What make_certs.sh makes, and client.pem: an RSA key with its certificate, the latter also as client-cert.pem."""
    run_quietly(f"{HERE}/make_certs.sh", out)
    run_quietly("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=azmonlog", "-keyout",
                f"{out}/client-key.pem", "-out", f"{out}/client-cert.pem")
    with open(f"{out}/client-key.pem") as key, open(f"{out}/client-cert.pem") as certificate:
        write_secret(f"{out}/client.pem", key.read() + certificate.read())


def read_lines(path):
    """Lines of JSON; the last one may be incomplete yet."""
    try:
        with open(path) as f:
            return [json.loads(line) for line in f.read().split("\n")[:-1]]
    except FileNotFoundError:
        return []


class Azure:
    """An emulator that wants tokens; files in `out`. `secret`: of the application; `files`: where make_certificates has been;
    `certificate`: https with this one of them."""

    def __init__(self, out, *options, files=None, certificate=None, secret=SECRET, auth=True, port=0):
        os.makedirs(f"{out}/arc/tokens", exist_ok=True)
        os.chmod(f"{out}/arc", 0o755)
        self.out, self.secret, self.port, self.options = out, secret, port, list(options)
        self.options += ["--auth"] if auth else []
        self.files = files
        if certificate:
            self.options += ["--tls-cert", f"{files}/{certificate}.pem", "--tls-key", f"{files}/{certificate}.key"]
        if not os.path.exists(f"{out}/token-key"):
            with open(f"{out}/token-key", "wb") as f:
                f.write(os.urandom(32))
        write_secret(f"{out}/federated", FEDERATED + "\n")
        self.scheme = "https" if certificate else "http"
        self.process = None
        self.start()

    def start(self):
        """Also again, after `end`: on the same port, with the same tokens and what was stored."""
        application = {"tenant": TENANT, "client_id": APP, "object_id": APP_OBJECT, "secret": self.secret,
                       "federated_token_file": f"{self.out}/federated"}
        if self.files:
            application["certificate"] = f"{self.files}/client-cert.pem"
        with open(f"{self.out}/identities", "w") as f:
            json.dump({"applications": [application],
                       "managed_identities": [{"tenant": TENANT, "client_id": MACHINE, "object_id": MACHINE_OBJECT},
                                              {"tenant": TENANT, "client_id": USER, "object_id": USER_OBJECT,
                                               "resource_id": USER_RESOURCE}]}, f)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.out}/port")
        with open(f"{self.out}/emulator.log", "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["EMULATOR"], "--quiet", "--port", str(self.port), "--port-file", f"{self.out}/port", "--store",
                 f"{self.out}/received", "--requests", f"{self.out}/requests", "--identities", f"{self.out}/identities",
                 "--identity-log", f"{self.out}/identity-log", "--identity-header", HEADER, "--arc-directory",
                 f"{self.out}/arc/tokens", "--token-key", f"{self.out}/token-key", *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: os.path.exists(f"{self.out}/port") or self.process.poll() is not None, "the emulator")
        with open(f"{self.out}/port") as f:
            self.port = int(f.read())
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def end(self):
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.process = None

    close = end

    # --- what it is told, and what it says ---

    def ask(self, path, data=None):
        """Of any certificate: it is azmonlog that has to be careful."""
        context = ssl._create_unverified_context() if self.scheme == "https" else None
        with urllib.request.urlopen(f"{self.url}/emulator/{path}", data, PATIENCE, context=context) as f:
            return f.read()

    def script(self, text):
        """Rules for requests, and for those for tokens ("identity")."""
        self.ask("script", text.encode())

    def reset(self):
        self.ask("reset", b"")

    def stats(self):
        return json.loads(self.ask("stats"))

    def records(self):
        return read_lines(f"{self.out}/received")

    def bodies(self):
        return [r.get("body") for r in self.records()]

    def requests(self):
        return read_lines(f"{self.out}/requests")

    def identity(self):
        """The requests for tokens."""
        return read_lines(f"{self.out}/identity-log")

    # --- how azmonlog is told of it ---

    def environment(self):
        """Nothing of this test may ever go to the machine's real identity endpoint."""
        return {"AZMONLOG_TEST_IMDS_URL": self.url, "AZMONLOG_TEST_ARC_ROOT": f"{self.out}/arc"}

    def destinations(self):
        return {"endpoint=": f"endpoint={self.url}{PATH}\n",
                "dce= and dcr=": f"dce={self.url}\ndcr={DCR}\n",
                "connection_string=": f"connection_string={self.connection_string()}\n"}

    def connection_string(self, ikey=IKEY):
        return f"InstrumentationKey={ikey};IngestionEndpoint={self.url}/"

    def application(self):
        """The lines that all credentials of an application share."""
        return f"authority={self.url}\ntenant_id={TENANT}\nclient_id={APP}\n"

    def client_secret(self):
        return self.application() + f"auth=client_secret\nclient_secret_file={write_secret(f'{self.out}/secret', self.secret)}\n"


Credential = collections.namedtuple("Credential", "name lines env kind asked")


def credentials(azure):
    """Every credential: how it is configured, by which one the emulator then issues the token, and what is asked for."""
    app = azure.application()
    on_app = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APP, "AZURE_AUTHORITY_HOST": azure.url}
    services = f"{azure.out}/credentials"
    os.makedirs(services, exist_ok=True)
    write_secret(f"{azure.out}/secret", azure.secret + "\n")
    write_secret(f"{services}/secret", azure.secret)
    if azure.files:
        with open(f"{azure.files}/client.pem") as f:
            write_secret(f"{services}/client.pem", f.read())
    web = {"IDENTITY_ENDPOINT": f"{azure.url}/msi/token", "IDENTITY_HEADER": HEADER}
    arc = {"IDENTITY_ENDPOINT": f"{azure.url}/arc/metadata/identity/oauth2/token", "IMDS_ENDPOINT": "http://localhost:40342"}
    pem, federated = f"{azure.files}/client.pem", f"{azure.out}/federated"
    by_app, by_user = {"client_id": APP}, {"client_id": USER}
    everything = {**on_app, "AZURE_CLIENT_CERTIFICATE_PATH": pem, "AZURE_FEDERATED_TOKEN_FILE": federated, **web}
    return [Credential(*c) for c in [
        ("IMDS, system-assigned", "auth=imds\n", {}, "imds", {}),
        ("IMDS by client_id=", f"auth=managed_identity\nclient_id={USER}\n", {}, "imds", by_user),
        ("IMDS by object_id=", f"auth=managed_identity\nobject_id={USER_OBJECT}\n", {}, "imds", {"object_id": USER_OBJECT}),
        ("IMDS by resource_id=", f"auth=imds\nresource_id={USER_RESOURCE}\n", {}, "imds", {"resource_id": USER_RESOURCE}),
        ("Arc", "auth=arc\n", arc, "arc", {}),
        ("App Service", "auth=app_service\n", web, "app-service", {}),
        ("App Service by client_id=", f"auth=app_service\nclient_id={USER}\n", web, "app-service", by_user),
        ("a secret in a file", f"{app}auth=client_secret\nclient_secret_file={azure.out}/secret\n", {}, "client-secret", by_app),
        ("a secret among systemd's credentials", f"{app}auth=client_secret\nclient_secret_file=secret\n",
         {"CREDENTIALS_DIRECTORY": services}, "client-secret", by_app),
        ("$AZURE_CLIENT_SECRET", f"{app}auth=client_secret\n", {"AZURE_CLIENT_SECRET": azure.secret}, "client-secret", by_app),
        ("a certificate", f"{app}auth=client_certificate\nclient_certificate_file={pem}\n", {}, "client-certificate", by_app),
        ("a certificate among systemd's credentials", f"{app}auth=client_certificate\nclient_certificate_file=client.pem\n",
         {"CREDENTIALS_DIRECTORY": services}, "client-certificate", by_app),
        ("workload identity", f"{app}auth=workload_identity\nfederated_token_file={federated}\n", {}, "federated", by_app),
        ("auth=default with a secret, whatever else there is", "auth=default\n",
         {**everything, "AZURE_CLIENT_SECRET": azure.secret}, "client-secret", by_app),
        ("auth=default with a certificate", "auth=default\n", everything, "client-certificate", by_app),
        ("auth=default in a pod", "auth=default\n", {**on_app, "AZURE_FEDERATED_TOKEN_FILE": federated}, "federated", by_app),
        ("auth=default in App Service", "auth=default\n", web, "app-service", {}),
        ("auth=default with the Arc agent", "auth=default\n", arc, "arc", {}),
        ("auth=default on a machine", "auth=default\n", {}, "imds", {}),
        ("auth=default on a machine, $AZURE_CLIENT_ID", "auth=default\n", {"AZURE_CLIENT_ID": USER}, "imds", by_user),
        ("auth=managed_identity in App Service", "auth=managed_identity\n", web, "app-service", {}),
        ("auth=managed_identity with the Arc agent", "auth=managed_identity\n", arc, "arc", {}),
    ]]


class Azmonlog:
    """azmonlog on a journal of files that grows; files in `out`. `lines`: what stands in [destination]; `more`: what follows."""

    FAST = ("[batch]\nschedule_delay=20ms\nmax_export_batch_size=20\n[export]\nretry_initial_delay=20ms\nretry_max_delay=200ms\n"
            "hold_max_delay=200ms\nshutdown_timeout=500ms\n")

    def __init__(self, out, lines, env=None, more="", journal=None):
        os.makedirs(out, exist_ok=True)
        self.out, self.process = out, None
        self.state, self.conf, self.log = f"{out}/state", f"{out}/azmonlog.conf", f"{out}/azmonlog.log"
        self.journal = journal or f"{out}/journal"
        self.usec = time.time_ns() // 1000
        self.texts = []
        self.env = {**os.environ, **(env or {})}
        self.configure(lines, more)

    def configure(self, lines, more=""):
        write_secret(self.conf, f"[destination]\n{lines}{self.FAST}[journal]\ndirectory={self.journal}\nstart=oldest\n"
                                f"[state]\ndirectory={self.state}\n{more}")

    def write(self, n, ago=0):
        """n more entries, `ago` seconds old; returns their texts."""
        texts = [f"line {i}" for i in range(len(self.texts), len(self.texts) + n)]
        os.makedirs(self.journal, exist_ok=True)
        append_texts(f"{self.journal}/a.journal", texts, self.usec - ago * 1_000_000, 1_000_000 + len(self.texts) * 1000)
        self.usec += 1000 * n + 1000
        self.texts += texts
        return texts

    # --- the process ---

    def command(self, *words):
        return [os.environ["AZMONLOG"], *words, "--config", self.conf]

    def start(self, *options):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command("run", *options), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env)

    def once(self):
        """Exports what there is; returns the exit code."""
        self.start("--once")
        process, self.process = self.process, None
        return process.wait(PATIENCE)

    def end(self, how=signal.SIGTERM):
        """Returns the exit code; negative: the signal."""
        process, self.process = self.process, None
        if how == signal.SIGTERM:  # before it listens, the signal is its end, as of any program
            wait_for(lambda: process.poll() is not None or listens(process.pid, how), "azmonlog listens to signals")
        process.send_signal(how)
        return process.wait(PATIENCE)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def run(self, *words):
        """Another command with the same configuration: the finished process, its output as text."""
        return subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=self.env, timeout=PATIENCE)

    def status(self):
        """What it says of itself, {} before it listens."""
        r = self.run("status", "--json")
        return json.loads(r.stdout) if r.returncode < 3 else {}

    def reload(self):
        before = self.status()["config"]["reloads"]
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.status()["config"]["reloads"] > before, "the configuration is read anew")

    def said(self, words):
        """How many lines of its log match."""
        return sum(bool(re.search(words, line)) for line in self.logged().splitlines())

    def logged(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""
