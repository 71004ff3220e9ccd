"""The API on a port of this machine: `cargo lambda watch` as gateway, and a process for each function."""

import http.client
import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import closing, contextmanager
from pathlib import Path

from processes import background, end, finish

PATIENCE = 30  # seconds, for the gateway to listen
NO_ROUTE = "_"  # the function that the gateway asks when no route fits
# The origins of the usual servers for frontends, whose pages may call the API; CORS_ORIGINS=… to change, * for all.
ORIGINS = ",".join(f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 5173, 8080))


def listening(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def stamp(file):
    """Which version of a file this is."""
    state = os.stat(file)
    return state.st_ino, state.st_mtime_ns


def cross_origin(root):
    """What the functions need to answer pages of other origins as API Gateway does, with the lists of the contract."""
    document = json.loads((root / "functions" / "docs" / "openapi.json").read_text())
    cors = document["x-cors"]
    methods = {m.upper() for item in document["paths"].values() for m, operation in item.items() if isinstance(operation, dict)}
    return {"CORS_ORIGINS": os.environ.get("CORS_ORIGINS") or ORIGINS, "CORS_EXPOSE_HEADERS": ",".join(cors["exposeHeaders"]),
            "CORS_ALLOW_METHODS": ",".join(sorted(methods)), "CORS_ALLOW_HEADERS": ",".join(cors["allowHeaders"]),
            "CORS_MAX_AGE": str(cors["maxAge"])}


class Api:
    """API Gateway and Lambda's runtime interface by `cargo lambda watch`; Lambda's management of processes by us.

    cargo-lambda 1.9.2 would start the functions too, but with one cargo for each process, at its first request and again
    at every change (cargo-lambda issue 444: requests at once wait for each other's compilation). What has ended stays dead,
    and requests for it wait for ever; and each process costs an inotify instance with a watch on every directory below,
    target/ and .venv/ included, beyond the limits of many a Linux. Started here, functions are up before the first
    request, come back when they end, and end with us. To see whether a newer version needs this: `cargo lambda watch`,
    `curl localhost:9000/health`, kill -9 the process `health`, and curl again.

    Either way its queue for a function holds 100 requests, and with one more waiting it answers nobody any more.
    """

    def __init__(self, root, binaries, port, output=None, **env):
        self.root, self.binaries, self.port, self.output = root, binaries, port, output
        self.gateway, self.functions = None, {}
        # STAGE=dev allows the debugging endpoint, to those who show DEBUGGING_KEY. One process takes several requests at
        # once, as on Lambda Managed Instances.
        self.env = {"STAGE": "dev", "AWS_LAMBDA_MAX_CONCURRENCY": os.environ.get("CONCURRENCY") or "4",
                    "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4096"} | env

    @contextmanager
    def up(self):
        try:
            self.start()
            yield self
        finally:
            finish()
            self.stop()

    def start(self):
        """Start everything. Requests that come before their function is ready wait for it."""
        tool = os.path.join(sysconfig.get_path("scripts"), "cargo-lambda")
        self.cors = cross_origin(self.root)
        # Its information is how to start functions by hand: warnings only. No --timeout: an idle function would meet it
        # too. Its own CORS would let in every origin; here the functions add those headers, which on AWS the gateway does.
        self.gateway = self.spawn([tool, "lambda", "watch", "--only-lambda-apis", "--disable-cors", "--invoke-address",
                                   "127.0.0.1", "--invoke-port", str(self.port)], RUST_LOG="warn")
        deadline = time.monotonic() + PATIENCE
        while not listening("127.0.0.1", self.port):
            if self.gateway.poll() is not None or time.monotonic() > deadline:
                sys.exit("cargo lambda watch did not start")
            time.sleep(0.02)
        for name in [*self.binaries, NO_ROUTE]:
            self.start_function(name)

    def stop(self):
        end(*(process for process, _, _ in self.functions.values()))
        self.functions.clear()
        if self.gateway:
            end(self.gateway)  # last, because functions complain when it is gone

    def spawn(self, command, **env):
        return background(command, cwd=self.root, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=self.output,
                          stderr=self.output)

    def start_function(self, name):
        no_route = [sys.executable, str(Path(__file__).with_name("not_found.py"))]
        command = no_route if name == NO_ROUTE else [self.binaries[name]]
        process = self.spawn(command, **self.env, **self.cors, AWS_LAMBDA_FUNCTION_NAME=name,
                             AWS_LAMBDA_RUNTIME_API=f"http://127.0.0.1:{self.port}/.rt/{name}")
        self.functions[name] = process, stamp(command[-1]), time.monotonic()

    def restart_changed(self):
        """Replace the functions whose binaries have been built anew."""
        for name, (process, version, _) in list(self.functions.items()):
            if version != stamp(process.args[-1]):
                end(process)
                self.start_function(name)

    def revive(self):
        """Start again the functions that have ended; one that ends at once, every five seconds."""
        if self.gateway.poll() is not None:
            sys.exit("cargo lambda watch has ended")
        for name, (process, _, started) in list(self.functions.items()):
            if process.poll() is not None and time.monotonic() > started + 5:
                print(f"{name} ended with exit code {process.returncode}; starting it again …", flush=True)
                self.start_function(name)

    def healthy(self):
        """Whether GET /health answers 200. It waits until the function is up."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as gateway:
                gateway.request("GET", "/health")
                return gateway.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
