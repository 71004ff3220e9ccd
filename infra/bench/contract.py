"""What there is to measure: the operations of functions/openapi.yaml, the functions that serve them, and their binaries."""

import json
import os
import subprocess
import zlib
from pathlib import Path

from runtime import ROOT

OF = Path(os.environ.get("BENCH_OF") or ROOT)  # the checkout that is measured, built; another to compare a release with it
DOCUMENT = json.loads((OF / "functions" / "docs" / "openapi.json").read_text())  # openapi.yaml, read without a library
OPERATIONS = {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items()
              for method, operation in methods.items() if method in ("get", "put", "post", "patch", "delete")}
FUNCTIONS = sorted(path.parent.parent.name for path in (OF / "functions").glob("*/src/main.rs"))


def operation(route):
    """Of a route such as `GET /health`; None where this version doesn't have it."""
    return OPERATIONS.get(tuple(route.split()))


def takes(route, parameter):
    """Whether this version has the operation, and that has the parameter."""
    shared, found = DOCUMENT["components"]["parameters"], operation(route) or {}
    named = [shared.get(each.get("$ref", "").rpartition("/")[2], each)["name"] for each in found.get("parameters", [])]
    return parameter in named


def database(function):
    """Whether the function has a database; those without a route do."""
    return all(each.get("x-database", True) for each in OPERATIONS.values() if each["x-function"] == function)


def hashes(function):
    return any(each.get("x-hashes-passwords") for each in OPERATIONS.values() if each["x-function"] == function)


def binary(function):
    path = OF / "target" / "lambda" / function / "bootstrap"
    return path if path.exists() else exit(f"{path} is missing: make build")


def zipped(function):
    """Megabytes of the package."""
    return len(zlib.compress(binary(function).read_bytes(), 9)) / 1e6


def example(name, url):
    """Run a command of shared/examples on a database; whether it succeeded, and what it said."""
    done = subprocess.run([OF / "target" / "debug" / "examples" / name], capture_output=True, text=True,
                          env=os.environ | {"DATABASE_URL": url})
    return done.returncode == 0, done.stdout + done.stderr
