# SPDX-License-Identifier: MIT
"""ARM templates (JSON), as far as packaging/azure/main.json needs them. The result of deploy() is that of bicep.py."""
import json
import re

from template import Place, Problem, check_output, check_parameter, element, functions, member

TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([()\[\].,]))")


class Expression:
    """[...] of one string. Calls are not evaluated before they are needed: the branch of an if() that is not taken may be one that
    Azure could not answer."""

    def __init__(self, text, scope):
        self.scope, self.tokens, at = scope, [], 0
        while at < len(text.rstrip()):
            m = TOKEN.match(text, at)
            if not m:
                raise Problem(f"expression {text!r} at {text[at:]!r}")
            string, number, name, sign = m.groups()
            self.tokens.append(("string", string.replace("''", "'")) if string is not None else
                               ("number", int(number)) if number else ("name", name) if name else ("sign", sign))
            at = m.end()
        self.tokens.append(("end", None))
        self.at = 0
        self.tree = self.postfix()
        if self.tokens[self.at][0] != "end":
            raise Problem(f"expression {text!r} goes on")

    def take(self, *signs):
        token = self.tokens[self.at]
        if token[0] == "sign" and token[1] in signs:
            self.at += 1
            return token[1]
        return None

    def want(self, sign):
        if not self.take(sign):
            raise Problem(f"{sign} expected, not {self.tokens[self.at][1]!r}")

    def postfix(self):
        kind, value = self.tokens[self.at]
        self.at += 1
        if kind in ("string", "number"):
            tree = lambda: value
        elif kind == "name":
            self.want("(")
            args = []
            while not self.take(")"):
                if args:
                    self.want(",")
                args.append(self.postfix())
            tree = self.call(value, args)
        else:
            raise Problem(f"{value!r} is no value")
        while sign := self.take(".", "["):
            if sign == ".":
                tree = (lambda of, name: lambda: member(of(), name))(tree, self.tokens[self.at][1])
                self.at += 1
            else:
                tree = (lambda of, index: lambda: element(of(), index()))(tree, self.postfix())
                self.want("]")
        return tree

    def call(self, name, args):
        scope = self.scope
        if name == "if":
            return lambda: args[1]() if args[0]() else args[2]()
        special = {"parameters": scope.parameter, "variables": scope.variable, "copyIndex": scope.copy_index,
                   "reference": scope.reference}
        function = special.get(name) or scope.functions.get(name)
        if not function:
            raise Problem(f"function {name} is not understood")
        return lambda: function(*(a() for a in args))


class Template:
    def __init__(self, template, parameters, place):
        self.template, self.place, self.functions, self.index = template, place, functions(place), None
        unknown = set(parameters) - set(template["parameters"])
        if unknown:
            raise Problem(f"no parameters {unknown}")
        self.parameters = {}
        for name, about in template["parameters"].items():
            if name not in parameters and "defaultValue" not in about:
                raise Problem(f"parameter {name} is missing")
            value = parameters[name] if name in parameters else self.value(about["defaultValue"])
            self.parameters[name] = check_parameter(name, about, value)

    def parameter(self, name):
        return member(self.parameters, name)

    def variable(self, name):
        return self.value(member(self.template["variables"], name))

    def copy_index(self):
        if self.index is None:
            raise Problem("copyIndex() outside of copy")
        return self.index

    def reference(self, resource_id, api_version):
        if "Microsoft.Resources/deployments" not in resource_id:  # Bicep does not say with which apiVersion it makes them
            self.place.asked.add((resource_id, api_version))
        return self.place.properties(resource_id)

    def value(self, v):
        if isinstance(v, dict):
            return {key: self.value(e) for key, e in v.items()}
        if isinstance(v, list):
            return [self.value(e) for e in v]
        if isinstance(v, str) and v.startswith("[["):
            return v[1:]
        if isinstance(v, str) and v.startswith("[") and v.endswith("]"):
            return Expression(v[1:-1], self).tree()
        return v

    def deploy(self):
        resources = []
        for r in self.template["resources"]:
            count = self.value(r["copy"]["count"]) if "copy" in r else None
            for self.index in [None] if count is None else range(count):
                resources.append(self.resource(r))
            self.index = None
        outputs = {name: check_output(name, about["type"], self.value(about["value"]))
                   for name, about in self.template["outputs"].items()}
        return {"resources": [r for r in resources if r], "outputs": outputs, "asked": self.place.asked}

    def resource(self, r):
        """None if its condition does not hold."""
        r = {key: v for key, v in r.items() if key != "copy"}
        condition = self.value(r.pop("condition", True))
        if r["type"] == "Microsoft.Resources/deployments":
            return self.nested(r, condition)
        result = {key: self.value(v) for key, v in r.items()}
        if "scope" in result:
            provider, kind, name = result["scope"].split("/")
            result["scope"] = self.place.resource_id(f"{provider}/{kind}", name)
            result["id"] = f"{result['scope']}/providers/{result['type']}/{result['name']}"
        else:
            result["id"] = self.place.resource_id(result["type"], result["name"])
        result["dependsOn"] = sorted(result.get("dependsOn", []))
        return result if condition else None

    def nested(self, r, condition):
        properties = r["properties"]
        if properties["expressionEvaluationOptions"] != {"scope": "inner"} or properties["mode"] != "Incremental":
            raise Problem("a nested deployment is to be inner and incremental")
        place = Place(self.value(r["subscriptionId"]), self.value(r["resourceGroup"]), self.place.location)
        name, depends = self.value(r["name"]), sorted(self.value(r.get("dependsOn", [])))
        if not condition:
            return None
        parameters = {n: self.value(p["value"]) for n, p in properties["parameters"].items()}
        inner = Template(properties["template"], parameters, place).deploy()
        resource_id = place.resource_id(r["type"], name)
        self.place.outputs[resource_id] = inner["outputs"]
        return {"type": r["type"], "id": resource_id, "name": name, "dependsOn": depends, **inner}


def declaration(about):
    return {**{k: v for k, v in about.items() if k not in ("metadata", "defaultValue", "value")},
            "description": about["metadata"]["description"]}


def signature(template):
    """What can be compared without deploying: parameters, resources whether deployed or not, outputs; and those of the modules."""
    nested = [r["properties"]["template"] for r in template["resources"] if r["type"] == "Microsoft.Resources/deployments"]
    return {"parameters": {n: declaration(p) for n, p in template["parameters"].items()},
            "optional": sorted(n for n, p in template["parameters"].items() if "defaultValue" in p),
            "resources": sorted(f"{r['type']}@{r['apiVersion']}" for r in template["resources"]
                                if r["type"] != "Microsoft.Resources/deployments"),
            "outputs": {n: declaration(o) for n, o in template["outputs"].items()},
            "modules": [signature(t) for t in nested]}


def load(path):
    def no_duplicates(pairs):
        keys = [k for k, _ in pairs]
        if len(set(keys)) != len(keys):
            raise Problem(f"a key twice among {keys}")
        return dict(pairs)
    with open(path, encoding="utf-8") as f:
        return json.load(f, object_pairs_hook=no_duplicates)
