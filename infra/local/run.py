#!/usr/bin/env python3
"""The whole API on this machine: PostgreSQL, the schema, all functions, and a gateway with the workspace's routes.

    run.py               `make run`: until Ctrl-C, on http://localhost:9000 (PORT=… to change), data kept in .local;
                         changed code is built and loaded as it is saved
    run.py exec -- CMD…  `make e2e`: on a throwaway database and a free port, for as long as CMD runs, which gets API_URL,
                         DATABASE_URL, TEST_DATABASE_URL and JWT_SECRET_KEY; returns CMD's exit code
"""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import postgres
from postgres import ROOT

LOCAL = ROOT / ".local"
SOURCES = "functions", "shared", "migrations"
PATIENCE = 30  # seconds, for the gateway to listen


def say(text):
    print(text, flush=True)


def cargo(*arguments, **env):
    """Run cargo; what it printed on stdout, or None if it failed. Told to stop, we end its compilers with it."""
    process = subprocess.Popen(["cargo", *arguments], cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE, text=True,
                               start_new_session=True, preexec_fn=postgres.end_with_us)
    try:
        output = process.communicate()[0]
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    return output if process.returncode == 0 else None


def build():
    """Build everything; the binary of each function that has a route, or None."""
    say("Building all functions (the first time takes a few minutes) …")
    messages = cargo("build", "--workspace", "--bins", "--message-format=json-render-diagnostics")
    workspace = cargo("metadata", "--no-deps", "--format-version=1")
    if messages is None or workspace is None:
        return None
    binaries = {m["target"]["name"]: m["executable"] for m in map(json.loads, messages.splitlines()) if m.get("executable")}
    router = json.loads(workspace)["metadata"]["lambda"]["watch"]["router"]
    return {route["function"]: binaries[route["function"]] for routes in router.values() for route in routes}


def migrate(url):
    say("Migrating the database …")
    told = cargo("run", "--quiet", "-p", "shared", "--features", "migrations", "--example", "migrate", DATABASE_URL=url)
    return told is not None


def stamp(file):
    state = os.stat(file)
    return state.st_ino, state.st_mtime_ns


class Api:
    """`cargo lambda watch` as API Gateway and Lambda's runtime interface, and a process for each function.

    It would start the functions too, but (version 1.9.2) with one cargo for each process, at its first request and at
    every change; what ends stays dead, and requests for it wait for ever; and each process costs an inotify instance with
    a watch on every directory below, target/ and .venv/ included, which uses up the limits of a usual Linux. Started
    here, the functions are up before the first request, are started again when they end, and end with us.
    """

    def __init__(self, binaries, port, url, key, output=None):
        self.binaries, self.port, self.output, self.gateway, self.running = binaries, port, output, None, {}
        # One process takes several requests at once, as on Lambda Managed Instances.
        self.env = {"DATABASE_URL": url, "JWT_SECRET_KEY": key, "STAGE": "dev", "AWS_LAMBDA_FUNCTION_VERSION": "1",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4096", "AWS_LAMBDA_MAX_CONCURRENCY": os.environ.get("CONCURRENCY") or "4"}

    @contextmanager
    def up(self):
        say("Starting the API …")
        try:
            self.start()
            yield self
        finally:
            postgres.on_signals(signal.SIG_IGN)
            self.stop()

    def start(self):
        tool = os.path.join(sysconfig.get_path("scripts"), "cargo-lambda")
        # Only warnings: the rest tells us how to start functions. No --timeout: it would end their wait for work as well.
        self.gateway = self.spawn([tool, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(self.port)], RUST_LOG="warn")
        deadline = time.monotonic() + PATIENCE
        while not listening("127.0.0.1", self.port):
            if self.gateway.poll() is not None or time.monotonic() > deadline:
                sys.exit("cargo lambda watch did not start")
            time.sleep(0.02)
        for name in [*self.binaries, "_"]:
            self.start_function(name)

    def spawn(self, command, **env):
        # In a session of its own: the terminal's Ctrl-C is for us alone, who end the rest in order.
        return subprocess.Popen(command, env=os.environ | env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self.output,
                                stderr=self.output, start_new_session=True, preexec_fn=postgres.end_with_us)

    def start_function(self, name):
        command = [self.binaries[name]] if name != "_" else [sys.executable, str(Path(__file__).with_name("not_found.py"))]
        api = f"http://127.0.0.1:{self.port}/.rt/{name}"
        process = self.spawn(command, **self.env, AWS_LAMBDA_FUNCTION_NAME=name, AWS_LAMBDA_RUNTIME_API=api)
        self.running[name] = process, stamp(command[0]), time.monotonic()

    def restart_changed(self):
        for name, (process, built, _) in list(self.running.items()):
            if name != "_" and built != stamp(self.binaries[name]):
                end(process)
                self.start_function(name)

    def revive(self):
        """Start again what has ended; what ends at once, every five seconds."""
        if self.gateway.poll() is not None:
            sys.exit("cargo lambda watch has ended")
        for name, (process, _, started) in list(self.running.items()):
            if process.poll() is not None and time.monotonic() > started + 5:
                say(f"{name} ended with exit code {process.returncode}; starting it again …")
                self.start_function(name)

    def health(self):
        """The status of GET /health, or None."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None

    def stop(self):
        end(*(process for process, _, _ in self.running.values()))
        end(*filter(None, [self.gateway]))  # last: without it, the functions complain
        self.running.clear()


def end(*processes):
    """End processes, by force those that don't within a few seconds."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + 5
    for process in processes:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listening(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def chosen_port():
    port = os.environ.get("PORT") or "9000"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        sys.exit(f"PORT={port} is not a port number (1 to 65535)")
    if listening("127.0.0.1", port) or listening("::1", port):
        sys.exit(f"Port {port} is in use on this machine; choose another: make run PORT={int(port) % 65535 + 1}")
    return int(port)


def kept_key():
    """The key that signs tokens: made once, so that they outlive a restart."""
    if os.environ.get("JWT_SECRET_KEY"):
        return os.environ["JWT_SECRET_KEY"]
    LOCAL.mkdir(exist_ok=True)
    kept = LOCAL / "jwt-secret"
    with tempfile.NamedTemporaryFile("w", dir=LOCAL) as new:  # mode 0600
        new.write(secrets.token_urlsafe(48))
        new.flush()
        try:
            os.link(new.name, kept)
        except FileExistsError:
            pass
    return kept.read_text().strip()


def sources():
    """When each source file was last changed."""
    files = [path for top in SOURCES for path in (ROOT / top).rglob("*") if path.suffix in (".rs", ".sql", ".toml", ".json")]
    return {path: path.stat().st_mtime_ns for path in [*files, ROOT / "Cargo.toml", ROOT / "Cargo.lock"] if path.exists()}


def serve():
    port, key, built = chosen_port(), kept_key(), sources()
    binaries = build()
    if binaries is None:
        sys.exit("The build failed")
    say("Connecting to DATABASE_URL …" if os.environ.get("DATABASE_URL") else "Starting PostgreSQL …")
    with postgres.persistent() as url:
        if not migrate(url):
            sys.exit("The migration failed")
        with Api(binaries, port, url, key).up() as api:
            if api.health() != 200:
                say("GET /health does not answer 200; the lines above may tell why.")
            say(f"The API is at http://localhost:{port}, and follows the code as you save it. Ctrl-C stops all of it.\n"
                f"Try: curl http://localhost:{port}/health")
            follow(api, built, url)


def follow(api, built, url):
    """Keep the functions running, and as new as the code."""
    last = built
    while True:
        time.sleep(0.5)
        api.revive()
        now = sources()
        if now == last != built:  # changed, and then at rest: the editor, or git, is done
            changed, built = {path for path, _ in now.items() ^ built.items()}, now
            binaries = build()
            if binaries is None or any(path.suffix == ".sql" for path in changed) and not migrate(url):
                say("That failed; the functions go on as they were.")
            elif ROOT / "Cargo.toml" in changed:  # perhaps the routes, which the gateway reads only once
                api.stop()
                api.binaries = binaries
                api.start()
            else:
                api.restart_changed()
                say("Up to date.")
        last = now


def execute(command):
    binaries, log, key = build(), LOCAL / "exec.log", secrets.token_urlsafe(48)
    if binaries is None:
        sys.exit("The build failed")
    with postgres.throwaway() as url:
        if not migrate(url):
            sys.exit("The migration failed")
        LOCAL.mkdir(exist_ok=True)
        with open(log, "w") as output, Api(binaries, free_port(), url, key, output).up() as api:
            api.health()  # answered as soon as the functions are up
            code = postgres.run(command, API_URL=f"http://127.0.0.1:{api.port}", DATABASE_URL=url, TEST_DATABASE_URL=url,
                                JWT_SECRET_KEY=key)
    if code:
        say("\n".join([f"--- the last lines of {log.relative_to(ROOT)}:", *log.read_text().splitlines()[-50:]]))
    return code


if __name__ == "__main__":
    if len(sys.argv) == 1:
        postgres.on_signals(lambda *_: sys.exit(0))  # Ctrl-C is how it is meant to end
        serve()
    elif sys.argv[1:3] == ["exec", "--"] and sys.argv[3:]:
        postgres.on_signals(postgres.leave)
        sys.exit(execute(sys.argv[3:]))
    else:
        sys.exit(__doc__)
