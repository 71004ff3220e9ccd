"""The template as CloudFormation would see it: SAM translated to plain resources, then resolved for one set of
parameters, all offline.

After resolving, conditions have been decided and every intrinsic has become text or data. What only a deployment knows
stays as `${Resource}` or `${Resource.Attribute}`, so that rules compare plain strings.
"""
import copy
import logging
import os
import re
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # the translator asks for one; nothing is contacted

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of statistics that nobody collects here

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"
ABSENT = object()  # the value of AWS::NoValue


class _NoManagedPolicies:
    """The template names policies by ARN only, so the translator has nothing to look up."""

    def load(self):
        return {}


def parse(text):
    return yaml_parse(text)


def section(text, name):
    """The span of a resource, parameter or top-level section: from its line to the next of the same depth."""
    start = re.search(rf"^( ?|  ){name}:", text, re.MULTILINE)
    indent = start[1]
    end = re.compile(rf"^{indent}[A-Za-z]", re.MULTILINE).search(text, start.end())
    return start.start(), end.start() if end else len(text)


def plant(text, where, old, new):
    """The template with a change in one section, for mutants and rehearsals."""
    start, end = section(text, where)
    block = text[start:end]
    if old not in block:
        raise ValueError(f"{where} has no {old!r}: bring the change up to date")
    return text[:start] + block.replace(old, new, 1) + text[end:]


def translate(source, parameters):
    """Plain CloudFormation from a parsed SAM template. Raises ValueError with the translator's reasons."""
    source = copy.deepcopy(source)
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            # what `sam package` writes in place of the folder; the name is kept for `rehearse`
            resource["Properties"]["CodeUri"] = f"s3://artifacts/{folder(resource)}.zip"
    try:
        return transform(source, dict(parameters), _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise ValueError("; ".join(cause.message for cause in error.causes)) from error


def folder(function):
    """The folder name of a SAM function: `login` for `CodeUri: ../target/lambda/login/`."""
    uri = function["Properties"].get("CodeUri", "")
    match = re.fullmatch(r"\.\./target/lambda/([a-z]+(?:-[a-z]+)*)/", uri)
    if not match:
        raise ValueError(f"CodeUri {uri!r} is not ../target/lambda/<function>/")
    return match[1]


def defaults(source):
    return {name: str(p["Default"]) for name, p in source["Parameters"].items() if "Default" in p}


class Stack:
    """A deployed stack, as far as the template alone can tell."""

    def __init__(self, source, **parameters):
        self.source = source
        self.parameters = {**defaults(source), **parameters}
        missing = set(source["Parameters"]) - set(self.parameters)
        if missing:
            raise ValueError(f"parameters without a value: {sorted(missing)}")
        self.template = translate(source, self.parameters)
        self._conditions = self.template.get("Conditions", {})
        self.resources = {
            name: {**resource, "Properties": self._resolve(resource.get("Properties", {}))}
            for name, resource in self.template["Resources"].items()
            if self._holds(resource.get("Condition"))
        }
        self.outputs = self._resolve(self.template.get("Outputs", {}))
        # endpoint and job names by logical id, those of this stage only
        self.folders = {
            name: folder(resource)
            for name, resource in source["Resources"].items()
            if resource["Type"] == "AWS::Serverless::Function" and name in self.resources
        }

    def of(self, kind, optional=False):
        """Properties of all resources of a type by logical id. None at all is a fault: a rule would pass unexamined."""
        found = {n: r["Properties"] for n, r in self.resources.items() if r["Type"] == kind}
        if not found and not optional:
            raise LookupError(f"the stack has no {kind}")
        return found

    def one(self, kind):
        found = self.of(kind)
        if len(found) != 1:
            raise LookupError(f"expected one {kind}, found {sorted(found)}")
        return next(iter(found.items()))

    def depends_on(self, name):
        needs = self.resources[name].get("DependsOn", [])
        return {needs} if isinstance(needs, str) else set(needs)

    def _holds(self, condition):
        return condition is None or self._test(self._conditions[condition])

    def _test(self, expression):
        if isinstance(expression, str):
            return self._holds(expression)
        [(operator, value)] = expression.items()
        if operator == "Condition":
            return self._holds(value)
        if operator == "Fn::Equals":
            left, right = (self._resolve(v) for v in value)
            return str(left) == str(right)
        if operator == "Fn::Not":
            return not self._test(value[0])
        if operator == "Fn::And":
            return all(map(self._test, value))
        if operator == "Fn::Or":
            return any(map(self._test, value))
        raise ValueError(f"unknown condition {operator}")

    def _resolve(self, value):
        if isinstance(value, list):
            return [v for v in map(self._resolve, value) if v is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(key, argument)] = value.items()
            if key == "Ref":
                if argument == "AWS::NoValue":
                    return ABSENT
                return self.parameters.get(argument, f"${{{argument}}}")
            if key == "Fn::GetAtt":
                parts = argument if isinstance(argument, list) else argument.split(".", 1)
                return "${" + ".".join(parts) + "}"
            if key.startswith("Fn::"):
                return getattr(self, "_" + key[4:].lower())(argument)
        resolved = {k: self._resolve(v) for k, v in value.items()}
        return {k: v for k, v in resolved.items() if v is not ABSENT}

    def _if(self, argument):
        condition, yes, no = argument
        return self._resolve(yes if self._holds(condition) else no)

    def _sub(self, argument):
        text, names = argument if isinstance(argument, list) else (argument, {})
        names = {**self.parameters, **{k: self._resolve(v) for k, v in names.items()}}
        return re.sub(r"\$\{(\w+)\}", lambda m: str(names.get(m[1], m[0])), text)

    def _join(self, argument):
        separator, parts = argument
        parts = self._resolve(parts)
        return f"{parts}.join('{separator}')" if isinstance(parts, str) else separator.join(map(str, parts))

    def _split(self, argument):
        separator, text = argument
        text = self._resolve(text)
        # a text that only the deployment knows stays whole; `_select` names the part
        return f"{text}.split('{separator}')" if "${" in text else text.split(separator)

    def _select(self, argument):
        index, parts = int(argument[0]), self._resolve(argument[1])
        return f"{parts}[{index}]" if isinstance(parts, str) else parts[index]

    def _getazs(self, _):
        return ["zone-a", "zone-b", "zone-c"]
