#!/usr/bin/env python3
"""Measures what the design promises, as ratios of one run on one machine: `make bench`.

A function is driven as Lambda drives it: this program is its Runtime API, hands it one event after another over loopback
and takes the time until the answer is back. Needs the release binaries of `make build`, and runs on the database at
TEST_DATABASE_URL, which infra/local/postgres.py makes.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))
from postgres import program  # noqa: E402 (the path comes first)

URL = os.environ["TEST_DATABASE_URL"]
BARE = ROOT / "target" / "bench" / "release"
SECRET = "a key for measuring, which is long enough"
EVENT = {
    "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": {"host": "localhost"},
    "isBase64Encoded": False,
    "requestContext": {
        "accountId": "0", "apiId": "x", "domainName": "localhost", "domainPrefix": "x", "requestId": "x", "stage": "$default",
        "routeKey": "$default", "time": "01/Jan/2030:00:00:00 +0000", "timeEpoch": 0,
        "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
    },
}


class Function:
    """A running function and the Runtime API that it polls."""

    def __init__(self, binary, **env):
        self.server = socket.create_server(("127.0.0.1", 0))
        port = self.server.getsockname()[1]
        started = time.perf_counter()
        self.process = subprocess.Popen([binary], stdout=subprocess.DEVNULL, env={
            "DATABASE_URL": URL, "JWT_SECRET_KEY": SECRET, "AWS_LAMBDA_LOG_LEVEL": "ERROR",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": Path(binary).parent.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "1", **env,
        })
        self.connection, self.buffer = None, b""
        self.receive()
        self.start = time.perf_counter() - started

    def receive(self):
        """The next request of the function: its head and body."""
        while True:
            if self.connection is None:
                self.connection, self.buffer = self.server.accept()[0], b""
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                length = int(fields.get(b"content-length", 0))
                if b"chunked" in fields.get(b"transfer-encoding", b""):
                    raise RuntimeError("the function streams its answer")
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return head, rest[:length]
            data = self.connection.recv(1 << 20)
            if data:
                self.buffer += data
            else:
                self.connection = None

    def send(self, status, headers=b"", body=b""):
        self.connection.sendall(b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, headers, len(body), body))

    def invoke(self, event):
        """Seconds from handing over the event to the answer, and the answer. The function is polling when it returns."""
        headers = (b"lambda-runtime-aws-request-id: " + str(uuid.uuid4()).encode() + b"\r\n"
                   b"lambda-runtime-deadline-ms: 99999999999999\r\nlambda-runtime-invoked-function-arn: arn:x\r\n"
                   b"content-type: application/json\r\n")
        body = json.dumps(event).encode()
        began = time.perf_counter()
        self.send(b"200 OK", headers, body)
        head, answer = self.receive()
        took = time.perf_counter() - began
        if b"/response" not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"the invocation failed: {answer!r}")
        self.send(b"202 Accepted")
        self.receive()
        return took, json.loads(answer)

    def resident(self):
        """Megabytes of memory that are its own."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.server.close()
        if self.connection:
            self.connection.close()


def event(method="GET", path=None, headers=None, body=None):
    changed = json.loads(json.dumps(EVENT))
    changed["requestContext"]["http"]["method"] = method
    changed["headers"].update(headers or {})
    changed["pathParameters"] = path or {}
    if body is not None:
        changed["body"] = json.dumps(body)
    return changed


def function(name):
    return ROOT / "target" / "lambda" / name / "bootstrap"


def ask(name, *args, **kwargs):
    """One invocation of a function; what it answered."""
    with Function(function(name)) as running:
        answer = running.invoke(event(*args, **kwargs))[1]
    if answer["statusCode"] >= 300:
        sys.exit(f"{name} answered {answer}")
    return json.loads(answer["body"])


def sql(*statements):
    subprocess.run([program("psql"), "-qv", "ON_ERROR_STOP=1", URL],
                   input=";\n".join(statements), text=True, check=True, stdout=subprocess.DEVNULL)


def starts(first, second, times=25):
    """Median seconds to the first poll of two functions, started in turn."""
    taken = ([], [])
    for _ in range(times):
        for binary, list_ in zip((first, second), taken):
            with Function(binary) as running:
                list_.append(running.start)
    return [statistics.median(list_) for list_ in taken]


def warm(first, second, times=2000):
    """Median seconds of an invocation of (binary, event) pairs, called in turn; and the memory of the first."""
    with Function(first[0]) as a, Function(second[0]) as b:
        for _ in range(50):
            a.invoke(first[1]), b.invoke(second[1])
        taken = [(a.invoke(first[1])[0], b.invoke(second[1])[0]) for _ in range(times)]
        return *(statistics.median(column) for column in zip(*taken)), a.resident()


def report(what, measured, against, budget):
    ratio = measured / against
    print(f"{what:58} {measured * 1000:8.2f} ms {against * 1000:8.2f} ms {ratio:6.2f} x  budget {budget}")
    return ratio <= budget


def popular_survey(replies):
    """A survey with a scale and a choice, and so many replies to each; gives its id and an access token of its owner."""
    name = f"bench{replies}"
    user = ask("register", "POST", body={"username": name, "email": f"{name}@example.com", "password": "correct horse"})
    bearer = {"authorization": f"Bearer {user['access_token']}"}
    survey = ask("add-survey", "POST", headers=bearer, body={"name": name, "dueDate": "2099-01-01", "questions": [
        {"content": "How?", "type": "scale"},
        {"content": "What?", "type": "single_choice", "replyContent": ["a", "b", "c"]},
    ]})["id"]
    scale, choice = (q["id"] for q in ask("get-survey-questions", path={"idSurvey": survey})["questions"])
    sql(f"""
        INSERT INTO responses (id, survey_id, single, hash, bytes)
            SELECT uuidv7(), '{survey}', false, sha256(i::text::bytea), 100 FROM generate_series(1, {replies}) i""", f"""
        INSERT INTO replies (id, response_id, question_id, reply, value)
            SELECT uuidv7(), id, '{scale}', to_json(n), n FROM (
                SELECT id, 1 + row_number() OVER () % 5 AS n FROM responses WHERE survey_id = '{survey}') r""", f"""
        INSERT INTO replies (id, response_id, question_id, reply)
            SELECT uuidv7(), id, '{choice}', to_json(chr(97 + (row_number() OVER () % 3)::int))
            FROM responses WHERE survey_id = '{survey}'""", f"""
        INSERT INTO survey_counters SELECT '{survey}', i % 16, count(*) FROM generate_series(1, {replies}) i GROUP BY 2""", f"""
        INSERT INTO question_counters SELECT question_id, 'answers', '', i % 16, count(*), 0 FROM (
            SELECT question_id, row_number() OVER () AS i FROM replies WHERE question_id IN ('{scale}', '{choice}')) r
            GROUP BY 1, 4""", f"""
        INSERT INTO question_counters SELECT question_id, CASE question_id WHEN '{scale}' THEN 'value' ELSE 'option' END,
            reply #>> '{{}}', i % 16, count(*), 0 FROM (
            SELECT question_id, reply, row_number() OVER () AS i FROM replies WHERE question_id IN ('{scale}', '{choice}')) r
            GROUP BY 1, 3, 4""", "VACUUM ANALYZE replies, responses, question_counters, survey_counters")
    return survey, bearer


def main():
    subprocess.run(["cargo", "run", "--quiet", "-p", "shared", "--features", "migrations", "--example", "migrate"],
                   cwd=ROOT, env=os.environ | {"DATABASE_URL": URL}, check=True)
    print(f"{'':58} {'canvass':>11} {'against':>11}")
    kept = []
    health = function("health")
    measured, bare = starts(health, BARE / "hello")
    kept.append(report("start to first poll, connected; against a bare hello", measured, bare, 3))
    measured, bare, memory = warm((health, EVENT), (BARE / "sql", EVENT))
    kept.append(report("warm invocation; against bare lambda_http + tokio-postgres", measured, bare, 1.3))
    (few, bearer_few), (many, bearer_many) = popular_survey(1_000), popular_survey(1_000_000)
    stats = function("get-survey-stats")
    measured, small, _ = warm((stats, event(path={"idSurvey": many}, headers=bearer_many)),
                              (stats, event(path={"idSurvey": few}, headers=bearer_few)), times=100)
    kept.append(report("results of 1,000,000 responses; against those of 1,000", measured, small, 1.5))
    print(f"resident memory of a warm function: {memory:.1f} MB, budget 16")
    largest = max((ROOT / "target" / "lambda").glob("*/bootstrap"), key=lambda path: path.stat().st_size)
    zipped = len(subprocess.run(["gzip", "-9c", largest], capture_output=True, check=True).stdout) / 1e6
    print(f"largest function, zipped: {zipped:.2f} MB ({largest.parent.name}), budget 3")
    sys.exit(0 if all(kept) and memory <= 16 and zipped <= 3 else 1)


if __name__ == "__main__":
    main()
