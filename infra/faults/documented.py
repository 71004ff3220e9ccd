"""Whether an answer is one that the contract documents for its operation."""

import json


class Contract:
    def __init__(self, root):
        self.document = json.loads((root / "functions" / "docs" / "openapi.json").read_text())

    def resolve(self, node):
        while "$ref" in node:
            name = node["$ref"].removeprefix("#/").split("/")
            node = self.document
            for part in name:
                node = node[part]
        return node

    def codes(self, schema):
        """The codes that a schema of a problem allows."""
        schema = self.resolve(schema)
        found = set(self.resolve(schema.get("properties", {}).get("code", {})).get("enum", []))
        if "allOf" in schema:
            found = set.intersection(*filter(None, map(self.codes, schema["allOf"])))
        return found

    def complaint(self, method, route, answer):
        """What is wrong with an answer, or None. 500 is documented as well, as a fault of ours; no fault here is ours."""
        status, shown = answer["statusCode"], f"{method} {route} answered {answer['statusCode']} {answer.get('body')}"
        documented = self.document["paths"][route][method.lower()]["responses"]
        if status == 500 or str(status) not in documented:
            return shown
        if status < 400:
            return None
        content = self.resolve(documented[str(status)]).get("content", {}).get("application/problem+json")
        if not content or json.loads(answer["body"]).get("code") not in self.codes(content["schema"]):
            return shown
        if status == 503 and "retry-after" not in {name.lower() for name in answer.get("headers", {})}:
            return f"{shown} without Retry-After"
        return None
