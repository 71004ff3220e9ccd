"""Functions driven as Lambda drives them: this program is the Runtime API of each, and hands it one event after another.

    with Function(binary("health"), DATABASE_URL=url, JWT_SECRET_KEY=key) as function:
        seconds, answer = function.invoke(event("GET", "/health"))

One request at a time a process, over loopback, without a gateway between: what is measured is the function, and a fault
hits the one process that it is meant for.
"""

import json
import os
import select
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 29  # seconds, for an answer: what infra/template.yaml gives a function


class Silent(Exception):
    """No answer within the time. What becomes of the request is unknown; Lambda ends such a process."""


class Ended(Exception):
    """The process is gone, or has hung up."""


class Failed(Exception):
    """The function reported a failure to the Runtime API in place of an answer, which ours never do."""


def binary(name, folder=None):
    """The binary of a function: the release in `folder`, or where `make build` puts it; with BINARIES=debug that of `cargo build`."""
    if os.environ.get("BINARIES") == "debug":
        return ROOT / "target" / "debug" / name
    return (folder or ROOT / "target" / "lambda") / name / "bootstrap"


def event(method, route, path=None, headers=None, body=None, query=None):
    """What the gateway hands to a function for a request. `route` has placeholders, and `path` their values."""
    raw = route
    for name, value in (path or {}).items():
        raw = raw.replace("{%s}" % name, value)
    made = {
        "version": "2.0", "routeKey": f"{method} {route}", "rawPath": raw, "rawQueryString": urlencode(query or {}),
        "headers": {"host": "localhost", **(headers or {})}, "pathParameters": path or {},
        "queryStringParameters": {name: str(value) for name, value in (query or {}).items()}, "isBase64Encoded": False,
        "requestContext": {
            "accountId": "0", "apiId": "x", "domainName": "localhost", "domainPrefix": "x", "requestId": str(uuid.uuid4()),
            "stage": "$default", "routeKey": f"{method} {route}", "time": "01/Jan/2030:00:00:00 +0000", "timeEpoch": 0,
            "http": {"method": method, "path": raw, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "driver"},
        },
    }
    if body is not None:
        made["body"] = json.dumps(body)
        made["headers"].setdefault("content-type", "application/json")
    return made


class Function:
    """A running function and the Runtime API that it polls. `start` is the seconds from its start to its first poll."""

    def __init__(self, binary, patience=PATIENCE, output=subprocess.DEVNULL, **env):
        """`output` is where its log goes, and `env` its settings, such as DATABASE_URL and JWT_SECRET_KEY."""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.connection, self.buffer, self.polls = None, b"", False
        started = time.perf_counter()
        # If this program is killed, its Runtime API is gone, and the function ends by itself.
        self.process = subprocess.Popen([binary], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={
            "AWS_LAMBDA_LOG_LEVEL": "ERROR", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.server.getsockname()[1],
            "AWS_LAMBDA_FUNCTION_NAME": Path(binary).parent.name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "1", **env})
        self.pid = self.process.pid
        try:
            self.wait(patience)
        except Exception:
            self.close()
            raise
        self.start = time.perf_counter() - started

    def wait(self, patience=PATIENCE):
        """Wait until it polls for its next event."""
        if not self.polls:
            self.receive(time.monotonic() + patience)
            self.polls = True

    def receive(self, deadline):
        """The next request of the function: its head and body."""
        while True:
            if self.connection is None:
                self.accept(deadline)
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                if b"chunked" in fields.get(b"transfer-encoding", b""):
                    raise RuntimeError("the function streams its answer")
                length = int(fields.get(b"content-length", 0))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return head, rest[:length]
            self.connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.connection.recv(1 << 20)
            except TimeoutError:
                raise Silent from None
            except OSError:  # killed with bytes of ours unread
                data = b""
            if data:
                self.buffer += data
            else:
                self.connection.close()
                self.connection = None

    def accept(self, deadline):
        """Take its next connection. A process that has ended makes none, which nothing but a look at it tells."""
        while not select.select([self.server], [], [], 0.01)[0]:
            if self.process.poll() is not None:
                raise Ended
            if time.monotonic() > deadline:
                raise Silent
        self.connection, self.buffer = self.server.accept()[0], b""
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, status, headers=b"", body=b""):
        try:
            self.connection.sendall(b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, headers, len(body), body))
        except OSError:
            raise Ended from None

    def invoke(self, event, patience=PATIENCE):
        """Seconds from handing over the event to the answer, and the answer. The function polls again when it returns."""
        body = json.dumps(event).encode()
        self.wait(patience)
        headers = b"".join(b"%s: %s\r\n" % (name, str(value).encode()) for name, value in (
            (b"lambda-runtime-aws-request-id", uuid.uuid4()),
            (b"lambda-runtime-deadline-ms", int((time.time() + patience) * 1000)),
            (b"lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:0:function:x"),
            (b"content-type", "application/json")))
        self.polls = False
        began = time.perf_counter()
        self.send(b"200 OK", headers, body)
        head, answer = self.receive(time.monotonic() + patience)
        took = time.perf_counter() - began
        if b"/response" not in head.split(b"\r\n")[0]:
            raise Failed(answer.decode(errors="replace"))
        with suppress(Ended, Silent):  # the answer has come, whatever becomes of the process; the next event will meet that
            self.send(b"202 Accepted")
            self.wait()
        return took, json.loads(answer)

    def freeze(self):
        """Stop it as Lambda does between requests: it runs no more, and knows nothing of it."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        """End it at once, as Lambda ends a sandbox; a request that it works on fails with Ended."""
        self.process.kill()

    def resident(self):
        """Megabytes of memory that are its own."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def close(self):
        self.kill()
        self.process.wait()
        self.server.close()
        if self.connection:
            self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
