# SPDX-License-Identifier: MIT
"""Bicep, as far as packaging/azure needs it: no compiler, but what it reads it reads strictly, and it refuses the rest. The result of
deploy() is that of arm.py, so that the two can be compared; dependencies are found as the compiler finds them."""
import os
import re

from template import Place, Problem, check_output, check_parameter, element, functions, member

TOKEN = re.compile(r"""(?P<space>[ \t]+|//[^\n]*|/\*.*?\*/)|(?P<newline>\n)|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)
                   |(?P<sign>&&|\|\||==|!=|[@{}()\[\].,:?!=])""", re.X | re.S)
ESCAPES = {"\\": "\\", "'": "'", "n": "\n", "r": "\r", "t": "\t", "$": "$"}


def tokenize(text):
    tokens, at = [], 0
    while at < len(text):
        if text[at] == "'":
            parts, at = string_parts(text, at)
            tokens.append(("string", parts))
            continue
        m = TOKEN.match(text, at)
        if not m:
            raise Problem(f"Bicep: {text[at:at + 40]!r} is not understood")
        at = m.end()
        if m.lastgroup != "space":
            tokens.append((m.lastgroup, m.group()))
    return tokens + [("newline", "\n"), ("end", None)]


def string_parts(text, at):
    """'a${b}c' is ["a", tokens of b, "c"]."""
    if text.startswith("'''", at):
        raise Problem("Bicep: ''' is not understood")
    parts, run, at = [], "", at + 1
    while text[at] != "'":
        if text[at] == "\n":
            raise Problem("Bicep: a string without end")
        if text[at] == "\\":
            run += ESCAPES[text[at + 1]]
            at += 2
        elif text.startswith("${", at):
            end = text.index("}", at)
            parts += [run, tokenize(text[at + 2:end])[:-2]]
            run, at = "", end + 1
        else:
            run += text[at]
            at += 1
    return parts + [run], at + 1


class Parser:
    """Statements as dictionaries, expressions as tuples."""

    def __init__(self, tokens):
        self.tokens, self.at = tokens, 0

    def peek(self):
        return self.tokens[self.at]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, *values):
        if self.peek()[0] in ("sign", "name") and self.peek()[1] in values:
            return self.next()[1]
        return None

    def want(self, value):
        if not self.take(value):
            raise Problem(f"Bicep: {value} expected, not {self.peek()[1]!r}")

    def name(self):
        kind, value = self.next()
        if kind != "name":
            raise Problem(f"Bicep: {value!r} is no name")
        return value

    def newlines(self):
        while self.peek()[0] == "newline":
            self.next()

    def text(self):
        tree = self.primary()
        if tree[0] != "literal" or not isinstance(tree[1], str):
            raise Problem("Bicep: a plain string is wanted")
        return tree[1]

    def statements(self):
        result = []
        self.newlines()
        while self.peek()[0] != "end":
            result.append(self.statement())
            if self.next()[0] != "newline":
                raise Problem(f"Bicep: more on the line of {result[-1]}")
            self.newlines()
        return result

    def statement(self):
        decorators = {}
        while self.take("@"):
            name = self.name()
            self.want("(")
            if name in decorators:
                raise Problem(f"Bicep: @{name} twice")
            decorators[name] = self.expression()
            self.want(")")
            self.newlines()
        kind = self.name()
        s = {"statement": kind, "decorators": decorators}
        if kind == "targetScope":
            self.want("=")
            return {**s, "value": self.text()}
        s["name"] = self.name()
        if kind in ("param", "output"):
            s["type"] = self.name()
        elif kind in ("resource", "module"):
            s["of"] = self.text()
            s["existing"] = bool(self.take("existing"))
        elif kind != "var":
            raise Problem(f"Bicep: {kind} is not understood")
        if kind == "param" and not self.take("="):
            return {**s, "value": None}
        if kind != "param":
            self.want("=")
        s["condition"] = None
        if kind in ("resource", "module") and self.take("if"):
            self.want("(")
            s["condition"] = self.expression()
            self.want(")")
        return {**s, "value": self.expression()}

    def expression(self):
        tree = self.binary(0)
        if self.take("?"):
            yes = self.expression()
            self.want(":")
            return ("if", tree, yes, self.expression())
        return tree

    def binary(self, level):
        operators = [("||", "or"), ("&&", "and")]
        if level == len(operators):
            return self.unary()
        sign, function = operators[level]
        tree = self.binary(level + 1)
        while self.take(sign):
            tree = ("call", function, [tree, self.binary(level + 1)])
        return tree

    def unary(self):
        if self.take("!"):
            return ("call", "not", [self.unary()])
        tree = self.primary()
        while True:
            if self.take("."):
                tree = ("member", tree, self.name())
            elif self.take("["):
                tree = ("element", tree, self.expression())
                self.want("]")
            elif not self.take("!"):  # "certainly not null" changes nothing here
                return tree

    def primary(self):
        kind, value = self.next()
        if kind == "string":
            parts = [Parser(p + [("end", None)]).whole() if isinstance(p, list) else p for p in value]
            return ("literal", parts[0]) if len(parts) == 1 else ("string", parts)
        if kind == "number":
            return ("literal", int(value))
        if value in ("true", "false"):
            return ("literal", value == "true")
        if value == "(":
            tree = self.expression()
            self.want(")")
            return tree
        if value == "[":
            return self.loop() if self.take("for") else ("array", self.items("]", self.expression))
        if value == "{":
            return ("object", self.items("}", self.pair))
        if kind != "name":
            raise Problem(f"Bicep: {value!r} is no value")
        if self.take("("):
            return ("call", value, self.items(")", self.expression))
        return ("symbol", value)

    def whole(self):
        tree = self.expression()
        if self.peek()[0] != "end":
            raise Problem(f"Bicep: {self.peek()[1]!r} in ${{}}")
        return tree

    def items(self, end, item):
        result = []
        self.newlines()
        while not self.take(end):
            result.append(item())
            if not self.take(",") and self.peek() != ("sign", end) and (end == ")" or self.peek()[0] != "newline"):
                raise Problem(f"Bicep: {self.peek()[1]!r} after an item")
            self.newlines()
        return result

    def pair(self):
        key = self.text() if self.peek()[0] == "string" else self.name()
        self.want(":")
        return key, self.expression()

    def loop(self):
        name = self.name()
        self.want("in")
        over = self.expression()
        self.want(":")
        body = self.expression()
        self.want("]")
        return ("for", name, over, body)


DECLARATIONS = {"minLength", "maxLength", "minValue", "maxValue"}


class File:
    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as f:
            self.statements = Parser(tokenize(f.read())).statements()
        self.of = {k: {} for k in ("param", "var", "resource", "module", "output")}
        for s in self.statements:
            if s["statement"] == "targetScope":
                if s["value"] != "resourceGroup":
                    raise Problem(f"Bicep: targetScope {s['value']}")
            elif s["name"] in self.of[s["statement"]]:
                raise Problem(f"Bicep: {s['name']} is declared twice")
            else:
                self.of[s["statement"]][s["name"]] = s
        symbols = [n for k in self.of if k != "output" for n in self.of[k]]
        if len(set(symbols)) != len(symbols):
            raise Problem(f"Bicep: a name for two things among {symbols}")

    def module(self, s):
        return File(os.path.join(os.path.dirname(self.path), s["of"]))

    def signature(self):
        return {"parameters": {n: declaration(s) for n, s in self.of["param"].items()},
                "optional": sorted(n for n, s in self.of["param"].items() if s["value"]),
                "resources": sorted(s["of"] for s in self.of["resource"].values() if not s["existing"]),
                "outputs": {n: declaration(s) for n, s in self.of["output"].items()},
                "modules": [self.module(s).signature() for s in self.of["module"].values()]}


def declaration(s):
    result = {"type": s["type"]}
    for name, tree in s["decorators"].items():
        if name != "description" and name != "allowed" and name not in DECLARATIONS:
            raise Problem(f"Bicep: @{name} is not understood")
        value = [v[1] for v in tree[1]] if tree[0] == "array" else tree[1]
        result["allowedValues" if name == "allowed" else name] = value
    return result


class Deployment:
    def __init__(self, file, parameters, place):
        self.file, self.place = file, place
        self.functions = functions(place) | {"loadTextContent": self.load}
        unknown = set(parameters) - set(file.of["param"])
        if unknown:
            raise Problem(f"Bicep: no parameters {unknown}")
        self.parameters, self.made, self.modules = {}, {}, {}
        for name, s in file.of["param"].items():
            if name not in parameters and not s["value"]:
                raise Problem(f"Bicep: parameter {name} is missing")
            value = parameters[name] if name in parameters else self.value(s["value"], {})
            self.parameters[name] = check_parameter(name, declaration(s), value)

    def value(self, tree, local):
        kind = tree[0]
        if kind == "literal":
            return tree[1]
        if kind == "string":
            return "".join(p if isinstance(p, str) else self.string(self.value(p, local)) for p in tree[1])
        if kind == "array":
            return [self.value(t, local) for t in tree[1]]
        if kind == "object":
            return {key: self.value(t, local) for key, t in tree[1]}
        if kind == "if":
            return self.value(tree[2] if self.value(tree[1], local) else tree[3], local)
        if kind == "symbol":
            return self.symbol(tree[1], local)
        if kind == "member":
            resource = tree[1][1] if tree[1][0] == "symbol" else None
            if resource in self.file.of["resource"]:
                return self.of_resource(self.file.of["resource"][resource], tree[2])
            if resource in self.file.of["module"] and tree[2] == "outputs":
                return member(self.modules, resource)
            return member(self.value(tree[1], local), tree[2])
        if kind == "element":
            return element(self.value(tree[1], local), self.value(tree[2], local))
        if kind == "call":
            if tree[1] == "resourceGroup" and tree[2]:
                raise Problem("Bicep: resourceGroup() of another group is only for the scope of a module")
            if tree[1] not in self.functions:
                raise Problem(f"Bicep: function {tree[1]} is not understood")
            return self.functions[tree[1]](*(self.value(t, local) for t in tree[2]))
        raise Problem(f"Bicep: {kind} is not understood here")

    @staticmethod
    def string(value):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise Problem(f"Bicep: {value!r} in a string")
        return str(value)

    def load(self, name):
        """A file beside this one; the compiler puts it in."""
        try:
            with open(os.path.join(os.path.dirname(self.file.path), name), encoding="utf-8") as f:
                return f.read()
        except OSError as e:
            raise Problem(f"Bicep: {e}") from e

    def symbol(self, name, local):
        if name in local:
            return local[name]
        if name in self.parameters:
            return self.parameters[name]
        if name in self.file.of["var"]:
            return self.value(self.file.of["var"][name]["value"], {})
        raise Problem(f"Bicep: {name} is not declared, or no value")

    def resource_id(self, s, local=None):
        kind, name = s["of"].split("@")[0], self.value(dict(s["value"][1])["name"], local or {})
        return self.place.resource_id(kind, name)

    def of_resource(self, s, what):
        if what == "id":
            return self.resource_id(s)
        if what != "properties":
            raise Problem(f"Bicep: .{what} of a resource is not understood")
        resource_id = self.resource_id(s)
        if not s["existing"] and resource_id not in self.made:
            raise Problem(f"Bicep: properties of {s['name']}, which is not deployed")
        self.place.asked.add((resource_id, s["of"].split("@")[1]))
        return self.place.properties(resource_id)

    def needed(self, tree):
        """The resources of this file that an expression is about, directly or through variables."""
        if isinstance(tree, tuple) and tree and tree[0] == "symbol":
            if tree[1] in self.file.of["resource"]:
                s = self.file.of["resource"][tree[1]]
                return set() if s["existing"] else {self.resource_id(s)}
            return self.needed(self.file.of["var"].get(tree[1], {}).get("value"))
        if isinstance(tree, (tuple, list)):
            return set().union(*(self.needed(t) for t in tree))
        return set()

    def deploy(self):
        waiting = [s for k in ("resource", "module") for s in self.file.of[k].values() if not s["existing"]]
        resources = []
        for s in waiting:
            holds = self.value(s["condition"], {}) if s["condition"] else True
            tree, loops = s["value"], [{}]
            if tree[0] == "for":
                loops, tree = [{tree[1]: v} for v in self.value(tree[2], {})], tree[3]
            for local in loops if holds else []:
                make = self.make if s["statement"] == "resource" else self.nested
                resources.append({**make(s, dict(tree[1]), local),
                                  "dependsOn": sorted(self.needed(s["value"]) | self.needed(s["condition"]))})
        outputs = {n: check_output(n, s["type"], self.value(s["value"], {})) for n, s in self.file.of["output"].items()}
        return {"resources": resources, "outputs": outputs, "asked": self.place.asked}

    def make(self, s, body, local):
        kind, api_version = s["of"].split("@")
        scope = body.pop("scope", None)
        result = {"type": kind, "apiVersion": api_version, **{key: self.value(t, local) for key, t in body.items()}}
        if scope:
            result["scope"] = self.resource_id(self.file.of["resource"][scope[1]])
            result["id"] = f"{result['scope']}/providers/{kind}/{result['name']}"
        else:
            result["id"] = self.place.resource_id(kind, result["name"])
        self.made[result["id"]] = result
        return result

    def nested(self, s, body, local):
        if body["scope"][:2] != ("call", "resourceGroup"):
            raise Problem("Bicep: a module's scope is to be a resource group")
        place = Place(*(self.value(t, local) for t in body["scope"][2]), self.place.location)
        parameters = {key: self.value(t, local) for key, t in body["params"][1]}
        inner = Deployment(self.file.module(s), parameters, place).deploy()
        self.modules[s["name"]] = inner["outputs"]
        name = self.value(body["name"], local)
        return {"type": "Microsoft.Resources/deployments", "name": name,
                "id": place.resource_id("Microsoft.Resources/deployments", name), **inner}
