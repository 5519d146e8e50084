#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_assertion.py KEY CERTIFICATE CLIENT-ID URL [NAME=VALUE...]: prints a client assertion as Entra wants it.

NAME=VALUE replaces a part of the header (alg, typ, x5t#S256) or a claim; +N or -N is a time, seconds from now; an empty VALUE
leaves the part out. salt=N is the length of the salt. alg=legacy: RS256, and the SHA-1 thumbprint as x5t. Needs openssl, for the signature only.
"""
import base64
import hashlib
import json
import ssl
import subprocess
import sys
import time
import uuid


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main(key, certificate, client_id, url, *changes):
    der = ssl.PEM_cert_to_DER_cert(open(certificate, encoding="ascii").read())
    now = int(time.time())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(hashlib.sha256(der).digest())}
    claims = {"aud": url, "iss": client_id, "sub": client_id, "jti": str(uuid.uuid4()), "nbf": now, "iat": now, "exp": now + 300}
    salt = "32"
    for name, value in (change.split("=", 1) for change in changes):
        part = header if name in header else claims
        if name == "salt":
            salt = value
        elif not value:
            del part[name]
        else:
            part[name] = now + int(value) if value[0] in "+-" else value
    padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{salt}"]
    if header["alg"] == "legacy":
        header = {"alg": "RS256", "typ": "JWT", "x5t": base64url(hashlib.sha1(der).digest()) + "="}
        padding = []
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key, *padding],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    print(text + "." + base64url(signature))


main(*sys.argv[1:])
