"""What Schemathesis needs to know about this API beyond its settings in schemathesis.toml, which names this file."""
import json
import os
import re

import schemathesis
from schemathesis.generation.meta import CoverageScenario
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# What edits and deletions are about, so that all others find what they are about as it was.
VICTIMS = json.loads(os.environ["VICTIMS"])
TAKING = {"editSurvey", "deleteSurvey", "editQuestion", "deleteQuestion", "deleteResponse"}

# What a request may be told although it is as its schema says, since no schema can say it: operation, place in `errors`, text.
UNSAYABLE = [
    # the calendar, and which day of the week a date is
    (".*", ".*", "must be a (date|time) like"),
    # a cursor is opaque
    (".*", "after", "must be the `next` of an earlier answer"),
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
    ("editSurvey", "responseLimit", "there are already"),
]


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def printable(value):
    """The same without control characters. A schema of any JSON could tell them only by containing itself, and generators
    of clients leave out the operations that have such a schema."""
    if isinstance(value, str):
        return re.sub(r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]", "", value)
    if isinstance(value, list):
        return [printable(item) for item in value]
    if isinstance(value, dict):
        return {printable(name): printable(item) for name, item in value.items()}
    return value


@schemathesis.deserializer("text/csv", "application/x-ndjson")
def text(context, response):
    return response.text


@schemathesis.hook
def map_case(context, case):
    if case.meta.generation.mode.is_positive and type(case.body) in (dict, list, str):
        case.body = printable(case.body)
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    if operation_id(case) in TAKING and isinstance(case.path_parameters, dict):
        case.path_parameters = {name: VICTIMS.get(value, value) for name, value in case.path_parameters.items()}
    # Header values are texts in UTF-8; Schemathesis sends Latin-1, to which the local gateway answers 500 by itself.
    for name, value in case.headers.items():
        if isinstance(value, str):
            case.headers[name] = value.encode().decode("latin-1")
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
