#!/usr/bin/env python3
"""The whole API on this machine: PostgreSQL, the schema, all functions, and a gateway with the workspace's routes.

    run.py               `make run`: until Ctrl-C, on http://localhost:9000 (PORT=… to change), data kept in .local;
                         changed code is built and loaded as it is saved
    run.py exec -- CMD…  `make e2e`: on a throwaway database and a free port, for as long as CMD runs, which gets API_URL,
                         DATABASE_URL, TEST_DATABASE_URL, JWT_SECRET_KEY, DEBUGGING_KEY and CORS_ORIGINS; returns CMD's
                         exit code
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import postgres
import processes
from api import Api, listening
from postgres import ROOT

LOCAL = ROOT / ".local"


def say(text):
    print(text, flush=True)


def cargo(*arguments, **env):
    """Run cargo; what it printed on stdout. Where it fails it has said why, and None comes back."""
    process = processes.background(["cargo", *arguments], cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE, text=True)
    try:
        output = process.communicate()[0]
    except SystemExit:  # told to stop; its compilers too
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        raise
    return output if process.returncode == 0 else None


def build():
    """Build every function; the binaries of those that have a route, or None."""
    messages = cargo("build", "--workspace", "--bins", "--message-format=json-render-diagnostics")
    workspace = cargo("metadata", "--no-deps", "--format-version=1")
    if messages is None or workspace is None:
        return None
    binaries = {m["target"]["name"]: m["executable"] for m in map(json.loads, messages.splitlines()) if m.get("executable")}
    router = json.loads(workspace)["metadata"]["lambda"]["watch"]["router"]
    return {route["function"]: binaries[route["function"]] for routes in router.values() for route in routes}


def migrate(url):
    """Bring the database to the newest schema; whether that worked."""
    say("Migrating the database …")
    output = cargo("run", "--quiet", "-p", "shared", "--features", "migrations", "--example", "migrate", DATABASE_URL=url)
    if output:
        say(output.rstrip())
    return output is not None


def chosen_port():
    port = os.environ.get("PORT") or "9000"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        sys.exit(f"PORT={port} is not a port number (1 to 65535)")
    if listening("127.0.0.1", port) or listening("::1", port):
        sys.exit(f"Port {port} is in use on this machine; choose another: make run PORT={int(port) % 65535 + 1}")
    return int(port)


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def kept_key(variable, name):
    """The key of an environment variable, or one made once and kept, so that what it opens outlives a restart."""
    if os.environ.get(variable):
        return os.environ[variable]
    LOCAL.mkdir(exist_ok=True)
    kept = LOCAL / name
    with tempfile.NamedTemporaryFile("w", dir=LOCAL) as new:  # of mode 0600
        new.write(secrets.token_urlsafe(48))
        new.flush()
        with suppress(FileExistsError):
            os.link(new.name, kept)  # complete, and never over another
    return kept.read_text().strip()


def sources():
    """When each source file was last changed."""
    folders = [(ROOT, [], ["Cargo.toml", "Cargo.lock"])]
    for top in "functions", "shared", "migrations":
        folders += os.walk(ROOT / top)
    found = {}
    for path in (Path(folder, name) for folder, _, names in folders for name in names):
        with suppress(FileNotFoundError):  # an editor's temporary file
            if path.suffix in (".rs", ".sql", ".toml", ".lock", ".json", ".pem", ".html", ".js", ".css", ".gz"):
                found[path] = path.stat().st_mtime_ns
    return found


def serve():
    """`make run`."""
    port, built = chosen_port(), sources()
    keys = {"JWT_SECRET_KEY": kept_key("JWT_SECRET_KEY", "jwt-secret"),
            "DEBUGGING_KEY": kept_key("DEBUGGING_KEY", "debugging-key")}
    say("Building all functions (the first time takes a few minutes) …")
    binaries = build()
    if binaries is None:
        sys.exit("The build failed")
    say("Using the database of DATABASE_URL …" if os.environ.get("DATABASE_URL") else "Starting PostgreSQL …")
    with postgres.persistent() as url:
        if not migrate(url):
            sys.exit("The migration failed")
        say("Starting the API …")
        with Api(ROOT, binaries, port, DATABASE_URL=url, **keys).up() as api:
            if not api.healthy():
                say("GET /health does not answer 200; the lines above may tell why")
            say(f"The API is at http://localhost:{port} and follows the code as you save it. Ctrl-C stops all of it.\n"
                f"Try: curl http://localhost:{port}/health, or http://localhost:{port}/docs in a browser")
            follow(api, built, url)


def follow(api, built, url):
    """Keep the functions running, and as new as the code."""
    last = built
    while True:
        time.sleep(0.5)
        api.revive()
        now = sources()
        if now == last != built:  # changed, and now at rest: the editor, or git, is done
            changed = {path for path, _ in now.items() ^ built.items()}
            built = now
            say("Building what has changed …")
            binaries = build()
            if binaries is None or any(path.suffix == ".sql" for path in changed) and not migrate(url):
                say("That failed; the functions go on as they were")
                continue
            api.binaries = binaries
            # perhaps the routes, which the gateway reads but once, or what pages of other origins may do
            if changed & {ROOT / "Cargo.toml", ROOT / "functions" / "docs" / "openapi.json"}:
                api.stop()
                api.start()
            else:
                api.restart_changed()
            say("The API is up to date")
        last = now


def execute(command):
    """`make e2e`."""
    log = LOCAL / "exec.log"
    keys = {"JWT_SECRET_KEY": secrets.token_urlsafe(48), "DEBUGGING_KEY": secrets.token_urlsafe(48)}
    say("Building all functions …")
    binaries = build()
    if binaries is None:
        sys.exit("The build failed")
    with postgres.throwaway() as url:
        if not migrate(url):
            sys.exit("The migration failed")
        LOCAL.mkdir(exist_ok=True)
        with open(log, "w") as output:
            with Api(ROOT, binaries, free_port(), output, DATABASE_URL=url, **keys).up() as api:
                api.healthy()  # if not, CMD will say so better
                code = processes.run(command, API_URL=f"http://127.0.0.1:{api.port}", DATABASE_URL=url, TEST_DATABASE_URL=url,
                                     CORS_ORIGINS=api.cors["CORS_ORIGINS"], **keys)
    if code:
        say("\n".join([f"--- the last lines of {log.relative_to(ROOT)}:", *log.read_text(errors="replace").splitlines()[-50:]]))
    return code


if __name__ == "__main__":
    if len(sys.argv) == 1:
        processes.on_signals(lambda *_: sys.exit(0))  # Ctrl-C is how it is meant to end
        serve()
    elif sys.argv[1:3] == ["exec", "--"] and sys.argv[3:]:
        processes.on_signals(processes.leave)
        sys.exit(execute(sys.argv[3:]))
    else:
        sys.exit(__doc__)
