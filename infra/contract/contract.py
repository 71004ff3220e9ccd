#!/usr/bin/env python3
"""Holds a running API against functions/openapi.yaml with Schemathesis; `make contract` starts one for it.

The examples of the contract are sent as they are, so what they are about has to be there: this makes it, and puts the ids
that it was given in the place of those of the examples. With --quick it takes a minute or so.
"""
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "target" / "contract"
API = os.environ["API_URL"]
CONTRACT = (ROOT / "functions" / "docs" / "openapi.json").read_text()
PATHS = json.loads(CONTRACT)["paths"]
# The survey, its questions and the response of the examples.
EXAMPLES = ["01a20ce4-f020-70c6-a6a3-a4506513270e", "01a20ce4-f021-7893-923f-0824128b2f33",
            "01a20ce4-f021-7951-9d9d-c9f81818e811", "01a20ce4-f021-79d2-a8e2-5d940ed90475",
            "01a20d1a-f440-711d-ab0d-549b6f03675a"]


def replaced(text, ids):
    for example, real in zip(EXAMPLES, ids):
        text = text.replace(example, real)
    return text


def call(method, path, ids=(), token=None):
    """Send the example of an operation."""
    body = PATHS[path][method].get("requestBody")
    example = json.dumps(body["content"]["application/json"]["example"]) if body else ""
    for name, real in zip(("{idSurvey}", "{idResponse}"), (ids[:1] + ids[-1:])):
        path = path.replace(name, real)
    request = urllib.request.Request(API + path, replaced(example, ids).encode() or None, method=method.upper())
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def things(token):
    """A survey, its questions and a response, in the order of EXAMPLES."""
    survey = call("post", "/surveys", token=token)["id"]
    questions = call("get", "/surveys/{idSurvey}/questions", [survey])["questions"]
    ids = [survey, *(question["id"] for question in questions), str(uuid.uuid4())]
    call("put", "/surveys/{idSurvey}/responses/{idResponse}", ids)
    return ids


def schemathesis(config, *arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", BUILD / config, "run", BUILD / "openapi.json", "--url", API,
         *arguments], cwd=BUILD, env=os.environ | env).returncode


def main():
    token = call("post", "/register")["access_token"]
    ids, victims = things(token), things(token)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "openapi.json").write_text(replaced(CONTRACT, ids))
    (BUILD / "hooks.py").write_text((HERE / "hooks.py").read_text())
    anyone, ada = ((HERE / name).read_text() for name in ("schemathesis.toml", "schemathesis-ada.toml"))
    (BUILD / "anyone.toml").write_text(replaced(anyone, ids))
    (BUILD / "ada.toml").write_text(replaced(anyone + ada, ids))
    env = {"VICTIMS": json.dumps(dict(zip(ids, victims)))}
    failed = False
    for config in ("ada.toml", "anyone.toml"):
        failed |= bool(schemathesis(config, "--exclude-operation-id", "deleteUsers", *sys.argv[1:], **env))
    return failed or schemathesis("ada.toml", "--include-operation-id", "deleteUsers", *sys.argv[1:], **env)


if __name__ == "__main__":
    sys.exit(main())
