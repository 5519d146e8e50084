# SPDX-License-Identifier: MIT
"""What a deployment would make of packaging/azure, computed here: the part that Bicep and ARM templates have in common, with the
functions that ours call and no others. Azure's own answers (an endpoint's host name, a rule's immutable id) are made up."""
import uuid


class Problem(Exception):
    """The template is wrong, or goes beyond the subset that is understood here."""


class Place:
    """The resource group of a deployment, and what Azure has said so far."""

    def __init__(self, subscription, group, location="westeurope"):
        self.subscription, self.group, self.location = subscription, group, location
        self.outputs = {}  # of nested deployments, by their id
        self.asked = set()  # resources whose properties were needed, with their apiVersion

    @property
    def id(self):
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    def resource_id(self, *args):
        before = next((i for i, a in enumerate(args) if "/" in a), None)
        if before not in (0, 1, 2) or len(args) < before + 2:
            raise Problem(f"resourceId{args} is not understood")
        group = args[before - 1] if before else self.group
        subscription = args[0] if before == 2 else self.subscription
        provider, *types = args[before].split("/")
        names = args[before + 1:]
        if len(types) != len(names):
            raise Problem(f"{args[before]} wants {len(types)} names, not {names}")
        path = "/".join(f"{t}/{n}" for t, n in zip(types, names))
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{path}"

    def properties(self, resource_id):
        """What Azure adds to a resource."""
        kind, name = resource_id.split("/")[-2:]
        if kind == "dataCollectionEndpoints":
            return {"logsIngestion": {"endpoint": f"https://{name}-ab12.{self.location}-1.ingest.monitor.azure.com"},
                    "metricsIngestion": {"endpoint": f"https://{name}-ab12.{self.location}-1.metrics.ingest.monitor.azure.com"}}
        if kind == "dataCollectionRules":
            return {"immutableId": "dcr-" + uuid.uuid5(uuid.NAMESPACE_URL, resource_id).hex}
        if kind == "components":
            return {"ConnectionString": f"InstrumentationKey={uuid.uuid5(uuid.NAMESPACE_URL, resource_id)};IngestionEndpoint=https://x/"}
        if kind == "deployments" and resource_id in self.outputs:
            return {"outputs": {name: {"value": value} for name, value in self.outputs[resource_id].items()}}
        raise Problem(f"{resource_id} is asked for what it does not have")


def union(*objects):
    """As ARM's: objects are merged in depth, of anything else the last one counts."""
    result = {}
    for o in objects:
        for key, value in o.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = union(result[key], value) if both else value
    return result


def format_string(text, *args):
    for i, a in enumerate(args):
        if not isinstance(a, (str, int)) or isinstance(a, bool):
            raise Problem(f"format('{text}') of {a!r}")
        text = text.replace("{%d}" % i, str(a))
    if "{" in text or "}" in text:
        raise Problem(f"format leaves {text!r}")
    return text


def create_object(*args):
    if len(args) % 2:
        raise Problem(f"createObject{args} lacks a value")
    return dict(zip(args[::2], args[1::2]))


def member(value, name):
    if not isinstance(value, dict) or name not in value:
        raise Problem(f"no {name} in {value!r}")
    return value[name]


def element(value, index):
    if isinstance(index, str):
        return member(value, index)
    if not isinstance(value, list) or not 0 <= index < len(value):
        raise Problem(f"no element {index} in {value!r}")
    return value[index]


def functions(place):
    def of(kind, function):
        def checked(*args):
            if not all(isinstance(a, kind) for a in args):
                raise Problem(f"wrong arguments {args!r}")
            return function(*args)
        return checked
    return {
        "empty": lambda v: len(v) == 0,
        "not": of(bool, lambda v: not v),
        "and": of(bool, lambda *v: all(v)),
        "or": of(bool, lambda *v: any(v)),
        "true": lambda: True,
        "length": len,
        "last": of((str, list), lambda v: v[-1]),
        "split": of(str, lambda text, by: text.split(by)),
        "format": format_string,
        "replace": of(str, lambda text, old, new: text.replace(old, new)),
        "union": of(dict, union),
        "createObject": create_object,
        "createArray": lambda *v: list(v),
        "guid": of(str, lambda *v: str(uuid.uuid5(uuid.NAMESPACE_OID, "-".join(v)))),
        "resourceGroup": lambda: {"id": place.id, "location": place.location, "name": place.group},
        "resourceId": of(str, place.resource_id),
        "subscriptionResourceId": of(
            str, lambda kind, name: f"/subscriptions/{place.subscription}/providers/{kind}/{name}"),
    }


TYPES = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}


def is_of_type(value, name):
    if name not in TYPES:
        raise Problem(f"type {name} is not understood")
    return isinstance(value, TYPES[name]) and (name == "bool" or not isinstance(value, bool))


def check_parameter(name, about, value):
    if not is_of_type(value, about["type"]):
        raise Problem(f"parameter {name} is {value!r}, no {about['type']}")
    size = value if about["type"] == "int" else len(value) if about["type"] == "string" else None
    low, high = (about.get(k + ("Value" if about["type"] == "int" else "Length")) for k in ("min", "max"))
    if (low is not None and size < low) or (high is not None and size > high):
        raise Problem(f"parameter {name} is {value!r}, out of its bounds")
    if "allowedValues" in about and value not in about["allowedValues"]:
        raise Problem(f"parameter {name} is {value!r}, not among {about['allowedValues']}")
    return value


def check_output(name, kind, value):
    if not is_of_type(value, kind):
        raise Problem(f"output {name} is {value!r}, no {kind}")
    return value
