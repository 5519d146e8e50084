#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what azmonlog status --json says (a file) with the table in docs/status.md: every member, no other, and its type. Standard library
only."""
import json
import os
import re
import sys

DOCS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + "/docs/status.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TYPES = {
    "text": lambda v: type(v) is str,
    "count": lambda v: type(v) is int and v >= 0,
    "number": lambda v: type(v) in (int, float) and v >= 0,
    "true or false": lambda v: type(v) is bool,
    "time": lambda v: type(v) is str and TIME.fullmatch(v) is not None,
    "object": lambda v: type(v) is dict,
    "list": lambda v: type(v) is list,
    "null": lambda v: v is None,
}


def table():
    with open(DOCS, encoding="utf-8") as f:
        rows = re.findall(r"^\| `([a-z_.\[\]]+)` \| ([a-z ]+?) \|", f.read(), re.M)
    found = {name: [kind] if kind in TYPES else kind.split(" or ") for name, kind in rows}
    assert len(found) > 60 and all(k in TYPES for kinds in found.values() for k in kinds), found
    return found


def complaints(status, form=None):
    """What is wrong with it; empty: nothing."""
    form = form or table()
    said = []

    def look(value, path):
        prefix = path + "." if path else ""
        wanted = {n[len(prefix):] for n in form if n.startswith(prefix) and not re.search(r"[.\[]", n[len(prefix):])}
        for name in sorted(wanted ^ set(value)):
            said.append(f"{prefix}{name} is {'missing' if name in wanted else 'not in docs/status.md'}")
        for name in wanted & set(value):
            full, inner = prefix + name, value[name]
            if not any(TYPES[kind](inner) for kind in form[full]):
                said.append(f"{full} is {inner!r}, not {' or '.join(form[full])}")
            elif type(inner) is dict:
                look(inner, full)
            elif type(inner) is list:
                for item in inner:
                    look(item, full + "[]")

    look(status, "")
    return said


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        wrong = complaints(json.load(file))
    print("\n".join(wrong))
    sys.exit(bool(wrong))
