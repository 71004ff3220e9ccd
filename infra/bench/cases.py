"""What is measured: each operation of the contract at least once, by a name to ask for (`bench.py --only submit`)."""

import json
import sys
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Callable

import contract
from runtime import event
from world import MIXED, OPTIONS, PASSWORD, SETTINGS, bearer, choices

MANY, SOME, FEW = 400, 200, 50  # requests: that only read, that change something, that hash a password
WARM = 10                       # requests before them that are not counted
FLASKFORMS = "flaskforms-"      # begins the names of its paths


@dataclass
class Case:
    name: str
    what: str                        # for people
    route: str
    request: Callable = lambda i: {}  # what request number i has: path, headers, body, query
    times: int = MANY
    status: int = None               # what it must be answered with; else the first that the contract names
    function: str = None

    def __post_init__(self):
        operation = contract.operation(self.route)
        if operation:
            self.function = operation["x-function"]
            self.status = self.status or min(map(int, operation["responses"]))

    def events(self):
        return [event(*self.route.split(), **self.request(i)) for i in range(WARM + self.times)]

    def check(self, answer):
        if self.status and answer["statusCode"] != self.status:
            sys.exit(f"{self.name}: {self.route} was to be answered with {self.status}, not {json.dumps(answer)[:2000]}")


def all_cases(world):
    """Every case that the measured version has, in the order of the contract."""
    cases = [*accounts(world), *surveys(world), *questions(world), *responses(world), *results(world), *others(world)]
    missing = contract.OPERATIONS.keys() - {tuple(case.route.split()) for case in cases}
    if missing:
        sys.exit(f"Nothing in infra/bench/cases.py measures {', '.join(' '.join(each) for each in sorted(missing))}")
    return [case for case in cases if case.function]


def signed(account, **request):
    """A request with somebody's access token."""
    return {"headers": bearer(account["access_token"]), **request}


def accounts(world):
    @cache
    def tokens(kind):
        return world.fresh_tokens(kind, WARM + (SOME if kind == "access" else FEW))

    def newcomer(i):
        return {"username": f"new{i}", "email": f"new{i}@example.com", "password": PASSWORD}

    yield Case("register", "register", "POST /register", lambda i: {"body": newcomer(i)}, FEW)
    yield Case("login", "login", "POST /login", lambda i: {"body": {"username": "owner", "password": PASSWORD}}, SOME)
    yield Case("token-refresh", "a new access token", "POST /token/refresh",
               lambda i: {"headers": bearer(world.owner["refresh_token"])})
    yield Case("logout-access", "log out, access token", "POST /logout/access",
               lambda i: {"headers": bearer(tokens("access")[i])}, SOME)
    yield Case("logout-refresh", "log out, refresh token", "POST /logout/refresh",
               lambda i: {"headers": bearer(tokens("refresh")[i])}, FEW)


def surveys(world):
    owner, other, at = world.owner, world.other, {"idSurvey": world.popular}
    new = {"name": "New", "dueDate": "2099-12-31", "visibility": "unlisted", "questions": choices(20)}

    def victim(i, **request):
        return signed(other, path={"idSurvey": world.victims[i].survey}, **request)

    for name, path in ("add-survey", "/surveys"), (FLASKFORMS + "add-survey", "/addsurvey"):
        yield Case(name, "add a survey of 20 questions", f"POST {path}", lambda i: signed(owner, body=new), SOME)
    for name, path in ("own-surveys", "/surveys"), (FLASKFORMS + "own-surveys", "/getsurveys"):
        yield Case(name, "own surveys, 100", f"GET {path}", lambda i: signed(owner))
    for name, path in ("active-surveys", "/surveys/active"), (FLASKFORMS + "active-surveys", "/activesurveys"):
        yield Case(name, "98 active surveys of 20 questions", f"GET {path}")
    yield Case("survey", "a survey", "GET /surveys/{idSurvey}", lambda i: {"path": at})
    yield Case("survey-own", "a survey, by its owner", "GET /surveys/{idSurvey}", lambda i: signed(owner, path=at))
    yield Case("edit-survey", "edit a survey", "PATCH /surveys/{idSurvey}",
               lambda i: victim(i, body={"desc": f"Edit {i}"}), SOME)
    yield Case("delete-survey", "delete a survey of 20 questions", "DELETE /surveys/{idSurvey}", victim, SOME)
    yield Case("duplicate-survey", "duplicate a survey of 20 questions", "POST /surveys/{idSurvey}/duplicate",
               lambda i: signed(owner, path=at, body={}), SOME)


def questions(world):
    other, at = world.other, {"idSurvey": world.popular}
    route = "GET /surveys/{idSurvey}/questions"
    new = {"content": "Which pet?", "type": "single_choice", "replyContent": OPTIONS}

    def victim(i):
        return {"idSurvey": world.victims[i].survey}

    def question_of(i, **request):
        return signed(other, path={"idQuestion": world.victims[i].questions[0]}, **request)

    yield Case("questions", "20 questions", route, lambda i: {"path": at})
    if contract.takes(route, "If-None-Match"):
        etag = cache(lambda: world.etag(route, path=at))
        yield Case("questions-304", "20 questions, unchanged", route,
                   lambda i: {"path": at, "headers": {"if-none-match": etag()}}, status=304)
    yield Case(FLASKFORMS + "questions", "20 questions", "GET /getsurveyquestions",
               lambda i: {"headers": {"idsurvey": world.popular}})
    yield Case("add-question", "add a question", "POST /surveys/{idSurvey}/questions",
               lambda i: signed(other, path=victim(i), body=new), SOME)
    yield Case(FLASKFORMS + "add-question", "add a question", "POST /addquestion",
               lambda i: signed(other, query=victim(i), body={**new, "type": "single"}), SOME)
    yield Case("order-questions", "order 20 questions", "PUT /surveys/{idSurvey}/questions/order",
               lambda i: signed(other, path=victim(i), body={"order": world.victims[i].questions[::-1]}), SOME)
    yield Case("edit-question", "edit a question", "PATCH /questions/{idQuestion}",
               lambda i: question_of(i, body={"content": f"Edit {i}?"}), SOME)
    yield Case("delete-question", "delete a question", "DELETE /questions/{idQuestion}", question_of, SOME)


def responses(world):
    owner, at = world.owner, {"idSurvey": world.popular}
    submit, put, page = ("POST /surveys/{idSurvey}/responses", "PUT /surveys/{idSurvey}/responses/{idResponse}",
                         "GET /surveys/{idSurvey}/responses")
    one = {world.questions[0]: OPTIONS[0]}
    custom = next(question for question, (type, _, _) in zip(world.typed, MIXED) if type.startswith("x-"))

    def response(i):
        return {"idSurvey": world.popular, "idResponse": world.responses[i]}

    def own_id(i):
        return {"idSurvey": world.popular, "idResponse": str(uuid.uuid5(uuid.NAMESPACE_URL, f"respondent {i}"))}

    yield Case("submit-1", "response with 1 of 20 answers", submit, lambda i: {"path": at, "body": {"answers": one}}, SOME)
    yield Case("submit-20", "response with 20 of 20 choices", submit,
               lambda i: {"path": at, "body": {"answers": world.answers(i)}}, SOME)
    yield Case("submit-mixed", "response with an answer of each type", submit,
               lambda i: {"path": {"idSurvey": world.mixed}, "body": {"answers": world.typed}}, SOME)
    yield Case("put-response", "the same with an id of the client's", put,
               lambda i: {"path": own_id(i), "body": {"answers": world.answers(i)}}, SOME, 201)
    yield Case("put-again", "the same, sent a second time", put,
               lambda i: {"path": response(0), "body": {"answers": world.answers(0)}})
    yield Case("page", "page of 100 responses", page, lambda i: signed(owner, path=at))
    yield Case("page-gzip", "page of 100 responses, gzip accepted", page,
               lambda i: {"path": at, "headers": {**bearer(owner["access_token"]), "accept-encoding": "gzip"}})
    yield Case("page-csv", "page of 100 responses, CSV", page, lambda i: signed(owner, path=at, query={"format": "csv"}))
    yield Case("response", "a response", "GET /surveys/{idSurvey}/responses/{idResponse}",
               lambda i: signed(owner, path=response(i)))
    yield Case("delete-response", "delete a response", "DELETE /surveys/{idSurvey}/responses/{idResponse}",
               lambda i: signed(owner, path=response(i)), SOME)
    for name, question, reply in ("custom", custom, {"calm": 1}), ("typed", world.questions[0], OPTIONS[0]):
        yield Case(f"reply-{name}", f"single reply, {name}", "POST /questions/{idQuestion}/replies",
                   lambda i, question=question, reply=reply: {"path": {"idQuestion": question}, "body": {"reply": reply}}, SOME)
    yield Case(FLASKFORMS + "reply", "single reply, custom", "POST /addreply",
               lambda i: {"headers": {"idquestion": custom}, "body": {"reply": {"calm": 1}}}, SOME)


def results(world):
    owner, at, route = world.owner, {"idSurvey": world.popular}, "GET /surveys/{idSurvey}/stats"
    answers = "GET /surveys/{idSurvey}/questions/{idQuestion}/answers"
    yield Case("results", "results of 20 questions", route, lambda i: signed(owner, path=at))
    yield Case("results-public", "the same, for anyone", route, lambda i: {"path": at})
    if contract.takes(route, "answers"):
        yield Case("results-answers", "the same, with answers", route,
                   lambda i: signed(owner, path=at, query={"answers": "true"}))
    if contract.takes(route, "If-None-Match"):
        etag = cache(lambda: world.etag(route, path=at))
        yield Case("results-304", "the same, unchanged", route,
                   lambda i: {"path": at, "headers": {"if-none-match": etag()}}, status=304)
    yield Case("answers", "page of 100 answers to a question", answers,
               lambda i: signed(owner, path={**at, "idQuestion": world.questions[0]}))
    yield Case(FLASKFORMS + "results", "results with answers", "GET /getsurveystats",
               lambda i: {"headers": {**bearer(owner["access_token"]), "idsurvey": world.popular}})


def others(world):
    key = {"headers": bearer(SETTINGS["DEBUGGING_KEY"])}
    for name, what, route, path in (("openapi", "the contract as JSON", "GET /openapi.json", {}),
                                    ("docs", "its page", "GET /docs", {}),
                                    ("docs-asset", "a file of the page", "GET /docs/{asset}", {"asset": "licenses.txt"})):
        etag = cache(lambda route=route, path=path: world.etag(route, path=path))
        yield Case(name, what, route, lambda i, path=path: {"path": path}, SOME)
        yield Case(f"{name}-304", f"{what}, unchanged", route,
                   lambda i, path=path, etag=etag: {"path": path, "headers": {"if-none-match": etag()}}, status=304)
    yield Case("health", "health", "GET /health")
    yield Case("users", "users, for debugging", "GET /users", lambda i: key)
    yield Case("delete-users", "delete all users, when there are none", "DELETE /users", lambda i: key, SOME)
    yield Case("purge", "the purge of each day, when there is nothing", "POST /purge", times=SOME, function="purge")
