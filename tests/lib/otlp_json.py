# SPDX-License-Identifier: MIT
"""OTLP in JSON, as Python has it. Standard library only."""


def any_value(v):
    if not v:
        return None
    (kind, value), = v.items()
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [any_value(x) for x in value.get("values", [])]
    if kind == "kvlistValue":
        return key_values(value["values"])
    return value


def key_values(pairs):
    return {x["key"]: any_value(x.get("value")) for x in pairs}
