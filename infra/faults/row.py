"""A row of the table: clients at work on a survey while something is broken and mended, and what comes of it."""

import json
import random
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clients import QUESTIONS, START, Owner, Reader, Replier, Submitter
from pooler import pgbouncer
from runtime import Function, binary, event
from stage import Proxy, Server
from verdict import PATIENCE, gather, judge

EXAMPLES = Path("target", "debug", "examples")
# As infra/template.yaml and the role of the functions have them.
TIME_LIMITS = {"idle_session_timeout": "120s", "idle_in_transaction_session_timeout": "15s", "statement_timeout": "25s",
               "client_connection_check_interval": "1s"}
CALM = 0.7  # seconds of ordinary work, before a fault and after it
CLIENTS = [Submitter] * 4 + [Replier] * 2 + [Owner, Reader]
KEY = "a key for a database that is thrown away"
OWNER = {"username": "owner", "email": "owner@example.com", "password": "correct horse battery"}
# As an operator should set it: PgBouncer's own settings let a request wait for 120 seconds, and a login that failed for 15.
POOLER = {"pool_size": 4, "server_login_retry": 1, "server_connect_timeout": 5, "query_wait_timeout": 10}


class Stage:
    """A server with the newest schema and a user, a pooler and a proxy before it, and functions that reach it in each way."""

    def __init__(self, checkout, contract, server, pooler, proxy, log):
        self.binaries, self.recount = checkout / "target" / "lambda", checkout / EXAMPLES / "recount"
        self.contract, self.log = contract, log
        self.server, self.pooler, self.proxy = server, pooler, proxy
        self.must(201, "register", "POST", "/register", body=OWNER)

    def function(self, name, through="directly"):
        url, prepare = {"directly": (self.server.url, "on"), "PgBouncer": (self.pooler.url, "off"),
                        "proxy": (self.proxy.url, "on")}[through]
        return Function(binary(name, self.binaries), START, self.log,
                        DATABASE_URL=url, DATABASE_PREPARE=prepare, JWT_SECRET_KEY=KEY)

    def must(self, status, name, *arguments, **keywords):
        """What a function answers if all is well."""
        with self.function(name) as function:
            answer = function.invoke(event(*arguments, **keywords))[1]
        if answer["statusCode"] != status:
            raise RuntimeError(f"{name} answered {answer['statusCode']} {answer['body']}")
        return json.loads(answer["body"])


@contextmanager
def staged(home, data, checkout, contract, log):
    """A stage with its files in `home`, and the database in `data`."""
    with ExitStack() as running:
        server = Server(data)
        running.callback(server.stop)
        server.start()
        server.run(*(f"ALTER DATABASE canvass SET {name} = '{limit}'" for name, limit in TIME_LIMITS.items()))
        subprocess.run([checkout / EXAMPLES / "migrate"], env={"DATABASE_URL": server.url}, check=True,
                       stdout=subprocess.DEVNULL)
        pooler = running.enter_context(pgbouncer(home / "pooler", server.sockets, **POOLER))
        yield Stage(checkout, contract, server, pooler, Proxy(home / "proxy", server), log)


class Row:
    """What the clients and the fault share."""

    def __init__(self, stage, fault, through, seed, quick):
        self.stage, self.fault, self.through, self.quick = stage, fault, through, quick
        self.server, self.pooler, self.proxy, self.contract = stage.server, stage.pooler, stage.proxy, stage.contract
        self.random = random.Random(f"{seed} {fault.title} {through}")
        self.hold = 1.5 if quick else 6  # seconds, for what is to last
        self.patience = fault.patience or (1 if quick else 5)  # seconds, for an answer
        self.give_up = 60  # seconds, after which even a good client does
        self.may_go_on, self.is_over = threading.Event(), False
        self.mended, self.stood_still, self.note, self.complaints = None, None, "", []
        self.token = stage.must(200, "login", "POST", "/login", body=OWNER)["access_token"]
        bearer = {"authorization": f"Bearer {self.token}"}
        survey = {"name": fault.title, "dueDate": "2999-12-31", "questions": QUESTIONS}
        self.survey = stage.must(201, "add-survey", "POST", "/surveys", headers=bearer, body=survey)["id"]
        found = stage.must(200, "get-survey-questions", "GET", "/surveys/{idSurvey}/questions", {"idSurvey": self.survey})
        self.questions = [question["id"] for question in found["questions"]]
        self.clients = [kind(self, number, random.Random(f"{seed} {fault.title} {through} {number}"))
                        for number, kind in enumerate(CLIENTS)]

    def function(self, name):
        return self.stage.function(name, self.through)

    def sent(self):
        """Everything that was sent so far."""
        return [sent for client in self.clients for sent in list(client.sent)]

    def attempts(self):
        return [attempt for client in self.clients for attempt in list(client.attempts)]

    def expect(self, is_so, otherwise):
        """A fault that doesn't come about proves nothing."""
        if not is_so:
            self.complaints.append(otherwise)

    def play(self):
        """Let the clients work, break something, mend it, and go on until everybody is served again."""
        try:
            for client in self.clients:
                client.start()
            self.may_go_on.set()
            time.sleep(CALM)
            self.fault.act(self)
            self.mended = time.monotonic()
            while self.good_again() is None and time.monotonic() < self.mended + max(self.fault.within, PATIENCE):
                time.sleep(0.05)
            time.sleep(CALM)
        except BaseException:
            self.give_up = 0
            for client in self.clients:
                client.close()
            raise
        finally:
            self.is_over = True
            self.may_go_on.set()
            for client in self.clients:
                client.join()
                client.close()
        # What a function left behind that was ended in the middle of it.
        deadline = time.monotonic() + PATIENCE
        working = "SELECT FROM pg_stat_activity WHERE application_name = 'canvass' AND state <> 'idle'"
        while self.server.run(working) and time.monotonic() < deadline:
            time.sleep(0.02)

    def good_again(self):
        """Seconds from the mending until the last client was served again, and had no failure after that; None before."""
        slowest = 0
        for client in self.clients:
            since = [attempt for attempt in list(client.attempts) if attempt.began > self.mended]
            good = [attempt.ended for attempt in since if attempt.good]
            if not good:
                return None
            slowest = max(slowest, good[0], *(attempt.ended for attempt in since if not attempt.good))
        return slowest - self.mended

    def run(self):
        """All that is wrong, as lines of text."""
        self.play()
        if self.stood_still:
            began, ended = self.stood_still
            meanwhile = [sent for sent in self.sent() if sent.created_at and began < sent.began < ended]
            self.expect(meanwhile, "nothing was sent while the database stood still")
        took, within = self.good_again(), self.fault.within
        self.expect(took is not None, "somebody was never served again")
        self.expect(took is None or took <= within, f"it took more than {within} s until everybody was served again")
        self.expect(not self.fault.harmless or all(attempt.good for attempt in self.attempts()), "nothing was broken")
        self.facts = gather(self)
        complaints = self.complaints + [complaint for client in self.clients for complaint in client.complaints]
        return complaints + judge(self.sent(), self.facts, self.questions, self.stood_still)
