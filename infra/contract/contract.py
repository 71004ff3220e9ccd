#!/usr/bin/env python3
"""Holds a running API against functions/openapi.yaml with Schemathesis: as somebody with tokens, and as anybody.

    contract.py           `make contract`: EXAMPLES=2000 requests an operation, and as many sequences along the links
    contract.py --quick   `make contract-quick`: 10 of each, always the same

The examples of the contract are sent as they are, so what they are about has to be there: it is made here, and its ids
take the place of the examples' in the contract and the settings.
"""
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
API = os.environ["API_URL"]
CONTRACT = (ROOT / "functions" / "docs" / "openapi.json").read_text()
PATHS = json.loads(CONTRACT)["paths"]
# The survey of the examples, its questions, a response to it, and where the next page of its responses begins.
EXAMPLES = ["01a20ce4-f020-70c6-a6a3-a4506513270e", "01a20ce4-f021-7893-923f-0824128b2f33",
            "01a20ce4-f021-7951-9d9d-c9f81818e811", "01a20ce4-f021-79d2-a8e2-5d940ed90475",
            "01a20d1a-f440-711d-ab0d-549b6f03675a", "AaIM5PAgcMamo6RQZRMnDgGiDRr0QHEdqw1Um28DZ1o"]


def about(ids, text):
    for example, real in zip(EXAMPLES, ids):
        text = text.replace(example, real)
    return text


def send(method, path, ids=(), token=None, query="", **changes):
    """Send the example of an operation."""
    body = PATHS[path][method].get("requestBody")
    body = body and about(ids, json.dumps(body["content"]["application/json"]["example"] | changes)).encode()
    url = API + path.replace("{idSurvey}", ids[0] if ids else "").replace("{idResponse}", ids[-1] if ids else "") + query
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method.upper())) as response:
        return json.load(response)


def things(token):
    """What the examples are about, in the order of EXAMPLES."""
    survey = send("post", "/surveys", token=token)["id"]
    questions = send("get", "/surveys/{idSurvey}/questions", [survey])["questions"]
    ids = [survey, *(question["id"] for question in questions), str(uuid.uuid4())]
    send("put", "/surveys/{idSurvey}/responses/{idResponse}", ids)
    send("post", "/surveys/{idSurvey}/responses", ids)
    return [*ids, send("get", "/surveys/{idSurvey}/responses", ids, token, "?limit=1")["next"]]


def peer(name):
    """How somebody logs in, in the format of Web Fuzzing Commons."""
    login = {"endpoint": "/login", "verb": "POST", "contentType": "application/json",
             "payloadRaw": json.dumps({"username": name, "password": "correct horse"}),
             "token": {"extractFrom": "body", "extractSelector": "/access_token", "sendIn": "header",
                       "sendName": "Authorization", "sendTemplate": "Bearer {token}"}}
    return {"name": name, "loginEndpointAuth": login}


def main(folder, quick):
    token = send("post", "/register")["access_token"]
    send("post", "/register", username="bob", email="bob@example.com")
    ids, victims = things(token), things(token)
    folder = Path(folder)
    (folder / "openapi.json").write_text(about(ids, CONTRACT))
    (folder / "hooks.py").write_text((HERE / "hooks.py").read_text())
    (folder / "peers.json").write_text(json.dumps({"auth": [peer("ada"), peer("bob")]}))
    settings = about(ids, (HERE / "schemathesis.toml").read_text())
    amount = ["--max-examples", "10", "--seed", "1"] if quick else ["--max-examples", os.environ.get("EXAMPLES") or "2000"]
    failed = False

    def run(what, more, *arguments):
        nonlocal failed
        print(f"\n{what}", flush=True)
        (folder / "schemathesis.toml").write_text(settings + more)
        command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", API, *amount, *arguments]
        env = os.environ | {"VICTIMS": json.dumps(dict(zip(ids, victims)))}
        failed |= subprocess.run(command, cwd=folder, env=env).returncode != 0

    tokens = (HERE / "tokens.toml").read_text()
    run("With tokens:", tokens, "--exclude-operation-id", "deleteUsers")
    phases = ["--phases", "examples,fuzzing,stateful"] if quick else []
    run("Without:", "", "--exclude-operation-id", "deleteUsers", *phases)
    if not quick:  # it takes many requests until there is something to be shown
        both = '[auth.wfc]\npath = "peers.json"\npeers = ["ada", "bob"]\n'
        run("What one user is shown of another's:", both, "--phases", "stateful", "--checks", "object_level_authorization",
            "--exclude-tag", "Operation", "--exclude-tag", "Accounts")
    # Last, since everybody else is gone then.
    run("Deleting all users:", tokens, "--include-operation-id", "deleteUsers", "--phases", "coverage,fuzzing")
    return failed


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(temporary, "--quick" in sys.argv[1:]))
