"""What is in the database when a function is measured, made through the functions themselves."""

import json
import sys
from typing import NamedTuple

import contract
from runtime import Function, event

SURVEYS, PUBLIC = 100, 98     # of one owner, and how many of them are listed for everybody
OPTIONS = ["never", "sometimes", "often", "always"]
PASSWORD = "correct horse"
SETTINGS = {"JWT_SECRET_KEY": "a key for measuring, which is long enough", "STAGE": "dev",
            "DEBUGGING_KEY": "a-key-for-debugging-which-is-long-enough"}
# A question of each type, with an answer; what the answers are is counted in as many ways.
MIXED = [
    ("short_text", {"maxLength": 20}, "tortoiseshell"), ("long_text", None, "It sleeps where the sun is.\n" * 5),
    ("number", {"min": 0, "max": 1000, "step": 0.5}, 12.5), ("boolean", None, True), ("single_choice", OPTIONS, "often"),
    ("multi_choice", {"options": OPTIONS, "other": True}, ["never", "often", {"other": "on Sundays"}]),
    ("ranking", OPTIONS, ["often", "never", "always", "sometimes"]), ("scale", {"min": 1, "max": 5}, 4), ("nps", None, 9),
    ("matrix", {"rows": ["walk", "play"], "columns": ["daily", "never"]}, {"walk": "daily", "play": "never"}),
    ("date", None, "2029-12-31"), ("time", None, "09:30"), ("datetime", None, "2029-12-31T09:30:00Z"),
    ("x-mood", None, {"calm": 1}),
]


def choices(count):
    """So many questions, each of four options."""
    return [{"content": f"How often does number {n} happen?", "type": "single_choice", "replyContent": OPTIONS}
            for n in range(count)]


class Victim(NamedTuple):
    survey: str
    questions: list


class World:
    """A popular survey among the hundred of its owner, and `victims`: surveys that a request each may spoil."""

    def __init__(self, server, questions=20, responses=900, victims=0):
        self.server, self.running = server, {}
        self.database = server.create()
        migrated, said = contract.example("migrate", server.url(self.database))
        if not migrated:
            sys.exit(said)
        self.owner, self.other = self.account("owner"), self.account("other")
        body = {"dueDate": "2099-12-31", "publicStats": True, "questions": choices(questions)}
        self.surveys = [self.add(self.owner, f"Survey {n}", body, visibility="public" if n < PUBLIC else "unlisted")
                        for n in range(SURVEYS)]
        self.popular, self.questions = self.surveys[0], self.questions_of(self.surveys[0])
        self.responses = [self.submit(self.popular, self.answers(i)) for i in range(responses)]
        self.mixed = self.add(self.other, "One of each", {"dueDate": "2099-12-31", "questions": [
            {"content": f"A {type}?", "type": type, "replyContent": rules} for type, rules, _ in MIXED]}, visibility="unlisted")
        self.typed = dict(zip(self.questions_of(self.mixed), (answer for _, _, answer in MIXED)))
        self.victims = [self.victim(f"Victim {n}", body) for n in range(victims)]
        self.stop()
        server.tidy(self.database)

    def function(self, route):
        name = contract.operation(route)["x-function"]
        if name not in self.running:
            self.running[name] = Function(contract.binary(name), DATABASE_URL=self.server.url(self.database), **SETTINGS)
        return self.running[name]

    def answer(self, route, token=None, **request):
        """The answer to a request, which must be no failure."""
        answer = self.function(route).invoke(event(*route.split(), headers=bearer(token) if token else {}, **request))[1]
        return answer if answer["statusCode"] < 300 else sys.exit(f"{route} answered {answer}")

    def ask(self, *route, **request):
        return json.loads(self.answer(*route, **request)["body"])

    def stop(self):
        """End the functions that made all this: who has connections to a database can't copy it."""
        for function in self.running.values():
            function.close()
        self.running = {}

    def account(self, name):
        return self.ask("POST /register", body={"username": name, "email": f"{name}@example.com", "password": PASSWORD})

    def renew(self):
        """Access tokens end after 15 minutes, and all this may take longer."""
        for account in self.owner, self.other:
            account.update(self.ask("POST /token/refresh", account["refresh_token"]))
        self.stop()

    def add(self, account, name, body, **more):
        return self.ask("POST /surveys", account["access_token"], body={"name": name, **body, **more})["id"]

    def questions_of(self, survey):
        answer = self.ask("GET /surveys/{idSurvey}/questions", path={"idSurvey": survey})
        return [each["id"] for each in answer["questions"]]

    def victim(self, name, body):
        """A survey with a response."""
        survey = self.add(self.other, name, body, visibility="unlisted")
        questions = self.questions_of(survey)
        self.submit(survey, {each: OPTIONS[0] for each in questions})
        return Victim(survey, questions)

    def submit(self, survey, answers):
        route = "POST /surveys/{idSurvey}/responses"
        return self.ask(route, path={"idSurvey": survey}, body={"answers": answers})["id"]

    def answers(self, i):
        """What respondent number i says to the popular survey."""
        return {question: OPTIONS[(i + n) % 4] for n, question in enumerate(self.questions)}

    def etag(self, route, token=None, **request):
        """Of the answer to a request; None if it has none."""
        headers = self.answer(route, token, **request)["headers"]
        self.stop()
        return next((value for name, value in headers.items() if name.lower() == "etag"), None)

    def fresh_tokens(self, kind, count):
        """As many tokens, to be revoked one by one."""
        route, token = ("POST /token/refresh", self.owner["refresh_token"]) if kind == "access" else ("POST /login", None)
        body = {"body": {"username": "owner", "password": PASSWORD}} if kind == "refresh" else {}
        tokens = [self.ask(route, token, **body)[f"{kind}_token"] for _ in range(count)]
        self.stop()
        return tokens


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def recount(server, database):
    """Stop unless every counter of the database says what its responses say."""
    agrees, said = contract.example("recount", server.url(database))
    if not agrees:
        sys.exit(f"The counters of the data to measure on are wrong:\n{said}")
