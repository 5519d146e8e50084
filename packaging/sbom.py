#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a bill of materials (SPDX 2.3, JSON) of programs that were built: sbom.py VERSION ROOT FILE...

FILE is a program or module in the folder ROOT, by the path that it is installed to. The libraries are those that it names
itself (DT_NEEDED), and belong to Debian packages of this machine. The same build gives the same bytes: its time is
SOURCE_DATE_EPOCH, which has to be set."""
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import uuid


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def needed(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "--wide", "--dynamic", path))


def machine(path):
    """Debian's name of the architecture that a program is for."""
    name = re.search(r"Machine: +(.*)", output("readelf", "--file-header", path)).group(1)
    return {"Advanced Micro Devices X86-64": "amd64", "AArch64": "arm64"}[name]


def package_of(library, arch):
    """(name, version, source package) of the Debian package that has it."""
    lines = output("dpkg-query", "--search", f"*/{library}").splitlines()
    names = {line.split(": ")[0] for line in lines if os.path.basename(line.split(": ")[1]) == library}
    here = sorted(n for n in names if n.endswith(":" + arch)) or sorted(names)
    if len(here) != 1:
        sys.exit(f"sbom: {library} belongs to {len(here)} packages: {' '.join(here)}")
    fields = "${Package}\t${Version}\t${source:Package}"
    return tuple(output("dpkg-query", "--show", "--showformat", fields, here[0]).split("\t"))


def spdx_id(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package(name, version, **more):
    return {"SPDXID": spdx_id("Package", name), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, **more}


def file(root, path):
    with open(os.path.join(root, path.lstrip("/")), "rb") as f:
        content = f.read()
    return {"SPDXID": spdx_id("File", path.lstrip("/")), "fileName": "./" + path.lstrip("/"), "fileTypes": ["BINARY"],
            "checksums": [{"algorithm": a, "checksumValue": hashlib.new(a, content).hexdigest()}
                          for a in ("SHA1", "SHA256")],
            "licenseConcluded": "MIT", "copyrightText": "NOASSERTION"}


def document(version, root, paths):
    own = package("azmonlog", version, licenseDeclared="MIT", licenseConcluded="MIT",
                  copyrightText="2026 the azmonlog authors", supplier="NOASSERTION")
    packages, files, relations = {}, [], [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
    for path in paths:
        real = os.path.join(root, path.lstrip("/"))
        arch = machine(real)
        files.append(file(root, path))
        relations.append((files[-1]["SPDXID"], "GENERATED_FROM", own["SPDXID"]))
        for name, of, source in sorted({package_of(library, arch) for library in needed(real)}):
            purl = f"pkg:deb/debian/{name}@{of.replace(':', '%3A').replace('+', '%2B')}?arch={arch}"
            packages[name] = package(name, of, sourceInfo=f"Debian source package {source}", externalRefs=[
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}])
            relations.append((files[-1]["SPDXID"], "DYNAMIC_LINK", packages[name]["SPDXID"]))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"])))
    doc = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"azmonlog-{version}",
           "creationInfo": {"created": created, "creators": ["Tool: azmonlog-sbom"]},
           "packages": [own] + [packages[n] for n in sorted(packages)], "files": files,
           "relationships": [{"spdxElementId": a, "relationshipType": r, "relatedSpdxElement": b}
                             for a, r, b in relations]}
    # by its content, so that no two of them have the same, and one has the same always
    doc["documentNamespace"] = "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(doc, sort_keys=True)))
    return doc


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    json.dump(document(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout, indent=2)
    print()
