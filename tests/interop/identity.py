# SPDX-License-Identifier: MIT
"""Identity against software that nobody here has written: see identity."""
import base64
import hashlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lib", f"{HERE}/../emulator"]
from azure import (APP, FEDERATED, HEADER, PATH, SECRET, TENANT, USER, USER_OBJECT, USER_RESOURCE, Azmonlog,  # noqa: E402
                   Azure, make_certificates, read_lines, write_secret)
from journald import PATIENCE  # noqa: E402
from judged import Differences  # noqa: E402
from recorder import Recorder  # noqa: E402
from tap import check, equal, note, run  # noqa: E402
import otlp  # noqa: E402

ARC = "/var/opt/azcmagent"  # in a mount namespace of our own
SCOPE = "https://monitor.azure.com/.default"


def once(what, x):
    """Exports what there is; one check."""
    x.start("--once")
    try:
        equal(what, x.process.wait(PATIENCE), 0, x.logged)
    except subprocess.TimeoutExpired:
        check(what, False, x.logged)
    finally:
        x.close()


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# --- azmonlog and oauth2-mock-server ---

class Mock:
    def __init__(self, out):
        self.out = out
        settings = json.dumps({"tenant": TENANT, "client": APP, "secret": SECRET})
        self.log = open(f"{out}/mock.log", "w")
        self.process = subprocess.Popen(["node", f"{HERE}/identity_mock.mjs", out, settings], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = self.process.stdout.readline().strip()
        self.url = f"https://127.0.0.1:{self.port}"

    def requests(self):
        return read_lines(f"{self.out}/mock.jsonl")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


PYJWT = """
import json, sys, jwt
from cryptography import x509
certificate = x509.load_pem_x509_certificate(open(sys.argv[1], "rb").read())
claims = jwt.decode(sys.stdin.read(), certificate.public_key(), algorithms=["PS256"], audience=sys.argv[2], issuer=sys.argv[3],
                    subject=sys.argv[3], options={"require": ["exp", "iat", "nbf", "jti", "iss", "sub", "aud"]})
print(json.dumps(claims))
"""


def verify(assertion, out, audience):
    """The claims, by PyJWT; or its complaint."""
    r = subprocess.run([os.environ["identity_python"], "-c", PYJWT, f"{out}/client-cert.pem", audience, APP], input=assertion,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    return json.loads(r.stdout) if r.returncode == 0 else r.stdout


def mock_server(out):
    """oauth2-mock-server is Entra: tokens for azmonlog's secret and for its assertions, none for wrong ones."""
    make_certificates(out)
    mock = Mock(out)
    azure = Azure(f"{out}/azure", auth=False, files=out, certificate="good")
    entra = f"authority={mock.url}\ntenant_id={TENANT}\nclient_id={APP}\ntls_ca_file={out}/ca.pem\n"
    audience = f"{mock.url}/{TENANT}/oauth2/v2.0/token"
    try:
        secret = f"{entra}auth=client_secret\nclient_secret_file={write_secret(f'{out}/secret', SECRET)}\n"
        pem = f"{entra}auth=client_certificate\nclient_certificate_file={out}/client.pem\n"
        for name, lines, times in (("client secret", secret, 1), ("client certificate", pem, 2)):
            for i in range(times):
                azure.reset()
                before = len(mock.requests())
                x = Azmonlog(f"{out}/{name[7]}{i}", f"endpoint={azure.url}{PATH}\n{lines}", azure.environment())
                texts = x.write(20)
                once(f"{name}: azmonlog ends well", x)
                equal("all arrived", sorted(azure.bodies()), sorted(texts))
                asked = mock.requests()[before:]
                equal("one request for a token, which the mock server takes", [r["wrong"] for r in asked], [""])
                equal("its token went along", {r["token"] for r in azure.requests()}, {asked[0]["token"]})
        first, second = [r for r in mock.requests() if r.get("assertion")]
        check("jose verifies the assertion: PS256, audience, issuer, subject, times",
              all(set(r["jose"]) == {"header", "claims"} for r in (first, second)), [first["jose"], second["jose"]])
        claims = [verify(r["assertion"], out, audience) for r in (first, second)]
        check("PyJWT verifies it as well", all(isinstance(c, dict) for c in claims), claims)
        equal("and reads the same", claims, [r["jose"]["claims"] for r in (first, second)])
        der = subprocess.run(["openssl", "x509", "-in", f"{out}/client-cert.pem", "-outform", "DER"], check=True,
                             stdout=subprocess.PIPE).stdout
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
        equal("the header is as Microsoft documents it", first["jose"]["header"],
              {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
        equal("the claims that there are", sorted(claims[0]), ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"])
        check("an assertion is used once", claims[0]["jti"] != claims[1]["jti"])
        note("proved: oauth2-mock-server 8.2.3: client secret and PS256 assertion taken, verified by jose 6.2.18 and PyJWT 2.15.1")

        write_secret(f"{out}/secret", "wrong")
        x = Azmonlog(f"{out}/w1", f"endpoint={azure.url}{PATH}\n{secret}", azure.environment())
        x.write(1)
        r = x.run("check")
        check("a wrong secret: azmonlog check fails at the token, in its words",
              r.returncode == 17 and "7000215" in r.stdout, r.stdout)
        other = f"{out}/other"
        os.mkdir(other)
        make_certificates(other)
        lines = f"endpoint={azure.url}{PATH}\n" + pem.replace(f"{out}/client.pem", f"{other}/client.pem")
        x = Azmonlog(f"{out}/w2", lines, azure.environment())
        x.write(1)
        r = x.run("check")
        check("a key that Entra does not know: likewise", r.returncode == 17 and "700027" in r.stdout, r.stdout)
        note("proved: oauth2-mock-server 8.2.3: a wrong secret and a foreign key get none, and azmonlog check says so (17, token)")
    finally:
        mock.close()
        azure.close()


# --- Microsoft's clients and the emulator ---

# What the clients send otherwise than azmonlog, and why either is right: clients, kinds, difference, why.
JUDGED = [
    (".*", ".*", r"asks first for .*openid-configuration",
     "MSAL discovers the token endpoint; azmonlog builds it from authority= and tenant_id=, as the protocol's documentation has it"),
    (".*", ".*", r"header \+(accept-encoding|connection)|header -accept|header accept: \*/\* for application/json",
     "HTTP's own; the answer is JSON either way"),
    (".*", ".*", r"(header|form) \+(x-client-[a-zA-Z-]+|x-ms-lib-capability)", "MSAL's telemetry about itself"),
    (".*", ".*", r"(header|form|query) \+(x-ms-)?(return-)?client-request-id",
     "an id for support; Entra's answer has a trace id of its own, which azmonlog prints"),
    (".*", ".*", r"form \+client_info", "asks for an id of the user; there is none in client_credentials"),
    (".*", ".*", r"header content-type: .*;charset=utf-8 for .*", "the same type; the form is ASCII"),
    ("node", "IMDS.*|A.*", r"header \+content-type", "of a GET, which has no content"),
    ("node", "IMDS.*", r"GET (/metadata/identity/oauth2/token)/ for GET \1",
     "MSAL Node adds a slash where the host is overridden; Microsoft's documentation has none"),
    ("python", "App Service.*", r"header \+metadata", "IMDS's header, which App Service does not ask for"),
    (".*", "App Service object id", r"query (\+object_id|-principal_id)",
     "Microsoft's documentation: principal_id, with object_id as an alias"),
    ("python", "certificate", r"assertion header (\+x5t|-x5t#S256|alg: RS256 for PS256)",
     "the older form, which Entra still takes; Microsoft's documentation asks for PS256 and x5t#S256, as azmonlog and @azure/identity send"),
    ("python", "certificate", r"assertion claim -nbf", "the same as iat; Microsoft's documentation has it"),
]


ALWAYS = {"host", "user-agent", "content-length"}  # of the client, not of the protocol


def told_apart(headers):
    """Header names -> values; of secrets only that they are there."""
    told = {k.lower(): v for k, v in headers if k.lower() not in ALWAYS}
    if "authorization" in told:
        told["authorization"] = told["authorization"].split()[0] + " (key)"
    return told


def compare(ours, theirs):
    """The differences of one request, as texts: +: theirs only, -: ours only."""
    found = []
    if (ours.method, ours.path) != (theirs.method, theirs.path):
        found.append(f"{theirs.method} {theirs.path} for {ours.method} {ours.path}")
    for what, a, b in (("query", dict(ours.query), dict(theirs.query)), ("form", dict(ours.form), dict(theirs.form)),
                       ("header", told_apart(ours.headers), told_apart(theirs.headers))):
        found += [f"{what} +{k}" for k in sorted(b.keys() - a.keys())] + [f"{what} -{k}" for k in sorted(a.keys() - b.keys())]
        for k in sorted(a.keys() & b.keys()):
            if k == "client_assertion" and a[k] != b[k]:
                found += compare_assertions(a[k], b[k])
            elif a[k] != b[k] and not (what == "header" and k == "accept-encoding"):
                found.append(f"{what} {k}: {b[k]} for {a[k]}")
    return found


def compare_assertions(a, b):
    found = []
    for what, part in (("assertion header", 0), ("assertion claim", 1)):
        x, y = decode(a.split(".")[part]), decode(b.split(".")[part])
        found += [f"{what} +{k}" for k in sorted(y.keys() - x.keys())] + [f"{what} -{k}" for k in sorted(x.keys() - y.keys())]
        found += [f"{what} {k}: {y[k]} for {x[k]}" for k in sorted(x.keys() & y.keys())
                  if x[k] != y[k] and k not in ("jti", "iat", "nbf", "exp")]
        if "exp" in x and round(x["exp"] - x["iat"], -1) != round(y["exp"] - y["iat"], -1):
            found.append(f"{what} lifetime: {y['exp'] - y['iat']} s for {x['exp'] - x['iat']} s")
    return found


def token_by(client, options, env):
    program = {"python": [os.environ["identity_python"], f"{HERE}/identity_sdk.py"], "node": ["node", f"{HERE}/identity_sdk.mjs"]}
    r = subprocess.run([*program[client], json.dumps(options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=120, env={**os.environ, **env})
    try:
        return json.loads(r.stdout)
    except ValueError:
        return {"error": f"{r.stdout}{r.stderr}"}


def microsofts_clients(out):
    """azure-identity and @azure/identity get tokens from the emulator that it then takes; and what they send is what azmonlog sends."""
    make_certificates(out)
    os.makedirs(f"{ARC}/tokens")
    os.chmod(ARC, 0o755)
    tls = Azure(f"{out}/tls", files=out, certificate="good")
    os.makedirs(f"{out}/plain", exist_ok=True)
    with open(f"{out}/tls/token-key", "rb") as key, open(f"{out}/plain/token-key", "wb") as copy:
        copy.write(key.read())
    plain = Azure(f"{out}/plain", "--arc-directory", f"{ARC}/tokens", files=out)
    entra = Recorder(tls.url, (f"{out}/good.pem", f"{out}/good.key"))
    entra.own[f"/{TENANT}/v2.0/.well-known/openid-configuration"] = {
        "token_endpoint": f"{entra.url}/{TENANT}/oauth2/v2.0/token", "issuer": f"{entra.url}/{TENANT}/v2.0",
        "authorization_endpoint": f"{entra.url}/{TENANT}/oauth2/v2.0/authorize", "jwks_uri": f"{entra.url}/keys"}
    machine = Recorder(plain.url)
    write_secret(f"{out}/secret", SECRET)
    federated = write_secret(f"{tls.out}/federated", FEDERATED)  # as the kubelet writes it: without the end of a line
    app = f"authority={entra.url}\ntenant_id={TENANT}\nclient_id={APP}\n"
    o = {"tenant": TENANT, "client": APP, "secret": SECRET, "certificate": f"{out}/client.pem", "file": federated,
         "authority": entra.url}
    imds = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.url, "AZMONLOG_TEST_IMDS_URL": machine.url}
    arc = {"IDENTITY_ENDPOINT": f"{machine.url}/arc/metadata/identity/oauth2/token", "IMDS_ENDPOINT": machine.url}
    web = {"IDENTITY_ENDPOINT": f"{machine.url}/msi/token", "IDENTITY_HEADER": HEADER}
    ca = {"REQUESTS_CA_BUNDLE": f"{out}/ca.pem", "NODE_EXTRA_CA_CERTS": f"{out}/ca.pem",
          "AZMONLOG_TEST_IMDS_URL": machine.url, "AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.url}
    kinds = [
        ("secret", entra, app + f"auth=client_secret\nclient_secret_file={out}/secret\n", {}, o, "client-secret"),
        ("certificate", entra, app + f"auth=client_certificate\nclient_certificate_file={out}/client.pem\n", {}, o, "client-certificate"),
        ("workload", entra, app + f"auth=workload_identity\nfederated_token_file={federated}\n", {}, o, "federated"),
        ("IMDS", machine, "auth=imds\n", imds, {}, "imds"),
        ("IMDS client id", machine, f"auth=imds\nclient_id={USER}\n", imds, {"client": USER}, "imds"),
        ("IMDS object id", machine, f"auth=imds\nobject_id={USER_OBJECT}\n", imds, {"object": USER_OBJECT}, "imds"),
        ("IMDS resource id", machine, f"auth=imds\nresource_id={USER_RESOURCE}\n", imds, {"resource": USER_RESOURCE}, "imds"),
        ("Arc", machine, "auth=arc\n", arc, {}, "arc"),
        ("App Service", machine, "auth=app_service\n", web, {}, "app-service"),
        ("App Service client id", machine, f"auth=app_service\nclient_id={USER}\n", web, {"client": USER}, "app-service"),
        ("App Service object id", machine, f"auth=app_service\nobject_id={USER_OBJECT}\n", web, {"object": USER_OBJECT}, "app-service"),
        ("App Service resource id", machine, f"auth=app_service\nresource_id={USER_RESOURCE}\n", web, {"resource": USER_RESOURCE},
         "app-service"),
    ]
    said = Differences(JUDGED)
    try:
        for kind, recorder, lines, env, options, how in kinds:
            note(kind)
            recorder.take()
            x = Azmonlog(f"{out}/x-{kind.replace(' ', '-')}", f"endpoint={tls.url}{PATH}\ntls_ca_file={out}/ca.pem\n{lines}",
                         {**ca, **env})
            x.write(3)
            once(f"{kind}: azmonlog exports", x)
            ours = recorder.take()
            for client in ("python", "node"):
                got = token_by(client, {"kind": kind, **options}, {**ca, **env})
                theirs = recorder.take()
                if not check(f"{kind}: {client} gets a token of its kind", "token" in got and
                             decode(got["token"].split(".")[1])["azm_how"] == how, got,
                             *[f"{r.method} {r.target} {r.status} {r.answer[:300]} {r.headers} {[k for k, _ in r.form]}" for r in theirs]):
                    continue
                equal("which the emulator's --auth takes", post(tls, got["token"]), 204)
                said.add(client, kind, [f"asks first for {r.path}" for r in theirs if "openid-configuration" in r.path])
                asked = [r for r in theirs if "openid-configuration" not in r.path]
                if equal("in as many requests as azmonlog", [r.status for r in asked], [r.status for r in ours]):
                    for mine, other in zip(ours, asked):
                        said.add(client, kind, compare(mine, other))
        said.close()
        versions = {"python": "azure-identity 1.27.0 (msal 1.39.0)", "node": "@azure/identity 4.13.1"}
        for client, name in versions.items():
            note(f"proved: {name}: tokens by secret, certificate, workload identity, IMDS, Arc, App Service; {len(kinds)} kinds of "
                 "request compared with azmonlog's")
    finally:
        for server in (entra, machine, tls, plain):
            server.close()


def post(azure, token):
    """One record with this token; the status."""
    return int(subprocess.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}",
                               "-H", "Content-Type: application/x-protobuf", "--data-binary", "@-", azure.url + PATH],
                              input=otlp.request(otlp.record("by them", "them", time.time_ns())), stdout=subprocess.PIPE,
                              timeout=PATIENCE).stdout)


run(mock_server, microsofts_clients)
