"""What Schemathesis needs to know about this API beyond its settings in schemathesis.toml, which names this file."""
import json
import os
import re

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.generation.meta import CoverageScenario
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

# Ids of what the examples are about, and of what takes their place where something is changed or deleted, so that all
# others find them as they were.
VICTIMS = json.loads(os.environ["VICTIMS"])
CHANGING = {"editSurvey", "deleteSurvey", "addQuestion", "flaskFormsAddQuestion", "editQuestion", "deleteQuestion",
            "deleteResponse"}
ANSWERING = {"submitResponse", "putResponse", "addReply"}

# What a request may be told although it is as its schema says, since no schema can say it: operation, place in `errors`, text.
UNSAYABLE = [
    # the calendar, and which day of the week a date is
    ("(add|edit)Survey", "dueDate|opensAt", "must be a date like"),
    # a cursor is opaque
    (".*", "after", "must be the `next` of an earlier answer|belongs to another survey"),
    # how rules hang together
    ("add(Survey|Question)", ".*replyContent.*", r"is above \w+|must be below max|is there twice|all are retired|there are only \d+"),
    # decimal digits; `multipleOf` is reckoned in binary ones
    ("add(Survey|Question)", ".*replyContent.*", "at most 6 digits behind the point"),
    # what is a regular expression, and of which kind
    ("add(Survey|Question)", ".*replyContent.pattern", "is no regular expression|needs a maxLength|at most 500 bytes"),
    # a type in use decides what its rules may be
    ("editQuestion", "replyContent.*|type", ".*"),
    # the survey that it is about
    ("addQuestion", "idSurvey", "may have at most 500 questions"),
    ("orderQuestions", "order", "must have the id of every question"),
    ("editSurvey", "responseLimit", "there are more responses already"),
]


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def texts(how, value):
    """The same with each text changed."""
    if type(value) is str:  # Schemathesis has a kind of str for bytes
        return how(value)
    if isinstance(value, list):
        return [texts(how, item) for item in value]
    if isinstance(value, dict):
        return {texts(how, name): texts(how, item) for name, item in value.items()}
    return value


def change(case, place, how):
    """Change the texts in a part of a request. Schemathesis judges anew what it is given, so it is given changes alone."""
    value = texts(how, getattr(case, place))
    if value != getattr(case, place):
        setattr(case, place, value)


def printable(text):
    """Without control characters. A schema of any JSON could tell them only by containing itself, and generators of clients
    leave out the operations that have such a schema."""
    return re.sub(r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]", "", text)


@schemathesis.deserializer("text/csv", "application/x-ndjson")
def text(context, response):
    return response.text


@schemathesis.hook
def map_case(context, case):
    if case.meta.generation.mode.is_positive:
        change(case, "body", printable)
    # Random answers are never good. To the survey of the examples those of the examples are.
    if case.body == {"answers": {}} and case.path_parameters.get("idSurvey") in VICTIMS:
        case.body = case.operation.definition.raw["requestBody"]["content"]["application/json"]["example"]
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    victims = VICTIMS if operation_id(case) in CHANGING else {}
    for place in "path_parameters", "query", "body":
        change(case, place, lambda text: victims.get(text, text))
    # Header values are texts in UTF-8; Schemathesis sends Latin-1, to which the local gateway answers 500 by itself.
    for name, value in case.headers.items():
        if isinstance(value, str):
            case.headers[name] = victims.get(value, value).encode().decode("latin-1")
    # It does so, too, with a body that is not UTF-8 unless the Content-Type says that it is no text. The functions read a
    # body alike whatever that says.
    body = getattr(case.body, "data", case.body)
    if isinstance(body, bytes):
        try:
            body.decode()
        except UnicodeDecodeError:
            case.headers["Content-Type"] = "application/octet-stream"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    # `null` is no body. A schema that said so would have it in the types of every client.
    if isinstance(failure, AcceptedNegativeData) and case.body is None:
        return False
    # For those who answer, a draft doesn't exist.
    if isinstance(failure, EnsureResourceAvailability) and operation_id(case) in ANSWERING:
        return False
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    operation = operation_id(case)
    return not all(
        any(re.fullmatch(o, operation) and re.fullmatch(p, place) and re.search(t, text) for o, p, t in UNSAYABLE)
        for place, text in response.json().get("errors", {"": ""}).items()
    )


@schemathesis.check
def no_route_like_api_gateway(context, response, case):
    """A method without a route gets 404, and not 405 with `Allow`: API Gateway can't do better, nor the local one."""
    data = case.meta and case.meta.phase.data
    if getattr(data, "scenario", None) == CoverageScenario.UNSPECIFIED_HTTP_METHOD:
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"}), response.text
