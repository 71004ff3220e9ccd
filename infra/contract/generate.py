#!/usr/bin/env python3
"""Writes what follows from functions/openapi.yaml, where the routes and what each needs are written once: `make generate`.

    Cargo.toml                   the router of `make run`
    infra/template.yaml          the functions of the endpoints, throttles and CORS
    ARCHITECTURE.md              the table of the endpoints
    functions/docs/openapi.json  the document itself, as it is served and as the tests read it

In the first three, what stands between a line with `begin …: derived from functions/openapi.yaml` and its `end …`.
With --check (`make generate-check`) nothing is written: it shows what would change, and fails if anything would. Both
also compare the header comment of each function's main.rs, which is written by hand.

Of an operation they read x-function (its folder in functions/), x-keys (whether that signs or verifies tokens),
x-database (false: it needs none), x-hashes-passwords, x-stage (the only stage that has it), x-throttle and security; of
the document x-throttle and x-cors.
"""
import difflib
import json
import re
import sys
import textwrap
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "functions/openapi.yaml"
METHODS = ["get", "post", "put", "patch", "delete"]
JOBS = {"migrate", "purge"}  # functions without a route


class Loader(yaml.SafeLoader):
    """YAML 1.2, as OpenAPI wants it: to PyYAML `no` is a flag, 12:30 a number and 2030-01-31 a date."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9]\d*)", "-0123456789"),
    ("float", r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", "-0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first))


# ---------------------------------------------------------------------------------------------------- the contract


class Operation:
    def __init__(self, document, path, method, item):
        self.path, self.method, self.route = path, method.upper(), f"{method.upper()} {path}"
        for key, kind in (("x-function", str), ("x-keys", bool), ("operationId", str), ("summary", str)):
            if not isinstance(item.get(key), kind):
                sys.exit(f"{CONTRACT}: {self.route} lacks {key}")
        self.function, self.id, self.summary = item["x-function"], item["operationId"], item["summary"]
        self.throttle, self.deprecated = item.get("x-throttle"), item.get("deprecated", False)
        self.hashes = item.get("x-hashes-passwords", False)
        self.security = item.get("security", document.get("security", []))
        self.schemes = {scheme for choice in self.security for scheme in choice}
        # what a function is given, which its operations share
        self.needs = {"x-keys": item["x-keys"], "x-database": item.get("x-database", True), "x-stage": item.get("x-stage")}


def functions(operations):
    """{folder: its operations}, in the order of the document. Each is a crate, and each crate but the jobs is one of them."""
    found = {}
    for operation in operations:
        found.setdefault(operation.function, []).append(operation)
    crates = {manifest.parent.name for manifest in (ROOT / "functions").glob("*/Cargo.toml")}
    for name, own in found.items():
        if name not in crates:
            sys.exit(f"{CONTRACT}: {own[0].route} names functions/{name}, which is no crate")
        for one in own:
            for key, value in one.needs.items():
                if value != own[0].needs[key]:
                    sys.exit(f"{CONTRACT}: {own[0].route} and {one.route} are functions/{name} both, but differ in {key}")
    for name in sorted(crates - found.keys() - JOBS):
        sys.exit(f"{CONTRACT}: no operation names functions/{name}")
    return found


# ---------------------------------------------------------------------------------------------------- what follows


def router(operations):
    """The gateway of `cargo lambda watch`, in Cargo.toml."""
    paths = {}
    for one in operations:
        paths.setdefault(one.path, []).append(f'{{ method = "{one.method}", function = "{one.function}" }}')
    yield "[workspace.metadata.lambda.watch.router]"
    for path, routes in paths.items():
        line = f'"{path}" = [{", ".join(routes)}]'
        yield from [line] if len(line) <= 110 else [f'"{path}" = [', *(f"    {route}," for route in routes), "]"]


def limits(throttle):
    return f"{{ ThrottlingRateLimit: {throttle['rate']}, ThrottlingBurstLimit: {throttle['burst']} }}"


def names(key, values, indent):
    """A list in a line, or in several."""
    return textwrap.wrap(f"{key}: [{', '.join(values)}]", 110 - len(indent), subsequent_indent="  ")


def settings(document, operations):
    """CORS and throttles, in the properties of the template's Api."""
    cors, used = document["x-cors"], {one.method for one in operations}
    yield "CorsConfiguration: !If"
    yield "  - HasCorsOrigins"
    yield '  - AllowOrigins: !Split [",", !Ref CorsOrigins]'
    for key, values in (("AllowMethods", [m.upper() for m in METHODS if m.upper() in used]),
                        ("AllowHeaders", cors["allowHeaders"]), ("ExposeHeaders", cors["exposeHeaders"])):
        yield from (f"    {line}" for line in names(key, values, " " * 10))
    yield f"    MaxAge: {cors['maxAge']}"
    yield "  - !Ref AWS::NoValue"
    yield f"DefaultRouteSettings: {limits(document['x-throttle'])}"
    yield "RouteSettings:"
    yield from (f'  "{one.route}": {limits(one.throttle)}' for one in operations if one.throttle)


def pascal(text):
    return "".join(word[:1].upper() + word[1:] for word in text.split("-"))


def resource(name, operations):
    """The function of an endpoint, among the template's resources."""
    keys, database, stage = operations[0].needs.values()
    groups, policies, variables = [], [], {}
    if database:
        groups, policies = ["DatabaseClients"], ["ConnectAsApp"]
    else:
        variables |= dict.fromkeys(["DATABASE_AUTH", "DATABASE_URL"], "!Ref AWS::NoValue")
    if keys:
        groups, policies = [*groups, "KeyReaders"], [*policies, "ReadJwtKeys"]
        variables |= {"JWT_KEYS_URL": '!Sub "s3://${JwtKeys}/jwt-keys.json"', "JWT_KEY_SET": "!Ref JwtKeySet"}
    if any("debuggingKey" in one.schemes for one in operations):
        variables["DEBUGGING_KEY"] = "!Ref DebuggingKey"

    def refs(ids):
        return "[" + ", ".join(f"!Ref {id}" for id in ids) + "]"

    yield f"{pascal(name)}: # {'; '.join(one.summary for one in operations if not one.deprecated)}"
    yield "  Type: AWS::Serverless::Function"
    if stage:
        yield f"  Condition: Is{pascal(stage)}"
    yield "  DependsOn: Migration"
    yield "  Properties:"
    yield f"    CodeUri: ../target/lambda/{name}/"
    if any(one.hashes for one in operations):
        yield "    MemorySize: 1769"
    if groups:
        yield f"    VpcConfig: {{ SubnetIds: {refs(['PrivateSubnetA', 'PrivateSubnetB'])}, SecurityGroupIds: {refs(groups)} }}"
        yield f"    Policies: {refs(policies)}"
    if variables:
        yield f"    Environment: {{ Variables: {{ {', '.join(f'{k}: {v}' for k, v in variables.items())} }} }}"
    yield "    Events:"
    for one in operations:
        path = f'"{one.path}"' if "{" in one.path else one.path
        yield f"      {pascal(one.id)}: {{ Type: HttpApi, Properties: {{ ApiId: !Ref Api, Method: {one.method}, Path: {path} }} }}"


def endpoints(folders):
    for number, (name, own) in enumerate(folders.items()):
        yield from [""] * (number > 0)
        yield from resource(name, own)


def table(operations):
    """The endpoints in ARCHITECTURE.md; a path of flaskForms stands beside the one that took its place."""
    def who(one):
        schemes = [re.sub("[A-Z]", lambda m: " " + m[0].lower(), scheme) for choice in one.security for scheme in choice]
        if not schemes:
            return "anyone"
        return " or ".join(schemes) if {} not in one.security else f"anyone (optional: {' or '.join(schemes)})"

    yield "| route | flaskForms' path | what | who | function |"
    yield "|---|---|---|---|---|"
    for one in operations:
        old = [o.path for o in operations if o.deprecated and (o.function, o.method) == (one.function, one.method)]
        if not one.deprecated:
            cells = [f"`{one.route}`", ", ".join(f"`{path}`" for path in old), one.summary, who(one), f"`{one.function}`"]
            yield f"| {' | '.join(cells)} |".replace("|  |", "| |")


def headers(folders):
    """Where the header comment of a main.rs (its first paragraph, up to the colon) names other routes than the contract.
    A method alone belongs to the path before it."""
    for name, own in folders.items():
        source = ROOT / "functions" / name / "src" / "main.rs"
        lines = source.read_text().splitlines() if source.exists() else []
        end = next((i for i, line in enumerate(lines) if not line.startswith("//! ")), len(lines))
        told, path = set(), ""
        for method, its in re.findall(r"`([A-Z]+)(?: (/\S*))?`", " ".join(lines[:end]).partition(":")[0]):
            path = its or path
            told.add(f"{method} {path}")
        routes = {one.route for one in own}
        if told != routes:
            yield f"{source.relative_to(ROOT)}: its header names {sorted(told) or 'no route'}, the contract {sorted(routes)}"


# ---------------------------------------------------------------------------------------------------- writing it


def derived(file, **sections):
    """The text of a file with its derived sections as they should be."""
    text = (ROOT / file).read_text()
    for name, lines in sections.items():
        mark = re.compile(rf"^( *)(\S+ begin {name}: derived from {CONTRACT}.*\n)(?:.*\n)*?( *\S+ end {name}\b)", re.MULTILINE)
        if len(mark.findall(text)) != 1:
            sys.exit(f"{file}: there must be one line `begin {name}: derived from {CONTRACT} …` and then one `end {name}`")
        text = mark.sub(lambda m: m[1] + m[2] + "".join((m[1] + line).rstrip() + "\n" for line in lines) + m[3], text)
    return text


def difference(file, old, new):
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), file, f"{file}, derived", n=1, lineterm=""))


def main():
    try:
        document = yaml.load((ROOT / CONTRACT).read_text(), Loader)
    except yaml.YAMLError as error:
        sys.exit(f"{CONTRACT} is no YAML: {error}")
    operations = [Operation(document, path, method, item[method])
                  for path, item in document["paths"].items() for method in item if method in METHODS]
    folders = functions(operations)
    files = {
        "Cargo.toml": derived("Cargo.toml", router=router(operations)),
        "infra/template.yaml": derived("infra/template.yaml", settings=settings(document, operations),
                                       endpoints=endpoints(folders)),
        "ARCHITECTURE.md": derived("ARCHITECTURE.md", endpoints=table(operations)),
        "functions/docs/openapi.json":
            json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n",
    }
    check, failed = "--check" in sys.argv[1:], False
    for file, text in files.items():
        old = (ROOT / file).read_text() if (ROOT / file).exists() else ""
        if text == old:
            continue
        print(difference(file, old, text) if check else f"{file} is derived anew")
        failed |= check
        if not check:
            (ROOT / file).write_text(text)
    if failed:
        print(f"\nThis does not follow from {CONTRACT}: change that, and `make generate`")
    for finding in headers(folders):
        print(finding)
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
